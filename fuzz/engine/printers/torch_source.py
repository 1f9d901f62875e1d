"""SymPy to torch, for the independent engine: values only, which torch differentiates by itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import sympy as sp
import torch

from fuzz.engine.printers.numpy_source import function_source
from fuzz.engine.printers.source import Target

TORCH = Target(
    functions={
        "exp": "torch.exp",
        "log": "torch.log",
        "tanh": "torch.tanh",
        "exprel": "exprel",
        "exprel2": "exprel2",
        "balance": "balance",
        "cos": "torch.cos",
        "sin": "torch.sin",
        "sqrt": "torch.sqrt",
        "abs": "torch.abs",
        "floor": "torch.floor",
        "power": "torch.pow",
        "minimum": "minimum",
        "maximum": "maximum",
    },
    select="select({condition}, {then}, {otherwise})",
)


def _tensor(number: torch.Tensor | float) -> torch.Tensor:
    return torch.as_tensor(number, dtype=torch.float64)


def _minimum(a: torch.Tensor | float, b: torch.Tensor | float) -> torch.Tensor:
    return torch.minimum(_tensor(a), _tensor(b))


def _maximum(a: torch.Tensor | float, b: torch.Tensor | float) -> torch.Tensor:
    return torch.maximum(_tensor(a), _tensor(b))


def _select(condition: torch.Tensor, then: torch.Tensor | float, otherwise: torch.Tensor | float) -> torch.Tensor:
    return torch.where(condition, _tensor(then), _tensor(otherwise))


# Denominators are kept from 0 before they divide, since torch differentiates the branch that is not taken as well.


def _exprel(number: torch.Tensor | float) -> torch.Tensor:
    t = _tensor(number)
    s = torch.where(t == 0, 1.0, t)
    return torch.where(t == 0, 1.0 + t / 2, torch.expm1(s) / s)


def _exprel2(number: torch.Tensor | float) -> torch.Tensor:
    t = _tensor(number)
    near = t.abs() < 0.5
    q, s = torch.where(near, t, 0.0), torch.where(near, 1.0, t)
    series = torch.ones_like(t)
    for n in range(16, 2, -1):
        series = 1 + series * q / n
    return torch.where(near, series, 2 * ((torch.expm1(s) - s) / s / s))


def _balance(one: torch.Tensor | float, other: torch.Tensor | float) -> torch.Tensor:
    u, v = _tensor(one), _tensor(other)
    size = u.abs() + v.abs()
    return (u + v) / torch.where(size == 0, 1.0, size)


@lru_cache(maxsize=512)
def torch_function(expression: sp.Basic, arguments: tuple[sp.Symbol, ...]) -> Callable[..., Any]:
    """A function of float64 tensors, one for each of ``arguments``; a constant gives a Python float.

    Raises:
        UnprintableError: at a node that the printer does not know.
    """
    namespace: dict[str, Any] = {"torch": torch, "minimum": _minimum, "maximum": _maximum, "select": _select}
    namespace |= {"exprel": _exprel, "exprel2": _exprel2, "balance": _balance}
    exec(function_source(expression, arguments, TORCH), namespace)
    formula: Callable[..., Any] = namespace["formula"]
    return formula

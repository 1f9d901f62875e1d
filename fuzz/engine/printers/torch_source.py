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


def _namespace(dtype: torch.dtype) -> dict[str, Any]:
    """What formulas call, in one type of numbers."""

    def tensor(number: torch.Tensor | float) -> torch.Tensor:
        return torch.as_tensor(number, dtype=dtype)

    # Denominators are kept from 0 before they divide, since torch differentiates the branch that is not taken as well.

    def exprel(number: torch.Tensor | float) -> torch.Tensor:
        t = tensor(number)
        s = torch.where(t == 0, 1.0, t)
        return torch.where(t == 0, 1.0 + t / 2, torch.expm1(s) / s)

    def exprel2(number: torch.Tensor | float) -> torch.Tensor:
        t = tensor(number)
        near = t.abs() < 0.5
        q, s = torch.where(near, t, 0.0), torch.where(near, 1.0, t)
        series = torch.ones_like(t)
        for n in range(16, 2, -1):
            series = 1 + series * q / n
        return torch.where(near, series, 2 * ((torch.expm1(s) - s) / s / s))

    def balance(one: torch.Tensor | float, other: torch.Tensor | float) -> torch.Tensor:
        u, v = tensor(one), tensor(other)
        size = u.abs() + v.abs()
        return (u + v) / torch.where(size == 0, 1.0, size)

    return {
        "torch": torch,
        "minimum": lambda a, b: torch.minimum(tensor(a), tensor(b)),
        "maximum": lambda a, b: torch.maximum(tensor(a), tensor(b)),
        "select": lambda condition, then, otherwise: torch.where(condition, tensor(then), tensor(otherwise)),
        "exprel": exprel,
        "exprel2": exprel2,
        "balance": balance,
    }


@lru_cache(maxsize=512)
def torch_function(
    expression: sp.Basic, arguments: tuple[sp.Symbol, ...], dtype: torch.dtype = torch.float64
) -> Callable[..., Any]:
    """A function of tensors of one type, one for each of ``arguments``; a constant gives a Python float.

    Raises:
        UnprintableError: at a node that the printer does not know.
    """
    namespace = _namespace(dtype)
    exec(function_source(expression, arguments, TORCH), namespace)
    formula: Callable[..., Any] = namespace["formula"]
    return formula

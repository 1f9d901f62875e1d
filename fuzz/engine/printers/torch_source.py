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
    def tensor(number: torch.Tensor | float) -> torch.Tensor:
        return torch.as_tensor(number, dtype=dtype)

    return {
        "torch": torch,
        "minimum": lambda a, b: torch.minimum(tensor(a), tensor(b)),
        "maximum": lambda a, b: torch.maximum(tensor(a), tensor(b)),
        "select": lambda condition, then, otherwise: torch.where(condition, tensor(then), tensor(otherwise)),
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

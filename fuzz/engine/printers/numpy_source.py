"""SymPy to NumPy, for the readable reference engine and for whatever is computed once per instance."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

from fuzz.engine.printers.source import SourcePrinter, Target

NUMPY = Target(
    functions={
        "exp": "np.exp",
        "log": "np.log",
        "tanh": "np.tanh",
        "cos": "np.cos",
        "sin": "np.sin",
        "sqrt": "np.sqrt",
        "abs": "np.abs",
        "floor": "np.floor",
        "power": "np.power",
        "minimum": "np.minimum",
        "maximum": "np.maximum",
    },
    select="np.where({condition}, {then}, {otherwise})",
)


def function_source(expression: sp.Basic, arguments: tuple[sp.Symbol, ...], target: Target) -> str:
    """Source of ``def formula(a0, a1, ...)`` that evaluates ``expression``.

    Raises:
        UnprintableError: at a node that the printer does not know.
    """
    names = {symbol: f"a{k}" for k, symbol in enumerate(arguments)}
    printer = SourcePrinter(target, names)
    result = printer.print(expression)
    body = "".join(f"    {line}\n" for line in [*printer.lines, f"return {result}"])
    return f"def formula({', '.join(names.values())}):\n{body}"


@lru_cache(maxsize=512)
def numpy_function(expression: sp.Basic, arguments: tuple[sp.Symbol, ...]) -> Callable[..., Any]:
    """A function of arrays, one for each of ``arguments``; shapes broadcast. A constant gives a Python float.

    Raises:
        UnprintableError: at a node that the printer does not know.
    """
    namespace: dict[str, Any] = {"np": np}
    exec(function_source(expression, arguments, NUMPY), namespace)
    formula: Callable[..., Any] = namespace["formula"]
    return formula

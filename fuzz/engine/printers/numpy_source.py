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
        "exprel": "exprel",
        "exprel2": "exprel2",
        "balance": "balance",
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


EXPREL = """\
def exprel(t):  # (e^t - 1)/t
    s = np.where(t == 0, 1, t)
    return np.where(t == 0, 1, np.expm1(s) / s)


def exprel2(t):  # 2 (e^t - 1 - t)/t^2, by its Taylor series near 0
    p, q, s = 1.0, np.clip(t, -0.5, 0.5), np.where(np.abs(t) < 0.5, 1, t)
    for n in range(16, 2, -1):
        p = 1 + p * q / n
    return np.where(np.abs(t) < 0.5, p, 2 * ((np.expm1(s) - s) / s / s))
"""
BALANCE = """\
def balance(u, v):  # (u + v)/(|u| + |v|)
    s = np.abs(u) + np.abs(v)
    return (u + v) / np.where(s == 0, 1, s)
"""
"""What NumPy lacks, as text: a reader's script needs it too."""


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
    exec(EXPREL + BALANCE, namespace)
    exec(function_source(expression, arguments, NUMPY), namespace)
    formula: Callable[..., Any] = namespace["formula"]
    return formula

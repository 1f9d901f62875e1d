"""SymPy to scalar source inside a loop over lanes, which Numba compiles and LLVM vectorises.

The functions are those of ``vmath.py``, which is joined with what is printed here.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from fuzz.engine.printers.source import SourcePrinter, Target

_FUNCTIONS = {
    "exp": "vexp",
    "log": "vlog",
    "tanh": "vtanh",
    "exprel": "vexprel",
    "exprel2": "vexprel2",
    "balance": "vbalance",
    "cos": "vcos",
    "cos_turns": "vcos_turns",
    "sin": "vsin",
    "sqrt": "np.sqrt",
    "abs": "abs",
    "floor": "np.floor",
    "power": "vpower",
    "minimum": "min",
    "maximum": "max",
    "fma": "fma",
}

_SELECT = "({then} if {condition} else {otherwise})"


@dataclass(frozen=True)
class Kernel:
    """The inside of a loop over lanes.

    Args:
        lines: assignments, then one expression: the result.
        hoisted: formulas in the parameters that are evaluated once per instance and coordinate: ``h0, h1, ...``.
        reads: the text that reads each from an array of hoisted numbers, ``{place}`` being its subscript.
    """

    lines: tuple[str, ...]
    hoisted: tuple[sp.Expr, ...]
    reads: tuple[str, ...]


def numba_kernel(
    expression: sp.Expr, parameters: tuple[sp.Symbol, ...], names: dict[sp.Symbol, str], single: bool = False
) -> Kernel:
    """Print ``expression``; what depends on ``parameters`` alone is hoisted.

    Args:
        expression: the formula.
        parameters: symbols that are constant in the loop.
        names: source text of the other symbols.
        single: write numbers as float32, so that they do not widen the arithmetic.

    Raises:
        UnprintableError: at a node that the printer does not know.
    """
    target = Target(_FUNCTIONS, _SELECT, "real({value})" if single else "{value}")
    printer = SourcePrinter(target, names, frozenset(parameters))
    result = printer.print(expression)
    # As they are stored: gradients have theirs in the precision of the states.
    return Kernel((*printer.lines, result), tuple(printer.hoisted), ("h{place}",) * len(printer.hoisted))

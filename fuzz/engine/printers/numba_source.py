"""SymPy to scalar source inside a loop over lanes, which Numba compiles and LLVM vectorises.

The functions are those of ``vmath.py``, which is joined with what is printed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp

from fuzz.engine.printers.source import SourcePrinter, Target

_FUNCTIONS = {
    "exp": "vexp",
    "log": "vlog",
    "tanh": "vtanh",
    "exprel": "vexprel",
    "exprel2": "vexprel2",
    "growth": "vgrowth",
    "signed": "signed",
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

# What gradients of float32 states need is there in float32.
_SINGLE_FUNCTIONS = _FUNCTIONS | {"tanh": "tanh_32", "growth": "growth_32", "signed": "signed_32"}

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


def _target(single: bool) -> Target:
    return Target(_SINGLE_FUNCTIONS, _SELECT, "real({value})") if single else Target(_FUNCTIONS, _SELECT, "{value}")


def numba_kernel(
    expression: sp.Expr, parameters: tuple[sp.Symbol, ...], names: dict[sp.Symbol, str], single: bool = False
) -> Kernel:
    """Print ``expression``; what depends on ``parameters`` alone is hoisted.

    Args:
        expression: the formula.
        parameters: symbols that are constant in the loop.
        names: source text of the other symbols.
        single: write numbers as float32, so that they do not widen the arithmetic, and call functions in float32
            where there are such.

    Raises:
        UnprintableError: at a node that the printer does not know.
    """
    target = _target(single)
    printer = SourcePrinter(target, names, frozenset(parameters))
    result = printer.print(expression)
    # As they are stored: gradients have theirs in the precision of the states.
    return Kernel((*printer.lines, result), tuple(printer.hoisted), ("h{place}",) * len(printer.hoisted))


def numba_pair(
    expression: sp.Expr,
    change: Mapping[sp.Symbol, sp.Symbol],
    parameters: tuple[sp.Symbol, ...],
    names: dict[sp.Symbol, str],
    read: str,
    single: bool = False,
) -> Kernel:
    """Print ``expression`` for coordinate j, as the result, and with ``change`` for j + 1, as ``second``.

    What does not change is evaluated once. Numbers are those that :func:`numba_kernel` hoists for one coordinate.

    Args:
        expression: the formula.
        change: what the other coordinate reads instead.
        parameters: symbols that are constant in the loop; each coordinate has its own.
        names: source text of the other symbols.
        read: the text that reads a hoisted number, ``{place}`` being its subscript.
        single: as for :func:`numba_kernel`.

    Raises:
        UnprintableError: at a node that the printer does not know.
    """
    alone = numba_kernel(expression, parameters, names, single).hoisted
    others = {p: sp.Symbol(f"next_{p.name}", **p.assumptions0) for p in parameters}
    target = _target(single)
    printer = SourcePrinter(target, names, frozenset({*parameters, *others.values()}))
    first, second = printer.print_all([expression, expression.xreplace({**change, **others})])
    back = {other: p for p, other in others.items()}
    reads = []
    for number in printer.hoisted:
        row = "j + 1" if number.free_symbols & set(back) else "j"
        reads.append(read.format(place=f"[instance, {row}, {alone.index(number.xreplace(back))}]"))
    return Kernel((*printer.lines, f"second = {second}", first), tuple(printer.hoisted), tuple(reads))

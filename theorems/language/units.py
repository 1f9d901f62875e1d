"""Units and scalings: every statement must survive ``f -> a f`` and ``x -> b x``.

With ``[f] = F`` and ``[x] = X`` a unit is a pair of rational exponents. Units are an obligation of the
prover and not of construction, so that a statement with a unit error can be stated and judged.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp
from sympy.core.relational import Relational
from sympy.logic.boolalg import Boolean, BooleanAtom, BooleanFunction


class UnitError(ValueError):
    """Two parts of an expression carry different units; the text shows both."""


@dataclass(frozen=True)
class Unit:
    """``F**value * X**position``, exponents rational."""

    value: sp.Rational
    position: sp.Rational

    def __mul__(self, other: Unit) -> Unit:
        return Unit(self.value + other.value, self.position + other.position)

    def __pow__(self, exponent: sp.Rational) -> Unit:
        return Unit(self.value * exponent, self.position * exponent)

    def scale(self, a: sp.Expr, b: sp.Expr) -> sp.Expr:
        """The factor by which such a number changes under ``f -> a f``, ``x -> b x``."""
        return a**self.value * b**self.position

    def __str__(self) -> str:
        parts = [
            name if power == 1 else f"{name}^{power}"
            for name, power in (("F", self.value), ("X", self.position))
            if power != 0
        ]
        return " ".join(parts) or "1"


def unit(value: int | sp.Rational, position: int | sp.Rational) -> Unit:
    """``unit(1, -1)`` is F/X, the unit of a gradient."""
    return Unit(sp.Rational(value), sp.Rational(position))


ONE = unit(0, 0)
OBJECTIVE_VALUE = unit(1, 0)
LENGTH = unit(0, 1)
GRADIENT = unit(1, -1)
CURVATURE = unit(1, -2)
STEP_SIZE = unit(-1, 2)
INVERSE_LENGTH = unit(0, -1)


def unit_of(expression: sp.Basic) -> Unit | None:
    """The unit of an expression; ``None`` for an exact zero, which fits every unit.

    Raises:
        UnitError: where two terms that are added or compared differ, naming both.
    """
    own = getattr(expression, "unit", None)
    if isinstance(own, Unit):
        return own
    if expression == 0:
        return None
    if expression.is_number:
        return ONE
    if isinstance(expression, sp.Mul):
        result: Unit | None = ONE
        for factor in expression.args:
            factor_unit = unit_of(factor)
            result = None if result is None or factor_unit is None else result * factor_unit
        return result
    if isinstance(expression, sp.Pow):
        base, exponent = expression.args
        _require_unitless(exponent, expression)
        base_unit = unit_of(base)
        if base_unit is None or base_unit == ONE:
            return base_unit
        if not isinstance(exponent, sp.Rational):
            raise UnitError(f"{base} has unit {base_unit} and a power that is not a rational number: {expression}")
        return base_unit**exponent
    if isinstance(expression, sp.Add | sp.Min | sp.Max):
        return _common(expression.args, expression)
    if isinstance(expression, sp.Abs):
        return unit_of(expression.args[0])
    if isinstance(expression, sp.Piecewise):
        for _, condition in expression.args:
            check_condition(condition)
        return _common([value for value, _ in expression.args], expression)
    raise UnitError(f"no unit is known for {expression} ({type(expression).__name__})")


def check_condition(condition: sp.Basic) -> None:
    """Check that both sides of every comparison in a condition have one unit (raises UnitError)."""
    if isinstance(condition, BooleanAtom):
        return
    if isinstance(condition, Relational):
        _common(condition.args, condition)
        return
    if isinstance(condition, BooleanFunction):
        for part in condition.args:
            check_condition(part)
        return
    raise UnitError(f"not a condition: {condition}")


def scaled(expression: sp.Basic, a: sp.Expr, b: sp.Expr) -> sp.Basic:
    """``expression`` with every parameter transformed by its unit under ``f -> a f``, ``x -> b x``."""
    swap = {s: s * s.unit.scale(a, b) for s in expression.free_symbols if isinstance(getattr(s, "unit", None), Unit)}
    return expression.xreplace(swap)


def _common(parts: tuple[sp.Basic, ...] | list[sp.Basic], whole: sp.Basic) -> Unit | None:
    found: Unit | None = None
    witness: sp.Basic | None = None
    for part in parts:
        part_unit = unit_of(part)
        if part_unit is None:
            continue
        if found is None:
            found, witness = part_unit, part
        elif found != part_unit:
            raise UnitError(f"{witness} has unit {found} but {part} has unit {part_unit}, in {whole}")
    return found


def _require_unitless(part: sp.Basic, whole: sp.Basic) -> None:
    part_unit = unit_of(part)
    if part_unit not in (None, ONE):
        raise UnitError(f"the exponent {part} has unit {part_unit}, in {whole}")


def is_condition(thing: object) -> bool:
    """Whether ``thing`` is a SymPy condition (a comparison or a combination of comparisons)."""
    # A SymPy symbol is a Boolean too; here letters are numbers.
    return isinstance(thing, Boolean) and not isinstance(thing, sp.Expr)

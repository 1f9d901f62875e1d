"""Exact decisions: no float ever decides whether a relation holds.

Numbers are rationals, square roots (rational powers) of such, and roots of integer polynomials, as solvers return
them. Signs are decided by ball arithmetic of growing precision, and zeros by minimal polynomials.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flint
import sympy as sp
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanAtom
from sympy.polys.polyerrors import NotAlgebraic
from sympy.polys.rootoftools import ComplexRootOf

_PRECISIONS = (64, 256, 1024, 4096)


class Undecided(ArithmeticError):
    """A sign could not be decided, or an expression has no exact value (a division by zero, a foreign function)."""


def holds(condition: sp.Basic | bool, values: Mapping[Any, sp.Expr]) -> bool | None:
    """Whether a condition holds at exact values; ``None`` where that cannot be decided.

    Values may be given for any atom, also for ``Average(...)`` and other uninterpreted terms.
    """
    try:
        return _holds(condition, values)
    except (Undecided, NotAlgebraic, NotImplementedError, ZeroDivisionError):
        return None


def value(expression: sp.Expr, values: Mapping[Any, sp.Expr]) -> sp.Expr:
    """The exact value of an expression.

    Raises:
        Undecided: if a letter has no value, a branch cannot be decided, or the value is not a real number.
    """
    if expression in values:
        return values[expression]
    if isinstance(expression, sp.Rational | ComplexRootOf):
        return expression
    if isinstance(expression, sp.Add | sp.Mul):
        return expression.func(*(value(a, values) for a in expression.args))
    if isinstance(expression, sp.Pow):
        base, exponent = (value(a, values) for a in expression.args)
        if not isinstance(exponent, sp.Rational):
            raise Undecided(f"power {exponent}")
        if exponent < 0 and sign(base) == 0:
            raise Undecided("division by zero")
        if not exponent.is_Integer and sign(base) < 0:
            raise Undecided(f"root of the negative number {base}")
        return sp.expand(base**exponent) if exponent.is_Integer and exponent > 0 else base**exponent
    if isinstance(expression, sp.Min | sp.Max):
        best, *rest = (value(a, values) for a in expression.args)
        wanted = 1 if isinstance(expression, sp.Max) else -1
        for other in rest:
            best = other if sign(other - best) == wanted else best
        return best
    if isinstance(expression, sp.Abs):
        inner = value(expression.args[0], values)
        return -inner if sign(inner) < 0 else inner
    if isinstance(expression, sp.Piecewise):
        for branch, condition in expression.args:
            if _holds(condition, values):
                return value(branch, values)
    raise Undecided(f"no exact value for {expression}")


def sign(number: sp.Expr) -> int:
    """-1, 0 or 1, rigorously (raises Undecided)."""
    if isinstance(number, sp.Rational):
        return int(bool(number > 0)) - int(bool(number < 0))
    before = flint.ctx.prec
    try:
        for precision in _PRECISIONS:
            flint.ctx.prec = precision
            ball = _ball(number, precision)
            if ball > 0:
                return 1
            if ball < 0:
                return -1
            if precision == _PRECISIONS[1] and _is_zero(number):
                return 0
    finally:
        flint.ctx.prec = before
    raise Undecided(f"sign of {number}")


def _holds(condition: sp.Basic | bool, values: Mapping[Any, sp.Expr]) -> bool:
    if isinstance(condition, bool | BooleanAtom):
        return bool(condition)
    if isinstance(condition, sp.And):
        # A part that is false settles a conjunction even where another cannot be evaluated (it may be a guard).
        parts = [holds(part, values) for part in condition.args]
        if False in parts:
            return False
        if None in parts:
            raise Undecided(str(condition))
        return True
    if isinstance(condition, sp.Or):
        return not _holds(sp.And(*(sp.Not(part, evaluate=False) for part in condition.args), evaluate=False), values)
    if isinstance(condition, sp.Not):
        return not _holds(condition.args[0], values)
    if isinstance(condition, sp.Implies):
        left, right = condition.args
        return _holds(sp.Or(sp.Not(left, evaluate=False), right, evaluate=False), values)
    if isinstance(condition, Relational):
        order = sign(sp.expand(value(condition.lhs, values) - value(condition.rhs, values)))
        return {
            sp.Eq: order == 0,
            sp.Ne: order != 0,
            sp.Le: order <= 0,
            sp.Lt: order < 0,
            sp.Ge: order >= 0,
            sp.Gt: order > 0,
        }[type(condition)]
    raise Undecided(f"not a condition: {condition}")


def _ball(number: sp.Expr, precision: int) -> Any:
    if isinstance(number, sp.Rational):
        return flint.arb(flint.fmpq(int(number.p), int(number.q)))
    if isinstance(number, sp.Add):
        return sum((_ball(a, precision) for a in number.args), flint.arb(0))
    if isinstance(number, sp.Mul):
        product = flint.arb(1)
        for factor in number.args:
            product *= _ball(factor, precision)
        return product
    if isinstance(number, sp.Pow) and isinstance(number.exp, sp.Rational):
        base = _ball(number.base, precision)
        root = base if number.exp.q == 1 else base.root(int(number.exp.q))
        return root ** int(number.exp.p)
    if isinstance(number, ComplexRootOf) and number.is_real:
        digits = precision // 3
        middle = number.eval_rational(n=digits)
        radius = sp.Rational(1, 10) ** (digits - 2) * (1 + abs(middle))
        return flint.arb(flint.fmpq(int(middle.p), int(middle.q)), flint.arb(flint.fmpq(int(radius.p), int(radius.q))))
    raise Undecided(f"no enclosure for {number}")


def _is_zero(number: sp.Expr) -> bool:
    letter = sp.Symbol("z")
    return sp.minimal_polynomial(number, letter) == letter

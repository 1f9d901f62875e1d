"""Comparisons and conditions in exact numbers: decided rigorously, or said to be undecided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp
from flint import arb
from sympy.polys.polyerrors import NotAlgebraic

from harness.exact.enclosure import Balls, NotExact, enclose, evaluate, precision, surd, truth
from harness.exact.surds import NotSurd, Surd
from harness.prove import exact as algebraic

PRECISIONS = (64, 128, 256, 512, 1024, 2048, 4096)
_SHOWN_BITS = 256
_ENOUGH_BITS = 64
_LARGEST_EXPONENT = 1 << 12
_MOST_RADICALS = 6
_DECIDED_BY_SYMPY = (sp.Min, sp.Max, sp.Abs, sp.Piecewise, sp.floor, sp.ceiling)


@dataclass(frozen=True)
class Enclosure:
    """A number between two rationals.

    Attributes:
        method: ``"exact arithmetic"``, or ``"interval arithmetic, 128 bits"``.
        low, high: rational bounds of at most 256 bits, rounded outwards; equal for a rational number that is known.
        value: the exact number, a sum of square roots, where it is known.
    """

    method: str
    low: sp.Rational
    high: sp.Rational
    value: sp.Expr | None

    @staticmethod
    def of_ball(ball: arb, method: str) -> Enclosure:
        """From a ball.

        Raises:
            NotExact: if the ball is not finite, or the number enormous.
        """
        if not ball.is_finite():
            raise NotExact("the value is not a finite number, or not known at all")
        with precision(_SHOWN_BITS):
            low, high = _rational(ball.lower(), up=False), _rational(ball.upper(), up=True)
        return Enclosure(method, low, high, None)

    @staticmethod
    def of_surd(number: Surd) -> Enclosure:
        """From an exact number."""
        method, value = "exact arithmetic", number.expression()
        if isinstance(value, sp.Rational):
            return Enclosure(method, value, value, value)
        with precision(_SHOWN_BITS):
            around = Enclosure.of_ball(number.ball(), method)
        return Enclosure(method, around.low, around.high, value)

    @property
    def accurate(self) -> bool:
        """Whether the two bounds agree to 64 bits."""
        return self.value is not None or (self.high - self.low) * 2**_ENOUGH_BITS <= abs(self.low)


def compare(left: sp.Expr, right: sp.Expr, values: Mapping[Any, sp.Expr]) -> int | None:
    """The sign of ``left - right`` at exact values; None where it cannot be decided, or a side has no value.

    Sums of square roots are compared exactly, anything else by balls of growing precision; that two algebraic numbers
    are equal is seen from minimal polynomials, while equal numbers with exp, log or tanh stay undecided unless they
    are the same expression.
    """
    left, right = sp.sympify(left), sp.sympify(right)
    try:
        exact = [surd(side, values) for side in (left, right)]
        if exact[0] is not None and exact[1] is not None:
            return (exact[0] - exact[1]).sign
    except NotSurd:
        pass  # the difference is too long; balls may still tell
    except NotExact:
        return None
    try:
        for bits in PRECISIONS:
            one, other = (enclose(side, values, bits) for side in (left, right))
            order = Balls(bits).order(one, other) if one.is_finite() and other.is_finite() else None
            if order is not None:
                return order
    except NotExact:
        return None
    if not (one.is_finite() and other.is_finite()):
        return None
    return 0 if _identical(left, right, values) else _algebraic_sign(left, right, values)


def holds(condition: sp.Basic | bool, values: Mapping[Any, sp.Expr]) -> bool | None:
    """Whether a condition holds at exact values; None where that cannot be decided."""
    try:
        return truth(condition, lambda left, right: compare(left, right, values))
    except NotExact:
        return None


def resolve(expression: sp.Expr, values: Mapping[Any, sp.Expr]) -> sp.Expr:
    """The value of an expression as a number for SymPy, with Min, Max, Abs and Piecewise decided.

    Raises:
        NotExact: if a letter has no value, a case cannot be decided, or the value is not a real number.
    """
    number = surd(expression, values)
    if number is not None:
        return number.expression()
    if expression in values:
        return values[expression]
    if isinstance(expression, sp.Piecewise):
        for branch, condition in expression.args:
            decided = holds(condition, values)
            if decided is None:
                raise NotExact(f"undecided: {condition}")
            if decided:
                return resolve(branch, values)
        raise NotExact(f"no case of {expression} holds")
    parts = [resolve(part, values) for part in expression.args]
    if isinstance(expression, sp.Min | sp.Max | sp.Abs):
        candidates = [parts[0], -parts[0]] if isinstance(expression, sp.Abs) else parts
        wanted = -1 if isinstance(expression, sp.Min) else 1
        best = candidates[0]
        for other in candidates[1:]:
            order = compare(other, best, {})
            if order is None:
                raise NotExact(f"undecided: which of {best} and {other} is larger")
            best = other if order == wanted else best
        return best
    result = expression.func(*parts) if parts else expression
    with precision(PRECISIONS[0]):
        evaluate(result, {}, Balls(PRECISIONS[0]))  # refuses letters and unknown functions
    return result


def enclose_rational(expression: sp.Expr, values: Mapping[Any, sp.Expr]) -> Enclosure:
    """An enclosure of an expression at exact values, exact or good to 64 bits where that can be had.

    Raises:
        NotExact: if a letter has no value, or the expression none.
    """
    number = surd(expression, values)
    if number is not None:
        return Enclosure.of_surd(number)
    for bits in PRECISIONS:
        ball = enclose(expression, values, bits)
        if ball.is_finite() and ball.rel_accuracy_bits() >= _ENOUGH_BITS:
            break
    if not ball.is_finite():
        raise NotExact(f"{expression} has no value that could be found")
    return Enclosure.of_ball(ball, Balls(bits).method)


def _identical(left: sp.Expr, right: sp.Expr, values: Mapping[Any, sp.Expr]) -> bool:
    """Whether both sides are one expression. SymPy may not decide anything by itself while it puts values in."""
    if left == right:
        return True
    if any(side.has(*_DECIDED_BY_SYMPY) for side in (left, right)):
        return False
    return bool(left.xreplace(dict(values)) == right.xreplace(dict(values)))


def _algebraic_sign(left: sp.Expr, right: sp.Expr, values: Mapping[Any, sp.Expr]) -> int | None:
    try:
        difference = algebraic.value(left, values) - algebraic.value(right, values)
        # Minimal polynomials of many radicals take for ever.
        if len(difference.atoms(sp.Pow, sp.polys.rootoftools.ComplexRootOf)) > _MOST_RADICALS:
            return None
        return algebraic.sign(difference)
    except (algebraic.Undecided, NotAlgebraic, NotImplementedError, ZeroDivisionError):
        return None


def _rational(point: arb, up: bool) -> sp.Rational:
    """An exact point as a rational that can be printed: next to nothing is rounded outwards."""
    mantissa, exponent = (int(part) for part in point.man_exp())
    if mantissa == 0:
        return sp.Integer(0)
    size = exponent + abs(mantissa).bit_length()
    if size > _LARGEST_EXPONENT:
        raise NotExact("the value is enormous")
    if size < -_LARGEST_EXPONENT:
        least = sp.Rational(1, 2**_LARGEST_EXPONENT)
        return (least if mantissa > 0 else sp.Integer(0)) if up else (-least if mantissa < 0 else sp.Integer(0))
    return sp.Integer(mantissa) * sp.Integer(2) ** exponent

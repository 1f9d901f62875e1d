"""Exact decisions about real numbers: values, conditions, signs, rational bounds.

**Decisions.** A number is a SymPy expression without letters: rationals, roots, ``exp``, ``log``, ``tanh`` and their
sums, products and quotients. Its sign is decided by intervals with rational ends, rounded outwards, of growing
precision. Zero is decided by a separation bound (Burnikel, Funke, Mehlhorn, Schirra, Schmitt 2001): an expression in
rationals and roots is ``U/W`` with algebraic integers U and W of the field made by adjoining its roots one by one, of
degree at most D, the product of their indices; all conjugates of U are at most u, those of W at most w, by

- ``p/q``: ``u = |p|, w = q``;  sum: ``u = u1 w2 + u2 w1, w = w1 w2``;  product: ``u = u1 u2, w = w1 w2``;
- quotient: that of the first with u and w of the second exchanged;
- k-th root of ``U/W``, read as ``(U W^(k-1))^(1/k) / W``: ``u = (u1 w1^(k-1))^(1/k), w = w1``.

The norm of ``U != 0`` is an integer other than 0, so ``|U| >= u^(1-D)`` and the number is 0 or at least
``1/(u^(D-1) w)``. No float and no numerical heuristic of SymPy's takes part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

import sympy as sp
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanAtom

from theorems.language.functions import Noise, Objective
from theorems.language.parameters import Domain
from theorems.language.special import balance, exprel, exprel2

Interval = tuple[Fraction, Fraction]

_PRECISIONS = tuple(4**k for k in range(3, 9))
"""In bits, 64 to 65 536."""
_FAR = 2**16
"""Beyond this argument ``exp`` is bounded by a power of two instead of computed."""


class NumberError(ValueError):
    """A number is not real, not exact, not in its domain, or too close to another to tell them apart: one line."""


class _TooCoarseError(ArithmeticError):
    """An interval is too wide to go on; a higher precision may do."""


# -- values ------------------------------------------------------------------------------------------------------------


def value(expression: Any, values: Mapping[Any, Any]) -> sp.Expr:
    """The exact value of an expression, every branch (Piecewise, Min, Max, Abs, floor) decided rigorously.

    Raises:
        NumberError: for a letter without a value, a branch that cannot be decided, or no real number.
    """
    expression = sp.sympify(expression)
    if expression in values:
        return sp.sympify(values[expression])
    if isinstance(expression, sp.Rational) or expression is sp.E:
        return expression
    if isinstance(expression, sp.Symbol):
        raise NumberError(f"no value is given for {expression}")
    if isinstance(expression, sp.Piecewise):
        for branch, condition in expression.args:
            if holds(condition, values):
                return value(branch, values)
        raise NumberError(f"no branch of {expression} holds")
    if not isinstance(expression, sp.Expr) or not expression.args:
        raise NumberError(f"{expression} is not an exact real number")
    parts = [value(a, values) for a in expression.args]
    if isinstance(expression, sp.Add | sp.Mul | sp.exp | sp.log | sp.tanh):
        return _real(expression.func(*parts))
    if isinstance(expression, exprel | exprel2):
        return sp.Integer(1) if sign(parts[0]) == 0 else _real(expression.func(parts[0]).by_exp())
    if isinstance(expression, balance):
        u, v = parts
        if sign(u) * sign(v) >= 0:
            return sp.Integer(sign(u) or sign(v))
        return (u + v) / (u - v) if sign(u) > 0 else (u + v) / (v - u)
    if isinstance(expression, sp.Pow):
        base, exponent = parts
        if isinstance(exponent, sp.Rational):
            if exponent < 0 and sign(base) == 0:
                raise NumberError(f"division by zero in {expression}")
            return _real(base**exponent)
    if isinstance(expression, sp.Min | sp.Max):
        wanted = 1 if isinstance(expression, sp.Max) else -1
        best, *rest = parts
        for other in rest:
            best = other if sign(other - best) == wanted else best
        return best
    if isinstance(expression, sp.Abs):
        return -parts[0] if sign(parts[0]) < 0 else parts[0]
    if isinstance(expression, sp.floor):
        return sp.Integer(_floor(parts[0]))
    raise NumberError(f"no exact value is known for {expression}")


def holds(condition: Any, values: Mapping[Any, Any]) -> bool:
    """Whether a condition holds at exact values; a part that settles a conjunction or disjunction is enough.

    Raises:
        NumberError: if it cannot be decided.
    """
    if isinstance(condition, bool | BooleanAtom):
        return bool(condition)
    if isinstance(condition, sp.Not):
        return not holds(condition.args[0], values)
    if isinstance(condition, sp.Implies):
        return holds(sp.Or(sp.Not(condition.args[0], evaluate=False), condition.args[1], evaluate=False), values)
    if isinstance(condition, sp.And | sp.Or):
        settles = isinstance(condition, sp.Or)
        undecided: NumberError | None = None
        for part in condition.args:
            try:
                if holds(part, values) is settles:
                    return settles
            except NumberError as error:
                undecided = error
        if undecided is not None:
            raise undecided
        return not settles
    if isinstance(condition, Relational):
        order = sign(value(condition.lhs, values) - value(condition.rhs, values))
        return {
            sp.Eq: order == 0,
            sp.Ne: order != 0,
            sp.Le: order <= 0,
            sp.Lt: order < 0,
            sp.Ge: order >= 0,
            sp.Gt: order > 0,
        }[type(condition)]
    raise NumberError(f"not a condition: {condition}")


def plain(number: sp.Expr) -> sp.Expr:
    """The same number with roots cleared from denominators and products multiplied out, where SymPy can do it."""
    if isinstance(number, sp.Rational):
        return number
    shorter = sp.expand(sp.radsimp(number))
    return shorter if sign(shorter - number) == 0 else number


# -- signs -------------------------------------------------------------------------------------------------------------


def sign(number: Any) -> int:
    """-1, 0 or 1, rigorously.

    Raises:
        NumberError: if the expression is no real number, of an unknown kind, or too close to 0 to tell.
    """
    number = sp.sympify(number)
    if isinstance(number, sp.Rational):
        return (number.p > 0) - (number.p < 0)
    return _sign(number)


@lru_cache(maxsize=4096)
def _sign(number: sp.Expr) -> int:
    _real(number)
    separation = _separation(number)
    # Without a separation bound more digits cannot tell 0 apart; they only take long.
    for bits in _PRECISIONS if separation is not None else _PRECISIONS[:3]:
        try:
            low, high = _enclose(number, bits)
        except _TooCoarseError:
            continue
        if low > 0 or high < 0:
            return 1 if low > 0 else -1
        # Where SymPy's rules of arithmetic give the Integer 0, that is an identity and needs no bound.
        if bits == _PRECISIONS[1] and sp.expand(sp.expand_log(number)) == 0:
            return 0
        if separation is not None and max(-low, high) * 2**separation < 1:
            return 0
    raise NumberError(f"the sign of {number} cannot be decided")


def _real(number: sp.Expr) -> sp.Expr:
    """The number itself, if every root, logarithm and quotient in it is one of the reals.

    Raises:
        NumberError: if not.
    """
    if isinstance(number, sp.Rational) or number is sp.E:
        return number
    if isinstance(number, sp.Pow) and isinstance(number.exp, sp.Rational):
        inside = sign(number.base)
        if (inside < 0 and not number.exp.is_Integer) or (inside == 0 and number.exp < 0):
            raise NumberError(f"{number} is not a real number")
        return number
    if isinstance(number, sp.log) and sign(number.args[0]) <= 0:
        raise NumberError(f"{number} is not a real number")
    if isinstance(number, sp.Add | sp.Mul | sp.exp | sp.log | sp.tanh):
        for part in number.args:
            _real(part)
        return number
    raise NumberError(f"{str(number)[:200]} is not an exact real number of a known kind")


def _separation(number: sp.Expr) -> int | None:
    """n such that the number is 0 or at least ``2^-n`` in size; ``None`` unless it is made of rationals and roots."""
    roots: set[tuple[sp.Expr, int]] = set()

    def bounds(node: sp.Expr) -> tuple[int, int]:
        """Upper bounds of ``log2 u`` and ``log2 w``, non-negative integers."""
        if isinstance(node, sp.Rational):
            return abs(int(node.p)).bit_length(), int(node.q).bit_length()
        if isinstance(node, sp.Pow):
            u, w = bounds(node.base)
            index, power = int(node.exp.q), int(node.exp.p)
            if index > 1:
                roots.add((node.base, index))
                u = -(-(u + (index - 1) * w) // index)
            return (u * power, w * power) if power > 0 else (w * -power, u * -power)
        u, w = bounds(node.args[0])
        for part in node.args[1:]:
            v, y = bounds(part)
            u, w = (max(u + y, v + w) + 1, w + y) if isinstance(node, sp.Add) else (u + v, w + y)
        return u, w

    if number.has(sp.exp, sp.log, sp.tanh) or number.has(sp.E):
        return None
    u, w = bounds(number)
    return (math.prod(index for _, index in roots) - 1) * u + w


def _floor(number: sp.Expr) -> int:
    if isinstance(number, sp.Rational):
        return int(number.p) // int(number.q)
    _real(number)
    for bits in _PRECISIONS:
        try:
            low, high = _enclose(number, bits)
        except _TooCoarseError:
            continue
        below, above = math.floor(low), math.floor(high)
        if below == above:
            return below
        if above == below + 1:
            return above if sign(number - above) >= 0 else below
    raise NumberError(f"the integer part of {number} cannot be decided")


# -- intervals ---------------------------------------------------------------------------------------------------------


def _enclose(number: sp.Expr, bits: int) -> Interval:
    if isinstance(number, sp.Rational):
        exact = Fraction(int(number.p), int(number.q))
        return exact, exact
    if number is sp.E:
        return _exp(Fraction(1), bits)
    parts = [_enclose(a, bits) for a in number.args]
    if isinstance(number, sp.Add):
        zero = Fraction(0)
        return _outwards((sum((p[0] for p in parts), zero), sum((p[1] for p in parts), zero)), bits)
    if isinstance(number, sp.Mul):
        product = parts[0]
        for part in parts[1:]:
            product = _outwards(_times(product, part), bits)
        return product
    if isinstance(number, sp.Pow):
        return _power(parts[0], int(number.exp.p), int(number.exp.q), bits)
    function = {sp.exp: _exp, sp.log: _log, sp.tanh: _tanh}[type(number)]
    low, high = parts[0]
    if function is _log and low <= 0:
        raise _TooCoarseError
    below = function(low, bits)
    return below[0], (below if high == low else function(high, bits))[1]


def _times(a: Interval, b: Interval) -> Interval:
    ends = [x * y for x in a for y in b]
    return min(ends), max(ends)


def _power(base: Interval, power: int, index: int, bits: int) -> Interval:
    if index > 1:
        # The root is one of the reals, so what lies below 0 is only the interval's width.
        base = _root(max(base[0], Fraction(0)), index, bits)[0], _root(max(base[1], Fraction(0)), index, bits)[1]
    result = Fraction(1), Fraction(1)
    for digit in bin(abs(power))[2:]:
        result = _outwards(_times(result, result), bits)
        if digit == "1":
            result = _outwards(_times(result, base), bits)
    if power >= 0:
        return result
    if result[0] <= 0 <= result[1]:
        raise _TooCoarseError
    return _outwards((1 / result[1], 1 / result[0]), bits)


def _root(x: Fraction, index: int, bits: int) -> Interval:
    """Bounds of the root of ``x >= 0`` with about ``bits`` correct bits."""
    if x == 0:
        return x, x
    size = (x.numerator.bit_length() - x.denominator.bit_length()) // index
    shift = max(bits - size, 0)
    whole = (x.numerator << (index * shift)) // x.denominator
    below = math.isqrt(whole) if index == 2 else int(sp.integer_nthroot(whole, index)[0])
    return Fraction(below, 1 << shift), Fraction(below + 1, 1 << shift)


def _outwards(interval: Interval, bits: int) -> Interval:
    return _rounded(interval[0], bits, math.floor), _rounded(interval[1], bits, math.ceil)


def _rounded(x: Fraction, bits: int, towards: Callable[[Fraction], int]) -> Fraction:
    shift = bits - x.numerator.bit_length() + x.denominator.bit_length()
    return Fraction(towards(x * 2**shift)) / 2**shift if shift >= 0 else Fraction(towards(x / 2**-shift)) * 2**-shift


def _exp(x: Fraction, bits: int) -> Interval:
    if x > _FAR:
        raise _TooCoarseError
    if x < -_FAR:
        return Fraction(0), Fraction(1, 2**_FAR)  # e > 2
    # exp(x) = exp(r)^(2^k) with |r| <= 1/2; there the rest of the series is at most twice its first term.
    halvings = max(0, (abs(x.numerator) // x.denominator).bit_length() + 1)
    work = bits + 2 * halvings + 16
    r = x / 2**halvings
    total, term, n = Fraction(1), Fraction(1), 0
    while abs(term) * 2**work >= 1:
        n += 1
        term = _rounded(term * r / n, work, math.floor)
        total += term
    # Rounding a term moves it, and all that follow from it, by less than 2^(2 - work) in all.
    slack = 2 * abs(term) + Fraction(n + 1, 2 ** (work - 2))
    result = total - slack, total + slack
    for _ in range(halvings):
        result = _outwards(_times(result, result), work)
    return _outwards(result, bits)


def _log(x: Fraction, bits: int) -> Interval:
    shift = x.numerator.bit_length() - x.denominator.bit_length()
    mantissa = x / 2**shift if shift >= 0 else x * 2**-shift
    own, two = _artanh((mantissa - 1) / (mantissa + 1), bits + 32), _artanh(Fraction(1, 3), bits + 32)
    scaled = _times((Fraction(shift), Fraction(shift)), two)
    return _outwards((2 * (own[0] + scaled[0]), 2 * (own[1] + scaled[1])), bits)


@lru_cache(maxsize=64)
def _artanh(z: Fraction, bits: int) -> Interval:
    """``z + z^3/3 + z^5/5 + ...`` for ``|z| <= 1/3``; the rest is at most ``9/8`` of its first power."""
    low = _rounded(abs(z), bits, math.floor)
    high = _rounded(abs(z), bits, math.ceil)
    powers, n = (low, high), 1
    total = Fraction(0), Fraction(0)
    while powers[1] * 2**bits >= 1:
        total = (
            total[0] + _rounded(powers[0] / n, bits, math.floor),
            total[1] + _rounded(powers[1] / n, bits, math.ceil),
        )
        powers = _outwards((powers[0] * low**2, powers[1] * high**2), bits)
        n += 2
    total = total[0], total[1] + 2 * powers[1]
    return total if z >= 0 else (-total[1], -total[0])


def _tanh(x: Fraction, bits: int) -> Interval:
    if x < 0:
        low, high = _tanh(-x, bits)
        return -high, -low
    least, most = _exp(-2 * x, bits + 16)
    return _outwards(((1 - most) / (1 + most), (1 - least) / (1 + least)), bits)


def enclose_exp(x: Fraction, bits: int) -> Interval:
    """Rational bounds of ``e^x``, good to about ``bits`` bits.

    Raises:
        NumberError: for an argument beyond 65 536.
    """
    try:
        return _exp(x, bits)
    except _TooCoarseError:
        raise NumberError(f"exp({float(x):.6g}) is too large to be bounded") from None


def enclose_log(x: Fraction, bits: int) -> Interval:
    """Rational bounds of ``log x``, ``x > 0``."""
    return _log(x, bits)


# -- families ----------------------------------------------------------------------------------------------------------


def check_numbers(formula: Objective | Noise, numbers: Mapping[str, Any], *, on_lattice: bool = True) -> None:
    """Hold one coordinate's numbers against the domains and conditions that its family states.

    Args:
        formula: the family.
        numbers: its numbers by name.
        on_lattice: whether a probability must be a multiple of ``2^-32``, as engines need.

    Raises:
        NumberError: one line, for a number outside its domain or a condition that fails.
    """
    values = {p: sp.sympify(numbers[p.name]) for p in formula.parameters}
    for parameter, number in values.items():
        if not in_domain(number, parameter.domain):
            raise NumberError(f"{formula.name}: {parameter.name} must be {parameter.domain.value}, not {number}")
    for condition in formula.requires:
        lattice = condition.has(sp.floor)
        if (on_lattice or not lattice) and not holds(condition, values):
            wanted = "the probability must be a multiple of 2^-32" if lattice else f"{condition} is required"
            given = ", ".join(f"{p.name} = {v}" for p, v in values.items())
            raise NumberError(f"{formula.name}: {wanted}, not {given}")


def in_domain(number: sp.Expr, domain: Domain) -> bool:
    """Whether an exact real number lies in a parameter's domain.

    Raises:
        NumberError: if it is no exact real number.
    """
    order = sign(number)
    if domain is Domain.POSITIVE_INTEGER:
        return order > 0 and sign(number - value(sp.floor(number), {})) == 0
    return order >= {Domain.REAL: -1, Domain.NONNEGATIVE: 0, Domain.POSITIVE: 1}[domain]


def larger(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    """The larger of two exact numbers."""
    return b if sign(b - a) > 0 else a


def smaller(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    """The smaller of two exact numbers."""
    return b if sign(b - a) < 0 else a

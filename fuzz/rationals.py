"""Simple rational numbers: the Stern-Brocot tree, exact square roots, a measure of simplicity, short floats."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import cache

import numpy as np
import numpy.typing as npt

BITS = 24
"""Numbers are rounded to this many binary digits, so that an exact problem has the same numbers as the search."""


_WIDTHS = (
    Fraction(9),
    Fraction(3),
    Fraction(1),
    *(Fraction(1, k) for k in (2, 4, 10, 20, 50, 100, 1000, 10**4, 10**6)),
)


_SHORT = 5
"""Bits, of numerator and denominator together, of a short number."""


def simplest_between(low: Fraction, high: Fraction) -> Fraction:
    """The rational number of least denominator (then least numerator) in ``[low, high]``.

    Raises:
        ValueError: if the interval is empty.
    """
    if low > high:
        raise ValueError(f"no number lies between {low} and {high}")
    if low <= 0 <= high:
        return Fraction(0)
    if high < 0:
        return -simplest_between(-high, -low)
    # Descend the Stern-Brocot tree by continued fractions.
    floor = low.numerator // low.denominator
    if floor == low:
        return Fraction(floor)
    if floor + 1 <= high:
        return Fraction(floor + 1)
    return floor + 1 / simplest_between(1 / (high - floor), 1 / (low - floor))


def simpler_than(value: Fraction, dyadic: bool = False) -> Iterator[Fraction]:
    """Numbers simpler than ``value``, of its sign, the simplest first: one for each of a range of widths around it,
    then, near a short number, all that are shorter (1/2 beside 2/3, where 1 is the simplest of every width)."""
    seen = set()
    for width in _WIDTHS:
        a, b = sorted((value / (1 + width), value * (1 + width)))
        found = dyadic_between(a, b) if dyadic else simplest_between(a, b)
        if found not in seen and size(found) < size(value):
            seen.add(found)
            yield found
    if not dyadic and size(value)[0] <= _SHORT:
        for near in small_rationals(2**_SHORT // 4):
            found = near if value > 0 else -near
            if found not in seen and size(found) < size(value) and abs(value) / 2 <= near <= 2 * abs(value):
                yield found


def dyadic_between(low: Fraction, high: Fraction) -> Fraction:
    """The number of least power of two as denominator in ``[low, high]``, ``0 < low <= high``."""
    scale = 1
    while True:
        candidate = Fraction(math.ceil(low * scale), scale)
        if candidate <= high:
            return candidate
        scale *= 2


def size(value: Fraction) -> tuple[int, int]:
    """How long a number is to write: bits of numerator and denominator, then their sum."""
    n, d = abs(value.numerator), value.denominator
    return n.bit_length() + d.bit_length(), n + d


def rational_root(square: Fraction) -> Fraction | None:
    """The square root if it is rational."""
    n, d = math.isqrt(square.numerator), math.isqrt(square.denominator)
    return Fraction(n, d) if n * n == square.numerator and d * d == square.denominator else None


def root_above(square: Fraction, slack: Fraction) -> Fraction:
    """The simplest rational r with ``square <= r^2 <= square (1 + slack)^2``, the root itself if it is rational."""
    exact = rational_root(square)
    if exact is not None and slack == 0:
        return exact
    digits = 10**30
    above = Fraction(math.isqrt(square.numerator * digits * digits // square.denominator) + 1, digits)
    low = exact if exact is not None else above
    return simplest_between(low, low * (1 + (slack or Fraction(1, 10**9))))


def farey(limit: int) -> list[Fraction]:
    """Fractions in (0, 1) with denominators up to ``limit``, the simplest first."""
    found = {Fraction(n, d) for d in range(2, limit + 1) for n in range(1, d)}
    return sorted(found, key=lambda q: (size(q), q))


@cache
def small_rationals(limit: int) -> list[Fraction]:
    """Positive fractions with numerator and denominator up to ``limit``, the simplest first."""
    found = {Fraction(n, d) for d in range(1, limit + 1) for n in range(1, limit + 1)}
    return sorted(found, key=lambda q: (size(q), q))


def quantise(values: npt.NDArray[np.float64], bits: int = BITS, up: bool | None = None) -> npt.NDArray[np.float64]:
    """Round to ``bits`` binary digits: to nearest, or away from or toward -infinity if ``up`` is True or False."""
    mantissa, exponent = np.frexp(values)
    rounding = np.round if up is None else (np.ceil if up else np.floor)
    return np.asarray(np.ldexp(rounding(np.ldexp(mantissa, bits)), exponent - bits))

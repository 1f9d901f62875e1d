"""Exact sums of square roots: ``q_1 sqrt(n_1) + q_2 sqrt(n_2) + ...`` with rational ``q`` and whole ``n > 0``.

They are closed under the four operations. Square roots of whole numbers, no two of which have a square for their
product, are linearly independent over the rationals (Besicovitch 1940): a sum is zero only if it has no terms, so
that the sign of any other is found by balls of growing precision.
"""

from __future__ import annotations

from functools import cached_property

import sympy as sp
from flint import arb, ctx, fmpq, fmpz

MOST_TERMS = 32
MOST_BITS = 12_000
"""Longer sums and numbers are refused: they would be slow, and no reader can use them."""

_PRECISIONS = tuple(1 << doublings for doublings in range(6, 20))
_ONE = fmpz(1)
_SMALL_PRIMES = tuple(fmpz(p) for p in sp.primerange(60))


class NotSurd(ArithmeticError):
    """A result is no sum of square roots, or a longer one than is worth it."""


class Undefined(ArithmeticError):
    """A result is not a real number: a division by zero, the root of a negative number."""


class Surd:
    """An exact real number. ``terms`` maps ``n`` to ``q``; no two ``n`` have a square for their product."""

    def __init__(self, terms: dict[fmpz, fmpq]) -> None:
        if len(terms) > MOST_TERMS or any(q.height_bits() > MOST_BITS for q in terms.values()):
            raise NotSurd("the number is too long")
        self.terms = terms

    @staticmethod
    def of(number: int | fmpq | sp.Rational) -> Surd:
        """A rational number."""
        rational = fmpq(int(number.p), int(number.q)) if isinstance(number, sp.Rational) else fmpq(number)
        return Surd({_ONE: rational} if rational else {})

    @property
    def rational(self) -> fmpq | None:
        """The number, if it is rational."""
        if not self.terms:
            return fmpq(0)
        return self.terms.get(_ONE) if len(self.terms) == 1 else None

    @property
    def key(self) -> frozenset[tuple[fmpz, fmpq]]:
        """Equal keys belong to equal numbers, and equal rational numbers have equal keys."""
        return frozenset(self.terms.items())

    def __add__(self, other: Surd) -> Surd:
        terms = dict(self.terms)
        for n, q in other.terms.items():
            _include(terms, n, q)
        return Surd(terms)

    def __neg__(self) -> Surd:
        return Surd({n: -q for n, q in self.terms.items()})

    def __sub__(self, other: Surd) -> Surd:
        return self + -other

    def __abs__(self) -> Surd:
        return -self if self.sign < 0 else self

    def __mul__(self, other: Surd) -> Surd:
        terms: dict[fmpz, fmpq] = {}
        for n, q in self.terms.items():
            for k, r in other.terms.items():
                common = n.gcd(k)
                _include(terms, (n // common) * (k // common), q * r * common)
                if len(terms) > MOST_TERMS:
                    raise NotSurd("the sum has too many terms")
        return Surd(terms)

    def __truediv__(self, other: Surd) -> Surd:
        return self * other.inverse()

    def inverse(self) -> Surd:
        """``1/self``.

        Raises:
            Undefined: at zero.
        """
        if not self.terms:
            raise Undefined("division by zero")
        if len(self.terms) == 1:
            ((n, q),) = self.terms.items()
            return Surd({n: 1 / (q * n)})
        conjugate = self._conjugate()
        return conjugate * (self * conjugate).inverse()

    def root(self) -> Surd:
        """The square root of ``A``, or of ``A + B sqrt(n)`` if ``A^2 - B^2 n`` is the square of a rational.

        Raises:
            Undefined: for a negative number.
        """
        if self.sign < 0:
            raise Undefined("root of a negative number")
        number = self.rational
        if number is not None:
            terms: dict[fmpz, fmpq] = {}
            if number:
                _include(terms, number.p * number.q, 1 / fmpq(number.q))
            return Surd(terms)
        rational = self.terms.get(_ONE, fmpq(0))
        rest = [(n, q) for n, q in self.terms.items() if n != _ONE]
        spread = rational**2 - rest[0][1] ** 2 * rest[0][0]
        if len(rest) > 1 or not (spread >= 0 and spread.p.is_square() and spread.q.is_square()):
            raise NotSurd("root of a number that is no square")
        half = fmpq(spread.p.isqrt(), spread.q.isqrt())
        high, low = (Surd.of((rational + way * half) / 2).root() for way in (1, -1))
        return high + low if rest[0][1] > 0 else high - low

    @cached_property
    def sign(self) -> int:
        """-1, 0 or 1."""
        if not self.terms:
            return 0
        if len(self.terms) == 1:
            return 1 if next(iter(self.terms.values())) > 0 else -1
        for bits in _PRECISIONS:
            with ctx.workprec(bits):
                ball = self.ball()
            if ball > 0:
                return 1
            if ball < 0:
                return -1
        raise NotSurd("the sum is too close to zero")

    def floor(self) -> Surd:
        """The largest whole number that is not larger."""
        if self.rational is not None:
            return Surd.of(fmpq(self.rational.floor()))
        for bits in _PRECISIONS:
            with ctx.workprec(bits):
                whole = self.ball().floor().unique_fmpz()
            if whole is not None:
                return Surd.of(fmpq(whole))
        raise NotSurd("the sum is too close to a whole number")

    def ball(self) -> arb:
        """An enclosure at the current precision."""
        return sum((arb(q) * arb(n).sqrt() for n, q in self.terms.items()), arb(0))

    def expression(self) -> sp.Expr:
        """The number for SymPy."""
        parts = (sp.Rational(int(q.p), int(q.q)) * sp.sqrt(sp.Integer(int(n))) for n, q in self.terms.items())
        return sp.Add(*parts)

    def _conjugate(self) -> Surd:
        """The image under an automorphism that moves this number; the product of the two is in a smaller field."""
        # Generators of the group of radicands modulo squares; `group` maps each element to whether it contains the
        # last generator.
        group: dict[fmpz, bool] = {_ONE: False}
        for n in self.terms:
            if all(not (n * element).is_square() for element in group):
                group = dict.fromkeys(group, False) | {element * n: True for element in group}
            if len(group) > MOST_TERMS:
                raise NotSurd("the field is too large")
        flipped = [next(last for element, last in group.items() if (n * element).is_square()) for n in self.terms]
        return Surd({n: -q if flip else q for (n, q), flip in zip(self.terms.items(), flipped, strict=True)})


def _include(terms: dict[fmpz, fmpq], n: fmpz, q: fmpq) -> None:
    """Add ``q sqrt(n)`` in place."""
    if n not in terms:
        if n != _ONE:
            n, q = _without_squares(n, q)
        for other in terms:
            if other != n and (other * n).is_square():
                q = q * fmpq((other * n).isqrt(), other)
                n = other
                break
    total = terms.get(n, fmpq(0)) + q
    if total:
        terms[n] = total
    else:
        terms.pop(n, None)


def _without_squares(n: fmpz, q: fmpq) -> tuple[fmpz, fmpq]:
    if n.is_square():
        return _ONE, q * n.isqrt()
    for prime in _SMALL_PRIMES:
        square = prime * prime
        while n % square == 0:
            n, q = n // square, q * prime
    return n, q

r"""Constants of the piecewise families, exact or bounded from both sides: smoothness, convexity, PL.

The profile is ``f' = gamma(u)``, ``gamma(u) = sign(u) lambda (e^(kappa |u|) - 1)/kappa``, u piecewise linear with
slopes k (``theorems.language.pieces``). Write ``g = |f'|`` and ``R = 1/L1``; K is the largest ``|k|``.

**HS(L0, L1)** asks for ``L0 >= |k| (lambda + kappa g) - L1 g`` on every piece. That is linear in g: the largest is
where g is largest (``|k| kappa > L1``) or least. GS(L0, 0) is the same, as a gradient is Lipschitz as its slope is.

**GS(L0, L1), 0 < kappa K <= L1.** The class asks for ``F(x, y) = |f'(y) - f'(x)| - (L0 + L1 g(x)) r <= 0`` for all
x, y at a distance ``r = |x - y| <= R``. *Marks* are the ends of pieces and the zeros of u. Claim: it is enough, and
needed, to have HS(L0, L1) and ``F <= 0``, where u(x) and u(y) do not differ in sign, for pairs of marks, and for pairs
at the distance R of which one is a mark or which are stationary among pairs at that distance.

1. *Different signs.* Let ``u(x) <= 0 <= u(y)`` (or mirrored). Move x towards y, at unit speed, up to the first zero z
   of u. ``F = g(y) + g(x) (1 - L1 r) - L0 r``, so ``dF/dt = L0 + L1 g + g' (1 - L1 r) >= L0 + L1 g - |g'| >= 0``: by
   HS, and as ``0 <= 1 - L1 r <= 1``. So ``F(x, y) <= F(z, y)``, a pair without different signs.
2. *y moves, x fixed, u(x), u(y) >= 0.* On a piece ``f' = gamma(u)`` is convex in y where ``u >= 0``, and so is
   ``f'(y) - f'(x) - (L0 + L1 f'(x)) r`` on either side of x: it is largest where y is a mark, at the distance R, or x.
3. *x moves, y a mark.* ``F = f'(y) - f'(x) (1 + L1 r) - L0 r``. Let u have the slope s in the direction of y. If
   ``s <= 0``, F rises: the nearer end is worse. If ``s > 0``, ``F'' = gamma' s (2 L1 - kappa s (1 + L1 r)) >= 0`` for
   ``kappa s <= L1``: F is convex, so largest at an end: x is a mark, y itself (``F = 0``), or at the distance R.
4. *Both move at the distance R*: ``F = f'(y) - 2 f'(x) - L0 R`` is, between marks, ``A e^(alpha t) - 2 B e^(beta t)``
   and a constant, with ``alpha, beta`` kappa times the slopes of u at y and x. An inside maximum needs
   ``0 < alpha/beta < 1``; then ``alpha A e^(alpha t) = 2 beta B e^(beta t)`` there, and
   ``F = lambda/kappa + (lambda/kappa) A e^(alpha t) (1 - alpha/beta) - L0 R`` (A, B as multiples of
   ``lambda/kappa``). Far out, where x and y are on a last piece of slope ``k > 0``, F stays bounded if and only if
   ``e^(kappa k R) <= 2``, and then it falls.

Negative u is the mirror image. All these pairs are pairs of the function, so the largest demand is the least L0. Its
exponentials are bounded by rationals; the upper end is what a certificate asks for.

**PL(mu).** With ``P = f'^2 - 2 mu f``, PL is ``P >= 0``, and ``P(0) = 0``. On the right side, where u > 0 is needed for
x > 0 unless f is 0 there, ``P' = 2 f' (f'' - mu)``, and ``f'' = k (lambda + kappa f')`` is monotone on a piece: P is
least at an end or, if k > 0 and kappa > 0, where ``f' = (mu - k lambda)/(k kappa)``. Far out ``k > 0`` and, for
``kappa = 0``, ``k lambda >= mu`` keep P from falling.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any

import sympy as sp

from fuzz.constants import Interval, NumberError, enclose_exp, enclose_log
from theorems.language.pieces import SIDES

FAMILIES = ("piecewise_quadratic", "piecewise_exponential")
_BITS = 160
_SHOWN_BITS = 96
_ZERO = Fraction(0)


@dataclass(frozen=True)
class Piece:
    """A stretch on which u is linear; ``start`` or ``stop`` is None where it goes on for ever.

    Attributes:
        start, stop: ends, from left to right.
        slope: k.
        anchor, at_anchor: a point of the stretch (an end of it) and u there.
    """

    start: Fraction | None
    stop: Fraction | None
    slope: Fraction
    anchor: Fraction
    at_anchor: Fraction

    def u(self, x: Fraction) -> Fraction:
        """u at a point of the stretch."""
        return self.at_anchor + self.slope * (x - self.anchor)

    @property
    def ends(self) -> tuple[Fraction, ...]:
        """The ends that there are."""
        return tuple(e for e in (self.start, self.stop) if e is not None)


@dataclass(frozen=True)
class Shape:
    """One profile in rational numbers, pieces from left to right."""

    curvature: Fraction
    growth: Fraction
    pieces: tuple[Piece, ...]

    @staticmethod
    def of(numbers: Mapping[str, Any], radial: bool = False) -> Shape:
        """From a family's numbers; pieces of length 0 are left out. Of a radial objective the right side, on both.

        Raises:
            NumberError: for a number that is not rational.
        """
        known = {name: rational(name, number) for name, number in numbers.items()}
        right, left = ([*_outwards(known, side)] for side in ((SIDES[0],) * 2 if radial else SIDES))
        mirrored = [
            Piece(None if p.stop is None else -p.stop, _minus(p.start), p.slope, -p.anchor, -p.at_anchor) for p in left
        ]
        return Shape(known["curvature"], known.get("growth", _ZERO), (*reversed(mirrored), *right))

    def u(self, x: Fraction) -> Fraction:
        """u, anywhere."""
        return self._piece(x).u(x)

    def _piece(self, x: Fraction) -> Piece:
        return next(p for p in self.pieces if p.stop is None or x <= p.stop)

    @property
    def steepest(self) -> Fraction:
        """K, the largest ``|k|``."""
        return max(abs(p.slope) for p in self.pieces)

    @cached_property
    def marks(self) -> tuple[Fraction, ...]:
        """Ends of pieces and zeros of u, in order."""
        found = {end for p in self.pieces for end in p.ends}
        for p in self.pieces:
            if p.slope:
                zero = p.anchor - p.at_anchor / p.slope
                if (p.start is None or p.start < zero) and (p.stop is None or zero < p.stop):
                    found.add(zero)
        return tuple(sorted(found))

    def gradient(self, u: Fraction, bits: int = _BITS) -> Interval:
        """Bounds of ``gamma(|u|)``."""
        if not u or not self.growth:
            exact = self.curvature * abs(u)
            return exact, exact
        low, high = enclose_exp(self.growth * abs(u), bits)
        return self.curvature * (low - 1) / self.growth, self.curvature * (high - 1) / self.growth

    def gradients_on(self, piece: Piece) -> tuple[Interval, Interval | None]:
        """Bounds of the least and the largest ``|f'|`` on a piece; the latter is None if there is none."""
        ends = [abs(piece.u(e)) for e in piece.ends]
        zero = piece.slope and any(piece.u(m) == 0 for m in self.marks if self._on(piece, m))
        least = _ZERO if zero else min(ends)
        most = None if len(ends) == 1 and piece.slope else self.gradient(max(ends))
        return self.gradient(least), most

    @staticmethod
    def _on(piece: Piece, x: Fraction) -> bool:
        return (piece.start is None or piece.start <= x) and (piece.stop is None or x <= piece.stop)


def rational(name: str, number: Any) -> Fraction:
    number = sp.sympify(number)
    if not isinstance(number, sp.Rational):
        raise NumberError(f"{name} must be rational for a closed form, not {number}")
    return Fraction(int(number.p), int(number.q))


def _minus(number: Fraction | None) -> Fraction | None:
    return None if number is None else -number


def _outwards(known: Mapping[str, Fraction], side: Any) -> Iterator[Piece]:
    place, u = _ZERO, _ZERO
    for width, bend in zip((*side.widths, None), side.bends, strict=True):
        k = known[bend.name]
        if width is None:
            yield Piece(place, None, k, place, u)
            return
        stop = place + known[width.name]
        if stop > place:
            yield Piece(place, stop, k, place, u)
        place, u = stop, u + k * (stop - place)


# -- smoothness --------------------------------------------------------------------------------------------------------


def smoothness_bounds(shape: Shape, slack: Fraction, *, hessian: bool) -> Interval | None:
    """Rational bounds of the least L0 given L1 = ``slack``; None where no L0 will do.

    Raises:
        NumberError: under GS where ``0 < slack < kappa K``, for which no closed form is known.
    """
    demands = [_second_derivative(shape, piece, slack) for piece in shape.pieces]
    if any(d is None for d in demands):
        return None
    found = [d for d in demands if d is not None]
    if slack and not hessian:
        if shape.growth * shape.steepest > slack:
            raise NumberError(
                f"GS: no closed form is known where the growth of the gradient, {shape.growth * shape.steepest},"
                f" exceeds L1 = {slack}"
            )
        if not _bounded_far_out(shape, slack):
            return None
        found += [*_marked_pairs(shape, slack), *_distant_pairs(shape, slack)]
    return max(low for low, _ in found), max(high for _, high in found)


def _second_derivative(shape: Shape, piece: Piece, slack: Fraction) -> Interval | None:
    k = abs(piece.slope)
    least, most = shape.gradients_on(piece)
    factor = k * shape.growth - slack
    at = most if factor > 0 else least
    if at is None:
        return None
    ends = sorted((k * shape.curvature + factor * at[0], k * shape.curvature + factor * at[1]))
    return ends[0], ends[1]


def _bounded_far_out(shape: Shape, slack: Fraction) -> bool:
    for piece in (shape.pieces[0], shape.pieces[-1]):
        if piece.slope and shape.growth:
            low, high = enclose_exp(shape.growth * abs(piece.slope) / slack, _BITS)
            if low <= 2 <= high:
                raise NumberError("GS: whether the gradient more than doubles over 1/L1 is too close to tell")
            if low > 2:
                return False
    return True


def _marked_pairs(shape: Shape, slack: Fraction) -> Iterator[Interval]:
    values = {m: (shape.u(m), shape.gradient(shape.u(m))) for m in shape.marks}
    for x, (u, g) in values.items():
        for y, (v, h) in values.items():
            r = abs(y - x)
            if r and r * slack <= 1 and u * v >= 0:
                yield (h[0] - g[1]) / r - slack * g[1], (h[1] - g[0]) / r - slack * g[0]


def _distant_pairs(shape: Shape, slack: Fraction) -> Iterator[Interval]:
    reach = 1 / slack
    places = sorted({p for m in shape.marks for p in (m, m - reach)})
    for x in places:
        yield from _at_distance(shape, slack, shape.u(x), shape.u(x + reach))
    for left, right in pairwise(places):
        begin, end = (shape.u(left), shape.u(left + reach)), (shape.u(right), shape.u(right + reach))
        if all(u * v >= 0 for u, v in (begin, end)):
            near, far = ((abs(a), (abs(b) - abs(a)) / (right - left)) for a, b in zip(begin, end, strict=True))
            yield from _stationary(shape, slack, right - left, near, far)
            yield from _stationary(shape, slack, right - left, far, near)


def _at_distance(shape: Shape, slack: Fraction, u: Fraction, v: Fraction) -> Iterator[Interval]:
    if u * v >= 0:
        g, h = shape.gradient(u), shape.gradient(v)
        yield slack * (h[0] - 2 * g[1]), slack * (h[1] - 2 * g[0])
        yield slack * (g[0] - 2 * h[1]), slack * (g[1] - 2 * h[0])


def _stationary(
    shape: Shape,
    slack: Fraction,
    length: Fraction,
    x: tuple[Fraction, Fraction],
    y: tuple[Fraction, Fraction],
) -> Iterator[Interval]:
    """The demand of an inside maximum; x and y are ``|u|`` at the beginning and its slope."""
    (b, beta), (a, alpha) = (tuple(shape.growth * n for n in pair) for pair in (x, y))
    if not alpha * beta > 0 or abs(alpha) >= abs(beta):
        return
    logs = enclose_log(alpha / (2 * beta), _BITS)
    times = sorted((n + a - b) / (beta - alpha) for n in logs)
    if times[1] < 0 or times[0] > length:
        return
    unit = shape.curvature / shape.growth
    sizes = [n for t in times for n in enclose_exp(a + alpha * t, _BITS)]
    yield tuple(slack * unit * (1 + n * (1 - alpha / beta)) for n in (min(sizes), max(sizes)))  # type: ignore[misc]


def above(bounds: Interval) -> sp.Rational:
    """A rational that is at least the number between these bounds, short where it is not exact."""
    low, high = bounds
    if low != high and high > 0:
        shift = _SHOWN_BITS - high.numerator.bit_length() + high.denominator.bit_length()
        scale = Fraction(2) ** shift
        high = Fraction(-((-high * scale).__floor__())) / scale
    return sp.Rational(high.numerator, high.denominator)


# -- convexity and PL --------------------------------------------------------------------------------------------------


def falling_piece(shape: Shape) -> Piece | None:
    """A piece on which the gradient falls, or None: then f is convex."""
    return next((p for p in shape.pieces if p.slope < 0), None)


def breaks_pl(shape: Shape, mu: Fraction) -> str:
    """Why PL(mu) is not shown; empty if it holds.

    Raises:
        NumberError: where a sign is too close to tell.
    """
    for side in (1, -1):
        pieces = [p for p in shape.pieces if (p.start if side > 0 else p.stop) is not None]
        pieces = [p for p in pieces if all(side * e >= 0 for e in p.ends)]
        pieces = pieces if side > 0 else pieces[::-1]
        f: Interval = (_ZERO, _ZERO)
        for piece in pieces:
            inner = piece.start if side > 0 else piece.stop
            outer = piece.stop if side > 0 else piece.start
            assert inner is not None
            u = side * piece.u(inner)
            if u == 0 and f == (_ZERO, _ZERO) and piece.slope == 0:
                continue  # f is 0 here, and PL holds
            if outer is None:
                if piece.slope <= 0 or (not shape.growth and piece.slope * shape.curvature < mu):
                    return "the gradient does not keep up with f far out"
                after = None
            else:
                after = side * piece.u(outer)
            if u < 0 or (after is not None and after <= 0) or (u == 0 and f != (_ZERO, _ZERO)):
                return "the gradient vanishes away from the minimum"
            places = []
            if after is not None:
                places.append((shape.gradient(after), _gain(shape, piece.slope, u, after, outer, inner)))
            if piece.slope > 0 and shape.growth:
                wanted = (mu - piece.slope * shape.curvature) / (piece.slope * shape.growth)
                if _inside(shape, wanted, u, after):
                    rise = _between(_height(shape, u), _height_at(shape, wanted), piece.slope)
                    places.append(((wanted, wanted), rise))
            for g, (low, high) in places:
                total = (f[0] + low, f[1] + high)
                if g[0] ** 2 < 2 * mu * total[1]:
                    word = "too close to tell" if g[1] ** 2 >= 2 * mu * total[0] else "violated"
                    return f"|f'|^2 >= 2 mu f is {word} where |f'| is about {float(g[0]):.6g}"
            if after is not None:
                low, high = places[0][1]
                f = (f[0] + low, f[1] + high)
    return ""


def _height(shape: Shape, u: Fraction) -> Interval:
    """W(u)."""
    if not shape.growth:
        exact = shape.curvature * u * u / 2
        return exact, exact
    low, high = enclose_exp(shape.growth * abs(u), 2 * _BITS)
    rest = 1 + shape.growth * abs(u)
    factor = shape.curvature / shape.growth**2
    return factor * (low - rest), factor * (high - rest)


def _height_at(shape: Shape, gradient: Fraction) -> Interval:
    """W where ``gamma(u) = gradient >= 0``: there ``e^(kappa u) = 1 + kappa gradient/lambda``."""
    z = shape.growth * gradient / shape.curvature
    low, high = enclose_log(1 + z, 2 * _BITS)
    factor = shape.curvature / shape.growth**2
    return factor * (z - high), factor * (z - low)


def _between(before: Interval, after: Interval, slope: Fraction) -> Interval:
    """``(after - before)/slope`` for a positive slope."""
    return (after[0] - before[1]) / slope, (after[1] - before[0]) / slope


def _gain(shape: Shape, slope: Fraction, u: Fraction, v: Fraction, outer: Fraction | None, inner: Fraction) -> Interval:
    assert outer is not None
    if slope == 0:
        low, high = shape.gradient(u)
        return low * abs(outer - inner), high * abs(outer - inner)
    ends = (_height(shape, u), _height(shape, v))
    return _between(*ends, slope) if slope > 0 else _between(ends[1], ends[0], -slope)


def _inside(shape: Shape, wanted: Fraction, u: Fraction, after: Fraction | None) -> bool:
    """Whether ``|f'|`` may take this value on a piece; wrongly yes does no harm."""
    return wanted >= shape.gradient(u)[0] and (after is None or wanted <= shape.gradient(after)[1])

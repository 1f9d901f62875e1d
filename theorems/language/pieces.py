r"""Profiles that bend as their class allows: ``f'' = k(x) (lambda + kappa |f'|)`` on a line, k piecewise constant.

With ``u = sign(f') log(1 + kappa |f'|/lambda)/kappa`` (and ``u = f'/lambda`` for ``kappa = 0``) the equation says
``u' = k``. So u is *piecewise linear*, of slope at most 1, and ``f' = gamma(u)`` with

    ``gamma(u) = sign(u) lambda (e^(kappa |u|) - 1)/kappa = lambda u exprel(kappa |u|)``.

Every f in HS(lambda, kappa) on a line has such a u with ``|k| <= 1`` almost everywhere, and is a limit of these.

**Value.** ``W(u) = lambda u^2 exprel2(kappa |u|)/2`` has ``W' = gamma``. On a piece on which u goes from ``u0`` to
``u1 = u0 + k h`` over the length h, f grows by ``(W(u1) - W(u0))/k``. W depends on ``a = |u0|`` and ``b = |u1|`` alone
and ``(b - a)/(u1 - u0) = (u0 + u1)/(a + b)``, so with the mean of gamma over [a, b] the growth is
``h balance(u0, u1)`` times ``lambda (a exprel(kappa a) exprel(d) + (b - a) exprel2(d)/2)``, ``d = kappa (b - a)``:
nothing is divided by k, and nothing cancels where k is small or 0.

**Minimum.** f falls where u < 0, so on a piece its least value is at an end or where u crosses 0 from below. There it
is ``f0 - W(u0)/k``. That all of these are at least 0, and that u does not end below 0, is a condition on the numbers,
with no division: then ``inf f = 0 = f(0)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sympy as sp

from theorems.language import units
from theorems.language.parameters import Domain, Parameter
from theorems.language.special import balance, exprel, exprel2

RIGHT, LEFT = 5, 3
"""Pieces on either side of the minimum; the last of each goes on for ever."""


@dataclass(frozen=True)
class Side:
    """One side of the minimum, outwards: ``widths`` of all pieces but the last, and the ``bends`` k of all."""

    widths: tuple[Parameter, ...]
    bends: tuple[Parameter, ...]


def _side(prefix: str, count: int) -> Side:
    place = "left of" if prefix else "right of"
    widths = tuple(
        Parameter(f"{prefix}width{j}", units.LENGTH, Domain.NONNEGATIVE, f"length of piece {j} {place} the minimum")
        for j in range(1, count)
    )
    bends = tuple(
        Parameter(f"{prefix}bend{j}", units.ONE, Domain.REAL, f"bend of piece {j} {place} the minimum, in [-1, 1]")
        for j in range(1, count + 1)
    )
    return Side(widths, bends)


SIDES = (_side("", RIGHT), _side("left_", LEFT))
"""The right side and the left side."""

growth = Parameter("growth", units.INVERSE_LENGTH, meaning="how fast curvature grows with the gradient")


@dataclass(frozen=True)
class Formulas:
    """What an entry of the registry of objectives needs."""

    parameters: tuple[Parameter, ...]
    value: sp.Expr
    gradient: sp.Expr
    requires: tuple[sp.Basic, ...]


def piecewise(x: sp.Symbol, curvature: Parameter, grows: bool) -> Formulas:
    """The formulas with ``lambda = curvature`` and ``kappa = growth``, or ``kappa = 0``."""
    kappa = growth if grows else sp.Integer(0)
    numbers = [p for side in SIDES for p in (*side.widths, *side.bends)]
    right, left = SIDES
    u = _reached(x, right) - _reached(-x, left)
    slope = curvature * u * (exprel(kappa * sp.Abs(u, evaluate=False)) if grows else 1)
    value = sp.Add(*_growths(x, right, curvature, kappa), *_growths(-x, left, curvature, kappa))
    conditions = [sp.Le(sp.Abs(bend), 1) for side in SIDES for bend in side.bends]
    for side in SIDES:
        conditions += _stays_above(side, curvature, kappa)
    return Formulas((curvature, *([growth] if grows else []), *numbers), value, slope, tuple(conditions))


def _overlaps(distance: sp.Expr, side: Side) -> Iterator[sp.Expr]:
    """How far into each piece one is at this distance from the minimum."""
    begun: sp.Expr = sp.Integer(0)
    for width in side.widths:
        yield sp.Min(sp.Max(distance - begun, 0, evaluate=False), width, evaluate=False)
        begun = begun + width
    yield sp.Max(distance - begun, 0, evaluate=False)


def _reached(distance: sp.Expr, side: Side) -> sp.Expr:
    """|u| with its sign, at this distance."""
    return sp.Add(*(k * h for k, h in zip(side.bends, _overlaps(distance, side), strict=True)))


def _growths(distance: sp.Expr, side: Side, curvature: sp.Expr, kappa: sp.Expr) -> Iterator[sp.Expr]:
    """What each piece adds to f."""
    reached: sp.Expr = sp.Integer(0)
    for bend, width, h in zip(side.bends, (*side.widths, None), _overlaps(distance, side), strict=True):
        yield growth_of_piece(reached, bend, h, curvature, kappa)
        reached = reached + bend * width if width is not None else reached


def growth_of_piece(reached: sp.Expr, bend: sp.Expr, h: sp.Expr, curvature: sp.Expr, kappa: sp.Expr) -> sp.Expr:
    """What f gains over a length h on which u starts at ``reached`` and has the slope ``bend``."""
    after = reached + bend * h
    if kappa == 0:
        return curvature * h * (reached + after) / 2
    if reached == 0:
        return curvature * h * after * exprel2(kappa * sp.Abs(after)) / 2
    a, b = sp.Abs(reached), sp.Abs(after)
    d = kappa * (b - a)
    mean = a * exprel(kappa * a) * exprel(d) + (b - a) * exprel2(d) / 2
    # Where both are 0 so is the mean.
    return curvature * h * balance(reached, after) * mean


def height(u: sp.Expr, curvature: sp.Expr, kappa: sp.Expr) -> sp.Expr:
    """W(u)."""
    return curvature * u**2 / 2 * (1 if kappa == 0 else exprel2(kappa * sp.Abs(u)))


def _stays_above(side: Side, curvature: sp.Expr, kappa: sp.Expr) -> Iterator[sp.Basic]:
    """f is at least 0 on this side: at ends of pieces, at crossings from below, and far out."""
    reached: sp.Expr = sp.Integer(0)
    f: sp.Expr = sp.Integer(0)
    for width, bend in zip(side.widths, side.bends[:-1], strict=True):
        after = reached + bend * width
        if reached != 0:
            crosses = _at_least(bend * f, height(reached, curvature, kappa))
            yield sp.Or(_at_least(reached, 0), _at_least(0, after), crosses, evaluate=False)
        f = f + growth_of_piece(reached, bend, width, curvature, kappa)
        yield _at_least(f, 0)
        reached = after
    last = side.bends[-1]
    yield _at_least(last, 0)
    beyond = _at_least(last * f, height(reached, curvature, kappa))
    yield sp.Or(_at_least(reached, 0), beyond, evaluate=False)


def _at_least(a: sp.Expr | int, b: sp.Expr | int) -> sp.Basic:
    # Left as it is: SymPy would look for the sign of a long formula, in vain.
    return sp.Ge(a, b, evaluate=False)

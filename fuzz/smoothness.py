"""The smoothness constants of the objective families in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import sympy as sp

from fuzz.constants import NumberError, larger, sign
from fuzz.pieces import FAMILIES, Shape, above, rational, smoothness_bounds
from fuzz.problem import Family

BOUNDED = ("quadratic", "huber", "slope_then_bowl", "log_cosh", "well")
"""Families whose curvature is at most ``curvature``, for every L1."""


def least_smoothness(objective: Family, slack: sp.Expr, *, hessian: bool) -> sp.Expr | None:
    """The least L0 for which the objective is in GS(L0, L1), or in HS(L0, L1), given L1 = ``slack >= 0``.

    **Coordinates.** A separable sum is in the class if and only if each of its profiles is. If each is, then
    ``|phi_i'(x_i) - phi_i'(y_i)| <= (L0 + L1 |phi_i'(x_i)|) |x_i - y_i| <= (L0 + L1 |grad f(x)|) |x_i - y_i|``, and
    ``|x_i - y_i| <= |x - y| <= 1/L1``: square and add. The Hessian is diagonal: ``max_i |phi_i''| <= L0 + L1 max_i
    |phi_i'|``. Conversely move one coordinate and leave the others at 0, where their gradients vanish. So the answer is
    the largest of the profiles' constants.

    **Curvature at most k** (quadratic, huber, slope_then_bowl, log_cosh, well): k. It is enough, as the gradient is
    k-Lipschitz: ``phi''`` is k where a clamp is open and 0 elsewhere (of slope_then_bowl's two rises the second starts
    where the first has ended, ``start >= slope/curvature``), or ``k / cosh^2``, or for the well ``k (1 - 3 t)/(1 +
    t)^3`` with ``t = x^2/r^2``, which falls from k to ``-k/4`` at ``t = 1`` and then rises to 0. It is needed for every
    L1, as at 0 the gradient vanishes and the curvature is k.

    **Quartic**, ``phi' = k x + q x^3``, L1 > 0, ``kappa = q/L1^2``. The chord from x to x + h has slope
    ``k + q (3 x^2 + 3 x h + h^2)``, convex in h, so over ``|h| <= 1/L1`` it is largest at an end; by symmetry let
    ``x >= 0``, then at ``h = 1/L1``. With ``z = L1 x`` and r = 1 (GS), or r = 0 (HS, where h is 0), the class asks for
    ``L0 >= N(z) = k + kappa (3 z^2 + 3 r z + r) - k z - kappa z^3`` for all ``z >= 0``. Now
    ``N' = 3 kappa (w^2 - (z - 1)^2)`` with ``w^2 = 1 + r - k/(3 kappa)``. If ``w^2 <= 0``, N falls: the answer is
    ``N(0) = k + r kappa``. Otherwise N has one local maximum on ``z >= 0``, at ``z = 1 + w``, where
    ``N = kappa (2 + 4 r + 2 w^3)``; the answer is the larger of the two.

    **Piecewise families**: see :mod:`fuzz.pieces`; where exponentials take part, a rational above it by 2^-90 of it.

    **Radial objectives** ``phi(|x|)``: that of phi on ``r >= 0``. Write ``p = |phi'(a)|`` and ``A = L0 + L1 p`` at
    ``|x| = a``, ``q = |phi'(b)|`` and ``B = L0 + L1 q`` at ``|y| = b``; ``phi'(0) = 0``. It is needed: look at one ray.

    *HS.* At ``|x| = r`` the Hessian has the eigenvalues ``phi''(r)``, along x, and ``phi'(r)/r``, across. The first is
    what phi asks for. As for the second, ``|phi''| <= L0 + L1 |phi'|`` gives ``L1 p <= L0 (e^s - 1)`` with ``s = L1 r``
    (for ``L1 = 0``: ``p <= L0 r``). If ``s >= 1``, then ``p <= L1 p r``. Else ``(e^s - 1)(1 - s) <= s``, as ``e^s <=
    1/(1 - s)``, and so ``L1 p (1 - s) <= L0 s``: again ``p <= (L0 + L1 p) r``.

    *GS.* Let ``|x - y| <= R = 1/L1`` and ``t = 2 - 2 cos(x, y) >= 0``. With signs in p and q,
    ``|grad f(x) - grad f(y)|^2 = (p - q)^2 + p q t`` and ``|x - y|^2 = (a - b)^2 + a b t``. For ``t = 0`` the class
    asks no more of f than of phi, since ``|a - b| <= |x - y| <= R``. As both sides are linear in t, it is enough that
    ``p q <= A^2 a b``. That is so where ``p q <= 0``. Else let both be positive (or look at ``-phi``), and use the
    class of phi for points of ``r >= 0``:

    1. ``p <= A a`` and ``q <= B b``: from a to 0 if ``a <= R``, else as ``p <= L1 p a``.
    2. If ``q <= p``, then ``B <= A``, so ``q <= A b`` and ``p q <= A^2 a b``.
    3. If ``q > p, b >= a``: ``q <= p + A (b - a) <= A a + A (b - a) = A b``.
    4. If ``q > p, b < a``: ``q <= p + A (a - b)``, so ``B <= A (1 + L1 (a - b))`` and
       ``p q <= p B b <= A b p (1 + L1 (a - b))``. It is left that
       ``p (1 + L1 (a - b)) <= A a = L0 a + L1 p a``, or ``p (1 - L1 b) <= L0 a``. It is so if
       ``1 - L1 b <= 0``; else ``p (1 - L1 b) < q (1 - L1 b) <= L0 b < L0 a``, by 1.
    Points at 0 are limits of others.

    What the closed forms above ask for is what phi asks for on ``r >= 0``: the curvature at 0 is met there, quartics
    are even, and of piecewise profiles the right side is taken on both: pairs of different signs ask for no more
    (:mod:`fuzz.pieces`, 1).

    Returns:
        ``None`` where no L0 will do: the quartic with L1 = 0, say.

    Raises:
        NumberError: for a family without a closed form.
    """
    needed = sp.Integer(0)
    for profile, numbers in objective.profiles:
        constant = _profile_smoothness(profile.name, numbers, slack, hessian, objective.radial)
        if constant is None:
            return None
        needed = larger(needed, constant)
    return needed


def _profile_smoothness(
    family: str, numbers: Mapping[str, Any], slack: sp.Expr, hessian: bool, radial: bool
) -> sp.Expr | None:
    if family in BOUNDED:
        return sp.sympify(numbers["curvature"])
    if family == "quartic":
        if sign(slack) == 0:
            return None
        return _quartic_smoothness(
            sp.sympify(numbers["curvature"]), sp.sympify(numbers["quartic"]), slack, int(not hessian)
        )
    if family in FAMILIES:
        return _piecewise_smoothness(tuple(sorted(numbers.items())), slack, hessian, radial)
    raise NumberError(f"no closed form is known for the smoothness of {family}")


@lru_cache(maxsize=512)
def _piecewise_smoothness(
    numbers: tuple[tuple[str, Any], ...], slack: sp.Expr, hessian: bool, radial: bool
) -> sp.Expr | None:
    """Kept, since a sum of many coordinates may have few profiles, and a candidate is certified more than once."""
    bounds = smoothness_bounds(Shape.of(dict(numbers), radial), rational("L1", slack), hessian=hessian)
    return None if bounds is None else above(bounds)


def _quartic_smoothness(curvature: sp.Expr, quartic: sp.Expr, slack: sp.Expr, reach: int) -> sp.Expr:
    kappa = quartic / slack**2
    at_zero = curvature + reach * kappa
    square = 1 + reach - curvature / (3 * kappa)
    if sign(square) <= 0:
        return at_zero
    return larger(at_zero, kappa * (2 + 4 * reach + 2 * square * sp.sqrt(square)))

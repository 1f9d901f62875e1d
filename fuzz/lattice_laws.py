r"""Why the noise laws have mean zero and at most their nominal variance: proofs, and the words of certificates.

**Variance of the lattice laws.** For Y convex on (0, 1), Y at a midpoint is at most the mean of Y over its cell.

- gaussian, student_t: ``s r(U0) cos(2 pi U1)``. ``U1 -> U1 + 1/2 mod 1`` maps the midpoints onto themselves (N is even)
  and the cosine to its negative, so the law is symmetric, exactly, with mean 0. ``E cos^2 = 1/2`` exactly, as the N
  values of ``cos(4 pi U1)`` add up to 0 (N > 2). ``E r^2 = 2 E(-log U)``, or ``(nu - 2) E(U^(-2/nu) - 1)``, of convex
  functions, is at most the integral, which is 2. So the variance is at most ``s^2``.
- skewed_exponential: Y = -log U minus its mean. Here the midpoint rule lowers the mean *and* the second moment, so
  convexity alone says nothing of the variance. Let M be the midpoint of the cell of a uniform V, and
  ``delta(M) = E[Y(V) | M] - Y(M)``, which is the mean of ``-log(1 - t^2/M^2)/2`` over ``0 < t < 1/(2N)``: it falls as
  M grows, and so does ``Y(M)``. Functions that fall together have a covariance of at least 0 (Chebyshev), so
  ``Var Y(M) <= Var(Y(M) + delta(M)) = Var E[Y(V) | M] <= Var Y(V) = 1``.
  The formula's centre is the mean on the lattice but for ``7/(2880 N^4) < 10^-41`` (the first term of Stirling's series
  that it leaves out, an enveloping one); the law certified is the one with the exact mean.
- laplace: ``s (-log U0)/sqrt(2)`` times the sign of ``1/2 - U1``, which is + or - with probability 1/2, exactly; and
  ``log^2`` is convex on (0, 1), so ``E log^2 <= 2``, the integral.
- chi_square: ``s (Z^2 - mu)/sqrt(2)`` with ``Z^2 = 2 L cos^2(2 pi U1)``, ``L = -log U0`` and mu the mean of L. As above
  ``E cos^2 = 1/2`` and, as the values of ``cos(8 pi U1)`` add up to 0 too (N > 4), ``E cos^4 = 3/8``: so the mean of
  ``Z^2`` is mu, and its variance ``(3/2) E L^2 - mu^2 = (3/2) Var L + mu^2/2 <= 3/2 + 1/2``, by the last argument
  and as ``mu <= 1``. Its centre is that of the exponential law.
- symmetric_chi_square: ``s/sqrt(3) 2 L cos|cos|``: half a turn changes the sign, and ``E 4 L^2 cos^4 <= 4 * 2 * 3/8``.
- pareto: ``U^-a``, ``a = 1/index < 1/2``, minus its mean. The argument for the exponential law needs of the function no
  more than that it falls and its derivative is concave: with ``delta(M)`` the excess of the cell's mean, ``delta'(M)``
  is the mean of ``(f'(M+t) + f'(M-t))/2 - f'(M) <= 0``. So the variance is at most that of ``V^-a`` for a uniform V,
  ``index/((index-1)^2 (index-2))``. The formula's centre leaves out the Euler-Maclaurin terms at N and those at 16 from
  the ninth derivative on. The Peano kernels ``B_2k({x+1/2}) - B_2k(1/2)`` have one sign, as B_2k is extreme at 0 and
  1/2, and all derivatives of ``x^-a`` of one order have one: the series envelops, and what is left out is at most
  ``a/(24 N^2) + N^(a-1) (511/512) (5/66)/10! a(a+1)...(a+8) 16^(-a-9)``, rising in a, below 2^-63 at a = 1/2.
- symmetric_pareto: ``(U^-a - 1)`` times a sign, as for laplace; it is convex and not negative, so its square is convex,
  with integral ``1/(1-2a) - 2/(1-a) + 1 = 2/((index-1)(index-2))``.
- contaminated_gaussian: given ``U0 < p = K/N``, ``U0/p`` is a midpoint of K cells, and else ``(U0 - p)/(1 - p)`` one of
  N - K cells: the radius is that of the gaussian law on a coarser lattice, and the angle is independent of both.
- rare_exponential: ``u L`` with probability p, L from the second word, else ``-u mu p/(1-p)``: mean 0 with mu the mean
  of L, and second moment ``u^2 (p E L^2 + mu^2 p^2/(1-p)) <= u^2 (2 p + p^2/(1-p))``. Its centre as above.
- vanishing_gaussian: at every point the gaussian law with scale ``s min(1, m/a) <= s``. gradient_two_point: a two-point
  law along a unit vector that the past decides; band_two_point: that law, or none.
- two_point: p = K/N, so ``U < p`` has probability p, exactly. worst_two_point: at every point p = K/N with
  ``1 <= K < N``, ``0 <= higher <= sigma sqrt((1 - p)/p)`` and ``lower = -higher p/(1 - p)``, so the mean is 0 and the
  variance ``higher^2 p/(1 - p) <= sigma^2``; it is one scalar along a unit vector, in any dimension.

Coordinates are independent, or in pairs: the second of a pair is ``s r(U0) cos(2 pi V)``, ``V = U1 - 1/4`` modulo 1. A
quarter of a turn maps the midpoints onto themselves (4 divides N), so it has the law that it would have alone.
Variances add, whatever binds coordinates; symmetric coordinates that are independent make a symmetric vector, and so do
pairs, since half a turn of U1 is one of V. (The two are uncorrelated: the values of ``sin(4 pi U1)`` add up to 0.) A
law along the gradient is one scalar along a unit vector: its variance is the scalar's. Laws that depend on the state
have these moments given the past, at whatever point.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy as sp

from fuzz.constants import sign
from fuzz.problem import Family
from theorems.language.noises import LATTICE

CENTRING_ERROR = sp.Rational(7, 2880) / LATTICE**4
"""How far the formula of the exponential law's centre may be from the mean on the lattice, for scale 1."""
PARETO_CENTRING_ERROR = sp.Rational(1, 2**63)
"""The same for ``U^(-1/index)``."""

BOUNDED: Mapping[str, str] = {
    "none": "There is no noise: mean and variance are 0.",
    "two_point": "$u$ with probability $p=K/2^{32}$, else $-pu/(1-p)$: mean 0, variance $u^2p/(1-p)$, exactly.",
    "symmetric_two_point": r"$\pm s$ with probability 1/2 each: mean 0, variance $s^2$, exactly.",
    "gaussian": (
        r"$s\sqrt{-2\log U_0}\cos(2\pi U_1)$ on a lattice of midpoints: $\mathbb{E}\cos=0$ and"
        r" $\mathbb{E}\cos^2=1/2$ exactly, $\mathbb{E}(-\log U_0)\le1$ since $-\log$ is convex; so mean 0,"
        r" variance at most $s^2$."
    ),
    "student_t": (
        r"$s\sqrt{(\nu-2)(U_0^{-2/\nu}-1)}\cos(2\pi U_1)$ on a lattice of midpoints: $\mathbb{E}\cos=0$ and"
        r" $\mathbb{E}\cos^2=1/2$ exactly, $\mathbb{E}U_0^{-2/\nu}\le\nu/(\nu-2)$ since the power is convex; so"
        r" mean 0, variance at most $s^2$."
    ),
    "laplace": (
        r"$s(-\log U_0)/\sqrt2$ on a lattice of midpoints, times $\pm1$ with probability 1/2 each: mean 0;"
        r" $\log^2$ is convex, so $\mathbb{E}\log^2U_0\le2$ and the variance is at most $s^2$."
    ),
    "chi_square": (
        r"$s(2L\cos^2(2\pi U_1)-\mu)/\sqrt2$, $L=-\log U_0$ on a lattice of midpoints with mean $\mu$ (the"
        r" formula's centre is $\mu$ within $7/(2880\cdot2^{128})$). $\mathbb{E}\cos^2=1/2$ and"
        r" $\mathbb{E}\cos^4=3/8$ exactly, so the mean is 0 and the variance"
        r" $\frac{s^2}2(\frac32\mathrm{Var}L+\frac12\mu^2)\le s^2$, since $\mathrm{Var}L\le1$ (Chebyshev, as for"
        r" the exponential law) and $\mu\le1$."
    ),
    "symmetric_chi_square": (
        r"$\frac{s}{\sqrt3}2L\cos|\cos|$, $L=-\log U_0$ on a lattice of midpoints: half a turn changes the sign,"
        r" so the mean is 0; $\mathbb{E}L^2\le2$ since $\log^2$ is convex, and $\mathbb{E}\cos^4=3/8$ exactly:"
        r" variance at most $s^2$."
    ),
    "pareto": (
        r"$s(\alpha-1)\sqrt{(\alpha-2)/\alpha}\,(U_0^{-1/\alpha}-\mu)$ with $\mu$ the mean on a lattice of"
        r" midpoints $M$ (the formula's centre is $\mu$ within $2^{-63}$). Both $M^{-1/\alpha}$ and the excess"
        r" over it of the mean over the cell of $M$ fall in $M$, so their covariance is not negative, and the"
        r" variance is at most that of the cell means, hence at most $s^2$."
    ),
    "symmetric_pareto": (
        r"$s\sqrt{(\alpha-1)(\alpha-2)/2}\,(U_0^{-1/\alpha}-1)$ on a lattice of midpoints, times $\pm1$ with"
        r" probability 1/2 each: mean 0; the square is convex, so its mean is at most the integral, and the"
        r" variance at most $s^2$."
    ),
    "contaminated_gaussian": (
        r"With probability $p=K/2^{32}$ a normal law on a lattice of $K$ midpoints, else one of $2^{32}-K$: each"
        r" is symmetric, and $-\log$ is convex, so the mean is 0 and the variance at most $p\,w^2+(1-p)s^2$."
    ),
    "rare_exponential": (
        r"$uL$ with probability $p=K/2^{32}$, $L=-\log U_1$ on a lattice of midpoints with mean $\mu$, else"
        r" $-u\mu p/(1-p)$ (the formula's centre is $\mu$ within $7/(2880\cdot2^{128})$): mean 0. $\mu\le1$ and"
        r" $\mathbb{E}L^2\le2$ by convexity, so the variance is at most $u^2p(2-p)/(1-p)$."
    ),
    "vanishing_gaussian": (
        r"At every point the normal law with standard deviation $s\min(1,|\nabla f|/a)\le s$ on a lattice of"
        r" midpoints: conditional mean 0, conditional variance at most $s^2$."
    ),
    "gradient_two_point": (
        r"At every point one scalar along a unit vector: $u$ with probability $p=K/2^{32}$, else $-pu/(1-p)$:"
        r" conditional mean 0 and variance $u^2p/(1-p)$, exactly."
    ),
    "band_two_point": (
        r"At every point no noise, or one scalar along a unit vector: $u$ with probability $p=K/2^{32}$, else"
        r" $-pu/(1-p)$: conditional mean 0, conditional variance at most $u^2p/(1-p)$."
    ),
    "skewed_exponential": (
        r"$s(-\log U_0-\mu)$ with $\mu$ the mean on a lattice of midpoints $M$ (the formula's centre is $\mu$"
        r" within $7/(2880\cdot2^{128})$). Both $-\log M$ and the excess over it of the mean of $-\log$ over the"
        r" cell of $M$ fall in $M$, so their covariance is not negative, and the variance is at most that of the"
        r" cell means, hence at most $s^2$."
    ),
    "worst_two_point": (
        r"At every point one scalar along a unit vector: $h\le\sigma\sqrt{(1-p)/p}$ with probability"
        r" $p=K/2^{32}$, else $-hp/(1-p)$: mean 0, variance $h^2p/(1-p)\le\sigma^2$."
    ),
    "finite": "Finitely many atoms, the same law at every point: mean and variance are exact sums.",
}
"""Why a law has mean 0 and at most its nominal variance, at every point, by its name."""

_HALF_A_TURN = (
    r"$U_1\mapsto U_1+1/2 \bmod 1$ maps the midpoints of $2^{32}$ cells onto themselves and $\cos(2\pi U_1)$ to"
    r" its negative, independently in every coordinate."
)
_HALF_A_TURN_OF_PAIRS = (
    r"$U_1\mapsto U_1+1/2 \bmod 1$ maps the midpoints of $2^{32}$ cells onto themselves and $\cos(2\pi U_1)$ to"
    r" its negative; the second coordinate of a pair reads $U_1-1/4$, so both change their sign together."
)
_SIGN = (
    "The sign is that of $1/2-U_1$: + or - with probability 1/2 each, independent of the size and of other coordinates."
)
SYMMETRIC: Mapping[str, str] = {
    "gaussian": _HALF_A_TURN_OF_PAIRS,
    "student_t": _HALF_A_TURN,
    "symmetric_chi_square": _HALF_A_TURN,
    "contaminated_gaussian": _HALF_A_TURN,
    "vanishing_gaussian": _HALF_A_TURN,
    "laplace": _SIGN,
    "symmetric_pareto": _SIGN,
}
"""Why a law that takes infinitely many values, but for the lattice, is symmetric, also given the past."""
SYMMETRIC_LAWS = ("symmetric_two_point", *SYMMETRIC)
"""Laws that are symmetric whatever their numbers, also given the past."""


def centring_error(noise: Family) -> sp.Expr | None:
    """A bound on the sum over coordinates of ``|mean|`` of the formula as it stands; ``None`` where it is exact."""
    zero = sp.Integer(0)
    if noise.name in ("skewed_exponential", "chi_square"):
        return CENTRING_ERROR * sum((_size(n["scale"]) for n in noise.coordinates), zero)
    if noise.name == "rare_exponential":
        return CENTRING_ERROR * sum((n["probability"] * _size(n["up"]) for n in noise.coordinates), zero)
    if noise.name == "pareto":
        # (index - 1) sqrt((index - 2)/index) is below the index.
        return PARETO_CENTRING_ERROR * sum((n["index"] * _size(n["scale"]) for n in noise.coordinates), zero)
    return None


def _size(number: Any) -> sp.Expr:
    return number if sign(number) >= 0 else -sp.sympify(number)

r"""Regularised logistic regression with its own mini-batch noise: every constant certified from the data.

With rows ``b_i`` (label times features) and weights ``p_i``,

    f(x) = sum_i p_i log(1 + exp(-<b_i, x>)) + (lam/2) |x|^2,
    g_i(x) = -s_i b_i + lam x,  s_i = 1/(1 + exp(<b_i, x>)).

One step draws a sample by the word ``w`` of its random stream: number ``floor(w n / 2^32)``. So sample i has
probability ``p_i = K_i/2^32`` with the number K_i of words that choose it, which is 1/n but for 2^-32: *those* are the
weights of f, and the mean of ``g_i`` is grad f, exactly. A batch is the mean of k independent draws.

**Certificates**, proved here and decided in exact integers or outward-rounded intervals:

- smoothness: ``s_i (1 - s_i) <= 1/4``, so the Hessian is at most ``H = sum p_i b_i b_i^T/4 + lam I``. A rational L is
  the constant if ``L I - H`` is positive definite: by Sylvester's criterion, in integers (Bareiss's elimination).
- strong convexity: lam, hence PL(lam) and convexity; a minimiser exists.
- bounded variance *at every x*: the noise is that of ``s_i b_i = (s_i - 1/2) b_i + b_i/2``, and standard deviations are
  a norm: the first part's is at most ``sqrt(sum p_i |b_i|^2)/2`` as ``|s_i - 1/2| < 1/2``, the second's is known. With
  ``S = sum p_i |b_i|^2`` and ``M = |sum p_i b_i|^2``: ``sigma = (sqrt(S) + sqrt(S - M))/2``; of a batch sigma/sqrt(k).
- the minimum: ``f(y) - |grad f(y)|^2/(2 lam) <= inf f <= f(y)`` at any y, and ``|y - x*| <= |grad f(y)|/lam``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from mpmath import iv

from fuzz.datasets import GRID, Dataset
from fuzz.rationals import root_above
from fuzz.reading import Floats

LATTICE = 2**32
_BITS = 96
_FINE = 2**40

Interval = tuple[Fraction, Fraction]


@dataclass(frozen=True, eq=False)
class Logistic:
    """The objective.

    Args:
        data: rows of signed features.
        regulariser: lam > 0.

    Raises:
        ValueError: for a regulariser that is not positive.
    """

    data: Dataset
    regulariser: Fraction

    def __post_init__(self) -> None:
        if not isinstance(self.regulariser, Fraction) or self.regulariser <= 0:
            raise ValueError(f"the regulariser must be a positive Fraction, not {self.regulariser!r}")

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """K_i: how many of the 2^32 words choose sample i."""
        n = self.data.samples
        ends = [-(-i * LATTICE // n) for i in range(n + 1)]
        return tuple(b - a for a, b in itertools.pairwise(ends))

    @cached_property
    def rows(self) -> Floats:
        """The rows as floats, exact, [n, d]."""
        return self.data.rows / GRID

    @cached_property
    def weights(self) -> Floats:
        """p_i as floats, exact, [n]."""
        return np.array(self.counts, np.float64) / LATTICE

    # -- certificates ------------------------------------------------------------------------------------------------

    @cached_property
    def smoothness(self) -> Fraction:
        """A rational L, proved to be the constant of smoothness.

        Raises:
            ArithmeticError: if the proof fails, which rounding cannot bring about.
        """
        moments = (self.rows * self.weights[:, None]).T @ self.rows
        largest = float(np.linalg.eigvalsh(moments / 4)[-1]) + float(self.regulariser)
        scale = 2.0 ** (20 - math.frexp(largest)[1])
        found = Fraction(math.ceil(largest * (1 + 1e-9) * scale) + 1) / Fraction(scale)
        if not self.is_smooth(found):
            raise ArithmeticError(f"{found} is not shown to be a constant of smoothness")
        return found

    def is_smooth(self, constant: Fraction) -> bool:
        """Whether ``constant I - H`` is positive definite, decided in integers."""
        rows = self.data.rows.astype(object)
        moments = rows.T @ (np.array(self.counts, object)[:, None] * rows)
        room = constant - self.regulariser
        # Everything times 4 GRID^2 2^32 and the denominator of the room.
        whole = 4 * GRID**2 * LATTICE * room.numerator
        matrix = [
            [whole * (i == j) - int(moments[i, j]) * room.denominator for j in range(self.data.dimension)]
            for i in range(self.data.dimension)
        ]
        return positive_definite(matrix)

    @cached_property
    def second_moment(self) -> Fraction:
        """S, exact."""
        squares = (self.data.rows.astype(object) ** 2).sum(1)
        return Fraction(int(np.dot(np.array(self.counts, object), squares)), LATTICE * GRID**2)

    @cached_property
    def mean_square(self) -> Fraction:
        """M, exact."""
        mean = np.array(self.counts, object) @ self.data.rows.astype(object)
        return Fraction(int((mean**2).sum()), LATTICE**2 * GRID**2)

    def deviation(self, batch: int) -> Fraction:
        """A rational sigma that bounds the deviation of the mean of ``batch`` samples at every x."""
        slack = Fraction(1, 10**6)
        one = (root_above(self.second_moment, slack) + root_above(self.second_moment - self.mean_square, slack)) / 2
        return one if batch == 1 else root_above(one**2 / batch, slack)

    def enclosure(self, point: Floats) -> tuple[Interval, Interval]:
        """Rational bounds of f and of ``|grad f|^2`` at a point of multiples of 2^-40, see :func:`on_grid`.

        Raises:
            ValueError: for another point.
        """
        whole = [Fraction(float(v)) * _FINE for v in point]
        if any(v.denominator != 1 for v in whole):
            raise ValueError("a point must have coordinates that are multiples of 2^-40")
        place = np.array([int(v) for v in whole], object)
        rows, counts = self.data.rows.astype(object), np.array(self.counts, object)
        before = iv.prec
        iv.prec = _BITS
        try:
            loss, pulls = iv.mpf(0), []
            for margin, count in zip(rows @ place, self.counts, strict=True):
                # Margins are exact; e^-margin is finite for any.
                growth = 1 + iv.exp(-iv.mpf(int(margin)) / (GRID * _FINE))
                loss += count * iv.log(growth)
                pulls.append(_ends(1 - 1 / growth))
        finally:
            iv.prec = before
        least, most = _ends(loss)
        square = Fraction(sum(int(v) ** 2 for v in place), _FINE**2)
        value = tuple(end / LATTICE + self.regulariser / 2 * square for end in (least, most))
        # Integers again: s_i in units of 2^-96, rounded outwards.
        low = counts * np.array([math.floor(a * 2**_BITS) for a, _ in pulls], object)
        high = counts * np.array([math.ceil(b * 2**_BITS) for _, b in pulls], object)
        up, down = np.maximum(rows, 0), np.minimum(rows, 0)
        unit = GRID * LATTICE * 2**_BITS
        ends = zip(low @ up + high @ down, high @ up + low @ down, place, strict=True)
        total = [Fraction(0), Fraction(0)]
        for a, b, v in ends:
            drag = self.regulariser * Fraction(int(v), _FINE)
            entry = drag - Fraction(int(b), unit), drag - Fraction(int(a), unit)
            sizes = abs(entry[0]), abs(entry[1])
            total[0] += 0 if entry[0] <= 0 <= entry[1] else min(sizes) ** 2
            total[1] += max(sizes) ** 2
        return (value[0], value[1]), (total[0], total[1])

    @cached_property
    def minimiser(self) -> Floats:
        """A point near the minimiser, by Newton's method: any point will do for the bounds."""
        point = np.zeros(self.data.dimension)
        for _ in range(60):
            pull = self._pull(point)
            hessian = (self.rows * (self.weights * pull * (1 - pull))[:, None]).T @ self.rows
            hessian += float(self.regulariser) * np.eye(self.data.dimension)
            point = point - np.linalg.solve(hessian, self.gradient(point[None, :])[0])
        return on_grid(point)

    @cached_property
    def minimum(self) -> Interval:
        """Rational bounds of inf f."""
        value, square = self.enclosure(self.minimiser)
        return value[0] - square[1] / (2 * self.regulariser), value[1]

    def gap(self, point: Floats) -> Interval:
        """Rational bounds of ``f(point) - inf f``."""
        value, _ = self.enclosure(point)
        return max(value[0] - self.minimum[1], Fraction(0)), value[1] - self.minimum[0]

    def distance(self, point: Floats) -> Interval:
        """Rational bounds of the distance from a point to the minimiser."""
        _, square = self.enclosure(self.minimiser)
        off = root_above(square[1], Fraction(1, 10)) / self.regulariser
        apart = sum(
            ((Fraction(float(a)) - Fraction(float(b))) ** 2 for a, b in zip(point, self.minimiser, strict=True))
        )
        above = root_above(Fraction(apart), Fraction(1, 10**9)) if apart else Fraction(0)
        return max(above * (1 - Fraction(1, 10**8)) - off, Fraction(0)), above + off

    # -- floats ------------------------------------------------------------------------------------------------------

    def _pull(self, points: Floats) -> Floats:
        """``s_i`` at points [..., d]: [..., n]."""
        with np.errstate(over="ignore"):
            return np.asarray(1 / (1 + np.exp(points @ self.rows.T)))

    def value(self, points: Floats) -> Floats:
        """f at points [R, d]: [R]."""
        losses = np.logaddexp(0.0, -(points @ self.rows.T))
        return np.asarray(losses @ self.weights + float(self.regulariser) / 2 * (points**2).sum(-1))

    def gradient(self, points: Floats) -> Floats:
        """grad f at points [R, d]: [R, d]."""
        return np.asarray(-(self._pull(points) * self.weights) @ self.rows + float(self.regulariser) * points)

    def sample_gradient(self, points: Floats, samples: Any) -> Floats:
        """``g_i`` at points [R, d], for one sample each: [R, d]."""
        rows = self.rows[samples]
        with np.errstate(over="ignore"):
            pull = 1 / (1 + np.exp((rows * points).sum(-1)))
        return np.asarray(-pull[:, None] * rows + float(self.regulariser) * points)


def positive_definite(matrix: Sequence[Sequence[int]]) -> bool:
    """Whether a symmetric integer matrix is positive definite: all leading minors positive (Sylvester), by
    fraction-free elimination (Bareiss 1968), whose pivots are those minors."""
    rows = [list(row) for row in matrix]
    last = 1
    for k in range(len(rows)):
        pivot = rows[k][k]
        if pivot <= 0:
            return False
        for i in range(k + 1, len(rows)):
            for j in range(k + 1, len(rows)):
                rows[i][j] = (rows[i][j] * pivot - rows[i][k] * rows[k][j]) // last
        last = pivot
    return True


def on_grid(point: Floats) -> Floats:
    """The nearest point of multiples of 2^-40."""
    return np.round(np.asarray(point, np.float64) * _FINE) / _FINE


def _ends(interval: Any) -> Interval:
    """The ends of an mpmath interval, exact."""

    def exact(end: tuple[int, int, int, int]) -> Fraction:
        sign, mantissa, exponent, _ = end
        return Fraction(-int(mantissa) if sign else int(mantissa)) * Fraction(2) ** int(exponent)

    low, high = interval._mpi_
    return exact(low), exact(high)

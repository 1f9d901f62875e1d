"""One step, without simulation: expectations over finite laws, vectorised over problems; laws made exact.

Shapes: ``probabilities`` [N, K], ``atoms`` [N, K, d] are the noise; the gradient is a vector [N, d]. Floats in the
gradient's unit; the exact problem that a search hands on has the very same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import pairwise

import numpy as np
import sympy as sp

from fuzz.engine.printers.numpy_source import numpy_function
from fuzz.genes import Objectives
from fuzz.reading import Floats
from fuzz.shapes import evaluate
from theorems.language.functions import NOISES, U0, U1

_BISECTIONS = 54

Law = list[tuple[Fraction, tuple[Fraction, ...]]]


def clip(g: Floats, c: Floats) -> Floats:
    """``min(1, c/|g|) g`` along the last axis; ``c`` broadcasts over the other axes; ``clip(0) = 0``."""
    norm = np.sqrt((g**2).sum(-1))
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(norm > c, c / norm, 1.0)
    return np.asarray(g * factor[..., None])


def drift(m: Floats, c: Floats, probabilities: Floats, atoms: Floats) -> Floats:
    """``E <u, clip_c(m u + noise)>`` with u the first axis, [N]."""
    along = atoms[..., 0] + m[:, None]
    norm = np.sqrt(along**2 + (atoms[..., 1:] ** 2).sum(-1))
    return np.asarray((probabilities * along * np.minimum(1.0, c[:, None] / np.maximum(norm, c[:, None]))).sum(-1))


def stuck_gradient_norm(c: Floats, probabilities: Floats, atoms: Floats) -> tuple[Floats, Floats]:
    """The largest m with ``drift(m) <= 0``, [N], and the drift at m = 0.

    The drift never falls as m grows, so the stuck points of a law are an interval [0, m]; if the drift at 0 is
    positive there is none, and the first array is 0. The drift at the number returned is at most 0 in floats.
    """
    low = np.zeros(len(c))
    at_zero = drift(low, c, probabilities, atoms)
    # Beyond this every atom of positive probability points along u.
    high = np.abs(atoms[..., 0]).max(-1) * (1 + 1e-9) + c * 1e-9
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        stuck = drift(middle, c, probabilities, atoms) <= 0
        low, high = np.where(stuck, middle, low), np.where(stuck, high, middle)
    return low, at_zero


def step_change(objectives: Objectives, eta: Floats, c: Floats, probabilities: Floats, atoms: Floats) -> Floats:
    """``E f(x') - f(x)``, [N]."""
    value = _objective(objectives, "value")
    return np.asarray(
        (probabilities * value(_next(objectives, eta, c, atoms))).sum(-1) - value(objectives.start[:, None, :])[:, 0]
    )


def next_gradient_norm(objectives: Objectives, eta: Floats, c: Floats, probabilities: Floats, atoms: Floats) -> Floats:
    """``E |grad f(x')|``, [N]."""
    gradient = _objective(objectives, "gradient", norm=True)
    return np.asarray((probabilities * gradient(_next(objectives, eta, c, atoms))).sum(-1))


def clip_second_moment(m: Floats, c: Floats, probabilities: Floats, atoms: Floats) -> Floats:
    """``E |clip_c(g)|^2``, [N]."""
    square = (m[:, None] + atoms[..., 0]) ** 2 + (atoms[..., 1:] ** 2).sum(-1)
    return np.asarray((probabilities * np.minimum(square, c[:, None] ** 2)).sum(-1))


def lattice_law(name: str, numbers: Mapping[str, float], points: int = 4096) -> tuple[Floats, Floats]:
    """A scalar noise family as equally likely atoms on a lattice of uniforms: (probabilities [K], atoms [K, 1]).

    The midpoint rule with K = ``points`` (a square number, if the law reads two words); the mean is made exactly 0.

    Raises:
        ValueError: for an unknown family or a law that depends on the point or has vectors for atoms.
    """
    if name not in NOISES or NOISES[name].depends_on_state or name == "finite":
        raise ValueError(f"no lattice law of noise {name!r}")
    noise = NOISES[name]
    side = math.isqrt(points) if noise.words == 2 else points
    line = (np.arange(side) + 0.5) / side
    first, second = (a.ravel() for a in np.meshgrid(line, line if noise.words == 2 else line[:1], indexing="ij"))
    arguments = (U0, U1, *noise.parameters)
    sample = numpy_function(noise.sample, arguments)(first, second, *(float(numbers[p.name]) for p in noise.parameters))
    values = np.broadcast_to(np.asarray(sample, np.float64), first.shape)
    return np.full(len(values), 1 / len(values)), (values - values.mean())[:, None]


def _objective(objectives: Objectives, which: str, norm: bool = False) -> Callable[[Floats], Floats]:
    def at(points: Floats) -> Floats:
        values = evaluate(objectives.family, which, objectives.parameters, points)
        return np.asarray(np.sqrt((values**2).sum(-1)) if norm else values.sum(-1))

    return at


def _next(objectives: Objectives, eta: Floats, c: Floats, atoms: Floats) -> Floats:
    """x' for every atom, [N, K, d]."""
    gradient = evaluate(objectives.family, "gradient", objectives.parameters, objectives.start)
    move = clip(gradient[:, None, :] + atoms, c[:, None])
    return np.asarray(objectives.start[:, None, :] - eta[:, None, None] * move)


def make_stuck(m: Fraction, c: Fraction, law: Law) -> Fraction | None:
    """``m`` lowered as little as it takes for the exact drift to be at most 0; ``None`` if that is too much.

    In one dimension the test is exact; otherwise in 50 digits with a margin of 1e-30, so that it cannot err.
    """
    for lowered in (Fraction(0), *(Fraction(1, 10**k) for k in (12, 9, 6, 4))):
        candidate = m * (1 - lowered)
        if exactly_stuck(candidate, c, law):
            return candidate
    return None


def exactly_stuck(m: Fraction, c: Fraction, law: Law) -> bool:
    """Whether ``E <u, clip_c(m u + noise)> <= 0``, see :func:`make_stuck`."""
    if all(not any(a[1:]) for _, a in law):
        return sum((p * max(-c, min(c, m + a[0])) for p, a in law), Fraction(0)) <= 0
    total = sp.Float(0, 50)
    for p, a in law:
        along = m + a[0]
        square = along**2 + sum(e * e for e in a[1:])
        if square <= c * c:
            total += sp.Float(rational(p * along), 50)
        else:
            total += sp.Float(rational(p * along * c), 50) / sp.sqrt(sp.Float(rational(square), 50))
    return bool(total <= -sp.Float("1e-30"))


def largest_stuck(c: Fraction, law: Law) -> Fraction:
    """The largest m at which the law is stuck, 0 if there is none: exact on a line, else from below within 1e-12."""
    if all(not any(a[1:]) for _, a in law):
        # The drift is piecewise linear in m, with corners where an atom meets -c or c.
        corners = sorted({edge - a[0] for _, a in law for edge in (-c, c) if edge > a[0]} | {Fraction(0)})

        def value(m: Fraction) -> Fraction:
            return sum((p * max(-c, min(c, m + a[0])) for p, a in law), Fraction(0))

        if value(Fraction(0)) > 0:
            return Fraction(0)
        for left, right in pairwise(corners):
            if value(right) > 0:
                return left - value(left) * (right - left) / (value(right) - value(left))
        return corners[-1]
    arrays = np.array([[float(p) for p, _ in law]]), np.array([[[float(e) for e in a] for _, a in law]])
    found, _ = stuck_gradient_norm(np.array([float(c)]), *arrays)
    return make_stuck(Fraction(float(found[0])), c, law) or Fraction(0)


def rational(value: Fraction) -> sp.Rational:
    return sp.Rational(value.numerator, value.denominator)

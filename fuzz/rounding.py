"""How far a float64 run may be from the exact one: a bound in closed form, held against every statistical finding.

**Coupling.** For each word of the random stream the exact run uses the same word, and so the same event ``U < p``
(words are integers, probabilities multiples of 2^-32: no rounding). The law of an oracle, or of any noise that depends
on the state, is taken at the computed point: the exact process faces an adversary that may depend on the past, so that
is an admissible law too. Then the runs differ by rounding alone.

**One step.** The computed step differs from the exact one *at the same point* by at most
``e = 64 d u (|x| + eta (c + G + Z))`` in expectation, with u = 2^-53, G a bound on every term of the gradient formula
and Z one on the expected size of every term of the noise formula: at most twice the deviation (the polar laws have
``E r^2 = 2 sigma^2``, the exponential law ``E(|log U| + 1) <= 2``, a finite law no term but its atoms), times the index
for the Pareto laws, whose terms are up to ``index U^(-1/index)`` before they are centred. The square root of a
contaminated law's ``-2 log V`` turns an error e of V into ``e/sqrt(-2 log V)``, whose mean is of the size of e.
Clipping is a projection, so it does not enlarge errors. Formulas have fewer than 16 operations; 64 leaves room for
elementary functions that err by some units in the last place. The run stays within ``|x_0| + eta c T``.

**Piecewise profiles.** u is a sum over eight pieces of ``k h``, where the overlaps h add up to at most ``|x|``. An end
of a piece is a sum of at most three lengths, W in all, so h errs by at most ``4 u (|x| + W)``, and with products and
sums u errs by less than ``32 u (|x| + W)``: a factor of ``gamma'(U) = L e^(kappa U)`` more in the gradient, ``U <=
|x|`` being the largest ``|u|``. So G is taken as ``gamma(U) + gamma'(U) (|x| + W)``, and a value's terms as ``|x|``
times that.

**Other algorithms.** A sum of n samples has n roundings more, relative to what the samples are in the mean: ``64 + n``
in place of 64. What is said below of the projection of one sample holds for the mean of several. Noise z that DP-SGD
adds, ``E|z|^2 = zeta^2``, is a term of the noise and moves the run by at most ``eta zeta sqrt(T)`` in the mean; where G
grows no faster than ``|x|`` a bound on ``E|x|`` bounds ``E G``, and where it does, or the value is wanted, no bound is
given.

**Whole runs.** Errors add up with a factor of at most ``rate`` a step. On a line ``x -> x - eta clip(f'(x) + z)`` with
``-N <= f'' <= L`` and ``eta L <= 2`` has slopes in ``[-1, 1 + eta N]``, so the rate is ``1 + eta N``: 1 if f is convex.
In more dimensions, with ``theta = eta L``:

- *Quadratics, theta <= 2.* With H the Hessian and D the derivative of the projection, ``0 <= D <= I``, a step takes a
  difference ``v`` to ``(I - eta D H) v``. In the norm ``|v|_H = |H^(1/2) v|`` that map is symmetric, as ``H D H`` is,
  with eigenvalues in ``[1 - theta, 1]``: the rate is 1 there. An error e of one step has ``|e|_H <= sqrt(L) |e|``, a
  gradient moves by ``|H v| <= sqrt(L) |v|_H``, a value by ``|<v, H (x + y)>|/2 <= |v|_H sqrt(L) max(|x|, |y|)``.
- *Convex.* Let ``v = x - y``, ``|v| = 1``, ``w`` the difference of the gradients, ``p`` that of the clipped steps and
  ``|w| = L s``. Coordinate by coordinate ``v_i w_i >= w_i^2/L``, so ``<v, w> >= L s^2`` and ``s <= 1``. Projections are
  firmly nonexpansive, ``|p|^2 <= <w, p>``: p lies in the ball with diameter [0, w], and so
  ``<v, p> >= (<v, w> - |w|)/2 >= L (s^2 - s)/2``. Hence ``|v - eta p|^2 <= 1 + theta s - theta (1 - theta) s^2``, at
  most ``1 + theta/(4 (1 - theta))`` for ``theta <= 1/2`` and ``1 + theta^2`` beyond.
- *Otherwise* the rate is ``1 + theta``.

**Radial objectives** ``phi(|x|)``: reach is that of the norm, and there is one profile. The computed r errs by at most
``(d + 2) u r``, as all squares are positive, which moves ``phi'(r)`` by at most that times ``L r <= G``, and a value by
at most that times ``G r``, no more than its terms; quotient and product are two roundings of a vector as long as
``phi'(r)``. That is within ``64 d``. (Squares may be lost below ``2^-538``, and the gradient moves by less than
``2^-530 d L`` then: nothing beside ``u G``, if the reach is above ``2^-400``.) The Hessian's norm is at most the
largest ``|phi''|`` up to r. The rate of convex ones is that above, since ``<v, w> >= |w|^2/L`` holds for every convex f
whose gradient is L-Lipschitz (Baillon and Haddad 1977), on all of R^d: beyond the reach let phi go on straight. On a
line, ``f'' = phi''(|x|)``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fuzz.finite import why_not_run
from fuzz.pieces import FAMILIES
from fuzz.problem import FiniteLaw, Problem
from fuzz.rescore import deviation_of
from theorems.language.functions import OBJECTIVES
from theorems.language.pieces import SIDES
from theorems.language.quantities import AverageGradientNorm, FinalGap, MinGradientNorm, Quantity
from theorems.language.units import CURVATURE, GRADIENT, LENGTH

_UNIT = 2.0**-53
_FACTOR = 64.0
_LONGEST = 20.0
_LEAST_REACH = 2.0**-400


def rounding_allowance(problem: Problem, quantity: Quantity) -> float | None:
    """A bound on ``|E computed - E exact|`` of a whole run's quantity, in the quantity's unit.

    Returns:
        ``None`` where no useful bound is known: no clipping, a finite law that no engine runs, or errors that may grow
        by more than ``e^20``.
    """
    c = float(problem.clipping_threshold)
    if not math.isfinite(c) or (isinstance(problem.noise, FiniteLaw) and why_not_run(problem.noise)):
        return None
    if quantity not in (AverageGradientNorm, MinGradientNorm, FinalGap):
        return None
    d, steps, eta = problem.dimension, problem.steps, float(problem.step_size)
    privacy = float(problem.algorithm.privacy_deviation)
    if privacy > 0 and (quantity == FinalGap or _grows(problem)):
        return None
    radial = problem.objective.radial
    start = [float(v) for v in problem.start]
    reach = (math.hypot(*start) if radial else max(map(abs, start))) + eta * (c * steps + privacy * math.sqrt(steps))
    if radial and reach < _LEAST_REACH:
        return None
    steepest, concave, sizes, values = 0.0, 0.0, 0.0, 0.0
    for profile, numbers in problem.objective.profiles:
        found = _pieces(numbers, reach) if profile.name in FAMILIES else _largest(profile.name, numbers, reach)
        steepest, concave = max(steepest, found.curvature), max(concave, found.concave)
        sizes, values = sizes + found.gradient, values + found.value
    noise = 0.0 if problem.exact_gradients else 2 * math.sqrt(d) * float(deviation_of(problem)) * _index(problem)
    noise += 2 * math.sqrt(d) * privacy
    factor = _FACTOR + (problem.algorithm.samples if problem.algorithm.samples > 1 else 0)
    one_step = factor * d * _UNIT * (d * reach + eta * (c + sizes + noise))
    families = {profile.name for profile, _ in problem.objective.profiles}
    if families == {"quadratic"}:
        # What the norm of the Hessian asks for.
        sizes = max(sizes, math.sqrt(d) * steepest * reach)
    growth = _rate(d, eta * steepest, eta * concave, families == {"quadratic"})
    if not math.isfinite(one_step + growth + values) or steps * math.log(growth) > _LONGEST:
        return None
    moved = steps * growth**steps * one_step
    if quantity == FinalGap:
        # The run stays where the gradient is at most `sizes`.
        error = sizes * moved + _FACTOR * d * _UNIT * values
    else:
        error = steepest * moved + _FACTOR * d * _UNIT * sizes + (steps + 4) * _UNIT * sizes
    # The bound itself was computed in floats.
    return 2 * error if math.isfinite(error) else None


def _rate(dimension: int, theta: float, concave: float, quadratic: bool) -> float:
    """By how much an error may grow in a step, from ``eta L`` and ``eta N``."""
    if theta <= 2 and (dimension == 1 or quadratic):
        return 1 + concave
    if concave or dimension == 1:
        return 1 + theta
    # A square might overflow where a profile is steep beyond all use: hypot does not.
    return min(1 + theta, math.sqrt(1 + theta / (4 * (1 - theta))) if theta <= 0.5 else math.hypot(1, theta))


@dataclass(frozen=True)
class _Sizes:
    """Bounds on one coordinate's profile on ``[-reach, reach]``: f'', -f'', terms of the gradient and of the value."""

    curvature: float
    concave: float
    gradient: float
    value: float


def _pieces(numbers: Mapping[str, Any], reach: float) -> _Sizes:
    known = {name: float(v) for name, v in numbers.items()}
    steepest = max(abs(v) for name, v in known.items() if "bend" in name)
    falling = max(max(-v, 0.0) for name, v in known.items() if "bend" in name)
    power = known.get("growth", 0.0) * _farthest(known, reach)
    if not power < 600:
        return _Sizes(math.inf, math.inf, math.inf, math.inf)
    most = known["curvature"] * math.exp(power)
    length = reach + sum(v for name, v in known.items() if "width" in name)
    # gamma(U) <= U gamma'(U).
    gradient = most * (reach + length)
    return _Sizes(steepest * most, falling * most, gradient, 4 * reach * gradient)


def _farthest(known: Mapping[str, float], reach: float) -> float:
    """The largest ``|u|`` at ``|x| <= reach``; the last place of a float does not matter here."""
    farthest = 0.0
    for side in SIDES:
        left, u = reach, 0.0
        for width, bend in zip((*side.widths, None), side.bends, strict=True):
            step = left if width is None else min(known[width.name], left)
            u, left = u + known[bend.name] * step, left - step
            farthest = max(farthest, abs(u))
    return farthest * (1 + 1e-9)


def _grows(problem: Problem) -> bool:
    """Whether some gradient grows faster than the distance from the minimum."""
    return any(profile.name in ("quartic", "piecewise_exponential") for profile, _ in problem.objective.profiles)


def _index(problem: Problem) -> float:
    """The largest tail index of a Pareto law, 1 for any other."""
    if isinstance(problem.noise, FiniteLaw):
        return 1.0
    return max(float(numbers.get("index", 1)) for numbers in problem.noise.coordinates)


def _largest(family: str, numbers: Mapping[str, Any], reach: float) -> _Sizes:
    units = {p.name: p.unit for p in OBJECTIVES[family].parameters}
    sizes = {name: abs(float(v)) for name, v in numbers.items()}
    length = reach + sum(v for name, v in sizes.items() if units[name] == LENGTH)
    curvature = max(v for name, v in sizes.items() if units[name] == CURVATURE)
    slopes = sum(v for name, v in sizes.items() if units[name] == GRADIENT)
    curvature += 3 * sizes.get("quartic", 0.0) * length * length
    gradient = curvature * length + slopes
    # The well is the one of these whose curvature may be negative.
    concave = curvature / 4 if family == "well" else 0.0
    return _Sizes(curvature, concave, gradient, gradient * length + slopes * slopes / sizes["curvature"])

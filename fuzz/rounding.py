"""How far a float64 run may be from the exact one: a bound in closed form, held against every statistical finding.

**Coupling.** For each word of the random stream the exact run uses the same word, and so the same event ``U < p``
(words are integers, probabilities multiples of 2^-32: no rounding). An oracle's law is taken at the computed point:
the exact process faces an adversary that may depend on the past, so that is an admissible law too. Then the runs
differ by rounding alone.

**One step.** The computed step differs from the exact one *at the same point* by at most
``e = 64 d u (|x| + eta (c + G + Z))`` in expectation, with u = 2^-53, G a bound on every term of the gradient formula
and Z one on the expected size of every term of the noise formula (at most twice the deviation: the polar laws have
``E r^2 = 2 sigma^2``, the exponential law ``E(|log U| + 1) <= 2``). Clipping is a projection, so it does not enlarge
errors. Formulas have fewer than 16 operations; 64 leaves room for elementary functions that err by some units in the
last place. The run stays within ``|x_0| + eta c T``.

**Whole runs.** Errors add up with a factor of at most ``rate`` a step. On a line ``x -> x - eta clip(f'(x) + z)`` with
convex f and ``eta L <= 2`` has slopes in [-1, 1], so the rate is 1; otherwise it is ``1 + eta L``.
"""

from __future__ import annotations

import math

from fuzz.problem import FiniteLaw, Problem
from fuzz.rescore import deviation_of
from theorems.language.functions import OBJECTIVES
from theorems.language.quantities import AverageGradientNorm, FinalGap, MinGradientNorm, Quantity
from theorems.language.units import CURVATURE, GRADIENT, LENGTH

_UNIT = 2.0**-53
_FACTOR = 64.0
_LONGEST = 20.0


def rounding_allowance(problem: Problem, quantity: Quantity) -> float | None:
    """A bound on ``|E computed - E exact|`` of a whole run's quantity, in the quantity's unit.

    Returns:
        ``None`` where no useful bound is known: no clipping, a finite law (no engine runs it), or errors that may grow
        by more than ``e^20``.
    """
    c = float(problem.clipping_threshold)
    if not math.isfinite(c) or isinstance(problem.noise, FiniteLaw):
        return None
    if quantity not in (AverageGradientNorm, MinGradientNorm, FinalGap):
        return None
    d, steps, eta = problem.dimension, problem.steps, float(problem.step_size)
    reach = max(abs(float(v)) for v in problem.start) + eta * c * steps
    steepest, sizes, values = 0.0, 0.0, 0.0
    for numbers in problem.objective.coordinates:
        curvature, gradient, value = _largest(problem.objective.name, numbers, reach)
        steepest, sizes, values = max(steepest, curvature), sizes + gradient, values + value
    noise = 0.0 if problem.deterministic else 2 * math.sqrt(d) * float(deviation_of(problem))
    one_step = _FACTOR * d * _UNIT * (d * reach + eta * (c + sizes + noise))
    growth = 1.0 if d == 1 and eta * steepest <= 2 else 1 + eta * steepest
    if not math.isfinite(one_step + growth) or steps * math.log(growth) > _LONGEST:
        return None
    moved = steps * growth**steps * one_step
    if quantity == FinalGap:
        # The run stays where the gradient is at most `sizes`.
        found = sizes * moved + _FACTOR * d * _UNIT * values
    else:
        found = steepest * moved + _FACTOR * d * _UNIT * sizes + (steps + 4) * _UNIT * sizes
    # The bound itself was computed in floats.
    return 2 * found if math.isfinite(found) else None


def _largest(family: str, numbers: object, reach: float) -> tuple[float, float, float]:
    """The largest curvature, gradient term and value term of one coordinate's profile on ``[-reach, reach]``."""
    assert isinstance(numbers, dict)
    units = {p.name: p.unit for p in OBJECTIVES[family].parameters}
    sizes = {name: abs(float(v)) for name, v in numbers.items()}
    length = reach + sum(v for name, v in sizes.items() if units[name] == LENGTH)
    curvature = max(v for name, v in sizes.items() if units[name] == CURVATURE)
    slopes = sum(v for name, v in sizes.items() if units[name] == GRADIENT)
    curvature += 3 * sizes.get("quartic", 0.0) * length * length
    gradient = curvature * length + slopes
    return curvature, gradient, gradient * length + slopes * slopes / sizes["curvature"]

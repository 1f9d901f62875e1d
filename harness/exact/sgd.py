"""Clipped SGD in numbers that cannot err: from the definition and the formulas alone, without the simulator.

Everything here works in exact sums of square roots and in balls alike. Vectors are lists of d numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import reduce
from itertools import product
from operator import add, mul

import sympy as sp

from fuzz.problem import Family, FiniteLaw, Problem
from harness.exact.comparison import compare, holds
from harness.exact.enclosure import Arithmetic, NotExact, Number, compiled, evaluate
from theorems.language.functions import NOISES, Noise, Objective, x
from theorems.language.parameters import Domain, c, m
from theorems.language.quantities import (
    AverageGradientNorm,
    ClipSecondMoment,
    Drift,
    FinalGap,
    MinGradientNorm,
    NextGradientNorm,
    Quantity,
    StepChange,
    StuckGradientNorm,
)

MOST_ATOMS = 4096
MOST_STATES = 20_000
MOST_VISITS = 20_000
_MOST_ORACLE_STEPS = 8
_JUDGED_AT, _FAST = 8, 1.5

Vector = list[Number]
Atom = tuple[Number, Vector]
Watch = Callable[[int, Vector], None]


class ClippedSGD:
    """One problem in one arithmetic.

    Args:
        problem: checked by :func:`check_problem`.
        arithmetic: with balls, everything must happen at their precision.

    Raises:
        NotExact: for a noise that has no atoms.
    """

    def __init__(self, problem: Problem, arithmetic: Arithmetic) -> None:
        self.problem, self.arithmetic = problem, arithmetic
        self.step_size = self._number(problem.step_size)
        self.threshold = None if problem.clipping_threshold == sp.oo else self._number(problem.clipping_threshold)
        self.start = [self._number(entry) for entry in problem.start]
        self.zero, self.one = self._number(sp.Integer(0)), self._number(sp.Integer(1))
        known = [
            (profile, {p: self._number(entry[p.name]) for p in profile.parameters})
            for profile, entry in problem.objective.profiles
        ]
        self.radial = problem.objective.radial
        self._slopes = [compiled(profile.gradient, x, numbers, arithmetic) for profile, numbers in known]
        self._heights = [compiled(profile.value, x, numbers, arithmetic) for profile, numbers in known]
        self._fixed = None if self._moving() else self._fixed_atoms()

    def gradient(self, point: Vector) -> Vector:
        """grad f. Where a ball leaves open whether a radial objective is at its minimum, no coordinate is beyond its
        slope."""
        if self.radial:
            radius = self.arithmetic.norm(point)
            away = self.arithmetic.order(radius, self.zero)
            if away == 0:
                return [self.zero] * len(point)
            slope = self._slopes[0](radius)
            if away is None:
                return [self.arithmetic.union([slope, -slope])] * len(point)
            factor = slope / radius
            return [factor * entry for entry in point]
        return [slope(entry) for slope, entry in zip(self._slopes, point, strict=True)]

    def value(self, point: Vector) -> Number:
        """f - inf f."""
        if self.radial:
            return self._heights[0](self.arithmetic.norm(point))
        return reduce(add, (height(entry) for height, entry in zip(self._heights, point, strict=True)))

    def clip(self, vector: Vector) -> Vector:
        """``min(1, c/|g|) g``, without a branch that a ball could take wrongly."""
        threshold, functions = self.threshold, self.arithmetic.functions
        if threshold is None:
            return vector
        if len(vector) == 1:
            return [functions[sp.Max](-threshold, functions[sp.Min](threshold, vector[0]))]
        square = self.inner(vector, vector)
        order = self.arithmetic.order(square, threshold * threshold)
        if order is not None and order <= 0:
            return vector
        # Also right where |g| <= c, of which a ball may not be sure.
        factor = threshold / functions[sp.Max](self.arithmetic.norm(vector), threshold)
        return [entry * factor for entry in vector]

    def inner(self, left: Vector, right: Vector) -> Number:
        """``<left, right>``."""
        return reduce(add, (a * b for a, b in zip(left, right, strict=True)))

    def atoms(self, gradient: Vector) -> Sequence[Atom]:
        """The noise at a point with this gradient, as probabilities and vectors."""
        if self._fixed is not None:
            return self._fixed
        assert isinstance(self.problem.noise, Family)
        noise = NOISES[self.problem.noise.name]
        if noise.oracle and self.threshold is None:
            raise NotExact("this noise needs a finite clipping threshold")
        norm = self.arithmetic.norm(gradient)
        sign = self.arithmetic.order(norm, self.zero)
        if sign is None:
            direction = [self.arithmetic.unknown("the direction of the gradient")] * len(gradient)
        elif sign == 0:
            direction = [self.one] + [self.zero] * (len(gradient) - 1)
        else:
            direction = [entry / norm for entry in gradient]
        known = {p: self._number(self.problem.noise.coordinates[0][p.name]) for p in noise.parameters}
        known |= {m: norm} if self.threshold is None else {m: norm, c: self.threshold}
        found = []
        for probability, along in noise.atoms or ():
            length = evaluate(along, known, self.arithmetic)
            found.append((evaluate(probability, known, self.arithmetic), [length * entry for entry in direction]))
        return found

    def expectation(self, atoms: Sequence[Atom], what: Callable[[Vector], Number]) -> Number:
        """``E what(noise)``."""
        return reduce(add, (probability * what(noise) for probability, noise in atoms))

    def next(self, point: Vector, gradient: Vector, noise: Vector | None) -> Vector:
        """``x - eta clip_c(g)``, where None is no noise."""
        move = self.clip(gradient if noise is None else [a + b for a, b in zip(gradient, noise, strict=True)])
        return [entry - self.step_size * along for entry, along in zip(point, move, strict=True)]

    def _number(self, number: sp.Expr) -> Number:
        return evaluate(number, {}, self.arithmetic)

    def _moving(self) -> bool:
        """Whether the law has few atoms at every point, others at another one."""
        noise = self.problem.noise
        return self.problem.depends_on_state and isinstance(noise, Family) and NOISES[noise.name].atoms is not None

    def _fixed_atoms(self) -> list[Atom]:
        noise = self.problem.noise
        if isinstance(noise, FiniteLaw):
            return [(self._number(p), [self._number(entry) for entry in vector]) for p, vector in noise.atoms]
        family = NOISES[noise.name]
        if family.atoms is None:
            raise NotExact(f"the noise {noise.name} is not a law of finitely many atoms")
        if len(family.atoms) ** len(noise.coordinates) > MOST_ATOMS:
            raise NotExact(f"{noise.name} in {len(noise.coordinates)} dimensions has more than {MOST_ATOMS} atoms")
        scalar = []
        for numbers in noise.coordinates:
            known = {p: self._number(numbers[p.name]) for p in family.parameters}
            scalar.append([[evaluate(part, known, self.arithmetic) for part in atom] for atom in family.atoms])
        return [
            (reduce(mul, (probability for probability, _ in atoms)), [value for _, value in atoms])
            for atoms in product(*scalar)
        ]


# -- one step ----------------------------------------------------------------------------------------------------------


def one_step(quantity: Quantity, sgd: ClippedSGD) -> Number:
    """A one-step quantity at the start; not finite where a ball leaves it open.

    Raises:
        NotExact: if the quantity is not defined here.
    """
    gradient = sgd.gradient(sgd.start)
    atoms = sgd.atoms(gradient)

    def clipped(noise: Vector) -> Vector:
        return sgd.clip([a + b for a, b in zip(gradient, noise, strict=True)])

    if quantity == ClipSecondMoment:
        return sgd.expectation(atoms, lambda noise: sgd.inner(clipped(noise), clipped(noise)))
    if quantity == StepChange:
        change = sgd.expectation(atoms, lambda noise: sgd.value(sgd.next(sgd.start, gradient, noise)))
        return change - sgd.value(sgd.start)
    if quantity == NextGradientNorm:
        return sgd.expectation(
            atoms, lambda noise: sgd.arithmetic.norm(sgd.gradient(sgd.next(sgd.start, gradient, noise)))
        )
    norm = sgd.arithmetic.norm(gradient)
    along = sgd.expectation(atoms, lambda noise: sgd.inner(gradient, clipped(noise)))
    if quantity == Drift:
        if sgd.arithmetic.order(norm, sgd.zero) == 0:
            raise NotExact("the gradient is zero, so it has no direction to drift along")
        return along / norm
    if quantity == StuckGradientNorm:
        order = sgd.arithmetic.order(along, sgd.zero)
        if order == 1:
            raise NotExact("not stuck: <grad f, E clip_c(g)> is positive")
        return sgd.arithmetic.unknown("whether the point is stuck") if order is None else norm
    raise NotExact(f"{quantity} is not a one-step quantity")


# -- whole runs --------------------------------------------------------------------------------------------------------


def whole_run(quantity: Quantity, sgd: ClippedSGD, watch: Watch) -> Number:
    """A quantity of a whole run. Without noise ``watch(t, x_t)`` sees each point and may stop the run by raising.

    Noise of finitely many atoms is followed through all its branches, equal states merged, in one dimension.

    Raises:
        NotExact: for a one-step quantity, several noisy steps in more dimensions, or too many branches.
    """
    if quantity not in (AverageGradientNorm, MinGradientNorm, FinalGap):
        raise NotExact(f"{quantity} is not a quantity of a whole run")
    arithmetic, steps = sgd.arithmetic, sgd.problem.steps
    branches: list[Atom] = [(sgd.one, sgd.start)]
    total, least, visits = sgd.zero, None, 0
    if sgd.problem.depends_on_state and steps > _MOST_ORACLE_STEPS:
        raise _too_many(sgd)
    if not sgd.problem.deterministic and steps > 1 and sgd.problem.dimension > 1:
        raise NotExact("noise over several steps is followed in one dimension only")
    for t in range(steps):
        gradients = [sgd.gradient(point) for _, point in branches]
        if sgd.problem.deterministic:
            watch(t, branches[0][1])
            norm = arithmetic.norm(gradients[0])
            branches = [(sgd.one, sgd.next(branches[0][1], gradients[0], None))]
        else:
            norm = _mean(branches, [arithmetic.norm(gradient) for gradient in gradients])
            before = len(branches)
            branches = _branch(sgd, branches, gradients)
            # Growth that merging has not slowed down by now will not slow down in time: say so at once.
            growth = len(branches) / before if t >= _JUDGED_AT else 1.0
            visits += before
            if visits > MOST_VISITS or (growth > _FAST and before * growth ** min(steps - t, 99) > MOST_STATES):
                raise _too_many(sgd)
        total = total + norm
        least = norm if least is None else arithmetic.functions[sp.Min](least, norm)
    if quantity == FinalGap:
        return _mean(branches, [sgd.value(point) for _, point in branches])
    return least if quantity == MinGradientNorm else total / arithmetic.rational(sp.Integer(steps))


def _branch(sgd: ClippedSGD, branches: Sequence[Atom], gradients: Sequence[Vector]) -> list[Atom]:
    merged: dict[Hashable, Atom] = {}
    for (weight, point), gradient in zip(branches, gradients, strict=True):
        for probability, noise in sgd.atoms(gradient):
            following, chance = sgd.next(point, gradient, noise), weight * probability
            key = sgd.arithmetic.key(following)
            merged[key] = (merged[key][0] + chance if key in merged else chance, following)
            if len(merged) > MOST_STATES:
                raise _too_many(sgd)
    return list(merged.values())


def _too_many(sgd: ClippedSGD) -> NotExact:
    return NotExact(f"noise over {sgd.problem.steps} steps has too many branches to follow")


def _mean(branches: Sequence[Atom], values: Sequence[Number]) -> Number:
    return reduce(add, (weight * value for (weight, _), value in zip(branches, values, strict=True)))


# -- admission ---------------------------------------------------------------------------------------------------------


def check_problem(problem: Problem) -> None:
    """See that the families' numbers are such that ``inf f = 0`` and the noise has mean zero.

    Raises:
        NotExact: naming the number that is wrong or cannot be judged.
    """
    for profile, numbers in problem.objective.profiles:
        _check_numbers("objective", profile, numbers)
    if isinstance(problem.noise, Family):
        for numbers in problem.noise.coordinates:
            _check_numbers("noise", NOISES[problem.noise.name], numbers)
    else:
        atoms = problem.noise.atoms
        if compare(sp.Add(*(p for p, _ in atoms)), sp.Integer(1), {}) != 0:
            raise NotExact("the probabilities are not shown to sum to 1")
        for axis in range(problem.dimension):
            if compare(sp.Add(*(p * vector[axis] for p, vector in atoms)), sp.Integer(0), {}) != 0:
                raise NotExact("the noise is not shown to have mean zero")


def inside(domain: Domain, number: sp.Expr) -> bool | None:
    """Whether an exact number lies in a domain; None where that cannot be decided."""
    if number.has(sp.oo, -sp.oo, sp.nan, sp.zoo):
        return False
    if domain is Domain.POSITIVE_INTEGER:
        return bool(number.is_Integer and number > 0)
    if domain is Domain.REAL:
        return True
    return holds(number > 0 if domain is Domain.POSITIVE else number >= 0, {})


def _check_numbers(what: str, formulas: Objective | Noise, numbers: Mapping[str, sp.Expr]) -> None:
    for parameter in formulas.parameters:
        if not inside(parameter.domain, numbers[parameter.name]):
            raise NotExact(
                f"{what} {formulas.name}: {parameter.name} = {numbers[parameter.name]} is not shown to be "
                f"{parameter.domain.value}"
            )
    for condition in formulas.requires:
        # The lattice of probabilities matters to a sampler, not to the law.
        if condition.has(sp.floor):
            continue
        if not holds(condition, {p: numbers[p.name] for p in formulas.parameters}):
            raise NotExact(f"{what} {formulas.name}: {condition} is not shown to hold")

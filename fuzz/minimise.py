"""From a found violation to the simplest one: fewest atoms, dimensions and steps, then the shortest numbers.

Greedy descent in the order of :func:`complexity`: a simpler problem is kept if it still violates. Laws stay centred by
construction (one atom is solved for), and a stuck point is set again to the largest one of the new law.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial

import sympy as sp

from fuzz.budget import Budget, Meter
from fuzz.certify import privacy_variance
from fuzz.onestep import Law, exactly_stuck, largest_stuck, rational
from fuzz.problem import PLAIN, FiniteLaw, Problem
from fuzz.rationals import (
    farey,
    rational_root,
    root_above,
    simpler_than,
    simplest_between,
    size,
    small_rationals,
)
from fuzz.reading import Reading
from fuzz.reduction import mean_of
from fuzz.rescore import deviation_of, rescore
from fuzz.simplifications import (
    fewer_atoms,
    fewer_samples,
    fewer_steps,
    finite,
    flatter,
    fraction_of,
    law_of,
    plain_laws,
    plainer,
    rescaled,
    shorter_numbers,
)
from fuzz.trajectory import Choices
from theorems.language.functions import RADIAL
from theorems.language.parameters import Domain
from theorems.language.quantities import Scope, StuckGradientNorm
from theorems.language.theorem import Theorem

Predicate = Callable[[Problem, Choices], bool]

_NOISE_RANK = {"none": 0, "symmetric_two_point": 2, "two_point": 2, "gradient_two_point": 2}
_OBJECTIVES = (
    "quadratic",
    "huber",
    "quartic",
    "log_cosh",
    "slope_then_bowl",
    "well",
    "piecewise_quadratic",
    "piecewise_exponential",
)


_LONG_ROOT = (24, 0)
"""Bits from which on a root is worth a thousandth for a shorter number."""


def complexity(problem: Problem) -> tuple[int, ...]:
    """The order in which problems are simpler: atoms (9 for a law that is not finite), dimension, samples (of all
    steps), objective, bits of all numbers, and their numerators plus denominators. A number that is not rational counts
    1000 bits."""
    noise = problem.noise
    atoms = len(noise.atoms) if isinstance(noise, FiniteLaw) else _NOISE_RANK.get(noise.name, 9)
    bits, total = 0, 0
    for number in _numbers(problem):
        length = size(Fraction(int(number.p), int(number.q))) if isinstance(number, sp.Rational) else (1000, 10**6)
        bits, total = bits + length[0], total + length[1]
    family = problem.objective.name.removeprefix(RADIAL)
    # A profile of the norm is less plain than any sum.
    rank = ([*_OBJECTIVES, family]).index(family) + (len(_OBJECTIVES) + 1) * problem.objective.radial
    return atoms, problem.dimension, problem.steps * problem.algorithm.samples, rank, bits, total


def keeps_a_third(theorem: Theorem, problem: Problem, choices: Choices) -> Predicate:
    """The usual test: the score, less three standard errors, keeps a third of what it has beyond 1 (with noise: of
    the most that a problem on the way had), or is above 3/2. Without noise 21/20 will do: that survives any rounding,
    and simple numbers are worth more than a wide margin.

    A stuck point is checked exactly; the rest is judged in floats, with 16 to 256 replicas where there is noise.
    """
    reading = Reading(theorem)
    score, error = rescore(reading, problem, choices)
    enough = 0.05 if problem.deterministic or reading.quantity.scope is Scope.ONE_STEP else 0.5
    least = 1 + min(max(score - 3 * error - 1, 0) / 3, enough)

    def still(candidate: Problem, chosen: Choices) -> bool:
        nonlocal least
        if reading.quantity == StuckGradientNorm and not _stuck(candidate):
            return False
        value, spread = rescore(reading, candidate, chosen, replicas_for(candidate))
        if not (value - 3 * spread >= least and value > 1):
            return False
        if spread > 0:
            # What a simpler problem has gained is not to be given away again: evidence on fresh numbers is dear.
            least = max(least, 1 + min((value - 3 * spread - 1) / 3, enough))
        return True

    return still


def replicas_for(problem: Problem) -> int:
    """As many as 200 000 steps pay for, between 16 and 256."""
    return min(256, max(16, 200_000 // problem.steps))


def minimise(
    theorem: Theorem,
    problem: Problem,
    choices: Choices,
    still_violates: Predicate | None = None,
    budget: Budget | None = None,
) -> tuple[Problem, Choices]:
    """The simplest problem reached, and the letters that it leaves open.

    Args:
        theorem: the statement that ``problem`` violates.
        problem: where to start.
        choices: its open letters (a rational sigma, say); sigma is chosen anew whenever the noise changes.
        still_violates: keeps a candidate; called with a problem and its choices. :func:`keeps_a_third` if absent.
        budget: 20 seconds if absent; a step is a step of one replica.
    """
    reading = Reading(theorem)
    test = still_violates or keeps_a_third(theorem, problem, choices)
    return _Minimiser(reading, problem, choices, test, Meter(budget or Budget(seconds=20.0))).run()


class _Minimiser:
    def __init__(self, reading: Reading, problem: Problem, choices: Choices, test: Predicate, meter: Meter) -> None:
        self.reading, self.problem, self.choices, self.test, self.meter = reading, problem, choices, test, meter

    def run(self) -> tuple[Problem, Choices]:
        # Short numbers before fewer steps: what is shortened last stays on the edge of the violation. But long noisy
        # runs are dear, and would eat the budget before it comes to their steps.
        # Whole runs are for engines, which know probabilities of a lattice alone.
        lattice = self.reading.quantity.scope is Scope.TRAJECTORY
        noisy = lattice and not self.problem.deterministic
        passes = (
            rescaled,
            partial(fewer_atoms, lattice=lattice),
            flatter,
            plainer,
            *((plain_laws,) if noisy else ()),
            *((fewer_steps,) if noisy else ()),
            *((fewer_samples,) if self.problem.algorithm != PLAIN else ()),
            self._two_atoms,
            partial(shorter_numbers, lattice=lattice),
            fewer_steps,
        )
        improved = True
        while improved and not self.meter.spent:
            improved = False
            for make in passes:
                while not self.meter.spent and self._improve(make(self.problem)):
                    improved = True
        self._shorten_choices()
        return self.problem, self.choices

    def _improve(self, candidates: Iterator[Problem]) -> bool:
        """Whether one of the candidates is simpler and still violates; it becomes the problem."""
        now = complexity(self.problem)
        for candidate in candidates:
            if self.meter.spent:
                return False
            if complexity(candidate) >= now:
                continue
            for stuck in self._restuck(candidate):
                if complexity(stuck) < now and self._accept(stuck):
                    return True
        return False

    def _accept(self, candidate: Problem) -> bool:
        for choices in self._refit(candidate):
            exact = candidate.deterministic or self.reading.quantity.scope is Scope.ONE_STEP
            runs = 1 if exact else replicas_for(candidate)
            self.meter.add(candidate.steps * runs * candidate.algorithm.samples, 1)
            if self.test(candidate, choices):
                self.problem, self.choices = candidate, choices
                return True
        return False

    def _restuck(self, candidate: Problem) -> Iterator[Problem]:
        """The candidate, and for stuck points simple gradient norms at or below the largest of its law."""
        if self.reading.quantity != StuckGradientNorm or not isinstance(candidate.noise, FiniteLaw):
            yield candidate
            return
        law = _clipped_law(candidate)
        largest = largest_stuck(fraction_of(candidate.clipping_threshold), law) if law else Fraction(0)
        curvature = fraction_of(candidate.objective.coordinates[0]["curvature"])
        seen = set()
        for slack in (4, 10, 30, 100, 1000, 10**6, None):
            if largest <= 0:
                return
            m = simplest_between(largest * (1 - Fraction(1, slack)), largest) if slack else largest
            if m > 0 and m not in seen:
                seen.add(m)
                yield replace(candidate, start=(rational(m / curvature), *candidate.start[1:]))

    def _refit(self, candidate: Problem) -> Iterator[Choices]:
        """The choices with a sigma that bounds the candidate's deviation: simple if there is room, else close. So for
        the noise that the algorithm adds."""
        choices, added = self.choices, self.reading.privacy_letter
        if added is not None and added in choices:
            variance = privacy_variance(candidate)
            root = root_above(fraction_of(variance), Fraction(0)) if variance else Fraction(0)
            if size(root) > _LONG_ROOT:
                root = root_above(fraction_of(variance), Fraction(1, 1000))
            least = sp.Integer(0) if added.domain is Domain.NONNEGATIVE else choices[added]
            choices = {**choices, added: rational(root) if variance else least}
        letter = self.reading.sigma_letter
        if letter is None or letter not in choices:
            yield choices
            return
        square = deviation_of(candidate) ** 2
        if not isinstance(square, sp.Rational):
            yield choices
            return
        variance = fraction_of(square)
        seen = set()
        for slack in (Fraction(0), Fraction(1, 10), Fraction(1, 50), Fraction(1, 1000), Fraction(1, 10**6)):
            sigma = root_above(variance, slack)
            if sigma not in seen:
                seen.add(sigma)
                yield {**choices, letter: rational(sigma)}

    def _shorten_choices(self) -> None:
        for parameter, value in list(self.choices.items()):
            if not isinstance(value, sp.Rational) or value <= 0:
                continue
            for simpler in simpler_than(fraction_of(value)):
                changed = {**self.choices, parameter: rational(simpler)}
                if self.meter.spent:
                    return
                if parameter.domain is Domain.POSITIVE_INTEGER and simpler.denominator != 1:
                    continue
                # Sigma must still bound the deviation; every other letter is the test's to judge.
                if parameter == self.reading.sigma_letter and rational(simpler) < deviation_of(self.problem):
                    continue
                if parameter == self.reading.privacy_letter and rational(simpler) ** 2 < privacy_variance(self.problem):
                    continue
                if self.test(self.problem, changed):
                    self.choices = changed
                    break

    def _two_atoms(self, problem: Problem) -> Iterator[Problem]:
        """All short two-atom laws on a line whose deviation is within half and double of the present one."""
        noise = problem.noise
        if (
            not isinstance(noise, FiniteLaw)
            or problem.dimension != 1
            or self.reading.quantity.scope is not Scope.ONE_STEP
        ):
            return
        spread = math.sqrt(float(noise.second_moment))
        found: list[tuple[tuple[int, ...], Problem]] = []
        for p in farey(12):
            for up in small_rationals(9):
                down = -p * up / (1 - p)
                deviation = math.sqrt(float(-up * down))
                root = rational_root(-up * down)
                # Only laws with a rational deviation: the reader needs no root then.
                if root is None or not spread / 2 <= deviation <= 2 * spread:
                    continue
                for sign in (1, -1):
                    law: Law = [(p, (sign * up,)), (1 - p, (sign * down,))]
                    changed = replace(problem, noise=finite(law))
                    found.append((complexity(changed), changed))
        for _, changed in sorted(found, key=lambda item: item[0]):
            yield changed


def _numbers(problem: Problem) -> Iterator[sp.Expr]:
    yield from problem.start
    yield problem.step_size
    yield problem.clipping_threshold
    if problem.algorithm.privacy_deviation != 0:
        yield problem.algorithm.privacy_deviation
    for numbers in problem.objective.coordinates:
        yield from numbers.values()
    if isinstance(problem.noise, FiniteLaw):
        for p, vector in problem.noise.atoms:
            yield p
            yield from vector
    else:
        for numbers in problem.noise.coordinates:
            yield from numbers.values()


def _stuck(problem: Problem) -> bool:
    if not isinstance(problem.noise, FiniteLaw) or any(problem.start[1:]):
        return False
    m = sp.sympify(problem.start[0]) * problem.objective.coordinates[0]["curvature"]
    law = _clipped_law(problem)
    return bool(law) and exactly_stuck(fraction_of(m), fraction_of(problem.clipping_threshold), law)


def _clipped_law(problem: Problem) -> Law:
    """The noise of what is clipped; empty if it has too many atoms."""
    assert isinstance(problem.noise, FiniteLaw)
    law, algorithm = law_of(problem.noise), problem.algorithm
    return mean_of(law, algorithm.samples) if algorithm.name == "batch_clipping" else law

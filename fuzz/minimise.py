"""From a found violation to the simplest one: fewest atoms, dimensions and steps, then the shortest numbers.

Greedy descent in the order of :func:`complexity`: a simpler problem is kept if it still violates. Laws stay centred by
construction (one atom is solved for), and a stuck point is set again to the largest one of the new law.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

import sympy as sp

from fuzz.budget import Budget, Meter
from fuzz.onestep import Law, exactly_stuck, largest_stuck, rational
from fuzz.problem import Family, FiniteLaw, Problem
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
from fuzz.rescore import deviation_of, rescore
from fuzz.trajectory import Choices
from theorems.language.functions import NOISES, OBJECTIVES
from theorems.language.quantities import Scope, StuckGradientNorm
from theorems.language.theorem import Theorem

Predicate = Callable[[Problem, Choices], bool]

_NOISE_RANK = {"none": 0, "symmetric_two_point": 2, "two_point": 2}
_OBJECTIVE_RANK = {
    name: rank for rank, name in enumerate(("quadratic", "huber", "quartic", "log_cosh", "slope_then_bowl"))
}


def complexity(problem: Problem) -> tuple[int, ...]:
    """The order in which problems are simpler: atoms (9 for a law that is not finite), dimension, steps, objective,
    bits of all numbers, and their numerators plus denominators. A number that is not rational counts 1000 bits."""
    noise = problem.noise
    atoms = len(noise.atoms) if isinstance(noise, FiniteLaw) else _NOISE_RANK.get(noise.name, 9)
    bits, total = 0, 0
    for number in _numbers(problem):
        length = size(Fraction(int(number.p), int(number.q))) if isinstance(number, sp.Rational) else (1000, 10**6)
        bits, total = bits + length[0], total + length[1]
    rank = _OBJECTIVE_RANK.get(problem.objective.name, len(_OBJECTIVE_RANK))
    return atoms, problem.dimension, problem.steps, rank, bits, total


def keeps_a_third(theorem: Theorem, problem: Problem, choices: Choices) -> Predicate:
    """The usual test: the score, less three standard errors, keeps at least a third of what it has beyond 1.

    A stuck point is checked exactly; the rest is judged in floats, with 256 replicas where there is noise.
    """
    reading = Reading(theorem)
    score, error = rescore(reading, problem, choices)
    least = 1 + max(score - 3 * error - 1, 0) / 3 if reading.quantity is not None else 1.0

    def still(candidate: Problem, chosen: Choices) -> bool:
        if reading.quantity == StuckGradientNorm and not _stuck(candidate):
            return False
        value, spread = rescore(reading, candidate, chosen)
        return value - 3 * spread >= least and value > 1

    return still


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
        budget: 20 seconds if absent; a step is a step of one of 256 replicas.
    """
    reading = Reading(theorem)
    test = still_violates or keeps_a_third(theorem, problem, choices)
    return _Minimiser(reading, problem, choices, test, Meter(budget or Budget(seconds=20.0))).run()


class _Minimiser:
    def __init__(self, reading: Reading, problem: Problem, choices: Choices, test: Predicate, meter: Meter) -> None:
        self.reading, self.problem, self.choices, self.test, self.meter = reading, problem, choices, test, meter

    def run(self) -> tuple[Problem, Choices]:
        passes = (_rescaled, _fewer_atoms, _flatter, _shorter, _plainer, self._two_atoms, _shorter_numbers)
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
            runs = 1 if candidate.deterministic or self.reading.quantity.scope is Scope.ONE_STEP else 256
            self.meter.add(candidate.steps * runs, 1)
            if self.test(candidate, choices):
                self.problem, self.choices = candidate, choices
                return True
        return False

    def _restuck(self, candidate: Problem) -> Iterator[Problem]:
        """The candidate, and for stuck points simple gradient norms at or below the largest of its law."""
        if self.reading.quantity != StuckGradientNorm or not isinstance(candidate.noise, FiniteLaw):
            yield candidate
            return
        largest = largest_stuck(_fraction(candidate.clipping_threshold), _law(candidate.noise))
        curvature = _fraction(candidate.objective.coordinates[0]["curvature"])
        seen = set()
        for slack in (4, 10, 30, 100, 1000, 10**6, None):
            if largest <= 0:
                return
            m = simplest_between(largest * (1 - Fraction(1, slack)), largest) if slack else largest
            if m > 0 and m not in seen:
                seen.add(m)
                yield replace(candidate, start=(rational(m / curvature), *candidate.start[1:]))

    def _refit(self, candidate: Problem) -> Iterator[Choices]:
        """The choices with a sigma that bounds the candidate's deviation: simple if there is room, else close."""
        letter = self.reading.sigma_letter
        if letter is None or letter not in self.choices:
            yield self.choices
            return
        square = deviation_of(candidate) ** 2
        if not isinstance(square, sp.Rational):
            yield self.choices
            return
        variance = _fraction(square)
        seen = set()
        for slack in (Fraction(0), Fraction(1, 10), Fraction(1, 50), Fraction(1, 1000), Fraction(1, 10**6)):
            sigma = root_above(variance, slack)
            if sigma not in seen:
                seen.add(sigma)
                yield {**self.choices, letter: rational(sigma)}

    def _shorten_choices(self) -> None:
        for parameter, value in list(self.choices.items()):
            if not isinstance(value, sp.Rational) or value <= 0:
                continue
            for simpler in simpler_than(_fraction(value)):
                changed = {**self.choices, parameter: rational(simpler)}
                if self.meter.spent:
                    return
                # Sigma must still bound the deviation; every other letter is the test's to judge.
                if parameter == self.reading.sigma_letter and rational(simpler) < deviation_of(self.problem):
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
                    law = [(p, (sign * up,)), (1 - p, (sign * down,))]
                    changed = replace(problem, noise=_finite(law))
                    found.append((complexity(changed), changed))
        # Longer laws first shorten the present numbers at once; the simplest come first.
        for _, changed in sorted(found, key=lambda item: item[0]):
            yield changed


# -- passes: simpler problems, the boldest first ------------------------------------------------------------------------


def _rescaled(problem: Problem) -> Iterator[Problem]:
    """Units in which c = 1 and the first curvature is 1."""
    c, k = problem.clipping_threshold, problem.objective.coordinates[0]["curvature"]
    if c == sp.oo or (c == 1 and k == 1):
        return
    yield scale_problem(problem, k / c**2, k / c)


def scale_problem(problem: Problem, a: sp.Expr, b: sp.Expr) -> Problem:
    """The same problem under ``f -> a f, x -> b x``, with a, b > 0."""

    def family(given: Family, letters: dict[str, object]) -> Family:
        return Family(
            given.name,
            tuple(
                {n: sp.nsimplify(v * letters[n].unit.scale(a, b)) for n, v in numbers.items()}
                for numbers in given.coordinates
            ),  # type: ignore[attr-defined]
        )

    force = a / b
    objective = family(problem.objective, {p.name: p for p in OBJECTIVES[problem.objective.name].parameters})
    noise: Family | FiniteLaw
    if isinstance(problem.noise, FiniteLaw):
        noise = FiniteLaw(tuple((p, tuple(e * force for e in v)) for p, v in problem.noise.atoms))
    else:
        noise = family(problem.noise, {p.name: p for p in NOISES[problem.noise.name].parameters})
    return replace(
        problem,
        objective=objective,
        noise=noise,
        start=tuple(v * b for v in problem.start),
        step_size=problem.step_size * b**2 / a,
        clipping_threshold=problem.clipping_threshold * force,
    )


def _fewer_atoms(problem: Problem) -> Iterator[Problem]:
    if not isinstance(problem.noise, FiniteLaw):
        return
    law = _law(problem.noise)
    yield replace(problem, noise=Family("none", ({},) * problem.dimension))
    kept = [(p, a) for p, a in law if p > 0]
    if len(kept) < len(law):
        yield replace(problem, noise=_finite(kept))
    if len(kept) <= 2:
        return
    for i in range(len(kept)):
        rest = [(p / (1 - kept[i][0]), a) for j, (p, a) in enumerate(kept) if j != i]
        mean = [sum((p * a[k] for p, a in rest), Fraction(0)) for k in range(problem.dimension)]
        yield replace(
            problem, noise=_finite([(p, tuple(e - s for e, s in zip(a, mean, strict=True))) for p, a in rest])
        )
    for i in range(len(kept)):
        for j in range(i):
            p, q = kept[i][0], kept[j][0]
            middle = tuple((p * e + q * g) / (p + q) for e, g in zip(kept[i][1], kept[j][1], strict=True))
            rest = [entry for k, entry in enumerate(kept) if k not in (i, j)]
            yield replace(problem, noise=_finite([*rest, (p + q, middle)]))


def _flatter(problem: Problem) -> Iterator[Problem]:
    """Without one coordinate; the last first."""
    for drop in reversed(range(problem.dimension)):
        if problem.dimension == 1:
            return
        keep = [i for i in range(problem.dimension) if i != drop]
        noise: Family | FiniteLaw
        if isinstance(problem.noise, FiniteLaw):
            noise = FiniteLaw(tuple((p, tuple(v[i] for i in keep)) for p, v in problem.noise.atoms))
        else:
            noise = Family(problem.noise.name, tuple(problem.noise.coordinates[i] for i in keep))
        objective = Family(problem.objective.name, tuple(problem.objective.coordinates[i] for i in keep))
        yield replace(problem, objective=objective, noise=noise, start=tuple(problem.start[i] for i in keep))


def _shorter(problem: Problem) -> Iterator[Problem]:
    """Fewer steps: as they are, or with a step size that keeps ``step_size x steps``."""
    now = problem.steps
    round_numbers = [d * 10**k for k in range(8) for d in (1, 2, 3, 5)]
    for steps in sorted({*(n for n in round_numbers if n < now), *range(max(1, now - 4), now)} & set(range(1, now))):
        yield replace(problem, steps=steps)
        yield replace(problem, steps=steps, step_size=problem.step_size * now / steps)


def _plainer(problem: Problem) -> Iterator[Problem]:
    """A simpler objective or noise family of the same curvature and deviation."""
    curvatures = tuple({"curvature": numbers["curvature"]} for numbers in problem.objective.coordinates)
    if problem.objective.name != "quadratic":
        yield replace(problem, objective=Family("quadratic", curvatures))
    if problem.objective.name == "slope_then_bowl":
        slopes = tuple({n: numbers[n] for n in ("curvature", "slope")} for numbers in problem.objective.coordinates)
        yield replace(problem, objective=Family("huber", slopes))
    if isinstance(problem.noise, Family) and problem.noise.name != "none":
        yield replace(problem, noise=Family("none", ({},) * problem.dimension))


def _shorter_numbers(problem: Problem) -> Iterator[Problem]:
    """One number at a time made shorter."""
    for name in ("clipping_threshold", "step_size"):
        for value in _simpler(getattr(problem, name)):
            yield replace(problem, **{name: value})  # type: ignore[arg-type]
    for i, entry in enumerate(problem.start):
        for value in _simpler(entry):
            yield replace(problem, start=(*problem.start[:i], value, *problem.start[i + 1 :]))
    for what in ("objective", "noise"):
        family = getattr(problem, what)
        if isinstance(family, Family):
            for changed in _shorter_family(family):
                yield replace(problem, **{what: changed})  # type: ignore[arg-type]
    if isinstance(problem.noise, FiniteLaw):
        for law in _shorter_laws(_law(problem.noise)):
            yield replace(problem, noise=_finite(law))


def _shorter_family(family: Family) -> Iterator[Family]:
    for i, numbers in enumerate(family.coordinates):
        for name, value in numbers.items():
            for simpler in _simpler(value, dyadic=name == "probability"):
                changed = {**numbers, name: simpler}
                if name == "slope" and "start" in numbers and changed["start"] < simpler / numbers["curvature"]:
                    continue
                if name == "probability" and simpler >= 1:
                    continue
                yield Family(family.name, (*family.coordinates[:i], changed, *family.coordinates[i + 1 :]))


def _shorter_laws(law: Law) -> Iterator[Law]:
    solved = max(range(len(law)), key=lambda i: law[i][0])
    for i, (p, atom) in enumerate(law):
        if i == solved:
            continue
        for simpler in simpler_than(p):
            if simpler < p + law[solved][0]:
                yield _solve([(simpler, atom) if j == i else entry for j, entry in enumerate(law)], solved)
        for k, entry in enumerate(atom):
            for simpler in (Fraction(0), *simpler_than(entry)) if entry else ():
                moved = (*atom[:k], simpler, *atom[k + 1 :])
                yield _solve([(p, moved) if j == i else other for j, other in enumerate(law)], solved)


def _solve(law: Law, solved: int) -> Law:
    """The law with one atom and its probability replaced so that total and mean are exact."""
    rest = [entry for j, entry in enumerate(law) if j != solved]
    weight = 1 - sum((p for p, _ in rest), Fraction(0))
    width = len(law[0][1])
    atom = tuple(-sum((p * a[k] for p, a in rest), Fraction(0)) / weight for k in range(width))
    return [*rest[:solved], (weight, atom), *rest[solved:]]


# -- small pieces --------------------------------------------------------------------------------------------------------


def _simpler(value: sp.Expr, dyadic: bool = False) -> Iterator[sp.Expr]:
    if isinstance(value, sp.Rational) and value != 0:
        for found in simpler_than(_fraction(value), dyadic):
            yield rational(found)


def _numbers(problem: Problem) -> Iterator[sp.Expr]:
    yield from problem.start
    yield problem.step_size
    yield problem.clipping_threshold
    for numbers in problem.objective.coordinates:
        yield from numbers.values()
    if isinstance(problem.noise, FiniteLaw):
        for p, vector in problem.noise.atoms:
            yield p
            yield from vector
    else:
        for numbers in problem.noise.coordinates:
            yield from numbers.values()


def _fraction(value: sp.Rational) -> Fraction:
    return Fraction(int(value.p), int(value.q))


def _law(noise: FiniteLaw) -> Law:
    return [(_fraction(p), tuple(_fraction(e) for e in v)) for p, v in noise.atoms]


def _finite(law: Law) -> FiniteLaw:
    return FiniteLaw(tuple((rational(p), tuple(map(rational, a))) for p, a in law))


def _stuck(problem: Problem) -> bool:
    if not isinstance(problem.noise, FiniteLaw) or any(problem.start[1:]):
        return False
    m = problem.start[0] * problem.objective.coordinates[0]["curvature"]
    return exactly_stuck(_fraction(m), _fraction(problem.clipping_threshold), _law(problem.noise))

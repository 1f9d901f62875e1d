"""Simpler variants of a problem, the boldest first: the moves of the minimiser."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import sympy as sp

from fuzz.onestep import Law, rational
from fuzz.problem import Family, FiniteLaw, Problem
from fuzz.rationals import simpler_than
from fuzz.shapes import allowed
from theorems.language.functions import NOISES, PLUS, RADIAL, Noise, Objective
from theorems.language.parameters import Domain, Parameter

_ROUND = [digit * 10**k for k in range(8) for digit in (1, 2, 3, 5)]


def rescaled(problem: Problem) -> Iterator[Problem]:
    """Units in which c = 1 and the first curvature is 1."""
    c, k = sp.sympify(problem.clipping_threshold), problem.objective.coordinates[0]["curvature"]
    if c == sp.oo or (c == 1 and k == 1):
        return
    yield scale_problem(problem, k / c**2, k / c)


def scale_problem(problem: Problem, a: sp.Expr, b: sp.Expr) -> Problem:
    """The same problem under ``f -> a f, x -> b x``, with a, b > 0."""

    def scaled(numbers: Mapping[str, sp.Expr], parameters: Iterable[Parameter]) -> dict[str, sp.Expr]:
        return {p.name: sp.nsimplify(numbers[p.name] * p.unit.scale(a, b)) for p in parameters}

    force = a / b
    coordinates = tuple(scaled(numbers, profile.parameters) for profile, numbers in problem.objective.profiles)
    objective = Family(problem.objective.name, coordinates)
    noise: Family | FiniteLaw
    if isinstance(problem.noise, FiniteLaw):
        noise = FiniteLaw(tuple((p, tuple(e * force for e in v)) for p, v in problem.noise.atoms))
    else:
        law = NOISES[problem.noise.name].parameters
        noise = Family(problem.noise.name, tuple(scaled(numbers, law) for numbers in problem.noise.coordinates))
    return replace(
        problem,
        objective=objective,
        noise=noise,
        start=tuple(v * b for v in problem.start),
        step_size=problem.step_size * b**2 / a,
        clipping_threshold=problem.clipping_threshold * force,
        algorithm=replace(problem.algorithm, privacy_deviation=problem.algorithm.privacy_deviation * force),
    )


def fewer_atoms(problem: Problem, *, lattice: bool = False) -> Iterator[Problem]:
    """Without one atom, or with two in one; on the lattice of probabilities that engines run, or off it."""
    if not isinstance(problem.noise, FiniteLaw):
        return
    law = law_of(problem.noise)
    yield replace(problem, noise=Family("none", ({},) * problem.dimension))
    kept = [(p, a) for p, a in law if p > 0]
    if len(kept) < len(law):
        yield replace(problem, noise=finite(kept))
    if len(kept) <= 2:
        return
    for i in range(len(kept)):
        rest = [entry for j, entry in enumerate(kept) if j != i]
        if lattice:
            likeliest = max(range(len(rest)), key=lambda j: rest[j][0])
            rest = [(p + kept[i][0] * (j == likeliest), a) for j, (p, a) in enumerate(rest)]
        else:
            rest = [(p / (1 - kept[i][0]), a) for p, a in rest]
        mean = [sum((p * a[k] for p, a in rest), Fraction(0)) for k in range(problem.dimension)]
        yield replace(problem, noise=finite([(p, tuple(e - s for e, s in zip(a, mean, strict=True))) for p, a in rest]))
    for i in range(len(kept)):
        for j in range(i):
            p, q = kept[i][0], kept[j][0]
            middle = tuple((p * e + q * g) / (p + q) for e, g in zip(kept[i][1], kept[j][1], strict=True))
            rest = [entry for k, entry in enumerate(kept) if k not in (i, j)]
            yield replace(problem, noise=finite([*rest, (p + q, middle)]))


def flatter(problem: Problem) -> Iterator[Problem]:
    """Without one coordinate; the last first. A radial objective, whose profile stays, at once on a line."""
    if problem.dimension == 1:
        return
    radial = problem.objective.radial
    axes = range(problem.dimension)
    alone = [[i] for i in axes if problem.start[i] != 0] if radial and problem.dimension > 2 else []
    for keep in [*alone, *([i for i in axes if i != drop] for drop in reversed(axes))]:
        noise: Family | FiniteLaw
        if isinstance(problem.noise, FiniteLaw):
            noise = FiniteLaw(tuple((p, tuple(v[i] for i in keep)) for p, v in problem.noise.atoms))
        else:
            noise = Family(problem.noise.name, tuple(problem.noise.coordinates[i] for i in keep))
        if radial:
            yield replace(problem, noise=noise, start=tuple(problem.start[i] for i in keep))
            continue
        kinds = list(problem.objective.profiles)
        names = PLUS.join(kinds[i][0].name for i in keep) if PLUS in problem.objective.name else problem.objective.name
        objective = Family(names, tuple(kinds[i][1] for i in keep))
        yield replace(problem, objective=objective, noise=noise, start=tuple(problem.start[i] for i in keep))


def fewer_steps(problem: Problem) -> Iterator[Problem]:
    """Fewer steps: as they are, or with a step size that keeps ``step_size x steps``; with noise also from nearer by,
    as noise moves a run away that has not far to come."""
    now = problem.steps
    few = range(max(1, now - 4), now) if now <= 10 else ()
    for steps in sorted({*(n for n in _ROUND if n < now), *few}):
        yield replace(problem, steps=steps)
        yield replace(problem, steps=steps, step_size=problem.step_size * now / steps)
        for part in (2, 4, 8) if steps <= 10 and not problem.deterministic else ():
            yield replace(problem, steps=steps, start=tuple(entry / part for entry in problem.start))


def plain_laws(problem: Problem) -> Iterator[Problem]:
    """For noise in one dimension: two atoms at plus and minus c, and the simplest laws with a stuck point (S2), started
    there. A law of rare, far atoms that a search found cannot be moved there by degrees."""
    c, known = sp.sympify(problem.clipping_threshold), problem.objective.coordinates[0]
    if problem.exact_gradients or problem.dimension != 1 or not c.is_Rational or problem.objective.name != "quadratic":
        return
    half, quarter = sp.Rational(1, 2), sp.Rational(1, 4)
    yield replace(problem, noise=FiniteLaw(((half, (c,)), (half, (-c,)))))
    for m, law in (
        (c, ((half, (2 * c,)), (half, (-2 * c,)))),
        (c / 3, ((quarter, (2 * c,)), (3 * quarter, (-2 * c / 3,)))),
    ):
        yield replace(problem, noise=FiniteLaw(law), start=(m / known["curvature"],))


def fewer_samples(problem: Problem) -> Iterator[Problem]:
    """Fewer samples in a step; without, or with shorter, noise that the algorithm adds."""
    algorithm = problem.algorithm
    for samples in range(1, min(algorithm.samples, 9)):
        yield replace(problem, algorithm=replace(algorithm, samples=samples))
    if algorithm.privacy_deviation != 0:
        for value in (sp.Integer(0), *_simpler(algorithm.privacy_deviation)):
            yield replace(problem, algorithm=replace(algorithm, privacy_deviation=value))


def plainer(problem: Problem) -> Iterator[Problem]:
    """A simpler objective or noise family of the same curvature and deviation."""
    layout = RADIAL * problem.objective.radial
    family, coordinates = problem.objective.name.removeprefix(layout), problem.objective.coordinates
    each = coordinates * (problem.dimension if layout else 1)
    curvatures = tuple({"curvature": numbers["curvature"]} for numbers in each)
    if problem.objective.name != "quadratic":
        yield replace(problem, objective=Family("quadratic", curvatures))
    if layout:
        # On a line, an even profile is the same objective.
        yield replace(problem, objective=Family(family, each))
    if family in ("slope_then_bowl", "log_cosh"):
        slopes = tuple({n: numbers[n] for n in ("curvature", "slope")} for numbers in coordinates)
        yield replace(problem, objective=Family(layout + "huber", slopes))
    if family in ("piecewise_quadratic", "piecewise_exponential"):
        # A run that stays on one piece is that of a parabola with the curvature there.
        for bend in sorted({v for c in coordinates for n, v in c.items() if "bend" in n and v > 0}):
            flat = tuple({"curvature": numbers["curvature"] * bend} for numbers in each)
            yield replace(problem, objective=Family("quadratic", flat))
    if family == "piecewise_exponential":
        straight = tuple({n: v for n, v in c.items() if n != "growth"} for c in coordinates)
        yield replace(problem, objective=Family(layout + "piecewise_quadratic", straight))
    if isinstance(problem.noise, Family) and problem.noise.name != "none":
        yield replace(problem, noise=Family("none", ({},) * problem.dimension))


def shorter_numbers(problem: Problem, *, lattice: bool = False) -> Iterator[Problem]:
    """One number at a time made shorter; a finite law's probabilities stay on the lattice of engines, if asked."""
    for value in _simpler(problem.clipping_threshold):
        yield replace(problem, clipping_threshold=value)
    for value in _simpler(problem.step_size):
        yield replace(problem, step_size=value)
    for i, entry in enumerate(problem.start):
        for value in _simpler(entry):
            yield replace(problem, start=(*problem.start[:i], value, *problem.start[i + 1 :]))
    for objective in _shorter_family(problem.objective, [profile for profile, _ in problem.objective.profiles]):
        yield replace(problem, objective=objective)
    if isinstance(problem.noise, Family):
        formula = NOISES[problem.noise.name]
        for noise in _shorter_family(problem.noise, [formula] * problem.dimension):
            yield replace(problem, noise=noise)
    else:
        for law in _shorter_laws(law_of(problem.noise), lattice):
            yield replace(problem, noise=finite(law))


def _shorter_family(family: Family, formulas: Sequence[Objective | Noise]) -> Iterator[Family]:
    for i, (formula, numbers) in enumerate(zip(formulas, family.coordinates, strict=True)):
        domains = {p.name: p.domain for p in formula.parameters}
        for name, value in numbers.items():
            # Where 0 is allowed it may be simplest of all: no bend, or no piece.
            zero = (sp.Integer(0),) if domains[name] is not Domain.POSITIVE and value != 0 else ()
            for simpler in (*zero, *_simpler(value, dyadic=name == "probability")):
                changed = {**numbers, name: simpler}
                if not allowed(formula, changed):
                    continue
                if name in ("low", "high") and "low" in changed and changed["low"] > changed["high"]:
                    continue
                if name == "index" and not 2 < simpler <= 64:
                    continue
                yield Family(family.name, (*family.coordinates[:i], changed, *family.coordinates[i + 1 :]))


def _shorter_laws(law: Law, lattice: bool) -> Iterator[Law]:
    solved = max(range(len(law)), key=lambda i: law[i][0])
    for i, (p, atom) in enumerate(law):
        if i == solved:
            continue
        for simpler in simpler_than(p, lattice):
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


def _simpler(value: sp.Expr, dyadic: bool = False) -> Iterator[sp.Expr]:
    if isinstance(value, sp.Rational) and value != 0:
        for found in simpler_than(fraction_of(value), dyadic):
            yield rational(found)


def fraction_of(value: sp.Rational) -> Fraction:
    return Fraction(int(value.p), int(value.q))


def law_of(noise: FiniteLaw) -> Law:
    return [(fraction_of(p), tuple(fraction_of(e) for e in v)) for p, v in noise.atoms]


def finite(law: Law) -> FiniteLaw:
    return FiniteLaw(tuple((rational(p), tuple(map(rational, a))) for p, a in law))

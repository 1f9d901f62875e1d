"""The exact check of a claim at one problem: rational and interval arithmetic, independent of the simulator.

It rests on the formulas of objectives and noises, on the definition of clipping, and on python-flint; no float and no
random number decides anything. What it cannot decide it does not guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import sympy as sp
from flint import arb

from fuzz.problem import FiniteLaw, Problem
from fuzz.reduction import reduced
from harness.exact.comparison import Enclosure, compare, enclose_rational, resolve
from harness.exact.enclosure import Arithmetic, Balls, NotExact, Number, Surds, enclose, precision, surd
from harness.exact.sgd import ClippedSGD, Vector, Watch, check_problem, inside, one_step, whole_run
from harness.exact.surds import NotSurd, Undefined
from theorems.language import parameters as standard
from theorems.language.assumptions import (
    GS,
    HS,
    PL,
    BatchClipping,
    BoundedVariance,
    PerSampleClipping,
    PrivacyNoise,
)
from theorems.language.functions import NOISES, x
from theorems.language.parameters import Parameter
from theorems.language.quantities import Adversary, Quantity, Scope
from theorems.language.theorem import Theorem

_FIRST_BITS = 128
_MOST_BITS_ONE_STEP = 8192
_MOST_BITS = 100_000
_MOST_USEFUL_BITS = 512
_BOUND_BITS = 512
_MOST_WORK = 6e9
_STEP_COST = 4000  # of one step, in bits of precision
_SHORT, _LONG = 64, 512
_WATCHED = 32
_TOLERANCE = 2.0**-64
_UNBOUNDED = frozenset({"quartic", "piecewise_exponential"})  # the curvature exceeds `curvature`
_STRONG = frozenset({"quadratic", "quartic"})  # and here it never falls below


@dataclass(frozen=True)
class ExactVerdict:
    """What exact or interval arithmetic says of a claim at one problem.

    Attributes:
        method: how the comparison was made.
        measured, bound: both sides.
        violated: the measured quantity is proved to be on the wrong side of the bound; False if it is proved not to
            be, always False for a claim that only says that some problem attains its bound; None if undecided.
        attained: the measured quantity is proved to be at least as bad as the bound; None if undecided.
    """

    method: str
    measured: Enclosure
    bound: Enclosure
    violated: bool | None
    attained: bool | None


# -- letters -----------------------------------------------------------------------------------------------------------


def letters(theorem: Theorem, problem: Problem, choices: Mapping[Parameter, sp.Expr]) -> dict[Parameter, sp.Expr]:
    """The exact value of every parameter of a statement at a problem.

    ``eta``, ``c``, ``T``, ``F0``, ``R0`` and ``m`` are the problem's own. Any other letter has its value from
    ``choices``, or else is as tight as the problem allows if it is the argument of an assumption.

    Raises:
        NotExact: naming a letter that has no value.
        ValueError: naming a letter whose value lies outside its domain, or a choice that contradicts the problem.
    """
    check_problem(problem)
    wanted = theorem.parameters
    values = {p: of(problem) for p, of in _OWN.items() if p in wanted}
    for parameter, value in choices.items():
        if parameter not in values:
            values[parameter] = sp.sympify(value)
        elif compare(parameter, value, {parameter: values[parameter]}) != 0:
            raise ValueError(f"{parameter} is {values[parameter]} at this problem, not {value}")
    for argument, tight in _arguments(theorem, problem):
        if isinstance(argument, Parameter) and argument not in values and tight is not None:
            values[argument] = tight
    for parameter in wanted:
        if parameter not in values:
            raise NotExact(f"the letter {parameter} has no value at this problem")
        if not inside(parameter.domain, values[parameter]):
            raise ValueError(
                f"{parameter} = {values[parameter]} is not shown to be in its domain, {parameter.domain.value}"
            )
    return {parameter: values[parameter] for parameter in wanted}


def _objective(problem: Problem, what: str) -> list[sp.Expr]:
    """Value or gradient at the start, coordinate by coordinate; of a radial objective, value or slope at its norm."""
    places = [_length(list(problem.start))] if problem.objective.radial else problem.start
    return [
        resolve(getattr(profile, what), {x: entry, **{p: numbers[p.name] for p in profile.parameters}})
        for entry, (profile, numbers) in zip(places, problem.objective.profiles, strict=True)
    ]


def _length(vector: list[sp.Expr]) -> sp.Expr:
    entries = [entry for entry in vector if compare(entry, sp.Integer(0), {}) != 0]
    if len(entries) == 1:
        return resolve(sp.Abs(entries[0], evaluate=False), {})
    return resolve(sp.sqrt(sp.Add(*(entry**2 for entry in entries))), {})


_OWN: dict[Parameter, Callable[[Problem], sp.Expr]] = {
    standard.eta: lambda problem: problem.step_size,
    standard.c: lambda problem: problem.clipping_threshold,
    standard.T: lambda problem: sp.Integer(problem.steps),
    standard.F0: lambda problem: sp.Add(*_objective(problem, "value")),
    standard.R0: lambda problem: _length(list(problem.start)),
    standard.m: lambda problem: _length(_objective(problem, "gradient")),
}


def own_letter(parameter: Parameter, problem: Problem) -> sp.Expr | None:
    """The exact value of a letter that a problem settles by itself; None for any other letter.

    Raises:
        NotExact: if it has no value that could be found.
    """
    of = _OWN.get(parameter)
    return None if of is None else of(problem)


def _arguments(theorem: Theorem, problem: Problem) -> Iterator[tuple[sp.Expr, sp.Expr | None]]:
    """Each argument of an assumption and its tight value; None where the family has no simple one."""
    families = {profile.name for profile, _ in problem.objective.profiles}
    curvatures = [numbers["curvature"] for numbers in problem.objective.coordinates]
    largest = resolve(sp.Max(*curvatures, evaluate=False), {})
    least = resolve(sp.Min(*curvatures, evaluate=False), {})
    for assumption in theorem.given:
        if isinstance(assumption, GS | HS):
            smooth = not families & _UNBOUNDED
            yield theorem.expand(sp.sympify(assumption.L1)), sp.Integer(0) if smooth else None
            yield theorem.expand(sp.sympify(assumption.L0)), largest if smooth else None
        elif isinstance(assumption, PL):
            yield theorem.expand(sp.sympify(assumption.mu)), least if families <= _STRONG else None
        elif isinstance(assumption, BoundedVariance):
            yield theorem.expand(sp.sympify(assumption.sigma)), _deviation(problem)
        elif isinstance(assumption, BatchClipping | PerSampleClipping):
            yield theorem.expand(sp.sympify(assumption.n)), sp.Integer(problem.algorithm.samples)
        elif isinstance(assumption, PrivacyNoise):
            yield theorem.expand(sp.sympify(assumption.zeta)), problem.algorithm.privacy_deviation


def _deviation(problem: Problem) -> sp.Expr:
    noise = problem.noise
    if isinstance(noise, FiniteLaw):
        return resolve(sp.sqrt(sp.Add(*(p * sum(entry**2 for entry in vector) for p, vector in noise.atoms))), {})
    family = NOISES[noise.name]
    coordinates = noise.coordinates[:1] if family.along else noise.coordinates
    variances = [resolve(family.variance, {p: entry[p.name] for p in family.parameters}) for entry in coordinates]
    return resolve(sp.sqrt(sp.Add(*variances)), {})


# -- measuring ---------------------------------------------------------------------------------------------------------


def measure(quantity: Quantity, problem: Problem, bits: int | None = None) -> Enclosure:
    """What a claim measures, at a problem.

    Args:
        quantity: one step (exact gradients or noise of finitely many atoms), or a whole run (no noise; noise of
            finitely many atoms over few steps).
        problem: the problem.
        bits: work in balls of this precision; by default exactly where possible, else as precisely as it takes for
            about 64 correct bits.

    Raises:
        NotExact: one line saying why there is no exact check here.
    """
    problem = _plain(quantity, problem)
    check_problem(problem)
    if bits is not None:
        return _enclosed(quantity, _ball(quantity, problem, bits, lambda t, point: None), bits)
    for tries, (found, _) in enumerate(_refinements(quantity, problem)):
        # The end of a long run may be too close to the minimum for that: then two tries must do.
        if found.accurate or (tries == 1 and quantity.scope is Scope.TRAJECTORY):
            break
    return found


def decide(theorem: Theorem, problem: Problem, values: Mapping[Parameter, sp.Expr]) -> ExactVerdict:
    """Compare a claim's quantity at a problem with its bound at the same letters, rigorously.

    This is about the conclusion alone: that assumptions and conditions hold at ``values`` is for the caller to see.

    Raises:
        NotExact: if the problem admits no exact check, or the bound has no value.
        ValueError: if ``values`` contradicts the problem or the domains of the letters.
    """
    values = letters(theorem, problem, values)
    exact_bound = surd(theorem.bound, values)
    verdict = None
    for measured, bits in _refinements(theorem.claim.quantity, _plain(theorem.claim.quantity, problem)):
        if measured.value is not None:
            return _from_exact(theorem, measured, values)
        if exact_bound is not None:
            bound = Enclosure.of_surd(exact_bound)
        else:
            ball = enclose(theorem.bound, values, max(bits, _BOUND_BITS))
            if not ball.is_finite():
                continue
            bound = Enclosure.of_ball(ball, Balls(max(bits, _BOUND_BITS)).method)
        verdict = _verdict(theorem, measured.method, measured, bound, _order(measured, bound))
        if verdict.attained is not None:
            return verdict
    if verdict is None:
        raise NotExact(f"the bound {theorem.bound} has no value that could be found")
    return verdict


def _plain(quantity: Quantity, problem: Problem) -> Problem:
    """The run of plain clipped SGD that has the same value."""
    plain = reduced(problem, quantity)
    if plain is None:
        raise NotExact(f"{quantity} of {problem.algorithm.name} has no exact check: {problem.algorithm.words}")
    return plain


def _from_exact(theorem: Theorem, measured: Enclosure, values: Mapping[Parameter, sp.Expr]) -> ExactVerdict:
    bound = enclose_rational(theorem.bound, values)
    order = compare(measured.value, theorem.bound, values)
    method = measured.method if order == 0 else bound.method
    return _verdict(theorem, method, measured, bound, order)


def _order(left: Enclosure, right: Enclosure) -> int | None:
    if left.low > right.high:
        return 1
    if left.high < right.low:
        return -1
    return 0 if left.low == left.high == right.low == right.high else None


def _verdict(theorem: Theorem, method: str, measured: Enclosure, bound: Enclosure, order: int | None) -> ExactVerdict:
    worse = order if order is None or theorem.claim.quantity.adversary is Adversary.MAXIMISES else -order
    violated = None if worse is None else worse > 0
    attained = None if worse is None else worse >= 0
    # "There is a problem" is not refuted by one problem.
    return ExactVerdict(method, measured, bound, violated if theorem.claim.for_all else False, attained)


class _Coarse(Exception):
    """A run has lost its precision at this step."""

    def __init__(self, step: int) -> None:
        self.step = step


def _refinements(quantity: Quantity, problem: Problem) -> Iterator[tuple[Enclosure, int]]:
    """The measured quantity exactly, or else in balls of growing precision; with the bits of each.

    Raises:
        NotExact: before anything was yielded, saying why there is nothing.
    """
    one = quantity.scope is Scope.ONE_STEP
    steps = 1 if one else problem.steps
    # A run of many steps without noise has an exact value of many digits: that is the last resort.
    short = steps <= _SHORT or not problem.deterministic
    if short and (exact := _exactly(quantity, problem)) is not None:
        yield exact, 0
        return
    bits, some = _FIRST_BITS, False
    most = min(_MOST_BITS_ONE_STEP if one else _MOST_BITS, int(_MOST_WORK / (steps * problem.dimension)) - _STEP_COST)
    while bits <= most:
        more = 2 * bits
        try:
            ball = _ball(quantity, problem, bits, _watch(problem))
        except _Coarse as coarse:
            # Precision is lost at a steady rate, at most log2(1 + eta L) bits a step where that is known.
            more = max(more, min(bits * steps // max(coarse.step, 1), _sufficient_bits(problem)))
        else:
            if ball.is_finite():
                some = True
                yield _enclosed(quantity, ball, bits), bits
                if ball.rel_accuracy_bits() > _MOST_USEFUL_BITS:
                    break
        bits = more
    if not short and steps <= _LONG and (exact := _exactly(quantity, problem)) is not None:
        yield exact, 0
    elif not some:
        raise NotExact(f"{quantity} is not settled at {max(most, 0)} bits of precision over {steps} steps")


def _exactly(quantity: Quantity, problem: Problem) -> Enclosure | None:
    try:
        return Enclosure.of_surd(_number(quantity, problem, Surds(), lambda t, point: None))
    except NotSurd:
        return None
    except Undefined as error:
        raise NotExact(f"{quantity} has no value here: {error}") from None


def _enclosed(quantity: Quantity, ball: arb, bits: int) -> Enclosure:
    found = Enclosure.of_ball(ball, Balls(bits).method)
    return replace(found, low=max(found.low, sp.Integer(0))) if quantity.is_nonnegative else found


def _ball(quantity: Quantity, problem: Problem, bits: int, watch: Watch) -> arb:
    with precision(bits):
        ball: arb = _number(quantity, problem, Balls(bits), watch)
        return ball


def _number(quantity: Quantity, problem: Problem, arithmetic: Arithmetic, watch: Watch) -> Number:
    sgd = ClippedSGD(problem, arithmetic)
    return one_step(quantity, sgd) if quantity.scope is Scope.ONE_STEP else whole_run(quantity, sgd, watch)


def _watch(problem: Problem) -> Watch:
    """Stop a run whose balls have become wider than 2^-64 of its length scale: they never shrink again."""
    scale = enclose(sp.Add(*(sp.Abs(entry, evaluate=False) for entry in problem.start)), {}, _FIRST_BITS)

    def watch(t: int, point: Vector) -> None:
        if t % _WATCHED:
            return
        for entry in point:
            if not entry.is_finite():
                raise NotExact(f"the run is not finite at step {t}")
            if entry.rad() > (abs(entry) + scale) * _TOLERANCE:
                raise _Coarse(t)

    return watch


def _sufficient_bits(problem: Problem) -> int:
    if any(profile.name in _UNBOUNDED for profile, _ in problem.objective.profiles):
        return _MOST_BITS
    steepest = sp.Max(*(numbers["curvature"] for numbers in problem.objective.coordinates), evaluate=False)
    growth = enclose(sp.log(1 + problem.step_size * steepest) / sp.log(2), {}, _FIRST_BITS)
    return int(min(problem.steps * float(growth.upper()), _MOST_BITS)) + 2 * _FIRST_BITS

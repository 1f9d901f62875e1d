"""The last word on one problem: hypotheses certified, then exact arithmetic or fresh seeds, then a second engine.

Nothing is called refuted anywhere else. Every reason not to say it has a status of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
import sympy as sp

from fuzz.certify import Certificate, CertificateError, certify, certify_algorithm
from fuzz.finite import why_not_run
from fuzz.genes import quantise
from fuzz.pieces import FAMILIES
from fuzz.problem import FiniteLaw, Problem
from fuzz.reading import Reading
from fuzz.reduction import reduced
from fuzz.rescore import letters_of
from fuzz.rounding import rounding_allowance
from harness.account import exact_account, precision, sampled_account
from harness.evidence import ErrorLedger, Look
from harness.exact import ExactVerdict, NotExact, decide, enclose_rational, holds, letters
from harness.exact.stuck import stuck_point
from harness.finding_records import AccountRecord, EngineRecord, ExactRecord, StuckRecord
from harness.fresh import FreshSample, draw
from harness.witnesses import Witnesses, together, witnesses
from theorems.language.assumptions import PL, Assumption
from theorems.language.functions import NOISES
from theorems.language.parameters import Parameter
from theorems.language.quantities import Scope, StuckGradientNorm
from theorems.language.theorem import Theorem
from theorems.language.walk import show_exact

MAX_STEPS = 4e8
_HISTORIES = 1024


class Status(StrEnum):
    """What a confirmation says. Only the first two speak about the claim."""

    REFUTED = "refuted"
    ACHIEVED = "achieved"
    HOLDS = "holds here"
    UNCERTIFIED = "not certified"
    INVALID = "not finite"
    DISAGREEMENT = "in disagreement"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Confirmation:
    """Everything that a finding is made of.

    Attributes:
        status, reason: the word, and one sentence for it.
        values: exact numbers of the statement's letters at the problem.
        claimed, measured: floats, for the reader; ``claimed_exact`` and ``measured_exact`` where they have a text.
        score: ``(measured - lo)/(bound - lo)``; ``score_lower`` a certified or confident lower bound of it.
        exact: the check in exact or interval arithmetic, or None.
        sample: the fresh runs, or None.
        allowance: what was added to the bound for rounding in float64.
        account: the margin taken apart, where a claim falls or is met.
        stuck: the stuck point and its stability, for a claim about one.
        steps: engine steps spent.
    """

    status: Status
    reason: str
    problem: Problem
    values: Mapping[Parameter, sp.Expr] = field(default_factory=dict)
    certificates: tuple[Certificate, ...] = ()
    claimed: float = math.nan
    claimed_exact: str | None = None
    measured: float = math.nan
    measured_exact: str | None = None
    score: float = math.nan
    score_lower: float | None = None
    exact: ExactRecord | None = None
    sample: FreshSample | None = None
    look: Look | None = None
    alpha: float = 0.0
    allowance: float = 0.0
    engines: tuple[EngineRecord, ...] = ()
    account: AccountRecord | None = None
    stuck: StuckRecord | None = None
    steps: int = 0


def confirm(
    theorem: Theorem,
    problem: Problem,
    *,
    ledger: ErrorLedger,
    seed: int,
    choices: Mapping[Parameter, sp.Expr],
    max_steps: float = MAX_STEPS,
) -> Confirmation:
    """Judge a theorem's claim at one problem.

    Args:
        theorem: the statement.
        problem: chosen before this call, on other random numbers.
        ledger: of the campaign; a statistical confirmation counts as one look.
        seed: of the campaign.
        choices: exact values of the letters that the problem leaves open.
        max_steps: engine steps that fresh runs may take.
    """
    try:
        values = letters(theorem, problem, completed(theorem, problem, choices))
    except (NotExact, ValueError) as error:
        return Confirmation(Status.UNCERTIFIED, str(error), problem)
    found = Confirmation(Status.UNDECIDED, "", problem, values)
    try:
        found = replace(found, certificates=certificates(theorem, problem, values))
    except CertificateError as error:
        return replace(found, status=Status.UNCERTIFIED, reason=str(error))
    for condition in theorem.conditions:
        verdict = holds(condition, values)
        if verdict is not True:
            word = "fails" if verdict is False else "cannot be decided"
            return replace(found, status=Status.UNCERTIFIED, reason=f"the condition {condition} {word} here")
    if _admits_exact_check(theorem, problem):
        try:
            return _exactly(theorem, found, decide(theorem, problem, values))
        except NotExact as error:
            if problem.deterministic or theorem.claim.quantity.scope is Scope.ONE_STEP:
                return replace(found, reason=f"no exact check: {error}")
    if theorem.claim.quantity.scope is Scope.ONE_STEP:
        return replace(found, reason=f"no exact check: {problem.algorithm.words}")
    return _on_fresh_seeds(theorem, found, ledger, seed, max_steps)


def completed(theorem: Theorem, problem: Problem, choices: Mapping[Parameter, sp.Expr]) -> Mapping[Parameter, sp.Expr]:
    """The choices, with short rational constants where a family has no simple ones: the search's own numbers, L0
    rounded
    up and the PL constant down. Whether they will do is for the certificates to say."""
    families = {profile.name for profile, _ in problem.objective.profiles}
    wanted: list[tuple[sp.Expr, bool]] = []
    if theorem.smoothness is not None and families & {"quartic", *FAMILIES}:
        wanted.append((theorem.smoothness.L0, True))
    wanted += [(a.mu, False) for a in theorem.given if isinstance(a, PL) and families & set(FAMILIES)]
    found = dict(choices)
    for argument, up in wanted:
        letter = theorem.expand(sp.sympify(argument))
        if not isinstance(letter, Parameter) or letter in found:
            continue
        try:
            known, _ = letters_of(Reading(theorem), problem, choices)
            tight = float(np.ravel(known[str(letter.name)])[0])
        except (KeyError, ValueError):
            continue
        if math.isfinite(tight) and tight > 0:
            moved = quantise(np.array(tight * (1 + (1e-9 if up else -1e-9))), up=up)
            found[letter] = sp.Rational(*float(moved).as_integer_ratio())
    return found


def _admits_exact_check(theorem: Theorem, problem: Problem) -> bool:
    """One step, no noise, or so few atoms and steps that all histories can be listed; of plain clipped SGD."""
    plain = reduced(problem, theorem.claim.quantity)
    if plain is None:
        return False
    problem = plain
    if problem.deterministic or theorem.claim.quantity.scope is Scope.ONE_STEP:
        return True
    if isinstance(problem.noise, FiniteLaw):
        count = len(problem.noise.atoms)
    else:
        atoms = NOISES[problem.noise.name].atoms
        if atoms is None:
            return False
        count = len(atoms) ** (1 if NOISES[problem.noise.name].along else problem.dimension)
    return problem.steps * math.log(max(count, 1)) <= math.log(_HISTORIES)


def certificates(theorem: Theorem, problem: Problem, values: Mapping[Parameter, sp.Expr]) -> tuple[Certificate, ...]:
    """One certificate for each assumption of the theorem, at exact values.

    Raises:
        CertificateError: for another algorithm, or for the first assumption that is not certified.
    """
    certify_algorithm(theorem.given, problem)
    return tuple(certify(at_values(theorem, assumption, values), problem) for assumption in theorem.given)


def at_values(theorem: Theorem, assumption: Assumption, values: Mapping[Any, sp.Expr]) -> Assumption:
    """The assumption with exact numbers for its arguments."""
    arguments = {name: theorem.expand(sp.sympify(v)).xreplace(dict(values)) for name, v in vars(assumption).items()}
    return type(assumption)(**arguments)


# -- exact -------------------------------------------------------------------------------------------------------------


def _exactly(theorem: Theorem, found: Confirmation, verdict: ExactVerdict) -> Confirmation:
    measured, bound = verdict.measured, verdict.bound
    middle = float((measured.low + measured.high) / 2)
    fails = bool(verdict.violated) if theorem.claim.for_all else False
    found = replace(
        found,
        claimed=float((bound.low + bound.high) / 2),
        claimed_exact=_text(bound.value),
        measured=middle,
        measured_exact=_text(measured.value),
        score=score(theorem, found, middle),
        exact=ExactRecord(
            method=verdict.method,
            measured=_text(measured.value) or f"between {_decimal(measured.low)} and {_decimal(measured.high)}",
            bound=_text(bound.value) or f"between {_decimal(bound.low)} and {_decimal(bound.high)}",
            violated=fails,
        ),
    )
    found = replace(found, score_lower=found.score)
    seen = witnesses(found.problem, theorem.claim.quantity, float(measured.low), float(measured.high))
    found = replace(found, engines=seen.engines)
    if seen.reason:
        return replace(found, status=Status.DISAGREEMENT, reason=seen.reason)
    if theorem.claim.for_all:
        if verdict.violated is True:
            found = replace(found, status=Status.REFUTED, reason=f"the bound fails here, by {verdict.method}")
        elif verdict.violated is False:
            return replace(found, status=Status.HOLDS, reason=f"the bound holds here, by {verdict.method}")
    elif verdict.attained is True:
        found = replace(found, status=Status.ACHIEVED, reason=f"the bound is attained here, by {verdict.method}")
    elif verdict.attained is False:
        return replace(found, status=Status.HOLDS, reason=f"the bound is not attained here, by {verdict.method}")
    if found.status is Status.UNDECIDED:
        return replace(found, reason=f"measured and claimed value cannot be told apart, by {verdict.method}")
    return replace(found, account=_exact_account(theorem, found, verdict, seen), stuck=_stuck(theorem, found))


def _exact_account(theorem: Theorem, found: Confirmation, verdict: ExactVerdict, seen: Witnesses) -> AccountRecord:
    measured, bound = verdict.measured, verdict.bound
    maximised = theorem.claim.universal.rel_op == "<="
    margin = found.measured - found.claimed if maximised else found.claimed - found.measured
    certain = measured.low - bound.high if maximised else bound.low - measured.high
    arithmetic = "exact" if measured.value is not None else verdict.method
    exact = precision(arithmetic, found.measured, found.measured, 0.0, near=0.0)
    # Rounding of the two floats that are shown, where both sides are exact.
    margin = float(certain) if measured.value is not None and bound.value is not None else margin
    return exact_account(
        margin,
        min(float(certain), margin),
        (*seen.precisions, exact),
        refuted=found.status is Status.REFUTED,
    )


def _stuck(theorem: Theorem, found: Confirmation) -> StuckRecord | None:
    if theorem.claim.quantity != StuckGradientNorm:
        return None
    try:
        point = stuck_point(found.problem)
    except NotExact:
        return None

    def text(value: sp.Expr | None) -> str | None:
        return None if value is None else _text(value) or _decimal(value)

    return StuckRecord(
        expected_step=tuple(str(text(entry)) for entry in point.expected_step),
        zero=point.zero,
        offset=text(point.offset),
        left=text(point.left),
        right=text(point.right),
        stability=point.stability,  # type: ignore[arg-type]
        says=point.says,
    )


# -- fresh seeds -------------------------------------------------------------------------------------------------------


def _on_fresh_seeds(
    theorem: Theorem, found: Confirmation, ledger: ErrorLedger, seed: int, max_steps: float
) -> Confirmation:
    problem, quantity = found.problem, theorem.claim.quantity
    if isinstance(problem.noise, FiniteLaw) and (reason := why_not_run(problem.noise)):
        return replace(found, reason=reason)
    bound = enclose_rational(theorem.bound, found.values)
    found = replace(found, claimed=float((bound.low + bound.high) / 2), claimed_exact=_text(bound.value))
    allowance = rounding_allowance(problem, quantity)
    if allowance is None:
        return replace(found, reason="no bound on rounding errors is known for this run")
    null = math.nextafter(float(bound.high), math.inf) + allowance
    if not (math.isfinite(null) and null > 0 and bound.low > 0):
        return replace(found, reason=f"the claimed bound {found.claimed:g} is not positive")
    seen = together(problem, quantity, seed, ledger.looks + 1, allowance)
    found = replace(found, engines=seen.engines, allowance=allowance, alpha=ledger.alpha)
    if seen.reason:
        return replace(found, status=Status.DISAGREEMENT, reason=seen.reason)
    look = ledger.next_look()
    sample = draw(problem, quantity, null, look, seed, max_steps)
    found = replace(found, sample=sample, look=look, steps=sample.steps)
    if sample.invalid:
        return replace(
            found, status=Status.INVALID, reason=f"{sample.invalid} of {sample.replicas} runs were not finite"
        )
    found = replace(
        found,
        measured=sample.mean,
        score=score(theorem, found, sample.mean),
        score_lower=score(theorem, found, sample.lower),
    )
    if sample.log10_e >= look.log10_threshold:
        status = Status.REFUTED if theorem.claim.for_all else Status.ACHIEVED
        reason = f"e = 10^{sample.log10_e:.2f} on fresh seeds, 10^{look.log10_threshold:.2f} was needed"
        account = sampled_account(
            measured=sample.mean,
            claimed=found.claimed,
            # The bound itself was rejected; the bisection may end a hair below it.
            lower=max(sample.lower, null),
            allowance=allowance,
            log10_threshold=look.log10_threshold,
            looks=look.number,
            alpha=ledger.alpha,
            precisions=seen.precisions,
            refuted=status is Status.REFUTED,
        )
        return replace(found, status=status, reason=reason, account=account)
    reason = (
        f"e = 10^{sample.log10_e:.2f} on {sample.replicas:,} fresh runs, 10^{look.log10_threshold:.2f} would be needed"
    )
    return replace(found, reason=reason)


# -- numbers -----------------------------------------------------------------------------------------------------------


def score(theorem: Theorem, found: Confirmation, measured: float) -> float:
    """The score of a measured value at the confirmed letters."""
    reading = Reading(theorem)
    known, _ = letters_of(reading, found.problem, dict(found.values))
    known.update({str(p.name): np.array([float(v)]) for p, v in found.values.items()})
    return float(reading.score(known, np.array([measured]))[0])


def _text(value: sp.Expr | None) -> str | None:
    if value is None:
        return None
    try:
        return show_exact(value)
    except ValueError:
        return None


def _decimal(number: sp.Rational) -> str:
    return str(sp.N(number, 20))

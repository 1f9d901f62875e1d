"""One statement under attack: search, minimise, confirm, and a finding if something was confirmed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from fuzz.budget import Budget
from fuzz.coverage import CoverageSummary
from fuzz.minimise import minimise
from fuzz.outcome import Candidate, SearchResult
from fuzz.problem import Problem
from fuzz.reading import out_of_reach
from fuzz.search import search
from fuzz.trajectory import Choices
from harness.confirm import MAX_STEPS, Confirmation, Status, confirm
from harness.definitions import definitions_of
from harness.evidence import ErrorLedger
from harness.finding import CertificateRecord, EffortRecord, Finding, seal, versions
from harness.progress import Progress
from harness.report.words import instance
from harness.statement import record_statement
from harness.suspect import suspect
from harness.verdicts import SearchVerdict
from theorems.language.parameters import Parameter
from theorems.language.theorem import Theorem
from theorems.language.walk import show_exact

TIGHT = 0.99
"""A claim for all problems is called tight when a certified problem reaches this part of its bound."""

_SEARCH, _MINIMISE = 0.75, 0.15
_CLEAR = 1.05
_TRIED = 3


@dataclass(frozen=True)
class FuzzResult:
    """What a search said of one statement.

    Attributes:
        verdict: ``refuted``; ``achieved`` (a lower bound met, or a bound for all problems reached to one per cent);
            ``not_found``.
        score: best score, None if no problem met the hypotheses; ``score_lower`` certified, or less one standard error.
        log10_e: statistical evidence of the confirmation, if it needed any.
        problem: the best problem as JSON, ``problem_words`` in words.
        says: how hard the search looked, and what its answer is worth.
        finding: the whole finding, if something was confirmed.
        warning: set where something is wrong with the harness itself (engines that disagree).
        coverage: the regimes that were looked at, None if nothing was searched.
        search: the search itself, with all candidates and structures.
    """

    name: str
    expect: str
    verdict: SearchVerdict
    score: float | None
    score_lower: float | None
    log10_e: float | None
    problem: dict[str, Any] | None
    problem_words: str
    steps: int
    seconds: float
    says: str
    finding: Finding | None = None
    warning: str = ""
    coverage: CoverageSummary | None = None
    search: SearchResult | None = None


def attack(
    theorem: Theorem,
    budget: Budget,
    seed: int,
    *,
    device: str = "cpu",
    ledger: ErrorLedger,
    progress: Progress | None = None,
    extra_starts: Sequence[tuple[Problem, Choices]] = (),
) -> FuzzResult:
    """Search for a problem where the claim fails (or, for a lower claim, is met), and confirm it.

    Args:
        theorem: the statement.
        budget: of the search and the minimiser; a confirmation takes at most ``confirm.MAX_STEPS`` steps more.
        seed: of everything.
        device: ``"cpu"``, or ``"cuda"`` for the whole runs of the search; confirmations are on the CPU.
        ledger: of the campaign.
        progress: told the state of the search.
        extra_starts: problems of earlier searches, which compete with those of this one.
    """
    found = search(
        theorem,
        budget.part(_SEARCH),
        seed,
        device=device,
        enough=_CLEAR,
        progress=_relay(progress),
        extra_starts=extra_starts,
    )
    extra = 0
    warning = ""
    for candidate in found.candidates[:_TRIED]:
        if not _promising(theorem, candidate):
            continue
        for problem, choices in _forms(theorem, candidate, budget):
            if progress is not None:
                progress.detail("confirming on fresh numbers")
            confirmation = confirm(
                theorem, problem, ledger=ledger, seed=seed, choices=choices, max_steps=_allowed(budget)
            )
            extra += confirmation.steps
            if confirmation.status is Status.DISAGREEMENT:
                warning = confirmation.reason
            if confirmation.status in (Status.REFUTED, Status.ACHIEVED):
                return _result(theorem, found, confirmation, seed, extra, warning)
    tight = _tightness(theorem, found, ledger, seed)
    return _result(theorem, found, tight, seed, extra, warning)


def _promising(theorem: Theorem, candidate: Candidate) -> bool:
    """Whether a candidate may show what is looked for; its score is an estimate on randomness that did not pick it."""
    if theorem.claim.for_all:
        return candidate.score - 2 * candidate.error > 1
    return candidate.score + 2 * candidate.error >= 1 - 1e-12


def _forms(theorem: Theorem, candidate: Candidate, budget: Budget) -> list[tuple[Any, dict[Parameter, sp.Expr]]]:
    """The simplest form of a candidate, then the candidate itself, in case simplicity cost the confirmation."""
    forms = [(candidate.problem, candidate.choices)]
    if theorem.claim.for_all:
        simple = minimise(theorem, candidate.problem, candidate.choices, budget=budget.part(_MINIMISE))
        if simple[0] != candidate.problem:
            forms.insert(0, simple)
    return forms


def _tightness(theorem: Theorem, found: SearchResult, ledger: ErrorLedger, seed: int) -> Confirmation | None:
    """The best problem judged exactly, where that needs no look: does it reach one per cent of the bound?"""
    best = found.best
    if best is None or best.error > 0 or not theorem.claim.for_all or best.score < TIGHT:
        return None
    seen = confirm(theorem, best.problem, ledger=ledger, seed=seed, choices=best.choices)
    return seen if seen.status in (Status.HOLDS, Status.UNDECIDED) and seen.exact is not None else None


def _result(
    theorem: Theorem, found: SearchResult, seen: Confirmation | None, seed: int, extra: int, warning: str
) -> FuzzResult:
    best, finding = found.best, None
    score = None if best is None else best.score
    lower = None if best is None else best.lower
    problem = None if best is None else best.problem
    verdict, evidence = SearchVerdict.NOT_FOUND, None
    effort = EffortRecord(
        steps=found.steps, seconds=round(found.seconds, 3), candidates=len(found.candidates), says=_effort(found)
    )
    if seen is not None:
        score, lower, problem = seen.score, seen.score_lower, seen.problem
        evidence = None if seen.sample is None else seen.sample.log10_e
        if seen.status is Status.REFUTED:
            verdict = SearchVerdict.REFUTED
        elif seen.status is Status.ACHIEVED or (seen.exact is not None and seen.score >= TIGHT):
            verdict = SearchVerdict.ACHIEVED
        if seen.status in (Status.REFUTED, Status.ACHIEVED):
            told = "The search found it, and the minimiser made its numbers short."
            finding = finding_of(theorem, seen, seed=seed, found_by=told, effort=effort)
    if score is not None and not math.isfinite(score):
        score = lower = None
    return FuzzResult(
        name=theorem.name,
        expect=theorem.expect,
        verdict=verdict,
        score=score,
        score_lower=lower,
        log10_e=evidence,
        problem=None if problem is None else problem.to_json(),
        problem_words="" if problem is None else instance(problem, theorem.claim.quantity),
        steps=found.steps + extra,
        seconds=found.seconds,
        says=_says(theorem, verdict, score, found, warning),
        finding=finding,
        warning=warning,
        coverage=found.coverage,
        search=found,
    )


def finding_of(
    theorem: Theorem, seen: Confirmation, *, seed: int, found_by: str, effort: EffortRecord | None
) -> Finding:
    """The sealed finding of a confirmation that says ``refuted`` or ``achieved``.

    Raises:
        ValueError: for any other status.
    """
    if seen.status not in (Status.REFUTED, Status.ACHIEVED):
        raise ValueError(f"a finding is made of what was confirmed, not of {seen.status.value!r}")
    record = record_statement(theorem)
    alias = {letter.name: letter.alias for letter in record.letters}
    suspected, why = suspect(theorem, seen)
    maximised = theorem.claim.universal.rel_op == "<="
    return seal(
        {
            "verdict": seen.status.value,
            "statement": record,
            "values": {alias[str(p.name)]: _number(v) for p, v in seen.values.items()},
            "problem": seen.problem.to_json(),
            "certificates": tuple(
                CertificateRecord(
                    assumption=str(c.assumption),
                    latex=c.assumption.latex,
                    says=c.says,
                    numbers={name: _number(v) for name, v in c.numbers.items()},
                )
                for c in seen.certificates
            ),
            "claimed": seen.claimed,
            "claimed_exact": seen.claimed_exact,
            "measured": seen.measured,
            "measured_exact": seen.measured_exact,
            "standard_error": None if seen.sample is None else seen.sample.standard_error,
            "replicas": 0 if seen.sample is None else seen.sample.replicas,
            "margin": seen.measured - seen.claimed if maximised else seen.claimed - seen.measured,
            "score": seen.score,
            "score_lower": seen.score_lower,
            "log10_e": None if seen.sample is None else seen.sample.log10_e,
            "log10_threshold": None if seen.look is None else seen.look.log10_threshold,
            "looks": 0 if seen.look is None else seen.look.number,
            "alpha": seen.alpha,
            "exact": seen.exact,
            "engines": seen.engines,
            "suspected": suspected,
            "why": why,
            "found_by": found_by,
            "effort": effort,
            "seed": seed,
            "versions": versions(),
            "account": seen.account,
            "stuck": seen.stuck,
            "definitions": definitions_of(theorem, seen.problem),
        }
    )


def _says(theorem: Theorem, verdict: SearchVerdict, score: float | None, found: SearchResult, warning: str) -> str:
    """The outcome with its size."""
    effort = _effort(found)
    if warning:
        return f"Something is wrong with the harness, not with the statement: {warning}. {effort}"
    if reason := out_of_reach(theorem):
        return f"{reason}, so nothing was searched and nothing is said of the claim."
    if score is None:
        return f"No problem that was drawn meets the hypotheses, so nothing was searched. {effort}"
    if verdict is SearchVerdict.REFUTED:
        return f"A problem that meets every assumption violates the claim, with score {score:.4g}. {effort}"
    if not theorem.claim.for_all:
        if verdict is SearchVerdict.ACHIEVED:
            return f"A certified problem is at least as bad as the bound, with score {score:.6g}. {effort}"
        return (
            f"The search reached {score:.6g} of the bound, which is short of it. That refutes nothing: a lower claim "
            f"falls by a proof, not by a search. {effort}"
        )
    size = (
        f"It reached {score:.6g} of the bound: the same claim with a bound smaller by more than "
        f"{100 * (1 - score):.3g}% would have fallen."
        if 0 < score < 1
        else f"Its best score is {score:.6g}; above 1 would be a violation."
    )
    if verdict is SearchVerdict.ACHIEVED:
        return f"No violation. {size} The bound is tight to one per cent, at a certified problem. {effort}"
    return f"No violation was found. {size} {effort}"


def _effort(found: SearchResult) -> str:
    told = (
        f"It took {found.steps:,} steps over {found.evaluations:,} problems of {len(found.regimes)} structures "
        "(families, dimension, regime)."
    )
    return told if found.coverage is None else f"{told} {found.coverage.says}"


def _allowed(budget: Budget) -> float:
    """Steps for a confirmation: as many as the search had, within what is reasonable."""
    return MAX_STEPS if budget.steps is None else min(MAX_STEPS, max(1e6, float(budget.steps)))


def _number(value: sp.Expr) -> str:
    """Text of an exact number; one without a text (a logarithm) is rounded to thirty digits."""
    try:
        return show_exact(value)
    except ValueError:
        return show_exact(sp.Rational(str(sp.N(value, 30))))


def _relay(progress: Progress | None) -> Callable[[float, float, int], None] | None:
    if progress is None:
        return None

    def tell(part: float, score: float, steps: int) -> None:
        shown = f", best score {score:.4f}" if math.isfinite(score) else ""
        progress.detail(f"{100 * part:.0f}% of its budget{shown}, {steps:,} steps")

    return tell

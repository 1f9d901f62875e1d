"""The main job over several statements: check all, search those that algebra leaves open, judge, record."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fuzz.budget import Budget
from harness.attack import FuzzResult, attack
from harness.confirm import Status
from harness.evidence import ErrorLedger
from harness.finding import Finding, versions
from harness.judge import Judgement, decided, judge
from harness.progress import Progress
from harness.prove import CheckResult, ObligationResult
from harness.prove import check as prove_all
from harness.report.records import (
    CheckRecord,
    CoverageRecord,
    FuzzRecord,
    ObligationRecord,
    ProofItemRecord,
    RunRecord,
    SolverRecord,
    TheoremRecord,
)
from harness.settings import Settings
from harness.statement import record_statement
from theorems.language import Cite, Split, Step, Theorem
from theorems.language.proof import Smt
from theorems.language.walk import latex

# A search that gets less than this has not begun; where proofs took all, what is proved is hardly searched.
_LEAST_SECONDS, _LEAST_SECONDS_PROVED = 0.5, 0.1
# Shares of the search: what is proved is searched too, as a check of ourselves, but what is not needs it.
_OPEN, _PROVED = 10, 1


@dataclass(frozen=True)
class Outcome:
    """One statement's fate, with everything that led to it."""

    theorem: Theorem
    check: CheckResult
    fuzz: FuzzResult | None
    judgement: Judgement
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class RunResult:
    """All fates of one command."""

    settings: Settings
    outcomes: tuple[Outcome, ...]
    seconds: float
    check_seconds: float
    alpha: float
    started: str | None = None

    def findings(self) -> list[Finding]:
        """All findings."""
        return [finding for outcome in self.outcomes for finding in outcome.findings]

    def queries(self) -> dict[str, str]:
        """The SMT-LIB text of every query, by its path inside the report."""
        return {
            path: obligation.smt2
            for outcome in self.outcomes
            for obligation, path in zip(outcome.check.obligations, _query_paths(outcome.check), strict=True)
            if path is not None
        }

    def record(self) -> RunRecord:
        """What the report is rendered from."""
        return RunRecord(
            schema_version=1,
            budget=self.settings.budget_text,
            device=self.settings.device,
            seed=self.settings.seed,
            alpha=self.alpha,
            seconds=round(self.seconds, 3),
            check_seconds=round(self.check_seconds, 3),
            steps=sum(o.fuzz.steps for o in self.outcomes if o.fuzz is not None),
            versions=versions(),
            theorems=tuple(_theorem_record(outcome) for outcome in self.outcomes),
            started=self.started,
        )


def check_all(
    theorems: Sequence[Theorem], progress: Progress, ledger: ErrorLedger | None = None, *, cache: bool = True
) -> list[CheckResult]:
    """Proof only; ``ledger`` counts the runs of witnesses, ``cache`` allows answers that solvers gave earlier."""
    from harness.prove.cache import AnswerCache
    from harness.prove.solve import SolverPool
    from theorems.catalogue import load_catalogue

    progress.phase("prove", len(theorems))
    begun: list[str] = []

    def told(name: str, result: ObligationResult) -> None:
        if not begun or begun[-1] != name:
            if begun:
                progress.done()
            begun.append(name)
            progress.part(name)
        progress.detail(result.name)

    with SolverPool(cache=AnswerCache() if cache else None) as pool:
        return prove_all(theorems, catalogue=load_catalogue(), pool=pool, on_obligation=told, ledger=ledger)


def fuzz_all(theorems: Sequence[Theorem], settings: Settings, progress: Progress) -> list[FuzzResult]:
    """Search only."""
    ledger = ErrorLedger()
    weights = {t.name: _OPEN for t in theorems}
    return list(_search(theorems, settings, settings.budget, ledger, progress, weights).values())


def run_all(theorems: Sequence[Theorem], settings: Settings, progress: Progress, *, cache: bool = True) -> RunResult:
    """Check, then spend what is left of the budget on the statements that algebra leaves open."""
    start, started = time.perf_counter(), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    ledger = ErrorLedger()
    checks = check_all(theorems, progress, ledger, cache=cache)
    check_seconds = time.perf_counter() - start
    weights = {t.name: _PROVED if c.proved else _OPEN for t, c in zip(theorems, checks, strict=True) if not decided(c)}
    open_ = sorted((t for t in theorems if t.name in weights), key=lambda t: -weights[t.name])
    left = _left(settings.budget, check_seconds)
    fuzzed = _search(open_, settings, left, ledger, progress, weights)
    outcomes = []
    for theorem, check in zip(theorems, checks, strict=True):
        result = fuzzed.get(theorem.name)
        findings = [result.finding] if result is not None and result.finding is not None else []
        # A witness that could not be judged contradicts nothing.
        if check.confirmation is not None and check.confirmation.status is Status.REFUTED:
            findings += _algebraic_finding(theorem, check, ledger, settings)
        outcomes.append(Outcome(theorem, check, result, judge(theorem, check, result), tuple(findings)))
    seconds = time.perf_counter() - start
    return RunResult(settings, tuple(outcomes), seconds, check_seconds, float(ledger.alpha), started)


def _left(budget: Budget, spent: float) -> Budget:
    """What proofs left of a budget in seconds; steps are spent by searches alone."""
    return budget if budget.seconds is None else Budget(seconds=max(budget.seconds - spent, _LEAST_SECONDS))


def _search(
    theorems: Sequence[Theorem],
    settings: Settings,
    budget: Budget,
    ledger: ErrorLedger,
    progress: Progress,
    weights: Mapping[str, int],
) -> dict[str, FuzzResult]:
    """One search after the other, in shares by weight; what one leaves of its share goes to those that follow."""
    progress.phase("search", len(theorems))
    results: dict[str, FuzzResult] = {}
    start, steps = time.perf_counter(), 0
    remaining = total = sum(weights[t.name] for t in theorems)
    for theorem in theorems:
        progress.part(theorem.name)
        weight = weights[theorem.name]
        if budget.steps is not None:
            # Of the whole, so that a verdict does not depend on what the others took.
            share = budget.part(weight / total)
        else:
            assert budget.seconds is not None
            left = budget.seconds - (time.perf_counter() - start)
            least = _LEAST_SECONDS if weight == _OPEN else _LEAST_SECONDS_PROVED
            share = Budget(seconds=max(left * weight / remaining, least))
        remaining -= weight
        result = attack(theorem, share, settings.seed, device=settings.device, ledger=ledger, progress=progress)
        steps += result.steps
        results[theorem.name] = result
        progress.done()
    return results


def _algebraic_finding(theorem: Theorem, check: CheckResult, ledger: ErrorLedger, settings: Settings) -> list[Finding]:
    from harness.attack import finding_of

    assert check.confirmation is not None
    found = finding_of(
        theorem,
        check.confirmation,
        seed=settings.seed,
        found_by="A proved lower bound of the catalogue contradicts the claim; its witness was run there.",
        effort=None,
    )
    return [found] if found is not None else []


def _theorem_record(outcome: Outcome) -> TheoremRecord:
    check, fuzz = outcome.check, outcome.fuzz
    return TheoremRecord(
        statement=record_statement(outcome.theorem),
        verdict=outcome.judgement.verdict.value,
        word=outcome.judgement.word,
        as_expected=outcome.judgement.as_expected,
        remark=outcome.judgement.remark,
        proof=tuple(_proof_item(item) for item in outcome.theorem.proof),
        check=CheckRecord(
            verdict=check.verdict,
            reason=check.reason,
            seconds=round(check.seconds, 3),
            rules=check.rules,
            cited=check.cited,
            obligations=tuple(
                _obligation(obligation, path)
                for obligation, path in zip(check.obligations, _query_paths(check), strict=True)
            ),
        ),
        fuzz=None
        if fuzz is None
        else FuzzRecord(
            verdict=fuzz.verdict.value,
            score=fuzz.score,
            score_lower=fuzz.score_lower,
            log10_e=fuzz.log10_e,
            problem=fuzz.problem_words,
            steps=fuzz.steps,
            seconds=round(fuzz.seconds, 3),
            says=fuzz.says,
            coverage=None if fuzz.coverage is None else CoverageRecord.of(fuzz.coverage),
        ),
        findings=tuple(finding.folder for finding in outcome.findings),
    )


def _obligation(result: ObligationResult, path: str | None) -> ObligationRecord:
    return ObligationRecord(
        name=result.name,
        kind=result.kind,
        verdict=result.verdict,
        solvers={
            name: SolverRecord(
                outcome=str(a["outcome"]), seconds=float(a["seconds"]), reason=str(a.get("reason") or "")
            )
            for name, a in result.solvers.items()
        },
        seconds=round(result.seconds, 4),
        model=result.model,
        reason=result.reason,
        statement=result.statement,
        latex=result.latex,
        says=result.says,
        query=path,
    )


def _query_paths(check: CheckResult) -> list[str | None]:
    """A file for each query, named by its number and what it shows."""
    return [
        f"queries/{check.name}/{index:02d}-{_slug(obligation.name)}.smt2" if obligation.smt2 else None
        for index, obligation in enumerate(check.obligations)
    ]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "query"


def _proof_item(item: Any) -> ProofItemRecord:
    gives = getattr(item, "gives", None)
    if isinstance(item, Cite):
        by = f"cites {item.theorem.name}"
    elif isinstance(item, Split):
        by = "case by case"
    else:
        assert isinstance(item, Step)
        by = "solver" if isinstance(item.by, Smt) else f"rule {item.by.name}"
    return ProofItemRecord(
        name=item.name,
        by=by,
        builds_on=tuple(dict.fromkeys(item.from_)),
        latex="" if gives is None else latex(gives),
        says=item.says,
    )

"""From a store to the same outcome and report that ``clipbounds run`` gives."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fuzz.budget import Budget
from harness.attack import FuzzResult, finding_of
from harness.campaign.coverage import summary_of
from harness.campaign.plan import DECIDED, OPEN, PROVED, Plan
from harness.campaign.records import CampaignRecords, Proof
from harness.confirm import Status
from harness.finding import Finding
from harness.judge import decided, judge
from harness.prove import CheckResult, ObligationResult
from harness.run import Outcome, RunResult
from harness.settings import Settings
from harness.verdicts import SearchVerdict

if TYPE_CHECKING:
    from theorems.language import Theorem


def proof_of(theorem: Theorem, check: CheckResult) -> Proof:
    """A check as rows of the store: everything but the run of a witness, which becomes a finding."""
    finding = None
    if check.confirmation is not None and check.confirmation.status is Status.REFUTED:
        told = "A proved lower bound of the catalogue contradicts the claim; its witness was run there."
        finding = finding_of(theorem, check.confirmation, seed=0, found_by=told, effort=None).text()
    content = {name: value for name, value in vars(check).items() if name not in ("confirmation", "obligations")}
    content["obligations"] = [asdict(obligation) for obligation in check.obligations]
    return Proof(check.verdict, json.dumps(content, ensure_ascii=False), finding)


def check_of(text: str) -> CheckResult:
    """The check that :func:`proof_of` wrote, without the run of a witness."""
    content = json.loads(text)
    obligations = tuple(ObligationResult(**entry) for entry in content.pop("obligations"))
    rules, cited = tuple(content.pop("rules")), tuple(content.pop("cited"))
    return CheckResult(obligations=obligations, rules=rules, cited=cited, **content)


def weight_of(check: CheckResult) -> int:
    """The share of the search that a statement gets."""
    if decided(check):
        return DECIDED
    return PROVED if check.proved else OPEN


def outcome_of(records: CampaignRecords, plan: Plan) -> RunResult:
    """The fates of a campaign's statements.

    Args:
        records: of a campaign whose proofs are done.
        plan: with the statements.
    """
    campaign, rows = records.row(), records.theorems()
    findings: dict[int, list[Finding]] = {}
    found_by_search: dict[int, Finding] = {}
    for row in records.findings():
        finding = Finding.model_validate_json(row["finding"])
        findings.setdefault(row["theorem"], []).append(finding)
        if row["number"] is not None:
            found_by_search[row["theorem"]] = finding
    checks = [check_of(text) for text in records.proofs()]
    outcomes = []
    for position, (entry, check, row) in enumerate(zip(plan.entries, checks, rows, strict=True)):
        fuzz = None if row["weight"] == DECIDED else _fuzz(entry.theorem, row, found_by_search.get(position), plan)
        mine = tuple(findings.get(position, ()))
        outcomes.append(Outcome(entry.theorem, check, fuzz, judge(entry.theorem, check, fuzz), mine))
    check_seconds = sum(check.seconds for check in checks)
    settings = Settings(campaign["budget"], Budget.parse(campaign["budget"]), plan.device, plan.seed)  # type: ignore[arg-type]
    return RunResult(
        settings=settings,
        outcomes=tuple(outcomes),
        seconds=campaign["active_seconds"] + check_seconds,
        check_seconds=check_seconds,
        alpha=plan.alpha,
        started=campaign["created"],
    )


def _fuzz(theorem: Theorem, row: dict[str, Any], finding: Finding | None, plan: Plan) -> FuzzResult:
    """All shards of a statement as one search."""
    best = json.loads(row["best"]) if row["best"] is not None else None
    verdict = SearchVerdict.NOT_FOUND if best is None else SearchVerdict(best["verdict"])
    steps = plan.steps_of(theorem)
    parts = [f"{_count(row['next'], 'shard')} of {steps:,} steps were searched, {row['steps']:,} steps in all."]
    if starts := len(json.loads(row["starts"])):
        parts.append(f"{_count(starts, 'problem')} of earlier nights had a part in it.")
    if best is not None:
        parts.append(f"Of shard {best['number']}, the best: {best['says']}")
    if row["quarantined"]:
        parts.append(
            f"{_count(row['quarantined'], 'shard')} failed again and again and had to be left out: what was to be "
            "searched there is unknown."
        )
    return FuzzResult(
        name=theorem.name,
        expect=theorem.expect,
        verdict=verdict,
        score=None if best is None else best["score"],
        score_lower=None if best is None else best["score_lower"],
        log10_e=None if best is None else best["log10_e"],
        problem=None if best is None else best["problem"],
        problem_words="" if best is None else best["words"],
        steps=row["steps"],
        seconds=row["seconds"],
        says=" ".join(parts),
        finding=finding,
        warning=row["warning"],
        coverage=summary_of(None if row["coverage"] is None else json.loads(row["coverage"])),
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"

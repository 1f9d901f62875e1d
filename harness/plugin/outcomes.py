"""What an item does and what it says: prover, search or example, and one of four ways to end."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.attack import FuzzResult, attack, finding_of
from harness.confirm import Status
from harness.evidence import ErrorLedger
from harness.finding import Finding
from harness.judge import judge
from harness.prove import CheckResult
from harness.prove import check as prove_all
from harness.regression import against, write_whole
from harness.report import words
from harness.statement import claim_text
from harness.verdicts import SearchVerdict, Verdict
from theorems.catalogue import load_catalogue
from theorems.language import Theorem
from theorems.language.quantities import QUANTITIES, Scope

if TYPE_CHECKING:
    from harness.plugin.options import PluginOptions
    from harness.prove.solve import SolverPool


@dataclass(frozen=True)
class Outcome:
    """How an item ends.

    Attributes:
        kind: ``pass``; ``xfail`` (fell as declared); ``skip`` (nothing was done, and it says why); ``fail``.
        verdict: one word.
        says: one line.
        details: labelled lines for a failure.
        finding: to be written, if there is one.
        numbers: for the test report, by name.
    """

    kind: Literal["pass", "xfail", "skip", "fail"]
    verdict: str
    says: str
    details: tuple[tuple[str, str], ...] = ()
    finding: Finding | None = None
    numbers: dict[str, str | int | float] = field(default_factory=dict)

    def text(self, replay: Path | None) -> str:
        """The failure in a few lines."""
        lines = [self.says]
        rows = list(self.details)
        if replay is not None:
            rows.append(("replay", f"clipbounds replay {_short(replay)}"))
        lines += [f"  {label:<9} {line}" for label, line in rows]
        return "\n".join(lines)


# -- check -----------------------------------------------------------------------------------------------------------


def run_check(theorem: Theorem, pool: SolverPool, level: float) -> Outcome:
    """Ask the solvers about every obligation of a statement.

    Args:
        theorem: the statement.
        pool: the solvers.
        level: error level, for a contradiction whose witness must be run.
    """
    return check_outcome(theorem, _prove(theorem, pool, level))


def check_outcome(theorem: Theorem, check: CheckResult) -> Outcome:
    """What a check means for an item. ``unknown`` never passes; what is declared to fall by algebra must fall here, and
    what is declared to fall by search must at least not be proved."""
    said = judge(theorem, check, None)
    about = _about(theorem)
    numbers: dict[str, str | int | float] = {"clipbounds_verdict": said.word, "clipbounds_expect": theorem.expect}
    reason = said.remark or check.reason
    finding = _contradiction(theorem, check)

    def end(kind: Literal["pass", "xfail", "fail"], says: str) -> Outcome:
        more = [("reason", reason), ("model", _model(check))] if finding is None else [("reason", reason)]
        more += [] if finding is None else _instance(finding, _ratio(finding))
        details = (*about, *((label, line) for label, line in more if line))
        return Outcome(kind, said.word, says, details, finding, numbers)

    if said.verdict is Verdict.UNKNOWN or said.as_expected is None:
        return end("fail", f"{theorem.name}: unknown, which never passes")
    if said.as_expected is False:
        if theorem.expect == "true":
            return end("fail", f"{theorem.name}: {said.word}")
        return end("fail", f"{theorem.name}: declared {theorem.expect}, but it is {said.word}")
    if theorem.expect == "true":
        return end("pass", f"{theorem.name}: {said.word}")
    if said.verdict.value == theorem.expect:
        return end("xfail", f"falls as declared: {said.word}{f' ({reason})' if reason else ''}")
    if check.proved:
        return end("fail", f"{theorem.name}: declared {theorem.expect}, but it is {said.word}")
    return end("pass", f"{theorem.name}: {said.word}; its fall is for the search to show")


def _prove(theorem: Theorem, pool: SolverPool, level: float) -> CheckResult:
    (check,) = prove_all([theorem], catalogue=load_catalogue(), pool=pool, ledger=ErrorLedger(alpha=level))
    return check


def _contradiction(theorem: Theorem, check: CheckResult) -> Finding | None:
    """The finding of a contradiction with the catalogue whose witness was run and fell; one that could not be judged is
    none."""
    if check.confirmation is None or check.confirmation.status is not Status.REFUTED:
        return None
    told = "A proved lower bound of the catalogue contradicts the claim; its witness was run there."
    return finding_of(theorem, check.confirmation, seed=0, found_by=told, effort=None)


def _model(check: CheckResult) -> str:
    """The first countermodel, with the obligation that it breaks."""
    for obligation in check.obligations:
        if obligation.model and obligation.verdict == "refuted":
            return f"{obligation.name}: " + ", ".join(f"{k} = {v}" for k, v in sorted(obligation.model.items()))
    return ""


# -- search ----------------------------------------------------------------------------------------------------------


def run_fuzz(
    theorem: Theorem, options: PluginOptions, pool: SolverPool, part: int, parts: int, level: float
) -> Outcome:
    """Search a part of a statement's budget.

    Args:
        theorem: the statement.
        options: of the session.
        pool: asked only where a statement with a proof falls: then one of the two is wrong, and nothing is claimed.
        part, parts: which part, from 1; its seed and its steps follow from them alone.
        level: error level of this item.
    """
    from harness.plugin.nights import note, starts

    one_step = theorem.claim.quantity.scope is Scope.ONE_STEP
    budget = options.budget(one_step=one_step).part(1 / parts)
    seed = options.part_seed(part)
    result = attack(
        theorem,
        budget,
        seed,
        ledger=ErrorLedger(alpha=level),
        extra_starts=starts(options, theorem),
    )
    if result.search is not None:
        note(options, theorem, part, result.search.candidates)
    check = _prove(theorem, pool, level) if result.verdict is SearchVerdict.REFUTED and theorem.proof else None
    return fuzz_outcome(theorem, result, check, seed, level)


def fuzz_outcome(theorem: Theorem, result: FuzzResult, check: CheckResult | None, seed: int, level: float) -> Outcome:
    """What a search means for an item. What is declared to fall must fall; a search that tried nothing is no pass."""
    said = judge(theorem, check, result)
    numbers: dict[str, str | int | float] = {
        "clipbounds_verdict": result.verdict.value,
        "clipbounds_expect": theorem.expect,
        "clipbounds_steps": result.steps,
        "clipbounds_seed": seed,
        "clipbounds_alpha": level,
    }
    if result.score is not None:
        numbers["clipbounds_score"] = result.score
    if result.log10_e is not None:
        numbers["clipbounds_log10_e"] = result.log10_e
    about = _about(theorem)

    def end(kind: Literal["pass", "xfail", "skip", "fail"], says: str, *more: tuple[str, str]) -> Outcome:
        return Outcome(kind, result.verdict.value, says, (*about, *more), result.finding, numbers)

    if said.verdict is Verdict.UNKNOWN:
        return end("fail", f"{theorem.name}: unknown, which never passes", ("reason", said.remark))
    refuted = result.verdict is SearchVerdict.REFUTED
    if refuted and result.finding is not None:
        ratio = _ratio(result.finding)
        if theorem.expect == "refuted":
            return end("xfail", f"falls as declared: refuted, {ratio}")
        return end("fail", f"{theorem.name}: refuted", *_instance(result.finding, ratio))
    if theorem.expect == "refuted":
        return end("fail", f"{theorem.name}: declared refuted, but it survived", ("search", result.says))
    if result.score is None:
        return end("skip", f"nothing was searched: {result.says}")
    return end("pass", f"{theorem.name}: {result.verdict.value}. {result.says}")


# -- examples --------------------------------------------------------------------------------------------------------


def run_example(theorem: Theorem, finding: Finding, level: float) -> Outcome:
    """Judge today's statement at the instance of a promoted finding."""
    word, reason = against(theorem, finding, alpha=level)
    numbers: dict[str, str | int | float] = {
        "clipbounds_verdict": word,
        "clipbounds_expect": theorem.expect,
        "clipbounds_alpha": level,
    }
    details = (*_about(theorem), *_instance(finding, "")[:1], ("reason", reason))

    def end(kind: Literal["pass", "xfail", "fail"], says: str) -> Outcome:
        return Outcome(kind, word, says, details, numbers=numbers)

    if theorem.expect == "refuted":
        if word == "refuted":
            return end("xfail", f"falls as declared: {reason}")
        return end("fail", f"{theorem.name}: declared refuted, but {word} at the instance that felled it")
    if word == "refuted":
        return end("fail", f"{theorem.name}: refuted by a finding of old")
    if word == "unknown" or (finding.verdict == "achieved" and word == "holds"):
        return end("fail", f"{theorem.name}: {word} at the instance of a finding that was {finding.verdict}")
    return end("pass", f"{theorem.name}: {word}: {reason}")


# -- words -----------------------------------------------------------------------------------------------------------


def keep(finding: Finding, options: PluginOptions) -> Path:
    """Write a finding into the folder of findings, whole or not at all.

    Raises:
        OSError: if it cannot be written.
    """
    folder = options.out / "findings" / finding.folder
    folder.mkdir(parents=True, exist_ok=True)
    guard_folder(options.out)
    file = folder / "FINDING.json"
    write_whole(file, finding.text())
    return file


def guard_folder(folder: Path) -> None:
    """Keep what a session writes out of version control."""
    guard = folder / ".gitignore"
    if not guard.exists():
        write_whole(guard, "# Made by clipbounds.\n*\n")


def _about(theorem: Theorem) -> tuple[tuple[str, str], ...]:
    file, line = theorem.defined
    return (("claim", f"{claim_text(theorem)}  [{_short(Path(file))}:{line}]"),)


def _instance(finding: Finding, ratio: str) -> list[tuple[str, str]]:
    rows = words.instance_rows(finding.to_problem(), QUANTITIES[finding.statement.quantity])
    word, why = words.confidence(finding)
    return [
        ("instance", "; ".join(f"{label} {value}" for label, value in rows)),
        ("ratio", ratio),
        ("evidence", f"{word}: {why}"),
        ("suspected", f"{finding.suspected}: {finding.why}"),
    ]


def _ratio(finding: Finding) -> str:
    measured = words.exact_or_decimal(finding.measured_exact, finding.measured)
    claimed = words.exact_or_decimal(finding.claimed_exact, finding.claimed)
    shown = f"measured {measured}, claimed {claimed}"
    if finding.claimed > 0 and finding.measured > 0:
        return f"{finding.measured / finding.claimed:.4g} ({shown})"
    return f"score {finding.score:.4g} ({shown})"


def _short(path: Path) -> str:
    """The path as seen from here, where that is shorter."""
    try:
        near = os.path.relpath(path)
    except ValueError:
        return str(path)
    return near if len(near) < len(str(path)) else str(path)

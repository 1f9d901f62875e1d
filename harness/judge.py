"""From what the prover and the search said to one word on a statement, and to an exit code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.verdicts import ExitCode, SearchVerdict, Verdict
from theorems.language import Theorem

if TYPE_CHECKING:
    from harness.attack import FuzzResult
    from harness.prove import CheckResult

PROVED = (Verdict.PROVED, Verdict.PROVED_BY_Z3_ALONE, Verdict.PROVED_BY_CVC5_ALONE)
_DECIDED_BY_ALGEBRA = (Verdict.ILL_FORMED, Verdict.VACUOUS, Verdict.REFUTED)
_STATEMENT_KINDS = ("units", "scaling", "hypotheses")


@dataclass(frozen=True)
class Judgement:
    """One statement's fate. ``word`` names a broken step; ``as_expected`` is None where an unknown leaves it open."""

    verdict: Verdict
    word: str
    as_expected: bool | None
    remark: str


def decided(check: CheckResult) -> bool:
    """Whether algebra settles the fate, so that a search would be wasted."""
    return Verdict.of(check.verdict) in _DECIDED_BY_ALGEBRA


def judge(theorem: Theorem, check: CheckResult | None, fuzz: FuzzResult | None) -> Judgement:
    """The word on a statement from proof, search, or both."""
    algebra = Verdict.of(check.verdict) if check is not None else Verdict.NO_PROOF
    searched_down = fuzz is not None and fuzz.verdict is SearchVerdict.REFUTED
    remark = check.reason if check is not None else ""
    if algebra in _DECIDED_BY_ALGEBRA:
        verdict = algebra
    elif searched_down and algebra in PROVED:
        # A wrong "refuted" is the worst word there is, and so is a wrong "proved": neither is said.
        verdict = Verdict.UNKNOWN
        remark = (
            "Contradiction: the statement is proved, and search refutes it. One of prover, certificate, engine or "
            "encoding is wrong; trust neither until this is resolved."
        )
    elif fuzz is not None and fuzz.warning:
        verdict, remark = Verdict.UNKNOWN, f"Engines and exact checks contradict each other: {fuzz.warning}"
    else:
        verdict = Verdict.REFUTED if searched_down else algebra
    word = verdict.value
    if verdict is Verdict.BROKEN_PROOF and check is not None:
        word = f"broken_proof({broken_step(check)})"
    if verdict is Verdict.REFUTED and fuzz is not None:
        remark = "The conclusion fails at the instance shown."
    elif verdict is Verdict.NO_PROOF and fuzz is not None:
        remark = (
            f"No proof was given and the search found nothing in {fuzz.steps:,} steps. That is not a proof: it says "
            "only that this search, of this size, met no violation."
        )
    as_expected = _as_expected(theorem, verdict, check is not None, fuzz is not None)
    if theorem.expect == "broken_proof" and algebra is Verdict.BROKEN_PROOF and verdict is Verdict.REFUTED:
        # The proof breaks as announced; that the claim is false as well is no surprise.
        as_expected = True
    return Judgement(verdict, word, as_expected, remark)


def exit_code(judgements: Iterable[Judgement]) -> ExitCode:
    """The exit code of a command over these statements."""
    seen = list(judgements)
    if any(j.as_expected is False for j in seen):
        return ExitCode.NOT_AS_EXPECTED
    if any(j.as_expected is None or j.verdict is Verdict.UNKNOWN for j in seen):
        return ExitCode.UNKNOWN
    return ExitCode.AS_EXPECTED


def broken_step(check: CheckResult) -> str:
    """The first step that has a countermodel or that a rule refuses."""
    for obligation in check.obligations:
        if obligation.kind not in _STATEMENT_KINDS and obligation.verdict in ("refuted", "fails"):
            return obligation.name
    return "?"


def _as_expected(theorem: Theorem, verdict: Verdict, checked: bool, searched: bool) -> bool | None:
    expect = theorem.expect
    if expect == "true":
        if verdict is Verdict.UNKNOWN:
            return None
        return verdict in PROVED or verdict is Verdict.NO_PROOF
    if verdict == expect:
        return True
    if expect == "refuted":
        # Half a run is not blamed for what only the other half can do.
        half = {"algebra": checked, "search": searched}.get(str(theorem.falls_by), False)
        if half or (checked and searched) or verdict in _DECIDED_BY_ALGEBRA:
            return False
        return None if verdict is Verdict.UNKNOWN else True
    if not checked:
        return verdict is not Verdict.REFUTED
    return None if verdict is Verdict.UNKNOWN else False

"""From proof and search to one word: the two worst words are never said when the halves contradict each other."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from conftest import false_bias

from harness.attack import FuzzResult
from harness.judge import decided, exit_code, judge
from harness.prove import CheckResult, ObligationResult
from harness.verdicts import ExitCode, SearchVerdict, Verdict


def checked(verdict: str, *obligations: ObligationResult) -> CheckResult:
    return CheckResult("a", "true", verdict, obligations, (), (), 0.0, reason="because")


def fuzzed(verdict: SearchVerdict, warning: str = "") -> FuzzResult:
    return FuzzResult("a", "true", verdict, 1.2, 1.1, None, None, "", 10, 0.1, "", None, warning)


R, A, N = SearchVerdict.REFUTED, SearchVerdict.ACHIEVED, SearchVerdict.NOT_FOUND


@pytest.mark.parametrize(
    ("algebra", "search", "verdict", "code"),
    [
        ("proved", N, Verdict.PROVED, 0),
        ("proved", A, Verdict.PROVED, 0),
        ("proved by z3 alone", N, Verdict.PROVED_BY_Z3_ALONE, 0),
        ("proved", R, Verdict.UNKNOWN, 3),
        ("no_proof", N, Verdict.NO_PROOF, 0),
        ("no_proof", A, Verdict.NO_PROOF, 0),
        ("no_proof", R, Verdict.REFUTED, 1),
        ("broken_proof", R, Verdict.REFUTED, 1),
        ("broken_proof", N, Verdict.BROKEN_PROOF, 1),
        ("unknown", N, Verdict.UNKNOWN, 3),
        ("unknown", R, Verdict.REFUTED, 1),
        ("refuted", None, Verdict.REFUTED, 1),
        ("vacuous", None, Verdict.VACUOUS, 1),
        ("ill_formed", None, Verdict.ILL_FORMED, 1),
    ],
)
def test_a_claim_that_its_author_believes(algebra: str, search: Any, verdict: Verdict, code: int) -> None:
    judgement = judge(false_bias(), checked(algebra), None if search is None else fuzzed(search))
    assert judgement.verdict is verdict
    assert exit_code([judgement]) == code


@pytest.mark.parametrize(
    ("expect", "falls_by", "algebra", "search", "code"),
    [
        ("refuted", "search", "no_proof", R, 0),
        ("refuted", "search", "no_proof", N, 1),
        ("refuted", "algebra", "refuted", None, 0),
        ("refuted", "algebra", "no_proof", N, 1),
        ("broken_proof", None, "broken_proof", N, 0),
        ("broken_proof", None, "proved", N, 1),
        ("broken_proof", None, "broken_proof", R, 0),
        ("broken_proof", None, "no_proof", R, 1),
        ("vacuous", None, "vacuous", None, 0),
        ("ill_formed", None, "proved", N, 1),
        ("refuted", "search", "unknown", N, 1),
    ],
)
def test_a_planted_statement(expect: str, falls_by: Any, algebra: str, search: Any, code: int) -> None:
    theorem = false_bias(expect=expect, falls_by=falls_by)
    judgement = judge(theorem, checked(algebra), None if search is None else fuzzed(search))
    assert exit_code([judgement]) == code


def test_a_disagreement_of_engines_is_loud() -> None:
    for algebra in ("proved", "no_proof", "unknown"):
        judgement = judge(false_bias(), checked(algebra), fuzzed(N, "torch differs"))
        assert judgement.verdict is Verdict.UNKNOWN
        assert "torch differs" in judgement.remark
        assert exit_code([judgement]) is ExitCode.UNKNOWN


def test_a_broken_proof_names_its_step() -> None:
    step = ObligationResult("jensen", "side condition", "refuted")
    judgement = judge(false_bias(), checked("broken_proof", ObligationResult("a", "step", "proved"), step), None)
    assert judgement.word == "broken_proof(jensen)"


def test_a_bad_word_wins_over_an_unknown() -> None:
    unknown = judge(false_bias(), checked("unknown"), None)
    bad = judge(false_bias(), checked("refuted"), None)
    good = judge(false_bias(), checked("proved"), None)
    assert exit_code([good]) is ExitCode.AS_EXPECTED
    assert exit_code([good, unknown]) is ExitCode.UNKNOWN
    assert exit_code([unknown, bad, good]) is ExitCode.NOT_AS_EXPECTED
    assert exit_code([dataclasses.replace(good, as_expected=None)]) is ExitCode.UNKNOWN


# What a half of a run may say of a statement that is declared false: None is left open, and never passes.
HALVES = {
    # (falls_by, algebra): (check alone, search alone that finds nothing, both)
    ("search", "no_proof"): (True, False, False),
    ("search", "broken_proof"): (True, False, False),
    ("search", "unknown"): (None, False, False),
    ("search", "refuted"): (True, False, True),
    ("search", "vacuous"): (False, False, False),
    ("algebra", "no_proof"): (False, True, False),
    ("algebra", "unknown"): (False, True, False),
    ("algebra", "refuted"): (True, True, True),
    ("algebra", "ill_formed"): (False, True, False),
}


@pytest.mark.parametrize(("falls_by", "algebra"), HALVES)
def test_half_a_run_is_not_blamed_for_what_the_other_half_can_do(falls_by: str, algebra: str) -> None:
    theorem = false_bias(expect="refuted", falls_by=falls_by)
    seen = (
        judge(theorem, checked(algebra), None),
        judge(theorem, None, fuzzed(N)),
        judge(theorem, checked(algebra), fuzzed(N)),
    )
    assert tuple(j.as_expected for j in seen) == HALVES[falls_by, algebra]


@pytest.mark.parametrize("expect", ["broken_proof", "vacuous", "ill_formed"])
def test_a_search_alone_says_nothing_of_what_algebra_must_fell(expect: str) -> None:
    theorem = false_bias(expect=expect)
    assert judge(theorem, None, fuzzed(N)).as_expected is True
    assert judge(theorem, None, fuzzed(R)).as_expected is False
    assert judge(theorem, checked("unknown"), None).as_expected is None
    assert judge(theorem, checked("no_proof"), None).as_expected is False


def test_what_algebra_decides_is_not_searched() -> None:
    settled = {word: decided(checked(word)) for word in ("refuted", "vacuous", "ill_formed")}
    left = {word: decided(checked(word)) for word in ("proved", "no_proof", "broken_proof", "unknown")}
    assert all(settled.values())
    assert not any(left.values())


def test_the_words_beside_a_verdict() -> None:
    theorem = false_bias()
    step = ObligationResult("jensen", "step", "fails")
    units = ObligationResult("units", "units", "fails")
    assert judge(theorem, checked("broken_proof", units, step), None).word == "broken_proof(jensen)"
    assert judge(theorem, checked("broken_proof"), None).word == "broken_proof(?)"
    assert judge(theorem, checked("vacuous"), None).word == "vacuous"
    assert judge(theorem, checked("vacuous"), None).remark == "because"
    assert judge(theorem, None, fuzzed(R)).remark == "The conclusion fails at the instance shown."
    assert judge(theorem, None, fuzzed(R)).verdict is Verdict.REFUTED
    assert judge(theorem, checked("refuted"), None).remark == "because"
    nothing = judge(theorem, checked("no_proof"), fuzzed(N)).remark
    assert "found nothing in 10 steps" in nothing
    assert nothing.endswith("only that this search, of this size, met no violation.")
    assert judge(theorem, checked("no_proof"), None).remark == "because"
    loud = judge(theorem, checked("proved"), fuzzed(R)).remark
    assert loud.startswith("Contradiction: the statement is proved, and search refutes it.")
    assert loud.endswith("trust neither until this is resolved.")

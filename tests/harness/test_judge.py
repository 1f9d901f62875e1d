"""From proof and search to one word: the two worst words are never said when the halves contradict each other."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from conftest import false_bias

from harness.attack import FuzzResult
from harness.judge import exit_code, judge
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

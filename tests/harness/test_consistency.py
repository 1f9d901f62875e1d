"""The catalogue holds together, and a planted contradiction is caught, run and told loudly."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sympy as sp

from harness.cli import main
from harness.consistency import boundaries, compare, meetings, pairs_of
from harness.evidence import ErrorLedger
from harness.prove.cache import AnswerCache
from harness.prove.check import _Checker
from harness.prove.solve import SolverPool
from theorems.catalogue import load_catalogue
from theorems.language import (
    BoundedVariance,
    Lower,
    Piecewise,
    Rational,
    Source,
    StuckGradientNorm,
    Theorem,
    Upper,
    c,
    sigma,
)
from theorems.sharp.s2_bias import bias, exact_bias

CATALOGUE = load_catalogue()
TRUE = [t for t in CATALOGUE.values() if t.expect == "true"]
PAIRS = list(pairs_of(TRUE))


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Checker]:
    with SolverPool(cache=AnswerCache(tmp_path_factory.mktemp("answers"))) as pool:
        yield _Checker(CATALOGUE, pool, None, True, ErrorLedger())


def statement(**change: object) -> Theorem:
    made = {
        "name": "mine",
        "source": Source("tests", "1"),
        "given": [BoundedVariance(sigma)],
        "when": [],
        "claim": Upper(StuckGradientNorm, sigma),
    }
    return Theorem(**{**made, **change})


@pytest.mark.parametrize("pair", PAIRS, ids=lambda p: f"{p[0].name} beside {p[1].name}, {p[2].name}")
def test_no_bound_lies_below_what_is_attained(pair: tuple[Theorem, Theorem, object], checker: _Checker) -> None:
    result = compare(*pair, checker)
    assert result.verdict == "consistent", result.reason
    assert all("(check-sat)" in text for text in result.queries)


def test_the_pairs_are_those_of_the_theory() -> None:
    named = {(upper.name, lower.name) for upper, lower, _ in PAIRS}
    assert {("S3", "S2_T"), ("S3_small", "S2_T"), ("S1_simple", "S1"), ("S2", "K23_lower")} <= named
    # Exact gradients have no noise that attains a bias.
    assert not any(upper.startswith(("D0", "D1")) for upper, _ in named)


def test_a_planted_upper_bound_below_the_bias_is_caught_and_run(checker: _Checker) -> None:
    low = statement(claim=Upper(StuckGradientNorm, bias * Rational(99, 100)))
    found = [compare(*pair, checker) for pair in pairs_of([low, exact_bias]) if pair[0] is low]
    loud = [result for result in found if result.loud]
    assert {result.witness for result in loud} == {"light noise", "heavy noise"}
    for result in loud:
        assert result.verdict == "unknown"
        assert result.reason.startswith("CONTRADICTION: mine lies below S2")
        assert result.reason.endswith("the witness there: refuted")


def test_a_planted_lower_bound_above_the_bias_is_caught_and_its_run_tells_who_is_wrong(checker: _Checker) -> None:
    high = statement(claim=Lower(StuckGradientNorm, bias * Rational(101, 100)), witness=exact_bias.witness)
    found = [compare(*pair, checker) for pair in pairs_of([high, exact_bias]) if pair[1] is high]
    loud = [result for result in found if result.loud]
    assert loud
    for result in loud:
        assert result.verdict == "unknown"
        assert not result.reason.endswith("refuted")


@pytest.mark.parametrize("theorem", TRUE, ids=lambda t: t.name)
def test_every_bound_makes_sense_at_every_boundary(theorem: Theorem) -> None:
    for result in boundaries(theorem):
        assert result.verdict in ("sense", "excluded"), f"{result.boundary}: {result.value} {result.reason}"


def test_what_is_known_at_the_boundaries() -> None:
    values = {(b.name, b.boundary): b.value for t in TRUE for b in boundaries(t)}
    assert values["S2", "c -> oo"] == values["S2", "sigma = 0"] == "0"
    assert values["S2", "sigma = 2c"] == "3/2"  # c = 3/2: both formulas say c
    assert values["K23_2_1", "c -> 0"] == "oo"


@pytest.mark.parametrize(
    ("bound", "boundary", "reason"),
    [
        (sigma - c, "sigma = 0", "negative"),
        (Piecewise((sigma / 4, sigma < 2 * c), (sigma, True)), "sigma = 2c", "values nearby"),
        (sigma**2 / (4 * c - 2 * sigma), "sigma = 2c", "not defined"),
    ],
)
def test_a_bound_that_makes_no_sense_is_caught(bound: sp.Expr, boundary: str, reason: str) -> None:
    found = {b.boundary: b for b in boundaries(statement(claim=Upper(StuckGradientNorm, bound)))}
    assert found[boundary].verdict == "fails"
    assert reason in found[boundary].reason


def test_upper_and_lower_bound_meet_with_constant_one() -> None:
    found = meetings()
    assert [m.case for m in found] == ["sigma <= c", "c <= sigma <= 2c", "sigma >= 2c"]
    for meeting in found:
        assert meeting.equal
        ratios = [ratio for _, ratio in meeting.ratios]
        assert ratios == sorted(ratios, reverse=True)
        assert 1 <= ratios[-1] < 1 + 1e-5


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from theorems.language import BoundedVariance, Source, StuckGradientNorm, Theorem, Upper, c, sigma\n"
        "mine = Theorem(name='mine', source=Source('draft', '1'), given=[BoundedVariance(sigma)], when=[],\n"
        "    claim=Upper(StuckGradientNorm, {bound}))\n"
    )

    def run(bound: str) -> tuple[int, dict[str, object]]:
        file.write_text(file.read_text().replace("{bound}", bound))
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            code = main(["check", str(file), "--consistency", "--json"])
        return code, json.loads(out.getvalue())

    code, told = run("sigma**2 / (4 * c)")
    assert code == 0
    assert told["consistency"]["sound"] is True
    assert {p["lower"] for p in told["consistency"]["pairs"]} == {"S2", "K23_lower", "K23_lower_O"}
    assert told["checks"][0]["verdict"] == "no_proof"

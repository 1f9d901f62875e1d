"""How far conditions can be relaxed: to the known limits, and no further."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from fractions import Fraction

import pytest

from harness.cli import main
from harness.prove.cache import AnswerCache
from harness.prove.solve import SolverPool
from harness.sharpness import SharpnessError, SharpnessResult, relaxed, sharpness
from theorems.catalogue import load_catalogue
from theorems.language import (
    BoundedVariance,
    Cite,
    Eq,
    Rational,
    Source,
    Step,
    StuckGradientNorm,
    Theorem,
    Upper,
    c,
    eta,
    sigma,
)
from theorems.sharp.s2_bias import exact_bias

CATALOGUE = load_catalogue()


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SolverPool]:
    with SolverPool(cache=AnswerCache(tmp_path_factory.mktemp("answers"))) as solvers:
        yield solvers


def asked(theorem: Theorem, pool: SolverPool) -> dict[str, SharpnessResult]:
    return {r.condition: r for r in sharpness(theorem, catalogue=CATALOGUE, pool=pool)}


def statement(**change: object) -> Theorem:
    made = {"name": "mine", "source": Source("tests", "1"), "given": [BoundedVariance(sigma)]}
    return Theorem(**{**made, **change})


@pytest.mark.parametrize(
    ("name", "condition", "obligation"),
    [
        pytest.param("D0", "theta <= 1", "the ball of GS", marks=pytest.mark.slow),
        pytest.param("D0_decrease", "L*eta <= 2", "claim", marks=pytest.mark.slow),
        pytest.param("S1", "y >= 3*c", "certificate", marks=pytest.mark.slow),
        pytest.param("S2_T", "L*eta <= 1", "the rate is at most one", marks=pytest.mark.slow),
        pytest.param("S3", "theta < 1", "definition of b'", marks=pytest.mark.slow),
    ],
)
def test_conditions_of_the_theory_are_sharp(name: str, condition: str, obligation: str, pool: SolverPool) -> None:
    result = asked(CATALOGUE[name], pool)[condition]
    assert (result.verdict, result.holds, result.relaxed) == ("sharp", 1, condition)
    assert result.breaks is not None
    assert 1 < result.breaks < Fraction(1001, 1000)
    assert obligation in result.obligation
    assert result.model


def test_a_planted_slack_is_found_exactly(pool: SolverPool) -> None:
    """sigma <= c is asked for, and sigma <= 8c/3 would do; sigma >= c/9 is not needed at all."""
    claim = StuckGradientNorm <= 5 * c / 3
    slack = statement(
        when=[sigma <= c, sigma >= c / 9],
        claim=Upper(StuckGradientNorm, 5 * c / 3),
        proof=[Cite("S2", exact_bias), Step("claim", gives=claim, from_=["S2"])],
    )
    found = asked(slack, pool)
    result = found["sigma <= c"]
    assert (result.verdict, result.holds) == ("slack", Fraction(8, 3))
    assert result.breaks is not None
    assert Fraction(8, 3) < result.breaks < Fraction(8, 3) * Fraction(1001, 1000)
    assert result.model
    assert found["sigma >= c/9"].verdict == "not needed"


def test_a_proof_that_is_broken_as_it_stands_says_so(pool: SolverPool) -> None:
    wrong = statement(
        when=[sigma <= c],
        claim=Upper(StuckGradientNorm, c / 5),
        proof=[Cite("S2", exact_bias), Step("claim", gives=StuckGradientNorm <= c / 5, from_=["S2"])],
    )
    (result,) = asked(wrong, pool).values()
    assert (result.verdict, result.holds) == ("unknown", None)
    assert result.obligation.startswith("claim")


def test_how_a_condition_is_relaxed() -> None:
    two = Fraction(2)
    assert str(relaxed(sigma <= c, two)) == "sigma <= 2*c"
    assert str(relaxed(sigma >= 2 * c, two)) == "sigma >= c"
    assert str(relaxed(eta * c < Rational(1, 9), two)) == "c*eta < 2/9"
    # Of c - sigma the sign is not known: the other side is.
    assert str(relaxed(sigma <= c - sigma, two)) == "sigma/2 <= c - sigma"
    assert relaxed(sigma > 0, two) is None
    assert relaxed(Eq(sigma, c), two) is None
    assert relaxed((sigma <= c) | (c <= 1), two) is None


def test_a_statement_without_a_proof_is_refused(pool: SolverPool) -> None:
    with pytest.raises(SharpnessError, match="planted_d2_weaker: it has no proof"):
        sharpness(CATALOGUE["planted_d2_weaker"], catalogue=CATALOGUE, pool=pool)


@pytest.mark.slow
def test_the_command() -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(["sharpness", *arguments])
        return code, out.getvalue(), err.getvalue()

    code, out, _ = run("D0_decrease", "--json")
    assert code == 0
    (entry,) = json.loads(out)
    assert (entry["verdict"], entry["holds"], entry["relaxed"]) == ("sharp", "1", "L*eta <= 2")
    assert float(Fraction(entry["model"]["eta"]) * Fraction(entry["model"]["L"])) > 2
    code, out, err = run("K23_lower")
    assert (code, out, err.count("\n")) == (2, "", 1)

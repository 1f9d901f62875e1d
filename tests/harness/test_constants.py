"""Hidden constants: never proved below the truth, always above it, and a ray where there is none."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.budget import Budget
from harness.cli import main
from harness.constants import ConstantError, constant, o_form, prove_constant
from harness.prove.cache import AnswerCache
from harness.prove.scan import simplest
from harness.prove.solve import SolverPool
from harness.rays import z
from theorems.catalogue import load_catalogue
from theorems.language import (
    BoundedVariance,
    C,
    Min,
    Rational,
    Source,
    Step,
    StuckGradientNorm,
    Theorem,
    Upper,
    c,
    sigma,
)
from theorems.language.proof import Cite
from theorems.sharp.s2_bias import exact_bias

CATALOGUE = load_catalogue()
FEW = Budget(steps=20_000)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SolverPool]:
    # Many of these tests build on the same statements; what was proved once need not be proved again.
    with SolverPool(cache=AnswerCache(tmp_path_factory.mktemp("answers"))) as solvers:
        yield solvers


def claim(bound: object, **more: object) -> Theorem:
    made = {"name": "mine_O", "source": Source("tests", "1"), "given": [BoundedVariance(sigma)], "when": []}
    return Theorem(**{**made, "claim": Upper(StuckGradientNorm, bound), **more})


@pytest.mark.parametrize(
    ("name", "least"),
    [
        pytest.param("K23_2_1_O", Fraction(18, 17), marks=pytest.mark.slow),
        pytest.param("K23_3_3_light_O", Fraction(9, 8), marks=pytest.mark.slow),
        pytest.param("K23_3_3_O", Fraction(369, 272), marks=pytest.mark.slow),
    ],
)
def test_the_least_constant_that_is_proved(name: str, least: Fraction, pool: SolverPool) -> None:
    proved, blocked = prove_constant(CATALOGUE[name], pool, CATALOGUE)
    assert proved is not None
    assert blocked is not None
    assert Fraction(int(proved.value.p), int(proved.value.q)) == least
    assert blocked.value < proved.value
    assert float(proved.value - blocked.value) <= 2e-6
    assert "countermodel" in blocked.says


@pytest.mark.slow
def test_a_planted_claim_is_proved_above_its_true_constant_and_never_below(pool: SolverPool) -> None:
    """The bias is at most sigma, and comes as near to it as one likes: the true constant is 1."""
    proof = [Cite("S2", exact_bias), Step("claim", gives=StuckGradientNorm <= C * sigma, from_=["S2"])]
    form = claim(C * sigma, when=[C >= 3], proof=proof)
    result = constant(form, catalogue=CATALOGUE, pool=pool, budget=FEW)
    assert result.verdict == "interval"
    assert result.proved is not None
    assert result.proved.value == 1
    assert result.blocked is not None
    assert result.blocked.value < 1
    assert result.reached is not None
    assert 0.99 < result.reached.value <= 1


@pytest.mark.slow
def test_both_ends_meet_for_the_lower_bound(pool: SolverPool) -> None:
    result = constant(CATALOGUE["K23_lower_O"], catalogue=CATALOGUE, pool=pool, budget=FEW)
    assert result.sense == "greatest"
    assert result.low is not None
    assert result.high is not None
    assert (result.low.value, result.high.value) == (Rational(1, 4), Rational(1, 4))


@pytest.mark.slow
def test_a_lower_bound_on_runs_is_not_forbidden_by_a_bound_that_chooses_its_start(pool: SolverPool) -> None:
    result = constant(CATALOGUE["K23_lower_run_O"], catalogue=CATALOGUE, pool=pool, budget=FEW)
    assert result.proved is not None
    assert result.proved.value == Rational(1, 4)
    assert result.high is None


@pytest.mark.slow
def test_an_o_claim_without_its_bias_term_fails_along_a_named_ray(pool: SolverPool) -> None:
    result = constant(CATALOGUE["planted_3_3_no_bias"], catalogue=CATALOGUE, pool=pool, budget=FEW)
    assert result.verdict == "diverges"
    assert result.proved is None
    assert result.ray is not None
    assert (result.ray.other, result.ray.verdict) == ("S2_T", "proved")
    # Small steps, and many of them, at fixed noise and threshold.
    path = {str(s): e for s, e in result.ray.path.items()}
    assert path["eta"].subs(z, 100) < path["eta"].subs(z, 10)
    assert (path["eta"] * path["T"]).subs(z, 100) > (path["eta"] * path["T"]).subs(z, 10)
    assert path["sigma"] == path["c"] == 1
    ratios = [ratio for _, ratio in result.ray.samples]
    assert ratios[0] * 5 < ratios[1] < ratios[2] / 5


@pytest.mark.slow
def test_a_true_claim_has_no_such_ray(pool: SolverPool) -> None:
    form = claim(C * Min(sigma, sigma**2 / c))
    result = constant(form, catalogue=CATALOGUE, pool=pool, budget=FEW)
    assert (result.verdict, result.ray) == ("open", None)
    assert result.reached is not None
    assert result.reached.value <= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["K23_2_1_O", "K23_3_3_light_O"])
def test_what_a_search_reaches_is_confirmed(name: str, pool: SolverPool) -> None:
    """With noise allowed, runs without noise are searched too: there the ratio is exact. (A quarter of these steps
    reaches 0.88 with some seeds.)"""
    result = constant(
        CATALOGUE[name], catalogue=CATALOGUE, pool=pool, budget=Budget(steps=16_000_000), tolerance=Fraction(1, 9)
    )
    assert result.reached is not None
    assert result.proved is not None
    assert Rational(9, 10) < result.reached.value < result.proved.value
    assert result.problem is not None
    assert "confirmed exactly" in result.reached.says


def test_statements_without_a_constant_are_refused() -> None:
    assert o_form(CATALOGUE["K23_2_1"]).name == "K23_2_1_O"
    with pytest.raises(ConstantError, match="S2: its bound has no letter C"):
        o_form(exact_bias)
    with pytest.raises(ConstantError, match="not C times something"):
        o_form(claim(C * sigma + c))


@given(st.fractions(0, 4, max_denominator=60), st.fractions(Fraction(1, 500), 1, max_denominator=500))
@settings(deadline=None, max_examples=100)
def test_the_simplest_fraction(low: Fraction, width: Fraction) -> None:
    low += Fraction(1, 997)
    found = simplest(low, low + width)
    assert low <= found <= low + width
    for q in range(1, found.denominator):
        assert -(-low * q // 1) > (low + width) * q  # no integer p with low <= p/q <= high


@pytest.mark.slow
def test_the_command() -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(["constant", *arguments])
        return code, out.getvalue(), err.getvalue()

    code, out, _ = run("K23_lower_O", "--json", "--budget", "1000steps")
    assert code == 0
    (entry,) = json.loads(out)
    assert (entry["name"], entry["verdict"]) == ("K23_lower_O", "interval")
    assert (entry["low"]["value"], entry["high"]["value"], entry["ray"]) == ("1/4", "1/4", None)
    code, out, err = run("S2")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "no letter C" in err

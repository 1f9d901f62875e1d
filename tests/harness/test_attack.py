"""Search, minimiser and confirmation together: planted faults fall, true statements do not, answers have a size."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sympy as sp

from fuzz.budget import Budget
from fuzz.engine import Batch
from fuzz.problem import Algorithm, Family, FiniteLaw, Problem
from harness import attack as attack_module
from harness import witnesses as witnesses_module
from harness.attack import FuzzResult, attack
from harness.confirm import Confirmation, Status, confirm
from harness.evidence import ErrorLedger
from harness.exact import measure
from harness.finding import Finding
from harness.report.standalone import standalone_script
from harness.verdicts import SearchVerdict
from theorems.catalogue import load_catalogue
from theorems.language import (
    ONE,
    BatchClipping,
    BoundedVariance,
    ClippedSteps,
    Domain,
    FinalGap,
    L,
    Parameter,
    PerSampleClipping,
    Rational,
    Smooth,
    Source,
    StepChange,
    StuckGradientNorm,
    Theorem,
    Upper,
    c,
    eta,
    sigma,
)
from theorems.language.assumptions import Assumption
from theorems.language.quantities import Scope
from theorems.language.walk import parse_exact

CATALOGUE = load_catalogue()
TRUE = [t for t in CATALOGUE.values() if t.expect == "true"]
FOR_SEARCH = [t for t in CATALOGUE.values() if t.falls_by == "search"]
LONG_SEARCHES = {"planted_d1_five_percent", "planted_d2_late_five_percent"}


def attacked(theorem: Theorem, steps: int, seed: int = 0, ledger: ErrorLedger | None = None) -> FuzzResult:
    return attack(theorem, Budget(steps=steps), seed, ledger=ledger or ErrorLedger())


@pytest.mark.parametrize(
    "theorem",
    [pytest.param(t, marks=pytest.mark.slow) if t.name in LONG_SEARCHES else t for t in FOR_SEARCH],
    ids=lambda t: t.name,
)
def test_what_only_search_can_refute_is_refuted(theorem: Theorem) -> None:
    # Deterministic: budget in steps, fixed seed.
    result = attacked(theorem, 20_000 if theorem.claim.quantity.scope is Scope.ONE_STEP else 5_000_000)
    assert result.verdict is SearchVerdict.REFUTED, result.says
    assert result.finding is not None
    assert result.finding.verdict == "refuted"
    assert result.score is not None
    assert result.score > 1
    assert len(result.finding.certificates) == len(theorem.given)
    assert "oracle" not in result.finding.problem["tags"]


@pytest.mark.parametrize("percent", [pytest.param(1, marks=pytest.mark.slow), 5])
@pytest.mark.parametrize("name", ["S2", "S1", "D0", "S1_simple"])
def test_near_misses_fall(name: str, percent: int) -> None:
    """A bound that is too good by one to five per cent of its distance to the harmless side."""
    theorem = CATALOGUE[name]
    origin, bound = theorem.claim.quantity.origin, theorem.bound
    claim = type(theorem.claim)(theorem.claim.quantity, origin + (bound - origin) * Rational(100 - percent, 100))
    false = Theorem(
        name=f"{name}-off-by-{percent}",
        source=Source("tests", "1"),
        given=theorem.given,
        when=theorem.conditions,
        claim=claim,
    )
    result = attacked(false, 60_000)
    assert result.verdict is SearchVerdict.REFUTED, result.says


def test_a_true_bound_is_reached_and_says_how_closely() -> None:
    result = attacked(CATALOGUE["S2"], 30_000)
    assert result.verdict is SearchVerdict.ACHIEVED
    assert result.finding is None
    assert result.score is not None
    assert 0.99 < result.score <= 1
    assert "No violation" in result.says
    assert "steps over" in result.says


def test_a_loose_bound_is_not_found_and_says_its_size() -> None:
    loose = Theorem(
        name="loose",
        source=Source("tests", "1"),
        given=[BoundedVariance(sigma)],
        when=[sigma <= 2 * c],
        claim=Upper(StuckGradientNorm, sigma**2 / (2 * c)),
    )
    result = attacked(loose, 20_000)
    assert result.verdict is SearchVerdict.NOT_FOUND
    assert result.score == pytest.approx(0.5, abs=1e-3)
    assert "smaller by more than 50" in result.says


def test_a_lower_claim_out_of_reach_refutes_nothing() -> None:
    result = attacked(CATALOGUE["planted_attained_third"], 20_000)
    assert result.verdict is SearchVerdict.NOT_FOUND
    assert "refutes nothing" in result.says


def test_nothing_to_search_is_said() -> None:
    result = attacked(CATALOGUE["planted_vacuous"], 5_000)
    assert result.verdict is SearchVerdict.NOT_FOUND
    assert result.score is None
    assert "nothing was searched" in result.says


n = Parameter("n", ONE, Domain.POSITIVE_INTEGER)
ELSEWHERE = [
    *(t for t in CATALOGUE.values() if t.claim.quantity == ClippedSteps),
    Theorem(
        name="change_by_a_mean_of_clipped_samples",
        source=Source("tests", "1"),
        given=[Smooth(L), BoundedVariance(sigma), PerSampleClipping(n)],
        when=[],
        claim=Upper(StepChange, eta * c**2 * eta * L),
    ),
    Theorem(
        name="samples_by_a_formula",
        source=Source("tests", "1"),
        given=[BoundedVariance(sigma), BatchClipping(2 * n)],
        when=[],
        claim=Upper(StuckGradientNorm, sigma**2 / (4 * c)),
    ),
]


@pytest.mark.parametrize("theorem", ELSEWHERE, ids=lambda t: t.name)
def test_what_no_engine_runs_is_not_searched(theorem: Theorem) -> None:
    """Nothing else stands for it."""
    result = attacked(theorem, 1_000_000)
    assert result.verdict is SearchVerdict.NOT_FOUND
    assert result.score is None
    assert result.steps == 0
    assert result.finding is None
    assert result.says.startswith("No engine here")
    assert "nothing is said of the claim" in result.says


def test_a_run_of_one_algorithm_never_refutes_another() -> None:
    """A claim that plain clipped SGD breaks: with another algorithm assumed, even a confirmation is refused."""
    plain = attacked(CATALOGUE["planted_bias_third"], 20_000)
    assert plain.verdict is SearchVerdict.REFUTED
    assert plain.finding is not None
    problem, choices = plain.finding.to_problem(), {sigma: parse_exact(plain.finding.values["sigma"])}

    def judged(problem: Problem, *given: Assumption) -> Confirmation:
        theorem = Theorem(
            name="elsewhere",
            source=Source("tests", "1"),
            given=[BoundedVariance(sigma), *given],
            when=[],
            claim=CATALOGUE["planted_bias_third"].claim,
        )
        return confirm(theorem, problem, ledger=ErrorLedger(), seed=0, choices=choices)

    assert judged(problem).status is Status.REFUTED
    for other in (BatchClipping(sp.Integer(2)), PerSampleClipping(sp.Integer(2))):
        seen = judged(problem, other)
        assert seen.status is Status.UNCERTIFIED
        assert "n = 2 is given, the problem takes 1" in seen.reason
        # One sample, which is all there is of a mean of one.
        assert judged(problem, replace(other, n=sp.Integer(1))).status is Status.REFUTED
    for algorithm in (
        Algorithm("batch_clipping", 2),
        Algorithm("per_sample_clipping", 2),
        Algorithm("dp_sgd", 1, sp.Rational(1, 2)),
    ):
        seen = judged(replace(problem, algorithm=algorithm))
        assert seen.status is Status.UNCERTIFIED
        assert "of which no assumption speaks" in seen.reason
    seen = judged(
        replace(problem, algorithm=Algorithm("dp_sgd", 2, sp.Rational(1, 2))), PerSampleClipping(sp.Integer(2))
    )
    assert seen.status is Status.UNCERTIFIED
    assert "noise is added" in seen.reason


def test_same_seed_same_finding() -> None:
    first, second = (attacked(CATALOGUE["planted_d2_noise_ignored"], 2_000_000, seed=5) for _ in range(2))
    assert first.finding is not None
    assert second.finding is not None
    assert first.finding.id == second.finding.id
    assert first.finding.measured == second.finding.measured


def test_a_disagreement_is_loud_and_refutes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = attack_module.confirm

    def odd(*arguments: Any, **more: Any) -> Any:
        return replace(real(*arguments, **more), status=Status.DISAGREEMENT, reason="the engines differ")

    monkeypatch.setattr(attack_module, "confirm", odd)
    result = attacked(CATALOGUE["planted_descent_theta_3"], 5_000)
    assert result.verdict is SearchVerdict.NOT_FOUND
    assert result.warning == "the engines differ"
    assert "wrong with the harness" in result.says


@pytest.mark.slow
def test_no_true_statement_is_refuted() -> None:
    """One short campaign over all true statements, and what it says of each; twenty long ones are in
    ``test_false_alarms``.

    A statistical confirmation refutes a true statement with a chance of at most 1e-6 a campaign, so that is the chance
    of a false alarm; exact checks and float scores have none.
    """
    ledger = ErrorLedger()
    for theorem in TRUE:
        result = attacked(theorem, 50_000 if theorem.claim.quantity.scope is Scope.ONE_STEP else 1_000_000, 0, ledger)
        assert result.verdict is not SearchVerdict.REFUTED, (theorem.name, result.problem)
        assert not result.warning
        assert result.score is None or math.isfinite(result.score)


@pytest.mark.parametrize("name", ["planted_private_for_free", "planted_batch_too_quiet", "planted_symmetric_samples"])
def test_a_finding_of_another_algorithm_can_be_checked_alone(name: str, tmp_path: Path) -> None:
    """The file keeps the algorithm, and the script that needs NumPy alone runs that one and no other."""
    found = attacked(CATALOGUE[name], 5_000_000).finding
    assert found is not None
    assert Finding.model_validate_json(found.text()).to_problem().algorithm == found.to_problem().algorithm
    problem = found.to_problem()
    assert problem.algorithm.name != "clipped_sgd"
    script = standalone_script(found)
    file = tmp_path / "replay.py"
    file.write_text(script, encoding="utf-8")
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert problem.algorithm.words in done.stdout
    if name == "planted_symmetric_samples":
        return
    # Of plain clipped SGD the same numbers violate nothing, or something else.
    plain = script.replace("direction(x)\n", "clip(gradient(x) + noise(x))\n")
    assert plain != script
    file.write_text(plain, encoding="utf-8")
    other = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, check=False)
    measured = [line for text in (done.stdout, other.stdout) for line in text.splitlines() if "measured" in line]
    assert len(measured) == 2
    assert measured[0] != measured[1]


def test_the_simulator_runs_the_algorithm_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact numbers come from the run of clipped SGD of the same value; the simulator is asked about the other."""
    seen: list[tuple[str, int]] = []
    honest = witnesses_module.run

    def spy(batch: Batch, *arguments: Any, **named: Any) -> Any:
        seen.append((batch.algorithm, batch.samples))
        return honest(batch, *arguments, **named)

    monkeypatch.setattr(witnesses_module, "run", spy)
    law = FiniteLaw(((sp.Rational(1, 2), (sp.Integer(2),)), (sp.Rational(1, 2), (sp.Integer(-2),))))
    for noise in (Family("none", ({},)), law):
        what = Problem(
            objective=Family("quadratic", ({"curvature": sp.Integer(1)},)),
            noise=noise,
            start=(sp.Integer(1),),
            step_size=sp.Rational(1, 2),
            clipping_threshold=sp.Integer(1),
            steps=2,
            algorithm=Algorithm("batch_clipping", 2),
        )
        exact = measure(FinalGap, what)
        found = witnesses_module.witnesses(what, FinalGap, float(exact.low), float(exact.high))
        assert not found.reason
        assert seen
        assert set(seen) == {("batch_clipping", 2)}
        seen.clear()

"""The last word: true claims are never refuted, false ones are, and every missing piece has a name of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sympy as sp
from conftest import false_bias, stuck_problem, trajectory_problem, trajectory_theorem

from fuzz.engine import Batch, torch_engine
from fuzz.instance import instance_of
from fuzz.problem import Family, FiniteLaw, Problem
from harness import confirm as confirm_module
from harness import fresh as fresh_module
from harness import witnesses as witnesses_module
from harness.attack import finding_of
from harness.confirm import Confirmation, Status, confirm
from harness.evidence import ErrorLedger
from harness.finding import load_finding
from harness.replay import replay_finding
from theorems.catalogue import load_catalogue
from theorems.language import (
    F0,
    GS,
    L0,
    L1,
    R0,
    AverageGradientNorm,
    BoundedVariance,
    Convex,
    Drift,
    ExactGradients,
    FinalGap,
    Floor,
    L,
    Lower,
    MinGradientNorm,
    Parameter,
    Rational,
    Smooth,
    Source,
    StepChange,
    StuckGradientNorm,
    Symmetric,
    T,
    Theorem,
    Upper,
    c,
    eta,
    m,
    sigma,
    sqrt,
)

ONE = sp.Integer(1)
CATALOGUE = load_catalogue()


def judged(theorem: Theorem, problem: Problem, choices: Mapping[Parameter, Any], **more: Any) -> Confirmation:
    return confirm(theorem, problem, ledger=more.pop("ledger", ErrorLedger()), seed=3, choices=choices, **more)


def quadratic(**changes: Any) -> Problem:
    """f = x^2/2 from 1 with exact gradients."""
    fields: dict[str, Any] = {
        "objective": Family("quadratic", ({"curvature": ONE},)),
        "noise": Family("none", ({},)),
        "start": (ONE,),
        "step_size": Rational(1, 2),
        "clipping_threshold": ONE,
        "steps": 1,
    }
    return Problem(**{**fields, **changes})


def statement(claim: Any, given: Any = None, when: Any = ()) -> Theorem:
    given = [GS(L0, L1), ExactGradients()] if given is None else given
    return Theorem(name="a-claim", source=Source("tests", "1"), given=given, when=when, claim=claim)


# -- refuted ---------------------------------------------------------------------------------------------------------


def test_a_stuck_point_is_refuted_exactly() -> None:
    found = judged(false_bias(), stuck_problem(), {sigma: ONE})
    assert found.status is Status.REFUTED, found.reason
    assert (found.measured_exact, found.claimed_exact) == ("1/4", "1/5")
    assert found.score == pytest.approx(1.25)
    assert found.look is None
    assert [e.agrees for e in found.engines] == [True]
    assert [type(c.assumption) for c in found.certificates] == [BoundedVariance]


def test_a_deterministic_run_is_refuted_by_intervals() -> None:
    theorem = CATALOGUE["planted_d2_one_term"]
    problem = quadratic(clipping_threshold=Rational(1, 100), steps=10)
    found = judged(theorem, problem, {L: ONE})
    assert found.status is Status.REFUTED, found.reason
    assert found.exact is not None
    assert "interval" in found.exact.method or "exact" in found.exact.method
    assert {e.engine for e in found.engines} == {"cpu", "torch"}
    assert all(e.agrees for e in found.engines)


def test_a_noisy_run_is_refuted_on_fresh_seeds() -> None:
    ledger = ErrorLedger()
    found = judged(trajectory_theorem(), trajectory_problem(), {sigma: ONE, L0: ONE, L1: sp.Integer(0)}, ledger=ledger)
    assert found.status is Status.REFUTED, found.reason
    assert found.sample is not None
    assert found.look is not None
    assert found.sample.log10_e >= found.look.log10_threshold
    assert found.score_lower is not None
    assert 1 < found.score_lower < found.score
    assert 0 < found.allowance < 1e-6
    assert ledger.looks == 1


def test_the_least_over_time_is_refuted_on_fresh_seeds() -> None:
    theorem = replace(trajectory_theorem(), claim=Upper(MinGradientNorm, Rational(9, 10) * sigma**2 / (4 * c)))
    found = judged(theorem, trajectory_problem(), {sigma: ONE, L0: ONE, L1: sp.Integer(0)})
    assert found.status is Status.REFUTED, found.reason


# -- not refuted -----------------------------------------------------------------------------------------------------


def test_equality_is_no_violation() -> None:
    found = judged(CATALOGUE["D0"], quadratic(clipping_threshold=sp.Integer(2)), {L0: ONE, L1: sp.Integer(0)})
    assert found.status in (Status.HOLDS, Status.UNDECIDED)
    assert found.score == pytest.approx(1)


def test_a_true_bound_holds_on_noisy_runs() -> None:
    # A false alarm has a chance of at most 5e-7 here, whatever the seed.
    found = judged(CATALOGUE["S3"], trajectory_problem(), {sigma: ONE, L0: ONE, L1: sp.Integer(0)})
    assert found.status is Status.UNDECIDED
    assert found.sample is not None
    assert found.sample.log10_e < 1


def test_a_variance_that_is_too_large_is_not_certified() -> None:
    found = judged(false_bias(), stuck_problem(), {sigma: Rational(99, 100)})
    assert found.status is Status.UNCERTIFIED
    assert "sigma" in found.reason.lower() or "variance" in found.reason.lower()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([Smooth(Rational(99, 100) * L0), ExactGradients()], "GS: L0"),
        ([GS(L0, L1), BoundedVariance(sigma), Symmetric()], "ymmetric"),
        ([Convex(), Smooth(L0), BoundedVariance(sigma), ExactGradients()], "xact"),
    ],
)
def test_every_assumption_is_asked_for(given: Any, why: str) -> None:
    noise = Family("two_point", ({"up": sp.Integer(2), "probability": Rational(1, 4)},))
    problem = quadratic(noise=noise, steps=3)
    theorem = statement(Upper(AverageGradientNorm, sqrt(F0 / (eta * T)) / 100), given)
    found = judged(theorem, problem, {sigma: sp.Integer(2), L0: ONE, L1: sp.Integer(0)})
    assert found.status is Status.UNCERTIFIED
    assert why in found.reason


def test_a_condition_that_fails_is_not_certified() -> None:
    theorem = statement(Upper(StepChange, -F0), when=[eta * L0 <= Rational(1, 4)])
    found = judged(theorem, quadratic(), {L0: ONE, L1: sp.Integer(0)})
    assert found.status is Status.UNCERTIFIED
    assert "condition" in found.reason


def test_a_point_that_is_not_stuck_is_no_stuck_point() -> None:
    problem = replace(stuck_problem(), start=(Rational(1, 2),))
    found = judged(false_bias(), problem, {sigma: ONE})
    assert found.status is not Status.REFUTED
    assert "stuck" in found.reason


def test_a_bound_of_zero_is_no_target_for_betting() -> None:
    theorem = replace(trajectory_theorem(), claim=Upper(AverageGradientNorm, L1 * F0))
    found = judged(theorem, trajectory_problem(), {sigma: ONE, L0: ONE, L1: sp.Integer(0)})
    assert found.status is Status.UNDECIDED
    assert "not positive" in found.reason


def test_runs_that_overflow_are_invalid() -> None:
    theorem = statement(Upper(FinalGap, Rational(1, 100) * L0 * R0**2), [GS(L0, L1), BoundedVariance(sigma)])
    problem = quadratic(
        objective=Family("huber", ({"curvature": ONE, "slope": ONE},)),
        noise=Family("gaussian", ({"scale": ONE},)),
        start=(sp.Integer(10) ** 308,),
        steps=2,
    )
    found = judged(theorem, problem, {sigma: ONE, L0: ONE, L1: sp.Integer(0)})
    assert found.status is not Status.REFUTED


# -- planted faults of our own ---------------------------------------------------------------------------------------


def test_an_engine_with_a_bug_refutes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the compiled engine differs from torch on the same words, nothing is claimed, loudly."""
    honest = torch_engine.run

    def biased(batch: Any, plan: Any) -> Any:
        found = honest(batch, plan)
        return replace(found, average_gradient_norm=found.average_gradient_norm * (1 + 1e-6))

    monkeypatch.setattr(torch_engine, "run", biased)
    found = judged(trajectory_theorem(), trajectory_problem(), {sigma: ONE, L0: ONE, L1: sp.Integer(0)})
    assert found.status is Status.DISAGREEMENT
    assert "wrong" in found.reason
    exact = judged(
        CATALOGUE["planted_d1_quarter"],
        quadratic(step_size=ONE, clipping_threshold=sp.Integer(9)),
        {L0: ONE, L1: sp.Integer(0)},
    )
    assert exact.status is Status.DISAGREEMENT


def test_a_wrong_one_step_witness_refutes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witnesses_module, "one_step", lambda problem, quantity, dtype=None: 0.26)
    found = judged(false_bias(), stuck_problem(), {sigma: ONE})
    assert found.status is Status.DISAGREEMENT


def test_the_allowance_is_added_to_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirm_module, "rounding_allowance", lambda problem, quantity: 0.25)
    found = judged(trajectory_theorem(), trajectory_problem(), {sigma: ONE, L0: ONE, L1: sp.Integer(0)})
    assert found.status is Status.UNDECIDED
    monkeypatch.setattr(confirm_module, "rounding_allowance", lambda problem, quantity: None)
    found = judged(trajectory_theorem(), trajectory_problem(), {sigma: ONE, L0: ONE, L1: sp.Integer(0)})
    assert found.status is Status.UNDECIDED
    assert "rounding" in found.reason


def test_fresh_numbers_are_not_those_of_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch of a confirmation has a purpose of its own, and every look a number of its own."""
    drawn: list[Any] = []
    real = fresh_module.run

    def watched(batch: Any, *arguments: Any, **more: Any) -> Any:
        drawn.append(batch)
        return real(batch, *arguments, **more)

    monkeypatch.setattr(fresh_module, "run", watched)
    ledger = ErrorLedger()
    for _ in range(2):
        judged(trajectory_theorem(), trajectory_problem(), {sigma: ONE, L0: ONE, L1: sp.Integer(0)}, ledger=ledger)
    search = Batch.of([instance_of(trajectory_problem())], seed=3, instance_ids=[1])
    keys = [tuple(batch.keys()[0]) for batch in drawn]
    assert tuple(search.keys()[0]) not in keys
    assert len(set(keys)) == 2


# -- lower claims and drift ------------------------------------------------------------------------------------------


def test_a_lower_claim_is_achieved_exactly_or_not() -> None:
    reach = Lower(StuckGradientNorm, sigma**2 / (4 * c))
    found = judged(statement(reach, [BoundedVariance(sigma)]), stuck_problem(), {sigma: ONE})
    assert found.status is Status.ACHIEVED
    beyond = Lower(StuckGradientNorm, Rational(1001, 1000) * sigma**2 / (4 * c))
    found = judged(statement(beyond, [BoundedVariance(sigma)]), stuck_problem(), {sigma: ONE})
    assert found.status is Status.HOLDS


def test_drift_falls_from_above() -> None:
    theorem = statement(Floor(Drift, c * (m - sigma**2 / (5 * c)) / (m + c)), [BoundedVariance(sigma)])
    found = judged(theorem, stuck_problem(), {sigma: ONE})
    assert found.status is Status.REFUTED
    assert found.measured == 0
    weaker = statement(Floor(Drift, c * (m - sigma**2 / (3 * c)) / (m + c)), [BoundedVariance(sigma)])
    assert judged(weaker, stuck_problem(), {sigma: ONE}).status is Status.HOLDS


def test_two_dimensions_and_square_roots() -> None:
    law = FiniteLaw(((Rational(1, 2), (ONE, ONE)), (Rational(1, 2), (-ONE, -ONE))))
    problem = quadratic(objective=Family("quadratic", ({"curvature": ONE},) * 2), noise=law, start=(ONE, sp.Integer(0)))
    theorem = statement(Floor(Drift, c), [BoundedVariance(sigma)])
    found = judged(theorem, problem, {sigma: sp.sqrt(2)})
    assert found.status is Status.REFUTED
    assert found.measured == pytest.approx(0.5 * 2 / np.sqrt(5))


# -- findings and replay ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("noisy", [False, True])
def test_a_finding_is_replayed_from_its_file(noisy: bool, tmp_path: Any) -> None:
    theorem = trajectory_theorem() if noisy else false_bias()
    problem = trajectory_problem() if noisy else stuck_problem()
    choices = {sigma: ONE, **({L0: ONE, L1: sp.Integer(0)} if noisy else {})}
    seen = judged(theorem, problem, choices)
    finding = finding_of(theorem, seen, seed=3, found_by="By hand.", effort=None)
    file = tmp_path / "FINDING.json"
    file.write_text(finding.text())
    result = replay_finding(load_finding(file))
    assert result.reproduced, result.lines()
    assert result.json()["same_number"] is True
    assert (result.fresh is not None) == noisy
    assert finding.suspected in ("constant", "theorem", "assumption", "encoding")


def test_a_finding_that_no_longer_holds_is_not_reproduced(finding_of: Any) -> None:
    """A sealed file with an instance that violates nothing: the hash is sound, the claim is not."""
    harmless = replace(stuck_problem(), noise=FiniteLaw(((Rational(1, 2), (ONE,)), (Rational(1, 2), (-ONE,)))))
    result = replay_finding(finding_of(false_bias(), harmless))
    assert not result.reproduced
    assert result.lines()[-1] == "NOT REPRODUCED"


def test_only_what_is_confirmed_becomes_a_finding() -> None:
    seen = judged(CATALOGUE["S2"], stuck_problem(), {sigma: ONE})
    assert seen.status is Status.HOLDS
    with pytest.raises(ValueError, match="what was confirmed"):
        finding_of(CATALOGUE["S2"], seen, seed=0, found_by="By hand.", effort=None)

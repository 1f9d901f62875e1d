"""Other engines beside exact arithmetic: they agree, a planted bug in any of them is told, and the margin adds up."""

from __future__ import annotations

import importlib.util
import math
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch
from conftest import false_bias, stuck_problem, trajectory_problem, trajectory_theorem

from fuzz.engine import retrace, torch_engine, torch_onestep
from fuzz.engine.torch_onestep import all_histories, one_step
from fuzz.problem import Family, FiniteLaw, Problem
from harness import definitions, replay, witnesses
from harness.attack import finding_of
from harness.confirm import Confirmation, Status, confirm
from harness.evidence import ErrorLedger
from harness.exact import measure
from harness.exact import sgd as exact_sgd
from harness.exact.stuck import stuck_point
from harness.finding import load_finding
from harness.replay import replay_finding
from theorems.language import L0, L1, AverageGradientNorm, Drift, FinalGap, MinGradientNorm, StepChange, sigma

R, Z = sp.Rational, sp.Integer
ROOT = Path(__file__).resolve().parents[2]
FIXTURES = Path(__file__).parent / "fixtures"


def ten() -> ModuleType:
    """``ci/exact_verdicts.py``."""
    spec = importlib.util.spec_from_file_location("exact_verdicts", ROOT / "ci" / "exact_verdicts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


TEN = ten()


@pytest.mark.parametrize("case", TEN.CASES, ids=lambda case: f"{case.kind}-{case.name}")
def test_ten_false_statements_fall_exactly(case: Any) -> None:
    found = TEN.judged(case)
    assert found.status is Status.REFUTED, found.reason
    assert found.engines
    assert all(engine.agrees for engine in found.engines)
    account = found.account
    assert account is not None
    assert account.certain > 0
    assert account.statistical == 0
    assert account.margin == pytest.approx(account.certain + account.statistical + account.rounding, abs=1e-15)
    single, double, exact = account.precisions
    assert (single.arithmetic, double.arithmetic) == ("float32", "float64")
    assert exact.difference == 0
    assert double.difference <= 1e-12
    assert all(p.agrees for p in account.precisions)


def test_the_table_in_the_docs_is_what_is_computed() -> None:
    assert TEN.page() == TEN.PAGE.read_text(encoding="utf-8")


# -- planted bugs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", TEN.CASES, ids=lambda case: f"{case.kind}-{case.name}")
def test_a_wrong_clip_in_the_exact_checker_is_loud(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checker that forgets a thousandth of each clipped step is caught by the engines in every kind of check."""
    honest = exact_sgd.ClippedSGD.clip

    def wrong(self: Any, vector: Any) -> Any:
        factor = self.arithmetic.rational(R(999, 1000))
        return [entry * factor for entry in honest(self, vector)]

    monkeypatch.setattr(exact_sgd.ClippedSGD, "clip", wrong)
    found = TEN.judged(case)
    if case.name in ("planted_d1_quarter", "planted_bias_one_fifth", "planted_bias_third"):
        # One step's average and a gradient norm do not depend on clipping; the sign of a drift does not change.
        assert found.status is Status.REFUTED
    elif case.name == "planted_drift_one_fifth":
        assert found.measured == 0  # 999/1000 of nothing
    else:
        assert found.status is Status.DISAGREEMENT
        assert "one of them is wrong" in found.reason


@pytest.mark.parametrize("engine", ["torch", "simulator"])
def test_a_wrong_engine_is_loud_where_histories_are_listed(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(c for c in TEN.CASES if c.kind == TEN.HISTORIES)
    if engine == "torch":
        clip = torch_onestep._clip
        # The clip of a well-known library divides by |g| + 1e-6.
        monkeypatch.setattr(torch_onestep, "_clip", lambda problem, g: clip(problem, g) * (1 - 1e-6))
    else:
        honest = witnesses.run
        monkeypatch.setattr(
            witnesses,
            "run",
            lambda batch, n, **more: replace(
                honest(batch, n, **more), final_gap=honest(batch, n, **more).final_gap * 1.1
            ),
        )
    found = TEN.judged(case)
    assert found.status is Status.DISAGREEMENT
    assert {"torch": "engine torch", "simulator": "engine cpu"}[engine] in found.reason


LONG = Problem(
    objective=Family("quadratic", ({"curvature": Z(1)},)),
    noise=Family("none", ({},)),
    start=(Z(3),),
    step_size=R(1, 64),
    clipping_threshold=R(1, 2),
    steps=1000,
)


def test_a_long_run_is_retraced_by_torch_and_a_wrong_clip_there_is_loud(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the library's clip torch does not get from state to state, runs on its own, and comes elsewhere."""
    # sum of 1000 norms: 1/2 while x > 1/2, which is 320 steps, then 1/2 (1 - 1/64)^k.
    exact = (sum(3 - t / 128 for t in range(320)) + 32 * (1 - (1 - 1 / 64) ** 680)) / 1000
    told = witnesses.witnesses(LONG, AverageGradientNorm, exact * (1 - 1e-12), exact * (1 + 1e-12))
    assert told.reason == ""
    assert "at every state of the compiled run" in told.engines[1].says
    honest = torch_engine.clip
    for module in (torch_engine, retrace):
        monkeypatch.setattr(module, "clip", lambda g, c: honest(g, c) * (1 - 1e-6))
    told = witnesses.witnesses(LONG, AverageGradientNorm, exact * (1 - 1e-12), exact * (1 + 1e-12))
    assert "engine torch measures" in told.reason
    assert "at every state" not in told.engines[1].says


# -- the witness that lists histories ----------------------------------------------------------------------------------


def noisy(noise: Family | FiniteLaw, dimension: int = 1, steps: int = 5, objective: str = "quadratic") -> Problem:
    numbers = {"curvature": Z(1), **({"slope": R(1, 2)} if objective == "huber" else {})}
    return Problem(Family(objective, (numbers,) * dimension), noise, (R(3, 4),) * dimension, R(1, 2), R(1, 2), steps)


@pytest.mark.parametrize("quantity", [AverageGradientNorm, MinGradientNorm, FinalGap])
@pytest.mark.parametrize(
    "noise",
    [
        Family("two_point", ({"up": Z(2), "probability": R(1, 4)},)),
        Family("symmetric_two_point", ({"scale": R(3, 2)},)),
        Family("worst_two_point", ({"sigma": Z(1)},)),
        FiniteLaw(((R(1, 3), (Z(1),)), (R(1, 3), (Z(0),)), (R(1, 3), (Z(-1),)))),
    ],
    ids=lambda noise: noise.name,
)
@pytest.mark.parametrize("objective", ["quadratic", "huber"])
def test_listed_histories_agree_with_exact_arithmetic(quantity: Any, noise: Any, objective: str) -> None:
    where = noisy(noise, objective=objective)
    exact, seen = measure(quantity, where), all_histories(where, quantity)
    slack = 1e-7 if where.oracle else 1e-13
    assert float(exact.low) - slack <= seen.value <= float(exact.high) + slack
    assert seen.least <= seen.value <= seen.greatest
    assert all_histories(where, quantity, torch.float32).value == pytest.approx(seen.value, rel=1e-4)


def test_one_step_in_the_plane_weighs_every_pair_of_atoms() -> None:
    coins = Family("symmetric_two_point", ({"scale": Z(1)}, {"scale": Z(2)}))
    where = noisy(coins, dimension=2, steps=1)
    for quantity in (Drift, StepChange):
        exact = measure(quantity, where)
        assert one_step(where, quantity) == pytest.approx(float(exact.low), rel=1e-12)
        assert one_step(where, quantity, torch.float32) == pytest.approx(float(exact.low), rel=1e-5)


def test_what_cannot_be_listed_is_refused() -> None:
    gaussian = Family("gaussian", ({"scale": Z(1)},))
    with pytest.raises(ValueError, match="no finite law"):
        one_step(noisy(gaussian), Drift)
    with pytest.raises(ValueError, match="65536 histories"):
        all_histories(noisy(Family("symmetric_two_point", ({"scale": Z(1)},)), steps=17), FinalGap)
    with pytest.raises(ValueError, match="not a quantity of a whole run"):
        all_histories(noisy(gaussian), Drift)


# -- stuck points ------------------------------------------------------------------------------------------------------


def test_the_stuck_point_of_unit_noise_attracts() -> None:
    point = stuck_point(stuck_problem())
    assert point.expected_step == (0,)
    assert point.zero
    assert point.stability == "attracting"
    # h(x) = (x + 2 clipped to 1)/5 + 4/5 (x - 1/2), so h(1/4 +- 1/32) = +- 4/5/32.
    assert (point.left, point.right) == (-R(1, 40), R(1, 40))


@pytest.mark.parametrize(
    ("change", "stability"),
    [
        ({"noise": FiniteLaw(((R(1, 2), (Z(2),)), (R(1, 2), (Z(-2),)))), "start": (Z(1),)}, "neutral"),
        ({"start": (R(1, 5),)}, "moving away"),
        ({"noise": Family("worst_two_point", ({"sigma": Z(1)},))}, "not examined"),
    ],
)
def test_other_points_are_told_apart(change: dict[str, Any], stability: str) -> None:
    assert stuck_point(replace(stuck_problem(), **change)).stability == stability


@pytest.mark.parametrize("way", [-1, 1])
def test_the_mean_of_runs_returns_to_an_attracting_point(way: int) -> None:
    """The simulator's own view: 4000 runs from either side end near 1/4 on average; 6 standard errors, rate 1e-8."""
    problem = stuck_problem()
    rng = np.random.default_rng(7)
    position = np.full(4000, 0.25 + way * 0.2)
    for _ in range(400):
        noise = np.where(rng.random(4000) < 0.2, 2.0, -0.5)
        position -= 0.05 * np.clip(position + noise, -1, 1)
    error = position.std() / math.sqrt(4000)
    assert abs(position.mean() - float(problem.start[0])) < 6 * error


# -- the account -------------------------------------------------------------------------------------------------------


def sampled() -> Confirmation:
    choices = {sigma: Z(1), L0: Z(1), L1: Z(0)}
    return confirm(trajectory_theorem(), trajectory_problem(), ledger=ErrorLedger(), seed=3, choices=choices)


def test_a_sampled_margin_is_taken_apart() -> None:
    found = sampled()
    account = found.account
    assert account is not None
    assert found.sample is not None
    assert account.lower is not None
    assert account.margin == pytest.approx(found.measured - found.claimed)
    assert account.margin == pytest.approx(account.certain + account.statistical + account.rounding, rel=1e-12)
    assert 0 < account.certain < account.margin
    assert account.statistical > 2 * found.sample.standard_error
    assert account.rounding == found.allowance > 0
    assert account.log10_level == pytest.approx(-math.log10(2e6))
    assert "look 1 of its campaign" in account.says
    assert [p.arithmetic.split(",")[0] for p in account.precisions] == ["float32", "float64 on torch", "float64"]
    assert all(p.agrees for p in account.precisions)
    finding = finding_of(trajectory_theorem(), found, seed=3, found_by="By hand.", effort=None)
    assert finding.account == account


def test_a_wrong_float32_is_shown_and_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = witnesses.one_step

    def one(problem: Any, quantity: Any, dtype: Any = torch.float64) -> float:
        return honest(problem, quantity, dtype) * (1.5 if dtype == torch.float32 else 1)

    monkeypatch.setattr(witnesses, "one_step", one)
    found = confirm(false_bias(), stuck_problem(), ledger=ErrorLedger(), seed=0, choices={sigma: Z(1)})
    assert found.status is Status.REFUTED
    assert found.account is not None
    assert [p.agrees for p in found.account.precisions] == [False, True, True]


# -- years later -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["exact", "sampled"])
def test_a_finding_of_version_1_replays(kind: str) -> None:
    finding = load_finding(FIXTURES / f"finding-v1-{kind}.json")
    result = replay_finding(finding)
    assert result.reproduced, result.lines()
    assert result.json()["same_number"] is True
    assert result.json()["schema_version"] == 1
    assert any("schema version 1" in line for line in result.redefined)


def test_a_changed_formula_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = confirm(false_bias(), stuck_problem(), ledger=ErrorLedger(), seed=0, choices={sigma: Z(1)})
    finding = finding_of(false_bias(), found, seed=0, found_by="By hand.", effort=None)
    assert replay_finding(finding).redefined == ()
    honest = definitions.definitions_of
    monkeypatch.setattr(
        replay,
        "definitions_of",
        lambda theorem, problem: {
            **honest(theorem, problem),
            "objective quadratic": "f = curvature*x**2; gradient = 2*curvature*x",
        },
    )
    (line,) = replay_finding(finding).redefined
    assert line.startswith("objective quadratic: then f = curvature*x**2/2; gradient = curvature*x, now")


def test_a_changed_statement_of_the_catalogue_is_named() -> None:
    finding = load_finding(FIXTURES / "finding-v1-exact.json")
    older = finding.model_copy(
        update={"statement": finding.statement.model_copy(update={"bound": "sigma**2/(6*c)", "text": "an older one"})}
    )
    lines = replay_finding(older).redefined
    assert any("bound: then sigma**2/(6*c), now sigma**2/(5*c)" in line for line in lines)

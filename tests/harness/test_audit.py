"""``clipbounds audit``: statements held against real training runs.

Seeds are fixed. A violation of a true statement by bad luck has probability at most 1e-6 for a whole audit.
"""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from fuzz.datasets import load
from fuzz.logistic import Logistic
from harness import audit as module
from harness.audit import Audit, AuditResult, audit_json, exit_code
from harness.audit_letters import Form, allowed
from harness.cli import app, main
from theorems.catalogue import load_catalogue
from theorems.language import (
    F0,
    GS,
    L0,
    L1,
    PL,
    AverageGradientNorm,
    BoundedVariance,
    Domain,
    ExactGradients,
    Parameter,
    PerSampleClipping,
    Source,
    Symmetric,
    T,
    Theorem,
    Upper,
    c,
    eta,
    mu,
    sigma,
)
from theorems.language.units import ONE

CATALOGUE = load_catalogue()
N = Parameter("n", ONE, Domain.POSITIVE_INTEGER)
RATE = Upper(AverageGradientNorm, F0 / (eta * T * c))
TRUE = ("S3", "S3_HS", "S3_small", "K23_3_3", "D1", "D1_min", "D2", "D2_late", "D3", "planted_d2_weaker")
FALSE = ("planted_s3_no_bias", "planted_min_no_bias", "planted_d1_off_by_one", "planted_d3_no_slow_phase")


@pytest.fixture(scope="module")
def iris() -> Audit:
    return Audit(Logistic(load("iris"), Fraction(1)), 1, 0)


@pytest.mark.parametrize("name", TRUE)
def test_true_statements_stand(iris: Audit, name: str) -> None:
    found = iris.one(CATALOGUE[name])
    assert found.verdict == "not violated"
    assert found.ratio is not None
    assert 0 < found.ratio <= 1
    assert found.settings >= 4
    assert found.certificates


@pytest.mark.slow
@pytest.mark.parametrize("name", FALSE)
def test_false_statements_fall(iris: Audit, name: str) -> None:
    found = iris.one(CATALOGUE[name])
    assert found.verdict == "violated", found.reason
    assert found.ratio is not None
    assert found.ratio > 1.05
    assert "two engines agree" in found.reason
    noisy = CATALOGUE[name].has(BoundedVariance)
    assert (found.log10_e is not None) == noisy
    assert not noisy or any("deviation at most" in line for line in found.certificates)


def test_the_deterministic_bound_is_nearly_reached(iris: Audit) -> None:
    found = iris.one(CATALOGUE["D1"])
    assert found.ratio is not None
    assert found.ratio > 0.8
    assert found.log10_e is None


def statement(**changes: Any) -> Theorem:
    fields: dict[str, Any] = {
        "name": "claim",
        "source": Source("A draft", "Theorem 1"),
        "given": [GS(L0, L1), BoundedVariance(sigma)],
        "when": [eta * (L0 + c * L1) <= 1],
        "claim": Upper(AverageGradientNorm, sigma + F0 / (eta * T * c)),
    }
    return Theorem(**{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"given": [GS(L0, L1), BoundedVariance(sigma), Symmetric()]}, "Symmetric is not shown of the data"),
        ({"given": [GS(2 * L0, L1), BoundedVariance(sigma)]}, "is no letter"),
        (
            {"given": [GS(L0, L1), ExactGradients(), PerSampleClipping(N)], "claim": RATE},
            "samples of the data are not exact gradients",
        ),
        ({"when": [Parameter("q", ONE) >= 1]}, "the letter q has no value here"),
    ],
)
def test_what_data_do_not_speak_of(iris: Audit, changes: dict[str, Any], reason: str) -> None:
    found = iris.one(statement(**changes))
    assert found.verdict == "not applicable"
    assert reason in found.reason


@pytest.mark.parametrize(
    ("name", "reason"),
    [("S2", "is not measured"), ("S6_bias", "is not measured"), ("S2_T", "says that there is a problem")],
)
def test_other_statements_are_left_alone(iris: Audit, name: str, reason: str) -> None:
    found = iris.one(CATALOGUE[name])
    assert (found.verdict, found.ratio) == ("not applicable", None)
    assert reason in found.reason


def test_a_condition_that_never_holds(iris: Audit) -> None:
    assert "no setting" in iris.one(statement(when=[eta * L0 > 2])).reason
    assert iris.one(statement(given=[GS(L0, L1), PL(mu), BoundedVariance(sigma)], when=[mu > 2])).verdict != "violated"


@pytest.mark.slow
def test_a_planted_wrong_constant_makes_a_true_statement_fall(iris: Audit) -> None:
    """A deviation a hundred times too small, which no certificate gives, and S3 falls: the audit can see that much."""
    small = Audit(Logistic(load("iris"), Fraction(1)), 1, 0)
    small._settings = {Form(): [(replace(s, deviation=s.deviation / 100), runs) for s, runs in iris.settings(Form())]}
    assert small.one(CATALOGUE["S3"]).verdict == "violated"


def test_engines_that_disagree_say_nothing(iris: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    right = module.run_training

    def wrong(what: Any, replicas: int, **options: Any) -> Any:
        runs = right(what, replicas, **options)
        return runs if options.get("backend") != "torch" else type(runs)(*(v * 1.01 for v in vars(runs).values()))

    monkeypatch.setattr(module, "run_training", wrong)
    found = iris.one(CATALOGUE["planted_d1_off_by_one"])
    assert found.verdict == "undecided"
    assert "disagree" in found.reason


@pytest.mark.slow
def test_a_chance_excess_is_no_violation(iris: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound just below what is measured: the evidence does not suffice, and nothing is called violated."""
    monkeypatch.setattr(module, "_MOST", 64)
    theorem = CATALOGUE["planted_d2_noise_ignored"]
    found = iris.one(theorem)
    assert found.measured is not None
    assert found.bound is not None
    setting = max(
        (s for s, _ in iris.settings(Form()) if allowed(theorem, s) == found.bound), key=lambda s: s.training.steps
    )
    barely = AuditResult("x", "true", "", "", bound=found.measured * 0.9999)
    assert iris.confirm(theorem, setting, barely).verdict in ("undecided", "not violated")


def test_batches_have_less_noise() -> None:
    loss = Logistic(load("iris"), Fraction(1))
    single, four = (next(Audit(loss, k, 0)._propose(Form())) for k in (1, 4))
    assert float(four.deviation) == pytest.approx(float(single.deviation) / 2, rel=1e-5)
    # Where a statement speaks of four samples, sigma is that of each.
    each = next(Audit(loss, 4, 0)._propose(Form(samples=True, per_sample=True)))
    assert (each.deviation, each.training.batch) == (single.deviation, 4)


def test_exit_codes() -> None:
    def result(verdict: str, expect: str = "true") -> AuditResult:
        return AuditResult("x", expect, verdict, "")

    assert exit_code([result("not violated"), result("violated", "refuted")]) == 0
    assert exit_code([result("undecided"), result("not applicable")]) == 3
    assert exit_code([result("undecided"), result("violated")]) == 1
    assert audit_json(AuditResult("x", "true", "violated", "", ratio=float("inf")))["ratio"] is None


def test_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    done: Result = CliRunner().invoke(app, ["audit", "D1_min", "S2", "--data", "iris", "--json"])
    assert done.exit_code == 0, done.output
    first, second = json.loads(done.stdout)
    assert (first["name"], first["verdict"], second["verdict"]) == ("D1_min", "not violated", "not applicable")
    assert 0 < first["measured"] <= first["bound"]
    assert main(["audit", "D1_min", "--data", "iris"]) == 0
    shown = capsys.readouterr().out
    assert "not violated" in shown
    assert "certified: " in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "moons"], "--data: unknown data set 'moons'"),
        (["--regulariser", "-1"], "--regulariser must be a positive rational number, not '-1'"),
        (["--regulariser", "x"], "--regulariser must be a positive rational number, not 'x'"),
        (["--batch", "0"], "--batch must lie between 1 and 4096, not 0"),
    ],
)
def test_bad_input_is_one_line(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "D1", *options]) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1


@pytest.mark.slow
def test_the_whole_catalogue_on_breast_cancer() -> None:
    """No true statement falls on 569 samples in 31 dimensions; S3 without its bias does, by nearly a factor of two."""
    whole = Audit(Logistic(load("breast_cancer"), Fraction(1)), 1, 0)
    found = {r.name: r for r in whole.all(list(CATALOGUE.values()))}
    spoken = [r for r in found.values() if r.verdict != "not applicable"]
    assert len([r for r in spoken if r.expect == "true"]) >= 12
    assert exit_code(list(found.values())) == 0
    assert found["planted_s3_no_bias"].verdict == "violated"
    assert found["planted_s3_no_bias"].ratio == pytest.approx(1.9, abs=0.1)
    assert np.isfinite([r.ratio for r in spoken if r.expect == "true"]).all()

"""Batch and per-sample clipping and added noise on real data; violations as files that are checked from themselves.

Seeds are fixed. A violation of a true statement by bad luck has probability at most 1e-6 for a whole audit.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator, ValidationError

from fuzz.datasets import Dataset, load
from fuzz.logistic import Logistic
from fuzz.training import Training, run_training, training_allowance
from harness import audit as audit_module
from harness.audit import Audit, audit_all
from harness.audit_letters import Form
from harness.audit_record import read_audit, record_of, replay_audit
from harness.cli import main
from harness.finding import FindingError
from harness.schemas import published
from theorems.catalogue import load_catalogue
from theorems.language import F0, AverageGradientNorm, BoundedVariance, T, Theorem, Upper, c, eta, sigma, sqrt
from theorems.language.assumptions import BatchClipping, PerSampleClipping

CATALOGUE = load_catalogue()


@pytest.fixture(autouse=True)
def few_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two thresholds and schedules; runs are the slow part."""
    monkeypatch.setattr(audit_module, "THRESHOLDS", (0.0625, 4.0))
    monkeypatch.setattr(audit_module, "SCHEDULES", ((1.0, 1), (1 / 9, 64)))


@pytest.fixture(scope="module")
def small() -> Logistic:
    """Every fifth flower."""
    return Logistic(Dataset("flowers", load("iris").rows[::5]), Fraction(1))


def without_bias(name: str) -> Theorem:
    """S3 for samples, its bias term forgotten."""
    true = CATALOGUE[name]
    return replace(
        true,
        name="no_bias",
        when=[eta * true.smoothness.L0 <= 1],  # type: ignore[union-attr]
        claim=Upper(AverageGradientNorm, sqrt(F0 / (eta * T)) + F0 / (eta * T * c)),
        proof=(),
        where={},
        special_cases=(),
        expect="refuted",
        falls_by="search",
    )


@pytest.mark.parametrize("name", ["S6", "S3_per_sample", "S4"])
def test_true_statements_about_samples_stand(small: Logistic, name: str) -> None:
    audit = Audit(small, 1, 0)
    found = audit.one(CATALOGUE[name])
    assert found.verdict == "not violated", found.reason
    assert found.ratio is not None
    assert 0.01 < found.ratio <= 1
    assert found.setting["batch"] == 8
    assert found.setting["per_sample"] == (name != "S6")
    assert any("of each of 8 samples" in line for line in found.certificates)
    assert any("added noise" in line for line in found.certificates) == (name == "S4")
    assert audit.violations == []


@pytest.mark.parametrize("name", ["planted_private_noise_forgotten", "planted_private_by_plain"])
def test_added_noise_that_is_forgotten_shows(small: Logistic, name: str) -> None:
    found = Audit(small, 1, 0).one(CATALOGUE[name])
    assert found.verdict == "violated", found.reason
    assert found.ratio is not None
    assert found.ratio > 2


def test_per_sample_clipping_keeps_its_bias_and_batches_have_less(small: Logistic) -> None:
    """Without the bias term per-sample clipping falls, also with 8 samples; the same claim with a deviation that is
    certified a hundred times too small makes a true one fall."""
    audit = Audit(small, 1, 0)
    assert audit.one(without_bias("S3_per_sample")).verdict == "violated"
    form = Form(samples=True, per_sample=True)
    audit._settings = {form: [(replace(s, deviation=s.deviation / 100), runs) for s, runs in audit.settings(form)]}
    assert audit.one(CATALOGUE["S3_per_sample"]).verdict == "violated"


@pytest.mark.parametrize("per_sample", [False, True])
@pytest.mark.parametrize("privacy_scale", [0.0, 0.3])
def test_both_engines_take_the_same_steps(small: Logistic, per_sample: bool, privacy_scale: float) -> None:
    what = Training(small, np.zeros(small.data.dimension), 0.1, 0.2, 40, 4, per_sample, privacy_scale)
    one, other = (run_training(what, 6, backend=b) for b in ("numpy", "torch"))
    allowance = training_allowance(what, AverageGradientNorm)
    assert allowance is not None
    assert np.abs(one.average_gradient_norm - other.average_gradient_norm).max() <= 2 * allowance < 1e-6
    # The two ways of clipping are not the same run.
    turned = run_training(replace(what, per_sample=not per_sample), 6)
    assert np.abs(turned.average_gradient_norm - one.average_gradient_norm).max() > 1e-3


def test_added_noise_has_its_mean_and_variance(small: Logistic) -> None:
    """One step from where the gradient is nearly 0, 20 000 runs: five standard errors, 1e-5 for all coordinates."""
    d, scale = small.data.dimension, 0.25
    what = Training(small, small.minimiser, 1.0, 1.0, 1, 0, False, scale)
    assert what.stochastic
    assert float(what.zeta) == pytest.approx(scale * d**0.5, rel=1e-8)
    assert what.zeta**2 >= d * Fraction(scale) ** 2
    from fuzz.training import _NumPy

    engine = _NumPy(what, 20_000)
    rng = np.random.default_rng(0)
    engine.step([], (rng.random((20_000, d)), rng.random((20_000, d))))
    moved = engine.points - small.minimiser
    assert np.abs(moved.mean(0)).max() < 5 * scale / 20_000**0.5 + 1e-9
    assert (moved**2).sum(1).mean() == pytest.approx(float(what.zeta) ** 2, rel=5 * (2 / d / 20_000) ** 0.5)


# -- records -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def violation(small: Logistic) -> Any:
    """A noisy violation, sealed; one made for the whole module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_module, "THRESHOLDS", (0.0625,))
        patch.setattr(audit_module, "SCHEDULES", ((1 / 9, 64),))
        audit = Audit(small, 2, 0)
        theorem = without_bias("S3_per_sample")
        assert audit.one(theorem).verdict == "violated"
        ((stated, setting, found),) = audit.violations
        return record_of(stated, audit, setting, found)


def test_a_violation_is_checked_from_its_file_alone(violation: Any) -> None:
    record = read_audit(violation.text(), "x.json")
    assert record == violation
    result = replay_audit(record)
    assert result.reproduced, result.lines()
    assert result.again is not None
    assert result.again.measured == record.measured
    assert result.again.look == record.look == 1
    assert result.fresh is not None
    assert result.fresh.measured != record.measured
    # "flowers" is no set that is shipped.
    assert result.shipped is None
    assert result.lines()[-1] == "REPRODUCED"


def test_a_record_meets_its_published_schema(violation: Any) -> None:
    schema = Draft202012Validator(json.loads(published(1, "audit")))
    schema.validate(json.loads(violation.text()))
    with pytest.raises(ValidationError):
        schema.validate({**json.loads(violation.text()), "more": 1})


def resealed(record: Any, **changes: Any) -> str:
    """The same with other content and a hash that fits: somebody who forges a record can do that."""
    from harness.audit_record import _digest

    data = {**json.loads(record.text()), **changes}
    return json.dumps({**data, "sha256": _digest(data)})


def test_a_forged_record_is_not_reproduced(violation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "_MOST", 64)
    monkeypatch.setattr(audit_module, "_TORCH", 1)
    first = replay_audit(read_audit(resealed(violation, measured=violation.measured * 1.01), "x.json"))
    assert not first.reproduced
    # Nor with a bound that the data do not give: the runs are the same, so they need not be made again.
    right = replace(first, record=violation)
    assert right.reproduced
    assert not replace(right, record=violation.model_copy(update={"bound": violation.bound * 0.999})).reproduced
    # A true statement in its place: the runs do not violate it.
    from harness.statement import record_statement

    true = record_statement(CATALOGUE["S3_per_sample"]).model_dump(mode="json")
    assert not replay_audit(read_audit(resealed(violation, statement=true), "x.json")).reproduced


def edited(field: str, value: Any) -> Callable[[Any], str]:
    return lambda record: resealed(record, **{field: value})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda r: r.text().replace('"steps": 64', '"steps": 63'), "field 'sha256': does not match"),
        (lambda r: r.text()[:-20], "not JSON, perhaps truncated"),
        (edited("kind", "finding"), "field 'kind'"),
        (edited("schema_version", 2), "field 'schema_version': 2 is not 1"),
        (edited("rows", [[1, 2], [3, 4]]), "data_sha256: does not belong to these rows"),
        (edited("rows", [[1, 2], [3]]), "rows: they differ in length"),
        (edited("step_size", "1/3"), "step_size: 1/3 is no float"),
        (edited("batch", -1), "batch not negative, not 64 and -1"),
        (edited("per_sample", False), "the statement is about other runs"),
        (edited("privacy_scale", "1/4"), "the statement is about other runs"),
        (edited("steps", "many"), "field 'steps'"),
    ],
)
def test_a_changed_record_is_refused_in_one_line(
    violation: Any, make: Callable[[Any], str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = make(violation)
    with pytest.raises(FindingError) as caught:
        read_audit(text, "x.json")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_did_not_happen_makes_no_record(small: Logistic) -> None:
    audit = Audit(small, 1, 0)
    found = audit.one(CATALOGUE["S6"])
    setting = audit.settings(Form(samples=True))[0][0]
    with pytest.raises(ValueError, match="not of 'not violated'"):
        record_of(CATALOGUE["S6"], audit, setting, found)


def test_command_line_writes_records_and_replays_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without noise, where no chance takes part, and with it."""
    assert main(["audit", "planted_d1_off_by_one", "--data", "iris", "--out", str(tmp_path), "--json"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert shown["verdict"] == "violated"
    assert shown["look"] == 0
    assert main(["replay", shown["record"], "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["reproduced"]
    assert told["data_as_shipped"] is True
    assert told["fresh_status"] is None
    broken = Path(shown["record"])
    broken.write_text(broken.read_text().replace('"batch": 0', '"batch": 1'))
    assert main(["replay", str(broken)]) == 2
    errors = capsys.readouterr().err
    assert "does not match" in errors
    assert errors.count("\n") == 1


def test_nothing_is_written_where_nothing_falls(tmp_path: Path) -> None:
    (found,) = audit_all([CATALOGUE["D1_min"]], "iris", out=tmp_path)
    assert found.record is None
    assert list(tmp_path.iterdir()) == []
    assert not CATALOGUE["D1_min"].has(BatchClipping)
    assert CATALOGUE["S3_per_sample"].has(PerSampleClipping)
    assert sigma in {s for a in CATALOGUE["S6"].given if isinstance(a, BoundedVariance) for s in a.free_symbols}

"""A run retraced by torch says what torch's own run says, and a kernel whose steps are not torch's is not believed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import fuzz.engine.retrace
from fuzz.engine import Batch, Instance, run
from fuzz.engine.retrace import retrace
from theorems.language.quantities import AverageGradientNorm, FinalGap, MinGradientNorm, Quantity

CASES = [
    Instance("quadratic", {"curvature": 1.0}, [3.0, -1.0], 0.125, 0.5, 300),
    Instance("log_cosh", {"curvature": 1.0, "slope": 0.75}, [9.0], 0.5, 0.25, 500),
    Instance("quartic", {"curvature": 0.5, "quartic": 0.25}, [2.0], 0.0625, float("inf"), 400),
]


def measured(batch: Batch, quantity: Quantity, backend: str = "torch") -> float:
    done = run(batch, 1, backend=backend, checkpoints=range(int(batch.steps[0])))
    if quantity == MinGradientNorm:
        return float(done.mean_gradient_norm[0].min())
    return float((done.final_gap if quantity == FinalGap else done.average_gradient_norm)[0, 0])


@pytest.mark.parametrize("instance", CASES, ids=lambda i: i.objective)
@pytest.mark.parametrize("quantity", [AverageGradientNorm, MinGradientNorm, FinalGap], ids=lambda q: q.name)
def test_it_says_what_a_run_says(instance: Instance, quantity: Quantity) -> None:
    batch = Batch.of([instance])
    own = measured(batch, quantity)
    assert retrace(batch, quantity) == pytest.approx(own, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("instance", CASES, ids=lambda i: i.objective)
def test_slices_change_nothing(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = Batch.of([instance])
    whole = [retrace(batch, q) for q in (AverageGradientNorm, MinGradientNorm, FinalGap)]
    monkeypatch.setattr(fuzz.engine.retrace, "_SLICE", 14)
    assert [retrace(batch, q) for q in (AverageGradientNorm, MinGradientNorm, FinalGap)] == whole


def strayed(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Let the compiled kernel's run be another one."""

    def changed(batch: Batch, *arguments: Any, **options: Any) -> Any:
        done = run(batch, *arguments, **options)
        assert done.trajectories is not None
        return replace(done, trajectories=change(batch, done.trajectories.copy()))

    monkeypatch.setattr(fuzz.engine.retrace, "run", changed)


def one_step_off(_: Batch, states: Any) -> Any:
    states[0, 0, 100:] *= 1 + 1e-11
    return states


def not_finite(_: Batch, states: Any) -> Any:
    states[0, 0, -1] = np.inf
    return states


def another_start(_: Batch, states: Any) -> Any:
    return 3 * states


def another_curvature(batch: Batch, _: Any) -> Any:
    steeper = replace(batch, objective_parameters=batch.objective_parameters * (1 + 1e-10))
    return run(steeper, 1, record=1).trajectories


@pytest.mark.parametrize("change", [one_step_off, another_start, another_curvature, not_finite])
def test_a_kernel_that_steps_otherwise_is_not_believed(change: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = Batch.of([replace(CASES[0], clipping_threshold=float("inf"), step_size=1 / 256)])
    assert retrace(batch, FinalGap) is not None
    strayed(monkeypatch, change)
    assert retrace(batch, FinalGap) is None


def test_what_cannot_be_retraced_is_refused() -> None:
    noisy = replace(CASES[0], noise="two_point", noise_parameters={"up": 1.0, "probability": 0.5})
    for batch in (Batch.of([noisy]), Batch.of([CASES[0], CASES[0]])):
        with pytest.raises(ValueError, match="only a single run of clipped SGD without noise"):
            retrace(batch, FinalGap)

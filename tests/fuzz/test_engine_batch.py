"""Batches: validation, splitting without a trace, runs that overflow, and what is imported when."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_engine_agreement import all_pairs

from fuzz.engine import Batch, Instance, cpu, kernels, reference, run

HEAVY = {"scale": 12.0, "degrees": 2.125}
"""Of a Student-t noise that throws some runs of the unclipped quartic out of its basin, where they blow up."""

GOOD = Instance(
    "huber", {"curvature": 1.0, "slope": 2.0}, [1.0, 2.0], 0.1, 1.0, 5, "two_point", {"up": 1.0, "probability": 0.5}
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "instance 1: steps must be at least 1, not 0"),
        ({"steps": 2.5}, "steps must hold integers, not float64"),
        ({"step_size": 0.0}, "instance 1: step_size must be positive and finite, not 0.0"),
        ({"step_size": math.nan}, "step_size must be positive and finite, not nan"),
        ({"step_size": math.inf}, "step_size must be positive and finite, not inf"),
        ({"clipping_threshold": -1.0}, "clipping_threshold must be positive .* not -1.0"),
        ({"clipping_threshold": math.nan}, "clipping_threshold must be positive .* not nan"),
        ({"x0": [1.0]}, "instance 1: x0 has 1 coordinates, instance 0 has 2"),
        ({"x0": [1.0, math.inf]}, "instance 1: x0 must be finite, not inf"),
        ({"objective": "cubic"}, "unknown objective 'cubic'; known: huber"),
        ({"noise": "cauchy"}, "unknown noise 'cauchy'; known: band_two_point"),
        ({"objective_parameters": {"curvature": 1.0}}, r"huber' needs the numbers \['curvature', 'slope'\]"),
        (
            {"objective_parameters": {"curvature": 1.0, "slope": [1.0, -3.0]}},
            "slope must be finite and positive, not -3",
        ),
        ({"objective_parameters": {"curvature": 1.0, "slope": [1.0] * 3}}, "slope must be a number or 2 numbers"),
        (
            {"objective_parameters": {"curvature": "a", "slope": 1.0}},
            "curvature must be a number or 2 numbers, not 'a'",
        ),
        ({"noise_parameters": {"up": 1.0, "probability": 0.3}}, "two_point' needs .*probability = 0.3"),
        ({"noise_parameters": {"up": 1.0, "probability": 1.0}}, "needs probability < 1, not up = 1.0, probability = 1"),
        ({"noise_parameters": {"up": math.nan, "probability": 0.5}}, "up must be finite and real, not nan"),
        (
            {"noise": "gaussian", "noise_parameters": {"scale": -1.0}},
            "noise 'gaussian': scale must be finite and positive, not -1.0",
        ),
        ({"noise": "student_t", "noise_parameters": {"scale": 1.0, "degrees": 2.0}}, "needs degrees > 2"),
        (
            {"noise": "worst_two_point", "noise_parameters": {"sigma": 1.0}, "clipping_threshold": math.inf},
            "needs a finite clipping_threshold, not inf",
        ),
        (
            {
                "objective": "slope_then_bowl",
                "objective_parameters": {"curvature": 1.0, "slope": 1.0, "start": 0.5, "steep": 2.0},
            },
            "needs start >= slope/curvature, not",
        ),
    ],
)
def test_bad_instances_are_echoed(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Batch.of([GOOD, replace(GOOD, **change)])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"algorithm": "adam"}, "unknown algorithm 'adam'"),
        ({"samples": 2}, "takes 1 sample per step, not 2"),
        ({"algorithm": "batch_clipping", "samples": 0}, "samples must be an int between 1 and 4096, not 0"),
        ({"algorithm": "dp_sgd", "samples": 2.0}, "samples must be an int between 1 and 4096, not 2.0"),
        ({"algorithm": "dp_sgd", "samples": 4097}, "samples must be an int between 1 and 4096, not 4097"),
        (
            {"algorithm": "dp_sgd", "privacy_deviation": np.array([-1.0])},
            "instance 0: privacy_deviation must be nonnegative and finite, not -1.0",
        ),
        (
            {"algorithm": "dp_sgd", "privacy_deviation": np.array([math.nan])},
            "instance 0: privacy_deviation must be nonnegative and finite, not nan",
        ),
        ({"algorithm": "dp_sgd", "privacy_deviation": np.ones(2)}, "privacy_deviation has 2 entries for 1 instances"),
        ({"privacy_deviation": np.ones(1)}, "privacy_deviation must be 0 for clipped_sgd, not 1.0"),
        ({"seed": 1.5}, "seed must be an int, not 1.5"),
        ({"purpose": ""}, "purpose must be a non-empty string"),
        ({"step_size": np.ones(3)}, "step_size has 3 entries for 1 instances"),
        ({"objective_parameters": np.ones((1, 2, 3))}, r"objective_parameters has shape \(1, 2, 3\)"),
        ({"objective_parameters": np.ones((1, 1, 2))}, "objective 'huber' has 2 numbers, 1 are given"),
        ({"x0": np.ones(2)}, "x0 must have 2 axes"),
        ({"x0": np.ones((0, 2))}, "needs an instance"),
    ],
)
def test_bad_arrays_are_echoed(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(Batch.of([GOOD]), **change)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"replicas": 0}, "replicas must be at least 1, not 0"),
        ({"replicas": 2.5}, "replicas must be an int, not 2.5"),
        ({"backend": "abacus"}, "unknown backend 'abacus'; known: cpu, gpu, reference, torch"),
        ({"dtype": "float16"}, "dtype must be float64 or float32, not 'float16'"),
        ({"groups": 3}, "groups must divide the 4 replicas, not 3"),
        ({"record": 5}, "record must lie between 0 and the 4 replicas, not 5"),
        ({"first_replica": 2**32 - 1}, "first_replica is 4294967295"),
        ({"checkpoints": [0, 5]}, r"within \[0, 5\), not \[0, 5\]"),
        ({"checkpoints": [1, 1]}, "must increase"),
        ({"checkpoints": []}, "list of integers"),
    ],
)
def test_bad_options_are_echoed(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(Batch.of([GOOD]), **{"replicas": 4, "backend": "reference", **options})


@pytest.mark.parametrize("backend", ["cpu", "gpu", "reference", "torch"])
def test_every_backend_refuses_no_replicas(backend: str) -> None:
    with pytest.raises(ValueError, match=r"^replicas must be at least 1, not 0$"):
        run(Batch.of([GOOD]), 0, backend=backend)


def test_out_of_memory_is_one_line_with_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(batch: Batch, plan: object) -> None:
        raise MemoryError("Unable to allocate 1.00 TiB")

    monkeypatch.setattr(reference, "run", no_memory)
    message = r"^backend 'reference' has not the memory for 1 instances x 9 replicas, 0 recorded: Unable .* TiB$"
    with pytest.raises(MemoryError, match=message):
        run(Batch.of([GOOD]), 9, backend="reference")


def test_arrays_are_copied_and_read_only() -> None:
    batch = Batch.of([GOOD])
    with pytest.raises(ValueError, match="read-only"):
        batch.x0[0, 0] = 1.0


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.slow
@pytest.mark.parametrize("dimension", [1, 3])
def test_splitting_leaves_no_trace(backend: str, dimension: int) -> None:
    """Any split by instance and by replica range gives the same trajectories, bit by bit."""
    whole = all_pairs(dimension, 11)
    together = run(whole, 300, backend=backend, record=300)
    assert together.trajectories is not None
    rows = [0, 5, 13, 20, 27, 34]
    for first, count in ((0, 1), (1, 127), (128, 172)):
        part = run(whole.take(rows), count, backend=backend, first_replica=first, record=count)
        block = slice(first, first + count)
        assert np.array_equal(part.trajectories, together.trajectories[rows, block])
        assert np.array_equal(part.average_gradient_norm, together.average_gradient_norm[rows, block])
        assert np.array_equal(part.final_gap, together.final_gap[rows, block])


@pytest.mark.parametrize("backend", ["cpu", "reference", "torch"])
@pytest.mark.parametrize(("replicas", "groups"), [(300, 1), (300, 2), (300, 150), (64, 64), (520, 4)])
def test_group_means_are_means_of_groups(backend: str, replicas: int, groups: int) -> None:
    batch = Batch.of([GOOD, replace(GOOD, steps=3)])
    result = run(batch, replicas, backend=backend, groups=groups, record=replicas)
    assert result.trajectories is not None
    assert result.group_means is not None
    norms = np.linalg.norm(np.clip(result.trajectories[:, :, :-1], -2.0, 2.0), axis=-1)
    expected = norms.reshape(2, groups, -1, 5).mean(2)
    expected[1, :, 3:] = np.nan
    np.testing.assert_allclose(result.group_means, expected, rtol=1e-12)
    np.testing.assert_allclose(result.mean_gradient_norm, expected.mean(1), rtol=1e-12)
    np.testing.assert_allclose(
        result.standard_error()[0], norms[0].std(0, ddof=1) / math.sqrt(replicas), rtol=1e-9, atol=1e-7
    )


@pytest.mark.parametrize("backend", ["cpu", "reference", "torch"])
def test_shorter_instances_end_by_themselves(backend: str) -> None:
    batch = Batch.of([replace(GOOD, steps=s) for s in (7, 3)], instance_ids=[4, 4])
    result = run(batch, 5, backend=backend, record=5)
    assert result.trajectories is not None
    assert np.array_equal(result.trajectories[0, :, :4], result.trajectories[1, :, :4])
    assert np.isnan(result.trajectories[1, :, 4:]).all()
    assert np.isnan(result.mean_gradient_norm[1, 3:]).all()
    np.testing.assert_allclose(result.average_gradient_norm[1], run(batch.take([1]), 5).average_gradient_norm[0])


def test_default_checkpoints() -> None:
    batch = Batch.of([replace(GOOD, steps=s) for s in (5, 256)])
    assert run(batch, 1).checkpoints.tolist() == list(range(256))
    steps = run(Batch.of([replace(GOOD, steps=10000)]), 1).checkpoints
    assert steps[0] == 0
    assert steps[-1] == 9999
    assert 40 < len(steps) <= 64


def test_purposes_have_streams_of_their_own() -> None:
    batch = Batch.of([GOOD])
    search, confirm = (run(replace(batch, purpose=p), 8).final_gap for p in ("search", "confirm"))
    assert not np.array_equal(search, confirm)


@pytest.mark.parametrize("backend", ["cpu", "reference", "torch"])
def test_a_run_that_overflows_is_invalid_and_spoils_no_other(backend: str) -> None:
    """A heavy-tailed noise throws some runs of the unclipped quartic out of its basin, where they blow up."""
    wild = Instance("quartic", {"curvature": 1.0, "quartic": 1.0}, [0.1, 0.1], 0.125, math.inf, 30, "student_t", HEAVY)
    tame = replace(wild, clipping_threshold=1.0)
    result = run(Batch.of([wild, tame], seed=2), 64, backend=backend)
    assert 0 < result.valid[0].sum() < 64
    assert result.valid[1].all()
    for values in (result.average_gradient_norm, result.final_gap):
        assert np.array_equal(np.isfinite(values), result.valid)
    # Means are over valid runs at every checkpoint, those before the overflow included.
    assert np.isfinite(result.mean_gradient_norm).all()
    assert result.mean_gradient_norm[0].mean() == pytest.approx(result.average_gradient_norm[0, result.valid[0]].mean())
    # A valid neighbour is what it is alone.
    lucky = int(np.flatnonzero(result.valid[0])[-1])
    alone = run(Batch.of([wild], seed=2), 1, backend=backend, first_replica=lucky)
    np.testing.assert_allclose(alone.final_gap[0, 0], result.final_gap[0, lucky], rtol=1e-9)
    assert np.array_equal(result.valid, run(Batch.of([wild, tame], seed=2), 64, backend="reference").valid)


@pytest.mark.parametrize("groups", [None, 2, 7])
def test_sums_leave_out_the_invalid_runs_of_every_block(groups: int | None) -> None:
    """700 runs are three blocks of lanes; each has invalid runs, in places of their own."""
    wild = Instance("quartic", {"curvature": 1.0, "quartic": 1.0}, [0.1, 0.1], 0.125, math.inf, 9, "student_t", HEAVY)
    batch = Batch.of([wild, replace(wild, steps=6)], seed=2)
    ours, theirs = (run(batch, 700, backend=name, groups=groups) for name in ("cpu", "reference"))
    assert np.array_equal(ours.valid, theirs.valid)
    assert cpu.breadth(batch.dimension) == 256
    for first in (0, 256, 512):
        assert not ours.valid[0, first : first + 256].all()
        assert ours.valid[0, first : first + 256].any()
    for name in ("mean_gradient_norm", "sum_sq", "group_means"):
        if getattr(theirs, name) is not None:
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("backend", ["cpu", "reference", "torch"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_clipping_does_not_hide_what_is_not_finite(backend: str, dtype: str) -> None:
    if backend == "torch" and dtype == "float32":
        return
    far = 1e200 if dtype == "float64" else 1e20
    huge = 1e308 if dtype == "float64" else 1e38
    batch = Batch.of(
        [
            # The gradient overflows, and clipping would make it a step of length c.
            Instance("quartic", {"curvature": 1.0, "quartic": 1.0}, [far], 0.1, 1.0, 3),
            # The state overflows, where the gradient is still finite.
            Instance("huber", {"curvature": 1.0, "slope": 4.0}, [1.0], huge, 9.0, 3),
            # The value alone overflows in double precision.
            Instance("quartic", {"curvature": 1.0, "quartic": 1.0}, [1e90], 0.1, 1.0, 3),
            Instance("quadratic", {"curvature": 1.0}, [1.0], 0.1, 1.0, 3),
        ]
    )
    result = run(batch, 2, backend=backend, dtype=dtype)
    assert result.valid.tolist() == [[False] * 2] * 3 + [[True] * 2]
    assert np.isnan(result.mean_gradient_norm[:3]).all()
    assert np.isfinite(result.mean_gradient_norm[3]).all()


def test_importing_the_engine_is_light() -> None:
    code = "import sys, fuzz.engine; print([m for m in ('torch', 'numba', 'z3', 'hypothesis') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.parametrize("dimension", [1, 3])
def test_nothing_is_kept_of_steps_that_are_over(dimension: int) -> None:
    """The peak of a process that runs 64 million steps, of which each would have 8 bytes a coordinate, is that of short
    runs; with ``record`` the states that were asked for are there."""
    code = f"""
from pathlib import Path
from fuzz.engine import Batch, Instance, run
def batch(steps):
    noise = "two_point", {{"up": 1.0, "probability": 0.5}}
    return Batch.of([Instance("quadratic", {{"curvature": 1.0}}, [1.0] * {dimension}, 0.1, 1.0, steps, *noise)])
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
run(batch(100), 2048, record=1)
short = peak()
run(batch(31_250), 2048, record=1)
long = peak()
kept = run(batch(31_250), 2048, record=256).trajectories.nbytes
print(long - short, peak() - long, kept)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    growth, recorded, kept = map(int, done.stdout.split())
    # In KiB, of the process alone: ``ru_maxrss`` would begin at the size of the one that started it.
    assert growth < 8192
    assert kept == 256 * 31_251 * dimension * 8
    assert recorded > kept / 1024 / 2


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("dimension", [1, 2])
def test_the_module_of_few_families_gives_the_same_runs(
    dimension: int, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit by bit: otherwise a run would depend on the company it keeps in a batch."""
    every = all_pairs(dimension)
    known = zip(every.objectives, every.noises, strict=True)
    rows = [k for k, (o, n) in enumerate(known) if o in kernels.FEW_OBJECTIVES and n in kernels.FEW_NOISES]
    batch = every.take(rows)
    assert len(batch) == len(kernels.FEW_OBJECTIVES) * len(kernels.FEW_NOISES)
    first = run(batch, 40, dtype=dtype, record=3)
    few = kernels.load(dtype, kernels.FEW_OBJECTIVES, kernels.FEW_NOISES).module
    monkeypatch.setattr(kernels, "FEW_OBJECTIVES", frozenset())
    assert kernels.load(dtype, ["quadratic"], ["none"]).module is not few
    second = run(batch, 40, dtype=dtype, record=3)
    for name in ("average_gradient_norm", "final_gap", "valid", "mean_gradient_norm", "trajectories"):
        assert np.array_equal(getattr(first, name), getattr(second, name), equal_nan=name != "valid"), name

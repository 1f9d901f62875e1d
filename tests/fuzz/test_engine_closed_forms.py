"""Engines against what is known in closed form. Random tests state their false-alarm rate; the seeds are fixed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fuzz.engine import Batch, Instance, run
from theorems.language.functions import NOISES

backends = pytest.mark.parametrize("backend", ["cpu", "reference", "torch"])


@backends
def test_unclipped_quadratic_contracts(backend: str) -> None:
    """``x_t = (1 - eta L)^t x_0``, coordinate by coordinate."""
    curvature, start = np.array([1.0, 0.5, 2.0]), np.array([3.0, -4.0, 1.0])
    batch = Batch.of([Instance("quadratic", {"curvature": curvature.tolist()}, start.tolist(), 0.25, math.inf, 60)])
    result = run(batch, 2, backend=backend, record=2)
    assert result.trajectories is not None
    expected = (1 - 0.25 * curvature) ** np.arange(61)[:, None] * start
    for replica in range(2):
        np.testing.assert_allclose(result.trajectories[0, replica], expected, rtol=1e-13)
    norms = np.linalg.norm(curvature * expected[:-1], axis=1)
    np.testing.assert_allclose(result.average_gradient_norm[0], norms.mean(), rtol=1e-13)
    np.testing.assert_allclose(result.mean_gradient_norm[0], norms, rtol=1e-13)
    np.testing.assert_allclose(result.sum_sq[0], 2 * norms**2, rtol=1e-13)
    np.testing.assert_allclose(result.final_gap[0], (curvature * expected[-1] ** 2 / 2).sum(), rtol=1e-13)


@backends
def test_clipped_steps_on_a_slope_have_length_step_size_times_threshold(backend: str) -> None:
    """Huber beyond its bend: every step is ``eta min(a, c)``; numbers are dyadic, hence exact."""
    slopes = [0.5, 1.0, 2.0]
    batch = Batch.of([Instance("huber", {"curvature": 1.0, "slope": a}, [-100.0], 0.125, 1.0, 64) for a in slopes])
    result = run(batch, 3, backend=backend, record=1)
    assert result.trajectories is not None
    for row, slope in enumerate(slopes):
        expected = -100.0 + 0.125 * min(slope, 1.0) * np.arange(65)
        assert np.array_equal(result.trajectories[row, 0, :, 0], expected)
        assert (result.average_gradient_norm[row] == slope).all()
        assert result.final_gap[row, 0] == pytest.approx(slope * abs(expected[-1]) - slope**2 / 2)


@pytest.mark.parametrize(
    ("backend", "dtype"),
    [("cpu", "float64"), ("cpu", "float32"), ("reference", "float64"), ("reference", "float32"), ("torch", "float64")],
)
def test_clipping_at_zero_and_at_the_threshold(backend: str, dtype: str) -> None:
    """``clip_c(0) = 0``; a gradient of norm exactly c is not changed; a longer one gets norm c."""
    batch = Batch.of(
        [
            Instance("quadratic", {"curvature": 1.0}, start, 1.0, 5.0, 1)
            for start in ([0.0, 0.0], [3.0, 4.0], [6.0, 8.0], [-3.0, 0.0])
        ]
    )
    result = run(batch, 1, backend=backend, dtype=dtype, record=1)
    assert result.trajectories is not None
    assert result.valid.all()
    assert np.array_equal(result.trajectories[:, 0, 1], [[0, 0], [0, 0], [3, 4], [0, 0]])


@backends
def test_stays_at_the_minimum(backend: str) -> None:
    families = {
        "quadratic": {"curvature": 1.0},
        "huber": {"curvature": 1.0, "slope": 1.0},
        "slope_then_bowl": {"curvature": 1.0, "slope": 1.0, "start": 2.0, "steep": 3.0},
        "log_cosh": {"curvature": 1.0, "slope": 1.0},
        "quartic": {"curvature": 1.0, "quartic": 1.0},
    }
    for threshold in (1.0, math.inf):
        batch = Batch.of([Instance(n, p, [0.0, 0.0], 0.5, threshold, 5) for n, p in families.items()])
        result = run(batch, 2, backend=backend)
        assert result.valid.all()
        assert (result.average_gradient_norm == 0).all()
        assert (result.final_gap == 0).all()


@pytest.mark.parametrize(("threshold", "deviation", "bias"), [(1.0, 1.0, 0.25), (1.0, 2.0, 1.0), (0.5, 0.8, 0.32)])
def test_worst_noise_keeps_the_gradient_norm_at_the_bias(threshold: float, deviation: float, bias: float) -> None:
    """S2-T: from ``|grad f| = B*`` the expected gradient norm never falls below B*.

    The mean over the last of 400 steps is 5 standard errors below with probability under 3e-7, three cases: 1e-6.
    """
    batch = Batch.of(
        [
            Instance(
                "quadratic", {"curvature": 1.0}, [bias], 0.1, threshold, 400, "worst_two_point", {"sigma": deviation}
            )
        ]
    )
    result = run(batch, 20000, checkpoints=[0, 399])
    assert result.mean_gradient_norm[0, 0] == pytest.approx(bias)
    assert result.mean_gradient_norm[0, 1] > bias - 5 * result.standard_error()[0, 1]
    # The bound is nearly attained: the step size costs the rest.
    assert result.average_gradient_norm.mean() < 1.3 * bias


def test_bowl_after_a_long_slope_nearly_attains_the_deterministic_bound() -> None:
    """D1's witness for Q <= c^2/4: measured over bound tends to ``sqrt(1 - theta/2)``."""
    slope, curvature, step_size, threshold, steps = 0.25, 1.0, 0.5, 1.0, 20000
    start = slope / curvature + step_size * slope * steps
    batch = Batch.of(
        [
            Instance(
                "slope_then_bowl",
                {"curvature": curvature, "slope": slope, "start": 2 * start, "steep": slope},
                [start],
                step_size,
                threshold,
                steps,
            )
        ]
    )
    theta = step_size * curvature
    gap = slope * start - slope**2 / (2 * curvature)
    bound = math.sqrt(gap / ((1 - theta / 2) * step_size * steps))
    measured = run(batch, 1).average_gradient_norm[0, 0]
    assert measured <= bound
    assert measured / bound == pytest.approx(math.sqrt(1 - theta / 2), rel=1e-3)


@pytest.mark.parametrize("noise", [n for n in NOISES.values() if n.words and not n.oracle], ids=lambda n: n.name)
def test_noise_has_mean_zero_and_its_variance_in_every_coordinate(noise: object) -> None:
    """One unclipped step on a flat stretch shows the noise itself: 2^17 draws in each of 3 coordinates.

    Means and correlations within 5.5 standard errors (4e-8 each by the normal limit, 6 per law), variances within 5%
    (over 6 standard errors for the heaviest tail here, Student with 12 degrees): together below 1e-6.
    """
    from theorems.language.functions import Noise

    assert isinstance(noise, Noise)
    scales = np.array([0.5, 1.0, 2.0])
    numbers: dict[str, object] = {
        "two_point": {"up": scales.tolist(), "probability": 0.25},
        "student_t": {"scale": scales.tolist(), "degrees": 12.0},
        "skewed_exponential": {"scale": (-scales).tolist()},
    }.get(noise.name, {"scale": scales.tolist()})
    variance = scales**2 / 3 if noise.name == "two_point" else scales**2
    replicas = 2**17
    batch = Batch.of(
        [Instance("huber", {"curvature": 1.0, "slope": 1.0}, [9.0] * 3, 1.0, math.inf, 1, noise.name, numbers)],  # type: ignore[arg-type]
        seed=11,
    )
    result = run(batch, replicas, record=replicas)
    assert result.trajectories is not None
    drawn = 8.0 - result.trajectories[0, :, 1]
    assert (np.abs(drawn.mean(0)) < 5.5 * np.sqrt(variance / replicas)).all()
    np.testing.assert_allclose(drawn.var(0), variance, rtol=0.05)
    correlation = np.corrcoef(drawn.T)
    assert np.abs(correlation[np.triu_indices(3, 1)]).max() < 5.5 / math.sqrt(replicas)
    # The skew is on the side that the sign of the scale says.
    if noise.name == "skewed_exponential":
        assert ((drawn**3).mean(0) < 0).all()

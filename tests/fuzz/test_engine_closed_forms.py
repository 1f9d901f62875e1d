"""Engines against what is known in closed form. Random tests state their false-alarm rate; the seeds are fixed."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np
import pytest
import sympy as sp

from fuzz.engine import Batch, Instance, run
from fuzz.finite import engine_numbers
from fuzz.problem import FiniteLaw
from theorems.language.noises import NOISES
from theorems.language.parameters import c, m

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


SCALES = np.array([0.5, 1.0, 2.0])
DRAWN: dict[str, tuple[dict[str, object], object]] = {
    # Numbers, and the variance in units of the squared scale. Fourth moments are finite, so that variances settle.
    "two_point": ({"up": SCALES.tolist(), "probability": 0.25}, 1 / 3),
    "symmetric_two_point": ({"scale": SCALES.tolist()}, 1.0),
    "gaussian": ({"scale": SCALES.tolist()}, 1.0),
    "student_t": ({"scale": SCALES.tolist(), "degrees": 12.0}, 1.0),
    "laplace": ({"scale": SCALES.tolist()}, 1.0),
    "skewed_exponential": ({"scale": (-SCALES).tolist()}, 1.0),
    "chi_square": ({"scale": (-SCALES).tolist()}, 1.0),
    "symmetric_chi_square": ({"scale": SCALES.tolist()}, 1.0),
    "pareto": ({"scale": (-SCALES).tolist(), "index": 12.0}, 1.0),
    "symmetric_pareto": ({"scale": SCALES.tolist(), "index": 12.0}, 1.0),
    "contaminated_gaussian": (
        {"scale": SCALES.tolist(), "wide": (3 * SCALES).tolist(), "probability": 0.25},
        0.75 + 9 * 0.25,
    ),
    "rare_exponential": ({"up": (-SCALES).tolist(), "probability": 0.25}, 0.25 * 1.75 / 0.75),
    # The gradient's norm is sqrt(3) here: a half of the size.
    "vanishing_gaussian": ({"scale": SCALES.tolist(), "reach": 2 * math.sqrt(3)}, 0.25),
}
REPLICAS = 2**17
DEVIATIONS = 5.5


def one_step(noise: str, numbers: object, dtype: str = "float64") -> object:
    """The noise itself, [replicas, 3]: one unclipped step on a flat stretch of gradient (1, 1, 1)."""
    batch = Batch.of(
        [Instance("huber", {"curvature": 1.0, "slope": 1.0}, [9.0] * 3, 1.0, math.inf, 1, noise, numbers)],  # type: ignore[arg-type]
        seed=11,
    )
    result = run(batch, REPLICAS, record=REPLICAS, dtype=dtype)
    assert result.trajectories is not None
    return 8.0 - result.trajectories[0, :, 1]


def assert_moments(drawn: object, variance: object) -> None:
    """Means within 5.5 standard errors, variances within 5.5 of theirs (from fourth moments) and one per cent."""
    drawn = np.asarray(drawn)
    assert (np.abs(drawn.mean(0)) < DEVIATIONS * np.sqrt(variance / REPLICAS)).all()
    fourth = np.sqrt((drawn**4).mean(0) / REPLICAS)
    assert (np.abs((drawn**2).mean(0) - variance) < DEVIATIONS * fourth + 0.01 * np.asarray(variance)).all()


def test_every_law_of_coordinates_is_drawn_here() -> None:
    assert set(DRAWN) == {n.name for n in NOISES.values() if n.words and n.each}


@pytest.mark.parametrize("name", list(DRAWN))
def test_noise_has_mean_zero_and_its_variance_in_every_coordinate(name: str) -> None:
    """2^17 draws in each of 3 coordinates.

    Means, variances and correlations within 5.5 standard errors: 4e-8 each by the normal limit, 9 per law, 13 laws:
    together below 5e-6.
    """
    numbers, size = DRAWN[name]
    drawn = np.asarray(one_step(name, numbers))
    assert_moments(drawn, size * SCALES**2)  # type: ignore[operator]
    correlation = np.corrcoef(drawn.T)
    assert np.abs(correlation[np.triu_indices(3, 1)]).max() < DEVIATIONS / math.sqrt(REPLICAS)
    # The skew is on the side that the sign says.
    if name in ("skewed_exponential", "chi_square", "pareto", "rare_exponential"):
        assert ((drawn**3).mean(0) < 0).all()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_normal_coordinates_are_independent_also_in_pairs(dtype: str) -> None:
    """Coordinates 0 and 1 share a draw, 1 and 2 do not: their joint law in 8 by 8 cells of equal chance, by chi-square
    of 63 degrees. It exceeds ``63 + 2 sqrt(63 t) + 2 t`` with probability below ``e^-t`` (Laurent and Massart, 2000);
    t = 20, six times: below 2e-8."""
    drawn = np.asarray(one_step("gaussian", {"scale": SCALES.tolist()}, dtype)) / SCALES
    edges = [statistics.NormalDist().inv_cdf(k / 8) for k in range(1, 8)]
    cells = np.digitize(drawn, edges)
    limit = 63 + 2 * math.sqrt(63 * 20) + 2 * 20
    for a, b in ((0, 1), (1, 2), (0, 2)):
        assert chi_square(cells[:, a], cells[:, b]) < limit
    # The same angle twice; and one radius with two angles that have nothing to do with each other.
    assert chi_square(cells[:, 0], cells[:, 0]) > limit
    draw = np.random.default_rng(1)
    radius = np.sqrt(-2 * np.log1p(-draw.random(REPLICAS)))
    poor = np.digitize(radius * np.cos(2 * np.pi * draw.random((2, REPLICAS))), edges)
    assert chi_square(poor[0], poor[1]) > limit


def chi_square(one: Any, other: Any) -> float:
    counts = np.bincount(8 * one + other, minlength=64)
    return float(((counts - REPLICAS / 64) ** 2 / (REPLICAS / 64)).sum())


@pytest.mark.parametrize(("factor", "shift"), [(1.03, 0.0), (1.0, 0.02)])
def test_a_wrong_variance_or_centre_is_caught(factor: float, shift: float) -> None:
    numbers, _ = DRAWN["laplace"]
    drawn = np.asarray(one_step("laplace", numbers))
    with pytest.raises(AssertionError):
        assert_moments(factor * drawn + shift, SCALES**2)


ATOMS = ((0.125, (2.0, -1.0, 0.0)), (0.5, (-1.0, 0.5, 0.25)), (0.375, (2 / 3, -1 / 3, -1 / 3)))


def test_a_finite_law_draws_whole_vectors_with_its_probabilities() -> None:
    """Every draw is an atom; frequencies within 5.5 standard errors: 3 x 4e-8. One word serves all coordinates."""
    law = FiniteLaw(
        tuple(
            (sp.Rational(*p.as_integer_ratio()), tuple(sp.Rational(*e.as_integer_ratio()) for e in v)) for p, v in ATOMS
        )
    )
    drawn = np.asarray(one_step("finite", engine_numbers(law)))
    seen = 0
    for p, vector in ATOMS:
        share = np.isclose(drawn, vector, rtol=0, atol=1e-12).all(1).mean()
        assert abs(share - p) < DEVIATIONS * math.sqrt(p * (1 - p) / REPLICAS)
        seen += share
    assert seen == 1.0
    assert np.corrcoef(drawn.T)[0, 1] < -0.99


@pytest.mark.parametrize(
    ("name", "extra", "there"),
    [
        ("gradient_two_point", {}, True),
        ("band_two_point", {"low": 1.7, "high": 1.8}, True),
        ("band_two_point", {"low": 1.74, "high": 9.0}, False),
        ("band_two_point", {"low": 0.0, "high": 1.73}, False),
    ],
)
def test_two_points_along_the_gradient(name: str, extra: dict[str, float], there: bool) -> None:
    """Of norm sqrt(3) here: noise inside the band alone, along (1, 1, 1), with its mean and variance."""
    drawn = np.asarray(one_step(name, {"up": 2.0, "probability": 0.125, **extra}))
    if not there:
        assert np.abs(drawn).max() < 1e-14
        return
    along = drawn.sum(1) / math.sqrt(3)
    np.testing.assert_allclose(drawn, np.repeat(along[:, None], 3, 1) / math.sqrt(3), atol=1e-12)
    assert_moments(along[:, None], np.array([4.0 * 0.125 / 0.875]))


def test_worst_two_points_come_with_their_probabilities() -> None:
    """At gradient norm sqrt(3), c = sigma = 1: the upper atom is clipped, the lower is not and shows itself.

    Its share within 5.5 standard errors: 4e-8. Mean and variance are those of the atoms, hence known.
    """
    batch = Batch.of(
        [Instance("huber", {"curvature": 1.0, "slope": 1.0}, [9.0] * 3, 1.0, 1.0, 1, "worst_two_point", {"sigma": 1.0})]
    )
    result = run(batch, REPLICAS, record=REPLICAS)
    assert result.trajectories is not None
    moved = (9.0 - result.trajectories[0, :, 1]).sum(1) / math.sqrt(3)
    law = NOISES["worst_two_point"]
    at = {m: sp.sqrt(3), c: 1, law.parameters[0]: 1}
    assert law.atoms is not None
    (_, upper), (share, lower) = [tuple(float(e.subs(at)) for e in atom) for atom in law.atoms]
    assert (1 - share) * upper + share * lower == pytest.approx(0, abs=1e-12)
    assert (1 - share) * upper**2 + share * lower**2 == pytest.approx(1)
    low = moved < 0.5
    assert np.abs(moved[low] - (math.sqrt(3) + lower)).max() < 1e-12
    assert np.abs(moved[~low] - 1).max() < 1e-12
    assert abs(low.mean() - share) < DEVIATIONS * math.sqrt(share * (1 - share) / REPLICAS)

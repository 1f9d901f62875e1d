"""Mini-batches: every algorithm on every engine, against the others, and against closed forms.

Seeds are fixed; random tests state their false-alarm rate.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from test_engine_agreement import all_pairs, assert_engines_agree

from fuzz.engine import Batch, Instance, run
from fuzz.engine.batch import ALGORITHMS

BACKENDS = ("cpu", "reference", "torch")
backends = pytest.mark.parametrize("backend", BACKENDS)
# Every pair of families on torch takes seconds; clipped SGD and one noisy slope show at once that torch agrees.
all_backends = pytest.mark.parametrize(
    "backend", [pytest.param(b, marks=pytest.mark.slow) if b == "torch" else b for b in BACKENDS]
)
SEVERAL = [a for a in ALGORITHMS if a != "clipped_sgd"]


def with_algorithm(batch: Batch, algorithm: str, samples: int) -> Batch:
    """The same instances; with dp_sgd each has a zeta of its own."""
    zeta = 0.1 * (1.0 + np.arange(len(batch))) if algorithm == "dp_sgd" else np.zeros(0)
    return replace(batch, algorithm=algorithm, samples=samples, privacy_deviation=zeta)


def noisy_slope(
    algorithm: str, samples: int, threshold: float, *, zeta: float = 0.0, dimension: int = 1, noise: str = "gaussian"
) -> Batch:
    """One step of size 1 from the flat slope of gradient 1 in each coordinate: ``9 - x_1`` is what was subtracted."""
    return Batch.of(
        [
            Instance(
                "huber",
                {"curvature": 1.0, "slope": 1.0},
                [9.0] * dimension,
                1.0,
                threshold,
                1,
                noise,
                {"scale": 2.0} if noise != "none" else {},
                privacy_deviation=zeta,
            )
        ],
        seed=7,
        algorithm=algorithm,
        samples=samples,
    )


def subtracted(batch: Batch, replicas: int, backend: str = "cpu") -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """What the first step subtracts, [R, d]."""
    result = run(batch, replicas, backend=backend, record=replicas)
    assert result.trajectories is not None
    return 9.0 - result.trajectories[0, :, 1]


@all_backends
@pytest.mark.parametrize("dimension", [1, 3])
@pytest.mark.parametrize("algorithm", SEVERAL)
def test_engines_agree(backend: str, dimension: int, algorithm: str) -> None:
    if backend != "reference":
        assert_engines_agree("reference", backend, with_algorithm(all_pairs(dimension, 14), algorithm, 3), replicas=12)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@all_backends
@pytest.mark.parametrize("dimension", [1, 3])
def test_one_sample_is_clipped_sgd_bit_for_bit(backend: str, dimension: int, dtype: str) -> None:
    if backend == "torch" and dtype == "float32":
        return
    single = all_pairs(dimension, 9)
    expected = run(single, 9, backend=backend, dtype=dtype, record=9).trajectories
    for algorithm in SEVERAL:
        batch = replace(single, algorithm=algorithm)
        assert np.array_equal(run(batch, 9, backend=backend, dtype=dtype, record=9).trajectories, expected)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("algorithm", SEVERAL)
@pytest.mark.parametrize("dimension", [1, 3])
def test_splitting_leaves_no_trace(backend: str, algorithm: str, dimension: int) -> None:
    whole = with_algorithm(all_pairs(dimension, 6), algorithm, 3)
    together = run(whole, 200, backend=backend, record=200).trajectories
    assert together is not None
    rows = [0, 5, 13, 34]
    for first, count in ((0, 1), (1, 127), (128, 72)):
        part = run(whole.take(rows), count, backend=backend, first_replica=first, record=count)
        assert np.array_equal(part.trajectories, together[rows, first : first + count])


@pytest.mark.parametrize("algorithm", SEVERAL)
def test_single_precision_stays_near_double(algorithm: str) -> None:
    """As for clipped SGD: 1e-4 of the norms, no oracle."""
    whole = with_algorithm(all_pairs(3, 14), algorithm, 3)
    batch = whole.take([i for i, n in enumerate(whole.noises) if n != "worst_two_point"])
    double = run(batch, 32, backend="reference").average_gradient_norm
    for backend in ("reference", "cpu"):
        single = run(batch, 32, backend=backend, dtype="float32").average_gradient_norm
        np.testing.assert_allclose(single, double, rtol=1e-4)


@all_backends
def test_unclipped_batch_clipping_and_per_sample_clipping_are_one(backend: str) -> None:
    """``c = inf``: both are mini-batch SGD."""
    whole = all_pairs(3, 9)
    rows = [i for i, n in enumerate(whole.noises) if n != "worst_two_point"]
    batch = replace(whole.take(rows), clipping_threshold=np.full(len(rows), math.inf), samples=4, algorithm=SEVERAL[0])
    one = run(batch, 6, backend=backend, record=6)
    other = run(replace(batch, algorithm=SEVERAL[1]), 6, backend=backend, record=6)
    np.testing.assert_allclose(one.trajectories, other.trajectories, rtol=1e-12, atol=1e-12)


@backends
def test_samples_are_those_of_other_streams(backend: str) -> None:
    """The mean of n samples is the mean of what n single-sample runs would see, and the order of operations shows."""
    batch = noisy_slope("batch_clipping", 5, math.inf, dimension=3)
    mean = subtracted(batch, 8, backend)
    first = subtracted(noisy_slope("clipped_sgd", 1, math.inf, dimension=3), 8, backend)
    assert not np.isclose(mean, first).any()
    clipped = subtracted(noisy_slope("per_sample_clipping", 5, 0.5, dimension=3), 8, backend)
    # A mean of vectors of length at most c, no two alike.
    assert (np.linalg.norm(clipped, axis=1) < 0.5).all()
    np.testing.assert_allclose(
        np.linalg.norm(subtracted(noisy_slope("batch_clipping", 5, 0.5, dimension=3), 8, backend), axis=1), 0.5
    )


@backends
def test_privacy_noise_is_added_after_clipping(backend: str) -> None:
    """No sampling noise and a gradient of norm sqrt(3) clipped to c: what is left is z, the same on every engine."""
    batch = noisy_slope("dp_sgd", 2, 0.5, zeta=3.0, dimension=3, noise="none")
    z = subtracted(batch, 16, backend) - 0.5 / math.sqrt(3)
    assert (np.linalg.norm(z, axis=1) > 0.1).all()
    np.testing.assert_allclose(z, subtracted(batch, 16, "reference") - 0.5 / math.sqrt(3), rtol=1e-10)
    # Its words are its own: not those of the samples.
    shift = subtracted(noisy_slope("clipped_sgd", 1, math.inf, dimension=3), 16, backend) - 1.0
    assert not np.isclose(z / (3.0 / math.sqrt(3)), shift / 2.0).any()


def test_mean_of_a_batch_has_a_variance_n_times_smaller() -> None:
    """Var = sigma^2/n per coordinate, samples uncorrelated: 2^16 runs with n = 5.

    A normal sample variance has relative standard error sqrt(2/R) = 0.55%; 5.5 of these are 3.04%: 4e-8 for each of
    three coordinates. The mean within 5.5 standard errors: together below 3e-7.
    """
    replicas = 2**16
    drawn = subtracted(noisy_slope("batch_clipping", 5, math.inf, dimension=3), replicas)
    np.testing.assert_allclose(drawn.var(0), 4.0 / 5, rtol=5.5 * math.sqrt(2 / replicas))
    assert (np.abs(drawn.mean(0) - 1.0) < 5.5 * math.sqrt(4.0 / 5 / replicas)).all()


def test_privacy_noise_has_variance_zeta_squared_in_all() -> None:
    """``E|z|^2 = zeta^2`` whatever d, coordinates alike; the same rates as above, twice: below 6e-7."""
    replicas = 2**16
    for dimension in (1, 3):
        z = subtracted(noisy_slope("dp_sgd", 4, 0.5, zeta=3.0, dimension=dimension, noise="none"), replicas)
        np.testing.assert_allclose(z.var(0), 9.0 / dimension, rtol=5.5 * math.sqrt(2 / replicas))
        mean = 0.5 / math.sqrt(dimension)
        assert (np.abs(z.mean(0) - mean) < 5.5 * math.sqrt(9.0 / dimension / replicas)).all()


def test_per_sample_clipping_of_two_atoms_is_a_binomial_mean() -> None:
    """Gradient 1, noise +-2, c = 1/2: each sample clips to +-1/2, so the update is a binomial mean.

    Five samples: values -1/2, -3/10, ..., 1/2, with probabilities C(5, k)/32. Pearson's chi-square on 5 degrees of
    freedom exceeds 40 with probability 1.5e-7.
    """
    replicas = 2**15
    drawn = subtracted(noisy_slope("per_sample_clipping", 5, 0.5, noise="symmetric_two_point"), replicas)[:, 0]
    counts = np.bincount(np.rint((drawn + 0.5) * 5).astype(int), minlength=6)
    np.testing.assert_allclose(drawn, np.rint(drawn * 10) / 10, atol=1e-14)
    expected = replicas * np.array([math.comb(5, k) for k in range(6)]) / 32
    assert ((counts - expected) ** 2 / expected).sum() < 40


@backends
@pytest.mark.parametrize("algorithm", SEVERAL)
def test_clipping_at_zero_and_at_the_threshold(backend: str, algorithm: str) -> None:
    starts = ([0.0, 0.0], [3.0, 4.0], [6.0, 8.0], [-3.0, 0.0])
    batch = Batch.of(
        [Instance("quadratic", {"curvature": 1.0}, start, 1.0, 5.0, 1) for start in starts],
        algorithm=algorithm,
        samples=4,
    )
    result = run(batch, 1, backend=backend, record=1)
    assert result.trajectories is not None
    assert result.valid.all()
    assert np.array_equal(result.trajectories[:, 0, 1], [[0, 0], [0, 0], [3, 4], [0, 0]])


@backends
@pytest.mark.parametrize("algorithm", SEVERAL)
def test_a_sample_that_is_not_finite_is_not_hidden_by_clipping(backend: str, algorithm: str) -> None:
    """The gradient overflows in one instance of two."""
    batch = Batch.of(
        [Instance("quartic", {"curvature": 1.0, "quartic": 1.0}, [x0], 0.1, 1.0, 3) for x0 in (1e200, 1.0)],
        algorithm=algorithm,
        samples=3,
    )
    assert run(batch, 2, backend=backend).valid.tolist() == [[False] * 2, [True] * 2]

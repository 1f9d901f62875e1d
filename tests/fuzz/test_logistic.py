"""Logistic regression on real data: certificates against brute force, both engines, fifty digits, planted faults.

Deterministic but for one test, which states its rate.
"""

from __future__ import annotations

import importlib
import math
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from fuzz import datasets
from fuzz.datasets import DataError, Dataset, load
from fuzz.engine.philox import WordStream, stream_key
from fuzz.logistic import LATTICE, Logistic, on_grid, positive_definite
from fuzz.training import Training, chosen, run_training, training_allowance
from theorems.language import AverageGradientNorm, Drift, FinalGap, MinGradientNorm

TENTH = Fraction(1, 10)


@pytest.fixture(scope="module")
def iris() -> Logistic:
    return Logistic(load("iris"), TENTH)


def points(loss: Logistic, count: int = 8) -> Any:
    rng = np.random.default_rng(1)
    return rng.standard_normal((count, loss.data.dimension)) * np.geomspace(0.01, 10, count)[:, None]


# -- data --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "shape"), [("breast_cancer", (569, 31)), ("iris", (150, 5)), ("wine", (178, 14))])
def test_real_data_as_short_rationals(name: str, shape: tuple[int, int]) -> None:
    data = load(name)
    assert (data.samples, data.dimension) == shape
    features = data.rows * np.sign(data.rows[:, -1:]) / datasets.GRID
    assert (features[:, -1] == 1).all()
    # Standardised, but for the rounding to sixteenths.
    assert np.abs(features[:, :-1].mean(0)).max() < 1 / 16
    assert np.abs(features[:, :-1].std(0) - 1).max() < 1 / 16
    assert 0.2 < (data.rows[:, -1] > 0).mean() < 0.8


def test_bad_data_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="unknown data set 'moons'; known: breast_cancer, iris, wine"):
        load("moons")
    with pytest.raises(DataError, match=r"not shape \(0, 3\)"):
        Dataset("none", np.zeros((0, 3), np.int64))
    with pytest.raises(ValueError, match="positive Fraction, not Fraction"):
        Logistic(Dataset("one", np.ones((1, 1), np.int64)), Fraction(0))

    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    load.cache_clear()
    with pytest.raises(DataError, match=r"scikit-learn, which is not installed \(pip install 'clipbounds\[data\]'\)"):
        load("wine")


def test_fuzz_imports_without_scikit_learn() -> None:
    code = "import sys; sys.modules['sklearn'] = None; import fuzz.training, harness.audit"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_word_chooses_a_sample_with_its_weight(iris: Logistic) -> None:
    """Counts by brute force, on a lattice of 2^32 words: at both ends of every sample's range."""
    n, start = iris.data.samples, 0
    for sample, count in enumerate(iris.counts):
        ends = np.array([start, start + count - 1], np.uint32)
        assert (chosen(ends, n) == sample).all()
        assert abs(count - LATTICE / n) < 1
        start += count
    assert start == LATTICE


# -- certificates ------------------------------------------------------------------------------------------------------


def test_positive_definite_by_hand() -> None:
    assert positive_definite([[2, 1], [1, 1]])
    assert not positive_definite([[1, 1], [1, 1]])
    assert not positive_definite([[0, 0], [0, 1]])
    assert not positive_definite([[1, 2], [2, 1]])
    rng = np.random.default_rng(0)
    for _ in range(50):
        half = rng.integers(-4, 5, (4, 4))
        matrix = half @ half.T + int(rng.integers(-6, 7)) * np.eye(4, dtype=int)
        least = np.linalg.eigvalsh(matrix)[0]
        if abs(least) > 1e-9:
            assert positive_definite(matrix.tolist()) == (least > 0)


@pytest.mark.parametrize("name", ["breast_cancer", "iris", "wine"])
def test_smoothness_is_tight_and_a_smaller_constant_is_refused(name: str) -> None:
    loss = Logistic(load(name), Fraction(1, 3))
    moments = (loss.rows * loss.weights[:, None]).T @ loss.rows / 4
    largest = np.linalg.eigvalsh(moments)[-1] + 1 / 3
    assert largest < float(loss.smoothness) < largest * (1 + 1e-5)
    assert not loss.is_smooth(Fraction(float(largest)) * (1 - Fraction(1, 10**7)))
    assert not loss.is_smooth(Fraction(1, 3))


def test_smoothness_and_strong_convexity_hold_on_segments(iris: Logistic) -> None:
    one, other = points(iris), points(iris)[::-1] + 0.5
    slopes = ((iris.gradient(one) - iris.gradient(other)) * (one - other)).sum(1) / ((one - other) ** 2).sum(1)
    assert (slopes <= float(iris.smoothness)).all()
    assert (slopes >= float(iris.regulariser) * (1 - 1e-12)).all()


@pytest.mark.parametrize("name", ["breast_cancer", "iris", "wine"])
def test_the_variance_is_bounded_at_every_point_and_its_mean_is_zero(name: str) -> None:
    """The exact law of the noise, all samples weighed, at many points: also where all samples are at their limits."""
    loss = Logistic(load(name), TENTH)
    rows = np.arange(loss.data.samples)
    worst = 0.0
    for point in [*points(loss), loss.minimiser, -1e3 * loss.minimiser, 1e3 * loss.minimiser]:
        each = loss.sample_gradient(np.repeat(point[None, :], len(rows), 0), rows)
        noise = each - loss.gradient(point[None, :])
        scale = np.abs(each).max()
        np.testing.assert_allclose(loss.weights @ noise, 0, atol=1e-12 * scale)
        worst = max(worst, float(loss.weights @ (noise**2).sum(1)))
    bound = float(loss.deviation(1)) ** 2
    assert worst <= bound
    # Not by orders of magnitude: a tenth as large would be caught.
    assert worst > bound / 10
    assert float(loss.deviation(4)) == pytest.approx(float(loss.deviation(1)) / 2, rel=1e-5)
    assert loss.deviation(4) ** 2 * 4 >= loss.deviation(1) ** 2


def test_the_noise_of_a_batch_has_its_variance(iris: Logistic) -> None:
    """4096 draws of batches of 3 in one step from 0, unclipped: means within 5.5 standard errors in 5 coordinates (4e-8
    each by the normal limit), variance within a tenth, some ten standard errors."""
    what = Training(iris, np.zeros(5), 1.0, 1e9, 1, batch=3)
    replicas = 4096
    gradient = iris.gradient(np.zeros((1, 5)))
    key = stream_key(0, 0, "search")
    numbers = np.arange(replicas, dtype=np.uint32)
    drawn = [chosen(WordStream(key, numbers, 1, k).draw(0)[0], iris.data.samples) for k in range(3)]
    mean = sum(iris.sample_gradient(np.zeros((replicas, 5)), s) for s in drawn) / 3
    noise = mean - gradient
    assert (np.abs(noise.mean(0)) < 5.5 * noise.std(0) / math.sqrt(replicas)).all()
    rows = np.arange(iris.data.samples)
    each = iris.sample_gradient(np.zeros((len(rows), 5)), rows) - gradient
    assert (noise**2).sum(1).mean() == pytest.approx(float(iris.weights @ (each**2).sum(1)) / 3, rel=0.1)
    # And the run makes this very step.
    ended = run_training(what, replicas)
    np.testing.assert_allclose(ended.final_value, iris.value(-mean), rtol=1e-12)


def exact_value(loss: Logistic, point: Any) -> tuple[mpmath.mpf, mpmath.mpf]:
    """f and ``|grad f|^2`` in fifty digits, from the definition."""
    value, gradient = mpmath.mpf(0), [mpmath.mpf(0)] * loss.data.dimension
    for count, row in zip(loss.counts, loss.data.rows.tolist(), strict=True):
        margin = sum(mpmath.mpf(float(v)) * k / 16 for v, k in zip(point, row, strict=True))
        value += count * mpmath.log1p(mpmath.exp(-margin)) / 2**32
        for j, k in enumerate(row):
            gradient[j] -= count * mpmath.mpf(k) / 16 / (1 + mpmath.exp(margin)) / 2**32
    lam = mpmath.mpf(loss.regulariser.numerator) / loss.regulariser.denominator
    value += lam / 2 * sum(mpmath.mpf(float(v)) ** 2 for v in point)
    return value, sum((g + lam * mpmath.mpf(float(v))) ** 2 for g, v in zip(gradient, point, strict=True))


def test_enclosures_hold_the_value_in_fifty_digits(iris: Logistic) -> None:
    with mpmath.workdps(50):
        for point in map(on_grid, points(iris, 4)):
            for wanted, found in zip(exact_value(iris, point), iris.enclosure(point), strict=True):
                low, high = (mpmath.mpf(v.numerator) / v.denominator for v in found)
                assert low <= wanted <= high
                assert high - low < wanted * mpmath.mpf(10) ** -20
        with pytest.raises(ValueError, match="multiples of 2"):
            iris.enclosure(np.full(5, 1 / 3))


def test_the_minimum_lies_where_it_is_said_to_be(iris: Logistic) -> None:
    low, high = iris.minimum
    assert 0 < high - low < Fraction(1, 10**15)
    near = points(iris) * 1e-3 + iris.minimiser
    assert (iris.value(near) > float(low)).all()
    # A poor point gives poorer bounds, and both hold the same minimum.
    rough = Logistic(iris.data, iris.regulariser)
    rough.__dict__["minimiser"] = on_grid(iris.minimiser + 0.125)
    assert rough.minimum[0] < low < high < rough.minimum[1]
    gap, distance = rough.gap(np.zeros(5)), rough.distance(np.zeros(5))
    assert gap[0] <= iris.gap(np.zeros(5))[0] <= iris.gap(np.zeros(5))[1] <= gap[1]
    assert float(distance[0]) <= np.linalg.norm(iris.minimiser) <= float(distance[1])


# -- runs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [0, 1, 3])
def test_engines_agree(iris: Logistic, batch: int) -> None:
    what = Training(iris, np.full(5, 0.5), 0.3, 0.75, 40, batch=batch)
    first, second = (run_training(what, 6, backend=b) for b in ("numpy", "torch"))
    for name in ("average_gradient_norm", "final_value", "norms"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), rtol=1e-11, err_msg=name)
    assert (first.average_gradient_norm.std() > 0) == (batch > 0)
    # Replicas are those of their numbers, and purposes are apart.
    later = run_training(what, 2, first_replica=4)
    np.testing.assert_allclose(later.norms, first.norms[:, 4:], rtol=1e-12)
    assert batch == 0 or not np.allclose(run_training(what, 6, purpose="confirm").norms, first.norms)


def test_a_planted_wrong_gradient_is_caught(iris: Logistic, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Logistic.sample_gradient
    monkeypatch.setattr(Logistic, "sample_gradient", lambda self, p, s: right(self, p, s) * (1 + 2**-20))
    with pytest.raises(AssertionError):
        test_engines_agree(iris, 1)


def test_full_gradients_descend(iris: Logistic) -> None:
    """``eta L <= 1``: D0, so values never rise; the last is near the minimum."""
    what = Training(iris, np.zeros(5), 1 / float(iris.smoothness), 0.5, 1, batch=0)
    values = [float(run_training(replace(what, steps=t), 1).final_value[0]) for t in (1, 5, 50, 500)]
    assert values == sorted(values, reverse=True)
    assert abs(values[-1] - float(iris.minimum[0])) < 1e-9


def test_rounding_stays_within_the_allowance(iris: Logistic) -> None:
    """Noisy runs, word for word, in fifty digits."""
    what = Training(iris, on_grid(np.full(5, 0.375)), 0.125, 0.5, 12)
    found = run_training(what, 2)
    key = stream_key(0, 0, "search")
    rows, lam = iris.data.rows.tolist(), mpmath.mpf(1) / 10
    with mpmath.workdps(50):
        for replica in range(2):
            state = [mpmath.mpf(float(v)) for v in what.start]
            total = mpmath.mpf(0)
            stream = WordStream(key, np.array([replica], np.uint32), 1)
            for t in range(what.steps):
                _, square = exact_value(iris, state)
                total += mpmath.sqrt(square)
                row = rows[int(stream.draw(t)[0][0]) * iris.data.samples // LATTICE]
                margin = sum(v * k / 16 for v, k in zip(state, row, strict=True))
                noisy = [
                    -mpmath.mpf(k) / 16 / (1 + mpmath.exp(margin)) + lam * v for v, k in zip(state, row, strict=True)
                ]
                shrink = min(mpmath.mpf(1), what.threshold / mpmath.sqrt(sum(g * g for g in noisy)))
                state = [v - what.step_size * shrink * g for v, g in zip(state, noisy, strict=True)]
            value, _ = exact_value(iris, state)
            error = abs(total / what.steps - float(found.average_gradient_norm[replica]))
            allowed = training_allowance(what, AverageGradientNorm)
            assert allowed is not None
            assert 0 < error <= allowed < 1e-7
            allowed = training_allowance(what, FinalGap)
            assert allowed is not None
            assert abs(value - float(found.final_value[replica])) <= allowed < 1e-6


def test_where_rounding_may_grow_there_is_no_allowance(iris: Logistic) -> None:
    what = Training(iris, np.zeros(5), 0.5, 1.0, 1000)
    assert training_allowance(what, MinGradientNorm) is None
    assert training_allowance(replace(what, steps=10), MinGradientNorm) is not None
    assert training_allowance(replace(what, steps=10), Drift) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": np.zeros(3)}, r"shape \[5\], not \(3,\)"),
        ({"step_size": 0.0}, "step_size must be positive and finite, not 0.0"),
        ({"threshold": math.inf}, "threshold must be positive and finite, not inf"),
        ({"steps": 0}, "steps must be positive"),
        ({"batch": -1}, "batch not negative"),
    ],
)
def test_bad_training_is_echoed(iris: Logistic, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(Training(iris, np.zeros(5), 0.5, 1.0, 4), **change)
    with pytest.raises(ValueError, match="unknown backend 'abacus'; known: numpy, torch"):
        run_training(Training(iris, np.zeros(5), 0.5, 1.0, 4), 1, backend="abacus")

"""Three engines, one answer: every objective with every noise, in one and three dimensions.

The reference reads the gradient formula, the compiled engine a kernel generated from it, and torch differentiates the
value. Deterministic: the seeds are fixed, so there are no false alarms.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fuzz.engine import Batch, Instance, batch, reference, run
from theorems.language import functions
from theorems.language.functions import NOISES, OBJECTIVES

# A bump with a local minimum at about 1.4 on the right, a flat bottom and a gentle slope on the left.
BUMP = {
    **{f"width{j}": v for j, v in enumerate((0.3, 0.5, 0.6, 0.1), 1)},
    **{f"bend{j}": v for j, v in enumerate((0.8, -0.6, 0.25, 0.0, 0.5), 1)},
    **{f"left_width{j}": v for j, v in enumerate((0.125, 0.25), 1)},
    **{f"left_bend{j}": v for j, v in enumerate((0.0, 0.8, 0.1), 1)},
}
OBJECTIVE_NUMBERS: dict[str, dict[str, float]] = {
    "quadratic": {"curvature": 1.5},
    "huber": {"curvature": 1.5, "slope": 0.4},
    "slope_then_bowl": {"curvature": 2.0, "slope": 0.25, "start": 0.5, "steep": 1.5},
    "log_cosh": {"curvature": 1.5, "slope": 0.75},
    "quartic": {"curvature": 0.5, "quartic": 0.25},
    "well": {"curvature": 1.5, "radius": 0.75},
    "piecewise_quadratic": {"curvature": 1.5, **BUMP},
    "piecewise_exponential": {"curvature": 1.5, "growth": 0.75, **BUMP},
}
NOISE_NUMBERS: dict[str, dict[str, float]] = {
    "none": {},
    "two_point": {"up": 1.5, "probability": 0.125},
    "symmetric_two_point": {"scale": 0.5},
    "gaussian": {"scale": 0.5},
    "student_t": {"scale": 0.5, "degrees": 2.5},
    "finite": {
        "atom1": 9.0,
        "atom2": 9.0,
        "atom3": -0.25,
        "atom4": 1.5,
        "atom5": 0.375,
        "atom6": -0.5,
        "below1": 0.0,
        "below2": 0.0,
        "below3": 0.375,
        "below4": 0.5,
        "below5": 0.75,
    },
    "laplace": {"scale": 0.5},
    "skewed_exponential": {"scale": -0.5},
    "chi_square": {"scale": -0.5},
    "symmetric_chi_square": {"scale": 0.5},
    "pareto": {"scale": -0.5, "index": 2.5},
    "symmetric_pareto": {"scale": 0.5, "index": 3.0},
    "contaminated_gaussian": {"scale": 0.25, "wide": 1.5, "probability": 0.125},
    "rare_exponential": {"up": -1.0, "probability": 0.25},
    "vanishing_gaussian": {"scale": 0.5, "reach": 0.75},
    "gradient_two_point": {"up": 1.5, "probability": 0.125},
    "band_two_point": {"up": 1.5, "probability": 0.125, "low": 0.25, "high": 1.0},
    "worst_two_point": {"sigma": 0.5},
}
START = [0.9, -0.7, 0.1]

dimensions = pytest.mark.parametrize("dimension", [1, 3])


def all_pairs(dimension: int, steps: int = 37) -> Batch:
    """Every objective with every noise; coordinates have numbers of their own where there are several."""
    spread = 1.0 + 0.1 * np.arange(dimension)

    def vary(numbers: dict[str, float]) -> dict[str, Any]:
        # Probabilities stay multiples of 2^-32, and every family allows its numbers to grow together.
        return {
            k: v if k == "probability" or k.startswith("below") else (v * spread).tolist() for k, v in numbers.items()
        }

    return Batch.of(
        [
            Instance(o, vary(OBJECTIVE_NUMBERS[o]), START[:dimension], 0.2, 0.6, steps, n, vary(NOISE_NUMBERS[n]))
            for o, n in itertools.product(OBJECTIVES, NOISES)
        ],
        seed=3,
    )


def assert_engines_agree(one: str, other: str, what: Batch, replicas: int = 40) -> None:
    """Same validity, and all statistics equal to 1e-12 of the scale of the problem (which is 1 here)."""
    first, second = (run(what, replicas, backend=b, record=5, groups=4) for b in (one, other))
    assert np.array_equal(first.valid, second.valid)
    for name in (
        "trajectories",
        "average_gradient_norm",
        "final_gap",
        "mean_gradient_norm",
        "sum_sq",
        "group_means",
    ):
        np.testing.assert_allclose(getattr(second, name), getattr(first, name), rtol=1e-12, atol=1e-12, err_msg=name)
    # Where the curvature is negative, rounding errors grow.
    convex = [not name.startswith(("piecewise", "well")) for name in what.objectives]
    one_norm, other_norm = (s.average_gradient_norm[convex] for s in (first, second))
    np.testing.assert_allclose(one_norm, other_norm, rtol=1e-13)


def assert_single_is_near_double(what: Batch, replicas: int) -> None:
    """float32 on the reference and compiled engines against float64 on the reference: 1e-4."""
    double = run(what, replicas, backend="reference")
    for backend in ("reference", "cpu"):
        single = run(what, replicas, backend=backend, dtype="float32")
        assert single.valid.all()
        np.testing.assert_allclose(single.average_gradient_norm, double.average_gradient_norm, rtol=1e-4)


def test_every_family_has_numbers_here() -> None:
    assert set(OBJECTIVE_NUMBERS) == set(OBJECTIVES)
    assert set(NOISE_NUMBERS) == set(NOISES)


def mixed() -> Batch:
    """Coordinates of different families, each with its own numbers, beside a batch mate of one family."""
    return Batch.of(
        [
            Instance("+".join(names), [OBJECTIVE_NUMBERS[n] for n in names], START, 0.2, 0.6, 37, noise, numbers)
            for names in itertools.permutations(("quadratic", "huber", "log_cosh", "piecewise_exponential"), 3)
            for noise, numbers in (("two_point", NOISE_NUMBERS["two_point"]), ("gaussian", NOISE_NUMBERS["gaussian"]))
        ]
        + [Instance("quartic", OBJECTIVE_NUMBERS["quartic"], START, 0.2, 0.6, 37)],
        seed=4,
    )


@pytest.mark.parametrize("backend", ["cpu", pytest.param("torch", marks=pytest.mark.slow)])
def test_engines_agree_on_different_shapes_along_coordinates(backend: str) -> None:
    assert_engines_agree("reference", backend, mixed())


def test_a_sum_over_coordinates_is_that_sum() -> None:
    """Without noise and with little clipping in play, coordinates do not see each other: each is a run of its own."""
    names = ("quadratic", "piecewise_quadratic", "log_cosh")
    whole = Batch.of([Instance("+".join(names), [OBJECTIVE_NUMBERS[n] for n in names], START, 0.2, 100.0, 20)])
    together = run(whole, 1, record=1).trajectories
    assert together is not None
    for j, name in enumerate(names):
        alone = run(Batch.of([Instance(name, OBJECTIVE_NUMBERS[name], [START[j]], 0.2, 100.0, 20)]), 1, record=1)
        assert alone.trajectories is not None
        np.testing.assert_array_equal(alone.trajectories[0, 0, :, 0], together[0, 0, :, j])


@dimensions
@pytest.mark.parametrize("backend", ["cpu", pytest.param("torch", marks=pytest.mark.slow)])
def test_engines_agree(backend: str, dimension: int) -> None:
    assert_engines_agree("reference", backend, all_pairs(dimension))


@pytest.mark.parametrize("backend", ["cpu", "torch"])
def test_engines_agree_at_kinks_at_rest_and_unclipped(backend: str) -> None:
    """States exactly on a kink, at x = 0 and at |g| = c: where subgradients or 0/0 would show."""
    instances = [
        Instance("huber", {"curvature": 2.0, "slope": 0.5}, [0.25, -0.25], 0.125, 0.5, 9),
        Instance(
            "slope_then_bowl", {"curvature": 2.0, "slope": 0.5, "start": 0.5, "steep": 0.5}, [0.5, 0.25], 0.125, 1.0, 9
        ),
        Instance(
            "slope_then_bowl", {"curvature": 2.0, "slope": 0.5, "start": 0.5, "steep": 1.5}, [1.0, 0.0], 0.125, 1.0, 9
        ),
        Instance("log_cosh", {"curvature": 2.0, "slope": 0.5}, [0.0, 800.0], 0.125, np.inf, 9),
        Instance("quartic", {"curvature": 2.0, "quartic": 0.5}, [0.0, 0.0], 0.125, np.inf, 9),
        Instance("quadratic", {"curvature": 1.0}, [3.0, 4.0], 0.125, 5.0, 9),
    ]
    assert_engines_agree("reference", backend, Batch.of(instances), replicas=8)


def test_single_precision_stays_near_double() -> None:
    """Over 37 steps, smooth objectives, no oracle.

    An oracle's probability is rounded to the lattice, where a last-place change of the state moves an event.
    """
    whole = all_pairs(3)
    rows = [i for i, n in enumerate(whole.noises) if n != "worst_two_point"]
    assert_single_is_near_double(whole.take(rows), replicas=64)


def test_torch_refuses_single_precision() -> None:
    with pytest.raises(ValueError, match="float64 only, not float32"):
        run(all_pairs(1, 2), 1, backend="torch", dtype="float32")


def few_pairs() -> Batch:
    """Two steps of every objective without noise and with that of two points, in one dimension."""
    whole = all_pairs(1, 2)
    return whole.take([i for i, n in enumerate(whole.noises) if n in ("none", "two_point")])


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_torch_agrees_over_two_steps(dimension: int) -> None:
    assert_engines_agree("reference", "torch", all_pairs(dimension, 2), replicas=8)


def plant(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Change the quadratic's formulas wherever an engine looks them up (the compiled one aside)."""
    wrong = {**OBJECTIVES, "quadratic": replace(OBJECTIVES["quadratic"], **changes)}
    for module in (batch, functions):
        monkeypatch.setattr(module, "OBJECTIVES", wrong)


def test_planted_wrong_gradient_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, gradient=OBJECTIVES["quadratic"].gradient * (1 + 2**-30))
    with pytest.raises(AssertionError):
        assert_engines_agree("reference", "torch", few_pairs())


def test_planted_wrong_clipping_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator of torch's ``clip_grad_norm_``, which divides by norm + 1e-6."""

    def clip(gradient: Any, threshold: Any) -> Any:
        return np.minimum(1.0, threshold / (reference.norm(gradient) + 1e-6)) * gradient

    monkeypatch.setattr(reference, "clip", clip)
    with pytest.raises(AssertionError):
        assert_engines_agree("reference", "torch", few_pairs())


def test_planted_swapped_words_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    original = reference.WordStream.draw
    monkeypatch.setattr(reference.WordStream, "draw", lambda self, index: original(self, index ^ 1))
    first = run(all_pairs(1), 8, backend="reference")
    monkeypatch.undo()
    assert not np.allclose(first.average_gradient_norm, run(all_pairs(1), 8, backend="cpu").average_gradient_norm)

"""Radial objectives: engines agree, turn with the noise, and are what they are on a line; the layout in problems.

Deterministic: the seeds are fixed, so there are no false alarms.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sympy as sp
from sympy import Rational
from test_engine_agreement import NOISE_NUMBERS, OBJECTIVE_NUMBERS, assert_engines_agree, assert_single_is_near_double
from test_engine_algorithms import SEVERAL, with_algorithm
from test_retrace import measured

from fuzz.engine import Batch, Instance, reference, run, torch_engine
from fuzz.engine.retrace import retrace
from fuzz.engine.torch_onestep import all_histories, one_step
from fuzz.instance import batch_of
from fuzz.problem import Family, FiniteLaw, Problem
from theorems.language.functions import OBJECTIVES, RADIAL, families, is_radial, profiles
from theorems.language.quantities import AverageGradientNorm, FinalGap, MinGradientNorm, NextGradientNorm

# A gentle slope that is not an end of the band of a law: rounding would choose the side.
NUMBERS = {**OBJECTIVE_NUMBERS, "slope_then_bowl": {**OBJECTIVE_NUMBERS["slope_then_bowl"], "slope": 0.375}}
LAWS = ("none", "two_point", "gaussian", "finite", "gradient_two_point", "worst_two_point", "band_two_point")
EVEN = ("quadratic", "huber", "log_cosh", "quartic", "well")


def start(dimension: int) -> list[float]:
    """A point at the distance 1.1, or about it, in no special direction."""
    direction = np.cos(1.0 + np.arange(dimension))
    return (1.125 * direction / np.linalg.norm(direction)).tolist()


def radial(dimension: int, steps: int = 30) -> Batch:
    """Every objective as a profile of ``|x|``, with several noises of numbers of their own in each coordinate."""
    spread = 1.0 + 0.1 * np.arange(dimension) / dimension

    def vary(numbers: dict[str, float]) -> dict[str, Any]:
        return {
            k: v if k == "probability" or k.startswith("below") else (v * spread / np.sqrt(dimension)).tolist()
            for k, v in numbers.items()
        }

    return Batch.of(
        [
            Instance(RADIAL + o, NUMBERS[o], start(dimension), 0.2, 0.6, steps, n, vary(NOISE_NUMBERS[n]))
            for o, n in itertools.product(OBJECTIVES, LAWS)
        ],
        seed=3,
    )


# -- engines -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimension", [1, 2, 5, 64])
@pytest.mark.parametrize("backend", ["cpu", "torch"])
def test_engines_agree(backend: str, dimension: int) -> None:
    assert_engines_agree("reference", backend, radial(dimension, 30 if dimension < 64 else 8), replicas=20)


@pytest.mark.parametrize("algorithm", SEVERAL)
@pytest.mark.parametrize("backend", ["cpu", "torch"])
def test_engines_agree_on_other_algorithms(backend: str, algorithm: str) -> None:
    batch = radial(3, 9)
    noisy = [i for i, n in enumerate(batch.noises) if n != "none"]
    assert_engines_agree("reference", backend, with_algorithm(batch.take(noisy), algorithm, 3), replicas=8)


@pytest.mark.parametrize("backend", ["cpu", "torch"])
def test_engines_agree_at_kinks_at_rest_and_unclipped(backend: str) -> None:
    huber = {"curvature": 2.0, "slope": 0.5}
    bowl = {"curvature": 2.0, "slope": 0.5, "start": 0.5, "steep": 1.5}
    instances = [
        Instance("radial:huber", huber, [0.15, -0.2], 0.125, 0.5, 9),
        Instance("radial:huber", huber, [0.0, 0.0], 0.125, 0.5, 9),
        Instance("radial:slope_then_bowl", bowl, [0.3, 0.4], 0.125, np.inf, 9),
        Instance("radial:quartic", {"curvature": 2.0, "quartic": 0.5}, [0.0, 0.0], 0.125, np.inf, 9),
        Instance("radial:log_cosh", huber, [0.0, 800.0], 0.125, np.inf, 9),
        Instance("radial:quadratic", {"curvature": 1.0}, [3.0, 4.0], 1.0, 5.0, 9),
    ]
    batch = Batch.of(instances)
    assert_engines_agree("reference", backend, batch, replicas=8)
    at_rest = run(batch, 1, backend=backend).average_gradient_norm[[1, 3, 5], 0]
    np.testing.assert_array_equal(at_rest, [0.0, 0.0, 5.0 / 9])


@pytest.mark.parametrize("backend", ["reference", "cpu", "torch"])
def test_where_squares_overflow_a_run_is_invalid(backend: str) -> None:
    """Huber's slope is finite everywhere, but the norm of a point that far is not: no gradient of 0 comes of it."""
    numbers = {"curvature": 1.0, "slope": 4.0}
    far, near = (Instance("radial:huber", numbers, [r, 1.0], 0.1, 1.0, 2) for r in (1e200, 1e100))
    done = run(Batch.of([far, near]), 1, backend=backend)
    assert done.valid[:, 0].tolist() == [False, True]


def test_single_precision_stays_near_double() -> None:
    """Over 30 steps; laws whose events depend on the state aside, and profiles whose curvature may be negative."""
    batch = radial(3)
    rows = [
        i
        for i, (o, n) in enumerate(zip(batch.objectives, batch.noises, strict=True))
        if n not in ("worst_two_point", "band_two_point") and "piecewise" not in o and "well" not in o
    ]
    assert_single_is_near_double(batch.take(rows), replicas=32)


def test_a_batch_may_be_split_and_mixed_with_sums() -> None:
    """Bit by bit: neither a batch mate nor the number of replicas at a time plays a part."""
    batch = radial(3, 12)
    sums = replace(batch, objectives=tuple(name.removeprefix(RADIAL) for name in batch.objectives))
    instances = [
        Instance(
            name,
            {"curvature": 1.5, "slope": 0.4},
            start(3),
            0.2,
            0.6,
            12,
            "gaussian",
            {"scale": 0.5},
        )
        for name in ("huber", "radial:huber", "huber")
    ]
    mixed = run(Batch.of(instances, instance_ids=[4, 4, 4]), 40, record=40)
    alone = [run(Batch.of([i], instance_ids=[4]), 40, record=40) for i in instances]
    for k, one in enumerate(alone):
        assert mixed.trajectories is not None
        assert one.trajectories is not None
        np.testing.assert_array_equal(mixed.trajectories[k], one.trajectories[0])
    assert not np.array_equal(alone[0].trajectories, alone[1].trajectories)  # type: ignore[arg-type]
    whole, parts = run(batch, 40), [run(batch, 20, first_replica=k) for k in (0, 20)]
    np.testing.assert_array_equal(
        whole.average_gradient_norm, np.concatenate([p.average_gradient_norm for p in parts], 1)
    )
    # A sum's own run does not change by a word.
    np.testing.assert_array_equal(run(sums, 8).final_gap, run(sums.take(range(len(sums))), 8).final_gap)


def turned(vector: Any) -> list[float]:
    """By a rotation of the plane, in floats."""
    return (np.array([[0.6, -0.8], [0.8, 0.6]]) @ np.asarray(vector)).tolist()


@pytest.mark.parametrize("family", OBJECTIVES)
def test_turning_start_and_noise_turns_the_run(family: str) -> None:
    """No engine's formulas know of rotations: a gradient that were not ``phi'(r) x/r`` would not turn."""
    atoms = np.array([[0.9, -0.2], [-0.4, 0.7], [0.1, -0.1]])
    weights = (0.25, 0.25, 0.5)
    atoms -= np.array(weights) @ atoms

    def runs(turn: Callable[[Any], list[float]]) -> Any:
        numbers: dict[str, Any] = {f"atom{k + 1}": turn(atoms[max(k - 3, 0)]) for k in range(6)}
        numbers |= {f"below{k}": v for k, v in enumerate((0.0, 0.0, 0.0, 0.25, 0.5), 1)}
        batch = Batch.of(
            [Instance(RADIAL + family, NUMBERS[family], turn([0.8, 0.3]), 0.2, 0.6, 25, "finite", numbers)], seed=1
        )
        return run(batch, 8, record=8)

    plain, after = runs(list), runs(turned)
    expected = plain.trajectories[0] @ np.array([[0.6, -0.8], [0.8, 0.6]]).T
    np.testing.assert_allclose(after.trajectories[0], expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(after.final_gap, plain.final_gap, rtol=1e-12, atol=1e-13)
    assert np.ptp(plain.trajectories[0, :, -1], axis=0).min() > 0


@pytest.mark.parametrize("family", OBJECTIVES)
def test_without_noise_it_is_the_profile_on_a_line(family: str) -> None:
    batch = Batch.of([Instance(RADIAL + family, NUMBERS[family], [0.6, -0.6, 0.3], 0.2, 0.6, 40)])
    line = Batch.of([Instance(family, NUMBERS[family], [0.9], 0.2, 0.6, 40)])
    one, other = (run(b, 1, record=1) for b in (batch, line))
    assert one.trajectories is not None
    assert other.trajectories is not None
    assert (other.trajectories >= 0).all()
    np.testing.assert_allclose(
        np.linalg.norm(one.trajectories[0, 0], axis=1), other.trajectories[0, 0, :, 0], rtol=1e-13
    )
    np.testing.assert_allclose(one.average_gradient_norm, other.average_gradient_norm, rtol=1e-13)
    np.testing.assert_allclose(one.final_gap, other.final_gap, rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize("family", EVEN)
def test_in_one_dimension_an_even_profile_is_itself(family: str) -> None:
    batch = radial(1).take([i for i, name in enumerate(radial(1).objectives) if name == RADIAL + family])
    plain = replace(batch, objectives=(family,) * len(batch))
    one, other = (run(b, 30, record=30) for b in (batch, plain))
    np.testing.assert_allclose(one.trajectories, other.trajectories, rtol=1e-12, atol=1e-12)  # type: ignore[arg-type]


@pytest.mark.parametrize("quantity", [AverageGradientNorm, MinGradientNorm, FinalGap], ids=lambda q: q.name)
def test_a_run_is_retraced(quantity: Any) -> None:
    batch = Batch.of([Instance("radial:log_cosh", NUMBERS["log_cosh"], [9.0, -3.0, 1.0], 0.5, 0.25, 60)])
    assert retrace(batch, quantity) == pytest.approx(measured(batch, quantity), rel=1e-12, abs=1e-15)


# -- planted faults ----------------------------------------------------------------------------------------------------


def test_an_engine_that_forgets_to_divide_by_the_norm_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    original = reference.by_coordinate

    def forgetful(objective: str, which: str, numbers: Any) -> Any:
        right = original(objective, which, numbers)
        if which == "value":
            return right
        return lambda states: right(states) * reference.norm(states)

    monkeypatch.setattr(reference, "by_coordinate", forgetful)
    with pytest.raises(AssertionError):
        assert_engines_agree("reference", "torch", radial(2, 3), replicas=8)


def test_an_engine_that_takes_a_sum_over_coordinates_is_caught() -> None:
    """As an engine would that does not know the layout."""
    batch = radial(2, 3)
    sums = replace(batch, objectives=tuple(name.removeprefix(RADIAL) for name in batch.objectives))
    one, other = (run(b, 4, backend=e).average_gradient_norm for b, e in ((batch, "torch"), (sums, "cpu")))
    apart = np.abs(one - other).max(1) > 1e-6
    # A quadratic alone is both.
    assert [bool(a) for a in apart] == ["quadratic" not in n.split(":") for n in batch.objectives]


def test_a_naive_root_has_no_derivative_at_the_minimum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_engine, "radius_of", torch_engine.length_of)
    batch = Batch.of([Instance("radial:huber", {"curvature": 2.0, "slope": 0.5}, [0.0, 0.0], 0.125, 0.5, 2)])
    assert not run(batch, 1, backend="torch").valid.any()


# -- the layout --------------------------------------------------------------------------------------------------------

HUBER = {"curvature": Rational(3, 2), "slope": Rational(2, 5)}
NOISE = FiniteLaw(((Rational(1, 4), (3, -1)), (Rational(3, 4), (-1, Rational(1, 3)))))


def problem(**changes: Any) -> Problem:
    whole = Problem(
        objective=Family("radial:huber", (HUBER,)),
        noise=NOISE,
        start=(Rational(3, 5), Rational(-4, 5)),
        step_size=Rational(1, 5),
        clipping_threshold=Rational(1, 2),
        steps=3,
    )
    return replace(whole, **changes)


def test_names() -> None:
    assert is_radial("radial:huber")
    assert not is_radial("huber")
    assert families("radial:huber") == ["huber"]
    assert families("huber+well") == ["huber", "well"]
    assert profiles("radial:huber", 7) == (OBJECTIVES["huber"],)
    with pytest.raises(ValueError, match="one profile, not 2"):
        profiles("radial:huber+well", 2)
    with pytest.raises(ValueError, match="unknown objective 'cubic'"):
        profiles("radial:cubic", 2)


def test_a_problem_survives_json_and_others_are_written_as_before() -> None:
    whole = problem()
    data = whole.to_json()
    assert data["objective"] == {"family": "radial:huber", "coordinates": [{"curvature": "3/2", "slope": "2/5"}]}
    assert Problem.from_json(data) == whole
    plain = problem(objective=Family("huber", (HUBER, HUBER))).to_json()
    assert set(plain) == set(data)
    assert plain["objective"] == {"family": "huber", "coordinates": [{"curvature": "3/2", "slope": "2/5"}] * 2}


def test_a_radial_objective_has_the_numbers_of_one_profile() -> None:
    with pytest.raises(ValueError, match="the numbers of one profile, not of 2"):
        problem(objective=Family("radial:huber", (HUBER, HUBER)))
    with pytest.raises(ValueError, match="needs the numbers"):
        problem(objective=Family("radial:huber", ({"curvature": Rational(1)},)))
    with pytest.raises(ValueError, match="one profile, not of 2"):
        Batch.of([Instance("radial:quadratic", [{"curvature": 1.0}] * 2, [1.0, 1.0], 0.1, 1.0, 1)])
    with pytest.raises(ValueError, match="one number of each kind"):
        Batch.of([Instance("radial:quadratic", {"curvature": [1.0, 2.0]}, [1.0, 1.0], 0.1, 1.0, 1)])
    with pytest.raises(ValueError, match="curvature must be finite and positive, not -1"):
        Batch.of([Instance("radial:quadratic", {"curvature": -1.0}, [1.0, 1.0], 0.1, 1.0, 1)])


def test_an_engine_runs_a_problem() -> None:
    """Histories weighed by torch, one by one, against many runs: within five standard errors, of fixed seeds."""
    whole = problem(start=(Rational(1, 5), Rational(-1, 5)))
    exact = all_histories(whole, AverageGradientNorm)
    done = run(batch_of(whole, seed=2), 4000)
    assert abs(done.average_gradient_norm[0].mean() - exact.value) < 5 * exact.deviation / np.sqrt(4000)
    assert exact.deviation > 0.01


def test_one_step_by_hand() -> None:
    """On the slope the gradient is ``2/5`` outwards, at ``(3/5, -4/5)``; the noise is clipped with it."""
    expected = 0.0
    for weight, atom in NOISE.atoms:
        g = [Rational(6, 25) + atom[0], Rational(-8, 25) + atom[1]]
        shrink = sp.Min(1, Rational(1, 2) / sp.sqrt(g[0] ** 2 + g[1] ** 2))
        after = [s - Rational(1, 5) * e * shrink for s, e in zip(problem().start, g, strict=True)]
        radius = float(sp.sqrt(after[0] ** 2 + after[1] ** 2))
        expected += float(weight) * min(0.4, 1.5 * radius)
    assert one_step(problem(), NextGradientNorm) == pytest.approx(expected, rel=1e-14)

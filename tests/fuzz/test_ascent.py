"""Gradient ascent through the unrolled run: the score is the engine's, the slope is its derivative, and it pays where
numbers are many."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import fuzz.ascent
import fuzz.search
from fuzz.arm import MOST_UNROLLED, Arm
from fuzz.ascent import COST, Climber, slopes
from fuzz.budget import Budget, Meter
from fuzz.genes import EACH, Structure
from fuzz.reading import Floats, Reading
from fuzz.search import _Search, search
from fuzz.strategies import draw_structures
from fuzz.trajectory import RunLandscape
from theorems.catalogue import load_catalogue

CATALOGUE = load_catalogue()
WIDE = Structure(objective="huber", dimension=8, steps=(8, 64), apart=True)
CASES = [
    ("D1", WIDE, {}),
    ("D1", replace(WIDE, objective="log_cosh", at_cap=True), {}),
    ("D1", replace(WIDE, objective="quadratic"), {"F0": 2.0}),
    ("D1_min", replace(WIDE, steps=(16, 16)), {}),
    ("D2", replace(WIDE, objective="quadratic", dimension=5), {}),
    ("D2", Structure(objective="slope_then_bowl", dimension=2, steps=(2, 8)), {}),
    ("D1_HS", Structure(objective="piecewise_exponential", dimension=2, steps=(2, 8), pieces=(2, 1)), {}),
    ("D1", Structure(objective="quartic", steps=(2, 8)), {}),
    ("D1", Structure(objective="radial:log_cosh", dimension=3, steps=(2, 8)), {}),
    ("D1", Structure(objective="huber+quadratic", dimension=2, steps=(2, 8)), {}),
]


def inside(name: str, structure: Structure, pins: dict[str, float]) -> RunLandscape:
    return RunLandscape(Reading(CATALOGUE[name]), structure, pins)


def engine(landscape: RunLandscape, raw: Floats) -> Floats:
    return landscape.evaluate(raw, 1, Meter(Budget(steps=10**9)), 0, 0).score


def relative_errors(landscape: RunLandscape, raw: Floats) -> Floats:
    """Of slopes, against differences of the engine's scores; of each point the largest over its genes."""
    score, found, _ = slopes(landscape, raw)
    errors = []
    moved = [k for k, gene in enumerate(landscape.genes) if gene.name != "steps"]
    # Bends are rounded coarsely.
    near = np.array([1e-2 if landscape.genes[k].kind == "linear" else 1e-4 for k in moved])
    for row in np.flatnonzero(np.isfinite(score)):
        points = np.repeat(raw[row][None, :], 2 * len(moved), 0)
        points[::2, moved] -= np.diag(near)
        points[1::2, moved] += np.diag(near)
        sides = engine(landscape, points)
        wanted = (sides[1::2] - sides[::2]) / (2 * near)
        if np.isfinite(wanted).all() and wanted.any():
            errors.append(np.abs(wanted - found[row, moved]).max() / np.abs(wanted).max())
    return np.array(errors)


@pytest.mark.parametrize(("name", "structure", "pins"), CASES, ids=lambda v: getattr(v, "objective", str(v)))
def test_scores_are_the_engines_and_slopes_their_derivatives(
    name: str, structure: Structure, pins: dict[str, float]
) -> None:
    landscape = inside(name, structure, pins)
    raw = 0.1 + 0.8 * np.random.default_rng(1).random((24, len(landscape.genes)))
    score, slope, steps = slopes(landscape, raw)
    wanted = engine(landscape, raw)
    assert np.array_equal(np.isfinite(score), np.isfinite(wanted))
    good = np.isfinite(score)
    assert good.sum() >= len(raw) // 2
    assert score[good] == pytest.approx(wanted[good], rel=1e-9, abs=1e-12)
    assert steps == COST * landscape.draft(raw).steps[good].sum()
    assert not slope[:, [gene.name == "steps" for gene in landscape.genes]].any()
    # At a kink between two points (bends are moved far), or where rounding shows, they differ; not often.
    errors = relative_errors(landscape, raw)
    assert len(errors) >= len(raw) // 2
    assert np.median(errors) < 1e-3
    assert (errors < 1e-2).mean() > 0.7


@pytest.mark.slow
def test_a_slope_that_forgets_part_of_the_run_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The yardstick of the test above."""
    landscape = inside("D1", replace(WIDE, objective="log_cosh"), {})
    climbers = [Climber(landscape, start) for start in np.random.default_rng(1).random((6, len(landscape.genes)))]
    for climber in climbers:
        climber.climb(30, lambda steps: True)
    raw = np.stack([climber.best for climber in climbers])
    assert np.median(relative_errors(landscape, raw)) < 1e-3
    whole = fuzz.ascent._unrolled

    def without_start(*given: Any) -> tuple[Floats, tuple[Floats, ...]]:
        measured, (parameters, start, eta) = whole(*given)
        return measured, (parameters, 0 * start, eta)

    monkeypatch.setattr(fuzz.ascent, "_unrolled", without_start)
    assert np.median(relative_errors(landscape, raw)) > 1e-2


def test_at_a_boundary_the_slope_is_that_of_the_side_that_is_left() -> None:
    landscape = inside("D1", replace(WIDE, dimension=1, steps=(4, 4)), {})
    gene = [gene.name for gene in landscape.genes].index("fraction")
    raw = np.full((2, len(landscape.genes)), 0.6)
    raw[:, gene] = 1.0, 1.0 - 1e-4
    top, below = engine(landscape, raw)
    assert slopes(landscape, raw)[1][0, gene] == pytest.approx((top - below) / 1e-4, rel=1e-3)
    assert top != below


def test_a_climber_goes_up_and_is_paid_for() -> None:
    landscape = inside("D1", WIDE, {})
    raw = np.random.default_rng(2).random((1, len(landscape.genes)))
    climber = Climber(landscape, raw[0])
    before, paid = engine(landscape, raw)[0], []

    def pay(steps: int) -> bool:
        paid.append(steps)
        return len(paid) % 9 > 0

    for _ in range(10):
        climber.climb(10, pay)
    after = engine(landscape, climber.best[None, :])[0]
    assert after == pytest.approx(climber.score, rel=1e-9)
    assert before + 0.2 < after <= 1 + 1e-12
    # Each climb ends where its payer says so.
    assert len(paid) == 90
    assert all(COST * 8 <= steps <= COST * 64 for steps in paid if steps)
    assert np.mean([steps > 0 for steps in paid]) > 0.8
    assert ((climber.best >= 0) & (climber.best <= 1)).all()


def test_a_climber_that_brings_nothing_shortens_its_steps_and_rests() -> None:
    """From the top of a tight claim there is no way up."""
    landscape = inside("D1", Structure(objective="quadratic", at_cap=True), {})
    names = [gene.name for gene in landscape.genes]
    top = np.full(len(names), 0.25)
    assert engine(landscape, top[None, :])[0] == pytest.approx(1.0)
    climber = Climber(landscape, top)
    for _ in range(20):
        climber.climb(2, lambda steps: True)
    assert climber.spent
    assert np.array_equal(climber.best, top)


def test_what_cannot_be_unrolled_is_left_to_others() -> None:
    def climbs(name: str, structure: Structure) -> bool:
        return Arm(inside(name, structure, {}), np.random.default_rng(0)).climbs

    assert climbs("D1", WIDE)
    assert not climbs("D1", replace(WIDE, steps=(8, MOST_UNROLLED + 1)))
    assert not climbs("S3", Structure(noise="two_point", steps=(8, 8)))


def test_structures_are_drawn_on_a_ladder_and_apart() -> None:
    drawn = [s for s in draw_structures(Reading(CATALOGUE["D2"]), 200, 0) if s.dimension > EACH]
    assert {s.apart for s in drawn} == {False, True}
    for s in drawn:
        genes = [gene.name for gene in inside("D2", s, {}).genes]
        assert ("stretch" in genes) == s.ladder == (not s.apart)
        assert (f"x{s.dimension - 1}" in genes) == s.apart
        assert ("numbers apart" in s.regime) == s.apart
    noisy = draw_structures(Reading(CATALOGUE["S3"]), 200, 0)
    assert not any(s.apart for s in noisy if s.noise != "none")


def test_numbers_apart_are_those_of_the_genes() -> None:
    landscape = inside("D1", WIDE, {})
    raw = np.random.default_rng(3).random((1, len(landscape.genes)))
    found = landscape.problem(raw[0])
    assert found is not None
    problem, _ = found
    for name in ("curvature", "slope"):
        values = [numbers[name] for numbers in problem.objective.coordinates]
        assert len(set(values)) == 8, name
        assert max(values) == values[0], name
    assert len(set(problem.start)) == 8


@pytest.mark.slow
def test_it_pays_where_numbers_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the same steps, on the same structures of 24 coordinates: with it, and without."""
    wide = [replace(WIDE, objective=o, dimension=24) for o in ("huber", "log_cosh")]
    monkeypatch.setattr(fuzz.search, "boundary_structures", lambda *_: wide)
    monkeypatch.setattr(fuzz.search, "draw_structures", lambda *_: [])
    monkeypatch.setattr(fuzz.search._Search, "_cover", lambda self: setattr(self, "covered", True))
    budget = Budget(steps=2 * 10**4)
    climbing = search(CATALOGUE["D1"], budget, 1)
    again = search(CATALOGUE["D1"], budget, 1)
    monkeypatch.setattr(fuzz.search, "_MANY", 10**9)
    plain = search(CATALOGUE["D1"], budget, 1)
    assert climbing.score > plain.score + 0.01, (climbing.score, plain.score)
    assert climbing.score <= 1 + 1e-12
    assert climbing.candidates == again.candidates
    assert climbing.steps < 1.1 * plain.steps


def arm_of(search: _Search, structure: Structure) -> Arm:
    (arm,) = search.arms = search._made([structure], 0)
    return arm


def test_an_ascent_keeps_to_the_budget() -> None:
    """A turn costs no more than one evaluation may, nor goes on when all is spent."""
    for steps in (3000, 30_000):
        made = _Search(CATALOGUE["D1"], Budget(steps=steps), 0, False, None, {})
        arm = arm_of(made, replace(WIDE, dimension=24, steps=(64, 64)))
        while not made.meter.spent:
            before = made.meter.steps
            made._turn(arm)
            if arm.climber is not None and made.turns == 0:
                assert made.meter.steps - before <= made.cost_cap + COST * 64 + 64 * arm.population * 4
        assert made.meter.steps <= steps + COST * 64 + 64 * arm.population


def test_no_ascent_from_a_problem_that_breaks_a_condition_nor_in_a_short_time() -> None:
    never = _Search(CATALOGUE["planted_vacuous_steps"], Budget(steps=10**6), 0, False, None, {})
    arm = arm_of(never, WIDE)
    for _ in range(8):
        never._turn(arm)
    assert arm.best is not None
    assert arm.climber is None
    assert never.meter.evaluations == never.meter.steps == 0
    for seconds, climbed in ((29.0, False), (31.0, True)):
        timed = _Search(CATALOGUE["D1"], Budget(seconds=seconds), 0, False, None, {})
        arm = arm_of(timed, replace(WIDE, dimension=24))
        for _ in range(8):
            timed._turn(arm)
        assert (arm.climber is not None) == climbed


def test_an_ascent_that_came_to_rest_begins_anew_elsewhere() -> None:
    made = _Search(CATALOGUE["D1"], Budget(steps=10**6), 0, False, None, {})
    arm = arm_of(made, replace(WIDE, objective="quadratic"))
    points = arm.design(16)
    made._learn(arm, points, made._evaluate(arm, points, 1))
    assert made._climb(arm)
    first = arm.climber
    assert first is not None
    first.pace = 0.0
    assert first.spent
    assert made._climb(arm)
    assert arm.climber is not first
    # It is given time there, though it is still lower.
    second = arm.climber
    assert second is not None
    second.score -= 0.1
    assert made._climb(arm)
    assert arm.climber is second
    # CMA-ES found a higher hill: the ascent goes on there.
    arm.climbed = arm.score - 0.01
    assert made._climb(arm)
    assert arm.climber is not second
    assert np.isfinite(arm.climber.score if arm.climber else np.nan)

"""Gradient ascent through the unrolled run: the score is the engine's, the slope is its derivative, and it pays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import fuzz.search
from fuzz.ascent import Slope, climb, climbs
from fuzz.budget import Budget, Meter
from fuzz.engine.philox import stream_key
from fuzz.genes import Structure
from fuzz.reading import Reading
from fuzz.search import search
from fuzz.trajectory import RunLandscape
from theorems.catalogue import load_catalogue

CATALOGUE = load_catalogue()
PLAIN = [
    Structure(objective="quadratic", steps=(8, 64), dimension=3),
    Structure(objective="huber", steps=(2, 8), at_cap=True),
    Structure(objective="slope_then_bowl", steps=(8, 64), dimension=2),
    Structure(objective="log_cosh", steps=(16, 16)),
]
NOISY = [
    Structure(objective="huber", noise=noise, steps=(8, 8), dimension=2, tail=tail)
    for noise, tail in (("two_point", 1), ("symmetric_two_point", 1), ("gaussian", 1), ("skewed_exponential", -1))
]


def inside(name: str, structure: Structure) -> RunLandscape:
    return RunLandscape(Reading(CATALOGUE[name]), structure)


@pytest.mark.parametrize("structure", PLAIN, ids=lambda s: s.objective)
@pytest.mark.parametrize("name", ["D1", "D2"])
def test_the_score_is_the_engines(name: str, structure: Structure) -> None:
    landscape = inside(name, structure)
    raw = np.random.default_rng(0).random((16, len(landscape.genes)))
    score, _ = Slope(landscape, 1, (0, 0))(raw)
    engine = landscape.evaluate(raw, 1, Meter(Budget(steps=10**9)), 0, 0).score
    assert np.array_equal(np.isfinite(score), np.isfinite(engine))
    good = np.isfinite(score)
    assert good.any()
    assert np.abs(score[good] - engine[good]).max() < 1e-6


@pytest.mark.parametrize("structure", NOISY, ids=lambda s: s.noise)
def test_the_score_is_the_engines_on_its_words(structure: Structure) -> None:
    landscape = inside("S3", structure)
    raw = np.random.default_rng(0).random((1, len(landscape.genes)))
    # The engine's key of instance 0; the point is alone, so that both have the same words.
    score, _ = Slope(landscape, 8, stream_key(3, 0, "search"))(raw)
    engine = landscape.evaluate(raw, 8, Meter(Budget(steps=10**9)), 3, 0).score
    assert score[0] == pytest.approx(engine[0], rel=1e-5)


@pytest.mark.parametrize(("name", "structure"), [("D1", PLAIN[0]), ("D2", PLAIN[2]), ("S3", NOISY[2])])
def test_the_slope_is_the_derivative(name: str, structure: Structure) -> None:
    landscape = inside(name, structure)
    raw = 0.2 + 0.6 * np.random.default_rng(1).random((24, len(landscape.genes)))
    slope = Slope(landscape, 8, (5, 6))
    score, found = slope(raw)
    count = [k for k, gene in enumerate(landscape.genes) if gene.name != "steps"]
    errors = []
    for k in count:
        ahead, behind = raw.copy(), raw.copy()
        ahead[:, k] += 1e-6
        behind[:, k] -= 1e-6
        wanted = (slope(ahead)[0] - slope(behind)[0]) / 2e-6
        errors.append(np.abs(wanted - found[:, k]) / (1e-3 + np.abs(found).max(1)))
    # At a kink between the two points, or where rounding of a gene is seen, they differ; rarely.
    assert np.isfinite(score).mean() > 0.5
    assert np.median(np.nan_to_num(errors, nan=1.0)) < 1e-4
    assert np.abs(found[:, count]).max() > 1e-3


def test_climbing_goes_up_and_is_paid_for() -> None:
    landscape = inside("D1", PLAIN[0])
    raw = np.random.default_rng(2).random((4, len(landscape.genes)))
    before = Slope(landscape, 1, (0, 0))(raw)[0]
    points, spent = climb(landscape, raw, 20, 1, (0, 0))
    after = landscape.evaluate(points, 1, Meter(Budget(steps=10**9)), 0, 0).score
    assert (after >= before - 1e-6).all()
    assert after.max() > before.max() + 0.01
    assert spent >= 3 * 20 * 4 * 8
    assert (points >= 0).all()
    assert (points <= 1).all()


def test_what_cannot_be_differentiated_is_left_to_others() -> None:
    assert climbs(inside("D1", PLAIN[0]))
    assert not climbs(inside("D1", replace(PLAIN[0], steps=(64, 1000))))
    assert not climbs(inside("D1", Structure(objective="quartic", steps=(8, 8))))
    assert not climbs(inside("D1_min", PLAIN[0]))
    assert not climbs(inside("S3", Structure(noise="student_t", steps=(8, 8))))
    held = RunLandscape(Reading(CATALOGUE["D1"]), PLAIN[0], {"F0": 1.0})
    assert not climbs(held)


def test_it_pays_where_numbers_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the same steps, on the same structures of 24 coordinates: with it, and without."""
    families = ("quadratic", "huber", "slope_then_bowl", "log_cosh")
    wide = [Structure(objective=o, steps=(8, 64), at_cap=cap, dimension=24) for o in families for cap in (True, False)]
    monkeypatch.setattr(fuzz.search, "draw_structures", lambda *_: wide)
    monkeypatch.setattr(fuzz.search, "boundary_structures", lambda *_: [])
    budget = Budget(steps=5 * 10**4)
    climbing = search(CATALOGUE["D2"], budget, 1)
    again = search(CATALOGUE["D2"], budget, 1)
    monkeypatch.setattr(fuzz.search, "_MANY", 10**9)
    plain = search(CATALOGUE["D2"], budget, 1)
    assert climbing.score > plain.score + 0.01, (climbing.score, plain.score)
    assert climbing.score <= 1 + 1e-12
    assert climbing.candidates == again.candidates
    assert climbing.steps < 1.5 * plain.steps

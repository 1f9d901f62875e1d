"""What conditions on one letter alone leave of its range; and that a search looks nowhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sympy as sp

from fuzz.genes import Structure
from fuzz.ranges import LONGEST, NOISE_LEVELS, noise_levels, run_lengths
from fuzz.reading import Reading
from fuzz.strategies import boundary_structures, canonical, draw_structures, landscape
from theorems.catalogue import load_catalogue
from theorems.language import BoundedVariance, Piecewise, Rational, T, Theorem, Upper, c, eta, sigma

CATALOGUE = load_catalogue()
S3, D1 = CATALOGUE["S3"], CATALOGUE["D1"]


def under(*conditions: Any, theorem: Theorem = S3) -> Reading:
    """A statement under these conditions alone."""
    return Reading(replace(theorem, name="narrow", when=list(conditions), proof=[], witness=[]))


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([sigma >= 3 * c], (3.0, NOISE_LEVELS[1])),
        ([sigma <= 2 * c], (NOISE_LEVELS[0], 2.0)),
        # Between two points of the grid; a thousandth and a millionth wide.
        ([sigma >= Rational(19, 10) * c, sigma <= Rational(1919, 1000) * c], (1.9, 1.919)),
        ([sigma >= 6 * c, sigma <= Rational(6001, 1000) * c], (6.0, 6.001)),
        ([c <= sigma, sigma <= c * (1 + Rational(1, 10**6))], (1.0, 1.000001)),
        # An irrational end; two conditions in one; an equation that the grid meets.
        ([sigma**2 >= 2 * c**2], (2**0.5, NOISE_LEVELS[1])),
        ([sp.And(sigma >= 3 * c, sigma <= 4 * c)], (3.0, 4.0)),
        ([sp.Eq(sigma, 2 * c)], (2.0, 2.0)),
        # Two stretches: from the first to the last.
        ([sp.Or(sigma <= c / 4, sigma >= 8 * c), sigma <= 9 * c, sigma >= c / 5], (0.2, 9.0)),
        # Other letters have a say: the search's affair.
        ([eta * sigma <= 1], None),
        ([T >= 5], None),
        ([], None),
        ([sigma > 200 * c], None),
        ([sp.Eq(sigma, c / 3)], None),
    ],
)
def test_noise_levels(conditions: list[Any], expected: tuple[float, float] | None) -> None:
    found = noise_levels(under(*conditions))
    if expected is None:
        assert found is None
        return
    assert found == pytest.approx(expected, rel=1e-9)
    # Both ends are admitted, and simple ones are met exactly.
    reading, levels = under(*conditions), np.array(found)
    assert reading.conditions_hold({"sigma": levels, "c": np.ones(2)}).all()
    assert found[0] == expected[0] or expected[0] == 2**0.5


def test_noise_levels_of_a_letter_that_is_half_of_the_deviation() -> None:
    """``BV(2 sigma)``: what is searched is the deviation."""
    doubled = [BoundedVariance(2 * sigma) if isinstance(a, BoundedVariance) else a for a in S3.given]
    reading = under(sigma >= 3 * c, theorem=replace(S3, given=doubled))
    assert noise_levels(reading) == pytest.approx((6.0, NOISE_LEVELS[1]))


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([T >= 37, T <= 37], (37, 37)),
        ([T > 100], (101, LONGEST)),
        ([sp.Eq(T, 12345)], (12345, 12345)),
        ([T**2 <= 50], (1, 7)),
        ([T >= 30000], None),
        ([eta * T >= 1], None),
        ([], None),
    ],
)
def test_run_lengths(conditions: list[Any], expected: tuple[int, int] | None) -> None:
    assert run_lengths(under(*conditions)) == expected


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        # What both share; else near lengths, for long runs are dear.
        ((64, 1000), (100, 500)),
        ((1, 1), (100, 400)),
        ((1000, 20000), (125, 500)),
    ],
)
def test_structures_keep_to_what_is_admitted(steps: tuple[int, int], expected: tuple[int, int]) -> None:
    reading = under(T >= 100, T <= 500, sigma >= 4 * c, sigma <= 5 * c)
    plain = Structure(objective="quadratic", noise="two_point", steps=steps)
    for deviation, levels in (((0.3, 4.5), (4.0, 4.5)), ((0.01, 0.3), (4.0, 5.0)), ((1.0, 1.0), (4.0, 5.0))):
        found = canonical(reading, replace(plain, deviation=deviation), {})
        assert found == replace(plain, deviation=levels, steps=expected)
    # What is held is held, and no noise has no level.
    held = canonical(reading, plain, {"sigma": 7.0, "T": 50.0})
    assert (held.deviation, held.steps) == ((7.0, 7.0), (50, 50))
    assert canonical(reading, replace(plain, noise="none"), {}).deviation == plain.deviation


def test_a_case_of_the_bound_has_ranges_of_its_own() -> None:
    band = sp.And(sigma >= 4 * c, sigma <= Rational(401, 100) * c)
    claim = Upper(S3.claim.quantity, Piecewise((S3.claim.bound / 2, band), (S3.claim.bound, True)))
    reading = Reading(replace(S3, name="band", claim=claim, proof=[], witness=[]))
    plain = Structure(objective="quadratic", noise="two_point", steps=(2, 64), deviation=(1e-2, 1e2))
    number = next(k for k, case in enumerate(reading.cases, 1) if noise_levels(case) == pytest.approx((4.0, 4.01)))
    assert canonical(reading, replace(plain, case=number), {}).deviation == pytest.approx((4.0, 4.01))
    assert canonical(reading, plain, {}).deviation == plain.deviation


def test_random_points_meet_what_is_on_one_letter_alone() -> None:
    """A slit of a hundredth and one length: without ranges one point in twenty thousand is there."""
    reading = under(*S3.when, sigma >= Rational(19, 10) * c, sigma <= Rational(1919, 1000) * c, T >= 37, T <= 37)
    rng, met = np.random.default_rng(0), []
    for structure in [*boundary_structures(reading), *draw_structures(reading, 20, 0)]:
        if structure.noise != "none":
            inside = landscape(reading, canonical(reading, structure, {}), {})
            met.append(inside.places(rng.random((40, len(inside.genes))))[1].mean())
    assert len(met) > 20
    # Laws of several coordinates have a deviation that their sum settles.
    assert np.median(met) > 0.9

"""What conditions on one letter alone leave of its range; and that a search looks nowhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sympy as sp

from fuzz.genes import Structure
from fuzz.ranges import LONGEST, NOISE_LEVELS, noise_levels, run_lengths
from fuzz.rationals import quantise
from fuzz.reading import Reading
from fuzz.strategies import boundary_structures, canonical, deviations, draw_structures, landscape
from fuzz.trajectory import RunLandscape
from theorems.catalogue import load_catalogue
from theorems.language import ONE, BoundedVariance, Parameter, Piecewise, Rational, T, Theorem, Upper, c, eta, sigma

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
        # What may be in pieces is not cut, however narrow one of them is.
        ([sp.Or(sp.And(sigma >= Rational(1001, 10**4) * c, sigma <= Rational(1009, 10**4) * c), sigma >= 3 * c)], None),
        ([(sigma - c) * (sigma - 3 * c) >= 0], None),
        ([sp.Ne(sigma, c)], None),
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
    assert found == pytest.approx(expected, rel=2e-6)
    # Both ends are admitted; those on the lattice of genes are met exactly, others from within.
    reading, levels = under(*conditions), np.array(found)
    assert reading.conditions_hold({"sigma": levels, "c": np.ones(2)}).all()
    for end, wanted, inwards in zip(found, expected, (1, -1), strict=True):
        met = wanted in NOISE_LEVELS or float(quantise(np.array(wanted))) == wanted
        assert end == wanted if met else 0 < inwards * (end - wanted) < 2e-6 * wanted
    assert reading.conditions_hold({"sigma": quantise(levels[1:]), "c": np.ones(1)}).all()


def test_noise_levels_of_a_letter_that_is_half_of_the_deviation() -> None:
    """``BV(2 sigma)``: what is searched is the deviation."""
    doubled = [BoundedVariance(2 * sigma) if isinstance(a, BoundedVariance) else a for a in S3.given]
    reading = under(sigma >= 3 * c, theorem=replace(S3, given=doubled))
    assert noise_levels(reading) == (6.0, NOISE_LEVELS[1])


def test_other_letters_that_have_a_part_in_the_noise_level() -> None:
    """Nothing is cut: n and k may be anything."""
    k = Parameter("k", ONE)
    for level in (sigma * sp.sqrt(k), k * sigma):
        given = [BoundedVariance(level) if isinstance(a, BoundedVariance) else a for a in S3.given]
        reading = under(sigma <= c, theorem=replace(S3, given=given))
        assert noise_levels(reading) is None
        assert max(high for _, high in deviations(reading)) == NOISE_LEVELS[1]


def test_noise_levels_where_c_is_held() -> None:
    """A condition that is not homogeneous means what it says at that c."""
    assert noise_levels(under(sigma >= 3), 10.0) == pytest.approx((0.3, NOISE_LEVELS[1]), rel=2e-6)
    plain = Structure(objective="quadratic", noise="two_point", steps=(2, 64), deviation=NOISE_LEVELS)
    assert canonical(under(sigma >= 3), plain, {"c": 10.0}).deviation[0] == pytest.approx(0.3, rel=2e-6)


@pytest.mark.parametrize("dimension", [2, 3])
def test_coordinates_may_share_the_noise_evenly(dimension: int) -> None:
    """The first deviation of a law drawn coordinate by coordinate may be a root of d smaller than the whole."""
    reading = under(*S3.when, sigma >= Rational(19, 10) * c, sigma <= Rational(1919, 1000) * c)
    wide = Structure(objective="quadratic", noise="gaussian", dimension=dimension, deviation=(1e-2, 1e2), steps=(2, 64))
    inside = landscape(reading, canonical(reading, wide, {}), {})
    assert isinstance(inside, RunLandscape)
    names = [gene.name for gene in inside.genes]
    raw = np.random.default_rng(0).random((100_000, len(names)))
    draft = inside.draft(raw)
    first = inside.genes[names.index("deviation")].decode(raw[:, names.index("deviation")])
    even = first[draft.good] * dimension**0.5 / draft.deviation[draft.good]
    # 1 where the noise is shared evenly, the root of d where the first coordinate has it all.
    assert even.min() < 1.2
    assert even.max() > 1.3
    along = canonical(reading, replace(wide, noise="gradient_two_point"), {})
    assert along.deviation == pytest.approx((1.9, 1.919), rel=2e-6)


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
    number = next(
        k for k, case in enumerate(reading.cases, 1) if noise_levels(case) == pytest.approx((4.0, 4.01), rel=2e-6)
    )
    assert canonical(reading, replace(plain, case=number), {}).deviation == pytest.approx((4.0, 4.01), rel=2e-6)
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

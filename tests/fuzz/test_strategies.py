"""Strategies draw problems that meet a theorem's assumptions exactly; rationals and one-step formulas."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fuzz.budget import Budget, Meter
from fuzz.certify import certify
from fuzz.genes import Gene, Structure, fit_step_size, quantise
from fuzz.lattice_laws import SYMMETRIC_LAWS
from fuzz.laws import LawLandscape
from fuzz.onestep import drift, exactly_stuck, largest_stuck, lattice_law, stuck_gradient_norm
from fuzz.pieces import FAMILIES
from fuzz.problem import FiniteLaw, Problem
from fuzz.rationals import dyadic_between, root_above, simpler_than, simplest_between, size
from fuzz.reading import Reading
from fuzz.rescore import deviation_of, rescore
from fuzz.strategies import boundary_structures, deviations, draw_structures, inside_case, landscape, problems
from fuzz.trajectory import RunLandscape
from theorems.language import (
    F0,
    GS,
    L0,
    L1,
    PL,
    AverageGradientNorm,
    BoundedVariance,
    Convex,
    Drift,
    ExactGradients,
    FinalGap,
    Floor,
    L,
    MinGradientNorm,
    Smooth,
    Source,
    StuckGradientNorm,
    Symmetric,
    T,
    Theorem,
    Upper,
    c,
    eta,
    m,
    mu,
    sigma,
    sqrt,
)

THETA = eta * (L0 + c * L1)
QUICK = settings(
    max_examples=60,
    database=None,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def statement(given, when, claim):
    return Theorem(name="a-claim", source=Source("tests", "1"), given=given, when=when, claim=claim)


RATE = Upper(AverageGradientNorm, sqrt(F0 / (eta * T)) + F0 / (eta * T * c))
NOISELESS = statement([GS(L0, L1), ExactGradients()], [THETA <= 1], RATE)
NOISY = statement([GS(L0, L1), BoundedVariance(sigma)], [sp.Rational(1, 9) >= THETA, sigma >= 2 * c], RATE)
STRONG = statement([Smooth(L), PL(mu), BoundedVariance(sigma), Symmetric()], [eta * L <= 1], Upper(FinalGap, F0))
STUCK = statement([BoundedVariance(sigma)], [], Upper(StuckGradientNorm, sigma))
FLOOR = statement([BoundedVariance(sigma)], [], Floor(Drift, (m + c - sqrt(sigma**2 + (c - m) ** 2)) / 2))
LATE = statement(
    [Convex(), Smooth(L), ExactGradients()], [eta * L <= 1, 2 * F0 / (eta * c**2) <= T], Upper(FinalGap, F0)
)


@QUICK
@given(problems(NOISELESS))
def test_exact_gradients_mean_no_noise(problem: Problem) -> None:
    assert problem.deterministic
    # Of the others the constant is more, or less, than the number `curvature`.
    if not {profile.name for profile, _ in problem.objective.profiles} & {"quartic", *FAMILIES}:
        curvature = max(numbers["curvature"] for numbers in problem.objective.coordinates)
        assert problem.step_size * curvature <= 1


@QUICK
@given(problems(NOISY))
def test_conditions_hold_by_construction(problem: Problem) -> None:
    assert not problem.oracle
    if not problem.deterministic:
        assert deviation_of(problem) >= sp.Rational(199, 100) * problem.clipping_threshold


@QUICK
@given(problems(STRONG))
def test_symmetric_and_strongly_convex(problem: Problem) -> None:
    assert {profile.name for profile, _ in problem.objective.profiles} <= {"quadratic", "piecewise_quadratic"}
    assert problem.noise.name in ("none", "finite", *SYMMETRIC_LAWS)
    certify(Symmetric(), problem)


@QUICK
@given(problems(STUCK))
def test_stuck_points_are_exact(problem: Problem) -> None:
    law = problem.noise
    assert isinstance(law, FiniteLaw)
    assert all(entry == 0 for entry in law.mean)
    atoms = [(Fraction(p.p, p.q), tuple(Fraction(e.p, e.q) for e in v)) for p, v in law.atoms]
    norm = problem.start[0]
    assert exactly_stuck(Fraction(norm.p, norm.q), Fraction(problem.clipping_threshold.p), atoms)


@QUICK
@given(problems(LATE))
def test_enough_steps_are_taken(problem: Problem) -> None:
    gap = Reading(LATE)
    assert np.isfinite(rescore(gap, problem, {})[0])


def test_oracle_noise_only_on_request() -> None:
    reading = Reading(statement([GS(L0, L1), BoundedVariance(sigma)], [THETA < 1], RATE))
    plain = boundary_structures(reading) + draw_structures(reading, 60, 0)
    asked = boundary_structures(reading, True) + draw_structures(reading, 60, 0, True)
    assert all(s.noise != "worst_two_point" for s in plain)
    assert any(s.noise == "worst_two_point" for s in asked)


def test_structures_repeat_with_their_number() -> None:
    reading = Reading(NOISELESS)
    assert draw_structures(reading, 20, 3) == draw_structures(reading, 20, 3)
    assert draw_structures(reading, 20, 3) != draw_structures(reading, 20, 4)


def test_deviations_respect_conditions() -> None:
    ranges = deviations(Reading(NOISY))
    assert min(low for low, _ in ranges) == 2.0
    assert deviations(Reading(STUCK))[0] == (0.01, 0.3)


def test_step_size_reaches_its_cap_exactly() -> None:
    reading = Reading(NOISELESS)
    one = np.ones(3)
    letters = {"c": one, "T": one, "F0": one, "L0": np.array([1.0, 2.0, 3.0]), "L1": 0 * one}
    chosen, cap = fit_step_size(reading, letters, np.array([1.0, 1.0, 0.5]))
    assert chosen[0] == 1.0
    assert chosen[1] == 0.5
    assert chosen[2] == pytest.approx(1 / 6, rel=1e-6)
    assert np.all(cap * letters["L0"] <= 1)


@pytest.mark.parametrize(("low", "high"), [("1/2", "3/5"), ("99/100", "1"), ("3/10", "3001/10000")])
def test_narrow_windows_of_the_step_size_are_filled(low: str, high: str) -> None:
    # The first is wider than two neighbours of the grid, the others fall between them.
    least, most = sp.Rational(low), sp.Rational(high)
    reading = Reading(statement([GS(L0, L1), ExactGradients()], [least <= THETA, most >= THETA], RATE))
    one = np.ones(5)
    letters = {"c": one, "T": one, "F0": one, "L0": np.array([1.0, 1.0, 1.0, 3.0, 0.25]), "L1": 0 * one}
    chosen, cap = fit_step_size(reading, letters, np.array([1.0, 1e-6, 1e-3, 1.0, 1e-3]))
    theta = chosen * letters["L0"]
    np.testing.assert_allclose(cap * letters["L0"], float(most), rtol=1e-6)
    np.testing.assert_allclose(theta[[0, 1, 3]], np.array([most, least, most], float), rtol=1e-6)
    # Fractions from 1e-6 to 1 are spread over the whole window.
    np.testing.assert_allclose(theta[[2, 4]], float(sp.sqrt(least * most)), rtol=1e-5)
    assert reading.conditions_hold({**letters, "eta": chosen}).all()


def test_where_no_step_size_is_admissible_the_nearest_is_taken() -> None:
    # F0 = 1 is too high for any step size; where it comes nearest is still the guide of a search.
    reading = Reading(statement([GS(L0, L1), ExactGradients()], [THETA <= 1, eta * c**2 / 4 >= F0], RATE))
    one = np.ones(1)
    chosen, cap = fit_step_size(reading, {"c": one, "T": one, "F0": one, "L0": one, "L1": 0 * one}, one)
    assert np.isnan(cap).all()
    assert 1 <= chosen[0] <= 4


def test_every_case_of_a_bound_is_a_place_to_search() -> None:
    band = sp.And(sigma >= 3 * c / 2, sigma <= 31 * c / 20)
    bound = sp.Piecewise((sigma / 10, band), (sigma, True))
    reading = Reading(statement([BoundedVariance(sigma)], [], Upper(StuckGradientNorm, bound)))
    assert len(reading.cases) == 2
    inside, outside = reading.cases
    letters = {"c": np.ones(4), "sigma": np.array([1.0, 1.5, 1.54, 2.0])}
    assert inside.conditions_hold(letters).tolist() == [False, True, True, False]
    assert outside.conditions_hold(letters).tolist() == [True, False, False, True]
    # How far it is: the sum over "and", the least of "or".
    np.testing.assert_allclose(inside.shortfall(letters), [0.5 / 2.5, 0, 0, 0.45 / 3.55])
    np.testing.assert_allclose(outside.shortfall(letters), [0, 0, 0.01 / 3.09, 0], atol=1e-15)
    narrowed = inside_case(reading, Structure(noise="finite", atoms=2, case=1))
    assert narrowed.deviation[0] >= 1.5
    assert narrowed.deviation[1] <= 1.55
    assert reading.conditions_hold(letters).all()
    assert Reading(STUCK).cases == ()


def test_wrong_landscape_is_refused() -> None:
    with pytest.raises(ValueError, match="not measured on whole runs"):
        RunLandscape(Reading(STUCK), Structure())
    with pytest.raises(ValueError, match="not a one-step quantity"):
        LawLandscape(Reading(NOISELESS), Structure())


def test_scores_do_not_depend_on_the_split() -> None:
    minimum = statement([GS(L0, L1), BoundedVariance(sigma)], [THETA < 1], Upper(MinGradientNorm, sigma + sqrt(F0)))
    inside = landscape(Reading(minimum), Structure(noise="gaussian", steps=(2, 64)))
    raw = np.random.default_rng(0).random((6, len(inside.genes)))
    meter = Meter(Budget(steps=10**9))
    whole = inside.evaluate(raw, 8, meter, 1, 0).score
    parts = [inside.evaluate(raw[k : k + 1], 8, meter, 1, k).score[0] for k in range(6)]
    np.testing.assert_array_equal(whole, parts)


def test_genes_reach_their_ends_exactly() -> None:
    gene = Gene("x", 1e-3, 1e3)
    np.testing.assert_array_equal(gene.decode(np.array([-1.0, 0.0, 1.0, 2.0])), [1e-3, 1e-3, 1e3, 1e3])
    assert quantise(np.array([1 / 3]), 4, up=True)[0] >= 1 / 3 >= quantise(np.array([1 / 3]), 4, up=False)[0]


# -- one step ----------------------------------------------------------------------------------------------------------


def test_drift_and_stuck_point_by_hand() -> None:
    one, probabilities, atoms = np.ones(1), np.array([[0.2, 0.8]]), np.array([[[2.0], [-0.5]]])
    assert drift(np.array([0.5]), one, probabilities, atoms)[0] == pytest.approx(0.2)
    found, at_zero = stuck_gradient_norm(one, probabilities, atoms)
    assert found[0] == pytest.approx(0.25, abs=1e-12)
    assert at_zero[0] == pytest.approx(-0.2)
    law = [(Fraction(1, 5), (Fraction(2),)), (Fraction(4, 5), (Fraction(-1, 2),))]
    assert largest_stuck(Fraction(1), law) == Fraction(1, 4)
    assert exactly_stuck(Fraction(1, 4), Fraction(1), law)
    assert not exactly_stuck(Fraction(1, 4) + Fraction(1, 10**30), Fraction(1), law)


def test_stuck_point_in_the_plane() -> None:
    # +-sqrt(3) across the gradient: both atoms pull along u as soon as m > 0.
    law = [(Fraction(1, 2), (Fraction(0), Fraction(s))) for s in (2, -2)]
    assert largest_stuck(Fraction(1), law) == 0
    turned = [(Fraction(1, 2), (Fraction(3 * s, 5), Fraction(4 * s, 5))) for s in (5, -5)]
    assert largest_stuck(Fraction(1), turned) == 0


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("gaussian", {"scale": 1.0}),
        ("skewed_exponential", {"scale": 1.0}),
        ("symmetric_two_point", {"scale": 1.0}),
    ],
)
def test_lattice_law_has_the_family_moments(name: str, numbers: dict[str, float]) -> None:
    probabilities, atoms = lattice_law(name, numbers)
    assert (probabilities * atoms[:, 0]).sum() == pytest.approx(0, abs=1e-12)
    assert (probabilities * atoms[:, 0] ** 2).sum() == pytest.approx(1, abs=0.02)
    with pytest.raises(ValueError, match="no lattice law"):
        lattice_law("worst_two_point", {"sigma": 1.0})


# -- rationals ---------------------------------------------------------------------------------------------------------

positive = st.fractions(min_value=Fraction(1, 10**6), max_value=10**6, max_denominator=10**6)


@QUICK
@given(positive, positive)
def test_simplest_between(a: Fraction, b: Fraction) -> None:
    low, high = min(a, b), max(a, b)
    found = simplest_between(low, high)
    assert low <= found <= high
    # No smaller denominator fits.
    for denominator in range(1, min(found.denominator, 50)):
        assert (low * denominator).__ceil__() > high * denominator


def test_simplest_between_by_hand() -> None:
    assert simplest_between(Fraction(311, 100), Fraction(315, 100)) == Fraction(22, 7)
    assert simplest_between(Fraction(-1, 2), Fraction(1, 3)) == 0
    assert simplest_between(Fraction(-7, 3), Fraction(-9, 4)) == Fraction(-7, 3)
    with pytest.raises(ValueError, match="no number lies between"):
        simplest_between(Fraction(2), Fraction(1))


@QUICK
@given(positive)
def test_roots_and_simpler_numbers(value: Fraction) -> None:
    for slack in (Fraction(0), Fraction(1, 100)):
        root = root_above(value, slack)
        assert root**2 >= value
        assert root**2 <= value * (1 + slack + Fraction(1, 10**8)) ** 2
    assert root_above(value**2, Fraction(0)) == value
    assert all(size(found) < size(value) for found in simpler_than(value))
    dyadic = dyadic_between(value, value * 2)
    assert value <= dyadic <= 2 * value
    assert dyadic.denominator & (dyadic.denominator - 1) == 0

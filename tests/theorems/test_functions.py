"""The formulas of objectives and noises against their definitions: exactly, or with 60 digits."""

from __future__ import annotations

import random
from typing import Any

import mpmath
import pytest
import sympy as sp

from theorems.language import units
from theorems.language.functions import OBJECTIVES, Objective, x
from theorems.language.noises import LATTICE, NOISES, U1, Layout, Noise, exponential_centre, index, pareto_centre
from theorems.language.parameters import c, m
from theorems.language.special import balance, exprel, exprel2

BUMP = {
    "width1": sp.Rational(1, 2),
    "width2": sp.Rational(3, 4),
    "width3": sp.Rational(1),
    "width4": sp.Rational(1, 4),
    "bend1": sp.Rational(1),
    "bend2": sp.Rational(-4, 5),
    "bend3": sp.Rational(1, 3),
    "bend4": sp.Rational(0),
    "bend5": sp.Rational(1, 2),
    "left_width1": sp.Rational(1, 4),
    "left_width2": sp.Rational(1),
    "left_bend1": sp.Rational(0),
    "left_bend2": sp.Rational(3, 4),
    "left_bend3": sp.Rational(0),
}
ENDS = [sp.Rational(n, 4) for n in (2, 5, 9, 10, -1, -5)]

NUMBERS: dict[str, dict[str, sp.Rational]] = {
    "quadratic": {"curvature": sp.Rational(3, 2)},
    "huber": {"curvature": sp.Rational(3, 2), "slope": sp.Rational(2, 5)},
    "slope_then_bowl": {
        "curvature": sp.Rational(2),
        "slope": sp.Rational(1, 4),
        "start": sp.Rational(1, 2),
        "steep": sp.Rational(3, 2),
    },
    "log_cosh": {"curvature": sp.Rational(3, 2), "slope": sp.Rational(3, 4)},
    "quartic": {"curvature": sp.Rational(1, 2), "quartic": sp.Rational(1, 4)},
    "well": {"curvature": sp.Rational(3, 2), "radius": sp.Rational(3, 4)},
    # A bump with a local minimum above 0 on the right, a flat bottom and a slope on the left.
    "piecewise_quadratic": {"curvature": sp.Rational(3, 2), **BUMP},
    "piecewise_exponential": {"curvature": sp.Rational(3, 2), "growth": sp.Rational(2, 3), **BUMP},
}

KINKS: dict[str, list[sp.Rational]] = {
    "quadratic": [],
    "huber": [sp.Rational(4, 15), sp.Rational(-4, 15)],
    "slope_then_bowl": [sp.Rational(1, 8), sp.Rational(1, 2), sp.Rational(9, 8)],
    "log_cosh": [],
    "quartic": [],
    "well": [],
    "piecewise_quadratic": ENDS,
    "piecewise_exponential": ENDS,
}

PIECEWISE = ("piecewise_quadratic", "piecewise_exponential")

objectives = pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=lambda o: o.name)
noises = pytest.mark.parametrize("noise", NOISES.values(), ids=lambda n: n.name)


def at(expression: sp.Expr, objective: Objective, point: sp.Expr) -> Any:
    numbers = {p: NUMBERS[objective.name][p.name] for p in objective.parameters}
    return sp.N(expression.xreplace({x: sp.sympify(point), **numbers}), 60)


def test_every_family_has_numbers_here() -> None:
    assert set(NUMBERS) == set(KINKS) == set(OBJECTIVES)


@objectives
def test_gradient_is_the_derivative_of_the_value(objective: Objective) -> None:
    random.seed(1)
    h = sp.Rational(1, 10**20)
    points = [sp.Rational(random.randrange(-4000, 4000), 1001) for _ in range(40)]
    for point in points:
        # Second-order differences: exact up to h^2 where no kink lies within h, and no point here is a kink.
        slope = (at(objective.value, objective, point + h) - at(objective.value, objective, point - h)) / (2 * h)
        assert abs(slope - at(objective.gradient, objective, point)) < 1e-30


@objectives
def test_gradient_at_kinks_and_at_the_minimum_from_both_sides(objective: Objective) -> None:
    h = sp.Rational(1, 10**20)
    for point in [sp.Integer(0), *KINKS[objective.name]]:
        here = at(objective.value, objective, point)
        gradient = at(objective.gradient, objective, point)
        for side in (h, -h):
            assert abs((at(objective.value, objective, point + side) - here) / side - gradient) < 1e-18


@objectives
def test_minimum_is_zero_at_zero(objective: Objective) -> None:
    assert abs(at(objective.value, objective, sp.Integer(0))) < 1e-50
    assert at(objective.gradient, objective, sp.Integer(0)) == 0
    for k in range(1, 50):
        for point in (sp.Rational(k, 10), -sp.Rational(k, 10)):
            flat = objective.name in PIECEWISE and -sp.Rational(1, 4) <= point <= 0
            assert at(objective.value, objective, point) == 0 if flat else at(objective.value, objective, point) > 0


@objectives
def test_values_and_gradients_carry_their_units(objective: Objective) -> None:
    """Under f -> a f, x -> b x, with every parameter scaled by its unit, values scale by a and gradients by a/b."""
    a, b = sp.Rational(7, 3), sp.Rational(5, 2)
    numbers = {p: NUMBERS[objective.name][p.name] for p in objective.parameters}
    scaled = {p: p.unit.scale(a, b) * value for p, value in numbers.items()}  # type: ignore[attr-defined]
    for point in (sp.Rational(-3, 2), sp.Rational(1, 10), sp.Rational(2, 3), sp.Rational(9, 4)):
        for formula, unit in ((objective.value, units.OBJECTIVE_VALUE), (objective.gradient, units.GRADIENT)):
            before = formula.xreplace({x: point, **numbers})
            after = formula.xreplace({x: b * point, **scaled})
            assert abs(sp.N(after - unit.scale(a, b) * before, 60)) < 1e-50


def test_special_functions_are_what_they_say() -> None:
    t = sp.Symbol("t", real=True)
    for function, order in ((exprel, 1), (exprel2, 2)):
        assert function(0) == 1
        with mpmath.workdps(60):
            for point in (sp.Rational(1, 10**30), sp.Rational(-7, 3), sp.Rational(1, 3), sp.Integer(40)):
                exact = mpmath.hyp1f1(1, order + 1, mpmath.mpf(int(point.p)) / int(point.q))
                assert abs(mpmath.mpf(str(sp.N(function(point), 50))) / exact - 1) < mpmath.mpf(10) ** -48
        shown = function(t).by_exp()
        assert abs(sp.N((function(t).diff(t) - shown.diff(t)).subs(t, sp.Rational(5, 4)), 40)) < 1e-35
    assert balance(0, 0) == 0
    assert balance(sp.Rational(3), sp.Rational(-1)) == sp.Rational(1, 2)
    assert abs(sp.N(balance(sp.sqrt(2), -sp.sqrt(2) / 3), 30) - sp.Rational(1, 2)) < 1e-25


@noises
def test_atoms_are_a_centred_law_with_the_stated_variance(noise: Noise) -> None:
    if noise.atoms is None:
        # Continuous laws are tested below, and in test_lattice_laws.py, each by its own sums.
        assert noise.words == 2 or noise.name in {"skewed_exponential", "pareto"}
        return
    pair = (sp.Rational(3, 2), sp.Rational(3, 2**32))
    eighths = [sp.Rational(k, 8) for k in (1, 2, 3, 4, 6)]
    # The last atom of six makes up for the others.
    values = [sp.Rational(k, 3) for k in (1, -2, 4, 5, -1)]
    values.append(-sum(values[k] * p for k, p in enumerate((1, 1, 1, 1, 2))) / 2)
    given = {"two_point": pair, "gradient_two_point": pair, "band_two_point": (*pair, sp.Rational(1, 3), 5)}
    given |= {"finite": (*values, *eighths), "none": ()}
    numbers = dict(zip(noise.parameters, given.get(noise.name, (sp.Rational(7, 5),)), strict=True))
    several = [(sp.Rational(1, 4), 1), (1, 1), (5, 1), (0, 1), (0, 10**6), (10**6, 1)]
    points = several if noise.depends_on_state else [(0, 1)]
    for norm, threshold in points:
        here = {**numbers, m: sp.sympify(norm), c: sp.Integer(threshold)}
        law = [(p.subs(here), v.subs(here)) for p, v in noise.atoms]
        assert sum(p for p, _ in law) == 1
        assert all(0 < p <= 1 and (p * LATTICE).is_integer for p, _ in law)
        assert sp.simplify(sum(p * v for p, v in law)) == 0
        variance = sp.N(sum(p * v**2 for p, v in law) - noise.variance.subs(here), 60)
        assert variance <= (1e-40 if noise.oracle else 0)
        # The lattice costs next to nothing where the probability is not of its own size.
        outside = noise.name == "band_two_point" and not sp.Rational(1, 3) <= norm <= 5
        assert noise.oracle or outside or variance == 0


def test_oracle_is_the_worst_law_of_the_drift_theorem() -> None:
    """Up to the lattice, atoms are S1's: ``c + s`` and ``c - s``, or ``-c`` and ``m + sigma^2/n``."""
    noise = NOISES["worst_two_point"]
    (sigma,) = noise.parameters
    assert noise.atoms is not None
    for norm, threshold, deviation in [(0.25, 1, 1), (1, 1, 2), (0.5, 1, 3), (2, 1, 0.5), (0.01, 1, 1.5), (0, 1, 5)]:
        (above, high), (_, low) = (
            (float(p), float(v))
            for p, v in (
                (p.subs(v0), v.subs(v0))
                for v0 in [{m: sp.Rational(norm), c: sp.Rational(threshold), sigma: sp.Rational(deviation)}]
                for p, v in noise.atoms
            )
        )
        s = (deviation**2 + (threshold - norm) ** 2) ** 0.5
        n = norm + threshold
        if s <= 2 * threshold:
            wanted = (threshold + s, threshold - s)
            drift = (norm + threshold - s) / 2
        else:
            wanted = (norm + deviation**2 / n, -threshold)
            drift = threshold * (n**2 - deviation**2) / (n**2 + deviation**2)
        assert (norm + high, norm + low) == pytest.approx(wanted, abs=1e-6)
        clipped = [max(-threshold, min(threshold, norm + v)) for v in (high, low)]
        assert above * clipped[0] + (1 - above) * clipped[1] == pytest.approx(drift, abs=1e-6)


def test_layouts_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="an oracle moves along the gradient, not by COORDINATES"):
        Noise("x", (), 1, sp.Integer(0), sp.Integer(0), oracle=True)
    with pytest.raises(ValueError, match="takes one word per draw, not 2"):
        Noise("x", (), 2, sp.Integer(0), sp.Integer(0), layout=Layout.SHARED)
    with pytest.raises(ValueError, match="layout PAIRS takes two words per draw, not 1"):
        Noise("x", (), 1, sp.Integer(0), sp.Integer(0), layout=Layout.PAIRS)
    with pytest.raises(ValueError, match="layout PAIRS is for laws that do not read the state"):
        Noise("x", (), 2, m, sp.Integer(0), layout=Layout.PAIRS)


@pytest.mark.parametrize("alpha", ["2.0009765625", "2.05", "2.5", "3", "5", "12", "64"])
def test_pareto_centre_is_the_mean_on_the_lattice(alpha: str) -> None:
    """The whole sum over 2^32 midpoints, as a difference of Hurwitz zeta functions, within 2^-63."""
    with mpmath.workdps(60):
        size, power = mpmath.mpf(2) ** 32, 1 / mpmath.mpf(alpha)
        exact = size ** (power - 1) * (mpmath.zeta(power, mpmath.mpf(1) / 2) - mpmath.zeta(power, size + 0.5))
        centre = mpmath.mpf(str(sp.N(pareto_centre().subs(index, sp.Rational(alpha)), 60)))
        assert abs(centre - exact) < mpmath.mpf(2) ** -63
        # The bound is of the size of the error, not a guess.
        assert alpha not in ("2.05", "2.5") or abs(centre - exact) > mpmath.mpf(2) ** -68


def test_exponential_centre_is_the_mean_on_the_lattice() -> None:
    with mpmath.workdps(60):
        size = mpmath.mpf(2) ** 32
        exact = mpmath.log(size) - (mpmath.loggamma(size + 0.5) - mpmath.loggamma(0.5)) / size
        assert abs(exact - mpmath.mpf(str(sp.N(exponential_centre(), 60)))) < mpmath.mpf(10) ** -39


def test_continuous_laws_have_at_most_their_nominal_variance() -> None:
    """Lattice sums in closed form, by derivatives of the Hurwitz zeta function (60 digits)."""
    with mpmath.workdps(60):
        size, half = mpmath.mpf(2) ** 32, mpmath.mpf(1) / 2
        log_size = mpmath.log(size)
        first = (mpmath.loggamma(size + half) - mpmath.loggamma(half)) / size
        second = (mpmath.zeta(0, half, 2) - mpmath.zeta(0, size + half, 2)) / size
        mean_log = first - log_size
        # Skewed exponential: the variance of -log U.
        variance = second - 2 * log_size * first + log_size**2 - mean_log**2
        assert 1 - 1e-6 < variance <= 1
        # Gaussian: E(-2 log U) E cos^2, and E cos^2 = 1/2 exactly on 2^32 midpoints.
        assert 1 - 1e-6 < -mean_log <= 1
        # Student: (nu - 2)/2 E(U^(-2/nu) - 1).
        for degrees in (2.0625, 3, 5, 30):
            power = 2 / mpmath.mpf(degrees)
            mean = size ** (power - 1) * (mpmath.zeta(power, half) - mpmath.zeta(power, size + half))
            variance = (degrees - 2) / mpmath.mpf(2) * (mean - 1)
            assert 0 < variance <= 1
            assert degrees < 3 or variance > 0.99


@pytest.mark.parametrize("name", ["gaussian", "student_t"])
def test_polar_laws_change_sign_with_half_a_turn(name: str) -> None:
    """``k`` and ``k + N/2`` are both midpoints, so that these laws are symmetric and their means exactly zero."""
    sample = NOISES[name].sample
    assert sp.expand_trig(sample.subs(U1, U1 + sp.Rational(1, 2)) + sample).simplify() == 0

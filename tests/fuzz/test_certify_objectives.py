"""Certificates of objectives: every family, right and a little wrong; constants against brute force."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest
import sympy as sp
from certificates import OBJECTIVE_NUMBERS, ONE, ZERO, problem, refused
from sympy import Rational as Q
from sympy import sqrt

from fuzz.certify import CertificateError, at_least, certify
from fuzz.engine.printers.numpy_source import numpy_function
from fuzz.genes import quantise, quartic_smoothness
from fuzz.problem import Family
from fuzz.reading import Reading
from fuzz.smoothness import least_smoothness
from theorems.catalogue import load_catalogue
from theorems.language import GS, HS, PL, Convex, ExactGradients, Smooth
from theorems.language.assumptions import Assumption
from theorems.language.functions import OBJECTIVES, x

LIPSCHITZ = [name for name in OBJECTIVES if name not in ("quartic", "piecewise_exponential")]
families = pytest.mark.parametrize("family", list(OBJECTIVES))


# -- smoothness --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [GS, HS])
@pytest.mark.parametrize("slack", [ZERO, Q(1, 3)])
@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("family", LIPSCHITZ)
def test_lipschitz_families(family: str, dimension: int, slack: sp.Expr, kind: type[GS] | type[HS]) -> None:
    candidate = problem(family, dimension=dimension)
    proof = certify(kind(Q(5, 2), slack), candidate)
    assert proof.numbers == {"L0 needed": Q(5, 2), "L0": Q(5, 2), "L1": slack}
    assert certify(kind(Q(7, 2), slack), candidate).assumption == kind(Q(7, 2), slack)
    # Whatever L1 is: at the minimum the gradient vanishes.
    refused(kind(Q(99, 100) * Q(5, 2), slack), candidate, "L0 = 99/40 is given, 5/2 is needed")


def slope_excess(family: str, constant: float, slack: float, hessian: bool, numbers: list[dict[str, sp.Expr]]) -> float:
    """The largest relative excess of the class's inequality over random and axis-parallel pairs, seeded."""
    formula, rng = OBJECTIVES[family], np.random.default_rng(3)
    gradient = numpy_function(formula.gradient, (x, *formula.parameters))
    columns = [np.array([float(n[p.name]) for n in numbers]) for p in formula.parameters]
    count, d = 100_000, len(numbers)
    reach = 1e-5 if hessian else (1 / slack if slack else 10.0)
    spread = rng.choice([1e-3, 1.0, 10.0, 3 / slack if slack else 100.0], (count, 1))
    points = rng.uniform(-1, 1, (count, d)) * spread
    steps = rng.normal(size=(count, d))
    if d > 1:
        # Half of the pairs move along an axis through the minimiser of the other coordinate.
        points[::2, 1], steps[::2, 1], points[1::4, 0], steps[1::4, 0] = 0, 0, 0, 0
    steps *= reach * rng.choice([1.0, 1e-3, 0.5], (count, 1)) / np.linalg.norm(steps, axis=1, keepdims=True)
    change = gradient(points + steps, *columns) - gradient(points, *columns)
    allowed = (constant + slack * np.linalg.norm(gradient(points, *columns), axis=1)) * np.linalg.norm(steps, axis=1)
    return float((np.linalg.norm(change, axis=1) / allowed).max() - 1)


@pytest.mark.parametrize("hessian", [False, True])
@pytest.mark.parametrize("dimension", [1, 2])
@families
def test_certified_constants_hold_on_random_pairs_and_smaller_ones_do_not(
    family: str, dimension: int, hessian: bool
) -> None:
    numbers = OBJECTIVE_NUMBERS[family][:dimension]
    kind = HS if hessian else GS
    for slack in (ZERO, Q(1, 3)) if family in LIPSCHITZ else (Q(1, 3), Q(1)):
        needed = least_smoothness(Family(family, tuple(numbers)), slack, hessian=hessian)
        assert needed is not None
        certify(kind(needed, slack), problem(family, dimension=dimension))
        # Differences of gradients over 1e-8 lose digits in floats; a Hessian varies within the step.
        assert slope_excess(family, float(needed), float(slack), hessian, numbers) <= 1e-4
        refused(kind(needed * Q(99, 100), slack), problem(family, dimension=dimension), "is needed")
        # The worst pair of a piecewise profile is a single one, which chance misses: see test_objectives.
        if family != "piecewise_exponential":
            assert slope_excess(family, float(needed) * 0.99, float(slack), hessian, numbers) > 1e-3


def quartic_brute_force(curvature: float, quartic: float, slack: float, hessian: bool) -> float:
    """The largest ``slope - L1 |f'(x)|`` over a grid of points and of chords both ways."""
    z = np.linspace(0, 6, 120_001)
    points = z / slack

    def gradient(at: np.ndarray) -> np.ndarray:
        return curvature * at + quartic * at**3

    if hessian:
        return float((curvature + 3 * quartic * points**2 - slack * gradient(points)).max())
    found = -np.inf
    for part in (-1.0, -0.5, 0.25, 0.9, 1.0):
        h = part / slack
        found = max(found, float(((gradient(points + h) - gradient(points)) / h - slack * gradient(points)).max()))
    return found


QUARTICS = [
    (Q(1), Q(1), Q(1)),
    (Q(1), Q(1, 100), Q(2)),
    (Q(5), Q(1), Q(1)),
    (Q(6), Q(1), Q(1)),
    (Q(59, 10), Q(1), Q(1)),
    (Q(3), Q(1), Q(1)),
    (Q(1, 1000), Q(7), Q(10)),
    (Q(2), Q(3), Q(1, 5)),
]


@pytest.mark.parametrize("hessian", [False, True])
@pytest.mark.parametrize(("curvature", "quartic", "slack"), QUARTICS)
def test_quartic_constant_is_the_least(curvature: sp.Expr, quartic: sp.Expr, slack: sp.Expr, hessian: bool) -> None:
    """Bisection on certificates meets brute force within 1e-6, and the constant that they name exactly."""
    kind = HS if hessian else GS
    candidate = problem("quartic", objective_numbers=[{"curvature": curvature, "quartic": quartic}])
    low, high = Q(0), Q(2**14)
    while high - low > Q(1, 2**24) * high:
        middle = (low + high) / 2
        try:
            certify(kind(middle, slack), candidate)
            high = middle
        except CertificateError:
            low = middle
    expected = quartic_brute_force(float(curvature), float(quartic), float(slack), hessian)
    assert float(high) == pytest.approx(expected, rel=1e-6)
    needed = certify(kind(high, slack), candidate).numbers["L0 needed"]
    assert certify(kind(needed, slack), candidate).numbers["L0"] == needed
    refused(kind(needed - Q(1, 10**40), slack), candidate, "is needed")


def test_quartic_agrees_with_root_counting_and_with_the_search() -> None:
    """Sturm: the cubic ``L0 + L1 f' - slope`` has no root of odd multiplicity beyond 0, hence no change of sign."""
    rng = random.Random(2)
    z = sp.Symbol("z")
    readings = {
        k: Reading(dataclasses.replace(load_catalogue()["D1"], given=[k(*LETTERS), ExactGradients()])) for k in (GS, HS)
    }
    for trial in range(120):
        kind = (GS, HS)[trial % 2]
        k, q, slack = (Q(rng.randrange(1, 400), rng.randrange(1, 60)) for _ in range(3))
        reach = 0 if kind is HS else 1 / slack
        floats = [np.array([float(v)]) for v in (k, q, slack)]
        near = float(quartic_smoothness(readings[kind], *floats)[0])
        constant = Q(near).limit_denominator(10 ** rng.randrange(1, 9))
        cubic = sp.Poly(constant + slack * (k * z + q * z**3) - k - q * (3 * z**2 + 3 * z * reach + reach**2), z)
        odd = [factor for factor, times in cubic.sqf_list()[1] if times % 2]
        positive = all(factor.count_roots(0, sp.oo) - (factor.eval(0) == 0) == 0 for factor in odd)
        needed = least_smoothness(Family("quartic", ({"curvature": k, "quartic": q},)), slack, hessian=kind is HS)
        assert at_least(constant, needed) == positive
        assert float(needed) == pytest.approx(near, rel=1e-9)
        # What the search hands on is enough.
        assert at_least(sp.Rational(float(quantise(np.array([near * (1 + 1e-9)]), up=True)[0])), needed)


LETTERS = (load_catalogue()["D1"].smoothness.L0, load_catalogue()["D1"].smoothness.L1)


def test_quartic_with_square_roots_and_in_the_plane() -> None:
    numbers = [{"curvature": sqrt(2), "quartic": sqrt(3)}, {"curvature": ONE, "quartic": Q(1, 9)}]
    needed = least_smoothness(Family("quartic", tuple(numbers)), sqrt(5), hessian=False)
    assert needed == least_smoothness(Family("quartic", (numbers[0],)), sqrt(5), hessian=False)
    candidate = problem("quartic", objective_numbers=numbers)
    certify(GS(needed, sqrt(5)), candidate)
    refused(GS(needed - Q(1, 10**30), sqrt(5)), candidate, "is needed")


@pytest.mark.parametrize("kind", [GS, HS])
def test_quartic_without_slack_is_refused(kind: type[GS] | type[HS]) -> None:
    refused(kind(Q(10**9), ZERO), problem("quartic"), "the curvature of quartic is unbounded")


@pytest.mark.parametrize(
    "wrong", [(Q(-1), ZERO), (Q(3), Q(-1)), (sp.oo, ZERO), (sp.Float(3.0), ZERO), (sp.Symbol("q"), ZERO)]
)
def test_arguments_must_be_exact_and_in_their_domain(wrong: tuple[sp.Expr, sp.Expr]) -> None:
    refused(GS(*wrong), problem(), "must be|exact real|no value")


# -- families' own conditions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("assumption", [Smooth(Q(100)), HS(Q(100), ONE), Convex(), PL(Q(1, 100))], ids=str)
@pytest.mark.parametrize(
    ("family", "changes", "match"),
    [
        ("quadratic", {"curvature": Q(-1)}, "curvature must be positive"),
        ("quadratic", {"curvature": ZERO}, "curvature must be positive"),
        ("huber", {"slope": Q(-1)}, "slope must be positive"),
        ("log_cosh", {"slope": sp.oo}, "exact real"),
        ("quartic", {"quartic": -Q(1, 10**9)}, "quartic must be positive"),
        ("slope_then_bowl", {"start": Q(99, 1000)}, "start >= slope/curvature is required"),
        ("slope_then_bowl", {"steep": Q(249, 1000)}, "steep >= slope is required"),
    ],
)
def test_numbers_outside_a_family_are_refused(
    assumption: Assumption, family: str, changes: dict[str, sp.Expr], match: str
) -> None:
    numbers = [{**OBJECTIVE_NUMBERS[family][0], **changes}]
    refused(assumption, problem(family, objective_numbers=numbers), match)
    # Also in a later coordinate.
    second = [OBJECTIVE_NUMBERS[family][0], *numbers]
    refused(assumption, problem(family, objective_numbers=second), match)


@families
def test_convex_with_a_minimiser(family: str) -> None:
    if family == "well":
        refused(Convex(), problem(family), "no proof is known for well")
        return
    for dimension in (1, 2):
        proof = certify(Convex(), problem(family, dimension=dimension))
        assert "0 is a minimiser" in proof.says
        assert proof.says.count("$") % 2 == 0
    formula = OBJECTIVES[family]
    gradient = numpy_function(formula.gradient, (x, *formula.parameters))
    points = np.linspace(-20, 20, 40_001)
    for numbers in OBJECTIVE_NUMBERS[family]:
        slopes = gradient(points, *(float(numbers[p.name]) for p in formula.parameters))
        assert (np.diff(slopes) >= 0).all()
        assert slopes[20_000] == 0


@pytest.mark.parametrize("dimension", [1, 2])
@families
def test_pl(family: str, dimension: int) -> None:
    candidate = problem(family, dimension=dimension)
    least = min(numbers["curvature"] for numbers in candidate.objective.coordinates)
    if family not in ("quadratic", "quartic"):
        refused(PL(Q(1, 10**9)), candidate, "too large")
        return
    assert certify(PL(least), candidate).numbers == {"mu": least, "least curvature": least}
    certify(PL(least / 2), candidate)
    refused(PL(least * Q(101, 100)), candidate, f"at most {least} holds")
    refused(PL(ZERO), candidate, "mu must be positive")


@pytest.mark.parametrize("family", ["quadratic", "quartic"])
def test_pl_constant_on_a_grid(family: str) -> None:
    """``m^2 / (2 f)`` is at least the certified constant, and as small as that near 0."""
    formula, numbers = OBJECTIVES[family], OBJECTIVE_NUMBERS[family][0]
    points = np.geomspace(1e-4, 1e3, 2001)
    columns = [float(numbers[p.name]) for p in formula.parameters]
    f, slope = (
        numpy_function(e, (x, *formula.parameters))(points, *columns) for e in (formula.value, formula.gradient)
    )
    ratio = slope**2 / (2 * f)
    assert ratio.min() == pytest.approx(2.5, rel=1e-6)

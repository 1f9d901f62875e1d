"""Certificates: every family and assumption, right and a little wrong; constants against brute force."""

from __future__ import annotations

import dataclasses
import itertools
import random

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sympy import Rational as Q
from sympy import exp, log, sqrt, tanh

from fuzz.certify import CertificateError, at_least, certify, privacy_variance
from fuzz.constants import NumberError, holds, sign, value
from fuzz.engine.printers.numpy_source import numpy_function
from fuzz.genes import quantise, quartic_smoothness
from fuzz.lattice_laws import CENTRING_ERROR, PARETO_CENTRING_ERROR, SYMMETRIC_LAWS
from fuzz.pieces import FAMILIES
from fuzz.problem import Family, FiniteLaw, Problem
from fuzz.reading import Reading, out_of_reach
from fuzz.rescore import deviation_of, letters_of
from fuzz.smoothness import least_smoothness
from fuzz.strategies import landscape, problems, structures
from theorems.catalogue import load_catalogue
from theorems.language import (
    GS,
    HS,
    PL,
    BatchClipping,
    BoundedVariance,
    Convex,
    ExactGradients,
    PerSampleClipping,
    PrivacyNoise,
    Smooth,
    Symmetric,
    Theorem,
)
from theorems.language.assumptions import Assumption
from theorems.language.functions import OBJECTIVES, x
from theorems.language.noises import LATTICE, NOISES, U0, U1, exponential_centre
from theorems.language.parameters import c, m
from theorems.language.special import balance, exprel, exprel2

HALF, ONE, ZERO = Q(1, 2), sp.Integer(1), sp.Integer(0)
CELL = 1 / LATTICE

# Convex, and the gradient is bounded far to the left.
RISING = {
    **{f"width{j}": Q(1, j + 1) for j in range(1, 5)},
    **dict(zip((f"bend{j}" for j in range(1, 6)), (ONE, HALF, ZERO, ONE, Q(1, 4)), strict=True)),
    "left_width1": Q(1, 3),
    "left_width2": Q(2),
    "left_bend1": ONE,
    "left_bend2": HALF,
    "left_bend3": ZERO,
}
# The largest curvature is 5/2 and the least 3/4, wherever it is at most some number.
OBJECTIVE_NUMBERS: dict[str, list[dict[str, sp.Expr]]] = {
    "quadratic": [{"curvature": Q(5, 2)}, {"curvature": Q(3, 4)}],
    "huber": [{"curvature": Q(5, 2), "slope": Q(2, 5)}, {"curvature": Q(3, 4), "slope": Q(7, 2)}],
    "slope_then_bowl": [
        {"curvature": Q(5, 2), "slope": Q(1, 4), "start": Q(1, 10), "steep": Q(3, 2)},
        {"curvature": Q(3, 4), "slope": Q(1, 4), "start": Q(2), "steep": Q(1, 4)},
    ],
    "log_cosh": [{"curvature": Q(5, 2), "slope": sqrt(2)}, {"curvature": Q(3, 4), "slope": Q(1, 4)}],
    "quartic": [{"curvature": Q(5, 2), "quartic": Q(1, 4)}, {"curvature": Q(3, 4), "quartic": Q(3)}],
    "well": [{"curvature": Q(5, 2), "radius": Q(3, 4)}, {"curvature": Q(3, 4), "radius": Q(2)}],
    "piecewise_quadratic": [{"curvature": Q(5, 2), **RISING}, {"curvature": Q(3, 4), **RISING}],
    "piecewise_exponential": [
        {"curvature": Q(5, 2), "growth": Q(1, 6), **RISING},
        {"curvature": Q(3, 4), "growth": Q(1, 5), **RISING},
    ],
}
LIPSCHITZ = [name for name in OBJECTIVES if name not in ("quartic", "piecewise_exponential")]

# Each law has variance 4, or at most 4.
NOISE_NUMBERS: dict[str, dict[str, sp.Expr]] = {
    "none": {},
    "two_point": {"up": 2 * sqrt(LATTICE - 3) / sqrt(3), "probability": 3 * CELL},
    "symmetric_two_point": {"scale": Q(2)},
    "gaussian": {"scale": Q(2)},
    "student_t": {"scale": Q(2), "degrees": Q(5, 2)},
    "laplace": {"scale": Q(2)},
    "skewed_exponential": {"scale": Q(-2)},
    "chi_square": {"scale": Q(-2)},
    "symmetric_chi_square": {"scale": Q(2)},
    "pareto": {"scale": Q(-2), "index": Q(5, 2)},
    "symmetric_pareto": {"scale": Q(2), "index": Q(9, 4)},
    "contaminated_gaussian": {"scale": ONE, "wide": sqrt(7), "probability": HALF},
    "rare_exponential": {"up": sqrt(8) / sqrt(3), "probability": HALF},
    "vanishing_gaussian": {"scale": Q(2), "reach": Q(1, 3)},
    "gradient_two_point": {"up": Q(2) * sqrt(3), "probability": Q(1, 4)},
    "band_two_point": {"up": Q(-2), "probability": HALF, "low": ZERO, "high": ONE},
    "worst_two_point": {"sigma": Q(2)},
}

families = pytest.mark.parametrize("family", list(OBJECTIVES))
laws = pytest.mark.parametrize("law", [name for name in NOISE_NUMBERS if name != "none"])


def problem(
    objective: str = "quadratic",
    noise: str | FiniteLaw = "none",
    dimension: int = 1,
    objective_numbers: list[dict[str, sp.Expr]] | None = None,
    noise_numbers: dict[str, sp.Expr] | None = None,
    threshold: sp.Expr = ONE,
) -> Problem:
    """A problem with this file's numbers; ``*_numbers`` replace some of them."""
    coordinates = objective_numbers or OBJECTIVE_NUMBERS[objective][:dimension]
    law: Family | FiniteLaw
    if isinstance(noise, FiniteLaw):
        law = noise
    else:
        law = Family(noise, ({**NOISE_NUMBERS[noise], **(noise_numbers or {})},) * len(coordinates))
    start = (ONE,) * len(coordinates)
    return Problem(Family(objective, tuple(coordinates)), law, start, ONE, threshold, 1)


def refused(assumption: Assumption, candidate: Problem, match: str) -> None:
    with pytest.raises(CertificateError, match=match) as caught:
        certify(assumption, candidate)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{type(assumption).__name__}: ")


def test_every_family_has_numbers_here() -> None:
    assert set(OBJECTIVE_NUMBERS) == set(OBJECTIVES)
    # A finite law is written as its atoms.
    assert set(NOISE_NUMBERS) == set(NOISES) - {"finite"}


def test_unknown_assumptions_are_refused() -> None:
    @dataclasses.dataclass(frozen=True)
    class Lucky(Convex):
        pass

    @dataclasses.dataclass(frozen=True)
    class Blessed(Assumption):
        @property
        def latex(self) -> str:
            return ""

    refused(Blessed(), problem(), "Blessed: an assumption without a certificate")
    refused(Lucky(), problem(), "Lucky: an assumption without a certificate")


# -- exact decisions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (Q(1, 3), Q(1, 3)),
        (sqrt(2) + sqrt(3), sqrt(5 + 2 * sqrt(6))),
        (sp.cbrt(2 + sqrt(5)) - sp.cbrt(sqrt(5) - 2), ONE),
        (1 / (sqrt(3) - sqrt(2)), sqrt(3) + sqrt(2)),
        (log(7 * sqrt(2)), log(7) + log(2) / 2),
        (exp(sqrt(2) - 1) * exp(1 - sqrt(2)), ONE),
    ],
)
def test_equal_numbers_and_their_nearest_neighbours(a: sp.Expr, b: sp.Expr) -> None:
    near = Q(1, 10**60)
    assert at_least(a, b)
    assert at_least(b, a)
    assert not at_least(a, b + near)
    assert at_least(a, b - near)


def test_decisions_agree_with_many_digits() -> None:
    rng = random.Random(5)

    def number(depth: int) -> sp.Expr:
        kind = rng.randrange(8) if depth else 0
        inner = number(depth - 1) if kind else Q(rng.randrange(-50, 50), rng.randrange(1, 40))
        if kind in (1, 2):
            return inner + number(depth - 1)
        if kind == 3:
            return inner * number(depth - 1)
        made = {4: sqrt, 5: tanh, 6: log, 7: lambda e: exp(-e / 9)}
        return made[kind](inner**2 + Q(1, 7)) if kind else inner

    decided = 0
    for _ in range(150):
        a, b = number(3), number(3)
        gap = sp.N(a - b, 60)
        if abs(gap) > 1e-50:
            assert at_least(a, b) == (gap > 0)
            decided += 1
    assert decided > 140


def test_far_arguments_and_numbers_that_are_not_real() -> None:
    assert at_least(tanh(Q(50)), 1 - Q(1, 10**40))
    assert not at_least(tanh(Q(50)), 1)
    assert at_least(Q(1, 10**9), exp(Q(-(10**9))))
    for odd in (sqrt(-1), sp.oo, sp.Float(1.5), sp.Symbol("y"), 2 ** sqrt(2), sp.pi):
        with pytest.raises(CertificateError):
            at_least(odd, 0)
    with pytest.raises(CertificateError, match="cannot be decided"):
        at_least(exp(Q(10**9)), exp(Q(10**9) + 1))
    # Equal, but by no rule of arithmetic that is tried.
    with pytest.raises(CertificateError, match="cannot be decided"):
        at_least(log(12), log(3) + 2 * log(2))


def test_values_of_special_functions_are_exact() -> None:
    a = sp.Symbol("a")
    assert value(exprel(a), {a: ZERO}) == value(exprel2(a), {a: ZERO}) == 1
    assert value(exprel(a - sqrt(2)), {a: sqrt(2)}) == 1
    assert sign(value(exprel(a), {a: Q(1, 3)}) - 3 * (exp(Q(1, 3)) - 1)) == 0
    assert sign(value(exprel2(a), {a: -ONE}) - 2 * exp(-ONE)) == 0
    assert [value(balance(a, ONE), {a: v}) for v in (ZERO, -ONE, Q(-3), sqrt(2))] == [1, 0, Q(-1, 2), 1]
    assert value(balance(a, a), {a: ZERO}) == 0


def test_values_of_branches_are_decided_exactly() -> None:
    a = sp.Symbol("a", real=True)
    branch = sp.Piecewise((sp.Max(a, sqrt(2)), a >= sqrt(2)), (sp.floor(7 * a) + sp.Abs(a - 3), True))
    assert value(branch, {a: sqrt(2)}) == sqrt(2)
    assert value(branch, {a: Q(1, 3)}) == 2 + Q(8, 3)
    assert value(sp.floor(a), {a: sqrt(2) + sqrt(3) - sqrt(5 + 2 * sqrt(6))}) == 0
    assert value(sp.floor(a), {a: -sqrt(2)}) == -2
    assert holds(sp.And(a > 0, sp.Or(a < 0, sp.Eq(a**2, 2)), sp.Ne(a, 1)), {a: sqrt(2)})
    assert not holds(sp.And(sp.Symbol("b") > 0, a < 0, evaluate=False), {a: ONE})
    for wrong in (1 / (a - sqrt(2)), sqrt(1 - a), log(a - sqrt(2)), sp.Symbol("b") + 1):
        with pytest.raises(NumberError):
            value(wrong, {a: sqrt(2)})


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


# -- noise -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimension", [1, 3])
@laws
def test_bounded_variance(law: str, dimension: int) -> None:
    coordinates = [OBJECTIVE_NUMBERS["quadratic"][0]] * dimension
    candidate = problem(noise=law, objective_numbers=coordinates)
    variance = 4 if NOISES[law].along else 4 * dimension
    assert sp.expand(deviation_of(candidate) ** 2) == variance
    proof = certify(BoundedVariance(sqrt(variance)), candidate)
    assert proof.numbers["sigma^2"] == variance
    assert variance in (proof.numbers.get("variance"), proof.numbers.get("variance at most"))
    certify(BoundedVariance(Q(10)), candidate)
    refused(BoundedVariance(sqrt(variance) * Q(99, 100)), candidate, f"{variance} is needed")
    refused(BoundedVariance(sqrt(variance) - Q(1, 10**30)), candidate, f"{variance} is needed")
    refused(BoundedVariance(Q(-10)), candidate, "sigma must be non-negative")


def test_no_noise_has_variance_zero() -> None:
    certify(BoundedVariance(ZERO), problem())
    certify(BoundedVariance(ONE), problem(dimension=2))


@pytest.mark.parametrize("assumption", [BoundedVariance(Q(10**6)), Symmetric(), ExactGradients()], ids=str)
@pytest.mark.parametrize(
    ("law", "changes", "match"),
    [
        ("two_point", {"probability": Q(1, 3)}, "the probability must be a multiple of 2\\^-32"),
        ("two_point", {"probability": CELL / 2}, "the probability must be a multiple of 2\\^-32"),
        ("two_point", {"probability": 1 / sqrt(2)}, "the probability must be a multiple of 2\\^-32"),
        ("two_point", {"probability": ONE}, "probability < 1 is required"),
        ("two_point", {"probability": ZERO}, "probability must be positive"),
        ("symmetric_two_point", {"scale": Q(-2)}, "scale must be positive"),
        ("gaussian", {"scale": ZERO}, "scale must be positive"),
        ("student_t", {"degrees": Q(2)}, "degrees > 2 is required"),
        ("worst_two_point", {"sigma": ZERO}, "sigma must be positive"),
        ("pareto", {"index": Q(2)}, "index > 2 is required"),
        ("symmetric_pareto", {"index": Q(65)}, "index <= 64 is required"),
        ("contaminated_gaussian", {"wide": ZERO}, "wide must be positive"),
        ("rare_exponential", {"probability": Q(1, 3)}, "the probability must be a multiple of 2\\^-32"),
        ("vanishing_gaussian", {"reach": ZERO}, "reach must be positive"),
        ("band_two_point", {"low": Q(2)}, "low <= high is required"),
    ],
)
def test_numbers_outside_a_law_are_refused(
    assumption: Assumption, law: str, changes: dict[str, sp.Expr], match: str
) -> None:
    refused(assumption, problem(noise=law, noise_numbers=changes), match)


def test_an_oracle_needs_a_threshold() -> None:
    refused(BoundedVariance(Q(2)), problem(noise="worst_two_point", threshold=sp.oo), "finite clipping threshold")


@pytest.mark.parametrize(
    ("norm", "threshold", "deviation"),
    [
        (Q(1, 4), Q(1), Q(1)),
        (ZERO, Q(1), Q(5)),
        (sqrt(2), Q(1, 3), Q(7)),
        (Q(10**6), Q(1), Q(1, 10)),
        (ONE, ONE, Q(1, 10**6)),
    ],
)
def test_oracle_moments_at_points(norm: sp.Expr, threshold: sp.Expr, deviation: sp.Expr) -> None:
    law = NOISES["worst_two_point"]
    here = {law.parameters[0]: deviation, m: norm, c: threshold}
    assert law.atoms is not None
    atoms = [(value(p, here), value(v, here)) for p, v in law.atoms]
    assert sign(sum(p for p, _ in atoms) - 1) == 0
    assert sign(sum(p * v for p, v in atoms)) == 0
    assert at_least(deviation**2, sum(p * v**2 for p, v in atoms))
    assert all((p * LATTICE).is_Integer and 0 < p < 1 for p, _ in atoms)


def finite(*atoms: tuple[sp.Expr, tuple[sp.Expr, ...]]) -> Problem:
    width = len(atoms[0][1])
    return problem(noise=FiniteLaw(atoms), objective_numbers=[OBJECTIVE_NUMBERS["quadratic"][0]] * width)


def test_finite_laws() -> None:
    stuck = finite((Q(1, 5), (Q(2), ZERO)), (Q(4, 5), (-HALF, ZERO)))
    assert certify(BoundedVariance(ONE), stuck).numbers == {"mean": 0, "variance": 1, "sigma^2": 1}
    refused(BoundedVariance(Q(99, 100)), stuck, "sigma\\^2 = 9801/10000 is given, 1 is needed")
    refused(Symmetric(), stuck, "differ in probability by 1/5")
    refused(ExactGradients(), stuck, "none is needed")
    drifting = finite((Q(1, 5), (Q(2),)), (Q(4, 5), (-HALF + Q(1, 10**30),)))
    refused(BoundedVariance(Q(5)), drifting, "the mean of coordinate 0 is 1/12500")
    # Nested roots, as S1's worst law has them.
    p = HALF - sqrt(5) / 10
    worst = finite((p, (HALF + sqrt(5) / 2,)), (1 - p, (-p * (HALF + sqrt(5) / 2) / (1 - p),)))
    certify(BoundedVariance(ONE), worst)
    refused(BoundedVariance(1 - Q(1, 10**50)), worst, "is needed")


def test_probabilities_must_add_up_to_one_exactly() -> None:
    speck = sqrt(2) / 10**30
    refused(BoundedVariance(Q(5)), finite((HALF + speck, (ONE,)), (HALF, (-ONE,))), "add up to")
    refused(Symmetric(), finite((HALF + speck, (ONE,)), (HALF, (-ONE,))), "add up to")


def test_zero_noise_in_disguise() -> None:
    still = finite((HALF, (ZERO,)), (HALF, (ZERO,)), (ZERO, (Q(7),)))
    shapes = [still, problem(), problem(noise="two_point", noise_numbers={"up": ZERO})]
    shapes += [problem(noise=n, noise_numbers={"scale": ZERO}) for n in ("skewed_exponential", "chi_square", "pareto")]
    jumps = ("rare_exponential", "gradient_two_point", "band_two_point")
    shapes += [problem(noise=n, noise_numbers={"up": ZERO}, dimension=2) for n in jumps]
    for quiet in shapes:
        certify(ExactGradients(), quiet)
        certify(Symmetric(), quiet)
        certify(BoundedVariance(ZERO), quiet)


@laws
def test_exact_gradients_exclude_noise(law: str) -> None:
    refused(ExactGradients(), problem(noise=law), f"the noise is {law}, none is needed")


@laws
def test_symmetric_laws(law: str) -> None:
    if law in SYMMETRIC_LAWS or law == "band_two_point":
        assert certify(Symmetric(), problem(noise=law, dimension=2)).says
    else:
        refused(Symmetric(), problem(noise=law, dimension=2), law)
    for name in ("two_point", "gradient_two_point", "band_two_point"):
        certify(Symmetric(), problem(noise=name, noise_numbers={"probability": HALF}))
        refused(Symmetric(), problem(noise=name, noise_numbers={"probability": HALF + CELL}), "1/2 is needed")


def test_symmetric_finite_laws() -> None:
    third, u, v = Q(1, 3), (sqrt(2), ONE), (-sqrt(2), -ONE)
    certify(Symmetric(), finite((third, u), (third, v), (third, (ZERO, ZERO))))
    # One side is split over two atoms, and written differently.
    other = (sqrt(2 + 2 * sqrt(2) + 1) - 1, ONE)
    assert other[0] != sqrt(2)
    certify(Symmetric(), finite((Q(1, 4), u), (Q(1, 4), other), (HALF, v)))
    refused(Symmetric(), finite((third, u), (third, v), (third, (ZERO, ONE))), "differ in probability by 1/3")
    refused(Symmetric(), finite((HALF, u), (HALF, (-sqrt(2), ONE))), "differ in probability")


# -- laws on a small lattice -------------------------------------------------------------------------------------------

SIZES = (4, 6, 64, 4096)


@pytest.mark.parametrize("size", SIZES)
def test_midpoints_turned_by_half_a_turn_are_midpoints(size: int) -> None:
    midpoints = [Q(2 * k + 1, 2 * size) for k in range(size)]
    assert sorted((u + HALF) % 1 for u in midpoints) == midpoints
    angles = 2 * np.pi * (np.arange(size) + 0.5) / size
    assert np.cos(angles).mean() == pytest.approx(0, abs=1e-14)
    assert (np.cos(angles) ** 2).mean() == pytest.approx(0.5, abs=1e-14)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("law", ["gaussian", "student_t"])
def test_polar_laws_on_a_small_lattice(law: str, size: int) -> None:
    """Mean 0 and at most the nominal variance, over all ``size^2`` pairs of midpoints (small sizes), or by factors."""
    noise = NOISES[law]
    sample = numpy_function(noise.sample, (U0, U1, *noise.parameters))
    line = (np.arange(size) + 0.5) / size
    for degrees in (2.05, 2.5, 4.0, 30.0, 1e4) if law == "student_t" else (0.0,):
        numbers = (2.0, degrees) if law == "student_t" else (2.0,)
        if size <= 64:
            values = sample(*(a.ravel() for a in np.meshgrid(line, line, indexing="ij")), *numbers)
            mean, variance = values.mean(), (values**2).mean()
        else:
            # At U1 = 0 the cosine is 1: what is left is the radius.
            radius = sample(line, np.zeros(size), *numbers)
            mean, variance = 0.0, (radius**2).mean() / 2
        assert mean == pytest.approx(0, abs=1e-12)
        assert 0 < variance <= 4
        assert law == "student_t" or variance == pytest.approx(4 * (1 - np.log(2) / (2 * size)), rel=0.01)


@pytest.mark.parametrize("size", [1, 2, 3, *SIZES])
def test_exponential_law_on_a_small_lattice(size: int) -> None:
    """The variance is at most 1, by the chain of the proof: ``Var Y <= Var(cell means) <= 1``."""
    with mpmath.workdps(40):
        line = [(mpmath.mpf(k) + 0.5) / size for k in range(size)]
        ends = [mpmath.mpf(k) / size for k in range(size + 1)]
        values = [-mpmath.log(u) for u in line]
        primitive = [u - u * mpmath.log(u) if u else mpmath.mpf(0) for u in ends]
        cells = [(primitive[k + 1] - primitive[k]) * size for k in range(size)]
        beyond = [cell - at for cell, at in zip(cells, values, strict=True)]

        def covariance(a: list[mpmath.mpf], b: list[mpmath.mpf]) -> mpmath.mpf:
            return mpmath.fdot(a, b) / size - mpmath.fsum(a) * mpmath.fsum(b) / size**2

        assert all(0 < b <= a for a, b in itertools.pairwise(beyond))
        assert covariance(values, beyond) >= 0
        assert covariance(values, values) <= covariance(cells, cells) < 1
        mean = mpmath.fsum(values) / size
        assert mean < 1
        # The centre's formula, at this N: short of the mean by less than the first term that it leaves out.
        centre = 1 - mpmath.log(2) / (2 * size) + mpmath.mpf(1) / (24 * size**2)
        left_out = mpmath.mpf(7) / (2880 * mpmath.mpf(size) ** 4)
        assert 0 < centre - mean <= left_out
        assert size < 4 or centre - mean > 0.9 * left_out


def test_centring_error_on_the_lattice_itself() -> None:
    with mpmath.workdps(90):
        size = mpmath.mpf(2) ** 32
        mean = mpmath.log(size) - (mpmath.loggamma(size + 0.5) - mpmath.loggamma(0.5)) / size
        error = mpmath.mpf(str(sp.N(exponential_centre(), 90))) - mean
        assert 0 < error <= mpmath.mpf(str(sp.N(CENTRING_ERROR, 60)))
    proof = certify(BoundedVariance(Q(2)), problem(noise="skewed_exponential"))
    assert proof.numbers["centring error"] == 2 * CENTRING_ERROR < Q(1, 10**40)
    heavy = certify(BoundedVariance(Q(4)), problem(noise="pareto", dimension=2))
    assert heavy.numbers["centring error"] == 10 * PARETO_CENTRING_ERROR
    rare = certify(BoundedVariance(Q(2)), problem(noise="rare_exponential"))
    assert rare.numbers["centring error"] == CENTRING_ERROR * sqrt(Q(2, 3))


# -- what the search draws ---------------------------------------------------------------------------------------------

QUICK = settings(
    max_examples=25,
    database=None,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
# A vacuous statement has no problems to draw, and one of another algorithm none that could be run. Statements of the
# same assumptions and the same quantity draw the same problems, but for their conditions.
DRAWN = {
    (t.given, t.claim.quantity.name, len(t.when)): t
    for t in load_catalogue().values()
    if t.expect not in ("vacuous", "ill_formed") and not out_of_reach(t)
}


def other_letters(theorem: Theorem, candidate: Problem) -> dict[sp.Symbol, sp.Expr]:
    """Those of PL and of plain smoothness beside (L0, L1)-smoothness."""
    curvatures = [numbers["curvature"] for numbers in candidate.objective.coordinates]
    found: dict[sp.Symbol, sp.Expr] = {}
    for assumption in theorem.given:
        if isinstance(assumption, PL):
            found[assumption.mu] = strength(theorem, candidate, min(curvatures))
        elif isinstance(assumption, GS) and assumption.L1 == 0:
            found[assumption.L0] = max(curvatures)
        elif isinstance(assumption, BatchClipping | PerSampleClipping):
            found[assumption.n] = sp.Integer(candidate.algorithm.samples)
        elif isinstance(assumption, PrivacyNoise):
            # Whole numbers of 1/1024 above what engines draw: a root may not be rational.
            found[assumption.zeta] = sp.ceiling(sp.sqrt(privacy_variance(candidate)) * 1024) / 1024
    return found


def strength(theorem: Theorem, candidate: Problem, curvature: sp.Expr) -> sp.Expr:
    """A PL constant, as the search finds it."""
    if not any(profile.name in FAMILIES for profile, _ in candidate.objective.profiles):
        return curvature
    return sp.Rational(float(letters_of(Reading(theorem), candidate, {})[1].tight["strong"][0]))


def certify_all(theorem: Theorem, candidate: Problem, letters: dict[sp.Symbol, sp.Expr]) -> None:
    for assumption in theorem.given:
        proof = certify(assumption.substitute(letters), candidate)
        assert proof.says
        assert proof.says.count("$") % 2 == 0
        assert all(sp.sympify(v).is_number for v in proof.numbers.values())


@pytest.mark.parametrize("theorem", DRAWN.values(), ids=lambda t: t.name)
def test_drawn_problems_are_certified_with_exact_letters(theorem: Theorem) -> None:
    """Letters as tight as they can be, square roots included."""
    smooth = theorem.smoothness

    @QUICK
    @given(problems(theorem, oracle=True))
    def check(candidate: Problem) -> None:
        letters: dict[sp.Symbol, sp.Expr] = other_letters(theorem, candidate)
        for assumption in theorem.given:
            if isinstance(assumption, BoundedVariance):
                letters[assumption.sigma] = deviation_of(candidate)
        if smooth is not None:
            growths = [2 * numbers["growth"] for numbers in candidate.objective.coordinates if "growth" in numbers]
            quartic = [Q(3, 7)] if any("quartic" in numbers for numbers in candidate.objective.coordinates) else []
            slack = max([ZERO, *growths, *quartic])
            letters[smooth.L1] = slack
            needed = least_smoothness(candidate.objective, slack, hessian=isinstance(smooth, HS))
            assert needed is not None
            letters[smooth.L0] = needed
        certify_all(theorem, candidate, letters)

    check()


@pytest.mark.parametrize("theorem", DRAWN.values(), ids=lambda t: t.name)
def test_drawn_problems_are_certified_with_the_search_s_letters(theorem: Theorem) -> None:
    """Letters as the search chooses them, in floats with some slack."""
    reading, smooth = Reading(theorem), theorem.smoothness

    @QUICK
    @given(st.data())
    def check(data: st.DataObject) -> None:
        inside = landscape(reading, data.draw(structures(theorem, oracle=True)))
        found = inside.problem(np.array([data.draw(st.integers(0, 64)) / 64 for _ in inside.genes]))
        if found is None:
            return
        candidate, choices = found
        letters: dict[sp.Symbol, sp.Expr] = {**other_letters(theorem, candidate), **choices}
        if smooth is not None:
            letters.setdefault(smooth.L1, ZERO)
            letters[smooth.L0] = sp.Rational(float(letters_of(reading, candidate, choices)[1].tight["L0"][0]))
        certify_all(theorem, candidate, letters)

    check()

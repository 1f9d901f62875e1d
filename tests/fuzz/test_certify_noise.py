"""Certificates of noise: every law, right and a little wrong; laws on small lattices."""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
import pytest
import sympy as sp
from certificates import CELL, HALF, NOISE_NUMBERS, OBJECTIVE_NUMBERS, ONE, ZERO, problem, refused
from sympy import Rational as Q
from sympy import sqrt

from fuzz.certify import at_least, certify
from fuzz.constants import sign, value
from fuzz.engine.printers.numpy_source import numpy_function
from fuzz.lattice_laws import CENTRING_ERROR, PARETO_CENTRING_ERROR, SYMMETRIC_LAWS
from fuzz.problem import FiniteLaw, Problem
from fuzz.rescore import deviation_of
from theorems.language import BoundedVariance, ExactGradients, Symmetric
from theorems.language.assumptions import Assumption
from theorems.language.noises import LATTICE, NOISES, U0, U1, exponential_centre
from theorems.language.parameters import c, m

laws = pytest.mark.parametrize("law", [name for name in NOISE_NUMBERS if name != "none"])


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

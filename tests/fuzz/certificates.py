"""Problems for tests of certificates: numbers for every family and law, and what it is to be refused."""

from __future__ import annotations

import pytest
import sympy as sp
from sympy import Rational as Q
from sympy import sqrt

from fuzz.certify import CertificateError, certify
from fuzz.problem import Family, FiniteLaw, Problem
from theorems.language.assumptions import Assumption
from theorems.language.noises import LATTICE

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

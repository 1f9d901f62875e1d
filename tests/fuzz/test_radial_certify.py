"""Certificates of radial objectives: random pairs in space against constants that are certified, and planted ones.

Seeds are fixed. The proof's steps and intervals are tests/harness/test_objectives_radial.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sympy as sp
from sympy import Rational as Q

from fuzz.certify import CertificateError, certify
from fuzz.pieces import FAMILIES
from fuzz.problem import Family, Problem
from fuzz.shapes import evaluate
from fuzz.smoothness import least_smoothness
from theorems.language import GS, HS, PL, BoundedVariance, Convex
from theorems.language.functions import OBJECTIVES, RADIAL

FORMS = pytest.mark.parametrize("hessian", [False, True], ids=["GS", "HS"])
SLACK = Q(5, 4)


def draw(family: str, seed: int) -> dict[str, sp.Rational]:
    """Numbers that the family allows; piecewise ones have a right side of random bends that stays above its minimum."""
    rng = np.random.default_rng([seed, list(OBJECTIVES).index(family)])

    def number(low: int = 2, high: int = 20) -> sp.Rational:
        return Q(int(rng.integers(low, high)), 8)

    found = {p.name: number() for p in OBJECTIVES[family].parameters}
    if family == "slope_then_bowl":
        found["start"] = found["slope"] / found["curvature"] + number()
        found["steep"] = found["slope"] + number()
    if family in FAMILIES:
        found |= {name: sp.Integer(0) for name in found if name.startswith("left_")}
        found |= {f"width{j}": number(1, 8) for j in range(1, 5)}
        found |= {f"bend{j}": Q(int(rng.integers(-3, 8)), 8) for j in range(2, 5)}
        # Up more than down: u stays positive.
        found |= {"bend1": sp.Integer(1), "width1": sp.Integer(2), "bend5": Q(1, 8)}
    if "growth" in found:
        found["growth"] = SLACK / int(rng.integers(1, 4))
    return found


def problem(family: str, numbers: dict[str, sp.Rational], dimension: int = 3) -> Problem:
    return Problem(
        objective=Family(RADIAL + family, (numbers,)),
        noise=Family("gaussian", ({"scale": Q(1, 2)},) * dimension),
        start=(Q(1),) * dimension,
        step_size=Q(1, 4),
        clipping_threshold=Q(1),
        steps=3,
    )


def gradients(family: str, numbers: dict[str, sp.Rational], points: Any) -> Any:
    """[n, d], of the formula and the definition; written apart from :func:`fuzz.shapes.evaluate`'s radial case."""
    radius = np.linalg.norm(points, axis=1, keepdims=True)
    columns = np.array([[[float(numbers[p.name])] for p in OBJECTIVES[family].parameters]])
    slope = evaluate(family, "gradient", np.repeat(columns, len(points), 0), radius)
    return slope * points / radius


def demand(family: str, numbers: dict[str, sp.Rational], seed: int, hessian: bool) -> float:
    """The largest L0 that a pair asks for, of pairs in all directions and of all lengths up to 1/L1 (to 1e-5)."""
    rng = np.random.default_rng(seed)
    count, dimension, slack = 40_000, 3, float(SLACK)
    marks = [0.0, *np.cumsum([float(numbers.get(f"width{j}", 1)) for j in range(1, 5)])]
    radii = np.where(
        rng.random(count) < 0.5, rng.choice(marks, count) + 0.01 * rng.random(count), 8 * rng.random(count)
    )
    first = rng.normal(size=(count, dimension))
    first *= (radii + 1e-3)[:, None] / np.linalg.norm(first, axis=1, keepdims=True)
    steps = rng.normal(size=(count, dimension))
    rays = first / np.linalg.norm(first, axis=1, keepdims=True) * rng.choice([-1.0, 1.0], (count, 1))
    steps = np.where(rng.random((count, 1)) < 0.5, rays, steps)
    lengths = (1e-5 if hessian else 1 / slack) * rng.choice([1.0, 1.0, 1e-3, *rng.random(5)], count)
    steps *= lengths[:, None] / np.linalg.norm(steps, axis=1, keepdims=True)
    one, other = (gradients(family, numbers, p) for p in (first, first + steps))
    change = np.linalg.norm(one - other, axis=1) / lengths
    return float((change - slack * np.linalg.norm(one, axis=1)).max())


@FORMS
@pytest.mark.parametrize("family", sorted(OBJECTIVES))
def test_no_pair_asks_for_more_and_some_pair_for_nearly_as_much(family: str, hessian: bool) -> None:
    """In space; a constant five per cent too small has a pair at which it fails."""
    for seed in range(4):
        numbers = draw(family, seed)
        needed = least_smoothness(Family(RADIAL + family, (numbers,)), SLACK, hessian=hessian)
        assert needed is not None
        worst = demand(family, numbers, seed, hessian) / float(needed)
        assert 0.95 < worst <= 1 + (1e-4 if hessian else 1e-9), (seed, numbers)


@pytest.mark.parametrize("kind", [GS, HS])
@pytest.mark.parametrize("family", sorted(OBJECTIVES))
def test_certificates_say_radial_and_refuse_less(family: str, kind: Any) -> None:
    numbers = draw(family, 1)
    needed = least_smoothness(Family(RADIAL + family, (numbers,)), SLACK, hessian=kind is HS)
    assert needed is not None
    found = certify(kind(needed, SLACK), problem(family, numbers))
    assert "of $|x|$" in found.says or "of $r=|x|$" in found.says
    with pytest.raises(CertificateError, match="is needed"):
        certify(kind(needed * Q(999_999, 10**6), SLACK), problem(family, numbers))


def test_a_hessian_by_differences_has_the_eigenvalues_of_the_proof() -> None:
    """``phi''(r)`` once and ``phi'(r)/r`` twice in space."""
    numbers = {"curvature": Q(3, 2), "slope": Q(2, 3)}
    point = np.array([[0.7, -0.4, 0.9]])
    radius = float(np.linalg.norm(point))
    step = 1e-5 * np.eye(3)
    columns = [gradients("log_cosh", numbers, point + way * step) for way in (1, -1)]
    hessian = (columns[0] - columns[1]) / 2e-5
    k, a = 1.5, 2 / 3
    expected = sorted([k / np.cosh(k * radius / a) ** 2, *[a * np.tanh(k * radius / a) / radius] * 2])
    np.testing.assert_allclose(np.linalg.eigvalsh((hessian + hessian.T) / 2), expected, rtol=1e-6)


def test_without_slack_the_quartic_is_in_no_class() -> None:
    with pytest.raises(CertificateError, match="no L0 will do"):
        certify(GS(Q(100), Q(0)), problem("quartic", draw("quartic", 0)))


@pytest.mark.parametrize("family", sorted(OBJECTIVES))
def test_convex(family: str) -> None:
    """Midpoints of random pairs, where it is certified; a pair that breaks it, where it is not."""
    numbers = draw(family, 3) if family not in FAMILIES else {**draw(family, 3), "bend3": Q(-1, 2)}
    gentle = {**numbers, **{f"bend{j}": Q(1, 4) for j in range(2, 5) if family in FAMILIES}}
    rng = np.random.default_rng(7)
    pairs = rng.normal(size=(2, 20_000, 3)) * rng.choice([0.3, 1.0, 3.0], (2, 20_000, 1))

    def least_gap(known: dict[str, sp.Rational]) -> float:
        columns = np.array([[[float(known[p.name])] for p in OBJECTIVES[family].parameters]])
        columns = np.repeat(columns, pairs.shape[1], 0)
        ends = [evaluate(family, "value", columns, np.linalg.norm(p, axis=1, keepdims=True))[:, 0] for p in pairs]
        middle = evaluate(family, "value", columns, np.linalg.norm(pairs.mean(0), axis=1, keepdims=True))[:, 0]
        return float(((ends[0] + ends[1]) / 2 - middle + 1e-12 * (1 + ends[0] + ends[1])).min())

    for known in (gentle, numbers) if family in FAMILIES else (numbers,):
        if family == "well" or (family in FAMILIES and known is numbers):
            with pytest.raises(CertificateError):
                certify(Convex(), problem(family, known))
            assert least_gap(known) < -1e-6
            continue
        assert "norm, is convex" in certify(Convex(), problem(family, known)).says
        assert least_gap(known) >= 0


def test_what_is_on_the_left_breaks_nothing() -> None:
    bent = {**draw("piecewise_quadratic", 3), **{f"bend{j}": Q(1, 4) for j in range(2, 5)}}
    bent |= {"left_bend1": Q(1), "left_width1": Q(1), "left_bend2": Q(-1, 4), "left_width2": Q(1, 2)}
    bent |= {"left_bend3": Q(1, 8)}
    whole = problem("piecewise_quadratic", bent, 1)
    assert certify(Convex(), whole).assumption == Convex()
    with pytest.raises(CertificateError, match="falls"):
        certify(Convex(), replace(whole, objective=Family("piecewise_quadratic", (bent,))))


@pytest.mark.parametrize("family", ["quadratic", "quartic", *FAMILIES])
def test_pl(family: str) -> None:
    numbers = {**draw(family, 5), **({"bend5": Q(1)} if family in FAMILIES else {})}
    radii = np.linspace(1e-3, 12, 40_000)[:, None]
    columns = np.array([[[float(numbers[p.name])] for p in OBJECTIVES[family].parameters]]).repeat(len(radii), 0)
    value, slope = (evaluate(family, which, columns, radii)[:, 0] for which in ("value", "gradient"))
    least = float((slope**2 / (2 * value)).min())
    certify(PL(Q(int(least * 0.99 * 2**30), 2**30)), problem(family, numbers))
    with pytest.raises(CertificateError, match=r"too large|at most"):
        certify(PL(Q(int(least * 1.01 * 2**30), 2**30)), problem(family, numbers))


@pytest.mark.parametrize("family", ["huber", "log_cosh", "slope_then_bowl", "well"])
def test_no_pl_where_the_gradient_is_bounded(family: str) -> None:
    with pytest.raises(CertificateError, match="bounded gradient"):
        certify(PL(Q(1, 1000)), problem(family, draw(family, 0)))


def test_the_noise_is_certified_as_beside_any_objective() -> None:
    whole = problem("huber", draw("huber", 0))
    assert certify(BoundedVariance(Q(9, 10)), whole).assumption == BoundedVariance(Q(9, 10))
    with pytest.raises(CertificateError, match="is needed"):
        certify(BoundedVariance(Q(8, 10)), whole)

"""Objectives with a family for each coordinate, in many dimensions, rotated; and what the search draws of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
from sympy import Rational as Q

from fuzz.budget import Budget, Meter
from fuzz.certify import CertificateError, certify
from fuzz.engine import Batch, Instance, run
from fuzz.genes import Structure
from fuzz.instance import instance_of
from fuzz.onestep import clip
from fuzz.pieces import FAMILIES, Shape, smoothness_bounds
from fuzz.problem import Family, Problem
from fuzz.reading import Reading
from fuzz.rescore import letters_of
from fuzz.shapes import allowed, meets, piece_smoothness, piece_strength
from fuzz.simplifications import flatter, plainer, scale_problem, shorter_numbers
from fuzz.strategies import draw_structures, landscape
from theorems.catalogue import load_catalogue
from theorems.language import GS, HS, PL, BoundedVariance, Convex
from theorems.language.functions import OBJECTIVES, profiles
from theorems.language.parameters import Domain

CATALOGUE = load_catalogue()
HUBER = {"curvature": Q(3, 4), "slope": Q(1, 3)}
QUARTIC = {"curvature": Q(1, 2), "quartic": Q(1, 5)}


def mixed() -> Problem:
    return Problem(
        objective=Family("quadratic+huber+quartic", ({"curvature": sp.Integer(2)}, HUBER, QUARTIC)),
        noise=Family("gaussian", ({"scale": Q(1, 7)},) * 3),
        start=(Q(1, 2), Q(5, 3), -Q(2, 7)),
        step_size=Q(1, 9),
        clipping_threshold=sp.Integer(1),
        steps=6,
    )


def test_a_mixed_problem_survives_its_file() -> None:
    assert Problem.from_json(mixed().to_json()) == mixed()


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("quadratic+huber", "has 2 coordinates, not 3"),
        ("quadratic+huber+nothing", "unknown objective 'nothing'"),
        ("quadratic+huber+huber", "objective 'huber' needs the numbers"),
    ],
)
def test_mixed_objectives_that_do_not_fit_are_refused(name: str, match: str) -> None:
    whole = mixed()
    with pytest.raises(ValueError, match=match) as caught:
        Problem(Family(name, whole.objective.coordinates), whole.noise, whole.start, Q(1), Q(1), 1)
    assert "\n" not in str(caught.value)


def test_constants_of_a_sum_are_the_largest_of_its_parts() -> None:
    whole, slack = mixed(), sp.Integer(3)
    alone = Problem(
        Family("quartic", (QUARTIC,)), Family("none", ({},)), (sp.Integer(1),), sp.Integer(1), sp.Integer(1), 1
    )
    needed = certify(GS(sp.Integer(9), slack), alone).numbers["L0 needed"]
    assert needed < 2
    assert certify(GS(sp.Integer(2), slack), whole).numbers["L0 needed"] == 2
    with pytest.raises(CertificateError, match="2 is needed"):
        certify(HS(Q(199, 100), slack), whole)
    certify(Convex(), whole)
    with pytest.raises(CertificateError, match="huber has a bounded gradient"):
        certify(PL(Q(1, 100)), whole)


def test_moves_of_the_minimiser_keep_a_mixed_problem_whole() -> None:
    whole = mixed()
    assert {p.objective.name for p in flatter(whole)} == {"quadratic+huber", "quadratic+quartic", "huber+quartic"}
    assert next(plainer(whole)).objective.name == "quadratic"
    assert all(p.objective.name == whole.objective.name for p in shorter_numbers(whole))
    twice = scale_problem(scale_problem(whole, Q(3), Q(2)), Q(1, 3), Q(1, 2))
    assert twice == whole


def test_a_batch_names_the_coordinate_family_that_is_wrong() -> None:
    numbers = [{"curvature": 1.0}, {"curvature": 1.0, "slope": -1.0}]
    with pytest.raises(ValueError, match=r"instance 1: objective 'huber': slope must be .*positive, not -1\.0"):
        Batch.of(
            [
                Instance("quadratic", {"curvature": 1.0}, [1.0, 1.0], 0.1, 1.0, 2),
                Instance("quadratic+huber", numbers, [1.0, 1.0], 0.1, 1.0, 2),
            ]
        )


def test_ill_conditioned_quadratics_in_64_dimensions() -> None:
    """Unclipped, coordinate i shrinks by ``1 - eta L_i`` a step, curvatures from 1 to 1e-8."""
    curvatures = np.geomspace(1, 1e-8, 64)
    batch = Batch.of([Instance("quadratic", {"curvature": curvatures.tolist()}, [1.0] * 64, 0.5, np.inf, 40)])
    for backend in ("cpu", "reference"):
        path = run(batch, 1, record=1, backend=backend).trajectories
        assert path is not None
        np.testing.assert_allclose(path[0, 0, -1], (1 - 0.5 * curvatures) ** 40, rtol=1e-13)


def test_the_search_reaches_mixed_and_wide_objectives() -> None:
    drawn = draw_structures(Reading(CATALOGUE["D1"]), 400, 3)
    assert any("+" in s.objective for s in drawn)
    assert any(s.dimension == 64 for s in drawn)
    assert {s.objective for s in drawn if "+" not in s.objective} == set(OBJECTIVES)
    for structure in (
        Structure(objective="quadratic", dimension=64, steps=(8, 64)),
        Structure(objective="well+piecewise_quadratic", dimension=2, steps=(8, 64), pieces=(3, 1)),
    ):
        inside = landscape(Reading(CATALOGUE["D1"]), structure)
        points = np.random.default_rng(0).random((16, len(inside.genes)))
        scores = inside.evaluate(points, 1, Meter(Budget(steps=10**9)), 0, 0)
        assert 0.3 < scores.score.max() < 1
        found = inside.problem(points[int(scores.score.argmax())])
        assert found is not None
        assert Problem.from_json(found[0].to_json()) == found[0]


def test_the_search_draws_growing_families_and_turned_noise_in_many_dimensions() -> None:
    """Sums of exponential profiles and of quartics, with noise of every layout, and laws in random directions."""
    drawn = [s for number in range(2) for s in draw_structures(Reading(CATALOGUE["S3_HS"]), 500, number)]
    wide = [s for s in drawn if s.dimension > 3]
    assert {s.dimension for s in wide} == {8, 64}
    assert {"quartic", "piecewise_exponential"} <= {s.objective for s in wide if s.noise != "none"}
    assert any("+" in s.objective and "piecewise_exponential" in s.objective for s in drawn)
    assert all((s.turn > 0) == (s.noise == "finite") for s in wide)
    assert len({s.turn for s in drawn if s.noise == "finite" and s.dimension == 2}) > 2
    # A noisy step in 64 dimensions takes as long as 64 steps.
    assert max(s.steps[1] for s in wide if s.noise != "none") <= 1000


@pytest.mark.parametrize("name", ["D1", "S3_HS"])
@pytest.mark.parametrize(
    "structure",
    [
        Structure(objective="piecewise_exponential", dimension=8, steps=(8, 64), pieces=(3, 2)),
        Structure(objective="piecewise_exponential", dimension=2, steps=(2, 8), pieces=(5, 3), dips=True),
        Structure(objective="quartic", dimension=64, steps=(8, 64)),
        Structure(objective="log_cosh+piecewise_exponential", dimension=2, steps=(8, 64), pieces=(2, 1)),
    ],
    ids=lambda s: f"{s.objective} d={s.dimension}",
)
def test_growing_families_in_more_dimensions_are_certified_at_the_search_s_letters(
    name: str, structure: Structure
) -> None:
    theorem, rng = CATALOGUE[name], np.random.default_rng(1)
    if theorem.has(BoundedVariance):
        structure = replace(structure, noise="gaussian", deviation=(0.3, 3.0))
    reading = Reading(theorem)
    inside = landscape(reading, structure)
    seen = 0
    for _ in range(40):
        found = inside.problem(rng.random(len(inside.genes)))
        if found is None:
            continue
        problem, choices = found
        constant, slack = (
            known[letter] for known in [letters_of(reading, problem, choices)[0]] for letter in ("L0", "L1")
        )
        kind, (low, high) = (
            type(theorem.smoothness),
            (sp.Rational(str(float(constant[0]) * f)) for f in (0.99, 1 + 1e-8)),
        )
        at = Q(*float(slack[0]).as_integer_ratio())
        certify(kind(high, at), problem)
        with pytest.raises(CertificateError, match="is needed"):
            certify(kind(low, at), problem)
        seen += 1
        if seen == 2:
            return
    raise AssertionError(seen)


def test_whole_letters_are_drawn_whole() -> None:
    """D3's K, the number of a step: else no certificate would ever be given."""
    inside = landscape(Reading(CATALOGUE["D3"]), Structure(steps=(8, 64)))
    rng, seen = np.random.default_rng(0), 0
    for _ in range(60):
        found = inside.problem(rng.random(len(inside.genes)))
        if found is not None:
            seen += 1
            (whole,) = (v for p, v in found[1].items() if p.domain is Domain.POSITIVE_INTEGER)
            assert whole.is_Integer
            assert 1 <= whole <= found[0].steps + 1
    assert seen > 5


def test_rotated_objectives_are_copies_with_rotated_noise() -> None:
    """Step by step: f(Q x) with noise xi, and f with noise Q xi from Q x, in float64 to 1e-12."""
    rng = np.random.default_rng(5)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    whole = mixed()
    numbers = instance_of(whole).objective_parameters
    kinds = profiles(whole.objective.name, 3)
    from fuzz.engine.printers.numpy_source import numpy_function
    from theorems.language.functions import x as letter

    def gradient(point: np.ndarray) -> np.ndarray:
        return np.array(
            [
                numpy_function(kind.gradient, (letter, *kind.parameters))(
                    entry, *(mine[p.name] for p in kind.parameters)
                )
                for kind, mine, entry in zip(kinds, numbers, point, strict=True)
            ]
        )

    y = np.array([0.5, 1.7, -0.3])
    x = rotation.T @ y
    for _ in range(50):
        noise = rng.normal(size=3)
        x = x - 0.3 * clip(rotation.T @ gradient(rotation @ x) + noise, np.float64(0.8))
        y = y - 0.3 * clip(gradient(y) + rotation @ noise, np.float64(0.8))
        np.testing.assert_allclose(rotation @ x, y, atol=1e-12)


@pytest.mark.parametrize("hessian", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_arrays_find_the_constants_that_are_proved(family: str, hessian: bool) -> None:
    """The search's floats against rational bounds, for 60 seeded profiles that the search would draw."""
    rng = np.random.default_rng(7)
    reading = Reading(CATALOGUE["D1"])
    inside = landscape(reading, Structure(objective=family, steps=(8, 64), pieces=(5, 3), dips=True))
    seen = 0
    while seen < 60:
        found = inside.problem(rng.random(len(inside.genes)))
        if found is None:
            continue
        problem, choices = found
        numbers = problem.objective.coordinates[0]
        slack = choices[reading.slack_letter] if family == "piecewise_exponential" else Q(rng.integers(0, 8), 3)
        columns = {name: np.array([float(v)]) for name, v in numbers.items()}
        bounds = smoothness_bounds(Shape.of(numbers), _fraction(slack), hessian=hessian)
        near = piece_smoothness(columns, np.array([float(slack)]), hessian=hessian)[0]
        if bounds is None:
            assert near == np.inf
        else:
            assert float(bounds[0]) * (1 - 1e-9) <= near <= float(bounds[1]) * (1 + 1e-9)
        seen += 1


@pytest.mark.parametrize("family", FAMILIES)
def test_arrays_find_a_pl_constant_that_is_proved(family: str) -> None:
    rng = np.random.default_rng(8)
    reading = Reading(CATALOGUE["D3"])
    inside = landscape(reading, Structure(objective=family, steps=(8, 64), pieces=(5, 3)))
    seen = 0
    while seen < 20:
        found = inside.problem(rng.random(len(inside.genes)))
        if found is None:
            continue
        seen += 1
        problem = found[0]
        columns = {name: np.array([float(v)]) for name, v in problem.objective.coordinates[0].items()}
        mu = piece_strength(columns, family)[0]
        assert mu == letters_of(reading, problem, found[1])[1].tight["strong"][0] > 0
        certify(PL(Q(*float(mu).as_integer_ratio())), problem)
        with pytest.raises(CertificateError):
            certify(PL(Q(*float(mu).as_integer_ratio()) * 64), problem)


def test_conditions_that_keep_f_above_its_minimum() -> None:
    """Down for too long, f is below 0; as long as that is made up for, it is not."""
    family = OBJECTIVES["piecewise_quadratic"]
    flat = {p.name: sp.Integer(0) for p in family.parameters}

    # u rises to 1, falls to -d, and rises again: f has a local minimum of 1/2 + 1/2 - d^2/2 - d^2/2.
    def dip(depth: sp.Rational) -> dict[str, sp.Expr]:
        shape = {"curvature": 1, "width1": 1, "bend1": 1, "width2": 1 + depth, "bend2": -1, "bend3": 1, "bend4": 1}
        return {**flat, **{n: sp.sympify(v) for n, v in shape.items()}, "bend5": sp.Integer(1), "width3": Q(1, 2)}

    assert allowed(family, dip(Q(99, 100)))
    assert not allowed(family, dip(Q(101, 100)))
    problem = Problem(Family(family.name, (dip(Q(101, 100)),)), Family("none", ({},)), (Q(1),), Q(1), Q(1), 1)
    with pytest.raises(CertificateError, match="is required"):
        certify(GS(sp.Integer(1), sp.Integer(0)), problem)
    certify(
        GS(sp.Integer(1), sp.Integer(0)),
        Problem(Family(family.name, (dip(Q(99, 100)),)), Family("none", ({},)), (Q(1),), Q(1), Q(1), 1),
    )
    # Down far out: unbounded below.
    assert not meets(family, {n: np.array([float(v)]) for n, v in {**flat, "curvature": 1, "bend5": -1}.items()})[0]


def _fraction(number: sp.Rational) -> object:
    from fractions import Fraction

    return Fraction(int(number.p), int(number.q))

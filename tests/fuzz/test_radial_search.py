"""Radial objectives in the search: drawn beside noise that leaves a line, scored, certified, made simpler."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sympy as sp
from sympy import Rational as Q

import fuzz.search
from fuzz.budget import Budget
from fuzz.certify import certify
from fuzz.genes import EACH, Structure, build_objectives, decode, describe
from fuzz.holds import at_gap
from fuzz.minimise import complexity
from fuzz.pieces import FAMILIES
from fuzz.problem import Family, FiniteLaw, Problem
from fuzz.reading import Reading
from fuzz.rescore import letters_of, rescore
from fuzz.rounding import rounding_allowance
from fuzz.shapes import evaluate, piece_strength
from fuzz.simplifications import flatter, plainer, scale_problem, shorter_numbers
from fuzz.strategies import draw_structures, landscape, objective_families
from fuzz.trajectory import RunLandscape
from theorems.catalogue import load_catalogue
from theorems.language.functions import NOISES, OBJECTIVES, RADIAL, is_radial

CATALOGUE = load_catalogue()
S3 = CATALOGUE["S3"]
STATEMENTS = ("S3", "S3_HS", "planted_d2_noise_ignored")


def structure(family: str, dimension: int, **more: Any) -> Structure:
    fields: dict[str, Any] = {"noise": "two_point", "steps": (3, 9), "deviation": (0.3, 3.0)}
    pieces = (3, 0) if family in FAMILIES else (0, 0)
    return Structure(objective=RADIAL + family, dimension=dimension, pieces=pieces, **{**fields, **more})


def test_they_are_drawn_in_all_dimensions_and_beside_noise_alone() -> None:
    """One draw in eight or so, of those that may be radial."""
    drawn = [s for k in range(20) for s in draw_structures(Reading(S3), 60, k)]
    radial = [s for s in drawn if is_radial(s.objective)]
    assert 0.02 < len(radial) / len(drawn) < 0.2
    assert set(Counter(s.dimension for s in radial)) == {2, 3, 8, 64}
    assert {s.objective for s in radial} >= {RADIAL + o for o in ("huber", "log_cosh", "well", "slope_then_bowl")}
    for s in radial:
        assert s.noise != "none"
        assert not NOISES[s.noise].along
        assert s.objective != "radial:quadratic"
        assert s.pieces[1] == 0
        # Atoms in more than three dimensions lie in a direction.
        assert s.noise != "finite" or s.dimension <= EACH or s.turn > 0


def test_none_is_drawn_where_gradients_are_exact() -> None:
    exact = next(t for t in CATALOGUE.values() if Reading(t).exact_gradients and t.name.startswith("D1"))
    assert not any(is_radial(s.objective) for s in draw_structures(Reading(exact), 200, 3))


@pytest.mark.parametrize("name", STATEMENTS)
@pytest.mark.parametrize("dimension", [1, 2, 3, 8, 64])
@pytest.mark.parametrize("family", sorted(OBJECTIVES))
def test_arrays_that_the_search_runs_are_the_exact_problem(family: str, dimension: int, name: str) -> None:
    """Its letters are those of the problem that is handed on, which is certified at them."""
    theorem = CATALOGUE[name]
    reading = Reading(theorem)
    if reading.convex and family in ("well", "quartic", "piecewise_exponential"):
        assert family not in objective_families(reading)
        return
    inside = landscape(reading, structure(family, dimension))
    assert isinstance(inside, RunLandscape)
    raw = np.random.default_rng([dimension, *map(ord, family)]).random((48, len(inside.genes)))
    draft = inside.draft(raw)
    found = [(row, p) for row in range(len(raw)) if (p := inside.problem(raw[row])) is not None]
    assert len(found) >= 4
    for row, (problem, choices) in found[:4]:
        assert problem.objective.name == RADIAL + family
        assert len(problem.objective.coordinates) == 1
        known, _ = letters_of(reading, problem, choices)
        for name in ("F0", "R0", "m"):
            own = {"F0": draft.objectives.gap, "R0": draft.objectives.distance, "m": draft.objectives.gradient_norm}
            np.testing.assert_allclose(np.ravel(known[name])[0], own[name][row], rtol=1e-9)
        # By hand.
        r = float(np.linalg.norm(draft.objectives.start[row]))
        columns = draft.objectives.parameters[row : row + 1, :, :1]
        slope, height = (evaluate(family, w, columns, np.array([[r]]))[0, 0] for w in ("gradient", "value"))
        np.testing.assert_allclose(draft.objectives.gradient_norm[row], abs(slope), rtol=1e-9)
        np.testing.assert_allclose(draft.objectives.gap[row], height, rtol=1e-9)
        assert np.isfinite(rescore(reading, problem, choices, 16)[0])
        values = {p: sp.Rational(*np.ravel(known[str(p.name)])[0].as_integer_ratio()) for p in theorem.parameters}
        values |= dict(choices)
        for assumption in theorem.given:
            arguments = {k: theorem.expand(sp.sympify(v)).xreplace(values) for k, v in vars(assumption).items()}
            certify(type(assumption)(**arguments), problem)


def test_ladders_have_no_curvatures_of_their_own() -> None:
    reading = Reading(S3)
    for dimension in (3, 8):
        names = {g.name for g in landscape(reading, structure("huber", dimension)).genes}
        assert not names & {"condition", "curvature1", "curvature2", "fade"}


def test_a_start_is_moved_along_its_ray() -> None:
    reading = Reading(S3)
    inside = landscape(reading, structure("log_cosh", 3))
    raw = np.random.default_rng(1).random((5, len(inside.genes)))
    objectives = build_objectives(inside.structure, reading, decode(inside.genes, raw))
    moved = at_gap(objectives, np.full(5, 0.25))
    np.testing.assert_allclose(moved.gap, 0.25, rtol=1e-6)


def test_the_strength_of_a_right_side() -> None:
    """A quadratic right side has its curvature as PL constant, whatever the left is; a flat left leaves none."""
    kind = OBJECTIVES["piecewise_quadratic"]
    numbers = {p.name: np.zeros(1) for p in kind.parameters} | {"curvature": np.full(1, 2.0)}
    numbers |= {f"bend{j}": np.full(1, 0.5) for j in range(1, 6)} | {"left_bend1": np.full(1, 1.0)}
    assert piece_strength(numbers, kind.name)[0] == 0
    assert piece_strength(numbers, kind.name, radial=True)[0] == pytest.approx(1.0)


def test_the_norm_s_rounding_counts() -> None:
    columns = np.full((1, 1, 64), 1.0)
    start = np.full((1, 64), 3.0)
    constants = (np.ones(1), np.zeros(1))
    wide, narrow = (describe(n, columns, start, constants).rounding[0] for n in ("radial:quadratic", "quadratic"))
    assert wide > 2 * narrow


# -- simpler ones ------------------------------------------------------------------------------------------------------

LAW = FiniteLaw(((Q(1, 4), (Q(3), -Q(1), Q(0))), (Q(3, 4), (-Q(1), Q(1, 3), Q(0)))))


def problem(**changes: Any) -> Problem:
    whole = Problem(
        objective=Family("radial:log_cosh", ({"curvature": Q(3, 2), "slope": Q(2, 5)},)),
        noise=LAW,
        start=(Q(0), Q(3, 5), Q(-4, 5)),
        step_size=Q(1, 5),
        clipping_threshold=Q(1, 2),
        steps=3,
    )
    return replace(whole, **changes)


def test_fewer_coordinates_keep_the_profile() -> None:
    found = list(flatter(problem()))
    assert [p.dimension for p in found] == [1, 1, 2, 2, 2]
    assert [p.start for p in found[:2]] == [(Q(3, 5),), (Q(-4, 5),)]
    assert all(p.objective == problem().objective for p in found)
    assert not list(flatter(found[0]))


def test_plainer_ones_are_sums_or_plainer_profiles() -> None:
    names = [p.objective.name for p in plainer(problem())]
    assert names == ["quadratic", "log_cosh", "radial:huber"]
    assert all(len(p.objective.coordinates) == 3 for p in list(plainer(problem()))[:2])
    whole = problem(objective=Family("log_cosh", problem().objective.coordinates * 3))
    assert complexity(whole) < complexity(problem())
    shorter = list(shorter_numbers(problem()))
    assert any(p.objective.coordinates[0]["curvature"] == 1 for p in shorter)


def test_other_units() -> None:
    scaled = scale_problem(problem(), Q(2), Q(3))
    assert scaled.objective.name == "radial:log_cosh"
    assert scaled.objective.coordinates[0]["curvature"] == Q(3, 2) * 2 / 9


def test_a_search_among_radial_structures_alone_refutes_a_false_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 without its bias term, in the plane; and the candidate is a problem that a confirmation can decide."""

    def only(*_: Any) -> list[Structure]:
        return [
            structure(f, 2, steps=(64, 2000), deviation=(0.3, 3.0), noise="two_point") for f in ("huber", "log_cosh")
        ]

    monkeypatch.setattr(fuzz.search, "boundary_structures", only)
    monkeypatch.setattr(fuzz.search, "draw_structures", only)
    monkeypatch.setattr(fuzz.search, "plain_structures", lambda reading: [])
    theorem = CATALOGUE["planted_s3_no_bias"]
    found = fuzz.search.search(theorem, Budget(steps=40_000_000), seed=1, enough=1.1)
    best = found.candidates[0]
    assert best.score - 3 * best.error > 1.1
    assert best.problem.objective.radial
    assert best.problem.dimension == 2
    assert rounding_allowance(best.problem, theorem.claim.quantity) is not None

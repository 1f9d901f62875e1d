"""A problem refuses numbers and shapes that do not fit, in one line."""

from __future__ import annotations

from typing import Any

import pytest
import sympy as sp

from fuzz.problem import Family, FiniteLaw, Problem

ONE, HALF = sp.Integer(1), sp.Rational(1, 2)
PLANE = (ONE, ONE)


def problem(**change: Any) -> Problem:
    made: dict[str, Any] = {
        "objective": Family("quadratic", ({"curvature": ONE},) * 2),
        "noise": FiniteLaw(((HALF, PLANE), (HALF, (-ONE, -ONE)))),
        "start": PLANE,
        "step_size": ONE,
        "clipping_threshold": ONE,
        "steps": 1,
    }
    return Problem(**{**made, **change})


@pytest.mark.parametrize("place", [0, 1])
def test_every_atom_has_the_dimension_of_the_start(place: int) -> None:
    atoms = [(HALF, PLANE), (HALF, (-ONE, -ONE))]
    atoms[place] = (HALF, (ONE,))
    with pytest.raises(ValueError, match="a noise atom has 1 coordinates, the start has 2"):
        problem(noise=FiniteLaw(tuple(atoms)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": (ONE,)}, "objective has 2 coordinates, the start has 1"),
        ({"start": ()}, "at least one coordinate"),
        ({"start": (ONE, 0.5)}, "exact real number, not 0.5"),
        ({"start": (ONE, sp.I)}, "exact real number"),
        ({"noise": Family("none", ({},))}, "noise has 1 coordinates"),
        ({"noise": Family("thunder", ({}, {}))}, "unknown noise 'thunder'"),
        ({"objective": Family("quadratic", ({"slope": ONE},) * 2)}, "needs the numbers"),
        ({"step_size": sp.Integer(0)}, "step_size must be positive"),
        ({"step_size": sp.oo}, "step_size must be positive and finite"),
        ({"clipping_threshold": -ONE}, "clipping_threshold must be positive"),
        ({"steps": 0}, "positive integer, not 0"),
        ({"steps": True}, "positive integer, not True"),
    ],
)
def test_a_problem_that_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        problem(**change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("threshold", [ONE, sp.sqrt(2), sp.oo])
def test_a_problem_is_read_back_from_its_text(threshold: sp.Expr) -> None:
    made = problem(clipping_threshold=threshold)
    assert Problem.from_json(made.to_json()) == made

"""Problems that are decided exactly: small numbers for every family, laws of few atoms, statements of one line."""

from __future__ import annotations

from typing import Any

import sympy as sp

from fuzz.problem import Family, FiniteLaw, Problem
from harness.exact import ExactVerdict, decide, letters
from theorems.catalogue import load_catalogue
from theorems.language import F0, ExactGradients, FinalGap, Source, Theorem, Upper

CATALOGUE = load_catalogue()
R, Z = sp.Rational, sp.Integer

# Two bumps on the right, of which the first has a local minimum behind it; a flat bottom on the left.
HILLS = {
    **{f"width{j}": R(n, 2) for j, n in enumerate((3, 4, 3, 1), 1)},
    **dict(zip((f"bend{j}" for j in range(1, 6)), map(R, ("1", "-4/5", "2/3", "0", "1/2")), strict=True)),
    "left_width1": R(1, 8),
    "left_width2": R(1),
    "left_bend1": Z(0),
    "left_bend2": Z(1),
    "left_bend3": R(1, 3),
}
FAMILIES: dict[str, dict[str, sp.Expr]] = {
    "quadratic": {"curvature": R(3, 4)},
    "huber": {"curvature": R(3, 4), "slope": R(5, 8)},
    "slope_then_bowl": {"curvature": R(3, 4), "slope": R(1, 2), "start": Z(2), "steep": Z(3)},
    "log_cosh": {"curvature": R(3, 4), "slope": R(5, 8)},
    "quartic": {"curvature": R(3, 4), "quartic": R(1, 64)},
    "well": {"curvature": R(3, 4), "radius": R(5, 2)},
    "piecewise_quadratic": {"curvature": R(3, 4), **HILLS},
    "piecewise_exponential": {"curvature": R(3, 4), "growth": R(1, 4), **HILLS},
}


def problem(start: Any = 1, objective: str = "quadratic", **changes: Any) -> Problem:
    """A run on f = x^2/2 unless told otherwise."""
    point = tuple(map(sp.sympify, start if isinstance(start, tuple) else (start,)))
    numbers = {"curvature": Z(1)} if objective == "quadratic" else FAMILIES[objective]
    fields: dict[str, Any] = {
        "objective": Family(objective, (numbers,) * len(point)),
        "noise": Family("none", ({},) * len(point)),
        "start": point,
        "step_size": R(1, 2),
        "clipping_threshold": Z(1),
        "steps": 1,
    }
    return Problem(**{**fields, **changes})


def law(*atoms: tuple[Any, ...]) -> FiniteLaw:
    return FiniteLaw(tuple((sp.sympify(p), tuple(map(sp.sympify, v))) for p, *v in atoms))


def statement(**changes: Any) -> Theorem:
    fields: dict[str, Any] = {
        "name": "draft",
        "source": Source("A draft", "Lemma 1"),
        "given": [ExactGradients()],
        "when": [],
        "claim": Upper(FinalGap, F0),
    }
    return Theorem(**{**fields, **changes})


def judged(name: str, where: Problem) -> ExactVerdict:
    theorem = CATALOGUE[name]
    return decide(theorem, where, letters(theorem, where, {}))


STUCK = problem(R(1, 4), noise=law((R(1, 5), 2), (R(4, 5), -R(1, 2))))
HEAVY = problem(1, noise=law((R(1, 2), 2), (R(1, 2), -2)))

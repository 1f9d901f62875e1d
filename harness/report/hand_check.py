"""The table that a reader checks with a pencil: each atom of a finite noise law, clipped and weighed, exactly.

It is written from the definition of clipping, apart from every engine and from the exact checker.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from fuzz.problem import FiniteLaw, Problem
from fuzz.reduction import reduced
from theorems.language.functions import NOISES, x
from theorems.language.parameters import c, m
from theorems.language.quantities import Drift

_MOST_ROWS = 16


@dataclass(frozen=True)
class Row:
    """One atom. Vectors have shape [d]; ``along`` is ``<u, clip_c(g)>`` and ``product`` is probability times that."""

    probability: sp.Expr
    noise: tuple[sp.Expr, ...]
    sample: tuple[sp.Expr, ...]
    clipped: tuple[sp.Expr, ...]
    along: sp.Expr
    product: sp.Expr


@dataclass(frozen=True)
class HandCheck:
    """All atoms at the start; ``mean`` and ``variance`` of the noise, ``drift = E<u, clip_c(g)>``."""

    gradient: tuple[sp.Expr, ...]
    norm: sp.Expr
    rows: tuple[Row, ...]
    mean: tuple[sp.Expr, ...]
    variance: sp.Expr
    drift: sp.Expr

    @property
    def rational(self) -> bool:
        """Whether a pencil suffices: all numbers are short fractions."""
        numbers = [e for r in self.rows for e in (r.probability, *r.noise, *r.clipped, r.product)]
        return all(n.is_Rational and max(abs(n.p), n.q) < 10**6 for n in (*numbers, self.norm, self.drift))


def hand_check(problem: Problem) -> HandCheck | None:
    """The table at ``problem.start``, or None where the law is not a short list of atoms or the gradient is zero.

    For the mean of several samples it is that of the mean's atoms.
    """
    plain = reduced(problem, Drift)
    if plain is None:
        return None
    problem = plain
    gradient = gradient_at(problem, problem.start)
    norm = _neat(sp.sqrt(sum(entry**2 for entry in gradient)))
    # A transcendental gradient is nothing for a pencil, nor for SymPy's simplifier.
    if norm == 0 or problem.deterministic or norm.has(sp.Function):
        return None
    atoms = finite_atoms(problem, gradient, norm)
    if atoms is None or len(atoms) > _MOST_ROWS:
        return None
    unit = tuple(entry / norm for entry in gradient)
    threshold = problem.clipping_threshold
    rows = []
    for probability, noise in atoms:
        sample = tuple(_neat(a + b) for a, b in zip(gradient, noise, strict=True))
        length = sp.sqrt(sum(entry**2 for entry in sample))
        # |g| and c may both be irrational: compare squares, which SymPy decides.
        shrink = threshold / length if sp.simplify(length**2 - threshold**2).is_positive else sp.Integer(1)
        clipped = tuple(_neat(entry * shrink) for entry in sample)
        along = _neat(sum(a * b for a, b in zip(unit, clipped, strict=True)))
        rows.append(Row(probability, noise, sample, clipped, along, _neat(probability * along)))
    return HandCheck(
        gradient=gradient,
        norm=norm,
        rows=tuple(rows),
        mean=tuple(_neat(sum(p * v[i] for p, v in atoms)) for i in range(problem.dimension)),
        variance=_neat(sum(p * sum(entry**2 for entry in v) for p, v in atoms)),
        drift=_neat(sum(row.product for row in rows)),
    )


def gradient_at(problem: Problem, point: tuple[sp.Expr, ...]) -> tuple[sp.Expr, ...]:
    """The exact gradient, shape [d]."""
    if problem.objective.radial:
        ((profile, numbers),) = problem.objective.profiles
        radius = _neat(sp.sqrt(sum(entry**2 for entry in point)))
        if radius == 0:
            return (sp.Integer(0),) * len(point)
        slope = profile.gradient.xreplace({x: radius, **{p: numbers[p.name] for p in profile.parameters}})
        return tuple(_neat(slope * entry / radius) for entry in point)
    return tuple(
        _neat(profile.gradient.xreplace({x: position, **{p: numbers[p.name] for p in profile.parameters}}))
        for position, (profile, numbers) in zip(point, problem.objective.profiles, strict=True)
    )


def finite_atoms(
    problem: Problem, gradient: tuple[sp.Expr, ...], norm: sp.Expr
) -> tuple[tuple[sp.Expr, tuple[sp.Expr, ...]], ...] | None:
    """``(probability, vector)`` for each atom of the noise at a point with this gradient, or None."""
    if isinstance(problem.noise, FiniteLaw):
        return problem.noise.atoms
    family = NOISES[problem.noise.name]
    if family.atoms is None or (problem.dimension > 1 and not family.along):
        return None
    by_name = {p.name: p for p in family.parameters}
    values = {by_name[k]: v for k, v in problem.noise.coordinates[0].items()}
    values |= {m: norm, c: problem.clipping_threshold}
    # Some laws move along the gradient; in one dimension any other law moves along the axis.
    direction = tuple(entry / norm for entry in gradient) if family.along else (sp.Integer(1),)
    return tuple(
        (_neat(p.xreplace(values)), tuple(_neat(v.xreplace(values) * entry) for entry in direction))
        for p, v in family.atoms
    )


def _neat(number: sp.Expr | int) -> sp.Expr:
    number = sp.sympify(number)
    return number if number.is_Rational else sp.radsimp(sp.simplify(number.doit()))

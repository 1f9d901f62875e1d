"""Rays of parameters along which a proved bound outruns a claimed one, and points where it comes closest.

A ray lets every letter be a number times an even power of ``z``. Thousands are tried in floats; what is returned has
been evaluated exactly, and that a ratio grows without bound is shown by the solvers for every ``z`` from some point on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sympy as sp
from sympy.logic.boolalg import And, Boolean

from fuzz.engine.printers.source import UnprintableError
from harness.prove.contradiction import _start_facts, unsaid
from harness.prove.encode import Query, encode
from harness.prove.exact import holds, value
from harness.prove.instances import _definitions, _function
from harness.prove.solve import SolverPool, combine
from harness.prove.unroll import implication
from theorems.language import ONE, Domain, Parameter
from theorems.language.theorem import Theorem
from theorems.language.witness import Witness

z = Parameter("z", ONE, meaning="how far along the ray")

_TRIALS = 120_000
_SAMPLES = (10, 100, 1000)
_BASES = [sp.Rational(t) for t in ("1", "2", "1/2", "3", "4", "1/3", "1/4", "10", "1/10", "3/2")]
_POWERS = (0, 2, -2, 4, -4, 8, -8)
_STARTS = (1, 2, 4, 10, 100)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ray:
    """A ray along which ``theirs / claimed >= z / factor`` for all ``z >= start``.

    Attributes:
        other: the proved statement that outruns the claim.
        path: every letter as a formula in ``z``.
        verdict: of the solvers: ``proved``, or which of them alone.
        samples: ``(z, ratio)``, the ratio exact, as text.
        smt2: the query.
    """

    other: str
    path: Mapping[Parameter, sp.Expr]
    start: int
    factor: sp.Rational
    verdict: str
    samples: tuple[tuple[int, float], ...]
    smt2: str

    def words(self) -> str:
        """The ray, for a reader."""
        moving = ", ".join(f"{s} = {e}" for s, e in self.path.items() if z in e.free_symbols)
        fixed = ", ".join(f"{s} = {e}" for s, e in self.path.items() if z not in e.free_symbols)
        return f"{moving} with {fixed}" if fixed else moving


@dataclass(frozen=True)
class Nearest:
    """Exact parameters at which a proved bound is at least ``ratio`` times the claimed one (at most, if mirrored)."""

    other: str
    point: Mapping[Parameter, sp.Expr]
    ratio: sp.Rational


@dataclass(frozen=True)
class Beside:
    """A claimed bound and a proved one, on common letters, with all that must hold of these."""

    other: str
    conditions: tuple[Boolean, ...]
    claimed: sp.Expr
    proved: sp.Expr
    definitions: Mapping[sp.Symbol, sp.Expr]

    @property
    def letters(self) -> tuple[Parameter, ...]:
        """What may be chosen."""
        parts = (*self.conditions, self.claimed, self.proved, *self.definitions.values())
        found = {s for part in parts for s in part.free_symbols}
        return tuple(sorted(found, key=lambda s: str(s.name)))

    def whole(self, point: Mapping[Any, sp.Expr]) -> dict[Any, sp.Expr]:
        """A point with the letters that follow from it."""
        return {**point, **{s: d.xreplace(dict(point)) for s, d in self.definitions.items()}}


def beside(theorem: Theorem, other: Theorem, witness: Witness | None) -> Beside | None:
    """The claim beside another's: attained by its ``witness``, or (``None``) a bound for all problems of the claim.

    ``None`` if the assumptions of the one never meet those of the other.
    """
    ours, theirs = (theorem, other) if witness is not None else (other, theorem)
    if witness is None and unsaid(theorem, other):
        return None
    facts: list[Boolean] = []
    for assumption in ours.given:
        implied = implication(theirs.given, assumption)
        if implied is None:
            return None
        facts += implied
    facts += [*theorem.conditions, *other.conditions]
    if witness is not None:
        facts += [other.expand(condition) for condition in witness.when]
        facts += [sp.Eq(s, other.expand(sp.sympify(v)), evaluate=False) for s, v in witness.at.items()]
        facts += _start_facts(theorem, other, witness)
    definitions, rest = _definitions(facts)

    def opened(expression: Any) -> Any:
        for symbol, definition in reversed(list(definitions.items())):
            expression = expression.xreplace({symbol: definition})
        return expression

    known = {s: opened(d) for s, d in definitions.items()}
    inside = [sp.Gt(d, 0) if s.is_positive else sp.Ge(d, 0) for s, d in known.items() if s.is_nonnegative]
    conditions = tuple(f for f in (*map(opened, rest), *inside) if f != sp.true)
    return Beside(other.name, conditions, opened(theorem.bound), opened(other.bound), known)


def nearest(pair: Beside, *, most: bool) -> Nearest | None:
    """The point of the grid at which ``proved/claimed`` is greatest (least, unless ``most``), verified exactly."""
    grid = _grid(pair)
    if grid is None:
        return None
    choices, picks = grid
    cost = _costs(choices, picks)
    best: list[tuple[float, float, int, int]] = []
    for at in (1, *_SAMPLES):
        good, ratio = _ratios(pair, choices, picks, at)
        with np.errstate(all="ignore"):
            # What differs by less than a thousandth is told apart by how short the numbers are.
            ranked = np.where(good, np.round(1000 * np.log(ratio) * (1 if most else -1)), -np.inf)
        rows = np.lexsort((cost, -ranked))[:6]
        best += [(-float(ranked[k]), float(cost[k]) * math.log(at + 1), at, int(k)) for k in rows if good[k]]
    for *_, at, row in sorted(best)[:12]:
        point = _point(pair, choices, picks[row], sp.Integer(at))
        found = _verified(pair, point, most)
        if found is not None:
            return Nearest(pair.other, pair.whole(point), found)
    return None


def diverging(pair: Beside, pool: SolverPool) -> Ray | None:
    """A ray along which ``proved/claimed`` grows without bound, shown by the solvers; ``None`` if none was found."""
    grid = _grid(pair)
    if grid is None:
        return None
    choices, picks = grid
    seen = [_ratios(pair, choices, picks, at) for at in _SAMPLES]
    good = np.logical_and.reduce([g for g, _ in seen])
    # The ratio must grow at least like z; a little is left to terms of lower order.
    with np.errstate(all="ignore"):
        good &= (seen[1][1] > 8 * seen[0][1]) & (seen[2][1] > 8 * seen[1][1])
    rows = np.flatnonzero(good)
    cost = _costs(choices, picks)
    for row in rows[np.argsort(cost[rows], kind="stable")][:6]:
        ray = _shown(pair, _point(pair, choices, picks[row], z), pool)
        if ray is not None:
            return ray
    return None


def _shown(pair: Beside, path: Mapping[Parameter, sp.Expr], pool: SolverPool) -> Ray | None:
    claimed, proved = pair.claimed.xreplace(dict(path)), pair.proved.xreplace(dict(path))
    conditions = And(*(sp.sympify(c.xreplace(dict(path))) for c in pair.conditions))
    samples = []
    for at in _SAMPLES:
        numbers = {z: sp.Integer(at)}
        try:
            samples.append((at, float(value(proved, numbers) / value(claimed, numbers))))
        except ArithmeticError:
            return None
    factor = sp.Integer(max(1, math.ceil(2 * max(at / ratio for at, ratio in samples))))
    for start in _STARTS:
        goal = And(conditions, sp.Le(z * claimed, factor * proved, evaluate=False), evaluate=False)
        query = Query("the ratio grows along the ray", (sp.Ge(z, start),), goal)
        text = encode(query).text
        word = combine(pool.ask(text))
        if word.startswith("unsat"):
            verdict = "proved" if word == "unsat by both" else f"proved by {word.split()[2]} alone"
            return Ray(pair.other, pair.whole(path), start, factor, verdict, tuple(samples), text)
    return None


def _grid(pair: Beside) -> tuple[list[list[tuple[sp.Rational, int]]], npt.NDArray[np.int64]] | None:
    """For each letter the ``(number, power)`` it may have, and which of these each trial takes."""
    if not pair.letters or any(not isinstance(s, Parameter) for s in pair.letters):
        return None
    choices = [_choices(s) for s in pair.letters]
    rng = np.random.default_rng(0)
    columns = [np.where(rng.random(_TRIALS) < 0.4, 0, rng.integers(0, len(c), _TRIALS)) for c in choices]
    return choices, np.stack(columns, 1)


def _choices(letter: Parameter) -> list[tuple[sp.Rational, int]]:
    if letter.domain is Domain.POSITIVE_INTEGER:
        return [(sp.Integer(n), k) for k in (0, 2, 4, 8) for n in (1, 4)]
    found = [(sp.Integer(1), k) for k in _POWERS] * 2 + [(n, 0) for n in _BASES]
    if letter.domain is not Domain.POSITIVE:
        found += [(sp.Integer(0), 0)] * 6
    return found


def _costs(choices: Sequence[Sequence[tuple[sp.Rational, int]]], picks: npt.NDArray[np.int64]) -> Floats:
    """How hard each trial is to read."""
    weights = [np.array([_complexity(choice) for choice in own]) for own in choices]
    return np.sum([own[picks[:, k]] for k, own in enumerate(weights)], axis=0)


def _complexity(choice: tuple[sp.Rational, int]) -> float:
    number, power = choice
    return abs(power) / 2 + (1.0 if power else 0.0) + (0.0 if number in (0, 1) else 0.7)


def _point(
    pair: Beside, choices: Sequence[Sequence[tuple[sp.Rational, int]]], picked: Sequence[int], at: sp.Expr
) -> dict[Parameter, sp.Expr]:
    chosen = (c[k] for c, k in zip(choices, picked, strict=True))
    return {s: number * at**power for s, (number, power) in zip(pair.letters, chosen, strict=True)}


def _ratios(
    pair: Beside, choices: Sequence[Sequence[tuple[sp.Rational, int]]], picks: npt.NDArray[np.int64], at: int
) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Which trials meet all conditions, and their ratios, in floats."""
    columns = [
        np.array([float(number) * float(at) ** power for number, power in c])[picks[:, k]]
        for k, c in enumerate(choices)
    ]
    shape = (len(picks),)
    good = np.ones(shape, bool)
    try:
        with np.errstate(all="ignore"):
            for condition in pair.conditions:
                good &= np.broadcast_to(np.asarray(_function(condition, pair.letters)(*columns), bool), shape)
            a, b = (
                np.broadcast_to(np.asarray(_function(e, pair.letters)(*columns), float), shape)
                for e in (pair.claimed, pair.proved)
            )
            ratio = b / a
    except UnprintableError:
        return np.zeros(shape, bool), np.zeros(shape)
    good &= np.isfinite(ratio) & (a > 0) & (b > 0)
    return good, ratio


def _verified(pair: Beside, point: Mapping[Parameter, sp.Expr], most: bool) -> sp.Rational | None:
    """The ratio at exact numbers, rounded to the safe side; ``None`` where something does not hold exactly."""
    if not all(holds(condition, point) is True for condition in pair.conditions):
        return None
    try:
        claimed, proved = value(pair.claimed, point), value(pair.proved, point)
        about = proved / claimed
        scale = sp.Integer(10) ** (6 - math.floor(math.log10(float(about))))
        rounded = sp.floor(about * scale) / scale if most else sp.ceiling(about * scale) / scale
    except (ArithmeticError, ValueError):
        return None
    safe = sp.Le(rounded * claimed, proved) if most else sp.Ge(rounded * claimed, proved)
    return sp.Rational(rounded) if holds(safe, {}) is True else None

"""Trusted rules about the gap ``f(x) - inf f`` and the distance to a minimiser, for exact gradients.

As in ``rules.py``: each docstring says exactly what the rule licenses, and why that is true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sympy as sp
from sympy.logic.boolalg import And, Boolean

from theorems.language import parameters as p
from theorems.language import quantities as q
from theorems.language.assumptions import GS, HS, PL, Convex, ExactGradients
from theorems.language.rules import (
    Licence,
    Rule,
    RuleError,
    _algorithm,
    _fixed,
    _needs,
    _one_fact,
    _whole_run,
)

if TYPE_CHECKING:
    from theorems.language.theorem import Theorem

_SOME_GAP = sp.Symbol("some gap", nonnegative=True)


def _exact_run(theorem: Theorem, rule: str) -> None:
    """One run without any randomness: exact gradients, and no noise that the algorithm adds."""
    _needs(theorem, ExactGradients, rule)
    _algorithm(theorem, rule)


@dataclass(frozen=True)
class GapAboveGradient(Rule):
    """A long gradient needs room below: under GS(L0, L1) or HS(L0, L1), ``m^2 <= 2 (L0 + L1 m) Gap``.

    With ``A = L0 + L1 m > 0`` the point ``y = x - (m/A) u`` lies in the ball of GS (``m/A <= 1/L1``), and the descent
    lemma there, or under HS the one against the gradient for ``r = m/A``, gives ``inf f <= f(y) <= f(x) - m^2/(2A)``.
    ``A = 0`` with ``m > 0`` means ``L0 = L1 = 0``: f is affine and has no infimum. The assumption must be given with
    exactly these constants."""

    L0: sp.Expr
    L1: sp.Expr

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        constants = (sp.sympify(self.L0), sp.sympify(self.L1))
        if not any(constants == (a.L0, a.L1) for a in theorem.given if isinstance(a, GS | HS)):
            raise RuleError(f"{self.name} needs the assumption GS({self.L0}, {self.L1}) or HS({self.L0}, {self.L1})")
        return Licence(sp.Le(p.m**2, 2 * (self.L0 + self.L1 * p.m) * q.Gap, evaluate=False))


@dataclass(frozen=True)
class GapBelowGradient(Rule):
    """The assumption PL(mu) itself: ``m^2 >= 2 mu Gap``."""

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        found = next((a for a in theorem.given if isinstance(a, PL)), None)
        if found is None:
            raise RuleError(f"{self.name} needs the assumption PL")
        return Licence(sp.Ge(p.m**2, 2 * found.mu * q.Gap, evaluate=False))


@dataclass(frozen=True)
class GapAfterStep(Rule):
    """ExactGradients: ``Gap + StepChange`` is the gap after the step, hence ``>= 0``."""

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        _exact_run(theorem, self.name)
        return Licence(sp.Ge(q.Gap + q.StepChange, 0, evaluate=False))


@dataclass(frozen=True)
class DistanceStep(Rule):
    """Expand the square. Under ExactGradients ``x' = x - k eta grad f(x)`` with ``k = min(1, c/m) = c/max(m, c)``, so
    ``|x' - x*|^2 = |x - x*|^2 - 2 k eta <grad f(x), x - x*> + eta^2 min(m, c)^2``; Convex gives
    ``<grad f(x), x - x*> >= Gap``. Hence ``DistanceChange <= -2 eta k Gap + eta^2 min(m, c)^2``."""

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        _exact_run(theorem, self.name)
        _needs(theorem, Convex, self.name)
        k = p.c / sp.Max(p.m, p.c)
        return Licence(
            sp.Le(q.DistanceChange, -2 * p.eta * k * q.Gap + p.eta**2 * sp.Min(p.m, p.c) ** 2, evaluate=False)
        )


@dataclass(frozen=True)
class FinalGapPaysDistance(Rule):
    """Sum the distances. Let ``approach(Gap)`` be a function of the gap and of fixed numbers alone. From
    ``DistanceChange <= -approach(Gap)`` and ``StepChange <= 0`` at every visited point: ``T approach(FinalGap) <=
    R0^2``. Needs ExactGradients (one run, no expectations) and Convex (x* exists). Side condition: approach does not
    decrease on ``Gap >= 0``.

    The distances telescope, ``sum_{t<T} approach(Gap_t) <= R0^2 - |x_T - x*|^2 <= R0^2``; the gaps do not increase, so
    ``Gap_t >= Gap_T`` and each of the T terms is at least ``approach(Gap_T)``."""

    approach: sp.Expr

    @property
    def one_step(self) -> Boolean:
        """The first fact that the rule is applied to."""
        return sp.Le(q.DistanceChange, -self.approach, evaluate=False)

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        _exact_run(theorem, self.name)
        _needs(theorem, Convex, self.name)
        _whole_run(theorem, self.name)
        _fixed(theorem, self.approach.xreplace({q.Gap: _SOME_GAP}), f"{self.name}: the approach")
        _one_fact(facts, self.one_step, self.name)
        _one_fact(facts, sp.Le(q.StepChange, 0), self.name)
        monotone = sp.Implies(q.Gap <= _SOME_GAP, self.approach <= self.approach.xreplace({q.Gap: _SOME_GAP}))
        gives = sp.Le(p.T * self.approach.xreplace({q.Gap: q.FinalGap}), p.R0**2, evaluate=False)
        return Licence(gives, (("the approach does not decrease", monotone),))


@dataclass(frozen=True)
class CountClipped(Rule):
    """Count the clipped steps. From ``DistanceChange <= -toll`` where ``m > c`` and ``DistanceChange <= 0`` where
    ``m <= c``, at every visited point, with a fixed toll: ``toll ClippedSteps <= R0^2``, because the distances
    telescope and stay ``>= 0``. Needs ExactGradients and Convex (x* exists)."""

    toll: sp.Expr

    @property
    def one_step(self) -> Boolean:
        """The fact that the rule is applied to."""
        paid = sp.Piecewise((self.toll, p.m > p.c), (sp.Integer(0), True))
        return sp.Le(q.DistanceChange, -paid, evaluate=False)

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        _exact_run(theorem, self.name)
        _needs(theorem, Convex, self.name)
        _whole_run(theorem, self.name)
        _fixed(theorem, self.toll, f"{self.name}: the toll")
        _one_fact(facts, self.one_step, self.name)
        return Licence(sp.Le(self.toll * q.ClippedSteps, p.R0**2, evaluate=False))


@dataclass(frozen=True)
class TwoPhases(Rule):
    """A slow phase of the gap, then geometric decay. ExactGradients; level, drop and rate are fixed numbers, ``begin``
    a positive integer. From, at every visited point,

    - slow: ``Gap > level`` implies ``sqrt(Gap + StepChange) <= sqrt(Gap) - drop``,
    - fast: ``Gap <= level`` implies ``StepChange <= -rate Gap``,

    with ``0 <= rate <= 1``, ``drop >= 0``, ``level >= 0``, ``(begin - 1) drop >= sqrt(F0) - sqrt(level)`` and
    ``begin <= T + 1`` (side conditions): ``FinalGap <= (1 - rate)^(T - begin + 1) Min(F0, level)``.

    Write ``d_t`` for the gap after t steps: it never increases. If ``d_t > level`` for all ``t < begin - 1``, then
    ``sqrt(d_(begin-1)) <= sqrt(F0) - (begin - 1) drop <= sqrt(level)``; else some earlier one is at most level, and so
    are all later ones. Either way ``d_(begin-1) <= Min(F0, level)``, and every later step multiplies by at most
    ``1 - rate >= 0``."""

    level: sp.Expr
    drop: sp.Expr
    rate: sp.Expr
    begin: sp.Expr

    @property
    def slow(self) -> Boolean:
        """The first fact that the rule is applied to."""
        after = sp.Le(sp.sqrt(q.Gap + q.StepChange), sp.sqrt(q.Gap) - self.drop, evaluate=False)
        return sp.Implies(q.Gap > self.level, after)

    @property
    def fast(self) -> Boolean:
        """The second fact."""
        return sp.Implies(q.Gap <= self.level, sp.Le(q.StepChange, -self.rate * q.Gap, evaluate=False))

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        _exact_run(theorem, self.name)
        _whole_run(theorem, self.name)
        for what in ("level", "drop", "rate", "begin"):
            _fixed(theorem, getattr(self, what), f"{self.name}: the {what}")
        if not (self.begin.is_integer and self.begin.is_positive):
            raise RuleError(f"{self.name}: the first fast step must be a positive integer, not {self.begin}")
        _one_fact(facts, self.slow, self.name)
        _one_fact(facts, self.fast, self.name)
        sides = (
            ("the rate is at most one", And(self.rate >= 0, self.rate <= 1)),
            ("level and drop are not negative", And(self.level >= 0, self.drop >= 0)),
            ("the slow phase ends in time", (self.begin - 1) * self.drop >= sp.sqrt(p.F0) - sp.sqrt(self.level)),
            ("the fast phase begins before the end", self.begin <= p.T + 1),
        )
        decay = (1 - self.rate) ** (p.T - self.begin + 1)
        return Licence(sp.Le(q.FinalGap, decay * sp.Min(p.F0, self.level), evaluate=False), sides)

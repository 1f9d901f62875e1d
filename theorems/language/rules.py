"""The trusted rules: the only reasoning that no solver checks. A theorem is proved relative to the rules it lists.

A rule looks at the theorem (its assumptions) and at the facts it is applied to, and returns a :class:`Licence`: what
it gives, and the side conditions that a solver must show. Read the docstrings as axioms: each says exactly what it
licenses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import sympy as sp
from sympy.logic.boolalg import And, Boolean, Or

from theorems.language import parameters as p
from theorems.language import quantities as q
from theorems.language import units
from theorems.language.assumptions import (
    GS,
    HS,
    BoundedVariance,
    ExactGradients,
    PerSampleClipping,
    PrivacyNoise,
    algorithm,
)
from theorems.language.parameters import Domain, Parameter
from theorems.language.walk import definedness

if TYPE_CHECKING:
    from theorems.language.theorem import Theorem


_Smooth = TypeVar("_Smooth", GS, HS)


class RuleError(ValueError):
    """A rule does not apply: one line saying why. The proof is broken at that step."""


@dataclass(frozen=True)
class Licence:
    """What a rule gives, and what the solver must show first (from *pure* facts only)."""

    gives: Boolean
    sides: tuple[tuple[str, Boolean], ...] = ()


@dataclass(frozen=True)
class Rule(ABC):
    """A trusted inference."""

    @abstractmethod
    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        """What the rule gives for these facts (raises RuleError when it does not apply)."""

    @property
    def name(self) -> str:
        """The rule's name, as reports list it."""
        return type(self).__name__


# The sample g = (w, v) seen along u: w = <u, g>, q = |v|^2, rho = |g|, p = <u, clip_c(g)>.
sample_w = Parameter("w", units.GRADIENT, Domain.REAL, "component of the sample along the gradient")
sample_q = Parameter("q", units.GRADIENT ** sp.Integer(2), Domain.NONNEGATIVE, "squared component across the gradient")
sample_rho = Parameter("rho", units.GRADIENT, Domain.NONNEGATIVE, "length of the sample")
sample_p = Parameter("p", units.GRADIENT, Domain.REAL, "component of the clipped sample along the gradient")

# Two samples a, b that mirror each other at the gradient, a + b = 2 grad f, seen by lengths and inner product; s, t are
# what clipping multiplies them by.
pair_a = Parameter("|a|", units.GRADIENT, Domain.NONNEGATIVE, "length of a sample")
pair_b = Parameter("|b|", units.GRADIENT, Domain.NONNEGATIVE, "length of the mirrored sample")
pair_dot = Parameter("<a,b>", units.GRADIENT ** sp.Integer(2), Domain.REAL, "inner product of the two samples")
pair_s = Parameter("s_a", units.ONE, Domain.NONNEGATIVE, "factor by which clipping shortens the sample")
pair_t = Parameter("s_b", units.ONE, Domain.NONNEGATIVE, "factor by which clipping shortens the mirrored sample")
SAMPLE = (sample_w, sample_q, sample_rho, sample_p, pair_a, pair_b, pair_dot, pair_s, pair_t)

# A second gradient norm, the point where a tangent line touches.
tangent_point = Parameter("M", units.GRADIENT, Domain.NONNEGATIVE, "the point where a tangent line touches")

# Letters of the calculus itself: no statement may speak of them, since its hypotheses would then restrict the samples
# or the tangent points that a rule quantifies over.
RESERVED = (*SAMPLE, tangent_point)

# Letters that rules and quantities give a meaning to: no statement may redefine them, and none is "any number".
FIXED = (p.eta, p.c, p.m, p.T, p.F0, p.R0)


def _needs(theorem: Theorem, kind: type, rule: str) -> None:
    if not theorem.has(kind):
        raise RuleError(f"{rule} needs the assumption {kind.__name__}")


def _smooth(theorem: Theorem, kind: type[_Smooth], rule: str) -> _Smooth:
    """The smoothness assumption of this kind; of two, the one with an L1."""
    _needs(theorem, kind, rule)
    found = [a for a in theorem.given if isinstance(a, kind)]
    return next((a for a in found if a.L1 != 0), found[0])


def _algorithm(theorem: Theorem, rule: str, *also: type) -> None:
    """The rule speaks of plain clipped SGD, and of the algorithms named in ``also``."""
    other = next((a for a in algorithm(theorem.given) if not isinstance(a, also)), None)
    if other is not None:
        raise RuleError(f"{rule} does not speak of the algorithm {other}")


def _whole_run(theorem: Theorem, rule: str) -> None:
    """The facts of the proof must hold at every visited point: no hypothesis may be about the point at hand."""
    for condition in theorem.conditions:
        if p.m in condition.free_symbols:
            raise RuleError(f"{rule} speaks of a whole run, and the hypothesis {condition} of one point")


def _fixed(theorem: Theorem, expression: sp.Basic, what: str) -> None:
    """The expression must be one number for the whole run: no letter of a point, of a sample or of a quantity.

    Abbreviations are opened first: one that hides an ``m`` moves with the point."""
    moving = {p.m, tangent_point, *SAMPLE, *q.QUANTITIES.values()} & _letters(theorem, expression)
    if moving or expression.atoms(q.At, q.Average):
        raise RuleError(f"{what} must not depend on the point: {expression}")


def _letters(theorem: Theorem, expression: sp.Basic) -> set[sp.Basic]:
    """The letters of an expression once its abbreviations are opened, and the abbreviations themselves."""
    return theorem.expand(expression).free_symbols | expression.free_symbols


def _function_of_m(theorem: Theorem, expression: sp.Basic, what: str) -> None:
    """The expression may use m openly and parameters, and nothing else that moves, openly or in an abbreviation."""
    forbidden = {tangent_point, *SAMPLE, *q.QUANTITIES.values()}
    hidden = {s for s in expression.free_symbols & set(theorem.where) if p.m in theorem.expand(s).free_symbols}
    if hidden or forbidden & _letters(theorem, expression) or expression.atoms(q.At, q.Average):
        raise RuleError(f"{what} must be a function of m, written out: {expression}")


def _one_fact(facts: Sequence[Boolean], wanted: Boolean, rule: str) -> None:
    if wanted not in facts:
        raise RuleError(f"{rule} needs the fact {wanted}, and from_ names {', '.join(map(str, facts)) or 'none'}")


@dataclass(frozen=True)
class AgainstGradient(Rule):
    """Descent along the exact gradient. Under ExactGradients the step is ``x' = x - r u`` with ``r = eta min(m, c)``.

    GS: the descent lemma ``f(y) <= f(x) + <grad f(x), y - x> + (L0 + L1 m)/2 |y - x|^2`` for ``|y - x| <= 1/L1``
    gives ``StepChange <= -m r + (L0 + L1 m) r^2 / 2``; side condition ``L1 r <= 1``.
    HS: the same inequality, which against the gradient needs ``r (L0 + L1 m) <= m`` (theory: project the gradient on
    the ball of radius m; the projection moves at speed at most L0 + L1 m).
    """

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        _needs(theorem, ExactGradients, self.name)
        _algorithm(theorem, self.name)
        smoothness = theorem.smoothness
        if smoothness is None:
            raise RuleError(f"{self.name} needs the assumption GS or HS")
        r = p.eta * sp.Min(p.m, p.c)
        curvature = smoothness.L0 + smoothness.L1 * p.m
        gives = sp.Le(q.StepChange, -p.m * r + curvature * r**2 / 2, evaluate=False)
        if isinstance(smoothness, HS):
            return Licence(gives, (("the step stays where HS bounds the gradient", sp.Le(curvature * r, p.m)),))
        return Licence(gives, (("the step stays in the ball of GS", sp.Le(smoothness.L1 * r, 1)),))


@dataclass(frozen=True)
class NoisyStep(Rule):
    """Descent lemma in expectation. GS and BoundedVariance: with ``x' = x - eta clip_c(g)``,
    ``StepChange <= -eta m Drift + eta^2/2 (L0 + L1 m) ClipSecondMoment`` where ``m Drift = <grad f, E clip_c(g)>``;
    side condition ``L1 eta c <= 1`` (every step is at most ``eta c`` long, so it stays in the ball of GS). Also for
    PerSampleClipping: the mean of clipped samples is no longer than c either."""

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        _needs(theorem, BoundedVariance, self.name)
        _algorithm(theorem, self.name, PerSampleClipping)
        smoothness = _smooth(theorem, GS, self.name)
        curvature = smoothness.L0 + smoothness.L1 * p.m
        gives = sp.Le(
            q.StepChange,
            -p.eta * p.m * q.Drift + p.eta**2 / 2 * curvature * q.ClipSecondMoment,
            evaluate=False,
        )
        return Licence(gives, (("every step stays in the ball of GS", sp.Le(smoothness.L1 * p.eta * p.c, 1)),))


@dataclass(frozen=True)
class ClipMoments(Rule):
    """BoundedVariance: ``|clip_c(g)| <= c`` and ``|clip_c(g)| <= |g|`` with ``E|g|^2 <= m^2 + sigma^2`` give
    ``ClipSecondMoment <= c^2`` and ``ClipSecondMoment <= m^2 + sigma^2``. The squared length of a mean is at most the
    mean of the squared lengths, so the same holds for PerSampleClipping, with sigma and not ``sigma/sqrt(n)``."""

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        sigma = _variance(theorem, self.name)
        _algorithm(theorem, self.name, PerSampleClipping, PrivacyNoise)
        return Licence(And(q.ClipSecondMoment <= p.c**2, q.ClipSecondMoment <= p.m**2 + sigma**2))


@dataclass(frozen=True)
class PointwiseClip(Rule):
    """The definition of clipping, for one sample g in any dimension: with ``w = <u, g>``, ``q = |g - w u|^2``,
    ``rho = |g|``, ``p = <u, clip_c(g)>``: ``rho^2 = w^2 + q``, and ``p = w`` if ``rho <= c``, ``p rho = c w`` if
    ``rho >= c``. Needs no assumption."""

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        length = sp.Eq(sample_rho**2, sample_w**2 + sample_q)
        unclipped = And(sample_rho <= p.c, sp.Eq(sample_p, sample_w))
        clipped = And(sample_rho >= p.c, sp.Eq(sample_p * sample_rho, p.c * sample_w))
        return Licence(And(length, Or(unclipped, clipped)))


@dataclass(frozen=True)
class ExpectedQuadratic(Rule):
    """Take expectations in a pointwise bound ``p >= level - steepness ((w - centre)^2 + q)``. Under BoundedVariance
    ``E w = m`` and ``E[(w - m)^2 + q] <= sigma^2``, so ``Drift >= level - steepness (sigma^2 + (m - centre)^2)``;
    side condition ``steepness >= 0``. None of the three numbers may depend on the sample. For PerSampleClipping the
    bound holds for each of the samples, hence for their mean."""

    level: sp.Expr
    steepness: sp.Expr
    centre: sp.Expr
    condition: Boolean | None = None

    @property
    def pointwise(self) -> Boolean:
        """The fact that the rule is applied to (under ``condition``, if there is one)."""
        below = self.level - self.steepness * ((sample_w - self.centre) ** 2 + sample_q)
        relation = sp.Ge(sample_p, below, evaluate=False)
        return relation if self.condition is None else sp.Implies(self.condition, relation)

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        sigma = _variance(theorem, self.name)
        _algorithm(theorem, self.name, PerSampleClipping, PrivacyNoise)
        parts = [self.level, self.steepness, self.centre, self.condition if self.condition is not None else sp.true]
        for part in parts:
            if set(SAMPLE) & _letters(theorem, part) or part.atoms(q.At, q.Average):
                raise RuleError(f"{self.name}: {part} depends on the sample")
        _one_fact(facts, self.pointwise, self.name)
        below = self.level - self.steepness * (sigma**2 + (p.m - self.centre) ** 2)
        gives: Boolean = sp.Ge(q.Drift, below, evaluate=False)
        side: Boolean = self.steepness >= 0
        if self.condition is not None:
            gives, side = sp.Implies(self.condition, gives), sp.Implies(self.condition, side)
        return Licence(gives, (("the quadratic opens downwards", side),))


@dataclass(frozen=True)
class Telescope(Rule):
    """Sum over the run. From ``StepChange <= -rate h(m) + error`` at every visited point, with rate and error constant
    over the run, and ``f(x_0) - E f(x_T) <= F0``: ``rate Average(h(m)) <= F0/T + error``."""

    decrease: sp.Expr
    rate: sp.Expr = sp.S.One
    error: sp.Expr = sp.S.Zero

    @property
    def one_step(self) -> Boolean:
        """The fact that the rule is applied to."""
        return sp.Le(q.StepChange, -self.rate * self.decrease + self.error, evaluate=False)

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        _whole_run(theorem, self.name)
        _fixed(theorem, self.rate, f"{self.name}: the rate")
        _fixed(theorem, self.error, f"{self.name}: the error")
        _function_of_m(theorem, self.decrease, f"{self.name}: the decrease")
        _one_fact(facts, self.one_step, self.name)
        return Licence(sp.Le(self.rate * q.Average(self.decrease), p.F0 / p.T + self.error, evaluate=False))


@dataclass(frozen=True)
class Jensen(Rule):
    """For convex h on ``m >= 0``: ``h(AverageGradientNorm) <= Average(h(m))``. Side condition, for all m, M >= 0: the
    line through M with slope ``slope(M)`` stays below, ``h(m) >= h(M) + slope(M) (m - M)``."""

    function: sp.Expr
    slope: sp.Expr

    @property
    def tangent(self) -> Boolean:
        """The side condition, in m and M."""
        at_point = {p.m: tangent_point}
        line = self.function.xreplace(at_point) + self.slope.xreplace(at_point) * (p.m - tangent_point)
        return sp.Ge(self.function, line, evaluate=False)

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        _whole_run(theorem, self.name)
        _function_of_m(theorem, self.function, f"{self.name}: the function")
        _function_of_m(theorem, self.slope, f"{self.name}: the slope")
        at_average = self.function.xreplace({p.m: q.AverageGradientNorm})
        gives = sp.Le(at_average, q.Average(self.function), evaluate=False)
        return Licence(gives, (("every tangent line stays below", self.tangent),))


@dataclass(frozen=True)
class MinimumBelowAverage(Rule):
    """``MinGradientNorm <= AverageGradientNorm``: a minimum of T numbers is at most their mean."""

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        return Licence(sp.Le(q.MinGradientNorm, q.AverageGradientNorm, evaluate=False))


@dataclass(frozen=True)
class MonotoneMinimum(Rule):
    """Exact gradients, so that ``MinGradientNorm`` is the least of T numbers: for h non-decreasing on ``m >= 0``,
    ``h(MinGradientNorm) <= Average(h(m))``. Side condition, for all m, M >= 0: ``m <= M`` implies ``h(m) <= h(M)``."""

    function: sp.Expr

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        _needs(theorem, ExactGradients, self.name)
        _algorithm(theorem, self.name)
        _whole_run(theorem, self.name)
        _function_of_m(theorem, self.function, f"{self.name}: the function")
        monotone = sp.Implies(p.m <= tangent_point, self.function <= self.function.xreplace({p.m: tangent_point}))
        at_least = self.function.xreplace({p.m: q.MinGradientNorm})
        gives = sp.Le(at_least, q.Average(self.function), evaluate=False)
        return Licence(gives, (("the function does not decrease", monotone),))


@dataclass(frozen=True)
class StuckPoint(Rule):
    """The definition of a stuck point: ``G * Drift(at m = G) <= 0`` for ``G = StuckGradientNorm``."""

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        _needs(theorem, BoundedVariance, self.name)
        _algorithm(theorem, self.name)
        norm = q.StuckGradientNorm
        return Licence(sp.Le(norm * q.Drift.at(m=norm), 0, evaluate=False))


@dataclass(frozen=True)
class QuadraticStep(Rule):
    """For a witness ``f = L x^2/2`` in one dimension: ``E|grad f(x')| >= E[u grad f(x')] = m - eta L Drift``, because
    ``|y| >= u y``. The rule reads L from the theorem's only witness, which must be a quadratic."""

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        curvature = _quadratic_witness(theorem, self.name)
        return Licence(sp.Ge(q.NextGradientNorm, p.m - p.eta * curvature * q.Drift, evaluate=False))


@dataclass(frozen=True)
class AffineRecursion(Rule):
    """Induction over the witness's run. From ``NextGradientNorm >= (1 - rate) m + rate level`` at every point, with
    ``0 <= rate <= 1`` and a start with gradient norm at least ``level``: ``E|grad f(x_t)| >= level`` for every t, so
    ``MinGradientNorm >= level``. (The right side is affine and increasing in m: take expectations and induct.)"""

    rate: sp.Expr
    level: sp.Expr

    @property
    def one_step(self) -> Boolean:
        """The fact that the rule is applied to."""
        return sp.Ge(q.NextGradientNorm, (1 - self.rate) * p.m + self.rate * self.level, evaluate=False)

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        _whole_run(theorem, self.name)
        _fixed(theorem, self.rate, f"{self.name}: the rate")
        _fixed(theorem, self.level, f"{self.name}: the level")
        curvature = _quadratic_witness(theorem, self.name)
        _one_fact(facts, self.one_step, self.name)
        start = theorem.witness[0].start * curvature
        sides = (
            ("the rate is at most one", And(self.rate >= 0, self.rate <= 1)),
            ("the run starts at the level", sp.Abs(start) >= self.level),
        )
        return Licence(sp.Ge(q.MinGradientNorm, self.level, evaluate=False), sides)


def _variance(theorem: Theorem, rule: str) -> sp.Expr:
    found = next((a for a in theorem.given if isinstance(a, BoundedVariance)), None)
    if found is None:
        raise RuleError(f"{rule} needs the assumption BoundedVariance")
    return found.sigma


def _quadratic_witness(theorem: Theorem, rule: str) -> sp.Expr:
    _algorithm(theorem, rule)
    if len(theorem.witness) != 1 or theorem.witness[0].objective != "quadratic" or theorem.claim.for_all:
        raise RuleError(f"{rule} needs a lower claim with one witness, a quadratic")
    curvature = theorem.witness[0].objective_parameters.get("curvature")
    if curvature is None:
        raise RuleError(f"{rule} needs the curvature of the witness {theorem.witness[0].name!r}")
    return sp.sympify(curvature)


@dataclass(frozen=True)
class Instance(Rule):
    """Put a value for a letter that a proof introduced itself (the statement and its witnesses do not mention it, no
    rule or quantity gives it a meaning): a fact that holds for every value of the letter's domain holds for this one.
    With a ``condition`` the fact is given under it. Side condition: the value is defined and lies in the letter's
    domain. Inside an average the letter is one number for the whole run, and so must the value be."""

    letter: Parameter
    value: sp.Expr
    condition: Boolean = sp.true

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        if self.letter in _taken(theorem) or not isinstance(self.letter, Parameter):
            raise RuleError(f"{self.name}: {self.letter} is not a letter that the proof introduced")
        for part in (self.value, self.condition):
            if set(SAMPLE) & _letters(theorem, part):
                raise RuleError(f"{self.name}: {part} depends on the sample")
        if len(facts) != 1:
            raise RuleError(f"{self.name} is applied to exactly one fact, not {len(facts)}")
        if any(self.letter in _letters(theorem, average) for average in facts[0].atoms(q.Average)):
            _fixed(theorem, self.value, f"{self.name}: a value inside an average")
        inside: Boolean = {
            Domain.REAL: sp.true,
            Domain.POSITIVE: sp.Gt(self.value, 0),
            Domain.NONNEGATIVE: sp.Ge(self.value, 0),
        }.get(self.letter.domain, sp.false)
        fits = And(*definedness(self.value), inside)
        given = facts[0].xreplace({self.letter: self.value})
        return Licence(sp.Implies(self.condition, given), (("the value fits", sp.Implies(self.condition, fits)),))


def _taken(theorem: Theorem) -> set[sp.Basic]:
    """Every letter that means something to the theorem, to a rule or to a quantity."""
    standard = {letter for letter in vars(p).values() if isinstance(letter, Parameter)}
    taken: set[sp.Basic] = {*standard, *RESERVED, *q.QUANTITIES.values(), *theorem.where}
    taken |= {s for a in theorem.given for s in a.free_symbols} | theorem.bound.free_symbols
    formulas = [*theorem.conditions, *theorem.where.values()]
    for witness in theorem.witness:
        numbers = (*witness.objective_parameters.values(), *witness.noise_parameters.values(), witness.start)
        formulas += [*map(sp.sympify, numbers), *witness.when, *map(sp.sympify, witness.at.values())]
    for formula in formulas:
        taken |= formula.free_symbols
    return taken


RULES: tuple[type[Rule], ...] = (
    AgainstGradient,
    NoisyStep,
    ClipMoments,
    PointwiseClip,
    ExpectedQuadratic,
    Telescope,
    Jensen,
    MinimumBelowAverage,
    MonotoneMinimum,
    StuckPoint,
    QuadraticStep,
    AffineRecursion,
    Instance,
)
"""The trusted rules, all of them: a proof may use no other."""

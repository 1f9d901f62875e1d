"""Trusted rules about other smoothness, other noise and other algorithms than those of ``rules.py``.

As there: each docstring says exactly what the rule licenses, and why that is true.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sympy as sp
from sympy.logic.boolalg import And, Boolean, Or

from theorems.language import parameters as p
from theorems.language import quantities as q
from theorems.language.assumptions import (
    GS,
    HS,
    Assumption,
    BatchClipping,
    BoundedVariance,
    PerSampleClipping,
    PrivacyNoise,
    Symmetric,
)
from theorems.language.rules import (
    Licence,
    Rule,
    RuleError,
    _algorithm,
    _needs,
    _one_fact,
    _smooth,
    pair_a,
    pair_b,
    pair_dot,
    pair_s,
    pair_t,
)

if TYPE_CHECKING:
    from theorems.language.theorem import Theorem

HESSIAN_FACTOR: Final = sp.Rational(1437, 1000)
"""A rational above ``k_1 = 2 (e - 2) = 1.43656...``; see :class:`NoisyStepHessian`."""


@dataclass(frozen=True)
class NoisyStepHessian(Rule):
    """Descent lemma in expectation under HS and BoundedVariance, in a general direction:
    ``StepChange <= -eta m Drift + k eta^2/2 (L0 + L1 m) ClipSecondMoment`` with ``k = 1437/1000``; side condition
    ``L1 eta c <= 1``. Also for PerSampleClipping.

    Along a step v of length r, ``a(s) = |grad f(x + s v/r) - grad f(x)|`` satisfies ``a' <= (L0 + L1 m) + L1 a``, so
    ``a(s) <= (L0 + L1 m)(e^(L1 s) - 1)/L1`` (Gronwall); integrated over [0, r],
    ``f(x + v) <= f(x) + <grad f(x), v> + k_u (L0 + L1 m) r^2/2``, ``u = L1 r``, ``k_u = 2 (e^u - 1 - u)/u^2``, whose
    power series ``2 sum_j u^j/(j + 2)!`` has positive terms: it increases, and for ``u <= 1`` it is at most
    ``2 (e - 2) < 1437/1000``. Every step is at most ``eta c`` long, so ``u <= L1 eta c <= 1``."""

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        _needs(theorem, BoundedVariance, self.name)
        _algorithm(theorem, self.name, PerSampleClipping)
        smoothness = _smooth(theorem, HS, self.name)
        curvature = HESSIAN_FACTOR * (smoothness.L0 + smoothness.L1 * p.m)
        gives = sp.Le(
            q.StepChange, -p.eta * p.m * q.Drift + p.eta**2 / 2 * curvature * q.ClipSecondMoment, evaluate=False
        )
        return Licence(gives, (("every step is at most 1/L1 long", sp.Le(smoothness.L1 * p.eta * p.c, 1)),))


@dataclass(frozen=True)
class PrivateStep(Rule):
    """Descent lemma in expectation for ``x' = x - eta (d + z)``, d the clipped direction, under PrivacyNoise(zeta), GS
    and BoundedVariance: ``StepChange <= -eta m Drift + eta^2/2 L0 (ClipSecondMoment + zeta^2)``. Side condition
    ``L1 = 0``: z may be of any length, so the descent lemma must hold everywhere.

    ``E<grad f, d + z> = m Drift`` since z has mean zero given the past, and
    ``E|d + z|^2 = E|d|^2 + E|z|^2`` since it has mean zero given the samples."""

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        _needs(theorem, BoundedVariance, self.name)
        _algorithm(theorem, self.name, PerSampleClipping, PrivacyNoise)
        noise = next((a for a in theorem.given if isinstance(a, PrivacyNoise)), None)
        if noise is None:
            raise RuleError(f"{self.name} needs the assumption PrivacyNoise")
        smoothness = _smooth(theorem, GS, self.name)
        second_moment = q.ClipSecondMoment + noise.zeta**2
        gives = sp.Le(
            q.StepChange, -p.eta * p.m * q.Drift + p.eta**2 / 2 * smoothness.L0 * second_moment, evaluate=False
        )
        return Licence(gives, (("the descent lemma holds everywhere", sp.Eq(smoothness.L1, 0)),))


@dataclass(frozen=True)
class PointwisePair(Rule):
    """The definition of clipping and the Cauchy-Schwarz inequality, for any two samples a, b in any dimension, by
    ``|a|``, ``|b|`` and ``<a, b>``: ``clip_c(a) = s a`` with ``s = 1`` if ``|a| <= c`` and ``s |a| = c`` if
    ``|a| >= c``, the same for b with t, and ``-|a||b| <= <a, b> <= |a||b|``. Needs no assumption."""

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        parts: list[Boolean] = [sp.Ge(pair_dot, -pair_a * pair_b), sp.Le(pair_dot, pair_a * pair_b)]
        for length, factor in ((pair_a, pair_s), (pair_b, pair_t)):
            unclipped = And(length <= p.c, sp.Eq(factor, 1))
            clipped = And(length >= p.c, sp.Eq(factor * length, p.c))
            parts.append(Or(unclipped, clipped))
        return Licence(And(*parts))


@dataclass(frozen=True)
class ExpectedPair(Rule):
    """Pair a sample with its mirror image. Under Symmetric ``a = g`` and ``b = 2 grad f - g`` have one law, and
    ``a + b = 2 m u``. From ``<a + b, clip_c(a) + clip_c(b)> >= 0`` for every two samples, which in Gram variables is
    ``s |a|^2 + t |b|^2 + (s + t) <a, b> >= 0``: ``Drift >= 0``.

    In expectation the left side is ``2 m E<u, clip_c(a) + clip_c(b)> = 4 m Drift``. If ``m = 0`` then ``b = -a``, the
    clipped pair cancels, and ``Drift = 0``."""

    @property
    def pointwise(self) -> Boolean:
        """The fact that the rule is applied to."""
        product = pair_s * pair_a**2 + pair_t * pair_b**2 + (pair_s + pair_t) * pair_dot
        return sp.Ge(product, 0, evaluate=False)

    def licence(self, theorem: Theorem, facts: Sequence[Boolean]) -> Licence:
        _needs(theorem, Symmetric, self.name)
        _algorithm(theorem, self.name)
        _one_fact(facts, self.pointwise, self.name)
        return Licence(sp.Ge(q.Drift, 0, evaluate=False))


# -- which citations an algorithm allows: not steps of a proof, but trusted all the same -------------------------------


class BatchMean:
    """Clipping the mean of n samples *is* plain clipped SGD with another noise: under BatchClipping(n) the mean has the
    mean of one sample, and n uncorrelated samples of variance at most ``sigma^2`` have a mean of variance at most
    ``sigma^2/n``. So what is proved of plain clipped SGD under ``BoundedVariance(sigma/sqrt(n))`` holds. Assumptions on
    the objective and ExactGradients are kept. Symmetric is not: a mean of uncorrelated symmetric samples need not be
    symmetric."""

    @staticmethod
    def assumptions(given: Iterable[Assumption]) -> tuple[Assumption, ...] | None:
        """What the equivalent plain run meets; ``None`` if the algorithm is another than BatchClipping alone."""
        kept = tuple(given)
        batches = [a for a in kept if isinstance(a, BatchClipping)]
        if len(batches) != 1 or any(isinstance(a, PerSampleClipping | PrivacyNoise) for a in kept):
            return None
        n = batches[0].n
        found: list[Assumption] = []
        for a in kept:
            if isinstance(a, BoundedVariance):
                found.append(BoundedVariance(a.sigma / sp.sqrt(n)))
            elif not isinstance(a, BatchClipping | Symmetric):
                found.append(a)
        return tuple(found)


class SampleBySample:
    """A lower bound on the Drift of plain clipped SGD holds for PerSampleClipping and PrivacyNoise: each sample meets
    the assumptions on the noise, so the bound holds for each clipped sample, hence for their mean; the added noise has
    mean zero. The bound depends on the point and on parameters, not on the sample."""

    @staticmethod
    def allows(given: Iterable[Assumption], quantity: q.Quantity) -> bool:
        """Whether a plain theorem about the quantity may be cited."""
        kinds = (PerSampleClipping, PrivacyNoise)
        return quantity == q.Drift and all(isinstance(a, kinds) for a in given if a.about == "algorithm")

"""A statement at a training run: its letters as exact numbers or balls, its conditions, and what it allows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import sympy as sp
from flint import arb, fmpq

from fuzz.logistic import Interval
from fuzz.training import Training
from harness.exact import NotExact, enclose
from harness.exact.enclosure import truth
from theorems.language import parameters as standard
from theorems.language.assumptions import (
    GS,
    HS,
    PL,
    Assumption,
    BatchClipping,
    BoundedVariance,
    Convex,
    ExactGradients,
    PerSampleClipping,
    PrivacyNoise,
)
from theorems.language.parameters import Domain, Parameter
from theorems.language.quantities import AverageGradientNorm, FinalGap, MinGradientNorm
from theorems.language.theorem import Theorem

_BITS = 256
_ALGORITHMS = BatchClipping | PerSampleClipping | PrivacyNoise


class Form(NamedTuple):
    """How a step is made of gradients.

    Attributes:
        exact: of the whole gradient, without noise.
        samples: whether a statement speaks of n samples, each with the deviation sigma.
        per_sample: these are clipped one by one.
        private: normal noise is added.
    """

    exact: bool = False
    samples: bool = False
    per_sample: bool = False
    private: bool = False


@dataclass(frozen=True, eq=False)
class Setting:
    """A training run and what is certified of it: rational bounds of F0 and R0, and a bound on the deviation, at every
    point, of what the statement calls a sample: one, or the mean of the batch."""

    training: Training
    where: str
    gap: Interval
    distance: Interval
    deviation: Fraction


def form_of(theorem: Theorem) -> Form:
    """The steps that a statement speaks of."""
    per_sample = theorem.has(PerSampleClipping)
    samples = per_sample or theorem.has(BatchClipping)
    return Form(theorem.has(ExactGradients) and not samples, samples, per_sample, theorem.has(PrivacyNoise))


def why_not(theorem: Theorem) -> str:
    """Why training runs say nothing of a statement; empty if they do."""
    quantity = theorem.claim.quantity
    if quantity not in (AverageGradientNorm, MinGradientNorm, FinalGap):
        return f"{quantity} is not measured on training runs"
    if not theorem.claim.for_all:
        return "it says that there is a problem, which other problems cannot contradict"
    if theorem.has(ExactGradients) and form_of(theorem).samples:
        return "samples of the data are not exact gradients"
    known = {standard.eta, standard.c, standard.T, standard.F0, standard.R0}
    for assumption in theorem.given:
        if not isinstance(assumption, GS | HS | PL | BoundedVariance | Convex | ExactGradients | _ALGORITHMS):
            return f"{type(assumption).__name__} is not shown of the data"
        for argument in vars(assumption).values():
            letter = theorem.expand(sp.sympify(argument))
            if isinstance(letter, Parameter):
                if letter == getattr(assumption, "L1", None) and letter.domain is Domain.POSITIVE:
                    return f"{letter} = 0 here, and it must be positive"
                known.add(letter)
            elif letter != 0:
                return f"the argument {letter} of {type(assumption).__name__} is no letter"
    free = [p for p in theorem.parameters if p not in known and p.domain is not Domain.POSITIVE_INTEGER]
    return f"the letter {free[0]} has no value here" if free else ""


def allowed(theorem: Theorem, setting: Setting) -> float | None:
    """The most that the claim allows, over all possible F0 and R0; None if a condition is not shown."""
    known = letters(theorem, setting)

    def order(left: sp.Expr, right: sp.Expr) -> int | None:
        ball = enclose(left - right, known, _BITS)
        return 1 if ball > 0 else -1 if ball < 0 else None

    for whole in _whole_letters(theorem, setting.training.steps):
        known |= whole
        try:
            if all(truth(condition, order) for condition in theorem.conditions):
                ball = enclose(theorem.bound, known, _BITS)
                return math.nextafter(float(ball.upper()), math.inf) if ball.is_finite() else None
        except NotExact:
            return None
    return None


def letters(theorem: Theorem, setting: Setting) -> dict[Parameter, Any]:
    """Exact values, or balls, of the statement's letters."""
    training = setting.training
    known: dict[Parameter, Any] = {
        standard.eta: _rational(Fraction(training.step_size)),
        standard.c: _rational(Fraction(training.threshold)),
        standard.T: sp.Integer(training.steps),
        standard.F0: _ball(setting.gap),
        standard.R0: _ball(setting.distance),
    }
    for assumption in theorem.given:
        for letter, value in _constants(theorem, assumption, setting):
            known[letter] = value
    return known


def _constants(theorem: Theorem, assumption: Assumption, setting: Setting) -> list[tuple[Parameter, sp.Expr]]:
    loss = setting.training.objective
    if isinstance(assumption, GS | HS):
        pairs = [(assumption.L0, _rational(loss.smoothness)), (assumption.L1, sp.Integer(0))]
    elif isinstance(assumption, PL):
        pairs = [(assumption.mu, _rational(loss.regulariser))]
    elif isinstance(assumption, BoundedVariance):
        pairs = [(assumption.sigma, _rational(setting.deviation))]
    elif isinstance(assumption, BatchClipping | PerSampleClipping):
        pairs = [(assumption.n, sp.Integer(setting.training.batch))]
    elif isinstance(assumption, PrivacyNoise):
        pairs = [(assumption.zeta, _rational(setting.training.zeta))]
    else:
        pairs = []
    letters = [(theorem.expand(sp.sympify(argument)), value) for argument, value in pairs]
    return [(letter, value) for letter, value in letters if isinstance(letter, Parameter)]


def _whole_letters(theorem: Theorem, steps: int) -> Iterator[dict[Parameter, Any]]:
    """Values of a whole number that no problem settles (such as K), from 1 up; one empty choice if there is none."""
    settled = {standard.T, *(s for a in theorem.given for s in a.free_symbols)}
    free = [p for p in theorem.parameters if p.domain is Domain.POSITIVE_INTEGER and p not in settled]
    if not free:
        yield {}
    elif len(free) == 1:
        for number in range(1, steps + 2):
            yield {free[0]: sp.Integer(number)}


def _rational(number: Fraction) -> sp.Rational:
    return sp.Rational(number.numerator, number.denominator)


def _ball(interval: Interval) -> arb:
    low, high = (arb(fmpq(end.numerator, end.denominator)) for end in interval)
    return low.union(high)

"""Certificates: numbers are told apart exactly, and what the search draws is certified."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest
import sympy as sp
from certificates import NOISE_NUMBERS, OBJECTIVE_NUMBERS, ONE, ZERO, problem, refused
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sympy import Rational as Q
from sympy import exp, log, sqrt, tanh

from fuzz.certify import CertificateError, at_least, certify, privacy_variance
from fuzz.constants import NumberError, holds, sign, value
from fuzz.pieces import FAMILIES
from fuzz.problem import Problem
from fuzz.reading import Reading, out_of_reach
from fuzz.rescore import deviation_of, letters_of
from fuzz.smoothness import least_smoothness
from fuzz.strategies import landscape, problems, structures
from theorems.catalogue import load_catalogue
from theorems.language import (
    GS,
    HS,
    PL,
    BatchClipping,
    BoundedVariance,
    Convex,
    PerSampleClipping,
    PrivacyNoise,
    Theorem,
)
from theorems.language.assumptions import Assumption
from theorems.language.functions import OBJECTIVES
from theorems.language.noises import NOISES
from theorems.language.special import balance, exprel, exprel2


def test_every_family_has_numbers_here() -> None:
    assert set(OBJECTIVE_NUMBERS) == set(OBJECTIVES)
    # A finite law is written as its atoms.
    assert set(NOISE_NUMBERS) == set(NOISES) - {"finite"}


def test_unknown_assumptions_are_refused() -> None:
    @dataclasses.dataclass(frozen=True)
    class Lucky(Convex):
        pass

    @dataclasses.dataclass(frozen=True)
    class Blessed(Assumption):
        @property
        def latex(self) -> str:
            return ""

    refused(Blessed(), problem(), "Blessed: an assumption without a certificate")
    refused(Lucky(), problem(), "Lucky: an assumption without a certificate")


# -- exact decisions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (Q(1, 3), Q(1, 3)),
        (sqrt(2) + sqrt(3), sqrt(5 + 2 * sqrt(6))),
        (sp.cbrt(2 + sqrt(5)) - sp.cbrt(sqrt(5) - 2), ONE),
        (1 / (sqrt(3) - sqrt(2)), sqrt(3) + sqrt(2)),
        (log(7 * sqrt(2)), log(7) + log(2) / 2),
        (exp(sqrt(2) - 1) * exp(1 - sqrt(2)), ONE),
    ],
)
def test_equal_numbers_and_their_nearest_neighbours(a: sp.Expr, b: sp.Expr) -> None:
    near = Q(1, 10**60)
    assert at_least(a, b)
    assert at_least(b, a)
    assert not at_least(a, b + near)
    assert at_least(a, b - near)


def test_decisions_agree_with_many_digits() -> None:
    rng = random.Random(5)

    def number(depth: int) -> sp.Expr:
        kind = rng.randrange(8) if depth else 0
        inner = number(depth - 1) if kind else Q(rng.randrange(-50, 50), rng.randrange(1, 40))
        if kind in (1, 2):
            return inner + number(depth - 1)
        if kind == 3:
            return inner * number(depth - 1)
        made = {4: sqrt, 5: tanh, 6: log, 7: lambda e: exp(-e / 9)}
        return made[kind](inner**2 + Q(1, 7)) if kind else inner

    decided = 0
    for _ in range(150):
        a, b = number(3), number(3)
        gap = sp.N(a - b, 60)
        if abs(gap) > 1e-50:
            assert at_least(a, b) == (gap > 0)
            decided += 1
    assert decided > 140


def test_far_arguments_and_numbers_that_are_not_real() -> None:
    assert at_least(tanh(Q(50)), 1 - Q(1, 10**40))
    assert not at_least(tanh(Q(50)), 1)
    assert at_least(Q(1, 10**9), exp(Q(-(10**9))))
    for odd in (sqrt(-1), sp.oo, sp.Float(1.5), sp.Symbol("y"), 2 ** sqrt(2), sp.pi):
        with pytest.raises(CertificateError):
            at_least(odd, 0)
    with pytest.raises(CertificateError, match="cannot be decided"):
        at_least(exp(Q(10**9)), exp(Q(10**9) + 1))
    # Equal, but by no rule of arithmetic that is tried.
    with pytest.raises(CertificateError, match="cannot be decided"):
        at_least(log(12), log(3) + 2 * log(2))


def test_values_of_special_functions_are_exact() -> None:
    a = sp.Symbol("a")
    assert value(exprel(a), {a: ZERO}) == value(exprel2(a), {a: ZERO}) == 1
    assert value(exprel(a - sqrt(2)), {a: sqrt(2)}) == 1
    assert sign(value(exprel(a), {a: Q(1, 3)}) - 3 * (exp(Q(1, 3)) - 1)) == 0
    assert sign(value(exprel2(a), {a: -ONE}) - 2 * exp(-ONE)) == 0
    assert [value(balance(a, ONE), {a: v}) for v in (ZERO, -ONE, Q(-3), sqrt(2))] == [1, 0, Q(-1, 2), 1]
    assert value(balance(a, a), {a: ZERO}) == 0


def test_values_of_branches_are_decided_exactly() -> None:
    a = sp.Symbol("a", real=True)
    branch = sp.Piecewise((sp.Max(a, sqrt(2)), a >= sqrt(2)), (sp.floor(7 * a) + sp.Abs(a - 3), True))
    assert value(branch, {a: sqrt(2)}) == sqrt(2)
    assert value(branch, {a: Q(1, 3)}) == 2 + Q(8, 3)
    assert value(sp.floor(a), {a: sqrt(2) + sqrt(3) - sqrt(5 + 2 * sqrt(6))}) == 0
    assert value(sp.floor(a), {a: -sqrt(2)}) == -2
    assert holds(sp.And(a > 0, sp.Or(a < 0, sp.Eq(a**2, 2)), sp.Ne(a, 1)), {a: sqrt(2)})
    assert not holds(sp.And(sp.Symbol("b") > 0, a < 0, evaluate=False), {a: ONE})
    for wrong in (1 / (a - sqrt(2)), sqrt(1 - a), log(a - sqrt(2)), sp.Symbol("b") + 1):
        with pytest.raises(NumberError):
            value(wrong, {a: sqrt(2)})


# -- what the search draws ---------------------------------------------------------------------------------------------

QUICK = settings(
    max_examples=25,
    database=None,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
# A vacuous statement has no problems to draw, and one of another algorithm none that could be run. Statements of the
# same assumptions and the same quantity draw the same problems, but for their conditions.
DRAWN = {
    (t.given, t.claim.quantity.name, len(t.when)): t
    for t in load_catalogue().values()
    if t.expect not in ("vacuous", "ill_formed") and not out_of_reach(t)
}
LONG = {"K23_3_3_by_S3_small", "planted_3_3_no_bias", "planted_d3_one_step_more", "planted_private_by_plain"}
"""Those that take several seconds."""


def other_letters(theorem: Theorem, candidate: Problem) -> dict[sp.Symbol, sp.Expr]:
    """Those of PL and of plain smoothness beside (L0, L1)-smoothness."""
    curvatures = [numbers["curvature"] for numbers in candidate.objective.coordinates]
    found: dict[sp.Symbol, sp.Expr] = {}
    for assumption in theorem.given:
        if isinstance(assumption, PL):
            found[assumption.mu] = strength(theorem, candidate, min(curvatures))
        elif isinstance(assumption, GS) and assumption.L1 == 0:
            found[assumption.L0] = max(curvatures)
        elif isinstance(assumption, BatchClipping | PerSampleClipping):
            found[assumption.n] = sp.Integer(candidate.algorithm.samples)
        elif isinstance(assumption, PrivacyNoise):
            # Whole numbers of 1/1024 above what engines draw: a root may not be rational.
            found[assumption.zeta] = sp.ceiling(sp.sqrt(privacy_variance(candidate)) * 1024) / 1024
    return found


def strength(theorem: Theorem, candidate: Problem, curvature: sp.Expr) -> sp.Expr:
    """A PL constant, as the search finds it."""
    if not any(profile.name in FAMILIES for profile, _ in candidate.objective.profiles):
        return curvature
    return sp.Rational(float(letters_of(Reading(theorem), candidate, {})[1].tight["strong"][0]))


def certify_all(theorem: Theorem, candidate: Problem, letters: dict[sp.Symbol, sp.Expr]) -> None:
    for assumption in theorem.given:
        proof = certify(assumption.substitute(letters), candidate)
        assert proof.says
        assert proof.says.count("$") % 2 == 0
        assert all(sp.sympify(v).is_number for v in proof.numbers.values())


@pytest.mark.parametrize(
    "theorem",
    [pytest.param(t, marks=pytest.mark.slow) if t.name in LONG else t for t in DRAWN.values()],
    ids=lambda t: t.name,
)
def test_drawn_problems_are_certified_with_exact_letters(theorem: Theorem) -> None:
    """Letters as tight as they can be, square roots included."""
    smooth = theorem.smoothness

    @QUICK
    @given(problems(theorem, oracle=True))
    def check(candidate: Problem) -> None:
        letters: dict[sp.Symbol, sp.Expr] = other_letters(theorem, candidate)
        for assumption in theorem.given:
            if isinstance(assumption, BoundedVariance):
                letters[assumption.sigma] = deviation_of(candidate)
        if smooth is not None:
            growths = [2 * numbers["growth"] for numbers in candidate.objective.coordinates if "growth" in numbers]
            quartic = [Q(3, 7)] if any("quartic" in numbers for numbers in candidate.objective.coordinates) else []
            slack = max([ZERO, *growths, *quartic])
            letters[smooth.L1] = slack
            needed = least_smoothness(candidate.objective, slack, hessian=isinstance(smooth, HS))
            assert needed is not None
            letters[smooth.L0] = needed
        certify_all(theorem, candidate, letters)

    check()


@pytest.mark.parametrize(
    "theorem",
    [pytest.param(t, marks=pytest.mark.slow) if t.name in LONG else t for t in DRAWN.values()],
    ids=lambda t: t.name,
)
def test_drawn_problems_are_certified_with_the_search_s_letters(theorem: Theorem) -> None:
    """Letters as the search chooses them, in floats with some slack."""
    reading, smooth = Reading(theorem), theorem.smoothness

    @QUICK
    @given(st.data())
    def check(data: st.DataObject) -> None:
        inside = landscape(reading, data.draw(structures(theorem, oracle=True)))
        found = inside.problem(np.array([data.draw(st.integers(0, 64)) / 64 for _ in inside.genes]))
        if found is None:
            return
        candidate, choices = found
        letters: dict[sp.Symbol, sp.Expr] = {**other_letters(theorem, candidate), **choices}
        if smooth is not None:
            letters.setdefault(smooth.L1, ZERO)
            letters[smooth.L0] = sp.Rational(float(letters_of(reading, candidate, choices)[1].tight["L0"][0]))
        certify_all(theorem, candidate, letters)

    check()

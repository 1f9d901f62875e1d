"""The letters of a problem, and refusals: what has no exact check gets no verdict by guessing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sympy as sp
from exact_problems import CATALOGUE, FAMILIES, STUCK, R, Z, law, problem, statement

from fuzz.problem import Family, Problem
from fuzz.rescore import deviation_of
from harness.exact import NotExact, decide, letters, measure
from theorems.language import (
    F0,
    L0,
    L1,
    ONE,
    PL,
    R0,
    AverageGradientNorm,
    BoundedVariance,
    Domain,
    Drift,
    ExactGradients,
    FinalGap,
    L,
    Lower,
    Parameter,
    Smooth,
    StepChange,
    StuckGradientNorm,
    T,
    Upper,
    c,
    eta,
    m,
    mu,
    sigma,
)
from theorems.language.functions import NOISES

pytestmark = pytest.mark.usefixtures("precision_is_put_back")


# -- letters -----------------------------------------------------------------------------------------------------------


def test_letters_of_a_problem() -> None:
    where = problem((3, 4), "quadratic", noise=law((R(1, 2), 1, 2), (R(1, 2), -1, -2)), steps=7)
    theorem = statement(
        given=[Smooth(L), PL(mu), BoundedVariance(sigma)],
        claim=Upper(AverageGradientNorm, L * R0 + mu * F0 / c + sigma + F0 / (eta * c * T) * c),
    )
    assert letters(theorem, where, {}) == {
        F0: R(25, 2),
        L: 1,
        R0: 5,
        T: 7,
        c: 1,
        eta: R(1, 2),
        mu: 1,
        sigma: sp.sqrt(5),
    }
    wide = Family("quadratic", ({"curvature": R(1, 3)}, {"curvature": R(5, 3)}))
    values = letters(theorem, replace(where, objective=wide), {sigma: Z(9)})
    assert (values[L], values[mu], values[sigma]) == (R(5, 3), R(1, 3), 9)
    assert letters(statement(claim=Upper(StepChange, m)), replace(where, objective=wide), {})[m] == sp.sqrt(409) / 3


@pytest.mark.parametrize("name", [n for n in NOISES if n not in ("none", "finite")])
def test_the_deviation_is_that_of_the_search(name: str) -> None:
    numbers = {"up": Z(2), "probability": R(1, 4), "scale": R(2, 3), "degrees": Z(3), "sigma": R(2, 3)}
    numbers |= {"index": Z(3), "wide": Z(2), "reach": Z(1), "low": Z(0), "high": Z(1)}
    noise = Family(name, tuple({p.name: numbers[p.name] for p in NOISES[name].parameters} for _ in range(2)))
    where = problem((1, 1), noise=noise)
    assert letters(CATALOGUE["S2"], where, {})[sigma] == deviation_of(where)


def test_letters_with_logarithms() -> None:
    where = problem(2, "log_cosh", steps=3)
    theorem = CATALOGUE["D1"]
    values = letters(theorem, where, {})
    assert values[F0].has(sp.log)
    expected = float(FAMILIES["log_cosh"]["slope"]) ** 2 / 0.75 * np.log(np.cosh(0.75 * 2 / 0.625))
    assert float(values[F0]) == pytest.approx(expected, rel=1e-14)
    verdict = decide(theorem, where, values)
    assert verdict.violated is False
    assert verdict.bound.value is None
    assert verdict.bound.method.startswith("interval arithmetic")
    half = statement(claim=Upper(FinalGap, F0 / 2))
    assert decide(half, replace(where, step_size=R(1, 100)), letters(half, where, {})).violated is True


def test_letters_that_are_no_good() -> None:
    with pytest.raises(NotExact, match="letter L0"):
        letters(CATALOGUE["D1"], problem(1, "quartic"), {L1: Z(1)})
    assert letters(CATALOGUE["D1"], problem(1, "quartic"), {L1: Z(1), L0: Z(2)})[L0] == 2
    with pytest.raises(ValueError, match="c = oo is not shown to be in its domain, positive"):
        letters(CATALOGUE["D1"], problem(clipping_threshold=sp.oo), {})
    with pytest.raises(ValueError, match="eta is 1/2 at this problem, not 1/3"):
        letters(CATALOGUE["D1"], problem(), {eta: R(1, 3)})
    with pytest.raises(ValueError, match="sigma = -1 "):
        letters(CATALOGUE["S2"], STUCK, {sigma: -Z(1)})
    own = Parameter("c", ONE, Domain.POSITIVE)
    with pytest.raises(NotExact, match="letter c "):
        letters(statement(claim=Upper(FinalGap, F0 * own)), problem(), {})
    count = Parameter("n", ONE, Domain.POSITIVE_INTEGER)
    with pytest.raises(ValueError, match="n = 3/2"):
        letters(statement(claim=Upper(FinalGap, F0 * count)), problem(), {count: R(3, 2)})


def test_values_that_contradict_the_problem_are_refused() -> None:
    values = letters(CATALOGUE["D1"], problem(), {})
    for letter in (eta, c, T, F0):
        with pytest.raises(ValueError, match=f"{letter} is .* at this problem"):
            decide(CATALOGUE["D1"], problem(), {**values, letter: values[letter] + 1})


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "where", "reason"),
    [
        (Drift, problem(noise=Family("gaussian", ({"scale": Z(1)},))), "gaussian is not a law of finitely many atoms"),
        (FinalGap, problem(noise=Family("gaussian", ({"scale": Z(1)},))), "gaussian is not a law"),
        (
            FinalGap,
            problem(noise=Family("two_point", ({"up": Z(1), "probability": R(1, 8)},)), steps=900),
            "too many branches",
        ),
        (FinalGap, problem(noise=Family("worst_two_point", ({"sigma": Z(1)},)), steps=90), "too many branches"),
        (
            FinalGap,
            problem((1, 1), noise=Family("symmetric_two_point", ({"scale": Z(1)},) * 2), steps=2),
            "one dimension only",
        ),
        (Drift, problem(0), "gradient is zero"),
        (StuckGradientNorm, problem(1), "not stuck"),
        (StuckGradientNorm, problem(2, "log_cosh"), "not stuck"),
        (
            Drift,
            problem((1,) * 13, noise=Family("symmetric_two_point", ({"scale": Z(1)},) * 13)),
            "more than 4096 atoms",
        ),
        (Drift, problem(noise=law((R(1, 2), 1), (R(1, 2), -R(1, 2)))), "mean zero"),
        (
            Drift,
            problem(noise=Family("worst_two_point", ({"sigma": Z(1)},)), clipping_threshold=sp.oo),
            "finite clipping threshold",
        ),
        (FinalGap, replace(problem(), objective=Family("quadratic", ({"curvature": -Z(1)},))), "curvature = -1"),
        (
            FinalGap,
            replace(
                problem(), objective=Family("slope_then_bowl", ({**FAMILIES["slope_then_bowl"], "start": R(1, 9)},))
            ),
            "slope_then_bowl: .* is not shown to hold",
        ),
        (FinalGap, problem(steps=10**9), "not settled"),
        (
            FinalGap,
            problem(3, "quartic", clipping_threshold=sp.oo, step_size=Z(9), steps=200),
            "not settled|enormous",
        ),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_what_has_no_exact_check_says_so(quantity: Any, where: Problem, reason: str) -> None:
    with pytest.raises(NotExact, match=reason):
        measure(quantity, where)


def test_a_problem_out_of_its_domain_gets_no_verdict() -> None:
    theorem = statement(claim=Upper(FinalGap, F0))
    hill = replace(problem(), objective=Family("quadratic", ({"curvature": -Z(1)},)))
    with pytest.raises(NotExact, match="curvature = -1"):
        decide(theorem, hill, {F0: Z(1)})
    with pytest.raises(NotExact, match="mean zero"):
        decide(CATALOGUE["S2"], replace(STUCK, noise=law((1, -1))), {c: Z(1), sigma: Z(1)})
    open_letter = statement(claim=Upper(FinalGap, F0 * sigma))
    with pytest.raises(NotExact, match="letter sigma"):
        decide(open_letter, problem(), {F0: R(1, 2)})


def test_a_lower_claim_is_attained_or_not_but_never_violated() -> None:
    for factor, attained in ((R(1), True), (R(101, 100), False), (R(99, 100), True)):
        theorem = statement(given=[BoundedVariance(sigma)], claim=Lower(StuckGradientNorm, factor * sigma**2 / (4 * c)))
        verdict = decide(theorem, STUCK, letters(theorem, STUCK, {}))
        assert (verdict.violated, verdict.attained) == (False, attained)


def test_a_bound_without_a_value_is_no_verdict() -> None:
    for bound in (F0 / (1 - eta * L), sp.sqrt(eta * L - 2) * F0):
        theorem = statement(given=[Smooth(L), ExactGradients()], claim=Upper(FinalGap, bound))
        where = problem(step_size=Z(1))
        with pytest.raises(NotExact, match="has no value"):
            decide(theorem, where, letters(theorem, where, {}))
    theorem = statement(claim=Upper(FinalGap, sp.log(F0 - F0 * T)))
    with pytest.raises(NotExact, match="has no value"):
        decide(theorem, problem(), letters(theorem, problem(), {}))

"""The exact check: known values, agreement with the engines, and true statements that never fall."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import flint
import numpy as np
import pytest
import sympy as sp
from exact_problems import CATALOGUE, FAMILIES, HEAVY, STUCK, R, Z, judged, law, problem, statement
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fuzz.engine import Batch, Instance, reference, run
from fuzz.problem import Family, Problem
from fuzz.strategies import problems
from harness.confirm import completed
from harness.exact import NotExact, compare, decide, enclose, enclose_rational, holds, letters, measure
from harness.exact import sgd as exact_sgd
from harness.report.hand_check import hand_check
from theorems.language import (
    F0,
    GRADIENT,
    L1,
    AverageGradientNorm,
    Drift,
    ExactGradients,
    FinalGap,
    MinGradientNorm,
    Parameter,
    StepChange,
    StuckGradientNorm,
    Upper,
    m,
)
from theorems.language.functions import OBJECTIVES
from theorems.language.quantities import ClipSecondMoment, NextGradientNorm
from theorems.language.special import balance, exprel, exprel2

pytestmark = pytest.mark.usefixtures("precision_is_put_back")


# -- known values ------------------------------------------------------------------------------------------------------


def test_the_stuck_point_of_unit_noise() -> None:
    false, true = judged("planted_bias_one_fifth", STUCK), judged("S2", STUCK)
    assert (false.measured.value, false.bound.value) == (R(1, 4), R(1, 5))
    assert (false.violated, false.attained, false.method) == (True, True, "exact arithmetic")
    assert (true.violated, true.attained) == (False, True)
    assert false.measured.low == false.measured.high == R(1, 4)


@pytest.mark.parametrize(
    ("name", "where", "measured", "bound"),
    [
        ("planted_bias_third", HEAVY, Z(1), R(2, 3)),
        ("planted_d2_one_term", problem(clipping_threshold=R(1, 100), steps=10), R(361, 800), R(1, 5)),
        ("planted_descent_theta_3", problem(step_size=R(5, 2), clipping_threshold=Z(9)), R(5, 8), Z(0)),
        ("planted_d1_quarter", problem(step_size=Z(1), clipping_threshold=Z(9)), Z(1), sp.sqrt(R(2, 3))),
        ("planted_drift_one_fifth", STUCK, Z(0), R(1, 25)),
        ("planted_d2_noise_ignored", problem(0, noise=law((R(1, 2), 1), (R(1, 2), -1))), R(1, 8), Z(0)),
        ("planted_d2_noise_ignored", problem((0, 0), noise=law((R(1, 2), 3, 4), (R(1, 2), -3, -4))), R(1, 8), Z(0)),
    ],
)
def test_planted_falsehoods_fall(name: str, where: Problem, measured: sp.Expr, bound: sp.Expr) -> None:
    verdict = judged(name, where)
    assert verdict.violated is True
    assert verdict.attained is True
    assert verdict.measured.value == measured
    assert verdict.bound.value == bound


def test_equality_is_no_violation() -> None:
    for start in (1, R(1, 3), (R(1, 2), R(1, 3)), sp.sqrt(2), (sp.sqrt(2) / 2, R(1, 7))):
        verdict = judged("D0", problem(start, step_size=R(2, 7), clipping_threshold=Z(2)))
        assert (verdict.violated, verdict.attained, verdict.method) == (False, True, "exact arithmetic")
    bottom = judged("D1", problem(step_size=Z(1), clipping_threshold=Z(2)))
    assert (bottom.violated, bottom.attained) == (False, True)


def test_equality_in_balls_is_undecided() -> None:
    """log cosh has no exact value; its first gradient equals a bound of the same number."""
    where = problem(2, "log_cosh")
    theorem = statement(claim=Upper(FinalGap, F0 - (F0 - (F0 + F0) / 2)), given=[ExactGradients()])
    assert decide(theorem, where, letters(theorem, where, {})).violated is False
    own = Parameter("own", GRADIENT)
    theorem = statement(claim=Upper(AverageGradientNorm, own))
    gradient = letters(statement(claim=Upper(StepChange, m)), where, {})[m]
    verdict = decide(theorem, where, letters(theorem, where, {own: gradient}))
    assert (verdict.violated, verdict.attained) == (None, None)
    for nudge, violated in ((1 - R(1, 10**60), True), (1 + R(1, 10**60), False)):
        assert decide(theorem, where, letters(theorem, where, {own: gradient * nudge})).violated is violated


def test_the_drift_of_s1_by_hand() -> None:
    # s = sqrt(1 + (1 - 1/4)^2) = 5/4 <= 2: drift (1/4 + 1 - 5/4)/2 = 0.
    assert judged("S1", STUCK).measured.value == 0
    assert judged("S1", STUCK).violated is False
    # Second case, sigma = 4: n = 5/4, atoms -c and m + sigma^2/n; drift c (n^2 - 16)/(n^2 + 16).
    n = R(5, 4)
    up, down = 16 / n, -n
    far = problem(R(1, 4), noise=law((-down / (up - down), up), (up / (up - down), down)))
    verdict = judged("S1", far)
    assert verdict.measured.value == (n**2 - 16) / (n**2 + 16)
    assert (verdict.violated, verdict.attained) == (False, True)


def test_the_worst_law_nearly_attains_s1() -> None:
    for m_value, deviation in ((R(1, 3), Z(1)), (R(7, 2), Z(1)), (R(1, 3), Z(5)), (sp.sqrt(2), sp.sqrt(3))):
        where = problem(m_value, noise=Family("worst_two_point", ({"sigma": deviation},)))
        verdict = judged("S1", where)
        assert verdict.violated is False
        assert verdict.measured.low - verdict.bound.high < R(1, 10**7)
    # Along the gradient in two dimensions, too: |(3, 4)/15| = 1/3.
    flat = problem(R(1, 3), noise=Family("worst_two_point", ({"sigma": Z(1)},)))
    plane = problem((R(1, 5), R(4, 15)), noise=Family("worst_two_point", ({"sigma": Z(1)},) * 2))
    assert measure(Drift, flat).value == measure(Drift, plane).value


def test_clipping_at_its_edges() -> None:
    assert measure(FinalGap, problem(1, step_size=Z(1))).value == 0  # |g| = c is not clipped
    assert measure(FinalGap, problem(2, step_size=Z(1))).value == R(1, 2)
    assert measure(FinalGap, problem(2, step_size=Z(1), clipping_threshold=sp.oo)).value == 0
    assert measure(AverageGradientNorm, problem((0, 0), steps=3)).value == 0
    # (3, 4) has norm 5: one step of length 1/2 along it.
    assert measure(FinalGap, problem((3, 4))).value == R(81, 8)
    assert measure(ClipSecondMoment, problem((3, 4))).value == 1
    assert measure(ClipSecondMoment, problem((R(3, 5), R(4, 5)))).value == 1
    # The same in balls, which cannot tell |g| = c from its neighbours.
    for start in (1, (R(3, 5), R(4, 5))):
        found = measure(FinalGap, problem(start, step_size=R(1, 3)), bits=90)
        assert found.low <= R(2, 9) <= found.high
        assert found.high - found.low < R(1, 10**20)


def test_identities_between_quantities() -> None:
    noise = Family("two_point", ({"up": Z(2), "probability": R(1, 4)}, {"up": -Z(1), "probability": R(1, 8)}))
    flat = Family("two_point", ({"up": Z(2), "probability": R(1, 4)},))
    for where in (
        problem(R(5, 3), "huber"),
        problem(R(5, 3), "slope_then_bowl", noise=flat),
        problem(R(5, 3), "quartic", noise=flat),
        problem(R(5, 3), "log_cosh", noise=flat),
        problem((R(5, 3), -R(1, 2)), noise=noise),
    ):
        theorem = statement(claim=Upper(StepChange, m * F0))
        values = letters(theorem, where, {})
        gap, change = measure(FinalGap, where), measure(StepChange, where)
        start = enclose_rational(F0, values)
        assert gap.low - start.high <= change.high
        assert change.low <= gap.high - start.low
        if where.dimension > 1:
            continue
        twice, after = measure(AverageGradientNorm, replace(where, steps=2)), measure(NextGradientNorm, where)
        norm = enclose_rational(m, values)
        assert 2 * twice.low - norm.high <= after.high
        assert after.low <= 2 * twice.high - norm.low
        assert gap.accurate
        assert twice.accurate
        assert after.accurate


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_drift_is_that_of_the_pencil(data: st.DataObject) -> None:
    """Another implementation, written for the reader, from the same definition."""
    d = data.draw(st.sampled_from([1, 2]))
    number = st.fractions(-3, 3, max_denominator=6).map(lambda f: R(f.numerator, f.denominator))
    weights = data.draw(st.lists(st.integers(1, 6), min_size=2, max_size=3))
    atoms = [[data.draw(number) for _ in range(d)] for _ in weights[1:]]
    last = [-sum(w * a[i] for w, a in zip(weights[1:], atoms, strict=True)) / weights[0] for i in range(d)]
    total = sum(weights)
    noise = law(*((R(w, total), *a) for w, a in zip(weights, [last, *atoms], strict=True)))
    where = problem(tuple(data.draw(number) for _ in range(d)), noise=noise)
    assume(any(where.start))
    pencil = hand_check(where)
    assert pencil is not None
    found = measure(Drift, where)
    assert found.value is not None
    assert compare(found.value, pencil.drift, {}) == 0
    assert found.low <= found.high
    second = sum(p.probability * sum(e**2 for e in p.clipped) for p in pencil.rows)
    assert compare(measure(ClipSecondMoment, where).value, second, {}) == 0
    if compare(pencil.drift, Z(0), {}) == 1:
        with pytest.raises(NotExact, match="not stuck"):
            measure(StuckGradientNorm, where)
    else:
        assert compare(measure(StuckGradientNorm, where).value, pencil.norm, {}) == 0


# -- the engines -------------------------------------------------------------------------------------------------------


def engine_values(where: Problem, backend: str = "cpu") -> dict[Any, float]:
    columns = {k: [float(n[k]) for n in where.objective.coordinates] for k in where.objective.coordinates[0]}
    row = Instance(
        where.objective.name,
        columns,
        [float(v) for v in where.start],
        float(where.step_size),
        float(where.clipping_threshold),
        where.steps,
    )
    found = run(Batch.of([row]), 1, backend=backend, checkpoints=range(where.steps))
    return {
        AverageGradientNorm: float(found.average_gradient_norm[0, 0]),
        MinGradientNorm: float(found.mean_gradient_norm[0].min()),
        FinalGap: float(found.final_gap[0, 0]),
    }


RUNS = [
    problem(start, family, step_size=step, steps=steps, clipping_threshold=threshold)
    for family in FAMILIES
    for start in (R(19, 4), (R(19, 4), -R(3, 2)))
    for step, steps, threshold in ((R(1, 4), 40, R(5, 4)), (R(7, 8), 7, R(1, 2)), (R(1, 16), 300, sp.oo))
]


def agree(where: Problem, backend: str = "cpu") -> bool:
    """Whether engine and exact check have the same numbers to 1e-10."""
    # The value of log cosh is a difference of numbers near 1, in floats.
    least = 1e-14 if where.objective.name == "log_cosh" else 0.0
    for quantity, seen in engine_values(where, backend).items():
        found = measure(quantity, where)
        slack = 1e-10 * abs(float(found.low)) + least
        if not float(found.low) - slack <= seen <= float(found.high) + slack:
            return False
    return True


@pytest.mark.parametrize("where", RUNS, ids=lambda p: f"{p.objective.name}-{p.dimension}-{p.steps}")
def test_the_engine_agrees(where: Problem) -> None:
    assert agree(where)


def test_a_wrong_gradient_in_the_engine_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, family in OBJECTIVES.items():
        where = problem(R(19, 4), name, steps=40)
        assert agree(where, "reference")
        wrong = replace(family, gradient=family.gradient * (1 + R(1, 10**8)))
        monkeypatch.setattr(reference, "profiles", lambda _, dimension, wrong=wrong: (wrong,) * dimension)
        assert not agree(where, "reference")
        monkeypatch.undo()


def test_a_wrong_clip_in_the_engine_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clip of a well-known library divides by |g| + 1e-6."""
    monkeypatch.setattr(reference, "clip", lambda g, c: np.minimum(1, c / (reference.norm(g) + 1e-6)) * g)
    assert not agree(problem(R(19, 4), steps=20), "reference")


def test_a_wrong_clip_in_the_checker_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_sgd.ClippedSGD, "clip", lambda self, vector: vector)
    assert not agree(problem(R(19, 4), steps=20))


def test_the_mean_of_engine_runs_is_near_the_exact_mean() -> None:
    """All branches of five noisy steps against 40000 runs; 5 standard errors, false-alarm rate below 1e-5."""
    for noise in (
        Family("two_point", ({"up": Z(2), "probability": R(1, 4)},)),
        Family("symmetric_two_point", ({"scale": R(3, 2)},)),
        Family("worst_two_point", ({"sigma": Z(1)},)),
    ):
        where = problem(R(1, 2), "huber", noise=noise, steps=5)
        row = Instance(
            "huber",
            {k: float(v) for k, v in FAMILIES["huber"].items()},
            [0.5],
            0.5,
            1.0,
            5,
            noise.name,
            {k: float(v) for k, v in noise.coordinates[0].items()},
        )
        runs = run(Batch.of([row], seed=7), 40000).average_gradient_norm[0]
        found = measure(AverageGradientNorm, where)
        assert abs(runs.mean() - float(found.low)) < 5 * runs.std() / 200
        assert found.accurate
        assert (found.value is not None) == (noise.name != "worst_two_point")


# -- long runs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["quadratic", "huber", "slope_then_bowl", "log_cosh"])
def test_a_long_run_is_decided(family: str) -> None:
    where = problem(10, family, step_size=R(9, 10), clipping_threshold=R(3, 2), steps=20000)
    verdict = judged("D1", where)
    assert verdict.violated is False
    assert int(verdict.method.split()[2]) > 1000
    assert verdict.measured.accurate
    theorem = CATALOGUE["D1"]
    near = replace(theorem, claim=Upper(AverageGradientNorm, verdict.measured.low * (1 - R(1, 10**12))))
    assert decide(near, where, letters(near, where, {})).violated is True


def test_a_long_run_in_the_plane_is_decided() -> None:
    where = problem((10, 3), step_size=R(1, 9), clipping_threshold=Z(1), steps=20000)
    assert judged("K23_2_1", where).violated is False


def test_more_precision_is_narrower_and_nested() -> None:
    where = problem((3, R(1, 7)), "quartic", step_size=R(1, 4), steps=60)
    found = [measure(AverageGradientNorm, where, bits) for bits in (150, 200, 400, 1000)]
    for coarse, fine in pairwise(found):
        assert coarse.low <= fine.low <= fine.high <= coarse.high
    assert found[-1].accurate


# -- special functions -------------------------------------------------------------------------------------------------


def test_special_functions_in_balls_and_exactly() -> None:
    t = sp.Symbol("t", real=True)
    for function in (exprel, exprel2):
        for point in (Z(0), R(1, 10**40), R(-5, 2), Z(30)):
            exact = enclose(function(t).by_exp(), {t: point}, 512) if point else flint.arb(1)
            assert enclose(function(t), {t: point}, 128).overlaps(exact)
            assert enclose(function(t), {t: point}, 128).rel_accuracy_bits() > 100
        wide = enclose(function(t), {t: flint.arb(0, 1)}, 64)
        for end in (-1, 1):
            assert wide.contains(enclose(function(t).by_exp(), {t: Z(end)}, 128).mid())
        assert wide < 2
        assert compare(function(t), Z(1), {t: Z(0)}) == 0
    # Whatever the signs are, the balance of two numbers is between -1 and 1.
    assert enclose(balance(t, t), {t: flint.arb(0, 1)}, 64).contains(flint.arb(-1).union(flint.arb(1)))
    assert enclose_rational(balance(t, Z(1)), {t: R(-1, 3)}).value == R(1, 2)
    assert enclose_rational(balance(t, -t), {t: Z(0)}).value == 0


# -- true statements ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["D0", "D1", "D1_min", "K23_2_1"])
def test_true_statements_never_fall(name: str) -> None:
    theorem = CATALOGUE[name]

    @settings(max_examples=25, deadline=None, derandomize=True, database=None)
    @given(problems(theorem))
    def never_violated(where: Problem) -> None:
        # Long runs in many dimensions are right, and slow.
        assume("quartic" not in where.objective.name and where.dimension * where.steps <= 4000)
        growths = [numbers["growth"] for numbers in where.objective.coordinates if "growth" in numbers]
        choices: dict[Parameter, sp.Expr] = {L1: 2 * max(growths)} if growths else {}
        values = letters(theorem, where, dict(completed(theorem, where, choices)))
        assume(all(holds(condition, values) is True for condition in theorem.conditions))
        verdict = decide(theorem, where, values)
        assert verdict.violated is False

    never_violated()

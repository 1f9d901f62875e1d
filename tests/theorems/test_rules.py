"""Trusted rules refuse what they do not license: wrong facts, missing assumptions, letters hidden in abbreviations."""

from __future__ import annotations

import dataclasses

import pytest
import sympy as sp

from theorems.language import (
    F0,
    GRADIENT,
    GS,
    HS,
    L0,
    L1,
    AffineRecursion,
    AgainstGradient,
    AverageGradientNorm,
    BoundedVariance,
    ClipMoments,
    Domain,
    Drift,
    ExactGradients,
    ExpectedQuadratic,
    Instance,
    Jensen,
    L,
    MonotoneMinimum,
    NoisyStep,
    Parameter,
    PointwiseClip,
    QuadraticStep,
    Source,
    StepChange,
    StuckGradientNorm,
    StuckPoint,
    T,
    Telescope,
    Theorem,
    Upper,
    c,
    eta,
    m,
    rules,
    sample_w,
    sigma,
)
from theorems.language.quantities import Average
from theorems.language.rules import RuleError, tangent_point
from theorems.sharp.s2t_trajectory import trajectory

HIDDEN = Parameter("h", GRADIENT)  # an abbreviation that hides an m
T_LETTER = Parameter("t", GRADIENT)


def statement(*given: object) -> Theorem:
    return Theorem(
        name="x",
        source=Source("tests", "1"),
        given=list(given),
        when=[],
        where={HIDDEN: m + c},
        claim=Upper(StuckGradientNorm, sigma),
    )


NOISY = statement(GS(L0, L1), BoundedVariance(sigma))
EXACT = statement(GS(L0, L1), ExactGradients())


@pytest.mark.parametrize(
    ("rule", "theorem"),
    [
        (AgainstGradient(), NOISY),
        (AgainstGradient(), statement(ExactGradients())),
        (NoisyStep(), EXACT),
        (NoisyStep(), statement(HS(L0, L1), BoundedVariance(sigma))),
        (ClipMoments(), EXACT),
        (StuckPoint(), EXACT),
        (QuadraticStep(), NOISY),
        (QuadraticStep(), EXACT),
        (AffineRecursion(rate=eta * L0, level=sigma), NOISY),
    ],
)
def test_a_missing_assumption_stops_a_rule(rule: object, theorem: Theorem) -> None:
    with pytest.raises(RuleError):
        rule.licence(theorem, ())  # type: ignore[attr-defined]


def test_against_gradient_asks_for_the_ball_of_its_smoothness() -> None:
    step = eta * sp.Min(m, c)
    (_, gs), (_, hs) = (
        AgainstGradient().licence(statement(kind(L0, L1), ExactGradients()), ()).sides[0] for kind in (GS, HS)
    )
    assert gs == sp.Le(L1 * step, 1)
    assert hs == sp.Le((L0 + L1 * m) * step, m)


def test_telescope_wants_its_exact_fact_and_constants() -> None:
    rule = Telescope(decrease=m**2, rate=eta, error=sigma**2 * eta)
    assert rule.licence(NOISY, (rule.one_step,)).gives == sp.Le(eta * Average(m**2), F0 / T + sigma**2 * eta)
    with pytest.raises(RuleError, match="needs the fact"):
        rule.licence(NOISY, (sp.Le(StepChange, -eta * m),))
    for moving in (m, HIDDEN, Drift, StuckGradientNorm):
        bad = Telescope(decrease=m**2, rate=eta, error=moving * c)
        with pytest.raises(RuleError, match="must not depend on the point"):
            bad.licence(NOISY, (bad.one_step,))
    hidden = Telescope(decrease=HIDDEN * m, rate=eta)
    with pytest.raises(RuleError, match="must be a function of m"):
        hidden.licence(NOISY, (hidden.one_step,))


def test_jensen_hands_convexity_to_the_solver() -> None:
    licence = Jensen(m**2, 2 * m).licence(NOISY, ())
    assert licence.gives == sp.Le(AverageGradientNorm**2, Average(m**2))
    ((_, tangent),) = licence.sides
    assert tangent == sp.Ge(m**2, tangent_point**2 + 2 * tangent_point * (m - tangent_point), evaluate=False)
    for function in (HIDDEN, Drift, m * StuckGradientNorm):
        with pytest.raises(RuleError, match="must be a function of m"):
            Jensen(function, sp.S.One).licence(NOISY, ())


def test_expectation_needs_the_pointwise_fact_and_fixed_numbers() -> None:
    rule = ExpectedQuadratic(level=c, steepness=1 / c, centre=m)
    licence = rule.licence(NOISY, (rule.pointwise,))
    assert licence.gives == sp.Ge(Drift, c - sigma**2 / c, evaluate=False)
    assert licence.sides[0][1] == (1 / c >= 0)
    with pytest.raises(RuleError, match="needs the fact"):
        rule.licence(NOISY, ())
    moving = ExpectedQuadratic(level=sample_w, steepness=1 / c, centre=m)
    with pytest.raises(RuleError, match="depends on the sample"):
        moving.licence(NOISY, (moving.pointwise,))


def test_instance_only_for_letters_that_the_proof_introduced() -> None:
    fact = sp.Ge(Drift, c - T_LETTER)
    given = Instance(T_LETTER, 2 * c).licence(NOISY, (fact,))
    assert given.gives == sp.Ge(Drift, -c)
    assert given.sides[0][1] == sp.true
    # T, c and L stand in no part of the statement, and yet every one of them means something.
    for letter in (sigma, m, sample_w, tangent_point, HIDDEN, L0, L, c, T, eta, F0):
        with pytest.raises(RuleError, match="not a letter that the proof introduced"):
            Instance(letter, c).licence(NOISY, (fact,))
    with pytest.raises(RuleError, match="exactly one fact"):
        Instance(T_LETTER, c).licence(NOISY, (fact, fact))
    with pytest.raises(RuleError, match="depends on the sample"):
        Instance(T_LETTER, sample_w**2 / c).licence(NOISY, (fact,))
    with pytest.raises(RuleError, match="depends on the sample"):
        Instance(T_LETTER, c, sample_w > 0).licence(NOISY, (fact,))
    # Outside the letter's domain the side condition is false, and no solver will show it.
    assert Instance(T_LETTER, -c).licence(NOISY, (fact,)).sides[0][1] == sp.false


def test_instance_inside_an_average_is_one_number_for_the_run() -> None:
    fact = sp.Le(T_LETTER * AverageGradientNorm, Average(T_LETTER * m), evaluate=False)
    given = Instance(T_LETTER, 2 * c).licence(NOISY, (fact,)).gives
    assert given == sp.Le(2 * c * AverageGradientNorm, Average(2 * c * m), evaluate=False)
    for moving in (m, HIDDEN, c + Drift):
        with pytest.raises(RuleError, match="must not depend on the point"):
            Instance(T_LETTER, moving).licence(NOISY, (fact,))


def test_instance_of_an_undefined_value_has_a_side_condition_that_fails() -> None:
    real = Parameter("z", GRADIENT, Domain.REAL)
    licence = Instance(real, c**2 / sigma, sigma <= c).licence(NOISY, (sp.Ge(Drift, real),))
    assert licence.sides[0][1] == sp.Implies(sigma <= c, sp.Ne(sigma, 0))


def test_instance_leaves_the_letters_of_a_witness_alone() -> None:
    start = dataclasses.replace(trajectory.witness[0], start=T_LETTER / L)
    with pytest.raises(RuleError, match="not a letter that the proof introduced"):
        Instance(T_LETTER, c).licence(dataclasses.replace(trajectory, witness=[start]), (sp.Ge(Drift, -T_LETTER),))


def test_what_holds_at_one_point_says_nothing_of_a_run() -> None:
    at_one_point = dataclasses.replace(EXACT, when=[m <= c])
    telescope = Telescope(decrease=m**2, rate=eta)
    recursion = AffineRecursion(rate=eta * L, level=c)
    for rule, facts in (
        (telescope, (telescope.one_step,)),
        (Jensen(m**2, 2 * m), ()),
        (MonotoneMinimum(m), ()),
        (recursion, (recursion.one_step,)),
    ):
        with pytest.raises(RuleError, match="speaks of a whole run"):
            rule.licence(at_one_point, facts)


def test_the_list_of_rules_is_complete() -> None:
    defined = {kind for kind in vars(rules).values() if isinstance(kind, type) and issubclass(kind, rules.Rule)}
    assert defined == {*rules.RULES, rules.Rule}


def test_pointwise_clip_is_the_definition() -> None:
    """At exact samples in two dimensions, both sides of the threshold."""
    from theorems.language import sample_p, sample_q, sample_rho

    gives = PointwiseClip().licence(NOISY, ()).gives
    for w, v, threshold in ((3, 4, 1), (3, 4, 5), (3, 4, 7), (-3, 4, 2), (0, 0, 1)):
        rho = sp.sqrt(w**2 + v**2)
        clipped = w * sp.Min(1, sp.Rational(threshold) / rho) if rho else sp.S.Zero
        values = {sample_w: w, sample_q: v**2, sample_rho: rho, sample_p: clipped, c: threshold}
        assert gives.xreplace({k: sp.sympify(x) for k, x in values.items()}) == True  # noqa: E712
        wrong = {**values, sample_p: clipped + 1}
        assert gives.xreplace({k: sp.sympify(x) for k, x in wrong.items()}) == False  # noqa: E712


def test_recursion_must_start_at_its_level() -> None:
    curvature = trajectory.witness[0].objective_parameters["curvature"]
    rule = AffineRecursion(rate=eta * curvature / 2, level=sigma)
    sides = dict(rule.licence(trajectory, (rule.one_step,)).sides)
    assert sides["the run starts at the level"].has(sigma)
    other = dataclasses.replace(trajectory, witness=())
    with pytest.raises(RuleError, match="one witness"):
        rule.licence(other, (rule.one_step,))

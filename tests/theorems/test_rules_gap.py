"""Rules about gap and distance: their side conditions, and what they refuse."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sympy as sp

from harness.prove import check
from harness.prove.solve import SolverPool
from theorems.language import (
    F0,
    GRADIENT,
    GS,
    HS,
    L0,
    L1,
    ONE,
    PL,
    R0,
    BoundedVariance,
    ClippedSteps,
    Convex,
    CountClipped,
    DistanceChange,
    DistanceStep,
    Domain,
    ExactGradients,
    FinalGap,
    FinalGapPaysDistance,
    Gap,
    GapAboveGradient,
    GapAfterStep,
    GapBelowGradient,
    L,
    Min,
    MonotoneMinimum,
    Parameter,
    PrivacyNoise,
    Rational,
    Smooth,
    Source,
    Step,
    StepChange,
    T,
    Theorem,
    TwoPhases,
    Upper,
    c,
    eta,
    m,
    mu,
    sigma,
)
from theorems.language.rules import Rule, RuleError
from theorems.sharp.d3_pl import K, polyak

HIDDEN = Parameter("h", GRADIENT)  # an abbreviation that hides an m
SQUARED = Parameter("q", GRADIENT * GRADIENT)


def statement(*given: object, **change: object) -> Theorem:
    made = {
        "name": "x",
        "source": Source("tests", "1"),
        "given": list(given),
        "when": [],
        "where": {HIDDEN: m + c},
        "claim": Upper(FinalGap, F0),
    }
    return Theorem(**{**made, **change})


CONVEX = statement(Convex(), GS(L0, L1), ExactGradients())
NOISY = statement(Convex(), GS(L0, L1), PL(mu), BoundedVariance(sigma))
PRIVATE = statement(Convex(), GS(L0, L1), PL(mu), ExactGradients(), PrivacyNoise(sigma))
approach = FinalGapPaysDistance(eta * Gap)
toll = CountClipped((eta * c) ** 2)
phases = TwoPhases(level=F0, drop=sp.sqrt(F0) / 2, rate=eta * mu, begin=K)


@pytest.mark.parametrize(
    ("rule", "theorem"),
    [
        *((rule, NOISY) for rule in (DistanceStep(), GapAfterStep(), approach, toll, phases)),
        *((rule, PRIVATE) for rule in (DistanceStep(), GapAfterStep(), approach, toll, phases)),
        (MonotoneMinimum(m), PRIVATE),
        *((rule, statement(GS(L0, L1), ExactGradients())) for rule in (DistanceStep(), approach, toll)),
        (GapBelowGradient(), CONVEX),
        (GapAboveGradient(L0, sp.Integer(0)), CONVEX),
        (GapAboveGradient(L0 / 2, L1), CONVEX),
        (GapAboveGradient(L, sp.Integer(0)), statement(ExactGradients())),
    ],
)
def test_a_missing_assumption_or_another_algorithm_stops_a_rule(rule: Rule, theorem: Theorem) -> None:
    facts = [getattr(rule, name) for name in ("one_step", "slow", "fast") if hasattr(rule, name)]
    with pytest.raises(RuleError):
        rule.licence(theorem, [*facts, sp.Le(StepChange, 0)])


@pytest.mark.parametrize("rule", [approach, toll, phases])
def test_rules_of_a_run_refuse_a_hypothesis_about_one_point(rule: Rule) -> None:
    theorem = statement(Convex(), GS(L0, L1), PL(mu), ExactGradients())
    object.__setattr__(theorem, "when", (m >= c,))
    with pytest.raises(RuleError, match="whole run"):
        rule.licence(theorem, ())


def test_a_long_gradient_needs_room_below() -> None:
    for kind in (GS, HS):
        gives = GapAboveGradient(L0, L1).licence(statement(kind(L0, L1)), ()).gives
        assert gives == sp.Le(m**2, 2 * (L0 + L1 * m) * Gap, evaluate=False)
    both = statement(GS(L0, L1), Smooth(L))
    assert GapAboveGradient(L, sp.Integer(0)).licence(both, ()).gives == sp.Le(m**2, 2 * L * Gap, evaluate=False)


def test_distance_step_at_exact_points() -> None:
    """``f = x^2/2`` at x = 3: the gap is 9/2, one step with eta = 1/2 and c = 1 leads to 5/2; c = 4 leads to 3/2."""
    gives = DistanceStep().licence(CONVEX, ()).gives
    for threshold, after in ((1, Rational(5, 2)), (4, Rational(3, 2))):
        values = {m: 3, Gap: Rational(9, 2), eta: Rational(1, 2), c: threshold, DistanceChange: after**2 - 9}
        assert gives.xreplace({k: sp.sympify(v) for k, v in values.items()}) == True  # noqa: E712


def test_the_final_gap_pays_only_by_its_own_facts() -> None:
    down = sp.Le(StepChange, 0)
    licence = approach.licence(CONVEX, (approach.one_step, down))
    assert licence.gives == sp.Le(T * eta * FinalGap, R0**2)
    for facts in ((approach.one_step,), (down,), (sp.Le(DistanceChange, -2 * eta * Gap), down)):
        with pytest.raises(RuleError, match="needs the fact"):
            approach.licence(CONVEX, facts)
    # (Gap - 1) m vanishes at Gap = 1, and depends on the point all the same.
    for moving in (m * Gap, HIDDEN * Gap, (Gap - 1) * m, StepChange):
        bad = FinalGapPaysDistance(moving)
        with pytest.raises(RuleError, match="must not depend on the point"):
            bad.licence(CONVEX, (bad.one_step, down))


def test_clipped_steps_are_counted_at_a_fixed_toll() -> None:
    assert toll.licence(CONVEX, (toll.one_step,)).gives == sp.Le((eta * c) ** 2 * ClippedSteps, R0**2)
    bad = CountClipped(eta**2 * m**2)
    with pytest.raises(RuleError, match="must not depend on the point"):
        bad.licence(CONVEX, (bad.one_step,))
    with pytest.raises(RuleError, match="needs the fact"):
        toll.licence(CONVEX, ())


def test_two_phases_want_fixed_numbers_and_a_whole_step() -> None:
    theorem = statement(GS(L0, L1), PL(mu), ExactGradients())
    for change in ({"level": Gap}, {"drop": m}, {"rate": HIDDEN}):
        bad = TwoPhases(**{"level": F0, "drop": c, "rate": eta * mu, "begin": K, **change})
        with pytest.raises(RuleError, match="must not depend on the point"):
            bad.licence(theorem, (bad.slow, bad.fast))
    for begin in (T - 1, F0, sp.Rational(3, 2)):
        bad = TwoPhases(F0, c, eta * mu, begin)
        with pytest.raises(RuleError, match="positive integer"):
            bad.licence(theorem, (bad.slow, bad.fast))
    with pytest.raises(RuleError, match="needs the fact"):
        phases.licence(theorem, (phases.slow,))


@pytest.fixture(scope="module")
def pool() -> Iterator[SolverPool]:
    with SolverPool() as solvers:
        yield solvers


@pytest.mark.slow
@pytest.mark.parametrize(
    ("title", "dropped"),
    [
        ("the slow phase ends in time", 2),
        ("the fast phase begins before the end", 3),
        ("the rate is at most one", 1),
    ],
)
def test_each_side_condition_of_two_phases_is_needed(title: str, dropped: int, pool: SolverPool) -> None:
    """Without the hypothesis that it rests on, D3 is a broken proof; each of these statements is false."""
    when = [condition for index, condition in enumerate(polyak.when) if index != dropped]
    proof = [Step("rate", gives=sp.Ge(eta, 0)) if item.name == "rate" else item for item in polyak.proof]
    theorem = statement(*polyak.given, where=polyak.where, when=when, claim=polyak.claim, proof=proof)
    (result,) = check([theorem], pool=pool)
    assert result.verdict == "broken_proof"
    assert next(o for o in result.obligations if o.name == f"phases: {title}").verdict == "refuted"


def test_an_approach_that_decreases_is_refused(pool: SolverPool) -> None:
    """From ``DistanceChange <= -Gap (1 - Gap)`` a large last gap would pay nothing."""
    unit_gap = Parameter("g", Gap.unit)
    falling = FinalGapPaysDistance(eta * Min(Gap, unit_gap) * (1 - Gap / unit_gap))
    theorem = statement(
        *CONVEX.given,
        proof=[
            Step("steps", gives=falling.one_step),
            Step("down", gives=sp.Le(StepChange, 0)),
            Step("sum", by=falling, from_=["steps", "down"]),
        ],
    )
    (result,) = check([theorem], pool=pool)
    assert next(o for o in result.obligations if o.name == "sum: the approach does not decrease").verdict == "refuted"


def test_letters_of_these_rules_have_units() -> None:
    assert Gap.unit == F0.unit
    assert ClippedSteps.unit == ONE
    assert DistanceChange.unit == R0.unit * R0.unit
    assert Parameter("n", ONE, Domain.POSITIVE_INTEGER).is_integer

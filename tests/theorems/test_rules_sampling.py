"""Rules for the Hessian form, symmetric noise and other algorithms: what they license and what they refuse."""

from __future__ import annotations

from collections.abc import Iterator

import mpmath
import numpy as np
import pytest
import sympy as sp

from harness.prove import check
from harness.prove.solve import SolverPool
from harness.prove.unroll import implication, same_algorithm, unroll
from theorems.language import (
    GS,
    HS,
    L0,
    L1,
    ONE,
    AgainstGradient,
    BatchClipping,
    BoundedVariance,
    Cite,
    ClipMoments,
    ClipSecondMoment,
    Domain,
    Drift,
    ExactGradients,
    ExpectedPair,
    ExpectedQuadratic,
    Floor,
    L,
    NoisyStep,
    NoisyStepHessian,
    Parameter,
    PerSampleClipping,
    PointwisePair,
    PrivacyNoise,
    PrivateStep,
    Smooth,
    Source,
    StatementError,
    StepChange,
    StuckGradientNorm,
    StuckPoint,
    Symmetric,
    Theorem,
    Upper,
    c,
    eta,
    m,
    sigma,
)
from theorems.language.rules import Rule, RuleError, pair_a, pair_b, pair_dot, pair_s, pair_t
from theorems.language.rules_sampling import HESSIAN_FACTOR, BatchMean, SampleBySample
from theorems.sharp.s1_simple_drift import simple_drift
from theorems.sharp.s2_bias import exact_bias
from theorems.sharp.s3_upper import upper
from theorems.sharp.s4_private import private, zeta
from theorems.sharp.s6_batch import batch

n = Parameter("n", ONE, Domain.POSITIVE_INTEGER)


def statement(*given: object, **change: object) -> Theorem:
    made = {
        "name": "x",
        "source": Source("tests", "1"),
        "given": list(given),
        "when": [],
        "claim": Upper(StuckGradientNorm, sigma),
    }
    return Theorem(**{**made, **change})


NOISE = BoundedVariance(sigma)
BATCH, SAMPLES, PRIVACY = BatchClipping(n), PerSampleClipping(n), PrivacyNoise(zeta)
quadratic = ExpectedQuadratic(level=c, steepness=1 / c, centre=m)


@pytest.mark.parametrize(
    ("rule", "algorithms"),
    [
        (AgainstGradient(), (BATCH, SAMPLES, PRIVACY)),
        (NoisyStep(), (BATCH, PRIVACY)),
        (ClipMoments(), (BATCH,)),
        (quadratic, (BATCH,)),
        (StuckPoint(), (BATCH, SAMPLES, PRIVACY)),
        (PrivateStep(), (BATCH, SAMPLES)),
        (ExpectedPair(), (BATCH, SAMPLES, PRIVACY)),
    ],
)
def test_a_rule_refuses_an_algorithm_that_it_does_not_speak_of(rule: Rule, algorithms: tuple[object, ...]) -> None:
    for other in algorithms:
        theorem = statement(GS(L0, L1), NOISE, ExactGradients(), Symmetric(), other)
        facts = [quadratic.pointwise, ExpectedPair().pointwise]
        with pytest.raises(RuleError, match=r"algorithm|PrivacyNoise"):
            rule.licence(theorem, facts)


def test_hessian_lemma_refuses_what_it_does_not_speak_of() -> None:
    for given in ((GS(L0, L1), NOISE), (HS(L0, L1), ExactGradients()), (HS(L0, L1), NOISE, PRIVACY), (NOISE,)):
        with pytest.raises(RuleError):
            NoisyStepHessian().licence(statement(*given), ())
    licence = NoisyStepHessian().licence(statement(HS(L0, L1), NOISE), ())
    assert licence.gives.rhs.coeff(ClipSecondMoment) != 0
    assert licence.sides[0][1] == sp.Le(L1 * eta * c, 1)


def test_hessian_factor_is_an_upper_bound_and_needed() -> None:
    """``k_u = 2 (e^u - 1 - u)/u^2`` increases to ``2 (e - 2)`` at u = 1; ``e^x`` attains it for every u."""
    with mpmath.workdps(40):
        assert (
            2 * (mpmath.e - 2)
            < mpmath.mpf(HESSIAN_FACTOR.p) / HESSIAN_FACTOR.q
            < 2 * (mpmath.e - 2) + mpmath.mpf("0.001")
        )
        factors = [2 * (mpmath.exp(u) - 1 - u) / u**2 for u in map(mpmath.mpf, ("0.01", "0.3", "0.7", "1"))]
        assert factors == sorted(factors)
    # f = e^x, from 0 by r: L0 = 0, L1 = 1, m = 1.
    for r in np.linspace(0.05, 1, 20):
        change = np.exp(r) - 1
        assert change <= r + float(HESSIAN_FACTOR) * r**2 / 2
        assert change > r + r**2 / 2


def test_private_step_needs_plain_smoothness() -> None:
    licence = PrivateStep().licence(statement(Smooth(L), NOISE, PRIVACY), ())
    assert licence.gives == sp.Le(
        StepChange, -eta * m * Drift + eta**2 / 2 * L * (ClipSecondMoment + zeta**2), evaluate=False
    )
    assert licence.sides[0][1] == sp.true
    assert PrivateStep().licence(statement(GS(L0, L1), NOISE, PRIVACY), ()).sides[0][1] == sp.Eq(L1, 0)


def test_pointwise_pair_is_the_definition_and_cauchy_schwarz() -> None:
    gives = PointwisePair().licence(statement(NOISE), ()).gives
    for a, b, threshold in (((3, 4), (1, 0), 2), ((3, 4), (-3, -4), 5), ((0, 0), (6, 8), 7), ((1, 2), (2, -1), 1)):
        norms = [sp.sqrt(v[0] ** 2 + v[1] ** 2) for v in (a, b)]
        factors = [sp.Min(1, sp.Rational(threshold) / norm) if norm else sp.S.One for norm in norms]
        dot = sp.Integer(a[0] * b[0] + a[1] * b[1])
        values = {pair_a: norms[0], pair_b: norms[1], pair_s: factors[0], pair_t: factors[1], pair_dot: dot}
        values[c] = sp.Integer(threshold)
        assert sp.simplify(gives.xreplace(values)) == True  # noqa: E712
        assert sp.simplify(gives.xreplace({**values, pair_dot: norms[0] * norms[1] + 1})) == False  # noqa: E712


def test_symmetric_drift_is_the_mean_over_pairs() -> None:
    """``4 m Drift`` is the mean of what the rule asks of every pair, checked on random symmetric laws in the plane."""
    generator = np.random.default_rng(7)

    def clip(g: np.ndarray, threshold: float) -> np.ndarray:
        return g * np.minimum(1, threshold / np.linalg.norm(g, axis=1, keepdims=True))

    for _ in range(20):
        gradient, noise = np.array([generator.uniform(0.1, 2), 0.0]), generator.normal(size=(50, 2)) * 3
        a, b = gradient + noise, gradient - noise
        clipped = clip(a, 1.0) + clip(b, 1.0)
        drift = clipped[:, 0].mean() / 2
        pairs = ((a + b) * clipped).sum(1)
        assert (pairs >= -1e-12).all()
        assert pairs.mean() == pytest.approx(4 * gradient[0] * drift)


def test_symmetric_noise_is_needed() -> None:
    with pytest.raises(RuleError, match="Symmetric"):
        ExpectedPair().licence(statement(NOISE), (ExpectedPair().pointwise,))
    with pytest.raises(RuleError, match="needs the fact"):
        ExpectedPair().licence(statement(Symmetric()), ())


def test_a_batch_is_one_sample_of_less_noise() -> None:
    given = BatchMean.assumptions((GS(L0, L1), NOISE, Symmetric(), ExactGradients(), BATCH))
    assert given == (GS(L0, L1), BoundedVariance(sigma / sp.sqrt(n)), ExactGradients())
    for other in ((NOISE,), (NOISE, SAMPLES), (NOISE, PRIVACY)):
        assert BatchMean.assumptions(other) is None


def test_sample_by_sample_is_for_drifts_alone() -> None:
    assert SampleBySample.allows((NOISE, SAMPLES, PRIVACY), Drift)
    assert not SampleBySample.allows((NOISE, BATCH), Drift)
    assert not SampleBySample.allows((NOISE, SAMPLES), StuckGradientNorm)


@pytest.mark.parametrize(
    ("given", "cited", "allowed"),
    [
        ((NOISE, SAMPLES), simple_drift, True),
        ((NOISE, PRIVACY), simple_drift, True),
        ((NOISE, SAMPLES), exact_bias, False),
        ((GS(L0, L1), NOISE, SAMPLES), upper, False),
        ((GS(L0, L1), NOISE, PRIVACY), upper, False),
        ((GS(L0, L1), NOISE, SAMPLES), batch, False),
        ((GS(L0, L1), NOISE), batch, False),
        ((Smooth(L), NOISE, SAMPLES), private, False),
        ((Smooth(L), NOISE), private, False),
    ],
)
def test_a_theorem_is_cited_for_its_own_algorithm(given: tuple[object, ...], cited: Theorem, allowed: bool) -> None:
    theorem = statement(*given, when=cited.conditions, claim=cited.claim, where=cited.where, proof=[Cite("it", cited)])
    failures = [o.failure for o in unroll(theorem).obligations if o.failure]
    assert bool(failures) is not allowed
    assert allowed or "another algorithm" in failures[0]


@pytest.fixture(scope="module")
def pool() -> Iterator[SolverPool]:
    with SolverPool() as solvers:
        yield solvers


@pytest.mark.slow
@pytest.mark.parametrize(("less", "verdict"), [(zeta / 2, "proved"), (2 * zeta, "broken_proof")])
def test_added_noise_may_only_shrink(less: sp.Expr, verdict: str, pool: SolverPool) -> None:
    assert implication([PrivacyNoise(less)], PRIVACY) == (sp.Le(less**2, zeta**2),)
    given = [*private.given[:-1], PrivacyNoise(less)]
    theorem = statement(
        *given,
        where=private.where,
        when=private.when,
        claim=private.claim,
        proof=[Cite("S4", private, from_=["theta"])],
    )
    (result,) = check([theorem], pool=pool)
    assert result.verdict == verdict


def test_contradictions_are_sought_for_one_algorithm_only(pool: SolverPool) -> None:
    """S3's bias does not hold for DP-SGD, and its lower bound S2-T does not either."""
    assert same_algorithm(private, private)
    assert not same_algorithm(private, upper)
    assert not same_algorithm(upper, batch)
    small = statement(NOISE, SAMPLES, claim=Upper(StuckGradientNorm, sigma**2 / (9 * c)))
    assert check([small], pool=pool)[0].verdict == "no_proof"


@pytest.mark.parametrize("given", [(BATCH, SAMPLES), (BATCH, PRIVACY), (SAMPLES, PerSampleClipping(2 * n))])
def test_two_algorithms_are_refused(given: tuple[object, ...]) -> None:
    with pytest.raises(StatementError, match="states two algorithms"):
        statement(NOISE, *given)


@pytest.mark.parametrize("number", [sigma / c, sp.Rational(1, 2), sp.Integer(0), 2 * L1 / L1 - 3])
def test_a_number_of_samples_is_a_positive_integer(number: sp.Expr) -> None:
    for kind in (BatchClipping, PerSampleClipping):
        with pytest.raises(StatementError, match="positive integer"):
            statement(NOISE, kind(number))


def test_two_smoothness_assumptions_are_one_with_a_slope_and_one_without() -> None:
    both = statement(Smooth(L), GS(L0, L1), ExactGradients())
    assert both.smoothness == GS(L0, L1)
    for pair in ((GS(L0, L1), HS(L0, L1)), (Smooth(L), Smooth(L0))):
        with pytest.raises(StatementError, match="two smoothness assumptions"):
            statement(*pair, ExactGradients())


def test_algorithms_are_shown_and_substituted() -> None:
    for assumption in (BATCH, SAMPLES, PRIVACY):
        assert assumption.about == "algorithm"
        assert assumption.latex
    assert SAMPLES.substitute({n: 2 * n}) == PerSampleClipping(2 * n)
    assert Floor(Drift, 0).relation == sp.Ge(Drift, 0, evaluate=False)

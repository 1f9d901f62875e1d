"""Planted faults of reasoning: each would prove something false if one check of the prover were missing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest
import sympy as sp

from harness.prove import CheckResult, check
from harness.prove.solve import SolverPool
from harness.prove.unroll import unroll
from theorems.language import (
    F0,
    GRADIENT,
    GS,
    L0,
    L1,
    ONE,
    Average,
    AverageGradientNorm,
    BoundedVariance,
    Case,
    Cite,
    Convex,
    Domain,
    Drift,
    Eq,
    ExactGradients,
    Exactly,
    Implies,
    Instance,
    Jensen,
    L,
    Lower,
    Max,
    Min,
    Parameter,
    Piecewise,
    Rational,
    Smooth,
    Source,
    SpecialCase,
    Split,
    Step,
    StepChange,
    StuckGradientNorm,
    Symmetric,
    T,
    Telescope,
    Theorem,
    Upper,
    Witness,
    c,
    eta,
    m,
    sigma,
    sqrt,
)
from theorems.sharp.d0_descent import descent
from theorems.sharp.d1_nonconvex import Q, definitions, nonconvex, theta
from theorems.sharp.s1_drift import drift
from theorems.sharp.s1_simple_drift import simple_drift
from theorems.sharp.s2_bias import bias, exact_bias
from theorems.sharp.s2t_trajectory import trajectory

G = StuckGradientNorm
FALSE = sigma / 1000  # no bound on the gradient norm of stuck points


@pytest.fixture(scope="module")
def pool() -> Iterator[SolverPool]:
    with SolverPool() as solvers:
        yield solvers


def one(theorem: Theorem, pool: SolverPool) -> CheckResult:
    # The argument itself is on trial: hardly anything is there to contradict it.
    return check([theorem], pool=pool, catalogue={"S2": exact_bias}, confirm_contradictions=False)[0]


def statement(**change: object) -> Theorem:
    made: dict[str, object] = {
        "name": "mine",
        "source": Source("tests", "1"),
        "given": [BoundedVariance(sigma)],
        "when": [],
        "claim": Upper(G, FALSE),
    }
    return Theorem(**{**made, **change})  # type: ignore[arg-type]


def average_read_at_one_point() -> Theorem:
    """D1 without c/4: the case m <= c holds at the point at hand, and the average is over all points."""
    decrease, rate, bound = m * Min(m, c), (1 - theta / 2) * eta, Max(sqrt(Q), Q / c)
    return statement(
        given=[GS(L0, L1), ExactGradients()],
        where=definitions,
        when=[theta <= 1],
        claim=Upper(AverageGradientNorm, bound),
        proof=[
            Cite("descent", descent, from_=["theta"]),
            Step("step", gives=StepChange <= -rate * decrease, from_=["descent", "theta"]),
            Step("sum", by=Telescope(decrease, rate), from_=["step"]),
            Step("budget", gives=Average(decrease) <= Q, from_=["sum", "Q", "theta"]),
            Step("square", by=Jensen(m**2, 2 * m)),
            Step("line", by=Jensen(c * m, c)),
            Split(
                "solve",
                gives=AverageGradientNorm <= bound,
                cases=[Case(m <= c, ["budget", "square"]), Case(m >= c, ["budget", "line"])],
            ),
        ],
    )


def instance_of_the_threshold() -> Theorem:
    """The bias vanishes for large c: true, and no licence to choose c."""
    return statement(
        proof=[
            Cite("bias", exact_bias),
            Step("light", gives=sigma**2 / (4 * c) >= G, from_=["bias"]),
            Step("large", by=Instance(c, 1000 * sigma, sigma > 0), from_=["light"]),
            Split("claim", gives=G <= FALSE, cases=[Case(sigma > 0, ["large"]), Case(Eq(sigma, 0), ["light"])]),
        ]
    )


def hypothesis_against_a_domain() -> Theorem:
    """k is declared positive and is sigma - c; the condition says that it is not, which proves everything."""
    k = Parameter("k", GRADIENT)
    return statement(
        where={k: sigma - c}, when=[k * (k**2 - k * c + c**2) <= 0], proof=[Step("claim", gives=G <= FALSE)]
    )


def quotient_by_zero() -> Theorem:
    """At sigma = 0 the quotient is read as 0 inside a Piecewise and as c + sigma outside."""
    bound = Piecewise((sigma**2 / (4 * c), sigma > 0), (-c, True))
    quotient = (sigma * c + sigma**2) / sigma
    return statement(
        claim=Upper(G, bound),
        proof=[
            Cite("bias", exact_bias),
            Step("light", gives=sigma**2 / (4 * c) >= G, from_=["bias"]),
            Step("zero", gives=Eq(Piecewise((quotient, sigma <= 0), (0, True)), 0, evaluate=False)),
            Split("claim", gives=bound >= G, cases=[Case(sigma > 0, ["light"]), Case(sigma <= 0, ["zero"])]),
        ],
    )


def instance_of_a_quotient() -> Theorem:
    """sigma/y is any number at y = 0, also 0 where sigma = 0; with y = sigma it becomes 1."""
    y = Parameter("y", GRADIENT, Domain.NONNEGATIVE)
    bound = Piecewise((sigma**2 / (4 * c), sigma > 0), (-c, True))
    return statement(
        claim=Upper(G, bound),
        proof=[
            Cite("bias", exact_bias),
            Step("light", gives=sigma**2 / (4 * c) >= G, from_=["bias"]),
            Step("any", gives=Implies(Eq(y, 0) & Eq(sigma, 0), Eq(sigma / y, 0))),
            Step("never", by=Instance(y, sigma), from_=["any"]),
            Step("claim", gives=bound >= G, from_=["light", "never"]),
        ],
    )


def letter_that_writes_queries() -> Theorem:
    """A comment line of a query ends where the name of a letter says so."""
    evil = Parameter("N\n(assert false)\n;", ONE, Domain.POSITIVE_INTEGER)
    return statement(proof=[Step("fact", gives=evil * c >= c - sigma), Step("claim", gives=G <= FALSE, from_=["fact"])])


def variance_of_either_sign() -> Theorem:
    """E|noise|^2 <= (c - sigma)^2 says nothing of c - sigma <= c."""
    return statement(
        given=[BoundedVariance(c - sigma)],
        claim=Upper(G, c / 4),
        proof=[Cite("bias", exact_bias, {sigma: c}), Step("claim", gives=c / 4 >= G, from_=["bias"])],
    )


TAU = Parameter("tau", GRADIENT, Domain.NONNEGATIVE)


def small_noise(name: str = "small_noise") -> Theorem:
    """True: tau is a tenth of sigma here."""
    return statement(
        name=name,
        given=[BoundedVariance(TAU)],
        where={TAU: sigma / 10},
        claim=Upper(G, sigma / 10),
        proof=[Cite("bias", exact_bias, {sigma: TAU}), Step("claim", gives=sigma / 10 >= G, from_=["bias", "tau"])],
    )


def assumption_under_another_meaning() -> Theorem:
    """tau is sigma here."""
    return statement(
        given=[BoundedVariance(TAU)],
        where={TAU: sigma},
        claim=Upper(G, sigma / 10),
        proof=[Cite("claim", small_noise())],
    )


def another_theorem_of_the_name() -> Theorem:
    """The report would say that S2 is cited."""
    return statement(
        claim=Upper(G, sigma),
        proof=[
            Cite("bias", statement(name="S2", claim=Upper(G, sigma), proof=[Cite("claim", exact_bias)])),
            Step("claim", gives=sigma >= G, from_=["bias"]),
        ],
    )


# Each argument, and where it breaks.
PROOFS = [
    (average_read_at_one_point, "solve: m <= c"),
    (instance_of_the_threshold, "c is not a letter that the proof introduced"),
    (hypothesis_against_a_domain, "definition of k"),
    (quotient_by_zero, "zero: is defined"),
    (instance_of_a_quotient, "any: is defined"),
    (letter_that_writes_queries, "claim: "),
    (variance_of_either_sign, "BoundedVariance(sigma) holds"),
    (assumption_under_another_meaning, "BoundedVariance(tau) holds"),
    (another_theorem_of_the_name, "two statements are named S2"),
]


@pytest.mark.parametrize(("make", "reason"), PROOFS, ids=[make.__name__ for make, _ in PROOFS])
def test_a_false_argument_breaks(make: Callable[[], Theorem], reason: str, pool: SolverPool) -> None:
    result = one(make(), pool)
    assert result.verdict == "broken_proof", result.reason
    assert reason in result.reason


def test_what_the_faults_are_planted_in_is_sound(pool: SolverPool) -> None:
    """Without the fault the same arguments go through."""
    assert one(small_noise(), pool).verdict == "proved"
    light = statement(claim=Upper(G, sigma**2 / (4 * c)), proof=[Cite("bias", exact_bias), _light("bias")])
    assert one(light, pool).verdict == "proved"


def _light(fact: str) -> Step:
    return Step("light", gives=sigma**2 / (4 * c) >= G, from_=[fact])


# -- attainment ----------------------------------------------------------------------------------------------------

ATTAINED = {
    "noise that is not symmetric": statement(
        given=[BoundedVariance(sigma), Symmetric()], claim=Lower(G, bias), witness=exact_bias.witness
    ),
    "noise where there is none": statement(
        given=[BoundedVariance(sigma), ExactGradients()], claim=Lower(G, bias), witness=exact_bias.witness
    ),
    "the larger of two variances": statement(
        given=[BoundedVariance(2 * sigma), BoundedVariance(sigma)],
        claim=Lower(G, bias.xreplace({sigma: 2 * sigma})),
        witness=[
            dataclasses.replace(
                witness,
                start=sp.sympify(witness.start).xreplace({sigma: 2 * sigma}),
                noise_parameters={k: v.xreplace({sigma: 2 * sigma}) for k, v in witness.noise_parameters.items()},
                when=tuple(condition.xreplace({sigma: 2 * sigma}) for condition in witness.when),
            )
            for witness in exact_bias.witness
        ],
    ),
    "an objective that is not smooth enough": statement(
        given=[Smooth(L), BoundedVariance(sigma)], claim=Lower(G, bias), witness=exact_bias.witness
    ),
    "a start that is too high": dataclasses.replace(trajectory, when=[*trajectory.when, Eq(F0, 0)]),
    "a curvature beyond L": dataclasses.replace(trajectory, given=[Smooth(L / 2), BoundedVariance(sigma)]),
    "weaker noise than the cited": dataclasses.replace(
        trajectory, witness=[dataclasses.replace(trajectory.witness[0], noise_parameters={"sigma": sigma / 2})]
    ),
    "a run that need not attain": dataclasses.replace(
        nonconvex, claim=Exactly(AverageGradientNorm, nonconvex.claim.bound)
    ),
    "a witness for some parameters": dataclasses.replace(
        trajectory, witness=[dataclasses.replace(trajectory.witness[0], when=(sigma <= c,))]
    ),
    "a probability of one": statement(
        claim=Lower(G, sp.Integer(0)),
        witness=[
            Witness(
                "w",
                "quadratic",
                {"curvature": Rational(1)},
                "two_point",
                {"up": sigma, "probability": c / (c + sigma)},
                sp.Integer(0),
            )
        ],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTAINED)
def test_attainment_is_shown_by_a_problem_of_the_class(name: str, pool: SolverPool) -> None:
    result = one(ATTAINED[name], pool)
    # That one is false as well, and S2 for the smaller variance says so.
    assert result.verdict == ("refuted" if name == "the larger of two variances" else "broken_proof"), result.reason
    fallen = [o.name for o in result.obligations if o.kind == "witness" and o.verdict in ("refuted", "fails")]
    fallen += [o.name for o in result.obligations if "attains it" in o.name and o.verdict == "refuted"]
    assert fallen, [(o.name, o.verdict) for o in result.obligations]


def test_attainment_under_more_assumptions_that_hold(pool: SolverPool) -> None:
    heavy = exact_bias.witness[1]
    theorem = statement(
        given=[BoundedVariance(sigma), Symmetric(), Smooth(L), Convex()],
        when=[L >= 1 * L, sigma > 2 * c],
        claim=Lower(G, sp.Integer(0)),
        witness=[dataclasses.replace(heavy, start=sp.Integer(0), objective_parameters={"curvature": L})],
    )
    assert one(theorem, pool).verdict == "proved"


def test_an_abbreviated_assumption_is_not_any_number(pool: SolverPool) -> None:
    """tau is ten sigma, so S2 for sigma does not forbid that its bias for tau is attained."""
    theorem = statement(
        given=[BoundedVariance(TAU)], where={TAU: 10 * sigma}, claim=Lower(G, bias.xreplace({sigma: 10 * sigma}))
    )
    assert one(theorem, pool).verdict == "broken_proof"  # it has no witness, and nothing speaks against it


# -- consequences, hypotheses, citations -----------------------------------------------------------------------------


def test_a_special_case_stays_in_the_domain(pool: SolverPool) -> None:
    case = SpecialCase("negative threshold", gives=-sigma / 4 >= G, at={c: -sigma}, when=[sigma > 0])
    theorem = statement(
        claim=Upper(G, sigma**2 / (4 * c)), proof=[Cite("bias", exact_bias), _light("bias")], special_cases=[case]
    )
    assert one(theorem, pool).verdict == "broken_proof"


def test_a_special_case_of_a_lower_claim_is_a_lower_claim(pool: SolverPool) -> None:
    for gives, verdict in ((bias / 2 >= G, "broken_proof"), (bias / 3 <= G, "proved")):
        theorem = statement(
            claim=Lower(G, bias / 2), witness=exact_bias.witness, special_cases=[SpecialCase("case", gives=gives)]
        )
        assert one(theorem, pool).verdict == verdict


def test_no_integer_lies_between(pool: SolverPool) -> None:
    between = [Rational(3, 2) <= T, Rational(7, 4) >= T]
    assert one(statement(when=between), pool).verdict == "vacuous"
    assert one(statement(when=[Rational(3, 2) <= T, Rational(9, 4) >= T]), pool).verdict == "no_proof"


def test_hypotheses_are_defined(pool: SolverPool) -> None:
    result = one(statement(when=[c / sigma >= 1]), pool)
    assert result.verdict == "broken_proof"
    assert "hypothesis" in result.reason


def test_a_bound_without_a_branch_is_no_bound(pool: SolverPool) -> None:
    result = one(statement(claim=Upper(G, Piecewise((sigma, sigma <= c)))), pool)
    assert result.verdict == "broken_proof"
    assert "the bound is defined" in result.reason


def test_a_proof_that_rests_on_itself(pool: SolverPool) -> None:
    first, second = statement(name="first"), statement(name="second")
    for theorem, cited in ((first, second), (second, first)):
        object.__setattr__(theorem, "proof", (Cite("claim", cited),))
    results = check([first, second], pool=pool, catalogue={}, confirm_contradictions=False)
    assert [r.verdict for r in results] == ["broken_proof", "broken_proof"]
    assert "used in its own proof" in str([o.reason for r in results for o in r.obligations])


def test_a_side_condition_hears_nothing_of_the_point_at_hand() -> None:
    """Jensen asks of all m and M; what S1 says of the visited point must not help it."""
    theorem = statement(
        proof=[
            Cite("drift", simple_drift),
            Step("impure", gives=m * Drift + sigma**2 >= 0, from_=["drift"]),
            Step("pure", gives=m**2 + c**2 >= 2 * m * c),
            Step("jensen", by=Jensen(m**2, 2 * m), from_=["impure", "pure"]),
            Step("claim", gives=G <= FALSE, from_=["jensen"]),
        ]
    )
    (side,) = (o for o in unroll(theorem).obligations if o.kind == "side condition")
    assert side.query is not None
    assert side.query.facts == (m**2 + c**2 >= 2 * m * c,)


def test_a_citation_moves_a_quantity_only_with_its_point(pool: SolverPool) -> None:
    """At another m the drift is another number; for a larger sigma it is the same number."""
    wider = drift.bound.xreplace({sigma: 2 * sigma})
    same = statement(
        claim=dataclasses.replace(simple_drift.claim, bound=wider), proof=[Cite("claim", drift, {sigma: 2 * sigma})]
    )
    assert one(same, pool).verdict == "proved"
    narrower = drift.bound.xreplace({sigma: sigma / 2})
    less = dataclasses.replace(
        same, claim=dataclasses.replace(same.claim, bound=narrower), proof=[Cite("claim", drift, {sigma: sigma / 2})]
    )
    assert one(less, pool).verdict == "broken_proof"

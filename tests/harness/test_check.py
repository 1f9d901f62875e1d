"""The prover's words: true statements proved by both solvers, false ones felled the way they say, no step idle."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import pytest
import sympy as sp

from harness.prove import CheckResult, check
from harness.prove.cache import AnswerCache
from harness.prove.encode import EncodeError, Query, encode
from harness.prove.solve import SolverPool
from harness.prove.unroll import unroll
from theorems.catalogue import load_catalogue
from theorems.language import (
    GRADIENT,
    L0,
    L1,
    AverageGradientNorm,
    BoundedVariance,
    Case,
    Cite,
    Drift,
    ExactGradients,
    Exactly,
    Jensen,
    L,
    Lower,
    Min,
    Parameter,
    Rational,
    Smooth,
    Source,
    SpecialCase,
    Split,
    Step,
    StepChange,
    StuckGradientNorm,
    Theorem,
    Upper,
    Witness,
    c,
    eta,
    m,
    sigma,
)
from theorems.language.proof import ProofItem, references
from theorems.sharp.d0_descent import descent
from theorems.sharp.s1_drift import drift
from theorems.sharp.s2_bias import bias, exact_bias

CATALOGUE = load_catalogue()
TRUE = [t for t in CATALOGUE.values() if t.expect == "true" and (t.proof or t.claim.attained)]
OPEN = [t for t in CATALOGUE.values() if t.expect == "true" and t not in TRUE]
ALGEBRA = [t for t in CATALOGUE.values() if t.expect != "true" and t.falls_by != "search"]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SolverPool]:
    # Theorems cite one another; what was asked once in this module need not be asked again.
    with SolverPool(cache=AnswerCache(tmp_path_factory.mktemp("answers"))) as solvers:
        yield solvers


def one(theorem: Theorem, pool: SolverPool) -> CheckResult:
    return check([theorem], pool=pool)[0]


def statement(**change: object) -> Theorem:
    made = {
        "name": "mine",
        "source": Source("tests", "1"),
        "given": [BoundedVariance(sigma)],
        "when": [],
        "claim": Upper(StuckGradientNorm, sigma),
    }
    return Theorem(**{**made, **change})


LONG_PROOFS = {
    "K23_2_3_O",
    "K23_3_3",
    "K23_3_3_O",
    "K23_3_3_light_O",
    "K23_3_3_by_S3",
    "K23_3_3_by_S3_small",
    "K23_lower_run_O",
    "S3_small_HS",
    "Zhang_2020",
}
"""Their proofs take both solvers some four seconds each."""


@pytest.mark.parametrize(
    "theorem",
    [pytest.param(t, marks=pytest.mark.slow) if t.name in LONG_PROOFS else t for t in TRUE],
    ids=lambda t: t.name,
)
def test_true_statements_are_proved_by_both_solvers(theorem: Theorem, pool: SolverPool) -> None:
    result = one(theorem, pool)
    assert result.verdict == "proved", [(o.name, o.verdict, o.reason) for o in result.obligations if not o.passed]


@pytest.mark.parametrize("theorem", ALGEBRA, ids=lambda t: t.name)
def test_false_statements_fall_as_they_say(theorem: Theorem, pool: SolverPool) -> None:
    result = one(theorem, pool)
    assert result.verdict == theorem.expect, result.reason


@pytest.mark.parametrize("theorem", OPEN, ids=lambda t: t.name)
def test_true_statements_without_a_proof_are_left_open(theorem: Theorem, pool: SolverPool) -> None:
    """The catalogue does not contradict them: most are weaker than what is proved."""
    # The exact rate of gradient descent is shown by performance estimation, which no rule here speaks of.
    assert theorem.name.startswith("planted") or theorem.name == "GD_exact"
    assert one(theorem, pool).verdict == "no_proof"


@pytest.mark.slow
def test_what_only_search_can_refute_is_left_to_it(pool: SolverPool) -> None:
    for theorem in CATALOGUE.values():
        if theorem.falls_by == "search":
            assert one(theorem, pool).verdict == "no_proof"


def test_refuted_by_algebra_shows_exact_numbers(pool: SolverPool) -> None:
    result = one(CATALOGUE["planted_bias_one_fifth"], pool)
    found = next(o for o in result.obligations if o.kind == "catalogue")
    assert found.model is not None
    assert result.confirmation is not None
    assert result.confirmation.status == "refuted"


def without(theorem: Theorem, index: int) -> Theorem:
    """The theorem without one step, and without the references to it and the steps that only it needed."""
    gone = theorem.proof[index].name

    def kept(names: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in names if name != gone)

    rest: list[ProofItem] = []
    for item in (*theorem.proof[:index], *theorem.proof[index + 1 :]):
        if isinstance(item, Split):
            cases = [Case(case.when, kept(case.from_)) for case in item.cases]
            rest.append(dataclasses.replace(item, from_=kept(item.from_), cases=cases))
        else:
            rest.append(dataclasses.replace(item, from_=kept(item.from_)))
    while True:
        used = {name for item in rest for name in references(item)}
        needed = [item for item in rest if item.name in used or item is rest[-1]]
        if len(needed) == len(rest):
            return dataclasses.replace(theorem, proof=rest)
        rest = needed


def certainly_broken(theorem: Theorem, known: set[Query | None], pool: SolverPool) -> bool:
    """Whether a rule refuses, or one solver finds a countermodel of a query that is not among the known ones."""
    for obligation in unroll(theorem).obligations:
        if obligation.failure is not None:
            return True
        if obligation.query is None or obligation.query in known:
            continue
        try:
            text = encode(obligation.query).text
        except EncodeError:
            return True
        if pool.ask_z3(text, 2.0).outcome == "sat":
            return True
    return False


@pytest.mark.parametrize("theorem", [t for t in TRUE if t.proof], ids=lambda t: t.name)
def test_no_proof_survives_the_loss_of_a_step(theorem: Theorem, pool: SolverPool) -> None:
    known = {obligation.query for obligation in unroll(theorem).obligations}
    for index, item in enumerate(theorem.proof):
        shorter = without(theorem, index)
        if not shorter.proof or certainly_broken(shorter, known, pool):
            continue
        assert one(shorter, pool).verdict != "proved", f"step {item.name!r} is idle"


PLANTED_PROOFS = {
    "a wrong constant": [Step("a", gives=StuckGradientNorm <= sigma / 2)],
    "a case that is missing": [
        Split("a", gives=StuckGradientNorm <= sigma, cases=[Case(sigma <= c)]),
    ],
    "a citation at another point": [
        Cite("drift", drift, {m: StuckGradientNorm + sigma}),
        Step("a", gives=StuckGradientNorm <= sigma, from_=["drift"]),
    ],
    "a citation without its hypotheses": [
        Cite("descent", descent),
        Step("a", gives=StuckGradientNorm <= sigma, from_=["descent"]),
    ],
    "attainment used as a bound": [
        Cite("drift", drift, attained=True),
        Step("a", gives=StuckGradientNorm <= sigma, from_=["drift"]),
    ],
    "a concave function in Jensen": [
        Step("jensen", by=Jensen(Min(m, c), sp.Piecewise((1, m <= c), (0, True)))),
        Step("a", gives=StuckGradientNorm <= sigma, from_=["jensen"]),
    ],
    "division by what may vanish": [
        Step("divide", gives=sp.Eq(sigma / sigma, 1, evaluate=False)),
        Step("a", gives=StuckGradientNorm <= sigma, from_=["divide"]),
    ],
}


@pytest.mark.parametrize("name", PLANTED_PROOFS)
def test_a_planted_proof_never_proves(name: str, pool: SolverPool) -> None:
    result = one(statement(proof=PLANTED_PROOFS[name], claim=Upper(StuckGradientNorm, sigma)), pool)
    assert result.verdict in ("broken_proof", "unknown")
    assert not result.proved


@pytest.mark.parametrize(
    ("under", "verdict"),
    [(sigma <= 2 * c, "proved"), (sigma <= 3 * c, "broken_proof"), (StuckGradientNorm <= c, "broken_proof")],
)
def test_a_citation_under_a_condition(under: sp.Basic, verdict: str, pool: SolverPool) -> None:
    """Its hypotheses are asked for under the condition, and it gives nothing elsewhere."""
    light = statement(
        name="light",
        when=[sigma <= 2 * c],
        claim=Upper(StuckGradientNorm, c),
        proof=[Cite("S2", exact_bias), Step("claim", gives=StuckGradientNorm <= c, from_=["S2"])],
    )
    both = [
        Cite("light", light, under=under),
        Cite("S2", exact_bias),
        Split(
            "claim",
            gives=StuckGradientNorm <= sp.Max(c, sigma),
            cases=[Case(sigma <= 2 * c, ["light"]), Case(sigma > 2 * c, ["S2"])],
        ),
    ]
    assert one(statement(claim=Upper(StuckGradientNorm, sp.Max(c, sigma)), proof=both), pool).verdict == verdict
    careless = [Cite("light", light, under=under), Step("claim", gives=StuckGradientNorm <= c, from_=["light"])]
    assert not one(statement(claim=Upper(StuckGradientNorm, c), proof=careless), pool).proved


def test_drift_at_another_point_is_another_number(pool: SolverPool) -> None:
    """Two citations of S1 at different points must not be mixed into one."""
    proof = [
        Cite("here", drift, {m: StuckGradientNorm}),
        Cite("there", drift, {m: StuckGradientNorm + c}),
        Step("a", gives=Drift.at(m=StuckGradientNorm) >= Drift.at(m=StuckGradientNorm + c), from_=["here", "there"]),
        Step("b", gives=StuckGradientNorm <= sigma, from_=["a"]),
    ]
    assert one(statement(proof=proof), pool).verdict == "broken_proof"


def test_weaker_than_true_is_never_refuted(pool: SolverPool) -> None:
    for bound in (sigma, sigma**2 / (4 * c), sigma**2 / (3 * c), bias + c):
        assert one(statement(claim=Upper(StuckGradientNorm, bound)), pool).verdict == "no_proof"


def test_an_attained_claim_that_leaves_the_start_open_is_never_refuted(pool: SolverPool) -> None:
    """Some problem, from far enough away, has as large a gradient as one likes: no bound by F0 forbids that."""
    far = statement(given=[Smooth(L), BoundedVariance(sigma)], claim=Lower(AverageGradientNorm, 2 * sigma))
    assert one(dataclasses.replace(far, when=(eta * L < 1,)), pool).verdict != "refuted"


def test_near_misses_of_a_constant_are_refuted(pool: SolverPool) -> None:
    for factor in (Rational(99, 100), Rational(95, 100)):
        result = one(statement(claim=Upper(StuckGradientNorm, factor * bias)), pool)
        assert result.verdict == "refuted", result.reason


def test_a_run_must_show_a_contradiction_before_the_word_refuted(pool: SolverPool) -> None:
    theorem = statement(claim=Upper(StuckGradientNorm, sigma / 3))
    (result,) = check([theorem], pool=pool, confirm_contradictions=False)
    assert result.verdict != "refuted"
    assert any("was not run" in o.reason for o in result.obligations)


def test_a_lower_claim_needs_a_witness_that_attains_it(pool: SolverPool) -> None:
    good = statement(claim=Lower(StuckGradientNorm, bias), witness=exact_bias.witness)
    assert one(good, pool).verdict == "proved"
    beyond = statement(claim=Lower(StuckGradientNorm, bias * Rational(101, 100)), witness=exact_bias.witness)
    assert one(beyond, pool).verdict in ("broken_proof", "refuted")
    assert one(statement(claim=Exactly(StuckGradientNorm, bias)), pool).verdict == "broken_proof"


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("mean", {"up": 2 * c, "probability": sigma**2 / (sigma**2 + 8 * c**2)}),
        ("variance", {"up": 3 * c, "probability": sigma**2 / (sigma**2 + 4 * c**2)}),
        ("names", {"upwards": 2 * c, "probability": Rational(1, 2)}),
    ],
)
def test_a_wrong_witness_is_caught(name: str, numbers: dict[str, sp.Expr], pool: SolverPool) -> None:
    witness = Witness("w", "quadratic", {"curvature": Rational(1)}, "two_point", numbers, sigma**2 / (4 * c))
    theorem = statement(claim=Lower(StuckGradientNorm, sigma**2 / (4 * c)), when=[sigma <= 2 * c], witness=[witness])
    assert one(theorem, pool).verdict == "broken_proof"


def test_special_cases_must_follow(pool: SolverPool) -> None:
    case = SpecialCase("too good", gives=StuckGradientNorm <= sigma / 5)
    result = one(dataclasses.replace(exact_bias, special_cases=(case,)), pool)
    assert result.verdict == "broken_proof"
    assert "special case: too good" in result.reason


def test_hidden_vacuity_and_units(pool: SolverPool) -> None:
    k = Parameter("k", GRADIENT)
    assert one(statement(when=[eta * L <= 1, eta * L >= 2], given=[Smooth(L)]), pool).verdict == "vacuous"
    two_deep = statement(where={k: sigma + c}, when=[k <= c / 2])
    assert one(two_deep, pool).verdict == "vacuous"
    assert one(statement(when=[sigma <= c**2]), pool).verdict == "ill_formed"
    assert one(statement(claim=Upper(StuckGradientNorm, sigma**2)), pool).verdict == "ill_formed"


def test_an_abbreviation_outside_its_domain_breaks_the_proof(pool: SolverPool) -> None:
    k = Parameter("k", GRADIENT)  # declared positive, but sigma - c may be negative
    theorem = statement(
        where={k: sigma - c},
        claim=Upper(StuckGradientNorm, sigma),
        proof=[Step("a", gives=sigma >= c, from_=["k"]), Step("b", gives=StuckGradientNorm <= sigma, from_=["a"])],
    )
    assert one(theorem, pool).verdict == "broken_proof"


def test_a_theorem_is_no_better_than_what_it_cites(pool: SolverPool) -> None:
    shaky = statement(name="shaky", claim=Upper(StuckGradientNorm, sigma))
    theorem = statement(proof=[Cite("claim", shaky)])
    result = one(theorem, pool)
    assert result.verdict == "broken_proof"
    assert "shaky is no_proof" in result.reason


@pytest.mark.parametrize(("factor", "verdict"), [(2, "proved"), (Rational(1, 2), "broken_proof")])
def test_smoothness_constants_may_only_grow(factor: sp.Rational, verdict: str, pool: SolverPool) -> None:
    """GS(L0, L1) follows from L-smoothness if L <= L0, and not otherwise; the quantity stays that of our problem."""
    changed = {L0: factor * L, L1: sp.Integer(0)}
    relation = StepChange <= descent.bound.xreplace(changed)
    theorem = statement(
        given=[Smooth(L), ExactGradients()],
        when=[2 * eta * L <= 1],
        claim=Upper(StepChange, relation.rhs),
        proof=[Cite("descent", descent, changed), Step("claim", gives=relation, from_=["descent"])],
    )
    assert one(theorem, pool).verdict == verdict

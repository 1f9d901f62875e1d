"""Unroll a proof into queries: what each step builds on, what it claims, and whether it is pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import sympy as sp
from sympy.logic.boolalg import And, Boolean, Implies, Or

from harness.prove.encode import Query
from theorems.language import parameters as letters
from theorems.language.assumptions import (
    GS,
    HS,
    Assumption,
    BoundedVariance,
    ExactGradients,
    PrivacyNoise,
    Symmetric,
    algorithm,
)
from theorems.language.parameters import Domain, Parameter
from theorems.language.proof import Cite, ProofItem, Smt, Split, Step
from theorems.language.quantities import At, Average, Drift, Quantity, at
from theorems.language.rules import FIXED, SAMPLE, RuleError
from theorems.language.rules_sampling import BatchMean, SampleBySample
from theorems.language.theorem import Theorem
from theorems.language.walk import conjuncts, definedness


@dataclass(frozen=True)
class Fact:
    """A relation that the proof has reached. A pure one holds for all real values of its letters."""

    relation: Boolean
    pure: bool


@dataclass(frozen=True)
class Obligation:
    """One thing that must hold of a statement.

    Either ``query`` is to be shown by the solvers, or ``failure`` already says why it cannot hold (``None``: it holds).
    """

    name: str
    kind: str
    query: Query | None = None
    failure: str | None = None
    says: str = ""


@dataclass
class Unrolled:
    """The obligations of a proof, the rules it trusts and the theorems it cites."""

    obligations: list[Obligation] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    cited: list[Theorem] = field(default_factory=list)


def unroll(theorem: Theorem) -> Unrolled:
    """All obligations of the theorem's own proof, in the order of its steps; nothing if no proof is given."""
    result = Unrolled()
    if not theorem.proof:
        return result
    hypotheses = tuple(Fact(condition, True) for condition in theorem.when)
    facts: dict[str, tuple[Fact, ...]] = {
        symbol.name: (Fact(sp.Eq(symbol, definition, evaluate=False), True),)
        for symbol, definition in theorem.where.items()
    }
    for item in theorem.proof:
        used = [fact for name in item.from_ for fact in facts[name]]
        if isinstance(item, Split):
            facts[item.name] = _split(item, hypotheses, used, facts, result)
        elif isinstance(item, Cite):
            facts[item.name] = _cite(theorem, item, (*hypotheses, *used), result)
        else:
            facts[item.name] = _step(theorem, item, hypotheses, used, result)
    last = theorem.proof[-1]
    result.obligations.append(_conclusion(theorem, last, facts[last.name]))
    return result


def _conclusion(theorem: Theorem, last: ProofItem, reached: tuple[Fact, ...]) -> Obligation:
    goal = theorem.claim.relation
    facts = _relations(reached)
    if _contains(facts, goal):
        return Obligation("conclusion", "conclusion", says=f"Step '{last.name}' is the claim.")
    # Another wording of the same relation is fine, if the solvers say so.
    query = Query("conclusion", facts, goal, meaning="the last step implies the claim")
    return Obligation("conclusion", "conclusion", query, says=f"Step '{last.name}' implies the claim.")


def _step(
    theorem: Theorem, item: Step, hypotheses: tuple[Fact, ...], used: list[Fact], result: Unrolled
) -> tuple[Fact, ...]:
    known = _relations((*hypotheses, *used))
    if isinstance(item.by, Smt):
        assert item.gives is not None
        result.obligations += _defined(item.name, known, item.gives)
        query = Query(item.name, known, item.gives, meaning=item.says)
        result.obligations.append(Obligation(item.name, "step", query, says=item.says))
        pure = all(fact.pure for fact in used) and not _mentions_quantities(item.gives)
        return _facts(item.gives, pure)
    rule = item.by
    result.rules.append(rule.name)
    try:
        licence = rule.licence(theorem, _relations(used))
    except RuleError as error:
        result.obligations.append(Obligation(item.name, "step", failure=str(error), says=item.says))
        return _facts(item.gives, False) if item.gives is not None else ()
    pure_facts = _relations(fact for fact in (*hypotheses, *used) if fact.pure)
    for title, side in licence.sides:
        name = f"{item.name}: {title}"
        result.obligations += _defined(name, pure_facts, side)
        result.obligations.append(Obligation(name, "side condition", Query(name, pure_facts, side, meaning=title)))
    result.obligations += _defined(item.name, known, licence.gives)
    if item.gives is None:
        result.obligations.append(Obligation(item.name, "rule", says=item.says or f"By the rule {rule.name}."))
        return _facts(licence.gives, False)
    result.obligations += _defined(f"{item.name}, as worded", (*known, licence.gives), item.gives)
    query = Query(item.name, (*known, licence.gives), item.gives, meaning=item.says)
    result.obligations.append(Obligation(item.name, "step", query, says=item.says))
    return _facts(item.gives, False)


def _defined(name: str, known: tuple[Boolean, ...], relation: Boolean) -> list[Obligation]:
    """What a proof reaches must be defined there: a quotient by what may vanish would be any number at all."""
    goal = And(*definedness(relation))
    if goal is sp.true:
        return []
    name = f"{name}: is defined"
    return [Obligation(name, "definition", Query(name, known, goal, meaning="every term of it has a value"))]


def _split(
    item: Split,
    hypotheses: tuple[Fact, ...],
    used: list[Fact],
    facts: dict[str, tuple[Fact, ...]],
    result: Unrolled,
) -> tuple[Fact, ...]:
    cases = tuple(case.when for case in item.cases)
    name = f"{item.name}: the cases cover everything"
    query = Query(name, _relations((*hypotheses, *used)), Or(*cases), meaning="one of the cases always holds")
    result.obligations.append(Obligation(name, "exhaustive", query))
    pure = all(fact.pure for fact in used) and not _mentions_quantities(item.gives)
    for case in item.cases:
        own = [fact for reference in case.from_ for fact in facts[reference]]
        pure = pure and all(fact.pure for fact in own)
        name = f"{item.name}: {case.when}"
        known = (*_relations((*hypotheses, *used, *own)), case.when)
        result.obligations += _defined(name, known, item.gives)
        query = Query(name, known, item.gives, meaning=item.says)
        result.obligations.append(Obligation(name, "step", query, says=item.says))
    return _facts(item.gives, pure)


def _cite(theorem: Theorem, item: Cite, known: tuple[Fact, ...], result: Unrolled) -> tuple[Fact, ...]:
    cited = item.theorem
    result.cited.append(cited)
    known = (*known, Fact(item.under, True)) if item.under is not sp.true else known
    pairs = {s: sp.sympify(v) for s, v in item.substitution.items() if s != v}

    def fail(reason: str) -> tuple[Fact, ...]:
        result.obligations.append(Obligation(item.name, "citation", failure=f"cites {cited.name}: {reason}"))
        return ()

    unknown = [s for s in pairs if s not in cited.parameters]
    if unknown:
        return fail(f"{unknown[0]} is no parameter of it")
    if cited.expect != "true":
        return fail(f"it is expected to be {cited.expect}")
    if _mentions_quantities(item.under) or set(SAMPLE) & theorem.expand(item.under).free_symbols:
        return fail(f"{item.under} is no condition on parameters")
    sides: list[tuple[str, Boolean]] = []
    if item.attained:
        reason = _may_attain(theorem, cited, pairs)
        if reason:
            return fail(reason)
        sides += _attained_noise(theorem, cited, pairs)
    elif not cited.claim.for_all:
        return fail("it claims only that some problem exists")
    given = _given_of(theorem, cited, result)
    if given is None:
        return fail("it is about another algorithm")
    ours = [opened(theorem, assumption) for assumption in given]
    for assumption in cited.given:
        wanted = opened(theorem, opened(cited, assumption).substitute(pairs))
        implied = implication(ours, wanted)
        if implied is None:
            return fail(f"its assumption {wanted} is not given here")
        sides += [(f"{assumption} holds", condition) for condition in implied]
    sides += [(f"its condition {c} holds", c.xreplace(pairs)) for c in cited.conditions]
    sides += [(f"{s} may be {v}", And(*definedness(v), domain_condition(s, v))) for s, v in pairs.items()]
    for title, side in sides:
        if side is sp.true or side == True:  # noqa: E712 - SymPy's true compares equal to Python's
            continue
        name = f"{item.name}: {title}"
        result.obligations.append(Obligation(name, "side condition", Query(name, _relations(known), side)))
    claim = cited.claim
    relation = claim.existential if item.attained else claim.universal
    # A quantity belongs to a point and to an algorithm. Constants of an assumption may only grow, which the side
    # conditions ask for, so the quantity of our own problem is meant.
    moved = {s: v for s, v in pairs.items() if s in FIXED}
    quantity = at(claim.quantity, moved) if moved else claim.quantity
    stated = relation.func(quantity, _brought_over(theorem, cited, pairs), evaluate=False)
    stated = stated if item.under is sp.true else Implies(item.under, stated)
    result.obligations.append(Obligation(item.name, "citation", says=item.says or f"By {cited.name}."))
    return (Fact(stated, False),)


def _given_of(theorem: Theorem, cited: Theorem, result: Unrolled) -> tuple[Assumption, ...] | None:
    """The assumptions that the cited theorem is held against; ``None`` if it is about another algorithm."""
    ours, theirs = algorithm(theorem.given), algorithm(cited.given)
    if {type(a) for a in ours} == {type(a) for a in theirs}:
        return tuple(theorem.given)
    if theirs:
        return None
    reduced = BatchMean.assumptions(theorem.given)
    if reduced is not None:
        result.rules.append(BatchMean.__name__)
        return reduced
    if SampleBySample.allows(theorem.given, cited.claim.quantity):
        result.rules.append(SampleBySample.__name__)
        return tuple(theorem.given)
    return None


def same_algorithm(one: Theorem, other: Theorem) -> bool:
    """Whether two theorems speak of one algorithm, so that a bound of one may be held against the other."""
    return {opened(one, a) for a in algorithm(one.given)} == {opened(other, a) for a in algorithm(other.given)}


def opened(theorem: Theorem, assumption: Assumption) -> Assumption:
    """The assumption without abbreviations: two theorems may mean different numbers by one letter."""
    return assumption.substitute({s: theorem.expand(s) for s in assumption.free_symbols})


def _brought_over(theorem: Theorem, cited: Theorem, pairs: dict[sp.Symbol, sp.Expr]) -> sp.Expr:
    """The cited bound in the citing theorem's letters. An abbreviation that both define alike stays; others open."""
    bound = cited.claim.bound
    for symbol, definition in reversed(list(cited.where.items())):
        meaning = cited.expand(definition).xreplace(pairs)
        if symbol not in theorem.where or theorem.expand(theorem.where[symbol]) != meaning:
            bound = bound.xreplace({symbol: definition})
    return bound.xreplace(pairs)


def _may_attain(theorem: Theorem, cited: Theorem, pairs: dict[sp.Symbol, sp.Expr]) -> str | None:
    """Why the attaining half may not be cited; ``None`` if it may."""
    from theorems.language.functions import NOISES

    if theorem.claim.for_all or len(theorem.witness) != 1:
        return "attainment may be cited only for a lower claim with one witness"
    noise = NOISES.get(theorem.witness[0].noise)
    if noise is None or not noise.oracle:
        return f"the witness's noise {theorem.witness[0].noise!r} is not built from the worst drift at each point"
    if not cited.claim.attained:
        return "its bound is not attained"
    if cited.claim.quantity != Drift:
        return f"the witness's noise makes the drift least, and says nothing of {cited.claim.quantity}"
    moved = [s for s in pairs if s in FIXED and s != letters.m]
    if moved:
        return f"the witness's noise is built for the algorithm that is run, so {moved[0]} may not change"
    return None


def _attained_noise(theorem: Theorem, cited: Theorem, pairs: dict[sp.Symbol, sp.Expr]) -> list[tuple[str, Boolean]]:
    """The witness's noise is at least as strong as the one that attains the cited bound."""
    run = theorem.expand(sp.sympify(theorem.witness[0].noise_parameters.get("sigma", 0)))
    wanted = [cited.expand(a.sigma).xreplace(pairs) for a in cited.given if isinstance(a, BoundedVariance)]
    return [(f"the witness's noise attains it for {deviation}", sp.Le(deviation**2, run**2)) for deviation in wanted]


def implication(ours: Iterable[Assumption], wanted: Assumption) -> tuple[Boolean, ...] | None:
    """Conditions under which our assumptions imply the wanted one; ``None`` if they never do."""
    ours = tuple(ours)
    if wanted in ours:
        return ()
    for own in ours:
        if isinstance(wanted, GS) and isinstance(own, GS):
            # A larger L1 shrinks the ball on which GS speaks, so both constants may grow.
            return (sp.Le(own.L0, wanted.L0), sp.Le(own.L1, wanted.L1))
        if isinstance(wanted, HS) and isinstance(own, GS | HS):
            return (sp.Le(own.L0, wanted.L0), sp.Le(own.L1, wanted.L1))
        if isinstance(wanted, BoundedVariance) and isinstance(own, BoundedVariance):
            return (sp.Le(own.sigma**2, wanted.sigma**2),)
        if isinstance(wanted, PrivacyNoise) and isinstance(own, PrivacyNoise):
            return (sp.Le(own.zeta**2, wanted.zeta**2),)
        if isinstance(wanted, BoundedVariance | Symmetric) and isinstance(own, ExactGradients):
            return ()
    return None


def domain_condition(symbol: sp.Symbol, value: sp.Expr) -> Boolean:
    """The condition that ``value`` lies in the domain of ``symbol``; ``true`` where SymPy knows it."""
    domain = symbol.domain if isinstance(symbol, Parameter) else Domain.REAL
    if domain is Domain.POSITIVE:
        return sp.Gt(value, 0)
    if domain is Domain.NONNEGATIVE:
        return sp.Ge(value, 0)
    if domain is Domain.POSITIVE_INTEGER:
        whole = bool(value.is_integer)
        return And(sp.Ge(value, 1), sp.true if whole else sp.false)
    return sp.true


def _facts(relation: Boolean, pure: bool) -> tuple[Fact, ...]:
    return tuple(Fact(part, pure) for part in conjuncts(relation))


def _relations(facts: Iterable[Fact]) -> tuple[Boolean, ...]:
    return tuple(dict.fromkeys(fact.relation for fact in facts))


def _contains(facts: tuple[Boolean, ...], goal: Boolean) -> bool:
    """Whether the goal is literally among the facts (``a <= b`` and ``b >= a`` are one relation)."""
    turned = goal.reversed if isinstance(goal, sp.core.relational.Relational) else goal
    return goal in facts or turned in facts


def _mentions_quantities(relation: Boolean) -> bool:
    return any(isinstance(s, Quantity) for s in relation.free_symbols) or bool(relation.atoms(At, Average))

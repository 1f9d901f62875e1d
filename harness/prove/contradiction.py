"""Contradiction with the catalogue: a claim beyond a proved bound at exact parameters.

An upper claim below a proved lower bound falls with the lower bound's witness, which is then confirmed at those
parameters. An attained claim above a proved upper bound falls at those numbers by the other theorem's proof.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sympy as sp
from sympy.logic.boolalg import Boolean

from harness.prove.encode import EncodeError, Query
from harness.prove.instances import telling_instance
from harness.prove.solve import nice_model
from harness.prove.unroll import implication, opened, same_algorithm
from theorems.language import parameters as letters
from theorems.language.functions import OBJECTIVES
from theorems.language.hidden import is_o_form
from theorems.language.quantities import Adversary, AverageGradientNorm, MinGradientNorm, Quantity
from theorems.language.theorem import Theorem
from theorems.language.walk import latex
from theorems.language.witness import Witness

if TYPE_CHECKING:
    from harness.confirm import Confirmation
    from harness.prove.check import ObligationResult, _Checker


# Seconds for a solver to find a contradiction; each statement meets many, and most contradict none.
_LIMIT = 2.0


@dataclass(frozen=True)
class Contradiction:
    """A contradiction: the obligation that reports it, and the confirmation of the problem that shows it."""

    obligation: ObligationResult
    confirmation: Confirmation | None
    refutes: bool


def contradict(theorem: Theorem, checker: _Checker) -> Contradiction | None:
    """The first proved statement of the catalogue that contradicts the theorem, or ``None``."""
    for other in checker.catalogue.values():
        # An O-form is no sharper than what its proof cites, and one letter more to choose.
        if other is theorem or other.expect != "true" or is_o_form(other) or not same_algorithm(theorem, other):
            continue
        if theorem.claim.for_all and other.claim.attained and _bounds(other.claim.quantity, theorem.claim.quantity):
            for witness in other.witness or ():
                found = _witness_beats(theorem, other, witness, checker)
                if found is not None:
                    return found
        elif theorem.claim.attained and other.claim.for_all and other.claim.quantity == theorem.claim.quantity:
            found = _bound_beats(theorem, other, checker)
            if found is not None:
                return found
    return None


def _bounds(lower: Quantity, upper: Quantity) -> bool:
    """Whether a problem with a large ``lower`` has a large ``upper`` too."""
    return lower == upper or (lower == MinGradientNorm and upper == AverageGradientNorm)


def _witness_beats(theorem: Theorem, other: Theorem, witness: Witness, checker: _Checker) -> Contradiction | None:
    facts: list[Boolean] = []
    theirs_given = [opened(other, own) for own in other.given]
    for assumption in theorem.given:
        implied = implication(theirs_given, opened(theorem, assumption))
        if implied is None:
            return None
        facts += implied
    facts += [*theorem.conditions, *other.conditions, *(other.expand(condition) for condition in witness.when)]
    facts += [sp.Eq(s, other.expand(sp.sympify(v)), evaluate=False) for s, v in witness.at.items()]
    facts += _start_facts(theorem, other, witness)
    ours, theirs = theorem.bound, other.bound
    maximised = theorem.claim.quantity.adversary is Adversary.MAXIMISES
    # A point with room first, so that a run can show it; a solver finds any at all.
    model = telling_instance(facts, ours, theirs, maximised=maximised)
    if model is None:
        goal = sp.Ge(ours, theirs) if maximised else sp.Le(ours, theirs)
        model = _model(Query(f"against {other.name}", tuple(facts), goal), checker)
    return None if model is None else _confirmed(theorem, other, witness, model, checker)


def _start_facts(theorem: Theorem, other: Theorem, witness: Witness) -> list[Boolean]:
    """F0, R0 and m of the witness's start, as far as the claim mentions them."""
    objective = OBJECTIVES[witness.objective]
    x = next(s for s in objective.value.free_symbols if s not in objective.parameters)
    start = other.expand(sp.sympify(witness.start))
    pairs = {s: other.expand(sp.sympify(witness.objective_parameters[s.name])) for s in objective.parameters}
    pairs[x] = start
    facts: list[Boolean] = []
    for letter, value in (
        (letters.F0, objective.value.xreplace(pairs)),
        (letters.R0, sp.Abs(start)),
        (letters.m, sp.Abs(objective.gradient.xreplace(pairs))),
    ):
        if letter in theorem.parameters:
            facts.append(sp.Eq(letter, value, evaluate=False))
    return facts


def unsaid(theorem: Theorem, other: Theorem) -> set[sp.Symbol]:
    """Numbers of a problem that a bound for all problems mentions and an attained claim does not: the problem that it
    speaks of may have any, so that no value may be chosen for it."""
    return ({letters.F0, letters.R0} & set(other.parameters)) - set(theorem.parameters)


def _bound_beats(theorem: Theorem, other: Theorem, checker: _Checker) -> Contradiction | None:
    if unsaid(theorem, other):
        return None
    facts: list[Boolean] = []
    ours_given = [opened(theorem, own) for own in theorem.given]
    for assumption in other.given:
        implied = implication(ours_given, opened(other, assumption))
        if implied is None:
            return None
        facts += implied
    facts += [*theorem.conditions, *other.conditions]
    ours, theirs = theorem.bound, other.bound
    maximised = theorem.claim.quantity.adversary is Adversary.MAXIMISES
    # Here the proved bound must lie below the claimed attainment: the roles are exchanged.
    model = telling_instance(facts, theirs, ours, maximised=maximised)
    if model is None:
        goal = sp.Le(ours, theirs) if maximised else sp.Ge(ours, theirs)
        model = _model(Query(f"against {other.name}", tuple(facts), goal), checker)
    if model is None or not checker.judge(other).proved:
        return None
    reason = f"{other.name} is proved and forbids the claimed attainment at {_texts(model)}"
    return Contradiction(_obligation(theorem, other, model, reason, "refuted"), None, True)


def _model(query: Query, checker: _Checker) -> dict[sp.Symbol, sp.Expr] | None:
    # The model is verified exactly, so that one solver's word is enough to begin with.
    try:
        return nice_model(query, checker.pool, _LIMIT)
    except EncodeError:
        return None


def _confirmed(
    theorem: Theorem, other: Theorem, witness: Witness, model: Mapping[sp.Symbol, sp.Expr], checker: _Checker
) -> Contradiction:
    """Run the lower bound's witness at the model; only a confirmed run makes the claim refuted."""
    if not checker.confirm_contradictions:
        reason = f"{other.name} forbids it at {_texts(model)}; its witness was not run"
        return Contradiction(_obligation(theorem, other, model, reason, "unknown"), None, False)
    from fuzz.realise import realise
    from harness.confirm import confirm

    values = {s: model.get(s, sp.Integer(1)) for s in {*theorem.parameters, *other.parameters, letters.eta, letters.T}}
    values.setdefault(letters.c, sp.Integer(1))
    try:
        problem = realise(other, witness, values)
        choices = {s: v for s, v in values.items() if s in theorem.parameters}
        confirmation = confirm(theorem, problem, ledger=checker.ledger, seed=0, choices=choices)
    except ValueError as error:
        reason = f"{other.name} forbids it at {_texts(model)}, but its witness cannot be built there: {error}"
        return Contradiction(_obligation(theorem, other, model, reason, "unknown"), None, False)
    if confirmation.status == "refuted":
        reason = f"{other.name} forbids it at {_texts(model)}, and its witness was run there"
        return Contradiction(_obligation(theorem, other, model, reason, "refuted"), confirmation, True)
    reason = f"{other.name} forbids it at {_texts(model)}, but its witness there is {confirmation.status}"
    return Contradiction(_obligation(theorem, other, model, reason, "unknown"), confirmation, False)


def _obligation(
    theorem: Theorem, other: Theorem, model: Mapping[sp.Symbol, sp.Expr], reason: str, verdict: str
) -> ObligationResult:
    from harness.prove.check import ObligationResult, model_shown

    relation = theorem.claim.relation
    return ObligationResult(
        name=f"catalogue: {other.name}",
        kind="catalogue",
        verdict=verdict,
        model=model_shown(model),
        statement=str(relation),
        latex=latex(relation),
        says=f"The claim beside {other.name}.",
        reason=reason,
    )


def _texts(model: Mapping[sp.Symbol, sp.Expr]) -> str:
    return ", ".join(f"{s} = {v}" for s, v in sorted(model.items(), key=lambda kv: str(kv[0])))

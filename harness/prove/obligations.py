"""Everything that must hold of a statement besides its proof steps: units, scalings, satisfiable hypotheses, sound
abbreviations, attaining witnesses and consequences."""

from __future__ import annotations

import random
from collections.abc import Iterator

import sympy as sp
from sympy.logic.boolalg import And, Boolean, Or

from harness.prove.encode import Query, definedness
from harness.prove.exact import holds
from harness.prove.unroll import Obligation, Unrolled, domain_condition, unroll
from theorems.language import parameters as letters
from theorems.language.functions import NOISES, OBJECTIVES
from theorems.language.parameters import Domain, Parameter
from theorems.language.quantities import Drift, Scope, StuckGradientNorm
from theorems.language.theorem import Theorem
from theorems.language.units import UnitError, check_condition, scaled, unit_of
from theorems.language.witness import Witness


def all_obligations(theorem: Theorem) -> Unrolled:
    """The whole list for one statement, cheapest first."""
    result = unroll(theorem)
    own = [units(theorem)]
    if own[0].failure is None:
        own += [scaling(theorem), satisfiable(theorem), *abbreviations(theorem), *witnesses(theorem)]
        result.obligations = own + result.obligations + list(special_cases(theorem))
    else:
        result.obligations = own
    return result


def units(theorem: Theorem) -> Obligation:
    """Both sides of every comparison carry one unit, and the bound carries the quantity's."""
    try:
        for symbol, definition in theorem.where.items():
            found = unit_of(definition)
            if found is not None and found != symbol.unit:
                raise UnitError(f"{symbol} is declared with unit {symbol.unit} but defined with unit {found}")
        for condition in theorem.conditions:
            check_condition(condition)
        check_condition(theorem.claim.universal)
    except UnitError as error:
        return Obligation("units", "units", failure=str(error))
    return Obligation("units", "units", says="Every comparison is between numbers of one unit.")


def scaling(theorem: Theorem) -> Obligation:
    """The bound follows the quantity under ``f -> a f``, ``x -> b x``: exact evaluation at random rational points.

    Independent of :func:`units`: it evaluates, where that one reads the formula.
    """
    generator = random.Random(theorem.name)
    a, b = sp.Integer(4), sp.Integer(9)
    bound = theorem.bound
    factor = theorem.claim.quantity.unit.scale(a, b)
    tried = 0
    for _ in range(40):
        values = {s: _random_value(s, generator) for s in theorem.parameters}
        # Where a denominator vanishes there is nothing to compare.
        if any(holds(condition, values) is not True for condition in definedness(bound)):
            continue
        difference = sp.simplify(scaled(bound, a, b).xreplace(values) - factor * bound.xreplace(values))
        tried += 1
        if holds(sp.Eq(difference, 0), {}) is False:
            shown = ", ".join(f"{k} = {v}" for k, v in values.items())
            return Obligation("scaling", "scaling", failure=f"f -> 4f, x -> 9x changes the claim at {shown}")
        if tried == 3:
            break
    return Obligation("scaling", "scaling", says="The claim is invariant under f -> a f, x -> b x.")


def satisfiable(theorem: Theorem) -> Obligation:
    """Some parameters meet the hypotheses."""
    query = Query("hypotheses", theorem.conditions, None, meaning="some parameters meet the hypotheses")
    return Obligation("hypotheses", "hypotheses", query, says="The hypotheses can be met.")


def abbreviations(theorem: Theorem) -> Iterator[Obligation]:
    """Every abbreviation is defined wherever the hypotheses hold, and lies in its declared domain; so is the bound."""
    known: list[Boolean] = list(theorem.when)
    for symbol, definition in theorem.where.items():
        meaning = f"{symbol} is defined and {symbol.domain.value}"
        domain = symbol.domain is Domain.POSITIVE_INTEGER
        goal = And(*definedness(definition), sp.false if domain else domain_condition(symbol, definition))
        if goal is not sp.true:
            name = f"definition of {symbol}"
            yield Obligation(name, "definition", Query(name, tuple(known), goal, meaning=meaning))
        known.append(sp.Eq(symbol, definition, evaluate=False))
    goal = And(*definedness(theorem.claim.bound))
    if goal is not sp.true:
        yield Obligation("the bound is defined", "definition", Query("the bound is defined", tuple(known), goal))


def special_cases(theorem: Theorem) -> Iterator[Obligation]:
    """Consequences follow from the claim under their substitution and conditions."""
    for case in theorem.special_cases:
        pairs = {s: sp.sympify(v) for s, v in case.at.items()}

        def there(expression: sp.Basic, pairs: dict[sp.Basic, sp.Expr] = pairs) -> sp.Basic:
            return theorem.expand(expression).xreplace(pairs) if pairs else expression

        facts = [there(condition) for condition in (*theorem.when, *case.when)]
        facts.append(theorem.claim.universal.func(theorem.claim.quantity, there(theorem.claim.bound), evaluate=False))
        name = f"special case: {case.name}"
        query = Query(name, tuple(facts), there(case.gives), meaning=case.says or case.name)
        yield Obligation(name, "special case", query, says=case.says)


def witnesses(theorem: Theorem) -> Iterator[Obligation]:
    """Names resolve; and where the claim says that its bound is attained, each witness attains it."""
    for witness in theorem.witness:
        yield _names_resolve(witness)
    claim = theorem.claim
    if not claim.attained:
        return
    if not theorem.witness:
        yield Obligation(
            "attainment", "witness", failure="the bound is claimed to be attained, but no witness is given"
        )
        return
    if claim.quantity.scope is Scope.TRAJECTORY:
        return  # its proof steps speak of the witness
    for witness in theorem.witness:
        if _names_resolve(witness).failure is None:
            yield from _attains(theorem, witness)
    cover = Or(*(And(*witness.when) for witness in theorem.witness))
    if cover is not sp.true:
        name = "the witnesses cover all parameters"
        yield Obligation(name, "witness", Query(name, theorem.conditions, cover, meaning=name))


def _names_resolve(witness: Witness) -> Obligation:
    name = f"witness {witness.name}: names"
    for what, family, numbers, registry in (
        ("objective", witness.objective, witness.objective_parameters, OBJECTIVES),
        ("noise", witness.noise, witness.noise_parameters, NOISES),
    ):
        if family not in registry:
            return Obligation(name, "witness", failure=f"unknown {what} {family!r}")
        wanted = {s.name for s in registry[family].parameters}
        if wanted != set(numbers):
            return Obligation(
                name, "witness", failure=f"{what} {family!r} needs {sorted(wanted)}, not {sorted(numbers)}"
            )
    return Obligation(name, "witness", says="Objective and noise are known families.")


def _attains(theorem: Theorem, witness: Witness) -> Iterator[Obligation]:
    """Weights, mean, variance and value of a one-step witness, in one dimension along the gradient."""
    objective, noise = OBJECTIVES[witness.objective], NOISES[witness.noise]
    numbers = {s: sp.sympify(witness.objective_parameters[s.name]) for s in objective.parameters}
    x = next(s for s in objective.gradient.free_symbols if s not in objective.parameters)
    gradient = objective.gradient.xreplace({x: witness.start}).xreplace(numbers)
    law = {s: sp.sympify(witness.noise_parameters[s.name]) for s in noise.parameters}
    raw = [(p.xreplace(law), v.xreplace(law)) for p, v in (noise.atoms or ())]
    # Cancelling removes poles; "its numbers are defined" speaks of the formulas as they stand in functions.py.
    atoms = [(_cancelled(p), _cancelled(v)) for p, v in raw]
    facts = (
        *theorem.when,
        *(sp.Eq(s, d, evaluate=False) for s, d in theorem.where.items()),
        *witness.when,
    )
    c, bound = letters.c, theorem.claim.bound
    drift = sum((p * sp.Max(-c, sp.Min(c, gradient + v)) for p, v in atoms), sp.Integer(0))
    variance = next(a.sigma for a in theorem.given if hasattr(a, "sigma")) ** 2
    goals: list[tuple[str, Boolean]] = [
        (
            "its numbers are defined",
            And(*(d for value in witness.noise_parameters.values() for d in definedness(value))),
        ),
        ("weights", And(*(sp.Ge(p, 0) for p, _ in atoms))),
        ("the weights sum to one", sp.Eq(sp.expand(sum(p for p, _ in atoms)), 1)),
        ("mean zero", sp.Eq(sum(p * v for p, v in atoms), 0)),
        ("variance", sp.Le(sum(p * v**2 for p, v in atoms), variance)),
    ]
    if theorem.claim.quantity == Drift:
        goals += [("it has gradient norm m", sp.Eq(gradient, letters.m)), ("it attains the bound", sp.Le(drift, bound))]
    elif theorem.claim.quantity == StuckGradientNorm:
        goals += [("it is stuck", sp.Le(gradient * drift, 0)), ("it attains the bound", sp.Ge(gradient, bound))]
    else:
        name = f"witness {witness.name}: attainment"
        yield Obligation(name, "witness", failure=f"attainment of {theorem.claim.quantity} has no check")
        return
    for title, goal in goals:
        if goal is sp.true:
            continue
        name = f"witness {witness.name}: {title}"
        yield Obligation(name, "witness", Query(name, facts, goal, meaning=title))


def _cancelled(expression: sp.Expr) -> sp.Expr:
    return expression if expression.has(sp.Piecewise) else sp.cancel(sp.together(expression))


def _random_value(symbol: sp.Symbol, generator: random.Random) -> sp.Rational:
    if isinstance(symbol, Parameter) and symbol.domain is Domain.POSITIVE_INTEGER:
        return sp.Integer(generator.randint(1, 20))
    return sp.Rational(generator.randint(1, 40), generator.randint(1, 40))

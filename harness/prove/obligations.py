"""Everything that must hold of a statement besides its proof steps: units, scalings, satisfiable hypotheses, sound
abbreviations, attaining witnesses and consequences."""

from __future__ import annotations

import random
from collections.abc import Iterator

import sympy as sp
from sympy.logic.boolalg import And, Boolean, Or

from harness.prove.encode import Query
from harness.prove.exact import holds
from harness.prove.unroll import Obligation, Unrolled, domain_condition, unroll
from theorems.language import parameters as letters
from theorems.language.assumptions import GS, HS, PL, Assumption, BoundedVariance, Convex, ExactGradients, Symmetric
from theorems.language.functions import LATTICE, NOISES, OBJECTIVES
from theorems.language.parameters import Domain, Parameter
from theorems.language.quantities import Drift, Scope, StuckGradientNorm
from theorems.language.theorem import Theorem
from theorems.language.units import UnitError, check_condition, scaled, unit_of
from theorems.language.walk import conjuncts, definedness
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
    """Every hypothesis is defined; every abbreviation is defined wherever the hypotheses hold, and lies in its declared
    domain; so is the bound.

    The hypotheses are read with their abbreviations opened: the letter itself is taken to lie in its domain, which is
    what is to be shown.
    """
    known: list[Boolean] = []
    for condition in theorem.conditions:
        yield from _definition(f"hypothesis {condition}", known, And(*definedness(condition)))
        known.append(condition)
    for symbol, definition in theorem.where.items():
        domain = symbol.domain is Domain.POSITIVE_INTEGER
        goal = And(*definedness(definition), sp.false if domain else domain_condition(symbol, definition))
        yield from _definition(f"definition of {symbol}", known, goal, f"{symbol} is defined and {symbol.domain.value}")
        known.append(sp.Eq(symbol, definition, evaluate=False))
    yield from _definition("the bound is defined", known, And(*definedness(theorem.claim.bound)))


def _definition(name: str, known: list[Boolean], goal: Boolean, meaning: str = "") -> Iterator[Obligation]:
    if goal is not sp.true:
        yield Obligation(name, "definition", Query(name, tuple(known), goal, meaning=meaning))


def special_cases(theorem: Theorem) -> Iterator[Obligation]:
    """Consequences follow from the claim under their substitution and conditions."""
    for case in theorem.special_cases:
        pairs = {s: theorem.expand(sp.sympify(v)) for s, v in case.at.items()}

        def there(expression: sp.Basic, pairs: dict[sp.Basic, sp.Expr] = pairs) -> sp.Basic:
            return theorem.expand(expression).xreplace(pairs) if pairs else expression

        name = f"special case: {case.name}"
        # What the case itself assumes, and only then the claim: it speaks of letters in their domains alone.
        assumed = tuple(there(condition) for condition in case.when)
        for symbol, value in pairs.items():
            goal = And(*definedness(value), domain_condition(symbol, value))
            if goal is not sp.true:
                title = f"{name}: {symbol} may be {value}"
                yield Obligation(title, "special case", Query(title, assumed, goal, meaning=title))
        facts = [*(there(condition) for condition in theorem.when), *assumed]
        relation = theorem.claim.relation
        facts.append(relation.func(theorem.claim.quantity, there(theorem.claim.bound), evaluate=False))
        query = Query(name, tuple(facts), there(case.gives), meaning=case.says or case.name)
        yield Obligation(name, "special case", query, says=case.says)


def witnesses(theorem: Theorem) -> Iterator[Obligation]:
    """Names resolve; and where the claim says that its bound is attained, each witness meets the assumptions and
    attains the bound, and at all parameters there is one."""
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
    for witness in theorem.witness:
        if _names_resolve(witness).failure is None:
            yield from _meets(theorem, witness)
            if claim.quantity.scope is Scope.ONE_STEP:
                yield from _attains(theorem, witness)
    if claim.quantity.scope is Scope.TRAJECTORY and claim.for_all:
        # The steps of a Lower claim's proof speak of its witness; those of an Exactly claim of every problem.
        reason = f"nothing shows that a run attains it: state {claim.quantity} as Upper and as Lower"
        yield Obligation("attainment", "witness", failure=reason)
    cover = Or(*(And(*witness.when) for witness in theorem.witness))
    if cover is not sp.true:
        name = "the witnesses cover all parameters"
        yield Obligation(name, "witness", Query(name, _known(theorem), cover, meaning=name))


def _known(theorem: Theorem) -> tuple[Boolean, ...]:
    """Hypotheses and definitions."""
    return (*theorem.when, *(sp.Eq(s, d, evaluate=False) for s, d in theorem.where.items()))


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


# Families whose second derivative is at most `curvature` in size, and those that are convex whatever their numbers.
_CURVATURE_BOUNDED = ("quadratic", "huber", "log_cosh", "slope_then_bowl", "well", "piecewise_quadratic")
_CONVEX = ("quadratic", "huber", "log_cosh", "slope_then_bowl", "quartic")
_DEFINED = ("its numbers are defined", "its law is defined")
_SYMMETRIC_NOISES = ("none", "symmetric_two_point", "gaussian", "student_t")


def _meets(theorem: Theorem, witness: Witness) -> Iterator[Obligation]:
    """The witness is well defined and meets every assumption of the theorem, F0 and R0 included."""
    objective, noise = OBJECTIVES[witness.objective], NOISES[witness.noise]
    facts = (*_known(theorem), *witness.when)
    numbers = {s: sp.sympify(witness.objective_parameters[s.name]) for s in objective.parameters}
    law = {s: sp.sympify(witness.noise_parameters[s.name]) for s in noise.parameters}
    own = {**numbers, **law}
    goals: list[tuple[str, Boolean]] = [
        (_DEFINED[0], And(*(d for v in (*own.values(), witness.start) for d in definedness(v)))),
        ("its numbers fit", And(*(domain_condition(s, v) for s, v in own.items()))),
        # The lattice of uniforms belongs to the law that is run, not to the one that is meant.
        *(
            (f"{required}", required.xreplace(own))
            for required in (*objective.requires, *noise.requires)
            if not required.has(LATTICE)
        ),
    ]
    for assumption in theorem.given:
        found = _meets_assumption(assumption, witness, numbers, noise.variance.xreplace(law))
        if found is None:
            name = f"witness {witness.name}: {assumption}"
            reason = f"nothing shows that {witness.objective!r} with noise {witness.noise!r} meets {assumption}"
            yield Obligation(name, "witness", failure=reason)
        else:
            goals.append((f"{assumption}", found))
    x = next(s for s in objective.value.free_symbols if s not in objective.parameters)
    start = {x: sp.sympify(witness.start), **numbers}
    for letter, value in ((letters.F0, objective.value), (letters.R0, sp.Abs(x))):
        if letter in theorem.parameters:
            goals.append((f"{letter} is its own", sp.Eq(letter, value.xreplace(start), evaluate=False)))
    yield from _goals(witness, facts, goals)


def _meets_assumption(
    assumption: Assumption, witness: Witness, numbers: dict[sp.Symbol, sp.Expr], variance: sp.Expr
) -> Boolean | None:
    """The condition under which a witness meets an assumption; ``None`` if there is none that we know."""
    curvature = next((v for s, v in numbers.items() if s.name == "curvature"), None)
    if isinstance(assumption, GS | HS) and witness.objective in _CURVATURE_BOUNDED and curvature is not None:
        return And(curvature <= assumption.L0, sp.Ge(assumption.L1, 0))
    if isinstance(assumption, Convex):
        return sp.true if witness.objective in _CONVEX else None
    if isinstance(assumption, PL) and witness.objective == "quadratic" and curvature is not None:
        return curvature >= assumption.mu
    if isinstance(assumption, BoundedVariance):
        return sp.Le(variance, assumption.sigma**2)
    if isinstance(assumption, ExactGradients) and witness.noise == "none":
        return sp.true
    if isinstance(assumption, Symmetric) and witness.noise in _SYMMETRIC_NOISES:
        return sp.true
    return None


def _attains(theorem: Theorem, witness: Witness) -> Iterator[Obligation]:
    """Weights, mean, variance and value of a one-step witness, in one dimension along the gradient."""
    objective, noise = OBJECTIVES[witness.objective], NOISES[witness.noise]
    x = next(s for s in objective.gradient.free_symbols if s not in objective.parameters)
    numbers = {s: sp.sympify(witness.objective_parameters[s.name]) for s in objective.parameters}
    gradient = objective.gradient.xreplace({x: sp.sympify(witness.start), **numbers})
    law = {s: sp.sympify(witness.noise_parameters[s.name]) for s in noise.parameters}
    raw = [(p.xreplace(law), v.xreplace(law)) for p, v in (noise.atoms or ())]
    # Cancelling removes poles; that there are none is asked of the formulas as they stand in functions.py.
    atoms = [(_cancelled(p), _cancelled(v)) for p, v in raw]
    c, bound = letters.c, theorem.claim.bound
    drift = sum((p * sp.Max(-c, sp.Min(c, gradient + v)) for p, v in atoms), sp.Integer(0))
    goals: list[tuple[str, Boolean]] = [
        (_DEFINED[1], And(*(d for atom in raw for number in atom for d in definedness(number)))),
        ("weights", And(*(sp.Ge(p, 0) for p, _ in atoms))),
        ("the weights sum to one", sp.Eq(sp.expand(sum(p for p, _ in atoms)), 1)),
        ("mean zero", sp.Eq(sum(p * v for p, v in atoms), 0)),
    ]
    second_moment = sum(p * v**2 for p, v in atoms)
    for assumption in theorem.given:
        if isinstance(assumption, BoundedVariance):
            goals.append((f"variance under {assumption}", sp.Le(second_moment, assumption.sigma**2)))
    if theorem.claim.quantity == Drift:
        goals += [("it has gradient norm m", sp.Eq(gradient, letters.m)), ("it attains the bound", sp.Le(drift, bound))]
    elif theorem.claim.quantity == StuckGradientNorm:
        goals += [("it is stuck", sp.Le(gradient * drift, 0)), ("it attains the bound", sp.Ge(gradient, bound))]
    else:
        name = f"witness {witness.name}: attainment"
        yield Obligation(name, "witness", failure=f"attainment of {theorem.claim.quantity} has no check")
        return
    yield from _goals(witness, (*_known(theorem), *witness.when), goals)


def _goals(witness: Witness, facts: tuple[Boolean, ...], goals: list[tuple[str, Boolean]]) -> Iterator[Obligation]:
    for title, goal in goals:
        if goal is not sp.true:
            name = f"witness {witness.name}: {title}"
            yield Obligation(name, "witness", Query(name, facts, goal, meaning=title))
            # An obligation of its own, so the next ones may build on it: solvers need to hear that s is not 0.
            if title in _DEFINED:
                facts = (*facts, *conjuncts(goal))


def _cancelled(expression: sp.Expr) -> sp.Expr:
    return expression if expression.has(sp.Piecewise) else sp.cancel(sp.together(expression))


def _random_value(symbol: sp.Symbol, generator: random.Random) -> sp.Rational:
    if isinstance(symbol, Parameter) and symbol.domain is Domain.POSITIVE_INTEGER:
        return sp.Integer(generator.randint(1, 20))
    return sp.Rational(generator.randint(1, 40), generator.randint(1, 40))

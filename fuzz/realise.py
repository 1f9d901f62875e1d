"""From a witness of a statement to the exact problem that it describes at given numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy as sp

from fuzz.constants import NumberError, check_numbers, holds, in_domain, plain, sign, value
from fuzz.problem import Family, FiniteLaw, Problem
from theorems.language import parameters as letters
from theorems.language.functions import NOISES, OBJECTIVES, Noise, x
from theorems.language.parameters import Parameter
from theorems.language.quantities import Scope
from theorems.language.theorem import Theorem
from theorems.language.walk import show_exact
from theorems.language.witness import Witness

Values = Mapping[Parameter, sp.Expr]


def realise(theorem: Theorem, witness: Witness, values: Values) -> Problem:
    """The witness's problem, in dimension 1, every number exact.

    A one-step claim needs no engine: its noise becomes the finite law of its atoms, of any probabilities (those at the
    start where it depends on the state), its step size is 1 unless a letter says otherwise, and it takes one step. A
    claim about whole runs keeps the family.

    Args:
        theorem: the statement; its abbreviations are expanded, and its conditions must hold.
        witness: one of its witnesses, or of a statement with the same letters.
        values: exact numbers by letter. What the witness fixes (``at``) overrides them; ``eta``, ``c`` and ``T`` are
            step size, threshold and number of steps.

    Raises:
        ValueError: one line, for a letter without a value or outside its domain, a condition of the witness or the
            statement that fails, a number that is no exact real, a family's condition that fails (a probability off
            the lattice, for whole runs), or a noise without atoms in a one-step claim.
    """
    try:
        return _realise(theorem, witness, values)
    except NumberError as error:
        raise ValueError(f"witness {witness.name!r} of {theorem.name}: {error}") from None


def _realise(theorem: Theorem, witness: Witness, values: Values) -> Problem:
    known = _settle(theorem, witness, values)
    for condition in map(theorem.expand, witness.when):
        if not holds(condition, known):
            raise NumberError(f"its condition {condition} fails at {_shown(condition, known)}")
    for condition in theorem.conditions:
        if condition.free_symbols <= set(known) and not holds(condition, known):
            raise NumberError(f"the statement's condition {condition} fails at {_shown(condition, known)}")

    def exact(what: str, expression: Any) -> sp.Expr:
        try:
            number = plain(value(theorem.expand(sp.sympify(expression)), known))
            show_exact(number)
        except ValueError as error:
            raise NumberError(f"{what}: {error}") from None
        return number

    objective = {name: exact(name, v) for name, v in witness.objective_parameters.items()}
    numbers = {name: exact(name, v) for name, v in witness.noise_parameters.items()}
    start = exact("start", witness.start)
    one_step = theorem.claim.quantity.scope is Scope.ONE_STEP
    step_size, threshold, steps = _algorithm(theorem, known, one_step)
    for registry, name in ((OBJECTIVES, witness.objective), (NOISES, witness.noise)):
        if name not in registry:
            raise NumberError(f"unknown family {name!r}")
    profile, law = OBJECTIVES[witness.objective], NOISES[witness.noise]
    family, noise = Family(profile.name, (objective,)), Family(law.name, (numbers,))
    _named(profile.parameters, objective, profile.name)
    _named(law.parameters, numbers, law.name)
    check_numbers(profile, objective)
    check_numbers(law, numbers, on_lattice=not one_step)
    slope = value(profile.gradient, {x: start, **{p: objective[p.name] for p in profile.parameters}})
    return Problem(
        objective=family,
        noise=_finite(law, numbers, slope, threshold) if one_step and law.words else noise,
        start=(start,),
        step_size=step_size,
        clipping_threshold=threshold,
        steps=steps,
        tags=frozenset({"oracle"} if law.oracle else ()),
    )


def _settle(theorem: Theorem, witness: Witness, values: Values) -> dict[sp.Symbol, sp.Expr]:
    """``values`` overridden by what the witness fixes; each in its domain."""
    fixed = {s: theorem.expand(sp.sympify(v)) for s, v in witness.at.items()}
    known: dict[sp.Symbol, sp.Expr] = {}
    for symbol, given in values.items():
        if symbol not in fixed:
            known[symbol] = _in_domain(symbol, value(sp.sympify(given), {}))
    while fixed:
        ready = [s for s, definition in fixed.items() if not definition.free_symbols & set(fixed)]
        if not ready:
            raise NumberError(f"it fixes {', '.join(map(str, fixed))} by each other")
        for symbol in ready:
            known[symbol] = _in_domain(symbol, plain(value(fixed.pop(symbol), known)))
    return known


def _in_domain(symbol: sp.Symbol, number: sp.Expr) -> sp.Expr:
    if isinstance(symbol, Parameter) and not in_domain(number, symbol.domain):
        raise NumberError(f"{symbol} must be {symbol.domain.value}, not {number}")
    return number


def _algorithm(theorem: Theorem, known: Mapping[sp.Symbol, sp.Expr], one_step: bool) -> tuple[sp.Expr, sp.Expr, int]:
    """Step size, threshold and number of steps."""
    by_name = {str(s.name): v for s, v in known.items()}
    used = {str(p.name) for p in theorem.parameters}
    defaults = {"eta": sp.Integer(1), "T": sp.Integer(1)} if one_step else {}
    found: dict[str, sp.Expr] = {}
    for letter in (letters.eta, letters.c, letters.T):
        name = str(letter.name)
        # How many steps a run has is nothing to a one-step claim that does not speak of T.
        ignored = one_step and name == "T" and name not in used
        if name in by_name and not ignored:
            found[name] = _in_domain(letter, by_name[name])
        elif name in defaults and name not in used:
            found[name] = defaults[name]
        else:
            raise NumberError(f"no value is given for {name}")
    return found["eta"], found["c"], int(found["T"])


def _finite(law: Noise, numbers: Mapping[str, sp.Expr], slope: sp.Expr, threshold: sp.Expr) -> FiniteLaw:
    """The law's atoms at a point with gradient ``slope``."""
    if law.atoms is None:
        raise NumberError(f"noise {law.name} has no finite law for a one-step claim")
    downhill = law.along and sign(slope) < 0
    here = {p: numbers[p.name] for p in law.parameters}
    if law.depends_on_state:
        here |= {letters.m: -slope if downhill else slope, letters.c: threshold}
    atoms = []
    for probability, atom in law.atoms:
        along = plain(value(atom, here))
        atoms.append((plain(value(probability, here)), (-along if downhill else along,)))
        for number in (atoms[-1][0], along):
            _writable(number)
    return FiniteLaw(tuple(atoms))


def _writable(number: sp.Expr) -> None:
    try:
        show_exact(number)
    except ValueError as error:
        raise NumberError(str(error)) from None


def _named(parameters: tuple[Parameter, ...], numbers: Mapping[str, sp.Expr], family: str) -> None:
    wanted = sorted(str(p.name) for p in parameters)
    if sorted(numbers) != wanted:
        raise NumberError(f"{family} needs the numbers {wanted}, not {sorted(numbers)}")


def _shown(condition: sp.Basic, known: Mapping[sp.Symbol, sp.Expr]) -> str:
    return ", ".join(f"{s} = {known[s]}" for s in sorted(condition.free_symbols & set(known), key=str))

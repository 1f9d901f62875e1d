"""The constant that ``O(...)`` hides, as a letter of the statement.

An O-form is a statement whose bound mentions :data:`C`; a condition on ``C`` says for which constants its proof goes
through. :func:`with_constant` puts a number for the letter, in the claim and in every step of the proof, and drops the
conditions on it: whether the proof still goes through is then for the solvers to say.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import sympy as sp

from theorems.language import units
from theorems.language.parameters import Parameter
from theorems.language.proof import Case, Cite, Split, Step
from theorems.language.rules import Rule
from theorems.language.theorem import Theorem
from theorems.language.witness import SpecialCase, Witness

C = Parameter("C", units.ONE, meaning="the constant that O hides")


def is_o_form(theorem: Theorem) -> bool:
    """Whether the statement's bound hides a constant."""
    return C in theorem.bound.free_symbols


def with_constant(theorem: Theorem, constant: sp.Expr) -> Theorem:
    """The statement, proof included, with a number for its constant, and without conditions on it.

    Raises:
        ValueError: if the statement has no letter ``C``, or the constant is not a positive rational number.
    """
    number = sp.sympify(constant)
    if not (isinstance(number, sp.Rational) and number > 0):
        raise ValueError(f"the constant of {theorem.name} must be a positive rational number, not {constant}")
    if not is_o_form(theorem):
        raise ValueError(f"{theorem.name} has no constant C to be replaced")
    pairs: dict[sp.Basic, sp.Basic] = {C: number}
    claim = theorem.claim
    return dataclasses.replace(
        theorem,
        when=[condition for condition in theorem.when if C not in theorem.expand(condition).free_symbols],
        where={s: d.xreplace(pairs) for s, d in theorem.where.items()},
        claim=type(claim)(claim.quantity, claim.bound.xreplace(pairs)),
        proof=[put(item, pairs) for item in theorem.proof],
        witness=[put(witness, pairs) for witness in theorem.witness],
        special_cases=[put(case, pairs) for case in theorem.special_cases if C not in case.at],
    )


def put(part: Any, pairs: Mapping[sp.Basic, sp.Basic]) -> Any:
    """A part of a statement with letters replaced, in every formula that it holds."""
    if isinstance(part, sp.Basic):
        return part.xreplace(dict(pairs))
    if isinstance(part, tuple | list):
        return type(part)(put(entry, pairs) for entry in part)
    if isinstance(part, Mapping):
        return {name: put(value, pairs) for name, value in part.items()}
    if isinstance(part, Step | Split | Case | Cite | Rule | Witness | SpecialCase):
        own = {f.name: getattr(part, f.name) for f in dataclasses.fields(part)}
        if isinstance(part, Cite) and is_o_form(part.theorem) and C in pairs:
            # The cited statement's constant was our own letter; the statement itself keeps it.
            own["substitution"] = {C: C, **part.substitution}
        return dataclasses.replace(part, **{name: put(value, pairs) for name, value in own.items()})
    return part

"""The proof calculus: a proof is a chain of small named steps.

Every step states a relation that holds *at every point the algorithm visits*. Letters such as ``m`` are functions of
that point; a step that uses no fact about the algorithm (only domains and conditions) is *pure* and holds for all real
values of its letters, which is what Jensen and its like need.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import sympy as sp
from sympy.logic.boolalg import Boolean

if TYPE_CHECKING:
    from theorems.language.rules import Rule
    from theorems.language.theorem import Theorem


class Smt:
    """The justification "the solver shows it": hypotheses, domains and the named facts imply what the step gives."""

    def __repr__(self) -> str:
        return "smt"


smt: Final = Smt()


@dataclass(frozen=True)
class Step:
    """One step. ``by`` is :data:`smt` or a trusted :class:`~theorems.language.rules.Rule`.

    Args:
        name: unique in the proof.
        gives: the relation; may be left out with a rule, which then gives its own.
        from_: names of earlier steps, and of abbreviations whose definition is needed.
        by: the justification.
        says: one sentence for the reader.
    """

    name: str
    gives: Boolean | None = None
    from_: tuple[str, ...] | list[str] = ()
    by: Rule | Smt = smt
    says: str = ""


@dataclass(frozen=True)
class Case:
    """One case of a :class:`Split`: under ``when``, the facts ``from_`` imply what the split gives."""

    when: Boolean
    from_: tuple[str, ...] | list[str] = ()


@dataclass(frozen=True)
class Split:
    """A relation shown case by case. The solver must show that the cases are exhaustive, from ``from_`` alone."""

    name: str
    gives: Boolean
    cases: tuple[Case, ...] | list[Case]
    from_: tuple[str, ...] | list[str] = ()
    says: str = ""


@dataclass(frozen=True)
class Cite:
    """Use another theorem's claim, with parameters substituted; its hypotheses become side conditions.

    ``attained=True`` cites the attaining half of an ``Exactly`` claim: it may be used only in the proof of a lower
    claim whose witness runs the cited theorem's own worst noise. ``under`` is a condition on parameters: the cited
    claim is given, and its hypotheses are asked for, where it holds.
    """

    name: str
    theorem: Theorem
    substitution: Mapping[sp.Symbol, sp.Expr] = field(default_factory=dict)
    from_: tuple[str, ...] | list[str] = ()
    attained: bool = False
    says: str = ""
    under: Boolean = sp.true


ProofItem = Step | Split | Cite


def references(item: ProofItem) -> tuple[str, ...]:
    """All names that an item builds on."""
    names = list(item.from_)
    if isinstance(item, Split):
        for case in item.cases:
            names += case.from_
    return tuple(names)

"""Witnesses: objective and noise as data, named as in ``functions.py``, with numbers as formulas in the parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import sympy as sp

Expressions = Mapping[str, sp.Expr]


@dataclass(frozen=True)
class Witness:
    """A problem that attains a bound, exactly or in a limit.

    Args:
        name: unique in the theorem.
        objective: family of ``functions.OBJECTIVES``; ``objective_parameters`` its numbers.
        noise: family of ``functions.NOISES``; ``noise_parameters`` its numbers.
        start: the first coordinate of x_0 (dimension 1).
        at: parameters of the statement that the witness fixes, e.g. ``{m: sigma**2/(4*c)}``.
        when: conditions on the parameters under which the witness attains the bound.
        attains: ``"exactly"``, or ``"in the limit"`` with the simulated ``ratio`` of measured quantity to bound.
        says: one sentence for the reader.

    Numbers are exact SymPy expressions; a value may be a Piecewise in the parameters.
    """

    name: str
    objective: str
    objective_parameters: Expressions
    noise: str = "none"
    noise_parameters: Expressions = field(default_factory=dict)
    start: sp.Expr = sp.S.Zero
    at: Mapping[sp.Symbol, sp.Expr] = field(default_factory=dict)
    when: tuple[sp.Basic, ...] = ()
    attains: Literal["exactly", "in the limit"] = "exactly"
    ratio: sp.Expr = sp.S.One
    says: str = ""


@dataclass(frozen=True)
class SpecialCase:
    """A consequence: under ``at`` (substitution) and ``when`` (conditions) the claim implies ``gives``.

    ``gives`` compares the claim's quantity with a bound of its own, e.g. ``AverageGradientNorm <= sqrt(Q)``.
    """

    name: str
    gives: sp.Basic
    at: Mapping[sp.Symbol, sp.Expr] = field(default_factory=dict)
    when: tuple[sp.Basic, ...] | list[sp.Basic] = ()
    says: str = ""

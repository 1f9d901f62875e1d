"""The planted statements with what is known of each: the size of its regime, and an instance that refutes it.

The numbers are in ``planted.json``, which ``ci/measure_power.py`` writes and tests confirm.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import sympy as sp

from fuzz.budget import Budget
from fuzz.problem import Problem
from fuzz.reading import Reading
from fuzz.reference_sampler import RegimeSize
from theorems.language.parameters import Parameter
from theorems.language.quantities import Scope
from theorems.language.theorem import Theorem
from theorems.language.walk import parse_exact
from theorems.power import STATEMENTS, hard, is_tuning

FILE = Path(__file__).with_name("planted.json")
SHORT = ((2, 1e-2, 0.1), (4, 1e-4, 1e-2))
"""How many statements of the short form have a share between which bounds; four more are from the hard tier."""
_SHORT_HARD = 4
FULL_BUDGET = 10**9
# A noisy problem is run some hundred times, a noiseless one once, and a one-step problem takes one step instead of
# about a thousand: with these divisors all budgets pay for about as many problems.
_NOISELESS, _ONE_STEP = 10, 1000


@dataclass(frozen=True)
class Planted:
    """One statement of the benchmark.

    Attributes:
        theorem, number: the statement and its place in ``theorems.power.STATEMENTS``.
        size: how much of the reference sampler's space violates it.
        problem, choices: an instance that refutes it.
    """

    theorem: Theorem
    number: int
    size: RegimeSize
    problem: Problem
    choices: Mapping[Parameter, sp.Expr]

    @property
    def tuning(self) -> bool:
        """Whether it may be looked at while the search is tuned."""
        return is_tuning(self.number)

    def budget(self, steps: int = FULL_BUDGET) -> Budget:
        """The step budget: ``steps`` with noise, a tenth without, a thousandth for one-step claims."""
        return Budget(steps=max(1, steps // divisor(self.theorem)))


def divisor(theorem: Theorem) -> int:
    """By how much a statement's budget is smaller than that of noisy runs."""
    if theorem.claim.quantity.scope is Scope.ONE_STEP:
        return _ONE_STEP
    return _NOISELESS if Reading(theorem).exact_gradients else 1


@cache
def load_planted() -> tuple[Planted, ...]:
    """All planted statements, in order."""
    known = json.loads(FILE.read_text(encoding="utf-8"))
    return tuple(_planted(theorem, number, known[theorem.name]) for number, theorem in enumerate(STATEMENTS))


def short_form() -> tuple[Planted, ...]:
    """Ten statements, by a rule that was fixed before they were measured: two whose share is above 1 % (and at most
    10 %), four between 0.01 % and 1 %, four of the hard tier; of each kind evenly spread over the order."""
    whole = load_planted()
    easier = [p for p in whole if p.theorem not in hard.STATEMENTS]
    kinds = [(count, [p for p in easier if low < p.size.share <= high]) for count, low, high in SHORT]
    kinds.append((_SHORT_HARD, [p for p in whole if p.theorem in hard.STATEMENTS]))
    return tuple(kind[k * len(kind) // count] for count, kind in kinds for k in range(count))


def _planted(theorem: Theorem, number: int, record: Mapping[str, Any]) -> Planted:
    letters = {str(p.name): p for p in theorem.parameters}
    choices = {letters[name]: parse_exact(value) for name, value in record["choices"].items()}
    return Planted(theorem, number, RegimeSize(**record["size"]), Problem.from_json(record["problem"]), choices)

"""Simple numbers at which a claim and a proved bound contradict each other, found by trying, verified exactly.

A solver that finds *a* contradiction often finds an ugly or a marginal one. Here short rationals are tried by the
thousand in floats, the most telling and simplest points first, and nothing is returned that exact arithmetic does not
confirm. Finding nothing says nothing: then the solvers are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import sympy as sp
from sympy.logic.boolalg import Boolean, BooleanAtom, BooleanFunction

from fuzz.engine.printers.numpy_source import numpy_function
from fuzz.engine.printers.source import UnprintableError
from fuzz.rationals import size
from harness.prove.exact import holds, value
from theorems.language.parameters import Domain, Parameter

_TRIALS = 60_000
_VERIFIED = 12
# Half of all draws are the first number of a list: most letters of a contradiction may be 1.
_NUMBERS = ["1", "1/2", "2", "1/4", "3", "1/10", "4", "1/3", "3/2", "5", "10", "1/20", "1/100", "100", "1/1000"]
_SIMPLE = [sp.Rational(text) for text in _NUMBERS]
_STEPS = [sp.Integer(n) for n in (1, 2, 4, 10, 30, 100, 400, 1000, 4000, 20_000)]

Floats = npt.NDArray[np.float64]


def telling_instance(
    facts: Sequence[Boolean], ours: sp.Expr, theirs: sp.Expr, *, maximised: bool
) -> dict[sp.Symbol, sp.Expr] | None:
    """Exact numbers at which all facts hold and the claim is on the wrong side of the proved bound, or ``None``.

    Args:
        facts: conditions; equations for single letters are read as their definitions.
        ours: the claimed bound.
        theirs: the proved one: the claim is contradicted where ``ours < theirs`` (``>`` if an adversary minimises).
        maximised: which of the two.
    """
    definitions, rest = _definitions(facts)

    def opened(expression: Any) -> Any:
        for symbol, definition in reversed(list(definitions.items())):
            expression = expression.xreplace({symbol: definition})
        return expression

    conditions, claimed, proved = [opened(fact) for fact in rest], opened(ours), opened(theirs)
    wrong = sp.Lt(claimed, proved) if maximised else sp.Gt(claimed, proved)
    inside = [sp.Ge(opened(d), 0) for s, d in definitions.items() if s.is_nonnegative and not s.is_positive]
    inside += [sp.Gt(opened(d), 0) for s, d in definitions.items() if s.is_positive]
    everything = [*conditions, *inside, wrong]
    letters = sorted(
        {s for e in (*everything, *map(opened, definitions)) for s in e.free_symbols}, key=lambda s: str(s.name)
    )
    if not letters or any(not isinstance(s, Parameter) for s in letters):
        return None
    choices = [_numbers(s) for s in letters]
    picks = _draws([len(c) for c in choices])
    columns = [np.array([float(n) for n in c])[picks[:, k]] for k, c in enumerate(choices)]
    try:
        good, gain = _judge(letters, columns, everything, claimed, proved, maximised)
    except UnprintableError:
        return None
    rows = np.flatnonzero(good)
    if not len(rows):
        return None
    # Half as much again is telling enough; beyond that, simple numbers and short runs are worth more.
    enough = min(1 + 0.75 * (gain[rows].max() - 1), 1.5)
    weight = np.array([[_length(n) for n in c] + [0.0] * (32 - len(c)) for c in choices])
    length = weight[np.arange(len(letters))[None, :], picks[rows]].sum(1)
    order = sorted(range(len(rows)), key=lambda k: (gain[rows[k]] < enough, length[k], -gain[rows[k]]))
    for k in order[:_VERIFIED]:
        found = {s: choices[i][picks[rows[k], i]] for i, s in enumerate(letters)}
        if all(holds(condition, found) is True for condition in everything):
            return {**found, **{s: value(opened(d), found) for s, d in definitions.items()}}
    return None


def _definitions(facts: Sequence[Boolean]) -> tuple[dict[sp.Symbol, sp.Expr], list[Boolean]]:
    """Equations ``letter = expression``, each in letters that earlier ones do not define; and all other facts."""
    found: dict[sp.Symbol, sp.Expr] = {}
    rest: list[Boolean] = []
    for fact in facts:
        if isinstance(fact, sp.Eq):
            left, right = fact.args
            if isinstance(left, sp.Symbol) and left not in found and not _depends(right, left, found):
                found[left] = right
                continue
        rest.append(fact)
    return found, rest


def _depends(expression: sp.Basic, letter: sp.Symbol, known: Mapping[sp.Symbol, sp.Expr]) -> bool:
    """Whether an expression uses the letter, or a letter that is not defined before it was."""
    for symbol, definition in reversed(list(known.items())):
        expression = expression.xreplace({symbol: definition})
    return letter in expression.free_symbols or any(letter in d.free_symbols for d in known.values())


def _numbers(letter: Parameter) -> list[sp.Rational]:
    if letter.domain is Domain.POSITIVE_INTEGER:
        return list(_STEPS)
    return [*_SIMPLE, sp.Integer(0)] if letter.domain is not Domain.POSITIVE else list(_SIMPLE)


def _draws(counts: Sequence[int]) -> npt.NDArray[np.int64]:
    """Indices into each letter's numbers, [trials, letters]; seeded, so that a verdict does not depend on the day."""
    rng = np.random.default_rng(0)
    columns = [np.where(rng.random(_TRIALS) < 0.4, 0, rng.integers(0, count, _TRIALS)) for count in counts]
    return np.stack(columns, 1)


def _judge(
    letters: Sequence[sp.Symbol],
    columns: Sequence[Floats],
    conditions: Sequence[Boolean],
    claimed: sp.Expr,
    proved: sp.Expr,
    maximised: bool,
) -> tuple[npt.NDArray[np.bool_], Floats]:
    good = np.ones(len(columns[0]), bool)
    with np.errstate(all="ignore"):
        for condition in conditions:
            good &= np.broadcast_to(np.asarray(_function(condition, letters)(*columns), bool), good.shape)
        a, b = (
            np.broadcast_to(np.asarray(_function(e, letters)(*columns), float), good.shape) for e in (claimed, proved)
        )
        gain = b / np.where(a > 0, a, np.nan) if maximised else 1 + (a - b) / (np.abs(a) + np.abs(b))
    gain = np.where(np.isfinite(gain), gain, 1.0)
    return good, np.where(good, gain, -np.inf)


def _function(expression: sp.Basic, letters: Sequence[sp.Symbol]) -> Callable[..., Any]:
    if isinstance(expression, BooleanAtom):
        truth = bool(expression)
        return lambda *_: truth
    if isinstance(expression, BooleanFunction):
        expression = expression.to_nnf()
    formula: Callable[..., Any] = numpy_function(expression, tuple(letters))
    return formula


def _length(number: sp.Rational) -> float:
    bits, total = size(Fraction(int(number.p), int(number.q)))
    # A run of many steps is long to check.
    return bits + total / 400

"""Letters that a search holds still: of the algorithm, of the budget, and abbreviations such as theta and Q.

A search at ``theta = 1/10, T = 1000, Q = c^2/100`` asks for the worst problem there. An abbreviation is turned around:
it settles the one letter among eta and F0 that its definition speaks of and nothing else has settled. A step size is
then set, not searched; F0 is met by moving the start along its ray.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

from fuzz.engine.printers.numpy_source import numpy_function
from fuzz.genes import Objectives, Structure, describe, quantise
from fuzz.reading import Floats, Letters, Reading
from fuzz.shapes import evaluate
from theorems.language.quantities import Scope

_RUN_LETTERS = ("eta", "T", "F0")
_REACH, _BISECTIONS, _SECANTS = 40.0, 12, 7
# Finer than other numbers of a search: the held F0 is met to about twelve digits.
_START_BITS = 44


class Holds:
    """What is held, as functions of the letters that are known.

    Args:
        reading: the theorem.
        pins: values by the name of a letter.

    Raises:
        ValueError: one line, for a name that cannot be held or a value that makes no sense.
    """

    def __init__(self, reading: Reading, pins: Mapping[str, float]) -> None:
        self.reading, self.pins = reading, dict(pins)
        self._check()
        self.steps = int(self.pins["T"]) if "T" in self.pins else None
        self._eta: Callable[[Letters], Floats] | None = self._given("eta")
        self._gap: Callable[[Letters], Floats] | None = self._given("F0")
        self._turn_around()

    @property
    def sets_step_size(self) -> bool:
        """Whether the step size follows from what is held."""
        return self._eta is not None

    @property
    def sets_gap(self) -> bool:
        """Whether F0 follows from what is held."""
        return self._gap is not None

    def fits(self, structure: Structure) -> Structure:
        """The structure with what is held taken out of its choices."""
        if self.steps is not None:
            structure = replace(structure, steps=(self.steps, self.steps))
        return replace(structure, at_cap=True) if self.sets_step_size else structure

    def step_size(self, letters: Letters, count: int) -> Floats | None:
        """The held step size, [N], or None."""
        return None if self._eta is None else np.broadcast_to(self._eta(letters), (count,)).astype(np.float64)

    def gap(self, letters: Letters, count: int) -> Floats | None:
        """The held F0, [N], or None."""
        return None if self._gap is None else np.broadcast_to(self._gap(letters), (count,)).astype(np.float64)

    # -- reading the request -----------------------------------------------------------------------------------------

    def _check(self) -> None:
        reading = self.reading
        runs = reading.quantity.scope is Scope.TRAJECTORY
        letter = reading.sigma_letter
        allowed = {"c", *(str(p.name) for p in reading.free)} | ({str(letter.name)} if letter else set())
        allowed |= {*_RUN_LETTERS, *self._definitions} if runs else {"m"}
        for name, value in self.pins.items():
            if name not in allowed:
                raise ValueError(f"cannot hold {name}; what can be held: {', '.join(sorted(allowed))}")
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be held at a positive number, not {value}")
        if self.pins.get("T", 1.0) != int(self.pins.get("T", 1.0)):
            raise ValueError(f"T must be held at a whole number, not {self.pins['T']}")

    @property
    def _definitions(self) -> dict[str, sp.Expr]:
        theorem = self.reading.theorem
        return {
            str(s.name): theorem.expand(e)
            for s, e in theorem.where.items()
            if {"eta", "F0"} & {str(v.name) for v in theorem.expand(e).free_symbols}
        }

    def _given(self, name: str) -> Callable[[Letters], Floats] | None:
        if name not in self.pins:
            return None
        value = self.pins[name]
        return lambda letters: np.asarray(value)

    def _turn_around(self) -> None:
        """Each held abbreviation settles eta or F0."""
        waiting = {name: expr for name, expr in self._definitions.items() if name in self.pins}
        while waiting:
            for name, expression in list(waiting.items()):
                symbols = {str(s.name): s for s in expression.free_symbols}
                if "eta" in symbols and not self.sets_step_size and "F0" not in symbols:
                    self._eta = self._solved(name, expression, symbols["eta"])
                elif "F0" in symbols and not self.sets_gap:
                    # The step size is known by then, held or searched.
                    if len(waiting) > 1 and not self.sets_step_size:
                        continue
                    self._gap = self._solved(name, expression, symbols["F0"])
                else:
                    raise ValueError(f"cannot hold {name} = {expression}: what is held already settles it")
                del waiting[name]
                break
            else:
                raise ValueError(f"cannot hold {', '.join(waiting)} together")

    def _solved(self, name: str, expression: sp.Expr, letter: sp.Symbol) -> Callable[[Letters], Floats]:
        formula, names = _turned(name, expression, letter)
        value = np.asarray(self.pins[name])
        return lambda letters: np.asarray(formula(value, *(letters[n] for n in names)), np.float64)


@lru_cache(maxsize=64)
def _turned(name: str, expression: sp.Expr, letter: sp.Symbol) -> tuple[Callable[..., Any], tuple[str, ...]]:
    """``letter`` as a function of the value of ``expression`` and of the other letters, named."""
    value = sp.Symbol("held", positive=True)
    solutions = sp.solve(sp.Eq(expression, value), letter)
    if len(solutions) != 1:
        raise ValueError(f"cannot hold {name} = {expression}: {letter} does not follow from it")
    symbols = tuple(sorted(solutions[0].free_symbols - {value}, key=str))
    return numpy_function(solutions[0], (value, *symbols)), tuple(str(s.name) for s in symbols)


def at_gap(objectives: Objectives, gap: Floats) -> Objectives:
    """The objectives with each start moved along its ray until F0 is ``gap`` [N]; NaN starts where no point has it."""
    low, high = np.full(len(gap), -_REACH), np.full(len(gap), _REACH)

    def level(scale: Floats) -> Floats:
        with np.errstate(over="ignore", invalid="ignore"):
            points = objectives.start * np.exp(scale)[:, None]
            heights = evaluate(objectives.family, "value", objectives.parameters, points).sum(1)
        return np.where(np.isnan(heights), np.inf, heights)

    met = (level(low) <= gap) & (gap <= level(high))
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        below = level(middle) <= gap
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    # The rest is nearly straight; the rule of false position, halving the side that stays twice (Illinois).
    left, right, last = level(low) - gap, level(high) - gap, np.zeros(len(gap))
    for _ in range(_SECANTS):
        with np.errstate(all="ignore"):
            part = np.clip(left / (left - right), 0.0, 1.0)
        middle = low + (high - low) * np.where(np.isfinite(part), part, 0.5)
        value = level(middle) - gap
        below = value <= 0
        side = np.where(below, -1.0, 1.0)
        again = np.where(side == last, 0.5, 1.0)
        left, right, last = np.where(below, value, left * again), np.where(below, right * again, value), side
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    nearer = np.where(np.abs(left) < np.abs(right), low, high)
    start = quantise(objectives.start * np.exp(nearer)[:, None], _START_BITS)
    moved = describe(
        objectives.family,
        objectives.parameters,
        np.where(met[:, None], start, objectives.start),
        (objectives.tight["L0"], objectives.tight["L1"]),
    )
    return replace(moved, rounding=np.where(met, moved.rounding, np.inf))

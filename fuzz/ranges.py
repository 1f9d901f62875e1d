"""What conditions on one letter alone leave of its range.

A condition such as ``2 c <= sigma <= 2.02 c`` is met by one random noise level in a thousand. Where no other letter has
a say, the range is found once, by a grid and bisection, so that nothing else is ever tried.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import sympy as sp

from fuzz.engine.printers.numpy_source import numpy_function
from fuzz.rationals import quantise
from fuzz.reading import PROBLEM_LETTERS, Floats, Letters, Reading

NOISE_LEVELS = (1e-2, 1e2)
"""Where sigma/c is searched."""

LONGEST = 20_000
"""Steps of a run, at most."""

_GRID, _CLOSER, _BISECTIONS = 16 * 40 + 1, 3, 40
_SIMPLE, _SAME = 10_000, 1e-9
_INWARDS = 2.0**-20

Holds = Callable[[Floats], npt.NDArray[np.bool_]]


@lru_cache(maxsize=64)
def noise_levels(reading: Reading, threshold: float = 1.0) -> tuple[float, float] | None:
    """The least and the largest sigma/c for which conditions on sigma and c alone hold.

    None where there are none, where other letters have a part in the noise level, where nothing was found, and where a
    condition is no inequality between two things whose difference grows or falls with sigma throughout: what is left
    might be in pieces.

    Args:
        reading: the statement.
        threshold: c.
    """
    letter = reading.sigma_letter
    if letter is None or not reading.plain_noise:
        return None
    name = str(letter.name)
    conditions = [part for whole in reading.alone(name) for part in sp.And.make_args(whole)]
    if not conditions or not all(isinstance(part, sp.Le | sp.Lt | sp.Ge | sp.Gt | sp.Eq) for part in conditions):
        return None

    def letters(levels: Floats) -> Letters:
        one = np.ones_like(levels)
        known: Letters = dict.fromkeys((*PROBLEM_LETTERS, *(str(p.name) for p in reading.free)), one)
        tight = {"L0": one, "L1": 0 * one, "strong": one, "deviation": threshold * levels}
        c = threshold * one
        return {name: np.broadcast_to(reading.fill({**known, "c": c}, tight)[name], levels.shape), "c": c}

    def holds(levels: Floats) -> npt.NDArray[np.bool_]:
        return np.broadcast_to(reading.conditions_hold(letters(levels), name, alone=True), levels.shape)

    # Powers of two and of ten, and what is nearest where none of them will do.
    grid = np.union1d(np.geomspace(*NOISE_LEVELS, _GRID), 2.0 ** np.arange(-6, 7))
    for part in conditions:
        symbols = tuple(sorted(part.free_symbols, key=str))
        values = letters(grid)
        with np.errstate(all="ignore"):
            side = numpy_function(part.lhs - part.rhs, symbols)(*(values[str(s.name)] for s in symbols))
            rises = np.diff(np.broadcast_to(side, grid.shape))
        if not ((rises > 0).all() or (rises < 0).all()):
            return None
    for _ in range(_CLOSER):
        good = holds(grid)
        if good.any():
            return _ends(grid, good, holds)
        nearest = int(np.broadcast_to(reading.shortfall(letters(grid), name, alone=True), grid.shape).argmin())
        grid = np.geomspace(grid[max(nearest - 1, 0)], grid[min(nearest + 1, len(grid) - 1)], _GRID)
    return None


def _ends(grid: Floats, good: npt.NDArray[np.bool_], holds: Holds) -> tuple[float, float]:
    """The first and the last number that is admitted, each by bisection towards its neighbour that is not; a little
    within, where no gene can be the number itself."""
    first, last = int(np.argmax(good)), len(grid) - 1 - int(np.argmax(good[::-1]))
    found = []
    for inside, outside, inwards in ((first, first - 1, 1 + _INWARDS), (last, last + 1, 1 - _INWARDS)):
        at = float(grid[inside])
        if 0 <= outside < len(grid):
            beyond = float(grid[outside])
            for _ in range(_BISECTIONS):
                middle = float(np.sqrt(at * beyond))
                at, beyond = (middle, beyond) if holds(np.array([middle]))[0] else (at, middle)
            # The end of a condition is often a simple number.
            simple = float(Fraction(at).limit_denominator(_SIMPLE))
            at = simple if abs(simple - at) <= _SAME * at and holds(np.array([simple]))[0] else at
            # Genes are rounded to a lattice: an end that is not on it would be missed on the wrong side.
            moved = at * inwards
            at = moved if float(quantise(np.array(at))) != at and holds(np.array([moved]))[0] else at
        found.append(at)
    return found[0], found[1]


@lru_cache(maxsize=64)
def run_lengths(reading: Reading) -> tuple[int, int] | None:
    """The least and the largest T for which conditions on T and c alone hold; None without such, or if no T will do."""
    if not reading.alone("T"):
        return None
    lengths = np.arange(1.0, LONGEST + 1)
    letters: Letters = {"T": lengths, "c": np.ones_like(lengths)}
    good = np.flatnonzero(np.broadcast_to(reading.conditions_hold(letters, "T", alone=True), lengths.shape))
    return (int(good[0]) + 1, int(good[-1]) + 1) if len(good) else None

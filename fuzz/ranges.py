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

from fuzz.reading import PROBLEM_LETTERS, Floats, Letters, Reading

NOISE_LEVELS = (1e-2, 1e2)
"""Where sigma/c is searched."""

LONGEST = 20_000
"""Steps of a run, at most."""

_GRID, _CLOSER, _BISECTIONS = 16 * 40 + 1, 3, 40
_SIMPLE, _SAME = 10_000, 1e-9

Holds = Callable[[Floats], npt.NDArray[np.bool_]]


@lru_cache(maxsize=64)
def noise_levels(reading: Reading) -> tuple[float, float] | None:
    """The least and the largest sigma/c for which conditions on sigma and c alone hold; None where there are none, or
    nothing was found."""
    letter = reading.sigma_letter
    if letter is None or not reading.alone(str(letter.name)):
        return None
    name = str(letter.name)

    def letters(levels: Floats) -> Letters:
        one = np.ones_like(levels)
        known: Letters = dict.fromkeys((*PROBLEM_LETTERS, *(str(p.name) for p in reading.free)), one)
        tight = {"L0": one, "L1": 0 * one, "strong": one, "deviation": levels}
        return {name: np.broadcast_to(reading.fill(known, tight)[name], levels.shape), "c": one}

    def holds(levels: Floats) -> npt.NDArray[np.bool_]:
        return np.broadcast_to(reading.conditions_hold(letters(levels), name, alone=True), levels.shape)

    # Powers of two and of ten, and what is nearest where none of them will do.
    grid = np.union1d(np.geomspace(*NOISE_LEVELS, _GRID), 2.0 ** np.arange(-6, 7))
    for _ in range(_CLOSER):
        good = holds(grid)
        if good.any():
            return _ends(grid, good, holds)
        nearest = int(np.broadcast_to(reading.shortfall(letters(grid), name, alone=True), grid.shape).argmin())
        grid = np.geomspace(grid[max(nearest - 1, 0)], grid[min(nearest + 1, len(grid) - 1)], _GRID)
    return None


def _ends(grid: Floats, good: npt.NDArray[np.bool_], holds: Holds) -> tuple[float, float]:
    """The first and the last number that is admitted, each by bisection towards its neighbour that is not."""
    first, last = int(np.argmax(good)), len(grid) - 1 - int(np.argmax(good[::-1]))
    found = []
    for inside, outside in ((first, first - 1), (last, last + 1)):
        at = float(grid[inside])
        if 0 <= outside < len(grid):
            beyond = float(grid[outside])
            for _ in range(_BISECTIONS):
                middle = float(np.sqrt(at * beyond))
                at, beyond = (middle, beyond) if holds(np.array([middle]))[0] else (at, middle)
        # The end of a condition is often a simple number.
        simple = float(Fraction(at).limit_denominator(_SIMPLE))
        found.append(simple if abs(simple - at) <= _SAME * at and holds(np.array([simple]))[0] else at)
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

"""Whose turn it is among the structures of a search, and what one structure borrows from others."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fuzz.arm import Arm
from fuzz.reading import Floats

PROBLEM = 1e4
"""What a problem costs beside its runs, in engine steps: about as much time."""

_BORROWED = 2


def next_arm(arms: Sequence[Arm], turn: int, steps: Sequence[float]) -> Arm:
    """Whose turn it is, the ``turn``-th. ``steps`` is what the next turn of each would spend, in engine steps, if all
    its runs were repeated as noisy ones are.

    Every second turn belongs to the one that had least, whatever its rank: ranks of noisy runs are luck at first, and
    some stay high on a plateau. It is by turns the one with fewest problems and the one that cost least: by problems
    alone long runs would eat nearly all steps, by cost alone there would be few of them. The other turns belong to the
    one whose cost after it, times the root of its rank, is least; those without a turn share the rank after the last.

    A problem weighs the root of its dimension: it takes more time, though no more steps.
    """
    problems = np.array([(arm.effort + arm.due) * math.sqrt(arm.inside.structure.dimension) for arm in arms])
    if turn % 4 == 0:
        return arms[int(np.argmin(problems))]
    costs = PROBLEM * problems + np.array([arm.paid for arm in arms]) + np.array(steps)
    if turn % 2 == 0:
        return arms[int(np.argmin(costs))]
    order = np.argsort([-arm.rank for arm in arms], kind="stable")
    place = np.empty(len(order))
    place[order] = np.minimum(np.arange(len(order)), sum(arm.turns > 0 for arm in arms))
    return arms[int(np.argmin(costs * np.sqrt(1 + place)))]


def borrow(arms: Sequence[Arm], arm: Arm, points: Floats) -> None:
    """Where no problem of a structure has met the conditions yet, put numbers of the best structures that do in place
    of the last half of its points [N, G].

    Conditions that tie numbers to narrow ranges need not be met by luck in each structure anew. Where they are met, a
    structure looks for itself: all would look at the same place otherwise.
    """
    if arm.turns == 0 or math.isfinite(arm.score):
        return
    others = [other for other in arms if other.best is not None and math.isfinite(other.score)]
    others.sort(key=lambda other: -other.rank)
    for k, other in enumerate(others[: len(points) // _BORROWED]):
        points[-1 - k] = arm.borrow(other)

"""Whose turn it is among structures, and what they borrow: by hand, then in searches."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import fuzz.search
from fuzz.arm import Arm
from fuzz.budget import Budget
from fuzz.genes import Gene, Structure
from fuzz.reading import Floats, Reading
from fuzz.search import search
from fuzz.strategies import landscape
from fuzz.turns import PROBLEM, borrow, next_arm
from theorems.catalogue import load_catalogue
from theorems.language import F0, L0, L1, AverageGradientNorm, Rational, Theorem, Upper, c, eta

S3 = load_catalogue()["S3"]


def arm(structure: Structure | None = None, **known: Any) -> Arm:
    """An arm that has had a turn, with these attributes."""
    plain = Structure(objective="quadratic", noise="two_point", steps=(2, 64))
    made = Arm(landscape(Reading(S3), structure or plain), np.random.default_rng(0))
    made.turns = 1
    for name, value in known.items():
        setattr(made, name, value)
    return made


# -- turns -------------------------------------------------------------------------------------------------------------


def test_every_fourth_turn_belongs_to_the_fewest_problems() -> None:
    arms = [arm(effort=5.0, due=3, guide=2.0), arm(effort=6.0, due=1, guide=-1.0, paid=1e9)]
    assert next_arm(arms, 4, [0.0, 0.0]) is arms[1]
    arms[1].due = 3
    assert next_arm(arms, 8, [0.0, 0.0]) is arms[0]


def test_every_other_fourth_turn_belongs_to_what_cost_least() -> None:
    """Problems, what they cost beside their runs, their runs, and the runs of the next turn."""
    arms = [arm(effort=9.0, due=1, paid=0.0), arm(effort=0.0, due=1, paid=9 * PROBLEM - 10)]
    assert next_arm(arms, 2, [0.0, 0.0]) is arms[1]
    assert next_arm(arms, 6, [0.0, 20.0]) is arms[0]
    assert next_arm(arms, 6, [20.0, 20.0]) is arms[1]
    arms[1].paid += 20
    assert next_arm(arms, 2, [0.0, 0.0]) is arms[0]


def test_the_other_turns_go_by_rank_and_cost() -> None:
    """The fourth best may cost half of what the best does; a good one is not dropped, nor a bad one."""
    arms = [arm(effort=1.0, due=1, guide=float(-k)) for k in range(4)]
    arms[0].error = 0.5
    costs = [2 * PROBLEM] * 4
    assert next_arm(arms, 1, [0.0] * 4) is arms[0]
    for last, expected in ((2.01, arms[0]), (1.99, arms[3])):
        # After this turn the best has cost four, in problems, and the last as many.
        steps = [2 * PROBLEM, 9e9, 9e9, (last - 2) * PROBLEM + costs[0] - 2 * PROBLEM]
        assert next_arm(arms, 3, steps) is expected
    # What it is ranked by is the score less its error.
    arms[0].error = 1.5
    assert next_arm(arms, 1, [0.0] * 4) is arms[1]


def test_those_without_a_turn_share_a_rank() -> None:
    new = [arm(effort=0.0, due=2, turns=0) for _ in range(3)]
    old = arm(effort=1.0, due=1, guide=1.0)
    # Ranks 0 and 1: any of the new ones is preferred to the old one at 1/sqrt(2) of its cost, the last one too.
    steps = [9e9, 9e9, 0.0, 2 * PROBLEM * (math.sqrt(2) - 1) + 1]
    assert next_arm([*new, old], 1, steps) is new[2]
    steps[3] -= 2
    assert next_arm([*new, old], 1, steps) is old


def test_a_problem_weighs_the_root_of_its_dimension() -> None:
    plane = Structure(objective="quadratic", noise="two_point", steps=(2, 64), dimension=4)
    arms = [arm(plane, effort=0.0, due=2), arm(effort=2.0, due=1)]
    for turn in (2, 4):
        assert next_arm(arms, turn, [0.0, 0.0]) is arms[1]
        arms[1].due = 3
        assert next_arm(arms, turn, [0.0, 0.0]) is arms[0]
        arms[1].due = 1


def test_who_had_a_chance_waits_as_long_again() -> None:
    had = arm(effort=3.0, paid=7.0)
    had.had_its_chance()
    assert (had.effort, had.paid) == (6.0, 14.0)


# -- what is borrowed --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "gene", [Gene("a", 1e-3, 1e2), Gene("a", 1e-4, 0.9, "logit"), Gene("a", -2.0, 5.0, "linear")], ids=lambda g: g.kind
)
def test_genes_of_numbers(gene: Gene) -> None:
    for raw in (0.0, 0.25, 0.7, 1.0):
        assert gene.encode(float(gene.decode(np.array(raw)))) == pytest.approx(raw, abs=1e-12)
    assert gene.encode(gene.low - 1) == 0.0
    assert gene.encode(gene.high + 1) == 1.0
    assert replace(gene, high=gene.low).encode(gene.low) == 0.0


def test_numbers_of_the_same_names_are_borrowed() -> None:
    lender = arm(Structure(objective="huber", noise="two_point", steps=(64, 2000)))
    lender.best = np.linspace(0.1, 0.9, lender.size)
    borrower = arm()
    point = borrower.borrow(lender)
    theirs = {g.name: float(g.decode(v)) for g, v in zip(lender.inside.genes, lender.best, strict=True)}
    ours = {g.name: (g, float(g.decode(v))) for g, v in zip(borrower.inside.genes, point, strict=True)}
    assert {"fraction", "deviation", "steps"} <= set(ours) & set(theirs)
    assert set(theirs) - set(ours), "the slope is of one alone"
    for name, (gene, value) in ours.items():
        if name in theirs:
            assert value == pytest.approx(min(max(theirs[name], gene.low), gene.high))


def lent(arms: list[Arm], borrower: Arm, count: int = 6) -> list[int]:
    """Which points of a borrower are not its own, when all lenders are here."""
    points = np.full((count, borrower.size), 2.0)
    borrow(arms, borrower, points)
    return np.flatnonzero((points != 2.0).any(1)).tolist()


def test_who_borrows_from_whom() -> None:
    good = [arm(score=float(k), guide=float(k), best=np.full(arm().size, 0.1 * (k + 1))) for k in range(5)]
    bad = arm(score=-math.inf, guide=-1e3, best=np.full(arm().size, 0.99))
    needy = arm(score=-math.inf, guide=-1e3, best=np.full(arm().size, 0.99))
    arms = [*good, bad, needy]
    assert lent(arms, needy) == [3, 4, 5], "half, the last"
    points = np.zeros((4, needy.size))
    borrow(arms, needy, points)
    assert np.allclose(points[3], 0.5), "the best lender first"
    assert np.allclose(points[2], 0.4)
    assert lent([good[0], bad, needy], needy) == [5], "who meets no condition lends nothing"
    assert lent(arms, good[1]) == [], "who meets them looks for itself"
    needy.turns = 0
    assert lent(arms, needy) == [], "first everyone looks for itself"


def slit() -> Theorem:
    """S3 less a third, where F0 and eta lie in narrow ranges that other letters settle."""
    curvature = L0 + c * L1
    narrow = [2 * F0 * curvature >= c**2, 2 * F0 * curvature <= Rational(101, 100) * c**2]
    narrow += [eta * curvature >= Rational(1, 100), eta * curvature <= Rational(11, 1000)]
    low = Upper(AverageGradientNorm, S3.claim.bound * Rational(2, 3))
    return replace(S3, name="slit", claim=low, when=[*S3.when, *narrow], proof=[], witness=[])


@pytest.mark.slow
def test_a_search_gets_into_a_slit_sooner_if_structures_borrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two in five structures have a problem there, else one in twenty (four seeds: at least four times as many)."""
    part = []
    for lends in (True, False):
        if not lends:

            def nothing(arms: list[Arm], needy: Arm, points: Floats) -> None:
                pass

            monkeypatch.setattr(fuzz.search, "borrow", nothing)
        found = search(slit(), Budget(steps=2 * 10**5), 3)
        part.append(sum(map(math.isfinite, found.regimes.values())) / len(found.regimes))
    assert part[0] > 2 * part[1] > 0

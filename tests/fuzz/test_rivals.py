"""The searchers of the benchmark: they hunt by the same rules, and none of them calls its own kills."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fuzz.budget import Budget
from fuzz.problem import Family, Problem
from fuzz.reading import Reading
from fuzz.rescore import rescore
from fuzz.rivals import SEARCHERS, hunt
from theorems.catalogue import load_catalogue
from theorems.language import Rational, sigma
from theorems.power import STATEMENTS

BY_NAME = {t.name: t for t in STATEMENTS}
EASY = BY_NAME["power_bias_50"]


def fresh(theorem, problem, choices) -> bool:
    """A judge for statements without noise; the harness has the one that counts."""
    return rescore(Reading(theorem), problem, choices)[0] > 1


def stuck(m) -> Problem:
    return Problem(
        Family("quadratic", ({"curvature": Rational(1)},)),
        Family("none", ({},)),
        (m,),
        Rational(1),
        Rational(1),
        1,
    )


@pytest.mark.parametrize("searcher", SEARCHERS)
@pytest.mark.parametrize("name", ["power_bias_50", "power_d1_50"])
def test_every_searcher_kills_what_is_easy(searcher: str, name: str) -> None:
    found = hunt(searcher, BY_NAME[name], Budget(steps=10**5), 0, fresh)
    assert found.killed
    assert found.stopped == "killed"
    assert 0 < found.steps < 10**5
    assert found.proposals >= 1


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_no_searcher_proposes_against_a_true_statement(searcher: str) -> None:
    found = hunt(searcher, load_catalogue()["S2"], Budget(steps=600), 0, lambda *_: True)
    assert not found.killed
    assert found.proposals == 0
    assert found.stopped == "budget"
    assert found.steps >= 600


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_equal_seeds_hunt_alike(searcher: str) -> None:
    def proposed(seed: int) -> list[Problem]:
        seen: list[Problem] = []

        def remembers(theorem, problem, choices) -> bool:
            seen.append(problem)
            return True

        assert hunt(searcher, EASY, Budget(steps=10**5), seed, remembers).killed
        return seen

    first, second, other = proposed(3), proposed(3), proposed(4)
    assert first == second
    assert first != other


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_a_no_is_obeyed_and_the_hunt_goes_on(searcher: str) -> None:
    answers = iter([False, False, True])
    found = hunt(searcher, EASY, Budget(steps=10**6), 0, lambda *_: next(answers))
    assert found.killed
    assert found.proposals == 3


@pytest.mark.parametrize("searcher", ["ours", "random"])
def test_the_clock_ends_a_hunt(searcher: str) -> None:
    found = hunt(searcher, load_catalogue()["S2"], Budget(steps=10**9), 0, fresh, limit=0.2)
    assert found.stopped == "clock"
    assert not found.killed


@pytest.mark.parametrize("searcher", [pytest.param("ours", marks=pytest.mark.slow), "random", "flat CMA-ES"])
def test_what_is_drawn_in_vain_is_paid_for(searcher: str) -> None:
    """Hardly a draw meets this claim's conditions; a hunt comes to the end of its budget all the same."""
    counted = []

    def watched(state) -> None:
        try:
            SEARCHERS[searcher](state)
        finally:
            counted.append((state.meter.steps, state.meter.vain))

    found = hunt(watched, BY_NAME["power_d2_1_slit"], Budget(steps=1000), 1, lambda *_: False, limit=60)
    ((steps, vain),) = counted
    assert found.stopped == "budget"
    assert found.steps == steps + vain >= 1000
    assert vain > 0
    assert searcher == "ours" or vain > steps


def test_a_hunt_ends_after_a_hundred_noes() -> None:
    def insists(state) -> None:
        while True:
            state.propose(stuck(Rational(1)), {sigma: Rational(1)})

    found = hunt(insists, EASY, Budget(steps=100), 0, lambda *_: False)
    assert (found.killed, found.stopped, found.proposals) == (False, "proposals", 100)


def test_an_oracle_is_never_a_kill() -> None:
    oracle = replace(stuck(Rational(1)), noise=Family("worst_two_point", ({"sigma": Rational(1)},)))

    def cheats(state) -> None:
        state.propose(oracle, {sigma: Rational(1)})
        state.check()

    found = hunt(cheats, EASY, Budget(steps=100), 0, lambda *_: True)
    assert not found.killed
    assert found.proposals == 1


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="unknown searcher 'none'; known: ours, random"):
        hunt("none", EASY, Budget(steps=10), 0, fresh)
    with pytest.raises(ValueError, match="budget in steps, not 1 s"):
        hunt("ours", EASY, Budget(seconds=1.0), 0, fresh)

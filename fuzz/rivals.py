"""Searchers that compete for the same statements: the project's own, and three that lack something it has.

All score problems with the same engine in the same landscapes, never with an oracle's noise. They pay for every step,
and one more for every problem that they drew in vain because it broke a condition. What a searcher believes to be a
violation it proposes; whether that is a kill is for the judge to say, who runs on numbers of his own that nobody pays
for. A searcher that is told no goes on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from fuzz.budget import Budget, Meter
from fuzz.draws import reproducible
from fuzz.problem import Problem
from fuzz.reading import Floats, Reading
from fuzz.search import search
from fuzz.strategies import Landscape, draw_structures, landscape, structures
from fuzz.trajectory import Choices, Scores
from theorems.language.theorem import Theorem

Judge = Callable[[Theorem, Problem, Choices], bool]
"""Whether a proposed problem violates the claim, on numbers that did not select it."""

_POPULATION = 16
_REPLICAS = 32
_CHECK_REPLICAS = 512
_PROPOSALS = 100
_DRAWN = 64
_EXAMPLES = 1000
_GRID = 2**16


@dataclass(frozen=True)
class Hunt:
    """How one searcher fared with one statement.

    Attributes:
        killed: whether a proposal was confirmed.
        steps: engine steps and problems drawn in vain until the kill, or all that were spent.
        proposals: problems that were put to the judge.
        seconds: processor time without the judge's.
        stopped: ``"killed"``, ``"budget"``, ``"clock"`` or ``"proposals"`` (a hundred were turned down).
    """

    killed: bool
    steps: int
    proposals: int
    seconds: float
    stopped: str


class _Over(BaseException):
    """The hunt is over: no exception that a library would catch."""


class _Hunt:
    """Budget, clock and judge of one hunt."""

    def __init__(self, theorem: Theorem, budget: Budget, seed: int, judge: Judge, limit: float) -> None:
        if budget.steps is None:
            raise ValueError(f"a hunt needs a budget in steps, not {budget}")
        self.theorem, self.budget, self.seed, self._judge = theorem, budget, seed, judge
        self.reading, self.meter, self.limit = Reading(theorem), Meter(budget), limit
        self.proposals, self.killed, self.stopped = 0, False, "budget"
        self.next_id = 0
        self._began, self._away = time.process_time(), 0.0

    @property
    def steps(self) -> int:
        """What was paid so far."""
        return self.meter.steps + self.meter.vain

    @property
    def seconds(self) -> float:
        return time.process_time() - self._began - self._away

    @contextmanager
    def _outside(self) -> Iterator[None]:
        began = time.process_time()
        yield
        self._away += time.process_time() - began

    def check(self) -> None:
        """End the hunt if nothing is left of it."""
        assert self.budget.steps is not None
        if self.steps >= self.budget.steps:
            self._end("budget")
        if self.seconds > self.limit:
            self._end("clock")

    def propose(self, problem: Problem, choices: Choices) -> None:
        """Ask the judge; a kill ends the hunt, and so does the last no."""
        self.proposals += 1
        with self._outside():
            self.killed = not problem.oracle and self._judge(self.theorem, problem, choices)
        if self.killed:
            self._end("killed")
        if self.proposals >= _PROPOSALS:
            self._end("proposals")

    def _end(self, why: str) -> None:
        self.stopped = why
        raise _Over

    def evaluate(self, inside: Landscape, points: Floats) -> Scores:
        """Score points [N, G] and pay; the best that look like violations are checked, then proposed."""
        scores = inside.evaluate(points, _REPLICAS, self.meter, self.seed, self.next_id)
        self.next_id += len(points)
        lower = scores.score - 3 * scores.error
        for row in np.argsort(-lower, kind="stable")[:2]:
            if lower[row] > 1:
                self._offer(inside, points[row])
        self.check()
        return scores

    def _offer(self, inside: Landscape, point: Floats) -> None:
        if inside.stochastic:
            again = inside.evaluate(point[None, :], _CHECK_REPLICAS, self.meter, self.seed, self.next_id)
            self.next_id += 1
            if not again.score[0] - 3 * again.error[0] > 1:
                return
        found = inside.problem(point)
        if found is not None:
            self.propose(*found)

    def outcome(self) -> Hunt:
        return Hunt(self.killed, self.steps, self.proposals, self.seconds, self.stopped)


# -- the searchers ---------------------------------------------------------------------------------------------------


def _ours(hunt: _Hunt) -> None:
    """``search``, begun again with another seed as long as what it finds is turned down."""
    for attempt in range(_PROPOSALS):
        assert hunt.budget.steps is not None
        spent = hunt.meter.steps

        def tell(part: float, score: float, steps: int, before: int = spent) -> None:
            hunt.meter.steps = before + steps
            if hunt.seconds > hunt.limit:
                hunt.check()

        left = Budget(steps=max(1, hunt.budget.steps - hunt.steps))
        result = search(hunt.theorem, left, hunt.seed + 10007 * attempt, enough=1.0, progress=tell)
        hunt.meter.steps = spent + result.steps
        hunt.meter.vain += result.vain
        for candidate in result.candidates[:3]:
            if candidate.score - 3 * candidate.error > 1:
                hunt.propose(candidate.problem, candidate.choices)
        hunt.check()


def _random(hunt: _Hunt) -> None:
    """The strategies' structures with uniform genes."""
    rng, round_number = np.random.default_rng([hunt.seed, 1]), 0
    while True:
        for structure in draw_structures(hunt.reading, _DRAWN, hunt.seed * 1009 + 500_009 + round_number, apart=False):
            inside = landscape(hunt.reading, structure)
            hunt.evaluate(inside, rng.random((_POPULATION, len(inside.genes))))
        round_number += 1


def _hypothesis(hunt: _Hunt) -> None:
    """Hypothesis alone draws structure and numbers and climbs by ``target()``; a thousand examples a round."""
    from hypothesis import HealthCheck, Phase, given, seed, settings, target
    from hypothesis import strategies as st

    drawn, round_number = structures(hunt.theorem, apart=False), 0
    while True:

        @seed(hunt.seed * 1009 + round_number)
        @settings(
            max_examples=_EXAMPLES,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.target],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.data())
        def climb(data: Any) -> None:
            inside = landscape(hunt.reading, data.draw(drawn))
            genes = [data.draw(st.integers(0, _GRID)) / _GRID for _ in inside.genes]
            scores = hunt.evaluate(inside, np.array([genes], np.float64).reshape(1, -1))
            target(float(np.clip(scores.guide[0], -1e6, 1e6)))

        with reproducible():
            climb()
        round_number += 1


def _flat_cma(hunt: _Hunt) -> None:
    """CMA-ES on one flat vector: the first number chooses a structure, the others are its genes by name."""
    import cma

    pool = sorted(draw_structures(hunt.reading, 256, hunt.seed * 1009 + 900_001, apart=False), key=lambda s: s.regime)
    inside = [landscape(hunt.reading, structure) for structure in pool]
    names = sorted({gene.name for place in inside for gene in place.genes})
    columns = [np.array([1 + names.index(gene.name) for gene in place.genes], int) for place in inside]
    rng = np.random.default_rng([hunt.seed, 2])
    while True:
        options = {
            "verbose": -9,
            "randn": lambda *shape: rng.standard_normal(shape),
            "seed": math.nan,
            "popsize": _POPULATION,
            "verb_log": 0,
        }
        strategy = cma.CMAEvolutionStrategy(rng.random(1 + len(names)), 0.3, options)
        while not strategy.stop():
            points = np.array(strategy.ask())
            chosen = np.clip((points[:, 0] * len(pool)).astype(int), 0, len(pool) - 1)
            guide = np.empty(len(points))
            for number in np.unique(chosen):
                rows = np.flatnonzero(chosen == number)
                genes = points[np.ix_(rows, columns[number])]
                guide[rows] = hunt.evaluate(inside[number], genes).guide
            outside = np.abs(points - np.clip(points, 0, 1)).sum(1)
            strategy.tell(list(points), list(-guide + outside * np.maximum(1e-3, np.abs(guide) * 1e-3)))


SEARCHERS: Mapping[str, Callable[[_Hunt], None]] = MappingProxyType(
    {"ours": _ours, "random": _random, "hypothesis": _hypothesis, "flat CMA-ES": _flat_cma}
)
"""The searchers by name: the project's own first."""


def hunt(
    searcher: str | Callable[[_Hunt], None],
    theorem: Theorem,
    budget: Budget,
    seed: int,
    judge: Judge,
    limit: float = math.inf,
) -> Hunt:
    """Let a searcher loose on one statement until it kills, or nothing is left.

    Args:
        searcher: a name of :data:`SEARCHERS`, or a function of a hunt.
        theorem: the statement.
        budget: in steps.
        seed: of everything the searcher does.
        judge: see :data:`Judge`.
        limit: seconds of processor time, the judge's not counted.

    Raises:
        ValueError: one line, for an unknown searcher, or a budget in seconds.
    """
    if isinstance(searcher, str):
        if searcher not in SEARCHERS:
            raise ValueError(f"unknown searcher {searcher!r}; known: {', '.join(SEARCHERS)}")
        searcher = SEARCHERS[searcher]
    state = _Hunt(theorem, budget, seed, judge, limit)
    with suppress(_Over):
        searcher(state)
    return state.outcome()


__all__ = ["SEARCHERS", "Hunt", "Judge", "hunt"]

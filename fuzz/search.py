"""Search for a violation (or, for an attained claim, for the bound itself): the score of a claim, pushed up.

Hypothesis draws structures; CMA-ES moves through the numbers of each. Structures take turns (``turns.py``): better ones
more often, and none is ever dropped. A turn is a few random points at first, then some
generations of CMA-ES with more and more replicas, or gradient ascent where numbers are many and there is no noise.
Whenever the steps have doubled, new structures join. Comparisons use fresh randomness, because the best of many noisy
scores is biased upward.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fuzz.arm import Arm
from fuzz.budget import Budget, Meter
from fuzz.coverage import Coverage, axes_of
from fuzz.engine import searching_on
from fuzz.genes import Structure
from fuzz.holds import Holds
from fuzz.outcome import Candidate, Progress, SearchResult
from fuzz.problem import Problem
from fuzz.reading import Floats, Reading, out_of_reach
from fuzz.rescore import rescore
from fuzz.rounding import rounding_allowance
from fuzz.strategies import (
    boundary_structures,
    canonical,
    draw_structures,
    inside_case,
    landscape,
    plain_structures,
)
from fuzz.trajectory import Choices, RunLandscape, Scores
from fuzz.turns import borrow, next_arm
from theorems.language.parameters import Parameter
from theorems.language.quantities import Scope
from theorems.language.theorem import Theorem

_LOOKS, _TIMED_LOOKS = (2, 6, 16), (16, 32)
"""Random points in the first turns of a structure, for a budget in steps and in seconds (of which many points take
hardly more than few); CMA-ES begins at the best of them."""
_TIMED_POPULATION = 16
_DRAWN = 24
_GENERATIONS = 4
_REPLICAS = (4, 8, 32, 128)
_FINAL_REPLICAS = 512
_FIRST_CHECK = 64
# From so many numbers on, every other turn of a structure without noise is an ascent, as far as runs can be unrolled
# (ci/results/ascent-2026-11-30.md).
_MANY, _CLIMB_EVERY, _PASSES = 48, 2, 20
# A pass forward and backward takes ten to thirty milliseconds, whatever it counts in steps: as long as so many
# problems. And torch takes a second or two to load: not within shorter budgets.
_CLIMB_EFFORT, _CLIMB_SECONDS = 100, 30.0
# What counts as a higher score, beside rounding; and how far from the top an ascent that came to rest begins anew.
_HIGHER, _NEARBY = 1e-6, 0.05
_STEPS_PER_SECOND = 2e7
# Empty regimes: so many points of a structure are looked at, so many of a regime are scored, for at most this part of
# the budget; and scores on the map of noisy claims are estimated anew for at most that part.
_DRAFTS, _EACH, _COVER, _FRESH = 96, 3, 0.1, 0.05
# Nothing is covered on purpose before this part of the budget is spent.
_COVER_AFTER = 0.2
# Problems that meet no hypothesis cost no steps: with none that does, a budget in steps would last for ever.
_IN_VAIN = 200_000


def search(
    theorem: Theorem,
    budget: Budget,
    seed: int = 0,
    *,
    oracle: bool = False,
    device: str = "auto",
    progress: Progress | None = None,
    extra_starts: Sequence[tuple[Problem, Choices]] = (),
    enough: float | None = None,
    at: Mapping[Parameter, float] | None = None,
) -> SearchResult:
    """Maximise the score of a theorem's claim.

    Args:
        theorem: the statement.
        budget: with steps the result depends on ``seed`` alone, with seconds also on the machine.
        seed: of structures, CMA-ES and noise.
        oracle: allow noise built from the worst drift at the current point.
        device: ``"auto"`` or ``"cpu"``, or ``"cuda"`` for whole runs on the GPU.
        progress: see :data:`Progress`.
        extra_starts: problems from elsewhere (a witness, say) that compete as they are.
        enough: stop once a candidate's score, less three standard errors, is above this.
        at: parameters that are held: ``c``, sigma or a free letter; for one step ``m``; for whole runs ``eta``, ``T``,
            ``F0`` and abbreviations that speak of them, such as theta (see :mod:`fuzz.holds`).

    Raises:
        ValueError: one line: an unknown device, a parameter that cannot be held, or assumptions that no family meets.
    """
    with searching_on(device):
        if out_of_reach(theorem):
            return SearchResult((), -math.inf, 0, 0.0, 0, stopped="out of reach")
        return _Search(theorem, budget, seed, oracle, progress, at or {}).run(extra_starts, enough)


class _Search:
    def __init__(
        self,
        theorem: Theorem,
        budget: Budget,
        seed: int,
        oracle: bool,
        progress: Progress | None,
        at: Mapping[Parameter, float],
    ) -> None:
        self.reading, self.seed, self.oracle, self.progress = Reading(theorem), seed, oracle, progress
        self.meter = Meter(budget)
        self.pins = {str(p.name): float(v) for p, v in at.items()}
        self.holds = Holds(self.reading, self.pins)
        # One evaluation may cost at most this, so that no structure eats the budget.
        self.total = float(budget.steps) if budget.steps is not None else (budget.seconds or 1.0) * _STEPS_PER_SECOND
        self.cost_cap = max(self.total / 50, 1e3)
        self.enough: float | None = None
        self.enough_found = False
        self.next_id = 0
        self.regimes: dict[str, float] = {}
        self.history: list[tuple[int, float]] = []
        self.hall: dict[Structure, tuple[Floats, float, float]] = {}
        self.coverage = Coverage(axes_of(self.reading, self.holds))
        self.arms: list[Arm] = []
        self.turns, self.joined, self.joined_vain, self.joins, self.covered = 0, 0, 0, 0, False
        self.steps_seen, self.vain_seen = 0, 0
        self.timed = budget.seconds is not None
        self.looks: tuple[int, ...] = _TIMED_LOOKS if self.timed else _LOOKS
        self.population = _TIMED_POPULATION if self.timed else 0

    # -- the loop ----------------------------------------------------------------------------------------------------

    def run(self, extra: Sequence[tuple[Problem, Choices]], enough: float | None) -> SearchResult:
        others = [c for c in (self._judge(problem, choices) for problem, choices in extra) if c is not None]
        self.enough = enough
        self.steps_seen, stopped = self.meter.steps, "budget"
        while not (self.enough_found or (self.meter.spent and self.regimes)):
            if self._in_vain:
                if self.covered:
                    stopped = "in vain"
                    break
                self._cover()
                continue
            # While no problem meets the hypotheses there are no steps to go by.
            went, vain = self.meter.steps, self.meter.vain
            doubled = went >= 2 * self.joined if went > self.joined else vain >= 2 * self.joined_vain
            if doubled and all(arm.turns for arm in self.arms):
                self._join()
            if not self.covered and self.meter.fraction >= _COVER_AFTER:
                self._cover()
            self._turn(self._next())
        stopped = "enough" if self.enough_found else stopped
        candidates = self._candidates(others)
        if stopped == "budget":
            self._judge_regimes()
        score = candidates[0].score if candidates else -math.inf
        return SearchResult(
            candidates,
            score,
            self.meter.steps,
            self.meter.seconds,
            self.meter.evaluations,
            dict(self.regimes),
            tuple(self.history),
            stopped,
            self.coverage.summary(),
            self.meter.vain,
        )

    @property
    def _in_vain(self) -> bool:
        """Whether very many problems on end met no hypothesis; a budget in seconds ends by itself."""
        if self.meter.steps > self.steps_seen:
            self.steps_seen, self.vain_seen = self.meter.steps, self.meter.vain
        return not self.timed and self.meter.vain - self.vain_seen >= _IN_VAIN

    def _join(self) -> None:
        """New structures; the first are the boundary cases. Every case of the bound is a place of its own to search."""
        # What is held says in which case a problem is.
        cases = range(1 if self.pins else len(self.reading.cases) + 1)
        if self.joins == 0:
            edges = boundary_structures(self.reading, self.oracle)
            # A budget in seconds may be short: the cases of the bound wait for the second lot.
            drawn = [replace(s, case=k) for k in (range(1) if self.timed else cases) for s in edges]
        else:
            drawn = draw_structures(self.reading, _DRAWN, self.seed * 1009 + self.joins - 1, self.oracle)
            drawn = [replace(s, case=number % len(cases)) for number, s in enumerate(drawn)]
        drawn = [inside_case(self.reading, s) for s in drawn]
        known = {arm.inside.structure for arm in self.arms}
        new = [arm for arm in self._made(drawn, self.joins) if arm.inside.structure not in known]
        # Short runs first: what falls to them costs little.
        self.arms += sorted(new, key=lambda arm: arm.inside.structure.steps)
        # After the boundary cases at once.
        if self.joins:
            self.joined, self.joined_vain = self.meter.steps, self.meter.vain
        self.joins += 1

    def _next(self) -> Arm:
        self.turns += 1
        steps = [arm.due * self._replicas(arm) * math.sqrt(math.prod(arm.inside.structure.steps)) for arm in self.arms]
        return next_arm(self.arms, self.turns, steps)

    def _replicas(self, arm: Arm) -> int:
        """Twice as many turns at each level as at the one before."""
        level = (max(0, arm.turns - len(self.looks)) // 3 + 1).bit_length() - 1
        return _REPLICAS[min(level, len(_REPLICAS) - 1)]

    def _turn(self, arm: Arm) -> None:
        replicas, before = self._replicas(arm), self.meter.steps
        arm.effort += arm.due
        if arm.size < 2 or arm.turns < len(self.looks):
            points = arm.design(arm.due)
            borrow(self.arms, arm, points)
            self._learn(arm, points, self._evaluate(arm, points, replicas))
            self._check_enough(arm)
        elif not (arm.size >= _MANY and arm.turns % _CLIMB_EVERY == 0 and self._climb(arm)):
            self._advance(arm, _GENERATIONS, replicas)
        arm.turns += 1
        arm.paid += self.meter.steps - before
        if arm.size:
            looks = arm.size < 2 or arm.turns < len(self.looks)
            arm.due = self.looks[min(arm.turns, len(self.looks) - 1)] if looks else _GENERATIONS * arm.population

    def _made(self, structures: Sequence[Structure], lot: int) -> list[Arm]:
        names = list(dict.fromkeys(canonical(self.reading, s, self.pins) for s in structures))
        made = []
        for number, structure in enumerate(names):
            rng = np.random.default_rng([self.seed % 2**63, lot, number])
            arm = Arm(landscape(self.reading, structure, self.pins), rng, self.population)
            arm.due = self.looks[0] if arm.size else 1
            made.append(arm)
        return made

    def _advance(self, arm: Arm, generations: int, replicas: int) -> None:
        """Some generations of CMA-ES, then a fresh estimate of the best point."""
        going = True
        for _ in range(generations):
            if self.meter.spent or not going:
                break
            points = arm.ask()
            scores = self._evaluate(arm, points, replicas)
            going = arm.tell(points, scores.guide)
            self._learn(arm, points, scores)
            if self._check_enough(arm):
                return
        if arm.inside.stochastic and arm.best is not None:
            self._refresh(arm, replicas * 4)
        if not going:
            arm.had_its_chance()
            arm.forget()

    def _climb(self, arm: Arm) -> bool:
        """A turn of gradient ascent, from a problem that meets the conditions; False where there is none."""
        seconds = self.meter.budget.seconds
        short = seconds is not None and seconds < _CLIMB_SECONDS
        if short or not arm.climbs or arm.best is None or not math.isfinite(arm.score):
            return False
        from fuzz.ascent import Climber

        assert isinstance(arm.inside, RunLandscape)
        climber = arm.climber
        # CMA-ES may have found a higher hill since; and from where it came to rest it would go nowhere again.
        if climber is None or arm.score > arm.climbed + _HIGHER:
            climber = Climber(arm.inside, arm.best)
        elif climber.spent:
            climber = Climber(arm.inside, arm.best + _NEARBY * arm.rng.standard_normal(arm.size))
        arm.climber, before = climber, self.meter.steps

        def pay(steps: int) -> bool:
            self.meter.add(steps, int(steps > 0))
            self.meter.vain += int(steps == 0)
            arm.effort += _CLIMB_EFFORT
            return not self.meter.spent and self.meter.steps - before < self.cost_cap

        climber.climb(_PASSES, pay)
        if math.isfinite(climber.score):
            points = climber.best[None, :]
            self._learn(arm, points, self._evaluate(arm, points, _REPLICAS[0]))
            self._check_enough(arm)
        arm.climbed = arm.score
        return True

    def _refresh(self, arm: Arm, replicas: int) -> None:
        """Replace the selected score of the best point, or of the favourite, by a fresh one."""
        assert arm.best is not None
        points = np.stack([arm.best, arm.favourite])
        first = self._evaluate(arm, points, replicas)
        chosen = int(np.argmax(first.guide - first.error))
        fresh = self._evaluate(arm, points[chosen : chosen + 1], replicas)
        arm.best, arm.guide = points[chosen], float(fresh.guide[0])
        arm.score, arm.error = float(fresh.score[0]), float(fresh.error[0])
        self._remember(arm)

    def _evaluate(self, arm: Arm, points: Floats, replicas: int) -> Scores:
        longest = arm.inside.structure.steps[1]
        affordable = max(2, int(self.cost_cap / (len(points) * math.sqrt(longest * arm.inside.structure.steps[0]))))
        scores = arm.inside.evaluate(points, min(replicas, affordable), self.meter, self.seed, self.next_id)
        self.next_id += len(points)
        structure = arm.inside.structure
        self.coverage.add(scores.at, scores.score - scores.error, lambda row: (structure, points[row].copy()))
        if self.progress is not None:
            self.progress(
                min(1.0, self.meter.fraction), self.history[-1][1] if self.history else -math.inf, self.meter.steps
            )
        return scores

    def _learn(self, arm: Arm, points: Floats, scores: Scores) -> None:
        chosen = int(np.argmax(scores.guide - scores.error))
        if scores.guide[chosen] - scores.error[chosen] > arm.rank:
            arm.best, arm.guide = points[chosen], float(scores.guide[chosen])
            arm.score, arm.error = float(scores.score[chosen]), float(scores.error[chosen])
        self._remember(arm)

    def _remember(self, arm: Arm) -> None:
        structure = arm.inside.structure
        regime = structure.regime
        self.regimes[regime] = max(self.regimes.get(regime, -math.inf), arm.score)
        if arm.best is None or not math.isfinite(arm.score):
            return
        lower = arm.score - arm.error
        known = self.hall.get(structure)
        if known is None or lower > known[1] - known[2] or np.array_equal(known[0], arm.best):
            self.hall[structure] = (arm.best, arm.score, arm.error)
        if not self.history or lower > self.history[-1][1]:
            self.history.append((self.meter.steps, lower))

    # -- regimes -----------------------------------------------------------------------------------------------------

    def _cover(self) -> None:
        """Score a few problems in every regime that no structure has been in, if the hypotheses admit one there."""
        self.covered = True
        wanted = dict.fromkeys(self.coverage.unseen(), _EACH)
        self.coverage.drafted = {self.coverage.sides(cell) for cell in self.coverage.entries}
        most = self.meter.fraction + _COVER
        more: list[Structure] = []
        if wanted:
            drawn = draw_structures(self.reading, _DRAWN, self.seed * 1009 + 503, self.oracle)
            more = [*plain_structures(self.reading), *drawn]
        for arm in [*self.arms, *self._made(more, 503)]:
            if not wanted or self.meter.fraction >= min(most, 1.0):
                return
            if not arm.size:
                continue
            points = arm.design(_DRAFTS)
            at, good = arm.inside.places(points)
            chosen = []
            for row, cell in enumerate(self.coverage.places(at, _DRAFTS)):
                regime = self.coverage.sides(tuple(map(int, cell)))
                if good[row]:
                    self.coverage.drafted.add(regime)
                if good[row] and wanted.get(regime):
                    wanted[regime] -= 1
                    chosen.append(row)
            self.meter.vain += len(points) - len(chosen)
            if chosen:
                self._learn(arm, points[chosen], self._evaluate(arm, points[chosen], _REPLICAS[0]))
                wanted = {regime: left for regime, left in wanted.items() if left}
        self.coverage.complete = True

    def _judge_regimes(self) -> None:
        """Estimate the best scores of the regimes anew where noise took part in selecting them."""
        leaders = self.coverage.leaders()
        if not leaders or self.reading.exact_gradients or self.reading.quantity.scope is Scope.ONE_STEP:
            return
        for entry in leaders:
            structure, point = entry.champion
            inside = landscape(self.reading, structure, self.pins)
            entry.fresh = True
            if not inside.stochastic:
                continue
            longest = structure.steps[1]
            replicas = int(np.clip(self.total * _FRESH / (len(leaders) * longest), 8, _FINAL_REPLICAS))
            scores = inside.evaluate(point[None, :], replicas, self.meter, self.seed, self.next_id)
            self.next_id += 1
            entry.best = float(scores.score[0] - scores.error[0])

    # -- candidates --------------------------------------------------------------------------------------------------

    def _check_enough(self, arm: Arm) -> bool:
        """Whether an arm's best point is good enough, on fresh randomness too; if not, the fresh score replaces the
        one that selection made optimistic, so that the same point is not checked again."""
        if self.enough is None or arm.best is None or self.enough_found:
            return self.enough_found
        if arm.score - 3 * arm.error > self.enough:
            structure = arm.inside.structure
            if not self._provable(arm):
                arm.guide = arm.score = -math.inf
                arm.had_its_chance()
                return False
            found = self._estimate(structure, arm.best, self.enough)
            self.enough_found = found is not None and found[0] - 3 * found[1] > self.enough
            if found is not None:
                arm.guide, arm.score, arm.error = found[0], *found
                self.hall[structure] = (arm.best, *found)
        return self.enough_found

    def _provable(self, arm: Arm) -> bool:
        """Whether a confirmation could say anything of an arm's best point: it needs a bound on rounding errors. Where
        rounding alone made it look like a violation, and there is no such problem in exact numbers, it is forgotten."""
        assert arm.best is not None
        found = arm.inside.problem(arm.best)
        if found is None:
            self.hall.pop(arm.inside.structure, None)
        if found is None or not arm.inside.stochastic:
            return found is not None
        return rounding_allowance(found[0], self.reading.quantity) is not None

    def _estimate(self, structure: Structure, point: Floats, enough: float | None = None) -> tuple[float, float] | None:
        """Score and error on fresh randomness, paid for even when the budget is spent. With ``enough`` the first of
        two estimates is a small one, and the last where it leaves no doubt on which side the score is."""
        inside = landscape(self.reading, structure, self.pins)
        longest = max(structure.steps)
        most = int(min(_FINAL_REPLICAS, max(32, self.cost_cap / longest))) if inside.stochastic else 1
        for replicas in dict.fromkeys([min(most, _FIRST_CHECK) if enough is not None else most, most]):
            scores = inside.evaluate(point[None, :], replicas, self.meter, self.seed, self.next_id)
            self.next_id += 1
            score, error = float(scores.score[0]), float(scores.error[0])
            if not math.isfinite(score):
                return None
            if enough is not None and abs(score - enough) > 3 * error:
                break
        return score, error

    def _candidates(self, others: list[Candidate]) -> tuple[Candidate, ...]:
        found = list(others)
        ranked = sorted(self.hall, key=lambda s: self.hall[s][1] - self.hall[s][2], reverse=True)
        for structure in ranked[:8]:
            point, *known = self.hall[structure]
            exact = landscape(self.reading, structure, self.pins).problem(point)
            if self.enough_found and self.enough is not None:
                # The one that ended the search has just been estimated; others are not worth their steps.
                estimate = (known[0], known[1]) if known[0] - 3 * known[1] > self.enough else None
            else:
                estimate = self._estimate(structure, point)
            if estimate is not None and exact is not None:
                found.append(Candidate(*exact, *estimate, structure.regime))
        return tuple(sorted(found, key=lambda c: c.lower, reverse=True)[:5])

    def _judge(self, problem: Problem, choices: Choices) -> Candidate | None:
        score, error = rescore(self.reading, problem, choices, _FINAL_REPLICAS, self.seed, self.next_id)
        self.next_id += 1
        runs = 1 if problem.deterministic else _FINAL_REPLICAS
        self.meter.add(problem.steps * runs * problem.algorithm.samples, 1)
        return Candidate(problem, choices, score, error, "given") if math.isfinite(score) else None

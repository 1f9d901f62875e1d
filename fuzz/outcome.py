"""What a search found, and how hard it looked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fuzz.coverage import CoverageSummary
from fuzz.problem import Problem
from fuzz.trajectory import Choices


@dataclass(frozen=True)
class Candidate:
    """A problem worth confirming.

    Attributes:
        problem, choices: exact numbers; ``choices`` are the letters that the problem leaves open.
        score: estimated on randomness that did not select it; above 1 is a violation.
        error: one standard error of the score, 0 without noise.
        regime: the structure, in words.
    """

    problem: Problem
    choices: Choices
    score: float
    error: float
    regime: str

    @property
    def lower(self) -> float:
        """The score less one standard error, by which candidates are ranked."""
        return self.score - self.error


@dataclass(frozen=True)
class SearchResult:
    """What a search found, and how hard it looked.

    Attributes:
        candidates: at most five, of different structures, the most promising first.
        score: of the best candidate, -inf if there is none.
        steps, seconds, evaluations: engine steps, wall clock, problems scored.
        regimes: best score seen in each structure that was tried, by its name; selection makes it optimistic.
        history: (steps, best score so far), for a plot.
        coverage: the regimes that were looked at; None where nothing was searched.
        vain: problems that were drawn and not run, as they broke a condition or lay in no regime that was wanted; they
            cost no steps.
        stopped: ``"budget"``, ``"enough"``, ``"in vain"`` where none of very many problems met the hypotheses, or
            ``"out of reach"`` where no engine runs what the theorem speaks of.
    """

    candidates: tuple[Candidate, ...]
    score: float
    steps: int
    seconds: float
    evaluations: int
    regimes: Mapping[str, float] = field(default_factory=dict)
    history: tuple[tuple[int, float], ...] = ()
    stopped: str = "budget"
    coverage: CoverageSummary | None = None
    vain: int = 0

    @property
    def best(self) -> Candidate | None:
        """The first candidate."""
        return self.candidates[0] if self.candidates else None


Progress = Callable[[float, float, int], None]
"""Called with the part of the budget that is spent, the best score so far and the steps."""

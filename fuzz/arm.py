"""One arm of the search: a structure whose numbers CMA-ES (Hansen) moves, or gradient ascent if they are many."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fuzz.reading import Floats
from fuzz.strategies import Landscape
from fuzz.trajectory import RunLandscape

if TYPE_CHECKING:
    # torch takes its time to load, and few searches need it.
    from fuzz.ascent import Climber

MOST_UNROLLED = 64
"""Steps of a run that an ascent unrolls: it keeps every state."""
_LARGEST = 64


class Arm:
    """One structure, its best point so far and its CMA-ES.

    Args:
        inside: the numeric space.
        rng: of everything that is drawn here.
        least: problems of a generation.

    Attributes:
        turns, due, effort: how often it was its turn, the problems of the next one, and of all so far.
        paid: engine steps so far.
        climber, climbed: its gradient ascent, once there is one, and the arm's score after its last turn.
    """

    def __init__(self, inside: Landscape, rng: np.random.Generator, least: int = 0) -> None:
        self.inside, self.rng, self.least = inside, rng, least
        self.turns, self.due, self.effort, self.paid = 0, 1, 0.0, 0.0
        self.best: Floats | None = None
        self.climber: Climber | None = None
        self.climbed = -math.inf
        self._restarts = 0
        self.guide, self.score, self.error = -math.inf, -math.inf, 0.0
        self._strategy: Any = None

    @property
    def size(self) -> int:
        """Number of genes."""
        return len(self.inside.genes)

    @property
    def population(self) -> int:
        """Hansen's default, twice as many after each restart (Auger and Hansen, CEC 2005)."""
        default = max(self.least, 4 + int(3 * math.log(max(1, self.size))))
        return int(min(_LARGEST, default * 2**self._restarts))

    @property
    def climbs(self) -> bool:
        """Whether its runs are short enough to be unrolled, and without noise: beside noise, gradient ascent lost
        against CMA-ES (``ci/results/ascent-2026-11-24.md``)."""
        inside = self.inside
        return isinstance(inside, RunLandscape) and not inside.stochastic and inside.structure.steps[1] <= MOST_UNROLLED

    @property
    def rank(self) -> float:
        """What arms are compared by: the score less its standard error."""
        return self.guide - self.error

    def design(self, count: int) -> Floats:
        """Random points; a third have each gene at an end with probability 1/4, for extremes are where claims fail."""
        points = self.rng.random((count, self.size))
        ends = self.rng.random((count, self.size)) < 0.25
        ends[count // 3 :] = False
        return np.where(ends, np.round(points), points)

    def borrow(self, other: Arm) -> Floats:
        """A point [G] with the numbers of another arm's best, as far as it has numbers of the same names; the rest is
        random."""
        assert other.best is not None
        known = {gene.name: float(gene.decode(raw)) for gene, raw in zip(other.inside.genes, other.best, strict=True)}
        point = self.rng.random(self.size)
        for k, gene in enumerate(self.inside.genes):
            if gene.name in known:
                point[k] = gene.encode(known[gene.name])
        return point

    def had_its_chance(self) -> None:
        """Others come first for as long again."""
        self.effort *= 2
        self.paid *= 2

    def ask(self) -> Floats:
        """The next generation, [N, G]."""
        if self._strategy is None:
            import cma

            def normal(*shape: int) -> npt.NDArray[np.float64]:
                return self.rng.standard_normal(shape)

            options = {"verbose": -9, "randn": normal, "seed": math.nan, "popsize": self.population, "verb_log": 0}
            options |= {"tolfun": 1e-9, "tolfunhist": 1e-9, "tolx": 1e-8}
            # Every other restart leaves the best point behind.
            start = self.best if self._restarts % 2 == 0 else self.rng.random(self.size)
            self._strategy = cma.CMAEvolutionStrategy(start, 0.2, options)
        return np.array(self._strategy.ask())

    def tell(self, points: Floats, guide: Floats) -> bool:
        """Whether CMA-ES can go on."""
        outside = np.abs(points - np.clip(points, 0, 1)).sum(1)
        scale = np.maximum(1e-3, np.abs(guide) * 1e-3)
        self._strategy.tell(list(points), list(-guide + outside * scale))
        return not self._strategy.stop()

    @property
    def favourite(self) -> Floats:
        """The mean of the search distribution, a better guess than any single noisy point."""
        return np.asarray(self._strategy.result.xfavorite)

    def forget(self) -> None:
        """Begin CMA-ES anew."""
        self._strategy = None
        self._restarts += 1

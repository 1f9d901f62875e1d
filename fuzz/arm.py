"""One arm of the search: a structure whose numbers are moved by CMA-ES (Hansen)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from fuzz.reading import Floats
from fuzz.strategies import Landscape

_POPULATION = 16


class Arm:
    """One structure, its best point so far and its CMA-ES.

    Args:
        inside: the numeric space.
        rng: of everything that is drawn here.
        start: a point to begin from.
    """

    def __init__(self, inside: Landscape, rng: np.random.Generator, start: Floats | None = None) -> None:
        self.inside, self.rng = inside, rng
        self.best: Floats | None = start
        self.guide, self.score, self.error = -math.inf, -math.inf, 0.0
        self._strategy: Any = None

    @property
    def size(self) -> int:
        """Number of genes."""
        return len(self.inside.genes)

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

    def ask(self) -> Floats:
        """The next generation, [N, G]."""
        if self._strategy is None:
            import cma

            def normal(*shape: int) -> npt.NDArray[np.float64]:
                return self.rng.standard_normal(shape)

            options = {"verbose": -9, "randn": normal, "seed": math.nan, "popsize": _POPULATION, "verb_log": 0}
            self._strategy = cma.CMAEvolutionStrategy(self.best, 0.2, options)
        return np.array(self._strategy.ask())

    def tell(self, points: Floats, guide: Floats) -> bool:
        """Whether CMA-ES can go on."""
        outside = np.abs(points - np.clip(points, 0, 1)).sum(1)
        scale = np.maximum(1e-3, np.abs(guide) * 1e-3)
        self._strategy.tell(list(points), list(-guide + outside * scale))
        return not self._strategy.stop()

    @property
    def favourite(self) -> Floats | None:
        """The mean of the search distribution, a better guess than any single noisy point; None before there is one."""
        return None if self._strategy is None else np.asarray(self._strategy.result.xfavorite)

    def forget(self) -> None:
        """Begin CMA-ES anew from the best point."""
        self._strategy = None

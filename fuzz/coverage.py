"""Where a search has looked: regimes, how many problems were scored in each, and the best score there.

A regime is told by five numbers of a problem, in units that no scaling changes: sigma/c, m/c at the start, T, the step
size as a part of its cap, and the part of the steps that were clipped. Each is cut into bins; a cell is one bin of
each. The cuts are where theory changes its mind: c = sigma/2, m = c, few and many steps, the cap, no or every step
clipped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fuzz.holds import Holds
from fuzz.reading import Floats, Reading
from theorems.language.quantities import NextGradientNorm, Scope, StepChange

Cell = tuple[int, ...]
"""One bin of each axis; -1 where a number is not known."""


@dataclass(frozen=True)
class Axis:
    """One number of a problem, cut into bins.

    Args:
        name: key, also in JSON.
        label: of a picture.
        edges: upper ends of all bins but the last, themselves included.
        bins: words for each bin.
        sides: for each bin, which side of the cut that matters it is on; ``side_words`` names the sides.
    """

    name: str
    label: str
    edges: tuple[float, ...]
    bins: tuple[str, ...]
    sides: tuple[int, ...]
    side_words: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.edges) + 1 == len(self.bins) == len(self.sides):
            raise ValueError(f"axis {self.name!r} has {len(self.edges)} edges for {len(self.bins)} bins")

    def place(self, values: Floats) -> npt.NDArray[np.intp]:
        """The bin of each value [N]; -1 for NaN."""
        return np.where(np.isnan(values), -1, np.searchsorted(self.edges, values, side="left"))


NOISE = Axis(
    "noise",
    "σ/c",
    (0.0, 0.1, 0.5, 1.0, 2.0, 10.0),
    ("no noise", "≤ 1/10", "≤ 1/2", "≤ 1", "≤ 2", "≤ 10", "> 10"),
    (0, 1, 1, 1, 1, 2, 2),
    ("no noise", "sigma <= 2c", "sigma > 2c"),
)
# A one-step claim about noise is searched over laws that are not constant.
LAW = Axis("noise", NOISE.label, NOISE.edges[1:], NOISE.bins[1:], (0, 0, 0, 0, 1, 1), NOISE.side_words[1:])
START = Axis(
    "start",
    "m/c at the start",
    (0.01, 0.1, 1.0, 10.0, 100.0),
    ("≤ 1/100", "≤ 1/10", "≤ 1", "≤ 10", "≤ 100", "> 100"),
    (0, 0, 0, 1, 1, 1),
    ("m <= c", "m > c"),
)
STEPS = Axis(
    "steps",
    "T",
    (1.0, 7.0, 63.0, 999.0, 9999.0),
    ("1", "2 to 7", "8 to 63", "64 to 999", "1000 to 9999", "≥ 10000"),
    (0, 0, 0, 1, 1, 1),
    ("few steps", "many steps"),
)
STEP_SIZE = Axis(
    "step size",
    "step size / its cap",
    (1e-3, 1e-2, 0.1, 1 - 1e-6),
    ("≤ 1/1000", "≤ 1/100", "≤ 1/10", "< 1", "at the cap"),
    (0, 0, 0, 1, 2),
    ("small step size", "step size below its cap", "step size at its cap"),
)
CLIPPED = Axis(
    "clipped",
    "part of the steps that are clipped",
    (0.0, 0.1, 0.5, 0.9, 1 - 1e-6),
    ("none", "≤ 1/10", "≤ 1/2", "≤ 9/10", "nearly all", "all"),
    (0, 1, 1, 1, 1, 2),
    ("never clipped", "partly clipped", "always clipped"),
)


def axes_of(reading: Reading, holds: Holds | None = None) -> tuple[Axis, ...]:
    """The axes that a theorem's problems differ along; what a problem's draft does not tell, the clipping, is last."""
    runs = reading.quantity.scope is Scope.TRAJECTORY
    found = [] if reading.exact_gradients else [NOISE if runs else LAW]
    found.append(START)
    if runs:
        found.append(STEPS)
    moves = runs or reading.quantity in (StepChange, NextGradientNorm)
    if (moves or reading.mentions("eta")) and not (holds is not None and holds.sets_step_size):
        found.append(STEP_SIZE)
    return (*found, CLIPPED)


@dataclass
class Entry:
    """What was seen in one cell.

    Attributes:
        evaluations: problems that meet the hypotheses and were scored.
        best: the largest score, less its standard error.
        champion: who has it; the search's own words.
        fresh: whether ``best`` was estimated on random numbers that did not select it.
    """

    evaluations: int = 0
    best: float = -math.inf
    champion: Any = None
    fresh: bool = False


@dataclass(frozen=True)
class Bin:
    """Evaluations and best score (None: nothing was scored) of a bin, of a pair of bins, or of a regime."""

    words: tuple[str, ...]
    evaluations: int
    best: float | None


@dataclass(frozen=True)
class CoverageSummary:
    """What a search covered.

    Attributes:
        axes: names; ``labels`` for pictures; ``bins`` the words of each axis's bins.
        profiles: for each axis, every bin, empty ones too.
        map_axes: names of the two axes of ``map`` (empty if there are not two), first the one that runs across.
        map: every pair of bins.
        regimes: every combination of sides that a draft can tell (all axes but the clipping).
        empty: the regimes without a score, in words; ``excluded`` says for how many of them no problem that was drawn
            meets the hypotheses.
        fresh: whether all noisy scores were estimated anew, on random numbers that did not select them.
    """

    axes: tuple[str, ...]
    labels: tuple[str, ...]
    bins: tuple[tuple[str, ...], ...]
    profiles: tuple[tuple[Bin, ...], ...]
    map_axes: tuple[str, ...]
    map: tuple[Bin, ...]
    regimes: tuple[Bin, ...]
    empty: tuple[str, ...]
    excluded: int
    fresh: bool

    @property
    def says(self) -> str:
        """One line."""
        seen = len(self.regimes) - len(self.empty)
        told = f"{seen} of {len(self.regimes)} regimes were looked at"
        if not self.empty:
            return f"{told}."
        left = len(self.empty) - self.excluded
        reasons = [f"in {self.excluded} no problem that was drawn meets the hypotheses"] if self.excluded else []
        reasons += [f"{left} were not reached within the budget"] if left else []
        return f"{told}; {', '.join(reasons)}."


class Coverage:
    """The record of one search.

    Args:
        axes: see :func:`axes_of`.
    """

    def __init__(self, axes: tuple[Axis, ...]) -> None:
        self.axes = axes
        self.entries: dict[Cell, Entry] = {}
        self.drafted: set[Cell] = set()
        """Regimes (sides of all axes but the clipping) in which some draft met the hypotheses."""
        self.complete = False
        """Whether every structure was asked for a draft in the regimes that are still empty."""

    def places(self, at: Mapping[str, Floats], count: int) -> npt.NDArray[np.intp]:
        """The cells [N, A] of problems with these numbers, each [N]."""
        columns = [axis.place(np.broadcast_to(at.get(axis.name, np.nan), (count,))) for axis in self.axes]
        return np.stack(columns, 1)

    def add(self, at: Mapping[str, Floats], lower: Floats, champion: Callable[[int], Any]) -> None:
        """Record scores [N]; those that are not finite met no hypotheses. ``champion`` names the problem of a row."""
        rows = np.flatnonzero(np.isfinite(lower))
        if not len(rows):
            return
        cells = self.places(at, len(lower))
        for row in rows:
            entry = self.entries.setdefault(tuple(map(int, cells[row])), Entry())
            entry.evaluations += 1
            if lower[row] > entry.best:
                entry.best, entry.champion = float(lower[row]), champion(int(row))

    def sides(self, cell: Cell) -> Cell:
        """The regime of a cell: its side on every axis but the clipping."""
        return tuple(-1 if k < 0 else axis.sides[k] for axis, k in zip(self.axes[:-1], cell, strict=False))

    def regimes(self) -> Iterator[Cell]:
        """Every regime."""
        for index in np.ndindex(*(len(axis.side_words) for axis in self.axes[:-1])):
            yield tuple(map(int, index))

    def unseen(self) -> list[Cell]:
        """Regimes in which nothing was scored."""
        seen = {self.sides(cell) for cell in self.entries}
        return [regime for regime in self.regimes() if regime not in seen]

    def leaders(self) -> list[Entry]:
        """The best entry of every bin and of every pair on the map."""
        found: dict[int, Entry] = {}
        for groups in (*self._profile_groups(), self._map_groups()):
            for entries in groups.values():
                if entries:
                    leader = max(entries, key=lambda e: e.best)
                    found[id(leader)] = leader
        return list(found.values())

    # -- summary -----------------------------------------------------------------------------------------------------

    def _group(self, key: Callable[[Cell], Cell]) -> dict[Cell, list[Entry]]:
        groups: dict[Cell, list[Entry]] = {}
        for cell, entry in self.entries.items():
            groups.setdefault(key(cell), []).append(entry)
        return groups

    def _profile_groups(self) -> list[dict[Cell, list[Entry]]]:
        return [self._group(lambda cell, k=k: (cell[k],)) for k in range(len(self.axes))]  # type: ignore[misc]

    @property
    def _map_axes(self) -> tuple[int, ...]:
        names = [axis.name for axis in self.axes]
        for pair in (("steps", "noise"), ("steps", "start"), ("start", "noise"), ("start", "step size")):
            if set(pair) <= set(names):
                return names.index(pair[0]), names.index(pair[1])
        return ()

    def _map_groups(self) -> dict[Cell, list[Entry]]:
        pair = self._map_axes
        return self._group(lambda cell: tuple(cell[k] for k in pair)) if pair else {}

    def summary(self) -> CoverageSummary:
        """What :class:`CoverageSummary` says."""
        axes = self.axes
        pair = self._map_axes
        on_map = self._map_groups()
        by_regime = self._group(self.sides)
        regimes = {
            regime: _bin((axis.side_words[k] for axis, k in zip(axes, regime, strict=False)), by_regime.get(regime, []))
            for regime in self.regimes()
        }
        unseen = self.unseen()
        entries = self.entries.values()
        return CoverageSummary(
            axes=tuple(axis.name for axis in axes),
            labels=tuple(axis.label for axis in axes),
            bins=tuple(axis.bins for axis in axes),
            profiles=tuple(
                tuple(_bin((word,), groups.get((k,), [])) for k, word in enumerate(axis.bins))
                for axis, groups in zip(axes, self._profile_groups(), strict=True)
            ),
            map_axes=tuple(axes[k].name for k in pair),
            map=tuple(
                _bin((across, up), on_map.get((i, j), []))
                for i, across in enumerate(axes[pair[0]].bins)
                for j, up in enumerate(axes[pair[1]].bins)
            )
            if pair
            else (),
            regimes=tuple(regimes.values()),
            empty=tuple(", ".join(regimes[regime].words) for regime in unseen),
            excluded=sum(regime not in self.drafted for regime in unseen) if self.complete else 0,
            fresh=any(e.fresh for e in entries),
        )


def _bin(words: Iterable[str], entries: list[Entry]) -> Bin:
    # Where some were estimated anew, the others are optimistic beside them.
    fresh = [e for e in entries if e.fresh] or entries
    best = max((e.best for e in fresh), default=-math.inf)
    return Bin(tuple(words), sum(e.evaluations for e in entries), best if math.isfinite(best) else None)


def clipped_part(paths: Floats, step_size: Floats, threshold: Floats, steps: npt.NDArray[np.integer]) -> Floats:
    """The part of the steps that are as long as clipping allows, [I].

    Args:
        paths: one trajectory of each instance, [I, T + 1, d], NaN after its last step.
        step_size, threshold: [I].
        steps: [I], T of each.

    NaN where steps are too short beside the position to be told apart.
    """
    if paths.shape[2] == 1:
        length, reach = np.abs(np.diff(paths[..., 0], axis=1)), np.fmax.reduce(np.abs(paths[..., 0]), 1)
    else:
        length, reach = np.sqrt((np.diff(paths, axis=1) ** 2).sum(2)), np.fmax.reduce(np.abs(paths), (1, 2))
    full = step_size * threshold
    # A difference of positions carries their rounding.
    slack = 1e-9 * full + 4 * np.finfo(np.float64).eps * reach
    with np.errstate(invalid="ignore"):
        part = np.count_nonzero(length >= (full - slack)[:, None], axis=1) / steps
    return np.where(slack > full / 2, np.nan, part)

"""Structures, and the numbers inside one structure as points of a unit cube.

A structure is what a search does not move through by degrees: families, dimension, how many atoms, which regime. The
numbers are genes in [0, 1], log-uniform over their ranges; the ends of a range are reached exactly, because extremes
are where claims fail. Both scaling symmetries are used up: the largest curvature is 1, and so is c unless it is pinned.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fuzz.pieces import FAMILIES
from fuzz.rationals import BITS as BITS
from fuzz.rationals import quantise as quantise
from fuzz.reading import Floats, Letters, Reading
from fuzz.shapes import columns_of, draw_pieces, evaluate, meets, piece_smoothness, piece_strength, right_side
from theorems.language.assumptions import HS
from theorems.language.functions import is_radial, profiles
from theorems.language.parameters import Domain
from theorems.language.pieces import SIDES


@dataclass(frozen=True)
class Structure:
    """What is fixed while numbers are searched.

    Args:
        objective: family of ``functions.OBJECTIVES``, or one for each coordinate, joined by ``+``, or one of ``|x|``,
            after ``radial:``.
        noise: family of ``functions.NOISES``, or ``"finite"`` for a law with ``atoms`` atoms (one-step claims).
        dimension: d.
        steps: least and largest T.
        deviation: least and largest sigma/c.
        at_cap: the step size is the largest that the conditions allow.
        tail: 1 or -1, the sign of the rare side of a skewed law.
        atoms: number of atoms of a finite law.
        mirrored: atoms come in pairs ``+a, -a`` of equal probability.
        pieces: how many pieces right and left of the minimum a piecewise profile has; a radial one has no left.
        dips: whether its gradient may change sign away from the minimum.
        samples: of a step, for algorithms that take several.
        turn: 0, or the number of a random direction (of a random plane, if even) in which the atoms of a finite law
            lie; the only atoms that there are in more than three dimensions.
        case: which case of a bound in cases is searched alone, counted from 1; 0 for all of them.
        apart: every coordinate has a start, a curvature and, where the family has one, a slope of its own, also where
            there are more than :data:`EACH`, which otherwise lie on a ladder.
    """

    objective: str = "quadratic"
    noise: str = "none"
    dimension: int = 1
    steps: tuple[int, int] = (1, 1)
    deviation: tuple[float, float] = (1e-2, 1e2)
    at_cap: bool = False
    tail: int = 1
    atoms: int = 0
    mirrored: bool = False
    pieces: tuple[int, int] = (0, 0)
    dips: bool = False
    samples: int = 1
    turn: int = 0
    case: int = 0
    apart: bool = False

    @property
    def ladder(self) -> bool:
        """Whether two ends settle the numbers of all coordinates."""
        return self.dimension > EACH and not self.apart

    @property
    def regime(self) -> str:
        """A short name for reports."""
        law = f"{self.atoms} atoms{' mirrored' if self.mirrored else ''}" if self.noise == "finite" else self.noise
        law += f" turned by {self.turn}" if self.turn else ""
        steps = f"T in [{self.steps[0]}, {self.steps[1]}]"
        ratio = f"sigma/c in [{self.deviation[0]:.3g}, {self.deviation[1]:.3g}]"
        shape = f" of {self.pieces[0]} and {self.pieces[1]} pieces{', may dip' * self.dips}" * (self.pieces[0] > 0)
        parts = [self.objective + shape, law, f"d={self.dimension}", steps]
        if self.samples > 1:
            parts.append(f"n={self.samples}")
        return ", ".join([*parts, ratio] if self.noise != "none" else parts) + (
            ", numbers apart" * self.apart + ", eta at its cap" * self.at_cap + f", case {self.case}" * (self.case > 0)
        )


@dataclass(frozen=True)
class Gene:
    """One number: its range, log-uniform, logistic (a probability) or linear."""

    name: str
    low: float
    high: float
    kind: str = "log"

    def decode(self, raw: Floats) -> Floats:
        """Numbers for raw genes [N]; outside [0, 1] the nearest end."""
        part = np.clip(raw, 0.0, 1.0)
        if self.kind == "linear":
            return np.asarray(self.low + (self.high - self.low) * part)
        if self.kind == "logit":
            low, high = math.log(self.low / (1 - self.low)), math.log(self.high / (1 - self.high))
            return np.asarray(1 / (1 + np.exp(-(low + (high - low) * part))))
        value = np.exp(math.log(self.low) + (math.log(self.high) - math.log(self.low)) * part)
        # exp(log(b)) misses b by a rounding; the ends must be exact.
        return np.where(part == 0.0, self.low, np.where(part == 1.0, self.high, value))

    def encode(self, value: float) -> float:
        """The raw gene of a number, that of the nearest end where it lies beyond."""
        value = min(max(value, self.low), self.high)
        if self.high == self.low:
            return 0.0
        if self.kind == "linear":
            return (value - self.low) / (self.high - self.low)
        if self.kind == "logit":
            low, high, at = (math.log(v / (1 - v)) for v in (self.low, self.high, value))
        else:
            low, high, at = (math.log(v) for v in (self.low, self.high, value))
        return (at - low) / (high - low)


def decode(genes: tuple[Gene, ...], raw: Floats) -> Letters:
    """Numbers by name, [N] each, for raw genes [N, G]."""
    return {gene.name: quantise(gene.decode(raw[:, k])) for k, gene in enumerate(genes)}


EACH = 3
"""Up to this many coordinates each has numbers of its own, and more if they are set apart."""
_FAR = 12.0
"""Natural logarithms by which a gradient grows over one piece, at most."""


# -- objectives ------------------------------------------------------------------------------------------------------


def objective_genes(structure: Structure, reading: Reading) -> list[Gene]:
    """Genes of the objective and the start."""
    radial = is_radial(structure.objective)
    if structure.ladder:
        genes = [Gene("x0", 1e-4, 1e4), Gene("stretch", 1e-4, 1e4)]
        genes += [] if radial else [Gene("condition", 1.0, 1e8)]
    else:
        genes = [Gene(f"x{i}", 1e-4, 1e4) for i in range(structure.dimension)]
        genes += [] if radial else [Gene(f"curvature{i}", 1e-3, 1.0) for i in range(1, structure.dimension)]
    names = {p.name for profile in profiles(structure.objective, structure.dimension) for p in profile.parameters}
    if "slope" in names:
        genes.append(Gene("slope", 1e-5, 1e2))
        if structure.apart:
            genes += [Gene(f"slope{i}", 1e-3, 1.0) for i in range(1, structure.dimension)]
    if "start" in names:
        genes += [Gene("offset", 1e-3, 1e4), Gene("rise", 1e-2, 1e3)]
    if "radius" in names:
        genes.append(Gene("radius", 1e-3, 1e4))
    if "quartic" in names:
        genes.append(Gene("quartic", 1e-4, 1e2))
    if "growth" in names:
        genes.append(Gene("share", 1e-2, 1.0))
        if structure.dimension > 1 and not radial:
            # From the first coordinate to the last; the ends are those of equal growth and of none to speak of.
            genes.append(Gene("fade", 1e-3, 1.0))
    if names & {"quartic", "growth"}:
        genes.append(Gene("L1", 1e-2, 1e2))
    if "bend1" in names:
        for side, count in zip(SIDES, structure.pieces, strict=True):
            # Beyond the ends a bend is at its end, for the extremes matter.
            genes += [Gene(bend.name, -1.5, 1.5, "linear") for bend in side.bends[:count]]
            genes += [Gene(width.name, 1e-3, 1e3) for width in side.widths[: max(count - 1, 0)]]
    return genes


@dataclass(frozen=True)
class Objectives:
    """N objectives of one family with their starts.

    Attributes:
        parameters: [N, P, d], in the family's order.
        start: [N, d].
        gap, distance, gradient_norm: F0, R0 and m, [N].
        tight: ``L0``, ``L1`` and ``strong`` (the PL constant, 0 if there is none), [N].
        rounding: a bound on the float error of f at the start and below it, [N].
        allowed: whether the numbers meet the conditions of their families, [N].
    """

    family: str
    parameters: Floats
    start: Floats
    gap: Floats
    distance: Floats
    gradient_norm: Floats
    tight: Mapping[str, Floats]
    rounding: Floats
    allowed: npt.NDArray[np.bool_]

    @property
    def accurate(self) -> npt.NDArray[np.bool_]:
        """Whether the numbers are allowed, L0 is finite and F0 has at least nine correct digits."""
        return np.asarray(self.allowed & np.isfinite(self.tight["L0"]) & (self.rounding <= 1e-9 * self.gap))


def build_objectives(structure: Structure, reading: Reading, numbers: Letters) -> Objectives:
    """Arrays for decoded genes."""
    d = structure.dimension
    kinds = profiles(structure.objective, d)
    one = np.ones(len(numbers["x0"]))
    if structure.ladder:
        # Ladders: curvatures from 1 down to 1/condition, starts from x0 to x0 times stretch.
        steps = np.arange(d) / (d - 1)
        start = quantise(numbers["x0"][:, None] * numbers["stretch"][:, None] ** steps)
        curvature = quantise(numbers.get("condition", one)[:, None] ** -steps)
    else:
        start = np.stack([numbers[f"x{i}"] for i in range(d)], 1)
        curvature = np.stack([one] + [numbers.get(f"curvature{i}", one) for i in range(1, d)], 1)
    columns: dict[str, Floats] = {"curvature": curvature}
    slack = _slack(structure, reading, numbers)

    def everywhere(values: Floats) -> Floats:
        return np.repeat(values[:, None], d, 1)

    if "slope" in numbers:
        parts = np.stack([one] + [numbers.get(f"slope{i}", one) for i in range(1, d)], 1)
        columns["slope"] = quantise(numbers["slope"][:, None] * parts)
    if "rise" in numbers:
        columns["steep"] = quantise(columns["slope"] * (1 + numbers["rise"][:, None]))
        columns["start"] = quantise(columns["slope"] / curvature + numbers["offset"][:, None], up=True)
    if "radius" in numbers:
        columns["radius"] = everywhere(numbers["radius"])
    if "quartic" in numbers:
        columns["quartic"] = everywhere(numbers["quartic"])
    if "bend1" in numbers:
        share, longest = numbers.get("share", np.zeros_like(one)), np.full_like(one, np.inf)
        if "share" in numbers:
            fade = numbers.get("fade", one)[:, None] ** (np.arange(d) / max(d - 1, 1))
            columns["growth"] = quantise((slack * share)[:, None] * fade, up=False)
            # Further out the gradient is beyond every float.
            farthest = _FAR / columns["growth"]
            longest = farthest[:, 0]
            growing = [i for i, kind in enumerate(kinds) if kind.name == "piecewise_exponential"]
            if is_radial(structure.objective):
                growing, farthest = list(range(d)), farthest / math.sqrt(d)
            start[:, growing] = quantise(np.minimum(start[:, growing], 3 * farthest[:, growing]))
        # Under GS the gradient may at most double over 1/L1.
        tail = one if isinstance(reading.smoothness, HS) else np.minimum(one, 0.69 / np.maximum(share, 0.1))
        drawn = draw_pieces(
            numbers,
            structure.pieces,
            convex=reading.convex,
            strong=reading.needs_strong,
            dips=structure.dips,
            tail=tail,
            longest=longest,
        )
        columns |= {name: everywhere(values) for name, values in drawn.items()}
    parameters = np.zeros((len(one), max(len(kind.parameters) for kind in kinds), d))
    for i, kind in enumerate(kinds):
        for k, parameter in enumerate(kind.parameters):
            parameters[:, k, i] = columns[parameter.name][:, i]
    return describe(structure.objective, parameters, start, smoothness(structure.objective, parameters, reading, slack))


def describe(family: str, parameters: Floats, start: Floats, smooth: tuple[Floats, Floats]) -> Objectives:
    """F0, R0, m and the constants of given objectives."""
    kinds = profiles(family, start.shape[1])
    heights = evaluate(family, "value", parameters, start)
    gradient = evaluate(family, "gradient", parameters, start)
    # Where each profile is, and its slope there.
    places, slopes = start, gradient
    if is_radial(family):
        places, slopes = (np.sqrt((v**2).sum(1, keepdims=True)) for v in (start, gradient))
    size, strong = np.abs(heights), np.full(len(start), np.inf)
    allowed = np.ones(len(start), np.bool_)
    for kind in dict.fromkeys(kinds):
        axes = [i for i, other in enumerate(kinds) if other is kind]
        columns = columns_of(kind, parameters, axes)

        def everywhere(values: npt.NDArray[Any], width: int = len(axes)) -> npt.NDArray[Any]:
            return values.reshape(-1, width)

        if kind.name == "log_cosh":
            # Near 0 its value is a difference of terms of size slope^2/curvature.
            size[:, axes] += everywhere(columns["slope"] ** 2 / columns["curvature"])
        if kind.name in FAMILIES:
            # Where f falls, it is a difference of what it was and what it lost.
            size[:, axes] += 8 * np.abs(places[:, axes]) * np.abs(slopes[:, axes])
            strength = everywhere(piece_strength(columns, kind.name, is_radial(family)))
        else:
            strength = everywhere(columns["curvature"] * (kind.name in ("quadratic", "quartic")))
        strong = np.minimum(strong, strength.min(1))
        allowed &= everywhere(meets(kind, columns)).all(1)
    if is_radial(family):
        # The norm errs by (d + 2)/2 units in its last place.
        size += (1 + start.shape[1] / 16) * places * slopes
    allowed &= np.isfinite(heights).all(1) & (np.abs(gradient) < 1e100).all(1)
    gradient = np.where(allowed[:, None], gradient, 1.0)
    return Objectives(
        family,
        parameters,
        start,
        heights.sum(1),
        np.sqrt((start**2).sum(1)),
        np.sqrt((gradient**2).sum(1)),
        {"L0": smooth[0], "L1": smooth[1], "strong": strong},
        16 * np.finfo(np.float64).eps * size.sum(1),
        allowed,
    )


def _slack(structure: Structure, reading: Reading, numbers: Letters) -> Floats:
    """L1: a gene where it matters, else the least that its domain allows."""
    if "L1" in numbers:
        return numbers["L1"]
    letter = reading.slack_letter
    positive = letter is not None and letter.domain is Domain.POSITIVE
    return np.full(len(numbers["x0"]), 2.0**-16 if positive else 0.0)


def smoothness(family: str, parameters: Floats, reading: Reading, slack: Floats) -> tuple[Floats, Floats]:
    """The least L0 for the given L1 [N], rounded up where it is not simply a curvature, and that L1."""
    needed = np.zeros(len(slack))
    kinds = profiles(family, parameters.shape[2])
    for kind in dict.fromkeys(kinds):
        axes = [i for i, other in enumerate(kinds) if other is kind]
        columns, room = columns_of(kind, parameters, axes), np.repeat(slack, len(axes))
        if kind.name == "quartic":
            with np.errstate(all="ignore"):  # with L1 = 0 there is none
                least = quartic_smoothness(reading, columns["curvature"], columns["quartic"], room)
        elif kind.name in FAMILIES:
            columns = right_side(columns) if is_radial(family) else columns
            least = piece_smoothness(columns, room, hessian=isinstance(reading.smoothness, HS))
        else:
            needed = np.maximum(needed, columns["curvature"].reshape(-1, len(axes)).max(1))
            continue
        least = least.reshape(-1, len(axes)).max(1)
        finite = np.isfinite(least)
        rounded = quantise(np.where(finite, least, 1.0) * (1 + 1e-9), up=True)
        needed = np.maximum(needed, np.where(finite, rounded, np.inf))
    return needed, slack


def quartic_smoothness(reading: Reading, curvature: Floats, quartic: Floats, slack: Floats) -> Floats:
    """The least L0 for which ``curvature x^2/2 + quartic x^4/4`` is in the class, given L1 = ``slack`` > 0; [N]."""
    q = quartic
    # Worst x >= 0 of slope - L1 |f'|: at 0 or at the larger root of its derivative. For GS the slope is that of the
    # longest admitted chord outwards, [x, x + 1/L1].
    reach = np.zeros_like(q) if isinstance(reading.smoothness, HS) else 1 / slack

    def needed(at: Floats) -> Floats:
        chord = curvature + q * (3 * at**2 + 3 * at * reach + reach**2)
        return np.asarray(chord - slack * (curvature * at + q * at**3))

    inside = 36 * q**2 - 12 * slack * q * (slack * curvature - 3 * q * reach)
    root = (6 * q + np.sqrt(np.maximum(inside, 0.0))) / (6 * slack * q)
    return np.maximum(needed(np.zeros_like(q)), needed(np.maximum(root, 0.0)))


# -- step size -------------------------------------------------------------------------------------------------------

_STEP_SIZES = np.geomspace(1e-8, 4.0, 140)
# Closer looks at what falls between two step sizes, each seventy times as fine.
_CLOSER = 2
# Four refinements by a grid of 64 find an end of the interval to eight digits in as many calls.
_REFINEMENTS, _FINE = 4, np.linspace(0.0, 1.0, 65)
_LEAST_FRACTION = 1e-6


def fit_step_size(reading: Reading, letters: Letters, fraction: Floats) -> tuple[Floats, Floats]:
    """The step size as a fraction of the largest that the conditions on it allow, and the latter; [N] each.

    A grid finds the admissible interval (or, where that is narrower, the place nearest to it, for a finer grid), finer
    grids its ends; without a condition the largest is 4/L. Fractions from 1e-6 to 1 are spread over the whole interval,
    if that is narrower. Where no step size is admissible the largest is NaN, and the chosen one is nearest to it.
    """
    count = len(fraction)
    if not reading.mentions("eta"):
        return quantise(4.0 * fraction), np.full(count, 4.0)
    column = {name: np.broadcast_to(np.ravel(value), (count,))[:, None] for name, value in letters.items()}

    def at(grid: Floats, of: npt.NDArray[np.intp]) -> Letters:
        return {**{name: value[of] for name, value in column.items()}, "eta": np.exp(grid)}

    def holds(grid: Floats, of: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
        return np.broadcast_to(reading.conditions_hold(at(grid, of), "eta"), grid.shape)

    rows = np.arange(count)
    grid = np.repeat(np.log(_STEP_SIZES)[None, :], count, 0)
    good = np.array(holds(grid, rows))
    end, nearest = grid.shape[1] - 1, np.zeros(count, int)
    of = np.flatnonzero(~good.any(1))
    for look in range(_CLOSER + 1):
        if not len(of):
            break
        nearest[of] = np.broadcast_to(reading.shortfall(at(grid[of], of), "eta"), grid[of].shape).argmin(1)
        if look < _CLOSER:
            low, high = grid[of, np.maximum(nearest[of] - 1, 0)], grid[of, np.minimum(nearest[of] + 1, end)]
            grid[of] = low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, end + 1)
            good[of] = holds(grid[of], of)
            of = of[~good[of].any(1)]
    chosen, cap = np.exp(grid[rows, nearest]), np.full(count, np.nan)
    of = np.flatnonzero(good.any(1))
    if not len(of):
        return chosen, cap
    first, last = np.argmax(good[of], 1), end - np.argmax(good[of, ::-1], 1)
    # Each end lies between a step size that is admissible and its neighbour that is not (or the grid's own end).
    inner = np.concatenate([grid[of, last], grid[of, first]])
    outer = np.concatenate([grid[of, np.minimum(last + 1, end)], grid[of, np.maximum(first - 1, 0)]])
    both = np.concatenate([of, of])
    for _ in range(_REFINEMENTS):
        finer = inner[:, None] + (outer - inner)[:, None] * _FINE
        fails = ~holds(finer, both)
        fails[:, 0] = False
        stop = np.where(fails.any(1), np.argmax(fails, 1), len(_FINE) - 1)
        inner, outer = (finer[np.arange(len(both)), k] for k in (np.maximum(stop - 1, 0), stop))
    # The true end is often a simple number: take it if it is admissible.
    simple = quantise(np.exp(outer))
    admissible = reading.conditions_hold({**at(outer[:, None], both), "eta": simple[:, None]}, "eta")
    known = np.ravel(np.broadcast_to(admissible, (len(both), 1)))
    inner = np.exp(inner)
    largest = np.where(known, simple, quantise(inner, up=False))[: len(of)]
    smallest = np.where(known, simple, quantise(inner, up=True))[len(of) :]
    part = fraction[of]
    narrow = np.log(np.maximum(smallest / largest, _LEAST_FRACTION)) / np.log(_LEAST_FRACTION)
    wish = np.clip(quantise(largest * part**narrow), smallest, largest)
    chosen[of], cap[of] = np.where(part >= 1.0, largest, wish), largest
    return chosen, cap

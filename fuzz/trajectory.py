"""Whole runs inside one structure: genes to engine batches to scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import sympy as sp

from fuzz.budget import Meter
from fuzz.coverage import clipped_part
from fuzz.engine import Batch, run, search_backend
from fuzz.finite import SHRINK
from fuzz.genes import (
    Gene,
    Objectives,
    Structure,
    build_objectives,
    decode,
    fit_step_size,
    objective_genes,
    quantise,
)
from fuzz.holds import Holds, at_gap
from fuzz.noise_genes import exact_noise, noise_arrays, noise_genes
from fuzz.problem import Algorithm, Family, Problem
from fuzz.reading import Floats, Letters, Reading, domain_range
from fuzz.shapes import coordinates
from theorems.language.functions import LATTICE, NOISES
from theorems.language.parameters import Domain, Parameter
from theorems.language.quantities import AverageGradientNorm, FinalGap, MinGradientNorm

ALL_STEPS = 8192
"""Up to this many steps a minimum over time is over all of them."""

_KEPT = 2_000_000
"""Coordinates of states that are kept to see which steps were clipped."""

Choices = dict[Parameter, sp.Expr]
"""Values of the letters that a problem leaves open, such as a rational sigma that bounds its deviation."""


@dataclass(frozen=True)
class Scores:
    """Scores of N gene vectors.

    Attributes:
        score: [N]; -inf where the problem breaks a hypothesis or its runs are not finite.
        error: one standard error of the score, [N]; 0 without noise.
        guide: [N], equals the score where it is finite, else a slope that leads towards it.
        at: the numbers [N] that tell the regime, by the names of :mod:`fuzz.coverage`; NaN where not known.
    """

    score: Floats
    error: Floats
    guide: Floats
    at: Letters = field(default_factory=dict)


@dataclass(frozen=True)
class Draft:
    """N problems as arrays; ``good`` says which meet the conditions, ``cap`` is the largest step size that they allow
    (NaN where it is held)."""

    objectives: Objectives
    noise: Floats
    deviation: Floats
    eta: Floats
    cap: Floats
    steps: np.ndarray[Any, np.dtype[np.int64]]
    letters: Letters
    good: np.ndarray[Any, np.dtype[np.bool_]]
    privacy: Floats

    @property
    def at(self) -> Letters:
        """The numbers that tell the regime and are known before a run, [N]."""
        c = self.letters["c"]
        return {
            "noise": self.deviation / c,
            "start": self.objectives.gradient_norm / c,
            "steps": self.steps.astype(np.float64),
            "step size": self.eta / self.cap,
        }


class RunLandscape:
    """Scores of AverageGradientNorm, MinGradientNorm or FinalGap inside one structure.

    Args:
        reading: the theorem.
        structure: what is fixed.
        pins: values that are held, by the name of a letter; see :mod:`fuzz.holds`.

    Raises:
        ValueError: if the quantity is not one of whole runs, or a letter cannot be held.
    """

    def __init__(self, reading: Reading, structure: Structure, pins: Mapping[str, float] | None = None) -> None:
        if reading.quantity not in (AverageGradientNorm, MinGradientNorm, FinalGap):
            raise ValueError(f"{reading.quantity} is not measured on whole runs")
        self.reading, self.pins, self.holds = reading, dict(pins or {}), Holds(reading, pins or {})
        self.structure = structure = self.holds.fits(structure)
        # A held F0 says how far out the start is, so that only its direction is searched.
        genes = [g for g in objective_genes(structure, reading) if g.name != "x0" or not self.holds.sets_gap]
        self.stochastic = structure.noise != "none" or reading.algorithm == "dp_sgd"
        genes += noise_genes(structure)
        if reading.algorithm == "dp_sgd":
            genes.append(Gene("privacy", 1e-3, 1e2))
        if not structure.at_cap:
            genes.append(Gene("fraction", 1e-6, 1.0))
        if structure.steps[0] < structure.steps[1]:
            genes.append(Gene("steps", float(structure.steps[0]), float(structure.steps[1])))
        genes += [Gene(f"free {p.name}", *domain_range(p)) for p in reading.free if p.name not in self.pins]
        self.genes = tuple(genes)

    def draft(self, raw: Floats) -> Draft:
        """Problems for raw genes [N, G]."""
        numbers, count = decode(self.genes, raw), len(raw)
        structure, reading = self.structure, self.reading
        numbers.setdefault("x0", np.ones(count))
        objectives = build_objectives(structure, reading, numbers)
        noise, deviation = self._noise(numbers, count)
        steps = np.round(numbers["steps"] if "steps" in numbers else np.full(count, float(structure.steps[0])))
        c = np.full(count, self.pins.get("c", 1.0))
        known: Letters = {
            "c": c,
            "T": steps,
            "F0": objectives.gap,
            "R0": objectives.distance,
            **free_letters(reading, numbers, self.pins, count),
        }
        wide = quantise(numbers["privacy"] * c) if "privacy" in numbers else np.zeros(count)
        # A little narrower than the letter that bounds it: engines scale by a float next to zeta/sqrt(d).
        privacy = quantise(wide * SHRINK, 40, up=False)
        tight = {**objectives.tight, "deviation": deviation, "privacy": wide}
        letters = reading.fill(known, tight, structure.samples)
        for letter, noisy in (
            (reading.sigma_letter, structure.noise != "none"),
            (reading.privacy_letter, reading.algorithm == "dp_sgd"),
        ):
            if letter is not None:
                name = str(letter.name)
                letters[name] = quantise(letters[name], 40, up=True) if noisy else letters[name]
                if name in self.pins:
                    letters[name] = np.full(count, self.pins[name])
        letters["eta"], cap = self._step_size(letters, numbers, count)
        gap = self.holds.gap(letters, count)
        if gap is not None:
            objectives = at_gap(objectives, gap)
            letters["F0"], letters["R0"] = objectives.gap, objectives.distance
        good = reading.conditions_hold(letters) & (reading.bound(letters) > 0) & objectives.accurate
        steps = letters["T"].astype(np.int64)
        return Draft(objectives, noise, deviation, letters["eta"], cap, steps, letters, good, privacy)

    def _step_size(self, letters: Letters, numbers: Letters, count: int) -> tuple[Floats, Floats]:
        """Step size and its cap, [N] each, NaN where there is none; a held one has none. May lengthen runs."""
        held = self.holds.step_size(letters, count)
        if held is not None:
            return held, np.full(count, np.nan)
        reading, steps = self.reading, letters["T"]
        fraction = numbers.get("fraction", np.ones(count))
        eta, cap = fit_step_size(reading, letters, fraction)
        for longer in (10.0, 100.0, 1000.0):
            most = np.minimum(steps * longer, self.structure.steps[1])
            short = np.flatnonzero(np.isnan(cap) & (most > letters["T"]))
            if not (len(short) and reading.mentions("T")):
                break
            letters["T"] = letters["T"].copy()
            letters["T"][short] = most[short]
            some = {name: np.broadcast_to(value, (count,))[short] for name, value in letters.items()}
            eta[short], cap[short] = fit_step_size(reading, some, fraction[short])
        return eta, cap

    def _noise(self, numbers: Letters, count: int) -> tuple[Floats, Floats]:
        """Parameters [N, Q, d] and the standard deviation of the vector [N]."""
        letter = self.reading.sigma_letter
        held = None if letter is None else self.pins.get(str(letter.name))
        return noise_arrays(self.structure, numbers, count, self.pins.get("c", 1.0), held)

    def evaluate(self, raw: Floats, replicas: int, meter: Meter, seed: int, first_id: int) -> Scores:
        """Score raw genes [N, G] with ``replicas`` runs each; equal seeds and ids repeat the same randomness."""
        draft = self.draft(raw)
        count = len(raw)
        score, error = np.full(count, -np.inf), np.zeros(count)
        clipped = np.full(count, np.nan)
        rows = np.flatnonzero(draft.good)
        meter.vain += count - len(rows)
        if len(rows):
            batch = self.batch(draft, rows, seed, first_id)
            letters = {name: np.broadcast_to(value, (count,))[rows] for name, value in draft.letters.items()}
            runs = replicas if self.stochastic else 1
            rounding = draft.objectives.rounding[rows]
            score[rows], error[rows], clipped[rows] = measure(self.reading, letters, batch, runs, rounding)
            meter.add(int(batch.steps.sum()) * runs * batch.samples, len(rows))
        at = {**draft.at, "clipped": clipped}
        blind = -1e3 * (1 + self.reading.shortfall(draft.letters))
        return Scores(score, error, np.where(np.isfinite(score), score, blind), at)

    def places(self, raw: Floats) -> tuple[Letters, npt.NDArray[np.bool_]]:
        """The regimes of raw genes [N, G] and whether they meet the conditions, without a run."""
        draft = self.draft(raw)
        return draft.at, draft.good

    def batch(self, draft: Draft, rows: np.ndarray[Any, np.dtype[np.intp]], seed: int, first_id: int) -> Batch:
        """The engine's arrays for some rows."""
        return Batch(
            objectives=(self.structure.objective,) * len(rows),
            objective_parameters=draft.objectives.parameters[rows],
            noises=(self.structure.noise,) * len(rows),
            noise_parameters=draft.noise[rows],
            x0=draft.objectives.start[rows],
            step_size=draft.eta[rows],
            clipping_threshold=draft.letters["c"][rows],
            steps=draft.steps[rows],
            instance_ids=first_id + rows,
            seed=seed,
            algorithm=self.reading.algorithm,
            samples=self.structure.samples,
            privacy_deviation=draft.privacy[rows],
        )

    def problem(self, raw: Floats) -> tuple[Problem, Choices] | None:
        """The exact problem of one gene vector [G], or ``None`` if it breaks a condition."""
        draft = self.draft(raw[None, :])
        if not draft.good[0]:
            return None
        structure = self.structure
        objective = coordinates(structure.objective, draft.objectives.parameters[0])
        problem = Problem(
            objective=Family(structure.objective, objective),
            noise=exact_noise(structure, draft.noise[0]),
            start=tuple(exact(v) for v in draft.objectives.start[0]),
            step_size=exact(draft.eta[0]),
            clipping_threshold=exact(draft.letters["c"][0]),
            steps=int(draft.steps[0]),
            tags=frozenset({"oracle"} if NOISES[structure.noise].oracle else ()),
            algorithm=Algorithm(self.reading.algorithm, structure.samples, exact(draft.privacy[0])),
        )
        return problem, choices_of(self.reading, draft.letters)


def free_letters(reading: Reading, numbers: Letters, pins: Mapping[str, float], count: int) -> Letters:
    """Values [N] of the letters that no problem settles: genes, or pinned; whole where their domain asks for it."""
    found: Letters = {}
    for parameter in reading.free:
        name = str(parameter.name)
        value: Floats = numbers.get(f"free {name}", np.full(count, pins.get(name, 1.0)))
        found[name] = np.asarray(np.round(value)) if parameter.domain is Domain.POSITIVE_INTEGER else value
    return found


def choices_of(reading: Reading, letters: Letters) -> Choices:
    """Row 0 of the letters that a problem leaves open, exact."""
    chosen: Choices = {}
    for parameter in (reading.sigma_letter, reading.privacy_letter, reading.slack_letter, *reading.free):
        if parameter is not None:
            chosen[parameter] = exact(float(np.ravel(letters[str(parameter.name)])[0]))
    return chosen


def exact(value: float) -> sp.Rational:
    """The rational number that a float is."""
    return sp.Rational(*float(value).as_integer_ratio())


def measure(
    reading: Reading, letters: Letters, batch: Batch, replicas: int, rounding: Floats
) -> tuple[Floats, Floats, Floats]:
    """Score, its standard error, and the part of the steps that the first run clips, of every instance, [I] each.

    The score is -inf where a run is invalid. ``rounding`` [I], the float error of f, is held against a claim about its
    value. Runs too long to keep have no known part of clipped steps: NaN.
    """
    quantity = reading.quantity
    longest = int(batch.steps.max())
    everything = quantity == MinGradientNorm and 256 < longest <= ALL_STEPS
    checkpoints = None if quantity == MinGradientNorm else [0]
    kept = int(len(batch.steps) * longest * batch.x0.shape[1] <= _KEPT)
    wanted = np.arange(longest) if everything else checkpoints
    statistics = run(batch, replicas, backend=search_backend(), checkpoints=wanted, record=kept)
    valid = statistics.valid.all(1)
    if quantity == MinGradientNorm:
        means = np.where(np.isnan(statistics.mean_gradient_norm), np.inf, statistics.mean_gradient_norm)
        at = means.argmin(1)
        measured = means.min(1)
        spread = statistics.standard_error()[np.arange(len(at)), at] if replicas > 1 else np.zeros(len(at))
    else:
        values = statistics.average_gradient_norm
        if quantity == FinalGap:
            values = statistics.final_gap - rounding[:, None]
        measured = values.mean(1)
        spread = values.std(1, ddof=1) / math.sqrt(replicas) if replicas > 1 else np.zeros(len(values))
    measured = np.where(valid, measured, np.nan)
    score = reading.score(letters, measured)
    moved = reading.score(letters, measured + spread)
    with np.errstate(invalid="ignore"):
        error = np.where(np.isfinite(score), np.abs(moved - score), 0.0)
    clipped = np.full(len(score), np.nan)
    if statistics.trajectories is not None:
        paths = statistics.trajectories[:, 0]
        clipped = clipped_part(paths, batch.step_size, batch.clipping_threshold, batch.steps)
    return score, error, clipped


def lattice_probability(value: float) -> sp.Rational:
    """The nearest multiple of 2^-32 inside (0, 1)."""
    cells = min(max(round(value * int(LATTICE)), 1), int(LATTICE) - 1)
    return sp.Rational(cells, LATTICE)

"""Finite laws (and, for StepChange, objectives) inside one structure: genes to one-step scores."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from fuzz.budget import Meter
from fuzz.finite import build_law, exact_law, free_atoms, law_genes
from fuzz.genes import (
    Gene,
    Objectives,
    Structure,
    build_objectives,
    decode,
    describe,
    fit_step_size,
    objective_genes,
    quantise,
)
from fuzz.onestep import (
    clip_second_moment,
    drift,
    make_stuck,
    next_gradient_norm,
    rational,
    step_change,
    stuck_gradient_norm,
)
from fuzz.problem import Algorithm, Family, FiniteLaw, Problem
from fuzz.reading import Floats, Letters, Reading, domain_range
from fuzz.reduction import mean_of
from fuzz.shapes import coordinates
from fuzz.trajectory import Choices, Scores, choices_of, exact, free_letters
from theorems.language.parameters import Parameter
from theorems.language.quantities import (
    ClipSecondMoment,
    Drift,
    NextGradientNorm,
    Scope,
    StepChange,
    StuckGradientNorm,
)

_RESOLVED = 1e-9
"""A stuck point nearer to a stationary one, in units of c, may be rounding: a symmetric law has drift 0 at m = 0."""

# No letter has a blank in its name.
_CAP = "largest eta"


class LawLandscape:
    """Scores of a one-step quantity over finite laws (and, for StepChange, over objectives) inside one structure.

    Args:
        reading: the theorem.
        structure: what is fixed; its noise is ``"finite"`` or ``"none"``.
        pins: values of ``c``, of sigma or of ``m`` that are not searched.

    Raises:
        ValueError: for a quantity of whole runs.
    """

    stochastic = False

    def __init__(self, reading: Reading, structure: Structure, pins: Mapping[str, float] | None = None) -> None:
        if reading.quantity.scope is not Scope.ONE_STEP:
            raise ValueError(f"{reading.quantity} is not a one-step quantity")
        self.reading, self.structure, self.pins = reading, structure, dict(pins or {})
        quantity = reading.quantity
        self.moves = quantity in (StepChange, NextGradientNorm)
        genes: list[Gene] = objective_genes(structure, reading) if self.moves else []
        if not self.moves and quantity != StuckGradientNorm and "m" not in self.pins:
            genes.append(Gene("m", 1e-3, 1e2))
        self.free_atoms = 0
        if structure.noise == "finite":
            self.free_atoms = free_atoms(structure)
            if self._sigma_name not in self.pins:
                genes.append(Gene("deviation", *structure.deviation))
            genes += law_genes(structure)
        if (self.moves or reading.mentions("eta")) and not structure.at_cap:
            genes.append(Gene("fraction", 1e-6, 1.0))
        genes += [Gene(f"free {p.name}", *domain_range(p)) for p in self._free]
        self.genes = tuple(genes)

    @property
    def _sigma_name(self) -> str:
        letter = self.reading.sigma_letter
        return "sigma" if letter is None else str(letter.name)

    @property
    def _free(self) -> list[Parameter]:
        return [p for p in self.reading.free if p.name not in self.pins]

    def _law(self, numbers: Letters, count: int) -> tuple[Floats, Floats]:
        """Probabilities [N, K] and atoms [N, K, d]."""
        if not self.free_atoms:
            return np.ones((count, 1)), np.zeros((count, 1, self.structure.dimension))
        return build_law(self.structure, numbers, count)

    def _of_mean(self, probabilities: Floats, atoms: Floats) -> tuple[Floats, Floats]:
        """The law of what is clipped: of the mean of n independent samples, if a mean is clipped."""
        if self.reading.algorithm != "batch_clipping" or self.structure.samples == 1 or not self.free_atoms:
            return probabilities, atoms
        chance, total, n = probabilities, atoms, self.structure.samples
        count, d = len(atoms), atoms.shape[-1]
        for _ in range(n - 1):
            chance = (chance[:, :, None] * probabilities[:, None, :]).reshape(count, -1)
            total = (total[:, :, None, :] + atoms[:, None, :, :]).reshape(count, -1, d)
        return chance, total / n

    # -- scores ------------------------------------------------------------------------------------------------------

    def _draft(self, raw: Floats) -> tuple[Letters, Objectives, Floats, Floats, Floats, tuple[Floats, Floats]]:
        count = len(raw)
        numbers = decode(self.genes, raw)
        c = np.full(count, self.pins.get("c", 1.0))
        if self._sigma_name in self.pins:
            numbers["deviation"] = np.full(count, self.pins[self._sigma_name])
        elif "deviation" in numbers:
            numbers["deviation"] = numbers["deviation"] * self.pins.get("c", 1.0)
        single = self._law(numbers, count)
        probabilities, atoms = self._of_mean(*single)
        at_zero = np.full(count, np.inf)
        if self.moves:
            objectives = build_objectives(self.structure, self.reading, numbers)
        else:
            if self.reading.quantity == StuckGradientNorm:
                m, at_zero = stuck_gradient_norm(c, probabilities, atoms)
                m = np.where((at_zero <= 0) & (m > _RESOLVED * c), quantise(m * (1 - 2.0**-40), 44, up=False), 0.0)
            else:
                m = numbers["m"] if "m" in numbers else np.full(count, self.pins["m"])
            one = np.ones((count, 1, self.structure.dimension))
            start = np.concatenate([m[:, None], np.zeros((count, self.structure.dimension - 1))], 1)
            objectives = describe("quadratic", one, start, (one[:, 0, 0], np.zeros(count)))
        known: Letters = {
            "c": c,
            "m": objectives.gradient_norm,
            "T": np.ones(count),
            "F0": objectives.gap,
            "R0": objectives.distance,
            **free_letters(self.reading, numbers, self.pins, count),
        }
        deviation = numbers.get("deviation", np.zeros(count))
        letters = self.reading.fill(known, {**objectives.tight, "deviation": deviation}, self.structure.samples)
        letters["eta"] = np.ones(count)
        if self.moves or self.reading.mentions("eta"):
            wish = numbers.get("fraction", np.ones(count))
            letters["eta"], letters[_CAP] = fit_step_size(self.reading, letters, wish)
        return letters, objectives, probabilities, atoms, at_zero, single

    def evaluate(self, raw: Floats, replicas: int, meter: Meter, seed: int, first_id: int) -> Scores:
        """Score raw genes [N, G]. Expectations are exact up to rounding: replicas, seed and id do not matter."""
        letters, objectives, probabilities, atoms, at_zero, _ = self._draft(raw)
        meter.add(probabilities.size, len(raw))
        quantity, c, m = self.reading.quantity, letters["c"], letters["m"]
        if quantity == Drift:
            measured = drift(m, c, probabilities, atoms)
        elif quantity == StuckGradientNorm:
            measured = m
        elif quantity == ClipSecondMoment:
            measured = clip_second_moment(m, c, probabilities, atoms)
        else:
            function = step_change if quantity == StepChange else next_gradient_norm
            measured = function(objectives, letters["eta"], c, probabilities, atoms)
            if quantity == StepChange:
                measured = measured - 4 * objectives.rounding
        good = ~np.isnan(letters["eta"]) & self.reading.conditions_hold(letters)
        if self.moves:
            good &= objectives.accurate
        score = np.where(good, self.reading.score(letters, measured), -np.inf)
        if quantity == StuckGradientNorm:
            # Without a stuck point the drift at 0 says how far the law is from having one.
            guide = np.where(at_zero <= 0, score, -at_zero / c)
            score = np.where(at_zero <= 0, score, -np.inf)
        else:
            guide = score
        at = self._at(letters, objectives, probabilities, atoms)
        blind = -1e3 * (1 + self.reading.shortfall(letters))
        return Scores(score, np.zeros(len(raw)), np.where(np.isfinite(guide), guide, blind), at)

    def places(self, raw: Floats) -> tuple[Letters, npt.NDArray[np.bool_]]:
        """The regimes of raw genes [N, G] and whether they meet the conditions."""
        letters, objectives, probabilities, atoms, at_zero, _ = self._draft(raw)
        good = ~np.isnan(letters["eta"]) & self.reading.conditions_hold(letters)
        if self.reading.quantity == StuckGradientNorm:
            good = good & (at_zero <= 0)
        return self._at(letters, objectives, probabilities, atoms), np.broadcast_to(good, (len(raw),))

    def _at(self, letters: Letters, objectives: Objectives, probabilities: Floats, atoms: Floats) -> Letters:
        """The numbers that tell the regime, [N] each; what is clipped is the probability of a clipped sample."""
        c, m = letters["c"], objectives.gradient_norm
        square = (m[:, None] + atoms[..., 0]) ** 2 + (atoms[..., 1:] ** 2).sum(-1)
        deviation = np.sqrt((probabilities * (atoms**2).sum(-1)).sum(1))
        return {
            "noise": deviation / c,
            "start": m / c,
            "step size": letters["eta"] / letters.get(_CAP, letters["eta"]),
            "clipped": (probabilities * (square > c[:, None] ** 2)).sum(1),
        }

    def problem(self, raw: Floats) -> tuple[Problem, Choices] | None:
        """The exact problem of one gene vector [G], or ``None`` if it breaks a condition or cannot be made stuck."""
        letters, objectives, _, _, _, (probabilities, atoms) = self._draft(raw[None, :])
        if np.isnan(letters["eta"][0]) or not np.ravel(self.reading.conditions_hold(letters))[0]:
            return None
        noise: Family | FiniteLaw
        if self.moves and not objectives.accurate[0]:
            return None
        d = self.structure.dimension
        start = [Fraction(float(v)) for v in objectives.start[0]]
        if not self.free_atoms:
            noise = Family("none", ({},) * d)
        else:
            law = exact_law(probabilities[0], atoms[0])
            variance = sum(p * sum(e * e for e in a) for p, a in law)
            letters = dict(letters)
            name = self._sigma_name
            if name in letters:
                bound = Fraction(float(np.ravel(letters[name])[0]))
                if self.reading.sigma_letter is not None and bound * bound < variance and name not in self.pins:
                    letters[name] = quantise(np.sqrt(np.array([float(variance)])), 40, up=True)
            if self.reading.quantity == StuckGradientNorm:
                clipped = law if self.reading.algorithm != "batch_clipping" else mean_of(law, self.structure.samples)
                found = make_stuck(start[0], Fraction(float(letters["c"][0])), clipped) if clipped else None
                if found is None:
                    return None
                start[0] = found
            noise = FiniteLaw(tuple((rational(p), tuple(map(rational, a))) for p, a in law))
        problem = Problem(
            objective=Family(objectives.family, coordinates(objectives.family, objectives.parameters[0])),
            noise=noise,
            start=tuple(map(rational, start)),
            step_size=exact(letters["eta"][0]),
            clipping_threshold=exact(letters["c"][0]),
            steps=1,
            algorithm=Algorithm(self.reading.algorithm, self.structure.samples),
        )
        return problem, choices_of(self.reading, letters)

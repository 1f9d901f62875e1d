"""Gradient ascent through the unrolled trajectory: the score as a torch graph over the genes, no finite differences.

For runs of few steps on objectives with a closed form. The random words are those of the engine, the same for every
point (common random numbers), so the score is a fixed function of the genes, smooth but for kinks. Genes that only
count (the number of steps, which side of a threshold a word falls on) have no slope here. What the ascent returns is
scored again by the engine, like every other point.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from fuzz.engine.philox import WordStream
from fuzz.engine.printers.torch_source import torch_function
from fuzz.reading import Floats, Letters
from fuzz.trajectory import RunLandscape
from theorems.language.functions import NOISES, OBJECTIVES, U0, U1, x
from theorems.language.parameters import c, m
from theorems.language.quantities import AverageGradientNorm, FinalGap

MOST_STEPS = 64
"""Of a run that is unrolled: the graph keeps every state."""

_OBJECTIVES = ("quadratic", "huber", "slope_then_bowl", "log_cosh")
_NOISES = ("none", "two_point", "symmetric_two_point", "gaussian", "skewed_exponential")
_PACE = 0.03

Tensor = torch.Tensor


def climbs(inside: RunLandscape) -> bool:
    """Whether a structure's score can be differentiated here."""
    structure, reading = inside.structure, inside.reading
    sigma = next((row for row in reading._solved if row[0] == "deviation"), None)
    return (
        structure.objective in _OBJECTIVES
        and structure.noise in _NOISES
        and structure.steps[1] <= MOST_STEPS
        and reading.quantity in (AverageGradientNorm, FinalGap)
        and not inside.holds.sets_gap
        and len(inside.genes) > 0
        and (sigma is None or str(sigma[1].name) not in inside.pins)
    )


class Slope:
    """The score of one structure and its gradient.

    Args:
        inside: a structure for which :func:`climbs` holds.
        replicas: runs of each point.
        key: of the random words, the same for every point.
    """

    def __init__(self, inside: RunLandscape, replicas: int, key: tuple[int, int]) -> None:
        self.inside = inside
        self.replicas = replicas if inside.stochastic else 1
        self.words = self._uniforms(key)
        family, noise = OBJECTIVES[inside.structure.objective], NOISES[inside.structure.noise]
        self.family, self.noise = family, noise
        self.value = torch_function(family.value, (x, *family.parameters))
        self.gradient = torch_function(family.gradient, (x, *family.parameters))
        self.sample = torch_function(noise.sample, (U0, U1, m, c, *noise.parameters)) if noise.words else None
        bound = inside.reading.theorem.bound
        self.letters = tuple(sorted(bound.free_symbols, key=str))
        self.bound = torch_function(bound, self.letters)

    def _uniforms(self, key: tuple[int, int]) -> Tensor | None:
        """[T, words, d, R]."""
        noise, structure = NOISES[self.inside.structure.noise], self.inside.structure
        if not noise.words:
            return None
        stream = WordStream(key, np.arange(self.replicas, dtype=np.uint32), noise.words, 0)
        d = structure.dimension
        draws = [[stream.draw(t * d + j) for j in range(d)] for t in range(structure.steps[1])]
        table = np.array([[[np.asarray(w[s]) for w in row] for s in range(noise.words)] for row in draws])
        return (torch.from_numpy(table.astype(np.int64)).to(torch.float64) + 0.5) / 2.0**32

    def __call__(self, raw: Floats) -> tuple[Floats, Floats]:
        """Scores [N] (-inf where a condition fails) and their gradients [N, G]."""
        draft = self.inside.draft(raw)
        leaf = torch.from_numpy(raw.copy()).requires_grad_()
        score = self._score(leaf, draft)
        total = torch.where(torch.from_numpy(draft.good.copy()) & torch.isfinite(score), score, 0.0).sum()
        (slope,) = torch.autograd.grad(total, leaf, allow_unused=True)
        shown = np.where(draft.good, score.detach().numpy(), -np.inf)
        return shown, np.zeros_like(raw) if slope is None else torch.nan_to_num(slope).numpy()

    def _numbers(self, leaf: Tensor) -> dict[str, Tensor]:
        found = {}
        for k, gene in enumerate(self.inside.genes):
            part = leaf[:, k].clamp(0.0, 1.0)
            if gene.kind == "linear":
                found[gene.name] = gene.low + (gene.high - gene.low) * part
            elif gene.kind == "logit":
                low, high = (np.log(v / (1 - v)) for v in (gene.low, gene.high))
                found[gene.name] = torch.sigmoid(low + (high - low) * part)
            else:
                low, high = np.log(gene.low), np.log(gene.high)
                found[gene.name] = torch.exp(low + (high - low) * part)
        return found

    def _score(self, leaf: Tensor, draft: Any) -> Tensor:
        inside, d, count = self.inside, self.inside.structure.dimension, len(leaf)
        numbers = self._numbers(leaf)
        one = torch.ones(count, dtype=torch.float64)
        threshold = torch.from_numpy(draft.letters["c"].copy())
        start = torch.stack([numbers[f"x{i}"] for i in range(d)], 1)
        columns = {"curvature": torch.stack([one, *(numbers[f"curvature{i}"] for i in range(1, d))], 1)}
        if "slope" in numbers:
            columns["slope"] = numbers["slope"][:, None].expand(count, d)
        if "rise" in numbers:
            columns["steep"] = columns["slope"] * (1 + numbers["rise"][:, None])
            columns["start"] = columns["slope"] / columns["curvature"] + numbers["offset"][:, None]
        parameters = [columns[p.name][:, :, None] for p in self.family.parameters]
        # The cap moves with the genes only through L0, which is 1 for these families.
        eta = torch.from_numpy(draft.eta.copy())
        if "fraction" in numbers:
            eta = eta * numbers["fraction"] / numbers["fraction"].detach()
        noise, deviation = self._scales(numbers, threshold)
        steps = torch.from_numpy(draft.steps.astype(np.float64))
        total, state = torch.zeros(count, self.replicas, dtype=torch.float64), start[:, :, None]
        state = state.expand(count, d, self.replicas)
        for t in range(int(draft.steps.max())):
            gradient = self.gradient(state, *parameters)
            going = (steps > t)[:, None]
            total = total + torch.where(going, _norm(gradient), 0.0)
            noisy = gradient if self.sample is None else gradient + self._draw(t, noise)
            length = _norm(noisy)
            factor = torch.where(length > threshold[:, None], threshold[:, None] / length.clamp(min=1e-300), 1.0)
            state = torch.where(going[:, None], state - eta[:, None, None] * factor[:, None] * noisy, state)
        gap = self.value(start[:, :, None], *parameters).sum((1, 2))
        measured = total.mean(1) / steps
        if inside.reading.quantity == FinalGap:
            measured = self.value(state, *parameters).sum(1).mean(1)
        known: dict[str, Any] = {name: torch.as_tensor(np.asarray(v)) for name, v in _plain(draft.letters).items()}
        known |= {"F0": gap, "R0": start.square().sum(1).sqrt(), "eta": eta}
        letter = inside.reading.sigma_letter
        if letter is not None:
            known[str(letter.name)] = deviation
        return measured / self.bound(*(known[str(s.name)] for s in self.letters))

    def _scales(self, numbers: dict[str, Tensor], threshold: Tensor) -> tuple[list[Tensor], Tensor]:
        """The noise's parameters, [N, d, 1] each, and the deviation of the vector [N]."""
        if self.sample is None:
            return [], torch.zeros_like(threshold)
        d, structure = self.inside.structure.dimension, self.inside.structure
        first = numbers["deviation"] * threshold
        scale = torch.stack([first, *(first * numbers[f"deviation{i}"] for i in range(1, d))], 1)
        columns = {"scale": scale * structure.tail if structure.noise == "skewed_exponential" else scale}
        if "probability" in numbers:
            p = numbers["probability"].detach()[:, None].expand_as(scale)
            columns |= {"probability": p, "up": structure.tail * scale * ((1 - p) / p).sqrt()}
        return [columns[p.name][:, :, None] for p in self.noise.parameters], scale.square().sum(1).sqrt()

    def _draw(self, t: int, numbers: list[Tensor]) -> Tensor:
        assert self.words is not None
        assert self.sample is not None
        uniforms = [self.words[t, s][None] for s in range(self.noise.words)]
        drawn: Tensor = self.sample(*uniforms, *[None] * (2 - len(uniforms)), None, None, *numbers)
        return drawn


def climb(
    inside: RunLandscape, start: Floats, iterations: int, replicas: int, key: tuple[int, int]
) -> tuple[Floats, int]:
    """The best points [N, G] on the way up from ``start`` [N, G], and the engine steps that this is worth.

    Adam (Kingma and Ba) on raw genes, held inside the unit cube. A backward pass counts as much as two forward ones.
    """
    slope = Slope(inside, replicas, key)
    at = np.clip(start, 0.0, 1.0)
    first, second = np.zeros_like(at), np.zeros_like(at)
    best, best_score = at.copy(), np.full(len(at), -np.inf)
    spent = 0
    for k in range(1, iterations + 1):
        score, direction = slope(at)
        spent += 3 * slope.replicas * int(inside.draft(at).steps.sum())
        better = score > best_score
        best[better], best_score[better] = at[better], score[better]
        first, second = 0.9 * first + 0.1 * direction, 0.99 * second + 0.01 * direction**2
        pace = _PACE * (1 - k / (iterations + 1))
        at = np.clip(at + pace * (first / (1 - 0.9**k)) / (np.sqrt(second / (1 - 0.99**k)) + 1e-12), 0.0, 1.0)
    return best, spent


def _plain(letters: Letters) -> Letters:
    return {name: np.array(value, np.float64) for name, value in letters.items()}


def _norm(vectors: Tensor) -> Tensor:
    """[N, R] of [N, d, R]; a slope of zero at zero."""
    if vectors.shape[1] == 1:
        return vectors[:, 0].abs()
    square = vectors.square().sum(1)
    return torch.where(square > 0, square.clamp(min=1e-300).sqrt(), 0.0)

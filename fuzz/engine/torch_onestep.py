"""The independent witness where the noise has finitely many atoms: torch differentiates the value, clips in its own
words, and weighs every atom, or every history of a short run. It shares no code with the exact checks, nor with the
search's own one-step formulas, and it draws no random numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import torch

from fuzz.engine.printers.torch_source import torch_function
from fuzz.engine.torch_engine import radius_of
from fuzz.problem import Family, FiniteLaw, Problem
from theorems.language.functions import NOISES, is_radial, x
from theorems.language.parameters import c, m
from theorems.language.quantities import (
    AverageGradientNorm,
    ClipSecondMoment,
    Drift,
    FinalGap,
    MinGradientNorm,
    NextGradientNorm,
    Quantity,
    StepChange,
    StuckGradientNorm,
)

MOST_HISTORIES = 1 << 16
_MOST_ATOMS = 4096


@dataclass(frozen=True)
class Histories:
    """A whole run with every history weighed.

    Attributes:
        value: the quantity.
        least, greatest: of any history's gradient norm at any step (of its last gap, for FinalGap).
        deviation: standard deviation over histories of the number whose mean is the quantity.
    """

    value: float
    least: float
    greatest: float
    deviation: float


def one_step(problem: Problem, quantity: Quantity, dtype: torch.dtype = torch.float64) -> float:
    """The quantity at ``problem.start``. A stuck point's norm is NaN where the drift is clearly positive.

    Raises:
        ValueError: for a noise that has no finite list of atoms, or a quantity of whole runs.
    """
    start = torch.tensor([[float(v) for v in problem.start]], dtype=dtype)
    value, gradient = _value_and_gradient(problem, start)
    weights, atoms = (part[0] for part in _law(problem, gradient))
    length = torch.linalg.vector_norm(gradient)
    clipped = _clip(problem, gradient + atoms)
    if quantity == ClipSecondMoment:
        return float((weights * clipped.square().sum(1)).sum())
    if quantity in (Drift, StuckGradientNorm):
        if length == 0:
            return 0.0 if quantity == StuckGradientNorm else math.nan
        drift = float((weights * (clipped @ (gradient[0] / length))).sum())
        if quantity == Drift:
            return drift
        threshold = float(problem.clipping_threshold)
        scale = threshold if math.isfinite(threshold) else float((gradient + atoms).abs().max())
        return float(length) if drift <= 1e4 * torch.finfo(dtype).eps * scale else math.nan
    after = start - float(problem.step_size) * clipped
    later, slopes = _value_and_gradient(problem, after)
    if quantity == StepChange:
        return float((weights * (later - value)).sum())
    if quantity == NextGradientNorm:
        return float((weights * torch.linalg.vector_norm(slopes, dim=1)).sum())
    raise ValueError(f"{quantity} is not a one-step quantity")


def all_histories(problem: Problem, quantity: Quantity, dtype: torch.dtype = torch.float64) -> Histories:
    """A quantity of a whole run, from every history of its atoms; none are merged.

    Raises:
        ValueError: for a noise that has no finite list of atoms, more than 65536 histories, or a one-step quantity.
    """
    if quantity not in (AverageGradientNorm, MinGradientNorm, FinalGap):
        raise ValueError(f"{quantity} is not a quantity of a whole run")
    points = torch.tensor([[float(v) for v in problem.start]], dtype=dtype)
    chances, totals = torch.ones(1, dtype=dtype), torch.zeros(1, dtype=dtype)
    least: tuple[float, torch.Tensor, torch.Tensor] | None = None
    reached: list[torch.Tensor] = []
    for _ in range(problem.steps):
        _, gradients = _value_and_gradient(problem, points)
        norms = torch.linalg.vector_norm(gradients, dim=1)
        reached.append(norms)
        mean = float((chances * norms).sum())
        if least is None or mean < least[0]:
            least = (mean, norms, chances)
        weights, atoms = _law(problem, gradients)
        if len(points) * weights.shape[1] > MOST_HISTORIES:
            raise ValueError(f"noise over {problem.steps} steps has more than {MOST_HISTORIES} histories")
        samples = gradients[:, None, :] + atoms
        points = (points[:, None, :] - float(problem.step_size) * _clip(problem, samples)).flatten(0, 1)
        chances = (chances[:, None] * weights).flatten()
        totals = (totals + norms / problem.steps).repeat_interleave(weights.shape[1])
    assert least is not None
    if quantity == MinGradientNorm:
        _, own, chances = least
    elif quantity == FinalGap:
        own, _ = _value_and_gradient(problem, points)
        reached = [own]
    else:
        own = totals
    value = float((chances * own).sum())
    spread = float((chances * (own - value).square()).sum())
    everything = torch.cat(reached)
    return Histories(value, float(everything.min()), float(everything.max()), math.sqrt(max(spread, 0.0)))


def _clip(problem: Problem, samples: torch.Tensor) -> torch.Tensor:
    """``min(1, c/|g|) g`` along the last axis."""
    threshold = float(problem.clipping_threshold)
    if not math.isfinite(threshold):
        return samples
    lengths = torch.linalg.vector_norm(samples, dim=-1, keepdim=True)
    tiny = torch.finfo(samples.dtype).tiny
    return torch.where(lengths > threshold, samples * (threshold / lengths.clamp(min=tiny)), samples)


def _law(problem: Problem, gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities [n, K] and atoms [n, K, d] of the noise at points with these gradients [n, d]."""
    noise, dtype, count = problem.noise, gradients.dtype, len(gradients)
    if isinstance(noise, FiniteLaw):
        weights = torch.tensor([float(p) for p, _ in noise.atoms], dtype=dtype)
        atoms = torch.tensor([[float(e) for e in v] for _, v in noise.atoms], dtype=dtype)
        return weights.expand(count, -1), atoms.expand(count, -1, -1)
    family = NOISES[noise.name]
    if family.atoms is None:
        raise ValueError(f"noise {noise.name!r} is no finite law: there is no exact expectation here")
    lengths = torch.linalg.vector_norm(gradients, dim=1)
    if family.along:
        axis = torch.eye(problem.dimension, dtype=dtype)[:1]
        units = torch.where(lengths[:, None] > 0, gradients / lengths.clamp(min=torch.finfo(dtype).tiny)[:, None], axis)
        scalar = _scalar_atoms(noise, 0, lengths, problem)
        weights = torch.stack([p for p, _ in scalar], 1)
        return weights, torch.stack([size for _, size in scalar], 1)[:, :, None] * units[:, None, :]
    if len(family.atoms) ** problem.dimension > _MOST_ATOMS:
        raise ValueError(f"noise {noise.name!r} has more than {_MOST_ATOMS} atoms in {problem.dimension} dimensions")
    columns = [_scalar_atoms(noise, axis, lengths, problem) for axis in range(problem.dimension)]
    chosen = list(product(*columns))
    weights = torch.stack([torch.stack([p for p, _ in atom]).prod(0) for atom in chosen], 1)
    return weights, torch.stack([torch.stack([size for _, size in atom], 1) for atom in chosen], 1)


def _scalar_atoms(
    noise: Family, axis: int, lengths: torch.Tensor, problem: Problem
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Probability and size of each atom of one coordinate's law, [n] each."""
    family, dtype = NOISES[noise.name], lengths.dtype
    letters = (m, c, *family.parameters)
    numbers = [float(problem.clipping_threshold), *(float(noise.coordinates[axis][p.name]) for p in family.parameters)]
    values = [lengths, *(torch.full_like(lengths, v) for v in numbers)]
    return [
        (
            torch.as_tensor(torch_function(p, letters, dtype)(*values), dtype=dtype).expand(len(lengths)),
            torch.as_tensor(torch_function(size, letters, dtype)(*values), dtype=dtype).expand(len(lengths)),
        )
        for p, size in family.atoms or ()
    ]


def _value_and_gradient(problem: Problem, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Values [n] and gradients [n, d] at points [n, d]."""
    position, dtype = points.clone().requires_grad_(), points.dtype
    values = torch.zeros(len(points), dtype=dtype)
    axes = [radius_of(position.T)] if is_radial(problem.objective.name) else list(position.T)
    for along, (profile, numbers) in zip(axes, problem.objective.profiles, strict=True):
        columns = [torch.tensor(float(numbers[p.name]), dtype=dtype) for p in profile.parameters]
        values = values + torch_function(profile.value, (x, *profile.parameters), dtype)(along, *columns)
    (gradient,) = torch.autograd.grad(values.sum(), position)
    return values.detach(), gradient

"""The independent witness for one-step quantities: torch differentiates the value, clips in its own words, and weighs
the atoms of a finite law. It shares no code with the exact checks, nor with the search's own one-step formulas."""

from __future__ import annotations

import math

import torch

from fuzz.engine.printers.torch_source import torch_function
from fuzz.problem import FiniteLaw, Problem
from theorems.language.functions import x
from theorems.language.quantities import (
    ClipSecondMoment,
    Drift,
    NextGradientNorm,
    Quantity,
    StepChange,
    StuckGradientNorm,
)


def one_step(problem: Problem, quantity: Quantity) -> float:
    """The quantity at ``problem.start`` in float64. A stuck point's norm is NaN where the drift is clearly positive.

    Raises:
        ValueError: for a noise that is no finite law, or a quantity of whole runs.
    """
    if isinstance(problem.noise, FiniteLaw):
        weights = torch.tensor([float(p) for p, _ in problem.noise.atoms], dtype=torch.float64)
        atoms = torch.tensor([[float(e) for e in v] for _, v in problem.noise.atoms], dtype=torch.float64)
    elif problem.deterministic:
        weights, atoms = torch.ones(1, dtype=torch.float64), torch.zeros(1, problem.dimension, dtype=torch.float64)
    else:
        raise ValueError(f"noise {problem.noise.name!r} is no finite law: one step has no exact expectation here")
    start = torch.tensor([[float(v) for v in problem.start]], dtype=torch.float64)
    value, gradient = _value_and_gradient(problem, start)
    length = torch.linalg.vector_norm(gradient)
    threshold = float(problem.clipping_threshold)
    samples = gradient + atoms
    lengths = torch.linalg.vector_norm(samples, dim=1, keepdim=True)
    clipped = samples.clone()
    if math.isfinite(threshold):
        clipped = torch.where(lengths > threshold, samples * (threshold / lengths.clamp(min=1e-300)), samples)
    if quantity == ClipSecondMoment:
        return float((weights * clipped.square().sum(1)).sum())
    if quantity in (Drift, StuckGradientNorm):
        if length == 0:
            return 0.0 if quantity == StuckGradientNorm else math.nan
        drift = float((weights * (clipped @ (gradient[0] / length))).sum())
        if quantity == Drift:
            return drift
        scale = threshold if math.isfinite(threshold) else float(lengths.max())
        return float(length) if drift <= 1e-12 * scale else math.nan
    after = start - float(problem.step_size) * clipped
    later, slopes = _value_and_gradient(problem, after)
    if quantity == StepChange:
        return float((weights * (later - value)).sum())
    if quantity == NextGradientNorm:
        return float((weights * torch.linalg.vector_norm(slopes, dim=1)).sum())
    raise ValueError(f"{quantity} is not a one-step quantity")


def _value_and_gradient(problem: Problem, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Values [n] and gradients [n, d] at points [n, d]."""
    position = points.clone().requires_grad_()
    values = torch.zeros(len(points), dtype=torch.float64)
    for i, (profile, numbers) in enumerate(problem.objective.profiles):
        columns = [torch.tensor(float(numbers[p.name]), dtype=torch.float64) for p in profile.parameters]
        values = values + torch_function(profile.value, (x, *profile.parameters))(position[:, i], *columns)
    (gradient,) = torch.autograd.grad(values.sum(), position)
    return values.detach(), gradient

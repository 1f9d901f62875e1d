"""The independent witness: torch differentiates the *value* by autograd, so it does not share the gradient formulas.

It has its own clipping and its own noise arithmetic, from the same random words. float64 on the CPU, and slow.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from fuzz.engine.batch import PRIVACY_LAW, Batch
from fuzz.engine.philox import PRIVACY_STREAM, Words, WordStream
from fuzz.engine.printers.torch_source import torch_function
from fuzz.engine.statistics import Gatherer, Plan, Statistics
from theorems.language.functions import NOISES, U0, U1, Noise, is_radial, profiles, x
from theorems.language.parameters import c, m

BLOCK = 4096
"""Replicas at a time, which bounds the memory."""


def run(batch: Batch, plan: Plan) -> Statistics:
    """Run every instance; see :func:`fuzz.engine.run`.

    Raises:
        ValueError: for float32, which would make a witness of less precision than the accused.
    """
    if plan.dtype != "float64":
        raise ValueError(f"the torch engine runs in float64 only, not {plan.dtype}")
    gatherer = Gatherer(batch, plan)
    keys = batch.keys()
    for row in range(len(batch)):
        for first in range(0, plan.replicas, BLOCK):
            key = (int(keys[row, 0]), int(keys[row, 1]))
            _run_block(batch, plan, gatherer, row, key, first, min(BLOCK, plan.replicas - first))
    return gatherer.finish()


def _run_block(
    batch: Batch, plan: Plan, gatherer: Gatherer, row: int, key: tuple[int, int], first: int, count: int
) -> None:
    noise, privacy = NOISES[batch.noises[row]], NOISES[PRIVACY_LAW]
    noise_numbers = torch.from_numpy(batch.noise_parameters[row, : len(noise.parameters)].copy())[:, :, None]
    value = value_of(batch.objectives[row], torch.from_numpy(batch.objective_parameters[row].copy()))
    steps, threshold = int(batch.steps[row]), torch.tensor(float(batch.clipping_threshold[row]), dtype=torch.float64)
    step_size = float(batch.step_size[row])

    replicas = (plan.first_replica + first + np.arange(count)).astype(np.uint32)
    streams = [WordStream(key, replicas, noise.words, k) for k in range(batch.samples)]
    privacy_stream = WordStream(key, replicas, privacy.words, 0, PRIVACY_STREAM)
    privacy_numbers = torch.full((1, batch.dimension, 1), float(batch.privacy_scale()[row]), dtype=torch.float64)
    mean_first = batch.algorithm == "batch_clipping"
    state = torch.from_numpy(batch.x0[row].copy())[:, None].repeat(1, count)
    total = torch.zeros(count, dtype=torch.float64)
    valid = torch.ones(count, dtype=torch.bool)
    norms = np.zeros((len(plan.checkpoints), count))
    kept = max(0, min(plan.record - first, count))
    for t in range(steps):
        if kept and gatherer.trajectories is not None:
            gatherer.trajectories[row, first : first + kept, t] = state[:, :kept].T.numpy()
        position = state.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(value(position).sum(), position)
        length = length_of(gradient)
        valid &= torch.isfinite(state).all(0) & torch.isfinite(length)
        total += length
        norms[plan.checkpoints == t] = length.numpy()
        samples = [
            gradient + _noise(noise, noise_numbers, stream, t, gradient, length, threshold) for stream in streams
        ]
        if mean_first:
            samples = [torch.stack(samples).mean(0)]
        for noisy in samples:
            valid &= torch.isfinite(length_of(noisy))
        clipped = torch.stack([clip(noisy, threshold) for noisy in samples]).mean(0)
        if batch.algorithm == "dp_sgd":
            clipped = clipped + _noise(privacy, privacy_numbers, privacy_stream, t, gradient, length, threshold)
        state = state - step_size * clipped
    if kept and gatherer.trajectories is not None:
        gatherer.trajectories[row, first : first + kept, steps] = state[:, :kept].T.numpy()
    gap = value(state).sum(0)
    valid &= torch.isfinite(state).all(0) & torch.isfinite(gap)
    passed = valid.numpy()
    gatherer.add_block(row, first, (total / steps).numpy(), gap.clamp(min=0.0).numpy(), passed)
    gatherer.add_norms(row, first, norms, passed)


def value_of(objective: str, numbers: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """The value of each coordinate, for states [d, n]; ``numbers`` [P, d]. Of a radial objective a row, [1, n]."""
    kinds = profiles(objective, numbers.shape[1])

    def value(states: torch.Tensor) -> torch.Tensor:
        if is_radial(objective):
            columns = numbers[: len(kinds[0].parameters), 0]
            row: torch.Tensor = torch_function(kinds[0].value, (x, *kinds[0].parameters))(radius_of(states), *columns)
            return row[None, :]
        if len(set(kinds)) == 1:
            columns = numbers[: len(kinds[0].parameters), :, None]
            result: torch.Tensor = torch_function(kinds[0].value, (x, *kinds[0].parameters))(states, *columns)
            return result
        rows = [
            torch_function(kind.value, (x, *kind.parameters))(state, *numbers[: len(kind.parameters), j])
            for j, (kind, state) in enumerate(zip(kinds, states, strict=True))
        ]
        return torch.stack(rows)

    return value


def radius_of(states: torch.Tensor) -> torch.Tensor:
    """Euclidean norms [n] of states [d, n], with derivative 0 at 0, where a root has none: right for any profile whose
    derivative there is 0."""
    if len(states) == 1:
        return states[0].abs()
    square = states.square().sum(0)
    away = square > 0
    return torch.where(away, torch.where(away, square, 1.0).sqrt(), 0.0)


def clip(vectors: torch.Tensor, threshold: torch.Tensor) -> torch.Tensor:
    """Vectors [d, n], those longer than the threshold shortened to it."""
    length = length_of(vectors)
    inside = length <= threshold
    return torch.where(inside, vectors, vectors * (threshold / torch.where(inside, 1.0, length)))


def length_of(vectors: torch.Tensor) -> torch.Tensor:
    """Euclidean norms [n] of vectors [d, n]."""
    return vectors[0].abs() if len(vectors) == 1 else vectors.square().sum(0).sqrt()


def _uniforms(words: list[Words]) -> torch.Tensor:
    return (torch.from_numpy(np.stack(words).astype(np.int64)).to(torch.float64) + 0.5) / 2.0**32


def _noise(
    noise: Noise,
    numbers: torch.Tensor,
    stream: WordStream,
    step: int,
    gradient: torch.Tensor,
    length: torch.Tensor,
    threshold: torch.Tensor,
) -> torch.Tensor:
    """The noise of one step, [d, n]."""
    if not noise.words:
        return torch.zeros_like(gradient)
    sample = torch_function(noise.sample, (U0, U1, m, c, *noise.parameters))
    dimension = len(gradient)
    if noise.along:
        first_axis = torch.zeros_like(gradient)
        first_axis[0] = 1.0
        unit = torch.where(length > 0, gradient / torch.where(length > 0, length, 1.0), first_axis)
        along: torch.Tensor = sample(_uniforms(stream.draw(step * dimension)), None, length, threshold, *numbers[:, 0])
        return along * unit
    draws = stream.coordinates(noise.layout, step, dimension)
    uniforms: list[torch.Tensor | None] = [_uniforms([w[s] for w in draws]) for s in range(noise.words)]
    drawn: torch.Tensor = sample(*uniforms, *[None] * (2 - len(uniforms)), length, threshold, *numbers)
    return drawn

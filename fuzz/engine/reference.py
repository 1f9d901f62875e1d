"""The reference engine: NumPy over replicas, one instance and one step at a time, to be read and compared with."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fuzz.engine.batch import Batch
from fuzz.engine.philox import Words, WordStream
from fuzz.engine.printers.numpy_source import numpy_function
from fuzz.engine.statistics import Gatherer, Plan, Statistics
from theorems.language.functions import NOISES, OBJECTIVES, U0, U1, x
from theorems.language.parameters import c, m

BLOCK = 4096
"""Replicas at a time, which bounds the memory."""

Array = npt.NDArray[Any]


def uniform(words: Words) -> Array:
    """Midpoints ``(w + 1/2) / 2^32``, exact in float64."""
    midpoints: Array = (words.astype(np.float64) + 0.5) * 2.0**-32
    return midpoints


def clip(gradient: Array, threshold: Array) -> Array:
    """``min(1, c/|g|) g`` for g of shape [d, n]; 0 at g = 0, and g itself at ``|g| = c``."""
    clipped: Array = np.minimum(gradient.dtype.type(1), threshold / norm(gradient)) * gradient
    return clipped


def norm(vectors: Array) -> Array:
    """Euclidean norms [n] of vectors [d, n]; without squares in one dimension, where they might overflow."""
    if len(vectors) == 1:
        lengths: Array = np.abs(vectors[0])
        return lengths
    total: Array = vectors[0] * vectors[0]
    for row in vectors[1:]:
        total = total + row * row
    np.sqrt(total, out=total)
    return total


def run(batch: Batch, plan: Plan) -> Statistics:
    """Run every instance; see :func:`fuzz.engine.run`."""
    gatherer = Gatherer(batch, plan)
    keys = batch.keys()
    # Overflow and 0/0 are looked for, not warned about.
    with np.errstate(all="ignore"):
        for row in range(len(batch)):
            for first in range(0, plan.replicas, BLOCK):
                key = (int(keys[row, 0]), int(keys[row, 1]))
                _run_block(batch, plan, gatherer, row, key, first, min(BLOCK, plan.replicas - first))
    return gatherer.finish()


def _run_block(
    batch: Batch, plan: Plan, gatherer: Gatherer, row: int, key: tuple[int, int], first: int, count: int
) -> None:
    real = np.dtype(plan.dtype).type
    objective, noise = OBJECTIVES[batch.objectives[row]], NOISES[batch.noises[row]]
    # Parameters as columns [d, 1], so that formulas see [d, n].
    numbers = batch.objective_parameters[row, : len(objective.parameters), :, None]
    noise_numbers = batch.noise_parameters[row, : len(noise.parameters), :, None]
    gradient = numpy_function(objective.gradient, (x, *objective.parameters))
    value = numpy_function(objective.value, (x, *objective.parameters))
    sample = numpy_function(noise.sample, (U0, U1, m, c, *noise.parameters))

    step_size, threshold = real(batch.step_size[row]), real(batch.clipping_threshold[row])
    steps, dimension = int(batch.steps[row]), batch.dimension
    replicas = (plan.first_replica + first + np.arange(count)).astype(np.uint32)
    stream = WordStream(key, replicas, noise.words)
    state = np.repeat(batch.x0[row].astype(real)[:, None], count, axis=1)
    total = np.zeros(count)
    valid = np.ones(count, np.bool_)
    norms = np.zeros((len(plan.checkpoints), count))
    kept = max(0, min(plan.record - first, count))
    for t in range(steps):
        if kept and gatherer.trajectories is not None:
            gatherer.trajectories[row, first : first + kept, t] = state[:, :kept].T
        slope = gradient(state, *numbers.astype(real))
        size = norm(slope)
        valid &= np.isfinite(state).all(0) & np.isfinite(size)
        total += size
        norms[plan.checkpoints == t] = size
        noisy = slope
        if noise.oracle:
            (w,) = stream.draw(t * dimension)
            axis = np.zeros_like(slope)
            axis[0] = 1
            unit = np.where(size > 0, slope / size, axis)
            along = sample(
                uniform(w), None, size.astype(np.float64), batch.clipping_threshold[row], *noise_numbers[:, 0]
            )
            noisy = slope + along.astype(real) * unit
        elif noise.words:
            draws = [stream.draw(t * dimension + j) for j in range(dimension)]
            u = [uniform(np.stack(w)) for w in zip(*draws, strict=True)] + [None]
            noisy = slope + sample(u[0], u[1], None, None, *noise_numbers).astype(real)
        valid &= np.isfinite(norm(noisy))
        state = state - step_size * clip(noisy, threshold)
    if kept and gatherer.trajectories is not None:
        gatherer.trajectories[row, first : first + kept, steps] = state[:, :kept].T
    gap = value(state.astype(np.float64), *numbers).sum(0)
    valid &= np.isfinite(state).all(0) & np.isfinite(gap)
    # inf f is 0 exactly; rounding may leave a value of -1e-16.
    gatherer.add_block(row, first, total / steps, np.maximum(gap, 0.0), valid)
    gatherer.add_norms(row, first, norms, valid)

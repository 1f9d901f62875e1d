"""The reference engine: NumPy over replicas, one instance and one step at a time, to be read and compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from fuzz.engine.batch import PRIVACY_LAW, Batch
from fuzz.engine.philox import PRIVACY_STREAM, Words, WordStream
from fuzz.engine.printers.numpy_source import numpy_function
from fuzz.engine.statistics import Gatherer, Plan, Statistics
from theorems.language.functions import NOISES, U0, U1, Noise, is_radial, profiles, x
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
    gradient, value = (
        by_coordinate(batch.objectives[row], which, batch.objective_parameters[row]) for which in ("gradient", "value")
    )

    step_size, steps = real(batch.step_size[row]), int(batch.steps[row])
    replicas = (plan.first_replica + first + np.arange(count)).astype(np.uint32)
    stepper = _Stepper(batch, row, key, replicas, real)
    state = np.repeat(batch.x0[row].astype(real)[:, None], count, axis=1)
    total = np.zeros(count)
    valid = stepper.valid
    norms = np.zeros((len(plan.checkpoints), count))
    kept = max(0, min(plan.record - first, count))
    for t in range(steps):
        if kept and gatherer.trajectories is not None:
            gatherer.trajectories[row, first : first + kept, t] = state[:, :kept].T
        slope = gradient(state)
        size = norm(slope)
        valid &= np.isfinite(state).all(0) & np.isfinite(size)
        total += size
        norms[plan.checkpoints == t] = size
        state = state - step_size * stepper.update(t, slope, size)
    if kept and gatherer.trajectories is not None:
        gatherer.trajectories[row, first : first + kept, steps] = state[:, :kept].T
    gap = value(state.astype(np.float64)).sum(0)
    valid &= np.isfinite(state).all(0) & np.isfinite(gap)
    # inf f is 0 exactly; rounding may leave a value of -1e-16.
    gatherer.add_block(row, first, total / steps, np.maximum(gap, 0.0), valid)
    gatherer.add_norms(row, first, norms, valid)


def by_coordinate(objective: str, which: str, numbers: Array) -> Callable[[Array], Array]:
    """``gradient`` or ``value`` of each coordinate, for states [d, n]; ``numbers`` [P, d]. The value of a radial
    objective is a row, [1, n]."""
    kinds = profiles(objective, numbers.shape[1])
    functions = {k.name: numpy_function(getattr(k, which), (x, *k.parameters)) for k in kinds}

    def whole(states: Array) -> Array:
        # Parameters as columns [d, 1], so that formulas see [d, n].
        columns = numbers[: len(kinds[0].parameters), :, None].astype(states.dtype)
        result: Array = functions[kinds[0].name](states, *columns)
        return result

    def one_by_one(states: Array) -> Array:
        rows = [
            functions[kind.name](states[j : j + 1], *numbers[: len(kind.parameters), j].astype(states.dtype))
            for j, kind in enumerate(kinds)
        ]
        return np.concatenate([np.broadcast_to(r, states[:1].shape) for r in rows])

    def of_radius(states: Array) -> Array:
        radius = norm(states)
        found: Array = functions[kinds[0].name](
            radius[None, :], *numbers[: len(kinds[0].parameters), :1, None].astype(states.dtype)
        )
        if which == "value":
            return found
        # NaN where squares overflow, and x/r would be 0.
        return np.where(radius > 0, found / radius, states.dtype.type(0)) * states + 0 * radius

    if is_radial(objective):
        return of_radius
    return whole if len(functions) == 1 else one_by_one


class _Stepper:
    """What one instance subtracts per step, for n replicas; ``valid`` [n] is false after one that is not finite."""

    def __init__(
        self, batch: Batch, row: int, key: tuple[int, int], replicas: npt.NDArray[np.uint32], real: type[Any]
    ) -> None:
        self.real = real
        self.algorithm, self.samples, self.dimension = batch.algorithm, batch.samples, batch.dimension
        self.threshold = batch.clipping_threshold[row]
        self.noise, self.privacy_law = NOISES[batch.noises[row]], NOISES[PRIVACY_LAW]
        self.numbers = batch.noise_parameters[row, : len(self.noise.parameters), :, None]
        self.privacy_numbers = np.full((1, batch.dimension, 1), batch.privacy_scale()[row])
        self.streams = [WordStream(key, replicas, self.noise.words, k) for k in range(batch.samples)]
        self.privacy_stream = WordStream(key, replicas, self.privacy_law.words, 0, PRIVACY_STREAM)
        self.valid = np.ones(len(replicas), np.bool_)

    def update(self, step: int, slope: Array, size: Array) -> Array:
        """The mean clipped gradient, or its relative, [d, n], from the gradient [d, n] and its norm [n]."""
        shifts = (self._shift(stream, step, slope, size) for stream in self.streams)
        if self.algorithm in ("clipped_sgd", "batch_clipping"):
            return self._clipped(slope + self._mean(shifts))
        mean = self._mean(self._clipped(slope + shift) for shift in shifts)
        if self.algorithm != "dp_sgd":
            return mean
        return mean + self._draw(self.privacy_law, self.privacy_stream, self.privacy_numbers, step)

    def _clipped(self, noisy: Array) -> Array:
        self.valid &= np.isfinite(norm(noisy))
        return clip(noisy, self.real(self.threshold))

    def _mean(self, terms: Iterator[Array]) -> Array:
        total = next(terms)
        if self.samples == 1:
            return total
        for term in terms:
            total = total + term
        mean: Array = total / self.real(self.samples)
        return mean

    def _shift(self, stream: WordStream, step: int, slope: Array, size: Array) -> Array:
        """The noise of one sample, [d, n]."""
        noise = self.noise
        if not noise.words:
            return np.zeros_like(slope)
        if not noise.along:
            return self._draw(noise, stream, self.numbers, step, size.astype(np.float64))
        (w,) = stream.draw(step * self.dimension)
        axis = np.zeros_like(slope)
        axis[0] = 1
        unit = np.where(size > 0, slope / size, axis)
        sample = numpy_function(noise.sample, (U0, U1, m, c, *noise.parameters))
        along = sample(uniform(w), None, size.astype(np.float64), self.threshold, *self.numbers[:, 0])
        shift: Array = along.astype(self.real) * unit
        return shift

    def _draw(self, law: Noise, stream: WordStream, numbers: Array, step: int, size: Array | None = None) -> Array:
        """Coordinates of ``law``, [d, n], at gradients of norm ``size`` [n]."""
        sample = numpy_function(law.sample, (U0, U1, m, c, *law.parameters))
        draws = stream.coordinates(law.layout, step, self.dimension)
        u = [uniform(np.stack(w)) for w in zip(*draws, strict=True)] + [None]
        drawn: Array = sample(u[0], u[1], size, self.threshold, *numbers).astype(self.real)
        return drawn

"""Runs of clipped SGD on logistic regression, from the Philox words that every engine draws.

Two engines that share no arithmetic: NumPy with the gradients of :mod:`fuzz.logistic`, and torch, which differentiates
the loss by itself and clips in its own words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fuzz.engine.philox import Words, WordStream, stream_key
from fuzz.logistic import Logistic
from fuzz.reading import Floats
from theorems.language.quantities import AverageGradientNorm, FinalGap, MinGradientNorm, Quantity

_UNIT = 2.0**-53
_LONGEST = 20.0


@dataclass(frozen=True, eq=False)
class Training:
    """``x' = x - step_size clip_c(mean of `batch` sample gradients)``, or the whole gradient if ``batch`` is 0.

    Args:
        objective: the loss.
        start: float64 [d].
        step_size, threshold: positive.
        steps: T >= 1.
        batch: k, independent draws a step; 0 for the gradient itself.

    Raises:
        ValueError: one line with the offending value.
    """

    objective: Logistic
    start: Floats
    step_size: float
    threshold: float
    steps: int
    batch: int = 1

    def __post_init__(self) -> None:
        if self.start.shape != (self.objective.data.dimension,):
            raise ValueError(f"the start must have shape [{self.objective.data.dimension}], not {self.start.shape}")
        for name in ("step_size", "threshold"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(f"{name} must be positive and finite, not {getattr(self, name)}")
        if self.steps < 1 or self.batch < 0:
            raise ValueError(f"steps must be positive and batch not negative, not {self.steps} and {self.batch}")


@dataclass(frozen=True, eq=False)
class TrainingRuns:
    """What R runs measured.

    Attributes:
        average_gradient_norm: [R].
        final_value: f(x_T), [R]: not the gap, as inf f is known within bounds only.
        norms: ``|grad f(x_t)|``, [T, R].
    """

    average_gradient_norm: Floats
    final_value: Floats
    norms: Floats


def run_training(
    what: Training,
    replicas: int,
    *,
    seed: int = 0,
    purpose: str = "search",
    instance_id: int = 0,
    first_replica: int = 0,
    backend: str = "numpy",
) -> TrainingRuns:
    """Run ``replicas`` independent runs, with the words of (seed, purpose, instance_id).

    Raises:
        ValueError: for an unknown backend.
    """
    engines: dict[str, Any] = {"numpy": _NumPy, "torch": _Torch}
    if backend not in engines:
        raise ValueError(f"unknown backend {backend!r}; known: {', '.join(sorted(engines))}")
    engine = engines[backend](what, replicas)
    numbers = (first_replica + np.arange(replicas)).astype(np.uint32)
    key = stream_key(seed, instance_id, purpose)
    streams = [WordStream(key, numbers, 1, k) for k in range(what.batch)]
    norms = np.empty((what.steps, replicas))
    for t in range(what.steps):
        norms[t] = engine.step([chosen(stream.draw(t)[0], what.objective.data.samples) for stream in streams])
    return TrainingRuns(norms.mean(0), engine.value(), norms)


def chosen(words: Words, samples: int) -> Any:
    """The sample that a word chooses, ``floor(w n / 2^32)``."""
    return ((words.astype(np.uint64) * np.uint64(samples)) >> np.uint64(32)).astype(np.int64)


class _NumPy:
    def __init__(self, what: Training, replicas: int) -> None:
        self.what, self.points = what, np.repeat(what.start[None, :], replicas, 0)

    def step(self, samples: list[Any]) -> Floats:
        """One step; the gradient norms before it, [R]."""
        loss = self.what.objective
        whole = loss.gradient(self.points)
        used = whole
        if samples:
            used = sum((loss.sample_gradient(self.points, s) for s in samples), np.zeros_like(whole)) / len(samples)
        length = np.sqrt((used**2).sum(1, keepdims=True))
        with np.errstate(divide="ignore"):
            self.points = self.points - self.what.step_size * (np.minimum(1.0, self.what.threshold / length) * used)
        return np.asarray(np.sqrt((whole**2).sum(1)))

    def value(self) -> Floats:
        return self.what.objective.value(self.points)


class _Torch:
    def __init__(self, what: Training, replicas: int) -> None:
        self.what, loss = what, what.objective
        self.rows, self.weights = torch.from_numpy(loss.rows.copy()), torch.from_numpy(loss.weights.copy())
        self.regulariser = float(loss.regulariser)
        self.points = torch.from_numpy(what.start.copy())[None, :].repeat(replicas, 1)

    def _loss(self, points: torch.Tensor) -> torch.Tensor:
        losses = torch.nn.functional.softplus(-(points @ self.rows.T), threshold=1e6)
        return losses @ self.weights + self.regulariser / 2 * points.square().sum(1)

    def step(self, samples: list[Any]) -> Floats:
        points = self.points.clone().requires_grad_()
        (whole,) = torch.autograd.grad(self._loss(points).sum(), points)
        used = whole
        if samples:
            drawn = torch.stack([(self.rows[torch.from_numpy(s)] * points).sum(1) for s in samples])
            losses = torch.nn.functional.softplus(-drawn, threshold=1e6).mean(0)
            total = losses.sum() + self.regulariser / 2 * points.square().sum()
            (used,) = torch.autograd.grad(total, points)
        length = torch.linalg.vector_norm(used, dim=1, keepdim=True)
        far = length > self.what.threshold
        shorter = torch.where(far, used * (self.what.threshold / torch.where(far, length, 1.0)), used)
        self.points = self.points - self.what.step_size * shorter
        return np.asarray(torch.linalg.vector_norm(whole, dim=1).numpy())

    def value(self) -> Floats:
        return np.asarray(self._loss(self.points).numpy())


def training_allowance(what: Training, quantity: Quantity) -> float | None:
    """A bound on how far a float64 run's quantity may be from an exact one's, in the quantity's unit.

    As in :mod:`fuzz.rounding`: the exact run meets the noise of the computed point (which meets the variance bound
    there too), so that runs differ by rounding, and errors grow by at most ``1 + eta L`` a step. A gradient is a sum of
    terms ``|b| (1 + |b| |x|)`` and ``lam |x|``, over d coordinates in a margin and over n samples in the whole
    gradient; a margin that is off by e moves ``s`` by at most ``e/4``. 64 is as generous as it is there.

    Returns:
        ``None`` where errors may grow by more than ``e^20``.
    """
    if quantity not in (AverageGradientNorm, MinGradientNorm, FinalGap):
        return None
    loss, d = what.objective, what.objective.data.dimension
    growth = 1 + what.step_size * float(loss.smoothness)
    if what.steps * math.log(growth) > _LONGEST:
        return None
    reach = float(np.linalg.norm(what.start)) + what.step_size * what.threshold * what.steps
    longest = float(np.sqrt((loss.rows**2).sum(1)).max())
    terms = longest * (1 + longest * reach) + float(loss.regulariser) * reach
    # A batch is the mean of k gradients; without one the whole gradient is used.
    order = d + (what.batch or loss.data.samples)
    one_step = 64 * order * _UNIT * (reach + what.step_size * (what.threshold + terms))
    moved = what.steps * growth**what.steps * one_step
    width = d + loss.data.samples
    if quantity == FinalGap:
        found = terms * moved + 64 * width * _UNIT * (1 + longest * reach + float(loss.regulariser) * reach**2)
    else:
        found = float(loss.smoothness) * moved + (64 * width + what.steps) * _UNIT * terms
    return 2 * found

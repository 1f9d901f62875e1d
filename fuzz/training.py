"""Runs of clipped SGD on logistic regression, from the Philox words that every engine draws.

Two engines that share no arithmetic: NumPy with the gradients of :mod:`fuzz.logistic`, and torch, which differentiates
the loss by itself and clips in its own words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from fuzz.engine.batch import PRIVACY_LAW
from fuzz.engine.philox import PRIVACY_STREAM, Words, WordStream, stream_key
from fuzz.engine.printers.numpy_source import numpy_function
from fuzz.engine.printers.torch_source import torch_function
from fuzz.engine.reference import uniform
from fuzz.logistic import Logistic
from fuzz.rationals import root_above
from fuzz.reading import Floats
from theorems.language.noises import NOISES, U0, U1
from theorems.language.quantities import AverageGradientNorm, FinalGap, MinGradientNorm, Quantity

_UNIT = 2.0**-53
_LONGEST = 20.0
FARTHEST = 7.0
"""No normal variable of the lattice is further out: ``sqrt(2 log 2^33) < 6.8``."""


@dataclass(frozen=True, eq=False)
class Training:
    """``x' = x - step_size clip_c(mean of `batch` sample gradients)``, or the whole gradient if ``batch`` is 0.

    Args:
        objective: the loss.
        start: float64 [d].
        step_size, threshold: positive.
        steps: T >= 1.
        batch: k, independent draws a step; 0 for the gradient itself.
        per_sample: the mean of the clipped sample gradients instead, as in DP-SGD.
        privacy_scale: standard deviation of every coordinate of normal noise that is added to what is clipped.

    Raises:
        ValueError: one line with the offending value.
    """

    objective: Logistic
    start: Floats
    step_size: float
    threshold: float
    steps: int
    batch: int = 1
    per_sample: bool = False
    privacy_scale: float = 0.0

    def __post_init__(self) -> None:
        if self.start.shape != (self.objective.data.dimension,):
            raise ValueError(f"the start must have shape [{self.objective.data.dimension}], not {self.start.shape}")
        for name in ("step_size", "threshold"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(f"{name} must be positive and finite, not {getattr(self, name)}")
        if self.steps < 1 or self.batch < 0:
            raise ValueError(f"steps must be positive and batch not negative, not {self.steps} and {self.batch}")
        if self.per_sample and not self.batch:
            raise ValueError("per_sample asks for samples, and batch is 0")
        if not (math.isfinite(self.privacy_scale) and self.privacy_scale >= 0):
            raise ValueError(f"privacy_scale must be finite and not negative, not {self.privacy_scale}")

    @property
    def zeta(self) -> Fraction:
        """A rational bound on the root of ``E|z|^2`` of the normal noise; the law of the lattice has no more."""
        square = self.objective.data.dimension * Fraction(self.privacy_scale) ** 2
        return root_above(square, Fraction(1, 10**9)) if square else Fraction(0)

    @property
    def stochastic(self) -> bool:
        """Whether chance takes part."""
        return self.batch > 0 or self.privacy_scale > 0


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
    added = WordStream(key, numbers, 2, 0, PRIVACY_STREAM) if what.privacy_scale else None
    d = what.objective.data.dimension
    norms = np.empty((what.steps, replicas))
    for t in range(what.steps):
        samples = [chosen(stream.draw(t)[0], what.objective.data.samples) for stream in streams]
        words = None
        if added is not None:
            draws = added.coordinates(NOISES[PRIVACY_LAW].layout, t, d)
            words = tuple(uniform(np.stack([draw[s] for draw in draws], 1)) for s in (0, 1))
        norms[t] = engine.step(samples, words)
    return TrainingRuns(norms.mean(0), engine.value(), norms)


def chosen(words: Words, samples: int) -> Any:
    """The sample that a word chooses, ``floor(w n / 2^32)``."""
    return ((words.astype(np.uint64) * np.uint64(samples)) >> np.uint64(32)).astype(np.int64)


Uniforms = tuple[Floats, Floats]
"""Two uniforms for every replica and coordinate, [R, d] each."""


class _NumPy:
    def __init__(self, what: Training, replicas: int) -> None:
        self.what, self.points = what, np.repeat(what.start[None, :], replicas, 0)
        law = NOISES[PRIVACY_LAW]
        self.normal = numpy_function(law.sample, (U0, U1, *law.parameters))

    def step(self, samples: list[Any], words: Uniforms | None) -> Floats:
        """One step; the gradient norms before it, [R]."""
        loss = self.what.objective
        whole = loss.gradient(self.points)
        if not samples:
            moved = self._clipped(whole)
        else:
            each = (loss.sample_gradient(self.points, s) for s in samples)
            zero = np.zeros_like(whole)
            if self.what.per_sample:
                moved = sum((self._clipped(g) for g in each), zero) / len(samples)
            else:
                moved = self._clipped(sum(each, zero) / len(samples))
        if words is not None:
            moved = moved + self.normal(*words, self.what.privacy_scale)
        self.points = self.points - self.what.step_size * moved
        return np.asarray(np.sqrt((whole**2).sum(1)))

    def _clipped(self, gradients: Floats) -> Floats:
        length = np.sqrt((gradients**2).sum(1, keepdims=True))
        with np.errstate(divide="ignore"):
            return np.asarray(np.minimum(1.0, self.what.threshold / length) * gradients)

    def value(self) -> Floats:
        return self.what.objective.value(self.points)


class _Torch:
    def __init__(self, what: Training, replicas: int) -> None:
        self.what, loss = what, what.objective
        self.rows, self.weights = torch.from_numpy(loss.rows.copy()), torch.from_numpy(loss.weights.copy())
        self.regulariser = float(loss.regulariser)
        self.points = torch.from_numpy(what.start.copy())[None, :].repeat(replicas, 1)
        law = NOISES[PRIVACY_LAW]
        self.normal = torch_function(law.sample, (U0, U1, *law.parameters))

    def _loss(self, points: torch.Tensor) -> torch.Tensor:
        losses = torch.nn.functional.softplus(-(points @ self.rows.T), threshold=1e6)
        return losses @ self.weights + self.regulariser / 2 * points.square().sum(1)

    def step(self, samples: list[Any], words: Uniforms | None) -> Floats:
        points = self.points.clone().requires_grad_()
        (whole,) = torch.autograd.grad(self._loss(points).sum(), points)
        if not samples:
            moved = self._shortened(whole)
        elif self.what.per_sample:
            moved = torch.stack([self._shortened(self._gradient([s])) for s in samples]).mean(0)
        else:
            moved = self._shortened(self._gradient(samples))
        if words is not None:
            scale = torch.tensor(self.what.privacy_scale, dtype=torch.float64)
            moved = moved + self.normal(*map(torch.from_numpy, words), scale)
        self.points = self.points - self.what.step_size * moved
        return np.asarray(torch.linalg.vector_norm(whole, dim=1).numpy())

    def _gradient(self, samples: list[Any]) -> torch.Tensor:
        """Of the mean loss of these samples, [R, d]."""
        points = self.points.clone().requires_grad_()
        drawn = torch.stack([(self.rows[torch.from_numpy(s)] * points).sum(1) for s in samples])
        losses = torch.nn.functional.softplus(-drawn, threshold=1e6).mean(0)
        total = losses.sum() + self.regulariser / 2 * points.square().sum()
        (found,) = torch.autograd.grad(total, points)
        return found

    def _shortened(self, used: torch.Tensor) -> torch.Tensor:
        length = torch.linalg.vector_norm(used, dim=1, keepdim=True)
        far = length > self.what.threshold
        return torch.where(far, used * (self.what.threshold / torch.where(far, length, 1.0)), used)

    def value(self) -> Floats:
        return np.asarray(self._loss(self.points).numpy())


def training_allowance(what: Training, quantity: Quantity) -> float | None:
    """A bound on how far a float64 run's quantity may be from an exact one's, in the quantity's unit.

    As in :mod:`fuzz.rounding`: the exact run meets the noise of the computed point (which meets the variance bound
    there too), so that runs differ by rounding, and errors grow by at most ``1 + eta L`` a step. A gradient is a sum of
    terms ``|b| (1 + |b| |x|)`` and ``lam |x|``, over d coordinates in a margin and over n samples in the whole
    gradient; a margin that is off by e moves ``s`` by at most ``e/4``. 64 is as generous as it is there. A mean of
    clipped samples is no further off than its samples are. Normal noise of the lattice is at most 7 deviations long in
    every coordinate, which the reach of a run and the terms of a step both count.

    Returns:
        ``None`` where errors may grow by more than ``e^20``.
    """
    if quantity not in (AverageGradientNorm, MinGradientNorm, FinalGap):
        return None
    loss, d = what.objective, what.objective.data.dimension
    growth = 1 + what.step_size * float(loss.smoothness)
    if what.steps * math.log(growth) > _LONGEST:
        return None
    added = FARTHEST * math.sqrt(d) * what.privacy_scale
    reach = float(np.linalg.norm(what.start)) + what.step_size * (what.threshold + added) * what.steps
    longest = float(np.sqrt((loss.rows**2).sum(1)).max())
    terms = longest * (1 + longest * reach) + float(loss.regulariser) * reach
    # A batch is the mean of k gradients; without one the whole gradient is used.
    order = d + (what.batch or loss.data.samples)
    one_step = 64 * order * _UNIT * (reach + what.step_size * (what.threshold + added + terms))
    moved = what.steps * growth**what.steps * one_step
    width = d + loss.data.samples
    if quantity == FinalGap:
        found = terms * moved + 64 * width * _UNIT * (1 + longest * reach + float(loss.regulariser) * reach**2)
    else:
        found = float(loss.smoothness) * moved + (64 * width + what.steps) * _UNIT * terms
    return 2 * found

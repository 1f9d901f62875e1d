"""What a run reports, and how it is gathered without keeping replicas x steps in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fuzz.engine.batch import Batch, Floats, Integers

_ALL_STEPS = 256
_LOG_SPACED = 64


@dataclass(frozen=True, eq=False)
class Statistics:
    """Measured quantities of I instances and R replicas, all float64.

    A run is invalid if its state, gradient, noisy gradient or final value is ever not finite: this is seen before
    clipping, which would hide it. For d > 1 so is a gradient whose squared norm overflows. Means are over valid
    replicas; a mean over none is NaN. An instance with fewer steps than a checkpoint asks for has NaN there.

    Attributes:
        average_gradient_norm: [I, R], ``(1/T) sum_{t<T} |grad f(x_t)|``, units F/X; NaN if invalid.
        final_gap: [I, R], ``f(x_T) - inf f``, units F; NaN if invalid.
        valid: bool [I, R].
        checkpoints: int64 [C], the steps t at which gradient norms are recorded.
        mean_gradient_norm: [I, C], mean of ``|grad f(x_t)|``.
        sum_sq: [I, C], sum of ``|grad f(x_t)|^2``.
        group_means: [I, G, C], means within G consecutive groups of replicas; None unless asked for.
        trajectories: [I, k, T + 1, d], the states of the first k replicas, NaN after an instance's last step (T is
            the most steps of any instance); None unless asked for.
    """

    average_gradient_norm: Floats
    final_gap: Floats
    valid: npt.NDArray[np.bool_]
    checkpoints: Integers
    mean_gradient_norm: Floats
    sum_sq: Floats
    group_means: Floats | None = None
    trajectories: Floats | None = None

    def standard_error(self) -> Floats:
        """Standard error of :attr:`mean_gradient_norm`, [I, C]; NaN with fewer than two valid replicas.

        From sums of squares, hence no finer than about 1e-8 of the mean.
        """
        count = self.valid.sum(1, dtype=np.float64)[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = np.maximum(self.sum_sq - count * self.mean_gradient_norm**2, 0.0) / (count - 1)
            return np.where(count > 1, np.sqrt(spread / count), np.nan)


@dataclass(frozen=True, eq=False)
class Plan:
    """How a batch is run: checked once, then read by every engine.

    Args:
        replicas: runs of each instance; numbers ``first_replica, first_replica + 1, ...`` choose the random words.
        first_replica: number of the first run.
        dtype: ``"float64"`` or ``"float32"``, of states and gradients; statistics are float64.
        groups: number of equal groups of consecutive replicas, or None.
        record: number of trajectories to keep.
        checkpoints: int64 [C], increasing.
        device: which GPU, by name or number; None for the current one, and on the CPU.

    Raises:
        ValueError: one line with the offending value.
    """

    replicas: int
    first_replica: int
    dtype: str
    groups: int | None
    record: int
    checkpoints: Integers
    device: str | int | None = None

    def __post_init__(self) -> None:
        for name in ("replicas", "first_replica", "record", "groups"):
            if not (isinstance(getattr(self, name), int) or (name == "groups" and self.groups is None)):
                raise ValueError(f"{name} must be an int, not {getattr(self, name)!r}")
        if self.replicas < 1:
            raise ValueError(f"replicas must be at least 1, not {self.replicas}")
        if self.first_replica < 0 or self.first_replica + self.replicas > 2**32:
            raise ValueError(f"replica numbers must lie in [0, 2^32); first_replica is {self.first_replica}")
        if self.dtype not in ("float64", "float32"):
            raise ValueError(f"dtype must be float64 or float32, not {self.dtype!r}")
        if self.groups is not None and (self.groups < 1 or self.replicas % self.groups):
            raise ValueError(f"groups must divide the {self.replicas} replicas, not {self.groups}")
        if not 0 <= self.record <= self.replicas:
            raise ValueError(f"record must lie between 0 and the {self.replicas} replicas, not {self.record}")

    @property
    def group_size(self) -> int:
        """Replicas per group."""
        return self.replicas // (self.groups or 1)


def checkpoint_steps(batch: Batch, wanted: Sequence[int] | npt.NDArray[np.integer] | None) -> Integers:
    """The steps to record at: ``wanted``, checked, or all of up to 256 steps, or about 64 spaced evenly in log t.

    Raises:
        ValueError: if a wanted step is not an integer in [0, T) or they do not increase.
    """
    last = int(batch.steps.max())
    if wanted is None:
        if last <= _ALL_STEPS:
            return np.arange(last, dtype=np.int64)
        spaced = np.geomspace(1, last, _LOG_SPACED).round().astype(np.int64) - 1
        return np.unique(spaced)
    given = np.asarray(wanted)
    if given.ndim != 1 or given.size == 0 or given.dtype.kind not in "iu":
        raise ValueError(f"checkpoints must be a list of integers, not {wanted!r}")
    steps = given.astype(np.int64)
    if steps[0] < 0 or steps[-1] >= last or (np.diff(steps) <= 0).any():
        raise ValueError(f"checkpoints must increase within [0, {last}), not {steps.tolist()}")
    return steps


class Gatherer:
    """Collects blocks of replicas into :class:`Statistics`, in memory I x (R + G x C).

    What a run gives is written by whoever runs it, for every run, and is whatever memory held until then.
    """

    def __init__(self, batch: Batch, plan: Plan) -> None:
        shape = (len(batch), plan.replicas)
        self._plan = plan
        # One array: NumPy asks for large pages from four megabytes on, and to touch small ones first is slow.
        self.average, self.gap = np.empty((2, *shape))
        self.valid = np.zeros(shape, np.bool_)
        sums = (len(batch), plan.groups or 1, len(plan.checkpoints))
        self._total = np.zeros(sums)
        self._square = np.zeros(sums)
        # Beyond an instance's last step nothing was measured.
        self._unreached = plan.checkpoints[None, :] >= batch.steps[:, None]
        self.trajectories = (
            np.full((len(batch), plan.record, int(batch.steps.max()) + 1, batch.dimension), np.nan)
            if plan.record
            else None
        )

    def add_block(self, row: int, first: int, average: Floats, gap: Floats, valid: npt.NDArray[np.bool_]) -> None:
        """Runs ``first, ...`` of instance ``row``: arrays [n]."""
        block = slice(first, first + len(valid))
        self.average[row, block] = np.where(valid, average, np.nan)
        self.gap[row, block] = np.where(valid, gap, np.nan)
        self.valid[row, block] = valid

    def add_norms(self, row: int, first: int, norms: Floats, valid: npt.NDArray[np.bool_]) -> None:
        """Gradient norms [C, n] of runs ``first, ...`` of instance ``row``."""
        group = (first + np.arange(len(valid))) // self._plan.group_size
        kept = np.where(valid, norms, 0.0)
        np.add.at(self._total[row], group, kept.T)
        np.add.at(self._square[row], group, kept.T**2)

    def add_sums(self, row: int | slice, group: int | slice, total: Floats, square: Floats) -> None:
        """Sums [C] over the valid runs of one group of instance ``row``; [n, G, C] for slices."""
        self._total[row, group] += total
        self._square[row, group] += square

    def finish(self) -> Statistics:
        """The statistics of everything that was added."""
        plan = self._plan
        count = self.valid.reshape(len(self.valid), -1, plan.group_size).sum(2, dtype=np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = self._total.sum(1) / count.sum(1)[:, None]
            group_means = self._total / count[:, :, None]
        mean[self._unreached] = np.nan
        group_means.transpose(0, 2, 1)[self._unreached] = np.nan
        square = self._square.sum(1)
        square[self._unreached] = np.nan
        return Statistics(
            self.average,
            self.gap,
            self.valid,
            plan.checkpoints,
            mean,
            square,
            group_means if plan.groups is not None else None,
            self.trajectories,
        )

"""Statistical evidence for one preselected problem: fresh seeds in float64, until the e-value suffices."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fuzz.engine import Batch, run
from fuzz.instance import batch_of
from fuzz.problem import Problem
from harness.evidence import Look, log10_e, lower_confidence
from theorems.language.quantities import AverageGradientNorm, FinalGap, MinGradientNorm, Quantity

Floats = npt.NDArray[np.float64]

PURPOSE = "confirm"
_FIRST = 256
_GROUP = 8
_MOST_REPLICAS = 2**18
_CELLS = 2**25


@dataclass(frozen=True)
class FreshSample:
    """Measurements of independent runs that no search has seen.

    Attributes:
        replicas: runs made.
        mean: of the quantity (for the least over time: of the step where the mean is least; a description, no proof).
        standard_error: of that mean.
        log10_e: evidence against ``E quantity <= null``.
        lower: a lower confidence bound on the quantity at the level of the look.
        steps: engine steps spent.
        invalid: runs that were not finite; one is enough to spoil the sample.
    """

    replicas: int
    mean: float
    standard_error: float
    log10_e: float
    lower: float
    steps: int
    invalid: int


def draw(problem: Problem, quantity: Quantity, null: float, look: Look, seed: int, max_steps: float) -> FreshSample:
    """Run replicas until the e-value reaches the look's threshold, the mean falls to the null, or steps run out.

    Args:
        problem: with a noise that an engine runs.
        quantity: AverageGradientNorm, MinGradientNorm or FinalGap.
        null: the claimed bound plus the allowance for rounding, positive.
        look: its number chooses the stream, so that every look has fresh numbers.
        seed: of the campaign.
        max_steps: steps of all replicas together; at least one block is run.

    Raises:
        ValueError: for another quantity.
    """
    if quantity not in (AverageGradientNorm, MinGradientNorm, FinalGap):
        raise ValueError(f"{quantity} is not measured on whole runs")
    batch = batch_of(problem, seed=seed, purpose=PURPOSE, instance_ids=[look.number])
    blocks: list[Floats] = []
    done, invalid = 0, 0
    cost = problem.steps * problem.algorithm.samples
    while True:
        count = done or _FIRST
        if quantity == MinGradientNorm:
            count = min(count, max(_GROUP, _CELLS // problem.steps // _GROUP * _GROUP))
        count = _affordable(count, done, cost, max_steps)
        block, bad = _measure(batch, quantity, done, count)
        blocks.append(block)
        done, invalid = done + count, invalid + bad
        values = np.concatenate(blocks)
        if invalid:
            return FreshSample(done, math.nan, math.nan, 0.0, 0.0, done * cost, invalid)
        evidence = log10_e(values, null)
        mean, error = _describe(values)
        enough = evidence >= look.log10_threshold
        hopeless = done >= 4 * _FIRST and mean <= null
        exhausted = done * cost >= max_steps or done >= _MOST_REPLICAS or len(values) * values[0].size >= _CELLS
        if enough or hopeless or exhausted:
            lower = lower_confidence(values, look.log10_threshold)
            return FreshSample(done, mean, error, evidence, lower, done * cost, 0)


def _affordable(count: int, done: int, steps: int, max_steps: float) -> int:
    """At least one block of groups, and no more than the steps that are left pay for."""
    left = int((max_steps - done * steps) / steps) // _GROUP * _GROUP
    return max(_GROUP, min(count, left)) if done else max(_GROUP, min(count, left or _GROUP))


def _measure(batch: Batch, quantity: Quantity, first: int, count: int) -> tuple[Floats, int]:
    """Independent measurements, [count] or, for the least over time, means of groups at every step [groups, T]."""
    if quantity != MinGradientNorm:
        found = run(batch, count, first_replica=first, checkpoints=[0])
        values = found.final_gap if quantity == FinalGap else found.average_gradient_norm
        return values[0], int((~found.valid).sum())
    steps = int(batch.steps[0])
    found = run(batch, count, first_replica=first, checkpoints=np.arange(steps), groups=count // _GROUP)
    assert found.group_means is not None
    return found.group_means[0], int((~found.valid).sum())


def _describe(values: Floats) -> tuple[float, float]:
    means = values.mean(0)
    column = values if values.ndim == 1 else values[:, int(np.argmin(means))]
    spread = float(column.std(ddof=1)) if len(column) > 1 else math.inf
    return float(column.mean()), spread / math.sqrt(len(column))

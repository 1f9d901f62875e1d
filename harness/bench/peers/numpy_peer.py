"""NumPy over all runs at once, with NumPy's own generator: what a person would write first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from harness.bench.peers.workloads import PROBABILITY, SCALE, START, STEP_SIZE, THRESHOLD, UP, Workload


def numpy_runs(workload: Workload, dtype: Any, runs: int, steps: int) -> Callable[[], Any]:
    """``runs`` trajectories of ``steps`` steps, as one array [d, runs]."""
    real = np.dtype(dtype).type
    curvature = workload.batches[0].objective_parameters[0, 0].astype(dtype)[:, None]
    down = real(-PROBABILITY * UP / (1 - PROBABILITY))
    one, threshold, step_size = real(1), real(THRESHOLD), real(STEP_SIZE)

    def go() -> Any:
        draw = np.random.default_rng(0)
        x = np.full((workload.dimension, runs), START, dtype)
        total = np.zeros(runs)
        for _ in range(steps):
            g = curvature * x
            total += np.abs(g[0]) if len(g) == 1 else np.sqrt((g * g).sum(0))
            if workload.noise == "two_point":
                g += np.where(draw.random(g.shape, dtype) < PROBABILITY, real(UP), down)
            else:
                g += real(SCALE) * draw.standard_normal(g.shape, dtype)
            size = np.abs(g[0]) if len(g) == 1 else np.sqrt((g * g).sum(0))
            x -= step_size * (np.minimum(one, threshold / size) * g)
        return total

    return go

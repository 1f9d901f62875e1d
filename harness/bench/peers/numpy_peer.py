"""NumPy over all runs at once, with NumPy's own generator: what a person would write first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fuzz.engine.batch import Batch
from fuzz.engine.printers.numpy_source import numpy_function
from fuzz.engine.reference import by_coordinate, clip, norm
from harness.bench.peers.workloads import PROBABILITY, SCALE, START, STEP_SIZE, THRESHOLD, UP, Workload
from theorems.language.functions import NOISES, U0, U1
from theorems.language.parameters import c as threshold
from theorems.language.parameters import m


def numpy_runs(workload: Workload, dtype: Any, runs: int, steps: int) -> Callable[[], Any]:
    """``runs`` trajectories of ``steps`` steps, as one array [d, runs]."""
    real = np.dtype(dtype).type
    curvature = workload.batches[0].objective_parameters[0, 0].astype(dtype)[:, None]
    down = real(-PROBABILITY * UP / (1 - PROBABILITY))
    one, c, step_size = real(1), real(THRESHOLD), real(STEP_SIZE)

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
            x -= step_size * (np.minimum(one, c / size) * g)
        return total

    return go


def _normal(draw: Any, shape: tuple[int, ...], kind: Any) -> Any:
    return draw.standard_normal(shape, kind)


_SHORTCUTS: dict[str, Callable[..., Any]] = {
    "gaussian": lambda draw, shape, kind, s: s * _normal(draw, shape, kind),
    "student_t": lambda draw, shape, kind, s, nu: (
        s * (np.sqrt((nu - 2) / nu) * draw.standard_t(nu[0, 0], shape)).astype(kind)
    ),
    "laplace": lambda draw, shape, kind, s: (
        s * (draw.standard_exponential(shape, kind) - draw.standard_exponential(shape, kind)) / kind.type(np.sqrt(2.0))
    ),
    "skewed_exponential": lambda draw, shape, kind, s: s * (draw.standard_exponential(shape, kind) - kind.type(1)),
    "chi_square": lambda draw, shape, kind, s: (
        s * (_normal(draw, shape, kind) ** 2 - kind.type(1)) / kind.type(np.sqrt(2.0))
    ),
    "symmetric_chi_square": lambda draw, shape, kind, s: s * _signed_square(_normal(draw, shape, kind), kind),
}
"""Laws that NumPy's generator has itself, or nearly, from (generator, shape, dtype, parameters)."""


def _signed_square(z: Any, kind: Any) -> Any:
    return z * np.abs(z) / kind.type(np.sqrt(3.0))


def numpy_mix(workload: Workload, dtype: Any, runs: int, steps: int) -> Callable[[], Any]:
    """Every instance of a workload in turn, ``runs`` trajectories of ``steps`` steps each, as arrays [d, runs].

    Gradients are the NumPy functions of the formulas. Noise is by the generator's own methods where it has the law,
    else by the law's formula of the generator's uniforms. Returns a function that gives average gradient norms, one
    array [runs] for each instance.
    """
    kind = np.dtype(dtype)
    jobs = [(batch, row) for batch in workload.batches for row in range(len(batch))]

    def go() -> Any:
        draw = np.random.default_rng(0)
        with np.errstate(all="ignore"):
            return [_runs_of(batch, row, draw, kind, runs, steps) for batch, row in jobs]

    return go


def _runs_of(batch: Batch, row: int, draw: np.random.Generator, kind: Any, runs: int, steps: int) -> Any:
    law, name = NOISES[batch.noises[row]], batch.noises[row]
    gradient = by_coordinate(batch.objectives[row], "gradient", batch.objective_parameters[row])
    numbers = [column[:, None].astype(kind) for column in batch.noise_parameters[row, : len(law.parameters)]]
    step_size, c = kind.type(batch.step_size[row]), kind.type(batch.clipping_threshold[row])
    sample = numpy_function(law.sample, (U0, U1, m, threshold, *law.parameters))
    x = np.repeat(batch.x0[row].astype(kind)[:, None], runs, axis=1)
    shape = (1, runs) if not law.each else x.shape
    total = np.zeros(runs)
    for _ in range(steps):
        g = gradient(x)
        size = norm(g)
        total += size
        if name in _SHORTCUTS:
            g = g + _SHORTCUTS[name](draw, shape, kind, *numbers)
        elif law.words:
            uniforms = [draw.random(shape, kind) if k < law.words else None for k in range(2)]
            used = [number[:1] for number in numbers] if law.along else numbers
            shift = sample(*uniforms, size, c, *used)
            g = g + (shift * np.where(size > 0, g / size, kind.type(0)) if law.along else shift)
        x = x - step_size * clip(g, c)
    return total / steps

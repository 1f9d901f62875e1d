"""The compiled engine: Numba, lanes of replicas, threads over (instance, range of replicas)."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from fuzz.engine import kernels
from fuzz.engine.batch import ALGORITHMS, PRIVACY_LAW, Batch
from fuzz.engine.formulas import family_numbers, hoisted_numbers
from fuzz.engine.statistics import Gatherer, Plan, Statistics
from theorems.language.functions import NOISES, families, is_radial
from theorems.language.noises import Layout

_MEMORY = 2**26
"""Bytes of sums at a time."""


LANES = 128
"""Replicas at a time, at least; by trial: a few kilobytes per row, so that loops cost more than calls."""

_MOST_LANES = 512
_LAYOUTS = (Layout.COORDINATES, Layout.SHARED, Layout.GRADIENT, Layout.PAIRS)
"""By the numbers that ``lanes.py`` knows them by."""


def breadth(dimension: int) -> int:
    """Replicas at a time: more where there are few coordinates, as states and gradients should stay in the cache.

    A multiple of 32, so that there is room for vectors that are not full; ``runs.py`` says more.
    """
    return max(LANES, _MOST_LANES // (32 * dimension) * 32)


def run(batch: Batch, plan: Plan) -> Statistics:
    """Run every instance; see :func:`fuzz.engine.run`."""
    gatherer = Gatherer(batch, plan)
    parts = {part for name in set(batch.objectives) for part in families(name)}
    compiled = kernels.load(plan.dtype, parts, set(batch.noises))
    per_group = -(-plan.group_size // _width(plan, batch.dimension))
    rows = per_group * (plan.groups or 1)
    chunk = max(1, _MEMORY // (rows * len(plan.checkpoints) * 16))
    for first in range(0, len(batch), chunk):
        _run_chunk(batch, plan, gatherer, compiled, slice(first, min(first + chunk, len(batch))), rows)
    return gatherer.finish()


def words(key: tuple[int, int], first: int, block: int, sample: int, stream: int) -> npt.NDArray[np.uint32]:
    """The compiled engine's Philox words of LANES replicas, [4, LANES]: for tests."""
    result, lead = np.empty((1, 1, 4, LANES), np.uint32), np.empty((1, 1, 2, 2, LANES // 2), np.uint64)
    module = kernels.load("float64").module
    module.philox_lead(lead, 0, 0, *key, first, sample, stream, LANES)
    module.philox_lanes(result, 0, 0, lead, *key, block, sample, LANES)
    return result[0, 0]


def _width(plan: Plan, dimension: int) -> int:
    """Replicas per row of sums. It does not depend on the number of threads, hence sums do not."""
    lanes = breadth(dimension)
    blocks = -(-plan.group_size // lanes)
    return min(plan.group_size, -(-blocks // 64) * lanes)


def _tasks(instances: int, plan: Plan, dimension: int) -> npt.NDArray[np.int64]:
    """Rows (instance, start, stop, first row, width); no two tasks share a row of sums."""
    width, size = _width(plan, dimension), plan.group_size
    per_group = -(-size // width)
    # Small groups share a task, so that lanes are not left empty.
    together = max(1, breadth(dimension) // size)
    ranges = []
    if together > 1:
        for start in range(0, plan.replicas, together * size):
            ranges.append((start, min(start + together * size, plan.replicas), start // size, width))
    else:
        for group in range(plan.groups or 1):
            for k in range(per_group):
                start = group * size + k * width
                stop = min(start + width, (group + 1) * size)
                ranges.append((start, stop, group * per_group + k, width))
    return np.array([(i, *r) for i in range(instances) for r in ranges], np.int64)


def _run_chunk(
    batch: Batch, plan: Plan, gatherer: Gatherer, compiled: kernels.Kernels, chunk: slice, rows: int
) -> None:
    real = np.dtype(plan.dtype)
    objectives, noises = batch.objectives[chunk], batch.noises[chunk]
    count = len(objectives)
    laws = [NOISES[n] for n in noises]
    with np.errstate(all="ignore"):
        gradient_numbers = hoisted_numbers(compiled.gradients, objectives, batch.objective_parameters[chunk]).astype(
            real
        )
        value_numbers = hoisted_numbers(compiled.values, objectives, batch.objective_parameters[chunk])
        noise_numbers = hoisted_numbers(compiled.samples, noises, batch.noise_parameters[chunk])
        privacy_scale = np.repeat(batch.privacy_scale()[chunk, None, None], batch.dimension, 2)
        privacy_numbers = hoisted_numbers(compiled.samples, (PRIVACY_LAW,) * count, privacy_scale)
        start, step_size = batch.x0[chunk].astype(real), batch.step_size[chunk].astype(real)
    outputs = {name: getattr(gatherer, name)[chunk] for name in ("average", "gap", "valid")}
    total, square = (np.zeros((count, rows, len(plan.checkpoints))) for _ in range(2))
    trajectories = np.empty((count, 0, 1, 1)) if gatherer.trajectories is None else gatherer.trajectories[chunk]
    tasks = _tasks(count, plan, batch.dimension)
    arguments: list[Any] = [
        family_numbers(compiled.gradients, objectives, batch.dimension),
        np.array([is_radial(name) for name in objectives]),
        gradient_numbers,
        value_numbers,
        np.array([compiled.samples[n].number for n in noises], np.int64),
        np.array([law.words for law in laws], np.int64),
        np.array([_LAYOUTS.index(law.layout) for law in laws], np.int64),
        np.array([not law.depends_on_state for law in laws]),
        noise_numbers,
        noise_numbers.astype(real),
        # Copies, since compiled code is typed by the arrays' being writable too.
        start,
        step_size,
        batch.clipping_threshold[chunk].copy(),
        batch.steps[chunk].copy(),
        batch.keys()[chunk].astype(np.int64),
        ALGORITHMS.index(batch.algorithm),
        batch.samples,
        compiled.samples[PRIVACY_LAW].number,
        _LAYOUTS.index(NOISES[PRIVACY_LAW].layout),
        privacy_numbers,
        privacy_numbers.astype(real),
        plan.first_replica,
        plan.checkpoints.copy(),
        *outputs.values(),
        total,
        square,
        trajectories,
        min(breadth(batch.dimension), -(-plan.replicas // 32) * 32),
    ]
    threads = min(int(vars(numba.config)["NUMBA_NUM_THREADS"]), len(tasks))
    bounds = np.linspace(0, len(tasks), min(len(tasks), 8 * threads) + 1).astype(int).tolist()
    work = list(itertools.pairwise(bounds))
    run_tasks = compiled.module.run_tasks
    if threads == 1:
        for low, high in work:
            run_tasks(tasks, low, high, *arguments)
    else:
        with ThreadPoolExecutor(threads) as pool:
            for done in [pool.submit(run_tasks, tasks, low, high, *arguments) for low, high in work]:
                done.result()
    by_group = (count, plan.groups or 1, rows // (plan.groups or 1), -1)
    gatherer.add_sums(chunk, slice(None), total.reshape(by_group).sum(2), square.reshape(by_group).sum(2))

"""Clipped SGD and its relatives over a batch: one entry point, several engines, one stream of random words.

``reference`` is NumPy and meant to be read, ``cpu`` and ``gpu`` are compiled, ``torch`` differentiates values by itself
and is the independent witness. Words are the same on all; trajectories are bit-identical on one engine however a batch
is split.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar

import numpy as np
import numpy.typing as npt

from fuzz.engine.batch import Batch, Instance
from fuzz.engine.statistics import Plan, Statistics, checkpoint_steps

__all__ = ["BACKENDS", "Batch", "Instance", "Statistics", "run", "search_backend", "searching_on"]

BACKENDS = {
    "cpu": "fuzz.engine.cpu",
    "gpu": "fuzz.engine.gpu",
    "reference": "fuzz.engine.reference",
    "torch": "fuzz.engine.torch_engine",
}
"""Engines by name, as modules with a function ``run(batch, plan)``; imported when first used."""


_SEARCH_BACKENDS = {"auto": "cpu", "cpu": "cpu", "cuda": "gpu"}
_search_backend: ContextVar[str] = ContextVar("search_backend", default="cpu")


@contextlib.contextmanager
def searching_on(device: str) -> Iterator[None]:
    """Let the whole runs of searches be run on this device meanwhile; confirmations stay on the CPU.

    Raises:
        ValueError: for a device that is not ``"auto"``, ``"cpu"`` or ``"cuda"``.
    """
    if device not in _SEARCH_BACKENDS:
        raise ValueError(f"device must be auto, cpu or cuda, not {device!r}")
    token = _search_backend.set(_SEARCH_BACKENDS[device])
    try:
        yield
    finally:
        _search_backend.reset(token)


def search_backend() -> str:
    """The backend of the whole runs of a search."""
    return _search_backend.get()


def run(
    batch: Batch,
    replicas: int,
    *,
    backend: str = "cpu",
    dtype: str = "float64",
    first_replica: int = 0,
    groups: int | None = None,
    record: int = 0,
    checkpoints: Sequence[int] | npt.NDArray[np.integer] | None = None,
    device: str | int | None = None,
) -> Statistics:
    """Run ``x' = x - step_size clip(gradient + noise)``, or the batch's algorithm, for every instance and replica.

    Args:
        batch: I instances of dimension d.
        replicas: R, runs of each instance.
        backend: one of :data:`BACKENDS`.
        dtype: of states and gradients, ``"float64"`` or ``"float32"`` (not on torch). The noise is computed in
            float64 and then rounded; statistics are float64.
        first_replica: number of the first run: replicas [a, b) and [b, c) together are replicas [a, c), bit by bit.
        groups: also report the means of this many equal groups of consecutive replicas.
        record: also return the trajectories of the first ``record`` replicas.
        checkpoints: steps at which gradient norms are recorded; by default all of up to 256, else about 64.
        device: which GPU, such as ``"cuda:1"`` or 1, by default the current one; for backend ``"gpu"`` alone.

    Raises:
        ValueError: one line with the offending value; also where there is no GPU.
        MemoryError: one line with the size of the batch. On the GPU a batch is split and tried again first.
    """
    if backend not in BACKENDS:
        raise ValueError(f"unknown backend {backend!r}; known: {', '.join(sorted(BACKENDS))}")
    if device is not None and backend != "gpu":
        raise ValueError(f"backend {backend!r} runs on the CPU and takes no device, not {device!r}")
    plan = Plan(replicas, first_replica, dtype, groups, record, checkpoint_steps(batch, checkpoints), device)
    try:
        statistics: Statistics = importlib.import_module(BACKENDS[backend]).run(batch, plan)
    except MemoryError as error:
        size = f"{len(batch)} instances x {replicas} replicas, {record} recorded"
        raise MemoryError(f"backend {backend!r} has not the memory for {size}: {error}") from error
    return statistics

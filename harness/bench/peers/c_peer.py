"""Builds ``clipped_sgd.c`` with gcc and calls it on as many threads as the engine uses."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from harness.bench.peers.workloads import CURVATURE, PROBABILITY, START, STEP_SIZE, THRESHOLD, UP, Workload

# As the engine: no contraction to fused operations, no fast-math.
FLAGS = ("-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-shared", "-fPIC")


def build() -> ctypes.CDLL | None:
    """The library, or None where there is no gcc."""
    if shutil.which("gcc") is None:
        return None
    target = Path(tempfile.mkdtemp(prefix="clipbounds-peer-")) / "clipped_sgd.so"
    source = Path(__file__).with_name("clipped_sgd.c")
    subprocess.run(["gcc", *FLAGS, "-o", str(target), str(source), "-lm"], check=True)
    return ctypes.CDLL(str(target))


def c_runs(library: ctypes.CDLL, workload: Workload, dtype: str, threads: int) -> Callable[[], Any]:
    """All of W1; returns mean gradient norms and final gaps, [I, R] each."""
    batch, replicas = workload.batches[0], workload.replicas
    real = ctypes.c_float if dtype == "float32" else ctypes.c_double
    function = getattr(library, f"clipped_sgd_{dtype}")
    function.restype = None
    pointer = ctypes.POINTER(ctypes.c_double)
    down = -PROBABILITY * UP / (1 - PROBABILITY)
    keys = batch.keys()

    def go() -> Any:
        average, gap = np.empty((len(batch), replicas)), np.empty((len(batch), replicas))

        def one(row: int) -> None:
            function(
                ctypes.c_uint32(0),
                ctypes.c_int64(replicas),
                ctypes.c_int64(int(batch.steps[row])),
                *(ctypes.c_uint32(int(k)) for k in keys[row]),
                *(real(v) for v in (START, CURVATURE, STEP_SIZE, THRESHOLD)),
                ctypes.c_uint32(int(PROBABILITY * 2**32)),
                real(UP),
                real(down),
                average[row].ctypes.data_as(pointer),
                gap[row].ctypes.data_as(pointer),
            )

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(one, range(len(batch))))
        return average, gap

    return go

"""Draws steps per second against batch size, one line per contender: ``python ci/plot_engine.py [OUT.svg]``.

W1 in float32 (the reference and the engine also in float64), one core, processor time, best of nine.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numba
import torch

matplotlib.use("svg")

import matplotlib.pyplot as plt

from harness.bench.peers import workloads
from harness.bench.peers.c_peer import build, c_runs
from harness.bench.peers.numpy_peer import numpy_runs
from harness.bench.peers.torch_peer import torch_runs

SIZES = [2**k for k in range(7, 19)]


def speed(go: Callable[[], Any], steps: int) -> float:
    """Steps per second, best of nine, warm."""
    go()
    best = float("inf")
    for _ in range(9):
        began = time.process_time()
        go()
        best = min(best, time.process_time() - began)
    return steps / best


def lines() -> dict[str, list[tuple[int, float]]]:
    """Points (batch size, steps per second) of every contender that can run here."""
    library = build()
    found: dict[str, list[tuple[int, float]]] = {}
    for runs in SIZES:
        few, many = max(4, min(200, 2**20 // runs)), max(50, min(2000, 2**24 // runs))
        long, short = workloads.w1(1, runs, many), workloads.w1(1, runs, few)
        contenders: dict[str, tuple[Callable[[], Any], int]] = {
            "engine, float32": (lambda w=long: w.run("cpu", "float32"), long.steps),
            "engine, float64": (lambda w=long: w.run("cpu", "float64"), long.steps),
            "NumPy, own generator": (numpy_runs(short, "float32", runs, few), short.steps),
            "NumPy reference, same words": (lambda w=short: w.run("reference", "float32"), short.steps),
            "torch eager": (torch_runs(short, "float32", runs, few), short.steps),
        }
        if library is not None:
            contenders["C with Philox"] = (c_runs(library, long, "float32", 1), long.steps)
        try:
            from harness.bench.peers.jax_peer import jax_runs

            contenders["JAX jit(scan)"] = (jax_runs(short, "float32", runs, few), short.steps)
        except ImportError:
            print("JAX is not installed: no line for it")
        for name, (go, steps) in contenders.items():
            found.setdefault(name, []).append((runs, speed(go, steps)))
    return found


def main() -> None:
    """Measure and draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("out", nargs="?", type=Path, default=Path(__file__).parents[1] / "docs" / "engine-speed.svg")
    target = parser.parse_args().out
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    numba.config.NUMBA_NUM_THREADS = 1
    torch.set_num_threads(1)
    matplotlib.rcParams["svg.hashsalt"] = "clipbounds"
    figure, axes = plt.subplots(figsize=(7.5, 4.5), layout="constrained")
    for (name, points), mark in zip(lines().items(), "osD^v<>", strict=False):
        axes.loglog(*zip(*points, strict=True), marker=mark, markersize=4, label=name, base=10)
    axes.set(
        xlabel="replicas in the batch",
        ylabel="steps per second, one core",
        title="Clipped SGD, d = 1, quadratic, two-point noise",
    )
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    main()

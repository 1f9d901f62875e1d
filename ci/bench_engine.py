"""Steps per second of the engines, same machine and same run: ``python ci/bench_engine.py [SECONDS]``.

A step is one step of one replica of one instance. Every row is timed warm (compiled, caches filled); the ratio is to
the NumPy reference in the same row. W1 is the first row: d = 1, quadratic, two-point noise.
"""

from __future__ import annotations

import os
import sys
import time

from fuzz.engine import Batch, Instance, run

OBJECTIVES = {
    "quadratic": {"curvature": 1.0},
    "huber": {"curvature": 1.0, "slope": 0.5},
    "log_cosh": {"curvature": 1.0, "slope": 0.5},
    "quartic": {"curvature": 1.0, "quartic": 0.25},
}
NOISES = {
    "two_point": {"up": 2.0, "probability": 0.25},
    "gaussian": {"scale": 1.0},
    "student_t": {"scale": 1.0, "degrees": 3.0},
    "skewed_exponential": {"scale": 1.0},
    "worst_two_point": {"sigma": 1.0},
}
CASES = [
    ("quadratic", "two_point", 1),
    ("quadratic", "two_point", 10),
    *((name, "two_point", 1) for name in OBJECTIVES if name != "quadratic"),
    *(("quadratic", name, 1) for name in NOISES if name != "two_point"),
]
STEPS = 500


def speed(batch: Batch, backend: str, dtype: str, replicas: int, seconds: float) -> float:
    """Best steps per second over repeated runs of about ``seconds`` in all."""
    run(batch, replicas, backend=backend, dtype=dtype, checkpoints=[0])
    best, until = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        run(batch, replicas, backend=backend, dtype=dtype, checkpoints=[0])
        best = max(best, len(batch) * replicas * STEPS / (time.perf_counter() - began))
    return best


def main() -> None:
    """Print the table."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    print(f"{len(os.sched_getaffinity(0))} cores; million steps per second")
    print(
        f"{'objective':10} {'noise':20} {'d':>3} {'reference':>10} "
        f"{'cpu f64':>10} {'ratio':>6} {'cpu f32':>10} {'ratio':>6}"
    )
    for objective, noise, d in CASES:
        batch = Batch.of(
            [Instance(objective, OBJECTIVES[objective], [1.0] * d, 0.1, 0.5, STEPS, noise, NOISES[noise])], seed=1
        )
        reference = speed(batch, "reference", "float64", 4096, seconds)
        double = speed(batch, "cpu", "float64", 32768, seconds)
        single = speed(batch, "cpu", "float32", 32768, seconds)
        print(
            f"{objective:10} {noise:20} {d:3} {reference / 1e6:10.1f} {double / 1e6:10.1f} {double / reference:6.1f} "
            f"{single / 1e6:10.1f} {single / reference:6.1f}"
        )


if __name__ == "__main__":
    main()

"""What is timed. A step is one step of one replica of one instance, whatever the dimension."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fuzz.engine import Batch, Instance, run

CURVATURE, STEP_SIZE, THRESHOLD, START = 1.0, 0.1, 0.5, 1.0
UP, PROBABILITY, SCALE = 2.0, 0.25, 1.0


@dataclass(frozen=True)
class Workload:
    """Batches of equal replicas; peers other than the engines run one quadratic of this shape."""

    name: str
    says: str
    batches: tuple[Batch, ...]
    replicas: int
    noise: str

    @property
    def steps(self) -> int:
        """Steps in all."""
        return sum(int(b.steps.sum()) for b in self.batches) * self.replicas

    @property
    def dimension(self) -> int:
        """Dimension of the first batch."""
        return self.batches[0].dimension

    def run(self, backend: str, dtype: str, device: str | None = None) -> None:
        """Run it all on one of our engines, without histories."""
        for batch in self.batches:
            run(batch, self.replicas, backend=backend, dtype=dtype, checkpoints=[0], device=device)


def w1(instances: int = 256, replicas: int = 1024, steps: int = 1000) -> Workload:
    """One dimension, two-point noise."""
    one = Instance(
        "quadratic",
        {"curvature": CURVATURE},
        [START],
        STEP_SIZE,
        THRESHOLD,
        steps,
        "two_point",
        {"up": UP, "probability": PROBABILITY},
    )
    says = "d = 1, quadratic, two-point noise"
    return Workload("W1", says, (Batch.of([one] * instances, seed=1),), replicas, "two_point")


def w2(instances: int = 64, replicas: int = 64, steps: int = 1000, dimension: int = 64) -> Workload:
    """Sixty-four dimensions, normal noise."""
    curvatures = np.linspace(0.5, CURVATURE, dimension).tolist()
    one = Instance(
        "quadratic",
        {"curvature": curvatures},
        [START] * dimension,
        STEP_SIZE,
        THRESHOLD,
        steps,
        "gaussian",
        {"scale": SCALE},
    )
    says = f"d = {dimension}, diagonal quadratic, normal noise"
    return Workload("W2", says, (Batch.of([one] * instances, seed=1),), replicas, "gaussian")


BUMP = {
    **{f"width{j}": 0.25 for j in range(1, 5)},
    **dict(zip((f"bend{j}" for j in range(1, 6)), (1.0, -0.5, 0.75, 0.0, 0.5), strict=True)),
    "left_width1": 0.5,
    "left_width2": 0.5,
    "left_bend1": 1.0,
    "left_bend2": 0.25,
    "left_bend3": 0.0,
}
"""A piecewise profile with a bump."""


def w3(replicas: int = 256, steps: int = 200, dimensions: Sequence[int] = (1, 2, 4, 8, 16, 64)) -> Workload:
    """What the fuzzer runs: every objective with every noise, from 1 to 64 dimensions."""
    objectives = {
        "quadratic": {"curvature": 1.0},
        "huber": {"curvature": 1.0, "slope": 0.5},
        "slope_then_bowl": {"curvature": 1.0, "slope": 0.25, "start": 0.5, "steep": 1.5},
        "log_cosh": {"curvature": 1.0, "slope": 0.5},
        "quartic": {"curvature": 1.0, "quartic": 0.25},
        "well": {"curvature": 1.0, "radius": 0.5},
        "piecewise_quadratic": {"curvature": 1.0, **BUMP},
        "piecewise_exponential": {"curvature": 1.0, "growth": 0.5, **BUMP},
    }
    noises: dict[str, dict[str, float]] = {
        "none": {},
        "two_point": {"up": UP, "probability": PROBABILITY},
        "symmetric_two_point": {"scale": SCALE},
        "gaussian": {"scale": SCALE},
        "student_t": {"scale": SCALE, "degrees": 3.0},
        "finite": {
            **{f"atom{k}": v for k, v in enumerate((UP, -UP, SCALE, -SCALE, 0.0, 0.0), 1)},
            **{f"below{k}": k / 8 for k in range(1, 6)},
        },
        "laplace": {"scale": SCALE},
        "skewed_exponential": {"scale": SCALE},
        "chi_square": {"scale": SCALE},
        "symmetric_chi_square": {"scale": SCALE},
        "pareto": {"scale": SCALE, "index": 3.0},
        "symmetric_pareto": {"scale": SCALE, "index": 3.0},
        "contaminated_gaussian": {"scale": SCALE, "wide": 4 * SCALE, "probability": PROBABILITY},
        "rare_exponential": {"up": UP, "probability": PROBABILITY},
        "vanishing_gaussian": {"scale": SCALE, "reach": 0.5},
        "gradient_two_point": {"up": UP, "probability": PROBABILITY},
        "band_two_point": {"up": UP, "probability": PROBABILITY, "low": 0.125, "high": 1.0},
        "worst_two_point": {"sigma": SCALE},
    }
    batches = tuple(
        Batch.of(
            [
                Instance(o, objective, [START] * d, STEP_SIZE, THRESHOLD, steps, n, noise)
                for o, objective in objectives.items()
                for n, noise in noises.items()
            ],
            seed=1,
        )
        for d in dimensions
    )
    return Workload("W3", "every objective with every noise, d = 1 to 64", batches, replicas, "")

"""JAX: one jitted scan over the steps, all runs at once, with JAX's own generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from harness.bench.peers.workloads import PROBABILITY, SCALE, START, STEP_SIZE, THRESHOLD, UP, Workload


def jax_runs(workload: Workload, dtype: str, runs: int, steps: int) -> Callable[[], Any]:
    """``runs`` trajectories of ``steps`` steps, as one array [d, runs]."""
    jax.config.update("jax_enable_x64", dtype == "float64")  # type: ignore[no-untyped-call, unused-ignore]
    curvature = jnp.asarray(workload.batches[0].objective_parameters[0, 0], dtype)[:, None]
    down = -PROBABILITY * UP / (1 - PROBABILITY)

    def length(g: Any) -> Any:
        return jnp.abs(g[0]) if len(g) == 1 else jnp.sqrt((g * g).sum(0))

    def go(key: Any) -> Any:
        def step(carry: Any, each: Any) -> Any:
            x, total = carry
            g = curvature * x
            total = total + length(g)
            if workload.noise == "two_point":
                g = g + jnp.where(jax.random.uniform(each, g.shape, dtype) < PROBABILITY, UP, down).astype(dtype)
            else:
                g = g + SCALE * jax.random.normal(each, g.shape, dtype)
            return (x - STEP_SIZE * (jnp.minimum(1, THRESHOLD / length(g)) * g), total), None

        start = jnp.full((workload.dimension, runs), START, dtype), jnp.zeros(runs, dtype)
        return jax.lax.scan(step, start, jax.random.split(key, steps))[0][1]

    key = jax.random.PRNGKey(0)
    compiled = jax.jit(go)
    return lambda: compiled(key).block_until_ready()

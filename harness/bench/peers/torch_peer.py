"""torch over all runs at once, eager or compiled, with torch's own generator; and the loop of a training script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from harness.bench.peers.workloads import CURVATURE, PROBABILITY, SCALE, START, STEP_SIZE, THRESHOLD, UP, Workload


def torch_runs(
    workload: Workload, dtype: str, runs: int, steps: int, device: str = "cpu", compiled: bool = False
) -> Callable[[], Any]:
    """``runs`` trajectories of ``steps`` steps, as one tensor [d, runs]."""
    real = getattr(torch, dtype)
    curvature = torch.tensor(workload.batches[0].objective_parameters[0, 0], dtype=real, device=device)[:, None]
    down = -PROBABILITY * UP / (1 - PROBABILITY)

    def length(g: torch.Tensor) -> torch.Tensor:
        return g[0].abs() if len(g) == 1 else torch.linalg.vector_norm(g, dim=0)

    def step(x: torch.Tensor, total: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        g = curvature * x
        total = total + length(g)
        if workload.noise == "two_point":
            noise = torch.where(torch.rand_like(g) < PROBABILITY, UP, down).to(real)
        else:
            noise = SCALE * torch.randn_like(g)
        g = g + noise
        return x - STEP_SIZE * ((THRESHOLD / length(g)).clamp(max=1.0) * g), total

    if compiled:
        # Shapes are known, and there are more of them than torch compiles one function for.
        torch._dynamo.config.recompile_limit = 64
    advance = torch.compile(step, dynamic=False) if compiled else step

    def go() -> Any:
        x = torch.full((workload.dimension, runs), START, dtype=real, device=device)
        total = torch.zeros(runs, dtype=torch.float64, device=device)
        for _ in range(steps):
            x, total = advance(x, total)
        # Waits for a GPU.
        return total.sum().item()

    return go


def training_loop(workload: Workload, steps: int) -> Callable[[], Any]:
    """One run by ``torch.optim.SGD`` and ``clip_grad_norm_`` (which divides by norm + 1e-6: another operator)."""
    down = -PROBABILITY * UP / (1 - PROBABILITY)

    def go() -> Any:
        x = torch.full((workload.dimension,), START, requires_grad=True)
        optimiser = torch.optim.SGD([x], lr=STEP_SIZE)
        total = 0.0
        for _ in range(steps):
            optimiser.zero_grad()
            noise = torch.where(torch.rand(x.shape) < PROBABILITY, UP, down)
            if workload.noise != "two_point":
                noise = SCALE * torch.randn(x.shape)
            loss = CURVATURE / 2 * x.square().sum() + (noise * x).sum()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_([x], THRESHOLD)
            optimiser.step()
            total += float(x.detach().norm())
        return total

    return go

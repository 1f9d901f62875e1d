"""A long run without chance, retraced by torch: all its steps at once instead of one after the other.

Automatic differentiation of one point after the other costs milliseconds a step. But where the compiled kernel has been
is known, and whether each of its states follows from the one before it can be asked of all of them together. That is
asked with torch's gradient, of the *value*, and torch's clipping: a kernel whose formula differs from the value's
gradient takes a step that torch would not have taken.
"""

from __future__ import annotations

import torch

from fuzz.engine import run
from fuzz.engine.batch import Batch
from fuzz.engine.torch_engine import clip, length_of, value_of
from theorems.language.functions import NOISES
from theorems.language.quantities import FinalGap, MinGradientNorm, Quantity

STRAY = 1e-9
"""What all steps together may differ from torch's, over the greatest coordinate: float64 makes about T 1e-16 of it."""


def retrace(batch: Batch, quantity: Quantity) -> float | None:
    """The quantity of a run, from torch's gradients and values at the states of the compiled kernel's run.

    Args:
        batch: one instance of clipped SGD without noise.
        quantity: of trajectories.

    Returns:
        None where the states are not finite, or where one does not follow from the one before: then torch must run on
        its own and show where it comes to.

    Raises:
        ValueError: for several instances, or for noise.
    """
    if len(batch) != 1 or batch.algorithm != "clipped_sgd" or NOISES[batch.noises[0]].words:
        raise ValueError("only a single run of clipped SGD without noise can be retraced")
    recorded = run(batch, 1, record=1, checkpoints=[0]).trajectories
    assert recorded is not None
    states = torch.from_numpy(recorded[0, 0].T.copy())
    if not bool(torch.isfinite(states).all()):
        return None
    value = value_of(batch.objectives[0], torch.from_numpy(batch.objective_parameters[0].copy()))
    places = states[:, :-1].clone().requires_grad_()
    (gradients,) = torch.autograd.grad(value(places).sum(), places)
    threshold = torch.tensor(float(batch.clipping_threshold[0]), dtype=torch.float64)
    moves = states[:, :-1] - float(batch.step_size[0]) * clip(gradients, threshold)
    strayed = float((moves - states[:, 1:]).abs().max(0).values.sum())
    # Written so that NaN is no agreement.
    if not strayed <= STRAY * float(states.abs().max()):
        return None
    if quantity == FinalGap:
        return max(0.0, float(value(states[:, -1:]).sum()))
    norms = length_of(gradients)
    return float(norms.min() if quantity == MinGradientNorm else norms.mean())

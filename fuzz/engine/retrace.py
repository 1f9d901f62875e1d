"""A long run without chance, retraced by torch: all its steps at once instead of one after the other.

Automatic differentiation of one point after the other costs milliseconds a step. But where the compiled kernel has been
is known, and whether each of its states follows from the one before it can be asked of all of them together. That is
asked with torch's gradient, of the *value*, and torch's clipping: a kernel whose formula differs from the value's
gradient takes a step that torch would not have taken.
"""

from __future__ import annotations

import numpy as np
import torch

from fuzz.engine import run
from fuzz.engine.batch import Batch
from fuzz.engine.torch_engine import clip, length_of, value_of
from theorems.language.functions import NOISES
from theorems.language.quantities import FinalGap, MinGradientNorm, Quantity

_UNITS = 64.0
"""How many units of rounding a step may differ from torch's, for each dimension."""
_SLICE = 1 << 18
"""Numbers at a time, which bounds the memory of differentiation."""


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
    if not bool(torch.isfinite(states).all()) or not np.array_equal(states[:, 0].numpy(), batch.x0[0]):
        return None
    value = value_of(batch.objectives[0], torch.from_numpy(batch.objective_parameters[0].copy()))
    threshold = torch.tensor(float(batch.clipping_threshold[0]), dtype=torch.float64)
    dimension, steps = len(states), states.shape[1] - 1
    strayed, longest, norms = 0.0, 0.0, []
    for first in range(0, steps, max(1, _SLICE // dimension)):
        last = min(first + max(1, _SLICE // dimension), steps)
        places = states[:, first:last].clone().requires_grad_()
        (gradients,) = torch.autograd.grad(value(places).sum(), places)
        moves = float(batch.step_size[0]) * clip(gradients, threshold)
        differences = states[:, first:last] - moves - states[:, first + 1 : last + 1]
        strayed += float(differences.abs().max(0).values.sum())
        longest = max(longest, float(moves.abs().max()))
        norms.append(length_of(gradients))
    # Written so that NaN is no agreement.
    if not strayed <= _UNITS * dimension * steps * 2.0**-53 * (float(states.abs().max()) + longest):
        return None
    if quantity == FinalGap:
        return max(0.0, float(value(states[:, -1:]).sum()))
    norm = torch.cat(norms)
    return float(norm.min() if quantity == MinGradientNorm else norm.mean())

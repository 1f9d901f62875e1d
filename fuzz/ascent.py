"""Gradient ascent through the unrolled run, for problems of many numbers: torch differentiates what is measured.

torch differentiates the run, a long chain, in the numbers that the engine reads (the objective's, the start, the step
size). What lies around it, from genes to those numbers and from what is measured to the score, is short and costs no
steps: it is evaluated at either side of a point, with the run replaced by its tangent, so that every family, condition
and bound of the search serves here as it is. Whole numbers (how many steps) have no slope. What an ascent returns is
scored by the engine, like every other point.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from fuzz.engine.printers.torch_source import torch_function
from fuzz.engine.torch_engine import radius_of
from fuzz.reading import Floats
from fuzz.trajectory import Draft, RunLandscape
from theorems.language.functions import Objective, is_radial, profiles, x
from theorems.language.quantities import FinalGap, MinGradientNorm

COST = 3
"""Steps that a pass forward and backward counts as, for each that it takes."""

_NEAR, _NEAR_LINEAR = 1e-4, 1e-2
"""How far a gene is moved to see a slope: numbers on a linear scale (bends) are rounded to some thousandth."""
_PACE, _LEAST_PACE = 0.05, 1e-4
_MOMENTUM, _MEMORY = 0.9, 0.99

Tensor = torch.Tensor


def slopes(inside: RunLandscape, raw: Floats) -> tuple[Floats, Floats, int]:
    """Scores [N] of raw genes [N, G] inside [0, 1], -inf where a condition fails, their slopes [N, G], and the engine
    steps that this counts as.

    Where one side of a point breaks a condition, the slope is that of the other; where both do, 0.
    """
    count, size = raw.shape
    draft = inside.draft(raw)
    score, slope = np.full(count, -np.inf), np.zeros((count, size))
    rows = np.flatnonzero(draft.good)
    if not len(rows):
        return score, slope, 0
    measured, tangent = _unrolled(inside, draft, rows)
    score[rows] = inside.reading.score({k: _of(v, count)[rows] for k, v in draft.letters.items()}, measured)
    moved = np.array([k for k, gene in enumerate(inside.genes) if gene.name != "steps"], np.intp)
    near_by = np.array([_NEAR_LINEAR if inside.genes[k].kind == "linear" else _NEAR for k in moved])
    # [2, n, M]: every moved gene a little lower, and a little higher, alone.
    signs = np.array([-1.0, 1.0])[:, None, None]
    at = np.clip(raw[rows][None, :, moved] + signs * near_by, 0.0, 1.0)
    points = np.broadcast_to(raw[rows][None, :, None, :], (2, len(rows), len(moved), size)).copy()
    points[:, :, np.arange(len(moved)), moved] = at
    near = inside.draft(points.reshape(-1, size))
    there = np.broadcast_to(measured[None, :, None], at.shape)
    for before, after, part in zip(_numbers(draft), _numbers(near), tangent, strict=True):
        step = after.reshape(*at.shape, -1) - before[rows].reshape(1, len(rows), 1, -1)
        there = there + np.einsum("snmk,nk->snm", step, part.reshape(len(rows), -1))
    # A condition may ask for longer runs.
    same = near.steps.reshape(at.shape) == draft.steps[rows][None, :, None]
    found = inside.reading.score(near.letters, there.reshape(-1)).reshape(at.shape)
    (low, high), (below, above) = at, np.where(same & near.good.reshape(at.shape), found, np.nan)
    middle, here = raw[rows][:, moved], score[rows][:, None]
    with np.errstate(all="ignore"):
        both, right, left = (
            (above - below) / (high - low),
            (above - here) / (high - middle),
            (here - below) / (middle - low),
        )
    known = np.where(np.isfinite(both), both, np.where(np.isfinite(right), right, left))
    slope[np.ix_(rows, moved)] = np.where(np.isfinite(known), known, 0.0)
    return score, slope, COST * int(draft.steps[rows].sum())


class Climber:
    """One point on its way up, by Adam (Kingma and Ba, ICLR 2015) on raw genes, held inside the unit cube.

    Args:
        inside: a structure whose arm :attr:`~fuzz.arm.Arm.climbs`.
        start: raw genes [G] of a problem that meets the conditions.

    Attributes:
        best, score: the highest point so far, [G], and its score.
        pace: how far a gene moves in a step; halved when a climb brings nothing.
    """

    def __init__(self, inside: RunLandscape, start: Floats) -> None:
        self.inside, self.at = inside, np.clip(start, 0.0, 1.0)
        self.best, self.score, self.pace = self.at, -np.inf, _PACE
        self._rest()

    def _rest(self) -> None:
        self.first, self.second, self.taken = np.zeros_like(self.at), np.zeros_like(self.at), 0

    @property
    def spent(self) -> bool:
        """Whether it has come to rest."""
        return self.pace < _LEAST_PACE

    def climb(self, passes: int, pay: Callable[[int], bool]) -> None:
        """Go on for at most so many passes, forward and backward.

        Args:
            passes: how many.
            pay: called after each with the engine steps that it counts as, 0 for one that ran nothing; whether to go
                on.
        """
        before = self.score
        for _ in range(passes):
            score, slope, steps = slopes(self.inside, self.at[None, :])
            if score[0] > self.score:
                self.best, self.score = self.at, float(score[0])
            if np.isfinite(score[0]):
                self._move(slope[0])
            else:
                # Over an edge: back to the best, with shorter steps.
                self._turn_back()
            if not pay(steps):
                break
        if not self.score > before:
            self._turn_back()

    def _move(self, slope: Floats) -> None:
        self.taken += 1
        self.first = _MOMENTUM * self.first + (1 - _MOMENTUM) * slope
        self.second = _MEMORY * self.second + (1 - _MEMORY) * slope**2
        up, size = self.first / (1 - _MOMENTUM**self.taken), self.second / (1 - _MEMORY**self.taken)
        self.at = np.clip(self.at + self.pace * up / (np.sqrt(size) + 1e-12), 0.0, 1.0)

    def _turn_back(self) -> None:
        self.at, self.pace = self.best, self.pace / 2
        self._rest()


def _of(value: Floats, count: int) -> Floats:
    return np.broadcast_to(value, (count,))


def _numbers(draft: Draft) -> tuple[Floats, ...]:
    """What a run depends on by degrees, [N, ...] each."""
    return draft.objectives.parameters, draft.objectives.start, draft.eta


def _unrolled(
    inside: RunLandscape, draft: Draft, rows: np.ndarray[Any, np.dtype[np.intp]]
) -> tuple[Floats, tuple[Floats, ...]]:
    """What is measured [n] and its derivative in each of :func:`_numbers`, [n, ...]."""
    leaves = [torch.from_numpy(part[rows].copy()).requires_grad_() for part in _numbers(draft)]
    threshold = torch.from_numpy(_of(draft.letters["c"], len(draft.eta))[rows].copy())
    steps = torch.from_numpy(draft.steps[rows].copy())
    parameters, start, eta = leaves
    measured = _measured(inside, parameters, start, eta, threshold, steps)
    found = torch.autograd.grad(measured.sum(), leaves, allow_unused=True)
    tangent = tuple(
        np.zeros(tuple(leaf.shape)) if part is None else torch.nan_to_num(part, 0.0, 0.0, 0.0).numpy()
        for part, leaf in zip(found, leaves, strict=True)
    )
    return measured.detach().numpy(), tangent


def _measured(
    inside: RunLandscape, parameters: Tensor, start: Tensor, eta: Tensor, threshold: Tensor, steps: Tensor
) -> Tensor:
    """The quantity [n] that a claim bounds."""
    family, quantity = inside.structure.objective, inside.reading.quantity
    state, norms = start, []
    for t in range(int(steps.max())):
        going = steps > t
        gradient = _profile(family, "gradient", parameters, state)
        length = radius_of(gradient.T)
        norms.append(torch.where(going, length, torch.inf if quantity == MinGradientNorm else 0.0))
        long = length > threshold
        factor = torch.where(long, threshold / torch.where(long, length, 1.0), 1.0)
        moved = state - (eta * factor)[:, None] * gradient
        state = torch.where(going[:, None], moved, state)
    if quantity == FinalGap:
        return _profile(family, "value", parameters, state).sum(1)
    gathered = torch.stack(norms)
    return gathered.min(0).values if quantity == MinGradientNorm else gathered.sum(0) / steps


def _profile(family: str, which: str, parameters: Tensor, at: Tensor) -> Tensor:
    """As :func:`fuzz.shapes.evaluate`, for tensors [n, P, d] and [n, d]."""
    kinds = profiles(family, at.shape[1])

    def one(kind: Objective, at: Tensor, numbers: Tensor) -> Tensor:
        function = torch_function(getattr(kind, which), (x, *kind.parameters))
        found: Tensor = function(at, *(numbers[:, k] for k in range(len(kind.parameters))))
        return found

    if is_radial(family):
        radius = radius_of(at.T)[:, None]
        found = one(kinds[0], radius, parameters[:, :, :1])
        away = radius > 0
        return found if which == "value" else torch.where(away, found / torch.where(away, radius, 1.0), 0.0) * at
    if len(set(kinds)) == 1:
        return one(kinds[0], at, parameters)
    parts = [one(kind, at[:, i : i + 1], parameters[:, :, i : i + 1]) for i, kind in enumerate(kinds)]
    return torch.cat(parts, 1)

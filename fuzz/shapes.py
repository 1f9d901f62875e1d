"""Objectives as arrays: N problems of one (possibly mixed) family at a time, for a search that moves their numbers.

What is worked out here in floats steers a search; certificates work it out again in exact numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from fuzz.engine.printers.numpy_source import numpy_function
from fuzz.rationals import quantise
from fuzz.reading import Floats
from theorems.language.functions import Noise, Objective, is_radial, profiles, x
from theorems.language.pieces import SIDES

Columns = Mapping[str, Floats]
"""The numbers of N profiles of one family, [N] each."""


def evaluate(family: str, which: str, parameters: Floats, points: Floats) -> Floats:
    """``value`` or ``gradient`` of every coordinate, shape of ``points``: [N, d] or [N, K, d]. The value of a radial
    objective is one, in place of d.

    ``parameters`` [N, P, d] are in the order of each coordinate's family; of a radial one the first are read.
    """
    kinds = profiles(family, parameters.shape[2])
    extra = (None,) * (points.ndim - 2)

    def one(profile: Objective, at: Floats, numbers: Floats) -> Floats:
        columns = [numbers[(slice(None), k, *extra)] for k in range(len(profile.parameters))]
        function = numpy_function(getattr(profile, which), (x, *profile.parameters))
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(function(at, *columns), np.float64), at.shape)

    if is_radial(family):
        with np.errstate(all="ignore"):
            radius = np.sqrt((points**2).sum(-1, keepdims=True))
        found = one(kinds[0], radius, parameters[:, :, :1])
        with np.errstate(all="ignore"):
            return np.array(found if which == "value" else np.where(radius > 0, found / radius, 0.0) * points)
    if len(set(kinds)) == 1:
        return np.array(one(kinds[0], points, parameters))
    return np.concatenate(
        [one(kind, points[..., i : i + 1], parameters[:, :, i : i + 1]) for i, kind in enumerate(kinds)], axis=-1
    )


def coordinates(family: str, numbers: Floats) -> tuple[dict[str, sp.Rational], ...]:
    """The exact numbers of one problem, from floats [P, d]."""
    return tuple(
        {p.name: sp.Rational(*float(numbers[k, i]).as_integer_ratio()) for k, p in enumerate(profile.parameters)}
        for i, profile in enumerate(profiles(family, numbers.shape[1]))
    )


def columns_of(profile: Objective, parameters: Floats, axes: Sequence[int]) -> dict[str, Floats]:
    """The numbers of the coordinates ``axes``, [N * len(axes)] each, from [N, P, d]; a problem's are together."""
    return {p.name: parameters[:, k, axes].reshape(-1) for k, p in enumerate(profile.parameters)}


def right_side(columns: Columns) -> dict[str, Floats]:
    """Numbers of a piecewise profile that is flat on the left: its right side asks for no less alone, and no more."""
    return {name: 0 * values if name.startswith("left_") else values for name, values in columns.items()}


def allowed(profile: Objective | Noise, numbers: Mapping[str, Any]) -> bool:
    """Whether exact numbers meet the conditions that their family states, in floats."""
    values = [np.array([float(numbers[p.name])]) for p in profile.parameters]
    return bool(meets(profile, {p.name: v for p, v in zip(profile.parameters, values, strict=True)})[0])


def meets(profile: Objective | Noise, columns: Columns) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which of N profiles meet the conditions that their family states, [N]."""
    values = [columns[p.name] for p in profile.parameters]
    good = np.ones(len(values[0]), np.bool_)
    with np.errstate(all="ignore"):
        for condition in profile.requires:
            good &= np.asarray(numpy_function(condition, profile.parameters)(*values), bool)
    return good


# -- piecewise profiles ------------------------------------------------------------------------------------------------


def draw_pieces(
    numbers: Columns, counts: tuple[int, int], *, convex: bool, strong: bool, dips: bool, tail: Floats, longest: Floats
) -> dict[str, Floats]:
    """Widths and bends [N] from raw ones by the same names; of either side ``counts`` pieces are used.

    Args:
        numbers: ``width*`` and ``bend*`` of the pieces used, bends beyond [-1, 1] are at the end.
        convex, strong: no bend is negative; the gradient does not vanish away from the minimum.
        dips: the gradient may change its sign away from the minimum; whether f stays above 0 is not seen to here.
        tail: the largest bend far out, [N].
        longest: the largest width, [N].
    """
    found: dict[str, Floats] = {}
    for side, count in zip(SIDES, counts, strict=True):
        u = np.zeros(len(tail))
        bend = u
        for j, (width, letter) in enumerate(zip((*side.widths, None), side.bends, strict=True)):
            last = j >= count - 1
            if j < count:
                bend = np.round(np.clip(numbers[letter.name], -1, 1) * 1024) / 1024
                bend = np.where(np.abs(bend) < 1 / 32, 0.0, bend)
                if convex or j == 0 or last:
                    bend = np.abs(bend)
                if strong and (j == 0 or last):
                    bend = np.maximum(bend, 1 / 32)
                if last:
                    bend = np.minimum(bend, np.floor(tail * 1024) / 1024)
            found[letter.name] = bend
            if width is None:
                break
            length = np.zeros(len(tail)) if last else np.minimum(numbers[width.name], longest)
            if not dips and not last:
                # Stop a little before u would fall to 0.
                with np.errstate(divide="ignore", invalid="ignore"):
                    most = np.where(bend < 0, u / np.abs(bend) * (1 - 2.0**-12), np.inf)
                length = np.minimum(length, most)
            found[width.name] = quantise(length, up=False)
            u = u + bend * found[width.name]
    return found


class _Profile:
    """N piecewise profiles; arrays are [N, ...], pieces from left to right."""

    def __init__(self, columns: Columns) -> None:
        self.curvature = columns["curvature"][:, None]
        self.growth = columns.get("growth", np.zeros_like(columns["curvature"]))[:, None]
        ends, slopes = [], []
        for side, way in zip(SIDES, (1.0, -1.0), strict=True):
            widths = np.stack([columns[w.name] for w in side.widths], 1)
            bends = np.stack([columns[b.name] for b in side.bends], 1)
            ends.append(way * np.cumsum(widths, 1))
            slopes.append(bends)
        zero = np.zeros_like(self.curvature)
        self.ends = np.concatenate([ends[1][:, ::-1], zero, ends[0]], 1)
        self.slopes = np.concatenate([slopes[1][:, ::-1], slopes[0]], 1)
        at_right = np.cumsum(self.slopes[:, 3:-1] * np.diff(self.ends[:, 2:], axis=1), 1)
        at_left = -np.cumsum((self.slopes[:, 1:3] * np.diff(self.ends[:, :3], axis=1))[:, ::-1], 1)[:, ::-1]
        self.at_ends = np.concatenate([at_left, zero, at_right], 1)

    def u(self, points: Floats) -> Floats:
        """u at points [N, K]."""
        place = (points[:, :, None] > self.ends[:, None, :]).sum(2)
        anchor = np.maximum(place - 1, 0)
        start = np.take_along_axis(self.ends, anchor, 1)
        return np.asarray(
            np.take_along_axis(self.at_ends, anchor, 1) + np.take_along_axis(self.slopes, place, 1) * (points - start)
        )

    def gradient(self, u: Floats) -> Floats:
        """|f'|."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            grown = np.expm1(self.growth * np.abs(u)) / self.growth
        return np.asarray(self.curvature * np.where(self.growth > 0, grown, np.abs(u)))

    def marks(self) -> Floats:
        """Ends of pieces and zeros of u, [N, 15]; what is none is an end once more."""
        anchor = np.concatenate([self.ends[:, :1], self.ends], 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            zeros = anchor - np.concatenate([self.at_ends[:, :1], self.at_ends], 1) / self.slopes
        low = np.concatenate([np.full_like(self.curvature, -np.inf), self.ends], 1)
        high = np.concatenate([self.ends, np.full_like(self.curvature, np.inf)], 1)
        inside = (zeros > low) & (zeros < high)
        return np.concatenate([self.ends, np.where(inside, zeros, anchor)], 1)

    def on_pieces(self) -> tuple[Floats, Floats]:
        """The least and the largest |f'| on each piece, [N, 8]; inf where there is no largest."""
        first = np.concatenate([self.at_ends[:, :1], self.at_ends], 1)
        last = np.concatenate([self.at_ends, self.at_ends[:, -1:]], 1)
        outside = np.zeros(first.shape, np.bool_)
        outside[:, [0, -1]] = True
        far = outside & (self.slopes != 0)
        marks = self.marks()[:, 7:]
        crossed = (first * last < 0) | (np.abs(self.u(marks)) < 1e-12 * (1 + np.abs(marks)))
        least = np.where(crossed, 0.0, np.minimum(np.abs(first), np.abs(last)))
        most = np.where(far, np.inf, self.gradient(np.maximum(np.abs(first), np.abs(last))))
        return self.gradient(least), most


def piece_smoothness(columns: Columns, slack: Floats, *, hessian: bool) -> Floats:
    """The least L0 given L1 = ``slack``, [N], as :func:`fuzz.pieces.smoothness_bounds`; inf where there is none."""
    profile = _Profile(columns)
    slack = slack[:, None]
    bends = np.abs(profile.slopes)
    least, most = profile.on_pieces()
    factor = bends * profile.growth - slack
    with np.errstate(all="ignore"):
        demand = bends * profile.curvature + factor * np.where(factor > 0, most, least)
        demand = np.where(factor == 0, bends * profile.curvature, demand)
        needed = demand.max(1)
        if not hessian and (slack > 0).any():
            pairs = np.where(slack[:, 0] > 0, _pairs(profile, slack), -np.inf)
            known = (profile.growth * bends.max(1, keepdims=True) <= slack)[:, 0]
            needed = np.where((slack[:, 0] > 0) & ~known, np.inf, np.maximum(needed, pairs))
    return np.asarray(np.where(np.isnan(needed), np.inf, needed))


def _pairs(profile: _Profile, slack: Floats) -> Floats:
    marks = profile.marks()
    u = profile.u(marks)
    g = profile.gradient(u)
    r = np.abs(marks[:, :, None] - marks[:, None, :])
    near = (r > 0) & (r * slack[:, :, None] <= 1 + 1e-12) & (u[:, :, None] * u[:, None, :] >= 0)
    demand = np.where(near, (g[:, None, :] - g[:, :, None]) / r - (slack * g)[:, :, None], -np.inf)
    needed = demand.max((1, 2))
    reach = 1 / slack
    places = np.sort(np.concatenate([marks, marks - reach], 1), 1)
    u, v = profile.u(places), profile.u(places + reach)
    g, h = profile.gradient(u), profile.gradient(v)
    same = u * v >= -1e-12
    distant = np.where(same, slack * np.maximum(h - 2 * g, g - 2 * h), -np.inf).max(1)
    length = np.diff(places, axis=1)
    unit = profile.curvature / profile.growth
    inside = np.full_like(length, -np.inf)
    for one, other in ((u, v), (v, u)):
        beta, alpha = (profile.growth * np.diff(np.abs(w), axis=1) / length for w in (one, other))
        b, a = (profile.growth * np.abs(w)[:, :-1] for w in (one, other))
        good = (alpha * beta > 0) & (np.abs(alpha) < np.abs(beta) * (1 - 1e-9)) & same[:, :-1] & same[:, 1:]
        t = (np.log(alpha / (2 * beta)) + a - b) / (beta - alpha)
        good &= (t >= 0) & (t <= length)
        value = slack * unit * (1 + np.exp(a + alpha * t) * (1 - alpha / beta))
        inside = np.maximum(inside, np.where(good, value, -np.inf))
    far = profile.growth * np.maximum(np.abs(profile.slopes[:, :1]), np.abs(profile.slopes[:, -1:])) * reach
    return np.asarray(np.where(far[:, 0] > np.log(2), np.inf, np.maximum(np.maximum(needed, distant), inside.max(1))))


def piece_strength(columns: Columns, family: str, radial: bool = False) -> Floats:
    """A PL constant that a profile has, or its right side, if radial, [N]; 0 where none is found.

    On a piece on which the curvature falls, or that bends more than it all along, ``m^2/(2 f)`` is least at an end.
    """
    columns = right_side(columns) if radial else columns
    profile = _Profile(columns)
    (objective,) = profiles(family, 1)
    f = evaluate(family, "value", _stack(objective, columns), profile.ends[:, :, None])[..., 0]
    g = profile.gradient(profile.at_ends)
    # The inner end of each piece; beyond it the curvature of a piece that rises only grows.
    start = np.concatenate([g[:, :3], g[:, 2:]], 1)
    bends, whole = profile.slopes, np.ones((len(f), 1), np.bool_)
    wide = np.concatenate([whole, np.diff(profile.ends, axis=1) > 0, whole], 1)
    with np.errstate(all="ignore"):
        ratios = np.where(f > 0, g**2 / (2 * f), np.inf)
    curved = np.where(wide & (bends > 0), bends * (profile.curvature + profile.growth * start), np.inf)
    found = np.minimum(ratios.min(1), curved.min(1)) * (1 - 1e-9)
    return np.where(((bends[:, 0] > 0) | radial) & (bends[:, -1] > 0) & np.isfinite(found), found, 0.0)


def _stack(objective: Objective, columns: Columns) -> Floats:
    return np.stack([columns[p.name] for p in objective.parameters], 1)[:, :, None]

"""The frozen sampler by which the size of a planted regime is measured.

Nothing here may change: sizes that were measured with it are committed, and a test pins its draws by a hash. A better
sampler is a new module with a new :data:`VERSION`. It shares no ranges with the strategies, which improve. Numbers come
from PCG64's uniforms alone, whose stream NumPy guarantees.

All draws have ``c = 1`` and curvature 1, which the scaling symmetries allow, and are log-uniform where nothing else is
said. One step: a law of two atoms (mirrored where symmetry is assumed), ``m`` in [1e-3, 1e2], sigma in [1e-2, 1e2], the
rarer side's probability logit-uniform in [1e-4, 1/2], either sign. A step of descent and whole runs: quadratic, Huber
or a slope that ends in a bowl, start in [1e-2, 1e3], slope in [1e-2, 1e1], rise to twice the slope at a distance in
[1e-1, 1e2]; ``eta L`` in [1e-3, 4]; T in [1, 1000]; noise none, or two-point, symmetric or normal with sigma as above.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fuzz.engine import Batch
from fuzz.genes import Objectives, describe
from fuzz.onestep import drift, step_change, stuck_gradient_norm
from fuzz.reading import Floats, Letters, Reading
from fuzz.trajectory import measure
from theorems.language.quantities import Drift, Scope, StepChange, StuckGradientNorm
from theorems.language.theorem import Theorem

VERSION = "1"
_CHUNK = 2048
_REPLICAS = 64
_UNIFORMS = 10
_FAMILIES = ("quadratic", "huber", "slope_then_bowl")
_NOISES = ("two_point", "symmetric_two_point", "gaussian")
_WIDTH = 1.959963984540054


@dataclass(frozen=True)
class RegimeSize:
    """How much of the sampler's space violates a claim.

    Attributes:
        draws: problems drawn.
        admissible: of these, the ones that meet all conditions.
        violating: of these, the ones whose score is above 1 (with noise: by three standard errors, on 64 runs).
        share: violating / draws, with ``low`` and ``high``, Wilson's interval at level 95 %.
        version: of the sampler.
    """

    draws: int
    admissible: int
    violating: int
    share: float
    low: float
    high: float
    version: str = VERSION


def regime_size(theorem: Theorem, draws: int, seed: int = 0) -> RegimeSize:
    """Measure a false statement's regime.

    Args:
        theorem: about Drift, StuckGradientNorm, StepChange or whole runs.
        draws: a multiple of 2048.
        seed: of the sampler.

    Raises:
        ValueError: for another number of draws, or another one-step quantity.
    """
    if draws < _CHUNK or draws % _CHUNK:
        raise ValueError(f"draws must be a positive multiple of {_CHUNK}, not {draws}")
    reading = Reading(theorem)
    admissible = violating = 0
    for chunk in range(draws // _CHUNK):
        uniforms = draw(seed, chunk)
        good, score = _one_step(reading, uniforms) if _law(reading) else _moved(reading, uniforms, seed, chunk)
        admissible += int(good.sum())
        violating += int((good & (score > 1)).sum())
    low, high = wilson(violating, draws)
    return RegimeSize(draws, admissible, violating, violating / draws, low, high)


def draw(seed: int, chunk: int) -> Floats:
    """The uniforms of one chunk, [2048, 10]."""
    return np.random.Generator(np.random.PCG64([seed, chunk])).random((_CHUNK, _UNIFORMS))


def wilson(hits: int, draws: int) -> tuple[float, float]:
    """Wilson's interval of a share, at level 95 % (Wilson, Journal of the ASA 22, 1927)."""
    share, square = hits / draws, _WIDTH**2 / draws
    middle = (share + square / 2) / (1 + square)
    half = _WIDTH * math.sqrt(share * (1 - share) / draws + square / (4 * draws)) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def between(uniform: Floats, low: float, high: float) -> Floats:
    """Log-uniform numbers."""
    return np.asarray(np.exp(math.log(low) + math.log(high / low) * uniform))


def _law(reading: Reading) -> bool:
    if reading.quantity.scope is not Scope.ONE_STEP or reading.quantity == StepChange:
        return False
    if reading.quantity not in (Drift, StuckGradientNorm):
        raise ValueError(f"the reference sampler does not draw problems for {reading.quantity}")
    return True


def _one_step(reading: Reading, uniforms: Floats) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.bool_]], Floats]:
    count, one = len(uniforms), np.ones(len(uniforms))
    deviation = between(uniforms[:, 0], 1e-2, 1e2)
    m = between(uniforms[:, 1], 1e-3, 1e2)
    rare = np.full(count, 0.5) if reading.symmetric else 1 / (1 + 1 / between(uniforms[:, 2], 1e-4, 1.0))
    sign = np.where(uniforms[:, 3] < 0.5, 1.0, -1.0)
    far, near = sign * deviation * np.sqrt((1 - rare) / rare), -sign * deviation * np.sqrt(rare / (1 - rare))
    probabilities, atoms = np.stack([rare, 1 - rare], 1), np.stack([far, near], 1)[..., None]
    known = np.full(count, True)
    if reading.quantity == StuckGradientNorm:
        m, at_zero = stuck_gradient_norm(one, probabilities, atoms)
        known = at_zero <= 0
    objectives = describe("quadratic", np.ones((count, 1, 1)), m[:, None], (one, 0 * one))
    letters = _letters(reading, objectives, one, one, deviation)
    measured = m if reading.quantity == StuckGradientNorm else drift(m, one, probabilities, atoms)
    good = reading.conditions_hold(letters) & known
    return np.broadcast_to(good, (count,)), reading.score(letters, measured)


def _moved(
    reading: Reading, uniforms: Floats, seed: int, chunk: int
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.bool_]], Floats]:
    """Scores of a step of descent or of whole runs; -inf where a condition fails."""
    count, score = len(uniforms), np.full(len(uniforms), -np.inf)
    good = np.zeros(count, bool)
    families = _FAMILIES[:1] if reading.needs_strong else _FAMILIES
    which = (uniforms[:, 9] * len(families)).astype(int)
    law = (uniforms[:, 8] * len(_NOISES)).astype(int)
    for number, family in enumerate(families):
        for kind in range(1 if reading.exact_gradients else len(_NOISES)):
            rows = np.flatnonzero((which == number) & (reading.exact_gradients | (law == kind)))
            noise = "none" if reading.exact_gradients else _NOISES[kind]
            good[rows], score[rows] = _runs(reading, uniforms[rows], family, noise, seed, chunk * _CHUNK + rows)
    return good, score


def _runs(
    reading: Reading, u: Floats, family: str, noise: str, seed: int, ids: np.ndarray[tuple[int, ...], np.dtype[np.intp]]
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.bool_]], Floats]:
    count, one = len(u), np.ones(len(u))
    start, slope = between(u[:, 0], 1e-2, 1e3), between(u[:, 1], 1e-2, 1e1)
    numbers = {"quadratic": [one], "huber": [one, slope]}.get(family)
    if numbers is None:
        numbers = [one, slope, slope + between(u[:, 2], 1e-1, 1e2), 2 * slope]
    objectives = describe(family, np.stack(numbers, 1)[..., None], start[:, None], (one, 0 * one))
    eta = between(u[:, 3], 1e-3, 4.0)
    steps = one if reading.quantity == StepChange else np.floor(between(u[:, 4], 1.0, 1001.0))
    deviation = between(u[:, 5], 1e-2, 1e2) if noise != "none" else 0 * one
    letters = _letters(reading, objectives, eta, steps, deviation)
    good = np.broadcast_to(reading.conditions_hold(letters) & objectives.accurate, (count,))
    score = np.full(count, -np.inf)
    if not good.any():
        return good, score
    kept = np.flatnonzero(good)
    letters = {name: np.broadcast_to(value, (count,))[kept] for name, value in letters.items()}
    if reading.quantity == StepChange:
        part = describe(family, objectives.parameters[kept], objectives.start[kept], (one[kept], 0 * one[kept]))
        measured = step_change(part, eta[kept], one[kept], np.ones((len(kept), 1)), np.zeros((len(kept), 1, 1)))
        score[kept] = reading.score(letters, measured - 4 * part.rounding)
        return good, score
    batch = Batch(
        objectives=(family,) * len(kept),
        objective_parameters=objectives.parameters[kept],
        noises=(noise,) * len(kept),
        noise_parameters=_noise_numbers(noise, deviation, u)[kept],
        x0=objectives.start[kept],
        step_size=eta[kept],
        clipping_threshold=one[kept],
        steps=steps[kept].astype(np.int64),
        instance_ids=ids[kept],
        seed=seed,
    )
    replicas = 1 if noise == "none" else _REPLICAS
    value, error, _ = measure(reading, letters, batch, replicas, objectives.rounding[kept])
    score[kept] = value - 3 * error
    return good, score


def _noise_numbers(noise: str, deviation: Floats, u: Floats) -> Floats:
    """[N, Q, 1], in the family's order."""
    if noise == "none":
        return np.zeros((len(u), 0, 1))
    if noise != "two_point":
        return deviation[:, None, None]
    rare = np.maximum(np.round(2.0**32 / (1 + 1 / between(u[:, 6], 1e-4, 1.0))), 1.0) / 2.0**32
    sign = np.where(u[:, 7] < 0.5, 1.0, -1.0)
    return np.stack([sign * deviation * np.sqrt((1 - rare) / rare), rare], 1)[..., None]


def _letters(reading: Reading, objectives: Objectives, eta: Floats, steps: Floats, deviation: Floats) -> Letters:
    one = np.ones(len(eta))
    known: Letters = {
        "c": one,
        "eta": eta,
        "T": steps,
        "F0": objectives.gap,
        "R0": objectives.distance,
        "m": objectives.gradient_norm,
        **{str(p.name): one for p in reading.free},
    }
    return reading.fill(known, {**objectives.tight, "deviation": deviation})

"""The score of any problem, in floats: for problems that come from elsewhere and for the minimiser."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sympy as sp

from fuzz.finite import why_not_run
from fuzz.genes import Objectives, describe, smoothness
from fuzz.instance import batch_of
from fuzz.onestep import clip_second_moment, drift, next_gradient_norm, step_change
from fuzz.problem import FiniteLaw, Problem
from fuzz.reading import Floats, Letters, Reading
from fuzz.reduction import reduced
from fuzz.trajectory import measure
from theorems.language.functions import NOISES, profiles
from theorems.language.parameters import Parameter
from theorems.language.quantities import ClipSecondMoment, Drift, NextGradientNorm, Scope, StepChange, StuckGradientNorm


def deviation_of(problem: Problem) -> sp.Expr:
    """The exact standard deviation of the noise vector."""
    if isinstance(problem.noise, FiniteLaw):
        return sp.sqrt(problem.noise.second_moment)
    noise = NOISES[problem.noise.name]
    coordinates = problem.noise.coordinates[:1] if noise.along else problem.noise.coordinates
    variances = [noise.variance.xreplace({p: numbers[p.name] for p in noise.parameters}) for numbers in coordinates]
    return sp.sqrt(sum(variances, sp.Integer(0)))


def arrays_of(problem: Problem) -> tuple[Floats, Floats]:
    """The objective's numbers [1, P, d] and the start [1, d], as floats."""
    kinds = profiles(problem.objective.name, problem.dimension)
    parameters = np.zeros((1, max(len(kind.parameters) for kind in kinds), problem.dimension))
    for i, (kind, numbers) in enumerate(problem.objective.profiles):
        parameters[0, : len(kind.parameters), i] = [float(numbers[p.name]) for p in kind.parameters]
    return parameters, np.array([[float(v) for v in problem.start]], np.float64)


def letters_of(reading: Reading, problem: Problem, choices: Mapping[Parameter, sp.Expr]) -> tuple[Letters, Objectives]:
    """Float values [1] of the statement's letters at a problem, each as tight as the problem and choices allow."""
    family = problem.objective.name
    parameters, start = arrays_of(problem)
    chosen = {str(p.name): np.array([float(v)]) for p, v in choices.items()}
    slack = chosen.get(str(reading.slack_letter.name)) if reading.slack_letter is not None else None
    smooth = smoothness(family, parameters, reading, np.zeros(1) if slack is None else slack)
    objectives = describe(family, parameters, start, smooth)
    known: Letters = {
        "c": np.array([float(problem.clipping_threshold)]),
        "eta": np.array([float(problem.step_size)]),
        "T": np.array([float(problem.steps)]),
        "F0": objectives.gap,
        "R0": objectives.distance,
        "m": objectives.gradient_norm,
        **{str(p.name): chosen.get(str(p.name), np.ones(1)) for p in reading.free},
    }
    tight = {
        **objectives.tight,
        "deviation": np.array([float(deviation_of(problem))]),
        "privacy": np.array([float(problem.algorithm.privacy_deviation)]),
    }
    letters = reading.fill(known, tight, problem.algorithm.samples)
    # A chosen letter stands, where it is no tighter than the problem allows; the caller checks hypotheses exactly.
    letters.update({name: value for name, value in chosen.items() if name in letters})
    return letters, objectives


def rescore(
    reading: Reading,
    problem: Problem,
    choices: Mapping[Parameter, sp.Expr],
    replicas: int = 256,
    seed: int = 0,
    instance_id: int = 0,
) -> tuple[float, float]:
    """Score and standard error; -inf where a condition fails, a run is invalid, a one-step law is not finite, or no
    engine runs the noise."""
    letters, objectives = letters_of(reading, problem, choices)
    good = bool(objectives.allowed[0] and np.ravel(reading.conditions_hold(letters))[0])
    if not good:
        return -np.inf, 0.0
    if reading.quantity.scope is Scope.ONE_STEP:
        measured = _one_step(reading, problem, letters, objectives)
        return float(reading.score(letters, measured)[0]), 0.0
    if isinstance(problem.noise, FiniteLaw) and why_not_run(problem.noise):
        return -np.inf, 0.0
    batch = batch_of(problem, seed=seed, instance_ids=[instance_id])
    runs = 1 if problem.deterministic else replicas
    score, error, _ = measure(reading, letters, batch, runs, objectives.rounding)
    return float(score[0]), float(error[0])


def _one_step(reading: Reading, problem: Problem, letters: Letters, objectives: Objectives) -> Floats:
    quantity, c, m = reading.quantity, letters["c"], letters["m"]
    plain = reduced(problem, quantity)
    if plain is None:
        return np.array([np.nan])
    problem = plain
    if isinstance(problem.noise, FiniteLaw):
        atoms = np.array([[[float(e) for e in v] for _, v in problem.noise.atoms]], np.float64)
        probabilities = np.array([[float(p) for p, _ in problem.noise.atoms]], np.float64)
    elif problem.deterministic:
        atoms, probabilities = np.zeros((1, 1, problem.dimension)), np.ones((1, 1))
    else:
        return np.array([np.nan])
    if quantity in (Drift, StuckGradientNorm, ClipSecondMoment):
        if any(objectives.start[0, 1:]):
            return np.array([np.nan])
        if quantity == Drift:
            return drift(m, c, probabilities, atoms)
        if quantity == ClipSecondMoment:
            return clip_second_moment(m, c, probabilities, atoms)
        return np.where(drift(m, c, probabilities, atoms) <= 1e-12 * c, m, np.nan)
    if quantity == StepChange:
        change = step_change(objectives, letters["eta"], c, probabilities, atoms)
        return np.asarray(change - 4 * objectives.rounding)
    assert quantity == NextGradientNorm
    return next_gradient_norm(objectives, letters["eta"], c, probabilities, atoms)

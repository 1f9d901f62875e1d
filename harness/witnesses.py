"""Other engines asked about a value that is claimed: every one must agree, or nothing is claimed at all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fuzz.engine import run
from fuzz.engine.batch import Batch
from fuzz.engine.retrace import retrace
from fuzz.engine.torch_onestep import MOST_HISTORIES, Histories, all_histories, one_step
from fuzz.finite import why_not_run
from fuzz.instance import batch_of
from fuzz.problem import FiniteLaw, Problem
from fuzz.reduction import reduced
from fuzz.rescore import arrays_of
from fuzz.rounding import rounding_allowance
from fuzz.shapes import evaluate
from harness.account import precision
from harness.finding_records import EngineRecord, PrecisionRecord
from harness.fresh import PURPOSE
from theorems.language.functions import NOISES
from theorems.language.quantities import AverageGradientNorm, FinalGap, MinGradientNorm, Quantity, Scope

_REPLICAS = 24
_SIMULATED = 1 << 14
_TORCH_STEPS = 400_000
# From here on torch retraces a run: one point after the other it takes milliseconds a step.
_LONG = 200
_RELATIVE = 1e-9
# Probabilities of a state-dependent law are rounded to multiples of 2^-32, here in floats and there exactly.
_LATTICE = 1e-7
_NEAR_SINGLE = 1e-2
# The chance that the simulator is called wrong though it is right: by Bernstein's inequality.
_FALSE_ALARM = 1e-12

_WORDS = {
    "cpu": "float64, compiled kernel",
    "torch": "float64, gradient by automatic differentiation",
}


@dataclass(frozen=True)
class Witnesses:
    """What other engines say.

    Attributes:
        engines: one record each.
        precisions: the same value in other arithmetics.
        reason: empty, or which engine disagrees and how.
    """

    engines: tuple[EngineRecord, ...] = ()
    precisions: tuple[PrecisionRecord, ...] = ()
    reason: str = ""


def witnesses(problem: Problem, quantity: Quantity, low: float, high: float) -> Witnesses:
    """What the engines say of a quantity that exact arithmetic puts into ``[low, high]``.

    Another algorithm is weighed by the run of clipped SGD that has the same value; the simulator runs it as it is.
    """
    run_as, plain = problem, reduced(problem, quantity)
    if plain is None:
        return Witnesses()
    problem = plain
    if quantity.scope is Scope.ONE_STEP:
        return _at_one_step(problem, quantity, low, high)
    if problem.deterministic:
        return _without_noise(problem, quantity, low, high, run_as)
    return _over_histories(problem, quantity, low, high, run_as)


def _at_one_step(problem: Problem, quantity: Quantity, low: float, high: float) -> Witnesses:
    if not _has_atoms(problem):
        return Witnesses()
    slack = _RELATIVE * max(abs(low), abs(high), _scale(problem, quantity))
    double = one_step(problem, quantity)
    single = one_step(problem, quantity, torch.float32)
    seen = [_engine("torch", double, _WORDS["torch"], low, high, slack)]
    return _judged(seen, _precisions(single, double, low, high, slack), low, high)


def _without_noise(problem: Problem, quantity: Quantity, low: float, high: float, run_as: Problem) -> Witnesses:
    allowance = rounding_allowance(problem, quantity)
    if allowance is None:
        allowance = 1e-3 * max(abs(low), abs(high))
    slack = max(allowance, _RELATIVE * max(abs(low), abs(high)))
    batch = batch_of(run_as)
    checkpoints = _all_steps(problem, quantity)
    double = _value(run(batch, 1, checkpoints=checkpoints), quantity)
    witness, says = _on_torch(batch, quantity, checkpoints)
    seen = [
        _engine("cpu", double, _WORDS["cpu"], low, high, slack),
        _engine("torch", witness, says, low, high, slack),
    ]
    single = _value(run(batch, 1, dtype="float32", checkpoints=checkpoints), quantity)
    return _judged(seen, _precisions(single, double, low, high, slack), low, high)


def _on_torch(batch: Batch, quantity: Quantity, checkpoints: Any) -> tuple[float, str]:
    """What torch measures, and how; a long run that it cannot retrace it goes through on its own."""
    if int(batch.steps[0]) >= _LONG and batch.algorithm == "clipped_sgd":
        value = retrace(batch, quantity)
        if value is not None:
            return value, f"{_WORDS['torch']}, at every state of the compiled run, each of which follows from the last"
    return _value(run(batch, 1, backend="torch", checkpoints=checkpoints), quantity), _WORDS["torch"]


def _over_histories(problem: Problem, quantity: Quantity, low: float, high: float, run_as: Problem) -> Witnesses:
    """A short noisy run: torch weighs every history, and the simulator draws some."""
    if not _has_atoms(problem) or not _few_histories(problem):
        return Witnesses()
    slack = (_LATTICE if problem.oracle else _RELATIVE) * max(abs(low), abs(high), _scale(problem, quantity))
    double = all_histories(problem, quantity)
    single = all_histories(problem, quantity, torch.float32)
    words = f"{_WORDS['torch']}, every history weighed"
    seen = [_engine("torch", double.value, words, low, high, slack)]
    if not (isinstance(run_as.noise, FiniteLaw) and why_not_run(run_as.noise)):
        seen.append(_simulated(run_as, quantity, low, high, slack, double))
    return _judged(seen, _precisions(single.value, double.value, low, high, slack), low, high)


def _simulated(
    problem: Problem, quantity: Quantity, low: float, high: float, slack: float, all_: Histories
) -> EngineRecord:
    """The mean of many simulated runs; how far it may stray is known from the histories themselves."""
    batch = batch_of(problem, purpose="witness")
    statistics = run(batch, _SIMULATED, checkpoints=_all_steps(problem, quantity))
    nats = math.log(2 * problem.steps / _FALSE_ALARM)
    reach = all_.greatest - all_.least
    # The least over time strays no further than the worst of the steps does.
    deviation = all_.deviation if quantity != MinGradientNorm else reach / 2
    stray = deviation * math.sqrt(2 * nats / _SIMULATED) + 2 * reach * nats / (3 * _SIMULATED)
    says = f"{_WORDS['cpu']}, mean of {_SIMULATED:,} simulated runs, which may stray by {stray:.2g}"
    return _engine("cpu", _value(statistics, quantity), says, low, high, slack + stray)


def together(problem: Problem, quantity: Quantity, seed: int, number: int, allowance: float) -> Witnesses:
    """The same runs on the compiled engine and on torch (bit-identical words), and in float32 for the reader."""
    replicas = max(2, min(_REPLICAS, _TORCH_STEPS // (problem.steps * problem.algorithm.samples)))
    batch = batch_of(problem, seed=seed, purpose=PURPOSE, instance_ids=[number])
    checkpoints = _all_steps(problem, quantity)
    first = run(batch, replicas, checkpoints=checkpoints)
    second = run(batch, replicas, backend="torch", checkpoints=checkpoints)
    single = run(batch, replicas, dtype="float32", checkpoints=checkpoints)
    one, other = (s.final_gap if quantity == FinalGap else s.average_gradient_norm for s in (first, second))
    scale = float(np.nanmax(np.abs(one))) if first.valid.any() else 0.0
    # The allowance bounds a mean; one run of few may err by some times as much.
    slack = 32 * allowance + _RELATIVE * scale
    with np.errstate(invalid="ignore"):
        agrees = bool(np.array_equal(first.valid, second.valid) and (np.abs(one - other)[first.valid] <= slack).all())
    values = [_value(s, quantity) for s in (first, second, single)]
    near = _NEAR_SINGLE * abs(values[0])
    shown = f"mean of {replicas} runs on the same random words"
    records = (
        EngineRecord(engine="cpu", measured=_finite(values[0]), says=f"{_WORDS['cpu']}, {shown}", agrees=agrees),
        EngineRecord(engine="torch", measured=_finite(values[1]), says=f"{_WORDS['torch']}, {shown}", agrees=agrees),
        EngineRecord(
            engine="cpu, float32",
            measured=_finite(values[2]),
            says="for the reader; no verdict rests on it",
            agrees=bool(abs(values[2] - values[0]) <= near),
        ),
    )
    precisions = (
        precision(f"float32, {shown}", values[2], values[0], None, near=near),
        precision(f"float64 on torch, {shown}", values[1], values[0], slack, near=slack),
        precision(f"float64, {shown}", values[0], values[0], slack, near=slack),
    )
    if agrees:
        return Witnesses(records, precisions)
    return Witnesses(
        records,
        precisions,
        f"on the same random words the compiled engine measures {values[0]!r} and torch {values[1]!r}: one of them is "
        "wrong, so nothing is claimed",
    )


# -- numbers -----------------------------------------------------------------------------------------------------------


def _engine(name: str, measured: float, says: str, low: float, high: float, slack: float) -> EngineRecord:
    agrees = bool(low - slack <= measured <= high + slack)
    return EngineRecord(engine=name, measured=_finite(measured), says=says, agrees=agrees)


def _precisions(single: float, double: float, low: float, high: float, slack: float) -> tuple[PrecisionRecord, ...]:
    """float32 for the reader, float64 held against the exact value."""
    middle = (low + high) / 2
    near = _NEAR_SINGLE * max(abs(low), abs(high))
    return (
        precision("float32", single, middle, None, near=near),
        precision("float64", double, middle, slack + (high - low) / 2, near=slack),
    )


def _judged(engines: list[EngineRecord], precisions: tuple[PrecisionRecord, ...], low: float, high: float) -> Witnesses:
    wrong = next((r for r in engines if not r.agrees), None)
    if wrong is None:
        return Witnesses(tuple(engines), precisions)
    reason = (
        f"engine {wrong.engine} measures {wrong.measured!r}, exact arithmetic lies between {low!r} and {high!r}: "
        "one of them is wrong, so nothing is claimed"
    )
    return Witnesses(tuple(engines), precisions, reason)


def _has_atoms(problem: Problem) -> bool:
    return isinstance(problem.noise, FiniteLaw) or NOISES[problem.noise.name].atoms is not None


def _few_histories(problem: Problem) -> bool:
    if isinstance(problem.noise, FiniteLaw):
        count = len(problem.noise.atoms)
    else:
        atoms = NOISES[problem.noise.name].atoms or ()
        count = len(atoms) ** (1 if NOISES[problem.noise.name].along else problem.dimension)
    return problem.steps * math.log(max(count, 1)) <= math.log(MOST_HISTORIES)


def _scale(problem: Problem, quantity: Quantity) -> float:
    """The size of the terms that a quantity is a sum or difference of."""
    c = float(problem.clipping_threshold)
    c = c if math.isfinite(c) else 0.0
    if quantity.name in ("Drift", "StuckGradientNorm", "ClipSecondMoment"):
        return c
    reach = max(abs(float(v)) for v in problem.start)
    curvature = max(float(n.get("curvature", 0)) for n in problem.objective.coordinates)
    if quantity in (AverageGradientNorm, MinGradientNorm):
        return max(
            curvature * reach, float(np.abs(evaluate(problem.objective.name, "gradient", *arrays_of(problem))).max())
        )
    height = float(np.abs(evaluate(problem.objective.name, "value", *arrays_of(problem))).sum())
    return curvature * reach**2 + c * reach + height


def _all_steps(problem: Problem, quantity: Quantity) -> list[int] | np.ndarray[Any, np.dtype[np.int64]]:
    return np.arange(problem.steps) if quantity == MinGradientNorm else [0]


def _value(statistics: Any, quantity: Quantity) -> float:
    if not statistics.valid.any():
        return math.nan
    if quantity == MinGradientNorm:
        return float(statistics.mean_gradient_norm[0].min())
    values = statistics.final_gap if quantity == FinalGap else statistics.average_gradient_norm
    return float(np.nanmean(values[0]))


def _finite(value: float) -> float:
    """Records hold no NaN: a value that is not finite is shown as the largest float, and never agrees."""
    return value if math.isfinite(value) else math.copysign(1.7976931348623157e308, 1.0)

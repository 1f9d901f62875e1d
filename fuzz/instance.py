"""An exact problem as the floats that an engine runs."""

from __future__ import annotations

from typing import Any

from fuzz.engine.batch import Batch, Instance
from fuzz.finite import engine_numbers
from fuzz.problem import Family, FiniteLaw, Problem


def batch_of(problem: Problem, **named: Any) -> Batch:
    """The engine's batch of this one problem.

    Args:
        problem: of any algorithm.
        named: ``seed, purpose, instance_ids`` of :class:`Batch`.

    Raises:
        ValueError: as :func:`instance_of`.
    """
    algorithm = problem.algorithm
    return Batch.of([instance_of(problem)], algorithm=algorithm.name, samples=algorithm.samples, **named)


def instance_of(problem: Problem) -> Instance:
    """The engine's instance of a problem; every number is rounded to the nearest float. Algorithm and number of samples
    are a batch's.

    Raises:
        ValueError: for a finite law that no engine runs: too many atoms, or a probability off the lattice.
    """
    noise = problem.noise
    return Instance(
        objective=problem.objective.name,
        objective_parameters=[{n: float(v) for n, v in numbers.items()} for numbers in problem.objective.coordinates],
        x0=[float(v) for v in problem.start],
        step_size=float(problem.step_size),
        clipping_threshold=float(problem.clipping_threshold),
        steps=problem.steps,
        noise=noise.name,
        noise_parameters=engine_numbers(noise) if isinstance(noise, FiniteLaw) else _floats(noise),
        privacy_deviation=float(problem.algorithm.privacy_deviation),
    )


def _floats(family: Family) -> dict[str, list[float]]:
    return {name: [float(numbers[name]) for numbers in family.coordinates] for name in family.coordinates[0]}

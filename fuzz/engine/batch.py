"""What is run: many instances of clipped SGD or a relative of it, of one dimension, as plain arrays."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sympy as sp

from fuzz.engine.philox import stream_keys
from fuzz.engine.printers.numpy_source import numpy_function
from theorems.language.functions import NOISES, OBJECTIVES, PLUS, RADIAL, Noise, Objective, is_radial, profiles
from theorems.language.parameters import Domain

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

ALGORITHMS = ("clipped_sgd", "batch_clipping", "per_sample_clipping", "dp_sgd")
"""What one step subtracts, times the step size; ``g_k = gradient + noise_k``, k = 1, ..., n are the samples.

- ``clipped_sgd``: ``clip(g_1)``, one sample.
- ``batch_clipping``: ``clip(mean_k g_k)``, the usual mini-batch.
- ``per_sample_clipping``: ``mean_k clip(g_k)``.
- ``dp_sgd``: ``mean_k clip(g_k) + z`` with ``z ~ N(0, zeta^2/d I_d)``, hence ``E|z|^2 = zeta^2``: the update of
  Abadi et al. (CCS 2016), in the parametrisation of Koloskova et al. (2023).

With one sample (and ``zeta = 0``) they are all ``clipped_sgd``, bit by bit; ``c = inf`` gives unclipped SGD.
"""

PRIVACY_LAW = "gaussian"
"""The entry of ``functions.NOISES`` that draws z, with ``scale = zeta/sqrt(d)`` in every coordinate."""

MOST_SAMPLES = 4096
"""Bound on samples per step: the compiled engines keep the words of each."""

_LIMIT = 2**32
_PER_INSTANCE = ("step_size", "clipping_threshold", "steps", "instance_ids", "privacy_deviation")


@dataclass(frozen=True)
class Instance:
    """One row of a batch, by name.

    Args:
        objective: family name, or one for each coordinate joined by ``+``; ``objective_parameters`` maps each of its
            numbers to a float or to d floats, or holds such a mapping of floats for each coordinate. Of a radial
            objective, ``radial:`` and the family, it maps each number to a float, or holds one such mapping.
        x0: start, shape [d].
        step_size: eta.
        clipping_threshold: c, or inf for no clipping.
        steps: T.
        noise: family name; ``noise_parameters`` as for the objective.
        privacy_deviation: zeta of ``dp_sgd``, with ``E|z|^2 = zeta^2``; 0 for the other algorithms.
    """

    objective: str
    objective_parameters: Mapping[str, float | Sequence[float]] | Sequence[Mapping[str, float]]
    x0: Sequence[float]
    step_size: float
    clipping_threshold: float
    steps: int
    noise: str = "none"
    noise_parameters: Mapping[str, float | Sequence[float]] = dataclasses.field(default_factory=dict)
    privacy_deviation: float = 0.0


@dataclass(frozen=True, eq=False)
class Batch:
    """Instances of one algorithm with the same dimension d. Arrays are copied and made read-only.

    Args:
        objectives: I family names of ``functions.OBJECTIVES``, or names for each coordinate, joined by ``+``, or a
            name after ``radial:``.
        objective_parameters: float64 [I, P, d], in the order of each ``Objective.parameters``, padded with anything; a
            radial objective reads coordinate 0 alone.
        noises: I family names of ``functions.NOISES``.
        noise_parameters: float64 [I, Q, d]; a law along the gradient reads coordinate 0 alone.
        x0: float64 [I, d], units X.
        step_size: float64 [I], units X^2/F.
        clipping_threshold: float64 [I], units F/X; inf means no clipping.
        steps: int64 [I], may differ.
        instance_ids: int64 [I], global numbers that choose the random stream; equal numbers share their randomness.
        seed: of the campaign.
        purpose: ``"search"``, ``"confirm"`` or another word; a stream of its own for each.
        algorithm: one of :data:`ALGORITHMS`.
        samples: n, samples per step; ``clipped_sgd`` takes one.
        privacy_deviation: float64 [I], zeta of ``dp_sgd``, units F/X; empty means 0, as other algorithms need.

    Raises:
        ValueError: one line with the offending value.
    """

    objectives: tuple[str, ...]
    objective_parameters: Floats
    noises: tuple[str, ...]
    noise_parameters: Floats
    x0: Floats
    step_size: Floats
    clipping_threshold: Floats
    steps: Integers
    instance_ids: Integers
    seed: int = 0
    purpose: str = "search"
    algorithm: str = "clipped_sgd"
    samples: int = 1
    privacy_deviation: Floats = dataclasses.field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise ValueError(f"unknown algorithm {self.algorithm!r}; known: {', '.join(ALGORITHMS)}")
        if type(self.samples) is not int or not 1 <= self.samples <= MOST_SAMPLES:
            raise ValueError(f"samples must be an int between 1 and {MOST_SAMPLES}, not {self.samples!r}")
        if self.algorithm == "clipped_sgd" and self.samples != 1:
            raise ValueError(f"clipped_sgd takes 1 sample per step, not {self.samples!r}")
        if type(self.seed) is not int:
            raise ValueError(f"seed must be an int, not {self.seed!r}")
        if not isinstance(self.purpose, str) or not self.purpose:
            raise ValueError(f"purpose must be a non-empty string, not {self.purpose!r}")
        object.__setattr__(self, "objectives", tuple(self.objectives))
        object.__setattr__(self, "noises", tuple(self.noises))
        self._freeze("x0", np.float64, 2)
        count, dimension = self.x0.shape
        if count == 0 or dimension == 0:
            raise ValueError(f"a batch needs an instance and a coordinate; x0 has shape {self.x0.shape}")
        self._freeze("objective_parameters", np.float64, 3)
        self._freeze("noise_parameters", np.float64, 3)
        for name, kind in (
            ("step_size", np.float64),
            ("clipping_threshold", np.float64),
            ("steps", np.int64),
            ("instance_ids", np.int64),
        ):
            self._freeze(name, kind, 1)
        if np.size(self.privacy_deviation) == 0:
            object.__setattr__(self, "privacy_deviation", np.zeros(count))
        self._freeze("privacy_deviation", np.float64, 1)
        for name in ("objectives", "noises", *_PER_INSTANCE):
            if len(getattr(self, name)) != count:
                raise ValueError(f"{name} has {len(getattr(self, name))} entries for {count} instances")
        for name in ("objective_parameters", "noise_parameters"):
            shape = getattr(self, name).shape
            if shape[0] != count or shape[2] != dimension:
                raise ValueError(f"{name} has shape {shape}; x0 asks for [{count}, *, {dimension}]")
        self._check("x0", np.isfinite(self.x0), "finite")
        self._check("step_size", np.isfinite(self.step_size) & (self.step_size > 0), "positive and finite")
        self._check("clipping_threshold", self.clipping_threshold > 0, "positive (inf for no clipping)")
        zeta = self.privacy_deviation
        self._check("privacy_deviation", np.isfinite(zeta) & (zeta >= 0), "nonnegative and finite")
        if self.algorithm != "dp_sgd":
            self._check("privacy_deviation", zeta == 0, f"0 for {self.algorithm}")
        self._check("steps", self.steps >= 1, "at least 1")
        self._check("steps", self.steps * dimension < 4 * _LIMIT, "such that steps * d < 2^34")
        self._check_objectives()
        self._check_families("noise", self.noises, self.noise_parameters, NOISES)
        for row, name in enumerate(self.noises):
            if NOISES[name].oracle and not np.isfinite(self.clipping_threshold[row]):
                raise ValueError(f"instance {row}: noise {name!r} needs a finite clipping_threshold, not inf")

    @staticmethod
    def of(
        instances: Sequence[Instance],
        *,
        seed: int = 0,
        purpose: str = "search",
        instance_ids: Sequence[int] | None = None,
        algorithm: str = "clipped_sgd",
        samples: int = 1,
    ) -> Batch:
        """Build the arrays; ids are 0, 1, ... unless given.

        Raises:
            ValueError: as the constructor; also for a number that is missing or that the family does not have.
        """
        if not instances:
            raise ValueError("a batch needs an instance, not 0")
        dimension = len(instances[0].x0)
        for row, instance in enumerate(instances):
            if len(instance.x0) != dimension:
                raise ValueError(f"instance {row}: x0 has {len(instance.x0)} coordinates, instance 0 has {dimension}")
        return Batch(
            objectives=tuple(i.objective for i in instances),
            objective_parameters=_objective_array(instances, dimension),
            noises=tuple(i.noise for i in instances),
            noise_parameters=_parameter_array(
                "noise", [(i.noise, i.noise_parameters) for i in instances], NOISES, dimension
            ),
            x0=np.array([i.x0 for i in instances], np.float64),
            step_size=np.array([i.step_size for i in instances], np.float64),
            clipping_threshold=np.array([i.clipping_threshold for i in instances], np.float64),
            steps=np.array([i.steps for i in instances]),
            instance_ids=np.arange(len(instances)) if instance_ids is None else np.array(instance_ids),
            seed=seed,
            purpose=purpose,
            algorithm=algorithm,
            samples=samples,
            privacy_deviation=np.array([i.privacy_deviation for i in instances], np.float64),
        )

    def __len__(self) -> int:
        return len(self.objectives)

    @property
    def dimension(self) -> int:
        """The dimension d."""
        return int(self.x0.shape[1])

    def take(self, rows: Sequence[int]) -> Batch:
        """The instances ``rows`` alone; their ids, hence their trajectories, stay."""
        index = list(rows)
        return dataclasses.replace(
            self,
            objectives=tuple(self.objectives[i] for i in index),
            noises=tuple(self.noises[i] for i in index),
            **{
                name: getattr(self, name)[index]
                for name in ("objective_parameters", "noise_parameters", "x0", *_PER_INSTANCE)
            },
        )

    def privacy_scale(self) -> Floats:
        """Standard deviation of each coordinate of z, ``zeta/sqrt(d)``, [I]."""
        return self.privacy_deviation / math.sqrt(self.dimension)

    def keys(self) -> npt.NDArray[np.uint32]:
        """The Philox key of each instance, [I, 2]."""
        return stream_keys(self.seed, self.instance_ids.tolist(), self.purpose)

    def _freeze(self, name: str, kind: type[np.generic], axes: int) -> None:
        given = np.asarray(getattr(self, name))
        if kind is np.int64 and given.dtype.kind not in "iu":
            raise ValueError(f"{name} must hold integers, not {given.dtype}")
        try:
            array = np.array(given, dtype=kind, order="C")
        except (TypeError, ValueError):
            raise ValueError(f"{name} must hold numbers, not {given.dtype}") from None
        if array.ndim != axes:
            raise ValueError(f"{name} must have {axes} axes, not shape {array.shape}")
        array.flags.writeable = False
        object.__setattr__(self, name, array)

    def _check(self, name: str, good: npt.NDArray[np.bool_], wanted: str) -> None:
        if not good.all():
            where = tuple(np.argwhere(~good)[0])
            raise ValueError(f"instance {where[0]}: {name} must be {wanted}, not {getattr(self, name)[where]}")

    def _check_objectives(self) -> None:
        """Those of one family together; of the others each coordinate on its own, of radial ones the first."""
        single = [i for i, name in enumerate(self.objectives) if PLUS not in name and not is_radial(name)]
        names = tuple(self.objectives[i] for i in single)
        self._check_families("objective", names, self.objective_parameters[single], OBJECTIVES, single)
        for name in dict.fromkeys(self.objectives):
            if PLUS in name or is_radial(name):
                rows = [i for i, other in enumerate(self.objectives) if other == name]
                for j, profile in enumerate(profiles(name, self.dimension)):
                    numbers = self.objective_parameters[rows][:, :, j : j + 1]
                    self._check_families("objective", (profile.name,) * len(rows), numbers, OBJECTIVES, rows)

    def _check_families(
        self,
        what: str,
        names: tuple[str, ...],
        numbers: Floats,
        registry: Mapping[str, Objective] | Mapping[str, Noise],
        numbered: Sequence[int] | None = None,
    ) -> None:
        """Hold numbers [N, P, *] against their families; row k is instance ``numbered[k]``, or k."""
        numbered = range(len(names)) if numbered is None else numbered
        for name in dict.fromkeys(names):
            family = _family(what, name, registry)
            rows = [i for i, other in enumerate(names) if other == name]
            if numbers.shape[1] < len(family.parameters):
                raise ValueError(f"{what} {name!r} has {len(family.parameters)} numbers, {numbers.shape[1]} are given")
            values = [numbers[rows, k] for k in range(len(family.parameters))]
            for parameter, value in zip(family.parameters, values, strict=True):
                good = np.isfinite(value)
                if parameter.domain is not Domain.REAL:
                    good &= value >= 0 if parameter.domain is Domain.NONNEGATIVE else value > 0
                if not good.all():
                    row, _ = where = tuple(np.argwhere(~good)[0])
                    raise ValueError(
                        f"instance {numbered[rows[row]]}: {what} {name!r}: {parameter.name} must be finite and "
                        f"{parameter.domain.value}, not {value[where]}"
                    )
            for condition in family.requires:
                # Branches that are not taken may divide by zero.
                with np.errstate(all="ignore"):
                    holds = np.asarray(numpy_function(condition, family.parameters)(*values))
                if not holds.all():
                    row, axis = tuple(np.argwhere(~holds)[0])
                    shown = ", ".join(
                        f"{p.name} = {v[row, axis]}" for p, v in zip(family.parameters, values, strict=True)
                    )
                    place = f"instance {numbered[rows[row]]}: {what} {name!r}"
                    raise ValueError(f"{place} needs {sp.sstr(condition)}, not {shown}")


def _family(what: str, name: str, registry: Mapping[str, Any]) -> Any:
    if name not in registry:
        raise ValueError(f"unknown {what} {name!r}; known: {', '.join(sorted(registry))}")
    return registry[name]


def _objective_array(instances: Sequence[Instance], dimension: int) -> Floats:
    """Numbers [I, P, d]; an objective with a family for each coordinate gives a mapping for each."""
    whole = [_radial_numbers(i.objective, i.objective_parameters) for i in instances]
    if all(isinstance(numbers, Mapping) for _, numbers in whole):
        return _parameter_array("objective", whole, OBJECTIVES, dimension)  # type: ignore[arg-type]
    most = max(len(p.parameters) for name, _ in whole for p in profiles(name, dimension))
    result = np.zeros((len(instances), most, dimension))
    for row, (name, numbers) in enumerate(whole):
        if isinstance(numbers, Mapping):
            found = _parameter_array("objective", [(name, numbers)], OBJECTIVES, dimension)
            result[row, : found.shape[1]] = found[0]
            continue
        for j, (profile, mine) in enumerate(zip(profiles(name, dimension), numbers, strict=True)):
            found = _parameter_array("objective", [(profile.name, mine)], OBJECTIVES, 1)
            result[row, : found.shape[1], j] = found[0, :, 0]
    return result


def _radial_numbers(
    name: str, numbers: Mapping[str, float | Sequence[float]] | Sequence[Mapping[str, float]]
) -> tuple[str, Mapping[str, float | Sequence[float]] | Sequence[Mapping[str, float]]]:
    """As they are, but of a radial objective its family and one number for each name."""
    if not is_radial(name):
        return name, numbers
    profiles(name, 1)
    if not isinstance(numbers, Mapping):
        if len(numbers) != 1:
            raise ValueError(f"objective {name!r} has the numbers of one profile, not of {len(numbers)}")
        numbers = numbers[0]
    if any(np.ndim(value) for value in numbers.values()):
        raise ValueError(f"objective {name!r} has one number of each kind, not {dict(numbers)}")
    return name.removeprefix(RADIAL), numbers


def _parameter_array(
    what: str,
    rows: Sequence[tuple[str, Mapping[str, float | Sequence[float]]]],
    registry: Mapping[str, Any],
    dimension: int,
) -> Floats:
    families = [_family(what, name, registry) for name, _ in rows]
    result = np.zeros((len(rows), max(len(f.parameters) for f in families), dimension))
    for row, (family, (name, numbers)) in enumerate(zip(families, rows, strict=True)):
        wanted = [p.name for p in family.parameters]
        if set(numbers) != set(wanted):
            raise ValueError(f"instance {row}: {what} {name!r} needs the numbers {wanted}, not {sorted(numbers)}")
        for k, parameter in enumerate(wanted):
            try:
                result[row, k] = np.asarray(numbers[parameter], np.float64)
            except (TypeError, ValueError):
                raise ValueError(
                    f"instance {row}: {what} {name!r}: {parameter} must be a number or {dimension} numbers, "
                    f"not {numbers[parameter]!r}"
                ) from None
    return result

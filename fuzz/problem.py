"""A problem: objective, noise law, start and algorithm, all numbers exact (rational, or with square roots).

**Rotations.** Objectives are sums over coordinates; rotated ones are not missing. Let Q be orthogonal and
``h(x) = f(Q x)``. Then ``grad h(x) = Q' grad f(Q x)``, and clipping commutes with Q': ``clip_c(Q' g) = Q' clip_c(g)``,
as ``|Q' g| = |g|``. So a step of h from x with noise ``xi`` and one of f from ``y = Q x`` with noise ``Q xi`` agree:

    ``Q (x - eta clip_c(grad h(x) + xi)) = y - eta clip_c(grad f(y) + Q xi)``.

The same holds for means of clipped samples and for clipped means. F0, R0, gradient norms, gaps, the drift, the variance
of the noise and all classes of functions are the same too: a rotated objective with noise ``xi`` is this objective with
noise ``Q xi``, hence a copy if the law of ``xi`` is invariant (a normal law of equal scales, an oracle along the
gradient), and else an objective of this form with a rotated law: a finite law whose atoms are rotated, say.

**Radial objectives** ``phi(|x|)`` are named ``radial:`` and the family of phi, and have the numbers of one profile.
Without noise, or with noise along the gradient, they stay on the line through start and origin, where they are phi.
They commute with every rotation, so only the noise can tell one direction from another.

**Algorithms.** Plain clipped SGD unless :class:`Algorithm` says otherwise; :mod:`fuzz.reduction` says which of the
others are plain clipped SGD with another noise.

The same object is searched over, run by the engines, re-checked exactly, printed in a report and stored as JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import sympy as sp

from fuzz.engine.batch import ALGORITHMS, MOST_SAMPLES
from theorems.language.functions import NOISES, Noise, Objective, is_radial, profiles
from theorems.language.walk import parse_exact, show_exact

# An exact real number, a SymPy expression without letters. SymPy is untyped, so a checker sees Any;
# :func:`_exact` is what guards it.
Exact: TypeAlias = Any


def _exact(value: object, what: str) -> Exact:
    number = sp.sympify(value)
    if number.atoms(sp.Float) or not number.is_number or not number.is_extended_real:
        raise ValueError(f"{what} must be an exact real number, not {value!r}")
    return number


@dataclass(frozen=True)
class Family:
    """A named formula of ``theorems.language.functions`` with exact numbers, one mapping for each coordinate.

    An objective whose coordinates have different families is named by all of them: ``"quadratic+huber"``. A radial
    one, ``"radial:huber"``, has one mapping, whatever the dimension.
    """

    name: str
    coordinates: tuple[Mapping[str, Exact], ...]

    @property
    def profiles(self) -> Iterator[tuple[Objective, Mapping[str, Exact]]]:
        """For an objective: the profile of each coordinate with its numbers; of a radial one the profile of ``|x|``."""
        return zip(profiles(self.name, len(self.coordinates)), self.coordinates, strict=True)

    @property
    def radial(self) -> bool:
        """Whether it is an objective that depends on ``|x|`` alone."""
        return is_radial(self.name)

    def _check(self, formulas: tuple[Objective | Noise, ...], what: str) -> None:
        for formula, numbers in zip(formulas, self.coordinates, strict=True):
            wanted = {s.name for s in formula.parameters}
            if set(numbers) != wanted:
                raise ValueError(f"{what} {formula.name!r} needs the numbers {sorted(wanted)}, not {sorted(numbers)}")
            for name, value in numbers.items():
                _exact(value, f"{what} {formula.name!r}: {name}")


@dataclass(frozen=True)
class FiniteLaw:
    """A noise with finitely many atoms ``(probability, vector)``, the same at every point; exact moments."""

    atoms: tuple[tuple[Exact, tuple[Exact, ...]], ...]

    name = "finite"

    def __post_init__(self) -> None:
        if not self.atoms:
            raise ValueError("a finite law needs at least one atom")
        for probability, vector in self.atoms:
            if not _exact(probability, "a probability").is_nonnegative:
                raise ValueError(f"a probability must be >= 0, not {probability}")
            for entry in vector:
                _exact(entry, "an atom's coordinate")
        total = sp.nsimplify(sum(p for p, _ in self.atoms))
        if total != 1:
            raise ValueError(f"probabilities must sum to 1, not {total}")

    @cached_property
    def mean(self) -> tuple[Exact, ...]:
        """The exact mean, shape [d]."""
        return tuple(sp.expand(sum(p * v[i] for p, v in self.atoms)) for i in range(len(self.atoms[0][1])))

    @cached_property
    def second_moment(self) -> Exact:
        """The exact ``E|noise|^2``."""
        return sp.expand(sum(p * sum(entry**2 for entry in v) for p, v in self.atoms))


@dataclass(frozen=True)
class Algorithm:
    """What one step subtracts, times the step size; see :data:`fuzz.engine.batch.ALGORITHMS`.

    Args:
        name: ``clipped_sgd``, ``batch_clipping``, ``per_sample_clipping`` or ``dp_sgd``.
        samples: n, independent samples of the noise in a step.
        privacy_deviation: zeta of ``dp_sgd``, exact, with ``E|z|^2 <= zeta^2`` for the noise z that it adds.

    Raises:
        ValueError: one line with the offending value.
    """

    name: str = "clipped_sgd"
    samples: int = 1
    privacy_deviation: Exact = sp.S.Zero

    def __post_init__(self) -> None:
        if self.name not in ALGORITHMS:
            raise ValueError(f"unknown algorithm {self.name!r}; known: {', '.join(ALGORITHMS)}")
        if type(self.samples) is not int or not 1 <= self.samples <= MOST_SAMPLES:
            raise ValueError(f"samples must be an integer between 1 and {MOST_SAMPLES}, not {self.samples!r}")
        if self.name == "clipped_sgd" and self.samples != 1:
            raise ValueError(f"clipped_sgd takes one sample in a step, not {self.samples}")
        deviation = _exact(self.privacy_deviation, "privacy_deviation")
        if not deviation.is_nonnegative or deviation == sp.oo:
            raise ValueError(f"privacy_deviation must be finite and >= 0, not {deviation}")
        if self.name != "dp_sgd" and deviation != 0:
            raise ValueError(f"{self.name} adds no noise of its own: privacy_deviation must be 0, not {deviation}")

    @property
    def words(self) -> str:
        """What it is, for a reader."""
        many = "one sample" if self.samples == 1 else f"{self.samples} samples"
        if self.name == "batch_clipping":
            return f"the mean of {many} is clipped"
        what = f"mean of {many}, each clipped" if self.samples > 1 else "one sample, clipped"
        if self.privacy_deviation != 0:
            return f"{what}, plus normal noise z with E|z|^2 = ({show_exact(self.privacy_deviation)})^2"
        return what


PLAIN = Algorithm()
"""Clipped SGD."""


@dataclass(frozen=True)
class Problem:
    """One instance of clipped SGD: ``x' = x - eta clip_c(grad f(x) + noise)`` from ``start`` for ``steps`` steps, or of
    another ``algorithm``.

    The objective is a sum over coordinates of a profile of each, or a profile of ``|x|`` (``radial:`` in its name),
    with minimum value 0 at the origin. A one-step
    claim is about the point ``start``.

    Raises:
        ValueError: one line naming the number that is wrong.
    """

    objective: Family
    noise: Family | FiniteLaw
    start: tuple[Exact, ...]
    step_size: Exact
    clipping_threshold: Exact
    steps: int
    tags: frozenset[str] = field(default_factory=frozenset)
    algorithm: Algorithm = PLAIN

    def __post_init__(self) -> None:
        if self.objective.radial and len(self.objective.coordinates) != 1:
            count = len(self.objective.coordinates)
            raise ValueError(f"objective {self.objective.name!r} has the numbers of one profile, not of {count}")
        self.objective._check(profiles(self.objective.name, len(self.objective.coordinates)), "objective")
        if isinstance(self.noise, Family):
            if self.noise.name == FiniteLaw.name:
                raise ValueError("noise 'finite' is written as its atoms, not by the numbers of an engine")
            if self.noise.name not in NOISES:
                raise ValueError(f"unknown noise {self.noise.name!r}; known: {', '.join(sorted(NOISES))}")
            self.noise._check((NOISES[self.noise.name],) * len(self.noise.coordinates), "noise")
        if not self.start:
            raise ValueError("the start needs at least one coordinate")
        widths = [] if self.objective.radial else [("objective", len(self.objective.coordinates))]
        if isinstance(self.noise, Family):
            widths.append(("noise", len(self.noise.coordinates)))
        else:
            widths += [("a noise atom", len(vector)) for _, vector in self.noise.atoms]
        for what, width in widths:
            if width != self.dimension:
                raise ValueError(f"{what} has {width} coordinates, the start has {self.dimension}")
        for entry in self.start:
            _exact(entry, "start")
        if not _exact(self.step_size, "step_size").is_positive or self.step_size == sp.oo:
            raise ValueError(f"step_size must be positive and finite, not {self.step_size}")
        if not _exact(self.clipping_threshold, "clipping_threshold").is_extended_positive:
            raise ValueError(f"clipping_threshold must be positive, not {self.clipping_threshold}")
        if type(self.steps) is not int or self.steps < 1:
            raise ValueError(f"steps must be a positive integer, not {self.steps!r}")

    @property
    def dimension(self) -> int:
        """The dimension d."""
        return len(self.start)

    @property
    def oracle(self) -> bool:
        """Whether the noise is built from the worst drift at the current point."""
        return isinstance(self.noise, Family) and NOISES[self.noise.name].oracle

    @property
    def depends_on_state(self) -> bool:
        """Whether the noise has another law at another point."""
        return isinstance(self.noise, Family) and NOISES[self.noise.name].depends_on_state

    @property
    def deterministic(self) -> bool:
        """Whether there is no randomness: exact gradients, and no noise that the algorithm adds."""
        return self.exact_gradients and self.algorithm.privacy_deviation == 0

    @property
    def exact_gradients(self) -> bool:
        """Whether gradients have no noise."""
        return isinstance(self.noise, Family) and self.noise.name == "none"

    def to_json(self) -> dict[str, Any]:
        """Exact numbers as text; :meth:`from_json` reads it back."""

        def numbers(coordinates: tuple[Mapping[str, Exact], ...]) -> list[dict[str, str]]:
            return [{k: show_exact(v) for k, v in sorted(c.items())} for c in coordinates]

        noise: dict[str, Any]
        if isinstance(self.noise, FiniteLaw):
            noise = {
                "family": "finite",
                "atoms": [[show_exact(p), [show_exact(e) for e in v]] for p, v in self.noise.atoms],
            }
        else:
            noise = {"family": self.noise.name, "coordinates": numbers(self.noise.coordinates)}
        found: dict[str, Any] = {
            "objective": {"family": self.objective.name, "coordinates": numbers(self.objective.coordinates)},
            "noise": noise,
            "start": [show_exact(e) for e in self.start],
            "step_size": show_exact(self.step_size),
            "clipping_threshold": show_exact(self.clipping_threshold),
            "steps": self.steps,
            "tags": sorted(self.tags),
        }
        if self.algorithm != PLAIN:
            found["algorithm"] = {
                "name": self.algorithm.name,
                "samples": self.algorithm.samples,
                "privacy_deviation": show_exact(self.algorithm.privacy_deviation),
            }
        return found

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Problem:
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: one line, for anything that is missing or malformed.
        """

        def coordinates(entries: Any) -> tuple[dict[str, Exact], ...]:
            return tuple({str(k): parse_exact(v) for k, v in c.items()} for c in entries)

        try:
            noise = data["noise"]
            law: Family | FiniteLaw
            if noise["family"] == "finite":
                law = FiniteLaw(tuple((parse_exact(p), tuple(map(parse_exact, v))) for p, v in noise["atoms"]))
            else:
                law = Family(str(noise["family"]), coordinates(noise["coordinates"]))
            return Problem(
                objective=Family(str(data["objective"]["family"]), coordinates(data["objective"]["coordinates"])),
                noise=law,
                start=tuple(map(parse_exact, data["start"])),
                step_size=parse_exact(data["step_size"]),
                clipping_threshold=parse_exact(data["clipping_threshold"]),
                steps=data["steps"],
                tags=frozenset(map(str, data.get("tags", ()))),
                algorithm=_algorithm(data.get("algorithm")),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a problem: {type(error).__name__} at {error}") from None


def _algorithm(data: Any) -> Algorithm:
    if data is None:
        return PLAIN
    return Algorithm(str(data["name"]), data["samples"], parse_exact(data["privacy_deviation"]))

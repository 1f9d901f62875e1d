"""A theorem read as functions of float arrays: its conditions, its score, and the letters that a problem settles.

Used to steer a search over thousands of problems; what a search returns is bound and judged again in exact numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, reduce

import numpy as np
import numpy.typing as npt
import sympy as sp
from sympy.logic.boolalg import BooleanAtom, BooleanFunction

from fuzz.engine.printers.numpy_source import numpy_function
from theorems.language.assumptions import (
    GS,
    HS,
    PL,
    BatchClipping,
    BoundedVariance,
    Convex,
    ExactGradients,
    PerSampleClipping,
    PrivacyNoise,
    Symmetric,
    algorithm,
)
from theorems.language.parameters import Domain, Parameter
from theorems.language.quantities import (
    Adversary,
    AverageGradientNorm,
    ClipSecondMoment,
    Drift,
    FinalGap,
    MinGradientNorm,
    NextGradientNorm,
    Scope,
    StepChange,
    StuckGradientNorm,
)
from theorems.language.theorem import Theorem

Floats = npt.NDArray[np.float64]
Letters = dict[str, Floats]
"""Values by the name of a letter, arrays that broadcast together."""

MEASURED = (
    AverageGradientNorm,
    MinGradientNorm,
    FinalGap,
    Drift,
    StuckGradientNorm,
    StepChange,
    ClipSecondMoment,
    NextGradientNorm,
)
"""The quantities that engines measure."""

PROBLEM_LETTERS = ("eta", "c", "T", "F0", "R0", "m")
"""Letters that objective, start and algorithm settle."""


def out_of_reach(theorem: Theorem) -> str:
    """Why no engine runs what a theorem speaks of; empty if one does."""
    quantity = theorem.claim.quantity
    if quantity not in MEASURED:
        return f"No engine here measures {quantity}"
    name, samples = algorithm_of(theorem)
    if not isinstance(samples, sp.Integer | Parameter):
        return f"No engine here reads the number of samples off {samples}"
    moves = quantity in (StepChange, NextGradientNorm)
    clipped_apart = name in ("per_sample_clipping", "dp_sgd") and samples != 1
    if (
        quantity.scope is Scope.ONE_STEP
        and (clipped_apart or name == "dp_sgd")
        and (moves or (clipped_apart and quantity == ClipSecondMoment))
    ):
        return f"No engine here measures {quantity} of the algorithm {', '.join(map(str, algorithm(theorem.given)))}"
    return ""


def algorithm_of(theorem: Theorem) -> tuple[str, sp.Expr]:
    """The engine's name for the algorithm that a theorem speaks of, and its number of samples: a letter, say."""
    name, samples = "clipped_sgd", sp.Integer(1)
    for assumption in theorem.given:
        if isinstance(assumption, BatchClipping | PerSampleClipping):
            name = "batch_clipping" if isinstance(assumption, BatchClipping) else "per_sample_clipping"
            samples = theorem.expand(sp.sympify(assumption.n))
    # Added noise without a word of samples is added to one clipped sample.
    return "dp_sgd" if theorem.has(PrivacyNoise) else name, samples


class Reading:
    """One theorem, for arrays.

    Args:
        theorem: the statement.
        also: further conditions, which narrow what is searched; what is found there speaks about the statement itself.

    Attributes:
        free: parameters that no problem settles (a letter that only a condition or a bound mentions).
        conditions: all that ``when`` and ``also`` say.
        exact_gradients, convex, symmetric: which of these is assumed.
        curvature_like: whether a smoothness class is assumed, and ``needs_strong`` whether PL is.
        algorithm, samples: the engine's name for it, and the number of samples: an integer or a letter.

    Raises:
        ValueError: one line, if an assumption's argument cannot be solved for a letter.
    """

    def __init__(self, theorem: Theorem, also: tuple[sp.Basic, ...] = ()) -> None:
        self.theorem = theorem
        self.quantity = theorem.claim.quantity
        self.maximised = self.quantity.adversary is Adversary.MAXIMISES
        self.exact_gradients = theorem.has(ExactGradients)
        self.noisy = theorem.has(BoundedVariance)
        self.convex = theorem.has(Convex)
        self.symmetric = theorem.has(Symmetric)
        self.needs_strong = theorem.has(PL)
        self.smoothness = theorem.smoothness
        self.plainly_smooth = any(isinstance(a, GS | HS) and a.L1 == 0 for a in theorem.given)
        self._solved: list[tuple[str, Parameter, Callable[..., Floats], tuple[sp.Symbol, ...]]] = []
        self._caps: list[tuple[str, sp.Expr]] = []
        self.algorithm, self.samples = algorithm_of(theorem)
        settled = {*PROBLEM_LETTERS, *(str(s.name) for s in self.samples.free_symbols)}
        for about, expression in self._arguments():
            self._read_argument(about, theorem.expand(sp.sympify(expression)), settled)
        self.free = tuple(p for p in theorem.parameters if p.name not in settled)
        self.sigma_letter = next((p for about, p, *_ in self._solved if about == "deviation"), None)
        # Whether it is the noise level itself, or a multiple: no other letter has a part in it.
        self.plain_noise = any(
            about == "deviation" and {str(s.name) for s in symbols} <= {"tight", "c"}
            for about, _, _, symbols in self._solved
        )
        self.privacy_letter = next((p for about, p, *_ in self._solved if about == "privacy"), None)
        self.slack_letter = next((p for about, p, *_ in self._solved if about == "L1"), None)
        self._bound = _function(theorem.bound)
        self._origin = _function(self.quantity.origin)
        self.conditions = (*theorem.conditions, *also)
        self._conditions = [
            (frozenset(str(s.name) for s in condition.free_symbols), _function(condition), _gap(condition))
            for condition in self.conditions
        ]

    def _arguments(self) -> list[tuple[str, sp.Expr]]:
        found: list[tuple[str, sp.Expr]] = []
        for assumption in self.theorem.given:
            if isinstance(assumption, GS | HS):
                pair = [("L1", assumption.L1), ("L0", assumption.L0)]
                # An L1 that is a formula is settled by its letters; a letter L1 is the room that a search has.
                free = self.theorem.expand(sp.sympify(assumption.L1))
                found += pair if free == 0 or isinstance(free, Parameter) else pair[::-1]
            elif isinstance(assumption, PL):
                found.append(("strong", assumption.mu))
            elif isinstance(assumption, BoundedVariance):
                found.append(("deviation", assumption.sigma))
            elif isinstance(assumption, PrivacyNoise):
                found.append(("privacy", assumption.zeta))
        return found

    def _read_argument(self, about: str, expression: sp.Expr, settled: set[str]) -> None:
        letters = sorted((s for s in expression.free_symbols if s.name not in settled), key=lambda s: str(s.name))
        if not letters:
            if about != "L1" or expression != 0:
                self._caps.append((about, expression))
            return
        letter, tight = letters[0], sp.Symbol("tight", nonnegative=True)
        solutions = [tight] if expression == letter else sp.solve(sp.Eq(expression, tight), letter)
        if len(solutions) != 1:
            raise ValueError(f"theorem {self.theorem.name!r}: cannot solve {expression} for {letter} in 'given'")
        symbols = tuple(sorted(solutions[0].free_symbols, key=str))
        self._solved.append((about, letter, numpy_function(solutions[0], symbols), symbols))
        settled.add(str(letter.name))

    @cached_property
    def cases(self) -> tuple[Reading, ...]:
        """The statement with each case of its bound as one more condition; none for a bound without cases.

        A bound that is false inside a narrow band alone is tight or true elsewhere, where a search would stay.
        """
        found: list[sp.Basic] = []
        for piecewise in sorted(self.theorem.bound.atoms(sp.Piecewise), key=str):
            before: list[sp.Basic] = []
            for _, condition in piecewise.args:
                found.append(sp.And(condition, *(sp.Not(other) for other in before)))
                before.append(condition)
        return tuple(Reading(self.theorem, (case,)) for case in dict.fromkeys(found) if case not in (True, False))

    def fill(self, letters: Letters, tight: Mapping[str, Floats], samples: int = 1) -> Letters:
        """``letters`` with those that assumptions settle, each as tight as the problem allows.

        Args:
            letters: values of problem letters and free parameters.
            tight: the problem's ``L0``, ``L1``, ``strong``, ``deviation`` and ``privacy`` (0 if absent).
            samples: of a step.
        """
        tight = {"privacy": np.zeros(()), **tight}
        known: Letters = {"L0": np.asarray(tight["L0"]), "L1": np.asarray(tight["L1"]), **letters}
        known |= {str(s.name): np.asarray(float(samples)) for s in self.samples.free_symbols}
        for about, letter, solve, symbols in self._solved:
            known["tight"] = np.asarray(tight[about])
            known[str(letter.name)] = np.asarray(solve(*(known[str(s.name)] for s in symbols)), np.float64)
        for about, expression in self._caps:
            # A constant argument is a hypothesis about the problem itself.
            known[f"{about} cap"] = np.asarray(_function(expression)(known) - tight[about], np.float64)
        known.pop("tight", None)
        return known

    def conditions_hold(self, letters: Letters, about: str = "", alone: bool = False) -> npt.NDArray[np.bool_]:
        """Whether all of ``when`` holds, or all that speaks of the letter ``about`` (and of none but c beside it);
        shape of the broadcast letters. Undefined values count as failing."""
        good: npt.NDArray[np.bool_] = np.asarray(True)
        with np.errstate(all="ignore"):
            for function, _ in self._about(about, alone):
                good = good & np.asarray(function(letters), bool)
            for name in letters:
                if name.endswith(" cap"):
                    good = good & (letters[name] >= 0)
        return good

    def shortfall(self, letters: Letters, about: str = "", alone: bool = False) -> Floats:
        """How far the conditions are from holding, or those that speak of the letter ``about`` (and of none but c
        beside it): the sum of relative gaps, 0 where all hold; undefined counts 1.

        A search that sees only whether a narrow condition holds is blind outside it.
        """
        total: Floats = np.zeros(())
        with np.errstate(all="ignore"):
            for _, gap in self._about(about, alone):
                short = gap(letters)
                total = total + np.where(np.isfinite(short), short, 1.0)
        return np.asarray(total)

    def alone(self, name: str) -> list[sp.Basic]:
        """The conditions that speak of this letter, and of none but c beside it."""
        found = zip(self.conditions, self._conditions, strict=True)
        return [condition for condition, (names, *_) in found if name in names and names <= {name, "c"}]

    def _about(self, name: str, alone: bool) -> list[tuple[Callable[[Letters], Floats], Callable[[Letters], Floats]]]:
        """Conditions on a letter, or all if none is named: whether they hold, and by how much they fail."""
        return [
            (holds, gap)
            for names, holds, gap in self._conditions
            if not name or (name in names and (not alone or names <= {name, "c"}))
        ]

    def mentions(self, name: str) -> bool:
        """Whether a condition depends on this letter."""
        return any(name in names for names, *_ in self._conditions)

    def bound(self, letters: Letters) -> Floats:
        """The claim's bound."""
        with np.errstate(all="ignore"):
            return np.asarray(self._bound(letters), np.float64)

    def score(self, letters: Letters, measured: Floats) -> Floats:
        """``(measured - lo)/(bound - lo)``, mirrored for minimised quantities; above 1 is a violation.

        -inf where it is not a number; a bound on the wrong side of ``lo`` is beaten by any value: 1e6 there.
        """
        with np.errstate(all="ignore"):
            low, bound = np.asarray(self._origin(letters), np.float64), self.bound(letters)
            sign = 1.0 if self.maximised else -1.0
            room, excess = sign * (bound - low), sign * (measured - bound)
            rounding = 32 * np.finfo(np.float64).eps * (np.abs(low) + np.abs(bound) + np.abs(measured))
            # Rounding is held against the claim's failing, so that an equality does not look like a violation.
            excess = np.where(excess > 0, np.maximum(excess - rounding, 0.0), excess)
            result = np.where(room > rounding, 1.0 + excess / room, np.where(excess > 0, 1e6, -np.inf))
        return np.where(np.isfinite(result), result, -np.inf)


def domain_range(parameter: Parameter) -> tuple[float, float]:
    """Where a free parameter is searched: six decades around 1, mirrored nowhere (letters of papers are positive)."""
    return (1.0, 1e4) if parameter.domain is Domain.POSITIVE_INTEGER else (1e-3, 1e3)


def _gap(condition: sp.Basic) -> Callable[[Letters], Floats]:
    """The relative amount in [0, 1] by which an inequality fails, summed over "and", the least of "or"; for other
    conditions 1 where they fail."""
    if isinstance(condition, BooleanFunction):
        condition = condition.to_nnf()
    if isinstance(condition, sp.And | sp.Or):
        parts = [_gap(part) for part in condition.args]
        together = np.add if isinstance(condition, sp.And) else np.minimum
        return lambda letters: np.asarray(reduce(together, (part(letters) for part in parts)))
    if isinstance(condition, sp.Le | sp.Lt | sp.Ge | sp.Gt):
        low, high = _function(condition.lts), _function(condition.gts)

        def gap(letters: Letters) -> Floats:
            less, more = np.asarray(low(letters), np.float64), np.asarray(high(letters), np.float64)
            return np.asarray(np.maximum(less - more, 0.0) / (np.abs(less) + np.abs(more)))

        return gap
    holds = _function(condition)
    return lambda letters: np.where(np.asarray(holds(letters), bool), 0.0, 1.0)


def _function(expression: sp.Basic) -> Callable[[Letters], Floats]:
    if isinstance(expression, BooleanFunction):
        expression = expression.to_nnf()  # implications and negations become what the printer knows
    symbols = tuple(sorted(expression.free_symbols, key=str))
    if isinstance(expression, BooleanAtom):
        truth = bool(expression)
        return lambda letters: np.asarray(truth)
    formula = numpy_function(expression, symbols)
    names = [str(s.name) for s in symbols]
    return lambda letters: formula(*(letters[name] for name in names))

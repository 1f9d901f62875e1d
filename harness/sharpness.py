"""How far each numeric condition of a theorem can be relaxed before its proof breaks, and the model that breaks it.

A condition ``small <= big`` is relaxed to ``small <= k big``, ``k >= 1``: a ``theta <= 1`` to ``theta <= k``, a
``sigma >= 2 c`` to ``sigma >= 2 c/k``. The factor is bisected over rationals: ``holds`` is the largest for which both
solvers show every obligation, ``breaks`` one just beyond; the obligation that fails there is told with a countermodel
in exact numbers, if there is one. Conditions of ``when`` are asked about, and those under which a rule takes
expectations (S1's ``y >= 3 c``). That a proof breaks says nothing of the conclusion.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy as sp
from sympy.core.relational import Relational

from harness.progress import Progress
from harness.prove.check import model_shown
from harness.prove.encode import Query
from harness.prove.scan import ProofScan, simplest
from harness.prove.solve import SolverPool, nice_model
from harness.verdicts import ExitCode
from theorems.language.hidden import put
from theorems.language.proof import Step
from theorems.language.rules import ExpectedQuadratic
from theorems.language.theorem import Theorem

TOLERANCE = Fraction(1, 10**4)
_LARGEST = 2**10


class SharpnessError(ValueError):
    """A statement has nothing that could be relaxed: one line naming it."""


@dataclass(frozen=True)
class SharpnessResult:
    """One condition of one statement.

    Attributes:
        condition: as stated; ``place``: ``when`` or the name of the proof step.
        verdict: ``sharp`` (the proof breaks beyond it at once), ``slack`` (it can be relaxed so far), ``not needed``
            (it can be dropped), ``unlimited`` (no factor that was tried breaks it), ``unknown`` (not proved as stated).
        holds: the largest factor with which the proof goes through; ``relaxed``: the condition with it.
        breaks: a factor just beyond, with which it does not.
        fails: a factor where ``obligation`` has a ``model`` in short numbers, at most twice ``holds``.
    """

    name: str
    condition: str
    place: str
    verdict: str
    holds: Fraction | None
    relaxed: str
    breaks: Fraction | None
    fails: Fraction | None
    obligation: str
    model: dict[str, str] | None
    seconds: float


@dataclass(frozen=True)
class _Knob:
    condition: Relational
    place: str


def sharpness(theorem: Theorem, *, catalogue: Mapping[str, Theorem], pool: SolverPool) -> list[SharpnessResult]:
    """Every numeric condition of a statement.

    Raises:
        SharpnessError: if the statement has no proof, which a condition could break.
    """
    if not theorem.proof:
        raise SharpnessError(f"{theorem.name}: it has no proof, so nothing shows which conditions are needed")
    return [_asked(theorem, knob, catalogue, pool) for knob in _knobs(theorem)]


def _knobs(theorem: Theorem) -> list[_Knob]:
    found = [_Knob(condition, "when") for condition in theorem.when]
    for item in theorem.proof:
        if isinstance(item, Step) and isinstance(item.by, ExpectedQuadratic) and item.by.condition is not None:
            found.append(_Knob(item.by.condition, item.name))
    return [knob for knob in found if relaxed(knob.condition, Fraction(2)) is not None]


def relaxed(condition: sp.Basic, factor: Fraction) -> Relational | None:
    """The condition with room for a factor; ``None`` if it is no inequality between numbers that a factor enlarges."""
    if not isinstance(condition, sp.Le | sp.Lt | sp.Ge | sp.Gt):
        return None
    k = sp.Rational(factor.numerator, factor.denominator)
    left, right = condition.args
    up = isinstance(condition, sp.Le | sp.Lt)
    small, big = (left, right) if up else (right, left)
    if small == 0 or big == 0:
        return None
    # The right side as it is written changes, if its sign is known; else the other.
    if right.is_nonnegative:
        return condition.func(left, k * right if up else right / k, evaluate=False)
    if left.is_nonnegative:
        return condition.func(left / k if up else k * left, right, evaluate=False)
    return None


def _with(theorem: Theorem, knob: _Knob, new: Relational | None) -> Theorem:
    """The statement with one condition replaced (``None``: dropped)."""
    if knob.place == "when":
        when = [new if condition == knob.condition else condition for condition in theorem.when]
        return dataclasses.replace(theorem, when=[condition for condition in when if condition is not None])
    assert new is not None
    pairs = {knob.condition: new}
    return dataclasses.replace(theorem, proof=[put(item, pairs) for item in theorem.proof])


def _asked(theorem: Theorem, knob: _Knob, catalogue: Mapping[str, Theorem], pool: SolverPool) -> SharpnessResult:
    start = time.perf_counter()

    def make(factor: Fraction) -> Theorem:
        return _with(theorem, knob, relaxed(knob.condition, factor) if factor else None)

    # Consequences need not survive: they have conditions of their own.
    scan = ProofScan(make, pool, catalogue, passed_over=("special case",))

    def result(
        verdict: str, holds: Fraction | None, fails: Fraction | None, breaks: Fraction | None = None
    ) -> SharpnessResult:
        text = "" if holds is None else str(relaxed(knob.condition, holds))
        fault = None if fails is None else scan.fault(fails)
        model = None if fault is None or fault.query is None else _model(fault.query, pool)
        return SharpnessResult(
            theorem.name,
            str(knob.condition),
            knob.place,
            verdict,
            holds,
            text,
            breaks,
            fails,
            "" if fault is None else str(fault),
            model,
            time.perf_counter() - start,
        )

    if scan.fault(Fraction(1)) is not None:
        return result("unknown", None, Fraction(1))
    if knob.place == "when" and scan.fault(Fraction(0)) is None:
        return result("not needed", None, None)
    good, bad = Fraction(1), Fraction(2)
    while scan.fault(bad) is None:
        good, bad = bad, 2 * bad
        if bad > _LARGEST:
            return result("unlimited", good, None)
    while bad - good > TOLERANCE * good:
        middle = (good + bad) / 2
        if scan.fault(middle) is None:
            good = middle
        else:
            bad = middle
    neat = simplest(good, bad)
    if scan.fault(neat) is None:
        good = neat
    # A countermodel just beyond has long numbers, so one a little further is shown.
    further = next((f for f in (good * 2, good * Fraction(3, 2), good * Fraction(11, 10)) if _shows(scan, f)), bad)
    return result("sharp" if good < 1 + 2 * TOLERANCE else "slack", good, further, bad)


def _shows(scan: ProofScan, factor: Fraction) -> bool:
    fault = scan.fault(factor)
    return fault is not None and fault.query is not None


def _model(query: Query, pool: SolverPool) -> dict[str, str] | None:
    found = nice_model(query, pool)
    return None if found is None else model_shown(found)


def sharpness_of(
    theorems: Sequence[Theorem], progress: Progress, *, named: bool, cache: bool = True
) -> list[SharpnessResult]:
    """The conditions of statements.

    Args:
        named: whether the statements were asked for by name; else those without a proof are passed over.
        cache: whether answers that solvers gave earlier may be used.

    Raises:
        SharpnessError: for a named statement that has no proof.
    """
    from harness.prove.cache import AnswerCache
    from theorems.catalogue import load_catalogue

    chosen = list(theorems) if named else [t for t in theorems if t.proof and t.expect == "true"]
    progress.phase("sharpness", len(chosen))
    results: list[SharpnessResult] = []
    with SolverPool(cache=AnswerCache() if cache else None) as pool:
        for theorem in chosen:
            progress.part(theorem.name)
            results += sharpness(theorem, catalogue=load_catalogue(), pool=pool)
            progress.done()
    return results


def exit_code(results: Sequence[SharpnessResult]) -> ExitCode:
    """3 if a statement is not proved as it stands, so that nothing is known of its conditions."""
    return ExitCode.UNKNOWN if any(r.verdict == "unknown" for r in results) else ExitCode.AS_EXPECTED


def sharpness_json(result: SharpnessResult) -> dict[str, Any]:
    """The contract's entry for a condition."""
    return {
        "name": result.name,
        "condition": result.condition,
        "place": result.place,
        "verdict": result.verdict,
        "holds": None if result.holds is None else str(result.holds),
        "relaxed": result.relaxed,
        "breaks": None if result.breaks is None else str(result.breaks),
        "fails": None if result.fails is None else str(result.fails),
        "obligation": result.obligation,
        "model": result.model,
        "seconds": round(result.seconds, 3),
    }

"""The constant that an O-claim hides, between what certainly fails and what is proved.

For a claim ``quantity <= C * terms`` the least constant lies in ``[reached, proved]``: ``proved`` is the least one, by
bisection over rationals, with which both solvers show every step of the proof; ``reached`` is the largest ratio of the
quantity to the terms at a problem that :mod:`harness.confirm` confirmed, or of a proved lower bound to the terms at
exact parameters. For a lower claim, ``quantity >= C * terms`` for some problem, the greatest constant lies in
``[proved, forbidden]``, the other end by a proved upper bound. An O-claim that lacks a term fails for every constant:
then a ray of parameters is named along which a proved bound outruns it, shown by the solvers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy as sp

from fuzz.budget import Budget
from fuzz.search import search
from harness.confirm import Status, confirm
from harness.evidence import ErrorLedger
from harness.progress import Progress
from harness.prove.check import _Checker
from harness.prove.contradiction import _bounds
from harness.prove.scan import ProofScan, simplest
from harness.prove.solve import SolverPool
from harness.rays import Nearest, Ray, beside, diverging, nearest
from harness.report.words import instance
from harness.settings import Settings
from harness.verdicts import ExitCode
from theorems.language import BoundedVariance, C, Cite, ExactGradients, Parameter
from theorems.language.hidden import is_o_form, with_constant
from theorems.language.quantities import Scope
from theorems.language.theorem import Theorem

TOLERANCE = Fraction(1, 10**6)
_LARGEST = 2**12
_TRIED = 3


class ConstantError(ValueError):
    """A statement has no constant to be found: one line naming it."""


@dataclass(frozen=True)
class End:
    """One end of the interval: an exact number, and what shows it."""

    value: sp.Rational
    says: str


@dataclass(frozen=True)
class ConstantResult:
    """What is known of the constant of an O-claim.

    Attributes:
        name: of the O-form.
        verdict: ``interval``; ``diverges`` (no constant will do); ``open`` (no constant was proved).
        sense: ``least`` constant of a claim for all problems, ``greatest`` of one that some problem attains.
        proved: by both solvers, or None; ``blocked``: the step that fails, and the constant with which it does.
        reached: the other end, or None.
        ray: where the claim diverges.
        problem: of ``reached``, if a run shows it.
    """

    name: str
    expect: str
    verdict: str
    sense: str
    proved: End | None
    blocked: End | None
    reached: End | None
    ray: Ray | None
    problem: dict[str, Any] | None
    steps: int
    seconds: float

    @property
    def low(self) -> End | None:
        """The lower end of the interval."""
        return self.reached if self.sense == "least" else self.proved

    @property
    def high(self) -> End | None:
        """The upper end of the interval."""
        return self.proved if self.sense == "least" else self.reached


def o_form(theorem: Theorem) -> Theorem:
    """The statement with the letter ``C``: itself, or the one that its proof cites with a number for it.

    Raises:
        ConstantError: if there is none, or the quantity's ratio to a bound means nothing.
    """
    if is_o_form(theorem):
        form = theorem
    else:
        cited = [i.theorem for i in theorem.proof if isinstance(i, Cite) and C in i.substitution]
        if len(cited) != 1:
            raise ConstantError(f"{theorem.name}: its bound has no letter C, so it hides no constant")
        (form,) = cited
    if form.claim.quantity.origin != 0:
        raise ConstantError(
            f"{form.name}: {form.claim.quantity} may be negative, so its ratio to a bound means nothing"
        )
    if sp.simplify(form.bound.diff(C, 2)) != 0 or form.bound.xreplace({C: sp.Integer(0)}) != 0:
        raise ConstantError(f"{form.name}: its bound is not C times something")
    return form


def constant(
    theorem: Theorem,
    *,
    catalogue: Mapping[str, Theorem],
    pool: SolverPool,
    budget: Budget,
    seed: int = 0,
    ledger: ErrorLedger | None = None,
    progress: Progress | None = None,
    tolerance: Fraction = TOLERANCE,
) -> ConstantResult:
    """The interval of a statement's constant.

    Args:
        theorem: an O-form, or a statement that cites one.
        catalogue: statements whose proved bounds give the other end.
        pool: the solvers.
        budget: of the search.
        tolerance: relative width of the bisection, after which the simplest number inside is tried.

    Raises:
        ConstantError: as :func:`o_form`.
    """
    start = time.perf_counter()
    form = o_form(theorem)
    told = progress.detail if progress is not None else (lambda text: None)
    checker = _Checker(catalogue, pool, None, False, ledger or ErrorLedger())
    told("proofs, by bisection")
    proved, blocked = prove_constant(form, pool, catalogue, tolerance)
    sense = "least" if form.claim.for_all else "greatest"
    told("the catalogue's bounds beside it")
    reached, ray = _by_catalogue(form, checker)
    problem, steps = None, 0
    if ray is None and form.claim.for_all:
        told("search")
        found, problem, steps = _by_search(form, budget, seed, ledger or ErrorLedger(), reached)
        reached = found or reached
    verdict = "diverges" if ray is not None else "open" if proved is None else "interval"
    return ConstantResult(
        form.name,
        form.expect,
        verdict,
        sense,
        proved,
        blocked,
        reached,
        ray,
        problem,
        steps,
        time.perf_counter() - start,
    )


# -- the proved end ----------------------------------------------------------------------------------------------------


def prove_constant(
    form: Theorem, pool: SolverPool, catalogue: Mapping[str, Theorem], tolerance: Fraction = TOLERANCE
) -> tuple[End | None, End | None]:
    """The best constant with which both solvers show every step, and one beyond it with the step that then fails."""
    if not form.proof and not form.witness:
        return None, None
    scan = ProofScan(lambda number: with_constant(form, _exact(number)), pool, catalogue)
    upward = form.claim.for_all
    # Work with what must be large: C itself, or 1/C where a smaller constant says less.
    good, bad = Fraction(1), Fraction(0)
    while scan.fault(_turned(good, upward)) is not None:
        bad, good = good, 2 * good
        if good > _LARGEST:
            return None, End(sp.Integer(1), str(scan.fault(Fraction(1))))
    for _ in range(80):
        if good - bad <= tolerance * good:
            break
        middle = (good + bad) / 2
        if scan.fault(_turned(middle, upward)) is not None:
            bad = middle
        else:
            good = middle
    best = simplest(*sorted((_turned(bad, upward), _turned(good, upward)))) if bad else _turned(good, upward)
    best = best if scan.fault(best) is None else _turned(good, upward)
    result = scan.judged(best)
    if result.verdict != "proved":
        return None, End(_exact(best), result.reason)
    proved = End(_exact(best), f"both solvers show every step with C = {best}")
    worse = _turned(bad, upward)
    return proved, End(_exact(worse), str(scan.fault(worse))) if bad else None


def _exact(number: Fraction) -> sp.Rational:
    return sp.Rational(number.numerator, number.denominator)


def _turned(number: Fraction, upward: bool) -> Fraction:
    return number if upward or not number else 1 / number


# -- the other end -----------------------------------------------------------------------------------------------------


def _by_catalogue(form: Theorem, checker: _Checker) -> tuple[End | None, Ray | None]:
    """The best end that a proved bound of the catalogue gives, or a ray along which it outruns every constant."""
    plain = with_constant(form, sp.Integer(1))
    upward = form.claim.for_all
    best: Nearest | None = None
    for other in checker.catalogue.values():
        if other is form or other.expect != "true" or is_o_form(other):
            continue
        if upward:
            fits = other.claim.attained and _bounds(other.claim.quantity, form.claim.quantity)
            pairs = [beside(plain, other, witness) for witness in other.witness] if fits else []
        else:
            fits = other.claim.for_all and _bounds(form.claim.quantity, other.claim.quantity)
            pairs = [beside(plain, other, None)] if fits else []
        for pair in pairs:
            if pair is None or not checker.judge(other).proved:
                continue
            if upward:
                ray = diverging(pair, checker.pool)
                if ray is not None:
                    return None, ray
            found = nearest(pair, most=upward)
            if found is not None and (best is None or (found.ratio > best.ratio) == upward):
                best = found
    if best is None:
        return None, None
    at = ", ".join(f"{s} = {v}" for s, v in sorted(best.point.items(), key=lambda kv: str(kv[0])))
    return End(best.ratio, f"{best.other} is proved, and shows it at {at}"), None


def _by_search(
    form: Theorem, budget: Budget, seed: int, ledger: ErrorLedger, known: End | None
) -> tuple[End | None, dict[str, Any] | None, int]:
    """A ratio that a certified problem reaches, if it beats what is known: search, then confirm just below it."""
    plain = with_constant(form, sp.Integer(1))
    quiet = _without_noise(plain)
    halves = [plain] if quiet is None else [plain, quiet]
    found = [search(claim, budget.share(len(halves)), seed) for claim in halves]
    steps = sum(result.steps for result in found)
    floor = 0.0 if known is None else float(known.value)
    candidates = [candidate for result in found for candidate in result.candidates[:_TRIED]]
    for candidate in sorted(candidates, key=lambda c: c.lower, reverse=True):
        score = candidate.score
        for part in (1 - 1e-6, 1 - 1e-3, 0.99, 0.97) if candidate.error == 0 else (0.99, 0.97, 0.93):
            wanted = (score - 2 * candidate.error) * part
            if not (math.isfinite(wanted) and wanted > max(floor, 1e-9)):
                continue
            scale = 10 ** (6 - math.floor(math.log10(wanted)))
            number = sp.Rational(math.floor(wanted * scale), scale)
            seen = confirm(
                with_constant(form, number),
                candidate.problem,
                ledger=ledger,
                seed=seed,
                choices={**{s: sp.Integer(0) for s in _deviations(form)}, **candidate.choices},
            )
            steps += seen.steps
            if seen.status is Status.REFUTED:
                how = "exactly" if seen.exact is not None else "on fresh seeds"
                words = instance(seen.problem, form.claim.quantity)
                return End(number, f"confirmed {how}: {words}"), seen.problem.to_json(), steps
    return None, None, steps


def _deviations(theorem: Theorem) -> list[Parameter]:
    """The letters of the noise's deviation; zero for a run without noise."""
    found = (theorem.expand(sp.sympify(a.sigma)) for a in theorem.given if isinstance(a, BoundedVariance))
    return [letter for letter in found if isinstance(letter, Parameter)]


def _without_noise(theorem: Theorem) -> Theorem | None:
    """The same claim about runs with exact gradients, where some ratios are largest and every run is exact; ``None`` if
    it asks for noise, or for none to begin with, or speaks of one step."""
    letters = dict.fromkeys(_deviations(theorem), sp.Integer(0))
    when = [theorem.expand(condition).xreplace(letters) for condition in theorem.when]
    if not letters or sp.false in when or theorem.claim.quantity.scope is not Scope.TRAJECTORY:
        return None
    rest = [a for a in theorem.given if not isinstance(a, BoundedVariance)]
    return Theorem(
        name=theorem.name,
        source=theorem.source,
        given=[*rest, ExactGradients()],
        when=[condition for condition in when if condition != sp.true],
        claim=type(theorem.claim)(theorem.claim.quantity, theorem.bound.xreplace(letters)),
    )


def o_forms(theorems: Iterable[Theorem]) -> list[Theorem]:
    """The O-forms among statements that end in a claim about whole runs or stuck points, each once."""
    return [t for t in theorems if is_o_form(t) and t.expect == "true" and len(_hidden_letters(t)) == 0]


def _hidden_letters(theorem: Theorem) -> set[str]:
    """Letters besides C that only a condition on C mentions: such a form is a lemma of another."""
    rest = theorem.bound.free_symbols | {s for a in theorem.given for s in a.free_symbols}
    tied = {s for condition in theorem.conditions if C in condition.free_symbols for s in condition.free_symbols}
    return {str(s) for s in tied - rest}


def constant_json(result: ConstantResult) -> dict[str, Any]:
    """The contract's entry for a constant."""

    def end(value: End | None) -> dict[str, Any] | None:
        if value is None:
            return None
        return {"value": str(value.value), "decimal": float(value.value), "says": value.says}

    ray = result.ray
    return {
        "name": result.name,
        "expect": result.expect,
        "verdict": result.verdict,
        "sense": result.sense,
        "low": end(result.low),
        "high": end(result.high),
        "blocked": end(result.blocked),
        "ray": None
        if ray is None
        else {
            "path": {str(s): str(e) for s, e in ray.path.items()},
            "beside": ray.other,
            "says": f"for z >= {ray.start} the proved bound of {ray.other} is at least z/{ray.factor} times the terms",
            "verdict": ray.verdict,
            "ratios": [[at, ratio] for at, ratio in ray.samples],
        },
        "problem": result.problem,
        "steps": result.steps,
        "seconds": round(result.seconds, 3),
    }


def constants_of(
    theorems: Sequence[Theorem], settings: Settings, progress: Progress, *, named: bool, cache: bool = True
) -> list[ConstantResult]:
    """The constants of statements, the budget shared among them.

    Args:
        named: whether the statements were asked for by name; else those that hide no constant are passed over.
        cache: whether answers that solvers gave earlier may be used.

    Raises:
        ConstantError: for a named statement that hides no constant.
    """
    from harness.prove.cache import AnswerCache
    from theorems.catalogue import load_catalogue

    forms = [o_form(t) for t in theorems] if named else o_forms(theorems)
    progress.phase("constant", len(forms))
    ledger, results = ErrorLedger(), []
    with SolverPool(cache=AnswerCache() if cache else None) as pool:
        for form in forms:
            progress.part(form.name)
            share = settings.budget.share(len(forms))
            results.append(
                constant(
                    form,
                    catalogue=load_catalogue(),
                    pool=pool,
                    budget=share,
                    seed=settings.seed,
                    ledger=ledger,
                    progress=progress,
                )
            )
            progress.done()
    return results


def exit_code(results: Iterable[ConstantResult]) -> ExitCode:
    """1: a claim that should be true fails for every constant; 3: a proof is given, and goes through with none."""
    seen = list(results)
    if any(r.verdict == "diverges" and r.expect == "true" for r in seen):
        return ExitCode.NOT_AS_EXPECTED
    if any(r.verdict == "open" and r.blocked is not None for r in seen):
        return ExitCode.UNKNOWN
    return ExitCode.AS_EXPECTED

"""The catalogue against itself: no proved bound below an attained one, sense at every boundary, bounds that meet.

**Pairs.** Wherever a bound for all problems and a bound that some problem attains speak of the same quantity (or of two
that are ordered), and the witness of the one meets the assumptions of the other, the solvers show that the first is no
smaller than the second for *all* parameters. This asks nothing of the proofs (only that abbreviations lie where they
are declared, which ``check`` shows): it is a second opinion on both statements and on the prover. Parameters where it
fails are exact; the witness is built and run there, and whatever the run says, the catalogue is wrong somewhere, so
that the word is a loud ``unknown``.

**Boundaries.** Every bound is evaluated exactly where a parameter reaches an end of its range: it must be defined, on
the right side of zero, and the limit of its values nearby.

**Meeting.** S3 and S3' beside S2-T, as ``eta -> 0`` and ``eta T -> oo``: the limits are equal, so that the bias cannot
be improved by any constant.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy.logic.boolalg import And, Boolean, Not

from harness.evidence import ErrorLedger
from harness.progress import Progress
from harness.prove.check import _Checker
from harness.prove.contradiction import _bounds, _confirmed
from harness.prove.encode import EncodeError, Query, encode
from harness.prove.exact import Undecided, holds, sign, value
from harness.prove.instances import telling_instance
from harness.prove.solve import SolverPool, combine, nice_model
from harness.rays import Beside, beside
from theorems.language import L0, L1, T, c, eta, sigma
from theorems.language.parameters import Domain, Parameter
from theorems.language.quantities import Adversary
from theorems.language.theorem import Theorem
from theorems.language.witness import Witness

CONSISTENT = "consistent"


@dataclass(frozen=True)
class PairResult:
    """An upper bound beside a lower one.

    Attributes:
        verdict: ``consistent`` (``consistent by z3 alone``); ``unknown``.
        model: exact parameters where the upper bound lies below the lower one; the reason says what a run showed.
        queries: their SMT-LIB texts; several where a bound has cases.
    """

    upper: str
    lower: str
    witness: str
    verdict: str
    reason: str
    model: dict[str, str] | None
    queries: tuple[str, ...]
    seconds: float

    @property
    def loud(self) -> bool:
        """Whether the catalogue contradicts itself."""
        return self.model is not None


@dataclass(frozen=True)
class BoundaryResult:
    """A bound at one boundary: ``sense``, ``excluded`` (by the hypotheses) or ``fails`` (with the reason)."""

    name: str
    boundary: str
    verdict: str
    value: str
    reason: str = ""


@dataclass(frozen=True)
class Meeting:
    """An upper and a lower bound in one limit; ``equal`` by SymPy, and ``ratios`` in exact numbers on the way there."""

    upper: str
    lower: str
    case: str
    limit: str
    equal: bool
    ratios: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Consistency:
    """Everything that was asked of the catalogue."""

    pairs: tuple[PairResult, ...]
    boundaries: tuple[BoundaryResult, ...]
    meetings: tuple[Meeting, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing contradicts and nothing is left open."""
        return (
            all(p.verdict.startswith(CONSISTENT) for p in self.pairs)
            and all(b.verdict != "fails" for b in self.boundaries)
            and all(m.equal for m in self.meetings)
        )


def consistency(
    theorems: Sequence[Theorem],
    *,
    catalogue: Mapping[str, Theorem],
    progress: Progress | None = None,
    cache: bool = True,
) -> Consistency:
    """Statements against the catalogue (and one another): pairs, boundaries, and S2-T beside S3.

    Args:
        theorems: those that are asked about; pairs have at least one of them.
        catalogue: what they are held against.
        cache: whether answers that solvers gave earlier may be used.
    """
    from harness.prove.cache import AnswerCache

    asked = [t for t in theorems if t.expect == "true"]
    everything = {t.name: t for t in (*catalogue.values(), *asked) if t.expect == "true"}
    chosen = {t.name for t in asked}
    found = [p for p in pairs_of(list(everything.values())) if {p[0].name, p[1].name} & chosen]
    if progress is not None:
        progress.phase("consistency", len(found))
    results = []
    with SolverPool(cache=AnswerCache() if cache else None) as pool:
        checker = _Checker(catalogue, pool, None, True, ErrorLedger())
        for upper, lower, witness in found:
            if progress is not None:
                progress.part(f"{upper.name} beside {lower.name}")
            results.append(compare(upper, lower, witness, checker))
            if progress is not None:
                progress.done()
    return Consistency(
        tuple(results),
        tuple(b for t in asked for b in boundaries(t)),
        meetings() if {"S2_T", "S3", "S3_small"} <= chosen else (),
    )


# -- pairs -------------------------------------------------------------------------------------------------------------


def pairs_of(theorems: Sequence[Theorem]) -> Iterator[tuple[Theorem, Theorem, Witness]]:
    """Bounds for all problems, each with the attained bounds and witnesses that it must not lie below."""
    for upper, lower in itertools.product(theorems, theorems):
        if upper is lower or not upper.claim.for_all or not lower.claim.attained:
            continue
        if not _bounds(lower.claim.quantity, upper.claim.quantity):
            continue
        for witness in lower.witness:
            if beside(upper, lower, witness) is not None:
                yield upper, lower, witness


def compare(upper: Theorem, lower: Theorem, witness: Witness, checker: _Checker) -> PairResult:
    """Ask both solvers whether the upper bound is no smaller than the lower one for all parameters."""
    start = time.perf_counter()
    pair = beside(upper, lower, witness)
    assert pair is not None
    alone: set[str] = set()
    texts: list[str] = []
    for exact, weaker in _queries(pair, upper, f"{upper.name} beside {lower.name}"):
        try:
            text, *others = [encode(query).text for query in (exact, *weaker)]
        except EncodeError as error:
            return _pair(upper, lower, witness, "unknown", str(error), None, texts, start)
        # From fewer facts the solvers see the point sooner, or see nothing; a countermodel then means nothing.
        shown = next((t for t in others if _by_both(checker.pool, t)), None)
        texts.append(shown or text)
        word = "unsat by both" if shown else combine(checker.pool.ask(text))
        if word == "sat":
            return _fails(upper, lower, witness, pair, exact, checker, texts, start)
        if word.startswith("unsat by ") and word != "unsat by both":
            alone.add(word.split()[2])
        elif word != "unsat by both":
            reason = "the solvers disagree" if word == "disagree" else "no solver decides it"
            return _pair(upper, lower, witness, "unknown", reason, None, texts, start)
    verdict = f"{CONSISTENT} by {', '.join(sorted(alone))} alone" if alone else CONSISTENT
    return _pair(upper, lower, witness, verdict, "", None, texts, start)


def _by_both(pool: SolverPool, text: str) -> bool:
    return pool.ask_z3(text).outcome == "unsat" and combine(pool.ask(text)) == "unsat by both"


def _queries(pair: Beside, upper: Theorem, name: str) -> Iterator[tuple[Query, tuple[Query, ...]]]:
    """For each way in which the Piecewise and the minima of both bounds fall: the query, and weaker ones that imply it.

    The weaker ones keep the upper bound's abbreviations as letters, and forget what one of them stands for.
    """
    facts = [f for f in pair.conditions if f != sp.true]
    maximised = upper.claim.quantity.adversary is Adversary.MAXIMISES

    def query(known: Sequence[Boolean], claimed: sp.Expr, proved: sp.Expr) -> Query:
        goal = sp.Ge(claimed, proved, evaluate=False) if maximised else sp.Le(claimed, proved, evaluate=False)
        return Query(name, tuple(known), goal, meaning="the bound is no better than what is attained")

    definitions = {s: sp.Eq(s, d.xreplace(dict(pair.definitions)), evaluate=False) for s, d in upper.where.items()}
    apart = bool(definitions) and not set(definitions) & set(pair.letters)
    shorter = upper.claim.bound.xreplace(dict(pair.definitions))
    for cases, claimed, proved in _branches(pair.claimed, pair.proved, facts):
        weaker = []
        for forgotten in reversed(list(definitions)) if apart else ():
            kept = [d for s, d in definitions.items() if s != forgotten]
            weaker.append(query([*facts, *upper.when, *kept, *cases], shorter, proved))
        if apart:
            weaker.append(query([*facts, *upper.when, *definitions.values(), *cases], shorter, proved))
        yield query([*facts, *cases], claimed, proved), tuple(weaker)


def _branches(
    claimed: sp.Expr, proved: sp.Expr, facts: Sequence[Boolean]
) -> Iterator[tuple[tuple[Boolean, ...], sp.Expr, sp.Expr]]:
    """Both bounds without Piecewise and Min, under every combination of cases that is not plainly impossible."""
    whole = sp.Tuple(claimed, proved)
    tests: list[Boolean] = []
    for piece in whole.atoms(sp.Piecewise):
        tests += [test for _, test in piece.args if test != sp.true]
    for least in whole.atoms(sp.Min, sp.Max):
        if len(least.args) == 2:
            tests.append(sp.Le(*least.args))
    tests = list(dict.fromkeys(t for t in tests if t not in (sp.true, sp.false)))
    if not tests or len(tests) > 4:
        yield (), claimed, proved
        return
    for signs in itertools.product((True, False), repeat=len(tests)):
        truth = dict(zip(tests, signs, strict=True))
        cases = tuple(test if yes else Not(test) for test, yes in truth.items())
        if And(*facts, *cases) == sp.false:
            continue
        yield cases, _chosen(claimed, truth), _chosen(proved, truth)


def _chosen(expression: sp.Basic, truth: Mapping[Boolean, bool]) -> Any:
    if not expression.args:
        return expression
    args = [_chosen(part, truth) for part in expression.args] if not isinstance(expression, sp.Piecewise) else []
    if isinstance(expression, sp.Piecewise):
        for branch, test in expression.args:
            if test == sp.true or truth.get(test) is True:
                return _chosen(branch, truth)
        return expression
    if isinstance(expression, sp.Min | sp.Max) and len(args) == 2:
        below = truth.get(sp.Le(*expression.args))
        if below is not None:
            return args[0] if below == isinstance(expression, sp.Min) else args[1]
    return expression.func(*args)


def _fails(
    upper: Theorem,
    lower: Theorem,
    witness: Witness,
    pair: Beside,
    query: Query,
    checker: _Checker,
    texts: Sequence[str],
    start: float,
) -> PairResult:
    """Exact parameters of a contradiction, and what the witness does there."""
    maximised = upper.claim.quantity.adversary is Adversary.MAXIMISES
    found = telling_instance(query.facts, pair.claimed, pair.proved, maximised=maximised)
    point = found if found is not None else nice_model(query, checker.pool)
    if point is None:
        reason = "a solver found parameters where it fails, which did not survive exact evaluation"
        return _pair(upper, lower, witness, "unknown", reason, None, texts, start)
    model = pair.whole(point)
    run = _confirmed(upper, lower, witness, model, checker)
    status = "was not run" if run.confirmation is None else str(run.confirmation.status)
    reason = f"CONTRADICTION: {upper.name} lies below {lower.name} at these parameters, and the witness there: {status}"
    shown = {str(s): str(v) for s, v in sorted(model.items(), key=lambda kv: str(kv[0]))}
    return _pair(upper, lower, witness, "unknown", reason, shown, texts, start)


def _pair(
    upper: Theorem,
    lower: Theorem,
    witness: Witness,
    verdict: str,
    reason: str,
    model: dict[str, str] | None,
    texts: Sequence[str],
    start: float,
) -> PairResult:
    seconds = time.perf_counter() - start
    return PairResult(upper.name, lower.name, witness.name, verdict, reason, model, tuple(texts), seconds)


# -- boundaries --------------------------------------------------------------------------------------------------------

_NEAR = (sp.Rational(1, 10**6), sp.Rational(1, 10**12))
_GENERIC = {"eta": "1/50", "c": "3/2", "L0": "1", "L": "1", "L1": "1/3", "T": "7", "F0": "2", "R0": "3", "mu": "1/4"}


def boundaries(theorem: Theorem) -> list[BoundaryResult]:
    """The bound where each parameter reaches an end, all others at generic rational numbers."""
    parameters = set(theorem.parameters)
    ends: list[tuple[str, Parameter, Any]] = []
    if c in parameters:
        ends += [("c -> 0", c, sp.Integer(0)), ("c -> oo", c, sp.oo)]
    if sigma in parameters:
        ends += [("sigma = 0", sigma, sp.Integer(0))]
        ends += [("sigma = 2c", sigma, 2 * c)] if c in parameters else []
    if T in parameters:
        ends += [("T = 1", T, sp.Integer(1))]
    if L1 in parameters:
        ends += [("L1 = 0", L1, sp.Integer(0))]
        if {eta, L0, c} <= parameters:
            ends += [("theta = 1", eta, 1 / (L0 + c * L1))]
    return [_boundary(theorem, title, letter, end) for title, letter, end in ends]


def _boundary(theorem: Theorem, title: str, letter: Parameter, end: Any) -> BoundaryResult:
    generic = _generic(theorem, letter, end)
    if generic is None:
        return BoundaryResult(theorem.name, title, "excluded", "", "the hypotheses hold at no generic point near it")
    at = end if end in (0, sp.oo) else sp.sympify(end).xreplace(generic)
    try:
        if title.startswith("c ->"):
            found = _limit(theorem.bound.xreplace(generic), at)
            near = [value(theorem.bound, {**generic, c: step if at == 0 else 1 / step}) for step in _NEAR]
        else:
            point = {**generic, letter: at}
            if any(holds(condition, point) is not True for condition in theorem.conditions):
                return BoundaryResult(theorem.name, title, "excluded", "", "the hypotheses exclude it")
            found = value(theorem.bound, point)
            near = [] if letter.domain is Domain.POSITIVE_INTEGER else _nearby(theorem, point, letter, at)
        if theorem.claim.quantity.is_nonnegative and sp.sympify(found).is_finite and sign(found) < 0:
            return BoundaryResult(theorem.name, title, "fails", str(found), "the bound of a norm is negative")
    except (Undecided, ArithmeticError, ValueError, NotImplementedError) as error:
        return BoundaryResult(theorem.name, title, "fails", "", f"it is not defined: {error}")
    if near and not _approaches([float(v) for v in near], found):
        reason = f"values nearby are {', '.join(f'{float(v):.6g}' for v in near)}"
        return BoundaryResult(theorem.name, title, "fails", str(found), reason)
    return BoundaryResult(theorem.name, title, "sense", _short(found))


def _generic(theorem: Theorem, letter: Parameter, end: Any) -> dict[Parameter, sp.Expr] | None:
    """Numbers for the other letters at which the hypotheses hold as the letter nears its end."""
    for noise, size, steep, hidden in itertools.product(
        ("1", "5", "1/3", "60"), ("1/2", "4"), (_GENERIC["L1"], "0"), ("2", "1/8")
    ):
        numbers = {**_GENERIC, "sigma": noise, "m": size, "L1": steep, "C": hidden, "kappa": "4"}
        point = {s: sp.Rational(numbers.get(str(s.name), "1")) for s in theorem.parameters if s != letter}
        near = _NEAR[0] if end == 0 else 1 / _NEAR[0] if end == sp.oo else sp.sympify(end).xreplace(point)
        if letter.domain is Domain.POSITIVE and near == 0:
            near = _NEAR[0]
        there = {**point, letter: near}
        smaller = {**point, letter: near * (1 - _NEAR[0])}
        for tried in (there, smaller):
            if all(holds(condition, tried) is True for condition in theorem.conditions):
                return point
    return None


def _nearby(theorem: Theorem, point: Mapping[Parameter, sp.Expr], letter: Parameter, at: sp.Expr) -> list[sp.Expr]:
    """Values of the bound on either side of the boundary, as far as the hypotheses allow, the nearest last."""
    found = []
    for step in _NEAR:
        for moved in (at + step, at - step):
            there = {**point, letter: moved}
            if sign(moved) >= 0 and all(holds(condition, there) is True for condition in theorem.conditions):
                found.append(value(theorem.bound, there))
    return found


def _limit(expression: sp.Expr, at: Any) -> sp.Expr:
    """The limit in c of an expression in c alone, its Piecewise and minima read far out."""
    far = sp.Rational(1, 10**30) if at == 0 else sp.Integer(10) ** 30
    tests = {t for p in expression.atoms(sp.Piecewise) for _, t in p.args if t != sp.true}
    tests |= {sp.Le(*least.args) for least in expression.atoms(sp.Min, sp.Max) if len(least.args) == 2}
    plain = _chosen(expression, {test: holds(test, {c: far}) is True for test in tests})
    return sp.limit(plain, c, at, "+" if at == 0 else "-")


def _approaches(near: Sequence[float], found: sp.Expr) -> bool:
    if not found.is_finite:
        return abs(near[-1]) > 1e3 and (near[-1] > 0) == bool(found > 0)
    return abs(near[-1] - float(found)) <= 1e-3 * (1 + abs(float(found)))


def _short(number: sp.Expr) -> str:
    text = str(number)
    return text if len(text) <= 24 else f"{float(number):.6g}"


# -- upper and lower bound meet ----------------------------------------------------------------------------------------


def meetings() -> tuple[Meeting, ...]:
    """S3 (``sigma <= 2c``) and S3' (``sigma >= 2c``) as ``eta -> 0`` with ``T = 1/eta^2``, beside S2-T's bias."""
    from theorems.sharp.s2t_trajectory import trajectory
    from theorems.sharp.s3_small_threshold import small_threshold
    from theorems.sharp.s3_upper import upper

    extra = sp.Symbol("q", positive=True)
    cases = (
        (upper, "sigma <= c", {c: sigma + extra}, {c: sp.Integer(2), sigma: sp.Integer(1)}),
        (upper, "c <= sigma <= 2c", {sigma: c + c / (1 + extra)}, {c: sp.Integer(2), sigma: sp.Integer(3)}),
        (small_threshold, "sigma >= 2c", {sigma: 2 * c + extra}, {c: sp.Integer(1), sigma: sp.Integer(3)}),
    )
    found = []
    for theorem, title, region, numbers in cases:
        tests = {sp.Le(c, sigma): "<= c" not in title, sp.Le(sigma, c): title == "sigma <= c"}
        tests |= {sp.Le(sigma, 2 * c): title != "sigma >= 2c"}
        bias, bound = _chosen(trajectory.bound, tests), _chosen(theorem.bound, tests)
        # With c and sigma written by positive letters SymPy knows every sign.
        line, goal = bound.xreplace({T: 1 / eta**2}).xreplace(region), bias.xreplace(region)
        plain = {s: sp.Symbol(str(s), positive=True) for s in line.free_symbols | goal.free_symbols}
        limit = sp.limit(line.xreplace(plain), plain[eta], 0, "+")
        equal = sp.simplify(limit - goal.xreplace(plain)) == 0
        point = {L0: sp.Integer(1), L1: sp.Integer(1), **numbers}
        point |= {s: sp.Integer(1) for s in theorem.parameters if s not in point and s not in (eta, T)}
        ratios = []
        for exponent in (2, 4, 8):
            there = {**point, eta: sp.Rational(1, 10**exponent), T: sp.Integer(10) ** (2 * exponent)}
            ratio = float(value(theorem.bound, there)) / float(value(trajectory.bound, there))
            ratios.append((f"eta = 10^-{exponent}", ratio))
        equal = equal and abs(ratios[-1][1] - 1) < 1e-3
        found.append(Meeting(theorem.name, trajectory.name, title, str(bias), bool(equal), tuple(ratios)))
    return tuple(found)


def consistency_json(result: Consistency) -> dict[str, Any]:
    """The contract's document."""
    return {
        "sound": result.sound,
        "pairs": [
            {
                "upper": p.upper,
                "lower": p.lower,
                "witness": p.witness,
                "verdict": p.verdict,
                "reason": p.reason,
                "model": p.model,
                "seconds": round(p.seconds, 4),
            }
            for p in result.pairs
        ],
        "boundaries": [
            {"name": b.name, "boundary": b.boundary, "verdict": b.verdict, "value": b.value, "reason": b.reason}
            for b in result.boundaries
        ],
        "meetings": [
            {
                "upper": m.upper,
                "lower": m.lower,
                "case": m.case,
                "limit": m.limit,
                "equal": m.equal,
                "ratios": dict(m.ratios),
            }
            for m in result.meetings
        ],
    }

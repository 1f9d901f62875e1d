"""Judge statements by algebra: gather obligations, ask both solvers, and say one word for each statement."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sympy as sp

from harness.evidence import ErrorLedger
from harness.prove.encode import EncodeError, encode
from harness.prove.obligations import all_obligations
from harness.prove.solve import SolverPool, combine, nice_model
from harness.prove.unroll import Obligation, Unrolled
from theorems.language.theorem import Theorem
from theorems.language.walk import latex, show_exact

if TYPE_CHECKING:
    from harness.confirm import Confirmation

PROVED, PROVED_ALONE = "proved", "proved by {} alone"
_KINDS_OF_STATEMENT = ("units", "scaling", "hypotheses")


@dataclass(frozen=True)
class ObligationResult:
    """The verdict on one obligation: ``proved``, ``proved by z3 alone``, ``refuted`` (with an exact model), ``unknown``
    (with the reason), ``disagree``, or, where no solver was needed, ``holds`` or ``fails`` (with the reason)."""

    name: str
    kind: str
    verdict: str
    solvers: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: float = 0.0
    model: dict[str, str] | None = None
    smt2: str = ""
    statement: str = ""
    latex: str = ""
    says: str = ""
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Whether it holds, by both solvers or by one alone."""
        return self.verdict in (PROVED, "holds") or self.verdict.endswith(" alone")


@dataclass(frozen=True)
class CheckResult:
    """The word on one statement, with everything that led to it."""

    name: str
    expect: str
    verdict: str
    obligations: tuple[ObligationResult, ...]
    rules: tuple[str, ...]
    cited: tuple[str, ...]
    seconds: float
    reason: str = ""
    confirmation: Confirmation | None = None

    @property
    def proved(self) -> bool:
        """Whether the statement is proved, by both solvers or one."""
        return self.verdict == PROVED or self.verdict.endswith(" alone")


def check(
    theorems: Sequence[Theorem],
    *,
    catalogue: Mapping[str, Theorem] | None = None,
    pool: SolverPool | None = None,
    on_obligation: Callable[[str, ObligationResult], None] | None = None,
    confirm_contradictions: bool = True,
    ledger: ErrorLedger | None = None,
) -> list[CheckResult]:
    """Check statements by algebra alone.

    Args:
        theorems: the statements to judge, in order.
        catalogue: statements whose proved bounds may contradict them (default: the repository's).
        pool: the solvers; by default a new pair of child processes.
        on_obligation: called with (theorem name, result) as results come in.
        confirm_contradictions: run the witness of a contradicting lower bound; without it a contradiction is only told.
        ledger: of the campaign, which counts the runs of witnesses; a new one by default.

    Returns:
        One result for each statement. A solver that is missing, dies or gives up makes an obligation ``unknown``.
    """
    if catalogue is None:
        from theorems.catalogue import load_catalogue

        catalogue = load_catalogue()
    if pool is None:
        with SolverPool() as own:
            return check(
                theorems,
                catalogue=catalogue,
                pool=own,
                on_obligation=on_obligation,
                confirm_contradictions=confirm_contradictions,
                ledger=ledger,
            )
    checker = _Checker(catalogue, pool, on_obligation, confirm_contradictions, ledger or ErrorLedger())
    checker.know(theorems)
    return [checker.judge(theorem) for theorem in theorems]


class _Checker:
    def __init__(
        self,
        catalogue: Mapping[str, Theorem],
        pool: SolverPool,
        on_obligation: Callable[[str, ObligationResult], None] | None,
        confirm_contradictions: bool,
        ledger: ErrorLedger,
    ):
        self.ledger = ledger
        self.catalogue, self.pool, self.on_obligation = catalogue, pool, on_obligation
        self.confirm_contradictions = confirm_contradictions
        self.judged: dict[int, CheckResult] = {}
        self.judging: list[Theorem] = []
        self.named: dict[str, Theorem] = {}
        self.know(catalogue.values())

    def know(self, theorems: Iterable[Theorem]) -> None:
        """Statements by which a citation's name is understood; the first of a name keeps it."""
        for theorem in theorems:
            self.named.setdefault(theorem.name, theorem)

    def judge(self, theorem: Theorem) -> CheckResult:
        """The word on a statement, from its own obligations, what it cites and what contradicts it."""
        if id(theorem) in self.judged:
            return self.judged[id(theorem)]
        start = time.perf_counter()
        unrolled = all_obligations(theorem)
        results = self.settle(theorem, unrolled)
        verdict, reason = _word(theorem, results)
        if verdict not in ("ill_formed", "vacuous"):
            self.judging.append(theorem)
            for cited in dict.fromkeys(unrolled.cited):
                word, fault = self.citation(cited)
                if fault:
                    results.append(ObligationResult(f"cites {cited.name}", "citation", word, reason=fault))
                    verdict, reason = _word(theorem, results)
                elif word != PROVED and verdict == PROVED:
                    verdict, reason = word, f"it cites {cited.name}"
            self.judging.pop()
        confirmation = None
        if verdict in ("no_proof", "broken_proof", "unknown"):
            from harness.prove.contradiction import contradict

            found = contradict(theorem, self)
            if found is not None:
                results.append(found.obligation)
                confirmation = found.confirmation
                if found.refutes:
                    verdict, reason = "refuted", found.obligation.reason
        result = CheckResult(
            name=theorem.name,
            expect=theorem.expect,
            verdict=verdict,
            obligations=tuple(results),
            rules=tuple(dict.fromkeys(unrolled.rules)),
            cited=tuple(dict.fromkeys(t.name for t in unrolled.cited)),
            seconds=time.perf_counter() - start,
            reason=reason,
            confirmation=confirmation,
        )
        self.judged[id(theorem)] = result
        return result

    def citation(self, cited: Theorem) -> tuple[str, str]:
        """How well a cited statement is proved, and what forbids to build on it (empty: nothing does)."""
        if any(cited is open_ for open_ in self.judging):
            return "fails", f"{cited.name} is used in its own proof"
        self.know([cited])
        if self.named[cited.name] is not cited:
            return "fails", f"two statements are named {cited.name}, and a reader could not tell them apart"
        inner = self.judge(cited)
        if inner.proved:
            return inner.verdict, ""
        fallen = inner.verdict in ("refuted", "broken_proof", "vacuous", "ill_formed", "no_proof")
        return "fails" if fallen else "unknown", f"{cited.name} is {inner.verdict}"

    def settle(self, theorem: Theorem, unrolled: Unrolled) -> list[ObligationResult]:
        """Ask the solvers about every obligation of a statement at once."""
        texts: dict[int, str] = {}
        settled: dict[int, ObligationResult] = {}
        for index, obligation in enumerate(unrolled.obligations):
            if obligation.query is None:
                verdict = "holds" if obligation.failure is None else "fails"
                settled[index] = _result(obligation, verdict, reason=obligation.failure or "")
                continue
            try:
                texts[index] = encode(obligation.query).text
            except EncodeError as error:
                settled[index] = _result(obligation, "unknown", reason=f"cannot be put to a solver: {error}")
        answers = self.pool.ask_many(list(texts.values()))
        for (index, text), by_solver in zip(texts.items(), answers, strict=True):
            settled[index] = self.read(unrolled.obligations[index], text, by_solver)
        results = [settled[i] for i in range(len(unrolled.obligations))]
        if self.on_obligation is not None:
            for result in results:
                self.on_obligation(theorem.name, result)
        return results

    def read(self, obligation: Obligation, text: str, by_solver: Mapping[str, Any]) -> ObligationResult:
        """Turn two answers into one word; a countermodel counts only after exact evaluation."""
        assert obligation.query is not None
        solvers = {
            name: {"outcome": a.outcome, "seconds": round(a.seconds, 4), "reason": a.reason, "cached": a.cached}
            for name, a in by_solver.items()
        }
        word = combine(by_solver)
        seconds = sum(a.seconds for a in by_solver.values() if not a.cached)
        made = {"solvers": solvers, "seconds": seconds, "smt2": text}
        if obligation.query.goal is None:
            return self.read_point(obligation, word, made)
        if word == "unsat by both":
            return _result(obligation, PROVED, **made)
        if word.startswith("unsat by "):
            return _result(obligation, PROVED_ALONE.format(word.split()[2]), reason=_why("unknown", solvers), **made)
        if word == "sat":
            model = nice_model(obligation.query, self.pool)
            if model is None:
                reason = "a solver found a countermodel, but it did not survive exact evaluation"
                return _result(obligation, "unknown", reason=reason, **made)
            reason = "countermodel, verified exactly"
            return _result(obligation, "refuted", model=model_shown(model), reason=reason, **made)
        return _result(obligation, word if word == "disagree" else "unknown", reason=_why(word, solvers), **made)

    def read_point(self, obligation: Obligation, word: str, made: Mapping[str, Any]) -> ObligationResult:
        """The word where a point was asked for: one that is verified exactly, or that both solvers claim."""
        assert obligation.query is not None
        solvers = made["solvers"]
        if word == "unsat by both":
            return _result(obligation, "refuted", reason="no parameters meet the hypotheses", **made)
        if word == "sat":
            model = nice_model(obligation.query, self.pool)
            if model is not None:
                shown = ", ".join(f"{letter} = {number}" for letter, number in model_shown(model).items())
                return _result(obligation, "holds", reason=f"for instance {shown}" if shown else "", **made)
            convinced = [name for name, answer in solvers.items() if answer["outcome"] == "sat"]
            if len(convinced) == len(solvers):
                return _result(obligation, "holds", reason="both solvers say so; no point was verified exactly", **made)
            if convinced == ["cvc5"]:  # which gives no model; one of Z3's that fails is worse than none
                return _result(obligation, PROVED_ALONE.format("cvc5"), reason=_why("unknown", solvers), **made)
            return _result(obligation, "unknown", reason="one solver found a point that could not be verified", **made)
        return _result(obligation, "disagree" if word == "disagree" else "unknown", reason=_why(word, solvers), **made)


def _word(theorem: Theorem, results: Sequence[ObligationResult]) -> tuple[str, str]:
    """The verdict of design.md, and its reason."""
    by_kind = {r.kind: r for r in results if r.kind in _KINDS_OF_STATEMENT}
    for kind in ("units", "scaling"):
        if kind in by_kind and not by_kind[kind].passed:
            return "ill_formed", by_kind[kind].reason
    if by_kind["hypotheses"].verdict == "refuted":
        return "vacuous", by_kind["hypotheses"].reason
    loud = next((r for r in results if r.verdict == "disagree"), None)
    if loud is not None:
        return "unknown", f"the solvers disagree on {loud.name!r}"
    judged = [r for r in results if r.kind not in _KINDS_OF_STATEMENT]
    broken = next((r for r in judged if r.verdict in ("refuted", "fails")), None)
    if broken is not None:
        return "broken_proof", f"{broken.name}: {broken.reason}"
    open_ = next((r for r in results if not r.passed), None)
    if open_ is not None:
        return "unknown", f"{open_.name}: {open_.reason}"
    if not theorem.proof and not _proved_by_witness(theorem):
        return "no_proof", "no proof is given"
    alone = next((r.verdict for r in results if r.verdict.endswith(" alone")), None)
    return (alone, "one solver gave up on a step") if alone else (PROVED, "")


def _proved_by_witness(theorem: Theorem) -> bool:
    """A one-step lower claim needs no steps: its witness, checked symbolically, is the proof."""
    from theorems.language.quantities import Scope

    claim = theorem.claim
    return claim.attained and not claim.for_all and claim.quantity.scope is Scope.ONE_STEP


def _result(obligation: Obligation, verdict: str, **more: Any) -> ObligationResult:
    goal = obligation.query.goal if obligation.query is not None else None
    return ObligationResult(
        name=obligation.name,
        kind=obligation.kind,
        verdict=verdict,
        statement="" if goal is None else str(goal),
        latex="" if goal is None else latex(goal),
        says=obligation.says or ("" if obligation.query is None else obligation.query.meaning),
        **more,
    )


def model_shown(model: Mapping[sp.Basic, sp.Expr]) -> dict[str, str]:
    """A model as text; letters that share a name (and differ in unit or domain) are told apart."""
    shown: dict[str, str] = {}
    for letter, number in sorted(model.items(), key=lambda entry: str(entry[0])):
        name = str(letter)
        while name in shown:
            name += "'"
        shown[name] = _shown(number)
    return shown


def _why(word: str, solvers: Mapping[str, Mapping[str, Any]]) -> str:
    if word == "disagree":
        return "; ".join(f"{name} says {s['outcome']}" for name, s in solvers.items())
    return "; ".join(f"{name}: {s['reason']}" for name, s in solvers.items() if s["reason"])


def _shown(value: Any) -> str:
    try:
        return show_exact(value)
    except ValueError:
        return str(value)

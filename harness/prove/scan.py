"""Whether a proof goes through, asked of one statement after the other in a family that differs by one number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from harness.evidence import ErrorLedger
from harness.prove.check import CheckResult, _Checker
from harness.prove.encode import EncodeError, Query, encode
from harness.prove.obligations import all_obligations
from harness.prove.solve import SolverPool, combine
from theorems.language.theorem import Theorem


@dataclass(frozen=True)
class Fault:
    """An obligation that is not shown by both solvers. ``query``: it has a countermodel by Z3."""

    name: str
    reason: str
    query: Query | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


class ProofScan:
    """The proofs of a family of statements; what was shown once is not asked again.

    Args:
        make: the statement for a number.
        pool: the solvers.
        catalogue: by which citations are understood.
        passed_over: kinds of obligations that do not matter.
    """

    def __init__(
        self,
        make: Callable[[Fraction], Theorem],
        pool: SolverPool,
        catalogue: Mapping[str, Theorem],
        passed_over: tuple[str, ...] = (),
    ):
        self.make, self.pool, self.passed_over = make, pool, passed_over
        self.checker = _Checker(catalogue, pool, None, False, ErrorLedger())
        self.shown: set[str] = set()
        self.faults: dict[Fraction, Fault | None] = {}
        # The checker knows statements by their identity, so they must live as long as it does.
        self.alive: list[Theorem] = []

    def fault(self, number: Fraction) -> Fault | None:
        """The first obligation that fails with this number, if any does."""
        if number not in self.faults:
            self.faults[number] = self._fault(number)
        return self.faults[number]

    def judged(self, number: Fraction) -> CheckResult:
        """The prover's whole word on the statement with this number."""
        self.alive.append(self.make(number))
        return self.checker.judge(self.alive[-1])

    def _fault(self, number: Fraction) -> Fault | None:
        made = self.make(number)
        self.alive.append(made)
        unrolled = all_obligations(made)
        queries: dict[str, Query] = {}
        for obligation in unrolled.obligations:
            if obligation.kind in self.passed_over:
                continue
            if obligation.query is None:
                if obligation.failure is not None:
                    return Fault(obligation.name, obligation.failure)
            elif obligation.query.goal is not None:
                try:
                    queries[encode(obligation.query).text] = obligation.query
                except EncodeError as error:
                    return Fault(obligation.name, str(error))
        open_ = [text for text in queries if text not in self.shown]
        # One solver finds countermodels at once; both are asked only where it finds none.
        for text in open_:
            if self.pool.ask_z3(text).outcome == "sat":
                return Fault(queries[text].name, "z3 has a countermodel", queries[text])
        for text, answers in zip(open_, self.pool.ask_many(open_), strict=True):
            word = combine(answers)
            if word != "unsat by both":
                return Fault(queries[text].name, word)
            self.shown.add(text)
        for cited in unrolled.cited:
            if self.checker.judge(cited).verdict != "proved":
                return Fault(f"cites {cited.name}", "it is not proved by both solvers")
        return None


def simplest(low: Fraction, high: Fraction) -> Fraction:
    """The fraction in ``[low, high]`` with the least denominator, ``0 < low <= high``."""
    whole = low.numerator // low.denominator
    if whole == low:
        return low
    if whole + 1 <= high:
        return Fraction(whole + 1)
    return whole + 1 / simplest(1 / (high - whole), 1 / (low - whole))

"""Two solvers, each in a child process that is killed when it overruns; and countermodels checked exactly."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from types import TracebackType
from typing import Any, Literal

import sympy as sp
from sympy.logic.boolalg import And, Not

from harness.prove.encode import Query, encode
from harness.prove.exact import holds

# cvc5 decides most steps at once by cylindrical coverings alone, and most others by its default mix.
SOLVERS: Mapping[str, tuple[tuple[str, ...], ...]] = {"z3": ((),), "cvc5": (("nl-cov=true", "nl-ext=none"), ())}
TIMEOUT = 8.0
_START_TIMEOUT = 60.0
_SIMPLE = tuple(
    sp.Rational(p, q)
    for p, q in ((1, 1), (2, 1), (1, 2), (3, 1), (1, 4), (4, 1), (0, 1), (1, 3), (1, 10), (10, 1), (1, 100), (100, 1))
)


@dataclass(frozen=True)
class Answer:
    """What one solver said of one query. ``unknown`` has a reason: gave up, killed, crashed, missing."""

    solver: str
    outcome: Literal["sat", "unsat", "unknown"]
    seconds: float
    reason: str = ""
    model: Mapping[str, str] | None = None


class _Child:
    """One solver process, started when first asked, replaced after a kill or a crash."""

    def __init__(self, solver: str, options: Sequence[str] = (), command: Sequence[str] | None = None):
        self.solver = solver
        self.command = list(command or (sys.executable, "-m", "harness.prove.child", solver, *options))
        self.process: subprocess.Popen[str] | None = None
        self.missing = ""
        self.version = ""
        self.lock = threading.Lock()

    def ask(self, smt2: str, timeout: float) -> Answer:
        with self.lock:
            start = time.perf_counter()

            def unknown(reason: str) -> Answer:
                return Answer(self.solver, "unknown", time.perf_counter() - start, reason)

            if not self._started():
                return unknown(f"missing: {self.missing}" if self.missing else "could not be started")
            assert self.process is not None
            assert self.process.stdin is not None
            start = time.perf_counter()
            try:
                self.process.stdin.write(json.dumps({"smt2": smt2}) + "\n")
                self.process.stdin.flush()
                line = self._line(timeout)
            except OSError as error:
                self.stop()
                return unknown(f"crashed: {error}")
            if line is None:
                self.stop()
                return unknown(f"killed after {timeout:g} s")
            if not line:
                code = self.process.wait()
                self.stop()
                return unknown(f"crashed with exit code {code}")
            told = json.loads(line)
            return Answer(self.solver, told["outcome"], told["seconds"], told["reason"], told["model"])

    def _started(self) -> bool:
        if self.missing:
            return False
        if self.process is None:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            line = self._line(_START_TIMEOUT)
            told = json.loads(line) if line else {}
            self.missing = told.get("missing", "")
            self.version = told.get("ready", "")
            if not self.version:
                self.stop()
                return False
        return True

    def _line(self, timeout: float) -> str | None:
        """The next line; empty if the process ended, ``None`` if it took too long. A child writes whole lines."""
        assert self.process is not None
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], timeout)
        return self.process.stdout.readline() if ready else None

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for stream in (self.process.stdin, self.process.stdout):
                if stream is not None:
                    stream.close()
            self.process = None


class SolverPool:
    """Both solvers, side by side. Use as a context manager; children die with it.

    Args:
        timeout: seconds of wall clock after which a child is killed; work inside is bounded by each solver's rlimit.
        commands: other programs to run as solvers (tests), by name.
    """

    def __init__(self, timeout: float = TIMEOUT, commands: Mapping[str, Sequence[str]] | None = None):
        self.timeout = timeout
        self.children = {
            name: [_Child(name, options, (commands or {}).get(name)) for options in ways]
            for name, ways in SOLVERS.items()
        }

    def __enter__(self) -> SolverPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        for children in self.children.values():
            for child in children:
                child.stop()

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the solvers that have been started."""
        return {name: children[0].version for name, children in self.children.items() if children[0].version}

    def ask(self, smt2: str) -> dict[str, Answer]:
        """What both solvers say of one query."""
        return self.ask_many([smt2])[0]

    def ask_many(self, texts: Sequence[str]) -> list[dict[str, Answer]]:
        """What both solvers say of many queries, in order; the solvers work in parallel."""
        answers: list[dict[str, Answer]] = [{} for _ in texts]

        def serve(solver: str) -> None:
            for index, text in enumerate(texts):
                answers[index][solver] = self._ask(solver, text)

        threads = [threading.Thread(target=serve, args=(solver,), daemon=True) for solver in self.children]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [{name: found[name] for name in SOLVERS} for found in answers]

    def ask_z3(self, smt2: str) -> Answer:
        """What Z3 alone says: it has the models."""
        return self._ask("z3", smt2)

    def _ask(self, solver: str, smt2: str) -> Answer:
        """One solver's answer: its ways are tried in turn until one decides."""
        children = self.children[solver]
        spent, reasons = 0.0, []
        for child in children:
            answer = child.ask(smt2, self.timeout / len(children))
            spent += answer.seconds
            if answer.outcome != "unknown":
                return replace(answer, seconds=spent)
            reasons.append(answer.reason)
        return Answer(solver, "unknown", spent, "; ".join(dict.fromkeys(reasons)))


def combine(answers: Mapping[str, Answer]) -> str:
    """One word: ``unsat by both``, ``unsat by NAME``, ``sat``, ``unknown`` or ``disagree``."""
    outcomes = {name: answer.outcome for name, answer in answers.items()}
    said = set(outcomes.values())
    if {"sat", "unsat"} <= said:
        return "disagree"
    if said == {"unsat"} and len(outcomes) > 1:
        return "unsat by both"
    if "unsat" in said:
        return f"unsat by {next(name for name, outcome in outcomes.items() if outcome == 'unsat')}"
    return "sat" if "sat" in said else "unknown"


def nice_model(query: Query, pool: SolverPool) -> dict[sp.Basic, sp.Expr] | None:
    """A countermodel of a query (or a model of its facts) in simple numbers, verified exactly; ``None`` if none is.

    Letters are moved one by one to small rationals while the query stays satisfiable; integers must be integers.
    """
    encoded = encode(query)
    letters = sorted((a for a in encoded.atoms.values()), key=lambda a: (not a.is_Symbol, str(a)))
    fixed: list[sp.Basic] = []
    found = pool.ask_z3(encoded.text)
    for letter in letters:
        for candidate in _candidates(letter):
            trial = pool.ask_z3(
                encode(Query(query.name, (*query.facts, *fixed, _is(letter, candidate)), query.goal)).text
            )
            if trial.outcome == "sat":
                fixed.append(_is(letter, candidate))
                found = trial
                break
    if found.outcome != "sat" or found.model is None:
        return None
    try:
        model = {
            atom: parse_model_value(found.model.get(name.strip("|"), "0/1")) for name, atom in encoded.atoms.items()
        }
    except ValueError:
        return None
    if any(atom.is_integer and not model[atom].is_Integer for atom in model):
        return None
    wanted = And(*query.facts, *(() if query.goal is None else (Not(query.goal, evaluate=False),)), evaluate=False)
    inside = all(_in_domain(atom, number) for atom, number in model.items())
    return model if inside and holds(wanted, model) is True else None


def parse_model_value(text: str) -> sp.Expr:
    """``"p/q"`` or ``"root INDEX c0,c1,..."`` (INDEX-th real root of the polynomial with these coefficients, lowest
    power first) as an exact number.

    Raises:
        ValueError: for anything else.
    """
    if text.startswith("root "):
        _, index, listed = text.split(" ", 2)
        letter = sp.Symbol("z")
        coefficients = [sp.Integer(c) for c in listed.split(",")]
        polynomial = sp.Poly(list(reversed(coefficients)), letter)
        return sp.real_roots(polynomial, multiple=True)[int(index) - 1]
    fraction = Fraction(text)
    return sp.Rational(fraction.numerator, fraction.denominator)


def _is(letter: sp.Basic, number: sp.Expr) -> sp.Basic:
    return sp.Eq(letter, number, evaluate=False)


def _candidates(letter: sp.Basic) -> Sequence[sp.Rational]:
    if letter.is_integer:
        return tuple(sp.Integer(n) for n in (1, 2, 3, 4, 5, 10, 20, 100, 1000, 10000, 100000))
    return _SIMPLE


def _in_domain(atom: sp.Basic, number: sp.Expr) -> bool:
    """The number lies where the letter may: exact, as are the facts."""
    condition: Any = sp.true
    if atom.is_positive:
        condition = sp.Gt(number, 0)
    elif atom.is_nonnegative:
        condition = sp.Ge(number, 0)
    return holds(condition, {}) is True

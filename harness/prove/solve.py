"""Two solvers, each in a child process that is killed when it overruns; and countermodels checked exactly."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from types import TracebackType
from typing import Any, Literal

import sympy as sp
from sympy.logic.boolalg import And, Not

from harness.prove.cache import AnswerCache, Kept
from harness.prove.encode import Encoded, Query, encode
from harness.prove.exact import holds

# cvc5 decides most steps at once by cylindrical coverings alone, and most others by its default mix.
SOLVERS: Mapping[str, tuple[tuple[str, ...], ...]] = {"z3": ((),), "cvc5": (("nl-cov=true", "nl-ext=none"), ())}
TIMEOUT = 8.0
_START_TIMEOUT = 60.0
# A solver that keeps its own limit is not killed for answering a little late.
_GRACE = 0.25
# Making a model simpler is worth little: seconds for one trial, and for all of them.
_TRIAL, _TRIALS = 0.5, 4.0
_SIMPLE = tuple(
    sp.Rational(p, q)
    for p, q in ((1, 1), (2, 1), (1, 2), (3, 1), (1, 4), (4, 1), (0, 1), (1, 3), (1, 10), (10, 1), (1, 100), (100, 1))
)


@dataclass(frozen=True)
class Answer:
    """What one solver said of one query. ``unknown`` has a reason: gave up, killed, crashed, missing.

    ``cached``: it was said earlier, and kept; then ``seconds`` is what it took when it was said.
    """

    solver: str
    outcome: Literal["sat", "unsat", "unknown"]
    seconds: float
    reason: str = ""
    model: Mapping[str, str] | None = None
    cached: bool = False


class _Child:
    """One solver process, started when first asked, replaced after a kill, a crash or an answer that makes no sense."""

    def __init__(self, solver: str, options: Sequence[str] = (), command: Sequence[str] | None = None):
        self.solver = solver
        self.command = list(command or (sys.executable, "-m", "harness.prove.child", solver, *options))
        self.process: subprocess.Popen[bytes] | None = None
        self.missing = ""
        self.version = ""
        self.asked = 0
        self.closed = False
        self.lock = threading.Lock()

    def ask(self, smt2: str, timeout: float) -> Answer:
        with self.lock:
            start = time.perf_counter()

            def unknown(reason: str) -> Answer:
                return Answer(self.solver, "unknown", time.perf_counter() - start, reason)

            process = self._started()
            if process is None:
                return unknown(f"missing: {self.missing}" if self.missing else "closed")
            start = time.perf_counter()
            self.asked += 1
            question = json.dumps({"id": self.asked, "smt2": smt2, "limit": timeout}) + "\n"
            try:
                line = _exchange(process, question.encode(), timeout + _GRACE)
                if line is None:
                    return unknown(f"killed after {timeout:g} s")
                if not line:
                    return unknown(f"crashed with exit code {_exit_code(process)}")
                answer = self._read(line)
                process = None
                return answer
            except OSError as error:
                return unknown(f"crashed: {error}")
            except ValueError as error:
                return unknown(f"answered nonsense: {error}")
            finally:
                if process is not None:
                    self.stop()

    def _read(self, line: bytes) -> Answer:
        """The answer in a line (raises ValueError: a stale or garbled line is no answer to the question asked)."""
        told = json.loads(line)
        if not isinstance(told, dict) or told.get("id") != self.asked:
            raise ValueError(f"not an answer to question {self.asked}: {line[:60]!r}")
        outcome, seconds, reason, model = (told.get(key) for key in ("outcome", "seconds", "reason", "model"))
        if outcome not in ("sat", "unsat", "unknown") or not isinstance(seconds, int | float):
            raise ValueError(f"no outcome in {line[:60]!r}")
        if not (model is None or (isinstance(model, dict) and all(isinstance(v, str) for v in model.values()))):
            raise ValueError(f"no model in {line[:60]!r}")
        return Answer(self.solver, outcome, float(seconds), str(reason or ""), model)

    def _started(self) -> subprocess.Popen[bytes] | None:
        """The process, ready for questions; a solver that did not start once is missing for good."""
        if self.process is None and not self.missing and not self.closed:
            try:
                self.process = subprocess.Popen(
                    self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
                )
                line = _exchange(self.process, b"", _START_TIMEOUT)
                told = json.loads(line or b"{}")
                if not isinstance(told, dict) or "ready" not in told:
                    self.missing = str(told.get("missing", "it did not start") if isinstance(told, dict) else told)
                else:
                    self.version = str(told["ready"])
            except (OSError, ValueError) as error:
                self.missing = f"it did not start: {error}"
            if self.missing:
                self.stop()
        return self.process

    def stop(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()


def _exit_code(process: subprocess.Popen[bytes]) -> int | None:
    """The exit code; ``None`` for a process that closed its output and lives on."""
    try:
        return process.wait(1.0)
    except subprocess.TimeoutExpired:
        return None


def _exchange(process: subprocess.Popen[bytes], question: bytes, timeout: float) -> bytes | None:
    """Write a question and read one line, never waiting beyond the deadline: ``None`` then, empty if the process ended.

    A child may hang with its input unread or in the middle of a line, so neither side may block.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    deadline = time.monotonic() + timeout
    answer = b""
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        if question:
            os.set_blocking(process.stdin.fileno(), False)
            ready.register(process.stdin, selectors.EVENT_WRITE)
        while not answer.endswith(b"\n"):
            events = ready.select(max(deadline - time.monotonic(), 0))
            if not events:
                return None
            for key, _ in events:
                if key.fileobj is process.stdout:
                    part = os.read(process.stdout.fileno(), 1 << 16)
                    if not part:
                        return b""
                    answer += part
                else:
                    question = question[os.write(process.stdin.fileno(), question) :]
                    if not question:
                        ready.unregister(process.stdin)
    if answer.count(b"\n") > 1:
        raise ValueError(f"more than one line: {answer[:60]!r}")
    return answer


class SolverPool:
    """Both solvers, side by side. Use as a context manager; children die with it.

    Args:
        timeout: seconds of wall clock after which a child is killed; work inside is bounded by each solver's rlimit.
        commands: other programs to run as solvers (tests), by name; what they say is never kept.
        cache: where definite answers are kept; by default nowhere.
    """

    def __init__(
        self,
        timeout: float = TIMEOUT,
        commands: Mapping[str, Sequence[str]] | None = None,
        cache: AnswerCache | None = None,
    ):
        self.timeout = timeout
        self.cache = cache
        self.strangers = frozenset(commands or ())
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
                child.closed = True
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
        failures: list[BaseException] = []

        def serve(solver: str) -> None:
            try:
                for index, text in enumerate(texts):
                    answers[index][solver] = self._ask(solver, text)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=serve, args=(solver,), daemon=True) for solver in self.children]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return [{name: found[name] for name in SOLVERS} for found in answers]

    def ask_z3(self, smt2: str, limit: float | None = None) -> Answer:
        """What Z3 alone says, within ``limit`` seconds: it has the models."""
        return self._remembered(
            "z3", smt2, lambda: self.children["z3"][0].ask(smt2, self.timeout if limit is None else limit)
        )

    def _ask(self, solver: str, smt2: str) -> Answer:
        return self._remembered(solver, smt2, lambda: self._asked(solver, smt2))

    def _remembered(self, solver: str, smt2: str, ask: Callable[[], Answer]) -> Answer:
        """The kept answer, or a new one, which is kept if it is definite."""
        if self.cache is None or solver in self.strangers:
            return ask()
        options = SOLVERS[solver]
        kept = self.cache.get(smt2, solver, options)
        if kept is not None:
            return Answer(solver, kept.outcome, kept.seconds, model=kept.model, cached=True)
        answer = ask()
        if answer.outcome != "unknown":
            model = None if answer.model is None else dict(answer.model)
            self.cache.put(smt2, solver, options, Kept(answer.outcome, answer.seconds, model))
        return answer

    def _asked(self, solver: str, smt2: str) -> Answer:
        """One solver's answer: its ways are tried in turn until one decides, first for a moment each, since a way
        that decides at all mostly does so at once."""
        children = self.children[solver]
        spent, reasons = 0.0, {}
        slices = (self.timeout,) if len(children) == 1 else (self.timeout / 16, self.timeout / len(children))
        open_ = list(children)
        for limit in slices:
            for child in list(open_):
                answer = child.ask(smt2, limit)
                spent += answer.seconds
                if answer.outcome != "unknown":
                    return replace(answer, seconds=spent)
                reasons[child] = answer.reason
                if not answer.reason.startswith("killed"):
                    open_.remove(child)  # more time would not change its mind
        return Answer(solver, "unknown", spent, "; ".join(dict.fromkeys(reasons.values())))


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


def nice_model(query: Query, pool: SolverPool, limit: float | None = None) -> dict[sp.Basic, sp.Expr] | None:
    """A countermodel of a query (or a model of its facts) in simple numbers, verified exactly; ``None`` if none is.

    Letters are moved one by one to small rationals while the query stays satisfiable; integers must be integers.
    ``limit``: seconds in which a solver must find the first one.
    """
    encoded = encode(query)
    # Letters that an equation gives follow from the others; integers are easy once the rest is fixed.
    given = {f.lhs for f in query.facts if isinstance(f, sp.Eq)}
    letters = sorted(encoded.atoms.values(), key=lambda a: (not a.is_Symbol, a in given, bool(a.is_integer), str(a)))
    fixed: list[sp.Basic] = []
    found = pool.ask_z3(encoded.text, limit)
    if found.outcome != "sat":
        return None
    deadline = time.monotonic() + _TRIALS
    for letter in letters:
        for candidate in _candidates(letter, _value_in(found, encoded, letter)):
            if time.monotonic() > deadline:
                break
            trial = pool.ask_z3(
                encode(Query(query.name, (*query.facts, *fixed, _is(letter, candidate)), query.goal)).text, _TRIAL
            )
            if trial.outcome == "sat":
                fixed.append(_is(letter, candidate))
                found = trial
                break
    model = {letter: _value_in(found, encoded, letter) for letter in letters}
    if any(number is None or (atom.is_integer and not number.is_Integer) for atom, number in model.items()):
        return None
    wanted = And(*query.facts, *(() if query.goal is None else (Not(query.goal, evaluate=False),)), evaluate=False)
    inside = all(_in_domain(atom, number) for atom, number in model.items())
    return model if inside and holds(wanted, model) is True else None


def _value_in(answer: Answer, encoded: Encoded, letter: sp.Basic) -> sp.Expr | None:
    """The letter's value in a model (0 if the model leaves it open); ``None`` if there is none that we can read."""
    name = next(name for name, atom in encoded.atoms.items() if atom == letter)
    try:
        return None if answer.model is None else parse_model_value(answer.model.get(name[1:-1], "0/1"))
    except ValueError:
        return None


def parse_model_value(text: str) -> sp.Expr:
    """``"p/q"`` or ``"root INDEX c0,c1,..."`` (INDEX-th real root of the polynomial with these coefficients, lowest
    power first) as an exact number.

    Raises:
        ValueError: for anything else.
    """
    if text.startswith("root "):
        _, index, listed = text.split(" ", 2)
        coefficients = [sp.Integer(int(c)) for c in reversed(listed.split(","))]
        if len(coefficients) < 2 or coefficients[0] == 0:
            raise ValueError(f"not a polynomial: {text[:80]}")
        roots = sp.real_roots(sp.Poly(coefficients, sp.Symbol("z")), multiple=True)
        if not 1 <= int(index) <= len(roots):
            raise ValueError(f"no such root: {text[:80]}")
        return roots[int(index) - 1]
    try:
        fraction = Fraction(text)
    except ZeroDivisionError:
        raise ValueError(f"not a number: {text[:80]}") from None
    return sp.Rational(fraction.numerator, fraction.denominator)


def _is(letter: sp.Basic, number: sp.Expr) -> sp.Basic:
    return sp.Eq(letter, number, evaluate=False)


def _candidates(letter: sp.Basic, found: sp.Expr | None) -> Sequence[sp.Rational]:
    if letter.is_integer:
        near = () if found is None else (sp.floor(found), sp.ceiling(found))
        return (*(sp.Integer(n) for n in (1, 2, 3, 4, 5, 10, 20, 100, 1000, 10000, 100000)), *near)
    return _SIMPLE


def _in_domain(atom: sp.Basic, number: sp.Expr) -> bool:
    """The number lies where the letter may: exact, as are the facts."""
    condition: Any = sp.true
    if atom.is_positive:
        condition = sp.Gt(number, 0)
    elif atom.is_nonnegative:
        condition = sp.Ge(number, 0)
    return holds(condition, {}) is True

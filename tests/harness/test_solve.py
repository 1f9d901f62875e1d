"""Solvers that hang, crash, lie or talk nonsense: the run survives, and nothing passes on their word."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cvc5
import pytest
import sympy as sp
import z3

from harness.prove import CheckResult, check
from harness.prove.encode import Query, encode
from harness.prove.exact import holds
from harness.prove.solve import SolverPool, _Child, combine, nice_model, parse_model_value
from theorems.catalogue import load_catalogue
from theorems.language import (
    ONE,
    AgainstGradient,
    Domain,
    ExactGradients,
    L,
    Min,
    Parameter,
    Smooth,
    Source,
    Step,
    StepChange,
    Theorem,
    Upper,
    c,
    eta,
    m,
    sigma,
)

SAT = "(set-logic QF_NRA)\n(declare-const x Real)\n(assert (> x 1.0))\n(check-sat)\n"
UNSAT = "(set-logic QF_NRA)\n(declare-const x Real)\n(assert (< (* x x) 0.0))\n(check-sat)\n"

# A solver of our own: says that it is ready, then does BODY for each question.
TALK = """
import json, sys, time
def say(**answer):
    print(json.dumps({"id": question["id"], "seconds": 0.0, "reason": "", "model": None, **answer}), flush=True)
print(json.dumps({"ready": "0"}), flush=True)
for line in sys.stdin:
    question = json.loads(line)
    BODY
"""


def fake(body: str) -> list[str]:
    return [sys.executable, "-c", TALK.replace("BODY", body)]


def script(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def pool_of(timeout: float = 5.0, **commands: Sequence[str]) -> SolverPool:
    return SolverPool(timeout=timeout, commands=commands)


STEP = eta * Min(m, c)
TRUE, FALSE = -m * STEP + L * STEP**2, -m * STEP


def theorem(bound: Any = TRUE, **change: Any) -> Theorem:
    """The descent lemma with L for L/2, or without its second term; it cites nothing, so that few queries are asked."""
    made: dict[str, Any] = {
        "name": "mine",
        "source": Source("tests", "1"),
        "given": [Smooth(L), ExactGradients()],
        "when": [],
        "claim": Upper(StepChange, bound),
        "proof": [
            Step("lemma", by=AgainstGradient()),
            Step("claim", gives=StepChange <= bound, from_=["lemma"]),
        ],
    }
    return Theorem(**{**made, **change})


def judged(pool: SolverPool, statement: Theorem | None = None) -> CheckResult:
    return check([statement or theorem()], pool=pool, confirm_contradictions=False)[0]


@pytest.fixture(scope="module")
def pool() -> Iterator[SolverPool]:
    with SolverPool() as solvers:
        yield solvers


# -- one solver misbehaves ------------------------------------------------------------------------------------------

UNKNOWNS: dict[str, tuple[list[str], str]] = {
    "hangs": (fake("time.sleep(60)"), "killed after 0.5 s"),
    "hangs within a line": (fake("sys.stdout.write('{'); sys.stdout.flush(); time.sleep(60)"), "killed after 0.5 s"),
    "crashes": (fake("sys.exit(3)"), "crashed with exit code 3"),
    "is killed": (fake("import os; os.kill(os.getpid(), 9)"), "crashed with exit code -9"),
    "closes its output": (fake("import os; os.close(1); time.sleep(60)"), "crashed with exit code None"),
    "answers garbage": (fake("print('segmentation fault', flush=True)"), "answered nonsense"),
    "answers a list": (fake("print('[]', flush=True)"), "answered nonsense"),
    "answers bytes": (fake("sys.stdout.buffer.write(b'\\xff\\n'); sys.stdout.flush()"), "answered nonsense"),
    "answers another word": (fake("say(outcome='maybe')"), "answered nonsense"),
    "answers without a time": (fake("say(outcome='unsat', seconds=None)"), "answered nonsense"),
    "answers with a model that is none": (fake("say(outcome='sat', model=[1])"), "answered nonsense"),
    "answers an earlier question": (fake("say(outcome='unsat', id=question['id'] - 1)"), "answered nonsense"),
    "answers twice": (fake("print('{}\\n{}', flush=True)"), "answered nonsense"),
    "gives up": (fake("say(outcome='unknown', reason='incomplete')"), "incomplete"),
    "is missing": (script('print(\'{"missing": "No module named z3"}\')'), "missing: No module named z3"),
    "is no program": (["/no/such/solver"], "missing: it did not start"),
    "dies at the start": (script("raise SystemExit(1)"), "missing: it did not start"),
    "greets with garbage": (script("print('Welcome!')"), "missing: it did not start"),
    "greets with a number": (script("print(7)"), "missing: 7"),
}


@pytest.mark.parametrize("name", UNKNOWNS)
def test_a_misbehaving_solver_says_unknown_and_why(name: str) -> None:
    command, reason = UNKNOWNS[name]
    child = _Child("z3", command=command)
    start = time.perf_counter()
    try:
        for _ in range(2):  # the second question meets a fresh process, or the same refusal
            answer = child.ask(UNSAT, 0.5 if "hangs" in name else 10.0)
            assert answer.outcome == "unknown"
            assert reason in answer.reason
    finally:
        child.stop()
    assert time.perf_counter() - start < 20


def test_a_solver_that_does_not_read_is_killed_too() -> None:
    child = _Child("z3", command=script('import time; print(\'{"ready": "0"}\', flush=True); time.sleep(60)'))
    try:
        assert "killed" in child.ask("; " + "x" * 10**6, 0.5).reason  # more than a pipe holds
    finally:
        child.stop()


def test_a_late_answer_is_not_taken_for_the_next_question() -> None:
    """The first question is answered after its time: that process is gone before the second is asked."""
    slow_once = fake("time.sleep(2 if 'first' in question['smt2'] else 0); say(outcome='unsat')")
    child = _Child("z3", command=slow_once)
    try:
        assert child.ask("first", 0.5).outcome == "unknown"
        assert child.ask("second", 5.0).outcome == "unsat"
    finally:
        child.stop()


def test_a_solver_that_cannot_start_is_not_tried_again(tmp_path: Path) -> None:
    log = tmp_path / "starts"
    child = _Child("z3", command=script(f"open({str(log)!r}, 'a').write('.')"))
    for _ in range(3):
        assert child.ask(UNSAT, 1.0).outcome == "unknown"
    assert log.read_text() == "."


@pytest.mark.slow
def test_an_unanswered_solver_leaves_the_weaker_word() -> None:
    for command in (fake("time.sleep(60)"), ["/no/such/solver"], fake("print('?', flush=True)")):
        with pool_of(2.0, cvc5=command) as pool:
            answers = pool.ask(UNSAT)
            assert combine(answers) == "unsat by z3"
            assert answers["cvc5"].reason
    with pool_of(z3=["/no/such/solver"]) as pool:
        result = judged(pool)
        assert result.verdict == "proved by cvc5 alone"
        assert "missing" in next(o.reason for o in result.obligations if o.verdict.endswith(" alone"))


def test_without_any_solver_nothing_is_proved() -> None:
    with pool_of(z3=["/no/such/solver"], cvc5=["/no/such/solver"]) as pool:
        result = judged(pool)
    assert result.verdict == "unknown"
    assert not any(o.passed for o in result.obligations if o.smt2)


def test_an_internal_error_is_not_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    with SolverPool() as pool:
        monkeypatch.setattr(pool, "_ask", broken)
        with pytest.raises(RuntimeError, match="a mistake of ours"):
            pool.ask(UNSAT)


def test_a_closed_pool_starts_nothing() -> None:
    with SolverPool() as pool:
        pass
    answers = pool.ask(UNSAT)
    assert {a.outcome for a in answers.values()} == {"unknown"}
    assert all(child.process is None for children in pool.children.values() for child in children)


# -- the real children -----------------------------------------------------------------------------------------------


def test_both_solvers_answer_and_stay(pool: SolverPool) -> None:
    for text, word in ((UNSAT, "unsat by both"), (SAT, "sat"), (UNSAT, "unsat by both")):
        assert combine(pool.ask(text)) == word
    assert set(pool.versions) == {"z3", "cvc5"}


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "(set-logic QF_NRA)\n(assert (> y 0.0))\n(check-sat)\n",
        "(set-logic QF_NRA)\n(declare-const x Real)\n(declare-const x Real)\n(assert false)\n(check-sat)\n",
        "(set-logic QF_NRA)\n(declare-const x Real)\n(assert (positive x))\n(assert false)\n(check-sat)\n",
    ],
)
def test_a_text_that_a_solver_rejects_is_not_answered(text: str, pool: SolverPool) -> None:
    for answer in pool.ask(text).values():
        assert answer.outcome == "unknown"
        assert answer.reason.startswith("error")
    assert combine(pool.ask(UNSAT)) == "unsat by both"


# -- liars -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["z3", "cvc5"])
@pytest.mark.parametrize(("claim", "lie"), [(TRUE, "sat"), (FALSE, "unsat")])
def test_two_solvers_that_disagree_are_heard_and_never_pass(claim: Any, lie: str, name: str) -> None:
    """A true step that one of them calls false, and a false one that it calls true."""
    with pool_of(**{name: fake(f"say(outcome='{lie}', model={{}})")}) as pool:
        result = judged(pool, theorem(claim))
    loud = [o for o in result.obligations if o.verdict == "disagree"]
    assert loud
    assert result.verdict == "unknown"
    assert "disagree" in result.reason
    assert all("z3 says" in o.reason and "cvc5 says" in o.reason for o in loud)
    assert not any(o.passed for o in loud)


def test_a_false_countermodel_does_not_survive() -> None:
    """Both solvers claim that a true step fails, with numbers; exact evaluation finds that it holds there."""
    ones = "{name: '1/1' for name in ('m', 'c', 'eta', 'L', 'StepChange')}"
    for model in ("{}", ones, "{'c': '1/0'}", "{'c': 'root 9 1,1'}", "None"):
        lie = fake(f"say(outcome='sat', model={model})")
        with pool_of(z3=lie, cvc5=lie) as pool:
            result = judged(pool)
        assert result.verdict == "unknown"
        assert not any(o.verdict in ("refuted", "proved") for o in result.obligations)
        assert any("did not survive exact evaluation" in o.reason for o in result.obligations)


def test_a_claim_that_a_point_exists_is_verified() -> None:
    """Contradictory hypotheses stay unproven, even if one solver swears to a point."""
    hypotheses = theorem(when=[eta * L <= 1, eta**2 * L**2 >= 2])
    lie = fake("say(outcome='sat', model={'eta': '1/1', 'L': '1/1'})")
    with pool_of(z3=lie, cvc5=fake("say(outcome='unknown', reason='gave up')")) as pool:
        found = next(o for o in judged(pool, hypotheses).obligations if o.kind == "hypotheses")
    assert found.verdict == "unknown"
    with SolverPool() as pool:
        assert judged(pool, hypotheses).verdict == "vacuous"
        found = next(o for o in judged(pool).obligations if o.kind == "hypotheses")
    assert found.verdict == "holds"


def test_a_letter_outside_its_domain_is_no_countermodel() -> None:
    lie = fake("say(outcome='sat', model={'c': '-1/1', 'sigma': '1/1'})")
    query = Query("q", (), sp.Ge(sigma / c, 0))
    with pool_of(z3=lie) as pool:
        assert nice_model(query, pool) is None


# -- models ----------------------------------------------------------------------------------------------------------

x = Parameter("x", ONE)
k = Parameter("k", ONE, Domain.POSITIVE_INTEGER)


@pytest.mark.parametrize(
    ("facts", "goal"),
    [
        ((), sp.Ne(x**2, 2)),
        ((sp.Eq(x**2, 2),), sp.Gt(x, sp.Rational(3, 2))),
        ((sp.Eq(x**5 - x - 1, 0),), sp.Lt(x, 1)),
        ((sp.Eq(x**3, 2),), sp.Ge(x**2, sp.Rational(8, 5))),
    ],
)
def test_an_irrational_countermodel_is_verified_exactly(facts: tuple[Any, ...], goal: Any, pool: SolverPool) -> None:
    model = nice_model(Query("irrational", facts, goal), pool)
    assert model is not None
    assert not model[x].is_rational
    assert all(holds(fact, model) is True for fact in facts)
    assert holds(goal, model) is False
    # A neighbour at a distance of 1e-30 is no model.
    near = {x: sp.Rational(str(sp.N(model[x], 40))) + sp.Rational(1, 10**30)}
    assert all(holds(fact, near) is False for fact in facts) or holds(goal, near) is True


def test_a_model_is_made_simple_and_whole(pool: SolverPool) -> None:
    model = nice_model(Query("simple", (sp.Ge(k, 7), sp.Gt(sigma, 2 * c)), sp.Le(sigma * k, 14 * c)), pool)
    assert model is not None
    assert model[k].is_Integer
    assert all(max(abs(v.p), v.q) <= 10 for v in model.values())
    assert nice_model(Query("no integer", (sp.Gt(k, 1), sp.Lt(k, 2)), sp.false), pool) is None
    far = nice_model(Query("far", (sp.Gt(k, sp.Rational(7777777, 2)), sp.Lt(k, 3888890)), None), pool)
    assert far is not None
    assert far[k] == 3888889


def test_numbers_of_models() -> None:
    assert parse_model_value("-3/4") == sp.Rational(-3, 4)
    assert parse_model_value("root 1 -2,0,1") == -sp.sqrt(2)
    assert parse_model_value("root 2 -2,0,1") == sp.sqrt(2)
    no_roots = ("root", "root 1", "root 3 -2,0,1", "root 1 1,0,1", "root 0 -2,0,1", "root 1 5", "root x 1,1")
    for text in ("", "1/0", "x", "? 1.5?", *no_roots):
        with pytest.raises(ValueError, match=r".+"):
            parse_model_value(text)


# -- texts -----------------------------------------------------------------------------------------------------------


def _z3_reads(file: Path) -> str:
    solver = z3.Solver()
    solver.add(z3.parse_smt2_file(str(file)))
    return str(solver.check())


def _cvc5_reads(file: Path) -> str:
    solver = cvc5.Solver(cvc5.TermManager())
    for option in ("nl-cov=true", "nl-ext=none"):
        solver.setOption(*option.split("="))
    parser = cvc5.InputParser(solver)
    parser.setFileInput(cvc5.InputLanguage.SMT_LIB_2_6, str(file))
    said = ""
    while not (command := parser.nextCommand()).isNull():
        said = command.invoke(solver, parser.getSymbolManager()).strip() or said
    return said


@pytest.mark.parametrize("name", ["D0", "S1_linear", "S2", "planted_vacuous"])
def test_every_query_is_kept_and_read_back_from_its_file(name: str, tmp_path: Path, pool: SolverPool) -> None:
    result = judged(pool, load_catalogue()[name])
    asked = [o for o in result.obligations if o.solvers]
    assert asked
    readers: Mapping[str, Any] = {"z3": _z3_reads, "cvc5": _cvc5_reads}
    for index, obligation in enumerate(asked):
        file = tmp_path / f"{index}.smt2"
        file.write_text(obligation.smt2, encoding="utf-8")
        assert "wanted answer" in obligation.smt2
        for solver, read in readers.items():
            assert read(file) == obligation.solvers[solver]["outcome"]


def test_a_text_is_the_same_every_time() -> None:
    query = Query("same", (sp.Ge(sigma, c),), sp.Ge(sp.sqrt(sigma**2 + c**2), sp.Min(sigma, 2 * c) / c * c))
    assert encode(query).text == encode(query).text

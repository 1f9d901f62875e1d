"""Kept answers: definite ones alone, found again by content, never trusted when damaged."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzz.engine.generated import cache_directory
from harness.prove import cache as cache_module
from harness.prove.cache import AnswerCache, Kept, answers_directory
from harness.prove.solve import SolverPool

UNSAT = "(set-logic QF_NRA)\n(declare-const |x| Real)\n(assert (< (* |x| |x|) 0.0))\n(check-sat)\n"
SAT = "(set-logic QF_NRA)\n(declare-const |x| Real)\n(assert (< 1.0 (* |x| |x|)))\n(check-sat)\n"
OPTIONS = ((),)


@pytest.fixture(scope="module")
def solvers() -> Iterator[SolverPool]:
    with SolverPool() as pool:
        yield pool


def entries(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.json"))


def test_an_answer_is_found_again_and_marked(tmp_path: Path, solvers: SolverPool) -> None:
    with SolverPool(cache=AnswerCache(tmp_path)) as pool:
        first = pool.ask_many([UNSAT, SAT])
    assert not any(a.cached for answers in first for a in answers.values())
    assert len(entries(tmp_path)) == 4
    with SolverPool(cache=AnswerCache(tmp_path)) as pool:
        again = pool.ask_many([UNSAT, SAT])
        assert pool.versions == {}  # no solver was started
    for old, new in zip(first, again, strict=True):
        for name in ("z3", "cvc5"):
            assert new[name].cached
            assert (new[name].outcome, new[name].model) == (old[name].outcome, old[name].model)
    assert not solvers.ask(UNSAT)["z3"].cached


def test_only_definite_answers_are_kept_and_no_stranger_s(tmp_path: Path) -> None:
    nonsense = SAT.replace("1.0", "1.0 1.0 (")
    lie = [sys.executable, "-c", 'print(\'{"ready": "0"}\', flush=True); input()']
    with SolverPool(timeout=2.0, commands={"cvc5": lie}, cache=AnswerCache(tmp_path)) as pool:
        assert pool.ask(nonsense)["z3"].outcome == "unknown"
        assert entries(tmp_path) == []
        assert pool.ask(UNSAT)["cvc5"].outcome == "unknown"
    assert len(entries(tmp_path)) == 1


DAMAGE = {
    "cut short": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "another answer": lambda text: text.replace('"unsat"', '"sat"'),
    "not an object": lambda text: "[1, 2]",
    "binary": lambda text: "\x00\xff" * 40,
    "deep": lambda text: "[" * 100_000,
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_entry_is_no_answer_and_is_written_anew(
    name: str, tmp_path: Path, solvers: SolverPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = AnswerCache(tmp_path)
    cache.put(UNSAT, "z3", OPTIONS, Kept("unsat", 0.1, None))
    (file,) = entries(tmp_path)
    whole = file.read_text()
    file.write_text(DAMAGE[name](whole), encoding="utf-8")
    assert cache.get(UNSAT, "z3", OPTIONS) is None
    monkeypatch.setattr(solvers, "cache", cache)
    answer = solvers.ask_z3(UNSAT)
    assert (answer.outcome, answer.cached) == ("unsat", False)
    assert cache.get(UNSAT, "z3", OPTIONS) is not None


def test_a_lie_needs_somebody_who_edits_the_cache(tmp_path: Path, solvers: SolverPool) -> None:
    """Documented: the checksum finds accidents, not malice, and ``--no-cache`` asks anew."""
    cache = AnswerCache(tmp_path)
    cache.put(SAT, "z3", OPTIONS, Kept("unsat", 0.1, None))
    with SolverPool(cache=cache) as pool:
        assert pool.ask_z3(SAT).outcome == "unsat"
        assert pool.ask_z3(SAT).cached
    assert solvers.ask_z3(SAT).outcome == "sat"


def test_the_key_is_everything_that_an_answer_depends_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = AnswerCache(tmp_path)
    cache.put(UNSAT, "z3", OPTIONS, Kept("unsat", 0.1, None))
    assert cache.get(UNSAT, "z3", OPTIONS) is not None
    assert cache.get(UNSAT + " ", "z3", OPTIONS) is None
    assert cache.get(UNSAT, "cvc5", OPTIONS) is None
    assert cache.get(UNSAT, "z3", (("other=true",),)) is None
    monkeypatch.setattr(cache_module.metadata, "version", lambda package: "0.0.0")
    assert cache.get(UNSAT, "z3", OPTIONS) is None

    def absent(package: str) -> str:
        raise cache_module.metadata.PackageNotFoundError(package)

    # A solver that is missing has nothing to say, whatever was kept.
    monkeypatch.setattr(cache_module.metadata, "version", absent)
    assert cache.get(UNSAT, "z3", OPTIONS) is None


def test_writers_may_race(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path)
    threads = [
        threading.Thread(target=cache.put, args=(UNSAT, "z3", OPTIONS, Kept("unsat", 0.1, None))) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (file,) = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert json.loads(file.read_text())["outcome"] == "unsat"


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    cache = AnswerCache(blocked)
    cache.put(UNSAT, "z3", OPTIONS, Kept("unsat", 0.1, None))
    assert cache.get(UNSAT, "z3", OPTIONS) is None


def test_answers_lie_beside_generated_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert answers_directory().parent == cache_directory()
    monkeypatch.setenv("CLIPBOUNDS_CACHE", str(tmp_path))
    assert answers_directory().parent == cache_directory() == tmp_path

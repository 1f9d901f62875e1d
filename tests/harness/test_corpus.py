"""The corpus: what a search leaves, what a later one gets, and what damage does (nothing)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import sympy as sp
from conftest import false_bias, stuck_problem

from fuzz.budget import Budget
from fuzz.outcome import Candidate
from fuzz.problem import Family
from fuzz.search import search
from harness.attack import attack
from harness.corpus import Corpus, Entry, usable
from harness.evidence import ErrorLedger
from harness.verdicts import SearchVerdict
from theorems.language import Rational, StuckGradientNorm, Upper, c, sigma


def candidate(gradient: str = "1/4", score: float = 1.25) -> Candidate:
    problem = replace(stuck_problem(), start=(sp.Rational(gradient),))
    return Candidate(problem, {}, score, 0.0, "by hand")


def left(folder: Path, *candidates: Candidate, label: str = "1") -> Corpus:
    corpus = Corpus(folder)
    corpus.note(false_bias(), candidates, label)
    return corpus


def test_an_entry_is_read_as_it_was_written() -> None:
    entry = Entry("bias", stuck_problem(), {"sigma": Rational(1, 3)}, 1.25)
    assert Entry.read(entry.line()) == entry
    assert "\n" not in entry.line()


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("{", "not JSON"),
        ("[]", "not an entry"),
        ("7", "not an entry"),
        ('{"format": 2}', "format 2"),
        ('{"format": 1}', "not an entry"),
        ("x" * 100_001, "longer than"),
        ("[" * 90_000, "not an entry"),
    ],
)
def test_a_bad_line_is_refused_in_one(line: str, word: str) -> None:
    with pytest.raises(ValueError, match=word) as error:
        Entry.read(line)
    assert "\n" not in str(error.value)


def test_scores_and_names_are_checked() -> None:
    for name, score in (("../bias", 1.0), ("", 1.0), ("bias", float("nan"))):
        with pytest.raises(ValueError, match=r"name of a theorem|finite"):
            Entry(name, stuck_problem(), {}, score)


def test_the_best_are_kept_whoever_was_first(tmp_path: Path) -> None:
    """Two searches side by side, merged in either order; the same problem counts once."""
    one = [candidate(f"1/{k}", 1 / k) for k in range(4, 12)]
    two = [candidate(f"1/{k}", 1.5 / k) for k in range(8, 16)]
    texts = []
    for order, parts in enumerate(((one, two), (two, one))):
        corpus = Corpus(tmp_path / str(order), most=6)
        for label, found in enumerate(parts):
            corpus.note(false_bias(), found, str(label))
        assert corpus.merge() == []
        texts.append((tmp_path / str(order) / "false-bias.jsonl").read_text())
    assert texts[0] == texts[1]
    scores = [json.loads(line)["score"] for line in texts[0].splitlines()]
    assert len(scores) == 6
    assert scores == sorted(scores, reverse=True)
    assert not list((tmp_path / "0" / "pending").iterdir())
    # Merging again, and noting the same again, changes nothing.
    corpus = left(tmp_path / "0", *one[:1])
    corpus.most = 6
    corpus.merge()
    assert (tmp_path / "0" / "false-bias.jsonl").read_text() == texts[0]


def test_damage_costs_lines_and_nothing_else(tmp_path: Path) -> None:
    corpus = left(tmp_path, candidate())
    corpus.merge()
    file = tmp_path / "false-bias.jsonl"
    good = file.read_text()
    file.write_bytes(b"\xff\xfe\n" + good.encode()[:40] + b"\n" + good.encode())
    (tmp_path / "pending" / "other.1.jsonl").write_text("half a line")
    told = corpus.merge()
    assert len(told) == 3
    assert any(line.startswith(f"{file}:1: skipped: ") for line in told)
    assert len(corpus.starts(false_bias())) == 1
    assert file.read_text() == good
    assert corpus.merge() == []
    assert Corpus(tmp_path / "nowhere").starts(false_bias()) == []
    assert Corpus(tmp_path / "nowhere").merge() == []


def test_a_problem_that_no_longer_fits_is_passed_over(tmp_path: Path) -> None:
    corpus = left(tmp_path, candidate())
    corpus.merge()
    assert len(corpus.starts(false_bias())) == 1
    assert corpus.starts(false_bias(when=[sigma >= 2 * c])) == []
    assert corpus.starts(false_bias(name="another")) == []
    off_centre = replace(stuck_problem(), noise=Family("none", ({},)), start=(sp.Integer(1),))
    # Not stuck at all, so that there is nothing to measure; and a letter that the statement does not have.
    assert usable(false_bias(), Entry("false-bias", off_centre, {"tau": sp.Integer(1)}, 9.0)) is None


def test_a_later_search_starts_from_what_was_left(tmp_path: Path) -> None:
    """A near miss that a starved search does not find by itself, but confirms when it is handed on."""
    theorem = false_bias(
        when=[sigma <= 2 * c],
        claim=Upper(StuckGradientNorm, Rational(2499, 2500) * sigma**2 / (4 * c)),
    )
    starved = Budget(steps=200)
    without = attack(theorem, starved, 0, ledger=ErrorLedger())
    assert without.verdict is not SearchVerdict.REFUTED
    corpus = Corpus(tmp_path)
    corpus.note(theorem, [candidate()], "1")
    corpus.merge()
    starts = corpus.starts(theorem)
    assert starts
    found = attack(theorem, starved, 0, ledger=ErrorLedger(), extra_starts=starts)
    assert found.verdict is SearchVerdict.REFUTED


def test_what_a_search_finds_can_be_left(tmp_path: Path) -> None:
    theorem = false_bias()
    corpus = Corpus(tmp_path)
    corpus.note(theorem, search(theorem, Budget(steps=5000)).candidates, "1")
    assert corpus.merge() == []
    assert corpus.starts(theorem)

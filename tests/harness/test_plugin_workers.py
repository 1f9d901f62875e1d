"""The plugin as a user runs it: in processes, with and without workers, in both profiles."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import ENTRY, plugin

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ("-p", plugin(), "-p", "no:cacheprovider", "-p", "no:playwright")
PATHS = ("--theorems", "claims", "--theorems", "wrong", "claims", "wrong", "test_plain.py")


@dataclass(frozen=True)
class Session:
    """A finished session: its exit code, and how each item ended, with its numbers."""

    code: int
    output: str
    items: dict[str, tuple[str, tuple[tuple[str, str], ...]]]


def session(folder: Path, *arguments: str, **environment: str) -> Session:
    report = folder / "junit.xml"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *PLUGINS, f"--junitxml={report}", *PATHS, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ENTRY}", **environment},
    )
    items = {}
    for case in ElementTree.parse(report).iter("testcase"):
        ends = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        numbers = tuple((str(p.get("name")), str(p.get("value"))) for p in case.iter("property"))
        items[f"{case.get('classname')}::{case.get('name')}"] = (ends[0] if ends else "passed", numbers)
    return Session(done.returncode, done.stdout + done.stderr, items)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "tests" / "example_repository", tmp_path / "repository"))


def ends(done: Session) -> dict[str, str]:
    return {name: end for name, (end, _) in done.items.items()}


@pytest.mark.slow
def test_ci_says_the_same_with_any_number_of_workers(repository: Path) -> None:
    """Verdicts and every number: scores, steps, evidence, seeds and error levels. What a user's own settings of
    Hypothesis are has no part in it either."""
    options = ("--fuzz-budget", "20000steps", "--fuzz-parts", "2")
    alone = session(repository, *options)
    two = session(repository, *options, "-n", "2", "--hypothesis-seed", "7")
    three = session(repository, *options, "-n", "3", "--dist", "loadfile", CI="true")
    assert alone.code == two.code == three.code == 1, alone.output
    assert alone.items == two.items == three.items
    assert {name for name, end in ends(alone).items() if end == "failure"} == {
        "wrong.half.check::too_good",
        "wrong.half.fuzz::too_good[1/2]",
        "wrong.half.fuzz::too_good[2/2]",
    }
    levels = [float(v) for _, numbers in alone.items.values() for k, v in numbers if k == "clipbounds_alpha"]
    assert 0 < sum(levels) <= 1e-6
    # The two halves of one search are two searches.
    halves = [dict(alone.items[f"claims.convergence.fuzz::rate[{part}/2]"][1]) for part in (1, 2)]
    assert halves[0]["clipbounds_seed"] != halves[1]["clipbounds_seed"]


@pytest.mark.slow
def test_nightly_takes_fresh_seeds_and_remembers(repository: Path) -> None:
    """Two nights. The same claims stand and fall; seeds differ, and all workers of a night have the same one."""
    options = ("--clipbounds-profile", "nightly", "--fuzz-budget", "20000steps")
    # So short a search of a whole run misses its violation with one fresh seed in eight.
    options += ("--deselect", "claims/convergence.py::fuzz::no_bias")
    first = session(repository, *options)
    corpus = sorted((repository / ".clipbounds" / "corpus").glob("*.jsonl"))
    assert {file.stem for file in corpus} >= {"bias", "rate", "too_good"}
    assert not list((repository / ".clipbounds" / "corpus" / "pending").glob("*"))
    second = session(repository, *options, "-n", "2")
    assert first.code == second.code == 1
    assert ends(first) == ends(second)

    def seeds(done: Session) -> set[str]:
        return {value for _, numbers in done.items.values() for name, value in numbers if name == "clipbounds_seed"}

    assert len(seeds(first)) == len(seeds(second)) == 1
    assert seeds(first) != seeds(second)
    # With a seed and steps a night can be repeated, on any number of workers: they all start from the same corpus.
    options = ("--clipbounds-profile", "nightly", "--fuzz-budget", "10000steps", "--fuzz-seed", "5")
    folders = [Path(shutil.copytree(repository, repository.parent / f"night{number}")) for number in (1, 2)]
    again = [session(folder, *options, *more) for folder, more in zip(folders, ((), ("-n", "2")), strict=True)]
    assert again[0].items == again[1].items


@pytest.mark.slow
def test_a_damaged_corpus_costs_a_line(repository: Path) -> None:
    corpus = repository / ".clipbounds" / "corpus"
    corpus.mkdir(parents=True)
    (corpus / "rate.jsonl").write_bytes(b'{"format": 1}\n\xff\xfe\n')
    done = session(repository, "--clipbounds-profile", "nightly", "--fuzz-budget", "20000steps", "-k", "rate")
    assert done.code == 0, done.output
    assert done.output.count("rate.jsonl:") == 2
    assert "rate.jsonl:1: skipped: not an entry" in done.output

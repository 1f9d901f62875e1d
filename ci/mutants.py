"""Are the tests of the core worth their name? ``python ci/mutants.py [MODULE...] [--known FILE] [--out FILE.md]``.

mutmut changes one thing at a time in a module of the core and runs the tests of that module; a change that no test
notices survives. The known survivors, each with the reason why it does no harm, are in ``ci/results/mutants.txt``:
``module.function: line -> changed line``. Work is done in a copy, so that nothing is left behind.
Exit codes: 0 no other survivor; 1 there are some; 2 nothing could be mutated, or the tests fail without any change.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KNOWN = ROOT / "ci" / "results" / "mutants.txt"
CORE = {
    "harness/evidence.py": ("tests/harness/test_evidence.py",),
    "harness/judge.py": ("tests/harness/test_judge.py",),
    # The engine's loops, clipping among them. The compiled module is made from their text; there they are plain Python.
    # The outer loops, in runs.py, are left out: many of their mutants are sizes and types of buffers, and whole runs
    # are slow for hundreds of them.
    "fuzz/engine/lanes.py": ("tests/fuzz/test_engine_lanes.py",),
    "harness/exact/comparison.py": (
        "tests/harness/test_exact_comparison.py::test_equal_numbers_and_their_neighbours",
        "tests/harness/test_exact_comparison.py::test_what_cannot_be_decided_is_not_guessed",
        "tests/harness/test_exact_comparison.py::test_conditions",
        "tests/harness/test_exact_comparison.py::test_resolve_decides_every_case",
        "tests/harness/test_exact_comparison.py::test_resolve_takes_the_right_one_of_two",
        "tests/harness/test_exact_comparison.py::test_numbers_that_agree_to_all_bits_are_not_called_identical",
        "tests/harness/test_exact_numbers.py::test_enclosures_are_rounded_outwards",
        "tests/harness/test_exact_numbers.py::test_next_to_nothing_is_rounded_away_from_itself",
        "tests/harness/test_exact_numbers.py::test_an_enclosure_says_how_it_was_found",
    ),
}
_COPIED = ("theorems", "fuzz", "harness", "tests", "ci", "docs", "pyproject.toml", "README.md", "CHANGELOG.md")
_CONFIGURATION = """
[tool.mutmut]
source_paths = ["theorems", "fuzz", "harness"]
only_mutate = [{module!r}]
pytest_add_cli_args = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:playwright", "-m", "not slow"]
pytest_add_cli_args_test_selection = {tests!r}
also_copy = ["ci", "docs", "README.md", "CHANGELOG.md"]
use_git_change_detection = false
track_dependencies = false
"""
_RESULT = re.compile(r"^\s+(?P<name>\S+): (?P<end>\S.*?)\s*$", re.M)


class MutationError(RuntimeError):
    """mutmut could not do its work: one line."""


@dataclass(frozen=True)
class Mutant:
    """A change that no test noticed (or that no test runs, or that hangs)."""

    name: str
    end: str
    change: str

    @property
    def line(self) -> str:
        """As in the list of known ones: no number is in it, so that it outlives other changes of the file."""
        return f"{self.name}: {self.change}"


def mutate(module: str, tests: Sequence[str], only: str, workers: int) -> tuple[list[Mutant], int]:
    """The mutants of a module that are not killed, and how many there were.

    Raises:
        MutationError: one line, if mutmut fails, which it does where the tests fail without any change.
    """
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        folder = Path(place)
        for name in _COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".clipbounds"))
            elif source.is_file():
                shutil.copy(source, folder / name)
        with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
            file.write(_CONFIGURATION.format(module=module, tests=list(tests)).replace("'", '"'))
        ran = _mutmut(folder, "run", *([only] if only else []), "--max-children", str(workers))
        ends = asked_for(_mutmut(folder, "results", "--all", "true"), only)
        if not ends:
            raise MutationError(f"{module}: nothing was mutated: {_last(ran)}")
        found = []
        for match in ends:
            if match["end"] == "killed":
                continue
            diff = _mutmut(folder, "show", match["name"])
            function = re.sub(r"__mutmut_\d+$", "", match["name"])
            found.append(
                Mutant(function.replace("xǁ", "").replace(".x_", ".").replace("ǁ", "."), match["end"], _change(diff))
            )
        return found, len(ends)


def asked_for(results: str, only: str) -> list[re.Match[str]]:
    """The lines of mutmut's results that were asked for. One of them that was not checked counts as alive."""
    return [match for match in _RESULT.finditer(results) if fnmatch.fnmatch(match["name"], only or "*")]


def _mutmut(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise MutationError(f"mutmut {arguments[0]}: {_last(done.stdout + done.stderr)}")
    return done.stdout


def _last(text: str) -> str:
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _change(diff: str) -> str:
    """The changed lines of a diff, without its head and without indentation."""
    lines = [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    gone = " ".join(" ".join(line[1:].split()) for line in lines if line.startswith("-"))
    new = " ".join(" ".join(line[1:].split()) for line in lines if line.startswith("+"))
    return f"{gone} -> {new}"


def known(file: Path) -> list[str]:
    """The lines of the list that are no comments; none where there is no list."""
    if not file.is_file():
        return []
    lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def report(found: Iterable[tuple[str, Sequence[Mutant], int]], listed: Sequence[str]) -> tuple[str, int]:
    """The table in Markdown, and how many survivors are not on the list."""
    rows, details, new = [], [], 0
    for module, mutants, total in found:
        # Tests that hang did not pass; that is told apart, since a busy machine hangs too.
        hung = [mutant for mutant in mutants if mutant.end == "timeout"]
        alive = [mutant for mutant in mutants if mutant.end != "timeout"]
        fresh = [mutant for mutant in alive if mutant.line not in listed]
        new += len(fresh)
        counts = (total, total - len(mutants), len(hung), len(alive) - len(fresh), len(fresh))
        rows.append(f"| {module} | {' | '.join(map(str, counts))} |")
        details += [f"- `{mutant.line}` ({mutant.end})" for mutant in [*fresh, *hung]]
    head = ["| module | mutants | killed | hung | known survivors | new survivors |", "|---|---|---|---|---|---|"]
    return "\n".join(["# Mutation testing", "", *head, *rows, "", *details]).rstrip() + "\n", new


def main(arguments: Sequence[str] | None = None) -> int:
    """Mutate the core, or some modules of it."""
    parser = argparse.ArgumentParser(description="Are the tests of the core worth their name?")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of {', '.join(CORE)}")
    parser.add_argument("--known", type=Path, default=KNOWN)
    parser.add_argument("--only", default="", help="a glob of mutants, such as 'harness.judge.x_decided*'")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args(arguments)
    unknown = [module for module in chosen.modules if module not in CORE]
    if unknown:
        print(f"mutants: no module of the core: {unknown[0]}; there are {', '.join(CORE)}", file=sys.stderr)
        return 2
    found = []
    for module in chosen.modules or CORE:
        if chosen.only and not chosen.only.startswith(module.removesuffix(".py").replace("/", ".")):
            continue
        try:
            found.append((module, *mutate(module, CORE[module], chosen.only, chosen.workers)))
        except MutationError as error:
            print(f"mutants: {error}", file=sys.stderr)
            return 2
    if not found:
        print(f"mutants: no module of the core has {chosen.only!r}", file=sys.stderr)
        return 2
    text, new = report(found, known(chosen.known))
    print(text)
    if chosen.out:
        chosen.out.write_text(text, encoding="utf-8")
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main())

"""The best problems of earlier searches, from which later ones start: exact numbers in JSON lines, one file a theorem.

Hypothesis' own database holds byte strings that mean something to one version of one strategy. A problem in exact
numbers outlives both, and can be read. Still the corpus is a cache: without it a search starts from nothing, a line
that cannot be read is told and skipped, and a problem that no longer meets its theorem's assumptions is passed over.
What must not be lost is promoted (:mod:`harness.regression`).

Searches that run side by side do not see each other's problems: each leaves its own under ``pending``, and
:meth:`Corpus.merge` joins them between sessions, so that results do not depend on who was first.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fuzz.problem import Problem
from harness.finding_expr import aliases
from harness.regression import write_whole
from theorems.language.parameters import Parameter
from theorems.language.theorem import Theorem
from theorems.language.walk import parse_exact, show_exact

if TYPE_CHECKING:
    from fuzz.outcome import Candidate
    from fuzz.trajectory import Choices
    from harness.finding import Finding

_FORMAT = 1
_LONGEST = 100_000


@dataclass(frozen=True)
class Entry:
    """A problem with exact numbers and the score that it had.

    Raises:
        ValueError: one line, for a score that is not finite or a theorem without a name.
    """

    theorem: str
    problem: Problem
    choices: Mapping[str, Any]
    score: float

    def __post_init__(self) -> None:
        if not self.theorem or Path(self.theorem).name != self.theorem:
            raise ValueError(f"not the name of a theorem: {self.theorem!r}")
        if not math.isfinite(self.score):
            raise ValueError(f"a score must be finite, not {self.score}")

    def line(self) -> str:
        """The entry as one line of JSON."""
        return json.dumps(
            {
                "format": _FORMAT,
                "theorem": self.theorem,
                "score": self.score,
                "choices": {name: show_exact(value) for name, value in sorted(self.choices.items())},
                "problem": self.problem.to_json(),
            },
            sort_keys=True,
        )

    @staticmethod
    def of_candidate(theorem: Theorem, candidate: Candidate) -> Entry:
        """What a search proposed.

        Raises:
            ValueError: for a score that is not finite.
        """
        names = aliases(theorem.parameters)
        # Letters that the statement does not have cannot be chosen for it.
        choices = {names[letter]: value for letter, value in candidate.choices.items() if letter in names}
        return Entry(theorem.name, candidate.problem, choices, candidate.score)

    @staticmethod
    def of_finding(theorem: Theorem, finding: Finding) -> Entry:
        """The instance of a finding, for today's statement of its name.

        Raises:
            ValueError: one line, if it cannot be read.
        """
        names, values = aliases(theorem.parameters), finding.parameter_values()
        choices = {names[letter]: value for letter, value in values.items() if letter in names}
        return Entry(theorem.name, finding.to_problem(), choices, finding.score)

    @staticmethod
    def read(line: str) -> Entry:
        """Read a line that :meth:`line` wrote.

        Raises:
            ValueError: one line, for anything else.
        """
        if len(line) > _LONGEST:
            raise ValueError(f"longer than {_LONGEST} characters")
        try:
            data = json.loads(line)
            if data["format"] != _FORMAT:
                raise ValueError(f"format {data['format']!r} is not the {_FORMAT} that is read here")
            return Entry(
                theorem=str(data["theorem"]),
                problem=Problem.from_json(data["problem"]),
                choices={str(name): parse_exact(text) for name, text in data["choices"].items()},
                score=float(data["score"]),
            )
        except json.JSONDecodeError:
            raise ValueError("not JSON") from None
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"not an entry: {type(error).__name__} at {error}") from None


class Corpus:
    """A folder of entries; one that cannot be read is an empty one.

    Args:
        folder: made when something is noted.
        most: entries that are kept of each theorem, the best first.
    """

    def __init__(self, folder: Path, most: int = 8):
        self.folder, self.most = folder, most

    def starts(self, theorem: Theorem, count: int = 4) -> list[tuple[Problem, Choices]]:
        """The best problems of a theorem that still meet every assumption and condition of it, and their letters."""
        found: list[tuple[Problem, Choices]] = []
        for entry in self.best(theorem):
            choices = usable(theorem, entry)
            if choices is not None:
                found.append((entry.problem, choices))
            if len(found) == count:
                break
        return found

    def best(self, theorem: Theorem) -> Iterator[Entry]:
        """The entries of a theorem, the best first; whether they still meet its assumptions is not looked at."""
        return self._entries(self.folder / f"{theorem.name}.jsonl", [])

    def note(self, theorem: Theorem, candidates: Sequence[Candidate], label: str) -> None:
        """Leave the problems of a search for :meth:`merge`; ``label`` tells it from searches beside it.

        Raises:
            OSError: if the folder cannot be written.
        """
        lines = []
        for candidate in candidates:
            try:
                lines.append(Entry.of_candidate(theorem, candidate).line())
            except ValueError:
                continue  # a number without a text
        if lines:
            pending = self.folder / "pending"
            pending.mkdir(parents=True, exist_ok=True)
            write_whole(pending / f"{theorem.name}.{label}.jsonl", "\n".join(lines) + "\n")

    def merge(self) -> list[str]:
        """Join what searches left, in an order that does not depend on them, and keep the best.

        Returns:
            One line for each thing that could not be read or written.
        """
        told: list[str] = []
        pending = sorted((self.folder / "pending").glob("*.jsonl"))
        new: dict[str, list[Entry]] = {}
        for file in pending:
            for entry in self._entries(file, told):
                new.setdefault(entry.theorem, []).append(entry)
        for file in sorted(self.folder.glob("*.jsonl")):
            before = len(told)
            entries = list(self._entries(file, told))
            if len(told) > before or file.stem in new:
                told += self._write(file.stem, [*entries, *new.pop(file.stem, [])])
        for name, entries in new.items():
            told += self._write(name, entries)
        for file in pending:
            file.unlink(missing_ok=True)
        return told

    def _write(self, name: str, entries: Iterable[Entry]) -> list[str]:
        ranked = sorted(entries, key=lambda entry: (-entry.score, entry.line()))
        lines: dict[str, str] = {}
        for entry in ranked:
            # The same problem may come with many scores, noisy as they are: its best stands for it.
            lines.setdefault(
                json.dumps([entry.problem.to_json(), sorted(entry.choices.items(), key=str)], default=str), entry.line()
            )
        kept = list(lines.values())[: self.most]
        file = self.folder / f"{name}.jsonl"
        try:
            write_whole(file, "".join(f"{line}\n" for line in kept))
        except OSError as error:
            return [f"{file}: cannot be written: {error.strerror or error}"]
        return []

    def _entries(self, file: Path, told: list[str]) -> Iterator[Entry]:
        try:
            lines = file.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        except OSError as error:
            told.append(f"{file}: cannot be read: {error.strerror or error}")
            return
        for number, raw in enumerate(lines, 1):
            if not raw.strip():
                continue
            try:
                yield Entry.read(raw.decode("utf-8"))
            except ValueError as error:
                told.append(f"{file}:{number}: skipped: {' '.join(str(error).split())}")


def usable(theorem: Theorem, entry: Entry) -> dict[Parameter, Any] | None:
    """The letters of an entry by parameter, if the problem is certified to meet every assumption and condition of the
    theorem; else None. A statement that was changed may have outgrown its old problems."""
    from fuzz.certify import CertificateError
    from harness.confirm import certificates, completed
    from harness.exact import NotExact, holds, letters

    by_name = {alias: letter for letter, alias in aliases(theorem.parameters).items()}
    if set(entry.choices) - set(by_name):
        return None
    choices = {by_name[name]: value for name, value in entry.choices.items()}
    try:
        values = letters(theorem, entry.problem, completed(theorem, entry.problem, choices))
        certificates(theorem, entry.problem, values)
    except (CertificateError, NotExact, ValueError):
        return None
    return choices if all(holds(condition, values) is True for condition in theorem.conditions) else None

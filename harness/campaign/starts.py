"""Where a campaign begins: good problems of earlier nights, which its first shards try as explicit examples.

They come from promoted findings, from what earlier campaigns of the same store found, and from the corpus
(:mod:`harness.corpus`). They are gathered once, when a campaign starts, and kept in its store: from then on they are
part of its plan, so that a resume, another machine or a corpus that has changed meanwhile changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.corpus import Corpus, Entry, usable
from harness.finding import Finding, load_finding
from harness.regression import kept
from harness.store import Store

if TYPE_CHECKING:
    from fuzz.problem import Problem
    from fuzz.trajectory import Choices
    from theorems.language import Theorem

STORE = "store"
"""The word for the earlier campaigns of the store."""

MOST = 8
"""Starts of a statement."""

_LOOKED_AT = 32


class StartsError(ValueError):
    """A place that starts are to come from is no good: one line."""


class Starts:
    """The places that starts come from.

    Args:
        places: folders of promoted findings or of a corpus, and the word ``store``.
        store: of the campaign, before it is in it.

    Raises:
        StartsError: one line, for a place that is no folder.
        FindingError: one line, for a promoted finding that is malformed or was tampered with.
    """

    def __init__(self, places: Sequence[str], store: Store) -> None:
        self._store = store if STORE in places else None
        folders = [Path(place) for place in places if place != STORE]
        for folder in folders:
            if not folder.is_dir():
                raise StartsError(f"option '--starts': must be {STORE!r} or a folder, not {str(folder)!r}")
        self._corpora = [Corpus(folder) for folder in folders]
        self._promoted = [load_finding(file) for folder in folders for file in kept(folder)]

    def of(self, theorem: Theorem) -> tuple[str, ...]:
        """The starts of a statement as texts, findings first and then by score: problems that meet every assumption and
        condition of it as it is today, each once, at most :data:`MOST`."""
        found: dict[str, str] = {}
        for entry in (*self._found(theorem), *self._good(theorem)):
            if len(found) == MOST:
                break
            problem = json.dumps(entry.problem.to_json(), sort_keys=True)
            if problem not in found and usable(theorem, entry) is not None:
                found[problem] = entry.line()
        return tuple(found.values())

    def _found(self, theorem: Theorem) -> Iterator[Entry]:
        texts = [f.text() for f in self._promoted if f.statement.name == theorem.name]
        texts += [row["finding"] for row in self._rows("findings", "x.finding", theorem, "x.campaign DESC")]
        for text in texts:
            try:
                yield Entry.of_finding(theorem, Finding.model_validate_json(text))
            except ValueError:
                continue  # of another version, or in letters that the statement no longer has

    def _good(self, theorem: Theorem) -> list[Entry]:
        entries = [entry for corpus in self._corpora for entry in corpus.best(theorem)]
        for row in self._rows("candidates", "x.score, x.problem, x.choices", theorem, "x.score DESC"):
            try:
                content = {"format": 1, "theorem": theorem.name, "score": row["score"]}
                more = {"problem": json.loads(row["problem"]), "choices": json.loads(row["choices"] or "{}")}
                entries.append(Entry.read(json.dumps({**content, **more})))
            except ValueError:
                continue  # without a finite score
        return sorted(entries, key=lambda entry: (-entry.score, entry.line()))

    def _rows(self, table: str, columns: str, theorem: Theorem, order: str) -> list[dict[str, Any]]:
        if self._store is None:
            return []
        return self._store.rows(
            f"SELECT {columns} FROM {table} x JOIN theorems t ON t.campaign = x.campaign AND t.position = x.theorem "
            f"WHERE t.name = ? ORDER BY {order} LIMIT {_LOOKED_AT}",
            theorem.name,
        )


def read(theorem: Theorem, starts: Sequence[str]) -> list[tuple[Problem, Choices]]:
    """What :meth:`Starts.of` wrote, for a search; one that newer code does not certify any more is left out."""
    entries = [Entry.read(line) for line in starts]
    judged = [(entry.problem, usable(theorem, entry)) for entry in entries]
    return [(problem, choices) for problem, choices in judged if choices is not None]

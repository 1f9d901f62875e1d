"""Collectors and items: a theorem file has up to three halves, ``check``, ``fuzz`` and ``example``.

Nodes are ``FILE::check::NAME``, ``FILE::fuzz::NAME`` (or ``NAME[1/4]`` for the first of four parts) and
``FILE::example::NAME[ID]`` for a promoted finding, so that any one of them can be asked for by its node id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.plugin.files import TheoremFileError, TheoremFiles, statements
from harness.plugin.options import Kind, PluginOptions, share
from harness.quiet import undisturbed

if TYPE_CHECKING:
    from harness.finding import Finding
    from harness.plugin.outcomes import Outcome
    from harness.prove.solve import SolverPool
    from theorems.language import Theorem


class ItemFailed(Exception):
    """A statement did not behave as declared; the text is all there is to show."""


class State:
    """What a session's collectors and items share: options, files, promoted findings, and one pair of solvers."""

    def __init__(self, options: PluginOptions, files: TheoremFiles):
        self.options, self.files = options, files
        self.told: list[str] = []
        self._open = ExitStack()

    @cached_property
    def pool(self) -> SolverPool:
        """The solvers, started once."""
        from harness.prove.cache import AnswerCache
        from harness.prove.solve import SolverPool

        return self._open.enter_context(SolverPool(cache=AnswerCache() if self.options.cache else None))

    @cached_property
    def promoted(self) -> list[tuple[int, Finding]]:
        """Promoted findings with their ranks.

        Raises:
            FindingError: one line, for one that is malformed or was tampered with.
        """
        from harness.finding import load_finding
        from harness.regression import kept

        return [(rank, load_finding(file)) for rank, file in enumerate(kept(self.options.regressions), 1)]

    def close(self) -> None:
        """Stop the solvers."""
        self._open.close()


STATE = pytest.StashKey[State]()


class TheoremFile(pytest.File):
    """A file that states theorems."""

    def collect(self) -> Iterable[Half]:
        state = self.config.stash[STATE]
        try:
            found = statements(self.path, named=state.files.named(self.path))
        except TheoremFileError as error:
            raise self.CollectError(str(error)) from None
        kinds: tuple[Kind, ...] = ("check", "fuzz", "example")
        for kind in kinds:
            half = Half.of(self, kind, found)
            if half.wanted():
                yield half


class Half(pytest.Collector):
    """The items of one kind."""

    kind: Kind
    theorems: list[Theorem]

    @classmethod
    def of(cls, parent: TheoremFile, kind: Kind, theorems: list[Theorem]) -> Half:
        """A half of a file."""
        half: Half = cls.from_parent(parent, name=kind)
        half.kind, half.theorems = kind, theorems
        half.add_marker("clipbounds")
        half.add_marker(f"clipbounds_{kind}")
        return half

    def wanted(self) -> bool:
        """Whether there is anything in it."""
        if self.kind != "example":
            return any(True for t in self.theorems if self.kind == "check" or _searched(t))
        # No finding is read where none can be meant.
        return bool(self.theorems) and any(self.config.stash[STATE].options.regressions.glob("*.json"))

    def collect(self) -> Iterator[TheoremItem]:
        state = self.config.stash[STATE]
        file = state.files.ranks[self.path]
        for rank, theorem in enumerate(self.theorems, 1):
            if self.kind == "check":
                yield TheoremItem.of(self, theorem.name, theorem, share("check", file, rank))
            elif self.kind == "fuzz":
                if not _searched(theorem):
                    continue
                # What is declared to fall must fall as a whole; only what is to stand is cut into parts.
                parts = state.options.parts if theorem.expect == "true" else 1
                for part in range(1, parts + 1):
                    name = theorem.name if parts == 1 else f"{theorem.name}[{part}/{parts}]"
                    level = share("fuzz", file, rank, part, parts)
                    yield TheoremItem.of(self, name, theorem, level, part=part, parts=parts)
            else:
                for place, finding in self._promoted(state):
                    if finding.statement.name == theorem.name:
                        level = share("example", file, rank, place)
                        yield TheoremItem.of(self, f"{theorem.name}[{finding.id}]", theorem, level, finding=finding)

    def _promoted(self, state: State) -> list[tuple[int, Finding]]:
        with undisturbed():
            from harness.finding import FindingError

            try:
                return state.promoted
            except FindingError as error:
                raise self.CollectError(str(error)) from None


class TheoremItem(pytest.Item):
    """One statement, proved, searched, or held against a finding of old."""

    theorem: Theorem
    level: float
    part: int
    parts: int
    finding: Finding | None

    @classmethod
    def of(
        cls,
        parent: Half,
        name: str,
        theorem: Theorem,
        level: float,
        *,
        part: int = 1,
        parts: int = 1,
        finding: Finding | None = None,
    ) -> TheoremItem:
        """An item; ``level`` is its share of the session's error level."""
        item: TheoremItem = cls.from_parent(parent, name=name)
        item.theorem, item.level, item.part, item.parts, item.finding = theorem, level, part, parts, finding
        return item

    def runtest(self) -> None:
        """Do the work.

        Raises:
            ItemFailed: if the statement did not behave as declared.
        """
        with undisturbed():
            outcome = self._work()
        self.user_properties += list(outcome.numbers.items())
        if outcome.kind == "skip":
            pytest.skip(outcome.says)
        replay = self._keep(outcome)
        if outcome.kind == "xfail":
            pytest.xfail(outcome.says)
        if outcome.kind == "fail":
            raise ItemFailed(outcome.text(replay))

    def _work(self) -> Outcome:
        from harness.plugin import outcomes

        state = self.config.stash[STATE]
        kind = self.parent.kind if isinstance(self.parent, Half) else "check"
        if kind == "check":
            return outcomes.run_check(self.theorem, state.pool, self.level)
        if kind == "fuzz":
            return outcomes.run_fuzz(self.theorem, state.options, state.pool, self.part, self.parts, self.level)
        assert self.finding is not None
        return outcomes.run_example(self.theorem, self.finding, self.level)

    def _keep(self, outcome: Outcome) -> Path | None:
        if outcome.finding is None:
            return None
        from harness.plugin.outcomes import keep

        try:
            return keep(outcome.finding, self.config.stash[STATE].options)
        except OSError as error:
            raise ItemFailed(f"{outcome.text(None)}\n  the finding cannot be written: {error}") from None

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The few lines of a failure; anything else is a fault of ours and shown in full."""
        if isinstance(excinfo.value, ItemFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the statement is defined."""
        kind = self.parent.name if self.parent is not None else ""
        return self.path, self.theorem.defined[1] - 1, f"{kind}::{self.name}"


class NoModule(pytest.File):
    """A theorem file that was named is not a test module as well."""

    def collect(self) -> list[pytest.Item]:
        return []


def _searched(theorem: Theorem) -> bool:
    """Whether a search has a say: of what falls by algebra it has none."""
    return theorem.expect == "true" or theorem.falls_by == "search"

"""Progress on a terminal, silence in a pipe."""

from __future__ import annotations

import sys


class Progress:
    """What the long-running parts report to. This one is silent."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def phase(self, title: str, total: int) -> None:
        """A new phase of ``total`` parts begins; 0 where nobody knows how many."""

    def part(self, name: str) -> None:
        """A part of the phase begins."""

    def detail(self, text: str) -> None:
        """Something about the current part."""

    def done(self) -> None:
        """The current part is over."""


class TerminalProgress(Progress):
    """A bar on stderr that goes away when the work is done."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.fields[title]:<8}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", title="", total=None)
        self._name = ""

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def phase(self, title: str, total: int) -> None:
        # A task that had a total keeps it, so a new one takes its place.
        self._bar.remove_task(self._task)
        self._task = self._bar.add_task("", title=title, total=total or None)

    def part(self, name: str) -> None:
        self._name = name
        self._bar.update(self._task, description=name)

    def detail(self, text: str) -> None:
        self._bar.update(self._task, description=f"{self._name}: {text}"[:60])

    def done(self) -> None:
        self._bar.advance(self._task)


def for_terminal(quiet: bool) -> Progress:
    """A bar if stderr is a terminal and ``quiet`` is not asked for."""
    return TerminalProgress() if sys.stderr.isatty() and not quiet else Progress()

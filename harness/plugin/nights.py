"""What one night leaves to the next. Only the profile ``nightly`` has a memory: ``ci`` must not depend on a cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.corpus import Corpus

if TYPE_CHECKING:
    from fuzz.outcome import Candidate
    from fuzz.problem import Problem
    from fuzz.trajectory import Choices
    from harness.plugin.options import PluginOptions
    from theorems.language import Theorem


def corpus(options: PluginOptions) -> Corpus | None:
    """The corpus of a session, if its profile has one."""
    return Corpus(options.out / "corpus") if options.profile == "nightly" else None


def starts(options: PluginOptions, theorem: Theorem) -> list[tuple[Problem, Choices]]:
    """Problems of earlier nights, from which a search starts."""
    found = corpus(options)
    return [] if found is None else found.starts(theorem)


def note(options: PluginOptions, theorem: Theorem, part: int, candidates: Sequence[Candidate]) -> None:
    """Leave the best problems of a search to later nights.

    Raises:
        OSError: if the folder cannot be written.
    """
    from harness.plugin.outcomes import guard_folder

    found = corpus(options)
    if found is not None and candidates:
        found.note(theorem, candidates, str(part))
        guard_folder(options.out)

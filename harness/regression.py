"""Past findings kept for ever: each is a sealed file that is judged again, at the same instance, on every commit.

A search may or may not meet an old instance again, and a corpus of good problems is only a cache. A promoted finding is
neither: it is an explicit example, checked without any search. Two questions are asked of it. Does the finding itself
still stand, word for word (:func:`recheck`: a guard of the harness)? And what becomes of today's statement of the same
name at that instance (:func:`against`: a guard of the theorem)?
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.finding import Finding, FindingError, load_finding
from harness.quiet import undisturbed
from theorems.language.theorem import Theorem

LOADER = "test_findings.py"
_LOADER_TEXT = '''"""Findings that were promoted, each judged again. Written by ``clipbounds promote``."""

from pathlib import Path

import pytest

from harness.regression import kept, recheck


@pytest.mark.parametrize("file", kept(Path(__file__).parent), ids=lambda file: file.stem)
def test_the_finding_stands(file: Path) -> None:
    again = recheck(file)
    assert again.stands, again.says
'''


@dataclass(frozen=True)
class Again:
    """What became of a finding: whether it stands, and one sentence."""

    stands: bool
    says: str


@dataclass(frozen=True)
class Promoted:
    """Where a finding went.

    Attributes:
        file: the kept finding.
        loader: the test module beside it.
        new: whether it was not there before.
    """

    file: Path
    loader: Path
    new: bool


def promote(finding: str | Path, folder: str | Path) -> Promoted:
    """Keep a finding for ever.

    The file is the sealed finding as it is, named by its statement and its id, so that a second call changes nothing.
    A test module is put beside it, unless one is there.

    Args:
        finding: a ``FINDING.json``.
        folder: of regressions; made if it is not there.

    Raises:
        FindingError: one line, if the finding is missing, malformed or tampered with, does not stand when it is judged
            again, if another finding is kept under its name, or if the folder cannot be written.
    """
    found = load_finding(finding)
    again = _judged_again(found)
    if not again.stands:
        raise FindingError(f"{finding}: is not kept, for it does not stand: {again.says}")
    place = Path(folder)
    file, loader = place / f"{found.folder}.json", place / LOADER
    new = not file.exists()
    if not new:
        # Another run may have found the same instance; the first record of it is kept.
        kept_one = load_finding(file)
        if kept_one.id != found.id:
            raise FindingError(f"{file}: holds finding {kept_one.id}, not {found.id}")
    try:
        place.mkdir(parents=True, exist_ok=True)
        if new:
            write_whole(file, found.text())
        if not loader.exists():
            write_whole(loader, _LOADER_TEXT)
    except OSError as error:
        raise FindingError(f"{folder}: cannot be written: {error.strerror or error}") from None
    return Promoted(file, loader, new)


def kept(folder: str | Path) -> list[Path]:
    """The kept findings of a folder, by name; none where there is no folder."""
    return sorted(Path(folder).glob("*.json"))


def recheck(file: str | Path) -> Again:
    """Judge a kept finding again: certificates, conditions, and the exact check or the same random numbers.

    Raises:
        FindingError: one line, if the file is malformed or tampered with.
    """
    with undisturbed():
        return _judged_again(load_finding(file))


def against(theorem: Theorem, finding: Finding, *, alpha: float) -> tuple[str, str]:
    """Judge today's statement at the instance of a finding.

    Args:
        theorem: the statement, perhaps mended since.
        finding: of a statement of that name.
        alpha: error level of this one look.

    Returns:
        ``refuted``, ``achieved``, ``holds``, ``beside the point`` (the statement does not speak of the instance any
        more) or ``unknown``, and one sentence.
    """
    from harness.confirm import Status, confirm
    from harness.evidence import ErrorLedger

    values = finding.parameter_values()
    choices = {letter: value for letter, value in values.items() if letter in theorem.parameters}
    seen = confirm(theorem, finding.to_problem(), ledger=ErrorLedger(alpha=alpha), seed=finding.seed, choices=choices)
    if seen.status is Status.UNCERTIFIED:
        return "beside the point", seen.reason
    if seen.status is Status.REFUTED:
        return "refuted", seen.reason
    if seen.status is Status.ACHIEVED:
        return "achieved", seen.reason
    if seen.status is Status.HOLDS:
        return "holds", seen.reason
    sample = seen.sample
    if seen.status is Status.UNDECIDED and sample is not None and sample.mean <= seen.claimed:
        return (
            "holds",
            f"as far as {sample.replicas:,} runs show: {sample.mean:.6g}, at most {seen.claimed:.6g} is claimed",
        )
    return "unknown", f"{seen.status.value}: {seen.reason}"


def write_whole(file: Path, text: str) -> None:
    """Write a file beside its place and rename it, so that it is whole or absent.

    Raises:
        OSError: if it cannot be written.
    """
    handle, draft = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(draft, 0o644)
        os.replace(draft, file)
    except BaseException:
        os.unlink(draft)
        raise


def _judged_again(finding: Finding) -> Again:
    from harness.confirm import confirm
    from harness.evidence import ErrorLedger

    ledger = ErrorLedger(alpha=finding.alpha or ErrorLedger().alpha, looks=max(0, finding.looks - 1))
    theorem, problem = finding.statement.theorem(), finding.to_problem()
    seen = confirm(theorem, problem, ledger=ledger, seed=finding.seed, choices=finding.parameter_values())
    stands = seen.status.value == finding.verdict
    return Again(stands, f"{finding.statement.name}, then {finding.verdict}, now {seen.status.value}: {seen.reason}")

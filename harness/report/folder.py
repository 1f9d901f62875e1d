"""A report folder appears whole or not at all: it is written beside its place and then renamed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.finding import Finding, load_finding
from harness.report.bundle import bundle
from harness.report.markdown import comment_markdown, finding_markdown, index_markdown
from harness.report.meeting import bounds_meet
from harness.report.pages import finding_page, index_page, material_of, meeting_page, theorem_page
from harness.report.records import ConstantRecord, ReportError, RunRecord, load_run
from harness.report.standalone import standalone_script


class ReportFolder:
    """A report that is being made.

    ``with ReportFolder(target) as folder: ... folder.finish(...)``: made on entry, so that an unwritable place is
    told before any work; without :meth:`finish` nothing is left behind.

    Args:
        target: the folder.
        marker: the file that tells a folder of this kind from a stranger's.
        option: of the command line, for messages.

    Raises:
        ReportError: one line, if the target cannot be written, or holds something that is no report.
    """

    def __init__(self, target: str | Path, *, marker: str = "run.json", option: str = "--out") -> None:
        self.target, self._marker, self._where = Path(target), marker, f"field '{option}'"

    def __enter__(self) -> ReportFolder:
        target = self.target
        if target.exists() and not target.is_dir():
            raise ReportError(f"{target}: {self._where}: is a file, not a folder")
        try:
            if target.is_dir() and any(target.iterdir()) and not (target / self._marker).is_file():
                raise ReportError(f"{target}: {self._where}: holds other files, and a report would replace them")
            if target.is_dir() and not os.access(target, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied")
            target.parent.mkdir(parents=True, exist_ok=True)
            self.draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
            self.draft.chmod(0o755)
        except OSError as error:
            raise ReportError(f"{target}: {self._where}: cannot be written: {error.strerror or error}") from None
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.draft, ignore_errors=True)

    def finish(self, run: RunRecord, findings: Sequence[Finding], queries: Mapping[str, str]) -> None:
        """Write everything and put the folder in its place.

        Args:
            run: what happened.
            findings: in full.
            queries: SMT-LIB texts by their path inside the report.
        """

        def fill(draft: Path) -> None:
            for path, text in queries.items():
                _write(draft / path, text)
            render(draft, run, findings, queries)

        self.replace(fill)

    def replace(self, fill: Callable[[Path], None]) -> None:
        """Let a function fill the draft, then put it in the target's place."""
        try:
            fill(self.draft)
            if self.target.is_dir():
                old = self.draft.with_suffix(".old")
                self.target.rename(old)
                self.draft.rename(self.target)
                shutil.rmtree(old, ignore_errors=True)
            else:
                self.draft.rename(self.target)
        except OSError as error:
            why = error.strerror or error
            raise ReportError(f"{self.target}: {self._where}: cannot be written: {why}") from None


def render(folder: Path, run: RunRecord, findings: Sequence[Finding], queries: Mapping[str, str]) -> None:
    """All files of a report that follow from its records; ``queries`` go into the bundles of findings."""
    files: dict[str, str | bytes] = {
        "run.json": run.text(),
        "index.html": index_page(run),
        "index.md": index_markdown(run),
        "comment.md": comment_markdown(run, findings),
    }
    meets = bounds_meet(run)
    if meets:
        files["meeting.html"] = meeting_page()
    for record in run.theorems:
        files[f"theorems/{record.statement.name}.html"] = theorem_page(record, meets=meets)
    for finding in findings:
        base = f"findings/{finding.folder}"
        files[f"{base}/FINDING.json"] = finding.text()
        material = material_of(finding)
        files[f"{base}/finding.html"] = finding_page(finding, material=material)
        files[f"{base}/finding.md"] = finding_markdown(finding)
        files[f"{base}/replay.py"] = standalone_script(finding)
        files[f"{base}/finding.zip"] = bundle(finding, queries, material)
    for path, content in files.items():
        _write(folder / path, content)


def finding_names(run: RunRecord, place: Path) -> list[str]:
    """The folders of a run's findings, none of which leads elsewhere.

    Raises:
        ReportError: naming one that does.
    """
    names = [name for record in run.theorems for name in record.findings]
    for name in names:
        if Path(name).name != name or name.startswith("."):
            raise ReportError(f"{place / 'run.json'}: field 'findings': {name!r} is no folder name")
    return names


def read_queries(folder: Path, statement: str = "") -> dict[str, str]:
    """SMT-LIB texts below a ``queries`` folder, of one statement or of all, by their path inside the report."""
    return {
        f"queries/{file.relative_to(folder)}": file.read_text(encoding="utf-8")
        for file in sorted((folder / statement).rglob("*.smt2"))
    }


def _write(file: Path, content: str | bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())


def rebuild(
    folder: str | Path, constants: Mapping[str, ConstantRecord] | None = None, *, whole: bool = True
) -> RunRecord:
    """Render a report again from its ``run.json`` and ``FINDING.json`` files.

    Args:
        folder: of the report.
        constants: by statement, to be written into the report.
        whole: the report must have all of these statements; otherwise those that it lacks are passed over.

    Raises:
        ReportError, FindingError: one line, for anything missing, truncated or changed, and for a constant of a
            statement that the report does not have.
    """
    place = Path(folder)
    run = load_run(place)
    if constants:
        missing = sorted(set(constants) - {record.statement.name for record in run.theorems})
        if missing and whole:
            raise ReportError(f"{place / 'run.json'}: field 'theorems': has no statement {missing[0]!r}")
        told = tuple(
            record.model_copy(update={"constant": constants.get(record.statement.name, record.constant)})
            for record in run.theorems
        )
        run = run.model_copy(update={"theorems": told})
    names = finding_names(run, place)
    findings = [load_finding(place / "findings" / name / "FINDING.json") for name in names]
    with ReportFolder(place) as draft:
        draft.finish(run, findings, read_queries(place / "queries"))
    return run

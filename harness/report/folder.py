"""A report folder appears whole or not at all: it is written beside its place and then renamed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.finding import Finding, load_finding
from harness.report.markdown import finding_markdown, index_markdown
from harness.report.meeting import bounds_meet
from harness.report.pages import finding_page, index_page, meeting_page, theorem_page
from harness.report.records import ReportError, RunRecord, load_run
from harness.report.standalone import standalone_script


class ReportFolder:
    """A report that is being made.

    ``with ReportFolder(target) as folder: ... folder.finish(...)``: made on entry, so that an unwritable place is
    told before any work; without :meth:`finish` nothing is left behind.

    Raises:
        ReportError: one line, if the target cannot be written, or holds something that is no report.
    """

    def __init__(self, target: str | Path) -> None:
        self.target = Path(target)

    def __enter__(self) -> ReportFolder:
        target = self.target
        if target.exists() and not target.is_dir():
            raise ReportError(f"{target}: field '--out': is a file, not a folder")
        try:
            if target.is_dir() and any(target.iterdir()) and not (target / "run.json").is_file():
                raise ReportError(f"{target}: field '--out': holds other files, and a report would replace them")
            if target.is_dir() and not os.access(target, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied")
            target.parent.mkdir(parents=True, exist_ok=True)
            self.draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
            self.draft.chmod(0o755)
        except OSError as error:
            raise ReportError(f"{target}: field '--out': cannot be written: {error.strerror or error}") from None
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
        try:
            for path, text in queries.items():
                self._write(path, text)
            render(self.draft, run, findings)
            if self.target.is_dir():
                old = self.draft.with_suffix(".old")
                self.target.rename(old)
                self.draft.rename(self.target)
                shutil.rmtree(old, ignore_errors=True)
            else:
                self.draft.rename(self.target)
        except OSError as error:
            raise ReportError(f"{self.target}: field '--out': cannot be written: {error.strerror or error}") from None

    def _write(self, path: str, text: str) -> None:
        file = self.draft / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def render(folder: Path, run: RunRecord, findings: Sequence[Finding]) -> None:
    """All files of a report that follow from its records."""
    files = {"run.json": run.text(), "index.html": index_page(run), "index.md": index_markdown(run)}
    meets = bounds_meet(run)
    if meets:
        files["meeting.html"] = meeting_page()
    for record in run.theorems:
        files[f"theorems/{record.statement.name}.html"] = theorem_page(record, meets=meets)
    for finding in findings:
        base = f"findings/{finding.folder}"
        files[f"{base}/FINDING.json"] = finding.text()
        files[f"{base}/finding.html"] = finding_page(finding)
        files[f"{base}/finding.md"] = finding_markdown(finding)
        files[f"{base}/replay.py"] = standalone_script(finding)
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def rebuild(folder: str | Path) -> RunRecord:
    """Render a report again from its ``run.json`` and ``FINDING.json`` files.

    Raises:
        ReportError, FindingError: one line, for anything missing, truncated or changed.
    """
    place = Path(folder)
    run = load_run(place)
    names = [name for record in run.theorems for name in record.findings]
    for name in names:
        if Path(name).name != name or name.startswith("."):
            raise ReportError(f"{place / 'run.json'}: field 'findings': {name!r} is no folder name")
    findings = [load_finding(place / "findings" / name / "FINDING.json") for name in names]
    with ReportFolder(place) as draft:
        queries = {
            str(file.relative_to(place)): file.read_text(encoding="utf-8")
            for file in sorted((place / "queries").rglob("*.smt2"))
        }
        draft.finish(run, findings, queries)
    return run

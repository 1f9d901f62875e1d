"""The finding: one file that says what fell, where, and how sure we are; enough to do it all again."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from fuzz.problem import Problem
from harness.statement import Record, StatementRecord
from harness.verdicts import SearchVerdict, Verdict
from theorems.language.walk import parse_exact

__all__ = ["Finding", "FindingError", "SearchVerdict", "Verdict", "load_finding", "seal", "versions"]

SCHEMA_VERSION = 1
_PACKAGES = ("clipbounds", "numpy", "torch", "numba", "sympy", "z3-solver", "cvc5", "python-flint", "hypothesis")


class FindingError(ValueError):
    """A finding file is no good: one line naming the file and what is wrong."""


class CertificateRecord(Record):
    """Why one assumption holds at the problem."""

    assumption: str
    latex: str
    says: str
    numbers: dict[str, str]


class ExactRecord(Record):
    """The check in exact or interval arithmetic: both sides as text, independent of the simulator."""

    method: str
    measured: str
    bound: str
    violated: bool


class EngineRecord(Record):
    """The measured quantity as another engine sees it."""

    engine: str
    measured: float
    says: str
    agrees: bool


class EffortRecord(Record):
    """How hard the search looked."""

    steps: int
    seconds: float
    candidates: int
    says: str


class Finding(Record):
    """One confirmed finding. ``sha256`` covers all other fields, so that a changed file is refused.

    ``measured`` and ``claimed`` are in the quantity's own sense: an upper claim falls when ``measured > claimed``, a
    floor when ``measured < claimed``; ``margin`` is positive when the claim fails.
    """

    schema_version: Literal[1]
    id: str
    verdict: Literal["refuted", "achieved"]
    statement: StatementRecord
    values: dict[str, str]
    problem: dict[str, Any]
    certificates: tuple[CertificateRecord, ...]
    claimed: float
    claimed_exact: str | None
    measured: float
    measured_exact: str | None
    standard_error: float | None
    replicas: int
    margin: float
    score: float
    score_lower: float | None
    log10_e: float | None
    log10_threshold: float | None
    looks: int
    alpha: float
    exact: ExactRecord | None
    engines: tuple[EngineRecord, ...]
    suspected: str
    why: str
    found_by: str
    effort: EffortRecord | None
    seed: int
    versions: dict[str, str]
    sha256: str

    def to_problem(self) -> Problem:
        """The problem, rebuilt.

        Raises:
            ValueError: one line.
        """
        return Problem.from_json(self.problem)

    def parameter_values(self) -> dict[Any, Any]:
        """Exact values by parameter.

        Raises:
            ValueError: one line naming the letter.
        """
        letters = self.statement.parameters()
        unknown = sorted(set(self.values) - set(letters))
        if unknown:
            raise ValueError(f"values: unknown letter {unknown[0]!r}")
        return {letters[alias]: parse_exact(text) for alias, text in self.values.items()}

    def text(self) -> str:
        """The file's content."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False, sort_keys=True) + "\n"

    @property
    def folder(self) -> str:
        """A file name of letters, digits, ``_`` and ``-`` only."""
        safe = "".join(ch if ch.isascii() and (ch.isalnum() or ch in "_-") else "_" for ch in self.statement.name)
        return f"{safe[:80]}-{self.id}"


def seal(content: dict[str, Any]) -> Finding:
    """A Finding from all fields but ``schema_version``, ``id`` and ``sha256``, which are computed.

    Raises:
        ValidationError: if a field is missing or of a wrong type.
    """
    about = {key: content[key] for key in ("verdict", "problem", "values")}
    about["statement"] = content["statement"].model_dump(mode="json")
    draft = Finding(schema_version=1, id=_digest(about)[:12], sha256="", **content)
    return draft.model_copy(update={"sha256": _digest(_unsealed(draft.model_dump(mode="json")))})


def load_finding(path: str | Path) -> Finding:
    """Read and verify a finding.

    Raises:
        FindingError: one line, for a file that is missing, truncated, of another version, malformed or tampered with.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FindingError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise FindingError(f"{path}: cannot be read: {_one_line(error)}") from None
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise FindingError(f"{path}: not JSON, perhaps truncated: {_one_line(error)}") from None
    if not isinstance(data, dict) or "schema_version" not in data:
        raise FindingError(f"{path}: field 'schema_version': missing, so this is no finding")
    if data["schema_version"] != SCHEMA_VERSION:
        raise FindingError(
            f"{path}: field 'schema_version': {data['schema_version']!r} is not the {SCHEMA_VERSION} that is read here"
        )
    try:
        finding = Finding.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "?"
        raise FindingError(f"{path}: field {where!r}: {_one_line(first['msg'])}") from None
    if _digest(_unsealed(data)) != finding.sha256:
        raise FindingError(f"{path}: field 'sha256': does not match the content, so the file was changed after sealing")
    try:
        finding.statement.theorem()
        finding.parameter_values()
        finding.to_problem()
    except ValueError as error:
        raise FindingError(f"{path}: {_one_line(error)}") from None
    return finding


def versions() -> dict[str, str]:
    """Versions of what took part."""
    found = {"python": platform.python_version(), "platform": f"{sys.platform}-{platform.machine()}"}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _unsealed(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != "sha256"}


def _digest(data: dict[str, Any]) -> str:
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _one_line(error: object) -> str:
    return " ".join(str(error).split())

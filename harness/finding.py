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
from harness.finding_records import (
    AccountRecord,
    CertificateRecord,
    EffortRecord,
    EngineRecord,
    ExactRecord,
    PrecisionRecord,
    StuckRecord,
)
from harness.statement import Record, StatementRecord
from harness.verdicts import SearchVerdict, Verdict
from theorems.language.walk import parse_exact

__all__ = [
    "AccountRecord",
    "CertificateRecord",
    "EffortRecord",
    "EngineRecord",
    "ExactRecord",
    "Finding",
    "FindingError",
    "FindingV1",
    "PrecisionRecord",
    "SearchVerdict",
    "StuckRecord",
    "Verdict",
    "load_finding",
    "read_finding",
    "seal",
    "versions",
]

SCHEMA_VERSION: Literal[2] = 2
_SINCE_2 = ("account", "stuck", "definitions")
_PACKAGES = ("clipbounds", "numpy", "torch", "numba", "sympy", "z3-solver", "cvc5", "python-flint", "hypothesis")


class FindingError(ValueError):
    """A finding file is no good: one line naming the file and what is wrong."""


class FindingV1(Record):
    """One confirmed finding, in the fields of schema version 1.

    ``measured`` and ``claimed`` are in the quantity's own sense: an upper claim falls when ``measured > claimed``, a
    floor when ``measured < claimed``; ``margin`` is positive when the claim fails. ``sha256`` covers all other fields,
    so that a changed file is refused.
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


class Finding(FindingV1):
    """One confirmed finding. What version 1 lacked is None in a finding that was read from such a file.

    Attributes:
        account: the margin taken apart.
        stuck: the stuck point, for a claim about one.
        definitions: the formulas that the finding rests on, as they were, by name.
    """

    schema_version: Literal[1, 2]  # type: ignore[assignment]
    account: AccountRecord | None
    stuck: StuckRecord | None
    definitions: dict[str, str] | None

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

    def content(self) -> dict[str, Any]:
        """What the file holds: the fields of its own schema version."""
        data = self.model_dump(mode="json")
        return data if self.schema_version > 1 else {k: v for k, v in data.items() if k not in _SINCE_2}

    def text(self) -> str:
        """The file's content."""
        return json.dumps(self.content(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"

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
    about = {**content, "statement": content["statement"].model_dump(mode="json")}
    draft = Finding(schema_version=SCHEMA_VERSION, id=_identity(about), sha256="", **content)
    return draft.model_copy(update={"sha256": _digest(_unsealed(draft.content()))})


def load_finding(path: str | Path) -> Finding:
    """Read and verify a finding: first its version, then its hash, then its schema, and only then what it says.

    A file of an older version is read as it is, and keeps its version and hash.

    Raises:
        FindingError: one line, for a file that is missing, truncated, of an unknown version, changed or malformed.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FindingError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise FindingError(f"{path}: cannot be read: {_one_line(error)}") from None
    return read_finding(text, str(path))


def read_finding(text: str, place: str) -> Finding:
    """A finding from its text; ``place`` names it in messages.

    Raises:
        FindingError: as :func:`load_finding`.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FindingError(f"{place}: not JSON, perhaps truncated: {_one_line(error)}") from None
    if not isinstance(data, dict) or "schema_version" not in data:
        raise FindingError(f"{place}: field 'schema_version': missing, so this is no finding")
    version = data["schema_version"]
    if type(version) is not int or not 1 <= version <= SCHEMA_VERSION:
        raise FindingError(
            f"{place}: field 'schema_version': {_shown(version)} is none of the versions 1 to {SCHEMA_VERSION} that "
            f"are read here{_written_by(data)}"
        )
    if not _sound(data):
        raise FindingError(f"{place}: field 'sha256': does not match, so the file was changed after sealing")
    try:
        if version == 1:
            FindingV1.model_validate_json(text)
            data |= dict.fromkeys(_SINCE_2)
        finding = Finding.model_validate_json(json.dumps(data))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "?"
        raise FindingError(f"{place}: field {where!r}: {_one_line(first['msg'])}") from None
    if finding.id != _identity(data):
        raise FindingError(f"{place}: field 'id': {_shown(finding.id)} does not belong to this statement and problem")
    try:
        finding.statement.theorem()
        finding.parameter_values()
        finding.to_problem()
    except ValueError as error:
        raise FindingError(f"{place}: {_one_line(error)}{_written_by(data)}") from None
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


def _identity(data: dict[str, Any]) -> str:
    """The permanent name of a finding: what fell and where, whoever found it and however often."""
    return _digest({key: data[key] for key in ("verdict", "problem", "values", "statement")})[:12]


def _sound(data: dict[str, Any]) -> bool:
    try:
        return _digest(_unsealed(data)) == data.get("sha256")
    except RecursionError:
        return False


def _unsealed(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != "sha256"}


def _digest(data: dict[str, Any]) -> str:
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _written_by(data: dict[str, Any]) -> str:
    """Where another version wrote the file, which: the likely reason."""
    known = data.get("versions")
    then = known.get("clipbounds") if isinstance(known, dict) else None
    now = versions().get("clipbounds")
    return (
        ""
        if then == now or not isinstance(then, str)
        else f"; written by clipbounds {_shown(then)[1:-1]}, this is {now}"
    )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _one_line(error: object) -> str:
    return " ".join(str(error).split())

"""What a report is made of: plain records, written as ``run.json`` and enough to render every page again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from fuzz.coverage import CoverageSummary
from harness.statement import Record, StatementRecord

RUN_SCHEMA_VERSION = 1


class SolverRecord(Record):
    """One solver's answer to one query."""

    outcome: str
    seconds: float
    reason: str


class ObligationRecord(Record):
    """One obligation; ``query`` is the path of its SMT-LIB text inside the report, ``model`` a countermodel."""

    name: str
    kind: str
    verdict: str
    solvers: dict[str, SolverRecord]
    seconds: float
    model: dict[str, str] | None
    reason: str
    statement: str
    latex: str
    says: str
    query: str | None


class CheckRecord(Record):
    """What the prover said."""

    verdict: str
    reason: str
    seconds: float
    rules: tuple[str, ...]
    cited: tuple[str, ...]
    obligations: tuple[ObligationRecord, ...]


class ProofItemRecord(Record):
    """One step of a proof as its author wrote it."""

    name: str
    by: str
    builds_on: tuple[str, ...]
    latex: str
    says: str


class BinRecord(Record):
    """A bin of one axis, a pair of bins, or a regime: how many problems were scored there, and the best score."""

    words: tuple[str, ...]
    evaluations: int
    best: float | None


class CoverageRecord(Record):
    """Where a search has looked; see ``fuzz.coverage.CoverageSummary``."""

    axes: tuple[str, ...]
    labels: tuple[str, ...]
    bins: tuple[tuple[str, ...], ...]
    profiles: tuple[tuple[BinRecord, ...], ...]
    map_axes: tuple[str, ...]
    map: tuple[BinRecord, ...]
    regimes: tuple[BinRecord, ...]
    empty: tuple[str, ...]
    excluded: int
    fresh: bool
    says: str

    @staticmethod
    def of(coverage: CoverageSummary) -> CoverageRecord:
        """The record of a summary."""
        return CoverageRecord.model_validate({**asdict(coverage), "says": coverage.says})


class FuzzRecord(Record):
    """What the search said; ``problem`` is the best one in words, ``coverage`` where it looked (reports of earlier
    versions have none)."""

    verdict: str
    score: float | None
    score_lower: float | None
    log10_e: float | None
    problem: str
    steps: int
    seconds: float
    says: str
    coverage: CoverageRecord | None = None


class EndRecord(Record):
    """One end of a constant's interval: an exact number, its decimal, and what shows it."""

    value: str
    decimal: float
    says: str


class ConstantRecord(Record):
    """What is known of the constant that an O-claim hides; ``diverges`` says along which parameters none will do."""

    verdict: str
    sense: str
    low: EndRecord | None
    high: EndRecord | None
    diverges: str
    steps: int
    seconds: float

    @staticmethod
    def of(entry: Mapping[str, Any]) -> ConstantRecord:
        """From the entry of ``constant --json``."""
        ray = entry["ray"]
        path = "" if ray is None else ", ".join(f"{letter} = {value}" for letter, value in ray["path"].items())
        return ConstantRecord(
            verdict=entry["verdict"],
            sense=entry["sense"],
            low=None if entry["low"] is None else EndRecord(**entry["low"]),
            high=None if entry["high"] is None else EndRecord(**entry["high"]),
            diverges="" if ray is None else f"along {path}: {ray['says']} ({ray['verdict']})",
            steps=entry["steps"],
            seconds=entry["seconds"],
        )


class TheoremRecord(Record):
    """One statement and its fate. ``as_expected`` is None where an unknown leaves it open; ``constant`` is there once
    ``clipbounds constant --report`` was told of the report."""

    statement: StatementRecord
    verdict: str
    word: str
    as_expected: bool | None
    remark: str
    proof: tuple[ProofItemRecord, ...]
    check: CheckRecord | None
    fuzz: FuzzRecord | None
    findings: tuple[str, ...]
    constant: ConstantRecord | None = None


class RunRecord(Record):
    """One run of ``clipbounds run``."""

    schema_version: Literal[1]
    budget: str
    device: str
    seed: int
    alpha: float
    seconds: float
    check_seconds: float
    steps: int
    versions: dict[str, str]
    theorems: tuple[TheoremRecord, ...]
    # Not known of reports that were written before it was recorded. UTC, to the second.
    started: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")] | None = None

    def text(self) -> str:
        """The content of ``run.json``."""
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


class ReportError(ValueError):
    """A report folder is no good: one line saying what and where."""


def load_run(folder: str | Path) -> RunRecord:
    """Read ``run.json`` of a report folder.

    Raises:
        ReportError: one line, for a missing, truncated or malformed file.
    """
    file = Path(folder) / "run.json"
    try:
        return RunRecord.model_validate_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReportError(f"{folder}: no report here (run.json is missing)") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"{file}: cannot be read: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "?"
        raise ReportError(f"{file}: field {where!r}: {' '.join(first['msg'].split())}") from None

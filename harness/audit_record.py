"""A violation on real training runs as one file, which ``clipbounds replay`` checks from the file alone.

It is no FINDING.json, because it has no Problem: the loss is no sum of profiles, its minimum is known within bounds
only, and the noise is that of the data. So the record holds the data themselves, as the integers that they are, with
their hash; all else is made again from them: certificates, bounds of F0 and R0, the claim's bound, the runs.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from fuzz.datasets import DATASETS, DataError, Dataset, load
from fuzz.logistic import Logistic
from fuzz.training import Training
from harness.audit import Audit, AuditResult
from harness.audit_letters import Form, Setting, allowed, form_of, why_not
from harness.evidence import ErrorLedger
from harness.finding import FindingError, versions
from harness.statement import Record, StatementRecord, record_statement
from theorems.language.theorem import Theorem

KIND: Literal["audit"] = "audit"
SCHEMA_VERSION: Literal[1] = 1
FILE = "AUDIT.json"
_FINE = 2.0**40


class AuditRecord(Record):
    """One violation. Numbers that decide anything are exact: rationals as text, the rows as integers in sixteenths.

    Attributes:
        statement: rebuilt from here; ``data``, ``data_sha256``, ``rows``, ``regulariser`` are the loss.
        step_size, threshold, steps, batch, per_sample, privacy_scale, start, where: the run (``start`` in 2^-40).
        seed, look: of the random stream, with the purpose "confirm"; ``look`` is 0 for a run without chance.
        measured, bound, log10_e, reason: what was seen.
        sha256: of all other fields.
    """

    kind: Literal["audit"]
    schema_version: Literal[1]
    statement: StatementRecord
    data: str
    data_sha256: str
    rows: tuple[tuple[int, ...], ...]
    regulariser: str
    step_size: str
    threshold: str
    steps: int
    batch: int
    per_sample: bool
    privacy_scale: str
    start: tuple[int, ...]
    where: str
    seed: int
    look: int = Field(ge=0)
    alpha: float
    measured: float
    bound: float
    log10_e: float | None
    reason: str
    certificates: tuple[str, ...]
    versions: dict[str, str]
    sha256: str

    @property
    def folder(self) -> str:
        """A file name."""
        return f"{self.statement.name}-audit-{self.sha256[:12]}"

    def text(self) -> str:
        """The file's content."""
        return json.dumps(self.model_dump(mode="json"), indent=None, ensure_ascii=False, sort_keys=True) + "\n"


def record_of(theorem: Theorem, audit: Audit, setting: Setting, found: AuditResult) -> AuditRecord:
    """The sealed record of a violation.

    Raises:
        ValueError: for another verdict.
    """
    if found.verdict != "violated" or found.measured is None or found.bound is None:
        raise ValueError(f"a record is made of a violation, not of {found.verdict!r}")
    training, data = setting.training, audit.loss.data
    content: dict[str, Any] = {
        "kind": KIND,
        "schema_version": SCHEMA_VERSION,
        "statement": record_statement(theorem),
        "data": data.name,
        "data_sha256": data.sha256,
        "rows": tuple(tuple(int(v) for v in row) for row in data.rows),
        "regulariser": str(audit.loss.regulariser),
        "step_size": str(Fraction(training.step_size)),
        "threshold": str(Fraction(training.threshold)),
        "steps": training.steps,
        "batch": training.batch,
        "per_sample": training.per_sample,
        "privacy_scale": str(Fraction(training.privacy_scale)),
        "start": tuple(int(v) for v in training.start * _FINE),
        "where": setting.where,
        "seed": audit.seed,
        "look": found.look,
        "alpha": audit.ledger.alpha,
        "measured": found.measured,
        "bound": found.bound,
        "log10_e": found.log10_e,
        "reason": found.reason,
        "certificates": found.certificates,
        "versions": versions(),
    }
    draft = AuditRecord(sha256="", **content)
    return draft.model_copy(update={"sha256": _digest(draft.model_dump(mode="json"))})


def read_audit(text: str, place: str) -> AuditRecord:
    """A record from its text, its hashes verified; ``place`` names it in messages.

    Raises:
        FindingError: one line, for what is no such record, of another version, changed or malformed.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FindingError(f"{place}: not JSON, perhaps truncated: {_one_line(error)}") from None
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise FindingError(f"{place}: field 'kind': this is no record of an audit")
    if data.get("schema_version") != SCHEMA_VERSION:
        shown = repr(data.get("schema_version"))[:40]
        raise FindingError(f"{place}: field 'schema_version': {shown} is not {SCHEMA_VERSION}, which is read here")
    if _digest(data) != data.get("sha256"):
        raise FindingError(f"{place}: field 'sha256': does not match, so the file was changed after sealing")
    try:
        record = AuditRecord.model_validate_json(text)
        setting_of(record)
        record.statement.theorem()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "?"
        raise FindingError(f"{place}: field {where!r}: {_one_line(first['msg'])}") from None
    except (ValueError, ZeroDivisionError) as error:
        raise FindingError(f"{place}: {_one_line(error)}") from None
    return record


def setting_of(record: AuditRecord) -> Setting:
    """The run, with everything that is certified of it made again from the data.

    Raises:
        ValueError: one line, for data that do not fit their hash, a number that is no good, or another algorithm than
            that of the statement.
    """
    if len({len(row) for row in record.rows}) != 1:
        raise ValueError("rows: they differ in length")
    data = Dataset(record.data, np.array(record.rows, np.int64))
    if data.sha256 != record.data_sha256:
        raise ValueError("data_sha256: does not belong to these rows")
    loss = Logistic(data, Fraction(record.regulariser))
    training = Training(
        loss,
        np.array(record.start, np.float64) / _FINE,
        _float("step_size", record.step_size),
        _float("threshold", record.threshold),
        record.steps,
        record.batch,
        record.per_sample,
        _float("privacy_scale", record.privacy_scale),
    )
    theorem = record.statement.theorem()
    if reason := why_not(theorem):
        raise ValueError(f"statement: training runs say nothing of it: {reason}")
    form = form_of(theorem)
    run = Form(training.batch == 0, form.samples, training.per_sample, training.privacy_scale > 0)
    if run != form:
        raise ValueError(f"the statement is about other runs ({form}) than this one ({run})")
    deviation = loss.deviation(1 if form.samples or not training.batch else training.batch)
    return Setting(training, record.where, loss.gap(training.start), loss.distance(training.start), deviation)


@dataclass(frozen=True)
class AuditReplay:
    """What came of a replay.

    Attributes:
        record: what was claimed.
        bound: what the claim allows, from the data anew; None if a condition or a certificate fails now.
        again: the same look on the same random numbers.
        fresh: a look on other random numbers; None for a run without chance.
        changed: versions that differ, as ``name: then, now``.
        shipped: whether the data are those that the installed scikit-learn ships; None where it cannot be told.
    """

    record: AuditRecord
    bound: float | None
    again: AuditResult | None
    fresh: AuditResult | None
    changed: tuple[str, ...]
    shipped: bool | None

    @property
    def reproduced(self) -> bool:
        """Whether the claim is violated again, on the same numbers and on fresh ones, and the values are those told."""
        if self.again is None or self.bound is None or self.bound > self.record.bound:
            return False
        same = self.again.measured is not None and abs(self.again.measured - self.record.measured) <= 1e-9 * abs(
            self.record.measured
        )
        return same and all(seen.verdict == "violated" for seen in (self.again, self.fresh) if seen is not None)

    def lines(self) -> list[str]:
        """For a person."""
        record = self.record
        origin = {True: "as shipped", False: "NOT as shipped by the installed scikit-learn", None: "from the file"}
        shown = [
            f"{record.statement.name}: {record.statement.text}",
            f"violation on training runs, data {record.data} ({origin[self.shipped]}); hashes and schema are sound",
            f"bound {self.bound!r} (then {record.bound!r})",
        ]
        for told, seen in (("again", self.again), ("on other random numbers", self.fresh)):
            if seen is not None:
                shown += [f"certificate: {line}" for line in seen.certificates if told == "again"]
                shown.append(f"{told}: {seen.verdict}: measured {seen.measured!r}; {seen.reason}")
        shown += [f"version changed since: {line}" for line in self.changed]
        shown.append("REPRODUCED" if self.reproduced else "NOT REPRODUCED")
        return shown

    def json(self) -> dict[str, Any]:
        """For a program."""
        return {
            "id": self.record.sha256[:12],
            "name": self.record.statement.name,
            "verdict": "violated",
            "reproduced": self.reproduced,
            "status": None if self.again is None else self.again.verdict,
            "reason": "" if self.again is None else self.again.reason,
            "claimed": self.bound,
            "measured": None if self.again is None else self.again.measured,
            "measured_then": self.record.measured,
            "log10_e": None if self.again is None else self.again.log10_e,
            "fresh_status": None if self.fresh is None else self.fresh.verdict,
            "fresh_log10_e": None if self.fresh is None else self.fresh.log10_e,
            "data_as_shipped": self.shipped,
            "schema_version": self.record.schema_version,
            "versions_changed": list(self.changed),
        }


def replay_audit(record: AuditRecord) -> AuditReplay:
    """Do a violation again. Nothing but the record and this package takes part; the installed data are compared."""
    theorem, setting = record.statement.theorem(), setting_of(record)
    bound = allowed(theorem, setting)
    again = fresh = None
    if bound is not None:
        again = _look(record, theorem, setting, bound, record.seed)
        if setting.training.stochastic:
            fresh = _look(record, theorem, setting, bound, record.seed + 1)
    now = versions()
    changed = tuple(
        f"{name}: {then}, {now.get(name, 'absent')}"
        for name, then in sorted(record.versions.items())
        if now.get(name) != then
    )
    return AuditReplay(record, bound, again, fresh, changed, _shipped(record))


def write_audit(record: AuditRecord, folder: Path) -> Path:
    """Write a record into a folder of its own under ``folder``; the path of the file."""
    place = folder / "audit" / record.folder
    place.mkdir(parents=True, exist_ok=True)
    (place / FILE).write_text(record.text(), encoding="utf-8")
    return place / FILE


def is_audit(path: Path) -> bool:
    """Whether a file says that it is a record of an audit; a file that cannot be read says nothing."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(data, dict) and data.get("kind") == KIND


def _look(record: AuditRecord, theorem: Theorem, setting: Setting, bound: float, seed: int) -> AuditResult:
    audit = Audit(setting.training.objective, max(1, setting.training.batch), seed)
    audit.ledger = ErrorLedger(alpha=record.alpha, looks=max(0, record.look - 1))
    found = AuditResult(
        theorem.name, theorem.expect, "", "", bound=bound, certificates=audit.certificates(theorem, setting)
    )
    return audit.confirm(theorem, setting, found)


def _shipped(record: AuditRecord) -> bool | None:
    if record.data not in DATASETS:
        return None
    try:
        return load(record.data).sha256 == record.data_sha256
    except DataError:
        return None


def _float(name: str, text: str) -> float:
    exact = Fraction(text)
    if Fraction(float(exact)) != exact:
        raise ValueError(f"{name}: {text[:40]} is no float")
    return float(exact)


def _digest(data: dict[str, Any]) -> str:
    unsealed = {key: value for key, value in data.items() if key != "sha256"}
    canonical = json.dumps(unsealed, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _one_line(error: object) -> str:
    return " ".join(str(error).split())

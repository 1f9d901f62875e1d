"""A finding done again from its file alone: certificates, conditions, the exact check or seeds, old and new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp

from fuzz.problem import Problem
from harness.confirm import MAX_STEPS, Confirmation, Status, confirm
from harness.definitions import changes, definitions_of
from harness.evidence import ErrorLedger
from harness.exact import NotExact, compare, own_letter
from harness.finding import Finding, versions
from harness.statement import AssumptionRecord, record_statement
from theorems.catalogue import load_catalogue
from theorems.language.parameters import Parameter
from theorems.language.theorem import Theorem
from theorems.language.walk import show_exact

_CLOSE = 1e-9
_ROUNDING = sp.Rational(1, 10**28)


@dataclass(frozen=True)
class ReplayResult:
    """What came of a replay.

    Attributes:
        finding: what was claimed.
        again: the same look on the same random numbers, or the same exact check.
        fresh: another look on other random numbers; None where the check is exact.
        changed: versions that differ from those of the finding, as ``name: then, now``.
        redefined: formulas and words of the statement that are no longer what they were, one line each.
    """

    finding: Finding
    again: Confirmation
    fresh: Confirmation | None
    changed: tuple[str, ...]
    redefined: tuple[str, ...]

    @property
    def reproduced(self) -> bool:
        """Whether the verdict stands, on the same numbers and on fresh ones."""
        same = self.again.status.value == self.finding.verdict
        return same and (self.fresh is None or self.fresh.status.value == self.finding.verdict)

    def lines(self) -> list[str]:
        """For a person."""
        finding, again = self.finding, self.again
        shown = [
            f"{finding.statement.name}: {finding.statement.text}",
            f"finding {finding.id}, {finding.verdict}; version {finding.schema_version}, hash and schema are sound",
            *(f"certificate: {c.assumption}" for c in again.certificates),
            f"claimed {again.claimed!r}, measured {again.measured!r} (then {finding.measured!r})",
            f"again: {again.status.value}: {again.reason}",
        ]
        shown += [f"engine {e.engine}: {e.measured!r}, {'agrees' if e.agrees else 'DIFFERS'}" for e in again.engines]
        if self.fresh is not None:
            shown.append(f"on other random numbers: {self.fresh.status.value}: {self.fresh.reason}")
        shown += [f"version changed since: {line}" for line in self.changed]
        shown += [f"meaning changed since: {line}" for line in self.redefined]
        if again.account is not None:
            shown.append(again.account.says)
        shown.append("REPRODUCED" if self.reproduced else "NOT REPRODUCED")
        return shown

    def json(self) -> dict[str, Any]:
        """For a program."""
        return {
            "id": self.finding.id,
            "name": self.finding.statement.name,
            "verdict": self.finding.verdict,
            "reproduced": self.reproduced,
            "status": self.again.status.value,
            "reason": self.again.reason,
            "claimed": self.again.claimed,
            "measured": self.again.measured,
            "measured_then": self.finding.measured,
            "same_number": abs(self.again.measured - self.finding.measured) <= _CLOSE * abs(self.finding.measured),
            "log10_e": None if self.again.sample is None else self.again.sample.log10_e,
            "fresh_status": None if self.fresh is None else self.fresh.status.value,
            "fresh_log10_e": None if self.fresh is None or self.fresh.sample is None else self.fresh.sample.log10_e,
            "schema_version": self.finding.schema_version,
            "versions_changed": list(self.changed),
            "meaning_changed": list(self.redefined),
        }


def replay_finding(finding: Finding) -> ReplayResult:
    """Re-run a finding. Nothing but the finding and this package takes part.

    Args:
        finding: as :func:`harness.finding.load_finding` returns it, so of known schema and with a sound hash.
    """
    theorem, problem, values = finding.statement.theorem(), finding.to_problem(), finding.parameter_values()
    values = {p: v for p, v in values.items() if not _rounded(p, v, problem)}

    def look(seed: int) -> Confirmation:
        ledger = ErrorLedger(alpha=finding.alpha or ErrorLedger().alpha, looks=max(0, finding.looks - 1))
        return confirm(theorem, problem, ledger=ledger, seed=seed, choices=values, max_steps=MAX_STEPS)

    again = look(finding.seed)
    fresh = look(finding.seed + 1) if again.sample is not None and again.status is not Status.DISAGREEMENT else None
    now = versions()
    changed = tuple(
        f"{name}: {then}, {now.get(name, 'absent')}"
        for name, then in sorted(finding.versions.items())
        if now.get(name) != then
    )
    return ReplayResult(finding, again, fresh, changed, _redefined(finding, theorem))


def _rounded(parameter: Parameter, value: sp.Expr, problem: Problem) -> bool:
    """Whether a finding has thirty digits of a letter that has no text, and that the problem settles: F0 of a log-cosh
    profile, say. The problem's own value is meant."""
    try:
        own = own_letter(parameter, problem)
        if own is None or not isinstance(value, sp.Rational):
            return False
        show_exact(own)
    except NotExact:
        return False
    except ValueError:
        near = (value * (1 - _ROUNDING), value * (1 + _ROUNDING))
        return compare(own, near[0], {}) == 1 and compare(near[1], own, {}) == 1
    return False


def _redefined(finding: Finding, theorem: Theorem) -> tuple[str, ...]:
    """What the finding's words meant and what they mean now; and the catalogue's statement of that name."""
    lines = list(changes(finding.definitions, definitions_of(theorem, finding.to_problem())))
    for then, now in zip(finding.statement.given, theorem.given, strict=True):
        if then.latex != now.latex:
            lines.append(f"assumption {then.kind}: then {then.latex}, now {now.latex}")
    catalogue = load_catalogue()
    if finding.statement.name in catalogue:
        today = record_statement(catalogue[finding.statement.name])
        for field in ("text", "bound", "when", "given"):
            old, new = getattr(finding.statement, field), getattr(today, field)
            if old != new:
                lines.append(f"the catalogue's {today.name}, {field}: then {_words(old)}, now {_words(new)}")
    return tuple(lines)


def _words(value: object) -> str:
    if isinstance(value, tuple):
        return "; ".join(map(_words, value)) or "nothing"
    return f"{value.kind}({', '.join(value.arguments.values())})" if isinstance(value, AssumptionRecord) else str(value)

"""The parts of a finding: plain records, each with its own small meaning."""

from __future__ import annotations

from typing import Literal

from harness.statement import Record


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


class PrecisionRecord(Record):
    """The measured quantity in one arithmetic.

    ``difference`` is its distance from the most accurate value at hand: the exact one, or float64 on the same random
    words. ``allowed`` is the distance beyond which nothing would be claimed, or None where no verdict rests on it.
    """

    arithmetic: str
    measured: float
    difference: float
    allowed: float | None
    agrees: bool


class AccountRecord(Record):
    """The margin taken apart: ``margin = certain + statistical + rounding``, all in the unit of the quantity.

    ``certain`` is what neither luck nor rounding can explain, so it is the theorem's own failure. ``statistical`` is
    the part that rests on the sample alone: from the mean down to ``lower``, a confidence bound at the level of the
    look. ``rounding`` is what arithmetic may have added: the width of enclosures, or a proved allowance for float64.
    """

    margin: float
    certain: float
    statistical: float
    rounding: float
    lower: float | None
    log10_level: float | None
    precisions: tuple[PrecisionRecord, ...]
    says: str


class StuckRecord(Record):
    """A stuck point, exactly: the mean clipped step there, and on both sides of it at distance ``offset``.

    ``left`` and ``right`` are ``E clip_c(g)`` at ``x - offset`` and ``x + offset``; None where they were not examined.
    """

    expected_step: tuple[str, ...]
    zero: bool
    offset: str | None
    left: str | None
    right: str | None
    stability: Literal["attracting", "neutral", "moving away", "not examined"]
    says: str

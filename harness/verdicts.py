"""The closed vocabulary of outcomes. This module imports nothing heavy."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Verdict(StrEnum):
    """What is said of a statement."""

    PROVED = "proved"
    PROVED_BY_Z3_ALONE = "proved by z3 alone"
    PROVED_BY_CVC5_ALONE = "proved by cvc5 alone"
    REFUTED = "refuted"
    BROKEN_PROOF = "broken_proof"
    VACUOUS = "vacuous"
    ILL_FORMED = "ill_formed"
    NO_PROOF = "no_proof"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, word: str) -> Verdict:
        """The verdict of a word, a broken step in brackets left aside: ``broken_proof(jensen)``."""
        return cls(word.partition("(")[0].strip())


class SearchVerdict(StrEnum):
    """What a search says: ``achieved`` is a lower bound or tightness target met."""

    REFUTED = "refuted"
    ACHIEVED = "achieved"
    NOT_FOUND = "not_found"


class ExitCode(IntEnum):
    """The contract of ``clipbounds run``; the first that applies is 2, then 1, then 3."""

    AS_EXPECTED = 0
    NOT_AS_EXPECTED = 1
    BAD_INPUT = 2
    UNKNOWN = 3
    INTERNAL_ERROR = 70
    INTERRUPTED = 130

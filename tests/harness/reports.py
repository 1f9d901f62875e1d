"""Records of a run made by hand, a statement whose words are markup, and the scripts of a page."""

from __future__ import annotations

import re

from conftest import false_bias

from harness.report.records import CheckRecord, FuzzRecord, ObligationRecord, RunRecord, TheoremRecord
from harness.statement import record_statement
from theorems.language import Parameter, Source, Theorem, Upper, c
from theorems.language.quantities import StuckGradientNorm
from theorems.language.units import GRADIENT

EVIL = "<script>alert(1)</script>"


def theorem_record(theorem: Theorem, **changes: object) -> TheoremRecord:
    obligation = ObligationRecord(
        name="units", kind="units", verdict="holds", solvers={}, seconds=0.0, model=None, reason="", statement="",
        latex="", says="fine", query=None,
    )  # fmt: skip
    fields: dict[str, object] = {
        "statement": record_statement(theorem),
        "verdict": "refuted",
        "word": "refuted",
        "as_expected": False,
        "remark": "It fails.",
        "proof": (),
        "check": CheckRecord(
            verdict="no_proof", reason="no proof is given", seconds=0.1, rules=(), cited=(), obligations=(obligation,)
        ),
        "fuzz": FuzzRecord(
            verdict="refuted", score=1.25, score_lower=1.25, log10_e=None, problem="a quadratic", steps=1000,
            seconds=1.0, says="Found at once.",
        ),
        "findings": (),
    }  # fmt: skip
    return TheoremRecord(**{**fields, **changes})  # type: ignore[arg-type]


def run_record(*theorems: TheoremRecord) -> RunRecord:
    return RunRecord(
        schema_version=1, budget="60s", device="cpu", seed=0, alpha=1e-6, seconds=2.0, check_seconds=1.0, steps=1000,
        versions={"python": "3.11"}, theorems=theorems,
    )  # fmt: skip


def evil_theorem() -> Theorem:
    letter = Parameter(f"a{EVIL}", GRADIENT, meaning=EVIL)
    return Theorem(
        name="evil",
        title=f"{EVIL} $\\text{{{EVIL}}}$ | `x`",
        source=Source(EVIL, f'"{EVIL}', version=EVIL),
        given=false_bias().given,
        when=[letter <= c],
        claim=Upper(StuckGradientNorm, letter / 5),
    )


def scripts_of(page: str) -> list[str]:
    """The scripts of a page; there may be no start of another one, in whatever case."""
    found = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    assert len(re.findall("<script", page, flags=re.IGNORECASE)) == len(found)
    return found

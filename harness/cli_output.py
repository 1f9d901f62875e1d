"""What commands print: tables for people, one JSON document for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.report.words import score_text
from harness.statement import claim_text
from theorems.language import Theorem

if TYPE_CHECKING:
    from fuzz.coverage import Bin, CoverageSummary
    from harness.attack import FuzzResult
    from harness.audit import AuditResult
    from harness.audit_record import AuditReplay
    from harness.consistency import Consistency
    from harness.constants import ConstantResult, End
    from harness.gauge import GaugeRow
    from harness.judge import Judgement
    from harness.prove import CheckResult
    from harness.regression import Promoted
    from harness.replay import ReplayResult
    from harness.report.records import RunRecord
    from harness.report.site import Site
    from harness.run import Outcome, RunResult
    from harness.sharpness import SharpnessResult

_COLOURS = {
    "proved": "green",
    "consistent": "green",
    "sense": "green",
    "fails": "red",
    "achieved": "green",
    "yes": "green",
    "refuted": "red",
    "violated": "red",
    "not violated": "green",
    "no": "bold red",
    "broken_proof": "yellow",
    "vacuous": "magenta",
    "ill_formed": "magenta",
    "unknown": "bold yellow",
    "open": "bold yellow",
}
_PIPE_WIDTH = 150


def show_list(theorems: Sequence[Theorem], as_json: bool) -> None:
    """``clipbounds list``."""
    if as_json:
        _json(
            [
                {
                    "name": t.name,
                    "title": t.title,
                    "source": t.source.paper,
                    "item": t.source.item,
                    "version": t.source.version,
                    "status": t.source.status,
                    "expect": t.expect,
                    "claim": claim_text(t),
                }
                for t in theorems
            ]
        )
        return
    rows = [(t.name, t.expect, t.source.status, f"{t.source.paper}, {t.source.item}", claim_text(t)) for t in theorems]
    _table(("name", "expect", "status", "source", "claim"), rows)


def show_checks(
    theorems: Sequence[Theorem], results: Sequence[CheckResult], judgements: Sequence[Judgement], as_json: bool
) -> None:
    """``clipbounds check``."""
    if as_json:
        _json([check_json(result) for result in results])
        return
    rows = [
        (
            theorem.name,
            judgement.word,
            str(sum(bool(o.solvers) for o in result.obligations)),
            f"{result.seconds:.2f} s",
            theorem.expect,
            result.reason,
        )
        for theorem, result, judgement in zip(theorems, results, judgements, strict=True)
    ]
    _table(("statement", "verdict", "queries", "time", "expected", "reason"), rows)
    for result in results:
        for obligation in result.obligations:
            if obligation.model:
                model = ", ".join(f"{k} = {v}" for k, v in sorted(obligation.model.items()))
                print(f"{result.name}, {obligation.name}: countermodel {model}")


def show_consistency(
    theorems: Sequence[Theorem],
    results: Sequence[CheckResult],
    judgements: Sequence[Judgement],
    whole: Consistency,
    as_json: bool,
) -> None:
    """``clipbounds check --consistency``."""
    from harness.consistency import consistency_json

    if as_json:
        _json({"checks": [check_json(result) for result in results], "consistency": consistency_json(whole)})
        return
    show_checks(theorems, results, judgements, False)
    print()
    pairs = [(p.upper, p.lower, p.witness, p.verdict, f"{p.seconds:.2f} s", p.reason) for p in whole.pairs]
    _table(("upper bound", "attained", "witness", "verdict", "time", "reason"), pairs)
    for pair in whole.pairs:
        if pair.model:
            print(f"{pair.upper} beside {pair.lower}: {', '.join(f'{k} = {v}' for k, v in pair.model.items())}")
    print()
    _table(
        ("statement", "boundary", "verdict", "value", "reason"),
        [(b.name, b.boundary, b.verdict, b.value, b.reason) for b in whole.boundaries],
    )
    for meeting in whole.meetings:
        word = "meets" if meeting.equal else "DOES NOT MEET"
        ratios = ", ".join(f"{ratio:.7f} at {where}" for where, ratio in meeting.ratios)
        print(f"{meeting.upper} {word} {meeting.lower} for {meeting.case}: limit {meeting.limit}; ratio {ratios}")


def show_fuzz(theorems: Sequence[Theorem], results: Sequence[FuzzResult], as_json: bool) -> None:
    """``clipbounds fuzz``."""
    if as_json:
        _json([fuzz_json(result) for result in results])
        return
    rows = [
        (
            result.name,
            result.verdict.value,
            score_text(result.score),
            _evidence(result),
            f"{result.steps:,}",
            f"{result.seconds:.1f} s",
            _regimes(result),
            theorem.expect,
            result.problem_words,
        )
        for theorem, result in zip(theorems, results, strict=True)
    ]
    head = ("statement", "verdict", "score", "evidence", "steps", "time", "regimes", "expected", "best problem")
    _table(head, rows)
    for result in results:
        if result.coverage is not None and result.coverage.empty:
            print(f"{result.name}: {result.coverage.says}")


def show_run(result: RunResult, out: Path | None, as_json: bool) -> None:
    """``clipbounds run``; ``out`` is the report's folder, if there is one."""
    if as_json:
        _json([run_json(outcome) for outcome in result.outcomes])
        return
    rows = [
        (
            o.theorem.name,
            o.judgement.word,
            {True: "yes", False: "no", None: "open"}[o.judgement.as_expected],
            o.theorem.expect,
            f"{o.check.verdict}, {o.check.seconds:.1f} s",
            "not needed" if o.fuzz is None else f"{o.fuzz.verdict.value}, score {score_text(o.fuzz.score)}",
            _evidence(o.fuzz) if o.fuzz is not None else _evidence_of_algebra(o),
        )
        for o in result.outcomes
    ]
    _table(("statement", "verdict", "as expected", "expect", "proof", "search", "evidence"), rows)
    record = result.record()
    from harness.report.words import lead, summary

    headline, sentence = summary(record)
    print(f"\n{headline}. {sentence}")
    for finding in result.findings():
        if any(o.judgement.as_expected is False for o in result.outcomes if o.theorem.name == finding.statement.name):
            print(f"{finding.statement.name}: {lead(finding)}")
            if out is not None:
                print(f"  clipbounds replay {out / 'findings' / finding.folder / 'FINDING.json'}")
    if any(o.judgement.verdict.value == "no_proof" for o in result.outcomes):
        print("no_proof with not_found is not a proof: it says only that this search met no violation.")
    print(
        f"{record.steps:,} steps simulated; {result.check_seconds:.1f} s of proofs, {result.seconds:.1f} s in all."
        + (f" Report: {out / 'index.html'}" if out is not None else "")
    )


def show_constants(results: Sequence[ConstantResult], as_json: bool) -> None:
    """``clipbounds constant``."""
    from harness.constants import constant_json

    if as_json:
        _json([constant_json(result) for result in results])
        return

    def number(end: End | None, up: bool = False) -> str:
        # Rounded outwards, so that what is shown is true as it stands.
        if end is None:
            return ""
        scaled = end.value * 10**6
        return f"{int(scaled.ceiling() if up else scaled.floor()) / 10**6:.6f}"

    rows = [
        (
            r.name,
            r.verdict,
            r.sense,
            number(r.low),
            number(r.high, up=True),
            "" if r.proved is None else str(r.proved.value),
            f"{r.seconds:.1f} s",
        )
        for r in results
    ]
    _table(("statement", "verdict", "constant", "at least", "at most", "proved", "time"), rows)
    for r in results:
        for end in (r.low, r.high):
            if end is not None:
                print(f"{r.name}, {number(end, up=end is r.high)}: {end.says}")
        if r.ray is not None:
            print(
                f"{r.name}: fails for every constant along {r.ray.words()}: the proved bound of {r.ray.other} is at "
                f"least z/{r.ray.factor} times the claimed terms for all z >= {r.ray.start} ({r.ray.verdict})"
            )
        if r.proved is None and r.blocked is not None:
            print(f"{r.name}: with C = {r.blocked.value}: {r.blocked.says}")


def show_audit(results: Sequence[AuditResult], as_json: bool) -> None:
    """``clipbounds audit``."""
    from harness.audit import audit_json

    if as_json:
        _json([audit_json(result) for result in results])
        return
    said = [r for r in results if r.verdict != "not applicable"]
    rows = [
        (r.name, r.expect, r.verdict, score_text(r.ratio), "" if r.log10_e is None else f"10^{r.log10_e:.1f}", r.reason)
        for r in said
    ]
    _table(("statement", "expected", "verdict", "of the bound", "e", "why"), rows)
    for r in said:
        where = ", ".join(f"{k} {v:.6g}" if isinstance(v, float) else f"{k} {v}" for k, v in r.setting.items())
        print(f"{r.name}: {where}")
    for line in dict.fromkeys(line for r in said for line in r.certificates if not line.startswith("f(x_0)")):
        print(f"certified: {line}")
    for r in results:
        if r.verdict == "not applicable":
            print(f"{r.name}: not applicable: {r.reason}")
        if r.record is not None:
            print(f"  clipbounds replay {r.record}")


def show_sharpness(results: Sequence[SharpnessResult], as_json: bool) -> None:
    """``clipbounds sharpness``."""
    from harness.sharpness import sharpness_json

    if as_json:
        _json([sharpness_json(result) for result in results])
        return
    rows = [(r.name, r.verdict, r.condition, r.place, r.relaxed, f"{r.seconds:.1f} s", r.obligation) for r in results]
    _table(("statement", "verdict", "condition", "in", "proved for", "time", "what fails beyond"), rows)
    for r in results:
        if r.model:
            model = ", ".join(f"{k} = {v}" for k, v in sorted(r.model.items()))
            print(f"{r.name}, {r.condition} relaxed by {r.fails}: countermodel {model}")


def show_gauge(rows: Sequence[GaugeRow], as_json: bool) -> None:
    """``clipbounds gauge``."""
    from harness.gauge import gauge_json

    if as_json:
        _json(gauge_json(rows))
        return
    shown = [
        (
            row.name,
            row.at,
            score_text(row.ratio) + (f" ± {row.error:.1g}" if row.error else ""),
            "" if row.target is None else f"{row.target:g}, {'met' if row.met else 'missed'}",
            row.exact,
            f"{row.seconds:.1f} s",
            row.problem,
        )
        for row in rows
    ]
    _table(("statement", "held", "ratio", "target", "exact check", "time", "best problem"), shown)


def show_replay(result: ReplayResult | AuditReplay, as_json: bool) -> None:
    """``clipbounds replay``."""
    if as_json:
        _json(result.json())
        return
    for line in result.lines():
        print(line)


def show_promoted(promoted: Promoted, as_json: bool) -> None:
    """``clipbounds promote``."""
    if as_json:
        _json({"file": str(promoted.file), "loader": str(promoted.loader), "new": promoted.new})
        return
    print(
        f"{promoted.file}: {'kept' if promoted.new else 'was kept already'}; {promoted.loader} judges it on every run"
    )


def show_rebuilt(run: RunRecord, folder: Path, as_json: bool) -> None:
    """``clipbounds report``."""
    if as_json:
        _json({"report": str(folder / "index.html"), "theorems": [t.statement.name for t in run.theorems]})
        return
    print(f"{len(run.theorems)} statements. Report: {folder / 'index.html'}")


def show_site(site: Site, folder: Path, as_json: bool) -> None:
    """``clipbounds report --site``."""
    names = list(site.latest())
    if as_json:
        _json(
            {
                "site": str(folder / "index.html"),
                "campaigns": [campaign.id for campaign in site.campaigns],
                "findings": sorted(site.findings),
                "theorems": names,
            }
        )
        return
    print(
        f"{len(site.campaigns)} campaigns, {len(names)} statements, {len(site.findings)} findings. "
        f"Site: {folder / 'index.html'}"
    )


def check_json(result: CheckResult) -> dict[str, Any]:
    """The contract's entry for a check."""
    return {
        "name": result.name,
        "expect": result.expect,
        "verdict": result.verdict,
        "reason": result.reason,
        "seconds": round(result.seconds, 4),
        "rules": list(result.rules),
        "obligations": [
            {
                "name": o.name,
                "kind": o.kind,
                "verdict": o.verdict,
                "solvers": o.solvers,
                "seconds": round(o.seconds, 4),
                "model": o.model,
                "reason": o.reason,
                "statement": o.statement,
            }
            for o in result.obligations
        ],
    }


def fuzz_json(result: FuzzResult) -> dict[str, Any]:
    """The contract's entry for a search."""
    return {
        "name": result.name,
        "expect": result.expect,
        "verdict": result.verdict.value,
        "score": result.score,
        "score_lower": result.score_lower,
        "log10_e": result.log10_e,
        "problem": result.problem,
        "steps": result.steps,
        "seconds": round(result.seconds, 3),
        "says": result.says,
        "coverage": None if result.coverage is None else coverage_json(result.coverage),
    }


def coverage_json(coverage: CoverageSummary) -> dict[str, Any]:
    """Evaluations and best score of every regime, and along every axis."""

    def entry(words: Sequence[str], names: Sequence[str], b: Bin) -> dict[str, Any]:
        return {**dict(zip(names, words, strict=True)), "evaluations": b.evaluations, "best": b.best}

    return {
        "axes": {name: list(bins) for name, bins in zip(coverage.axes, coverage.bins, strict=True)},
        "regimes": [entry(b.words, coverage.axes[:-1], b) for b in coverage.regimes],
        "profiles": {
            name: [entry(b.words, ["bin"], b) for b in profile]
            for name, profile in zip(coverage.axes, coverage.profiles, strict=True)
        },
        "empty": list(coverage.empty),
        "excluded": coverage.excluded,
        "says": coverage.says,
    }


def run_json(outcome: Outcome) -> dict[str, Any]:
    """The contract's entry for a run."""
    return {
        "name": outcome.theorem.name,
        "expect": outcome.theorem.expect,
        "verdict": outcome.judgement.verdict.value,
        "as_expected": outcome.judgement.as_expected,
        "remark": outcome.judgement.remark,
        "check": check_json(outcome.check),
        "fuzz": None if outcome.fuzz is None else fuzz_json(outcome.fuzz),
        "findings": [finding.id for finding in outcome.findings],
    }


def _regimes(result: FuzzResult) -> str:
    if result.coverage is None:
        return ""
    total = len(result.coverage.regimes)
    return f"{total - len(result.coverage.empty)}/{total}"


def _evidence(result: FuzzResult) -> str:
    if result.finding is not None and result.finding.exact is not None:
        return "exact"
    return "" if result.log10_e is None else f"e = 10^{result.log10_e:.1f}"


def _evidence_of_algebra(outcome: Outcome) -> str:
    if not outcome.findings:
        return ""
    (finding, *_) = outcome.findings
    return "exact" if finding.log10_e is None else f"e = 10^{finding.log10_e:.1f}"


def _json(document: Any) -> None:
    print(json.dumps(_finite(document), indent=2, ensure_ascii=False, allow_nan=False))


def _finite(document: Any) -> Any:
    """JSON has no infinities."""
    if isinstance(document, dict):
        return {str(k): _finite(v) for k, v in document.items()}
    if isinstance(document, list | tuple):
        return [_finite(v) for v in document]
    if isinstance(document, float) and not math.isfinite(document):
        return None
    return document


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else _PIPE_WIDTH, highlight=False)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold" if terminal else "")
    for index, title in enumerate(head):
        last = index == len(head) - 1
        table.add_column(
            title,
            no_wrap=index < 2,
            max_width=26 if index == 1 else None,
            overflow="fold" if last else "ellipsis",
        )
    for row in rows:
        table.add_row(*(Text(" ".join(cell.split()), style=_style(cell)) for cell in row))
    console.print(table)


def _style(cell: str) -> str:
    return _COLOURS.get(cell.partition("(")[0].split(" by ")[0], "")

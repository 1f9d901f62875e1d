"""What the campaign commands print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.campaign.campaign import Result
from harness.cli_output import _json, _table, run_json, show_run
from harness.report.words import score_text


def show_result(result: Result, store: Path, as_json: bool) -> None:
    """A session's end: the same table as ``clipbounds run`` if the campaign is finished."""
    if as_json:
        _json(
            {
                "name": result.name,
                "state": result.state,
                "quarantined": result.quarantined,
                "report": None if result.report is None else str(result.report),
                "results": None if result.outcome is None else [run_json(o) for o in result.outcome.outcomes],
            }
        )
        return
    if result.outcome is None:
        print(f"{result.name} is stopped; go on with: clipbounds campaign resume {result.name} --store {store}")
        return
    show_run(result.outcome, result.report, False)
    if result.quarantined:
        some = "1 shard failed" if result.quarantined == 1 else f"{result.quarantined} shards failed"
        print(f"{some} again and again and had to be left out: clipbounds campaign status --store {store} says why.")


def show_status(seen: dict[str, Any], as_json: bool) -> None:
    """A look at a campaign."""
    if as_json:
        _json(seen)
        return
    rows = [
        (
            t["name"],
            t["proof_verdict"] or "not yet",
            "not needed" if t["planned"] == 0 else t["search"] or "",
            score_text(t["score"]),
            f"{t['next']:,}" + ("" if t["planned"] is None else f" of {t['planned']:,}"),
            f"{t['steps']:,}",
            _remark(t),
        )
        for t in seen["theorems"]
    ]
    _table(("statement", "proof", "search", "score", "shards", "steps", "remark"), rows)
    planned = "" if seen["planned"] is None else f" of {seen['planned']:,}"
    stopping = ", asked to stop" if seen["stop_requested"] else ""
    gone = seen["state"] == "running" and seen["driven"] is False
    state = "interrupted" if gone else seen["state"]
    print(
        f"\n{seen['name']}: {state}{stopping}. {seen['shards']:,}{planned} shards, {seen['steps']:,} steps, "
        f"{seen['active_seconds']:,.0f} s of {seen['budget']}; {len(seen['findings'])} findings, "
        f"{seen['quarantined']} quarantined, {seen['failures']} failures."
    )
    if gone:
        print(f"Its driver is gone and nothing that was committed is lost: clipbounds campaign resume {seen['name']}")
    for finding in seen["findings"]:
        where = "by algebra" if finding["number"] is None else f"by shard {finding['number']}"
        print(f"{finding['name']}: {finding['verdict']} {where}, finding {finding['id']}")
    for failure in seen["last_failures"]:
        print(f"{failure['name']}, shard {failure['number']}, {failure['at']}: {failure['reason']}")
    for line in seen.get("wrong", ()):
        print(f"AUDIT: {line}")
    if seen.get("wrong") == []:
        print("Audit: every shard is accounted for, once.")


def _remark(row: dict[str, Any]) -> str:
    words = []
    if row["decided"] is not None:
        words.append(f"decided by shard {row['decided']}")
    if row["quarantined"]:
        words.append(f"{row['quarantined']} quarantined")
    if row["starts"]:
        words.append(f"{row['starts']} of earlier nights")
    if row["warning"]:
        words.append(row["warning"])
    return "; ".join(words)

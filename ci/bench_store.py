"""A store with a million shards: ``python ci/bench_store.py [--shards 1000000] [--out FILE.md]``.

Rows are committed by the same code as in a campaign, with made-up results, in transactions of 1 and of 16 shards; then
the questions that people and pages ask are timed, each in a new read-only connection. Exit code 1 if the status page
takes a second or more.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from fuzz.budget import Budget
from harness.campaign.plan import OPEN, Entry, Plan, share_out
from harness.campaign.records import CampaignRecords, Ended, Proof, Standing
from harness.campaign.shard import Shard, ShardResult
from harness.campaign.status import audit, status_of
from harness.store import Store
from harness.store.export import export
from theorems.catalogue import load_catalogue

LIMIT = 1.0


def made_up(shard: Shard, chance: random.Random, structures: int) -> ShardResult:
    """A result that names so many structures (some 40 are usual); one candidate is kept for every record."""
    score = chance.random()
    return ShardResult(
        key=shard.key,
        verdict="not_found",
        score=score,
        score_lower=score,
        log10_e=None,
        problem={"steps": shard.steps},
        words="made up",
        steps=shard.steps,
        evaluations=1000,
        looks=0,
        says="Made up.",
        warning="",
        candidates=(
            {"score": score, "error": 0.0, "regime": "made up", "problem": {"steps": shard.steps}, "choices": None},
        ),
        regimes={f"objective {i}, noise {i % 7}, d = {1 + i % 4}": chance.random() for i in range(structures)},
        coverage=None,
        finding=None,
        seconds=1.0,
    )


def timed(work: Callable[[], Any], times: int = 5) -> float:
    """The slowest of some."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return max(seconds)


def fill(
    records: CampaignRecords, plan: Plan, standings: list[Standing], numbers: range, size: int, structures: int = 40
) -> float:
    """Commit these shards of every statement in transactions of so many; returns shards per second."""
    chance = random.Random(numbers.start)
    places = [(position, number) for number in numbers for position in range(len(plan.entries))]
    items = [Ended(shard, made_up(shard, chance, structures)) for shard in (plan.shard(*place) for place in places)]
    began = time.perf_counter()
    for first in range(0, len(items), size):
        records.commit(items[first : first + size], standings, float(first))
    return len(items) / (time.perf_counter() - began)


def main() -> int:
    """Print the table, and write it to a file if one is named."""
    options = argparse.ArgumentParser(description="Time a store with many shards.")
    options.add_argument("--shards", type=int, default=1_000_000)
    options.add_argument("--out", type=Path)
    chosen = options.parse_args()
    names = [name for name, theorem in load_catalogue().items() if theorem.expect == "true"][:40]
    plan = Plan(tuple(Entry.of(load_catalogue()[name], name) for name in names), 0, 1e-6, "cpu", 1000)
    each = max(60, chosen.shards // len(names))
    plan = share_out(plan, [OPEN] * len(names), Budget(steps=each * 1000 * len(names)))
    plan = replace(plan, entries=tuple(replace(entry, planned=each) for entry in plan.entries))
    rows: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.sqlite"
        with Store(path) as store:
            records = CampaignRecords.create(store, plan, name="large", budget="1h", report=None)
            records.save_proofs([Proof("no_proof", "{}", None)] * len(names), plan)
            about = {"revision": None, "versions": {}, "hardware": {}}
            records.begin_session(host="here", process=1, workers=1, cluster=None, about=about)
            standings = records.standings()
            ones = fill(records, plan, standings, range(25), 1)
            rows.append(("shards committed per second, one in a transaction", f"{ones:,.0f}"))
            sixteen = fill(records, plan, standings, range(25, 50), 16)
            rows.append(("shards committed per second, 16 in a transaction", f"{sixteen:,.0f}"))
            for first in range(50, each, 500):
                fill(records, plan, standings, range(first, min(first + 500, each)), 2000, 1)
            late = store.value("SELECT count(*) FROM shards")
        size = path.stat().st_size
        rows.append(("shards in the store", f"{late:,}"))
        rows.append(("bytes per shard, everything included", f"{size / late:.0f}"))

        def read(question: Callable[[Store], Any]) -> Callable[[], Any]:
            def go() -> Any:
                with Store(path, read_only=True) as store:
                    return question(store)

            return go

        status = timed(read(lambda store: status_of(store, 1)))
        rows.append(("status page, seconds (target: below 1)", f"{status:.3f}"))
        by_statement = "SELECT theorem, count(*), sum(steps), max(score_lower) FROM shards GROUP BY campaign, theorem"
        rows.append(("totals of all rows by statement, seconds", f"{timed(read(lambda s: s.rows(by_statement))):.2f}"))
        one = "SELECT * FROM shards WHERE campaign = 1 AND theorem = 7 ORDER BY number DESC LIMIT 50"
        rows.append(("last 50 shards of a statement, seconds", f"{timed(read(lambda s: s.rows(one))):.4f}"))
        rows.append(("audit of all rows, seconds", f"{timed(read(lambda s: audit(s, 1)), 1):.1f}"))
        as_csv = timed(read(lambda s: export(s, "shards", "csv", io.StringIO())), 1)
        rows.append(("export of all shards as CSV, seconds", f"{as_csv:.1f}"))
        with Store(path) as store:
            rows.append(("check of the whole file before a resume, seconds", f"{timed(store.verify, 1):.1f}"))
            wrong = audit(store, 1)
    load = ", ".join(f"{v:.1f}" for v in os.getloadavg())
    how = (
        f"`python ci/bench_store.py --shards {chosen.shards}`; the slowest of five for quick questions. Python "
        f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} cores, load average {load}."
    )
    lines = [
        f"# The store with a million shards, {date.today().isoformat()}",
        "",
        how,
        "",
        "| what | figure |",
        "|---|---|",
        *(f"| {what} | {figure} |" for what, figure in rows),
        "",
    ]
    print("\n".join(lines))
    if chosen.out:
        chosen.out.write_text("\n".join(lines), encoding="utf-8")
    return 0 if status < LIMIT and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())

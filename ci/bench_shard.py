"""What a worker makes: ``python ci/bench_shard.py [--shard-steps 20000000] [--shards 3] [--out FILE.md]``.

Whole shards, as a campaign runs them, of a few statements in this process, warm, on one thread: engine steps per second
of processor time. It is what the search around the engine allows, and what ``docs/scale.md`` rests on.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from datetime import date
from pathlib import Path

from harness.campaign.plan import Entry, Plan
from harness.campaign.shard import Work, run_shard
from theorems.catalogue import load_catalogue

STATEMENTS = ("S3", "D2", "D1", "S1")


def main() -> int:
    """Print the table, and write it to a file if one is named."""
    options = argparse.ArgumentParser(description="Steps per processor second of whole shards.")
    options.add_argument("--shard-steps", type=int, default=20_000_000)
    options.add_argument("--shards", type=int, default=3)
    options.add_argument("--out", type=Path)
    chosen = options.parse_args()
    entries = tuple(Entry.of(load_catalogue()[name], name) for name in STATEMENTS)
    plan = Plan(entries, 0, 1e-6, "cpu", chosen.shard_steps)
    Work().prepare(1)
    how = (
        f"`python ci/bench_shard.py --shard-steps {chosen.shard_steps} --shards {chosen.shards}`: one thread, warm, "
        f"processor time, median of {chosen.shards}. Python {platform.python_version()}, {os.cpu_count()} cores, load "
        f"average {', '.join(f'{v:.1f}' for v in os.getloadavg())}."
    )
    lines = [
        f"# What a worker makes, {date.today().isoformat()}",
        "",
        how,
        "",
        "| statement | steps of a shard | processor seconds of a shard | steps per processor second |",
        "|---|---|---|---|",
    ]
    for position, entry in enumerate(entries):
        # Formulas and kernels are made once.
        short = Plan(entries, 0, 1e-6, "cpu", max(1, chosen.shard_steps // 20))
        run_shard(short.shard(position, 10**6), entry.theorem)
        steps, seconds = [], []
        for number in range(chosen.shards):
            began = time.process_time()
            steps.append(run_shard(plan.shard(position, number), entry.theorem).steps)
            seconds.append(time.process_time() - began)
        rate = statistics.median(n / s for n, s in zip(steps, seconds, strict=True))
        row = (
            entry.theorem.name,
            f"{statistics.median(steps):,.0f}",
            f"{statistics.median(seconds):.2f}",
            f"{rate:.2g}",
        )
        lines.append(f"| {' | '.join(row)} |")
        print(lines[-1], file=sys.stderr, flush=True)
    text = "\n".join([*lines, ""])
    print(text)
    if chosen.out:
        chosen.out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

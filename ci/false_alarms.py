"""Accumulate campaigns over true claims: ``python ci/false_alarms.py [--campaigns N | --total N] [--file FILE.json]``.

Runs ``--campaigns`` more (or as many as are missing to ``--total``), with the seeds that come next, and writes the file
after each. Exit code 1 if a true claim was ever refuted, 2 for a file that is not such a record.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from harness.false_alarms import STEPS, FalseAlarmError, load, run_campaigns, save, sound, summary


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--campaigns", type=int, default=20)
    parser.add_argument("--total", type=int, help="run what is missing to this many, but at most --campaigns")
    parser.add_argument("--steps", type=float, default=STEPS)
    parser.add_argument("--file", type=Path, default=Path("ci/results/false-alarms.json"))
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    try:
        done = load(options.file)
    except FalseAlarmError as error:
        print(f"false_alarms: {error}", file=sys.stderr)
        return 2
    wanted = options.campaigns if options.total is None else min(options.campaigns, options.total - len(done))
    first = max((c.seed for c in done), default=-1) + 1
    seeds = range(first, first + max(0, wanted))
    for campaign in run_campaigns(seeds, int(options.steps), max(1, options.workers)):
        done.append(campaign)
        save(options.file, done)
        print(f"campaign {campaign.seed}: {len(campaign.refuted)} refutations, {campaign.seconds:.0f} s", flush=True)
    print(summary(done))
    return 0 if sound(done) else 1


if __name__ == "__main__":
    raise SystemExit(main())

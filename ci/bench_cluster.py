"""Ray against local processes: ``python ci/bench_cluster.py [--rounds 3] [--out FILE.md]``.

The same shards are run by two local workers and by a Ray cluster of two nodes with one CPU each on this machine, in
turns, both warm. Also the cost of a shard that does nothing, which is what a cluster adds to each. Exit code 1 if the
overhead is above 5 per cent.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

from harness.campaign.cluster import RayPool
from harness.campaign.plan import Entry, Plan
from harness.campaign.pool import Done, Pool
from harness.campaign.shard import Shard, ShardResult, Work
from harness.campaign.workers import LocalPool
from theorems.catalogue import load_catalogue
from theorems.language import Theorem

ROOT = Path(__file__).resolve().parents[1]
STATEMENTS = ("S3", "D2", "S3_small", "D1_min")
MOST = 0.05


class Nothing(Work):
    """Shards that take no time: what is left is the cost of handing them out and back."""

    def prepare(self, threads: int) -> None:
        """Nothing."""

    def run(self, shard: Shard, theorem: Theorem) -> ShardResult:
        """A result of usual size."""
        regimes: dict[str, float | None] = {f"objective {i}, noise {i % 7}": 0.5 for i in range(40)}
        candidate = {"score": 0.5, "error": 0.0, "regime": "", "problem": {"numbers": ["1/3"] * 60}}
        numbers = (None, None, None, None, "", shard.steps, 1, 0)
        return ShardResult(shard.key, "not_found", *numbers, "", "", (candidate,) * 5, regimes, None, None, 0.0)


def through(pool: Pool, shards: list[Shard]) -> tuple[float, list[str]]:
    """Seconds for these shards, and their digests in order."""
    waiting, digests = list(reversed(shards)), {}
    began = time.perf_counter()
    while len(digests) < len(shards):
        while waiting and pool.free:
            pool.submit(waiting.pop())
        for event in pool.wait(1.0):
            if not isinstance(event, Done):
                raise SystemExit(f"shard {event.shard.number} failed: {event.reason}")
            digests[event.shard.key] = event.result.digest
    return time.perf_counter() - began, [digests[shard.key] for shard in shards]


def warm(pool: Pool, shards: list[Shard]) -> None:
    """Until every worker has done something: a cluster starts its workers when there is work."""
    while pool.free < 2:
        pool.wait(1.0)
    for _ in range(3):
        through(pool, shards)


def main() -> int:
    """Print the table, and write it to a file if one is named."""
    options = argparse.ArgumentParser(description="Ray against local processes.")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--shards", type=int, default=24)
    options.add_argument("--shard-steps", type=int, default=20_000_000)
    options.add_argument("--empty", type=int, default=400, help="shards that do nothing")
    options.add_argument("--out", type=Path)
    chosen = options.parse_args()
    plan = Plan(tuple(Entry.of(load_catalogue()[n], n) for n in STATEMENTS), 0, 1e-6, "cpu", chosen.shard_steps)
    theorems = [entry.theorem for entry in plan.entries]
    shards = [plan.shard(k % len(STATEMENTS), k // len(STATEMENTS)) for k in range(chosen.shards)]
    none = [plan.shard(0, k) for k in range(chosen.empty)]
    nodes = subprocess.Popen(
        [sys.executable, str(ROOT / "ci" / "ray_nodes.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)])},
    )
    assert nodes.stdout is not None
    assert nodes.stdin is not None
    address = nodes.stdout.readline().strip()
    ours: list[float] = []
    theirs: list[float] = []
    costs = {}
    try:
        with LocalPool(theorems, 2, threads=1) as local, RayPool(theorems, address) as cluster:
            for pool in (local, cluster):
                warm(pool, [plan.shard(k % len(STATEMENTS), 10**6 + k) for k in range(8)])
            for _ in range(chosen.rounds):
                seconds, one = through(local, shards)
                ours.append(seconds)
                seconds, other = through(cluster, shards)
                theirs.append(seconds)
                if one != other:
                    raise SystemExit("the cluster gives other results than this machine")
        with LocalPool(theorems, 2, threads=1, work=Nothing()) as local:
            warm(local, none[:8])
            costs["local"] = through(local, none)[0] / len(none)
        with RayPool(theorems, address, work=Nothing()) as cluster:
            warm(cluster, none[:8])
            costs["Ray"] = through(cluster, none)[0] / len(none)
    finally:
        nodes.stdin.close()
        nodes.wait(60)
    overhead = statistics.median(b / a for a, b in zip(ours, theirs, strict=True)) - 1
    each = 2 * min(ours) / len(shards)
    least = (costs["Ray"] - costs["local"]) / MOST * 2
    load = ", ".join(f"{v:.1f}" for v in os.getloadavg())
    how = (
        f"`python ci/bench_cluster.py`: {len(shards)} shards of {chosen.shard_steps:,} steps, {', '.join(STATEMENTS)}, "
        f"two workers each, {chosen.rounds} rounds in turns, all digests equal. Python {platform.python_version()}, "
        f"{os.cpu_count()} cores shared with others, load average {load}."
    )
    rows = [
        ("seconds of local workers, by round", ", ".join(f"{s:.1f}" for s in ours)),
        ("seconds of the cluster, by round", ", ".join(f"{s:.1f}" for s in theirs)),
        ("overhead, median over rounds (target: at most 5%)", f"{overhead:+.1%}"),
        ("seconds of a shard", f"{each:.2f}"),
        ("milliseconds to hand out an empty shard and take it back, local", f"{1000 * costs['local']:.2f}"),
        ("the same, Ray", f"{1000 * costs['Ray']:.2f}"),
        ("shards that take longer than so many seconds stay below 5%, by that cost", f"{max(0.0, least):.2f}"),
    ]
    lines = [
        f"# Ray against local processes, {date.today().isoformat()}",
        "",
        how,
        "",
        "| what | figure |",
        "|---|---|",
    ]
    lines += [*(f"| {what} | {figure} |" for what, figure in rows), ""]
    print("\n".join(lines))
    if chosen.out:
        chosen.out.write_text("\n".join(lines), encoding="utf-8")
    return 0 if overhead <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())

"""Ray against local processes: ``python ci/bench_cluster.py [--rounds 3] [--busy] [--out FILE.md]``.

The same shards are run by two local workers and by a Ray cluster of two nodes with one CPU each on this machine, in
turns, both warm. Also the cost of a shard that does nothing, which is what a cluster adds to each. Time is measured by
the clock on the wall, and as processor time: of the driver and its workers, and with Ray's daemons. Exit code 1 if the
overhead by the clock, or by processor time with the daemons, is above 5 per cent; ``--busy`` says that others use the
machine, so that the clock is told but decides nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, replace
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


def through(pool: Pool, shards: list[Shard]) -> list[str]:
    """The digests of these shards, in order."""
    waiting, digests = list(reversed(shards)), {}
    while len(digests) < len(shards):
        while waiting and pool.free:
            pool.submit(waiting.pop())
        for event in pool.wait(1.0):
            if not isinstance(event, Done):
                raise SystemExit(f"shard {event.shard.number} failed: {event.reason}")
            digests[event.shard.key] = event.result.digest
    return [digests[shard.key] for shard in shards]


@dataclass(frozen=True)
class Time:
    """Seconds by the clock on the wall, and of processors: driver, workers, and daemons between them."""

    wall: float
    driver: float
    workers: float
    daemons: float = 0.0

    @staticmethod
    def now(cluster: int | None, workers: list[int]) -> Time:
        """Up to now. Of a cluster, by the process that keeps it: Ray's workers call themselves so."""
        spent = {process: processor(process) for process in (family(cluster) if cluster is not None else workers)}
        mine = workers if cluster is None else [p for p in spent if line_of(p).startswith(b"ray::")]
        working = sum(spent[p] for p in mine)
        return Time(time.perf_counter(), time.process_time(), working, sum(spent.values()) - working)

    def since(self, before: Time) -> Time:
        """The difference."""
        return Time(**{name: value - vars(before)[name] for name, value in vars(self).items()})

    @property
    def work(self) -> float:
        """Of driver and workers."""
        return self.driver + self.workers

    @property
    def all(self) -> float:
        """With the daemons."""
        return self.work + self.daemons


def family(process: int) -> list[int]:
    """A process with all that came of it and lives."""
    found = [process]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, task.read_text().split())
    return found


def line_of(process: int) -> bytes:
    """A command line, or nothing."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def processor(process: int) -> float:
    """Seconds of processor time of a process, user and system; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def timed(pool: Pool, shards: list[Shard], cluster: int | None = None) -> tuple[Time, list[str]]:
    """What these shards took, and their digests."""
    workers = pool.processes if isinstance(pool, LocalPool) else []
    before = Time.now(cluster, workers)
    digests = through(pool, shards)
    return Time.now(cluster, workers).since(before), digests


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
    options.add_argument("--busy", action="store_true", help="others use this machine: processor time decides")
    options.add_argument("--out", type=Path)
    chosen = options.parse_args()
    plan = Plan(tuple(Entry.of(load_catalogue()[n], n) for n in STATEMENTS), 0, 1e-6, "cpu", chosen.shard_steps)
    # Formulas are made once in each worker, whatever the size of its first shards.
    short = replace(plan, shard_steps=min(chosen.shard_steps, 10**6))
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
    ours: list[Time] = []
    theirs: list[Time] = []
    costs = {}
    try:
        with LocalPool(theorems, 2, threads=1) as local, RayPool(theorems, address) as cluster:
            for pool in (local, cluster):
                warm(pool, [short.shard(k % len(STATEMENTS), 10**6 + k) for k in range(8)])
            for _ in range(chosen.rounds):
                spent, one = timed(local, shards)
                ours.append(spent)
                spent, other = timed(cluster, shards, nodes.pid)
                theirs.append(spent)
                if one != other:
                    raise SystemExit("the cluster gives other results than this machine")
        with LocalPool(theorems, 2, threads=1, work=Nothing()) as local:
            warm(local, none[:8])
            costs["local"] = timed(local, none)[0]
        with RayPool(theorems, address, work=Nothing()) as cluster:
            warm(cluster, none[:8])
            costs["Ray"] = timed(cluster, none, nodes.pid)[0]
    finally:
        nodes.stdin.close()
        nodes.wait(60)
    pairs = list(zip(ours, theirs, strict=True))
    by_clock = statistics.median(b.wall / a.wall for a, b in pairs) - 1
    by_work = statistics.median(b.work / a.work for a, b in pairs) - 1
    by_all = statistics.median(b.all / a.work for a, b in pairs) - 1
    each = statistics.median(a.workers for a in ours) / len(shards)
    extra = (costs["Ray"].wall - costs["local"].wall) / len(none)
    load = ", ".join(f"{v:.1f}" for v in os.getloadavg())
    how = (
        f"`python ci/bench_cluster.py`: {len(shards)} shards of {chosen.shard_steps:,} steps, {', '.join(STATEMENTS)}, "
        f"two workers each, {chosen.rounds} rounds in turns, all digests equal. Python {platform.python_version()}, "
        f"{os.cpu_count()} cores shared with others, load average {load}."
    )
    rows = [
        ("seconds of local workers, by round", ", ".join(f"{t.wall:.1f}" for t in ours)),
        ("seconds of the cluster, by round", ", ".join(f"{t.wall:.1f}" for t in theirs)),
        ("processor seconds of driver and local workers, by round", ", ".join(f"{t.work:.1f}" for t in ours)),
        ("the same with Ray, by round", ", ".join(f"{t.work:.1f}" for t in theirs)),
        ("processor seconds of Ray's daemons, by round", ", ".join(f"{t.daemons:.1f}" for t in theirs)),
        ("overhead by the clock, median over rounds (target: at most 5%)", f"{by_clock:+.1%}"),
        ("overhead in processor time of driver and workers", f"{by_work:+.1%}"),
        ("the same with Ray's daemons (target: at most 5%)", f"{by_all:+.1%}"),
        ("processor seconds of a shard", f"{each:.2f}"),
        *(
            (f"milliseconds to hand out an empty shard and take it back, {name}", f"{1000 * t.wall / len(none):.2f}")
            for name, t in costs.items()
        ),
        *(
            (f"milliseconds of the driver's processor for each, {name}", f"{1000 * t.driver / len(none):.2f}")
            for name, t in costs.items()
        ),
        ("shards that take longer than so many seconds stay below 5%, by that cost", f"{2 * max(0, extra) / MOST:.2f}"),
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
    return 0 if max(by_all, -1.0 if chosen.busy else by_clock) <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())

"""A long campaign under observation: ``python ci/load_campaign.py [--hours 2] [--out FILE.md] [--plot FILE.svg]``.

A campaign runs for so long in processes of its own, while this one reads their memory and processor time, and the store
from outside. From time to time it is halted, and as many processes as it has workers run a part of the very same shards
bare, without campaign, store or driver: steps per processor second inside the campaign, its driver included, over those
of the bare runs is the ratio that should be at least 0.7. Processor time is used because others may use the machine
too, and the two take turns so that the others slow both. At the end every shard is counted again. Exit code 1 if a
target is missed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path

import harness
from harness.campaign.plan import Entry, Plan
from harness.campaign.shard import Work, run_shard
from harness.campaign.status import audit, status_of
from harness.store import Store
from theorems.catalogue import load_catalogue

ROOT = Path(__file__).resolve().parents[1]
STATEMENTS = ("S3", "S3_small", "D1_min", "D2", "D3", "S3_no_noise", "S1_simple")
LEAST_RATIO, MOST_GROWTH = 0.7, 0.05
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Sample:
    """One look: seconds since the start, resident bytes and processor seconds by process, what is committed."""

    at: float
    resident: dict[int, int]
    processor: dict[int, float]
    shards: int
    steps: int


def processes(driver: int) -> list[int]:
    """The driver and its workers."""
    children = Path(f"/proc/{driver}/task/{driver}/children")
    found = [driver]
    for child in children.read_text().split() if children.exists() else []:
        try:
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
        except OSError:
            continue
    return found


def look(driver: int, path: Path, began: float) -> Sample:
    """Look once."""
    resident, processor = {}, {}
    for process in processes(driver):
        try:
            pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        resident[process] = pages * _PAGE
        processor[process] = (int(fields[11]) + int(fields[12])) / _TICKS
    shards = steps = 0
    try:
        with Store(path, read_only=True) as store:
            seen = status_of(store, 1)
            shards, steps = seen["shards"], seen["steps"]
    except (ValueError, IndexError):
        pass
    return Sample(time.monotonic() - began, resident, processor, shards, steps)


def growth(samples: list[Sample], process: int) -> tuple[float, float, float]:
    """Median resident MiB of a process in the second and in the last quarter of the time, and their ratio less 1."""
    mine = [s.resident[process] / 2**20 for s in samples if process in s.resident]
    quarter = max(1, len(mine) // 4)
    early, late = statistics.median(mine[quarter : 2 * quarter] or mine), statistics.median(mine[-quarter:])
    return early, late, late / early - 1


@contextmanager
def halted(driver: int) -> Iterator[None]:
    """Let the campaign wait, the driver first, so that it misses none of its workers."""
    held = processes(driver)
    try:
        for process in held:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGSTOP)
        yield
    finally:
        for process in reversed(held):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)


def serve_bare(channel: Connection, shard_steps: int, part: int, parts: int) -> None:
    """In a process: run every ``parts``-th shard of the mixture for as many processor seconds as are asked for.

    Asked with seconds and the number of shards that each statement has, it answers steps, processor seconds, shards.
    """
    plan = plan_of(shard_steps)
    Work().prepare(1)
    # The first shard of a statement pays for its formulas, once in a process that lives for hours.
    for position, entry in enumerate(plan.entries):
        run_shard(plan.shard(position, 0), entry.theorem)
    channel.send(None)
    mixture = ((position, number) for number in range(1, sys.maxsize) for position in range(len(plan.entries)))
    rank = -1
    while True:
        try:
            seconds, counts = channel.recv()
        except EOFError:
            return
        steps = shards = 0
        began = time.process_time()
        while time.process_time() - began < seconds:
            position, number = next(mixture)
            if number >= max(counts):
                mixture = ((p, n) for n in range(1, sys.maxsize) for p in range(len(plan.entries)))
                rank = -1
                continue
            # A statement that has fewer shards is left out, as in the campaign.
            if number >= counts[position]:
                continue
            rank += 1
            if rank % parts == part:
                steps += run_shard(plan.shard(position, number), plan.entries[position].theorem).steps
                shards += 1
        channel.send((steps, time.process_time() - began, shards))


class Bare:
    """As many processes as the campaign has workers, which run its shards without it."""

    def __init__(self, shard_steps: int, workers: int) -> None:
        """Start them, and wait until they are warm."""
        context = multiprocessing.get_context("spawn")
        self._channels: list[Connection] = []
        for part in range(workers):
            mine, theirs = context.Pipe()
            context.Process(target=serve_bare, args=(theirs, shard_steps, part, workers), daemon=True).start()
            self._channels.append(mine)
        for channel in self._channels:
            channel.recv()
        self.steps, self.shards, self.turns, self.seconds = 0, 0, 0, 0.0

    def turn(self, seconds: float, counts: list[int]) -> None:
        """Run for about so many processor seconds in each process, all at once."""
        for channel in self._channels:
            channel.send((seconds, counts))
        for channel in self._channels:
            steps, used, shards = channel.recv()
            self.steps, self.seconds, self.shards = self.steps + steps, self.seconds + used, self.shards + shards
        self.turns += 1


def plan_of(shard_steps: int) -> Plan:
    """The campaign's own plan."""
    entries = tuple(Entry.of(load_catalogue()[name], name) for name in STATEMENTS)
    return Plan(entries, 0, 1e-6, "cpu", shard_steps)


def draw(samples: list[Sample], driver: int, plot: Path) -> None:
    """Memory by process, and steps committed, over time."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    plt.rcParams["svg.hashsalt"] = "clipbounds"
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(8, 6), sharex=True, layout="constrained")
    for process in dict.fromkeys(p for s in samples for p in s.resident):
        points = [(s.at / 60, s.resident[process] / 2**20) for s in samples if process in s.resident]
        label = "driver" if process == driver else "worker"
        upper.plot(*zip(*points, strict=True), label=label, linestyle="-" if label == "worker" else "--")
    upper.set_ylabel("resident memory, MiB")
    upper.set_ylim(bottom=0)
    upper.legend()
    lower.plot([s.at / 60 for s in samples], [s.steps / 1e9 for s in samples])
    lower.set_ylabel("steps committed, $10^9$")
    lower.set_xlabel("minutes")
    lower.set_ylim(bottom=0)
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(plot, metadata={"Date": None})
    plt.close(figure)


def main() -> int:
    """Print the table, and write it and the plot to files if they are named."""
    options = argparse.ArgumentParser(description="Watch a long campaign.")
    options.add_argument("--hours", type=float, default=2.0)
    options.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    options.add_argument("--shard-steps", type=int, default=5_000_000)
    options.add_argument("--every", type=float, default=5.0, help="seconds between looks")
    options.add_argument("--bare", type=float, default=20.0, help="processor seconds of a bare turn, in each process")
    options.add_argument("--turns", type=int, default=12, help="bare turns over the whole time")
    options.add_argument("--out", type=Path)
    options.add_argument("--plot", type=Path)
    chosen = options.parse_args()
    code = Path(harness.__file__).resolve()
    if not code.is_relative_to(ROOT):
        # The campaign would run this checkout, and the bare run another one.
        raise SystemExit(f"the installed package is {code.parent}, not that of {ROOT}: set PYTHONPATH={ROOT}")
    seconds = chosen.hours * 3600
    samples: list[Sample] = []
    loads: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.sqlite"
        words = ["start", *STATEMENTS, "--budget", f"{seconds:.0f}s", "--workers", str(chosen.workers)]
        words += ["--shard-steps", str(chosen.shard_steps), "--store", str(path)]
        bare = Bare(chosen.shard_steps, chosen.workers)
        session = subprocess.Popen(
            [sys.executable, "-m", "harness.cli", "campaign", *words], cwd=ROOT, stdout=subprocess.DEVNULL
        )
        began = time.monotonic()
        while session.poll() is None:
            samples.append(look(session.pid, path, began))
            loads.append(os.getloadavg()[0])
            # The turns lie in the middles of equal parts of the time.
            due = (bare.turns + 0.5) * seconds / chosen.turns
            if bare.turns < chosen.turns and samples[-1].at > due and samples[-1].shards > 2 * len(STATEMENTS):
                with Store(path, read_only=True) as store:
                    counts = [t["next"] for t in status_of(store, 1)["theorems"]]
                with halted(session.pid):
                    bare.turn(chosen.bare, counts)
            time.sleep(chosen.every)
        with Store(path, read_only=True) as store:
            wrong, seen = audit(store, 1), status_of(store, 1)
    done = f"{seen['shards']:,} shards, {seen['steps']:,} steps, {seen['failures']} failures"
    print(f"The campaign: {done}; {'; '.join(wrong) or 'all are there'}.", file=sys.stderr)
    if not bare.turns:
        raise SystemExit("no bare turn was taken: take longer, or smaller shards")
    # Between the first shard and the last look at all workers, so that neither proofs nor imports count, and nobody's
    # processor time is missing.
    working = [s for s in samples if s.shards and len(s.resident) == 1 + chosen.workers]
    if len(working) < 8:
        raise SystemExit(f"only {len(working)} looks while shards were committed: take longer, or smaller shards")
    first, last = working[0], working[-1]
    spent = sum(last.processor[p] - first.processor.get(p, 0.0) for p in last.processor)
    inside, outside = (last.steps - first.steps) / spent, bare.steps / bare.seconds
    ratio = inside / outside
    driver = last.processor[session.pid] - first.processor[session.pid]
    rows = [
        ("shards, failures, quarantined", f"{seen['shards']:,}, {seen['failures']}, {seen['quarantined']}"),
        ("audit", "; ".join(wrong) or "every shard is accounted for, once"),
        ("steps", f"{seen['steps']:,}"),
        ("steps per processor second inside the campaign, driver included", f"{inside:.3g}"),
        (f"the same, bare ({bare.shards} of the same shards, in {bare.turns} turns)", f"{outside:.3g}"),
        ("ratio (target: at least 0.7)", f"{ratio:.3f}"),
        ("part of the processor time that the driver takes", f"{driver / spent:.2%}"),
    ]
    worst = 0.0
    for process in last.resident:
        early, late, more = growth(working, process)
        worst = max(worst, more)
        who = "driver" if process == session.pid else f"worker {process}"
        rows.append(
            (f"resident memory of {who}, MiB, second and last quarter", f"{early:.0f}, {late:.0f} ({more:+.2%})")
        )
    minutes = last.at / 60
    how = (
        f"`python ci/load_campaign.py --hours {chosen.hours:g}`: {minutes:.0f} minutes, {chosen.workers} workers, "
        f"shards of {chosen.shard_steps:,} steps, {', '.join(STATEMENTS)}. Python {platform.python_version()}, "
        f"{os.cpu_count()} cores shared with others: load average {min(loads):.1f} to {max(loads):.1f}. Target for "
        f"memory: no more than {MOST_GROWTH:.0%} growth."
    )
    lines = [f"# A campaign under load, {date.today().isoformat()}", "", how, "", "| what | figure |", "|---|---|"]
    lines += [*(f"| {what} | {figure} |" for what, figure in rows), ""]
    print("\n".join(lines))
    if chosen.plot:
        draw(working, session.pid, chosen.plot)
    if chosen.out:
        chosen.out.write_text("\n".join(lines), encoding="utf-8")
    return 0 if not wrong and ratio >= LEAST_RATIO and worst <= MOST_GROWTH else 1


if __name__ == "__main__":
    sys.exit(main())

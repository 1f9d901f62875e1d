"""Kill a campaign again and again: ``python ci/kill_campaign.py [--kills 50] [--out FILE.md] [--seed 0]``.

One campaign runs undisturbed. The same campaign, in other stores, is killed with ``kill -9`` at random moments, the
driver or one of its workers, and resumed until it is finished; then everything that it holds is compared with the
undisturbed one: every shard, every candidate, every finding, and the report. Exit code 0 if all is the same.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from harness.campaign.status import audit, essence
from harness.store import Store

ROOT = Path(__file__).resolve().parents[1]
STATEMENTS = (
    "planted_path_length",
    "planted_d2_eighth",
    "planted_d2_late_five_percent",
    "planted_s3_no_noise_floor",
    "planted_bias_one_fifth",
    "D2",
    "S3",
)
FINISHED = (0, 1)
"""Exit codes of a campaign that came to its end: a planted statement that stands is not as expected."""

EARLY, STARTING = 0.2, 6.0
"""So many kills come within so many seconds of a start or of the kill before: in the midst of imports and proofs."""

SHARDS, MOMENT = 12, 0.5
"""The others come when up to so many more shards are committed, and up to so many seconds later."""


@dataclass(frozen=True)
class Kill:
    """One kill: whom, how long after the session began, and how many shards were committed then."""

    campaign: int
    victim: str
    after: float
    shards: int


def command(verb: str, store: Path, *more: str) -> list[str]:
    """A command line of clipbounds."""
    return [sys.executable, "-m", "harness.cli", "campaign", verb, "--store", str(store), "--workers", "2", *more]


def begin(store: Path, budget: str, shard_steps: int) -> list[str]:
    """The command that starts the campaign."""
    more = ("--budget", budget, "--shard-steps", str(shard_steps), "--seed", "5", "--out", str(store) + "-report")
    return [*command("start", store, *more), *STATEMENTS]


def committed(store: Path) -> int:
    """Shards in the store, which may not be there yet."""
    try:
        with Store(store, read_only=True) as opened:
            return int(opened.value("SELECT count(*) FROM shards"))
    except ValueError:
        return 0


def workers_of(process: int) -> list[int]:
    """Worker processes of a driver."""
    found = []
    children = Path(f"/proc/{process}/task/{process}/children")
    for child in children.read_text().split() if children.exists() else []:
        try:
            line = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        if b"spawn_main" in line:
            found.append(int(child))
    return found


def wait(session: subprocess.Popen[str], store: Path, chance: random.Random) -> bool:
    """Until the moment of a kill; whether the session is still there."""
    if chance.random() < EARLY:
        deadline, target = time.monotonic() + chance.uniform(0, STARTING), 0
    else:
        deadline, target = 0.0, committed(store) + chance.randrange(SHARDS)
    while time.monotonic() < deadline or committed(store) < target:
        if session.poll() is not None:
            return False
        time.sleep(0.02)
    time.sleep(chance.uniform(0, MOMENT))
    return session.poll() is None


def disturb(number: int, store: Path, start: list[str], kills: int, until: float, chance: random.Random) -> list[Kill]:
    """Run one campaign to its end, killing at most so often, and no more after that monotonic time."""
    done: list[Kill] = []
    words = start
    while True:
        session = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        began = time.monotonic()
        while len(done) < kills and time.monotonic() < until and wait(session, store, chance):
            victims = workers_of(session.pid)
            worker = bool(victims) and chance.random() < 0.6
            victim = chance.choice(victims) if worker else session.pid
            done.append(Kill(number, "worker" if worker else "driver", time.monotonic() - began, committed(store)))
            print(done[-1], file=sys.stderr, flush=True)
            os.kill(victim, signal.SIGKILL)
            if not worker:
                break
        _, errors = session.communicate()
        if session.returncode in FINISHED:
            return done
        if session.returncode != -signal.SIGKILL:
            raise SystemExit(f"campaign {number} ended with {session.returncode}: {errors}")
        # Killed before anything was in the store: there is nothing to resume.
        words = command("resume", store) if started(store) else start


def started(store: Path) -> bool:
    """Whether a campaign is in the store."""
    try:
        with Store(store, read_only=True) as opened:
            return bool(opened.value("SELECT count(*) FROM campaigns"))
    except ValueError:
        return False


def reports(store: Path) -> list[str]:
    """The findings of a report, and that nothing unfinished lies beside it."""
    place = Path(str(store) + "-report")
    litter = [p.name for p in place.parent.iterdir() if p.name.startswith(f".{place.name}")]
    return sorted(p.parent.name for p in place.glob("findings/*/FINDING.json")) + litter


def main() -> int:
    """Print the table, and write it to a file if one is named."""
    options = argparse.ArgumentParser(description="Kill a campaign at random moments and compare.")
    options.add_argument("--kills", type=int, default=50)
    options.add_argument("--minutes", type=float, default=1e6, help="no kills after so long")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--budget", default="6e5steps")
    options.add_argument("--shard-steps", type=int, default=2_000)
    options.add_argument("--out", type=Path)
    chosen = options.parse_args()
    chance = random.Random(chosen.seed)
    until = time.monotonic() + 60 * chosen.minutes
    kills: list[Kill] = []
    same = True
    lines = [
        "| kill | campaign | victim | seconds after start or resume | shards committed |",
        "|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        calm = Path(folder) / "undisturbed.sqlite"
        began = time.perf_counter()
        first = begin(calm, chosen.budget, chosen.shard_steps)
        undisturbed = subprocess.run(first, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        if undisturbed.returncode not in FINISHED:
            raise SystemExit(f"the undisturbed campaign ended with {undisturbed.returncode}")
        seconds = time.perf_counter() - began
        with Store(calm, read_only=True) as store:
            expected, wrong = essence(store, 1), audit(store, 1)
        shards = len(expected["shards"])
        number = 0
        while len(kills) < chosen.kills and time.monotonic() < until:
            number += 1
            place = Path(folder) / f"{number}.sqlite"
            start = begin(place, chosen.budget, chosen.shard_steps)
            done = disturb(number, place, start, chosen.kills - len(kills), until, chance)
            for kill in done:
                kills.append(kill)
                lines.append(f"| {len(kills)} | {number} | {kill.victim} | {kill.after:.2f} | {kill.shards} |")
                print(lines[-1], flush=True)
            with Store(place, read_only=True) as store:
                found, amiss = essence(store, 1), audit(store, 1)
                failures = store.value("SELECT count(*) FROM failures")
            differing = [table for table in expected if found[table] != expected[table]]
            if reports(place) != reports(calm):
                differing.append("report")
            same = same and not differing and not amiss and not wrong
            verdict = "the same" if not differing else f"DIFFERENT in {', '.join(differing)}"
            results.append(
                f"- Campaign {number}: {len(done)} kills; all that is committed is {verdict} as undisturbed; audit: "
                f"{'nothing amiss' if not amiss else '; '.join(amiss)}; {failures} failures of workers noted."
            )
            print(results[-1], flush=True)
    findings = len(expected["findings"])
    victims = [kill.victim for kill in kills]
    drivers, workers = victims.count("driver"), victims.count("worker")
    short = len(kills) < chosen.kills
    allowed = f" (asked for {chosen.kills} kills, but allowed only {chosen.minutes:g} minutes)" if short else ""
    summary = (
        f"{len(kills)} kills with SIGKILL ({drivers} of the driver, {workers} of a worker) in "
        f"{number} campaigns of {shards} shards and {findings} findings; undisturbed it takes {seconds:.0f} s. "
        f"Statements: {', '.join(STATEMENTS)}. Python {platform.python_version()}, {os.cpu_count()} cores, "
        f"`python ci/kill_campaign.py --kills {chosen.kills} --seed {chosen.seed}`{allowed}."
    )
    head = [
        f"# Kill and resume, {date.today().isoformat()}",
        "",
        summary,
        "",
        *results,
        "",
    ]
    print("\n".join(head))
    if chosen.out:
        chosen.out.write_text("\n".join([*head, *lines, ""]), encoding="utf-8")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())

"""Kill a campaign again and again: ``python ci/kill_campaign.py [--kills 50] [--out FILE.md] [--seed 0]``.

One campaign runs undisturbed. The same campaign, in other stores, is killed with ``kill -9`` at random moments, the
driver or one of its workers, and resumed until it is finished; then everything that it holds is compared with the
undisturbed one: every shard, every candidate, every finding, and the report. Exit code 0 if all is the same.

A commit takes a few milliseconds, so random moments hardly ever fall into one. Of the kills three in ten are therefore
aimed: the driver is stopped (``SIGSTOP``) when its page (``ci/watched.py``) says that it commits shards, looked
at again while it stands still, and killed there. The table says of every kill where it fell.
"""

from __future__ import annotations

import argparse
import mmap
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from watched import COMMIT, OUTSIDE, TRANSACTION, page

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
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
FINISHED = (0, 1)
"""Exit codes of a campaign that came to its end: a planted statement that stands is not as expected."""

EARLY, AIMED, LATER = "early", "aimed", "later"
MOMENTS = {EARLY: 0.2, AIMED: 0.3, LATER: 0.5}
"""How often a kill comes soon after a start or the kill before, in a commit of shards, or at any time."""

STARTING, SHARDS, MOMENT = 6.0, 12, 0.5
"""An early kill comes within so many seconds: in the midst of imports and proofs. The others come when up to so many
more shards are committed; one that is not aimed, up to so many seconds later."""

LENGTH = 0.004
"""Seconds of a commit, about. An aimed kill waits for a random part of them, or it would always be at the beginning."""


@dataclass(frozen=True)
class Kill:
    """One kill: whom, where the driver was, how long after the session began, how many shards were committed then."""

    campaign: int
    victim: str
    where: str
    after: float
    shards: int


def command(verb: str, store: Path, *more: str) -> list[str]:
    """A command line of clipbounds that shows a page."""
    watched = [sys.executable, str(ROOT / "ci" / "watched.py"), str(page_of(store))]
    return [*watched, "campaign", verb, "--store", str(store), "--workers", "2", *more]


def page_of(store: Path) -> Path:
    """The page of a store's driver."""
    return store.with_suffix(".page")


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


def wait(session: subprocess.Popen[str], store: Path, kind: str, chance: random.Random) -> bool:
    """Until the moment of a kill; whether the session is still there."""
    if kind == EARLY:
        deadline, target = time.monotonic() + chance.uniform(0, STARTING), 0
    else:
        deadline, target = 0.0, committed(store) + chance.randrange(SHARDS)
    while time.monotonic() < deadline or committed(store) < target:
        if session.poll() is not None:
            return False
        time.sleep(0.02)
    if kind == AIMED:
        return halt_in_commit(session, page(page_of(store)), chance)
    time.sleep(chance.uniform(0, MOMENT))
    return session.poll() is None


def halt_in_commit(session: subprocess.Popen[str], seen: mmap.mmap, chance: random.Random) -> bool:
    """Stop the driver while it commits shards, anywhere between beginning and end; whether it is still there."""
    while session.poll() is None:
        if seen[0] == COMMIT:
            until = time.perf_counter() + chance.uniform(0, LENGTH)
            while time.perf_counter() < until and seen[0] == COMMIT:
                pass
            os.kill(session.pid, signal.SIGSTOP)
            os.waitid(os.P_PID, session.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            if seen[0] == COMMIT:
                return True
            os.kill(session.pid, signal.SIGCONT)
        time.sleep(0.0002)
    return False


def where(store: Path, seen: mmap.mmap, process: int) -> str:
    """What the driver was doing, by its page and by what is in the store."""
    if seen[0] in (TRANSACTION, COMMIT):
        return "in a commit of shards" if seen[0] == COMMIT else "in another transaction"
    try:
        with Store(store, read_only=True) as opened:
            if opened.value("SELECT process FROM sessions ORDER BY id DESC LIMIT 1") != process:
                return "starting"
            if opened.value("SELECT count(*) FROM theorems WHERE proof_verdict IS NULL"):
                return "at the proofs"
            left = opened.value("SELECT count(*) FROM theorems WHERE decided IS NULL AND next < planned")
            return "between commits" if left else "after the last commit"
    except ValueError:
        return "starting"


def disturb(number: int, store: Path, start: list[str], kills: int, until: float, chance: random.Random) -> list[Kill]:
    """Run one campaign to its end, killing at most so often, and no more after that monotonic time."""
    done: list[Kill] = []
    seen = page(page_of(store))
    words = start
    while True:
        seen[0] = OUTSIDE
        session = subprocess.Popen(
            words, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        began = time.monotonic()
        while len(done) < kills and time.monotonic() < until:
            kind = chance.choices(list(MOMENTS), list(MOMENTS.values()))[0]
            if not wait(session, store, kind, chance):
                break
            victims = [] if kind == AIMED else workers_of(session.pid)
            worker = bool(victims) and chance.random() < 0.6
            os.kill(chance.choice(victims) if worker else session.pid, signal.SIGKILL)
            after = time.monotonic() - began
            if not worker:
                session.wait()
            done.append(
                Kill(number, "worker" if worker else "driver", where(store, seen, session.pid), after, committed(store))
            )
            print(done[-1], file=sys.stderr, flush=True)
            if not worker:
                break
        _, errors = session.communicate()
        if session.returncode in FINISHED:
            return done
        if session.returncode == 2 and done and "is finished; start a new one" in errors:
            # Killed after its end was written and before its own: what it left is compared like any other's.
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
    options.add_argument("--budget", default="3e5steps")
    options.add_argument("--shard-steps", type=int, default=2_000)
    options.add_argument("--out", type=Path)
    chosen = options.parse_args()
    chance = random.Random(chosen.seed)
    until = time.monotonic() + 60 * chosen.minutes
    kills: list[Kill] = []
    same = True
    lines = [
        "| kill | campaign | victim | the driver was | seconds after start or resume | shards committed |",
        "|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        calm = Path(folder) / "undisturbed.sqlite"
        began = time.perf_counter()
        first = begin(calm, chosen.budget, chosen.shard_steps)
        undisturbed = subprocess.run(first, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL, check=False)
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
                told = (len(kills), number, kill.victim, kill.where, f"{kill.after:.2f}", kill.shards)
                lines.append(f"| {' | '.join(map(str, told))} |")
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
    places = Counter(
        f"of the driver, {kill.where}" if kill.victim == "driver" else f"of a worker, the driver {kill.where}"
        for kill in kills
    )
    drivers, workers = victims.count("driver"), victims.count("worker")
    short = len(kills) < chosen.kills
    allowed = f" (asked for {chosen.kills} kills, but allowed only {chosen.minutes:g} minutes)" if short else ""
    summary = (
        f"{len(kills)} kills with SIGKILL ({drivers} of the driver, {workers} of a worker) in "
        f"{number} campaigns of {shards} shards and {findings} findings; undisturbed it takes {seconds:.0f} s. "
        f"Statements: {', '.join(STATEMENTS)}. Python {platform.python_version()}, {os.cpu_count()} cores, "
        f"`python ci/kill_campaign.py --kills {chosen.kills} --budget {chosen.budget} --seed {chosen.seed}`{allowed}."
    )
    head = [
        f"# Kill and resume, {date.today().isoformat()}",
        "",
        summary,
        "",
        *(f"- {count} {place}." for place, count in places.most_common()),
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

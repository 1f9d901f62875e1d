"""Campaigns without an engine: shards whose results are arithmetic on their seeds, and workers that fail."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from fuzz.budget import Budget
from harness.campaign.driver import Driver
from harness.campaign.plan import OPEN, Entry, Plan, share_out
from harness.campaign.pool import Done, Failed, Pool
from harness.campaign.records import CampaignRecords, Proof
from harness.campaign.shard import Shard, ShardResult, Work
from harness.campaign.status import essence
from harness.progress import Progress
from harness.store import Store
from theorems.catalogue import load_catalogue
from theorems.language import Theorem

NAMES = ("S3", "D2", "planted_min_no_bias", "D1")
SHARD_STEPS = 1000
ABOUT: dict[str, Any] = {"revision": None, "versions": {}, "hardware": {}}


@cache
def entries(names: Sequence[str] = NAMES) -> tuple[Entry, ...]:
    return tuple(Entry.of(load_catalogue()[name], name) for name in names)


def plan_of(shards: int, names: Sequence[str] = NAMES, seed: int = 3, alpha: float = 1e-6) -> tuple[Plan, Budget]:
    """So many shards for each statement."""
    plan = Plan(entries(tuple(names)), seed, alpha, "cpu", SHARD_STEPS)
    budget = Budget(steps=shards * SHARD_STEPS * len(names))
    return share_out(plan, [OPEN] * len(names), budget), budget


def made_up(shard: Shard) -> ShardResult:
    """What a shard finds, as a function of its contents: shard 5 of the third statement has a finding."""
    found = shard.position == 2 and shard.number >= 5
    score = (shard.seed % 10**6) / 10**6
    return ShardResult(
        key=shard.key,
        verdict="refuted" if found else "not_found",
        score=score + found,
        score_lower=score + found,
        log10_e=None,
        problem={"number": shard.number},
        words="a problem",
        steps=shard.steps + shard.number,
        evaluations=7,
        looks=int(found),
        says="Made up.",
        warning="",
        candidates=({"score": score, "error": 0.0, "regime": "quadratic", "problem": {}, "choices": {}},),
        regimes={"quadratic": score, f"of {shard.seed % 3}": None},
        coverage=coverage_of(shard),
        finding=finding_text(shard) if found else None,
        seconds=0.25,
    )


def coverage_of(shard: Shard) -> dict[str, Any]:
    """One axis of two bins, each its own regime; a shard has seen one of them."""
    side = shard.number % 2
    score = (shard.seed % 10**6) / 10**6
    bins = [
        {"words": [word], "evaluations": 7 * (k == side), "best": score if k == side else None}
        for k, word in enumerate(("few", "many"))
    ]
    return {
        "axes": ["steps"],
        "labels": ["T"],
        "bins": [["few", "many"]],
        "profiles": [bins],
        "map_axes": [],
        "map": [],
        "regimes": bins,
        "empty": [("many", "few")[side]],
        "excluded": 1,
        "fresh": True,
    }


def finding_text(shard: Shard) -> str:
    content = {"id": shard.key[:12], "verdict": "refuted", "sha256": "", "effort": None, "number": shard.number}
    return json.dumps(content)


class MadeUp(Work):
    """Workers that make results up, and die, raise or hang on shards named by (position, number)."""

    def __init__(self, trouble: dict[tuple[int, int], str] | None = None, seconds: float = 0.0) -> None:
        self.trouble, self.seconds = trouble or {}, seconds

    def prepare(self, threads: int) -> None:
        if "prepare" in self.trouble.values():
            raise RuntimeError("CUDA error: the device was taken away")

    def run(self, shard: Shard, theorem: Theorem) -> ShardResult:
        time.sleep(self.seconds)
        trouble = self.trouble.get((shard.position, shard.number))
        if trouble == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if trouble == "raise":
            raise RuntimeError("CUDA error: unspecified launch failure\n(no such luck)")
        if trouble == "hang":
            time.sleep(600)
        if trouble is not None and Path(trouble).parent.is_dir() and not Path(trouble).exists():
            # Only the first time.
            Path(trouble).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return made_up(shard)


@dataclass
class FakePool(Pool):
    """Workers in this process: results come back in an order that ``shuffle`` chooses."""

    workers: int = 2
    shuffle: Any = None
    trouble: dict[tuple[int, int], int] = field(default_factory=dict)
    ran: list[tuple[int, int]] = field(default_factory=list)
    held: list[Shard] = field(default_factory=list)
    lost: bool = False

    @property
    def free(self) -> int:
        return self.workers - len(self.held)

    @property
    def busy(self) -> int:
        return len(self.held)

    def submit(self, shard: Shard) -> None:
        assert self.free > 0
        self.held.append(shard)

    def wait(self, seconds: float) -> list[Done | Failed]:
        if not self.held:
            return []
        shard = self.held.pop(0 if self.shuffle is None else self.shuffle.randrange(len(self.held)))
        where = (shard.position, shard.number)
        self.ran.append(where)
        if self.trouble.get(where, 0):
            self.trouble[where] -= 1
            return [Failed(shard, "its worker was killed by SIGKILL", counted=not self.lost)]
        return [Done(shard, made_up(shard))]

    def close(self) -> None:
        self.held.clear()


def begin(store: Store, plan: Plan, budget: Budget, name: str = "test") -> CampaignRecords:
    """A campaign whose proofs are done, with a session begun."""
    records = CampaignRecords.create(store, plan, name=name, budget=f"{budget.steps}steps", report=None)
    records.save_proofs([Proof("no_proof", "{}", None)] * len(plan.entries), plan)
    session(records)
    return records


def session(records: CampaignRecords) -> None:
    records.begin_session(host="here", process=1, workers=2, cluster=None, about=ABOUT)


def drive(records: CampaignRecords, plan: Plan, budget: Budget, pool: Pool, progress: Progress | None = None) -> str:
    """Run to the end and say how it ended."""
    driver = Driver(records, plan, budget, pool, progress or Progress())
    with pool:
        state = driver.run()
    records.end_session(state, driver.active_seconds)
    return state


def contents(store: Store, campaign: int = 1) -> dict[str, list[dict[str, Any]]]:
    """Everything that must not depend on what happened on the way."""
    return essence(store, campaign)

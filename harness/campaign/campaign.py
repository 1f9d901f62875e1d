"""Campaigns from the outside: start, resume, look at, stop."""

from __future__ import annotations

import glob
import json
import os
import platform
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from fuzz.budget import Budget
from harness.campaign.driver import CampaignError, Driver
from harness.campaign.looks import AllottedLedger, proof_looks
from harness.campaign.plan import Entry, Plan, share_out
from harness.campaign.pool import Pool, PoolError
from harness.campaign.records import CampaignRecords
from harness.campaign.starts import Starts
from harness.progress import Progress
from harness.settings import Settings
from harness.store import Store, StoreError

if TYPE_CHECKING:
    from harness.run import RunResult
    from theorems.language import Theorem

__all__ = ["CampaignError", "PoolError", "Result", "Workers", "resume", "start", "status", "stop"]

SHARD_STEPS = 20_000_000
"""Some seconds of one core."""


@dataclass(frozen=True)
class Workers:
    """Who computes: processes of this machine, or a Ray cluster.

    Args:
        number: worker processes; of a cluster, shards at a time (0: as many as it has room for).
        cluster: ``"auto"`` or an address, or None for this machine.
        patience: seconds that one shard may take.

    Raises:
        CampaignError: one line with the offending value.
    """

    number: int
    cluster: str | None = None
    patience: float = 3600.0

    def __post_init__(self) -> None:
        if self.number < (0 if self.cluster else 1) or self.number > 4096:
            raise CampaignError(f"option '--workers': must be a number from 1 to 4096, not {self.number}")
        if not self.patience > 0:
            raise CampaignError(f"option '--patience': must be a positive number of seconds, not {self.patience:g}")

    def pool(self, theorems: Sequence[Theorem], device: str) -> Pool:
        """The workers, starting."""
        if self.cluster is not None:
            from harness.campaign.cluster import RayPool

            return RayPool(theorems, self.cluster, at_most=self.number, patience=self.patience, device=device)
        from harness.campaign.workers import LocalPool

        return LocalPool(theorems, self.number, patience=self.patience)


@dataclass(frozen=True)
class Result:
    """What a session left behind: ``stopped``, or ``finished`` with an outcome."""

    name: str
    state: str
    outcome: RunResult | None
    quarantined: int
    report: Path | None


def start(
    theorems: Sequence[Theorem],
    settings: Settings,
    store_path: Path,
    workers: Workers,
    *,
    name: str | None,
    alpha: float,
    shard_steps: int,
    report: Path | None,
    progress: Progress,
    cache: bool = True,
    starts: Sequence[str] = (),
) -> Result:
    """Begin a campaign and run it until it is finished or stopped.

    Args:
        theorems: the statements.
        settings: budget, device and seed.
        store_path: the store; made if it is missing.
        workers: who computes.
        name: of the campaign; by default the next free ``campaign-N``.
        alpha: error level of the whole campaign.
        shard_steps: engine steps of a shard; of a budget in steps at most a statement's equal part.
        report: folder for the report of the finished campaign.
        progress: told what happens.
        cache: allow answers that solvers gave earlier.
        starts: where good problems of earlier nights are; see :class:`harness.campaign.starts.Starts`.

    Raises:
        CampaignError, PoolError, StoreError, StartsError, FindingError, ReportError: one line.
        KeyboardInterrupt: also on SIGTERM; the campaign can be resumed.
    """
    if not 0 < alpha < 1:
        raise CampaignError(f"option '--alpha': must lie between 0 and 1, not {alpha:g}")
    if not 1 <= shard_steps <= 10**15:
        raise CampaignError(f"option '--shard-steps': must be a number from 1 to 10^15, not {shard_steps}")
    if name is not None and (not name or not name.isprintable() or len(name) > 80):
        raise CampaignError(f"option '--name': must be a short text, not {name!r}")
    if settings.budget.steps is not None:
        # Every statement gets a shard, and a small budget is not to be spent many times over.
        shard_steps = min(shard_steps, max(1, settings.budget.steps // max(1, len(theorems))))
    _probe(report)
    with Store(store_path) as store:
        store.claim()
        before = Starts(starts, store)
        entries = tuple(Entry.of(theorem, _target(theorem), before.of(theorem)) for theorem in theorems)
        plan = Plan(entries, settings.seed, alpha, settings.device, shard_steps)
        free = name or f"campaign-{1 + int(store.value('SELECT count(*) FROM campaigns'))}"
        place = None if report is None else str(report.resolve())
        records = CampaignRecords.create(store, plan, name=free, budget=settings.budget_text, report=place)
        return _session(records, plan, settings.budget, workers, progress, cache)


def resume(store_path: Path, name: str | None, workers: Workers, *, progress: Progress, cache: bool = True) -> Result:
    """Go on with a campaign, wherever it was stopped or killed. Arguments and errors as for :func:`start`.

    A statement that changed since the campaign began is refused.
    """
    with Store(store_path, must_exist=True) as store:
        store.claim()
        store.verify()
        records = CampaignRecords(store, find(store, name))
        row = records.row()
        if row["state"] == "finished":
            raise CampaignError(f"{store_path}: campaign {row['name']!r} is finished; start a new one")
        plan = _reread(records)
        if row["report"] is not None:
            _probe(Path(row["report"]))
        return _session(records, plan, Budget.parse(row["budget"]), workers, progress, cache)


def stop(store_path: Path, name: str | None) -> str:
    """Ask the driver of a campaign to stop after the shards that are running; returns the campaign's name.

    Raises:
        StoreError, CampaignError: one line.
    """
    with Store(store_path, must_exist=True) as store:
        campaign = find(store, name)
        row = store.rows("SELECT name, state FROM campaigns WHERE id = ?", campaign)[0]
        if row["state"] != "running":
            raise CampaignError(f"{store_path}: campaign {row['name']!r} is {row['state']} already")
        with store.transaction() as db:
            db.execute("UPDATE campaigns SET stop_requested = 1 WHERE id = ?", (campaign,))
    return str(row["name"])


def status(store_path: Path, name: str | None, *, count_again: bool = False) -> dict[str, Any]:
    """What stands in the store, by a connection that cannot write: while the campaign runs, too.

    Args:
        store_path: the store.
        name: of the campaign.
        count_again: add ``wrong``, what an audit of all rows found amiss.

    Raises:
        StoreError: one line.
    """
    from harness.campaign.status import audit, status_of

    with Store(store_path, read_only=True) as store:
        campaign = find(store, name)
        seen = status_of(store, campaign)
        if count_again:
            seen["wrong"] = audit(store, campaign)
    return seen


def find(store: Store, name: str | None) -> int:
    """The number of a campaign by its name, by default the last one.

    Raises:
        StoreError: if there is none.
    """
    if name is None:
        last = store.value("SELECT max(id) FROM campaigns")
        if last is None:
            raise StoreError(f"{store.path}: no campaign was started here")
        return int(last)
    found = store.value("SELECT id FROM campaigns WHERE name = ?", name)
    if found is None:
        known = ", ".join(row["name"] for row in store.rows("SELECT name FROM campaigns ORDER BY id DESC LIMIT 5"))
        raise StoreError(f"{store.path}: no campaign {name!r}; the last are {known or 'none'}")
    return int(found)


# -- a session ---------------------------------------------------------------------------------------------------------


def _session(
    records: CampaignRecords, plan: Plan, budget: Budget, workers: Workers, progress: Progress, cache: bool
) -> Result:
    from harness.campaign.surroundings import surroundings

    row = records.row()
    with _terminated():
        records.begin_session(
            host=platform.node(),
            process=os.getpid(),
            workers=workers.number,
            cluster=workers.cluster,
            about=surroundings(),
        )
        plan = _proved(records, plan, budget, progress, cache)
        state, seconds = "stopped", float(row["active_seconds"])
        try:
            if any(_to_do(records, plan)):
                with workers.pool([entry.theorem for entry in plan.entries], plan.device) as pool:
                    driver = Driver(records, plan, budget, pool, progress)
                    try:
                        state = driver.run()
                    finally:
                        seconds = driver.active_seconds
            else:
                state = "finished"
        except KeyboardInterrupt:
            records.end_session("stopped", seconds)
            raise
        outcome, report = None, None
        if state == "finished":
            outcome, report = _report(records, plan, seconds)
        records.end_session(state, seconds)
    gone = sum(standing.quarantined for standing in records.standings())
    return Result(str(row["name"]), state, outcome, gone, report)


def _to_do(records: CampaignRecords, plan: Plan) -> Iterator[bool]:
    for entry, standing in zip(plan.entries, records.standings(), strict=True):
        open_ = entry.weight and standing.decided is None
        yield bool(open_ and (entry.planned is None or standing.next < entry.planned))


def _proved(records: CampaignRecords, plan: Plan, budget: Budget, progress: Progress, cache: bool) -> Plan:
    """The plan with the shares that proofs leave, from the store or from the solvers."""
    rows = records.theorems()
    if all(row["proof_verdict"] is not None for row in rows):
        return share_out(plan, [row["weight"] for row in rows], budget)
    from harness.campaign.outcome import proof_of, weight_of
    from harness.run import check_all

    ledger = AllottedLedger(plan.alpha, proof_looks(len(plan.entries)))
    theorems = [entry.theorem for entry in plan.entries]
    checks = check_all(theorems, progress, ledger, cache=cache)
    proved = share_out(plan, [weight_of(check) for check in checks], budget)
    records.save_proofs([proof_of(t, check) for t, check in zip(theorems, checks, strict=True)], proved)
    return proved


def _report(records: CampaignRecords, plan: Plan, seconds: float) -> tuple[RunResult, Path | None]:
    from harness.campaign.outcome import outcome_of
    from harness.report.folder import ReportFolder

    outcome = outcome_of(records, plan)
    place = records.row()["report"]
    if place is None:
        return outcome, None
    with ReportFolder(place) as folder:
        folder.finish(outcome.record(), outcome.findings(), outcome.queries())
    _sweep(Path(place))
    return outcome, Path(place)


def _sweep(report: Path) -> None:
    """Drafts that a driver left beside its report when it was killed in the midst of writing it."""
    for suffix in ("partial", "old"):
        for draft in report.parent.glob(f".{glob.escape(report.name)}.*.{suffix}"):
            shutil.rmtree(draft, ignore_errors=True)


def _probe(report: Path | None) -> None:
    """Tell of an unwritable place before any work; a draft is made only at the end, so that a kill leaves none."""
    if report is not None:
        from harness.report.folder import ReportFolder

        with ReportFolder(report):
            pass


def _target(theorem: Theorem) -> str:
    from theorems.catalogue import load_catalogue

    known = load_catalogue().get(theorem.name)
    return theorem.name if known is theorem else str(Path(theorem.defined[0]).resolve())


def _reread(records: CampaignRecords) -> Plan:
    """The plan of a campaign, its statements read again and compared with those that it began with."""
    from theorems.catalogue import select

    row, rows = records.row(), records.theorems()
    targets = list(dict.fromkeys(r["target"] for r in rows))
    known = {theorem.name: theorem for theorem in select(targets)}
    entries = []
    for r in rows:
        if r["name"] not in known:
            raise CampaignError(
                f"{r['target']}: theorem {r['name']!r}: is no longer there, so the campaign cannot go on"
            )
        entry = Entry.of(known[r["name"]], r["target"], tuple(json.loads(r["starts"])))
        if entry.sha256 != r["statement_sha256"]:
            raise CampaignError(
                f"{r['target']}: theorem {r['name']!r}: changed since campaign {row['name']!r} began; start a new one"
            )
        entries.append(entry)
    return Plan(tuple(entries), row["seed"], row["alpha"], row["device"], row["shard_steps"])


@contextmanager
def _terminated() -> Iterator[None]:
    """SIGTERM ends a session as Ctrl-C does."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before: Callable[..., Any] | int | None = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

"""The driver against everything that happens to campaigns: order, kills, poison, clocks, full disks; no engine."""

from __future__ import annotations

import os
import platform
import random
import shutil
import sqlite3
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from campaigns import FakePool, begin, contents, coverage_of, drive, entries, made_up, plan_of, session

from fuzz.budget import Budget
from harness.campaign.coverage import joined, summary_of
from harness.campaign.driver import TRIES, CampaignError, Driver
from harness.campaign.output import show_status
from harness.campaign.plan import DECIDED, OPEN, PROVED, Plan, share_out
from harness.campaign.pool import Done, Failed
from harness.campaign.records import CampaignRecords, Ended
from harness.campaign.shard import Shard, shard_seed, timeless
from harness.campaign.status import audit, driven, status_of
from harness.progress import Progress
from harness.store import Store, StoreError


@pytest.fixture
def undisturbed(tmp_path: Path) -> dict[str, list[dict[str, Any]]]:
    """What a campaign of one worker commits."""
    plan, budget = plan_of(12)
    with Store(tmp_path / "undisturbed.sqlite") as store:
        records = begin(store, plan, budget)
        assert drive(records, plan, budget, FakePool(workers=1)) == "finished"
        assert audit(store, 1) == []
        return contents(store)


def test_a_decided_statement_gets_no_further_shards(undisturbed: dict[str, list[dict[str, Any]]]) -> None:
    shards = [(row["theorem"], row["number"]) for row in undisturbed["shards"]]
    assert shards == [(p, n) for p in range(4) for n in range(6 if p == 2 else 12)]
    assert [row["decided"] for row in undisturbed["theorems"]] == [None, None, 5, None]
    assert [(row["theorem"], row["number"]) for row in undisturbed["findings"]] == [(2, 5)]
    # 12 shards of the first statement, of 1000 to 1011 steps.
    assert undisturbed["theorems"][0]["steps"] == 12 * 1000 + 66
    assert sum(row["shards"] for row in undisturbed["regimes"] if row["regime"] == "quadratic") == 42


@pytest.mark.parametrize("seed", range(5))
def test_what_is_committed_does_not_depend_on_workers_or_order(
    seed: int, tmp_path: Path, undisturbed: dict[str, list[dict[str, Any]]]
) -> None:
    plan, budget = plan_of(12)
    chance = random.Random(seed)
    with Store(tmp_path / "s.sqlite") as store:
        records = begin(store, plan, budget)
        pool = FakePool(workers=chance.randrange(2, 9), shuffle=chance)
        assert drive(records, plan, budget, pool) == "finished"
        assert contents(store) == undisturbed
        assert audit(store, 1) == []


class Killed(BaseException):
    """Stands for kill -9: nothing runs after it."""


class KilledPool(FakePool):
    """Dies after so many results."""

    left = 0

    def wait(self, seconds: float) -> list[Done | Failed]:
        self.left -= 1
        if self.left < 0:
            raise Killed
        return super().wait(seconds)


@pytest.mark.parametrize("seed", range(8))
def test_a_killed_campaign_goes_on_where_it_was(
    seed: int, tmp_path: Path, undisturbed: dict[str, list[dict[str, Any]]]
) -> None:
    """The files as they lie on the disk are copied, with their log, in the midst of it all; the copy goes on."""
    plan, budget = plan_of(12)
    chance = random.Random(seed)
    place, kills = tmp_path / "0.sqlite", 0
    with Store(place) as store:
        records = begin(store, plan, budget)
    while True:
        pool = KilledPool(workers=3, shuffle=chance)
        pool.left = chance.randrange(1, 9)
        store = Store(place)
        records = CampaignRecords(store, 1)
        session(records)
        try:
            drive(records, plan, budget, pool)
        except Killed:
            kills += 1
            following = tmp_path / f"{kills}.sqlite"
            for suffix in ("", "-wal"):
                if place.with_name(place.name + suffix).exists():
                    shutil.copy(place.with_name(place.name + suffix), following.with_name(following.name + suffix))
            store.close()
            with Store(following) as beginning:
                now = contents(beginning)
                # At all times a beginning of what an undisturbed campaign commits.
                for row in now["shards"]:
                    assert row in undisturbed["shards"]
            place = following
            continue
        assert contents(store) == undisturbed
        assert audit(store, 1) == []
        assert len(store.rows("SELECT id FROM sessions")) == kills + 2
        store.close()
        break
    assert kills > 3


def test_a_shard_is_never_counted_twice(tmp_path: Path) -> None:
    plan, budget = plan_of(12)
    with Store(tmp_path / "s.sqlite") as store:
        records = begin(store, plan, budget)
        standings = records.standings()
        first = Ended(plan.shard(0, 0), made_up(plan.shard(0, 0)))
        records.commit([first], standings, 0.0)
        before = contents(store)
        with pytest.raises(StoreError, match="counted twice"):
            records.commit([first], standings, 0.0)
        # Nor by a driver that believes that nothing was committed.
        stale = [replace(s, next=0) for s in standings]
        with pytest.raises(StoreError, match="refuses a row"):
            records.commit([first], stale, 0.0)
        # Nor out of order.
        with pytest.raises(StoreError, match="not the next one"):
            records.commit([Ended(plan.shard(0, 2), made_up(plan.shard(0, 2)))], standings, 0.0)
        assert contents(store) == before


def test_a_shard_with_the_looks_of_another_is_refused(tmp_path: Path) -> None:
    plan, budget = plan_of(12)
    with Store(tmp_path / "s.sqlite") as store:
        records = begin(store, plan, budget)
        standings = records.standings()
        records.commit([Ended(plan.shard(0, 0), made_up(plan.shard(0, 0)))], standings, 0.0)
        thief = replace(plan.shard(1, 0), first_look=plan.shard(0, 0).first_look)
        with pytest.raises(StoreError, match="first_look"):
            records.commit([Ended(thief, made_up(thief))], standings, 0.0)
        assert audit(store, 1) == []
        overlap = replace(plan.shard(1, 0), first_look=plan.shard(0, 0).first_look + 3)
        records.commit([Ended(overlap, made_up(overlap))], standings, 0.0)
        assert "share look numbers" in " ".join(audit(store, 1))


def test_the_audit_sees_rows_that_are_missing_or_changed(tmp_path: Path) -> None:
    plan, budget = plan_of(3)
    with Store(tmp_path / "s.sqlite") as store:
        records = begin(store, plan, budget)
        drive(records, plan, budget, FakePool())
        assert audit(store, 1) == []
        with store.transaction() as db:
            db.execute("UPDATE shards SET steps = steps + 1 WHERE theorem = 0 AND number = 1")
            db.execute("DELETE FROM candidates")
            db.execute("DELETE FROM shards WHERE theorem = 1 AND number = 2")
            db.execute("UPDATE theorems SET next = 2 WHERE position = 3")
        said = " ".join(audit(store, 1))
        for words in ("S3: steps", "D2: shards", "D2: last shard", "D1: finished with 2 shards of 3"):
            assert words in said


def test_poison_is_quarantined_after_three_tries_and_told(tmp_path: Path) -> None:
    plan, budget = plan_of(12)
    with Store(tmp_path / "s.sqlite") as store:
        records = begin(store, plan, budget)
        pool = FakePool(workers=3, trouble={(0, 4): 99, (1, 2): TRIES - 1})
        assert drive(records, plan, budget, pool) == "finished"
        assert pool.ran.count((0, 4)) == TRIES
        assert pool.ran.count((1, 2)) == TRIES
        states = {(r["theorem"], r["number"]): r["state"] for r in store.rows("SELECT * FROM shards")}
        assert states[0, 4] == "quarantined"
        assert states[1, 2] == "done"
        assert states[0, 11] == "done"
        assert audit(store, 1) == []
        seen = status_of(store, 1)
        assert (seen["quarantined"], seen["failures"], seen["shards"]) == (1, 2 * TRIES - 1, 42)
        assert seen["last_failures"][0]["reason"] == "its worker was killed by SIGKILL"


def test_tries_are_counted_across_resumes(tmp_path: Path) -> None:
    plan, budget = plan_of(4)
    with Store(tmp_path / "s.sqlite") as store:
        records = begin(store, plan, budget)
        for _ in range(TRIES - 1):
            records.add_failure(plan.shard(0, 1), "it raised", True)
        session(records)
        pool = FakePool(trouble={(0, 1): 99})
        drive(records, plan, budget, pool)
        assert pool.ran.count((0, 1)) == 1
        assert store.value("SELECT state FROM shards WHERE theorem = 0 AND number = 1") == "quarantined"


def test_the_loss_of_machines_is_no_try(tmp_path: Path, undisturbed: dict[str, list[dict[str, Any]]]) -> None:
    plan, budget = plan_of(12)
    with Store(tmp_path / "s.sqlite") as store:
        records = begin(store, plan, budget)
        pool = FakePool(trouble={(0, 4): TRIES + 2, (3, 0): 1}, lost=True)
        assert drive(records, plan, budget, pool) == "finished"
        assert contents(store) == undisturbed


def test_when_everything_fails_the_campaign_stops_and_nothing_is_lost(tmp_path: Path) -> None:
    """Planted: a broken engine. No shard is quarantined for it, and after the repair all goes on."""
    plan, budget = plan_of(12)
    with Store(tmp_path / "s.sqlite") as store:
        records = begin(store, plan, budget)
        everything = {(p, n): 99 for p in range(4) for n in range(12)}
        with pytest.raises(CampaignError, match=r"shard after shard fails .*SIGKILL.*resume"):
            drive(records, plan, budget, FakePool(trouble=everything))
        assert store.value("SELECT count(*) FROM shards") == 0
        session(records)
        assert drive(records, plan, budget, FakePool()) == "finished"
        assert store.value("SELECT count(*) FROM shards WHERE state = 'done'") == 42


def test_a_second_answer_that_differs_is_told(tmp_path: Path) -> None:
    """Planted: a shard that is not deterministic, answered twice while the shard before it is slow."""
    plan, budget = plan_of(12)
    with Store(tmp_path / "s.sqlite") as store:
        driver = Driver(begin(store, plan, budget), plan, budget, FakePool(), Progress())
        shard = plan.shard(0, 3)
        driver._take(Done(shard, made_up(shard)))
        driver._take(Done(shard, replace(made_up(shard), seconds=9.0)))
        with pytest.raises(CampaignError, match="two different results"):
            driver._take(Done(shard, replace(made_up(shard), score=0.123)))
        with pytest.raises(CampaignError, match="not for"):
            driver._take(Done(shard, made_up(plan.shard(0, 4))))


def test_stop_from_elsewhere_lets_running_shards_end(tmp_path: Path) -> None:
    plan, budget = plan_of(12)
    place = tmp_path / "s.sqlite"
    clock = FakeClock()
    with Store(place) as store, Store(place) as elsewhere:
        records = begin(store, plan, budget)
        pool = FakePool(workers=3)
        driver = Driver(records, plan, budget, pool, Progress(), clock)
        clock.then = lambda: elsewhere.connection.execute("UPDATE campaigns SET stop_requested = 1")
        assert driver.run() == "stopped"
        assert not pool.held
        done = store.value("SELECT count(*) FROM shards")
        assert 0 < done < 42
        assert done == len(pool.ran)
        session(records)
        assert store.value("SELECT stop_requested FROM campaigns") == 0
        assert drive(records, plan, budget, FakePool()) == "finished"
        assert audit(store, 1) == []


class FakeClock:
    """Monotonic time that goes on a quarter of a second at every look; after 8 s something else happens once."""

    def __init__(self) -> None:
        self.now = 100.0
        self.then: Any = None

    def __call__(self) -> float:
        self.now += 0.25
        if self.now > 108 and self.then is not None:
            self.then()
            self.then = None
        return self.now


def test_a_budget_in_seconds_is_spent_over_sessions_by_monotonic_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wall clock jumps by years and back meanwhile; nobody asks it."""
    monkeypatch.setattr(time, "time", lambda: random.Random(time.monotonic()).choice([0.0, 4e9]))
    plan = share_out(Plan(entries(), 3, 1e-6, "cpu", 1000), [OPEN] * 4, Budget(seconds=60))
    assert all(entry.planned is None for entry in plan.entries)
    with Store(tmp_path / "s.sqlite") as store:
        records = begin(store, plan, Budget(steps=1))
        clock = FakeClock()
        clock.then = lambda: store.connection.execute("UPDATE campaigns SET stop_requested = 1")
        driver = Driver(records, plan, Budget(seconds=60), FakePool(), Progress(), clock)
        assert driver.run() == "stopped"
        first = driver.active_seconds
        records.end_session("stopped", first)
        session(records)
        driver = Driver(records, plan, Budget(seconds=60), FakePool(), Progress(), FakeClock())
        assert driver.run() == "finished"
        assert 8 < first < 60 <= driver.active_seconds < 66
        assert audit(store, 1) == []


def test_a_full_disk_is_one_line_and_the_campaign_goes_on_after(
    tmp_path: Path, undisturbed: dict[str, list[dict[str, Any]]]
) -> None:
    plan, budget = plan_of(12)
    with Store(tmp_path / "s.sqlite") as store:
        records = begin(store, plan, budget)
        pages = store.value("PRAGMA page_count")
        store.connection.execute(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(StoreError, match="disk is full; nothing that was committed is lost"):
            drive(records, plan, budget, FakePool())
        some = store.value("SELECT count(*) FROM shards")
        assert audit(store, 1) == []
        store.connection.execute("PRAGMA max_page_count = 1000000")
        session(records)
        drive(records, plan, budget, FakePool())
        assert some < 42
        assert contents(store) == undisturbed


def test_a_store_that_another_program_holds_is_one_line_and_the_campaign_goes_on_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, list[dict[str, Any]]]
) -> None:
    monkeypatch.setattr("harness.store.file._WAIT_MILLISECONDS", 50)
    plan, budget = plan_of(12)
    with Store(tmp_path / "s.sqlite") as store:
        records = begin(store, plan, budget)
        other = sqlite3.connect(tmp_path / "s.sqlite", isolation_level=None)
        pool = FakePool(workers=3)
        plain = pool.wait
        # After some shards are committed.
        monkeypatch.setattr(
            pool, "wait", lambda s: (len(pool.ran) == 9 and other.execute("BEGIN IMMEDIATE"), plain(s))[1]
        )
        with pytest.raises(StoreError, match="is locked by another program; nothing that was committed is lost"):
            drive(records, plan, budget, pool)
        assert 0 < store.value("SELECT count(*) FROM shards") < 42
        assert audit(store, 1) == []
        other.close()
        session(records)
        assert drive(records, plan, budget, FakePool()) == "finished"
        assert contents(store) == undisturbed


def test_a_campaign_whose_driver_was_killed_is_told_from_one_that_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    here = {"host": platform.node(), "process": os.getpid()}
    assert driven("running", [{**here, "process": gone.pid}, here]) is True
    assert driven("running", [here, {**here, "process": gone.pid}]) is False
    assert driven("running", [{**here, "host": "elsewhere"}]) is None
    assert driven("stopped", [here]) is False
    plan, budget = plan_of(2)
    with Store(tmp_path / "s.sqlite") as store:
        begin(store, plan, budget)
        store.connection.execute("UPDATE sessions SET host = ?, process = ?", (platform.node(), gone.pid))
        show_status(status_of(store, 1), False)
        said = capsys.readouterr().out
        assert "test: interrupted." in said
        assert "clipbounds campaign resume test\n" in said
        store.connection.execute("UPDATE sessions SET process = ?", (os.getpid(),))
        show_status(status_of(store, 1), False)
        assert "test: running." in capsys.readouterr().out


def test_shares_follow_weights_in_whole_shards() -> None:
    plan = Plan(entries(), 3, 1e-6, "cpu", 1000)
    shared = share_out(plan, [OPEN, PROVED, DECIDED, OPEN], Budget(steps=210_000))
    assert [e.planned for e in shared.entries] == [100, 10, 0, 100]
    least = share_out(plan, [OPEN, PROVED, DECIDED, OPEN], Budget(steps=1))
    assert [e.planned for e in least.entries] == [1, 1, 0, 1]


def test_the_coverage_of_shards_adds_up(tmp_path: Path) -> None:
    plan, budget = plan_of(12)
    with Store(tmp_path / "s.sqlite") as store:
        records = begin(store, plan, budget)
        # In two sessions, so that it is also read back.
        records.commit([Ended(plan.shard(0, 0), made_up(plan.shard(0, 0)))], records.standings(), 0.0)
        first = summary_of(records.standings()[0].coverage)
        assert first is not None
        assert (first.empty, first.says) == (
            ("many",),
            "1 of 2 regimes were looked at; in 1 no problem that was drawn meets the hypotheses.",
        )
        drive(records, plan, budget, FakePool())
        whole = summary_of(records.standings()[0].coverage)
    assert whole is not None
    assert whole.says == "2 of 2 regimes were looked at."
    assert [b.evaluations for b in whole.regimes] == [42, 42]
    results = [made_up(plan.shard(0, n)) for n in range(12)]
    assert [b.best for b in whole.profiles[0]] == [max(r.score or 0 for r in results[k::2]) for k in (0, 1)]
    other = {**coverage_of(plan.shard(0, 0)), "axes": ["noise"]}
    with pytest.raises(ValueError, match="different searches"):
        joined(coverage_of(plan.shard(0, 0)), other)


def test_what_no_engine_runs_gets_one_shard() -> None:
    plan = Plan(entries(("D2_clipped_steps", "D2")), 3, 1e-6, "cpu", 1000)
    for budget, planned in ((Budget(steps=10**6), 500), (Budget(seconds=60), None)):
        assert [e.planned for e in share_out(plan, [OPEN, OPEN], budget).entries] == [1, planned]


def test_a_shard_is_a_function_of_its_contents() -> None:
    plan, _ = plan_of(12)
    again, _ = plan_of(12)
    keys = {plan.shard(p, n).key for p in range(4) for n in range(50)}
    assert len(keys) == 200
    assert plan.shard(1, 7) == again.shard(1, 7)
    assert plan.shard(1, 7).key == again.shard(1, 7).key
    for change in ({"seed": 4}, {"alpha": 1e-5}, {"shard_steps": 1001}, {"device": "cuda"}):
        assert replace(plan, **change).shard(1, 7).key not in keys  # type: ignore[arg-type]
    assert shard_seed(0, "", 0) != shard_seed(0, "", 1)


@pytest.mark.parametrize(
    "change",
    [{"position": -1}, {"number": -1}, {"seed": -1}, {"seed": 2**63}, {"steps": 0}, {"first_look": 0}],
    ids=lambda c: next(iter(c)),
)
def test_malformed_shards_are_refused(change: dict[str, int]) -> None:
    good = plan_of(1)[0].shard(0, 0)
    with pytest.raises(ValueError, match=str(next(iter(change.values()))).replace("-", "-")):
        Shard(**{**vars(good), **change})


def test_digests_see_everything_but_the_clock() -> None:
    result = made_up(plan_of(12)[0].shard(2, 5))
    assert replace(result, seconds=99.0).digest == result.digest
    assert result.finding is not None
    sealed = result.finding.replace('"sha256": ""', '"sha256": "f00"')
    assert replace(result, finding=sealed).digest == result.digest
    assert timeless(sealed) == timeless(result.finding)
    for change in ({"score": 0.5}, {"verdict": "achieved"}, {"looks": 2}, {"regimes": {}}, {"finding": None}):
        assert replace(result, **change).digest != result.digest  # type: ignore[arg-type]


def test_readers_do_not_stop_the_driver_nor_it_them(tmp_path: Path) -> None:
    plan, budget = plan_of(12)
    place = tmp_path / "s.sqlite"
    with Store(place) as store:
        records = begin(store, plan, budget)
        reader = sqlite3.connect(f"file:{place}?mode=ro", uri=True)
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM shards").fetchone() == (0,)
        drive(records, plan, budget, FakePool())
        assert reader.execute("SELECT count(*) FROM shards").fetchone() == (0,)
        reader.close()
        with Store(place, read_only=True) as elsewhere:
            assert status_of(elsewhere, 1)["shards"] == 42

"""Workers as processes: they die, raise, hang and lose their parent. Their work is made up: they start quickly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from campaigns import FakePool, MadeUp, begin, contents, drive, made_up, plan_of

from harness.campaign.driver import CampaignError
from harness.campaign.pool import Done, Failed, PoolError
from harness.campaign.status import audit
from harness.campaign.workers import LocalPool
from harness.store import Store

PLAN, BUDGET = plan_of(8)
THEOREMS = [entry.theorem for entry in PLAN.entries]


SURVIVED = [
    # Two shards kill their worker once, as if from outside; others are poison, each in its own way.
    pytest.param({(0, 1): "once", (3, 6): "once", (0, 3): "die"}, id="killed", marks=pytest.mark.slow),
    pytest.param({(1, 0): "raise", (1, 4): "hang"}, id="raise-and-hang", marks=pytest.mark.slow),
]
REASONS = {
    "once": "its worker was killed by SIGKILL",
    "die": "its worker was killed by SIGKILL",
    "raise": "RuntimeError: CUDA error: unspecified launch failure (no such luck)",
    "hang": "it took longer than 2 s and was ended",
}


@pytest.mark.parametrize("trouble", SURVIVED)
def test_a_campaign_survives_its_workers(trouble: dict[tuple[int, int], str], tmp_path: Path) -> None:
    with Store(tmp_path / "calm.sqlite") as store:
        drive(begin(store, PLAN, BUDGET), PLAN, BUDGET, FakePool())
        undisturbed = contents(store)
    marked = {(p, n): str(tmp_path / f"{p}-{n}") if what == "once" else what for (p, n), what in trouble.items()}
    poison = {where for where, what in trouble.items() if what != "once"}
    with Store(tmp_path / "s.sqlite") as store:
        records = begin(store, PLAN, BUDGET)
        pool = LocalPool(THEOREMS, 2, work=MadeUp(marked), patience=2.0)
        assert drive(records, PLAN, BUDGET, pool) == "finished"
        assert audit(store, 1) == []
        quarantined = store.rows("SELECT theorem, number FROM shards WHERE state = 'quarantined'")
        assert {(r["theorem"], r["number"]) for r in quarantined} == poison
        failures = {(r["theorem"], r["number"]): r["reason"] for r in store.rows("SELECT * FROM failures")}
        assert failures == {where: REASONS[what] for where, what in trouble.items()}
        tries = sum(1 if what == "once" else 3 for what in trouble.values())
        assert store.value("SELECT count(*) FROM failures") == tries
        rest = [row for row in contents(store)["shards"] if (row["theorem"], row["number"]) not in poison]
        assert rest == [row for row in undisturbed["shards"] if (row["theorem"], row["number"]) not in poison]
        assert contents(store)["findings"] == undisturbed["findings"]


@pytest.mark.slow
def test_workers_that_do_not_start_end_the_campaign_in_one_line(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        records = begin(store, PLAN, BUDGET)
        pool = LocalPool(THEOREMS, 1, work=MadeUp({(9, 9): "prepare"}))
        with pytest.raises(
            PoolError, match="workers do not start: RuntimeError: CUDA error: the device was taken away"
        ):
            drive(records, PLAN, BUDGET, pool)
        assert store.value("SELECT count(*) FROM failures") == 0


@pytest.mark.slow
def test_an_engine_that_always_fails_ends_the_campaign_in_one_line(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        records = begin(store, PLAN, BUDGET)
        everything = {(p, n): "raise" for p in range(4) for n in range(8)}
        with pytest.raises(CampaignError, match=r"shard after shard fails .*CUDA error: unspecified launch failure"):
            drive(records, PLAN, BUDGET, LocalPool(THEOREMS, 2, work=MadeUp(everything)))
        assert store.value("SELECT count(*) FROM shards") == 0


def test_the_threads_of_a_worker_are_limited() -> None:
    before = dict(os.environ)
    with LocalPool(THEOREMS, 1, threads=1, work=MadeUp()) as pool:
        assert dict(os.environ) == before
        while not pool.free:
            pool.wait(1.0)
        environment = Path(f"/proc/{pool.processes[0]}/environ").read_bytes().split(b"\0")
        for name in (b"OMP_NUM_THREADS", b"NUMBA_NUM_THREADS", b"OPENBLAS_NUM_THREADS", b"MKL_NUM_THREADS"):
            assert name + b"=1" in environment


@pytest.mark.slow
def test_a_shard_that_was_answered_before_its_worker_died_is_done() -> None:
    with LocalPool(THEOREMS, 1, work=MadeUp()) as pool:
        while not pool.free:
            pool.wait(1.0)
        shard = PLAN.shard(0, 0)
        pool.submit(shard)
        time.sleep(1.0)
        os.kill(pool.processes[0], signal.SIGKILL)
        time.sleep(0.2)
        told = [*pool.wait(1.0)]
        assert told == [Done(shard, made_up(shard))]
        while not pool.free:
            assert not pool.wait(1.0)
        pool.submit(shard)
        os.kill(pool.processes[0], signal.SIGKILL)
        told = []
        while not told:
            told = [*pool.wait(1.0)]
        assert told in ([Done(shard, made_up(shard))], [Failed(shard, "its worker was killed by SIGKILL")])


@pytest.mark.slow
@pytest.mark.parametrize("stood_still", [1.0, 1e6])
def test_a_driver_that_stood_still_does_not_blame_its_workers(
    stood_still: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver looks away for longer than its patience; a fault is planted where it does not notice that."""
    monkeypatch.setattr("harness.campaign.workers._STOOD_STILL", stood_still)
    with LocalPool(THEOREMS, 1, work=MadeUp(seconds=8.0), patience=4.0) as pool:
        while not pool.free:
            pool.wait(0.1)
        shard = PLAN.shard(0, 0)
        pool.submit(shard)
        time.sleep(6.0)
        told = []
        while not told:
            told = [*pool.wait(0.1)]
    if stood_still < 6:
        assert told == [Done(shard, made_up(shard))]
    else:
        assert told == [Failed(shard, "it took longer than 4 s and was ended")]


ORPHANS = """
import sys
sys.path.insert(0, {tests!r})
from campaigns import FakePool, MadeUp, plan_of
from harness.campaign.workers import LocalPool

if __name__ == "__main__":
    plan, _ = plan_of(8)
    pool = LocalPool([e.theorem for e in plan.entries], 2, work=MadeUp(seconds=600.0))
    while pool.free < 2:
        pool.wait(1.0)
    pool.submit(plan.shard(0, 0))
    print(*pool.processes, flush=True)
    while True:
        pool.wait(1.0)
"""


@pytest.mark.slow
def test_workers_end_with_their_driver_in_the_midst_of_a_shard(tmp_path: Path) -> None:
    script = tmp_path / "driver.py"
    script.write_text(ORPHANS.format(tests=str(Path(__file__).parent)))
    root = str(Path(__file__).resolve().parents[2])
    driver = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root}
    )
    assert driver.stdout is not None
    workers = [int(word) for word in driver.stdout.readline().split()]
    assert len(workers) == 2
    driver.kill()
    driver.communicate()
    deadline = time.monotonic() + 20
    while any(_alive(worker) for worker in workers):
        assert time.monotonic() < deadline, "an orphan lives on"
        time.sleep(0.05)


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

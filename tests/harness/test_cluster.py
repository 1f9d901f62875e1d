"""The same campaign on a Ray cluster of two nodes on this machine, one of which is killed meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.campaign.status import audit, essence
from harness.store import Store

ROOT = Path(__file__).resolve().parents[2]
CAMPAIGN = ("start", "D2", "planted_d2_eighth", "planted_d1_off_by_one", "planted_bias_one_fifth", "--seed", "7")
SMALL = ("--budget", "120000steps", "--shard-steps", "2000")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nodes() -> Iterator[subprocess.Popen[str]]:
    """Two nodes; its first line was read, ``address`` has it."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "ci" / "ray_nodes.py")],
        # The made-up work of the tests must be found by the workers, too.
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    yield process
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.wait(60)
    process.stdout.close()


@pytest.fixture(scope="module")
def address(nodes: subprocess.Popen[str]) -> str:
    """HOST:PORT of the head."""
    assert nodes.stdout is not None
    return nodes.stdout.readline().strip()


def campaign(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "harness.cli", "campaign", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_cluster_gives_what_one_machine_gives_though_a_node_is_killed(
    nodes: subprocess.Popen[str], address: str, tmp_path: Path
) -> None:
    local, cluster = tmp_path / "local.sqlite", tmp_path / "cluster.sqlite"
    # An earlier night, from whose problems both begin.
    process = campaign("start", "D2", "--seed", "6", "--budget", "2000steps", "--workers", "1", "--store", str(local))
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    shutil.copy(local, cluster)
    process = campaign(*CAMPAIGN, *SMALL, "--starts", "store", "--workers", "2", "--store", str(local))
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    earlier = _shards(cluster)
    process = campaign(*CAMPAIGN, *SMALL, "--starts", "store", "--cluster", address, "--store", str(cluster))
    deadline = time.monotonic() + 200
    while _shards(cluster) < earlier + 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert nodes.stdin is not None
    assert nodes.stdout is not None
    print("kill", file=nodes.stdin, flush=True)
    assert nodes.stdout.readline() == "1 nodes\n"
    at = _shards(cluster)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    with Store(local, read_only=True) as one, Store(cluster, read_only=True) as other:
        assert audit(other, 2) == []
        expected = essence(one, 2)
        assert essence(other, 2) == expected
        assert json.loads(expected["theorems"][0]["starts"]), "nothing was handed on"
        assert at - earlier < len(expected["shards"]), "the node was killed too late to matter"
        assert other.value("SELECT cluster FROM sessions WHERE campaign = 2") == address
        assert other.value("SELECT count(*) FROM failures WHERE counted") == 0
    print("add", file=nodes.stdin, flush=True)
    assert nodes.stdout.readline() == "2 nodes\n"


POISON = """
import json, sys
sys.path.insert(0, sys.argv[2])
from campaigns import MadeUp, begin, drive, plan_of, contents
from harness.campaign.cluster import RayPool
from harness.store import Store

plan, budget = plan_of(4)
with Store(sys.argv[3]) as store:
    records = begin(store, plan, budget)
    work = MadeUp({(0, 1): "die", (3, 2): "raise", (1, 1): sys.argv[3] + "-once"})
    pool = RayPool([e.theorem for e in plan.entries], sys.argv[1], work=work)
    print(drive(records, plan, budget, pool))
"""


def test_workers_of_a_cluster_that_die_are_retried_and_poison_is_quarantined(address: str, tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    done = subprocess.run(
        [sys.executable, "-c", POISON, address, str(Path(__file__).parent), str(store)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout == "finished\n", done.stderr
    with Store(store, read_only=True) as opened:
        assert audit(opened, 1) == []
        states = {
            (r["theorem"], r["number"]): r["state"] for r in opened.rows("SELECT theorem, number, state FROM shards")
        }
        assert {where for where, state in states.items() if state == "quarantined"} == {(0, 1), (3, 2)}
        # A try that was lost with its machine is no try of the shard's: on a busy machine the death of a node that an
        # earlier test has killed may be told of as late as here.
        failures = opened.rows("SELECT theorem, number, reason FROM failures WHERE counted")
        tries = [(f["theorem"], f["number"]) for f in failures]
        assert (tries.count((0, 1)), tries.count((3, 2)), tries.count((1, 1))) == (3, 3, 1)
        reasons = {(f["theorem"], f["number"]): f["reason"] for f in failures}
        assert reasons[3, 2] == "RuntimeError: CUDA error: unspecified launch failure (no such luck)"
        assert reasons[0, 1].startswith("its worker died")


@pytest.mark.parametrize(
    ("where", "says"),
    [("127.0.0.1:1", "no Ray cluster at '127.0.0.1:1'"), ("here", "must be auto or HOST:PORT, not 'here'")],
)
def test_no_cluster_is_one_line(where: str, says: str, tmp_path: Path) -> None:
    process = campaign(*CAMPAIGN, *SMALL, "--cluster", where, "--store", str(tmp_path / "s.sqlite"))
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert errors.startswith(f"clipbounds: option '--cluster': {says}")
    assert errors.count("\n") == 1


def _shards(store: Path) -> int:
    try:
        with Store(store, read_only=True) as opened:
            return int(opened.value("SELECT count(*) FROM shards"))
    except ValueError:
        return 0

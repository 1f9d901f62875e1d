"""Campaigns under `kill -9`, by the script whose table of fifty kills is in `ci/results`; here ten."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from campaigns import FakePool, begin, drive, plan_of

from harness.campaign.status import audit, essence
from harness.store import Store

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_ten_kills_at_random_moments_change_nothing(tmp_path: Path) -> None:
    out = tmp_path / "kills.md"
    done = subprocess.run(
        [sys.executable, str(ROOT / "ci" / "kill_campaign.py"), "--kills", "10", "--seed", "4", "--out", str(out)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = out.read_text().splitlines()
    rows = [line for line in lines if line.startswith("| ") and line.split("|")[1].strip().isdecimal()]
    assert len(rows) == 10
    assert any("driver" in row for row in rows)
    assert "DIFFERENT" not in out.read_text()


def test_the_comparison_sees_what_was_changed(tmp_path: Path) -> None:
    """Planted: a finding that differs, and a shard that was lost, are not the same as undisturbed."""
    plan, budget = plan_of(8)
    with Store(tmp_path / "a") as one, Store(tmp_path / "b") as other:
        for store in (one, other):
            drive(begin(store, plan, budget), plan, budget, FakePool())
        assert essence(one, 1) == essence(other, 1)
        other.connection.execute("UPDATE findings SET finding = replace(finding, 'refuted', 'refutes')")
        assert essence(one, 1) != essence(other, 1)
        assert audit(other, 1) == []
        one.connection.execute("PRAGMA foreign_keys = OFF")
        one.connection.execute("DELETE FROM shards WHERE theorem = 0 AND number = 7")
        assert audit(one, 1)

"""The store: schema and its page, migrations, errors in one line, export."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from campaigns import FakePool, begin, contents, drive, plan_of, session

from harness.campaign.records import CampaignRecords
from harness.campaign.status import audit
from harness.store import SCHEMA_VERSION, Store, StoreError
from harness.store.export import export
from harness.store.file import _statements
from harness.store.schema import APPLICATION_ID, MEANINGS, MIGRATIONS, TABLES, describe

PAGE = Path(__file__).resolve().parents[2] / "docs" / "store.md"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with a finished campaign."""
    plan, budget = plan_of(6)
    with Store(tmp_path / "s.sqlite") as store:
        drive(begin(store, plan, budget), plan, budget, FakePool())
    return tmp_path / "s.sqlite"


def test_the_page_is_the_schema(path: Path) -> None:
    with Store(path, read_only=True) as store:
        text = describe(store.connection)
        assert text in PAGE.read_text(encoding="utf-8")
        assert f"version {SCHEMA_VERSION}" in PAGE.read_text(encoding="utf-8")
    assert set(MEANINGS) == set(TABLES)
    for table, columns in MEANINGS.items():
        for column in columns:
            assert f"| `{column}` |" in text.split(f"### `{table}`")[1].split("###")[0]


def test_a_column_without_a_meaning_is_noticed(path: Path) -> None:
    with Store(path) as store:
        store.connection.execute("ALTER TABLE shards ADD COLUMN mood TEXT")
        with pytest.raises(KeyError, match="mood"):
            describe(store.connection)


def older(place: Path, version: int, source: Path) -> None:
    """A store of an earlier version with the rows of another."""
    old = sqlite3.connect(place)
    for script in MIGRATIONS[:version]:
        for statement in _statements(script):
            old.execute(statement)
    old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    old.execute(f"PRAGMA user_version = {version}")
    old.execute("ATTACH ? AS source", (str(source),))
    for (table,) in old.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table'").fetchall():
        columns = ", ".join(row[1] for row in old.execute(f"PRAGMA table_info({table})"))
        old.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM source.{table}")
    old.commit()
    old.close()


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_an_older_store_is_brought_up_to_date_and_keeps_its_rows(version: int, tmp_path: Path) -> None:
    plan, budget = plan_of(12)
    with Store(tmp_path / "new.sqlite") as store:
        records = begin(store, plan, budget)
        store.connection.execute(f"PRAGMA max_page_count = {store.value('PRAGMA page_count') + 1}")
        with pytest.raises(StoreError):
            drive(records, plan, budget, FakePool())
        before = contents(store)
        schema = store.rows("SELECT name, type FROM sqlite_schema ORDER BY name")
    older(tmp_path / "old.sqlite", version, tmp_path / "new.sqlite")
    with pytest.raises(StoreError, match=rf"schema version {version} is older than {SCHEMA_VERSION}; .*resume"):
        Store(tmp_path / "old.sqlite", read_only=True)
    with Store(tmp_path / "old.sqlite") as store:
        assert store.value("PRAGMA user_version") == SCHEMA_VERSION
        assert store.rows("SELECT name, type FROM sqlite_schema ORDER BY name") == schema
        after = contents(store)
        assert after["shards"] == before["shards"]
        assert 0 < len(after["shards"]) < 42
        # What an old version did not keep is not made up.
        lost = {} if version >= 3 else {"coverage": None}
        assert [{**row, **lost} for row in before["theorems"]] == after["theorems"]
        records = CampaignRecords(store, 1)
        session(records)
        drive(records, plan, budget, FakePool())
        assert audit(store, 1) == []


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older(tmp_path / "old.sqlite", 1, path)
    before = (tmp_path / "old.sqlite").read_bytes()
    broken = (MIGRATIONS[0], MIGRATIONS[1] + "CREATE TABLE shards (id INTEGER);")
    monkeypatch.setattr("harness.store.file.MIGRATIONS", broken)
    with pytest.raises(StoreError, match="already exists"):
        Store(tmp_path / "old.sqlite")
    again = sqlite3.connect(tmp_path / "old.sqlite")
    assert again.execute("PRAGMA user_version").fetchone() == (1,)
    names = {row[0] for row in again.execute("SELECT name FROM sqlite_schema")}
    assert "regimes" not in names
    assert "shards" in names
    assert len(before) > 0
    again.close()


# -- what can be wrong with a file -------------------------------------------------------------------------------------


def test_a_newer_store_is_left_alone(path: Path) -> None:
    with Store(path) as store:
        store.connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=r"schema version 99 is newer than .*use a newer clipbounds"):
        Store(path)


def test_files_that_are_no_store(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database, but long enough to be taken for one" * 20)
    with pytest.raises(StoreError, match="text: is no SQLite database"):
        Store(tmp_path / "text")
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE birds (name TEXT)")
    other.close()
    with pytest.raises(StoreError, match="other: a database of another program"):
        Store(tmp_path / "other")
    with pytest.raises(StoreError, match="missing: no store here"):
        Store(tmp_path / "missing", read_only=True)
    with pytest.raises(StoreError, match="no such folder"):
        Store(tmp_path / "nowhere" / "s.sqlite")
    assert not (tmp_path / "missing").exists()


def test_damage_inside_is_found_before_a_campaign_goes_on(path: Path) -> None:
    with Store(path) as store:
        page = store.value("SELECT rootpage FROM sqlite_schema WHERE name = 'candidates'")
        store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    data[(page - 1) * 4096 : (page - 1) * 4096 + 2000] = b"\xff" * 2000
    path.write_bytes(bytes(data))
    with Store(path) as store, pytest.raises(StoreError, match=r"s\.sqlite: is damaged: .* restore a copy"):
        store.verify()


def test_a_truncated_file_is_damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 4096 * 3])
    with pytest.raises(StoreError, match=r"is damaged|no SQLite database"), Store(path) as store:
        store.verify()


def test_a_store_that_another_program_locks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.store.file._WAIT_MILLISECONDS", 50)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with (
        Store(path) as store,
        pytest.raises(StoreError, match="is locked by another program; nothing that was committed is lost"),
        store.transaction(),
    ):
        pytest.fail("the other one has the lock")
    other.execute("ROLLBACK")
    other.close()


def test_a_read_only_store_is_read_and_not_written(path: Path) -> None:
    with (
        Store(path, read_only=True) as store,
        pytest.raises(StoreError, match="cannot be written: it is read-only"),
        store.told(),
    ):
        store.connection.execute("DELETE FROM shards")


def test_one_driver_at_a_time_and_none_after_its_death(path: Path) -> None:
    code = (
        "import sys; from harness.store import Store; s = Store(sys.argv[1]); s.claim(); print('mine', flush=True);"
        "sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "mine\n"
    with Store(path) as store, pytest.raises(StoreError, match=rf"is running \(process {other.pid}\)"):
        store.claim()
    other.kill()
    other.communicate()
    with Store(path) as store:
        store.claim()


def test_a_transaction_is_whole_or_absent(path: Path) -> None:
    with Store(path) as store:
        with pytest.raises(StoreError, match="no such table"):
            _half_a_change(store)
        assert store.value("SELECT count(*) FROM candidates") > 0


def _half_a_change(store: Store) -> None:
    with store.transaction() as db:
        assert db.execute("DELETE FROM candidates").rowcount > 0
        db.execute("DELETE FROM birds")


# -- export ------------------------------------------------------------------------------------------------------------


def exported(path: Path, table: str, form: str) -> str:
    out = io.StringIO(newline="")
    with Store(path, read_only=True) as store:
        export(store, table, form, out)
    return out.getvalue()


@pytest.mark.parametrize("table", sorted(TABLES))
def test_both_forms_hold_every_row(table: str, path: Path) -> None:
    with Store(path, read_only=True) as store:
        rows = store.rows(f"SELECT * FROM {table}")
    lines = [json.loads(line) for line in exported(path, table, "jsonl").splitlines()]
    cells = list(csv.DictReader(io.StringIO(exported(path, table, "csv"), newline="")))
    assert len(lines) == len(cells) == len(rows)
    for row, line, cell in zip(rows, lines, cells, strict=True):
        assert list(row) == list(line) == list(cell)
        for name, value in row.items():
            if isinstance(value, int | float):
                assert line[name] == value
                assert type(value)(cell[name]) == value
            elif value is None:
                assert line[name] is None
                assert cell[name] == ""


def test_a_spreadsheet_runs_nothing(path: Path) -> None:
    evil = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", '"=1",=2', "plain, with = inside"]
    with Store(path) as store, store.transaction() as db:
        db.executemany(
            "INSERT INTO regimes VALUES (1, 0, ?, 1, -0.5)",
            [(text,) for text in evil],
        )
    cells: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(exported(path, "regimes", "csv"), newline="")))
    texts = [cell["regime"] for cell in cells]
    assert not any(text.startswith(("=", "+", "-", "@", "\t", "\r")) for text in texts)
    assert "'" + evil[0] in texts
    assert evil[-1] in texts
    # A negative number is no formula.
    assert "-0.5" in {cell["score"] for cell in cells}


@pytest.mark.parametrize(("table", "form", "says"), [("birds", "csv", "'birds'"), ("shards", "xls", "'xls'")])
def test_unknown_tables_and_forms_are_refused(table: str, form: str, says: str, path: Path) -> None:
    with pytest.raises(StoreError, match=says):
        exported(path, table, form)


@pytest.mark.slow
def test_the_benchmark_of_the_store_still_runs() -> None:
    """Its made-up results must be what a store takes; sixty shards of each statement."""
    script = Path(__file__).resolve().parents[2] / "ci" / "bench_store.py"
    done = subprocess.run([sys.executable, str(script), "--shards", "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "| shards in the store | 2,400 |" in done.stdout
    assert "| status page, seconds (target: below 1) |" in done.stdout

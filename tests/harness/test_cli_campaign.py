"""The campaign commands from the outside, with real searches of a few small shards."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import typer

from harness.campaign.campaign import Result
from harness.campaign.outcome import check_of, proof_of
from harness.campaign.plan import Entry, Plan
from harness.campaign.shard import run_shard
from harness.cli import main
from harness.cli_campaign import _finish
from harness.evidence import ErrorLedger
from harness.progress import Progress
from harness.run import RunResult, check_all
from harness.settings import Settings
from harness.store import Store
from theorems.catalogue import load_catalogue

ROOT = Path(__file__).resolve().parents[2]
STATEMENTS = ("D2", "planted_d2_eighth", "planted_bias_one_fifth", "planted_d2_late_five_percent")
SMALL = ("--budget", "60000steps", "--shard-steps", "2000", "--workers", "1", "--seed", "7")


def spawned(*words: str) -> subprocess.Popen[str]:
    """A command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "harness.cli", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, int]:
    """The store of a finished campaign, what it printed, and its exit code."""
    place = tmp_path_factory.mktemp("campaign")
    # Left by a driver that was killed while it wrote the report, and one that is another report's.
    for name in (".report.abc.partial", ".report.abc.old", ".reports.abc.partial"):
        (place / name / "theorems").mkdir(parents=True)
    words = ("campaign", "start", *STATEMENTS, *SMALL, "--store", str(place / "c.sqlite"), "--json")
    process = spawned(*words, "--out", str(place / "report"), "--name", "night")
    out, errors = process.communicate()
    assert not errors, errors
    return place / "c.sqlite", json.loads(out), process.returncode


def test_a_finished_campaign_says_what_run_says(campaign: tuple[Path, Any, int]) -> None:
    path, said, code = campaign
    assert code == 0
    assert (said["name"], said["state"], said["quarantined"]) == ("night", "finished", 0)
    results = {r["name"]: r for r in said["results"]}
    assert tuple(results) == STATEMENTS
    assert [r["as_expected"] for r in said["results"]] == [True] * 4
    assert [r["verdict"] for r in said["results"]] == ["proved", "refuted", "refuted", "refuted"]
    assert results["planted_bias_one_fifth"]["fuzz"] is None
    assert results["planted_d2_eighth"]["fuzz"]["verdict"] == "refuted"
    assert results["planted_d2_eighth"]["fuzz"]["score"] > 1
    # Of 60 000 steps, a part in 21 for what is proved.
    assert results["D2"]["fuzz"]["says"].startswith("1 shard of 2,000 steps were searched")
    coverage = results["planted_d2_eighth"]["fuzz"]["coverage"]
    assert sum(regime["evaluations"] for regime in coverage["regimes"]) > 0
    report = path.parent / "report"
    assert sorted(p.name for p in path.parent.glob(".rep*")) == [".reports.abc.partial"]
    run = json.loads((report / "run.json").read_text())
    assert [t["statement"]["name"] for t in run["theorems"]] == list(STATEMENTS)
    findings = sorted(p.parent.name for p in report.glob("findings/*/FINDING.json"))
    assert len(findings) == 3
    assert (report / "index.html").stat().st_size > 1000
    assert main(["replay", str(report / "findings" / findings[1] / "FINDING.json")]) == 0


def test_status_audit_and_export(campaign: tuple[Path, Any, int], capsys: pytest.CaptureFixture[str]) -> None:
    path = campaign[0]
    assert main(["campaign", "status", "--store", str(path), "--audit", "--json"]) == 0
    seen = json.loads(capsys.readouterr().out)
    assert seen["wrong"] == []
    assert (seen["name"], seen["state"], seen["failures"]) == ("night", "finished", 0)
    by_name = {t["name"]: t for t in seen["theorems"]}
    # One found by algebra, and two by some of their shards: the others are not run.
    assert by_name["planted_bias_one_fifth"]["planned"] == 0
    for name in ("planted_d2_eighth", "planted_d2_late_five_percent"):
        assert by_name[name]["decided"] == by_name[name]["next"] - 1 < by_name[name]["planned"] - 1
    assert seen["shards"] == sum(t["next"] for t in seen["theorems"])
    assert main(["campaign", "status", "night", "--store", str(path)]) == 0
    text = capsys.readouterr().out
    assert "decided by shard" in text
    assert "night: finished." in text
    out = path.parent / "shards.csv"
    assert main(["export", "--store", str(path), "--table", "shards", "--out", str(out)]) == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert len(rows) == seen["shards"]
    assert sum(int(row["steps"]) for row in rows) == seen["steps"]
    assert main(["export", "--store", str(path), "--table", "findings", "--format", "jsonl"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["finding"]["id"] for line in lines] == [f["id"] for f in seen["findings"]]


def test_a_shard_in_the_store_is_what_the_same_shard_gives_here(campaign: tuple[Path, Any, int]) -> None:
    entries = tuple(Entry.of(load_catalogue()[name], name) for name in STATEMENTS)
    plan = Plan(entries, 7, 1e-6, "cpu", 2000)
    result = run_shard(plan.shard(1, 0), entries[1].theorem)
    with Store(campaign[0], read_only=True) as store:
        (row,) = store.rows("SELECT * FROM shards WHERE theorem = 1 AND number = 0")
    assert (row["key"], row["digest"], row["score"]) == (result.key, result.digest, result.score)
    again = run_shard(plan.shard(1, 1), entries[1].theorem)
    assert again.digest != result.digest


def test_proofs_come_back_from_the_store_as_they_were() -> None:
    theorem = load_catalogue()["planted_bias_one_fifth"]
    (check,) = check_all([theorem], Progress(), ErrorLedger())
    proof = proof_of(theorem, check)
    again = check_of(proof.content)
    assert (again.verdict, again.obligations, again.rules, again.reason) == (
        check.verdict,
        check.obligations,
        check.rules,
        check.reason,
    )
    assert proof.finding is not None
    assert json.loads(proof.finding)["verdict"] == "refuted"


@pytest.mark.slow
def test_a_campaign_is_watched_and_stopped_from_elsewhere_and_goes_on(tmp_path: Path) -> None:
    store = str(tmp_path / "s.sqlite")
    process = spawned(
        "campaign", "start", "S3", "--budget", "1e12steps", "--shard-steps", "20000", "--workers", "1", "--store", store
    )
    deadline = time.monotonic() + 120
    while True:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)
        if Path(store).exists() and _shards(store) >= 3:
            break
    # It has the store for itself, and may be stopped.
    assert main(["campaign", "resume", "--store", store]) == 2
    assert main(["campaign", "stop", "--store", store]) == 0
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "campaign-1 is stopped; go on with: clipbounds campaign resume campaign-1" in out
    done = _shards(store)
    assert main(["campaign", "stop", "--store", store]) == 2
    process = spawned("campaign", "resume", "--store", store, "--workers", "1")
    while _shards(store) < done + 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.startswith("clipbounds: interrupted; nothing that was committed is lost")
    with Store(store, read_only=True) as opened:
        assert opened.value("SELECT state FROM campaigns") == "stopped"
        assert opened.value("SELECT count(*) FROM sessions WHERE ended IS NOT NULL") == 2
    assert main(["campaign", "status", "--audit", "--store", store]) == 0


def _shards(store: str) -> int:
    try:
        with Store(store, read_only=True) as opened:
            return int(opened.value("SELECT count(*) FROM shards"))
    except ValueError:
        return 0


CLAIM = """
from theorems.language import BoundedVariance, Rational, Source, StuckGradientNorm, Theorem, Upper, c, sigma
bias = Theorem(name="my_bias", source=Source("A draft", "Lemma 1"), given=[BoundedVariance(sigma)], when=[sigma <= 2*c],
               claim=Upper(StuckGradientNorm, Rational(1, {part}) * sigma**2 / c))
"""


def test_a_statement_that_changed_or_went_away_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claim, store = tmp_path / "claim.py", tmp_path / "s.sqlite"
    claim.write_text(CLAIM.format(part=5))
    words = ["campaign", "start", str(claim), "--budget", "1e4steps", "--store", str(store)]
    assert main([*words, "--name", "first"]) == 1
    with Store(store) as opened:
        opened.connection.execute("UPDATE campaigns SET state = 'stopped'")
    for change, says in ((CLAIM.format(part=4), "changed since campaign 'first' began"), ("", "defines no Theorem")):
        claim.write_text(change)
        capsys.readouterr()
        assert main(["campaign", "resume", "--store", str(store)]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"clipbounds: {claim}")
        assert says in said
    claim.write_text(CLAIM.format(part=5))
    # Decided by algebra, so nothing is left to do: the outcome is the same.
    assert main(["campaign", "resume", "--store", str(store)]) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["start", "D2", "--budget", "soon"], "option '--budget'"),
        (["start", "D2", "--workers", "0"], "option '--workers': must be a number from 1 to 4096, not 0"),
        (["start", "D2", "--alpha", "1.5"], "option '--alpha': must lie between 0 and 1, not 1.5"),
        (["start", "D2", "--shard-steps", "0"], "option '--shard-steps'"),
        (["start", "D2", "--patience", "-1"], "option '--patience': must be a positive number of seconds, not -1"),
        (["start", "D2", "--name", ""], "option '--name': must be a short text, not ''"),
        (["start", "D7"], "D7: neither a statement of the catalogue nor a .py file"),
        (["resume"], "no store here"),
        (["status"], "no store here"),
        (["stop", "night"], "no store here"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_bad_input_is_one_line(words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["campaign", *words, "--store", str(tmp_path / "s.sqlite")]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


def test_names_of_campaigns(campaign: tuple[Path, Any, int], capsys: pytest.CaptureFixture[str]) -> None:
    store = str(campaign[0])
    for words, says in (
        (["status", "day"], "no campaign 'day'; the last are night"),
        (["resume", "night"], "campaign 'night' is finished; start a new one"),
        (["stop"], "campaign 'night' is finished already"),
        (["start", "D2", "--name", "night"], "a campaign 'night' exists; resume it, or choose another --name"),
    ):
        assert main(["campaign", *words, "--store", store]) == 2
        assert says in capsys.readouterr().err


def test_the_report_folder_is_looked_at_before_any_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.tex").write_text("important")
    store = tmp_path / "s.sqlite"
    assert main(["campaign", "start", "D2", "--store", str(store), "--out", str(tmp_path / "taken")]) == 2
    assert "holds other files" in capsys.readouterr().err
    assert not store.exists()
    assert os.listdir(tmp_path / "taken") == ["thesis.tex"]


def test_a_shard_that_was_given_up_is_an_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    """What was to be searched there is unknown, so that a campaign in which nothing else is amiss is no pass."""
    outcome = RunResult(Settings.of("1000steps", "cpu", 0), (), 0.0, 0.0, 1e-6)
    for gone, code, says in ((0, 0, ""), (1, 3, "1 shard failed"), (2, 3, "2 shards failed")):
        with pytest.raises(typer.Exit) as ended:
            _finish(Result("night", "finished", outcome, gone, None), Path("s.sqlite"), False)
        assert ended.value.exit_code == code
        assert says in capsys.readouterr().out

"""The map of slack: what the search recorded is what the page shows, empty regimes and violations included."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from fuzz.coverage import CLIPPED, START, STEPS, Coverage
from harness.cli import main
from harness.report.records import CoverageRecord, FuzzRecord
from harness.report.slack import slack_map
from harness.verdicts import ExitCode

XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink"'


def record(scores: list[float], starts: list[float], steps: list[float]) -> CoverageRecord:
    coverage = Coverage((START, STEPS, CLIPPED))
    at = {"start": np.array(starts), "steps": np.array(steps), "clipped": np.zeros(len(scores))}
    coverage.add(at, np.array(scores), lambda row: row)
    coverage.complete = True
    coverage.drafted = {(0, 0), (1, 1)}
    return CoverageRecord.of(coverage.summary())


TWO = record([0.25, 0.9994], [0.5, 50.0], [1.0, 2000.0])


def test_a_map_has_every_number_that_was_recorded() -> None:
    shown = slack_map(TWO, "mine")
    assert shown is not None
    rows = {(row.axis, row.bin): (row.evaluations, row.best) for row in shown.rows}
    assert rows["m/c at the start", "≤ 1"] == (1, 0.25)
    assert rows["m/c at the start", "≤ 100"] == (1, 0.9994)
    assert rows["T", "8 to 63"] == (0, None)
    # A rounded score does not reach the bound.
    assert "0.999<" in shown.map
    assert "1.000<" not in shown.map
    assert len(shown.empty) == 2


def test_pictures_are_whole_and_have_names() -> None:
    shown = slack_map(TWO, "a <b> & c")
    assert shown is not None
    for picture in (shown.profiles, shown.map):
        # In a page the prefix needs no declaration.
        root = ET.fromstring(str(picture).replace("<svg ", f"<svg {XLINK} ", 1))
        assert root.get("role") == "img"
        assert "a <b> & c" in (root.get("aria-label") or "")
    label = ET.fromstring(str(shown.profiles).replace("<svg ", f"<svg {XLINK} ", 1)).get("aria-label") or ""
    assert "≤ 1 0.250" in label
    assert "8 to 63 empty" in label


def test_a_violation_is_seen() -> None:
    quiet, loud = (slack_map(record([s], [0.5], [1.0]), "mine") for s in (1.0, 1.5))
    assert quiet is not None
    assert loud is not None
    red = "#d1495b"
    assert red not in quiet.profiles
    assert red in loud.profiles
    assert red in loud.map


def test_nothing_scored_is_no_map() -> None:
    assert slack_map(None, "mine") is None
    assert slack_map(record([], [], []), "mine") is None


def test_a_record_survives_its_file_and_an_old_one_has_no_map() -> None:
    content = {
        "verdict": "not_found",
        "score": 0.5,
        "score_lower": 0.5,
        "log10_e": None,
        "problem": "",
        "steps": 1,
        "seconds": 0.1,
        "says": "",
    }
    assert FuzzRecord.model_validate_json(json.dumps(content)).coverage is None
    whole = FuzzRecord.model_validate({**content, "coverage": TWO})
    assert FuzzRecord.model_validate_json(whole.model_dump_json()) == whole


def test_a_report_shows_the_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "report"
    assert main(["run", "D0", "--budget", "2000steps", "--out", str(out), "--json"]) == ExitCode.AS_EXPECTED
    capsys.readouterr()
    page = (out / "theorems" / "D0.html").read_text(encoding="utf-8")
    assert "Where the bound is tight" in page
    assert page.count('aria-label="Best score of D0') == 2
    assert main(["report", str(out)]) == ExitCode.AS_EXPECTED
    assert (out / "theorems" / "D0.html").read_text(encoding="utf-8") == page


def test_json_and_terminal_tell_regimes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuzz", "D0", "--budget", "2000steps", "--json"]) == ExitCode.AS_EXPECTED
    (entry,) = json.loads(capsys.readouterr().out)
    coverage = entry["coverage"]
    assert set(coverage) == {"axes", "regimes", "profiles", "empty", "excluded", "says"}
    assert {"start", "step size", "evaluations", "best"} == set(coverage["regimes"][0])
    assert sum(r["evaluations"] for r in coverage["regimes"]) > 100
    assert main(["fuzz", "D1", "--budget", "3000steps"]) == ExitCode.AS_EXPECTED
    shown = capsys.readouterr().out
    assert "regimes were looked at" in shown
    assert "were not reached within the budget" in shown

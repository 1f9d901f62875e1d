"""Promoted findings: kept once, judged on every run, and never a tampered one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import (
    false_bias,
    make_finding,
    stuck_problem,
    trajectory_problem,
    trajectory_theorem,
)

from harness.cli import main
from harness.finding import Finding, FindingError, load_finding
from harness.regression import against, kept, promote, recheck
from theorems.language import StuckGradientNorm, Upper, c, sigma

ROOT = Path(__file__).resolve().parents[2]


def stored(finding: Finding, folder: Path) -> Path:
    file = folder / "FINDING.json"
    file.write_text(finding.text())
    return file


def test_promotion_is_idempotent(bias_finding: Finding, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, folder = stored(bias_finding, tmp_path), tmp_path / "tests" / "regressions"
    assert main(["promote", str(source), "--to", str(folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["new"] is True
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert set(before) == {f"false-bias-{bias_finding.id}.json", "test_findings.py"}
    assert main(["promote", str(source), "--to", str(folder)]) == 0
    assert "was kept already" in capsys.readouterr().out
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_loader_that_was_edited_is_left_alone(bias_finding: Finding, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "test_findings.py").write_text("# mine\n")
    promote(stored(bias_finding, tmp_path), tmp_path / "kept")
    assert (tmp_path / "kept" / "test_findings.py").read_text() == "# mine\n"


@pytest.mark.slow
def test_the_loader_judges_and_notices(bias_finding: Finding, tmp_path: Path) -> None:
    """The written test passes, under a user's strictest settings; it fails once its file is changed."""
    done = promote(stored(bias_finding, tmp_path), tmp_path / "kept")
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", str(tmp_path / "kept")]
    passed = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert "1 passed" in passed.stdout, passed.stdout + passed.stderr
    done.file.write_text(done.file.read_text().replace('"1/4"', '"1/3"'))
    failed = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert "1 failed" in failed.stdout
    assert "was changed after sealing" in failed.stdout


def test_a_tampered_finding_is_refused(
    bias_finding: Finding, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = stored(bias_finding, tmp_path)
    source.write_text(source.read_text().replace('"1/4"', '"1/3"'))
    assert main(["promote", str(source), "--to", str(tmp_path / "kept")]) == 2
    assert "was changed after sealing" in capsys.readouterr().err
    assert not (tmp_path / "kept").exists()


def test_a_finding_that_does_not_stand_is_refused(tmp_path: Path) -> None:
    """Sealed, but not true: the claim of a quarter holds at that point."""
    true = false_bias(claim=Upper(StuckGradientNorm, sigma**2 / (4 * c)))
    source = stored(make_finding(true, stuck_problem()), tmp_path)
    with pytest.raises(FindingError, match=r"does not stand: .*now holds here"):
        promote(source, tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_another_finding_of_the_same_file_is_refused(bias_finding: Finding, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    other = make_finding(false_bias(name="other"), stuck_problem())
    (folder / f"{bias_finding.folder}.json").write_text(other.text())
    with pytest.raises(FindingError, match="holds finding"):
        promote(stored(bias_finding, tmp_path), folder)


def test_a_folder_that_cannot_be_written(bias_finding: Finding, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file")
    with pytest.raises(FindingError, match="cannot be written"):
        promote(stored(bias_finding, tmp_path), tmp_path / "kept")


def test_a_finding_on_random_numbers_is_the_same_every_time(tmp_path: Path) -> None:
    """Not by chance: seed and look fix the numbers. Recheck asks for the evidence anew."""
    values = {"F0": "1/32", "L0": "1", "L1": "0", "T": "400", "c": "1", "eta": "1/10", "sigma": "1"}
    finding = make_finding(trajectory_theorem(), trajectory_problem(), values=values, exact=None, alpha=1e-6)
    file = tmp_path / "finding.json"
    file.write_text(finding.text())
    first, second = recheck(file), recheck(file)
    assert first.stands
    assert first == second
    assert "on fresh seeds" in first.says


def test_todays_statement_at_an_old_instance(bias_finding: Finding) -> None:
    assert against(false_bias(), bias_finding, alpha=1e-6)[0] == "refuted"
    mended = false_bias(claim=Upper(StuckGradientNorm, sigma**2 / (4 * c)))
    assert against(mended, bias_finding, alpha=1e-6)[0] == "holds"
    elsewhere = false_bias(when=[sigma >= 2 * c])
    word, reason = against(elsewhere, bias_finding, alpha=1e-6)
    assert word == "beside the point"
    assert "condition" in reason


def test_kept_findings_of_this_repository() -> None:
    """They are read and sealed; ``tests/regressions`` judges them."""
    files = kept(ROOT / "tests" / "regressions")
    assert files
    assert all(load_finding(file).verdict in ("refuted", "achieved") for file in files)
    assert kept(ROOT / "nowhere") == []

"""The command line as a contract: JSON, exit codes, bad input in one line, nothing left half done."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.cli import main

FALSE_CLAIM = """
from theorems.language import BoundedVariance, Source, StuckGradientNorm, Theorem, Upper, c, sigma

bias = Theorem(
    name="my_bias_bound",
    title="Clipped SGD is stuck only near stationary points",
    source=Source("Our draft on clipping", "Lemma 4", version="2"),
    given=[BoundedVariance(sigma)],
    when=[sigma <= 2 * c],
    claim=Upper(StuckGradientNorm, sigma**2 / (5 * c)),
)
"""
TRUE_CLAIM = FALSE_CLAIM.replace("/ (5 * c)", "/ (3 * c)")
BROKEN = {
    "a syntax error": ("x = = 1", "syntax error"),
    "no theorem": ("x = 1", "defines no Theorem"),
    "a name used twice": (FALSE_CLAIM + FALSE_CLAIM.split("\n\n", 1)[1].replace("bias =", "again ="), "already used"),
    "a name of the catalogue": (FALSE_CLAIM.replace("my_bias_bound", "S2"), "the catalogue has one of that name"),
    "a float literal": (FALSE_CLAIM.replace("/ (5 * c)", "* 0.2 / c"), "float literal"),
    "an unknown letter": (FALSE_CLAIM.replace("import B", "import unknown_letter, B"), "ImportError"),
    "an unknown symbol": (
        FALSE_CLAIM.replace("sigma**2 / (5 * c)", "__import__('sympy').Symbol('q') * c"),
        "unknown symbol q",
    ),
    "an empty claim": (FALSE_CLAIM.replace("Upper(StuckGradientNorm, sigma**2 / (5 * c))", "None"), "'claim'"),
    "no source": (FALSE_CLAIM.replace('Source("Our draft on clipping", "Lemma 4", version="2")', "None"), "'source'"),
    "an unknown assumption": (FALSE_CLAIM.replace("given=[BoundedVariance(sigma)]", "given=['bounded']"), "'given'"),
    "an exception": (FALSE_CLAIM + "\n1 / 0\n", "ZeroDivisionError"),
}


@dataclass
class Done:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


def clipbounds(*arguments: str | Path, cwd: Path) -> Done:
    """The command as a user runs it, but in this process, which has paid for its imports."""
    out, err, before = io.StringIO(), io.StringIO(), Path.cwd()
    os.chdir(cwd)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(a) for a in arguments])
    finally:
        os.chdir(before)
    return Done(code, out.getvalue(), err.getvalue())


def in_a_process(*arguments: str | Path, cwd: Path) -> Done:
    """The command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )
    return Done(done.returncode, done.stdout, done.stderr)


def one_line(done: Done) -> str:
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture
def claim(tmp_path: Path) -> Path:
    file = tmp_path / "my_claim.py"
    file.write_text(FALSE_CLAIM)
    return file


@pytest.mark.slow
def test_a_false_claim_outside_the_repository(claim: Path, tmp_path: Path) -> None:
    done = in_a_process("run", claim, "--budget", "60000steps", "--out", "report", "--json", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    (entry,) = json.loads(done.stdout)
    assert set(entry) >= {"name", "expect", "verdict", "as_expected", "check", "fuzz"}
    assert (entry["name"], entry["expect"], entry["verdict"], entry["as_expected"]) == (
        "my_bias_bound",
        "true",
        "refuted",
        False,
    )
    report = tmp_path / "report"
    assert (report / "index.html").is_file()
    (file,) = report.glob("findings/*/FINDING.json")
    finding = json.loads(file.read_text())
    # A two-atom counterexample in short fractions, which a reader checks by hand.
    assert finding["exact"]["violated"] is True
    assert len(finding["problem"]["noise"]["atoms"]) == 2
    assert len(json.dumps(finding["problem"]["noise"]["atoms"])) < 80

    again = in_a_process("replay", file, cwd=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "REPRODUCED" in again.stdout
    script = subprocess.run(
        [sys.executable, "-I", str(file.parent / "replay.py")], capture_output=True, text=True, check=False
    )
    assert script.returncode == 0, script.stdout + script.stderr
    assert "VIOLATED" in script.stdout

    (report / "index.html").unlink()
    rebuilt = clipbounds("report", report, cwd=tmp_path)
    assert rebuilt.returncode == 0
    assert (report / "index.html").is_file()


def test_a_true_claim_without_a_proof_passes_and_says_what_that_means(claim: Path, tmp_path: Path) -> None:
    claim.write_text(TRUE_CLAIM)
    done = clipbounds("run", claim, "--budget", "20000steps", "--out", "report", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "no_proof" in done.stdout
    assert "not a proof" in done.stdout
    assert not list(tmp_path.glob("report/findings/*"))


def test_check_in_json(tmp_path: Path) -> None:
    done = clipbounds("check", "S1_simple", "planted_unit_error", "planted_vacuous", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    entries = json.loads(done.stdout)
    assert [e["verdict"] for e in entries] == ["proved", "ill_formed", "vacuous"]
    for entry in entries:
        assert set(entry) >= {"name", "expect", "verdict", "obligations"}
        for obligation in entry["obligations"]:
            assert set(obligation) >= {"name", "kind", "verdict", "solvers", "seconds", "model"}
            assert set(obligation["solvers"]) in ({"z3", "cvc5"}, set())


@pytest.mark.slow
def test_fuzz_in_json(tmp_path: Path) -> None:
    done = clipbounds("fuzz", "planted_descent_theta_3", "D0", "--budget", "20000steps", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    entries = json.loads(done.stdout)
    for entry in entries:
        assert set(entry) >= {
            "name", "expect", "verdict", "score", "score_lower", "log10_e", "problem", "steps", "seconds",
        }  # fmt: skip
    assert [e["verdict"] for e in entries] == ["refuted", "achieved"]


def test_verdicts_do_not_depend_on_the_run(tmp_path: Path) -> None:
    first, second = (
        json.loads(clipbounds("fuzz", "planted_d1_quarter", "--budget", "300000steps", "--json", cwd=tmp_path).stdout)[
            0
        ]
        for _ in range(2)
    )
    for entry in (first, second):
        entry.pop("seconds")
        entry.pop("says")
    assert first == second


def test_list_names_the_catalogue(tmp_path: Path) -> None:
    entries = json.loads(clipbounds("list", "--json", cwd=tmp_path).stdout)
    names = {e["name"] for e in entries}
    assert {"D0", "D1", "S1", "S1_simple", "S2", "S2_T", "S3", "S3_small"} <= names
    assert all(e["source"] and e["status"] in ("verbatim", "recalled", "derived") for e in entries)
    assert clipbounds("list", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("name", BROKEN)
def test_a_bad_theorem_file_is_one_line(name: str, tmp_path: Path) -> None:
    text, message = BROKEN[name]
    file = tmp_path / "broken.py"
    file.write_text(text)
    said = one_line(clipbounds("run", file, "--out", "report", cwd=tmp_path))
    assert "broken.py" in said
    assert message in said
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "S2", "--budget", "0s"], "--budget"),
        (["run", "S2", "--budget", "abc"], "'abc'"),
        (["fuzz", "S2", "--seed", "-1"], "--seed"),
        (["run", "S2", "--device", "tpu"], "--device"),
        (["run", "no_such_statement"], "no_such_statement"),
        (["run", "nowhere.py"], "nowhere.py"),
        (["run", "S2", "--out", "taken"], "taken"),
        (["run", "S2", "--out", "taken/deeper"], "taken/deeper"),
        (["replay", "nowhere.json"], "nowhere.json"),
        (["replay", "taken"], "taken"),
        (["report", "."], "run.json"),
        (["sing"], "sing"),
        (["run", "--nonsense"], "--nonsense"),
    ],
)
def test_bad_arguments_are_one_line(arguments: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("not a folder")
    assert message in one_line(clipbounds(*arguments, cwd=tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def test_no_gpu_is_one_line(tmp_path: Path) -> None:
    # With a GPU the line says that this version has no engine for it; both are refusals.
    assert "--device" in one_line(clipbounds("run", "S2", "--device", "cuda", cwd=tmp_path))


def test_an_interrupted_report_leaves_nothing(claim: Path, tmp_path: Path) -> None:
    # A process that was started in the background may ignore the signal, as its children then do.
    heeded = "\nimport signal, os\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    claim.write_text(FALSE_CLAIM + heeded + "os.kill(os.getpid(), signal.SIGINT)\n")
    done = in_a_process("run", claim, "--out", "report", cwd=tmp_path)
    assert done.returncode == 130
    assert [p.name for p in tmp_path.iterdir()] == ["my_claim.py"]


@pytest.mark.slow
def test_kept_answers_are_marked_and_can_be_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPBOUNDS_CACHE", str(tmp_path / "cache"))
    told = []
    for extra in ([], [], ["--no-cache"]):
        done = clipbounds("check", "S1_simple", *extra, "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        (entry,) = json.loads(done.stdout)
        assert entry["verdict"] == "proved"
        told.append({s["cached"] for o in entry["obligations"] for s in o["solvers"].values()})
    assert told == [{False}, {True}, {False}]

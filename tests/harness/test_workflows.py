"""The scripts of the workflows do what they say, in a short form. The workflow files: ``test_workflow_files.py``."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from conftest import ENTRY, false_bias, make_finding, plugin, stuck_problem

from harness.finding import Finding
from harness.plugin.summary import SummaryError, cases, comment, issue, main, new_findings
from harness.store import Store

ROOT = Path(__file__).resolve().parents[2]
JUNIT = """<testsuites><testsuite name="pytest">
<testcase classname="claims.bias.check" name="bias"><properties><property name="clipbounds_verdict" value="no_proof"/>
</properties></testcase>
<testcase classname="claims.bias.fuzz" name="bias[1/2]"><properties>
<property name="clipbounds_verdict" value="not_found"/><property name="clipbounds_score" value="0.5"/>
<property name="clipbounds_steps" value="1000"/></properties></testcase>
<testcase classname="claims.bias.fuzz" name="bias[2/2]"><properties>
<property name="clipbounds_verdict" value="refuted"/><property name="clipbounds_score" value="1.25"/>
<property name="clipbounds_steps" value="234"/></properties>
<failure message="m">bias: refuted
  claim     ~~~ &lt;b&gt;
  replay    clipbounds replay out/FINDING.json</failure></testcase>
<testcase classname="claims.bias.check" name="old"><properties><property name="clipbounds_verdict" value="refuted"/>
</properties><skipped type="pytest.xfail" message="falls as declared: refuted"/></testcase>
<testcase classname="test_plain" name="test_arithmetic"/>
</testsuite></testsuites>"""


# -- comment and issue -------------------------------------------------------------------------------------------------


def test_a_comment_shows_the_table_and_the_instance(
    tmp_path: Path, bias_finding: Finding, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "junit.xml").write_text(JUNIT)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "FINDING.json").write_text(bias_finding.text())
    text = comment(tmp_path / "junit.xml", tmp_path)
    assert text.startswith("## clipbounds: 1 of 4 items failed\n")
    assert "| bias | claims.bias | no\\_proof | not\\_found, refuted | 1.2500 | 1,234 |  | **NO** |" in text
    assert "| old | claims.bias | refuted |  |  |  |  | yes |" in text
    # The block is fenced by more than what is in it, so that no text of a failure is markup.
    assert "\n~~~~\nbias: refuted\n  claim     ~~~ <b>\n" in text
    assert f"<summary>The instance, finding {bias_finding.id}</summary>" in text
    assert "test_arithmetic" not in text
    monkeypatch.chdir(tmp_path)
    assert main(["comment", "junit.xml", "--out", "comment.md"]) == 0
    assert (tmp_path / "comment.md").read_text() == text


def test_silence_is_not_green(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "junit.xml"
    file.write_text('<testsuites><testsuite><testcase classname="a" name="b"/></testsuite></testsuites>')
    with pytest.raises(SummaryError, match="nothing was checked"):
        comment(file, tmp_path)
    assert main(["comment", str(tmp_path / "absent.xml"), "--out", str(tmp_path / "c.md")]) == 2
    file.write_text("<testsuites>")
    assert main(["comment", str(file), "--out", str(tmp_path / "c.md")]) == 2
    assert capsys.readouterr().err.count("\n") == 2
    assert not (tmp_path / "c.md").exists()


def test_what_could_not_be_collected_is_a_failure(tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    file.write_text(
        '<testsuites><testsuite><testcase classname="" name="claims.bias"><error message="collection failure">'
        "claims/bias.py:3: syntax error</error></testcase></testsuite></testsuites>"
    )
    (case,) = cases(file)
    assert case.end == "error"
    assert "syntax error" in comment(file, tmp_path)
    assert comment(file, tmp_path).startswith("## clipbounds: 1 of 1 items failed")


def test_an_issue_tells_a_finding_once(tmp_path: Path) -> None:
    """Not what is declared to fall, and not what was told before; a tampered finding is told to nobody."""
    folder, known = tmp_path / "findings", tmp_path / "known.txt"
    wrong = make_finding(false_bias(), stuck_problem())
    declared = make_finding(false_bias(name="old", expect="refuted", falls_by="search"), stuck_problem())
    for finding in (wrong, declared):
        (folder / finding.folder).mkdir(parents=True)
        (folder / finding.folder / "FINDING.json").write_text(finding.text())
    assert [f.id for f in new_findings([folder], known)] == [wrong.id]
    command = ["issue", str(folder), "--known", str(known), "--out", str(tmp_path / "issue.md")]
    assert main(command) == 0
    text = (tmp_path / "issue.md").read_text()
    assert text.splitlines()[0] == "clipbounds: false-bias refuted"
    assert "clipbounds promote FINDING.json" in text
    assert main(command) == 0
    assert not (tmp_path / "issue.md").exists()
    assert known.read_text() == f"{wrong.id}\n"
    known.unlink()
    file = folder / wrong.folder / "FINDING.json"
    file.write_text(file.read_text().replace('"1/4"', '"1/3"'))
    assert main(command) == 2
    assert not known.exists()


def test_an_issue_of_many_findings_is_cut() -> None:
    many = [make_finding(false_bias(name=f"claim{k}"), stuck_problem()) for k in range(7)]
    text = issue(many)
    assert text.splitlines()[0].endswith("claim4 refuted and 2 more findings")
    assert text.count("<details>") == 5


# -- the scripts -------------------------------------------------------------------------------------------------------


def script(name: str, *arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A script of ``ci`` with this interpreter, from a user's folder."""
    return subprocess.run(
        ["bash", str(ROOT / "ci" / name), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={
            **os.environ,
            "CLIPBOUNDS_PYTHON": sys.executable,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ENTRY}",
            "PYTEST_ADDOPTS": f"-p {plugin()} -p no:playwright",
            "WORKERS": "2",
            **environment,
        },
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "tests" / "example_repository", tmp_path / "repository"))


@pytest.fixture
def gh(tmp_path: Path) -> dict[str, str]:
    """A ``gh`` that writes down what it is asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "gh").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >"{tmp_path}/asked"\ncat >>"{tmp_path}/asked"\n')
    (folder / "gh").chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_a_comment_goes_to_its_pull_request(tmp_path: Path, gh: dict[str, str]) -> None:
    done = script("comment", cwd=tmp_path, NUMBER="7", **gh)
    assert done.returncode == 2
    assert "is not there" in done.stderr
    (tmp_path / "clipbounds-ci").mkdir()
    (tmp_path / "clipbounds-ci" / "comment.md").write_text("hello")
    assert script("comment", cwd=tmp_path, **gh).returncode != 0
    assert script("comment", cwd=tmp_path, NUMBER="7", **gh).returncode == 0
    asked = (tmp_path / "asked").read_text().split()
    assert asked[:5] == ["pr", "comment", "7", "--body-file", "clipbounds-ci/comment.md"]


def test_an_issue_is_opened_only_for_news(tmp_path: Path, gh: dict[str, str]) -> None:
    done = script("open-issue", cwd=tmp_path, **gh)
    assert (done.returncode, done.stdout) == (0, "open-issue: no new finding\n")
    (tmp_path / "clipbounds-nightly").mkdir()
    (tmp_path / "clipbounds-nightly" / "issue.md").write_text("title; $(id)\n\nbody\n")
    assert script("open-issue", cwd=tmp_path, **gh).returncode == 0
    assert (tmp_path / "asked").read_text() == "issue\ncreate\n--title\ntitle; $(id)\n--body-file\n-\n\nbody\n"


def test_the_worse_of_two_exit_codes() -> None:
    def worse(one: int, two: int) -> int:
        code = f'CLIPBOUNDS_PYTHON=x; . "{ROOT}/ci/workflow.sh"; worse {one} {two}'
        return int(subprocess.check_output(["bash", "-c", code], text=True))

    assert [worse(0, 0), worse(1, 3), worse(3, 1), worse(0, 3), worse(1, 2), worse(9, 0)] == [0, 1, 1, 3, 2, 9]


@pytest.mark.slow
def test_a_pull_request_in_short(repository: Path) -> None:
    done = script("pull-request", "claims", cwd=repository, BUDGET="20000steps", PARTS="2")
    assert done.returncode == 0, done.stdout + done.stderr
    text = (repository / "clipbounds-ci" / "comment.md").read_text()
    assert text.startswith("## clipbounds: 9 items, all as declared")
    again = script("pull-request", "claims", "wrong", cwd=repository, BUDGET="20000steps", PARTS="2")
    assert again.returncode == 1
    text = (repository / "clipbounds-ci" / "comment.md").read_text()
    assert text.startswith("## clipbounds: 3 of 12 items failed")
    assert "The instance, finding" in text
    (repository / "claims" / "bias.py").write_text("from theorems.language import Theorem\nx = = 1\n")
    broken = script("pull-request", "claims", cwd=repository, BUDGET="20000steps")
    # With workers pytest goes on after a file that cannot be read, and its code is that of a failure.
    assert broken.returncode == 1, broken.stdout + broken.stderr
    assert "syntax error" in (repository / "clipbounds-ci" / "comment.md").read_text()


@pytest.mark.slow
def test_a_night_in_short(repository: Path) -> None:
    """Two nights: the first tells the finding in an issue, the second has nothing new, and starts from the corpus."""
    options = {"BUDGET": "20000steps", "CAMPAIGN": "none"}
    done = script("nightly", "claims", "wrong", cwd=repository, **options)
    assert done.returncode == 1, done.stdout + done.stderr
    out, state = repository / "clipbounds-nightly", repository / ".clipbounds"
    assert (out / "issue.md").read_text().splitlines()[0] == "clipbounds: too_good refuted"
    assert (state / "corpus" / "rate.jsonl").is_file()
    told = set((state / "known-findings.txt").read_text().split())
    assert told
    # What the second night finds may be another instance; that of the first is not told again.
    again = script("nightly", "claims", "wrong", cwd=repository, **options)
    assert again.returncode == 1
    lines = (state / "known-findings.txt").read_text().split()
    assert len(lines) == len(set(lines))
    assert told <= set(lines)


@pytest.mark.slow
def test_a_night_with_a_campaign(repository: Path) -> None:
    """The store is kept and holds one more campaign after the second night, which begins from what the first one left;
    the site has a page. A third takes up the second, which was cut short."""
    options = {"BUDGET": "20000steps", "CAMPAIGN": "100000steps", "SEED": "1"}
    for night in (1, 2, 3):
        nights = min(night, 2)
        if night == 3:
            with Store(repository / ".clipbounds" / "store.sqlite") as store:
                store.connection.execute("UPDATE campaigns SET state = 'running' WHERE id = 2")
        done = script("nightly", "claims/convergence.py", cwd=repository, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        command = ["-m", "harness.cli", "export", "--store", ".clipbounds/store.sqlite"]
        told = subprocess.check_output(
            [sys.executable, *command, "--table", "campaigns", "--format", "jsonl"],
            cwd=repository,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            text=True,
        )
        rows = [json.loads(line) for line in told.splitlines()]
        assert [row["state"] for row in rows] == ["finished"] * nights
        with Store(repository / ".clipbounds" / "store.sqlite", read_only=True) as store:
            begun = store.rows("SELECT campaign, starts FROM theorems ORDER BY campaign")
            assert all(json.loads(row["starts"]) for row in begun if row["campaign"] == 2)
            assert store.value("SELECT count(*) FROM sessions") == night
        assert (repository / "clipbounds-nightly" / "campaign" / "run.json").is_file()
        assert (repository / "clipbounds-nightly" / "site" / "index.html").is_file()
    assert not (repository / "clipbounds-nightly" / "issue.md").exists()


# -- weekly ------------------------------------------------------------------------------------------------------------


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "ci" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made


def test_an_engine_that_became_slower_is_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ratio = module("bench_ratio")
    committed = max((ROOT / "ci" / "results").glob("engine-cpu-*.md"))
    assert len(ratio.ratios(committed.read_text())) >= 10
    assert ratio.main([str(committed)]) == 0
    assert ratio.main([str(committed), "--least", "1.01"]) == 1
    row = "| W1 | float32 | NumPy reference, same words | 61.63 | 59 to 62 | {} | 15 | met |\n"
    (tmp_path / "old.md").write_text("## One core, processor time\n\n" + row.format(30))
    for new, code in ((30, 0), (25, 0), (23, 1)):
        (tmp_path / "new.md").write_text("## One core, processor time\n\n" + row.format(new))
        assert ratio.main([str(tmp_path / "new.md"), str(tmp_path / "old.md")]) == code
    # Rows of another section are of another kind, and a comparison of nothing is no pass.
    (tmp_path / "new.md").write_text("## All cores\n\n" + row.format(30))
    assert ratio.main([str(tmp_path / "new.md"), str(tmp_path / "old.md")]) == 2
    assert ratio.main([str(tmp_path / "absent.md")]) == 2
    assert "have no row in common" in capsys.readouterr().err


def test_mutants_that_were_not_tried_are_not_killed() -> None:
    mutants = module("mutants")
    results = "    a.b.x_f__mutmut_1: killed\n    a.b.x_f__mutmut_2: not checked\n    a.b.x_g__mutmut_1: no tests\n"
    assert [m["end"] for m in mutants.asked_for(results, "")] == ["killed", "not checked", "no tests"]
    assert [m["end"] for m in mutants.asked_for(results, "a.b.x_f__*")] == ["killed", "not checked"]
    assert mutants.asked_for(results, "a.b.x_h*") == []


def test_a_survivor_that_is_not_listed_is_told(tmp_path: Path) -> None:
    mutants = module("mutants")
    diff = "--- a.py\n+++ a.py\n@@ -1 +1 @@\n def f():\n-    return  1\n+    return 2\n"
    one = mutants.Mutant("harness.judge.f", "survived", mutants._change(diff))
    assert one.line == "harness.judge.f: return 1 -> return 2"
    hung = mutants.Mutant("harness.judge.g", "timeout", "return 1 -> return 3")
    text, new = mutants.report([("harness/judge.py", [one, hung], 10)], [])
    assert new == 1
    assert "| harness/judge.py | 10 | 8 | 1 | 0 | 1 |" in text
    assert one.line in text
    (tmp_path / "known.txt").write_text(f"# the same\n{one.line}\n")
    assert mutants.report([("harness/judge.py", [one], 10)], mutants.known(tmp_path / "known.txt"))[1] == 0
    assert mutants.main(["harness/cli.py"]) == 2
    assert mutants.main(["--only", "harness.cli.x*"]) == 2


@pytest.mark.slow
def test_a_week_in_short(tmp_path: Path) -> None:
    """Mutants of one small function, all of which tests kill; and one that is known to survive, on an empty list."""
    done = script("weekly", "mutation", cwd=tmp_path, MUTATE="harness.judge.x_exit_code*")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| harness/judge.py |" in (tmp_path / "clipbounds-weekly" / "mutants.md").read_text()
    assert script("weekly", "something", cwd=tmp_path).returncode == 2


@pytest.mark.slow
def test_the_benchmark_of_a_week_in_short(tmp_path: Path) -> None:
    """One round of one workload. On a machine that others use no speed is promised, so that any is enough; one that is
    asked to be a hundred times what was committed is told to be slower."""
    options = {"ONLY": "W1", "ROUNDS": "1"}
    done = script("weekly", "benchmark", cwd=tmp_path, LEAST="0", **options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "W1 float32 NumPy reference, same words: " in done.stdout
    ratio = [sys.executable, str(ROOT / "ci" / "bench_ratio.py"), "clipbounds-weekly/engine.md", "--least", "100"]
    assert subprocess.run(ratio, cwd=tmp_path, capture_output=True, check=False).returncode == 1

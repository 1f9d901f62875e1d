"""The site: whole, growing, with addresses that stay; strangers' words stay words in every form."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pytest
from conftest import false_bias, make_finding, stuck_problem
from reports import EVIL, evil_theorem, run_record, scripts_of, theorem_record

from harness.cli import main
from harness.finding import Finding
from harness.report.bundle import load_bundle
from harness.report.folder import ReportFolder
from harness.report.links import Links
from harness.report.markdown import comment_markdown
from harness.report.pages import own_script, theorem_page
from harness.report.records import ReportError, RunRecord
from harness.report.site import build_site
from harness.report.tables import cell, csv_table
from theorems.language import Source

QUERY = {"queries/false-bias/00-units.smt2": "(check-sat)\n"}


def report(place: Path, run: RunRecord, findings: list[Finding]) -> Path:
    with ReportFolder(place) as folder:
        folder.finish(run, findings, QUERY)
    return place


def first(tmp_path: Path, finding: Finding, name: str = "first", started: str = "2026-01-01T00:00:00Z") -> Path:
    run = run_record(theorem_record(false_bias(), findings=(finding.folder,))).model_copy(update={"started": started})
    return report(tmp_path / name, run, [finding])


def test_every_link_leads_somewhere_and_every_page_stands_alone(tmp_path: Path, bias_finding: Finding) -> None:
    site = tmp_path / "site"
    build_site(site, [first(tmp_path, bias_finding)])
    pages = list(site.rglob("*.html"))
    assert len(pages) == 5
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert len(text) < 1_000_000
        assert scripts_of(text) == [own_script()]
        assert not re.search(r"""(src|href)=["'](https?:|//|data:text)""", text)
        for link in re.findall(r'<a [^>]*?href="([^"#]+)"', text):
            assert (page.parent / link).resolve().is_file(), f"{page.relative_to(site)}: {link}"
    base = site / "findings" / bias_finding.id
    assert load_bundle(base / "finding.zip") == bias_finding
    assert (base / "FINDING.json").read_text() == bias_finding.text()
    assert (site / "schema" / "finding-2.json").is_file()
    assert bias_finding.id in (site / "index.html").read_text()


def test_a_site_grows_and_keeps_its_addresses(tmp_path: Path, bias_finding: Finding) -> None:
    site = tmp_path / "site"
    old = first(tmp_path, bias_finding)
    build_site(site, [old])
    kept = (site / "findings" / bias_finding.id / "FINDING.json").read_bytes()
    shutil.rmtree(old)
    # The same finding, seen again with another seed, and a statement whose verdict has changed.
    again = make_finding(false_bias(), stuck_problem(), seed=7)
    assert again.id == bias_finding.id
    record = theorem_record(false_bias(), verdict="no_proof", word="no_proof", findings=(again.folder,))
    newer = run_record(record).model_copy(update={"started": "2026-02-01T00:00:00Z"})
    built = build_site(site, [report(tmp_path / "second", newer, [again])])
    assert [campaign.run.started for campaign in built.campaigns] == ["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"]
    assert (site / "findings" / bias_finding.id / "FINDING.json").read_bytes() == kept
    history = (site / "history.html").read_text()
    assert "2 campaigns; from one to the next one verdict changed." in history
    statement = (site / "statements" / "false-bias.html").read_text()
    assert statement.count("campaigns/") >= 2
    # Only the newest campaign's queries are kept, and its pages link to them.
    assert [p.parts[-4] for p in site.rglob("*.smt2")] == [built.campaigns[-1].id]
    before = {p.relative_to(site): p.read_bytes() for p in site.rglob("*") if p.is_file()}
    build_site(site, [tmp_path / "second"])
    assert {p.relative_to(site): p.read_bytes() for p in site.rglob("*") if p.is_file()} == before
    build_site(site, [])
    assert {p.relative_to(site): p.read_bytes() for p in site.rglob("*") if p.is_file()} == before


def test_a_bad_site_or_report_is_one_line_and_changes_nothing(
    tmp_path: Path, bias_finding: Finding, capsys: pytest.CaptureFixture[str]
) -> None:
    site, good = tmp_path / "site", first(tmp_path, bias_finding)
    assert main(["report", "--site", str(site), str(good), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["findings"] == [bias_finding.id]
    assert told["theorems"] == ["false-bias"]
    before = {p: p.read_bytes() for p in site.rglob("*") if p.is_file()}
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "thesis.tex").write_text("x")
    broken = tmp_path / "broken"
    shutil.copytree(good, broken)
    file = broken / "findings" / bias_finding.folder / "FINDING.json"
    file.write_text(file.read_text().replace('"1/5"', '"1/6"', 1))
    misplaced = tmp_path / "misplaced"
    shutil.copytree(good, misplaced)
    (misplaced / "run.json").write_text((good / "run.json").read_text().replace(bias_finding.folder, "../../first"))
    for arguments, message in (
        (["report", "--site", str(site), str(tmp_path / "nowhere")], "run.json is missing"),
        (["report", "--site", str(thesis), str(good)], "field '--site': holds other files"),
        (["report", "--site", str(site), str(broken)], "field 'sha256'"),
        (["report", "--site", str(site), str(misplaced)], "is no folder name"),
        (["report", "--site", str(tmp_path / "new")], "no report is given"),
        (["report", str(good), str(good)], "one folder is rebuilt at a time, not 2"),
        (["report"], "not 0"),
    ):
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert {p: p.read_bytes() for p in site.rglob("*") if p.is_file()} == before
    assert not (tmp_path / "new").exists()
    (site / "site.json").write_text('{"format": 1, "campaigns": ["../../first"], "findings": {}}')
    with pytest.raises(ReportError, match="is no name of a campaign"):
        build_site(site, [good])
    (site / "site.json").write_text("{")
    with pytest.raises(ReportError, match="cannot be read"):
        build_site(site, [good])


def test_words_of_a_theorem_file_stay_words_on_a_site(tmp_path: Path) -> None:
    theorem = evil_theorem()
    finding = make_finding(theorem, stuck_problem(), values={"p0": "1", "c": "1"}, suspected=EVIL, why=EVIL)
    run = run_record(theorem_record(theorem, remark=EVIL, findings=(finding.folder,)))
    site = tmp_path / "site"
    build_site(site, [report(tmp_path / "evil", run, [finding])])
    for page in site.rglob("*.html"):
        assert scripts_of(page.read_text(encoding="utf-8")) == [own_script()]
    assert "alert(1)" in (site / "index.html").read_text()
    assert not [p for p in tmp_path.rglob("*") if "script" in p.name and p.suffix != ".json"]


def test_names_that_leave_their_folder_never_become_paths() -> None:
    for path in (
        "queries/../../etc/passwd",
        "/etc/passwd",
        "queries/a/b.html",
        "javascript:alert(1)",
        "queries/a/../b.smt2",
    ):
        with pytest.raises(ValueError, match="no path of a query"):
            Links().query(path)
    record = theorem_record(false_bias())
    assert record.check is not None
    evil = record.check.obligations[0].model_copy(update={"query": "javascript:alert(1)"})
    changed = record.model_copy(update={"check": record.check.model_copy(update={"obligations": (evil,)})})
    with pytest.raises(ValueError, match="no path of a query"):
        theorem_page(changed)


# -- spreadsheets and forges -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("http://evil")',
        "+1+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "  =1",
        "-inf",
        "|x",
        "%x",
    ],
)
def test_no_cell_is_a_formula(text: str) -> None:
    shown = cell(text)
    assert shown.startswith("'")
    assert shown.isprintable()
    (row,) = csv.reader(io.StringIO(csv_table(("a",), [(text, 'b"c,\n')]).split("\r\n", 1)[1]))
    assert row == [shown, 'b"c, ']


@pytest.mark.parametrize("text", ["-0.5", "1e-6", "E f(x) <= 3", "", "1/4"])
def test_numbers_and_words_stay_as_they_are(text: str) -> None:
    assert cell(text) == text


def test_the_catalogue_of_a_site_is_safe_to_open(tmp_path: Path) -> None:
    theorem = false_bias(title='=cmd|"/C calc"!A0', source=Source("@evil", "+1", version="-1+1"))
    site = tmp_path / "site"
    build_site(site, [report(tmp_path / "r", run_record(theorem_record(theorem)), [])])
    with (site / "catalogue.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row["name"] == "false-bias"
    for value in row.values():
        assert not value.startswith(("=", "+", "@", "-"))
    assert row["title"] == "'" + theorem.title


def test_a_comment_is_short_calls_nobody_and_links_nowhere(bias_finding: Finding) -> None:
    title = "@everyone see https://evil.example and www.evil.example " + "x" * 5000
    theorems = [
        theorem_record(false_bias(name=f"a{k}", title=title), word="refuted", findings=(bias_finding.folder,))
        for k in range(50)
    ]
    noisy = bias_finding.model_copy(
        update={"statement": bias_finding.statement.model_copy(update={"text": title, "title": title})}
    )
    text = comment_markdown(run_record(*theorems), [noisy])
    assert len(text) < 8000
    assert "and 38 more" in text
    assert "25% more than allowed" in text
    assert f"clipbounds replay findings/{bias_finding.folder}/FINDING.json" in text
    for word in ("@everyone", "https://evil", "www.evil"):
        assert word not in text
    fine = comment_markdown(run_record(theorem_record(false_bias(), as_expected=True)), [])
    assert "all as expected" in fine
    assert "|" not in fine

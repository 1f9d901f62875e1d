"""Reports: what the pages say, that they stand alone, and that strangers' words stay words."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sympy as sp
from conftest import false_bias, make_finding, stuck_problem, trajectory_problem, trajectory_theorem
from reports import EVIL, evil_theorem, run_record, scripts_of, theorem_record

from fuzz.problem import Family, FiniteLaw, Problem
from harness.finding import Finding
from harness.report.figures import noise_picture, trajectory_pictures
from harness.report.folder import ReportFolder, rebuild
from harness.report.formula import FormulaSheet
from harness.report.hand_check import hand_check
from harness.report.markdown import comment_markdown, escape, finding_markdown, prose
from harness.report.meeting import bounds_meet
from harness.report.pages import finding_page, index_page, own_script, theorem_page
from harness.report.records import ConstantRecord, ReportError, load_run
from harness.report.typeset import typeset
from harness.report.words import caption_over_time, constant_interval
from theorems.catalogue import load_catalogue
from theorems.language import Rational


def test_the_finding_page_has_every_section(bias_finding: Finding) -> None:
    page = finding_page(bias_finding)
    for heading in (
        "refuted", "The instance", "Check it by hand", "Pictures", "Why each assumption holds",
        "Claimed against observed", "Agreement of engines", "What is suspected", "How it was found", "Do it again",
    ):  # fmt: skip
        assert heading in page
    assert "A draft, Lemma 1, version 1" in page
    assert "the gradient norm is 1/4, but the claim allows at most 1/5: 25% more than allowed" in page
    assert "sum 0" in page
    assert "clipbounds replay FINDING.json" in page
    assert bias_finding.sha256 in page


@pytest.mark.parametrize("which", ["bias_finding", "run_finding"])
def test_pages_stand_alone(which: str, request: pytest.FixtureRequest) -> None:
    page = finding_page(request.getfixturevalue(which))
    assert len(page.encode()) < 1_000_000
    assert not re.search(r"""(src|href)=["'](https?:|//|data:text)""", page)
    assert "@import" not in page
    assert "url(http" not in page
    assert scripts_of(page) == [own_script()]
    for reference in re.findall(r'href="#([^"]+)"', page):
        assert f'id="{reference}"' in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_ids_are_unique_in_a_page(run_finding: Finding) -> None:
    ids = re.findall(r' id="([^"]+)"', finding_page(run_finding))
    assert len(ids) == len(set(ids))


def test_a_page_allows_its_own_script_alone(bias_finding: Finding) -> None:
    """What the policy names is the hash of the script that stands there, so that a browser runs it and no other."""
    page = finding_page(bias_finding)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    (digest,) = re.findall(r"script-src 'sha256-([^']+)'", policy)
    (script,) = scripts_of(page)
    assert base64.b64decode(digest) == hashlib.sha256(script.encode()).digest()
    assert "default-src 'none'" in policy
    assert " on" not in " ".join(re.findall(r"<[a-z]+ [^>]*\bon[a-z]+=", page))


def test_words_of_a_theorem_file_stay_words() -> None:
    theorem = evil_theorem()
    finding = make_finding(theorem, stuck_problem(), values={"p0": "1", "c": "1"}, suspected=EVIL, why=EVIL)
    record = theorem_record(theorem, remark=EVIL)
    pages = [finding_page(finding), theorem_page(record), index_page(run_record(record))]
    for page in pages:
        assert "alert(1)" in page
        assert scripts_of(page) == [own_script()]
    for text in (finding_markdown(finding), comment_markdown(run_record(record), [finding])):
        assert "<script" not in text
        assert "alert(1)" in text


def test_formulas_of_our_own_stay_formulas_in_markdown() -> None:
    assert prose(r"so $\max_i L_i\le L_0$ | done") == r"so $\max_i L_i\le L_0$ \| done"
    for text in ("5 $ a", "$<script>$", "$`x`$", "$[a](http://b)!$"):
        assert prose(text) == escape(text)


def test_pictures_of_a_finite_law() -> None:
    """Runs of a law that engines run are drawn, others are not; its histogram too where there is no table."""
    law = FiniteLaw(((Rational(1, 4), (sp.Integer(3),)), (Rational(3, 4), (-sp.Integer(1),))))
    problem = replace(trajectory_problem(), noise=law)
    runs, _, statistics = trajectory_pictures(problem, "AverageGradientNorm", 0.2, 0)
    assert statistics is not None
    assert runs.startswith("<svg")
    assert noise_picture(problem, None).startswith("<svg")
    off = FiniteLaw(((Rational(1, 3), (sp.Integer(2),)), (Rational(2, 3), (-sp.Integer(1),))))
    assert trajectory_pictures(replace(problem, noise=off), "AverageGradientNorm", 0.2, 0)[2] is None


def test_the_hand_check_is_clipping_by_definition() -> None:
    check = hand_check(stuck_problem())
    assert check is not None
    assert check.rational
    assert check.drift == 0
    assert [row.clipped for row in check.rows] == [(1,), (-Rational(1, 4),)]
    assert check.mean == (0,)
    assert check.variance == 1


def test_the_hand_check_in_the_plane() -> None:
    law = FiniteLaw(
        ((Rational(1, 2), (sp.Integer(0), sp.Integer(3))), (Rational(1, 2), (sp.Integer(0), -sp.Integer(3))))
    )
    problem = Problem(
        objective=Family("quadratic", ({"curvature": sp.Integer(1)},) * 2),
        noise=law,
        start=(sp.Integer(4), sp.Integer(0)),
        step_size=sp.Integer(1),
        clipping_threshold=sp.Integer(1),
        steps=1,
    )
    check = hand_check(problem)
    assert check is not None
    assert [row.along for row in check.rows] == [Rational(4, 5)] * 2
    assert check.drift == Rational(4, 5)


def test_pictures_of_a_run() -> None:
    runs, over_time, statistics = trajectory_pictures(trajectory_problem(), "AverageGradientNorm", 0.2, 0)
    assert statistics is not None
    for picture in (runs, over_time):
        assert picture.startswith("<svg")
        assert "currentColor" in picture
        assert "<style" not in picture


@pytest.mark.parametrize("latex", [r"f\text{ is }1\text{-smooth}", r"\frac{\sigma^{2}}{5 c}"])
def test_formulas_are_typeset_and_kept(latex: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept on disk is used again; a damaged or forged file costs time or looks, and brings no markup."""
    monkeypatch.setenv("CLIPBOUNDS_CACHE", str(tmp_path))
    typeset.cache_clear()
    shown = FormulaSheet().inline(latex)
    assert shown.startswith("<svg")
    (kept,) = tmp_path.rglob("*.svgz")
    typeset.cache_clear()
    from ziamath import zmath

    monkeypatch.setattr(zmath, "Latex", None)
    assert FormulaSheet().inline(latex) == shown
    kept.write_bytes(kept.read_bytes()[:-5])
    assert FormulaSheet().inline(latex + " ").startswith("<code")  # nothing is kept of it, and no typesetter is there
    typeset.cache_clear()
    monkeypatch.undo()
    monkeypatch.setenv("CLIPBOUNDS_CACHE", str(tmp_path))
    assert FormulaSheet().inline(latex) == shown
    forged = zlib.decompress(kept.read_bytes()).decode().replace("<path", "<script>alert(1)</script><path", 1)
    kept.write_bytes(zlib.compress(forged.encode()))
    typeset.cache_clear()
    assert "<script" not in FormulaSheet().inline(latex)
    typeset.cache_clear()


@pytest.mark.parametrize(
    "latex", ["</svg><script>alert(1)</script>", r"\text{<script>}", r"\frac{", "x" * 5000, r"\href{javascript:x}{y}"]
)
def test_formulas_never_carry_markup(latex: str) -> None:
    shown = str(FormulaSheet().inline(latex))
    assert "<script" not in shown
    assert 'javascript:x"' not in shown.replace("aria-label", "")
    assert shown.startswith(("<svg", "<code"))


def test_a_folder_is_whole_or_absent(tmp_path: Path, bias_finding: Finding) -> None:
    target = tmp_path / "deep" / "report"
    with pytest.raises(RuntimeError, match="stop"), ReportFolder(target):
        raise RuntimeError("stop")
    assert list(target.parent.iterdir()) == []
    run = run_record(theorem_record(false_bias(), findings=(bias_finding.folder,)))
    for _ in range(2):
        with ReportFolder(target) as folder:
            folder.finish(run, [bias_finding], {"queries/false-bias/00-units.smt2": "(check-sat)"})
    files = {str(f.relative_to(target)) for f in target.rglob("*") if f.is_file()}
    base = f"findings/{bias_finding.folder}"
    assert files == {
        "run.json", "index.html", "index.md", "comment.md", "theorems/false-bias.html",
        "queries/false-bias/00-units.smt2",
        f"{base}/FINDING.json", f"{base}/finding.html", f"{base}/finding.md", f"{base}/replay.py",
        f"{base}/finding.zip",
    }  # fmt: skip
    assert [p.name for p in target.parent.iterdir()] == ["report"]
    before = {f: (target / f).read_bytes() for f in files}
    (target / "index.html").unlink()
    rebuild(target)
    assert {f: (target / f).read_bytes() for f in files} == before


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda place: place.write_text("x"), "is a file"),
        (lambda place: (place.mkdir(), (place / "thesis.tex").write_text("x")), "holds other files"),
        (lambda place: place.parent.joinpath("block").write_text("x"), "cannot be written"),
    ],
)
def test_a_bad_target_is_told_before_any_work(prepare: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    target = tmp_path / "out"
    prepare(target)
    if message == "cannot be written":
        target = tmp_path / "block" / "out"
    with pytest.raises(ReportError, match=message), ReportFolder(target):
        pytest.fail("entered")


def test_links_of_the_index_lead_somewhere(tmp_path: Path, bias_finding: Finding) -> None:
    target = tmp_path / "report"
    with ReportFolder(target) as folder:
        folder.finish(run_record(theorem_record(false_bias(), findings=(bias_finding.folder,))), [bias_finding], {})
    for page in target.rglob("*.html"):
        for link in re.findall(r'<a href="([^"#]+)"', page.read_text()):
            assert (page.parent / link).is_file(), f"{page.name}: {link}"


def test_upper_and_lower_bound_meet_on_a_page_of_their_own(tmp_path: Path) -> None:
    catalogue = load_catalogue()
    proved = [
        theorem_record(catalogue[name], verdict="proved", word="proved", as_expected=True, fuzz=None)
        for name in ("S2_T", "S3", "S3_small")
    ]
    for records, there in ((proved, True), (proved[:2], False)):
        target = tmp_path / str(there)
        with ReportFolder(target) as folder:
            folder.finish(run_record(*records), [], {})
        assert (target / "meeting.html").is_file() == there
        assert ("meeting.html" in (target / "index.html").read_text()) == there
        assert ("../meeting.html" in (target / "theorems" / "S3.html").read_text()) == there
    page = (tmp_path / "True" / "meeting.html").read_text()
    assert page.count(">equal<") == 3
    assert ">different<" not in page
    assert '<svg class="picture broad"' in page
    unproved = [r.model_copy(update={"verdict": "unknown"}) for r in proved]
    assert not bounds_meet(run_record(*unproved))


def hidden_constant() -> dict[str, Any]:
    """An entry of ``constant --json``."""
    low = {"value": "2/3", "decimal": 2 / 3, "says": "confirmed exactly: <b>a run</b>"}
    high = {"value": "1000001/1500000", "decimal": 0.666667, "says": "both solvers show every step"}
    return {
        "name": "hidden", "expect": "true", "verdict": "interval", "sense": "least", "low": low, "high": high,
        "blocked": None, "ray": None, "problem": None, "steps": 5, "seconds": 0.1,
    }  # fmt: skip


def test_a_constants_interval_is_written_into_a_report(tmp_path: Path) -> None:
    """Ends are rounded outwards, words are escaped, and what is read again is what was written."""
    record = theorem_record(false_bias(name="hidden"))
    with ReportFolder(tmp_path / "report") as folder:
        folder.finish(run_record(record), [], {})
    page = tmp_path / "report" / "theorems" / "hidden.html"
    assert "The hidden constant" not in page.read_text()
    told = ConstantRecord.of(hidden_constant())
    rebuild(tmp_path / "report", {"hidden": told})
    assert constant_interval(told) == r"C \in [0.666666, 0.666668]"
    assert "The hidden constant" in page.read_text()
    assert "<b>a run</b>" not in page.read_text()
    assert load_run(tmp_path / "report").theorems[0].constant == told
    assert rebuild(tmp_path / "report").theorems[0].constant == told
    with pytest.raises(ReportError, match="field 'theorems': has no statement 'other'"):
        rebuild(tmp_path / "report", {"other": told})
    rebuild(tmp_path / "report", {"other": told}, whole=False)


def test_a_claim_that_no_constant_saves_says_so() -> None:
    ray = {"path": {"eta": "z**-2", "T": "z**4"}, "says": "it outruns the terms", "verdict": "proved"}
    told = ConstantRecord.of({**hidden_constant(), "verdict": "diverges", "low": None, "high": None, "ray": ray})
    page = theorem_page(theorem_record(false_bias(), constant=told))
    assert "No constant will do" in page
    assert "along eta = z**-2, T = z**4: it outruns the terms (proved)" in page
    half = ConstantRecord.of({**hidden_constant(), "high": None})
    assert constant_interval(half) == r"C \in [0.666666, \infty)"


def test_only_what_is_a_mean_is_called_one(finding_of: Callable[..., Finding]) -> None:
    """Below the picture over time: with exact gradients there is neither a mean nor a band."""
    noisy = trajectory_problem()
    quiet = replace(noisy, noise=Family("none", ({},)))
    for problem, says in (
        (noisy, "The mean gradient norm over time (band: two standard errors), against"),
        (quiet, "The gradient norm over time, against"),
    ):
        assert caption_over_time(finding_of(trajectory_theorem(), problem)).startswith(says)

"""The site in a real browser. ``ci/test-browser`` runs these tests; the other suites leave this folder out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import stuck_problem, trajectory_problem
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from fuzz.problem import Problem
from harness.attack import finding_of
from harness.confirm import confirm
from harness.evidence import ErrorLedger
from harness.finding import Finding
from harness.progress import Progress
from harness.report.folder import ReportFolder
from harness.report.records import CheckRecord, FuzzRecord, RunRecord, TheoremRecord
from harness.report.site import build_site
from harness.run import _obligation, _proof_item, _query_paths, check_all
from harness.statement import record_statement
from theorems.catalogue import load_catalogue
from theorems.language import L0, L1, Rational, sigma

pytestmark = pytest.mark.browser

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's browser, or ``$CHROMIUM``. Without one these tests fail; they are never skipped."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.fail("no chromium is installed; ci/test-browser installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


def found_at(name: str, problem: Problem, choices: dict[Any, Any]) -> Finding:
    """A real finding: confirmed here and now."""
    theorem = load_catalogue()[name]
    seen = confirm(theorem, problem, ledger=ErrorLedger(), seed=1, choices=choices)
    return finding_of(theorem, seen, seed=1, found_by="Written by hand for the tests of the browser.", effort=None)


@pytest.fixture(scope="session")
def findings() -> dict[str, Finding]:
    """A stuck point that a pencil checks, and a run with random numbers."""
    one = found_at("planted_bias_one_fifth", stuck_problem(), {sigma: Rational(1)})
    small = replace(
        trajectory_problem(),
        clipping_threshold=Rational(1, 4),
        start=(Rational(3, 4),),
        step_size=Rational(1, 4),
        steps=100,
    )
    run = found_at("planted_s3_no_bias", small, {sigma: Rational(1), L0: Rational(1), L1: Rational(1)})
    return {"one": one, "run": run}


def record(name: str, verdict: str, finding: Finding | None = None, **more: Any) -> TheoremRecord:
    theorem = load_catalogue()[name]
    fuzz = FuzzRecord(
        verdict="refuted" if finding else "not_found", score=1.25 if finding else 0.8, score_lower=None, log10_e=None,
        problem="a quadratic", steps=1000, seconds=1.0, says="As told by a test.",
    )  # fmt: skip
    fields: dict[str, Any] = {
        "statement": record_statement(theorem), "verdict": verdict, "word": verdict, "as_expected": True, "remark": "",
        "proof": (), "check": None, "fuzz": fuzz, "findings": (finding.folder,) if finding else (),
    }  # fmt: skip
    return TheoremRecord(**{**fields, **more})


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, findings: dict[str, Finding]) -> Path:
    """Two campaigns over four statements; S2 with its real proof."""
    place = tmp_path_factory.mktemp("site")
    theorem = load_catalogue()["S2"]
    (check,) = check_all([theorem], Progress())
    paths = _query_paths(check)
    told = CheckRecord(
        verdict=check.verdict, reason=check.reason, seconds=check.seconds, rules=check.rules, cited=check.cited,
        obligations=tuple(_obligation(o, path) for o, path in zip(check.obligations, paths, strict=True)),
    )  # fmt: skip
    queries = {path: o.smt2 for path, o in zip(paths, check.obligations, strict=True) if path is not None}
    proved = record("S2", check.verdict, check=told, proof=tuple(_proof_item(item) for item in theorem.proof))
    records = [
        record("planted_bias_one_fifth", "refuted", findings["one"]),
        record("planted_s3_no_bias", "refuted", findings["run"]),
        proved,
        record("planted_unit_error", "ill_formed", fuzz=None),
    ]
    for day, shown in (("01", records[:1]), ("02", records)):
        run = RunRecord(
            schema_version=1, budget="60s", device="cpu", seed=1, alpha=1e-6, seconds=2.0, check_seconds=1.0,
            steps=1000, versions={"python": "3.11"}, theorems=tuple(shown), started=f"2026-01-{day}T00:00:00Z",
        )  # fmt: skip
        kept = [f for f in findings.values() if any(f.folder in r.findings for r in shown)]
        with ReportFolder(place / f"report-{day}") as folder:
            folder.finish(run, kept, queries)
    build_site(place / "site", [place / "report-01", place / "report-02"])
    return place / "site"


class Quiet(SimpleHTTPRequestHandler):
    """A web server's hands, that says nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="session")
def base(site: Path) -> Iterator[str]:
    """The address of the site on a server of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LOOKS = [(size, scheme) for size in ("desktop", "phone") for scheme in ("light", "dark")]
PAGES = ("index", "history", "statement", "one", "run", "campaign")


@pytest.fixture(scope="session")
def addresses(site: Path, base: str, findings: dict[str, Finding]) -> dict[str, str]:
    """Where the pages of the site lie."""
    campaign = sorted((site / "campaigns").iterdir())[0].name
    paths = {
        "index": "index.html",
        "history": "history.html",
        "statement": "statements/S2.html",
        "one": f"findings/{findings['one'].id}/index.html",
        "run": f"findings/{findings['run'].id}/index.html",
        "campaign": f"campaigns/{campaign}/index.html",
    }
    return {name: base + path for name, path in paths.items()}


class Watched:
    """A page, what it asked for, and what it complained of."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def elsewhere(self, base: str) -> list[str]:
        """What was fetched from outside the site."""
        return [url for url in self.asked if not url.startswith(base)]


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Callable[..., Watched]]:
    """Opens an address at a size and in a colour scheme."""
    contexts: list[BrowserContext] = []

    def go(url: str, size: str = "desktop", scheme: Any = "light", **more: Any) -> Watched:
        viewport: Any = DESKTOP if size == "desktop" else PHONE
        contexts.append(chromium.new_context(viewport=viewport, color_scheme=scheme, accept_downloads=True, **more))
        watched = Watched(contexts[-1])
        watched.page.goto(url)
        return watched

    yield go
    for context in contexts:
        context.close()


def shown_badly(page: Page) -> list[str]:
    """Formulas and pictures that take no room, glyphs that are missing, text that sticks out of the page."""
    found: list[str] = page.evaluate(
        """() => {
          const bad = [];
          const visible = (e) => !e.closest('details:not([open]), [hidden]');
          for (const svg of document.querySelectorAll('svg.math, svg.picture')) {
            const box = svg.getBoundingClientRect();
            if (visible(svg) && (box.width < 2 || box.height < 2)) bad.push('no room: ' + svg.outerHTML.slice(0, 80));
            if (!svg.getAttribute('aria-label')) bad.push('no name: ' + svg.outerHTML.slice(0, 80));
          }
          for (const use of document.querySelectorAll('use')) {
            const target = use.getAttribute('href') || use.getAttribute('xlink:href');
            if (!document.querySelector(target)) bad.push('no glyph: ' + target);
          }
          if (document.documentElement.scrollWidth > innerWidth) bad.push('wider than the window');
          for (const code of document.querySelectorAll('code.tex')) bad.push('not typeset: ' + code.textContent);
          return bad;
        }"""
    )
    return found


def unreachable(page: Page) -> list[str]:
    """What the accessibility check finds wrong, as rule and element."""
    response = Axe().run(page).response
    return [f"{v['id']}: {node['html'][:120]}" for v in response["violations"] for node in v["nodes"]]


# -- looks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
@pytest.mark.parametrize("name", PAGES)
def test_every_page_shows_itself_asks_for_nothing_and_is_accessible(
    name: str, size: str, scheme: str, addresses: dict[str, str], base: str, open_page: Callable[..., Watched]
) -> None:
    seen = open_page(addresses[name], size, scheme)
    assert seen.elsewhere(base) == []
    assert seen.asked == [addresses[name]]
    assert seen.complaints == []
    assert shown_badly(seen.page) == []
    for summary in seen.page.locator("summary").all():
        summary.click()
    assert unreachable(seen.page) == []
    dark = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", dark)[:3])) < 200) == (scheme == "dark")


def test_pictures_and_formulas_are_there(addresses: dict[str, str], open_page: Callable[..., Watched]) -> None:
    one, run, statement = (open_page(addresses[name]).page for name in ("one", "run", "statement"))
    assert one.locator("figure svg.picture").count() == 4
    assert run.locator("figure svg.picture").count() == 4
    assert one.locator("svg.math").count() >= 5
    assert statement.locator("ol.proof > li svg.math").count() == 2
    assert statement.get_by_text("z3 unsat").count() >= 5


def test_the_toggle_changes_the_colours_and_is_remembered(
    addresses: dict[str, str], open_page: Callable[..., Watched]
) -> None:
    page = open_page(addresses["index"]).page
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Use dark colours").click()
    after = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert before != after
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == after


# -- use ---------------------------------------------------------------------------------------------------------------


def test_filter_then_finding_then_script(
    addresses: dict[str, str], base: str, open_page: Callable[..., Watched], tmp_path: Path
) -> None:
    seen = open_page(addresses["index"])
    page = seen.page
    rows = page.locator("tr[data-kind=statement]:visible")
    expect(rows).to_have_count(4)
    page.get_by_label("Search").fill("bias 5")
    expect(rows).to_have_count(1)
    expect(page.get_by_role("status")).to_have_text("1 of 4 statements")
    page.get_by_label("Search").fill("nothing of this kind")
    expect(page.get_by_text("No statement fits this search.")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Verdict").select_option("refuted")
    expect(rows).to_have_count(2)
    page.get_by_label("Only").select_option("paper")
    expect(rows).to_have_count(0)
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("link", name="see the instance of planted_bias_one_fifth").click()
    expect(page).to_have_url(addresses["one"])
    expect(page.get_by_role("heading", level=1)).to_have_text("The bias with 5 for 4")
    with page.expect_download() as download:
        page.get_by_role("link", name="replay.py").first.click()
    script = tmp_path / "replay.py"
    download.value.save_as(script)
    done = subprocess.run([sys.executable, "-I", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "VIOLATED" in done.stdout
    with page.expect_download() as download:
        page.get_by_role("link", name="finding.zip").click()
    download.value.save_as(tmp_path / "finding.zip")
    with zipfile.ZipFile(tmp_path / "finding.zip") as archive:
        assert archive.read("replay.py") == script.read_bytes()
    assert seen.elsewhere(base) == []


def test_the_keyboard_is_enough(addresses: dict[str, str], open_page: Callable[..., Watched]) -> None:
    page = open_page(addresses["index"]).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "q":
            break
    page.keyboard.type("vanishing")
    expect(page.locator("tr[data-kind=statement]:visible")).to_have_count(1)
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("(document.activeElement.textContent || '')") == "planted_s3_no_bias":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert "statements/planted_s3_no_bias.html" in page.url
    outline = page.evaluate("getComputedStyle(document.body).outlineStyle")
    assert outline == "none"


def test_without_scripts_everything_is_a_list(addresses: dict[str, str], open_page: Callable[..., Watched]) -> None:
    page = open_page(addresses["index"], java_script_enabled=False).page
    expect(page.locator("tr[data-kind=statement]:visible")).to_have_count(4)
    expect(page.locator("#filter")).to_be_hidden()
    expect(page.locator("#theme")).to_be_hidden()


def test_a_finding_prints(addresses: dict[str, str], open_page: Callable[..., Watched], tmp_path: Path) -> None:
    page = open_page(addresses["one"], scheme="dark").page
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    expect(page.locator(".top")).to_be_hidden()
    assert page.locator("figure svg.picture").first.bounding_box() is not None
    page.pdf(path=tmp_path / "finding.pdf", format="A4")
    pages = len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "finding.pdf").read_bytes()))
    assert 2 <= pages <= 6


# -- planted faults: the checks above can fail -------------------------------------------------------------------------


def changed(site: Path, findings: dict[str, Finding], tmp_path: Path, old: str, new: str) -> str:
    """The address of a page with a fault."""
    page = site / "findings" / findings["one"].id / "index.html"
    text = page.read_text(encoding="utf-8")
    assert old in text
    fault = tmp_path / "fault.html"
    fault.write_text(text.replace(old, new, 1), encoding="utf-8")
    return fault.as_uri()


def test_an_image_from_elsewhere_is_caught(
    site: Path, findings: dict[str, Finding], open_page: Callable[..., Watched], tmp_path: Path
) -> None:
    """The page's own policy already stops it, and says so; without the policy the request itself is seen."""
    image = '<main id="main"><img src="https://example.invalid/x.png" alt="x">'
    url = changed(site, findings, tmp_path, '<main id="main">', image)
    assert any("Content Security Policy" in text for text in open_page(url).complaints)
    text = Path(url.removeprefix("file://")).read_text(encoding="utf-8")
    Path(url.removeprefix("file://")).write_text(text.replace("Content-Security-Policy", "x"), encoding="utf-8")
    assert open_page(url).elsewhere(tmp_path.as_uri()) == ["https://example.invalid/x.png"]


def test_a_planted_script_does_not_run(
    site: Path, findings: dict[str, Finding], open_page: Callable[..., Watched], tmp_path: Path
) -> None:
    script = '<main id="main"><script>document.title = "owned"</script>'
    seen = open_page(changed(site, findings, tmp_path, '<main id="main">', script))
    assert seen.page.title() != "owned"
    assert any("Content Security Policy" in text for text in seen.complaints)


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ('<main id="main">', '<main id="main"><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">', "image-alt"),
        ('role="img" aria-label', 'role="img" data-label', "svg-img-alt"),
        ('<html lang="en">', "<html>", "html-has-lang"),
        ("--muted: #5a626e", "--muted: #c9ccd0", "color-contrast"),
    ],
)
def test_an_inaccessible_page_is_caught(
    old: str,
    new: str,
    rule: str,
    site: Path,
    findings: dict[str, Finding],
    open_page: Callable[..., Watched],
    tmp_path: Path,
) -> None:
    page = open_page(changed(site, findings, tmp_path, old, new)).page
    assert any(found.startswith(f"{rule}:") for found in unreachable(page))


def test_a_missing_glyph_and_an_overflow_are_caught(
    site: Path, findings: dict[str, Finding], open_page: Callable[..., Watched], tmp_path: Path
) -> None:
    page = open_page(changed(site, findings, tmp_path, "<symbol id=", "<symbol data-id=")).page
    assert any(text.startswith("no glyph") for text in shown_badly(page))
    wide = '<main id="main"><div style="width:3000px">wide</div>'
    page = open_page(changed(site, findings, tmp_path, '<main id="main">', wide), "phone").page
    assert "wider than the window" in shown_badly(page)

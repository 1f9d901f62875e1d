"""A site of static pages from the reports of several campaigns, and from what the site already holds.

Every finding has one address that does not change, ``findings/ID/``, where ID is a hash of what fell and where.
Building a site again adds to it: campaigns and findings that are there already stay, even if their reports are gone.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.finding import Finding, load_finding
from harness.report import words
from harness.report.bundle import bundle
from harness.report.folder import ReportFolder, finding_names, read_queries
from harness.report.links import Links
from harness.report.markdown import finding_markdown
from harness.report.meeting import bounds_meet
from harness.report.pages import finding_page, history_page, index_page, material_of, meeting_page, theorem_page
from harness.report.records import ReportError, RunRecord, TheoremRecord, load_run
from harness.report.standalone import standalone_script
from harness.report.tables import csv_table
from harness.schemas import published, schema_name

MARKER = "site.json"
_FORMAT = 1


@dataclass(frozen=True)
class Campaign:
    """One report: ``id`` is a hash of its record, ``queries`` the folder with its SMT-LIB files."""

    id: str
    run: RunRecord
    queries: Path

    @property
    def when(self) -> tuple[str, str]:
        """For sorting; reports of unknown age come first."""
        return (self.run.started or "", self.id)


@dataclass
class Site:
    """What a site shows. Campaigns are sorted, oldest first; of a finding seen twice the older file stays."""

    campaigns: list[Campaign] = field(default_factory=list)
    findings: dict[str, Finding] = field(default_factory=dict)

    def latest(self) -> dict[str, tuple[Campaign, TheoremRecord]]:
        """The newest record of each statement, by name, in the order of the newest campaign that has it."""
        found: dict[str, tuple[Campaign, TheoremRecord]] = {}
        for campaign in reversed(self.campaigns):
            for record in campaign.run.theorems:
                found.setdefault(record.statement.name, (campaign, record))
        return found


def build_site(target: str | Path, reports: Sequence[str | Path]) -> Site:
    """Write a site whole, or leave what was there.

    Args:
        target: a folder that does not exist, is empty, or holds a site.
        reports: folders with ``run.json``; may be none if the site exists.

    Raises:
        ReportError, FindingError: one line, for a folder that is no report, a damaged file, or a bad target.
    """
    place = Path(target)
    site = Site()
    if (place / MARKER).is_file():
        _add_site(site, place)
    # The older finding is to stay, in whatever order reports are named.
    for report, run in sorted(((Path(r), load_run(r)) for r in reports), key=lambda pair: pair[1].started or ""):
        _add_report(site, report, run)
    if not site.campaigns:
        raise ReportError(f"{target}: field '--site': no report is given, and there is no site yet")
    site.campaigns.sort(key=lambda campaign: campaign.when)
    with ReportFolder(place, marker=MARKER, option="--site") as draft:
        draft.replace(lambda folder: _write(folder, site))
    return site


def _add_report(site: Site, place: Path, run: RunRecord) -> None:
    campaign = Campaign(_identity(run), run, place / "queries")
    for name in finding_names(run, place):
        _keep(site, load_finding(place / "findings" / name / "FINDING.json"), name, place)
    if campaign.id not in {known.id for known in site.campaigns}:
        site.campaigns.append(campaign)


def _add_site(site: Site, place: Path) -> None:
    try:
        about = json.loads((place / MARKER).read_text(encoding="utf-8"))
        campaigns, findings = list(map(str, about["campaigns"])), list(map(str, about["findings"]))
        version = about["format"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ReportError(f"{place / MARKER}: cannot be read: {' '.join(str(error).split())}") from None
    if version != _FORMAT:
        raise ReportError(
            f"{place / MARKER}: field 'format': {str(version)[:20]} is not the {_FORMAT} that is read here"
        )
    for name in (*campaigns, *findings):
        if not name.isascii() or not name.isalnum():
            raise ReportError(f"{place / MARKER}: {name[:40]!r} is no name of a campaign or a finding")
    for name in campaigns:
        run = load_run(place / "campaigns" / name)
        site.campaigns.append(Campaign(name, run, place / "campaigns" / name / "queries"))
    for name in findings:
        finding = load_finding(place / "findings" / name / "FINDING.json")
        _keep(site, finding, f"{finding.statement.name}-{name}", place)


def _keep(site: Site, finding: Finding, folder: str, place: Path) -> None:
    if finding.folder != folder:
        raise ReportError(f"{place}: the finding in {folder!r} is {finding.folder!r}: it lies in a wrong place")
    site.findings.setdefault(finding.id, finding)


def _identity(run: RunRecord) -> str:
    return hashlib.sha256(run.text().encode()).hexdigest()[:12]


# -- writing -----------------------------------------------------------------------------------------------------------


def _write(folder: Path, site: Site) -> None:
    latest = site.latest()
    newest = site.campaigns[-1]
    shown = newest.run.model_copy(update={"theorems": tuple(record for _, record in latest.values())})
    meets = bounds_meet(shown)
    seen = _first_seen(site)
    top = Links(campaign=newest.id)
    findings = [_finding_row(f, seen) for f in sorted(site.findings.values(), key=lambda f: (f.statement.name, f.id))]
    count = f"{len(site.findings)} finding{'s' if len(site.findings) != 1 else ''}"
    texts: dict[str, str] = {
        MARKER: json.dumps(_about(site), indent=1, sort_keys=True) + "\n",
        "index.html": index_page(
            shown,
            top,
            headline="Claims about clipped SGD, checked and attacked",
            lead=f"{words.summary(shown)[0]}; {count}. {words.summary(shown)[1]}",
            findings=findings,
            campaigns=site.campaigns,
            meets=meets,
        ),
        "history.html": history_page(_history_rows(site), _changes(site), top),
        "catalogue.csv": csv_table(CATALOGUE_HEAD, [_catalogue_row(record) for _, record in latest.values()]),
        **{f"schema/{schema_name(v)}": published(v) for v in (1, 2)},
    }
    if meets:
        texts["meeting.html"] = meeting_page(top)
    for campaign in site.campaigns:
        base = f"campaigns/{campaign.id}"
        texts[f"{base}/run.json"] = campaign.run.text()
        links = Links("../../", campaign=campaign.id)
        texts[f"{base}/index.html"] = index_page(campaign.run, links, parent=campaign.id, meets=False)
        _copy_queries(campaign, {n for n, (c, _) in latest.items() if c is campaign}, folder / base / "queries")
    for name, (campaign, record) in latest.items():
        links = Links("../", campaign=campaign.id)
        history = _statement_history(site, name) if len(site.campaigns) > 1 else ()
        texts[f"statements/{name}.html"] = theorem_page(record, meets=meets, links=links, history=history)
    for identity, finding in site.findings.items():
        base, links = f"findings/{identity}", Links("../../", campaign=newest.id)
        texts[f"{base}/FINDING.json"] = finding.text()
        material = material_of(finding)
        texts[f"{base}/index.html"] = finding_page(finding, links=links, material=material)
        texts[f"{base}/finding.md"] = finding_markdown(finding)
        texts[f"{base}/replay.py"] = standalone_script(finding)
        zipped = folder / base / "finding.zip"
        zipped.parent.mkdir(parents=True, exist_ok=True)
        home = latest.get(finding.statement.name)
        queries = read_queries(home[0].queries, finding.statement.name) if home else {}
        zipped.write_bytes(bundle(finding, queries, material))
    for path, text in texts.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _about(site: Site) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "campaigns": [campaign.id for campaign in site.campaigns],
        "findings": {f.id: {"statement": f.statement.name, "verdict": f.verdict} for f in site.findings.values()},
    }


def _copy_queries(campaign: Campaign, names: set[str], target: Path) -> None:
    for name in sorted(names):
        if (campaign.queries / name).is_dir():
            shutil.copytree(campaign.queries / name, target / name, ignore=lambda _, files: _no_queries(files))


def _no_queries(files: Iterable[str]) -> list[str]:
    return [file for file in files if not file.endswith(".smt2")]


def _first_seen(site: Site) -> dict[str, str]:
    seen: dict[str, str] = {}
    for campaign in site.campaigns:
        for record in campaign.run.theorems:
            for name in record.findings:
                seen.setdefault(name.rpartition("-")[2], campaign.run.started or f"campaign {campaign.id}")
    return seen


def _finding_row(finding: Finding, seen: Mapping[str, str]) -> dict[str, str]:
    statement, lead = finding.statement, words.lead(finding).removeprefix("At the instance below ")
    lead = lead[0].upper() + lead[1:]
    told = (finding.id, statement.name, statement.title, statement.text, statement.paper, lead)
    return {
        "id": finding.id,
        "folder": finding.folder,
        "name": statement.name,
        "verdict": finding.verdict,
        "lead": lead,
        "confidence": words.confidence(finding)[0],
        "seen": seen.get(finding.id, "unknown"),
        "find": " ".join(" ".join(told).lower().split()),
        "marks": "paper" if statement.expect == "true" else "planted",
    }


def _history_rows(site: Site) -> list[dict[str, Any]]:
    rows = []
    for campaign in reversed(site.campaigns):
        records = campaign.run.theorems
        rows.append(
            {
                "id": campaign.id,
                "run": campaign.run,
                "counts": words.counts(campaign.run),
                "odd": sum(r.as_expected is False for r in records),
                "found": sum(len(r.findings) for r in records),
            }
        )
    return rows


def _changes(site: Site) -> list[dict[str, str]]:
    """Each change of a statement's verdict from one campaign that has it to the next, newest first."""
    last: dict[str, tuple[str, str, str]] = {}
    changes = []
    for campaign in site.campaigns:
        for record in campaign.run.theorems:
            name, now = record.statement.name, (record.word, words.kind_of(record.verdict), campaign.id)
            then = last.get(name)
            if then is not None and then[0] != now[0]:
                row = {"name": name, "old": then[0], "old_kind": then[1], "before": then[2]}
                changes.append({**row, "new": now[0], "new_kind": now[1], "after": now[2]})
            last[name] = now
    return changes[::-1]


def _statement_history(site: Site, name: str) -> list[dict[str, str | None]]:
    return [
        {
            "campaign": campaign.id,
            "started": campaign.run.started,
            "word": record.word,
            "kind": words.kind_of(record.verdict),
            "proof": words.proof_cell(record),
            "search": words.search_cell(record),
        }
        for campaign in reversed(site.campaigns)
        for record in campaign.run.theorems
        if record.statement.name == name
    ]


CATALOGUE_HEAD = (
    "name", "title", "paper", "item", "version", "status", "claim", "expect", "verdict", "as_expected", "score",
    "findings",
)  # fmt: skip


def _catalogue_row(record: TheoremRecord) -> tuple[str, ...]:
    s = record.statement
    score = "" if record.fuzz is None or record.fuzz.score is None else repr(record.fuzz.score)
    expected = {True: "yes", False: "no", None: "open"}[record.as_expected]
    found = " ".join(name.rpartition("-")[2] for name in record.findings)
    about = (s.name, s.title, s.paper, s.item, s.version, s.status, s.text, s.expect)
    return (*about, record.word, expected, score, found)

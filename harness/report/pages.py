"""HTML pages from records: one index, one page per statement, one per finding. Every word from a record is escaped."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import sympy as sp
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.finding import Finding
from harness.report import words
from harness.report.figures import (
    clipping_picture,
    noise_picture,
    objective_picture,
    stuck_picture,
    trajectory_pictures,
)
from harness.report.formula import FormulaSheet
from harness.report.hand_check import HandCheck, hand_check
from harness.report.links import Links
from harness.report.meeting import NAMES, bounds_meet, meeting_picture, meeting_rows
from harness.report.records import ObligationRecord, RunRecord, TheoremRecord
from harness.report.slack import slack_map
from harness.report.standalone import standalone_script
from harness.report.words import kind_of
from theorems.language.functions import NOISES
from theorems.language.quantities import QUANTITIES, Adversary, Scope
from theorems.language.walk import parse_exact

REPORT, BELOW, DEEP = Links(), Links("../"), Links("../../")

_SYMBOLS = {
    "proved": "✓",
    "achieved": "✓",
    "refuted": "✗",
    "broken_proof": "⚠",
    "vacuous": "∅",
    "ill_formed": "∅",
    "no_proof": "○",
    "not_found": "○",
    "unknown": "?",
}


def meeting_page(links: Links = REPORT) -> str:
    """S3 and S3' beside S2-T."""
    return _render(
        "meeting.html.j2",
        links=links,
        title="Upper and lower bound meet",
        picture=meeting_picture(),
        rows=meeting_rows(),
    )


def index_page(run: RunRecord, links: Links = REPORT, **more: Any) -> str:
    """The verdict table of a report, or with ``more`` that of a site: findings, campaigns, headline, lead, parent."""
    rows = [_row(record) for record in run.theorems]
    headline, lead = words.summary(run)
    headline, lead = more.pop("headline", headline), more.pop("lead", lead)
    return _render(
        "index.html.j2",
        title="clipbounds report",
        run=run,
        rows=rows,
        links=links,
        findings=more.pop("findings", ()),
        campaigns=more.pop("campaigns", ()),
        parent=more.pop("parent", ""),
        headline=headline,
        lead=lead,
        meets=more.pop("meets", bounds_meet(run)),
        counts=words.counts(run),
        glossary=[(kind_of(v), v.value, meaning) for v, meaning in words.GLOSSARY.items()],
    )


def history_page(campaigns: Sequence[Mapping[str, Any]], changes: Sequence[Mapping[str, str]], links: Links) -> str:
    """Campaigns, newest first, and where verdicts changed."""
    many = "One campaign" if len(campaigns) == 1 else f"{len(campaigns)} campaigns"
    changed = {0: "no verdict changed", 1: "one verdict changed"}.get(len(changes), f"{len(changes)} verdicts changed")
    return _render(
        "history.html.j2",
        title="History",
        lead=f"{many}; from one to the next {changed}.",
        campaigns=campaigns,
        changes=changes,
        links=links,
    )


def theorem_page(
    record: TheoremRecord, *, meets: bool = False, links: Links = BELOW, history: Sequence[Mapping[str, Any]] = ()
) -> str:
    """One statement: typeset, with assumptions, proof chain, obligations and search. ``meets`` links to the page on
    which upper and lower bound meet, if the statement takes part; ``history`` tells earlier campaigns' verdicts."""
    obligations = record.check.obligations if record.check else ()
    steps: list[dict[str, Any]] = []
    taken: set[str] = set()
    for item in record.proof:
        own = [o for o in obligations if o.name == item.name or o.name.startswith(f"{item.name}: ")]
        own = [o for o in own if o.kind not in ("units", "scaling", "hypotheses", "definition", "special case")]
        taken |= {o.name for o in own}
        steps.append({"item": item, "obligations": own, "kind": _worst(own)})
    return _render(
        "theorem.html.j2",
        title=f"{record.statement.name}: {record.verdict}",
        t=_row(record),
        steps=steps,
        others=[o for o in obligations if o.name not in taken],
        meets=meets and record.statement.name in NAMES,
        links=links,
        history=history,
        negative=words.negative(record),
        slack=slack_map(record.fuzz.coverage, record.statement.name) if record.fuzz is not None else None,
        unit_text=words.unit_text,
        interval=words.constant_interval,
    )


@dataclass(frozen=True)
class Material:
    """What takes time to make for a finding's page, so that a page and a bundle share it."""

    check: HandCheck | None
    pictures: tuple[tuple[Markup, str], ...]
    script: str


def material_of(finding: Finding) -> Material:
    """The table for a pencil, the pictures with their captions, and the standalone script."""
    check = hand_check(finding.to_problem())
    return Material(check, tuple(_pictures(finding, check)), standalone_script(finding))


def finding_page(finding: Finding, *, links: Links | None = DEEP, material: Material | None = None) -> str:
    """One finding, self-contained; ``links`` leads back to the rest of a report, None for a page that stands alone."""
    problem = finding.to_problem()
    material = material_of(finding) if material is None else material
    check, script = material.check, material.script
    quantity = QUANTITIES[finding.statement.quantity]
    values = [
        (letter, finding.values[letter.alias], number(_float(finding.values[letter.alias])))
        for letter in finding.statement.letters
        if letter.alias in finding.values
    ]
    largest = max(abs(finding.claimed), abs(finding.measured)) or 1.0
    return _render(
        "finding.html.j2",
        title=f"{finding.statement.name}: {finding.verdict}",
        finding=finding,
        links=links,
        shares=_shares(finding),
        lead=words.lead(finding),
        bars=[round(70 * abs(v) / largest, 2) for v in (finding.claimed, finding.measured)],
        claimed_short=words.exact_or_decimal(finding.claimed_exact, finding.claimed),
        measured_short=words.exact_or_decimal(finding.measured_exact, finding.measured),
        instance_words=words.instance(problem, quantity),
        instance=words.instance_rows(problem, quantity),
        values=values,
        check=check,
        threshold=problem.clipping_threshold,
        gradient_text=vector(check.gradient) if check else "",
        hand_words=words.hand_check(finding, check) if check else "",
        pictures=material.pictures,
        maximised=quantity.adversary is Adversary.MAXIMISES,
        confidence=words.confidence(finding),
        script=script,
        script_lines=script.count("\n"),
    )


def number(value: float | None) -> str:
    """A decimal for a table."""
    if value is None:
        return "none"
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:.6g}" if 1e-4 <= abs(value) < 1e7 else f"{value:.4e}"


def short(value: sp.Expr) -> str:
    """An exact number if it is short, else about so much."""
    text = str(value)
    return text if len(text) <= 14 else f"≈ {float(value):.6g}"


def vector(entries: tuple[sp.Expr, ...]) -> str:
    """A number, or numbers in brackets."""
    shown = [short(e) for e in entries]
    return shown[0] if len(shown) == 1 else f"({', '.join(shown)})"


class _Shown:
    """A record with a few attributes more, for a template."""

    def __init__(self, record: object, **more: Any) -> None:
        self._record, self._more = record, more

    def __getattr__(self, name: str) -> Any:
        return self._more[name] if name in self._more else getattr(self._record, name)


def _row(record: TheoremRecord) -> _Shown:
    statement = record.statement
    told = (statement.name, statement.title, statement.text, statement.paper, statement.item, record.word)
    marks = ["instance"] * bool(record.findings) + ["odd"] * (record.as_expected is not True)
    marks.append("paper" if statement.expect == "true" else "planted")
    return _Shown(
        record,
        kind=kind_of(record.verdict),
        find=" ".join(" ".join(told).lower().split()),
        marks=" ".join(marks),
        proof_words=words.proof_cell(record),
        search_words=words.search_cell(record),
    )


def _shares(finding: Finding) -> list[tuple[str, float]]:
    """The margin's parts in per cent, where all are of one sign."""
    account = finding.account
    if account is None or account.margin <= 0 or account.certain < 0:
        return []
    parts = (("certain", account.certain), ("luck", account.statistical), ("rounding", account.rounding))
    return [(kind, round(100 * max(size, 0.0) / account.margin, 3)) for kind, size in parts]


def _worst(obligations: list[ObligationRecord]) -> str:
    order = ("refuted", "unknown", "proved")
    kinds = {kind_of(o.verdict) for o in obligations}
    return next((k for k in order if k in kinds), "no_proof")


def _pictures(finding: Finding, check: HandCheck | None) -> list[tuple[Markup, str]]:
    problem = finding.to_problem()
    one_step = QUANTITIES[finding.statement.quantity].scope is Scope.ONE_STEP
    found: list[tuple[Markup, str]] = []
    if finding.stuck is not None and finding.stuck.left is not None:
        found.append((stuck_picture(problem), words.caption_stuck(finding.stuck.stability)))
    if one_step and check is not None and problem.clipping_threshold != sp.oo:
        caption = (
            "The stochastic gradient along the gradient, before and after clipping. Clipping pulls in the atoms beyond "
            "the threshold; the mean moves from the gradient (green) to where the step really goes on average (red)."
        )
        found.append((clipping_picture(problem, check), caption))
    if not one_step:
        runs, over_time, _ = trajectory_pictures(problem, finding.statement.quantity, finding.claimed, finding.seed)
        if over_time:
            found.append((over_time, words.caption_over_time(finding)))
        if runs:
            found.append((runs, "The run." if problem.deterministic else "Some of the runs."))
    shapes = dict.fromkeys(profile.says for profile, _ in problem.objective.profiles)
    place = ", of $|x|$ in place of $x$" if problem.objective.radial else ""
    found.append((objective_picture(problem), f"The objective: {'; '.join(shapes)}{place}."))
    if not problem.deterministic:
        says = NOISES[problem.noise.name].says if problem.noise.name in NOISES else "finitely many atoms"
        found.append((noise_picture(problem, check), f"The noise at the start: {says}."))
    return found


def _float(text: str) -> float:
    return float(parse_exact(text))


def _render(template: str, **context: Any) -> str:
    return (
        _environment()
        .get_template(template)
        .render(math=FormulaSheet(), kind_of=kind_of, number=number, short=short, vector=vector, **context)
    )


def own_script() -> str:
    """The only script of every page: theme, filter, keyboard. A page's policy allows this very text and no other."""
    return resources.files(__package__).joinpath("templates/site.js").read_text(encoding="utf-8").strip()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = own_script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment.globals |= {"script_text": Markup(script), "script_hash": f"sha256-{digest}"}
    environment.globals["symbol"] = lambda kind: _SYMBOLS.get(kind, "○")
    # Names have no blanks: a narrow column breaks them at their underscores.
    environment.globals["breakable"] = lambda name: Markup("_<wbr>").join(name.split("_"))
    environment.globals["clip_text"] = lambda text: text if len(text) <= 120 else f"{text[:117]}..."
    return environment

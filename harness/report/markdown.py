"""The same report in Markdown, for a pull request or a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.finding import Finding
from harness.report import words
from harness.report.hand_check import hand_check
from harness.report.records import RunRecord
from theorems.language.quantities import QUANTITIES

_FORMULA = re.compile(r"[A-Za-z0-9\\_^{}()\[\],.:;=+*/' -]*")
_MOST_ROWS, _MOST_FINDINGS = 12, 5
_SPECIAL = re.compile(r"([\\`*_\[\]|#~$])")


def index_markdown(run: RunRecord) -> str:
    """The verdict table."""
    headline, lead = words.summary(run)
    lines = [f"# {escape(headline)}", "", escape(lead), ""]
    lines += table(
        ("statement", "claim", "verdict", "proof", "search", "as expected"),
        [
            (
                record.statement.name,
                record.statement.text,
                record.word,
                words.proof_cell(record),
                words.search_cell(record),
                {True: "yes", False: "no", None: "open"}[record.as_expected],
            )
            for record in run.theorems
        ],
    )
    found = [(r.statement.name, folder) for r in run.theorems for folder in r.findings]
    if found:
        lines += ["", "## Findings", ""]
        lines += [f"- {escape(name)}: [the instance](findings/{folder}/finding.md)" for name, folder in found]
    spent = f"seed {run.seed}, {run.seconds:.1f} s, {run.steps:,} steps, campaign-wide error level {run.alpha:g}."
    lines += ["", f"Budget {escape(run.budget)}, device {escape(run.device)}, {spent}"]
    return "\n".join(lines) + "\n"


def comment_markdown(run: RunRecord, findings: Sequence[Finding]) -> str:
    """The run in a few lines for a pull request: what is not as expected, and the findings behind it; at most 8000
    characters, whatever the statements are called."""
    headline, lead = words.summary(run)
    by_folder = {finding.folder: finding for finding in findings}
    counted = ", ".join(f"{count} {word}" for _, word, count in words.counts(run))
    lines = [f"### clipbounds: {escape(headline)}", "", f"{escape(lead)} ({counted}.)", ""]
    odd = [record for record in run.theorems if record.as_expected is not True]
    rows = [
        (
            _cut(record.statement.name, 80),
            _cut(record.statement.text, 120),
            record.word if record.as_expected is False else f"{record.word} (open)",
            record.statement.expect,
        )
        for record in odd[:_MOST_ROWS]
    ]
    if rows:
        lines += [*table(("statement", "claim", "verdict", "expected"), rows), ""]
    if len(odd) > _MOST_ROWS:
        lines += [f"... and {len(odd) - _MOST_ROWS} more.", ""]
    shown = [by_folder[name] for record in odd for name in record.findings if name in by_folder][:_MOST_FINDINGS]
    for finding in shown:
        lines.append(f"- **{escape(finding.statement.name)}**: {escape(_cut(words.lead(finding), 300))}")
        lines.append(f"  `clipbounds replay findings/{finding.folder}/FINDING.json`")
    if any(record.verdict == "no_proof" for record in run.theorems):
        lines += ["", "`no_proof` with nothing found is not a proof."]
    spent = f"budget {escape(_cut(run.budget, 20))}, seed {run.seed}, {run.steps:,} steps, error level {run.alpha:g}"
    return "\n".join([*lines, "", f"<sub>{spent}</sub>", ""])


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def finding_markdown(finding: Finding) -> str:
    """One finding."""
    problem, statement = finding.to_problem(), finding.statement
    quantity = QUANTITIES[statement.quantity]
    check = hand_check(problem)
    word, why = words.confidence(finding)
    source = f"{statement.paper}, {statement.item}, version {statement.version}"
    lines = [
        f"# {escape(statement.title or statement.name)}: {finding.verdict}",
        "",
        escape(words.lead(finding)),
        "",
        f"- Statement: {escape(statement.name)} ({escape(source)}, {escape(statement.status)})",
        f"- Claim: {escape(statement.text)}",
        f"- When: {escape('; '.join(statement.when) or 'always')}",
        "",
        "## The instance",
        "",
        escape(words.instance(problem, quantity)),
        "",
        *table(("what", "exact value"), [*finding.values.items(), *words.instance_rows(problem, quantity)]),
    ]
    if check is not None:
        rows = [
            (
                str(r.probability),
                ", ".join(map(str, r.noise)),
                ", ".join(map(str, r.sample)),
                ", ".join(map(str, r.clipped)),
                str(r.product),
            )
            for r in check.rows
        ]
        rows.append(("sum 1", f"mean {', '.join(map(str, check.mean))}", "", "", f"sum {check.drift}"))
        head = ("probability", "noise", "gradient + noise", "clipped", "probability × part along the gradient")
        lines += ["", "## Check it by hand", "", *table(head, rows), "", escape(words.hand_check(finding, check))]
    lines += ["", "## Why each assumption holds", ""]
    lines += [f"- {escape(c.assumption)}: {prose(c.says)}" for c in finding.certificates]
    claimed = words.exact_or_decimal(finding.claimed_exact, finding.claimed)
    observed = words.exact_or_decimal(finding.measured_exact, finding.measured)
    lines += ["", "## Claimed against observed", ""]
    lines += table(
        ("what", "value"),
        [
            ("claimed", f"{claimed} = {finding.claimed:.8g}"),
            (
                "observed",
                f"{observed} = {finding.measured:.8g}",
            ),
            ("margin", f"{finding.margin:.6g}"),
            ("score", f"{finding.score:.6g}"),
            ("confidence", f"{word}: {why}"),
            *(
                (f"engine {e.engine}", f"{e.measured:.8g}, {'agrees' if e.agrees else 'does not agree'}")
                for e in finding.engines
            ),
        ],
    )
    lines += ["", "## What is suspected", "", f"{escape(finding.suspected)}: {escape(finding.why)}"]
    effort = f" {finding.effort.says}" if finding.effort else ""
    lines += ["", "## How it was found", "", escape(finding.found_by + effort)]
    lines += ["", "## Do it again", "", "    clipbounds replay FINDING.json", "    python replay.py", ""]
    return "\n".join(lines)


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The lines of a table."""
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(escape(cell) for cell in row)} |" for row in rows),
    ]


def prose(text: str) -> str:
    """Text in which formulas stand between dollars: they stay as they are if nothing but a formula is in them."""
    parts = " ".join(text.split()).split("$")
    if len(parts) % 2 == 0 or not all(_FORMULA.fullmatch(part) for part in parts[1::2]):
        return escape(text)
    return "$".join(part if i % 2 else _plain(part) for i, part in enumerate(parts))


def escape(text: str) -> str:
    """Text that shows as it is: on one line, without markup of its own."""
    return _plain(" ".join(text.split()))


def _plain(text: str) -> str:
    shown = _SPECIAL.sub(r"\\\1", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # An invisible character after these keeps a forge from calling people and from making links of its own.
    return shown.replace("@", "@\u200b").replace("://", ":\u200b//").replace("www.", "www\u200b.")

"""What a session leaves to people: a comment for a pull request, and the text of an issue for a new finding.

``python -m harness.plugin.summary comment JUNIT.xml --out comment.md`` and
``python -m harness.plugin.summary issue FOLDER... --known known.txt --out issue.md``, as the scripts in ``ci`` do.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from harness.finding import Finding, FindingError, load_finding
from harness.regression import write_whole
from harness.report.markdown import escape, finding_markdown, table
from harness.report.words import lead, score_text

_MOST = 5
_REPLAY = re.compile(r"^\s+replay\s+clipbounds replay (?P<path>\S.*)$", re.MULTILINE)
_NODE = re.compile(r"(?P<file>.+)\.(?P<kind>check|fuzz|example)")


class SummaryError(ValueError):
    """A report of a session is no good: one line naming the file."""


@dataclass(frozen=True)
class Case:
    """One item of a session.

    Attributes:
        file, kind, name: of the item; ``name`` may end in a part or an id in brackets.
        end: ``passed``, ``as declared`` (fell as it should), ``skipped``, ``failed`` or ``error``.
        numbers: its properties.
        text: of a failure.
    """

    file: str
    kind: str
    name: str
    end: str
    numbers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""


def cases(junit: Path) -> list[Case]:
    """The items of clipbounds in a JUnit file, and what could not be collected.

    Raises:
        SummaryError: one line, for a file that is missing or no JUnit.
    """
    try:
        root = ElementTree.parse(junit).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise SummaryError(f"{junit}: cannot be read: {' '.join(str(error).split())}") from None
    found = []
    for case in root.iter("testcase"):
        numbers = {str(p.get("name")): str(p.get("value")) for p in case.iter("property")}
        end, text = "passed", ""
        for child in case:
            if child.tag == "error":
                end, text = "error", child.text or ""
            elif child.tag == "failure":
                end, text = "failed", child.text or ""
            elif child.tag == "skipped":
                end = "as declared" if child.get("type") == "pytest.xfail" else "skipped"
                text = str(child.get("message"))
        place, name = str(case.get("classname")), str(case.get("name"))
        node = _NODE.fullmatch(place)
        if node is not None and "clipbounds_verdict" in numbers:
            found.append(Case(node["file"], node["kind"], name, end, numbers, text))
        elif end == "error" or (node is not None and end != "passed"):
            found.append(
                Case(node["file"] if node else place, node["kind"] if node else "collect", name, end, {}, text)
            )
    return found


def comment(junit: Path, folder: Path) -> str:
    """A comment on a session.

    Args:
        junit: its JUnit file.
        folder: from where the paths of findings in failures are meant.

    Raises:
        SummaryError: as :func:`cases`; also if no item of clipbounds is in the file, for silence must not look green.
    """
    seen = cases(junit)
    if not seen:
        raise SummaryError(f"{junit}: holds no item of clipbounds, so nothing was checked")
    bad = [case for case in seen if case.end in ("failed", "error")]
    skipped = sum(case.end == "skipped" for case in seen)
    head = f"{len(seen)} items, all as declared" if not bad else f"{len(bad)} of {len(seen)} items failed"
    head += f", {skipped} of them skipped" if skipped else ""
    lines = [f"## clipbounds: {head}", "", *_rows(seen), ""]
    lines += ["`no_proof` with `not_found` is not a proof: it says only that this search met no violation.", ""]
    shown: set[str] = set()
    for case in bad:
        lines += [f"### {escape(case.kind)} {escape(case.name)}: {case.end}", "", *_fenced(case.text), ""]
        lines += _instances(case, folder, shown)
    return "\n".join(lines).rstrip() + "\n"


def issue(findings: Iterable[Finding]) -> str:
    """The text of an issue about findings; its first line is the title."""
    told = list(findings)
    names = ", ".join(dict.fromkeys(finding.statement.name for finding in told[:_MOST]))
    lines = [f"clipbounds: {names} refuted{_more(len(told))}", ""]
    for finding in told[:_MOST]:
        lines += [
            f"## {escape(finding.statement.name)} ({finding.id})",
            "",
            escape(lead(finding)),
            "",
            *_folded("The whole finding", finding_markdown(finding)),
            "",
        ]
    lines += [
        "To keep an instance for ever, take its `FINDING.json` from the report and run:",
        "",
        "    clipbounds replay FINDING.json",
        "    clipbounds promote FINDING.json --to tests/regressions",
    ]
    return "\n".join(lines) + "\n"


def new_findings(folders: Sequence[Path], known: Path) -> list[Finding]:
    """Findings against statements that are declared true, whose ids are not known yet.

    Raises:
        FindingError: one line, for one that is malformed or was tampered with.
    """
    ids = set(known.read_text(encoding="utf-8").split()) if known.is_file() else set()
    files = sorted(file for folder in folders for file in folder.rglob("FINDING.json"))
    found = {finding.id: finding for finding in map(load_finding, files)}
    return [
        finding
        for finding in found.values()
        if finding.verdict == "refuted" and finding.statement.expect == "true" and finding.id not in ids
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a comment or an issue. Exit codes: 0 written, or no new finding (then there is no file); 2 bad input."""
    parser = argparse.ArgumentParser(description="What a session leaves to people.")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("comment")
    one.add_argument("junit", type=Path)
    one.add_argument("--out", type=Path, required=True)
    two = commands.add_parser("issue")
    two.add_argument("folders", type=Path, nargs="+")
    two.add_argument("--known", type=Path, required=True)
    two.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "comment":
            write_whole(chosen.out, comment(chosen.junit, Path.cwd()))
            return 0
        chosen.out.unlink(missing_ok=True)
        found = new_findings(chosen.folders, chosen.known)
        if found:
            write_whole(chosen.out, issue(found))
            with chosen.known.open("a", encoding="utf-8") as file:
                file.writelines(f"{finding.id}\n" for finding in found)
    except (SummaryError, FindingError) as error:
        print(f"clipbounds: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"clipbounds: {chosen.out}: cannot be written: {error.strerror or error}", file=sys.stderr)
        return 2
    return 0


def _rows(seen: Sequence[Case]) -> list[str]:
    """One row a theorem: how its items ended, and how near its search came."""
    theorems: dict[tuple[str, str], list[Case]] = {}
    for case in seen:
        theorems.setdefault((case.file, case.name.partition("[")[0]), []).append(case)
    rows = []
    for (file, name), group in sorted(theorems.items()):
        scores = [float(case.numbers["clipbounds_score"]) for case in group if "clipbounds_score" in case.numbers]
        steps = sum(int(case.numbers.get("clipbounds_steps", 0)) for case in group)
        words = {kind: _word([case for case in group if case.kind == kind]) for kind in ("check", "fuzz", "example")}
        bad = any(case.end in ("failed", "error") for case in group)
        rows.append(
            (
                name,
                file,
                words["check"],
                words["fuzz"],
                score_text(max(scores)) if scores else "",
                f"{steps:,}" if steps else "",
                words["example"],
                "**NO**" if bad else "yes",
            )
        )
    head = ("statement", "file", "check", "search", "best score", "steps", "past findings", "as declared")
    return [line.replace(r"\*\*NO\*\*", "**NO**") for line in table(head, rows)]


def _word(group: Sequence[Case]) -> str:
    words = [f"{c.numbers.get('clipbounds_verdict', c.end)}{' (skipped)' * (c.end == 'skipped')}" for c in group]
    return ", ".join(dict.fromkeys(words))


def _instances(case: Case, folder: Path, shown: set[str]) -> list[str]:
    """The finding behind a failure, folded; each once, and no more than a comment can hold."""
    lines = []
    for match in _REPLAY.finditer(case.text):
        try:
            finding = load_finding(folder / match["path"].strip())
        except FindingError:
            continue
        if finding.id in shown or len(shown) >= _MOST:
            continue
        shown.add(finding.id)
        lines += [*_folded(f"The instance, finding {finding.id}", finding_markdown(finding)), ""]
    return lines


def _folded(title: str, text: str) -> list[str]:
    below = re.sub(r"^(#+) ", r"###\1 ", text.rstrip(), flags=re.MULTILINE)
    return ["<details>", f"<summary>{title}</summary>", "", below, "", "</details>"]


def _fenced(text: str) -> list[str]:
    """A block that its content cannot close."""
    longest = max((len(run) for run in re.findall(r"~+", text)), default=0)
    fence = "~" * max(3, longest + 1)
    return [fence, text.rstrip(), fence]


def _more(count: int) -> str:
    return f" and {count - _MOST} more findings" if count > _MOST else ""


if __name__ == "__main__":
    sys.exit(main())

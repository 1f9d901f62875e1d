"""Is the engine as fast as it was? ``python ci/bench_ratio.py NEW.md [COMMITTED.md] [--least 0.8]``.

Speeds differ between machines, so ratios are compared: the engine over each peer that drew the same work in the same
round. Exit codes: 0 as fast; 1 some ratio fell below ``least`` times the committed one; 2 nothing could be compared.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
Key = tuple[str, str, str]


def ratios(text: str) -> dict[Key, float]:
    """Ratios by workload, precision and contender, from the section of one core; the last of equal rows counts."""
    found: dict[Key, float] = {}
    inside = False
    for line in text.splitlines():
        if line.startswith("## "):
            inside = line.startswith("## One core")
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if inside and line.startswith("| W") and len(cells) == 8 and cells[5]:
            found[cells[0], cells[1], cells[2]] = float(cells[5])
    return found


def compare(new: dict[Key, float], old: dict[Key, float], least: float) -> tuple[list[str], list[str]]:
    """A line for each ratio that both have, and of these the ones that fell too low."""
    lines, slower = [], []
    for key in sorted(set(new) & set(old)):
        part = new[key] / old[key]
        line = f"{' '.join(key)}: {new[key]:.3g}, was {old[key]:.3g}: {part:.2f} of it"
        lines.append(line)
        if part < least:
            slower.append(line)
    return lines, slower


def main(arguments: list[str] | None = None) -> int:
    """Compare two results."""
    parser = argparse.ArgumentParser(description="Is the engine as fast as it was?")
    parser.add_argument("new", type=Path)
    parser.add_argument("old", type=Path, nargs="?", default=max(RESULTS.glob("engine-cpu-*.md"), default=None))
    parser.add_argument("--least", type=float, default=0.8)
    chosen = parser.parse_args(arguments)
    try:
        new, old = (ratios(file.read_text(encoding="utf-8")) for file in (chosen.new, chosen.old))
    except (OSError, AttributeError) as error:
        print(f"bench_ratio: cannot be read: {error}", file=sys.stderr)
        return 2
    lines, slower = compare(new, old, chosen.least)
    print("\n".join(lines))
    if not lines:
        print(f"bench_ratio: {chosen.new} and {chosen.old} have no row in common", file=sys.stderr)
        return 2
    for line in slower:
        print(f"slower than {chosen.least:g} of what was committed: {line}", file=sys.stderr)
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())

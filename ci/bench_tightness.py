"""The tightness gauge as a table: ``python ci/bench_tightness.py [T...] [--out FILE.md]``.

Without names: all cells with targets, S2-T from its witness, and every true statement. Exit code 1 if a target is
missed or a bound is passed.
"""

from __future__ import annotations

import argparse
import platform
import time
from datetime import date
from pathlib import Path

from harness.finding import versions
from harness.gauge import gauge, gauge_markdown
from harness.progress import for_terminal
from theorems.catalogue import select

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("statements", nargs="*")
parser.add_argument("--out", type=Path)
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()

began = time.perf_counter()
with for_terminal(False) as progress:
    rows = gauge(progress, seed=options.seed, theorems=select(options.statements) if options.statements else None)
known = versions()
head = f"""# How near the search comes to every true bound, {date.today()}

Seed {options.seed}, {time.perf_counter() - began:.0f} s in all on {platform.machine()}, {known}.
A ratio is the score of the best problem found, without being told a witness and without noise that is built from the
worst drift; S2-T is run from its witness, and its ratio is the least over time.
`python ci/bench_tightness.py` makes this file.

"""
text = head + gauge_markdown(rows)
if options.out is not None:
    options.out.write_text(text, encoding="utf-8")
print(text)
raise SystemExit(1 if any(row.met is False or row.passed for row in rows) else 0)

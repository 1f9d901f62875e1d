"""The exact check of a claim at one problem: rational and interval arithmetic, independent of the simulator.

``surds`` are exact sums of square roots, ``enclosure`` evaluates formulas in them or in balls, ``comparison`` decides
signs, ``sgd`` is clipped SGD in either arithmetic, and ``decision`` compares a claim with what is measured.
"""

from __future__ import annotations

from harness.exact.comparison import Enclosure, compare, enclose_rational, holds
from harness.exact.decision import ExactVerdict, decide, letters, measure, own_letter
from harness.exact.enclosure import NotExact, enclose

__all__ = [
    "Enclosure",
    "ExactVerdict",
    "NotExact",
    "compare",
    "decide",
    "enclose",
    "enclose_rational",
    "holds",
    "letters",
    "measure",
    "own_letter",
]

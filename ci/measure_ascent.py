"""Does gradient ascent through the unrolled run pay? The best score of one structure without it, with it every other
turn, and with nothing else, for equal engine steps (a pass forward and backward counts as three).

    python ci/measure_ascent.py [--steps 1e5] [--seeds 3] [--out FILE.md]
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path

import numpy as np

import fuzz.search
from fuzz.budget import Budget
from fuzz.genes import Structure
from fuzz.search import _Search
from theorems.catalogue import load_catalogue

STATEMENTS = ("D1", "D2")
OBJECTIVES = ("quadratic", "huber", "log_cosh")
DIMENSIONS = (8, 64)
NEVER = 10**9
ARMS = {"CMA-ES alone": NEVER, "every other turn": 2, "ascent alone": 1}


def best_score(statement: str, structure: Structure, every: int, seed: int, steps: int) -> tuple[float, float]:
    """The best score and the processor time of a search held to one structure."""
    fuzz.search._CLIMB_EVERY = every  # type: ignore[attr-defined]
    fuzz.search._MANY = 0  # type: ignore[attr-defined]
    search = _Search(load_catalogue()[statement], Budget(steps=steps), seed, False, None, {})
    (arm,) = search.arms = search._made([structure], 0)
    start = time.process_time()
    while not search.meter.spent:
        search._turn(arm)
    return arm.score, time.process_time() - start


def main() -> None:
    """Print the table, and write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=float, default=1e5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    lines = [
        f"| statement | objective | d | numbers | {' | '.join(ARMS)} | seconds |",
        "|---|---|---|---|" + "---|" * (len(ARMS) + 1),
    ]
    for statement, objective, d in itertools.product(STATEMENTS, OBJECTIVES, DIMENSIONS):
        structure = Structure(objective=objective, dimension=d, steps=(8, 64), apart=True)
        numbers = len(
            _Search(load_catalogue()[statement], Budget(steps=1), 0, False, None, {})
            ._made([structure], 0)[0]
            .inside.genes
        )
        cells, seconds = [], []
        for every in ARMS.values():
            found = [best_score(statement, structure, every, seed, int(given.steps)) for seed in range(given.seeds)]
            scores = [score for score, _ in found]
            cells.append(f"{np.median(scores):.4f} ({min(scores):.3f} to {max(scores):.3f})")
            seconds.append(f"{np.median([s for _, s in found]):.1f}")
        lines.append(f"| {statement} | {objective} | {d} | {numbers} | {' | '.join(cells)} | {', '.join(seconds)} |")
        print(lines[-1], flush=True)
    if given.out:
        given.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

"""``python -m fuzz FILE_OR_NAME... --budget 20s --seed 0``: search alone, where no solver is installed.

Prints the best score of each statement and the simplest problem found. Exit code 0, or 2 for bad input.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from fuzz.budget import Budget
from fuzz.minimise import minimise
from fuzz.outcome import SearchResult
from fuzz.problem import FiniteLaw, Problem
from fuzz.reading import Reading
from fuzz.rescore import rescore
from fuzz.search import search
from fuzz.trajectory import Choices
from theorems.catalogue import CatalogueError, select
from theorems.language import StatementError, Theorem
from theorems.language.walk import show_exact

_SEARCH_SHARE = 0.8


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Search for violations of statements.")
    parser.add_argument("statements", nargs="+", help="names of the catalogue, or Python files that define statements")
    parser.add_argument("--budget", default="20s", help="for the whole command: 90s, 10m, 2h or 1e9steps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--oracle", action="store_true", help="allow noise built from the worst drift")
    options = parser.parse_args(arguments)
    try:
        budget = Budget.parse(options.budget)
        theorems = select(options.statements)
        share = budget.share(len(theorems))
        for theorem in theorems:
            _report(theorem, share, options.seed, options.oracle)
    except (ValueError, CatalogueError, StatementError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _report(theorem: Theorem, budget: Budget, seed: int, oracle: bool) -> None:
    part = budget.part(_SEARCH_SHARE)
    result = search(theorem, part, seed, oracle=oracle)
    print(f"{theorem.name}: {theorem.claim.relation}")
    print(f"  {_verdict(theorem, result)}")
    effort = f"{result.steps} steps, {result.evaluations} problems, {len(result.regimes)} structures"
    print(f"  {effort}, {result.seconds:.1f} s")
    if result.best is not None:
        problem, choices = result.best.problem, result.best.choices
        if theorem.claim.for_all and result.best.score - 3 * result.best.error > 1:
            problem, choices = minimise(theorem, problem, choices, budget=budget.part(1 - _SEARCH_SHARE))
            score, error = rescore(Reading(theorem), problem, choices, seed=seed + 1)
            print(f"  simplest form, score {_score(score, error)}:")
        for line in describe(problem, choices):
            print(f"    {line}")


def _verdict(theorem: Theorem, result: SearchResult) -> str:
    best = result.best
    if best is None:
        return "no problem meets the hypotheses: nothing was searched"
    words = f"best score {_score(best.score, best.error)} ({best.regime})"
    if theorem.claim.for_all and best.score - 3 * best.error > 1 + 1e-9:
        return f"{words}: above 1, a violation in floats, not yet confirmed"
    if theorem.claim.attained and best.score - 3 * best.error > 1 - 1e-3:
        return f"{words}: the bound is reached"
    return f"{words}: nothing found"


def _score(score: float, error: float) -> str:
    return f"{score:.6g} +- {error:.1g}" if error else f"{score:.6g}"


def describe(problem: Problem, choices: Choices) -> list[str]:
    """The problem in plain lines, exact numbers."""
    lines = [f"objective {problem.objective.name}: {_coordinates(problem.objective.coordinates)}"]
    if isinstance(problem.noise, FiniteLaw):
        for p, vector in problem.noise.atoms:
            lines.append(f"noise ({', '.join(map(show_exact, vector))}) with probability {show_exact(p)}")
    else:
        lines.append(f"noise {problem.noise.name}: {_coordinates(problem.noise.coordinates)}")
    lines.append(f"start ({', '.join(map(show_exact, problem.start))})")
    lines.append(
        f"step size {show_exact(problem.step_size)}, threshold {show_exact(problem.clipping_threshold)}, "
        f"{problem.steps} steps"
    )
    if choices:
        lines.append(", ".join(f"{p.name} = {show_exact(v)}" for p, v in choices.items()))
    return lines


def _coordinates(coordinates: Sequence[object]) -> str:
    shown = []
    for numbers in coordinates:
        assert isinstance(numbers, dict)
        shown.append(", ".join(f"{name} = {show_exact(value)}" for name, value in numbers.items()) or "-")
    return "; ".join(shown)


if __name__ == "__main__":
    sys.exit(main())

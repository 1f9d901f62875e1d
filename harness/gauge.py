"""The tightness gauge: how near to each true bound the search comes without being told how.

A row is one true claim, at held parameters or at none. Its ratio is the score of the best problem found (1 is the
bound), on random numbers that did not choose the problem; where the run is free of noise and short enough the problem
is also judged exactly. No noise that is built from the worst drift takes part. S2-T alone is run from its witness: it
says that *some* run stays at the bias, so what is measured is that run, at every step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

from fuzz.budget import Budget
from fuzz.engine import run
from fuzz.instance import batch_of
from fuzz.reading import out_of_reach
from fuzz.realise import realise
from fuzz.search import search
from harness.confirm import Status, confirm
from harness.evidence import ErrorLedger
from harness.progress import Progress
from harness.report.words import instance
from theorems.catalogue import load_catalogue
from theorems.language import F0, L, T, c, eta, m, sigma
from theorems.language.hidden import is_o_form
from theorems.language.parameters import Parameter
from theorems.language.quantities import Scope
from theorems.language.theorem import Theorem

ONE_STEP_STEPS, RUN_STEPS = 10**5, 3 * 10**7
"""Steps of a search: atoms of laws, or steps of runs."""

ENOUGH = 0.9999
"""A cell with a target is left when this is reached."""

_EXACT_STEPS, _ROUNDING = 1000, 1e-8
_WITNESS_REPLICAS, _WITNESS_ERROR = 2**23, 2.5e-4
_WITNESS_BLOCK = 2**17


class GaugeError(ValueError):
    """A statement has nothing that can be measured: one line naming it."""


@dataclass(frozen=True)
class Cell:
    """One search of the gauge.

    Args:
        theorem: a true claim for all problems, or one that is also attained.
        held: letters that are held, by parameter.
        target: the ratio that is asked for, None where the slack is only shown.
    """

    theorem: Theorem
    held: Mapping[Parameter, Fraction]
    target: float | None = None

    @property
    def at(self) -> str:
        """What is held, in words."""
        return ", ".join(f"{p.name} = {float(v):g}" for p, v in self.held.items())


@dataclass(frozen=True)
class GaugeRow:
    """What the gauge shows of one cell.

    Attributes:
        name, at: the statement and what is held.
        ratio: the largest found, None if no problem met the hypotheses; ``error`` one standard error.
        target: as asked for.
        exact: ``holds`` or ``violated`` by exact arithmetic; ``undecided`` where even that cannot tell a ratio above 1
            from 1; ``""`` where the problem does not admit it.
        steps, seconds: the effort.
        problem: the best one, in words.
    """

    name: str
    at: str
    ratio: float | None
    error: float
    target: float | None
    exact: str
    steps: int
    seconds: float
    problem: str

    @property
    def met(self) -> bool | None:
        """Whether the target is reached and the bound is not passed; None without a target."""
        if self.target is None:
            return None
        return self.ratio is not None and self.ratio >= self.target and not self.passed

    @property
    def passed(self) -> bool:
        """Whether the ratio is above the bound beyond four standard errors, and not by rounding: something is wrong.

        What rounding adds up to in twenty thousand steps is above the slack of 1e-12 that all ratios have: up to 1e-8
        exact arithmetic has the word, as far as it can tell. No word excuses more: then search and check disagree.
        """
        excused = self.exact in ("holds", "undecided") and not _above(self.ratio, self.error, _ROUNDING)
        return self.exact == "violated" or (_above(self.ratio, self.error) and not excused)


def _above(ratio: float | None, error: float, slack: float = 1e-12) -> bool:
    return ratio is not None and ratio - 4 * error > 1 + slack


def standard_cells() -> list[Cell]:
    """The cells with targets, and those beside them that show how slack grows."""
    catalogue = load_catalogue()

    def grid(name: str, target: float | None, **held: Sequence[str]) -> list[Cell]:
        theorem = catalogue[name]
        letters = {str(p.name): p for p in (c, sigma, m, eta, T, F0, *theorem.where)}
        cells: list[dict[Parameter, Fraction]] = [{}]
        for letter, values in held.items():
            cells = [{**cell, letters[letter]: Fraction(v)} for cell in cells for v in values]
        return [Cell(theorem, cell, target) for cell in cells]

    ratios = ("1/5", "1/2", "1", "2", "5")
    lengths, budgets = ("1000", "10000"), ("1/100", "1/10", "100")
    return [
        *grid("S1", 0.999, sigma=ratios, m=("1/4", "1", "3")),
        *grid("S2", 0.999, sigma=ratios),
        *grid("S3", 0.95, eta=("1/100",)),
        *grid("S3", None, eta=("1/1000", "1/10")),
        *grid("S3", None, eta=("1/100",), T=("20000",), sigma=("1/2", "1", "2", "4")),
        *grid("S3", None, eta=("1/100",), T=("20000",), F0=("1",), sigma=("1/2", "1", "2", "4")),
        *grid("S3_small", None, eta=("1/100",), T=("20000",), sigma=("4",)),
        *grid("D1", 0.95, theta=("1/100", "1/10"), T=lengths, Q=budgets),
        *grid("D1", None, theta=("1/100", "1/10"), T=lengths, Q=("1",)),
        *grid("D1", None, theta=("1/2", "1"), T=lengths, Q=("1/100", "1/10", "1", "100")),
        *grid("GD_exact", 0.99, eta=("1/10", "1"), T=("1", "10", "100", "1000", "10000")),
    ]


def catalogue_cells(theorems: Sequence[Theorem] | None = None) -> list[Cell]:
    """One cell without anything held for every true statement for all problems that an engine can measure."""
    chosen = load_catalogue().values() if theorems is None else theorems
    return [
        Cell(t, {})
        for t in chosen
        if t.expect == "true" and t.claim.for_all and not is_o_form(t) and not out_of_reach(t)
    ]


def measure_cell(cell: Cell, seed: int = 0, budget: Budget | None = None) -> GaugeRow:
    """Search one cell.

    Args:
        cell: what is searched.
        seed: of the search.
        budget: by default :data:`ONE_STEP_STEPS` or :data:`RUN_STEPS`.
    """
    theorem = cell.theorem
    one_step = theorem.claim.quantity.scope is Scope.ONE_STEP
    budget = budget or Budget(steps=ONE_STEP_STEPS if one_step else RUN_STEPS)
    held = {p: float(v) for p, v in cell.held.items()}
    enough = None if cell.target is None else ENOUGH
    found = search(theorem, budget, seed, at=held, enough=enough)
    best = found.best
    if best is None:
        return GaugeRow(theorem.name, cell.at, None, 0.0, cell.target, "", found.steps, found.seconds, "")
    exact = ""
    above = _above(best.score, best.error)
    judged = best.error == 0 and (one_step or best.problem.deterministic)
    if judged and (above or best.problem.steps <= _EXACT_STEPS):
        seen = confirm(theorem, best.problem, ledger=ErrorLedger(), seed=seed, choices=best.choices)
        words = {Status.REFUTED: "violated", Status.DISAGREEMENT: "violated", Status.HOLDS: "holds"}
        otherwise = "undecided" if above else "holds"
        exact = words.get(seen.status, otherwise if seen.exact is not None else "")
    words_ = instance(best.problem, theorem.claim.quantity)
    return GaugeRow(
        theorem.name, cell.at, best.score, best.error, cell.target, exact, found.steps, found.seconds, words_
    )


def measure_trajectory(
    ratio: Fraction, step_size: Fraction, seed: int = 0, most_replicas: int = _WITNESS_REPLICAS
) -> GaugeRow:
    """S2-T run from its witness: the least over time of ``E|grad f(x_t)| / B*``.

    The least of many noisy means is biased downward, so replicas are added until one standard error, where the least
    is, is below a quarter of what is asked for.

    Args:
        ratio: sigma/c.
        step_size: eta L, at most 1.
        seed: of the noise.
        most_replicas: where to stop.
    """
    theorem = load_catalogue()["S2_T"]
    steps = min(1000, max(100, round(100 / step_size)))
    values = {c: sp.Integer(1), sigma: _exact(ratio), eta: _exact(step_size), L: sp.Integer(1), T: sp.Integer(steps)}
    problem = realise(theorem, theorem.witness[0], values)
    bias = float(theorem.bound.xreplace(values))
    began, done = time.perf_counter(), 0
    mean, square = np.zeros(steps), np.zeros(steps)
    least, error = math.nan, math.inf
    batch = batch_of(problem, seed=seed, purpose="gauge")
    while done < most_replicas and not error < _WITNESS_ERROR:
        seen = run(batch, _WITNESS_BLOCK, first_replica=done, checkpoints=np.arange(steps))
        done += _WITNESS_BLOCK
        mean += seen.mean_gradient_norm[0] * _WITNESS_BLOCK
        square += seen.sum_sq[0]
        average = mean / done
        spread = np.sqrt(np.maximum(square / done - average**2, 0.0) / done)
        at = int(average.argmin())
        least, error = float(average[at] / bias), float(spread.max() / bias)
    return GaugeRow(
        theorem.name,
        f"sigma = {float(ratio):g}, eta = {float(step_size):g}, every t < {steps}",
        least,
        error,
        0.999,
        "",
        done * steps,
        time.perf_counter() - began,
        f"its witness, {done:,} runs",
    )


TRAJECTORIES = [(Fraction(s), Fraction(e)) for s in ("1/2", "1", "2", "4") for e in ("1/1000", "1/100", "1/10", "1")]


def gauge(
    progress: Progress,
    *,
    seed: int = 0,
    theorems: Sequence[Theorem] | None = None,
    budget: Budget | None = None,
) -> list[GaugeRow]:
    """All rows: the cells with targets and S2-T, then every true statement; or only the statements named.

    Args:
        progress: told of every cell.
        seed: of the searches.
        theorems: statements; the standard cells of these, and one cell each without anything held.
        budget: of the whole command, shared by the cells; by default each has its own.

    Raises:
        GaugeError: for a named statement that is false, or that no search can come near to.
    """
    names = None if theorems is None else {t.name for t in theorems}
    for theorem in theorems or ():
        if theorem.name != "S2_T" and not catalogue_cells([theorem]):
            raise GaugeError(f"{theorem.name}: no true bound for all problems that an engine measures")
    cells = [cell for cell in standard_cells() if names is None or cell.theorem.name in names]
    cells += catalogue_cells(theorems)
    runs = TRAJECTORIES if names is None or "S2_T" in names else []
    progress.phase("gauge", len(cells) + len(runs))
    share = None if budget is None else budget.share(max(1, len(cells)))
    rows = []
    for cell in cells:
        progress.part(f"{cell.theorem.name} {cell.at}")
        rows.append(measure_cell(cell, seed, share))
        progress.done()
    for ratio, step_size in runs:
        progress.part(f"S2_T sigma = {ratio}, eta = {step_size}")
        rows.append(measure_trajectory(ratio, step_size, seed))
        progress.done()
    return rows


def gauge_json(rows: Sequence[GaugeRow]) -> list[dict[str, Any]]:
    """The contract's entries for the gauge."""
    return [
        {
            "name": row.name,
            "at": row.at,
            "ratio": row.ratio,
            "error": row.error,
            "target": row.target,
            "met": row.met,
            "exact": row.exact,
            "steps": row.steps,
            "seconds": round(row.seconds, 3),
            "problem": row.problem,
        }
        for row in rows
    ]


def gauge_markdown(rows: Sequence[GaugeRow]) -> str:
    """The rows as a Markdown table, with a summary of the targets above it."""
    aimed = [row for row in rows if row.target is not None]
    met = sum(bool(row.met) for row in aimed)
    passed = _named(row for row in rows if row.passed)
    undecided = _named(row for row in rows if row.exact == "undecided")
    equal = f" Equal to their bound, as far as exact arithmetic can tell: {undecided}." if undecided else ""
    lines = [
        f"{met} of {len(aimed)} targets are met. Bounds that were passed: {passed or 'none'}.{equal}",
        "",
        "| statement | held | ratio | target | exact check | steps | seconds | best problem |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ratio = "none" if row.ratio is None else f"{row.ratio:.5f}" + (f" ± {row.error:.1g}" if row.error else "")
        target = "" if row.target is None else f"{row.target:g}, {'met' if row.met else 'missed'}"
        lines.append(
            f"| {row.name} | {row.at} | {ratio} | {target} | {row.exact} | {row.steps:.2g} | {row.seconds:.1f} "
            f"| {row.problem} |"
        )
    return "\n".join(lines) + "\n"


def _named(rows: Iterable[GaugeRow]) -> str:
    return ", ".join(f"{row.name} at {row.at or 'nothing held'}" for row in rows)


def _exact(number: Fraction) -> sp.Rational:
    return sp.Rational(number.numerator, number.denominator)

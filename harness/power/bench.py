"""``clipbounds bench search``: every searcher on every statement with every seed, on all cores."""

from __future__ import annotations

import json
import math
import multiprocessing
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import sympy as sp

from fuzz.budget import Budget
from fuzz.problem import Problem
from fuzz.rivals import SEARCHERS, Hunt, hunt
from harness.confirm import Status, confirm
from harness.evidence import ErrorLedger
from harness.power.planted import FULL_BUDGET, Planted, load_planted, short_form
from theorems.language.parameters import Parameter
from theorems.language.theorem import Theorem

JUDGE_STEPS = 2e8
JUDGE_SEED = 2**40
LIMIT = 30.0


class PowerError(ValueError):
    """An option of the benchmark has an impossible value, or its file is damaged: one line."""


@dataclass(frozen=True)
class Row:
    """One hunt: who, what, with which seed and budget, and how it ended."""

    searcher: str
    statement: str
    seed: int
    budget: int
    limit: float
    hunt: Hunt

    @property
    def key(self) -> tuple[str, str, int, int, float]:
        return self.searcher, self.statement, self.seed, self.budget, self.limit


@dataclass(frozen=True)
class Plan:
    """What is to be run.

    Args:
        form: ``"short"`` or ``"full"``.
        seeds: numbers 0 to seeds - 1.
        steps: the budget of statements on noisy runs; others get the shares of :meth:`Planted.budget`.
        limit: seconds of processor time for each hunt.
        workers: processes.

    Raises:
        PowerError: one line with the offending value.
    """

    form: str = "short"
    seeds: int = 5
    steps: int = FULL_BUDGET
    limit: float = LIMIT
    workers: int = 1

    def __post_init__(self) -> None:
        if self.form not in ("short", "full"):
            raise PowerError(f"the form must be short or full, not {self.form!r}")
        if not 1 <= self.seeds <= 1000:
            raise PowerError(f"option '--seeds': must lie between 1 and 1000, not {self.seeds}")
        if self.steps < 1000:
            raise PowerError(f"option '--budget': must be at least 1000 steps, not {self.steps}")
        if not (math.isfinite(self.limit) and self.limit > 0):
            raise PowerError(f"option '--limit': must be a positive number of seconds, not {self.limit}")
        if self.workers < 1:
            raise PowerError(f"option '--workers': must be at least 1, not {self.workers}")

    @staticmethod
    def of(form: str, seeds: int | None, budget: str, limit: float, workers: int | None) -> Plan:
        """Read the options of the command.

        Raises:
            PowerError: as above; also for a budget in seconds.
        """
        try:
            parsed = Budget.parse(budget)
        except ValueError as error:
            raise PowerError(f"option '--budget': {error}") from None
        if parsed.steps is None:
            raise PowerError(f"option '--budget': searchers are compared by steps, say 1e9steps, not {budget!r}")
        many = multiprocessing.cpu_count() if workers is None else workers
        return Plan(form, (5 if form == "short" else 10) if seeds is None else seeds, parsed.steps, limit, many)

    @property
    def statements(self) -> tuple[Planted, ...]:
        """The statements of the form."""
        return short_form() if self.form == "short" else load_planted()

    def hunts(self) -> list[tuple[str, str, int, int, float]]:
        """Every key, seeds in the outer loop, so that a part of the rows is already fair."""
        return [
            (searcher, planted.theorem.name, seed, planted.budget(self.steps).steps or 1, self.limit)
            for seed in range(self.seeds)
            for planted in self.statements
            for searcher in SEARCHERS
        ]


def judge(theorem: Theorem, problem: Problem, choices: Mapping[Parameter, sp.Expr]) -> bool:
    """A kill is what :func:`confirm` calls refuted: certified, and exact or by an e-value on numbers of its own."""
    seen = confirm(theorem, problem, ledger=ErrorLedger(), seed=JUDGE_SEED, choices=choices, max_steps=JUDGE_STEPS)
    return seen.status is Status.REFUTED


def run_one(key: tuple[str, str, int, int, float]) -> Row:
    """One hunt."""
    searcher, name, seed, steps, limit = key
    theorem = next(p.theorem for p in load_planted() if p.theorem.name == name)
    return Row(*key, hunt(searcher, theorem, Budget(steps=steps), seed, judge, limit))


def run_bench(
    plan: Plan, *, file: Path | None = None, tell: Callable[[int, int, Row], None] | None = None
) -> list[Row]:
    """All rows of a plan, in its order.

    Args:
        plan: what to run.
        file: rows are appended here, one JSON object a line, and those that are there already are not run again.
        tell: called with the number done, the number of all, and the row.

    Raises:
        PowerError: one line naming file and line, if the file holds something else.
    """
    wanted = plan.hunts()
    known = {row.key: row for row in read_rows(file)} if file is not None and file.exists() else {}
    found = {key: known[key] for key in wanted if key in known}
    for row in _run([key for key in wanted if key not in found], plan.workers):
        found[row.key] = row
        if file is not None:
            with file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(row), sort_keys=True) + "\n")
        if tell is not None:
            tell(len(found), len(wanted), row)
    return [found[key] for key in wanted]


def read_rows(file: Path) -> list[Row]:
    """The rows of a file.

    Raises:
        PowerError: one line naming file and line.
    """
    rows = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            record = json.loads(line)
            rows.append(Row(**{**record, "hunt": Hunt(**record["hunt"])}))
        except (ValueError, TypeError, KeyError) as error:
            raise PowerError(f"{file}:{number}: not a row of this benchmark: {type(error).__name__}") from None
    return rows


def _one_thread() -> None:
    """Two processes of one thread do more than one process of two."""
    import numba
    import torch

    vars(numba.config)["NUMBA_NUM_THREADS"] = 1
    torch.set_num_threads(1)


def _run(keys: Sequence[tuple[str, str, int, int, float]], workers: int) -> Iterable[Row]:
    if workers == 1 or len(keys) <= 1:
        yield from map(run_one, keys)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread) as pool:
        for done in as_completed([pool.submit(run_one, key) for key in keys]):
            yield done.result()

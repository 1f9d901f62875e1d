"""What ``clipbounds bench`` does after its options are read."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.progress import for_terminal


def engine(
    rounds: int, only: Sequence[str], one_core: bool, allow_missing: bool, out: Path | None, as_json: bool
) -> None:
    """``clipbounds bench engine``.

    Raises:
        BenchError: one line.
    """
    from harness.bench.engine import BenchError, check_options, measure_engine

    check_options(rounds, only, allow_missing)
    if out is not None:
        _writable(out, BenchError)

    def tell(text: str) -> None:
        print(text, file=sys.stderr if as_json else sys.stdout, flush=True)

    report = measure_engine(rounds=rounds, only=only, one_core=one_core, allow_missing=allow_missing, tell=tell)
    if out is not None:
        report.append_to(out)
    if as_json:
        print(json.dumps(report.record(), indent=2, allow_nan=False))


def power(
    short: bool,
    full: bool,
    seeds: int | None,
    budget: str,
    limit: float,
    workers: int | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """``clipbounds bench search``.

    Raises:
        PowerError: one line.
    """
    from harness.power.bench import Plan, PowerError, Row, run_bench
    from harness.power.report import markdown, summarise, write_report

    if short and full:
        raise PowerError("options '--short' and '--full': only one of them")
    plan = Plan.of("full" if full else "short", seeds, budget, limit, workers)
    rows_file = None
    if out is not None:
        _writable(out, PowerError)
        rows_file = out.with_suffix(".jsonl")
    with for_terminal(as_json) as progress:
        progress.phase("hunt", len(plan.hunts()))

        def tell(done: int, total: int, row: Row) -> None:
            progress.done()
            progress.part(f"{row.searcher}: {row.statement}, seed {row.seed}")

        rows = run_bench(plan, file=rows_file, tell=tell)
    record = summarise(plan, rows)
    if out is not None:
        write_report(record, plan, rows, out)
    print(json.dumps(record, indent=2, allow_nan=False) if as_json else markdown(record), end="\n" if as_json else "")


def _writable(file: Path, error: type[ValueError]) -> None:
    """Refuse a place that cannot be written to before hours are spent."""
    if file.is_dir() or not file.parent.is_dir():
        raise error(
            f"option '--out': {file} is a folder" if file.is_dir() else f"option '--out': no folder {file.parent}"
        )

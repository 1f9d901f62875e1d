"""``clipbounds bench engine | search``.

Heavy imports wait until a command needs them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="How fast the engine is, and how good the search.", no_args_is_help=True, rich_markup_mode=None)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


@app.command()
def engine(
    rounds: Annotated[int, typer.Option("--rounds", help="Turns of every contender.")] = 5,
    only: Annotated[list[str] | None, typer.Option("--only", metavar="W", help="W1, W2 or W3; all if none.")] = None,
    one_core: Annotated[bool, typer.Option("--one-core", help="One core, processor time.")] = False,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Measure without peers that are not installed.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE.md", help="Also add the table to a file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Steps per second of the engine and of its peers, in turns; the peers are the extra ``bench``."""
    from harness.bench.engine import BenchError, check_options, measure_engine

    check_options(rounds, only or [], allow_missing)
    if out is not None:
        _writable(out, BenchError)

    def tell(text: str) -> None:
        print(text, file=sys.stderr if as_json else sys.stdout, flush=True)

    report = measure_engine(rounds=rounds, only=only or [], one_core=one_core, allow_missing=allow_missing, tell=tell)
    if out is not None:
        report.append_to(out)
    if as_json:
        print(json.dumps(report.record(), indent=2, allow_nan=False))


@app.command()
def search(
    short: Annotated[bool, typer.Option("--short", help="10 statements, 5 seeds (default).")] = False,
    full: Annotated[bool, typer.Option("--full", help="All statements, 10 seeds: a night.")] = False,
    seeds: Annotated[int | None, typer.Option("--seeds", metavar="N", help="Instead of 5 or 10.")] = None,
    budget: Annotated[
        str, typer.Option("--budget", metavar="B", help="Steps of a hunt on noisy runs; others get a fixed share.")
    ] = "1e9steps",
    limit: Annotated[float, typer.Option("--limit", metavar="S", help="Processor seconds of a hunt.")] = 30.0,
    workers: Annotated[int | None, typer.Option("--workers", metavar="N", help="Processes; all cores if none.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="FILE.md, FILE.svg, and FILE.jsonl, from which it goes on."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Kill rate and steps to kill on planted false statements, against three other searchers.

    Exit codes: 2 bad input; 0 otherwise, whether targets are met or not.
    """
    from harness.power.bench import Plan, PowerError, Row, run_bench
    from harness.power.report import markdown, summarise, write_report
    from harness.progress import for_terminal

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
    if file.is_dir():
        raise error(f"option '--out': {file} is a folder")
    if not file.parent.is_dir():
        raise error(f"option '--out': no folder {file.parent}")

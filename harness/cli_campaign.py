"""``clipbounds campaign start | resume | status | stop`` and ``clipbounds export``.

Heavy imports wait until a command needs them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.verdicts import ExitCode

app = typer.Typer(
    help="Searches of hours or nights that survive being killed.", no_args_is_help=True, rich_markup_mode=None
)

StoreFile = Annotated[Path, typer.Option("--store", metavar="FILE", help="The store, a SQLite file on a local disk.")]
Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Of the campaign; the store's last one if none.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Ask the solvers anew, whatever they said earlier.")]
WorkersNumber = Annotated[
    int | None, typer.Option("--workers", metavar="N", help="Processes; as many as cores (or as fit the cluster).")
]
Cluster = Annotated[
    str | None, typer.Option("--cluster", metavar="ADDRESS", help="Run the shards on a Ray cluster: auto or HOST:PORT.")
]
Patience = Annotated[float, typer.Option("--patience", metavar="SECONDS", help="What one shard may take.")]

_STORE = Path("clipbounds.sqlite")


@app.command()
def start(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[T]...", help="Names of the catalogue or paths of .py files; the whole catalogue if none."
        ),
    ] = None,
    budget: Annotated[
        str, typer.Option("--budget", metavar="B", help="For the whole campaign: 8h, or 1e12steps.")
    ] = "1h",
    store: StoreFile = _STORE,
    name: Annotated[str | None, typer.Option("--name", help="Of the campaign; campaign-N if none.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Report of the finished campaign.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of all shards.")] = 0,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    workers: WorkersNumber = None,
    cluster: Cluster = None,
    shard_steps: Annotated[
        int, typer.Option("--shard-steps", metavar="N", help="Engine steps of one shard.")
    ] = 20_000_000,
    alpha: Annotated[float, typer.Option("--alpha", help="Error level of the whole campaign.")] = 1e-6,
    starts: Annotated[
        list[str] | None,
        typer.Option(
            "--starts",
            metavar="DIR",
            help="Try good problems of earlier nights first: of a corpus, of a folder of promoted findings, or of the "
            "earlier campaigns of this store (the word store). May be given again.",
        ),
    ] = None,
    patience: Patience = 3600.0,
    no_cache: NoCache = False,
    as_json: AsJson = False,
) -> None:
    """Begin a campaign. It is cut into shards, which are committed one by one: kill it whenever you like, and resume.

    Exit codes: as for run when it finishes (and 3 if a shard had to be given up); 130 when it was stopped.
    """
    from harness.cli import _select, _settings

    settings = _settings(budget, device, seed)
    theorems = _select(targets)
    from harness.campaign import campaign
    from harness.progress import for_terminal

    who = campaign.Workers(_number(workers, cluster), cluster, patience)
    try:
        with for_terminal(as_json) as progress:
            result = campaign.start(
                theorems,
                settings,
                store,
                who,
                name=name,
                alpha=alpha,
                shard_steps=shard_steps,
                report=out,
                progress=progress,
                cache=not no_cache,
                starts=starts or (),
            )
    except KeyboardInterrupt:
        raise _interrupted(store) from None
    _finish(result, store, as_json)


@app.command()
def resume(
    name: Name = None,
    store: StoreFile = _STORE,
    workers: WorkersNumber = None,
    cluster: Cluster = None,
    patience: Patience = 3600.0,
    no_cache: NoCache = False,
    as_json: AsJson = False,
) -> None:
    """Go on with a campaign that was stopped, killed, or ran out of disk. Exit codes: as for start."""
    from harness.campaign import campaign
    from harness.progress import for_terminal

    who = campaign.Workers(_number(workers, cluster), cluster, patience)
    try:
        with for_terminal(as_json) as progress:
            result = campaign.resume(store, name, who, progress=progress, cache=not no_cache)
    except KeyboardInterrupt:
        raise _interrupted(store) from None
    _finish(result, store, as_json)


@app.command()
def status(
    name: Name = None,
    store: StoreFile = _STORE,
    audit: Annotated[bool, typer.Option("--audit", help="Also count all shards again; exit code 1 if amiss.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look at a campaign, also while it runs: the store is opened for reading only."""
    from harness.campaign import campaign
    from harness.campaign.output import show_status

    seen = campaign.status(store, name, count_again=audit)
    show_status(seen, as_json)
    if seen.get("wrong"):
        raise typer.Exit(ExitCode.NOT_AS_EXPECTED)


@app.command()
def stop(name: Name = None, store: StoreFile = _STORE, as_json: AsJson = False) -> None:
    """Ask a running campaign to stop after the shards that are in work."""
    from harness.campaign import campaign
    from harness.cli_output import _json

    stopped = campaign.stop(store, name)
    if as_json:
        _json({"name": stopped, "stop_requested": True})
    else:
        print(f"{stopped} stops when its running shards are done; go on with: clipbounds campaign resume {stopped}")


def export(
    store: StoreFile = _STORE,
    table: Annotated[str, typer.Option("--table", metavar="T", help="campaigns, shards, findings, ...")] = "shards",
    form: Annotated[str, typer.Option("--format", metavar="F", help="csv or jsonl.")] = "csv",
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where to; stdout if none.")] = None,
) -> None:
    """Write one table of a store as CSV or JSON lines."""
    from harness.store import Store, StoreError
    from harness.store.export import export as write

    with Store(store, read_only=True) as opened:
        if out is None:
            write(opened, table, form, sys.stdout)
            return
        draft = out.with_name(f".{out.name}.partial")
        try:
            with draft.open("w", encoding="utf-8", newline="") as file:
                count = write(opened, table, form, file)
            draft.replace(out)
        except OSError as error:
            raise StoreError(f"{out}: field '--out': cannot be written: {error.strerror or error}") from None
        finally:
            draft.unlink(missing_ok=True)
    print(f"{count:,} rows of {table}: {out}", file=sys.stderr)


def _number(workers: int | None, cluster: str | None) -> int:
    import os

    if workers is not None:
        return workers
    return 0 if cluster is not None else len(os.sched_getaffinity(0))


def _interrupted(store: Path) -> typer.Exit:
    print(
        f"clipbounds: interrupted; nothing that was committed is lost, go on with: clipbounds campaign resume "
        f"--store {store}",
        file=sys.stderr,
    )
    return typer.Exit(ExitCode.INTERRUPTED)


def _finish(result: object, store: Path, as_json: bool) -> None:
    from harness.campaign.campaign import Result
    from harness.campaign.output import show_result
    from harness.judge import exit_code

    assert isinstance(result, Result)
    show_result(result, store, as_json)
    if result.outcome is None:
        raise typer.Exit(ExitCode.INTERRUPTED)
    code = exit_code([o.judgement for o in result.outcome.outcomes])
    if code is ExitCode.AS_EXPECTED and result.quarantined:
        code = ExitCode.UNKNOWN
    raise typer.Exit(code)

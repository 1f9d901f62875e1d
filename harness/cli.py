"""The command line: ``clipbounds list | check | fuzz | run | constant | sharpness | gauge | audit | replay | promote |
report`` and the commands of :mod:`harness.cli_bench` and :mod:`harness.cli_campaign`.

Heavy imports wait until a command needs them, so that ``--help`` is quick. Results go to stdout, progress and errors to
stderr; with ``--json`` stdout carries one JSON document and nothing else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from harness import cli_bench, cli_campaign
from harness.verdicts import ExitCode

app = typer.Typer(
    name="clipbounds",
    help="Check, attack and report claims about clipped SGD.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

app.add_typer(cli_campaign.app, name="campaign")
app.command()(cli_campaign.export)
app.add_typer(cli_bench.app, name="bench")

Targets = Annotated[
    list[str] | None,
    typer.Argument(metavar="[T]...", help="Names of the catalogue or paths of .py files; the whole catalogue if none."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
BudgetText = Annotated[
    str,
    typer.Option("--budget", metavar="B", help="For the whole command: 90s, 10m, or 1e9steps (machine-independent)."),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
Seed = Annotated[int, typer.Option("--seed", help="Of the search and of the confirmations.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Ask the solvers anew, whatever they said earlier.")]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the report goes.")]


@app.command("list")
def list_command(targets: Targets = None, as_json: AsJson = False) -> None:
    """The catalogue with source, status and expectation."""
    from harness import cli_output as output

    theorems = _select(targets)
    output.show_list(theorems, as_json)


@app.command()
def check(
    targets: Targets = None,
    consistency: Annotated[
        bool, typer.Option("--consistency", help="Also hold bounds against one another, and against boundaries.")
    ] = False,
    no_cache: NoCache = False,
    as_json: AsJson = False,
) -> None:
    """Proof only: ask both solvers about every obligation."""
    theorems = _select(targets)
    from harness import cli_output as output
    from harness.judge import exit_code, judge
    from harness.progress import for_terminal
    from harness.run import check_all

    with for_terminal(as_json) as progress:
        results = check_all(theorems, progress, cache=not no_cache)
    judgements = [judge(t, r, None) for t, r in zip(theorems, results, strict=True)]
    code = exit_code(judgements)
    if not consistency:
        output.show_checks(theorems, results, judgements, as_json)
        raise typer.Exit(code)
    from harness.consistency import consistency as compare_all
    from theorems.catalogue import load_catalogue

    with for_terminal(as_json) as progress:
        whole = compare_all(theorems, catalogue=load_catalogue(), progress=progress, cache=not no_cache)
    output.show_consistency(theorems, results, judgements, whole, as_json)
    raise typer.Exit(code if whole.sound or code else ExitCode.UNKNOWN)


@app.command()
def fuzz(
    targets: Targets = None,
    budget: BudgetText = "60s",
    device: Device = "auto",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Search only: look for an instance where a claim fails."""
    settings = _settings(budget, device, seed)
    theorems = _select(targets)
    from harness import cli_output as output
    from harness.judge import exit_code, judge
    from harness.progress import for_terminal
    from harness.run import fuzz_all

    with for_terminal(as_json) as progress:
        results = fuzz_all(theorems, settings, progress)
    judgements = [judge(t, None, r) for t, r in zip(theorems, results, strict=True)]
    output.show_fuzz(theorems, results, as_json)
    raise typer.Exit(exit_code(judgements))


@app.command()
def run(
    targets: Targets = None,
    budget: BudgetText = "60s",
    out: Out = Path("clipbounds-report"),
    device: Device = "auto",
    seed: Seed = 0,
    no_cache: NoCache = False,
    as_json: AsJson = False,
) -> None:
    """The main job: check, fuzz, report.

    Exit codes: 2 bad input; 1 a statement did not behave as it expects; 3 an unknown; 0 otherwise.
    """
    settings = _settings(budget, device, seed)
    theorems = _select(targets)
    from harness import cli_output as output
    from harness.judge import exit_code
    from harness.progress import for_terminal
    from harness.report.folder import ReportFolder
    from harness.run import run_all

    with ReportFolder(out) as folder:
        with for_terminal(as_json) as progress:
            result = run_all(theorems, settings, progress, cache=not no_cache)
        folder.finish(result.record(), result.findings(), result.queries())
    output.show_run(result, out, as_json)
    raise typer.Exit(exit_code([o.judgement for o in result.outcomes]))


@app.command()
def constant(
    targets: Targets = None,
    budget: BudgetText = "60s",
    seed: Seed = 0,
    no_cache: NoCache = False,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="DIR", help="A report of these statements, to write it into.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The constant that an O-claim hides: an interval from what is reached to what is proved.

    Without T: the catalogue's O-forms. Exit codes: 1 a claim fails for every constant; 3 a proof is given and goes
    through with no constant; 0 otherwise.
    """
    settings = _settings(budget, "auto", seed)
    theorems = _select(targets)
    if report is not None:
        from harness.report.records import load_run

        load_run(report)  # before any work: bad input is told at once
    from harness import cli_output as output
    from harness.constants import constants_of, exit_code
    from harness.progress import for_terminal

    with for_terminal(as_json) as progress:
        results = constants_of(theorems, settings, progress, named=bool(targets), cache=not no_cache)
    # First what was found, lest a report that lacks a statement cost it.
    output.show_constants(results, as_json)
    if report is not None:
        from harness.constants import constant_json
        from harness.report.folder import rebuild
        from harness.report.records import ConstantRecord

        found = {r.name: ConstantRecord.of(constant_json(r)) for r in results}
        rebuild(report, found, whole=bool(targets))
    raise typer.Exit(exit_code(results))


@app.command()
def sharpness(targets: Targets = None, no_cache: NoCache = False, as_json: AsJson = False) -> None:
    """How far each numeric condition can be relaxed before the proof breaks, and the model that breaks it.

    Without T: every statement of the catalogue that has a proof. Exit codes: 3 a statement is not proved as it stands;
    0 otherwise.
    """
    theorems = _select(targets)
    from harness import cli_output as output
    from harness.progress import for_terminal
    from harness.sharpness import exit_code, sharpness_of

    with for_terminal(as_json) as progress:
        results = sharpness_of(theorems, progress, named=bool(targets), cache=not no_cache)
    output.show_sharpness(results, as_json)
    raise typer.Exit(exit_code(results))


@app.command()
def gauge(
    targets: Targets = None,
    budget: Annotated[
        str | None, typer.Option("--budget", metavar="B", help="For the whole command; else each cell has its own.")
    ] = None,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE.md", help="Also write the table there.")] = None,
    as_json: AsJson = False,
) -> None:
    """How near the search comes to every true bound, without being told a witness.

    Exit codes: 1 a target is missed or a bound is passed; 0 otherwise.
    """
    settings = _settings(budget or "60s", "auto", seed)
    theorems = _select(targets) if targets else None
    if out is not None and not out.absolute().parent.is_dir():
        raise typer.BadParameter(f"no folder {out.parent}", param_hint="--out")
    from harness import cli_output as output
    from harness.gauge import gauge as measure
    from harness.gauge import gauge_markdown
    from harness.progress import for_terminal

    with for_terminal(as_json) as progress:
        rows = measure(progress, seed=seed, theorems=theorems, budget=settings.budget if budget else None)
    if out is not None:
        out.write_text(gauge_markdown(rows), encoding="utf-8")
    output.show_gauge(rows, as_json)
    failed = any(row.met is False or row.passed for row in rows)
    raise typer.Exit(ExitCode.NOT_AS_EXPECTED if failed else ExitCode.AS_EXPECTED)


@app.command()
def audit(
    targets: Targets = None,
    data: Annotated[str, typer.Option("--data", help="breast_cancer, iris or wine, as scikit-learn ships them.")] = (
        "breast_cancer"
    ),
    regulariser: Annotated[str, typer.Option("--regulariser", help="A positive rational number, such as 1/10.")] = "1",
    batch: Annotated[int, typer.Option("--batch", help="Samples a step.")] = 1,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write every violation as a file to be replayed.")
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Hold statements against real training runs: logistic regression, constants certified from the data.

    Exit codes: 1 a statement that should be true is violated; 3 a violation is undecided; 0 otherwise.
    """
    theorems = _select(targets)
    from harness import cli_output as output
    from harness.audit import audit_all, exit_code
    from harness.progress import for_terminal

    with for_terminal(as_json) as progress:
        results = audit_all(theorems, data, regulariser=regulariser, batch=batch, seed=seed, progress=progress, out=out)
    output.show_audit(results, as_json)
    raise typer.Exit(exit_code(results))


@app.command()
def replay(
    finding: Annotated[Path, typer.Argument(metavar="FINDING.json", help="A finding of a report, or its finding.zip.")],
    as_json: AsJson = False,
) -> None:
    """Re-run a finding from its file alone, once version, hash and schema are verified.

    Exit codes: 0 reproduced, 1 not reproduced, 2 a bad file, or one that was changed.
    """
    from harness import cli_output as output
    from harness.audit_record import is_audit, read_audit, replay_audit
    from harness.replay import replay_finding

    if is_audit(finding):
        again = replay_audit(read_audit(finding.read_text(encoding="utf-8"), str(finding)))
        output.show_replay(again, as_json)
        raise typer.Exit(ExitCode.AS_EXPECTED if again.reproduced else ExitCode.NOT_AS_EXPECTED)
    if finding.suffix == ".zip":
        from harness.report.bundle import load_bundle as load
    else:
        from harness.finding import load_finding as load

    result = replay_finding(load(finding))
    output.show_replay(result, as_json)
    raise typer.Exit(ExitCode.AS_EXPECTED if result.reproduced else ExitCode.NOT_AS_EXPECTED)


@app.command()
def promote(
    finding: Annotated[Path, typer.Argument(metavar="FINDING.json", help="A finding of a report.")],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The folder of regressions.")] = Path(
        "tests/regressions"
    ),
    as_json: AsJson = False,
) -> None:
    """Keep a finding for ever, as an example that every test run judges again. Exit codes: 0 kept, 2 bad file."""
    from harness import cli_output as output
    from harness.regression import promote as keep

    output.show_promoted(keep(finding, to), as_json)


@app.command()
def report(
    folders: Annotated[list[Path] | None, typer.Argument(metavar="[DIR]...", help="Report folders.")] = None,
    site: Annotated[
        Path | None, typer.Option("--site", metavar="DIR", help="Make or extend a site of static pages from reports.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Rebuild the pages of a report from its run.json and FINDING.json files; or, with --site, make a site of several.

    A site keeps what it holds: campaigns and findings are added, and every finding keeps its address.
    """
    from harness import cli_output as output

    if site is not None:
        from harness.report.site import build_site

        output.show_site(build_site(site, folders or []), site, as_json)
        return
    from harness.report.folder import rebuild
    from harness.report.records import ReportError

    if not folders or len(folders) != 1:
        raise ReportError(f"report: one folder is rebuilt at a time, not {len(folders or [])}; --site takes several")
    output.show_rebuilt(rebuild(folders[0]), folders[0], as_json)


def _select(targets: Sequence[str] | None) -> list[Any]:
    import contextlib

    from theorems.catalogue import select

    # A reviewer's file may print while it runs; stdout belongs to the result.
    with contextlib.redirect_stdout(sys.stderr):
        return select(targets or [])


def _settings(budget: str, device: str, seed: int) -> Any:
    from harness.settings import Settings

    return Settings.of(budget, device, seed)


def _bad_input() -> tuple[type[Exception], ...]:
    """The exceptions that mean bad input; those of modules that were never loaded cannot have been raised."""
    places = {
        "theorems.catalogue": "CatalogueError",
        "theorems.language.errors": "StatementError",
        "harness.audit": "AuditError",
        "harness.bench.engine": "BenchError",
        "harness.campaign.driver": "CampaignError",
        "harness.campaign.pool": "PoolError",
        "harness.campaign.starts": "StartsError",
        "harness.constants": "ConstantError",
        "harness.finding": "FindingError",
        "harness.gauge": "GaugeError",
        "harness.power.bench": "PowerError",
        "harness.report.records": "ReportError",
        "harness.settings": "SettingsError",
        "harness.sharpness": "SharpnessError",
        "harness.store.file": "StoreError",
    }
    return tuple(getattr(sys.modules[module], name) for module, name in places.items() if module in sys.modules)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: bad input is one line on stderr and 2, never a traceback."""
    command = typer.main.get_command(app)
    try:
        return int(command.main(list(arguments) if arguments is not None else None, standalone_mode=False) or 0)
    except KeyboardInterrupt:
        print("clipbounds: interrupted", file=sys.stderr)
        return int(ExitCode.INTERRUPTED)
    except typer.Abort:
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # The reader went away (`clipbounds list | head`); what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.AS_EXPECTED)
    except Exception as error:
        if isinstance(error, _bad_input()):
            message = str(error)
        elif hasattr(error, "format_message"):  # the option parser's own errors
            message = error.format_message()
        else:
            import traceback

            traceback.print_exc()
            print("clipbounds: internal error; please report the lines above", file=sys.stderr)
            return int(ExitCode.INTERNAL_ERROR)
        print(f"clipbounds: {' '.join(message.split())}", file=sys.stderr)
        return int(ExitCode.BAD_INPUT)


if __name__ == "__main__":
    sys.exit(main())

"""What a benchmark of search power says: rates, steps to kill, targets; as a record, as Markdown and as a picture."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from fuzz.reference_sampler import VERSION, wilson
from fuzz.rivals import SEARCHERS
from harness.power.bench import Plan, Row
from harness.power.planted import Planted

OURS = next(iter(SEARCHERS))
RANDOM = "random"
SETS = ("all", "tuning", "held out")
_VERSIONS = ("numpy", "numba", "hypothesis", "cma", "torch")
_COLOURS = ("#1f5fa8", "#c2410c", "#3c7d56", "#7a4fa3")
_PARTS = (0.1, 0.01, 0.001)
"""Parts of the step budget within which kills are counted, too."""
_ASKED = (1e-4, 0.1)
"""The shares that the set is meant to have; statements outside are reported, too."""
_NEEDED = 0.9
_FASTER = 5


def summarise(plan: Plan, rows: Sequence[Row]) -> dict[str, Any]:
    """The record that ``--json`` prints.

    Keys: ``form, seeds, budget, limit, hardware, versions, reference_sampler``; ``statements``, a list of ``name, set,
    share, low, high, budget, searchers, fewer_steps_than_random``; ``sets``, by set and searcher; ``targets``, a list
    of ``target, met, says``. A searcher's entry: ``runs, kills, rate, rate_low, rate_high, median, lower, upper,
    clock, rate_within``; the quartiles of steps to kill count a run without a kill as infinite, which is null;
    ``rate_within`` has the kill rates within parts of the budget. A set's ``fewer_steps_in_range`` is the median over
    the statements whose share is between 0.01 % and 10 %.
    """
    statements = [_statement(plan, planted, rows) for planted in plan.statements]
    sets = {name: _set(name, statements, rows) for name in SETS}
    return {
        "form": plan.form,
        "seeds": plan.seeds,
        "budget": plan.steps,
        "limit": plan.limit,
        "hardware": hardware(plan.workers),
        "versions": {name: version(name) for name in _VERSIONS},
        "reference_sampler": VERSION,
        "statements": statements,
        "sets": sets,
        "targets": _targets(statements, sets),
    }


def _statement(plan: Plan, planted: Planted, rows: Sequence[Row]) -> dict[str, Any]:
    mine = [row for row in rows if row.statement == planted.theorem.name]
    found = {name: _entry([row for row in mine if row.searcher == name]) for name in SEARCHERS}
    return {
        "name": planted.theorem.name,
        "set": "tuning" if planted.tuning else "held out",
        "share": planted.size.share,
        "low": planted.size.low,
        "high": planted.size.high,
        "budget": planted.budget(plan.steps).steps,
        "searchers": found,
        "fewer_steps_than_random": _advantage(mine),
    }


def _entry(rows: Sequence[Row]) -> dict[str, Any]:
    kills = [row for row in rows if row.hunt.killed]
    low, high = wilson(len(kills), len(rows)) if rows else (0.0, 1.0)
    # The quartile that is a measured number, so that an infinity stays one.
    steps = sorted(float(row.hunt.steps) if row.hunt.killed else math.inf for row in rows)
    lower, median, upper = (
        (steps[math.ceil(q * len(steps)) - 1] for q in (0.25, 0.5, 0.75)) if steps else (math.inf,) * 3
    )
    return {
        "runs": len(rows),
        "kills": len(kills),
        "rate": len(kills) / len(rows) if rows else math.nan,
        "rate_low": low,
        "rate_high": high,
        "median": _finite(median),
        "lower": _finite(lower),
        "upper": _finite(upper),
        "clock": sum(row.hunt.stopped == "clock" for row in rows),
        "rate_within": {
            f"{part:g}": sum(row.hunt.steps <= part * row.budget for row in kills) / len(rows) if rows else math.nan
            for part in _PARTS
        },
    }


def _finite(value: float) -> int | None:
    return int(value) if math.isfinite(value) else None


def _advantage(rows: Sequence[Row]) -> dict[str, Any] | None:
    """Median steps of random draws over ours; where random has no median, at least by the steps that it spent."""
    ours = [row for row in rows if row.searcher == OURS]
    rival = [row for row in rows if row.searcher == RANDOM]
    mine, theirs = _entry(ours)["median"], _entry(rival)["median"]
    if mine is None:
        return None
    if theirs is not None:
        return {"ratio": theirs / max(mine, 1), "at_least": False}
    spent = sorted(row.hunt.steps for row in rival)
    return {"ratio": spent[(len(spent) - 1) // 2] / max(mine, 1), "at_least": True}


def _set(name: str, statements: Sequence[Mapping[str, Any]], rows: Sequence[Row]) -> dict[str, Any]:
    chosen = [s for s in statements if name in ("all", s["set"])]
    names = {s["name"] for s in chosen}
    found: dict[str, Any] = {}
    for searcher in SEARCHERS:
        entry = _entry([row for row in rows if row.searcher == searcher and row.statement in names])
        often = sum(s["searchers"][searcher]["rate"] >= _NEEDED for s in chosen)
        found[searcher] = {**entry, "statements": len(chosen), "statements_killed": often}
    return {
        "searchers": found,
        "fewer_steps_than_random": _median_ratio(chosen),
        "fewer_steps_in_range": _median_ratio([s for s in chosen if _in_range(s)]),
    }


def _median_ratio(statements: Sequence[Mapping[str, Any]]) -> float | None:
    ratios = [s["fewer_steps_than_random"]["ratio"] for s in statements if s["fewer_steps_than_random"]]
    return float(np.median(ratios)) if ratios else None


def _in_range(statement: Mapping[str, Any]) -> bool:
    return bool(_ASKED[0] <= statement["share"] <= _ASKED[1])


def _targets(statements: Sequence[Mapping[str, Any]], sets: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    for name in SETS:
        entries, count = sets[name]["searchers"], sets[name]["searchers"][OURS]["statements"]
        if not count:
            continue
        ours, often = entries[OURS], entries[OURS]["statements_killed"]
        chosen = [s for s in statements if name in ("all", s["set"])]
        weak = [s for s in chosen if s["searchers"][OURS]["rate"] < _NEEDED]
        missed = ", ".join(
            f"{s['name']} ({s['searchers'][OURS]['kills']} of {s['searchers'][OURS]['runs']})" for s in weak
        )
        inside = [s for s in chosen if _in_range(s)]
        among = f"{sum(s not in weak for s in inside)} of {len(inside)} whose share is 0.01 % to 10 %"
        missed = f"; missed: {missed}; {among}" if weak else ""
        found.append(
            _target(name, "every statement killed in 9 of 10 seeds", often == count, f"{often} of {count}{missed}")
        )
        rival = max((n for n in entries if n != OURS), key=lambda n: float(entries[n]["rate"]))
        says = f"{ours['rate']:.2f} against {entries[rival]['rate']:.2f} of {rival}"
        found.append(_target(name, "kill rate above every rival", ours["rate"] > entries[rival]["rate"], says))
        ratio = sets[name]["fewer_steps_than_random"]
        says = "no statement has a median" if ratio is None else f"{ratio:.3g} times, in the median over statements"
        asked = sets[name]["fewer_steps_in_range"]
        says += "" if asked is None else f" ({asked:.3g} over those whose share is 0.01 % to 10 %)"
        says += f"; at least {_FASTER} times on {_fast(statements, name)} of {count} statements"
        found.append(
            _target(name, f"median steps {_FASTER} times fewer than random", bool(ratio and ratio >= _FASTER), says)
        )
    return found


def _fast(statements: Sequence[Mapping[str, Any]], name: str) -> int:
    ratios = [s["fewer_steps_than_random"] for s in statements if name in ("all", s["set"])]
    return sum(r is not None and r["ratio"] >= _FASTER for r in ratios)


def _target(name: str, target: str, met: bool, says: str) -> dict[str, Any]:
    return {"set": name, "target": target, "met": bool(met), "says": says}


def hardware(workers: int) -> str:
    """One line on the machine."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0] if names else cpu
    return f"{cpu}, {os.cpu_count()} cores, {workers} processes of one thread each; Python {platform.python_version()}"


# -- Markdown ------------------------------------------------------------------------------------------------------


def markdown(record: Mapping[str, Any], picture: str | None = None) -> str:
    """The report as text; ``picture`` is the name of the SVG beside it."""
    shown = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    lines = [
        f"# Search power, {record['form']} form",
        "",
        f"{len(record['statements'])} planted false statements, {record['seeds']} seeds, {record['budget']:.3g} engine",
        "steps for a statement on noisy runs, a tenth without noise, a thousandth for one-step claims (so that all pay",
        f"for about as many problems); at most {record['limit']:g} s of processor time for each hunt. A kill is a",
        "problem that `confirm` calls refuted: assumptions certified, then exact arithmetic or an e-value on fresh",
        "numbers. Its steps cost the searcher nothing; the searcher pays for all others. No oracle's noise.",
        "",
        f"{record['hardware']}; {shown}; reference sampler {record['reference_sampler']}.",
        "",
        "## Targets",
        "",
        "| set | target | | measured |",
        "|---|---|---|---|",
        *(
            f"| {t['set']} | {t['target']} | {'met' if t['met'] else 'missed'} | {t['says']} |"
            for t in record["targets"]
        ),
        "",
        "## By set",
        "",
        "A rate within a part of the budget counts the kills that took no more than that part of it.",
        "",
        "| set | searcher | kills | rate (95 %) | within 1/10 | 1/100 | 1/1000 | killed in 9 of 10 | out of time |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in record["sets"].items():
        lines += [
            f"| {name} | {searcher} | {e['kills']} of {e['runs']} | {e['rate']:.2f} ({e['rate_low']:.2f} to "
            f"{e['rate_high']:.2f}) | {' | '.join(f'{r:.2f}' for r in e['rate_within'].values())} | "
            f"{e['statements_killed']} of {e['statements']} | {e['clock']} |"
            for searcher, e in found["searchers"].items()
            if e["runs"]
        ]
    lines += [
        "",
        "## By statement",
        "",
        "Kills, and median steps to kill with quartiles; a run without a kill counts as infinitely many steps. The",
        "share is that of violating problems among the reference sampler's draws, with its interval; where none of the",
        "draws violates, the end of the interval is all that is known.",
        *_outside(record["statements"]),
        "",
        f"| statement | set | share (95 %) | {' | '.join(SEARCHERS)} | random/ours |",
        f"|---|---|---|{'---|' * len(SEARCHERS)}---|",
    ]
    for s in record["statements"]:
        cells = " | ".join(_cell(s["searchers"][name]) for name in SEARCHERS)
        share = f"{_percent(s['share'])} ({_percent(s['low'])} to {_percent(s['high'])})"
        share = share if s["share"] else f"below {_percent(s['high'])}"
        lines.append(f"| {s['name']} | {s['set']} | {share} | {cells} | {_ratio(s['fewer_steps_than_random'])} |")
    if picture:
        lines += ["", f"![Share of hunts that ended in a kill, against steps]({picture})"]
    return "\n".join(lines) + "\n"


def _outside(statements: Sequence[Mapping[str, Any]]) -> list[str]:
    names = [f"{s['name']} ({'above' if s['share'] > _ASKED[1] else 'below'})" for s in statements if not _in_range(s)]
    return [f"Outside 0.01 % to 10 %: {', '.join(names)}."] if names else []


def _cell(entry: Mapping[str, Any]) -> str:
    def steps(value: int | None) -> str:
        return "∞" if value is None else f"{value:.2g}"

    spread = f"{steps(entry['median'])} ({steps(entry['lower'])} to {steps(entry['upper'])})"
    return f"{entry['kills']}/{entry['runs']}: {spread}" if entry["kills"] else f"0/{entry['runs']}"


def _percent(value: float) -> str:
    return f"{100 * value:.2g} %"


def _ratio(found: Mapping[str, Any] | None) -> str:
    return "" if found is None else f"{'≥ ' * found['at_least']}{found['ratio']:.2g}"


# -- the picture -----------------------------------------------------------------------------------------------------


def picture(plan: Plan, rows: Sequence[Row]) -> str:
    """Kill rate against the part of the step budget that was spent, tuning set and held-out set; an SVG."""
    import io

    import matplotlib
    from matplotlib.figure import Figure

    style: Any = {"svg.hashsalt": "clipbounds", "svg.fonttype": "none", "font.size": 9}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(8.0, 3.4), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for axes, name in zip(panels, SETS[1:], strict=True):
            names = {p.theorem.name for p in plan.statements if p.tuning == (name == "tuning")}
            chosen = [row for row in rows if row.statement in names]
            _curves(axes, chosen)
            axes.set(xscale="log", xlim=(1e-7, 1), ylim=(0, 1.02), xlabel="steps / budget")
            axes.set_title(f"{name}: {len(names)} statements, {len(chosen) // len(SEARCHERS)} hunts each")
            axes.grid(visible=True, alpha=0.3)
        panels[0].set_ylabel("hunts that ended in a kill")
        panels[0].legend(fontsize=8, loc="upper left")
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _curves(axes: Any, rows: Sequence[Row]) -> None:
    for searcher, colour in zip(SEARCHERS, _COLOURS, strict=True):
        mine = [row for row in rows if row.searcher == searcher]
        kills = sorted(min(1.0, row.hunt.steps / row.budget) for row in mine if row.hunt.killed)
        parts = [1e-7, *kills, 1.0]
        heights = [0.0, *(np.arange(1, len(kills) + 1) / max(1, len(mine))), len(kills) / max(1, len(mine))]
        axes.step(parts, heights, where="post", color=colour, label=searcher, linewidth=1.6)


def write_report(record: Mapping[str, Any], plan: Plan, rows: Sequence[Row], file: Path) -> None:
    """``FILE.md`` and ``FILE.svg``; a suffix of ``file`` is replaced."""
    image = file.with_suffix(".svg")
    image.write_text(picture(plan, rows), encoding="utf-8")
    file.with_suffix(".md").write_text(markdown(record, image.name), encoding="utf-8")

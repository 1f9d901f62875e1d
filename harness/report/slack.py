"""The map of slack: how near to its bound a search came in every regime, as pictures and as a table.

Read from the record of a search alone. A score is the part of the bound that was reached, so what is missing to 1 is
slack, of the bound or of the search.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from harness.report.figures import BLUE, GREEN, RED, Canvas
from harness.report.records import BinRecord, CoverageRecord

_LABELS: Mapping[str, str] = {"steps": "T", "noise": "σ/c", "start": "m/c at the start", "step size": "step size / cap"}


@dataclass(frozen=True)
class SlackRow:
    """One bin for the table beside the pictures."""

    axis: str
    bin: str
    evaluations: int
    best: float | None


@dataclass(frozen=True)
class SlackMap:
    """What the page shows.

    Attributes:
        profiles: one panel for each axis.
        map: two axes against each other, empty if there are not two.
        rows: the numbers of ``profiles``.
        empty: the regimes without a score.
    """

    profiles: Markup
    map: Markup
    rows: tuple[SlackRow, ...]
    empty: tuple[str, ...]


def slack_map(coverage: CoverageRecord | None, name: str) -> SlackMap | None:
    """The map of one statement; None where nothing was scored."""
    if coverage is None or not any(b.evaluations for b in coverage.regimes):
        return None
    rows = tuple(
        SlackRow(label, b.words[0], b.evaluations, b.best)
        for label, profile in zip(coverage.labels, coverage.profiles, strict=True)
        for b in profile
    )
    return SlackMap(_profiles(coverage, name), _heat(coverage, name), rows, coverage.empty)


def _profiles(coverage: CoverageRecord, name: str) -> Markup:
    """Best score by bin, one panel an axis: a bar to the score, the number of problems above its word."""
    count = len(coverage.axes)
    columns = 2 if count == 4 else min(count, 3)
    lines = -(-count // columns)
    best = max((b.best for b in coverage.regimes if b.best is not None), default=0.0)
    parts = [
        f"{label}: " + ", ".join(f"{b.words[0]} {_text(b.best)}" for b in profile)
        for label, profile in zip(coverage.labels, coverage.profiles, strict=True)
    ]
    says = f"Best score of {name} along each axis, at most {best:.3f}. {'; '.join(parts)}."
    canvas = Canvas("slack", says, (7.2 if columns == 3 else 3.3 * columns, 2.3 * lines + 0.2))
    with canvas as axes:
        panels = _panels(axes, lines, columns)
        for panel, label, profile in zip(panels, coverage.labels, coverage.profiles, strict=False):
            _profile(panel, label, profile)
        for panel in panels[count:]:
            panel.set_axis_off()
    return canvas.svg


def _profile(panel: Any, label: str, profile: tuple[BinRecord, ...]) -> None:
    places = np.arange(len(profile))
    heights = [0.0 if b.best is None else float(np.clip(b.best, 0.0, 1.15)) for b in profile]
    colours = [RED if b.best is not None and b.best > 1 + 1e-9 else BLUE for b in profile]
    panel.bar(places, heights, color=colours, width=0.7)
    for place, b in zip(places, profile, strict=True):
        if b.best is None:
            panel.text(place, 0.03, "empty", rotation=90, ha="center", va="bottom", fontsize=8, alpha=0.75)
        elif b.best < 0.005:
            panel.text(place, 0.03, _text(b.best), rotation=90, ha="center", va="bottom", fontsize=8, alpha=0.75)
    panel.axhline(1.0, color=GREEN, linewidth=1.4, linestyle="--")
    panel.set_xticks(places, [b.words[0] for b in profile], rotation=40, ha="right", rotation_mode="anchor", fontsize=8)
    panel.tick_params(axis="x", length=0, pad=2)
    panel.grid(axis="x", visible=False)
    panel.set(ylim=(0, 1.18), yticks=(0, 0.5, 1), title=label)
    panel.title.set_fontsize(9)


def _heat(coverage: CoverageRecord, name: str) -> Markup:
    """Best score by pair of bins, written into its field."""
    if not coverage.map_axes:
        return Markup("")
    across, up = (coverage.bins[coverage.axes.index(axis)] for axis in coverage.map_axes)
    table = {b.words: b for b in coverage.map}
    says = (
        f"Best score of {name} by {_LABELS[coverage.map_axes[0]]} across and {_LABELS[coverage.map_axes[1]]} up; "
        "a dot where nothing was scored."
    )
    canvas = Canvas("slack-map", says, (6.6, 0.36 * len(up) + 1.0))
    with canvas as axes:
        for i, first in enumerate(across):
            for j, second in enumerate(up):
                best = table[first, second].best
                if best is None:
                    axes.text(i, j, "·", ha="center", va="center", alpha=0.6)
                    continue
                part = float(np.clip(best, 0.0, 1.0))
                colour = RED if best > 1 + 1e-9 else BLUE
                axes.fill_between([i - 0.48, i + 0.48], j - 0.46, j + 0.46, color=colour, alpha=0.08 + 0.5 * part**2)
                axes.text(i, j, _text(best), ha="center", va="center", fontsize=9)
        figure = axes.get_figure()
        figure.set_layout_engine(None)
        figure.subplots_adjust(left=0.14, right=0.99, top=0.98, bottom=0.55 / figure.get_size_inches()[1])
        axes.set_xticks(range(len(across)), across)
        axes.set_yticks(range(len(up)), up)
        axes.set(xlim=(-0.5, len(across) - 0.5), ylim=(-0.5, len(up) - 0.5))
        axes.set_xlabel(_LABELS[coverage.map_axes[0]])
        axes.set_ylabel(_LABELS[coverage.map_axes[1]])
        axes.grid(visible=False)
        axes.tick_params(length=0)
    return canvas.svg


def _panels(axes: Any, lines: int, columns: int) -> list[Any]:
    figure = axes.get_figure()
    axes.remove()
    # A layout that is solved for takes most of the time of drawing; these panels are always alike.
    figure.set_layout_engine(None)
    height = figure.get_size_inches()[1]
    figure.subplots_adjust(left=0.06, right=0.99, top=1 - 0.3 / height, bottom=0.75 / height, wspace=0.08, hspace=0.72)
    return list(figure.subplots(lines, columns, sharey=True, squeeze=False).ravel())


def _text(best: float | None) -> str:
    if best is None:
        return "empty"
    if best <= 0:
        return "≤ 0"
    # Rounding may not lift a score to the bound.
    return "1.000" if abs(best - 1) < 1e-9 else f"{np.floor(best * 1000) / 1000:.3f}" if best < 1 else f"{best:.3f}"

"""Pictures as inline SVG, readable on a light and on a dark page."""

from __future__ import annotations

import io
import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import sympy as sp
from markupsafe import Markup

from fuzz.engine import Statistics, run
from fuzz.engine.printers.numpy_source import numpy_function
from fuzz.finite import why_not_run
from fuzz.instance import batch_of
from fuzz.problem import FiniteLaw, Problem
from harness.report.hand_check import HandCheck, finite_atoms
from theorems.language.functions import NOISES, U0, U1, x
from theorems.language.parameters import c, m

Floats = npt.NDArray[np.float64]

# These two stand for "the colour of the text" and "a faint line" until the page's style sheet decides.
_INK, _FAINT = "#010203", "#040506"
BLUE, RED, GREEN = "#4a80c4", "#d1495b", "#3c9d76"
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _FAINT,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _FAINT,
    "grid.linewidth": 0.6,
    "grid.alpha": 0.35,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
}
_BROAD = 450.0  # points: such a picture scrolls on a phone
_REPLICAS, _SHOWN, _MOST_WORK = 256, 12, 4_000_000


class Canvas:
    """One picture being drawn: ``with Canvas("name", "what it shows") as axes: ...`` and then :attr:`svg`.

    Args:
        name: unique in a page.
        says: for those who cannot see it.
        size: in inches.
        legend: whether room is left for a legend below.
    """

    def __init__(self, name: str, says: str, size: tuple[float, float] = (5.2, 3.0), *, legend: bool = False) -> None:
        self._name, self._says, self._size = name, says, size
        self._bottom = 0.95 if legend else 0.55
        self.svg = Markup("")

    def __enter__(self) -> Any:
        import matplotlib
        from matplotlib.figure import Figure

        self._context = matplotlib.rc_context({**_STYLE, "svg.hashsalt": self._name})
        self._context.__enter__()
        # Margins of fixed inches: matplotlib's own layout draws everything twice, and takes most of a page's time.
        self._figure = Figure(figsize=self._size)
        width, height = self._size
        axes = self._figure.add_subplot()
        bottom = self._bottom
        self._figure.subplots_adjust(
            left=0.75 / width, right=1 - 0.15 / width, bottom=bottom / height, top=1 - 0.15 / height
        )
        return axes

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                buffer = io.StringIO()
                self._figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
                self.svg = _inline(buffer.getvalue(), self._name, self._says)
        finally:
            self._context.__exit__(None, None, None)


def objective_picture(problem: Problem) -> Markup:
    """Each coordinate's profile, or that of the norm, with the start on it."""
    canvas = Canvas("objective", f"The objective {problem.objective.name} with the start on it")
    with canvas as axes:
        radial = problem.objective.radial
        starts = [float(s) for s in problem.start]
        starts = [math.hypot(*starts)] if radial else starts
        reach = 1.6 * max(max(map(abs, starts)), 1e-9)
        grid = np.linspace(0.0 if radial else -reach, reach, 401)
        drawn: list[tuple[float, list[float]]] = []
        for start, (family, numbers) in zip(starts, problem.objective.profiles, strict=True):
            value = numpy_function(family.value, (x, *family.parameters))
            values = [float(numbers[p.name]) for p in family.parameters]
            if (start, values) in drawn or len(drawn) == 4:
                continue
            drawn.append((start, values))
            axes.plot(grid, np.broadcast_to(value(grid, *values), grid.shape), color=BLUE)
            height = float(value(np.float64(start), *values))
            axes.plot([start], [height], "o", color=RED, markersize=7, zorder=3)
            axes.annotate("start", (start, height), (0, 9), textcoords="offset points", ha="center")
        line = problem.dimension == 1
        axes.set_xlabel("|x|" if radial else "x" if line else "one coordinate of x")
        axes.set_ylabel("f(x)" if radial or line else "its part of f(x)")
    return canvas.svg


def noise_picture(problem: Problem, check: HandCheck | None) -> Markup:
    """The law of the noise at the start: atoms with their weights, or a density."""
    canvas = Canvas("noise", "The law of the noise: how likely each size is")
    with canvas as axes:
        if check is not None:
            along = [_project(row.noise, check) for row in check.rows]
            weights = [float(row.probability) for row in check.rows]
            axes.vlines(along, 0, weights, color=BLUE, linewidth=5)
            for position, weight in zip(along, weights, strict=True):
                axes.annotate(f"{weight:.3g}", (position, weight), (0, 4), textcoords="offset points", ha="center")
            axes.set_ylim(0, 1.18 * max(weights))
            span = max(map(abs, along)) * 1.25
            axes.set_xlim(-span, span)
            axes.set_ylabel("probability")
        else:
            draws = _noise_draws(problem)
            low, high = np.quantile(draws, [0.002, 0.998])
            axes.hist(draws, bins=80, range=(low, high), density=True, color=BLUE)
            axes.set_ylabel("density")
        axes.axvline(0, color=_INK, linewidth=0.9, linestyle=":")
        axes.set_xlabel("noise" if problem.dimension == 1 else "noise along the gradient, or one coordinate of it")
    return canvas.svg


def clipping_picture(problem: Problem, check: HandCheck) -> Markup:
    """Atoms of the stochastic gradient before and after clipping: the weights stay, the long one is pulled in."""
    canvas = Canvas("clipping", "The atoms of the gradient before and after clipping", (6.6, 3.6), legend=True)
    threshold = float(problem.clipping_threshold)
    with canvas as axes:
        before = np.array([_project(row.sample, check) for row in check.rows])
        after = np.array([float(row.along) for row in check.rows])
        weight = np.array([float(row.probability) for row in check.rows])
        top = 1.3 * weight.max()
        axes.axvspan(-threshold, threshold, color=GREEN, alpha=0.13, linewidth=0)
        axes.text(-0.97 * threshold, 0.98 * top, "|g| ≤ c", va="top", fontsize=9, color=GREEN)
        axes.vlines(before, 0, weight, color=BLUE, linewidth=5, alpha=0.45, label="g")
        axes.vlines(after, 0, weight, color=BLUE, linewidth=5, label="clip(g)")
        for start, end, height in zip(before, after, weight, strict=True):
            axes.annotate(f"{height:.3g}", (end, height), (0, 4), textcoords="offset points", ha="center", fontsize=9)
            if abs(start - end) > 1e-12:
                axes.annotate(
                    "", (end, 0.6 * height), (start, 0.6 * height), arrowprops={"arrowstyle": "->", "color": _INK}
                )
        axes.axvline(float(check.norm), color=GREEN, linewidth=1.5, linestyle="--", label="mean before = gradient")
        axes.axvline(float(check.drift), color=RED, linewidth=1.5, linestyle="--", label="mean after clipping")
        span = max(np.abs(before).max(), threshold) * 1.15
        axes.set(
            xlim=(-span, span), ylim=(0, top), ylabel="probability", xlabel="stochastic gradient, along the gradient"
        )
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=4, columnspacing=1.2, handlelength=1.6)
    return canvas.svg


def trajectory_pictures(
    problem: Problem, quantity: str, bound: float, seed: int
) -> tuple[Markup, Markup, Statistics | None]:
    """Sample runs, and the measured quantity against the bound over time; empty where a run is too long to draw."""
    replicas = 1 if problem.deterministic else _REPLICAS
    if problem.steps * problem.dimension * min(replicas, 16) > _MOST_WORK:
        return Markup(""), Markup(""), None
    replicas = max(1, min(replicas, _MOST_WORK // (problem.steps * problem.dimension)))
    statistics = run_for_picture(problem, replicas, seed, recorded=replicas if quantity == "FinalGap" else _SHOWN)
    if statistics is None:
        return Markup(""), Markup(""), None
    return (
        _runs(problem, statistics),
        _over_time(problem, statistics, quantity, bound),
        statistics,
    )


def run_for_picture(problem: Problem, replicas: int, seed: int, recorded: int = _SHOWN) -> Statistics | None:
    """A small run with recorded trajectories, or None for a law that no engine runs."""
    if isinstance(problem.noise, FiniteLaw) and why_not_run(problem.noise):
        return None
    batch = batch_of(problem, seed=seed, purpose="picture")
    return run(batch, replicas, backend="reference", record=min(replicas, recorded))


def _runs(problem: Problem, statistics: Statistics) -> Markup:
    assert statistics.trajectories is not None
    paths = statistics.trajectories[0]
    canvas = Canvas("runs", "Some runs: position against the step")
    with canvas as axes:
        thin = max(1, paths.shape[1] // 600)
        times = np.arange(paths.shape[1])[::thin]
        for path in paths[:_SHOWN]:
            shown = path[:, 0] if problem.dimension == 1 else np.linalg.norm(path, axis=1)
            axes.plot(times, shown[::thin], color=BLUE, alpha=0.75 if len(paths) == 1 else 0.4, linewidth=1.1)
        axes.set(xlabel="step t", ylabel="x(t)" if problem.dimension == 1 else "|x(t)|")
        axes.axhline(0, color=_INK, linewidth=0.9, linestyle=":")
    return canvas.svg


def stuck_picture(problem: Problem) -> Markup:
    """The mean clipped step around a stuck point on a line, by definition; arrows show where the mean run goes."""
    canvas = Canvas(
        "stuck", "The mean clipped step around the stuck point, which it leads back to", (6.6, 3.6), legend=True
    )
    with canvas as axes:
        stuck = float(problem.start[0])
        low, high = sorted((-0.6 * stuck, 2.2 * stuck))
        ((family, numbers),) = problem.objective.profiles
        slope = numpy_function(family.gradient, (x, *family.parameters))
        values = [float(numbers[p.name]) for p in family.parameters]
        threshold = float(problem.clipping_threshold)
        atoms = finite_atoms(problem, (sp.Integer(1),), sp.Integer(1))
        assert atoms is not None

        def steepness(points: Floats) -> Floats:
            if problem.objective.radial:
                return np.asarray(np.sign(points) * slope(np.abs(points), *values))
            return np.broadcast_to(slope(points, *values), points.shape)

        def mean_step(points: Floats) -> Floats:
            gradient = steepness(points)
            parts = (float(p) * np.clip(gradient + float(z[0]), -threshold, threshold) for p, z in atoms)
            return np.asarray(sum(parts))

        grid = np.linspace(low, high, 401)
        axes.plot(grid, steepness(grid), color=GREEN, linestyle="--", label="gradient")
        axes.plot(grid, mean_step(grid), color=BLUE, label="mean clipped step")
        axes.axhline(0, color=_INK, linewidth=0.9)
        reach = high - low
        for position in np.linspace(low, high, 9)[1:-1]:
            step = float(mean_step(np.array([position]))[0])
            if abs(step) > 1e-9:
                end = position - np.sign(step) * 0.07 * reach
                axes.annotate("", (end, 0), (position, 0), arrowprops={"arrowstyle": "-|>", "color": _INK, "lw": 1.4})
        axes.plot([stuck], [0], "o", color=RED, markersize=8, zorder=4, label="the stuck point")
        axes.plot([0], [0], "o", color=GREEN, markersize=6, zorder=4, label="the minimum")
        axes.set(xlabel="x (arrows: where the mean run goes)", ylabel="step against x", xlim=(low, high))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=4, columnspacing=1.2, handlelength=1.6)
    return canvas.svg


def _over_time(problem: Problem, statistics: Statistics, quantity: str, bound: float) -> Markup:
    canvas = Canvas("quantity", "The measured quantity over time, against the claimed bound", (6.6, 3.6), legend=True)
    with canvas as axes:
        if quantity == "FinalGap":
            gaps = _gaps(problem, statistics)
            times = np.arange(gaps.shape[1])
            mean, error = gaps.mean(0), gaps.std(0) / max(len(gaps) - 1, 1) ** 0.5
            axes.fill_between(times, mean - 2 * error, mean + 2 * error, color=BLUE, alpha=0.2, linewidth=0)
            axes.plot(
                times,
                mean,
                color=BLUE,
                label=f"f(x(t)) − inf f, mean of {len(gaps)} runs" if len(gaps) > 1 else "f(x(t)) − inf f",
            )
        else:
            times, mean = statistics.checkpoints, statistics.mean_gradient_norm[0]
            error = np.nan_to_num(statistics.standard_error()[0])
            axes.fill_between(times, mean - 2 * error, mean + 2 * error, color=BLUE, alpha=0.2, linewidth=0)
            axes.plot(
                times, mean, color=BLUE, label="mean gradient norm at step t", marker="o" if len(times) < 3 else ""
            )
            if quantity == "AverageGradientNorm":
                average = float(np.nanmean(statistics.average_gradient_norm[0]))
                axes.axhline(average, color=GREEN, linestyle="--", label="its average over the run")
        axes.axhline(bound, color=RED, label="claimed bound")
        axes.set_xlabel("step t")
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, columnspacing=1.2)
    return canvas.svg


def _gaps(problem: Problem, statistics: Statistics) -> Floats:
    assert statistics.trajectories is not None
    paths = statistics.trajectories[0]
    if problem.objective.radial:
        paths = np.linalg.norm(paths, axis=2, keepdims=True)
    total = np.zeros(paths.shape[:2])
    for axis, (family, numbers) in enumerate(problem.objective.profiles):
        value = numpy_function(family.value, (x, *family.parameters))
        total += value(paths[:, :, axis], *(float(numbers[p.name]) for p in family.parameters))
    return total


def _noise_draws(problem: Problem) -> Floats:
    """Draws of one coordinate at the start, or of what moves along the gradient."""
    rng = np.random.default_rng(0)
    if isinstance(problem.noise, FiniteLaw):
        weights = [float(p) for p, _ in problem.noise.atoms]
        return rng.choice([float(v[0]) for _, v in problem.noise.atoms], 100_000, p=weights)
    family = NOISES[problem.noise.name]
    numbers = problem.noise.coordinates[0]
    uniform = (rng.integers(0, 2**32, (2, 100_000)) + 0.5) / 2.0**32
    draw = numpy_function(family.sample, (U0, U1, m, c, *family.parameters))
    values = [float(numbers[p.name]) for p in family.parameters]
    draws = draw(uniform[0], uniform[1], _norm_at_start(problem), float(problem.clipping_threshold), *values)
    return np.broadcast_to(np.asarray(draws, np.float64), uniform[0].shape)


def _norm_at_start(problem: Problem) -> float:
    slopes = []
    places = [float(v) for v in problem.start]
    places = [math.hypot(*places)] if problem.objective.radial else places
    for start, (profile, numbers) in zip(places, problem.objective.profiles, strict=True):
        gradient = numpy_function(profile.gradient, (x, *profile.parameters))
        slopes.append(float(gradient(np.float64(start), *(np.float64(numbers[p.name]) for p in profile.parameters))))
    return float(np.linalg.norm(slopes))


def _project(vector: tuple[Any, ...], check: HandCheck) -> float:
    return float(sum(a * b for a, b in zip(vector, check.gradient, strict=True)) / check.norm)


def _inline(svg: str, name: str, says: str) -> Markup:
    """The bare element: ids made unique in the page, the two stand-in colours handed to the style sheet."""
    svg = svg[svg.index("<svg") :]
    # Its style sheet would reach the whole page.
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", svg, flags=re.DOTALL)
    referenced = set(re.findall(r"#([\w.-]+)\)|href=\"#([\w.-]+)\"", svg))
    used = {part for pair in referenced for part in pair if part}
    svg = re.sub(r' id="([\w.-]+)"', lambda hit: f' id="{name}-{hit[1]}"' if hit[1] in used else "", svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = svg.replace(_INK, "currentColor").replace(_FAINT, "var(--line)")
    (box,) = re.findall(r'<svg [^>]*?viewBox="([^"]*)"', svg)[:1]
    wide = " broad" if float(box.split()[2]) > _BROAD else ""
    head = Markup('<svg class="picture{}" role="img" aria-label="{}" viewBox="{}">').format(wide, says, box)
    return head + Markup(svg[svg.index(">", svg.index("<svg")) + 1 :])

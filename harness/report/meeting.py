"""The page on which the upper bounds S3 and S3' stand beside the lower bound S2-T: they meet with constant 1."""

from __future__ import annotations

import numpy as np
import sympy as sp
from markupsafe import Markup

from fuzz.engine.printers.numpy_source import numpy_function
from harness.consistency import Meeting, meetings
from harness.report.figures import BLUE, RED, Canvas
from harness.report.records import RunRecord
from harness.verdicts import Verdict
from theorems.language import F0, L0, L1, T, c, eta, sigma
from theorems.language.walk import latex
from theorems.sharp.s2t_trajectory import trajectory
from theorems.sharp.s3_small_threshold import small_threshold
from theorems.sharp.s3_upper import upper

NAMES = frozenset((trajectory.name, upper.name, small_threshold.name))
_STEP_SIZES = (1e-2, 1e-3, 1e-4, 1e-6)


def bounds_meet(run: RunRecord) -> bool:
    """Whether all three statements take part in a run and are proved there."""
    proved = {t.statement.name for t in run.theorems if t.verdict == Verdict.PROVED}
    return proved >= NAMES


def meeting_rows() -> list[tuple[Meeting, str, str]]:
    """Each meeting with its region and its limit as LaTeX."""
    letters = {str(s): s for s in (c, sigma)}
    rows = []
    for meeting in meetings():
        limit = sp.sympify(meeting.limit, locals=letters)
        region = meeting.case.replace("<=", r"\le").replace(">=", r"\ge").replace("sigma", r"\sigma")
        rows.append((meeting, region, latex(limit)))
    return rows


def meeting_picture() -> Markup:
    """The lower bound over sigma/c, and the better of the upper bounds for smaller and smaller step sizes."""
    canvas = Canvas("meeting", "Upper bounds for smaller step sizes come down to the lower bound", (6.6, 3.8))
    noise = np.geomspace(0.05, 20, 400)
    letters = (c, sigma, eta, T, L0, L1, F0)
    with canvas as axes, np.errstate(all="ignore"):
        lower = numpy_function(trajectory.bound, letters)(1.0, noise, 1.0, 1.0, 1.0, 1.0, 1.0)
        for k, step in enumerate(_STEP_SIZES):
            numbers = (1.0, noise, step, step**-2, 1.0, 1.0, 1.0)
            first = numpy_function(upper.bound, letters)(*numbers)
            second = numpy_function(small_threshold.bound, letters)(*numbers)
            allowed = np.ones(len(noise), bool)
            for condition in small_threshold.conditions:
                allowed &= np.asarray(numpy_function(condition, letters)(*numbers), bool)
            best = np.where(allowed, np.minimum(first, np.where(allowed, second, np.inf)), first)
            exponent = round(np.log10(step))
            axes.loglog(noise, best, color=BLUE, alpha=0.35 + 0.2 * k, label=f"upper bound, eta = 10^{exponent}")
        axes.loglog(noise, lower, color=RED, linestyle="--", label="lower bound, any eta")
        axes.set_xlabel("noise sigma, in thresholds c")
        axes.set_ylabel("gradient norm, in thresholds c")
        axes.set_ylim(1e-3, 30)
        axes.legend(loc="upper left")
    return canvas.svg

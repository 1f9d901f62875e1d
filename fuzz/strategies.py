"""Hypothesis strategies: structures and whole problems that meet a theorem's assumptions by construction.

``problems(theorem)`` is for anyone's ``@given``; ``draw_structures`` is how the search gets its arms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

import numpy as np
import sympy as sp
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st

from fuzz.draws import reproducible
from fuzz.engine.batch import MOST_SAMPLES
from fuzz.genes import EACH, Structure
from fuzz.holds import Holds
from fuzz.lattice_laws import SYMMETRIC_LAWS
from fuzz.laws import LawLandscape
from fuzz.noise_genes import first_coordinate_alone
from fuzz.pieces import FAMILIES
from fuzz.problem import Problem
from fuzz.ranges import noise_levels, run_lengths
from fuzz.reading import Letters, Reading
from fuzz.trajectory import RunLandscape
from theorems.language.functions import NOISES, OBJECTIVES, PLUS, RADIAL
from theorems.language.quantities import ClipSecondMoment, Drift, NextGradientNorm, Scope, StepChange, StuckGradientNorm
from theorems.language.theorem import Theorem

Landscape = LawLandscape | RunLandscape

_DEVIATIONS = ((1e-2, 0.3), (0.3, 3.0), (3.0, 1e2), (1.0, 1.0), (1e-2, 1e2))
_STEPS = ((1, 1), (2, 8), (8, 64), (64, 1000), (1000, 20000))
_EDGES = (
    "two_point",
    "symmetric_two_point",
    "finite",
    "gaussian",
    "student_t",
    "skewed_exponential",
    "gradient_two_point",
)
"""Laws that every search of noisy runs tries, beside an oracle; those of few atoms are drawn three times as often."""
_GRID = 64
_PIECES = ((2, 1), (3, 1), (3, 2), (5, 3))
_GROWING = ("quartic", "piecewise_exponential")
"""Families whose curvature has no bound."""
_WIDE = ("quadratic", "huber", "log_cosh", *_GROWING)
"""Families that are run in many dimensions, too: ill-conditioned ones."""
_LINE = (1,) * 8
_DIMENSIONS = {
    "exact": (1, 1, 2, 8, 64),
    "growing": (1, 1, 1, 2, 8, 64),
    "noisy": (*_LINE, 2, 2, 2, 8, 64),
    "other": (1, 1, 1, 2),
}
"""How often which dimension is drawn: most bounds are met on a line, and a step in 64 dimensions takes as long as 64
steps."""
_RADIAL_DIMENSIONS = (2, 2, 3, 8, 64)
"""Of profiles of the norm, beside a noise that leaves lines through the minimum; on one, they are profiles."""
_RADIAL_PART = 8
_TURNS = 1 << 16
_NEAR = 4
_Number = TypeVar("_Number", int, float)


def landscape(reading: Reading, structure: Structure, pins: Mapping[str, float] | None = None) -> Landscape:
    """The numeric search space inside a structure."""
    if structure.case:
        reading = reading.cases[structure.case - 1]
    if reading.quantity.scope is Scope.ONE_STEP:
        return LawLandscape(reading, structure, pins)
    return RunLandscape(reading, structure, pins)


def structures(theorem: Theorem, *, oracle: bool = False, apart: bool = True) -> st.SearchStrategy[Structure]:
    """Structures whose families meet the theorem's assumptions.

    Args:
        theorem: the statement.
        oracle: also noise built from the worst drift at the current point.
        apart: also many coordinates with numbers of their own.

    Raises:
        ValueError: if no family meets them.
    """
    return _structures(Reading(theorem), oracle, apart)


def problems(theorem: Theorem, *, oracle: bool = False) -> st.SearchStrategy[Problem]:
    """Problems in exact rational numbers that meet the theorem's assumptions and conditions.

    Numbers lie on a grid of 65 points per gene, so that Hypothesis shrinks towards the small end of every range.
    """
    reading = Reading(theorem)

    @st.composite
    def whole(draw: st.DrawFn) -> Problem:
        inside = landscape(reading, draw(_structures(reading, oracle)))
        genes = [draw(st.integers(0, _GRID)) / _GRID for _ in inside.genes]
        found = inside.problem(np.array(genes, np.float64))
        assume(found is not None)
        assert found is not None
        return found[0]

    return whole()


def draw_structures(
    reading: Reading, count: int, number: int, oracle: bool = False, apart: bool = True
) -> list[Structure]:
    """At most ``count`` distinct structures, the same for equal ``number``; Hypothesis keeps no database."""
    found: dict[Structure, None] = {}

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(_structures(reading, oracle, apart))
    def collect(structure: Structure) -> None:
        found.setdefault(structure)

    with reproducible():
        collect()
    return list(found)


def canonical(reading: Reading, structure: Structure, pins: Mapping[str, float]) -> Structure:
    """The structure without differences that do not matter, so that none is searched twice."""
    sigma = "sigma" if reading.sigma_letter is None else str(reading.sigma_letter.name)
    if sigma in pins and structure.noise != "none":
        ratio = pins[sigma] / pins.get("c", 1.0)
        structure = replace(structure, deviation=(ratio, ratio))
    structure = _admitted(reading.cases[structure.case - 1] if structure.case else reading, structure, pins)
    if reading.quantity.scope is Scope.TRAJECTORY:
        return Holds(reading, pins).fits(structure)
    if reading.quantity in (Drift, StuckGradientNorm, ClipSecondMoment) and not reading.mentions("eta"):
        structure = replace(structure, at_cap=False)
    return structure


def _admitted(reading: Reading, structure: Structure, pins: Mapping[str, float]) -> Structure:
    """The structure without noise levels and lengths that a condition on them alone rules out."""
    letter, levels, lengths = reading.sigma_letter, noise_levels(reading, pins.get("c", 1.0)), run_lengths(reading)
    if levels is not None and structure.noise != "none" and letter is not None and letter.name not in pins:
        # Of some laws the gene is the deviation of the first coordinate, which is the largest.
        parts = math.sqrt(structure.dimension) if first_coordinate_alone(structure) else 1.0
        wanted, admitted = ((low / parts, high) for low, high in (structure.deviation, levels))
        structure = replace(structure, deviation=_within(wanted, admitted))
    if lengths is not None and reading.quantity.scope is Scope.TRAJECTORY:
        least, most = _within(structure.steps, lengths)
        # Where no length will do, near ones are tried: long runs are dear.
        near = least > structure.steps[1], most < structure.steps[0]
        if near[0]:
            most = min(most, _NEAR * least)
        elif near[1]:
            least = max(least, most // _NEAR)
        structure = replace(structure, steps=(least, most))
    return structure


def _within(wanted: tuple[_Number, _Number], admitted: tuple[_Number, _Number]) -> tuple[_Number, _Number]:
    """What both ranges share; all that is admitted where they share nothing."""
    least, most = max(wanted[0], admitted[0]), min(wanted[1], admitted[1])
    return (least, most) if least <= most else admitted


def inside_case(reading: Reading, structure: Structure) -> Structure:
    """The structure with no noise levels that its case of the bound has no room for."""
    if not structure.case or structure.noise == "none":
        return structure
    ranges = deviations(reading.cases[structure.case - 1])
    low, high = min(a for a, _ in ranges), max(b for _, b in ranges)
    return replace(structure, deviation=_within(structure.deviation, (low, high)))


def boundary_structures(reading: Reading, oracle: bool = False) -> list[Structure]:
    """The extremes that every search tries: one step, the step size at its cap, the largest ranges."""
    return [replace(s, samples=n) for n in sample_counts(reading)[:3] for s in _boundary_structures(reading, oracle)]


def _boundary_structures(reading: Reading, oracle: bool) -> list[Structure]:
    ranges, noises = deviations(reading), noise_families(reading, oracle)
    wide = max(ranges, key=lambda r: r[1] / r[0])
    objectives = objective_families(reading)
    if reading.quantity.scope is Scope.ONE_STEP:
        counts = (2, 4) if reading.symmetric else (2, 3)
        laws = [Structure(noise="finite", atoms=k, mirrored=reading.symmetric) for k in counts]
        if reading.quantity in (StepChange, NextGradientNorm):
            bases = [Structure(objective=o, at_cap=cap, pieces=_pieces(o)) for o in objectives for cap in (True, False)]
            return bases if reading.exact_gradients else bases + [replace(s, deviation=wide) for s in laws]
        if reading.exact_gradients:
            return [Structure()]
        return [replace(s, deviation=r) for s in laws for r in ranges]
    first = objectives[0]
    shaped = [Structure(objective=o, pieces=_pieces(o)) for o in objectives]
    found = [replace(s, steps=steps, at_cap=True) for s in shaped for steps in _STEPS[:3]]
    found += [replace(s, steps=steps) for s in shaped for steps in ((2, 64), (64, 2000))]
    if not reading.exact_gradients:
        found = [Structure(objective=first, at_cap=True), Structure(objective=first, steps=(2, 64))]
        found += [
            Structure(
                objective=first,
                noise=n,
                steps=steps,
                deviation=wide,
                tail=tail,
                atoms=(2 if reading.symmetric else 3) * (n == "finite"),
                mirrored=reading.symmetric and n == "finite",
            )
            for n in noises
            if n in _EDGES or NOISES[n].oracle
            for tail in ((1, -1) if NOISES[n].signed else (1,))
            for steps in ((1, 64), (1000, 20000))
        ]
    return list(dict.fromkeys(found))


def _pieces(objective: str) -> tuple[int, int]:
    return (3, 1) if objective in FAMILIES else (0, 0)


def plain_structures(reading: Reading) -> list[Structure]:
    """For runs: the simplest objective without noise and with two atoms, few and many steps, at the cap and below it,
    on every side of the noise; so that no regime stays empty because nobody drew it."""
    if reading.quantity.scope is Scope.ONE_STEP:
        return []
    first, noises = objective_families(reading)[0], noise_families(reading)
    laws: list[tuple[str, tuple[float, float]]] = [("none", (1e-2, 1e2))] if "none" in noises else []
    laws += [("two_point", sides) for sides in deviations(reading) if "two_point" in noises]
    return [
        Structure(objective=first, noise=noise, steps=steps, at_cap=cap, deviation=sides, samples=samples)
        for samples in sample_counts(reading)[:1]
        for noise, sides in laws
        for steps in ((2, 63), (64, 2000))
        for cap in (True, False)
    ]


def objective_families(reading: Reading) -> list[str]:
    """Objective families that meet the assumptions."""
    slack = reading.slack_letter is not None and reading.smoothness is not None and not reading.plainly_smooth
    found = [name for name in OBJECTIVES if name not in _GROWING or slack or reading.smoothness is None]
    if reading.convex:
        found = [name for name in found if name != "well"]
    if reading.needs_strong:
        found = [name for name in found if name in ("quadratic", "quartic", *FAMILIES)]
    if reading.quantity in (Drift, StuckGradientNorm):
        found = ["quadratic"]
    return found


def noise_families(reading: Reading, oracle: bool = False) -> list[str]:
    """Noise families that meet the assumptions; one-step claims use finite laws."""
    if reading.exact_gradients:
        return ["none"]
    if reading.quantity.scope is Scope.ONE_STEP:
        return ["finite"]
    if reading.symmetric:
        return ["none", "finite", *SYMMETRIC_LAWS]
    return [name for name, noise in NOISES.items() if oracle or not noise.oracle]


def sample_counts(reading: Reading) -> tuple[int, ...]:
    """How many samples a step may take, as far as conditions on their number alone go; few where the law of their
    mean is written out."""
    if reading.samples.is_Integer:
        return (int(reading.samples),)
    about = [o for o in reading.theorem.conditions if o.free_symbols == {reading.samples}]
    one_step = reading.quantity.scope is Scope.ONE_STEP and reading.algorithm == "batch_clipping"
    usual = (1, 2, 3) if one_step else (1, 2, 4, 16, 64)
    unusual = ((k,) for k in range(1, MOST_SAMPLES + 1))
    for counts in (usual, *unusual):
        found = tuple(k for k in counts if all(o.xreplace({reading.samples: sp.Integer(k)}) == sp.true for o in about))
        if found:
            return found
    return usual


@lru_cache(maxsize=64)
def deviations(reading: Reading) -> list[tuple[float, float]]:
    """Ranges of sigma/c inside which the conditions can hold (judged on a grid of the other letters)."""
    if reading.sigma_letter is not None and not reading.plain_noise:
        return list(_DEVIATIONS)
    grid = 2.0 ** (np.arange(-80, 81) / 8)
    shape = np.ones((1, 1, 1, 1))
    known: Letters = {
        "c": shape,
        "m": np.geomspace(1e-3, 1e3, 13).reshape(1, -1, 1, 1),
        "T": np.array([1.0, 1e4]).reshape(1, 1, -1, 1),
        "F0": shape,
        "R0": shape,
        "eta": np.geomspace(1e-6, 4.0, 25).reshape(1, 1, 1, -1),
        **{str(p.name): shape for p in reading.free},
    }
    tight = {"L0": shape, "L1": 0 * shape, "strong": shape, "deviation": grid.reshape(-1, 1, 1, 1)}
    holds = np.broadcast_to(reading.conditions_hold(reading.fill(known, tight)), (len(grid), 13, 2, 25)).any((1, 2, 3))
    if not holds.any():
        return [_DEVIATIONS[-1]]
    low, high = float(grid[holds].min()), float(grid[holds].max())
    cut = [(max(low, a), min(high, b)) for a, b in _DEVIATIONS]
    return list(dict.fromkeys((a, b) for a, b in cut if a <= b)) or [(low, low)]


def _structures(reading: Reading, oracle: bool, apart: bool = True) -> st.SearchStrategy[Structure]:
    objectives, noises, ranges = objective_families(reading), noise_families(reading, oracle), deviations(reading)
    one_step = reading.quantity.scope is Scope.ONE_STEP
    few_atoms = [n for n in noises if n in ("two_point", "finite", "gradient_two_point")]
    often = noises if one_step else [*noises, *few_atoms, *few_atoms]
    # Shapes of many numbers take long to move: the plain ones are not to wait for them.
    weighed = [*(o for o in objectives if o not in FAMILIES), *objectives]
    # One step has one gradient, and few atoms suffice for it.
    counts = {False: (2, 3, 4), True: (2, 4)} if one_step else {False: (2, 3, 4, 6), True: (2, 4, 6)}
    if not objectives:
        raise ValueError(f"theorem {reading.theorem.name!r}: no objective family meets its assumptions")

    @st.composite
    def whole(draw: st.DrawFn) -> Structure:
        objective, noise = draw(st.sampled_from(weighed)), draw(st.sampled_from(often))
        radial = _turns_aside(reading, objective, noise) and draw(st.integers(1, _RADIAL_PART)) == _RADIAL_PART
        most = _RADIAL_DIMENSIONS[: 3 if one_step else None]
        dimension = draw(st.sampled_from(most if radial else _DIMENSIONS[_width(objective, noise, one_step)]))
        others = [name for name in objectives if name != objective]
        if dimension == 2 and others and not radial and draw(st.booleans()):
            # Different shapes along the coordinates.
            objective = objective + PLUS + draw(st.sampled_from(others))
        # Noisy runs in many dimensions are short ones: they are dear.
        lengths = _STEPS if noise == "none" or dimension <= EACH else _STEPS[: 4 if dimension <= 8 else 3]
        turned = noise == "finite" and (dimension > EACH or (dimension > 1 and draw(st.booleans())))
        shaped = any(part in FAMILIES for part in objective.split(PLUS))
        mirrored = noise == "finite" and (reading.symmetric or draw(st.integers(0, 7)) == 7)
        pieces = draw(st.sampled_from(_PIECES)) if shaped else (0, 0)
        many = apart and noise == "none" and dimension > EACH and not radial
        return Structure(
            objective=RADIAL + objective if radial else objective,
            noise=noise,
            dimension=dimension,
            steps=(1, 1) if one_step else draw(st.sampled_from(lengths)),
            deviation=draw(st.sampled_from(ranges)) if noise != "none" else (1e-2, 1e2),
            at_cap=draw(st.booleans()),
            tail=draw(st.sampled_from((1, -1))) if noise in NOISES and NOISES[noise].signed else 1,
            atoms=0 if noise != "finite" else draw(st.sampled_from(counts[mirrored])),
            mirrored=mirrored,
            pieces=(pieces[0], 0) if radial else pieces,
            dips=shaped and not (reading.convex or reading.needs_strong) and draw(st.booleans()),
            samples=draw(st.sampled_from(sample_counts(reading))),
            turn=draw(st.integers(1, _TURNS)) if turned else 0,
            apart=many and draw(st.booleans()),
        )

    return whole()


def _turns_aside(reading: Reading, objective: str, noise: str) -> bool:
    """Whether a profile of the norm is another objective beside this noise, and matters to what is measured: a
    quadratic is a sum as well, and without noise, or along the gradient, a run stays on its line."""
    moves = reading.quantity not in (Drift, StuckGradientNorm, ClipSecondMoment)
    return moves and objective != "quadratic" and noise != "none" and not NOISES[noise].along


def _width(objective: str, noise: str, one_step: bool) -> str:
    """The key of :data:`_DIMENSIONS`."""
    if one_step or objective not in _WIDE:
        return "other"
    if noise != "none":
        return "noisy"
    return "growing" if objective in _GROWING else "exact"

"""Constants of sums over coordinates, by the solver, and by branch and bound over the plane; and rotated, in many
dimensions."""

from __future__ import annotations

import random
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import sympy as sp
import z3
from flint import arb
from test_objectives import BITS, Numbers, Profile, ball, draw, of, whole_box
from test_objectives_radial import refuted

from fuzz.constants import larger
from fuzz.engine.printers.numpy_source import numpy_function
from fuzz.pieces import Shape
from fuzz.problem import Family
from fuzz.smoothness import least_smoothness
from harness.exact.enclosure import precision
from theorems.language.functions import OBJECTIVES, PLUS, x

MOST_BOXES = 400_000
SLACK = Fraction(1, 50)
Box = tuple[Fraction, Fraction]


def find_flat_violation(
    parts: tuple[Profile, Profile], constant: Fraction, slack: Fraction, boxes: tuple[Box, Box]
) -> tuple[Fraction, Fraction] | None:
    """None if ``|hess f| <= constant + slack |grad f|`` is shown on a rectangle, f the sum of both profiles; else a
    point at which it fails by the pieces' own curvatures.

    Raises:
        AssertionError: if neither is found within a number of boxes.
    """
    c, s = ball(constant), ball(slack)

    @cache
    def sizes(which: int, place: Box) -> tuple[arb, arb, arb]:
        """A bound on ``|phi''|`` on an interval, and the squares of the least and the largest gradient there."""
        slope = parts[which].range(*place)
        return parts[which].bend(*place), slope.abs_lower() ** 2, slope.abs_upper() ** 2

    def excess(places: tuple[Box, Box], gradient: int) -> arb:
        one, other = sizes(0, places[0]), sizes(1, places[1])
        return arb.max(one[0], other[0]) - c - s * (one[gradient] + other[gradient]).sqrt()

    work, count = [boxes], 0
    while work:
        rectangle = work.pop()
        count += 1
        assert count < MOST_BOXES, "too many boxes"
        if excess(rectangle, 1) <= 0:
            continue
        middle, other = ((low + high) / 2 for low, high in rectangle)
        # The gradient of a sum is least where one coordinate is at its minimum.
        for point in ((middle, other), (middle, Fraction(0)), (Fraction(0), other)):
            if excess(((point[0], point[0]), (point[1], point[1])), 2) > 0:
                return point
        (a, b), (low, high) = rectangle
        if high - low > b - a:
            work += [((a, b), (low, other)), ((a, b), (other, high))]
        else:
            work += [((a, middle), (low, high)), ((middle, b), (low, high))]
    return None


def pair_of(families: tuple[str, str], rng: random.Random) -> tuple[Numbers, Numbers, Fraction]:
    """Numbers of both, and an L1 that suits them: each has a growth of its own."""
    one, other = (draw(family, rng) for family in families)
    growths = [n["growth"] for n in (one, other) if "growth" in n]
    slack = Fraction(5, 4) * max((Fraction(int(g.p), int(g.q)) for g in growths), default=Fraction(6, 5))
    return one, other, slack


# -- GS of a sum: the steps of the proof in fuzz/smoothness.py --------------------------------------------------------

# Of one coordinate: its gradient, the distance moved and the change of its gradient; ``norm`` and ``whole`` of all.
slope, moved, change, norm, whole, L0, L1, others = z3.Reals("slope moved change norm whole L0 L1 others")
A, B = L0 + L1 * slope, L0 + L1 * norm
GIVEN = [slope >= 0, moved >= 0, change >= 0, norm >= 0, whole >= 0, L0 >= 0, L1 >= 0]
INSIDE = moved**2 <= whole**2
STEPS = {
    "a coordinate moves no further than the point": ([*GIVEN, INSIDE, L1 * whole <= 1], L1 * moved <= 1),
    "its bound holds with the whole gradient": (
        [*GIVEN, slope**2 <= norm**2, change <= A * moved],
        change**2 <= B**2 * moved**2,
    ),
    # Coordinate by coordinate: the sum of squares so far is ``others``, of a distance ``whole``.
    "bounds add up": (
        [*GIVEN, others >= 0, others <= B**2 * whole**2, change**2 <= B**2 * moved**2],
        others + change**2 <= B**2 * (whole**2 + moved**2),
    ),
}


@pytest.mark.parametrize("step", STEPS)
def test_gs_of_a_sum_follows_from_that_of_its_profiles(step: str) -> None:
    assert refuted(*STEPS[step]) == z3.unsat


@pytest.mark.parametrize("step", STEPS)
def test_a_step_for_sums_without_its_last_hypothesis_fails(step: str) -> None:
    hypotheses, goal = STEPS[step]
    assert refuted(hypotheses[:-1], goal) == z3.sat


# -- HS of a sum, and rotated sums ------------------------------------------------------------------------------------

PAIRS = [
    ("piecewise_exponential", "piecewise_exponential"),
    ("piecewise_exponential", "log_cosh"),
    ("quartic", "piecewise_exponential"),
]


@pytest.mark.parametrize("families", PAIRS, ids=PLUS.join)
def test_a_sum_is_in_the_class_of_its_worst_coordinate_and_no_better(families: tuple[str, str]) -> None:
    rng = random.Random(f"plane {families}")
    one, other, slack = pair_of(families, rng)
    given = sp.Rational(slack.numerator, slack.denominator)
    needed = least_smoothness(Family(PLUS.join(families), (one, other)), given, hessian=True)
    assert needed is not None
    alone = [
        least_smoothness(Family(f, (n,)), given, hessian=True) for f, n in zip(families, (one, other), strict=True)
    ]
    assert needed == larger(*alone)
    constant = Fraction(int(needed.p), int(needed.q)) if needed.is_Rational else Fraction(float(needed))
    with precision(BITS):
        parts = tuple(of(f, n) for f, n in zip(families, (one, other), strict=True))
        boxes = tuple(whole_box(p, slack, f) for p, f in zip(parts, families, strict=True))
        assert find_flat_violation(parts, constant * (1 + SLACK), slack, boxes) is None  # type: ignore[arg-type]
        # A planted constant, two per cent too small, has a point at which it fails.
        assert find_flat_violation(parts, constant * (1 - SLACK), slack, boxes) is not None  # type: ignore[arg-type]


@pytest.mark.parametrize("hessian", [False, True], ids=["GS", "HS"])
def test_rotated_sums_in_64_dimensions_keep_the_constant_of_their_profiles(hessian: bool) -> None:
    """Pairs along rotated axes and in random directions; what is planted too small by a tenth is caught."""
    rng, draws = np.random.default_rng(4), random.Random("rotated")
    numbers = draw("piecewise_exponential", draws)
    growth = Fraction(int(numbers["growth"].p), int(numbers["growth"].q))
    slack = growth * Fraction(3, 2)
    faded = [
        {**numbers, "growth": numbers["growth"] / (1 + i % 2), "curvature": sp.Rational(9, 8 + i % 6)}
        for i in range(64)
    ]
    objective = Family("piecewise_exponential", tuple(faded))
    needed = least_smoothness(objective, sp.Rational(slack.numerator, slack.denominator), hessian=hessian)
    assert needed is not None
    formula = OBJECTIVES["piecewise_exponential"]
    gradient = numpy_function(formula.gradient, (x, *formula.parameters))
    columns = [np.array([float(n[p.name]) for n in faded]) for p in formula.parameters]
    rotation = np.linalg.qr(rng.normal(size=(64, 64)))[0]

    def rotated(points: np.ndarray) -> np.ndarray:
        return np.asarray(gradient(points @ rotation.T, *columns) @ rotation)

    # From the minimum of all others, a step along one profile's axis, or nearly so, as long as it may be.
    count, reach = 2000, 1e-5 if hessian else 1 / float(slack)
    axes = rotation[rng.integers(0, 3, count)]
    axes[::2] = rotation[0]
    far = float(max(map(abs, Shape.of(numbers).marks))) + reach
    points = axes * np.linspace(-far, far, count)[:, None]
    steps = axes * rng.choice([-1.0, 1.0], (count, 1)) + rng.normal(size=(count, 64)) * rng.choice(
        [0.0, 0.3], (count, 1)
    )
    steps *= reach * rng.choice([1.0, *rng.random(7)], (count, 1)) / np.linalg.norm(steps, axis=1, keepdims=True)
    change = np.linalg.norm(rotated(points + steps) - rotated(points), axis=1) / np.linalg.norm(steps, axis=1)
    demand = (change - float(slack) * np.linalg.norm(rotated(points), axis=1)).max() / float(needed)
    assert 0.9 < demand <= 1 + 1e-4

"""Constants of radial objectives: the proof's steps by a solver, and interval branch and bound for seeded numbers."""

from __future__ import annotations

import random
from collections import deque
from fractions import Fraction

import pytest
import sympy as sp
import z3
from flint import arb
from test_objectives import BITS, SLACK, Profile, ball, draw, find_violation, of, whole_box

from fuzz.problem import Family
from fuzz.smoothness import least_smoothness
from harness.exact.enclosure import precision
from theorems.language.functions import OBJECTIVES, RADIAL

MOST_BOXES = 40_000

# -- the steps of the proof in fuzz/smoothness.py ----------------------------------------------------------------------

p, q, a, b, t, L0, L1 = z3.Reals("p q a b t L0 L1")
A, B = L0 + L1 * p, L0 + L1 * q
GIVEN = [p > 0, q > 0, a > 0, b > 0, L0 >= 0, L1 >= 0, p <= A * a, q <= B * b]
STEPS = {
    "1, near": ([p > 0, a > 0, L0 >= 0, L1 >= 0, z3.Implies(L1 * a <= 1, p <= A * a)], p <= A * a),
    "2": ([*GIVEN, q <= p], p * q <= A * A * a * b),
    "3": ([*GIVEN, q > p, b >= a, q - p <= A * (b - a)], p * q <= A * A * a * b),
    "4": ([*GIVEN, q > p, b < a, q - p <= A * (a - b)], p * q <= A * A * a * b),
    "linear in t": (
        [t >= 0, (p - q) ** 2 <= A * A * (a - b) ** 2, p * q <= A * A * a * b],
        (p - q) ** 2 + p * q * t <= A * A * ((a - b) ** 2 + a * b * t),
    ),
}


def refuted(hypotheses: list[z3.BoolRef], goal: z3.BoolRef) -> z3.CheckSatResult:
    solver = z3.Solver()
    solver.set("timeout", 60_000)
    solver.add(*hypotheses, z3.Not(goal))
    return solver.check()


@pytest.mark.parametrize("step", STEPS)
def test_the_steps_hold(step: str) -> None:
    assert refuted(*STEPS[step]) == z3.unsat


def test_a_step_without_its_hypothesis_fails() -> None:
    """Without the slope at the other point, which 1 bounds, the product is not bounded."""
    hypotheses, goal = STEPS["4"]
    assert refuted([h for h in hypotheses if not h.eq(q <= B * b)], goal) == z3.sat


def test_the_second_eigenvalue_follows_from_the_first() -> None:
    """With ``s = L1 r``: ``L1 p <= L0 (e^s - 1)`` and ``(e^s - 1)(1 - s) <= s`` give ``p <= (L0 + L1 p) r``."""
    s, grown, r = z3.Reals("s grown r")
    known = [p >= 0, L0 >= 0, L1 > 0, r > 0, s == L1 * r, L1 * p <= L0 * grown]
    assert refuted([*known, z3.Implies(s < 1, grown * (1 - s) <= s)], p <= A * r) == z3.unsat
    # Why: e^s (1 - s) is 1 at 0 and falls.
    u = sp.Symbol("u", nonnegative=True)
    rest = u - (sp.exp(u) - 1) * (1 - u)
    assert rest.subs(u, 0) == 0
    assert sp.simplify(sp.diff(rest, u) - u * sp.exp(u)) == 0


# -- certified constants -----------------------------------------------------------------------------------------------


def find_wide_pair(
    profile: Profile, constant: Fraction, slack: Fraction, far: Fraction, reach: Fraction
) -> tuple[Fraction, Fraction] | None:
    """None if ``|phi'(a) phi'(b)| <= (constant + slack |phi'(a)|)^2 a b`` is shown for all ``0 < a <= far`` and all b
    within ``reach``; else a pair at which it fails.

    Raises:
        AssertionError: if neither is found within a number of boxes.
    """
    c, s = ball(constant), ball(slack)

    def ratio(low: Fraction, high: Fraction) -> arb:
        """A bound on ``|phi'(r)|/r``."""
        chord = profile.bend(Fraction(0), high)
        return chord if low == 0 else arb.min(chord, abs(profile.range(low, high)).upper() / ball(low))

    work = deque([(Fraction(0), far, Fraction(0), far + reach)])
    boxes = 0
    while work:
        low, high, near, beyond = work.popleft()
        boxes += 1
        assert boxes < MOST_BOXES, "too many boxes"
        if near - high > reach or low - beyond > reach:
            continue
        allowed = (c + s * abs(profile.range(low, high))) ** 2
        if ratio(low, high) * ratio(near, beyond) <= allowed.lower():
            continue
        for one, other in ((high, beyond), ((low + high) / 2, (near + beyond) / 2), (high, high)):
            size = abs(profile.at(one))
            wide = size * abs(profile.at(other)) > (c + s * size) ** 2 * ball(one * other)
            if abs(one - other) <= reach and wide:
                return one, other
        if high - low >= beyond - near:
            middle = (low + high) / 2
            work += [(low, middle, near, beyond), (middle, high, near, beyond)]
        else:
            middle = (near + beyond) / 2
            work += [(low, high, near, middle), (low, high, middle, beyond)]
    return None


@pytest.mark.parametrize("hessian", [False, True], ids=["GS", "HS"])
@pytest.mark.parametrize("family", sorted(OBJECTIVES))
def test_constants_hold_everywhere_and_one_per_cent_less_does_not(family: str, hessian: bool) -> None:
    """On lines through the minimum in full; across, what the proof asks for there: of all pairs of radii, or of the
    second eigenvalue at each radius."""
    rng = random.Random(f"radial {family} {hessian}")
    numbers = draw(family, rng)
    slack = Fraction(3, 2)
    if family == "piecewise_exponential":
        growth = Fraction(int(numbers["growth"].p), int(numbers["growth"].q))
        slack = growth * rng.choice([Fraction(1), Fraction(5, 4), Fraction(3)])
    given = sp.Rational(slack.numerator, slack.denominator)
    needed = least_smoothness(Family(RADIAL + family, (numbers,)), given, hessian=hessian)
    assert needed is not None
    constant = Fraction(int(needed.p), int(needed.q)) if needed.is_Rational else Fraction(float(needed))
    with precision(BITS):
        profile, reach = of(family, numbers, radial=True), Fraction(0) if hessian else 1 / slack
        box = whole_box(profile, slack, family)
        assert find_violation(profile, constant * (1 + SLACK), slack, box, hessian=hessian) is None
        assert find_violation(profile, constant * (1 - SLACK), slack, box, hessian=hessian) is not None
        assert find_wide_pair(profile, constant * (1 + SLACK), slack, box[1], reach) is None
        # What is too small for the curvature at the minimum is too small across as well.
        small = Fraction(float(abs(profile.at(Fraction(1, 1000))).mid())) * 500
        assert find_wide_pair(profile, small, slack, Fraction(1, 8), reach) is not None


def test_the_left_side_is_nobody_s_business() -> None:
    """A constant of the whole profile, whose left side is steep, is not asked for; nor is a gentle one enough."""
    bends = {f"bend{j}": sp.Integer(0) for j in range(1, 6)} | {f"left_bend{j}": sp.Integer(0) for j in range(1, 4)}
    widths = {name: sp.Integer(1) for name in ("left_width1", "left_width2", *(f"width{j}" for j in range(1, 5)))}
    flat = {"curvature": sp.Integer(1), **bends, **widths}
    right, left = {**flat, "bend1": sp.Rational(1, 2)}, {**flat, "left_bend1": sp.Integer(1)}
    for numbers, whole, radial in ((right, sp.Rational(1, 2), sp.Rational(1, 2)), (left, 1, 0)):
        for layout, expected in (("", whole), (RADIAL, radial)):
            family = Family(f"{layout}piecewise_quadratic", (numbers,))
            assert least_smoothness(family, sp.Integer(0), hessian=False) == expected

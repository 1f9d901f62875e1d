"""Every certified smoothness constant against interval branch and bound, for seeded random numbers, under GS and HS.

The class's inequality is shown for *all* points of a box and all chords, in balls that contain the truth, with the
gradient formula that engines run and second derivatives written here by hand; a constant one per cent too small has a
pair at which it is shown to fail.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import pytest
import sympy as sp
from flint import arb

from fuzz.constants import NumberError, check_numbers
from fuzz.pieces import FAMILIES, Shape, breaks_pl
from fuzz.problem import Family
from fuzz.smoothness import least_smoothness
from harness.exact.enclosure import Balls, compiled, evaluate, precision
from theorems.language.functions import OBJECTIVES, profiles, x

Numbers = dict[str, sp.Rational]
BITS = 64
MOST_BOXES = 60_000
SLACK = Fraction(1, 100)


def rational(rng: random.Random, low: int, high: int, below: int = 8) -> sp.Rational:
    return sp.Rational(rng.randint(low, high), below)


def draw(family: str, rng: random.Random) -> Numbers:
    """Numbers of a family; piecewise profiles are flat far out, so that a box holds all that matters."""
    while True:
        numbers = {p.name: rational(rng, 2, 20) for p in OBJECTIVES[family].parameters}
        for side, last in (("", 5), ("left_", 3)):
            if family in FAMILIES:
                for j in range(1, last + 1):
                    numbers[f"{side}bend{j}"] = rational(rng, -8, 8) if j > 1 else rational(rng, 1, 8)
                numbers[f"{side}bend{last}"] = sp.Integer(0)
        try:
            check_numbers(OBJECTIVES[family], numbers)
        except NumberError:
            continue
        if family == "piecewise_exponential":
            shape = Shape.of(numbers)
            # Boxes must be small against the growth of the gradient.
            if shape.growth * max(abs(shape.u(m)) for m in shape.marks) > 3:
                continue
        return numbers


@dataclass(frozen=True)
class Profile:
    """One profile in balls.

    Attributes:
        at: the gradient at a point.
        bend: a bound on ``|f''|`` on an interval of two rationals.
        marks: where the gradient may turn.
        turn: the square of another such place, and the size of the gradient there.
    """

    at: Callable[[Fraction], arb]
    bend: Callable[[Fraction, Fraction], arb]
    marks: tuple[Fraction, ...]
    turn: tuple[Fraction, arb] | None = None

    def range(self, low: Fraction, high: Fraction) -> arb:
        """The gradient on an interval: between marks it is monotone."""
        inside = [self.at(m) for m in self.marks if low < m < high]
        result = self.at(low).union(self.at(high))
        if self.turn is not None:
            square, size = self.turn
            for way in (1, -1):
                a, b = sorted((way * low, way * high))
                if b > 0 and max(a, Fraction(0)) ** 2 <= square <= b**2:
                    result = result.union(way * size)
        for value in inside:
            result = result.union(value)
        return result


def ball(number: Fraction) -> arb:
    return arb(number.numerator) / arb(number.denominator)


def of(family: str, numbers: Numbers, radial: bool = False) -> Profile:
    """The formula that engines run, and the family's second derivative from its definition; the right side on both, if
    radial."""
    (objective,) = profiles(family, 1)
    arithmetic = Balls(BITS)
    known = {p: evaluate(numbers[p.name], {}, arithmetic) for p in objective.parameters}
    formula = compiled(objective.gradient, x, known, arithmetic)
    cache: dict[Fraction, arb] = {}

    def at(point: Fraction) -> arb:
        if point not in cache:
            cache[point] = -formula(ball(-point)) if radial and point < 0 else formula(ball(point))
        return cache[point]

    n = {name: Fraction(int(v.p), int(v.q)) for name, v in numbers.items()}
    k = ball(n["curvature"])
    marks: tuple[Fraction, ...] = ()
    turn: tuple[Fraction, arb] | None = None

    def steepest(low: Fraction, high: Fraction) -> arb:
        return k

    bend: Callable[[Fraction, Fraction], arb] = steepest
    if family in FAMILIES:
        shape = Shape.of(numbers, radial)
        marks = shape.marks

        def piecewise(low: Fraction, high: Fraction) -> arb:
            most = arb(0)
            for piece in shape.pieces:
                a = low if piece.start is None else max(low, piece.start)
                b = high if piece.stop is None else min(high, piece.stop)
                if a <= b:
                    grown = arb.max(abs(at(a)), abs(at(b)))
                    most = arb.max(most, ball(abs(piece.slope)) * (k + ball(shape.growth) * grown))
            return most

        bend = piecewise
    elif family == "quartic":

        def cubic(low: Fraction, high: Fraction) -> arb:
            return k + 3 * ball(n["quartic"] * max(abs(low), abs(high)) ** 2)

        bend = cubic
    elif family == "well":

        def levelling(low: Fraction, high: Fraction) -> arb:
            nearest = Fraction(0) if low <= 0 <= high else min(abs(low), abs(high))
            # (1 - 3t)/(1 + t)^3 falls up to t = 1 and stays in [-1/4, 0] from t = 1/3 on.
            t = ball(nearest / n["radius"]) ** 2
            return k * arb.max((1 - 3 * t) / (1 + t) ** 3, arb(1) / 4)

        bend = levelling
        turn = (n["radius"] ** 2 / 3, k * ball(n["radius"]) / arb(3).sqrt() * 9 / 16)
    elif family == "log_cosh":

        def bell(low: Fraction, high: Fraction) -> arb:
            nearest = Fraction(0) if low <= 0 <= high else min(abs(low), abs(high))
            return k / (k * ball(nearest) / ball(n["slope"])).cosh() ** 2

        bend = bell
    elif family in ("huber", "slope_then_bowl"):
        rises = [(-n["slope"] / n["curvature"], n["slope"] / n["curvature"])]
        if family == "slope_then_bowl":
            rises = [
                (-Fraction(10**6), n["slope"] / n["curvature"]),
                (n["start"], n["start"] + (n["steep"] - n["slope"]) / n["curvature"]),
            ]

        def clamped(low: Fraction, high: Fraction) -> arb:
            return k if any(low <= b and a <= high for a, b in rises) else arb(0)

        bend = clamped
    if radial and family not in FAMILIES:
        whole = bend

        def mirrored(low: Fraction, high: Fraction) -> arb:
            inner = Fraction(0) if low < 0 < high else min(abs(low), abs(high))
            return whole(inner, max(abs(low), abs(high)))

        bend = mirrored
    return Profile(at, bend, marks, turn)


def find_violation(
    profile: Profile, constant: Fraction, slack: Fraction, box: tuple[Fraction, Fraction], *, hessian: bool
) -> tuple[Fraction, Fraction] | None:
    """None if ``|f'(y) - f'(x)| <= (constant + slack |f'(x)|) |y - x|`` is shown for all x in the box and all
    ``|y - x| <= 1/slack`` (all y close to x for the Hessian form); else a pair at which it is shown to fail.

    Raises:
        AssertionError: if neither is found within a number of boxes.
    """
    c, s = ball(constant), ball(slack)
    reach = Fraction(1, 1000) if hessian else 1 / slack
    # First in, first out: a violation shows early, wherever it is.
    work = deque((*box, Fraction(0), reach, way) for way in (1, -1))
    boxes = 0
    while work:
        low, high, near, far, way = work.popleft()
        boxes += 1
        assert boxes < MOST_BOXES, "too many boxes"
        points = profile.range(low, high)
        allowed = c + s * abs(points)
        around = (low, high + far) if way > 0 else (low - far, high)
        if profile.bend(*around) <= allowed:
            continue
        if near > 0:
            other = (low + near, high + far) if way > 0 else (low - far, high - near)
            if abs(profile.range(*other) - points) <= allowed * ball(near):
                continue
        for start, step in (((low + high) / 2, (near + far) / 2), (low, far), (high, far), ((low + high) / 2, far)):
            if abs(profile.at(start + way * step) - profile.at(start)) > (c + s * abs(profile.at(start))) * ball(step):
                return start, start + way * step
        if high - low >= far - near:
            middle = (low + high) / 2
            work += [(low, middle, near, far, way), (middle, high, near, far, way)]
        else:
            middle = (near + far) / 2
            work += [(low, high, near, middle, way), (low, high, middle, far, way)]
    return None


def whole_box(profile: Profile, slack: Fraction, family: str) -> tuple[Fraction, Fraction]:
    """Where all of a piecewise profile happens; of the others enough that L1 |f'| outweighs any curvature beyond."""
    far = 2 / slack + (max(map(abs, profile.marks)) if family in FAMILIES else 12)
    return -far, far


@pytest.mark.parametrize("hessian", [False, True], ids=["GS", "HS"])
@pytest.mark.parametrize("family", sorted(OBJECTIVES))
def test_constants_hold_everywhere_and_one_per_cent_less_does_not(family: str, hessian: bool) -> None:
    rng = random.Random(f"{family} {hessian}")
    for _ in range(2):
        numbers = draw(family, rng)
        slack = Fraction(3, 2) if family != "piecewise_exponential" else 0
        if not slack:
            growth = Fraction(int(numbers["growth"].p), int(numbers["growth"].q))
            # The gradient grows by a factor of e over 1/growth: L1 below, at and above what makes that matter.
            slack = growth * rng.choice([Fraction(1), Fraction(5, 4), Fraction(3)])
        given = sp.Rational(slack.numerator, slack.denominator)
        needed = least_smoothness(Family(family, (numbers,)), given, hessian=hessian)
        assert needed is not None
        constant = Fraction(int(needed.p), int(needed.q)) if needed.is_Rational else Fraction(float(needed))
        with precision(BITS):
            profile = of(family, numbers)
            box = whole_box(profile, slack, family)
            assert find_violation(profile, constant * (1 + SLACK), slack, box, hessian=hessian) is None
            pair = find_violation(profile, constant * (1 - SLACK), slack, box, hessian=hessian)
        assert pair is not None
        start, stop = pair
        assert abs(stop - start) <= (1 / slack if not hessian else Fraction(1, 1000))


def test_a_gradient_that_more_than_doubles_far_out_is_refused() -> None:
    """Far out on a rising exponential, ``f'(x + 1/L1) - 2 f'(x)`` is bounded up to a factor of 2 and no further."""
    flat = {p.name: sp.Integer(0) for p in OBJECTIVES["piecewise_exponential"].parameters}
    for share, bounded in ((sp.Rational(69, 100), True), (sp.Rational(70, 100), False)):
        numbers = {**flat, "curvature": sp.Integer(1), "growth": share, "bend1": sp.Integer(1), "bend5": sp.Integer(1)}
        needed = least_smoothness(Family("piecewise_exponential", (numbers,)), sp.Integer(1), hessian=False)
        assert (needed is not None) is bounded
        with precision(BITS):
            at = of("piecewise_exponential", numbers).at
            demands = [at(Fraction(n + 1)) - 2 * at(Fraction(n)) for n in (0, 100, 200)]
            assert (demands[2] < demands[1] < demands[0]) if bounded else (demands[2] > demands[1])
        if needed is not None:
            # At 0 the chord of length 1/L1 is the worst: exprel(share).
            with precision(BITS):
                assert abs(ball(Fraction(int(needed.p), int(needed.q))) - at(Fraction(1))) < 1e-15


def test_no_closed_form_where_growth_exceeds_the_slack() -> None:
    numbers = draw("piecewise_exponential", random.Random(3)) | {"growth": sp.Integer(2), "bend1": sp.Integer(1)}
    with pytest.raises(NumberError, match="no closed form"):
        least_smoothness(Family("piecewise_exponential", (numbers,)), sp.Rational(3, 2), hessian=False)


def strongest(shape: Shape) -> Fraction:
    """The largest mu for which PL is shown, to 1e-6 of it."""
    low, high = Fraction(0), 4 * shape.curvature
    while high - low > Fraction(1, 10**6) * high:
        middle = (low + high) / 2
        low, high = (middle, high) if not breaks_pl(shape, middle) else (low, middle)
    return low


@pytest.mark.parametrize("family", FAMILIES)
def test_pl_of_profiles_that_are_not_convex(family: str) -> None:
    """Against the least ``f'^2/(2 f)`` on a fine grid in balls; one per cent more is refused and does fail there."""
    rng = random.Random(family)
    for _ in range(3):
        # Up, a little down, and up again: the gradient stays positive on the right.
        numbers = {p.name: rational(rng, 4, 8) for p in OBJECTIVES[family].parameters}
        numbers |= {"width1": rational(rng, 12, 16), "bend2": -rational(rng, 1, 4)}
        shape = Shape.of(numbers)
        mu = strongest(shape)
        assert mu > 0
        (objective,) = profiles(family, 1)
        values = {p: numbers[p.name] for p in objective.parameters}
        ends = sorted(set(shape.marks))
        grid = [a + (b - a) * Fraction(j, 200) for a, b in pairwise(ends) if b > a for j in range(201)]
        grid += [ends[-1] + Fraction(j, 10) for j in range(200)] + [ends[0] - Fraction(j, 10) for j in range(200)]
        # Towards 0 and far out are limits of their own.
        limits = [abs(p.slope) * shape.curvature for p in shape.pieces if 0 in p.ends and p.slope]
        if family == "piecewise_quadratic":
            limits += [p.slope * shape.curvature for p in (shape.pieces[0], shape.pieces[-1])]
        with precision(BITS):
            arithmetic = Balls(BITS)
            known = {p: evaluate(v, {}, arithmetic) for p, v in values.items()}
            slope, height = (compiled(e, x, known, arithmetic) for e in (objective.gradient, objective.value))
            ratios = []
            for point in grid:
                f = height(ball(point))
                if f > 0:
                    ratios.append(slope(ball(point)) ** 2 / (2 * f))
            least = min([float(r.lower()) for r in ratios] + [float(n) for n in limits])
        assert float(mu) == pytest.approx(least, rel=2e-3)
        assert breaks_pl(shape, mu * Fraction(101, 100))

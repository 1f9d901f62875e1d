"""The numbers of exact checks: sums of square roots, and balls that contain what they stand for."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import flint
import mpmath
import numpy as np
import pytest
import sympy as sp
from flint import arb, fmpq
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.problem import Family, Problem
from harness.exact import NotExact, enclose, enclose_rational
from harness.exact import sgd as exact_sgd
from harness.exact.comparison import Enclosure
from harness.exact.enclosure import Balls
from harness.exact.surds import NotSurd, Surd
from theorems.language import (
    c,
    m,
)

R, Z = sp.Rational, sp.Integer
pytestmark = pytest.mark.usefixtures("precision_is_put_back")

SMALL = st.fractions(-4, 4, max_denominator=12)


@st.composite
def surds(draw: st.DrawFn) -> tuple[Surd, mpmath.mpf]:
    number, shadow = Surd.of(0), mpmath.mpf(0)
    for radicand in draw(st.lists(st.sampled_from([1, 2, 3, 6, 8, 12, 35, 3599]), max_size=4)):
        q = draw(SMALL)
        number += Surd.of(fmpq(q.numerator, q.denominator)) * Surd.of(radicand).root()
        shadow += mpmath.mpf(q.numerator) / q.denominator * mpmath.sqrt(radicand)
    return number, shadow


def near(number: Surd, shadow: mpmath.mpf) -> bool:
    with flint.ctx.workprec(200):
        around = arb(fmpq(*to_fraction(shadow).as_integer_ratio()), 1e-45 * (1 + abs(float(shadow))))
        return bool(number.ball().overlaps(around))


def to_fraction(value: mpmath.mpf) -> Fraction:
    sign, mantissa, exponent, _ = value._mpf_
    return (-1) ** sign * Fraction(int(mantissa)) * Fraction(2) ** exponent


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_surds_are_a_field(data: st.DataObject) -> None:
    with mpmath.workdps(60):
        (a, x), (b, y), (third, _) = (data.draw(surds()) for _ in range(3))
        assert near(a + b, x + y)
        assert near(a * b, x * y)
        assert near(a - b, x - y)
        assert (a * (b + third) - a * b - a * third).sign == 0
        assert ((a + b) * (a - b) - a * a + b * b).sign == 0
        assert a.floor().rational == fmpq(int(mpmath.floor(x + mpmath.mpf(10) ** -50)))
        if b.sign:
            assert (b.inverse() * b - Surd.of(1)).sign == 0
            assert near(a / b, x / y)
            assert b.sign == mpmath.sign(y)
        assert sp.simplify(a.expression() - sp.sympify(a.expression())) == 0


def test_large_squares_are_found() -> None:
    wide, root = Surd.of(2 * 1000003**2).root(), Surd.of(2).root()
    assert (root - wide).sign == -1
    assert (wide - root * Surd.of(1000003)).sign == 0
    assert (root * Surd.of(1000003) - wide).terms == {}
    assert (wide * root).rational == 2 * 1000003


def test_a_sum_that_is_too_long_is_refused_not_wrong() -> None:
    roots = [Surd.of(int(prime)).root() for prime in sp.primerange(200)]
    with pytest.raises(NotSurd):
        sum(roots, Surd.of(0))
    with pytest.raises(NotSurd):
        sum(roots[:30], Surd.of(0)).inverse()


def test_a_sum_that_is_nearly_whole_or_nearly_zero() -> None:
    """(1 + sqrt 2)^400 lies (sqrt 2 - 1)^400 = 7.8e-154 below a whole number."""
    power = Surd.of(1)
    for _ in range(400):
        power = power * (Surd.of(1) + Surd.of(2).root())
    small = power.inverse()
    assert (power + small).rational is not None
    assert (power.floor() + Surd.of(1) - power - small).sign == 0
    assert (small - Surd.of(fmpq(7, 10**154))).sign == 1
    assert (small - Surd.of(fmpq(8, 10**154))).sign == -1


LETTERS = sp.symbols("p q r", real=True)
POWERS = [R(1, 2), Z(2), -Z(1), -R(3, 2), Z(3)]
UNARY = [sp.Abs, sp.exp, sp.log, sp.tanh, sp.floor, *(lambda a, k=k, **no: sp.Pow(a, k, **no) for k in POWERS)]


def trees(depth: int) -> st.SearchStrategy[tuple[Any, ...]]:
    leaves = st.one_of(
        st.sampled_from(LETTERS).map(lambda s: ("leaf", s)),
        SMALL.map(lambda f: ("leaf", R(f.numerator, f.denominator))),
    )
    if depth == 0:
        return leaves
    inner = trees(depth - 1)
    return st.one_of(
        leaves,
        st.tuples(st.just("one"), st.integers(0, len(UNARY) - 1), inner),
        st.tuples(st.sampled_from(["add", "mul", "max", "min"]), inner, inner),
        st.tuples(st.just("case"), inner, leaves, leaves, inner),
    )


def build(tree: tuple[Any, ...]) -> sp.Expr:
    """The tree as it stands: SymPy must not tidy it up."""
    kind, *rest = tree
    if kind == "leaf":
        return rest[0]
    if kind == "one":
        return UNARY[rest[0]](build(rest[1]), evaluate=False)
    parts = [build(part) for part in rest]
    if kind == "case":
        below = sp.Le(parts[1], parts[2], evaluate=False)
        return sp.Piecewise((parts[0], below), (parts[3], True), evaluate=False)
    return {"add": sp.Add, "mul": sp.Mul, "max": sp.Max, "min": sp.Min}[kind](*parts, evaluate=False)


def shadow(tree: tuple[Any, ...], at: dict[Any, mpmath.mpf]) -> mpmath.mpf:
    """The tree by mpmath, apart from SymPy; ValueError where it has no value or two numbers are too close to call."""
    tiny = mpmath.mpf(10) ** -20
    kind, *rest = tree
    if kind == "leaf":
        return at[rest[0]] if rest[0] in at else mpmath.mpf(int(rest[0].p)) / int(rest[0].q)
    if kind == "one":
        which, a = UNARY[rest[0]], shadow(rest[1], at)
        power = POWERS[rest[0] - 5] if rest[0] >= 5 else Z(1)
        positive = which is sp.log or power.q == 2
        if abs(a) > 50 or (positive and a < tiny) or (power < 0 and abs(a) < tiny):
            raise ValueError("no value, or too large a one")
        if which is sp.floor and abs(a - mpmath.nint(a)) < tiny:
            raise ValueError("too close to call")
        plain = [abs, mpmath.exp, mpmath.log, mpmath.tanh, mpmath.floor]
        return mpmath.power(a, mpmath.mpf(int(power.p)) / int(power.q)) if rest[0] >= 5 else plain[rest[0]](a)
    if kind == "case":
        left, right = shadow(rest[1], at), shadow(rest[2], at)
        if 0 < abs(left - right) < tiny:
            raise ValueError("too close to call")
        return shadow(rest[0] if left <= right else rest[3], at)
    left, right = (shadow(part, at) for part in rest)
    return {"add": left + right, "mul": left * right, "max": max(left, right), "min": min(left, right)}[kind]


@settings(max_examples=300, deadline=None)
@given(trees(3), st.lists(st.fractions(Fraction(1, 9), 4, max_denominator=9), min_size=3, max_size=3), st.data())
def test_balls_contain_the_value(tree: tuple[Any, ...], numbers: list[Fraction], data: st.DataObject) -> None:
    """At exact numbers, and at balls around them: whatever point of the balls is meant, its value is inside."""
    expression = build(tree)
    spread = data.draw(st.sampled_from([Fraction(0), Fraction(1, 1000), Fraction(1, 10)]))
    with mpmath.workdps(60):
        for part in (Fraction(0), Fraction(1), Fraction(-1), Fraction(1, 3)):
            points = {s: n * (1 + part * spread) for s, n in zip(LETTERS, numbers, strict=True)}
            try:
                value = shadow(tree, {s: mpmath.mpf(p.numerator) / p.denominator for s, p in points.items()})
            except (ValueError, ZeroDivisionError):
                continue
            for bits in (24, 200):
                with flint.ctx.workprec(bits):
                    middle = {s: fmpq(n.numerator, n.denominator) for s, n in zip(LETTERS, numbers, strict=True)}
                    wide = {s: arb(q, arb(q * fmpq(spread.numerator, spread.denominator))) for s, q in middle.items()}
                exact = {s: R(n.numerator, n.denominator) for s, n in zip(LETTERS, numbers, strict=True)}
                ball = enclose(expression, wide if spread else exact, bits)
                with flint.ctx.workprec(250):
                    error = abs(float(value)) * 1e-40 + 1e-40
                    assert not ball.is_finite() or ball.overlaps(
                        arb(fmpq(*to_fraction(value).as_integer_ratio()), error)
                    )


@given(SMALL, SMALL, SMALL, st.sampled_from([10, 53, 200]))
def test_balls_contain_rational_values(a: Fraction, b: Fraction, d: Fraction, bits: int) -> None:
    expected = max(a * b + d, abs(d) - a) ** 3 + min(a, b, d)
    p, q, r = LETTERS
    formula = sp.Max(p * q + r, sp.Abs(r) - p) ** 3 + sp.Min(p, q, r)
    values = {s: R(f.numerator, f.denominator) for s, f in zip(LETTERS, (a, b, d), strict=True)}
    ball = enclose(formula, values, bits)
    assert ball.is_finite()
    found = Enclosure.of_ball(ball, "balls")
    assert found.low <= R(expected.numerator, expected.denominator) <= found.high
    assert found.high - found.low <= R(10**7, 2**bits)


def test_balls_say_when_they_know_nothing() -> None:
    wide = {c: arb(1, 2), m: arb(1)}
    for unknown in (1 / c, sp.log(c), sp.sqrt(c), 1 / (m - 1), sp.Min(1, 1 / c), 0 * m + sp.tanh(1 / c)):
        assert not enclose(unknown, wide, 64).is_finite()
    both = enclose(sp.Piecewise((Z(5), c > 1), (Z(-5), True)), wide, 64)
    assert both.contains(arb(5))
    assert both.contains(arb(-5))
    assert not enclose(sp.Piecewise((Z(5), c > 9)), wide, 64).is_finite()
    for endless in (c, sp.Min(c, 1), sp.tanh(c), 1 / c):
        assert not enclose(endless, {c: sp.oo}, 64).is_finite()
    for refused in (sp.sin(c), sp.Symbol("q"), sp.gamma(c), sp.I * c):
        with pytest.raises(NotExact):
            enclose(refused, wide, 64)


def test_wide_balls_are_clipped_soundly() -> None:
    """Every point of a wide ball, clipped, lies in the clipped ball; also around zero and across |g| = c."""
    with flint.ctx.workprec(64):
        one = {"curvature": sp.Integer(1)}
        plane = Problem(Family("quadratic", (one, one)), Family("none", ({}, {})), (Z(1), Z(1)), R(1, 2), Z(1), 1)
        balls = exact_sgd.ClippedSGD(plane, Balls(64))
        for x, y, radius in ((0, 0, 2), (0.5, 0.75, 0.5), (3, 4, 0.125), (0.25, 0.25, 0.125), (0, 1, 0.25)):
            clipped = balls.clip([arb(x, radius), arb(y, radius)])
            norm = balls.arithmetic.norm([arb(x, radius), arb(y, radius)])
            assert norm.is_finite()
            for way in ((-1, -1), (1, 1), (1, -1), (0, 0), (0.5, -0.25)):
                point = np.array([x, y]) + radius * np.array(way)
                length = float(np.hypot(*point))
                assert norm.overlaps(arb(length, 1e-15))
                for entry, ball in zip(point / max(1.0, length), clipped, strict=True):
                    assert ball.is_finite()
                    assert ball.overlaps(arb(float(entry), 1e-15))


def test_enclosures_are_rounded_outwards() -> None:
    third = enclose_rational(R(1, 3), {})
    assert (third.low, third.high, third.value) == (R(1, 3), R(1, 3), R(1, 3))
    root = enclose_rational(sp.sqrt(2), {})
    assert root.low**2 < 2 < root.high**2
    assert root.value == sp.sqrt(2)
    logarithm = enclose_rational(sp.log(2), {})
    assert logarithm.value is None
    assert logarithm.accurate
    assert logarithm.low < sp.Rational(str(sp.N(sp.log(2), 60))) + R(1, 10**50)
    with pytest.raises(NotExact, match="no value that could be found"):
        enclose_rational(1 / sp.log(sp.Integer(1), evaluate=False), {})
    with pytest.raises(NotExact, match="enormous"):
        enclose_rational(sp.exp(Z(9999)), {})
    small = enclose_rational(-sp.exp(-Z(9999)), {})
    assert small.low < 0 == small.high
    assert len(str(small.low)) < 2000


def test_next_to_nothing_is_rounded_away_from_itself() -> None:
    """The bounds of a number too small to print are zero and the least number that is printed, never the wrong way."""
    least = sp.Rational(1, 2**4096)
    tiny = arb(2) ** -5000
    for ball, low, high in ((tiny, 0, least), (-tiny, -least, 0), (3 * tiny, 0, least), (arb(0), 0, 0)):
        found = Enclosure.of_ball(ball, "a method")
        assert (found.low, found.high) == (low, high)
        assert found.method == "a method"
    for exponent in (-4096, -4000, -1, 0, 4000):
        number = sp.Integer(3) * sp.Integer(2) ** exponent
        found = Enclosure.of_ball(3 * arb(2) ** exponent, "a method")
        assert (found.low, found.high) == (number, number)
    with pytest.raises(NotExact, match=r"^the value is enormous$"):
        Enclosure.of_ball(3 * arb(2) ** 4096, "a method")
    with pytest.raises(NotExact, match=r"^the value is not a finite number, or not known at all$"):
        Enclosure.of_ball(arb("nan"), "a method")


def test_an_enclosure_says_how_it_was_found() -> None:
    assert enclose_rational(R(1, 3), {}).method == "exact arithmetic"
    assert enclose_rational(sp.sqrt(2), {}).method == "exact arithmetic"
    assert enclose_rational(sp.log(2), {}).method == "interval arithmetic, 128 bits"

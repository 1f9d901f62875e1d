"""The elementary functions against 40 digits, and at the values where libraries differ.

The points are seeded: no false alarms.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from fuzz.engine import kernels


@pytest.fixture(scope="module")
def compiled() -> Any:
    return kernels.load("float64").module


def worst_ulp(
    compute: Callable[[float], float],
    exact: Callable[[Any], Any],
    points: list[float],
    ulp: Callable[[float], float] = math.ulp,
) -> float:
    """Largest error over the points, in units of the last place of the exact value."""
    with mpmath.workdps(40):
        return max(
            float(abs(mpmath.mpf(float(compute(v))) - exact(mpmath.mpf(v))) / ulp(float(exact(mpmath.mpf(v)))))
            for v in points
        )


def spread(low: float, high: float, seed: int) -> list[float]:
    """Points evenly spread in value and, between 1e-12 and the ends, in size."""
    draw = np.random.default_rng(seed)
    even = draw.uniform(low, high, 1000)
    sizes = np.exp(draw.uniform(math.log(1e-12), math.log(max(abs(low), abs(high))), 1000))
    signed = sizes * draw.choice([-1.0, 1.0], 1000)
    return [v for v in [*even.tolist(), *signed.tolist()] if low <= v <= high]


def test_exp(compiled: Any) -> None:
    assert worst_ulp(compiled.vexp, mpmath.exp, spread(-708.0, 709.7, 1)) < 1
    assert [compiled.vexp(v) for v in (-math.inf, -800.0, 0.0, 800.0, math.inf)] == [0, 0, 1, math.inf, math.inf]
    assert compiled.vexp(-744.0) == pytest.approx(math.exp(-744.0), abs=5e-324)
    assert math.isnan(compiled.vexp(math.nan))


def test_log(compiled: Any) -> None:
    positive = [v for v in spread(1e-12, 50.0, 2) if v > 0]
    near_one = (1.0 + np.random.default_rng(3).uniform(-1e-3, 1e-3, 500)).tolist()
    lattice = [(k + 0.5) / 2**32 for k in (0, 1, 2, 77, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)]
    assert worst_ulp(compiled.vlog, mpmath.log, [*positive, *near_one, *lattice, 5e-324, 1e-310, 1.7e308]) < 1
    assert compiled.vlog(1.0) == 0
    assert compiled.vlog(0.0) == -math.inf
    assert compiled.vlog(math.inf) == math.inf
    assert math.isnan(compiled.vlog(-1.0))
    assert math.isnan(compiled.vlog(-math.inf))
    assert math.isnan(compiled.vlog(math.nan))


def test_tanh(compiled: Any) -> None:
    assert worst_ulp(compiled.vtanh, mpmath.tanh, [v for v in spread(-25.0, 25.0, 4) if v]) < 3
    assert [compiled.vtanh(v) for v in (-math.inf, -30.0, 0.0, 30.0, math.inf)] == [-1, -1, 0, 1, 1]
    assert math.isnan(compiled.vtanh(math.nan))


@pytest.mark.parametrize("order", [1, 2])
def test_relative_exponentials(compiled: Any, order: int) -> None:
    """``exprel`` and ``exprel2`` are 1F1(1; 2; t) and 1F1(1; 3; t)."""
    compute = compiled.vexprel if order == 1 else compiled.vexprel2
    near_the_series = (np.random.default_rng(6).uniform(0.499, 0.501, 100) * ([1, -1] * 50)).tolist()
    points = [*spread(-700.0, 708.0, 7)[::4], *spread(-2.0, 2.0, 8)[::4], *near_the_series]
    assert worst_ulp(compute, lambda t: mpmath.hyp1f1(1, order + 1, t), points) < 4
    assert [compute(v) for v in (0.0, -0.0, 710.0, math.inf)] == [1, 1, math.inf, math.inf]
    assert math.isnan(compute(math.nan))


def test_growth(compiled: Any) -> None:
    """``e^v - 1`` for sizes; what is not a number is not hidden by a clip."""
    points = [v for v in [*spread(-708.0, 708.9, 9), *spread(-2.0, 2.0, 10)] if v > 0]
    assert worst_ulp(compiled.vgrowth, mpmath.expm1, [*points, 5e-324, 1e-300, 709.0]) < 2
    assert [compiled.vgrowth(v) for v in (0.0, 709.5, 800.0, math.inf, math.nan)] == [0, *[math.inf] * 4]


def test_signed(compiled: Any) -> None:
    pairs = [(2.5, 3.0), (2.5, -1e-300), (math.inf, -2.0), (2.5, np.float32(-4.0)), (2.5, 0.0)]
    assert [compiled.signed(*pair) for pair in pairs] == [2.5, -2.5, -math.inf, -2.5, 2.5]
    assert math.copysign(1.0, compiled.signed(0.0, -1.0)) == -1


def test_balance(compiled: Any) -> None:
    pairs = [(0.0, 0.0), (3.0, 0.0), (0.0, -2.0), (1.0, -3.0), (5e-324, 5e-324), (-2.0, -7.0)]
    assert [compiled.vbalance(u, v) for u, v in pairs] == [0, 1, -1, -0.5, 1, -1]
    assert math.isnan(compiled.vbalance(math.nan, 1.0))


@pytest.mark.parametrize("name", ["cos", "sin"])
def test_turns(compiled: Any, name: str) -> None:
    compute, exact = getattr(compiled, f"v{name}"), getattr(mpmath, name)
    with mpmath.workdps(40):
        for limit in (1.0, 7.0, 1e5):
            for v in spread(-limit, limit, 5):
                assert abs(mpmath.mpf(float(compute(v))) - exact(mpmath.mpf(v))) < 2e-16
    assert compute(0.0) == (1 if name == "cos" else 0)
    assert math.isnan(compute(math.nan))
    assert math.isnan(compute(math.inf))


def test_cosine_of_turns(compiled: Any) -> None:
    with mpmath.workdps(40):
        lattice = [(k + 0.5) / 2**32 for k in (0, 1, 2**30 - 1, 2**30, 2**31 - 1, 2**31, 3 * 2**30, 2**32 - 1)]
        for v in [*spread(-3.0, 3.0, 7), *np.random.default_rng(8).uniform(0, 1, 3000).tolist(), *lattice]:
            exact = mpmath.cos(2 * mpmath.pi * mpmath.mpf(v))
            assert abs(mpmath.mpf(float(compiled.vcos_turns(v))) - exact) < 4e-16
    assert [compiled.vcos_turns(v) for v in (0.25, 0.75, -0.25)] == [0, 0, 0]
    assert math.isnan(compiled.vcos_turns(math.nan))
    assert math.isnan(compiled.vcos_turns(math.inf))


def test_power(compiled: Any) -> None:
    """The error of ``v^y`` is that of ``y log v``, an absolute one, times the result."""
    draw = np.random.default_rng(6)
    with mpmath.workdps(40):
        for v, y in zip(draw.uniform(1e-10, 1.0, 1000).tolist(), draw.uniform(-1.0, 1.0, 1000).tolist(), strict=True):
            exact = mpmath.mpf(v) ** mpmath.mpf(y)
            allowed = (2 + 2 * abs(y * math.log(v))) * math.ulp(float(exact))
            assert abs(mpmath.mpf(float(compiled.vpower(v, y))) - exact) < allowed


EDGES = (0, 1, 2, 2**30 - 1, 2**30, 2**31 - 1, 2**31, 3 * 2**30, 3037000499, 3037000500, 2**32 - 2, 2**32 - 1)
"""Words at which a fold or a binade ends."""


def worst_of_words(compute: Callable[[Any], float], exact: Callable[[Any], Any], unit: float | None) -> float:
    """Largest error over words, in units of the last place of float32 or, if given, of ``unit``."""
    draw = np.random.default_rng(11)
    even = draw.integers(0, 2**32, 1500).tolist()
    low = np.exp2(draw.uniform(0, 32, 500)).astype(np.int64).tolist()
    worst = 0.0
    with mpmath.workdps(40):
        for word in (*EDGES, *even, *low, *(2**32 - 1 - k for k in low)):
            value = exact((mpmath.mpf(word) + 0.5) / 2**32)
            size = float(np.spacing(np.float32(abs(value)))) if unit is None else unit
            worst = max(worst, float(abs(mpmath.mpf(float(compute(np.uint32(word)))) - value)) / size)
    return worst


def test_log_of_a_word_in_single_precision() -> None:
    compiled = kernels.load("float32").module
    assert worst_of_words(compiled.vlog_word, mpmath.log, None) < 3
    # A uniform that was rounded to float32 has lost all of a logarithm near 0.
    assert worst_of_words(lambda w: np.log((np.float32(w) + np.float32(0.5)) / np.float32(2**32)), mpmath.log, None) > 9


def test_cosine_of_a_word_in_single_precision() -> None:
    compiled = kernels.load("float32").module
    assert worst_of_words(compiled.vcos_word, lambda u: mpmath.cos(2 * mpmath.pi * u), 1e-7) < 2
    # Antisymmetric without an error, so that means stay zero.
    for word in EDGES:
        opposite = np.uint32((word + 2**31) % 2**32)
        assert compiled.vcos_word(opposite) == -compiled.vcos_word(np.uint32(word))
        # The sine is the cosine a quarter of a turn before.
        assert compiled.vsin_word(np.uint32(word)) == compiled.vcos_word(np.uint32((word - 2**30) % 2**32))


def singles(points: list[float]) -> list[float]:
    """What float32 has near the points, but 0."""
    return [float(v) for v in np.array(points, np.float32) if v]


def ulp_32(value: float) -> float:
    return float(np.spacing(np.float32(abs(value))))


def test_growth_in_single_precision() -> None:
    """At the ends of every reduction too; what is not a number is not hidden by a clip."""
    compiled = kernels.load("float32").module
    ends = [(k + 0.5) * math.log(2) * (1 + nudge) for k in range(126) for nudge in (-1e-6, 0, 1e-6)]
    points = singles([v for v in [*spread(-88.0, 88.0, 12), *spread(-1.0, 1.0, 13), *ends, 88.0, 1e-30] if v > 0])
    growth = lambda v: compiled.growth_32(np.float32(v))  # noqa: E731
    assert worst_ulp(growth, mpmath.expm1, points, ulp_32) < 2
    assert [growth(v) for v in (0.0, 88.5, 1e30, math.inf, math.nan)] == [0, *[math.inf] * 4]


def test_tanh_in_single_precision() -> None:
    compiled = kernels.load("float32").module
    tanh = lambda v: compiled.tanh_32(np.float32(v))  # noqa: E731
    points = singles([*spread(-12.0, 12.0, 14), *spread(-1.0, 1.0, 15)])
    assert worst_ulp(tanh, mpmath.tanh, points, ulp_32) < 3
    assert [tanh(v) for v in (-math.inf, -25.0, 0.0, 25.0, math.inf)] == [-1, -1, 0, 1, 1]
    assert all(tanh(-v) == -tanh(v) for v in points)
    assert math.isnan(tanh(math.nan))


def test_signed_in_single_precision() -> None:
    compiled = kernels.load("float32").module
    pairs = [(2.5, 3.0), (2.5, -1e-30), (math.inf, -2.0), (2.5, 0.0)]
    assert [compiled.signed_32(*map(np.float32, pair)) for pair in pairs] == [2.5, -2.5, -math.inf, 2.5]
    assert math.copysign(1.0, compiled.signed_32(np.float32(0.0), np.float32(-1.0))) == -1


def test_gradients_of_float32_states_call_nothing_wider() -> None:
    """One call of a function in float64 would halve the width of the loop's vectors."""
    text, _ = kernels.module_source("float32")
    for start, end in (("def gradients(", "def values("), ("def advance(", "def atoms(")):
        loops = text[text.rindex(start) : text.rindex(end)]
        assert "tanh_32(" in loops
        assert "growth_32(" in loops
        for wide in ("float64", "vtanh", "vgrowth", "vexp", "signed(", "buffer[0"):
            assert wide not in loops, wide

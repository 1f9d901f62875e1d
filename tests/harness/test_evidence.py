"""Evidence: false alarms at most at the stated rate, power where there is something to see, budgets of looks."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from harness.evidence import ALPHA, ErrorLedger, _stakes, log10_e, lower_confidence

LAWS = {
    "two values": lambda rng, n: 2.0 * rng.integers(0, 2, n),
    "exponential": lambda rng, n: rng.exponential(1.0, n),
    "rare and large": lambda rng, n: 50.0 * (rng.random(n) < 0.02),
    "heavy tail": lambda rng, n: rng.pareto(1.5, n) / 2,
    "constant": lambda rng, n: np.ones(n),
}


@pytest.mark.parametrize("name", LAWS)
def test_false_alarms_stay_below_the_level(name: str) -> None:
    # The mean is exactly 1, the null is true. At level 1/20 the true rate is at most 5%, so 150 alarms in 2000 happen
    # with a chance below 1e-6 (binomial tail).
    rng = np.random.default_rng(1)
    alarms = sum(log10_e(LAWS[name](rng, 400), 1.0) >= math.log10(20) for _ in range(2000))
    assert alarms < 150


@pytest.mark.parametrize(("name", "count"), [("two values", 6000), ("exponential", 6000), ("constant", 400)])
def test_ten_per_cent_beyond_the_bound_is_seen(name: str, count: int) -> None:
    # An excess of 1/9 with deviation s has an expected growth of (1/9)^2/(2 s^2) a round: with s = 10/9 about 13 digits
    # in 6000 rounds, 6.5 are asked for. Deterministic: the seed is fixed.
    values = LAWS[name](np.random.default_rng(2), count)
    assert log10_e(values, 0.9) > 6.5


def test_a_peek_at_a_value_before_the_stake_would_be_caught() -> None:
    """Stakes must not see the round they are placed on: with such a leak a fair game makes a fortune."""
    fair = 2.0 * np.random.default_rng(3).integers(0, 2, 2000)
    leak = float(np.log1p(np.where(fair > 1, 0.999, 0.0) * (fair - 1)).sum()) / math.log(10)
    assert leak > 100
    assert log10_e(fair, 1.0) < 6


def test_the_order_of_earlier_values_is_all_that_a_stake_sees() -> None:
    rng = np.random.default_rng(4)
    values = rng.exponential(1.0, 200)
    changed = values.copy()
    changed[-1] *= 100
    # All but the last round are bets on the same history, so their largest product is the same.
    assert log10_e(changed[:-1], 0.5) == log10_e(values[:-1], 0.5)
    assert log10_e(np.zeros(100), 1.0) == 0.0


def test_the_least_over_time_needs_every_time() -> None:
    rng = np.random.default_rng(5)
    table = rng.exponential(1.0, (3000, 4)) + 0.5
    assert log10_e(table, 1.0) > 6
    table[:, 2] -= 0.5
    assert log10_e(table, 1.0) < 2
    assert log10_e(table[:, 2], 1.0) == log10_e(table, 1.0)


def test_blocks_of_columns_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    table = np.random.default_rng(6).exponential(1.2, (300, 7))
    whole = log10_e(table, 1.0)
    monkeypatch.setattr("harness.evidence._COLUMNS", 600)
    assert log10_e(table, 1.0) == whole


def test_lower_confidence_is_below_the_mean_and_rejected() -> None:
    values = np.random.default_rng(7).exponential(1.0, 4000)
    lower = lower_confidence(values, 6.3)
    assert 0.8 < lower < values.mean()
    assert log10_e(values, lower) >= 6.3
    assert lower_confidence(np.zeros(10), 6.3) == 0.0
    assert lower_confidence(np.ones(3), 6.3) < 1e-2


def test_levels_of_all_looks_sum_to_alpha() -> None:
    ledger = ErrorLedger(alpha=1e-3)
    thresholds = [ledger.next_look().log10_threshold for _ in range(2000)]
    assert ledger.looks == 2000
    assert sum(10**-t for t in thresholds) < 1e-3
    assert sum(10**-t for t in thresholds) > 0.99e-3
    assert thresholds[0] == pytest.approx(math.log10(2 / 1e-3))
    assert ErrorLedger().alpha == ALPHA == 1e-6


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0])
def test_an_impossible_level_is_one_line(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha must lie between 0 and 1"):
        ErrorLedger(alpha=alpha)


@pytest.mark.parametrize("bound", [0.0, -1.0, math.inf, math.nan])
def test_an_impossible_bound_is_one_line(bound: float) -> None:
    with pytest.raises(ValueError, match="must be positive and finite"):
        log10_e(np.ones(3), bound)


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_values_must_be_finite_and_not_negative(bad: float) -> None:
    with pytest.raises(ValueError, match="not negative"):
        log10_e(np.array([1.0, bad]), 1.0)


def test_the_process_in_exact_numbers() -> None:
    """Three rounds by hand: the first stake is 0, then 1/(2 + 1), then (1 - 1/2)/(2 + 1 + 1/4)."""
    first = Fraction(0)
    second = Fraction(1) / (2 + 1)
    third = (Fraction(1) - Fraction(1, 2)) / (2 + 1 + Fraction(1, 4))
    excess = (Fraction(1), Fraction(-1, 2), Fraction(3))
    wealth, largest = Fraction(1), Fraction(1)
    for stake, gain in zip((first, second, third), excess, strict=True):
        wealth *= 1 + stake * gain
        largest = max(largest, wealth)
    assert log10_e(np.array([2.0, 0.5, 4.0]) * 7, 7.0) == pytest.approx(math.log10(largest), abs=1e-10)


def test_a_stake_never_exceeds_one() -> None:
    """Values that are all one per cent above the bound would be worth a stake of fifty: more than one has, which would
    make a single low value worth a negative product."""
    count = 20_000
    ratios = np.full(count, 1.01)
    most = count * math.log10(1.01)
    assert 0.9 * most < log10_e(ratios, 1.0) < most
    stakes = _stakes(ratios[:, None])
    assert stakes.min() >= 0
    assert stakes.max() < 1


def test_rounding_is_held_against_us() -> None:
    """The process in exact numbers is never below what is reported, and above it by the slack that is promised."""
    values = np.random.default_rng(3).uniform(0.5, 2.5, 400)
    wealth = largest = Fraction(1)
    gains = 0.0
    for stake, ratio in zip(_stakes(values[:, None])[:, 0], values, strict=True):
        factor = 1 + Fraction(stake) * (Fraction(ratio) - 1)
        wealth *= factor
        largest = max(largest, wealth)
        gains += abs(math.log(factor))
    exact = math.log(largest.numerator) - math.log(largest.denominator)
    short = exact - log10_e(values, 1.0) * math.log(10)
    # The logarithms of the long fraction err by some 1e-12 themselves.
    assert short == pytest.approx(1e-12 * (400 + gains), rel=2e-2)


def test_a_look_has_a_number() -> None:
    ledger = ErrorLedger(alpha=0.01, looks=3)
    look = ledger.next_look()
    assert (look.number, ledger.looks) == (4, 4)
    assert look.log10_threshold == pytest.approx(math.log10(4 * 5 / 0.01))
    with pytest.raises(ValueError, match="looks must not be negative, not -1"):
        ErrorLedger(looks=-1)


def test_single_precision_is_taken_up_before_anything_is_computed() -> None:
    values = np.random.default_rng(4).uniform(0.8, 1.6, 500).astype(np.float32)
    assert log10_e(values, 1.0) == log10_e(values.astype(np.float64), 1.0)
    assert lower_confidence(values, 3.0) == lower_confidence(values.astype(np.float64), 3.0)
    with pytest.raises(ValueError, match=r"^an e-process takes finite values that are not negative$"):
        log10_e(-values, 1.0)

"""The hard tier: margins of 1 % (a fifth to a half under noise) in slits, which few problems meet at all.

A slit ties two or more numbers of a problem to narrow ranges, so that it is met by about one of 1e5 down to one of 1e8
draws of the reference sampler; random draws are not expected to meet it within any budget of the benchmark.
"""

import sympy as sp

from theorems.language import (
    F0,
    PL,
    R0,
    AverageGradientNorm,
    Convex,
    FinalGap,
    L,
    MinGradientNorm,
    Rational,
    T,
    c,
    eta,
    m,
    mu,
    sigma,
)
from theorems.power import bias, descent, drift, noisy, rates

theta = eta * L


def within(value: sp.Expr, low: sp.Expr, width: sp.Expr) -> list[sp.Basic]:
    """``low <= value <= (1 + width) low``."""
    return [value >= low, value <= (1 + width) * low]


_HUNDREDTH, _THOUSANDTH = Rational(1, 100), Rational(1, 1000)

STATEMENTS = (
    bias.planted(
        "1_slit",
        "Less one per cent, for a range of noise levels of one in a thousand",
        Rational(99, 100) * (sigma - c),
        within(sigma, 3 * c, _THOUSANDTH),
    ),
    drift.planted(
        "1_slit",
        "The linear drift with one per cent less variance, where noise and gradient are tied to each other",
        drift.near(Rational(99, 100)),
        [*within(m + sigma, 3 * c, _HUNDREDTH), *within(m, 2 * sigma, _HUNDREDTH)],
    ),
    descent.planted(
        "1_slit",
        "One per cent more descent, at a given distance from the optimum and just below the threshold",
        -Rational(101, 100) * descent.decrease,
        [m <= c, 10 * m >= 9 * c, *within(R0, 10 * c / L, _HUNDREDTH), *within(theta, Rational(9, 10), 2 * _HUNDREDTH)],
    ),
    rates.planted(
        "d1_1_slit",
        "D1 less one per cent, for steps as long as allowed and a given height of the start",
        AverageGradientNorm,
        Rational(99, 100) * rates.d1,
        [theta <= 1, 100 * theta >= 99, *within(c**2, 100 * rates.Q, Rational(1, 5000))],
    ),
    rates.planted(
        "d2_1_slit",
        "The exact value of gradient descent less one per cent, ten steps of a given size from a given distance",
        FinalGap,
        Rational(99, 100) * rates.unclipped,
        [T >= 10, T <= 12, *within(theta, Rational(1, 2), 2 * _HUNDREDTH), *within(c, L * R0, _HUNDREDTH)],
        [Convex()],
    ),
    rates.planted(
        "d3_1_slit",
        "One per cent below gradient descent on a quadratic, 37 steps from just below the threshold",
        FinalGap,
        Rational(99, 100) * (1 - eta * mu) ** (2 * T) * F0,
        [
            mu <= L,
            theta <= 1,
            T >= 37,
            T <= 37,
            *within(eta * mu, Rational(3, 10), _HUNDREDTH),
            *within(c**2, 2 * L * F0, _THOUSANDTH),
        ],
        [PL(mu)],
    ),
    noisy.planted(
        "s3_20_slit",
        "S3 less a fifth, for narrow ranges of noise levels and of step sizes",
        AverageGradientNorm,
        Rational(4, 5) * noisy.s3(noisy.full),
        [*within(sigma, Rational(19, 10) * c, _HUNDREDTH), *within(theta, _HUNDREDTH, Rational(1, 10))],
    ),
    noisy.planted(
        "min_50_slit",
        "The least gradient with half the bias, for narrow ranges of noise levels and of step sizes",
        MinGradientNorm,
        noisy.s3(noisy.full / 2),
        [*within(sigma, c, _HUNDREDTH), *within(theta, _HUNDREDTH, Rational(1, 10))],
    ),
    noisy.planted(
        "s3_small_20_slit",
        "S3' less a fifth, for narrow ranges of noise levels and of step sizes",
        AverageGradientNorm,
        Rational(4, 5) * noisy.small,
        [*within(sigma, 6 * c, _HUNDREDTH), *within(theta, _HUNDREDTH, Rational(1, 10))],
    ),
)

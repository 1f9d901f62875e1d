"""S1, the exact worst-case drift, and S5, symmetric noise: tightened."""

from collections.abc import Sequence

import sympy as sp

from theorems.language import (
    And,
    BoundedVariance,
    Drift,
    Floor,
    Min,
    Piecewise,
    Rational,
    Source,
    Symmetric,
    Theorem,
    c,
    m,
    sigma,
    sqrt,
)

n = m + c


def simple(share: sp.Expr) -> sp.Expr:
    """S1' with ``share`` of the bias."""
    return c * (m - share * sigma**2 / (4 * c)) / n


def near(share: sp.Expr) -> sp.Expr:
    """The first case of S1 with ``share`` of the variance."""
    return (n - sqrt(share * sigma**2 + (c - m) ** 2)) / 2


def far(share: sp.Expr) -> sp.Expr:
    """The second case of S1 with ``share`` of the variance."""
    return c * (n**2 - share * sigma**2) / (n**2 + share * sigma**2)


def planted(name: str, title: str, bound: sp.Expr, when: Sequence[sp.Basic] = (), symmetric: bool = False) -> Theorem:
    return Theorem(
        name=f"power_drift_{name}",
        title=title,
        source=Source("clipbounds, planted", "S5, tightened" if symmetric else "S1, tightened", status="derived"),
        given=[BoundedVariance(sigma), *([Symmetric()] if symmetric else [])],
        when=list(when),
        claim=Floor(Drift, bound),
        expect="refuted",
        falls_by="search",
    )


STATEMENTS = (
    planted("50", "The simple drift with half the bias", simple(Rational(1, 2))),
    planted("10", "The simple drift with nine tenths of the bias", simple(Rational(9, 10))),
    planted(
        "5_window",
        "The linear drift with five per cent less variance, for a narrow range of gradients",
        near(Rational(19, 20)),
        [2 * m >= c, 2 * m <= Rational(21, 20) * c],
    ),
    planted(
        "2_far",
        "The second case of the drift with two per cent less variance, far from the optimum",
        far(Rational(98, 100)),
        [m >= 5 * c, sigma**2 + (c - m) ** 2 >= 4 * c**2, sigma <= 2 * m],
    ),
    planted(
        "20_band",
        "The linear drift, but with a fifth less variance inside a small box",
        Piecewise(
            (near(Rational(4, 5)), And(sigma >= c / 2, sigma <= Rational(3, 5) * c, 4 * m >= c, 3 * m <= c)),
            (near(sp.Integer(1)), True),
        ),
    ),
    planted("symmetric_10", "Symmetric noise leaves a tenth of the gradient", Min(m, c) / 10, symmetric=True),
    planted(
        "symmetric_window",
        "Symmetric noise leaves half of the gradient, if it is just long enough not to",
        Min(m, c) / 2,
        [m >= c, sigma >= n, sigma <= Rational(101, 100) * n],
        symmetric=True,
    ),
)

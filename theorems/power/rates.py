"""D1, D2 and D3, rates without noise, tightened."""

from collections.abc import Sequence

import sympy as sp

from theorems.language import (
    F0,
    PL,
    R0,
    AverageGradientNorm,
    Convex,
    ExactGradients,
    FinalGap,
    L,
    Max,
    MinGradientNorm,
    Piecewise,
    Rational,
    Smooth,
    Source,
    T,
    Theorem,
    Upper,
    c,
    eta,
    mu,
    sqrt,
)
from theorems.language.assumptions import Assumption
from theorems.language.quantities import Quantity

theta = eta * L
Q = F0 / ((1 - theta / 2) * eta * T)
d1 = Piecewise((sqrt(Q), c**2 / 4 >= Q), (Q / c + c / 4, True))
# Drori and Teboulle's exact value for gradient descent that is never clipped.
unclipped = L * R0**2 / (4 * T * eta * L + 2)


def planted(
    name: str,
    title: str,
    quantity: Quantity,
    bound: sp.Expr,
    when: Sequence[sp.Basic],
    also: Sequence[Assumption] = (),
) -> Theorem:
    return Theorem(
        name=f"power_{name}",
        title=title,
        source=Source("clipbounds, planted", f"{name[:2].upper()}, tightened", status="derived"),
        given=[*also, Smooth(L), ExactGradients()],
        when=list(when),
        claim=Upper(quantity, bound),
        expect="refuted",
        falls_by="search",
    )


_d1, _d2, _d3 = [theta <= 1], [theta <= 1, c >= L * R0], [theta <= 1, mu <= L]

STATEMENTS = (
    planted("d1_50", "Half of D1", AverageGradientNorm, d1 / 2, _d1),
    planted(
        "d1_10_long",
        "D1 less ten per cent, for many small steps",
        AverageGradientNorm,
        Rational(9, 10) * d1,
        [theta <= Rational(1, 10), T >= 100],
    ),
    planted(
        "d1_2_single",
        "D1 less two per cent, for few steps as long as allowed",
        AverageGradientNorm,
        Rational(98, 100) * d1,
        [theta <= 1, theta >= Rational(19, 20), T <= 5],
    ),
    planted(
        "d1_10_steep",
        "D1 less ten per cent, far from the optimum",
        AverageGradientNorm,
        Rational(9, 10) * d1,
        [theta <= Rational(1, 10), T >= 10, c**2 <= Q / 4],
    ),
    planted(
        "d1_min_5",
        "The least gradient, less five per cent",
        MinGradientNorm,
        Rational(19, 20) * Max(sqrt(Q), Q / c),
        [theta <= 1, T >= 2],
    ),
    planted("d2_50", "Half the exact value of gradient descent", FinalGap, unclipped / 2, _d2, [Convex()]),
    planted(
        "d2_5_long",
        "The exact value of gradient descent less five per cent, for many steps",
        FinalGap,
        Rational(19, 20) * unclipped,
        [*_d2, T >= 100],
        [Convex()],
    ),
    planted(
        "d2_5_window",
        "The exact value of gradient descent less five per cent, for a narrow range of step sizes",
        FinalGap,
        Rational(19, 20) * unclipped,
        [c >= L * R0, theta >= Rational(1, 2), theta <= Rational(3, 5), T >= 5],
        [Convex()],
    ),
    planted(
        "d2_clipped_window",
        "The convex rate without its second term, where that is hardly needed",
        FinalGap,
        R0**2 / (eta * T),
        [theta <= Rational(1, 2), 15 * c >= L * R0],
        [Convex()],
    ),
    planted(
        "d3_2_window",
        "Two per cent below gradient descent on a quadratic, for a narrow range of step sizes",
        FinalGap,
        Rational(98, 100) * (1 - eta * mu) ** (2 * T) * F0,
        [*_d3, eta * mu >= Rational(3, 10), eta * mu <= Rational(31, 100), T >= 2, c**2 >= 2 * L * F0],
        [PL(mu)],
    ),
    planted(
        "d3_slow_window",
        "Geometric decay from the first step on, from just beyond where it holds",
        FinalGap,
        (1 - eta * mu) ** T * F0,
        [*_d3, mu * F0 <= Rational(9, 4) * c**2],
        [PL(mu)],
    ),
)

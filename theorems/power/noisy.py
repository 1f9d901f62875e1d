"""S3 and S3', convergence under noise, and neighbours, tightened."""

from collections.abc import Sequence

import sympy as sp

from theorems.language import (
    F0,
    R0,
    And,
    AverageGradientNorm,
    BoundedVariance,
    Convex,
    FinalGap,
    L,
    Min,
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
    sigma,
    sqrt,
)
from theorems.language.assumptions import Assumption
from theorems.language.quantities import Quantity

theta = eta * L
R = (F0 / (eta * T) + theta * Min(c**2, sigma**2) / 2) / (1 - theta)
small = ((1 - c / sigma) * (sigma - c) + F0 / (eta * c * T) + theta * c / 2) / (1 - c / sigma)


def s3(bias: sp.Expr, scale: sp.Expr = R) -> sp.Expr:
    """S3's first form for a bias (before division by 1 - theta) and a squared scale R."""
    middle = (bias / (1 - theta) + scale / c) / 2
    return middle + sqrt(middle**2 + scale)


full = sigma**2 / (4 * c)


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
        source=Source("clipbounds, planted", "S3 or S3', tightened", status="derived"),
        given=[*also, Smooth(L), BoundedVariance(sigma)],
        when=list(when),
        claim=Upper(quantity, bound),
        expect="refuted",
        falls_by="search",
    )


_small = theta < 1

STATEMENTS = (
    planted("s3_no_bias", "S3 without its bias", AverageGradientNorm, s3(sp.Integer(0)), [_small]),
    planted("s3_50", "S3 with half its bias", AverageGradientNorm, s3(full / 2), [_small, sigma <= 2 * c]),
    planted(
        "s3_50_light",
        "S3 with half its bias, where the noise is below the threshold",
        AverageGradientNorm,
        s3(full / 2),
        [_small, sigma <= c],
    ),
    planted(
        "s3_small_20",
        "S3' less a fifth, for very noisy gradients",
        AverageGradientNorm,
        Rational(4, 5) * small,
        [theta <= 1, sigma >= 5 * c],
    ),
    planted(
        "s3_20_band",
        "S3, but a fifth less inside a narrow band of noise levels",
        AverageGradientNorm,
        Piecewise(
            (Rational(4, 5) * s3(full), And(sigma >= Rational(3, 2) * c, sigma <= 2 * c)),
            (s3(full), True),
        ),
        [_small],
    ),
    planted(
        "min_50_window",
        "The least gradient with half the bias, for a narrow range of noise levels",
        MinGradientNorm,
        s3(full / 2),
        [_small, sigma >= c, sigma <= 2 * c],
    ),
    planted(
        "d2_noise",
        "The convex rate under little noise, for small steps",
        FinalGap,
        R0**2 / (eta * T) + 2 * L * R0**4 / (eta * c * T) ** 2,
        [theta <= Rational(1, 10), sigma <= c / 2],
        [Convex()],
    ),
)

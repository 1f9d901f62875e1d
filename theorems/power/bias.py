"""S2, the exact bias, tightened."""

from collections.abc import Sequence

import sympy as sp

from theorems.language import (
    And,
    BoundedVariance,
    Piecewise,
    Rational,
    Source,
    StuckGradientNorm,
    Theorem,
    Upper,
    c,
    sigma,
)
from theorems.sharp.s2_bias import bias


def planted(name: str, title: str, bound: sp.Expr, when: Sequence[sp.Basic] = ()) -> Theorem:
    return Theorem(
        name=f"power_bias_{name}",
        title=title,
        source=Source("clipbounds, planted", "S2, tightened", status="derived"),
        given=[BoundedVariance(sigma)],
        when=list(when),
        claim=Upper(StuckGradientNorm, bound),
        expect="refuted",
        falls_by="search",
    )


STATEMENTS = (
    planted("50", "Half the exact bias", bias / 2),
    planted("10", "The exact bias less ten per cent", Rational(9, 10) * bias),
    planted("2", "The exact bias less two per cent", Rational(98, 100) * bias),
    planted(
        "5_heavy", "Less five per cent, for very noisy gradients", Rational(19, 20) * (sigma - c), [sigma >= 20 * c]
    ),
    planted(
        "1_light",
        "Less one per cent, for little noise",
        Rational(99, 100) * sigma**2 / (4 * c),
        [sigma <= c / 20],
    ),
    planted(
        "5_window",
        "Less five per cent, where the two cases of the bias meet",
        Rational(19, 20) * bias,
        [sigma >= 2 * c, sigma <= Rational(21, 10) * c],
    ),
    planted(
        "5_band",
        "The exact bias, but five per cent less inside a narrow band of noise levels",
        Piecewise(
            (Rational(19, 20) * bias, And(sigma >= Rational(3, 2) * c, sigma <= Rational(31, 20) * c)), (bias, True)
        ),
    ),
)

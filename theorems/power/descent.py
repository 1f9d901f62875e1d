"""D0, the descent lemma, tightened."""

from collections.abc import Sequence

import sympy as sp

from theorems.language import (
    And,
    ExactGradients,
    L,
    Min,
    Piecewise,
    Rational,
    Smooth,
    Source,
    StepChange,
    Theorem,
    Upper,
    c,
    eta,
    m,
)

theta = eta * L
decrease = (1 - theta / 2) * eta * m * Min(m, c)


def planted(name: str, title: str, bound: sp.Expr, when: Sequence[sp.Basic]) -> Theorem:
    return Theorem(
        name=f"power_descent_{name}",
        title=title,
        source=Source("clipbounds, planted", "D0, tightened", status="derived"),
        given=[Smooth(L), ExactGradients()],
        when=list(when),
        claim=Upper(StepChange, bound),
        expect="refuted",
        falls_by="search",
    )


STATEMENTS = (
    planted("50", "Descent for theta up to 3", sp.Integer(0), [theta <= 3]),
    planted("1", "Descent for theta up to 2.02", sp.Integer(0), [theta <= Rational(101, 50)]),
    planted(
        "1_window",
        "One per cent more descent, within a factor of two of the threshold and near theta = 1",
        -Rational(101, 100) * decrease,
        [theta <= 1, theta >= Rational(49, 50), m <= c, m >= c / 2],
    ),
    planted(
        "2_band",
        "The descent lemma, but two per cent more of it inside a small box",
        Piecewise(
            (
                -Rational(51, 50) * decrease,
                And(m <= c, m >= c / 2, theta >= Rational(1, 2), theta <= Rational(13, 25)),
            ),
            (-decrease, True),
        ),
        [theta <= 1],
    ),
)

"""Koloskova, Hendrikx and Stich (2023), Theorem 2.3: clipped gradient descent, convex and L-smooth.

``FinalGap <= C (R0^2/(eta T) + L R0^4/(eta^2 c^2 T^2))``. Stated without a proof: it would follow from D2 with C = 2.
"""

from theorems.koloskova2023.theorem_2_1 import PAPER
from theorems.language import (
    R0,
    C,
    Convex,
    ExactGradients,
    FinalGap,
    L,
    Rational,
    Smooth,
    Source,
    T,
    Theorem,
    Upper,
    c,
    eta,
)

form = Theorem(
    name="K23_2_3_O",
    title="Clipped gradient descent, convex, for every C >= 2",
    source=Source(PAPER, "Theorem 2.3", version="arXiv v2", status="recalled"),
    given=[Convex(), Smooth(L), ExactGradients()],
    when=[eta * L <= Rational(1, 9), C >= 2],
    claim=Upper(FinalGap, C * (R0**2 / (eta * T) + L * R0**4 / (eta * c * T) ** 2)),
)

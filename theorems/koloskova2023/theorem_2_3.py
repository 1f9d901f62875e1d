"""Koloskova, Hendrikx and Stich (2023), Theorem 2.3: clipped gradient descent, convex and L-smooth.

``FinalGap <= C (R0^2/(eta T) + L R0^4/(eta^2 c^2 T^2))``. It follows from D2 with C = 2.
"""

from theorems.koloskova2023.theorem_2_1 import PAPER
from theorems.language import (
    L0,
    L1,
    R0,
    C,
    Cite,
    Convex,
    ExactGradients,
    FinalGap,
    L,
    Rational,
    Smooth,
    Source,
    Step,
    T,
    Theorem,
    Upper,
    c,
    eta,
)
from theorems.sharp.d2_convex import convex

rate = R0**2 / (eta * T) + L * R0**4 / (eta * c * T) ** 2

form = Theorem(
    name="K23_2_3_O",
    title="Clipped gradient descent, convex, for every C >= 2",
    source=Source(PAPER, "Theorem 2.3", version="arXiv v2", status="recalled"),
    given=[Convex(), Smooth(L), ExactGradients()],
    when=[eta * L <= Rational(1, 9), C >= 2],
    claim=Upper(FinalGap, C * rate),
    proof=[
        Cite("sharp", convex, {L0: L, L1: Rational(0)}),
        Step("claim", gives=FinalGap <= C * rate, from_=["sharp"]),
    ],
)

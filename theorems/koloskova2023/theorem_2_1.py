"""Koloskova, Hendrikx and Stich (2023), Theorem 2.1: clipped gradient descent, non-convex.

``eta <= 1/(9 (L0 + c L1))`` implies ``AverageGradientNorm <= C (sqrt(F0/(eta T)) + F0/(eta T c))``: the O-form, for
every ``C >= 18/17``, and the paper's statement with that constant.
"""

from theorems.language import (
    F0,
    GRADIENT,
    GS,
    L0,
    L1,
    ONE,
    AverageGradientNorm,
    C,
    Cite,
    Domain,
    ExactGradients,
    Parameter,
    Rational,
    Source,
    Step,
    T,
    Theorem,
    Upper,
    c,
    eta,
    sqrt,
)
from theorems.sharp.d1_nonconvex import nonconvex

PAPER = "Koloskova, Hendrikx, Stich: Revisiting Gradient Clipping (ICML 2023, arXiv 2305.01588)"

theta = Parameter("theta", ONE, Domain.NONNEGATIVE, "relative step size")
G = Parameter("G", GRADIENT * GRADIENT, Domain.NONNEGATIVE, "F0/(eta T)")
Q = Parameter("Q", GRADIENT * GRADIENT, Domain.NONNEGATIVE, "D1's squared gradient scale")

LEAST = Rational(18, 17)

form = Theorem(
    name="K23_2_1_O",
    title="Clipped gradient descent, non-convex, for every C >= 18/17",
    source=Source(PAPER, "Theorem 2.1", version="arXiv v2", status="recalled"),
    given=[GS(L0, L1), ExactGradients()],
    where={theta: eta * (L0 + c * L1), G: F0 / (eta * T), Q: F0 / ((1 - theta / 2) * eta * T)},
    when=[theta <= Rational(1, 9), C >= LEAST],
    claim=Upper(AverageGradientNorm, C * (sqrt(G) + G / c)),
    proof=[
        Cite("sharp", nonconvex, from_=["theta"]),
        Step("budget", gives=Q <= C * G, from_=["theta", "G", "Q"]),
        Step("two_terms", gives=AverageGradientNorm <= sqrt(Q) + Q / c, from_=["sharp"]),
        Step("claim", gives=AverageGradientNorm <= C * (sqrt(G) + G / c), from_=["two_terms", "budget"]),
    ],
)

theorem_2_1 = Theorem(
    name="K23_2_1",
    title="Clipped gradient descent, non-convex (C = 18/17)",
    source=Source(PAPER, "Theorem 2.1", version="arXiv v2", status="recalled"),
    given=[GS(L0, L1), ExactGradients()],
    where={theta: eta * (L0 + c * L1), G: F0 / (eta * T)},
    when=[theta <= Rational(1, 9)],
    claim=Upper(AverageGradientNorm, LEAST * (sqrt(G) + G / c)),
    proof=[Cite("form", form, {C: LEAST}, from_=["theta"])],
)

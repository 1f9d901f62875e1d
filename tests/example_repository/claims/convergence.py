"""Theorems 5 and 6 of the draft, about whole runs."""

from theorems.language import (
    F0,
    GS,
    L0,
    L1,
    AverageGradientNorm,
    BoundedVariance,
    ExactGradients,
    Rational,
    Source,
    T,
    Theorem,
    Upper,
    c,
    eta,
    sigma,
    sqrt,
)

PAPER = "Our draft on clipping"

rate = Theorem(
    name="rate",
    title="Without noise, clipping costs a term of higher order",
    source=Source(PAPER, "Theorem 5"),
    given=[GS(L0, L1), ExactGradients()],
    when=[eta * (L0 + c * L1) <= 1],
    claim=Upper(AverageGradientNorm, sqrt(2 * F0 / (eta * T)) + 2 * F0 / (eta * T * c)),
)

no_bias = Theorem(
    name="no_bias",
    title="With noise the same rate, which overlooks the bias",
    source=Source(PAPER, "Theorem 6"),
    given=[GS(L0, L1), BoundedVariance(sigma)],
    when=[eta * (L0 + c * L1) <= Rational(1, 9)],
    claim=Upper(AverageGradientNorm, sqrt(F0 / (eta * T)) + F0 / (eta * T * c)),
    expect="refuted",
    falls_by="search",
)

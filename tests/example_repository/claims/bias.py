"""Lemma 4 of the draft, and the version of it that its first referee refuted."""

from theorems.language import BoundedVariance, Source, StuckGradientNorm, Theorem, Upper, c, sigma

PAPER = "Our draft on clipping"

bias = Theorem(
    name="bias",
    title="Clipped SGD is stuck only near stationary points",
    source=Source(PAPER, "Lemma 4", version="2"),
    given=[BoundedVariance(sigma)],
    when=[sigma <= 2 * c],
    claim=Upper(StuckGradientNorm, sigma**2 / (4 * c)),
)

first_version = Theorem(
    name="bias_of_version_1",
    title="The same with a constant that is too good",
    source=Source(PAPER, "Lemma 4", version="1"),
    given=[BoundedVariance(sigma)],
    when=[sigma <= 2 * c],
    claim=Upper(StuckGradientNorm, sigma**2 / (5 * c)),
    expect="refuted",
    falls_by="algebra",
)

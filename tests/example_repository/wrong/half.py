"""A claim that is wrong and does not know it: the bias of clipped SGD is not sigma/3."""

from theorems.language import BoundedVariance, Source, StuckGradientNorm, Theorem, Upper, c, sigma

too_good = Theorem(
    name="too_good",
    title="A bound that forgets the threshold",
    source=Source("Our draft on clipping", "Lemma 7"),
    given=[BoundedVariance(sigma)],
    when=[sigma >= c],
    claim=Upper(StuckGradientNorm, sigma / 3),
)

"""O-claims that hold with no constant at all."""

from theorems.koloskova2023.theorem_2_1 import G
from theorems.koloskova2023.theorem_3_3 import GIVEN, basic, ninth
from theorems.language import C, MinGradientNorm, Source, Theorem, Upper, c, sigma, sqrt
from theorems.sharp.s3_upper import theta

no_bias = Theorem(
    name="planted_3_3_no_bias",
    title="K23's Theorem 3.3 without min(sigma, sigma^2/c)",
    source=Source("clipbounds, planted", "Theorem 3.3 without its bias", status="derived"),
    given=GIVEN,
    where=basic,
    when=[ninth],
    claim=Upper(MinGradientNorm, C * (sqrt(theta) * sigma + sqrt(G) + G / c)),
    expect="refuted",
    falls_by="algebra",
)

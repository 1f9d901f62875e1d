"""Koloskova, Hendrikx and Stich (2023), the lower bound: clipped SGD cannot do better than ``min(sigma, sigma^2/c)``.

Stated here with the constant 1/4; S2's points attain it with room to spare.
"""

from theorems.koloskova2023.theorem_2_1 import PAPER
from theorems.language import BoundedVariance, Lower, Min, Source, StuckGradientNorm, Theorem, c, sigma
from theorems.sharp.s2_bias import exact_bias

lower_bound = Theorem(
    name="K23_lower",
    title="Lower bound on the bias (constant 1/4)",
    source=Source(PAPER, "lower bound of Section 3", version="arXiv v2", status="recalled"),
    given=[BoundedVariance(sigma)],
    when=[],
    claim=Lower(StuckGradientNorm, Min(sigma, sigma**2 / c) / 4),
    witness=exact_bias.witness,
)

"""Koloskova, Hendrikx and Stich (2023), the lower bound: clipped SGD cannot do better than ``min(sigma, sigma^2/c)``.

``Omega(min(sigma, sigma^2/c))`` as the O-form, for every constant up to 1/4, for stuck points and for whole runs; and
with the constant 1/4, which S2's points attain with room to spare.
"""

from theorems.koloskova2023.theorem_2_1 import PAPER
from theorems.language import (
    BoundedVariance,
    C,
    Case,
    Lower,
    Min,
    MinGradientNorm,
    Rational,
    Source,
    Split,
    Step,
    StuckGradientNorm,
    Theorem,
    c,
    sigma,
)
from theorems.sharp.s2_bias import exact_bias
from theorems.sharp.s2t_trajectory import B, trajectory

SOURCE = Source(PAPER, "lower bound of Section 3", version="arXiv v2", status="recalled")
terms = Min(sigma, sigma**2 / c)

form = Theorem(
    name="K23_lower_O",
    title="Lower bound on the bias, for every C <= 1/4",
    source=SOURCE,
    given=[BoundedVariance(sigma)],
    when=[Rational(1, 4) >= C],
    claim=Lower(StuckGradientNorm, C * terms),
    witness=exact_bias.witness,
)

lower_bound = Theorem(
    name="K23_lower",
    title="Lower bound on the bias (constant 1/4)",
    source=SOURCE,
    given=[BoundedVariance(sigma)],
    when=[],
    claim=Lower(StuckGradientNorm, terms / 4),
    witness=exact_bias.witness,
)

# The run of S2-T, step for step, and then that its level is at least what K23 states.
whole_run = Theorem(
    name="K23_lower_run_O",
    title="Lower bound on whole runs, for every C <= 1/4",
    source=SOURCE,
    given=trajectory.given,
    where=trajectory.where,
    when=[*trajectory.when, Rational(1, 4) >= C],
    claim=Lower(MinGradientNorm, C * terms),
    proof=[
        *trajectory.proof,
        Split(
            "level_is_enough",
            gives=C * terms <= B,
            cases=[
                Case(sigma <= c, ["B"]),
                Case((sigma > c) & (sigma <= 2 * c), ["B"]),
                Case(sigma > 2 * c, ["B"]),
            ],
        ),
        Step("claim", gives=MinGradientNorm >= C * terms, from_=["induct", "level_is_enough"]),
    ],
    witness=trajectory.witness,
)

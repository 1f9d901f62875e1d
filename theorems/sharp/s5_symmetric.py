"""S5, symmetric noise: no bias direction is ever adverse.

If ``g - grad f`` and its negative have one law, then ``<grad f, E clip_c(g)> >= 0``, for every c and in any dimension.
Proof: pair g with its mirror image ``2 grad f - g`` and use ``|a|``, ``|b|``, ``<a, b>`` alone: clipping is monotone in
the length, so ``<a + b, clip_c(a) + clip_c(b)> >= (|a| - |b|)(|clip_c(a)| - |clip_c(b)|) >= 0``.
"""

from theorems.language import (
    Case,
    Drift,
    ExpectedPair,
    Floor,
    PointwisePair,
    Source,
    Split,
    Step,
    Symmetric,
    Theorem,
    c,
)
from theorems.language.rules import pair_a, pair_b, pair_dot, pair_s, pair_t

pairs = ExpectedPair()

symmetric = Theorem(
    name="S5",
    title="Symmetric noise never turns the drift around",
    source=Source("clipbounds theory", "S5", status="derived"),
    given=[Symmetric()],
    when=[],
    claim=Floor(Drift, 0),
    proof=[
        Step("clip", by=PointwisePair()),
        Step(
            "angle",
            gives=(pair_s + pair_t) * pair_dot >= -(pair_s + pair_t) * pair_a * pair_b,
            from_=["clip"],
            says="Cauchy-Schwarz: the worst angle is that of opposite samples.",
        ),
        Split(
            "monotone",
            gives=(pair_a - pair_b) * (pair_s * pair_a - pair_t * pair_b) >= 0,
            cases=[
                Case((pair_a <= c) & (pair_b <= c), ["clip"]),
                Case((pair_a <= c) & (pair_b > c), ["clip"]),
                Case((pair_a > c) & (pair_b <= c), ["clip"]),
                Case((pair_a > c) & (pair_b > c), ["clip"]),
            ],
            says="Of two samples the longer is not clipped to the shorter.",
        ),
        Step("pointwise", gives=pairs.pointwise, from_=["angle", "monotone"]),
        Step("mean", by=pairs, from_=["pointwise"], says="Samples and their mirror images are equally likely."),
    ],
)

"""S1, the exact worst-case drift of one noisy clipped step, and its linear part, which bounds every drift.

Setting: any dimension, ``E g = m u`` with ``|u| = 1``, ``E|g - m u|^2 <= sigma^2``, threshold c.
With ``s = sqrt(sigma^2 + (c - m)^2)`` and ``n = m + c``:
``inf E<u, clip_c(g)> = (m + c - s)/2`` if ``s <= 2c``, and ``c (n^2 - sigma^2)/(n^2 + sigma^2)`` if ``s >= 2c``.

Proof by dual certificates: ``<u, clip_c(g)> >= c - K ((w - w1)^2 + |v|^2)`` for all ``g = (w, v)``, in two families:
one for every ``t > 0`` (``w1 = c + t, K = 1/(4t)``; then ``t = s``), one for every ``y >= 3c`` (``w1 = y,
K = 2c/(y + c)^2``; then ``y = m + sigma^2/n``). Attained by two-point noise along u.
"""

from sympy import Eq, Ne

from theorems.language import (
    GRADIENT,
    BoundedVariance,
    Case,
    Cite,
    Domain,
    Drift,
    Exactly,
    ExpectedQuadratic,
    Floor,
    Implies,
    Instance,
    Parameter,
    Piecewise,
    PointwiseClip,
    Rational,
    Source,
    Split,
    Step,
    Theorem,
    Witness,
    c,
    m,
    sigma,
    sqrt,
)
from theorems.language import sample_rho as rho

s = Parameter("s", GRADIENT, Domain.NONNEGATIVE, "spread of the noise seen from the threshold")
t = Parameter("t", GRADIENT, Domain.POSITIVE, "any positive number")
y = Parameter("y", GRADIENT, Domain.NONNEGATIVE, "any number of at least three thresholds")
n = m + c

near = ExpectedQuadratic(level=c, steepness=1 / (4 * t), centre=c + t)
far = ExpectedQuadratic(level=c, steepness=2 * c / (y + c) ** 2, centre=y, condition=y >= 3 * c)

first = (m + c - s) / 2
second = c * (n**2 - sigma**2) / (n**2 + sigma**2)
worst = Piecewise((first, s <= 2 * c), (second, True))


linear = Theorem(
    name="S1_linear",
    title="Linear lower bound on the drift",
    source=Source("clipbounds theory", "S1, first case", status="derived"),
    given=[BoundedVariance(sigma)],
    where={s: sqrt(sigma**2 + (c - m) ** 2)},
    when=[],
    claim=Floor(Drift, first),
    proof=[
        Step("clip", by=PointwiseClip()),
        Split(
            "certificate",
            gives=near.pointwise,
            cases=[Case(rho <= c, ["clip"]), Case(rho > c, ["clip"])],
            says="The dual certificate, for every t > 0.",
        ),
        Step("mean", by=near, from_=["certificate"]),
        Step("at_s", by=Instance(t, s, Ne(s, 0)), from_=["mean"]),
        Step("at_gap", by=Instance(t, 2 * (c - Drift), Drift < c), from_=["mean"], says="For s = 0 take t small."),
        Step("cleared", gives=Implies(Ne(s, 0), 4 * s * (c - Drift) <= sigma**2 + (m - c - s) ** 2), from_=["at_s"]),
        Split(
            "claim",
            gives=Drift >= first,
            cases=[Case(Ne(s, 0), ["cleared", "s"]), Case(Eq(s, 0), ["at_gap", "s"])],
        ),
    ],
)

drift = Theorem(
    name="S1",
    title="Exact worst-case drift of one clipped step",
    source=Source("clipbounds theory", "S1", status="derived"),
    given=[BoundedVariance(sigma)],
    where={s: sqrt(sigma**2 + (c - m) ** 2)},
    when=[],
    claim=Exactly(Drift, worst),
    proof=[
        Cite("first", linear, says="The first formula is a lower bound everywhere."),
        Step("clip", by=PointwiseClip()),
        Split(
            "certificate",
            gives=far.pointwise,
            cases=[Case(rho <= c, ["clip"]), Case(rho > c, ["clip"])],
            says="The dual certificate, for every y >= 3c.",
        ),
        Step("mean", by=far, from_=["certificate"]),
        Step("at_y", by=Instance(y, m + sigma**2 / n), from_=["mean"]),
        Step("long", gives=Implies(s >= 2 * c, m + sigma**2 / n >= 3 * c), from_=["s"]),
        Step("second", gives=Implies(s >= 2 * c, Drift >= second), from_=["at_y", "long"]),
        Split(
            "claim",
            gives=Drift >= worst,
            cases=[Case(s <= 2 * c, ["first", "s"]), Case(s > 2 * c, ["second"])],
        ),
    ],
    witness=[
        Witness(
            "two points, near",
            objective="quadratic",
            objective_parameters={"curvature": Rational(1)},
            noise="two_point",
            noise_parameters={"up": c + s - m, "probability": (m - c + s) / (2 * s)},
            start=m,
            when=(sigma > 0, s <= 2 * c),
            says="Samples c + s and c - s along the gradient.",
        ),
        Witness(
            "two points, far",
            objective="quadratic",
            objective_parameters={"curvature": Rational(1)},
            noise="two_point",
            noise_parameters={"up": sigma**2 / n, "probability": n**2 / (n**2 + sigma**2)},
            start=m,
            when=(sigma > 0, s > 2 * c),
            says="Samples -c and m + sigma^2/n along the gradient.",
        ),
        Witness(
            "no noise",
            objective="quadratic",
            objective_parameters={"curvature": Rational(1)},
            start=m,
            when=(Eq(sigma, 0),),
        ),
    ],
)

"""S2-T, whole trajectories stay at the bias.

For every c, sigma > 0, every ``eta <= 1/L`` and every T there are an L-smooth f and noise of variance sigma^2 with
``E|grad f(x_t)| >= B*`` for all t, and ``F0 = B*^2/(2L)`` does not depend on eta or T.
Instance: ``f = L x^2/2``, ``x_0 = B*/L``, at each point S1's worst two-point noise. The exact drift lies below its
tangent at B*: ``drift <= k (m - B*)``; so ``E|grad f(x')| >= (1 - eta L k) m + eta L k B*``; induct.
"""

from theorems.language import (
    GRADIENT,
    ONE,
    AffineRecursion,
    BoundedVariance,
    Case,
    Cite,
    Domain,
    Drift,
    Eq,
    Implies,
    L,
    Lower,
    MinGradientNorm,
    NextGradientNorm,
    Parameter,
    Piecewise,
    QuadraticStep,
    Smooth,
    Source,
    Split,
    Step,
    Theorem,
    Witness,
    c,
    eta,
    m,
    sigma,
    sqrt,
)
from theorems.sharp.s1_drift import drift
from theorems.sharp.s2_bias import bias

s = Parameter("s", GRADIENT, Domain.NONNEGATIVE, "spread of the noise seen from the threshold")
B = Parameter("B", GRADIENT, Domain.NONNEGATIVE, "the exact bias of S2")
k = Parameter("k", ONE, Domain.POSITIVE, "slope of the drift at the bias")
light = sigma <= 2 * c

trajectory = Theorem(
    name="S2_T",
    title="Whole trajectories stay at the bias",
    source=Source("clipbounds theory", "S2-T", status="derived"),
    given=[Smooth(L), BoundedVariance(sigma)],
    where={
        s: sqrt(sigma**2 + (c - m) ** 2),
        B: bias,
        k: Piecewise((c / (c + B), sigma <= 2 * c), (c / sigma, True)),
    },
    when=[sigma > 0, eta * L <= 1],
    claim=Lower(MinGradientNorm, B),
    proof=[
        Cite("worst", drift, attained=True, says="The witness's noise has S1's drift at every point."),
        Step("level", gives=Implies(light, Eq(4 * c * B, sigma**2)), from_=["B"]),
        Step("slope", gives=Implies(light, Eq(k * (c + B), c) & (k <= 1)), from_=["B", "k"]),
        Step("spread", gives=Implies(light, Eq((m + c) ** 2 - s**2, 4 * c * (m - B))), from_=["s", "level"]),
        Step(
            "square",
            gives=Implies(light, s**2 >= (m + c - 2 * k * (m - B)) ** 2),
            from_=["spread", "slope"],
            says="The difference is four times the gap.",
        ),
        Split(
            "tangent",
            gives=Drift <= k * (m - B),
            cases=[
                Case(light & (s <= 2 * c), ["worst", "square"]),
                Case(light & (s > 2 * c), ["worst", "s", "B", "k"]),
                Case((sigma > 2 * c) & (s <= 2 * c), ["worst", "s", "B", "k"]),
                Case((sigma > 2 * c) & (s > 2 * c), ["worst", "s", "B", "k"]),
            ],
            says="The worst drift lies below its tangent at B.",
        ),
        Step("next", by=QuadraticStep()),
        Step(
            "pull",
            gives=NextGradientNorm >= (1 - eta * L * k) * m + eta * L * k * B,
            from_=["next", "tangent"],
        ),
        Step("induct", by=AffineRecursion(rate=eta * L * k, level=B), from_=["pull", "k", "B"]),
    ],
    witness=[
        Witness(
            "worst noise on a quadratic",
            objective="quadratic",
            objective_parameters={"curvature": L},
            noise="worst_two_point",
            noise_parameters={"sigma": sigma},
            start=B / L,
        )
    ],
)

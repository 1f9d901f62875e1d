"""S3 at the ends of its parameters: without noise, and without clipping.

``sigma = 0``: ``AverageGradientNorm <= sqrt(R) + R/c`` with ``R = F0/((1 - theta) eta T)``: clipped gradient descent.
``L1 = 0, c -> oo``: for every epsilon > 0 and every large c, ``AverageGradientNorm <= sqrt(R) + epsilon``
with ``R = (F0/(eta T) + theta sigma^2/2)/(1 - theta)``, ``theta = eta L``: plain SGD.
"""

from theorems.language import (
    F0,
    GRADIENT,
    GS,
    L0,
    L1,
    BoundedVariance,
    Cite,
    Domain,
    ExactGradients,
    L,
    Parameter,
    Smooth,
    Source,
    Step,
    T,
    Theorem,
    Upper,
    c,
    eta,
    sigma,
    sqrt,
)
from theorems.sharp.s3_upper import A, R, b, h, theta, upper

epsilon = Parameter("epsilon", GRADIENT, Domain.POSITIVE, "any positive number")

no_noise = Theorem(
    name="S3_no_noise",
    title="Clipped SGD without noise",
    source=Source("clipbounds theory", "S3 at sigma = 0", status="derived"),
    given=[GS(L0, L1), ExactGradients()],
    where={theta: eta * (L0 + c * L1), R: F0 / (eta * T) / (1 - theta)},
    when=[theta < 1],
    claim=Upper(A, sqrt(R) + R / c),
    proof=[
        Cite("noisy", upper, {sigma: 0}, from_=["theta"], says="S3 with sigma = 0."),
    ],
)

plain_sgd = Theorem(
    name="S3_plain_sgd",
    title="SGD without clipping, as the limit of large thresholds",
    source=Source("clipbounds theory", "S3 as c -> oo", status="derived"),
    given=[Smooth(L), BoundedVariance(sigma)],
    where={
        theta: eta * L,
        b: sigma**2 / (4 * c * (1 - theta)),
        R: (F0 / (eta * T) + theta * sigma**2 / 2) / (1 - theta),
    },
    when=[theta < 1, c >= sigma, b + R / c <= epsilon],
    claim=Upper(A, sqrt(R) + epsilon),
    proof=[
        Cite("clipped", upper, {L0: L, L1: 0}, from_=["theta"], says="S3 for an L-smooth f."),
        Step("root", gives=h + sqrt(h**2 + R) >= A, from_=["clipped", "R", "theta"], says="Min(c, sigma) is sigma."),
        Step("claim", gives=sqrt(R) + epsilon >= A, from_=["root"]),
    ],
)

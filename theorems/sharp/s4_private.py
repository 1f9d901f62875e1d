"""S4, DP-SGD: per-sample clipping with added noise.

Setting: L-smooth f, ``x' = x - eta (mean of n clipped samples + z)``, z of mean zero given past and samples with
``E|z|^2 <= zeta^2`` in total, each sample with the right conditional mean and variance at most sigma^2,
``theta = eta L < 1``. With ``b' = sigma^2/(4 c (1 - theta))`` and
``R = (F0/(eta T) + theta min(c^2, sigma^2)/2 + eta L zeta^2/2)/(1 - theta)``:
``AverageGradientNorm <= h + sqrt(h^2 + R)``, ``h = (b' + R/c)/2``. The bias keeps sigma, not ``sigma/sqrt(n)``.
"""

from theorems.language import (
    F0,
    GRADIENT,
    ONE,
    BoundedVariance,
    ClipSecondMoment,
    Domain,
    Drift,
    Eq,
    L,
    Parameter,
    PerSampleClipping,
    PrivacyNoise,
    PrivateStep,
    Smooth,
    Source,
    SpecialCase,
    Step,
    StepChange,
    T,
    Telescope,
    Theorem,
    Upper,
    c,
    eta,
    m,
    sigma,
    sqrt,
)
from theorems.sharp.s3_upper import A, R, b, grown, h, noise, psi, theta, upper

n = Parameter("n", ONE, Domain.POSITIVE_INTEGER, "number of samples")
zeta = Parameter("zeta", GRADIENT, Domain.NONNEGATIVE, "root of the total variance of the added noise")
error = eta * theta * (noise + zeta**2) / 2

changed = {
    "lemma": Step("lemma", by=PrivateStep(), says="The descent lemma in expectation, with the added noise."),
    "growth": Step(
        "growth",
        gives=eta * L * ClipSecondMoment <= grown,
        from_=["short", "theta"],
        says="L1 = 0: no gradient-dependent part.",
    ),
    "cost": Step(
        "cost",
        gives=StepChange <= -eta * m * Drift + eta * grown / 2 + eta * theta * zeta**2 / 2,
        from_=["lemma", "growth", "theta"],
    ),
    "step": Step("step", gives=StepChange <= -eta * (1 - theta) * psi + error, from_=["cost", "pull"]),
    "sum": Step("sum", by=Telescope(decrease=psi, rate=eta * (1 - theta), error=error), from_=["step"]),
    "budget": Step(
        "budget",
        gives=Eq(eta * T * (1 - theta) * R, F0 + eta * T * theta * (noise + zeta**2) / 2),
        from_=["R"],
    ),
}
dropped = ("flat", "steep", "curvature")

private = Theorem(
    name="S4",
    title="DP-SGD converges to the bias of one sample",
    source=Source("clipbounds theory", "S4", status="derived"),
    given=[Smooth(L), BoundedVariance(sigma), PerSampleClipping(n), PrivacyNoise(zeta)],
    where={
        theta: eta * L,
        b: upper.where[b],
        R: (F0 / (eta * T) + theta * noise / 2 + theta * zeta**2 / 2) / (1 - theta),
    },
    when=[theta < 1],
    claim=Upper(A, h + sqrt(h**2 + R)),
    proof=[changed.get(item.name, item) for item in upper.proof if item.name not in dropped],
    special_cases=[
        SpecialCase("sum of three terms", gives=b + sqrt(R) + R / c >= A),
        SpecialCase(
            "no added noise",
            gives=b + sqrt(upper.where[R]) + upper.where[R] / c >= A,
            at={zeta: 0},
            says="zeta = 0 gives S3 for per-sample clipping.",
        ),
    ],
)

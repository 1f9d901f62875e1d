"""False convergence rates: a constant too good, a term forgotten, noise ignored."""

from theorems.language import (
    F0,
    GRADIENT,
    GS,
    L0,
    L1,
    ONE,
    R0,
    AverageGradientNorm,
    BoundedVariance,
    Convex,
    Domain,
    ExactGradients,
    FinalGap,
    L,
    Min,
    Parameter,
    Piecewise,
    Rational,
    Smooth,
    Source,
    T,
    Theorem,
    Upper,
    c,
    eta,
    sigma,
    sqrt,
)

theta = Parameter("theta", ONE, Domain.NONNEGATIVE, "relative step size")
Q = Parameter("Q", GRADIENT * GRADIENT, Domain.NONNEGATIVE, "squared gradient scale of the budget")
b = Parameter("b'", GRADIENT, Domain.NONNEGATIVE, "bias, inflated by the step size")
R = Parameter("R", GRADIENT * GRADIENT, Domain.NONNEGATIVE, "squared gradient scale of budget and noise")

noise_scale = (F0 / (eta * T) + theta * Min(c**2, sigma**2) / 2) / (1 - theta)

quarter = Theorem(
    name="planted_d1_quarter",
    title="D1 with theta/4 for theta/2",
    source=Source("clipbounds, planted", "D1 with (1 - theta/4)", status="derived"),
    given=[GS(L0, L1), ExactGradients()],
    where={theta: eta * (L0 + c * L1), Q: F0 / ((1 - theta / 4) * eta * T)},
    when=[theta <= 1],
    claim=Upper(AverageGradientNorm, Piecewise((sqrt(Q), c**2 / 4 >= Q), (Q / c + c / 4, True))),
    expect="refuted",
    falls_by="search",
)

no_bias = Theorem(
    name="planted_s3_no_bias",
    title="Clipped SGD with vanishing gradient norm",
    source=Source("clipbounds, planted", "S3 without b'", status="derived"),
    given=[GS(L0, L1), BoundedVariance(sigma)],
    where={theta: eta * (L0 + c * L1), R: noise_scale},
    when=[theta < 1],
    claim=Upper(AverageGradientNorm, sqrt(R) + R / c),
    expect="refuted",
    falls_by="algebra",
)

half_bias = Theorem(
    name="planted_s3_half_bias",
    title="Clipped SGD with half the bias",
    source=Source("clipbounds, planted", "S3 with sigma^2/(8c)", status="derived"),
    given=[GS(L0, L1), BoundedVariance(sigma)],
    where={theta: eta * (L0 + c * L1), b: sigma**2 / (8 * c * (1 - theta)), R: noise_scale},
    when=[theta < 1],
    claim=Upper(AverageGradientNorm, b + sqrt(R) + R / c),
    expect="refuted",
    falls_by="algebra",
)

one_term = Theorem(
    name="planted_d2_one_term",
    title="Convex rate without its second term",
    source=Source("clipbounds, planted", "D2 without L R0^4/(eta c T)^2", status="derived"),
    given=[Convex(), Smooth(L), ExactGradients()],
    when=[eta * L <= Rational(1, 2)],
    claim=Upper(FinalGap, R0**2 / (eta * T)),
    expect="refuted",
    falls_by="search",
)

noiseless_rate = Theorem(
    name="planted_d2_noise_ignored",
    title="Convex rate that ignores the noise",
    source=Source("clipbounds, planted", "D2 stated under noise", status="derived"),
    given=[Convex(), Smooth(L), BoundedVariance(sigma)],
    when=[eta * L <= Rational(1, 2)],
    claim=Upper(FinalGap, R0**2 / (eta * T) + 2 * L * R0**4 / (eta * c * T) ** 2),
    expect="refuted",
    falls_by="search",
)

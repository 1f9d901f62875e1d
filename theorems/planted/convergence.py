"""False convergence rates: a constant too good, a term forgotten, noise ignored."""

from theorems.language import (
    F0,
    GRADIENT,
    GS,
    HS,
    L0,
    L1,
    ONE,
    PL,
    R0,
    AverageGradientNorm,
    BoundedVariance,
    Convex,
    Domain,
    ExactGradients,
    FinalGap,
    L,
    Lower,
    Max,
    Min,
    MinGradientNorm,
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
    mu,
    sigma,
    sqrt,
)
from theorems.sharp.d3_pl import K, polyak, r, w

theta = Parameter("theta", ONE, Domain.NONNEGATIVE, "relative step size")
Q = Parameter("Q", GRADIENT * GRADIENT, Domain.NONNEGATIVE, "squared gradient scale of the budget")
b = Parameter("b'", GRADIENT, Domain.NONNEGATIVE, "bias, inflated by the step size")
k = Parameter("k", ONE, Domain.POSITIVE, "slope of the worst drift, 1 - c/sigma")
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

better_constant = Theorem(
    name="planted_d2_eighth",
    title="The convex rate with 1/8 for 1, where 1/4 is the truth",
    source=Source("clipbounds, planted", "D2 with R0^2/(8 eta T)", status="derived"),
    given=[Convex(), Smooth(L), ExactGradients()],
    when=[eta * L <= Rational(1, 2)],
    claim=Upper(FinalGap, Max(R0**2 / (8 * eta * T), 2 * L * R0**4 / (eta * c * T) ** 2)),
    expect="refuted",
    falls_by="search",
)

late_near_miss = Theorem(
    name="planted_d2_late_five_percent",
    title="The convex rate after the clipped steps, five per cent below the truth for gradient descent",
    source=Source("clipbounds, planted", "D2, second form, with 19/80", status="derived"),
    given=[Convex(), GS(L0, L1), ExactGradients()],
    where={theta: eta * (L0 + c * L1)},
    when=[theta <= Rational(1, 2), T * (eta * c) ** 2 > R0**2],
    claim=Upper(FinalGap, Rational(19, 80) * R0**2 / (eta * T)),
    expect="refuted",
    falls_by="search",
)

# True in one dimension, where gradient descent never turns back; in two the path is longer than the way.
straight_path = Theorem(
    name="planted_path_length",
    title="The path of gradient descent is no longer than the distance",
    source=Source("clipbounds, planted", "convex, true for d = 1 alone", status="derived"),
    given=[Convex(), Smooth(L), ExactGradients()],
    when=[eta * L <= 1, c >= L * R0],
    claim=Upper(AverageGradientNorm, R0 / (eta * T)),
    expect="refuted",
    falls_by="search",
)

one_step_more = Theorem(
    name="planted_d3_one_step_more",
    title="Geometric decay with one step too many",
    source=Source("clipbounds, planted", "D3, an index off by one", status="derived"),
    given=[GS(L0, L1), PL(mu), ExactGradients()],
    where=polyak.where,
    when=polyak.when,
    claim=Upper(FinalGap, (1 - r) ** (T - K + 2) * Min(F0, w)),
    expect="refuted",
    falls_by="search",
)

faster_decay = Theorem(
    name="planted_d3_two_percent",
    title="Geometric decay two per cent too fast",
    source=Source("clipbounds, planted", "D3, a near miss", status="derived"),
    given=[GS(L0, L1), PL(mu), ExactGradients()],
    where=polyak.where,
    when=[*polyak.when, r <= Rational(1, 2)],
    claim=Upper(FinalGap, (1 - Rational(51, 50) * r) ** (T - K + 1) * Min(F0, w)),
    expect="refuted",
    falls_by="search",
)

no_slow_phase = Theorem(
    name="planted_d3_no_slow_phase",
    title="Geometric decay from the first step on",
    source=Source("clipbounds, planted", "D3 without its slow phase", status="derived"),
    given=[GS(L0, L1), PL(mu), ExactGradients()],
    where={theta: eta * (L0 + c * L1)},
    when=[theta <= 1, mu <= L0],
    claim=Upper(FinalGap, (1 - eta * mu) ** T * F0),
    expect="refuted",
    falls_by="search",
)

one_more_step = Theorem(
    name="planted_d1_off_by_one",
    title="D1 with T + 1 for T",
    source=Source("clipbounds, planted", "D1, an index off by one", status="derived"),
    given=[GS(L0, L1), ExactGradients()],
    where={theta: eta * (L0 + c * L1), Q: F0 / ((1 - theta / 2) * eta * (T + 1))},
    when=[theta <= 1],
    claim=Upper(AverageGradientNorm, Piecewise((sqrt(Q), c**2 / 4 >= Q), (Q / c + c / 4, True))),
    expect="refuted",
    falls_by="search",
)

five_percent = Theorem(
    name="planted_d1_five_percent",
    title="D1 with five per cent less budget",
    source=Source("clipbounds, planted", "D1, a near miss", status="derived"),
    given=[HS(L0, L1), ExactGradients()],
    where={theta: eta * (L0 + c * L1), Q: Rational(19, 20) * F0 / ((1 - theta / 2) * eta * T)},
    when=[theta <= 1],
    claim=Upper(AverageGradientNorm, Piecewise((sqrt(Q), c**2 / 4 >= Q), (Q / c + c / 4, True))),
    expect="refuted",
    falls_by="search",
)

fast_rate = Theorem(
    name="planted_d1_fast",
    title="Clipped gradient descent at the rate 1/T",
    source=Source("clipbounds, planted", "D1 with T^2 for T", status="derived"),
    given=[GS(L0, L1), ExactGradients()],
    where={theta: eta * (L0 + c * L1), Q: F0 / ((1 - theta / 2) * eta * T**2)},
    when=[theta <= 1],
    claim=Upper(AverageGradientNorm, sqrt(Q) + Q / c),
    expect="refuted",
    falls_by="search",
)

zhang_one_term = Theorem(
    name="planted_zhang_one_term",
    title="Clipping at c = L0/L1 without the term of L1",
    source=Source("clipbounds, planted", "Zhang et al. 2020 without Q L1/L0", status="derived"),
    given=[HS(L0, L1), ExactGradients()],
    where={L1: L0 / c, Q: F0 / ((1 - eta * L0) * eta * T)},
    when=[L0 > 0, 2 * eta * L0 <= 1],
    claim=Upper(AverageGradientNorm, sqrt(Q)),
    expect="refuted",
    falls_by="search",
)

no_noise_floor = Theorem(
    name="planted_s3_no_noise_floor",
    title="Clipped SGD without the noise that the step size leaves",
    source=Source("clipbounds, planted", "S3 without theta min(c^2, sigma^2)/2", status="derived"),
    given=[GS(L0, L1), BoundedVariance(sigma)],
    where={theta: eta * (L0 + c * L1), b: sigma**2 / (4 * c * (1 - theta)), R: F0 / (eta * T) / (1 - theta)},
    when=[theta < 1],
    claim=Upper(AverageGradientNorm, b + sqrt(R) + R / c),
    expect="refuted",
    falls_by="search",
)

least_without_bias = Theorem(
    name="planted_min_no_bias",
    title="Some iterate of clipped SGD has a vanishing gradient",
    source=Source("clipbounds, planted", "S3 without b', for the least gradient", status="derived"),
    given=[GS(L0, L1), BoundedVariance(sigma)],
    where={theta: eta * (L0 + c * L1), R: noise_scale},
    when=[theta < 1],
    claim=Upper(MinGradientNorm, sqrt(R) + R / c),
    expect="refuted",
    falls_by="algebra",
)

small_bias = Theorem(
    name="planted_s3_small_bias",
    title="Small thresholds with a bias of sigma - 2c",
    source=Source("clipbounds, planted", "S3' with sigma - 2c for sigma - c", status="derived"),
    given=[GS(L0, L1), BoundedVariance(sigma)],
    where={k: 1 - c / sigma},
    when=[sigma >= 2 * c, eta * L1 * c < k, eta * (L0 + c * L1) <= 1],
    claim=Upper(
        AverageGradientNorm,
        (k * (sigma - 2 * c) + F0 / (eta * c * T) + eta * L0 * c / 2) / (k - eta * L1 * c / 2),
    ),
    expect="refuted",
    falls_by="algebra",
)

attained_too_much = Theorem(
    name="planted_d1_attained",
    title="A run of clipped gradient descent that is worse than D1 allows",
    source=Source("clipbounds, planted", "D1, a lower bound above it", status="derived"),
    given=[Smooth(L), ExactGradients()],
    when=[eta * L <= Rational(1, 2)],
    claim=Lower(AverageGradientNorm, 2 * sqrt(F0 / (eta * T)) + 2 * F0 / (eta * c * T)),
    expect="refuted",
    falls_by="algebra",
)

missing_threshold = Theorem(
    name="planted_unit_rate",
    title="D1 with the threshold forgotten",
    source=Source("clipbounds, planted", "D1 with Q for Q/c", status="derived"),
    given=[GS(L0, L1), ExactGradients()],
    where={theta: eta * (L0 + c * L1), Q: F0 / ((1 - theta / 2) * eta * T)},
    when=[theta <= 1],
    claim=Upper(AverageGradientNorm, sqrt(Q) + Q),
    expect="ill_formed",
)

distance_not_squared = Theorem(
    name="planted_unit_distance",
    title="The convex rate with R0 for R0^2",
    source=Source("clipbounds, planted", "D2, a unit error", status="derived"),
    given=[Convex(), Smooth(L), ExactGradients()],
    when=[eta * L <= Rational(1, 2)],
    claim=Upper(FinalGap, R0 / (eta * T)),
    expect="ill_formed",
)

decay_with_unit = Theorem(
    name="planted_unit_decay",
    title="Geometric decay at the rate mu",
    source=Source("clipbounds, planted", "D3 with mu for eta mu", status="derived"),
    given=[GS(L0, L1), PL(mu), ExactGradients()],
    when=[mu <= L0],
    claim=Upper(FinalGap, (1 - mu) ** T * F0),
    expect="ill_formed",
)

between_two_steps = Theorem(
    name="planted_vacuous_steps",
    title="A number of steps between one and two",
    source=Source("clipbounds, planted", "D1 for 1 < T < 2", status="derived"),
    given=[GS(L0, L1), ExactGradients()],
    when=[T > 1, T < 2],
    claim=Upper(AverageGradientNorm, c / 100),
    expect="vacuous",
)

# True: T >= 1, so the forgotten T makes the bound larger.
forgotten_steps = Theorem(
    name="planted_d1_forgotten_steps",
    title="D1 with the number of steps forgotten, without a proof",
    source=Source("clipbounds, planted", "D1 without T, which is true", status="derived"),
    given=[GS(L0, L1), ExactGradients()],
    where={theta: eta * (L0 + c * L1), Q: F0 / ((1 - theta / 2) * eta)},
    when=[theta <= 1],
    claim=Upper(AverageGradientNorm, sqrt(Q) + Q / c),
)

# True: D2's bound is never above the sum of its terms.
weaker_convex = Theorem(
    name="planted_d2_weaker",
    title="The convex rate with both terms added and doubled, without a proof",
    source=Source("clipbounds, planted", "D2, weakened, which is true", status="derived"),
    given=[Convex(), Smooth(L), ExactGradients()],
    when=[eta * L <= Rational(1, 2)],
    claim=Upper(FinalGap, 2 * R0**2 / (eta * T) + 4 * L * R0**4 / (eta * c * T) ** 2),
)

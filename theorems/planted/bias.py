"""False statements about the bias of S2."""

from theorems.language import (
    GRADIENT,
    ONE,
    BatchClipping,
    BoundedVariance,
    Cite,
    Domain,
    Drift,
    Floor,
    Lower,
    Max,
    Min,
    Parameter,
    Rational,
    Source,
    StuckGradientNorm,
    Symmetric,
    Theorem,
    Upper,
    c,
    sigma,
)
from theorems.sharp.s2_bias import bias, exact_bias
from theorems.sharp.s5_symmetric import symmetric

k = Parameter("k", GRADIENT, Domain.NONNEGATIVE, "an abbreviation")
j = Parameter("j", GRADIENT, Domain.NONNEGATIVE, "an abbreviation of an abbreviation")
n = Parameter("n", ONE, Domain.POSITIVE_INTEGER, "number of samples")


one_fifth = Theorem(
    name="planted_bias_one_fifth",
    title="The bias with 5 for 4",
    source=Source("clipbounds, planted", "S2 with 5 for 4", status="derived"),
    given=[BoundedVariance(sigma)],
    when=[],
    claim=Upper(StuckGradientNorm, sigma**2 / (5 * c)),
    expect="refuted",
    falls_by="algebra",
)

third_of_noise = Theorem(
    name="planted_bias_third",
    title="The bias as a third of the noise",
    source=Source("clipbounds, planted", "S2, near sigma = 2c", status="derived"),
    given=[BoundedVariance(sigma)],
    when=[],
    claim=Upper(StuckGradientNorm, sigma / 3),
    expect="refuted",
    falls_by="algebra",
)

attained_third = Theorem(
    name="planted_attained_third",
    title="A stuck point beyond the exact bias",
    source=Source("clipbounds, planted", "S2, a lower bound with 3 for 4", status="derived"),
    given=[BoundedVariance(sigma)],
    when=[sigma <= 2 * c],
    claim=Lower(StuckGradientNorm, sigma**2 / (3 * c)),
    expect="refuted",
    falls_by="algebra",
)

unit_error = Theorem(
    name="planted_unit_error",
    title="The bias with sigma for sigma squared",
    source=Source("clipbounds, planted", "S2, a unit error", status="derived"),
    given=[BoundedVariance(sigma)],
    when=[],
    claim=Upper(StuckGradientNorm, sigma / (4 * c)),
    expect="ill_formed",
)

contradictory = Theorem(
    name="planted_vacuous",
    title="A bias under hypotheses that exclude each other",
    source=Source("clipbounds, planted", "S2, contradictory hypotheses", status="derived"),
    given=[BoundedVariance(sigma)],
    when=[sigma <= c, sigma**2 >= 2 * c**2],
    claim=Upper(StuckGradientNorm, sigma**2 / (9 * c)),
    expect="vacuous",
)

one_percent = Theorem(
    name="planted_bias_one_percent",
    title="The exact bias less one per cent",
    source=Source("clipbounds, planted", "S2, a near miss", status="derived"),
    given=[BoundedVariance(sigma)],
    when=[],
    claim=Upper(StuckGradientNorm, Rational(99, 100) * bias),
    expect="refuted",
    falls_by="algebra",
)

# For sigma <= 2c this is S2; beyond, the bias goes on growing with sigma.
small_threshold_only = Theorem(
    name="planted_bias_small_threshold",
    title="A bias bound that fails only for c < sigma/2",
    source=Source("clipbounds, planted", "S2, capped at the threshold", status="derived"),
    given=[BoundedVariance(sigma)],
    when=[],
    claim=Upper(StuckGradientNorm, Min(sigma**2 / (4 * c), c)),
    expect="refuted",
    falls_by="algebra",
)

vacuous_two_deep = Theorem(
    name="planted_vacuous_two_deep",
    title="A hypothesis that is vacuous two definitions deep",
    source=Source("clipbounds, planted", "S2, an unnoticed contradiction", status="derived"),
    given=[BoundedVariance(sigma)],
    where={k: sigma + c, j: k + Max(sigma, c)},
    when=[j <= c],
    claim=Upper(StuckGradientNorm, sigma / 10),
    expect="vacuous",
)

plus_one = Theorem(
    name="planted_unit_plus_one",
    title="A bias with a one that has no unit",
    source=Source("clipbounds, planted", "S2, a dimensionful number", status="derived"),
    given=[BoundedVariance(sigma)],
    when=[],
    claim=Upper(StuckGradientNorm, sigma**2 / (4 * c) + 1),
    expect="ill_formed",
)

minimum_of_two_units = Theorem(
    name="planted_unit_minimum",
    title="A minimum of a number and its square",
    source=Source("clipbounds, planted", "the lower bound with c forgotten", status="derived"),
    given=[BoundedVariance(sigma)],
    when=[],
    claim=Lower(StuckGradientNorm, Min(sigma, sigma**2) / 4),
    expect="ill_formed",
)

hidden_unit = Theorem(
    name="planted_unit_hidden",
    title="A unit error inside an abbreviation",
    source=Source("clipbounds, planted", "S2 with sigma/c for sigma^2/c", status="derived"),
    given=[BoundedVariance(sigma)],
    where={k: sigma / c},
    when=[],
    claim=Upper(StuckGradientNorm, k),
    expect="ill_formed",
)

# True, since the exact bias is at most sigma: weaker than S2, and never to be called refuted.
by_noise = Theorem(
    name="planted_bias_weaker",
    title="The bias is at most the noise, without a proof",
    source=Source("clipbounds, planted", "S2, weakened, which is true", status="derived"),
    given=[BoundedVariance(sigma)],
    when=[],
    claim=Upper(StuckGradientNorm, sigma),
)

# The proof is right for one sample of noise sigma/n; the mean of n samples has sigma/sqrt(n).
batch_too_quiet = Theorem(
    name="planted_batch_bias",
    title="Batch clipping with sigma/n for sigma/sqrt(n)",
    source=Source("clipbounds, planted", "S6 with sigma/n", status="derived"),
    given=[BoundedVariance(sigma), BatchClipping(n)],
    when=[],
    claim=Upper(StuckGradientNorm, bias.xreplace({sigma: sigma / n})),
    proof=[Cite("one_sample", exact_bias, {sigma: sigma / n})],
    expect="broken_proof",
)

# The mean of samples that are symmetric and uncorrelated need not be symmetric.
symmetric_batch = Theorem(
    name="planted_batch_symmetric",
    title="Batch clipping of symmetric samples, by citing S5",
    source=Source("clipbounds, planted", "S5 for batch clipping", status="derived"),
    given=[Symmetric(), BatchClipping(n)],
    when=[],
    claim=Floor(Drift, 0),
    proof=[Cite("one_sample", symmetric)],
    expect="broken_proof",
)

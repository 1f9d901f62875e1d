"""False statements about the bias of S2."""

from theorems.language import BoundedVariance, Lower, Source, StuckGradientNorm, Theorem, Upper, c, sigma

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

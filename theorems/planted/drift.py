"""False statements about the drift of S1."""

from theorems.language import BoundedVariance, Drift, Floor, Source, Theorem, c, m, sigma

bias_too_small = Theorem(
    name="planted_drift_one_fifth",
    title="The simple drift with 5 for 4",
    source=Source("clipbounds, planted", "S1' with 5 for 4", status="derived"),
    given=[BoundedVariance(sigma)],
    when=[],
    claim=Floor(Drift, c * (m - sigma**2 / (5 * c)) / (m + c)),
    expect="refuted",
    falls_by="algebra",
)

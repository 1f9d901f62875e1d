"""False statements about the drift of S1."""

from theorems.language import (
    BoundedVariance,
    Drift,
    Floor,
    Lower,
    Min,
    Rational,
    Source,
    Symmetric,
    Theorem,
    c,
    m,
    sigma,
    sqrt,
)

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

one_percent = Theorem(
    name="planted_drift_one_percent",
    title="The simple drift with a bias that is one per cent too small",
    source=Source("clipbounds, planted", "S1', a near miss", status="derived"),
    given=[BoundedVariance(sigma)],
    when=[],
    claim=Floor(Drift, c * (m - Rational(99, 400) * sigma**2 / c) / (m + c)),
    expect="refuted",
    falls_by="algebra",
)

five_percent = Theorem(
    name="planted_drift_five_percent",
    title="The linear drift with five per cent less noise",
    source=Source("clipbounds, planted", "S1, first case, a near miss", status="derived"),
    given=[BoundedVariance(sigma)],
    when=[],
    claim=Floor(Drift, (m + c - sqrt(Rational(19, 20) * sigma**2 + (c - m) ** 2)) / 2),
    expect="refuted",
    falls_by="algebra",
)

never_adverse = Theorem(
    name="planted_drift_without_symmetry",
    title="The drift is never negative, with symmetry forgotten",
    source=Source("clipbounds, planted", "S5 under bounded variance alone", status="derived"),
    given=[BoundedVariance(sigma)],
    when=[],
    claim=Floor(Drift, 0),
    expect="refuted",
    falls_by="search",
)

symmetric_pull = Theorem(
    name="planted_symmetric_pull",
    title="Symmetric noise leaves a hundredth of the gradient",
    source=Source("clipbounds, planted", "S5 with a positive drift", status="derived"),
    given=[Symmetric()],
    when=[],
    claim=Floor(Drift, Min(m, c) / 100),
    expect="refuted",
    falls_by="search",
)

out_of_reach = Theorem(
    name="planted_drift_attained",
    title="A drift below the exact worst case",
    source=Source("clipbounds, planted", "S1, attainment with 3 for 4", status="derived"),
    given=[BoundedVariance(sigma)],
    when=[sigma <= c, m >= c],
    claim=Lower(Drift, c * (m - sigma**2 / (2 * c)) / (m + c) - sigma),
    expect="refuted",
    falls_by="algebra",
)

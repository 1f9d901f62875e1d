"""False claims about relatives of clipped SGD that no bound of the catalogue contradicts: only a search finds them."""

from theorems.language import (
    F0,
    GS,
    L0,
    L1,
    BatchClipping,
    BoundedVariance,
    Convex,
    ExactGradients,
    L,
    PerSampleClipping,
    PrivacyNoise,
    Rational,
    Smooth,
    Source,
    StuckGradientNorm,
    T,
    Theorem,
    Upper,
    c,
    eta,
    sigma,
    sqrt,
)
from theorems.sharp.s3_upper import A, R, h, theta, upper
from theorems.sharp.s4_private import n, zeta
from theorems.sharp.s5_symmetric import symmetric

ninth = theta <= Rational(1, 9)

free_privacy = Theorem(
    name="planted_private_for_free",
    title="DP-SGD with exact gradients converges as if no noise were added",
    source=Source("clipbounds, planted", "S4 without zeta", status="derived"),
    given=[Smooth(L), Convex(), ExactGradients(), PerSampleClipping(n), PrivacyNoise(zeta)],
    where={theta: eta * L},
    when=[ninth],
    claim=Upper(A, 2 * sqrt(F0 / (eta * T)) + 2 * F0 / (eta * T * c)),
    expect="refuted",
    falls_by="search",
)

# S3 for one sample of noise sigma/n; the mean of n samples has sigma/sqrt(n).
fast_batches = Theorem(
    name="planted_batch_too_quiet",
    title="Batch clipping with sigma/n for sigma/sqrt(n), in a whole run",
    source=Source("clipbounds, planted", "S6 with n twice", status="derived"),
    given=[GS(L0, L1), BoundedVariance(sigma), BatchClipping(n)],
    where={symbol: formula.xreplace({sigma: sigma / n}) for symbol, formula in upper.where.items()},
    when=[theta < 1, n >= 4],
    claim=Upper(A, h + sqrt(h**2 + R)),
    expect="refuted",
    falls_by="search",
)

symmetric_samples = Theorem(
    name="planted_symmetric_samples",
    title="With symmetric noise the mean of clipped samples is stuck only within sigma - 2c",
    source=Source("clipbounds, planted", "S5, where it is tight", status="derived"),
    given=[*symmetric.given, BoundedVariance(sigma), PerSampleClipping(n)],
    when=[sigma >= 3 * c],
    claim=Upper(StuckGradientNorm, sigma - 2 * c),
    expect="refuted",
    falls_by="search",
)

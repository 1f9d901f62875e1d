"""S3 for per-sample clipping: averaging clipped samples does not shrink the bias.

Setting: as in S3, with ``x' = x - (eta/n) sum_i clip_c(g_i)``, each sample with the right conditional mean and variance
at most sigma^2. The bound is S3's, with sigma and not ``sigma/sqrt(n)``: ``b' = sigma^2/(4 c (1 - theta))``.
Proof: S3's, since Drift and ClipSecondMoment of the mean obey the bounds of one sample.
"""

from theorems.language import (
    GS,
    L0,
    L1,
    ONE,
    BoundedVariance,
    Domain,
    Parameter,
    PerSampleClipping,
    Source,
    Theorem,
    sigma,
)
from theorems.sharp.s3_upper import upper

n = Parameter("n", ONE, Domain.POSITIVE_INTEGER, "number of samples")

per_sample = Theorem(
    name="S3_per_sample",
    title="Per-sample clipping converges to its bias",
    source=Source("clipbounds theory", "S3, per-sample clipping", status="derived"),
    given=[GS(L0, L1), BoundedVariance(sigma), PerSampleClipping(n)],
    where=upper.where,
    when=upper.when,
    claim=upper.claim,
    proof=upper.proof,
    special_cases=upper.special_cases,
)

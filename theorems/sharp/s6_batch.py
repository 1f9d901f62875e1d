"""S6, batch clipping: S3 with ``sigma^2/n``.

Setting: as in S3, with ``x' = x - eta clip_c((g_1 + ... + g_n)/n)``, the n samples uncorrelated given the past. Their
mean is one sample of variance at most ``sigma^2/n``, so clipped SGD's bounds hold with ``sigma/sqrt(n)`` for sigma.
With ``b' = sigma^2/(4 n c (1 - theta))`` and ``R = (F0/(eta T) + theta min(c^2, sigma^2/n)/2)/(1 - theta)``:
``AverageGradientNorm <= h + sqrt(h^2 + R)``, ``h = (b' + R/c)/2``.
"""

from theorems.language import (
    F0,
    GS,
    L0,
    L1,
    ONE,
    BatchClipping,
    BoundedVariance,
    Cite,
    Domain,
    Min,
    Parameter,
    Source,
    SpecialCase,
    StuckGradientNorm,
    T,
    Theorem,
    Upper,
    c,
    eta,
    sigma,
    sqrt,
)
from theorems.sharp.s2_bias import bias, exact_bias
from theorems.sharp.s3_upper import A, R, b, h, theta, upper

n = Parameter("n", ONE, Domain.POSITIVE_INTEGER, "number of samples")
of_mean = sigma / sqrt(n)

batch = Theorem(
    name="S6",
    title="Batch clipping converges to a smaller bias",
    source=Source("clipbounds theory", "S6", status="derived"),
    given=[GS(L0, L1), BoundedVariance(sigma), BatchClipping(n)],
    where={
        theta: eta * (L0 + c * L1),
        b: of_mean**2 / (4 * c * (1 - theta)),
        R: (F0 / (eta * T) + theta * Min(c, of_mean) ** 2 / 2) / (1 - theta),
    },
    when=[theta < 1],
    claim=Upper(A, h + sqrt(h**2 + R)),
    proof=[Cite("one_sample", upper, {sigma: of_mean}, from_=["theta"], says="S3 for the mean of the samples.")],
    special_cases=[SpecialCase("sum of three terms", gives=b + sqrt(R) + R / c >= A)],
)

batch_bias = Theorem(
    name="S6_bias",
    title="Bias of batch clipping",
    source=Source("clipbounds theory", "S6, the bias of S2", status="derived"),
    given=[BoundedVariance(sigma), BatchClipping(n)],
    when=[],
    claim=Upper(StuckGradientNorm, bias.xreplace({sigma: of_mean})),
    proof=[Cite("one_sample", exact_bias, {sigma: of_mean}, says="S2 for the mean of the samples.")],
)

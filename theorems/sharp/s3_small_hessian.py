"""S3' under the Hessian form of smoothness: clipped SGD with a small threshold.

Setting: as in S3_HS with ``sigma >= 2c``, ``K eta L1 c < 2 (1 - c/sigma)``, ``K eta (L0 + c L1) <= 1``,
``K = 1437/1000``:
``AverageGradientNorm <= ((1 - c/sigma)(sigma - c) + F0/(eta c T) + K eta L0 c/2) / (1 - c/sigma - K eta L1 c/2)``.
The proof is that of S3' with ``K eta`` for the eta of the second moment.
"""

from theorems.language import (
    F0,
    HS,
    L0,
    L1,
    BoundedVariance,
    NoisyStepHessian,
    Source,
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
)
from theorems.language.rules_sampling import HESSIAN_FACTOR
from theorems.sharp.s3_small_threshold import A, k, r, s, small_threshold

weighted = HESSIAN_FACTOR * eta
error = eta * c * (k * (sigma - c) + weighted * L0 * c / 2)
bound = (k * (sigma - c) + F0 / (eta * c * T) + weighted * L0 * c / 2) / r

changed = {
    "lemma": Step("lemma", by=NoisyStepHessian(), says="The descent lemma in any direction."),
    "step": Step(
        "step",
        gives=StepChange <= -eta * c * r * m + error,
        from_=["lemma", "growth", "tangent", "r"],
    ),
    "sum": Step("sum", by=Telescope(decrease=m, rate=eta * c * r, error=error), from_=["step"]),
    "solve": Step("solve", gives=bound >= A, from_=["sum", "jensen"]),
}

small_threshold_hessian = Theorem(
    name="S3_small_HS",
    title="Clipped SGD with a small threshold, Hessian form",
    source=Source("clipbounds theory", "S3' under HS", status="derived"),
    given=[HS(L0, L1), BoundedVariance(sigma)],
    where={s: small_threshold.where[s], k: small_threshold.where[k], r: k - weighted * L1 * c / 2},
    when=[sigma >= 2 * c, weighted * L1 * c < 2 * k, weighted * (L0 + c * L1) <= 1],
    claim=Upper(A, bound),
    proof=[changed.get(item.name, item) for item in small_threshold.proof],
)

"""S3 under the Hessian form of smoothness: a noisy step may go in any direction, which costs the factor k.

Setting: ``|hess f| <= L0 + L1 |grad f|``, noise of variance at most sigma^2, any c > 0; ``k = 1437/1000``, a rational
above ``2 (e - 2)``, and ``theta = k eta (L0 + c L1) < 1``. With ``b' = sigma^2/(4 c (1 - theta))`` and
``R = (F0/(eta T) + theta min(c^2, sigma^2)/2)/(1 - theta)``:
``AverageGradientNorm <= h + sqrt(h^2 + R)``, ``h = (b' + R/c)/2``. The proof is S3's but for the descent lemma.
"""

from theorems.language import (
    HS,
    L0,
    L1,
    BoundedVariance,
    ClipSecondMoment,
    NoisyStepHessian,
    Source,
    SpecialCase,
    Step,
    Theorem,
    Upper,
    c,
    eta,
    m,
    sigma,
    sqrt,
)
from theorems.language.rules_sampling import HESSIAN_FACTOR
from theorems.sharp.s3_upper import A, R, b, grown, h, theta, upper

changed = {
    "lemma": Step("lemma", by=NoisyStepHessian(), from_=["theta"], says="The descent lemma in any direction."),
    "growth": Step(
        "growth",
        gives=HESSIAN_FACTOR * eta * (L0 + L1 * m) * ClipSecondMoment <= grown,
        from_=["curvature", "theta"],
    ),
}

upper_hessian = Theorem(
    name="S3_HS",
    title="Clipped SGD converges to its bias, Hessian form",
    source=Source("clipbounds theory", "S3 under HS", status="derived"),
    given=[HS(L0, L1), BoundedVariance(sigma)],
    where={**upper.where, theta: HESSIAN_FACTOR * eta * (L0 + c * L1)},
    when=[theta < 1],
    claim=Upper(A, h + sqrt(h**2 + R)),
    proof=[changed.get(item.name, item) for item in upper.proof],
    special_cases=[SpecialCase("sum of three terms", gives=b + sqrt(R) + R / c >= A)],
)

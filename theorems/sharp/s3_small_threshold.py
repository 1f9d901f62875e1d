"""S3', clipped SGD with a small threshold.

Setting: as in S3 with ``sigma >= 2c``, ``eta L1 c < 2 (1 - c/sigma)``, ``theta <= 1``:
``AverageGradientNorm <= ((1 - c/sigma)(sigma - c) + F0/(eta c T) + eta L0 c/2) / (1 - c/sigma - eta L1 c/2)``.
Proof: the tangent line of the exact drift, ``m drift >= c (1 - c/sigma)(m - (sigma - c))`` for all m, and
``E|clip|^2 <= c^2``. As ``eta -> 0, eta T -> oo`` both S3 and S3' tend to the exact bias of S2.
"""

from theorems.language import (
    F0,
    GRADIENT,
    GS,
    L0,
    L1,
    ONE,
    AverageGradientNorm,
    BoundedVariance,
    Case,
    Cite,
    ClipMoments,
    ClipSecondMoment,
    Domain,
    Drift,
    Implies,
    Jensen,
    NoisyStep,
    Parameter,
    Rational,
    Source,
    Split,
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
    sqrt,
)
from theorems.sharp.s1_drift import drift, second

s = Parameter("s", GRADIENT, Domain.NONNEGATIVE, "spread of the noise seen from the threshold")
k = Parameter("k", ONE, Domain.POSITIVE, "slope of the worst drift, 1 - c/sigma")
r = Parameter("r", ONE, Domain.POSITIVE, "rate of decrease")
A = AverageGradientNorm

small_threshold = Theorem(
    name="S3_small",
    title="Clipped SGD with a small threshold",
    source=Source("clipbounds theory", "S3'", status="derived"),
    given=[GS(L0, L1), BoundedVariance(sigma)],
    where={s: sqrt(sigma**2 + (c - m) ** 2), k: 1 - c / sigma, r: k - eta * L1 * c / 2},
    when=[sigma >= 2 * c, eta * L1 * c < 2 * k, eta * (L0 + c * L1) <= 1],
    claim=Upper(A, (k * (sigma - c) + F0 / (eta * c * T) + eta * L0 * c / 2) / r),
    proof=[
        Step("lemma", by=NoisyStep()),
        Step("moments", by=ClipMoments()),
        Cite("drift", drift),
        Step("far", gives=Implies(s > 2 * c, m * Drift >= m * second), from_=["drift", "s"]),
        Step("below", gives=m * second >= c * k * (m - (sigma - c)), from_=["k"]),
        Split(
            "tangent",
            gives=m * Drift >= c * k * (m - (sigma - c)),
            cases=[Case(s <= 2 * c, ["drift", "s", "k"]), Case(s > 2 * c, ["far", "below"])],
            says="The worst drift lies above a line.",
        ),
        Step(
            "growth",
            gives=(L0 + L1 * m) * ClipSecondMoment <= (L0 + L1 * m) * c**2,
            from_=["moments"],
        ),
        Step(
            "step",
            gives=StepChange <= -eta * c * r * m + eta * c * (k * (sigma - c) + eta * L0 * c / 2),
            from_=["lemma", "growth", "tangent", "r"],
        ),
        Step(
            "sum",
            by=Telescope(decrease=m, rate=eta * c * r, error=eta * c * (k * (sigma - c) + eta * L0 * c / 2)),
            from_=["step"],
        ),
        Step("jensen", by=Jensen(m, Rational(1))),
        Step(
            "solve",
            gives=(k * (sigma - c) + F0 / (eta * c * T) + eta * L0 * c / 2) / r >= A,
            from_=["sum", "jensen"],
        ),
    ],
)

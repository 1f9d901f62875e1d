"""S3, clipped SGD converges to its bias.

Setting: (L0, L1)-smooth f, noise of variance at most sigma^2, any c > 0, ``theta = eta (L0 + c L1) < 1``. With
``b' = sigma^2/(4 c (1 - theta))`` and ``R = (F0/(eta T) + theta min(c^2, sigma^2)/2)/(1 - theta)``:
``AverageGradientNorm <= h + sqrt(h^2 + R)``, ``h = (b' + R/c)/2``, which is at most ``b' + sqrt(R) + R/c``.
"""

from theorems.language import (
    F0,
    GRADIENT,
    GS,
    L0,
    L1,
    ONE,
    Average,
    AverageGradientNorm,
    BoundedVariance,
    Case,
    Cite,
    ClipMoments,
    ClipSecondMoment,
    Domain,
    Drift,
    Eq,
    Jensen,
    Min,
    NoisyStep,
    Parameter,
    Source,
    SpecialCase,
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
from theorems.sharp.s1_simple_drift import simple_drift

theta = Parameter("theta", ONE, Domain.NONNEGATIVE, "relative step size")
b = Parameter("b'", GRADIENT, Domain.NONNEGATIVE, "bias, inflated by the step size")
R = Parameter("R", GRADIENT * GRADIENT, Domain.NONNEGATIVE, "squared gradient scale of budget and noise")

A = AverageGradientNorm
noise = Min(c, sigma) ** 2
together = m * Min(m, c) + noise
psi = c * m * (m - b) / (m + c)
slope = c * (m**2 + 2 * c * m - b * c) / (m + c) ** 2
h = (b + R / c) / 2
pulled = c * m * (m - (1 - theta) * b) / (m + c)
grown = theta * (2 * m**2 * c / (m + c) + noise)

upper = Theorem(
    name="S3",
    title="Clipped SGD converges to its bias",
    source=Source("clipbounds theory", "S3", status="derived"),
    given=[GS(L0, L1), BoundedVariance(sigma)],
    where={
        theta: eta * (L0 + c * L1),
        b: sigma**2 / (4 * c * (1 - theta)),
        R: (F0 / (eta * T) + theta * noise / 2) / (1 - theta),
    },
    when=[theta < 1],
    claim=Upper(A, h + sqrt(h**2 + R)),
    proof=[
        Step("lemma", by=NoisyStep(), from_=["theta"], says="The descent lemma in expectation."),
        Step("moments", by=ClipMoments()),
        Split(
            "short",
            gives=ClipSecondMoment <= together,
            cases=[
                Case((m <= c) & (sigma <= c), ["moments"]),
                Case((m <= c) & (sigma > c), ["moments"]),
                Case((m > c) & (sigma <= c), ["moments"]),
                Case((m > c) & (sigma > c), ["moments"]),
            ],
        ),
        Step("flat", gives=L0 * ClipSecondMoment <= L0 * together, from_=["short"]),
        Split(
            "steep",
            gives=L1 * m * ClipSecondMoment <= L1 * c * together,
            cases=[Case(m <= c, ["short"]), Case(m > c, ["moments"])],
        ),
        Step(
            "curvature",
            gives=(L0 + L1 * m) * ClipSecondMoment <= (L0 + c * L1) * together,
            from_=["flat", "steep"],
        ),
        Cite("drift", simple_drift),
        Step(
            "pull",
            gives=m * Drift >= pulled,
            from_=["drift", "b'"],
        ),
        Step(
            "growth",
            gives=eta * (L0 + L1 * m) * ClipSecondMoment <= grown,
            from_=["curvature", "theta"],
        ),
        Step(
            "cost",
            gives=StepChange <= -eta * m * Drift + eta * grown / 2,
            from_=["lemma", "growth"],
            says="What the curvature costs; then what the drift gains.",
        ),
        Step(
            "step",
            gives=StepChange <= -eta * (1 - theta) * psi + eta * theta * noise / 2,
            from_=["cost", "pull"],
        ),
        Step(
            "sum",
            by=Telescope(decrease=psi, rate=eta * (1 - theta), error=eta * theta * noise / 2),
            from_=["step"],
        ),
        Step("jensen", by=Jensen(psi, slope), says="psi is convex on m >= 0."),
        Step("budget", gives=Eq(eta * T * (1 - theta) * R, F0 + eta * T * theta * noise / 2), from_=["R"]),
        Step("mean", gives=Average(psi) <= R, from_=["sum", "budget"]),
        Step("solve", gives=h + sqrt(h**2 + R) >= A, from_=["mean", "jensen"]),
    ],
    special_cases=[SpecialCase("sum of three terms", gives=b + sqrt(R) + R / c >= A)],
)

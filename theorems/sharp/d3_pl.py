"""D3, clipped gradient descent under the Polyak-Lojasiewicz condition: a slow phase, then geometric decay.

Setting: (L0, L1)-smooth f with PL(mu), exact gradients, ``theta = eta (L0 + c L1) <= 1``, ``mu <= L0`` (else f is
constant). While ``sqrt(2 mu d) > c`` the root of the gap d falls by ``a = (1 - theta/2) eta c sqrt(mu/2)`` a step;
afterwards ``d' <= (1 - r) d``, ``r = (2 - theta) eta mu``. So if the fast phase begins by step K, that is if
``(K - 1) a >= sqrt(F0) - c/sqrt(2 mu)``: ``FinalGap <= (1 - r)^(T - K + 1) min(F0, c^2/(2 mu))``.
"""

from theorems.language import (
    F0,
    GS,
    L0,
    L1,
    OBJECTIVE_VALUE,
    ONE,
    PL,
    Case,
    Cite,
    Domain,
    ExactGradients,
    FinalGap,
    Gap,
    GapAfterStep,
    GapBelowGradient,
    Implies,
    Min,
    Parameter,
    Rational,
    Source,
    Split,
    Step,
    StepChange,
    T,
    Theorem,
    TwoPhases,
    Upper,
    c,
    eta,
    m,
    mu,
    sqrt,
    unit,
)
from theorems.sharp.d0_descent import descent

theta = Parameter("theta", ONE, Domain.NONNEGATIVE, "relative step size")
w = Parameter("w", OBJECTIVE_VALUE, Domain.POSITIVE, "gap below which decay is geometric")
a = Parameter("a", unit(Rational(1, 2), 0), Domain.POSITIVE, "what the root of the gap loses in a slow step")
r = Parameter("r", ONE, Domain.NONNEGATIVE, "rate of the fast phase")
K = Parameter("K", ONE, Domain.POSITIVE_INTEGER, "number of the step by which the fast phase begins")
phases = TwoPhases(level=w, drop=a, rate=r, begin=K)

polyak = Theorem(
    name="D3",
    title="Clipped gradient descent under the PL condition",
    source=Source("clipbounds theory", "D3", status="derived"),
    given=[GS(L0, L1), PL(mu), ExactGradients()],
    where={
        theta: eta * (L0 + c * L1),
        w: c**2 / (2 * mu),
        a: (1 - theta / 2) * eta * c * sqrt(mu / 2),
        r: (2 - theta) * eta * mu,
    },
    when=[theta <= 1, mu <= L0, (K - 1) * a >= sqrt(F0) - sqrt(w), K <= T + 1],
    claim=Upper(FinalGap, (1 - r) ** (T - K + 1) * Min(F0, w)),
    proof=[
        Cite("descent", descent, from_=["theta"], says="D0 at every visited point."),
        Step("steep", by=GapBelowGradient(), says="The assumption PL."),
        Step("left", by=GapAfterStep(), says="The gap after the step is not negative."),
        Step("long", gives=Implies(Gap > w, m > c), from_=["steep", "w"]),
        Step("root", gives=m >= 2 * sqrt(mu / 2) * sqrt(Gap), from_=["steep"]),
        Step(
            "loss",
            gives=Implies(Gap > w, StepChange <= -2 * a * sqrt(Gap)),
            from_=["descent", "long", "root", "a", "theta"],
        ),
        Step("slow", gives=phases.slow, from_=["left", "loss"], says="Complete the square."),
        Step("short", gives=Implies(Gap <= w, 2 * mu * Gap <= c**2), from_=["w"]),
        Step("product", gives=Implies(Gap <= w, m * c >= 2 * mu * Gap), from_=["steep", "short"]),
        Split(
            "gain",
            gives=Implies(Gap <= w, m * Min(m, c) >= 2 * mu * Gap),
            cases=[Case(m <= c, ["steep"]), Case(m > c, ["product"])],
        ),
        Step("fast", gives=phases.fast, from_=["descent", "gain", "r", "theta"]),
        Step("rate", gives=r <= 1, from_=["r", "theta"]),
        Step("phases", by=phases, from_=["slow", "fast", "rate", "w", "a"]),
    ],
)

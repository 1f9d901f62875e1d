"""D1, clipped gradient descent on non-convex objectives, with explicit constants.

Setting: as in D0. With ``Q = F0 / ((1 - theta/2) eta T)``:
``AverageGradientNorm <= sqrt(Q)`` if ``Q <= c^2/4``, else ``<= Q/c + c/4``.
So once ``T >= 4 F0 / ((1 - theta/2) eta c^2)`` clipping costs nothing at all.
Proof: sum D0; ``m min(m, c)`` has the convex envelope ``m^2`` for ``m <= c/2``, ``c m - c^2/4`` beyond; Jensen.
"""

from theorems.language import (
    F0,
    GRADIENT,
    GS,
    L0,
    L1,
    ONE,
    AverageGradientNorm,
    Case,
    Cite,
    Domain,
    ExactGradients,
    Jensen,
    Max,
    Min,
    MinGradientNorm,
    MonotoneMinimum,
    Parameter,
    Piecewise,
    Source,
    SpecialCase,
    Split,
    Step,
    StepChange,
    T,
    Telescope,
    Theorem,
    Upper,
    Witness,
    c,
    eta,
    m,
    sqrt,
)
from theorems.sharp.d0_descent import descent

theta = Parameter("theta", ONE, Domain.NONNEGATIVE, "relative step size")
Q = Parameter("Q", GRADIENT * GRADIENT, Domain.NONNEGATIVE, "squared gradient scale of the budget")
definitions = {theta: eta * (L0 + c * L1), Q: F0 / ((1 - theta / 2) * eta * T)}

envelope = Piecewise((m**2, m <= c / 2), (c * m - c**2 / 4, True))
slope = Piecewise((2 * m, m <= c / 2), (c, True))
rate = (1 - theta / 2) * eta
bound = Piecewise((sqrt(Q), c**2 / 4 >= Q), (Q / c + c / 4, True))
at_average = envelope.xreplace({m: AverageGradientNorm})

# The witnesses: the gradient of a long slope that F0 just pays for, and a slope c/2 below a steep part A.
gentle = sqrt(F0 / (eta * T + 1 / (2 * L0)))
A = Parameter("A", GRADIENT, Domain.POSITIVE, "gradient of the steep part")
knee = c / (2 * L0) + eta * c / 2 * (T - (A - c / 2) / (eta * L0 * c))

zhang = F0 / ((1 - eta * L0) * eta * T)  # Q at c = L0/L1, where theta = 2 eta L0

nonconvex = Theorem(
    name="D1",
    title="Clipped gradient descent, non-convex",
    source=Source("clipbounds theory", "D1", status="derived"),
    given=[GS(L0, L1), ExactGradients()],
    where=definitions,
    when=[theta <= 1],
    claim=Upper(AverageGradientNorm, bound),
    proof=[
        Cite("descent", descent, from_=["theta"], says="D0 at every visited point."),
        Step(
            "step",
            gives=StepChange <= -rate * envelope,
            from_=["descent", "theta"],
            says="The convex envelope lies below.",
        ),
        Step("sum", by=Telescope(decrease=envelope, rate=rate), from_=["step"]),
        Step("jensen", by=Jensen(envelope, slope), says="The envelope is convex."),
        Split(
            "solve",
            gives=AverageGradientNorm <= bound,
            cases=[
                Case(c**2 / 4 >= Q, ["sum", "jensen", "Q", "theta"]),
                Case(c**2 / 4 < Q, ["sum", "jensen", "Q", "theta"]),
            ],
            says="Solve for the average; beyond c/2 the envelope is a line.",
        ),
    ],
    witness=[
        Witness(
            "slope then bowl",
            objective="huber",
            objective_parameters={"curvature": L0, "slope": gentle},
            start=eta * gentle * T + gentle / L0,
            at={L1: 0},
            when=(L0 > 0, F0 > 0, c**2 / 4 >= Q),
            attains="in the limit",
            ratio=sqrt((1 - theta / 2) / (1 + 1 / (2 * eta * L0 * T))),
            says="A long slope that ends in a quadratic bowl; one as theta -> 0, eta L T -> oo.",
        ),
        Witness(
            "two slopes",
            objective="slope_then_bowl",
            objective_parameters={"curvature": L0, "slope": c / 2, "start": knee, "steep": A},
            start=knee + (A - c / 2) / L0,
            at={L1: 0, F0: c**2 / (8 * L0) + c / 2 * (knee - c / (2 * L0)) + (A**2 - c**2 / 4) / (2 * L0)},
            when=(L0 > 0, c / 2 < A, c**2 / 4 < Q, (A - c / 2) / (eta * L0 * c) < T),
            attains="in the limit",
            says="Very steep for o(T) steps, then gradient c/2; one as theta -> 0 and A/c -> oo.",
        ),
        Witness(
            "one step to the bottom",
            objective="quadratic",
            objective_parameters={"curvature": L0},
            start=sqrt(2 * F0 / L0),
            at={L1: 0, T: 1, eta: 1 / L0},
            when=(L0 > 0, c >= 2 * sqrt(2 * L0 * F0)),
            says="Equality: theta = 1, T = 1.",
        ),
    ],
    special_cases=[
        SpecialCase("sum of two terms", gives=AverageGradientNorm <= sqrt(Q) + Q / c, says="The weaker usual form."),
        SpecialCase(
            "Zhang et al. 2020",
            gives=AverageGradientNorm
            <= sqrt(F0 / ((1 - eta * L0) * eta * T)) + F0 * L1 / ((1 - eta * L0) * eta * T * L0),
            at={c: L0 / L1},
            when=(L0 > 0, L1 > 0),
            says="c = L0/L1 gives the rate of Zhang, He, Sra and Jadbabaie (2020): theta = 2 eta L0.",
        ),
        SpecialCase(
            "plain gradient descent",
            gives=AverageGradientNorm <= sqrt(F0 / ((1 - eta * L0 / 2) * eta * T)),
            at={L1: 0},
            when=(c**2 / 4 >= Q,),
            says="L1 = 0 and c large: the threshold leaves no trace.",
        ),
    ],
)

A_min = MinGradientNorm

minimum = Theorem(
    name="D1_min",
    title="Clipped gradient descent, non-convex, best gradient",
    source=Source("clipbounds theory", "D1, corollary", status="derived"),
    given=[GS(L0, L1), ExactGradients()],
    where=definitions,
    when=[theta <= 1],
    claim=Upper(MinGradientNorm, Max(sqrt(Q), Q / c)),
    proof=[
        Cite("descent", descent, from_=["theta"]),
        Step("step", gives=StepChange <= -rate * m * Min(m, c), from_=["descent", "theta"]),
        Step("sum", by=Telescope(decrease=m * Min(m, c), rate=rate), from_=["step"]),
        Step("least", by=MonotoneMinimum(m * Min(m, c)), says="A smallest gradient decreases f least."),
        Step("solve", gives=A_min <= Max(sqrt(Q), Q / c), from_=["sum", "least", "Q", "theta"]),
    ],
)

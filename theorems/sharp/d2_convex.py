"""D2, clipped gradient descent on convex objectives.

Setting: convex f with a minimiser x*, (L0, L1)-smooth and L-smooth, exact gradients, ``R0 = |x_0 - x*|``,
``theta = eta (L0 + c L1) <= 1/2``. Statement: ``FinalGap <= max(R0^2/(eta T), 2 L R0^4/(eta c T)^2)``.
Proof: ``|x' - x*|^2 <= |x - x*|^2 - eta min(1, c/m) (f - f*)``, with ``m <= sqrt(2 L (f - f*))``; the gap does not
increase, so its last value pays for every step; solve.
"""

from theorems.language import (
    GS,
    L0,
    L1,
    ONE,
    R0,
    Case,
    Cite,
    Convex,
    DistanceChange,
    DistanceStep,
    Domain,
    ExactGradients,
    FinalGap,
    FinalGapPaysDistance,
    Gap,
    GapAboveGradient,
    L,
    Max,
    Min,
    Parameter,
    Rational,
    Smooth,
    Source,
    SpecialCase,
    Split,
    Step,
    StepChange,
    T,
    Theorem,
    Upper,
    c,
    eta,
    m,
    sqrt,
)
from theorems.language.proof import ProofItem
from theorems.sharp.d0_descent import descent

theta = Parameter("theta", ONE, Domain.NONNEGATIVE, "relative step size")
half = Rational(1, 2)
bound = Max(R0**2 / (eta * T), 2 * L * R0**4 / (eta * c * T) ** 2)
approach = eta * Min(Gap, c * sqrt(Gap / (2 * L)))

# What both forms of D2 build on: at a point the squared distance pays for the gap, and the gap does not increase.
closer: list[ProofItem] = [
    Cite("descent", descent, from_=["theta"], says="D0 at every visited point."),
    Step("down", gives=StepChange <= 0, from_=["descent", "theta"]),
    Step("square", by=DistanceStep(), says="Expand the square; convexity."),
    Step("room", by=GapAboveGradient(L0, L1), says="A long gradient needs room below."),
    Split(
        "cost",
        gives=eta * Max(m, c) * Min(m, c) ** 2 <= c * Gap,
        cases=[Case(m <= c, ["room", "theta"]), Case(m > c, ["room", "theta"])],
        says="The square of the step costs at most half of what convexity gains.",
    ),
    Step("closer", gives=DistanceChange <= -eta * c / Max(m, c) * Gap, from_=["square", "cost"]),
]

convex = Theorem(
    name="D2",
    title="Clipped gradient descent, convex",
    source=Source("clipbounds theory", "D2", status="derived"),
    given=[Convex(), GS(L0, L1), Smooth(L), ExactGradients()],
    where={theta: eta * (L0 + c * L1)},
    when=[theta <= half],
    claim=Upper(FinalGap, bound),
    proof=[
        *closer,
        Step("smooth", by=GapAboveGradient(L, Rational(0)), says="m <= sqrt(2 L (f - f*))."),
        Split(
            "approach",
            gives=c / Max(m, c) * Gap >= Min(Gap, c * sqrt(Gap / (2 * L))),
            cases=[Case(m <= c), Case(m > c, ["smooth"])],
        ),
        Step("steps", gives=DistanceChange <= -approach, from_=["closer", "approach"]),
        Step("sum", gives=FinalGap <= bound, by=FinalGapPaysDistance(approach), from_=["steps", "down"], says="Solve."),
    ],
    special_cases=[
        SpecialCase("sum of two terms", gives=FinalGap <= R0**2 / (eta * T) + 2 * L * R0**4 / (eta * c * T) ** 2),
        SpecialCase(
            "plain gradient descent",
            gives=FinalGap <= R0**2 / (eta * T),
            at={L0: L, L1: 0},
            when=[eta * c**2 * T >= 2 * L * R0**2],
            says="L1 = 0 and c large: the threshold leaves no trace.",
        ),
    ],
)

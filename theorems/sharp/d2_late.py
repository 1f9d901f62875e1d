"""D2 without L-smoothness: few steps are clipped, and then the rate is that of plain gradient descent.

Setting: convex f with a minimiser, (L0, L1)-smooth, exact gradients, ``theta = eta (L0 + c L1) <= 1/2``. At most
``R0^2/(eta c)^2`` steps are clipped; once ``T > R0^2/(eta c)^2``: ``FinalGap <= R0^2/(eta T)``.
Proof: a clipped step brings x closer to x* by at least ``(eta c)^2`` in the square, and any other by eta times its gap.
"""

from theorems.language import (
    GS,
    L0,
    L1,
    R0,
    Case,
    ClippedSteps,
    Convex,
    CountClipped,
    DistanceChange,
    ExactGradients,
    FinalGap,
    FinalGapPaysDistance,
    Gap,
    Implies,
    Min,
    Piecewise,
    Source,
    SpecialCase,
    Split,
    Step,
    T,
    Theorem,
    Upper,
    c,
    eta,
    m,
)
from theorems.sharp.d2_convex import closer, half, theta

toll = (eta * c) ** 2
approach = Min(eta * Gap, toll)
far = Step("far", gives=Implies(m > c, Gap >= eta * c * m), from_=["cost"], says="A clipped step is far away.")

late = Theorem(
    name="D2_late",
    title="Clipped gradient descent, convex, after the clipped steps",
    source=Source("clipbounds theory", "D2, second form", status="derived"),
    given=[Convex(), GS(L0, L1), ExactGradients()],
    where={theta: eta * (L0 + c * L1)},
    when=[theta <= half, T * toll > R0**2],
    claim=Upper(FinalGap, R0**2 / (eta * T)),
    proof=[
        *closer,
        far,
        Split(
            "steps",
            gives=DistanceChange <= -approach,
            cases=[Case(m <= c, ["closer"]), Case(m > c, ["closer", "far"])],
        ),
        Step("sum", by=FinalGapPaysDistance(approach), from_=["steps", "down"]),
        Step("claim", gives=FinalGap <= R0**2 / (eta * T), from_=["sum"], says="Else the sum would exceed R0^2."),
    ],
    special_cases=[
        SpecialCase("with room", gives=FinalGap <= 2 * R0**2 / (eta * T), when=[2 * R0**2 / (eta * c) ** 2 <= T]),
    ],
)

clipped_steps = Theorem(
    name="D2_clipped_steps",
    title="Clipped gradient descent, convex: the number of clipped steps",
    source=Source("clipbounds theory", "D2, number of clipped steps", status="derived"),
    given=[Convex(), GS(L0, L1), ExactGradients()],
    where={theta: eta * (L0 + c * L1)},
    when=[theta <= half],
    claim=Upper(ClippedSteps, R0**2 / (eta * c) ** 2),
    proof=[
        *closer[2:],
        far,
        Split(
            "steps",
            gives=DistanceChange <= -Piecewise((toll, m > c), (0, True)),
            cases=[Case(m <= c, ["closer"]), Case(m > c, ["closer", "far"])],
        ),
        Step("count", gives=ClippedSteps <= R0**2 / (eta * c) ** 2, by=CountClipped(toll), from_=["steps"]),
    ],
)

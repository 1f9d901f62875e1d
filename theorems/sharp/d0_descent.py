"""D0, the descent lemma of clipped gradient descent.

Setting: (L0, L1)-smooth f, exact gradients, ``x' = x - eta clip_c(grad f(x))``, ``theta = eta (L0 + c L1) <= 1``.
Statement: ``f(x') <= f(x) - (1 - theta/2) eta m min(m, c)`` with ``m = |grad f(x)|``. An equality on quadratics.
"""

from theorems.language import (
    GS,
    L0,
    L1,
    ONE,
    AgainstGradient,
    Case,
    Domain,
    ExactGradients,
    Min,
    Parameter,
    Source,
    SpecialCase,
    Split,
    Step,
    StepChange,
    Theorem,
    Upper,
    Witness,
    c,
    eta,
    m,
)

theta = Parameter("theta", ONE, Domain.NONNEGATIVE, "relative step size")
change = -(1 - theta / 2) * eta * m * Min(m, c)

descent = Theorem(
    name="D0",
    title="Descent lemma of clipped gradient descent",
    source=Source("clipbounds theory", "D0", status="derived"),
    given=[GS(L0, L1), ExactGradients()],
    where={theta: eta * (L0 + c * L1)},
    when=[theta <= 1],
    claim=Upper(StepChange, change),
    proof=[
        Step("lemma", by=AgainstGradient(), from_=["theta"], says="The descent lemma along the clipped gradient."),
        Split(
            "clip",
            gives=StepChange <= change,
            cases=[Case(m <= c, ["lemma", "theta"]), Case(m >= c, ["lemma", "theta"])],
            says="The gradient is either shorter or longer than the threshold.",
        ),
    ],
    witness=[
        Witness(
            "quadratic",
            objective="quadratic",
            objective_parameters={"curvature": L0},
            start=m / L0,
            at={L1: 0},
            when=(L0 > 0, m <= c),
            says="An equality on quadratics while the gradient is not clipped.",
        )
    ],
    special_cases=[
        SpecialCase("half the slope", gives=StepChange <= -eta * m * Min(m, c) / 2, says="The usual form."),
        SpecialCase("no clipping", gives=StepChange <= -(1 - eta * L0 / 2) * eta * m**2, at={L1: 0}, when=[m <= c]),
    ],
)

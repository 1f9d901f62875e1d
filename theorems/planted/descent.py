"""A false descent lemma, and a true one with a broken proof."""

from theorems.language import (
    GS,
    L0,
    L1,
    ONE,
    AgainstGradient,
    Domain,
    ExactGradients,
    Min,
    Parameter,
    Source,
    Step,
    StepChange,
    Theorem,
    Upper,
    c,
    eta,
    m,
)

theta = Parameter("theta", ONE, Domain.NONNEGATIVE, "relative step size")

theta_three = Theorem(
    name="planted_descent_theta_3",
    title="Descent for theta up to 3",
    source=Source("clipbounds, planted", "D0 beyond theta = 2", status="derived"),
    given=[GS(L0, L1), ExactGradients()],
    where={theta: eta * (L0 + c * L1)},
    when=[theta <= 3],
    claim=Upper(StepChange, 0),
    expect="refuted",
    falls_by="search",
)

# The claim is D0, which is true; the step uses m <= c, which was never shown.
clipped_away = Theorem(
    name="planted_descent_one_case",
    title="D0 with a proof that forgets the clipped case",
    source=Source("clipbounds, planted", "D0 with a broken proof", status="derived"),
    given=[GS(L0, L1), ExactGradients()],
    where={theta: eta * (L0 + c * L1)},
    when=[theta <= 1],
    claim=Upper(StepChange, -(1 - theta / 2) * eta * m * Min(m, c)),
    proof=[
        Step("lemma", by=AgainstGradient(), from_=["theta"]),
        Step("small", gives=StepChange <= -(1 - theta / 2) * eta * m**2, from_=["lemma", "theta"]),
        Step("claim", gives=StepChange <= -(1 - theta / 2) * eta * m * Min(m, c), from_=["small"]),
    ],
    expect="broken_proof",
)

"""A false descent lemma, and a true one with a broken proof."""

from theorems.language import (
    GS,
    HS,
    L0,
    L1,
    ONE,
    AgainstGradient,
    BoundedVariance,
    Domain,
    ExactGradients,
    Min,
    Parameter,
    Rational,
    Source,
    Step,
    StepChange,
    Theorem,
    Upper,
    c,
    eta,
    m,
    sigma,
)
from theorems.sharp.d0_hessian import descent_hessian

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

near_miss = Theorem(
    name="planted_descent_two_percent",
    title="Descent lemma with two per cent more",
    source=Source("clipbounds, planted", "D0, a near miss", status="derived"),
    given=[GS(L0, L1), ExactGradients()],
    where={theta: eta * (L0 + c * L1)},
    when=[theta <= 1],
    claim=Upper(StepChange, -Rational(51, 50) * (1 - theta / 2) * eta * m * Min(m, c)),
    expect="refuted",
    falls_by="search",
)

third = Theorem(
    name="planted_descent_third",
    title="Descent lemma with theta/3 for theta/2",
    source=Source("clipbounds, planted", "D0 with (1 - theta/3)", status="derived"),
    given=[HS(L0, L1), ExactGradients()],
    where={theta: eta * (L0 + c * L1)},
    when=[theta <= 1],
    claim=Upper(StepChange, -(1 - theta / 3) * eta * m * Min(m, c)),
    expect="refuted",
    falls_by="search",
)

# Under GS no step of length eta c changes f by more; under HS the gradient may grow on the way, as that of e^x does.
general_direction = Theorem(
    name="planted_hs_general_direction",
    title="The descent lemma in a general direction, under HS with the constant of GS",
    source=Source("clipbounds, planted", "section 1, k_u forgotten", status="derived"),
    given=[HS(L0, L1), BoundedVariance(sigma)],
    when=[eta * c * L1 <= 1],
    claim=Upper(StepChange, eta * c * m + (L0 + L1 * m) * (eta * c) ** 2 / 2),
    expect="refuted",
    falls_by="search",
)

# True: the inequality holds for every theta on the ball, it only stops being a decrease.
any_theta = Theorem(
    name="planted_descent_any_theta",
    title="D0 for every step size on the ball, without a proof",
    source=Source("clipbounds, planted", "D0 for any theta, which is true", status="derived"),
    given=[GS(L0, L1), ExactGradients()],
    where={theta: eta * (L0 + c * L1)},
    when=[eta * c * L1 <= 1],
    claim=Upper(StepChange, -(1 - theta / 2) * eta * m * Min(m, c)),
)

long_step = Theorem(
    name="planted_descent_hessian_long_step",
    title="D0 under HS for theta up to 6/5, with the proof for theta up to 1",
    source=Source("clipbounds, planted", "D0 under HS beyond theta = 1", status="derived"),
    given=[HS(L0, L1), ExactGradients()],
    where={theta: eta * (L0 + c * L1)},
    when=[theta <= Rational(6, 5)],
    claim=Upper(StepChange, -(1 - theta / 2) * eta * m * Min(m, c)),
    proof=descent_hessian.proof,
    expect="broken_proof",
)

two_deep = Theorem(
    name="planted_vacuous_step_size",
    title="A descent lemma for step sizes that do not exist",
    source=Source("clipbounds, planted", "D0 with theta <= 1/2 and eta L0 >= 1", status="derived"),
    given=[GS(L0, L1), ExactGradients()],
    where={theta: eta * (L0 + c * L1)},
    when=[theta <= Rational(1, 2), eta * L0 >= 1],
    claim=Upper(StepChange, -2 * eta * m * Min(m, c)),
    expect="vacuous",
)

step_without_unit = Theorem(
    name="planted_unit_step_size",
    title="A descent lemma for step sizes below one over the threshold",
    source=Source("clipbounds, planted", "D0 with eta <= 1/c", status="derived"),
    given=[GS(L0, L1), ExactGradients()],
    when=[eta <= 1 / c],
    claim=Upper(StepChange, 0),
    expect="ill_formed",
)

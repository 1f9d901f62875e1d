"""D0, when a step decreases f at all: for L-smooth f and exact gradients, whenever ``eta L <= 2``.

D0 itself asks for ``theta <= 1`` only to stay in the ball on which GS speaks; with L1 = 0 there is no ball. The two is
sharp: on ``L x^2/2`` a longer step, if it is not clipped, goes up.
"""

from theorems.language import (
    AgainstGradient,
    Case,
    ExactGradients,
    L,
    Min,
    Smooth,
    Source,
    Split,
    Step,
    StepChange,
    Theorem,
    Upper,
    c,
    eta,
    m,
)

change = -eta * m * Min(m, c) * (1 - eta * L / 2)

decrease = Theorem(
    name="D0_decrease",
    title="A clipped step decreases f if eta L is at most two",
    source=Source("clipbounds theory", "D0, theta < 2", status="derived"),
    given=[Smooth(L), ExactGradients()],
    when=[eta * L <= 2],
    claim=Upper(StepChange, 0),
    proof=[
        Step("lemma", by=AgainstGradient()),
        Split("clip", gives=StepChange <= change, cases=[Case(m <= c, ["lemma"]), Case(m >= c, ["lemma"])]),
        Step("claim", gives=StepChange <= 0, from_=["clip"]),
    ],
)

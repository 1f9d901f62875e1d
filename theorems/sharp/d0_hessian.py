"""D0 under the Hessian form of smoothness: the descent lemma of clipped gradient descent, with the same constants.

Setting: ``|hess f| <= L0 + L1 |grad f|``, exact gradients, ``theta = eta (L0 + c L1) <= 1``.
Statement: ``f(x') <= f(x) - (1 - theta/2) eta m min(m, c)``. Against the gradient no factor ``k_u`` is needed, because
the step is at most ``m/(L0 + L1 m)`` long.
"""

from theorems.language import (
    HS,
    L0,
    L1,
    AgainstGradient,
    Case,
    ExactGradients,
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
from theorems.sharp.d0_descent import change, theta

descent_hessian = Theorem(
    name="D0_HS",
    title="Descent lemma of clipped gradient descent, Hessian form",
    source=Source("clipbounds theory", "D0 under HS", status="derived"),
    given=[HS(L0, L1), ExactGradients()],
    where={theta: eta * (L0 + c * L1)},
    when=[theta <= 1],
    claim=Upper(StepChange, change),
    proof=[
        Step("lemma", by=AgainstGradient(), from_=["theta"], says="The step ends before the gradient turns."),
        Split(
            "clip",
            gives=StepChange <= change,
            cases=[Case(m <= c, ["lemma", "theta"]), Case(m >= c, ["lemma", "theta"])],
        ),
    ],
)

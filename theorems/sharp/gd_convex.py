"""Gradient descent without clipping on convex objectives: the exact worst case.

Setting: convex and L-smooth f with a minimiser, exact gradients, ``eta L <= 1``, and ``c >= L R0``, so that no step is
clipped (``m <= L |x - x*|``, and the distance to x* never grows): this is c = oo.
Statement: ``FinalGap <= L R0^2/(4 T eta L + 2)``, attained for every eta, L, R0 and T.
Shown by performance estimation; the calculus here has no rule for such proofs, so the search alone speaks. It is the
yardstick of the tightness gauge, which must come close to it and may never pass it.
"""

from theorems.language import (
    R0,
    Convex,
    ExactGradients,
    FinalGap,
    L,
    Smooth,
    Source,
    T,
    Theorem,
    Upper,
    Witness,
    c,
    eta,
)

rate = L * R0**2 / (4 * T * eta * L + 2)

plain_gradient_descent = Theorem(
    name="GD_exact",
    title="Gradient descent, convex, the exact rate",
    source=Source(
        "Drori, Teboulle: Performance of first-order methods for smooth convex minimization (Mathematical Programming "
        "2014, arXiv 1206.3209)",
        "Theorem 3.1",
        status="recalled",
    ),
    given=[Convex(), Smooth(L), ExactGradients()],
    when=[eta * L <= 1, c >= L * R0],
    claim=Upper(FinalGap, rate),
    witness=[
        Witness(
            "a slope that is never left",
            objective="huber",
            objective_parameters={"curvature": L, "slope": 2 * rate / R0},
            start=R0,
            when=(L > 0, R0 > 0),
            says="A Huber function with a slope so gentle that all T steps stay on it.",
        )
    ],
)

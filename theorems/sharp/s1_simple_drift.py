"""S1', a simple lower bound on the drift.

Always ``E<u, clip_c(g)> >= c (m - b)/(m + c)`` with ``b = sigma^2/(4c)``. In one line: with ``n = m + c`` and
``s^2 = n^2 - 4 c m + sigma^2`` it is ``(n - s)^2 >= 0``.
"""

from theorems.language import (
    GRADIENT,
    BoundedVariance,
    Cite,
    Domain,
    Drift,
    Floor,
    Parameter,
    Source,
    Step,
    Theorem,
    c,
    m,
    sigma,
    sqrt,
)
from theorems.sharp.s1_drift import linear

s = Parameter("s", GRADIENT, Domain.NONNEGATIVE, "spread of the noise seen from the threshold")
b = Parameter("b", GRADIENT, Domain.NONNEGATIVE, "bias of the simple bound")

simple_drift = Theorem(
    name="S1_simple",
    title="Simple lower bound on the drift",
    source=Source("clipbounds theory", "S1'", status="derived"),
    given=[BoundedVariance(sigma)],
    where={s: sqrt(sigma**2 + (c - m) ** 2), b: sigma**2 / (4 * c)},
    when=[],
    claim=Floor(Drift, c * (m - b) / (m + c)),
    proof=[
        Cite("linear", linear),
        Step("claim", gives=Drift >= c * (m - b) / (m + c), from_=["linear", "s", "b"]),
    ],
)

"""Zhang, He, Sra and Jadbabaie (2020), clipped gradient descent at ``c = L0/L1``.

Setting: ``|hess f| <= L0 + L1 |grad f|``, exact gradients, threshold ``c = L0/L1``, ``eta <= 1/(2 L0)``, so that
``theta = 2 eta L0 <= 1``. With ``Q = F0/((1 - eta L0) eta T)``: ``AverageGradientNorm <= sqrt(Q) + Q L1/L0``; at
``eta = 1/(2 L0)`` that is ``2 sqrt(L0 F0/T) + 4 L1 F0/T``: the rate ``O(1/sqrt(T))`` of the paper, in which L1 touches
the higher-order term alone.
"""

from theorems.language import (
    F0,
    GRADIENT,
    HS,
    L0,
    L1,
    AverageGradientNorm,
    Cite,
    Domain,
    ExactGradients,
    Parameter,
    Source,
    SpecialCase,
    Step,
    T,
    Theorem,
    Upper,
    c,
    eta,
    sqrt,
)
from theorems.sharp.d1_hessian import nonconvex_hessian

PAPER = "Zhang, He, Sra, Jadbabaie: Why gradient clipping accelerates training (ICLR 2020, arXiv 1905.11881)"

Q = Parameter("Q", GRADIENT * GRADIENT, Domain.NONNEGATIVE, "squared gradient scale of the budget")

clipped_gd = Theorem(
    name="Zhang_2020",
    title="Clipped gradient descent at c = L0/L1",
    source=Source(PAPER, "convergence of clipped gradient descent", version="ICLR 2020", status="recalled"),
    given=[HS(L0, L1), ExactGradients()],
    where={L1: L0 / c, Q: F0 / ((1 - eta * L0) * eta * T)},
    when=[L0 > 0, 2 * eta * L0 <= 1],
    claim=Upper(AverageGradientNorm, sqrt(Q) + Q * L1 / L0),
    proof=[
        Cite("sharp", nonconvex_hessian, from_=["L1"], says="D1 under HS, where theta = 2 eta L0."),
        Step("claim", gives=AverageGradientNorm <= sqrt(Q) + Q * L1 / L0, from_=["sharp", "Q", "L1"]),
    ],
    special_cases=[
        SpecialCase(
            "the largest step",
            gives=AverageGradientNorm <= 2 * sqrt(L0 * F0 / T) + 4 * F0 * L0 / (c * T),
            at={eta: 1 / (2 * L0)},
            when=[L0 > 0],
            says="eta = 1/(2 L0).",
        )
    ],
)

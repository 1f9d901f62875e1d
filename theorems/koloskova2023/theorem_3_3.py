"""Koloskova, Hendrikx and Stich (2023), Theorem 3.3: clipped SGD, non-convex.

``eta <= 1/(9 (L0 + c L1))`` implies ``MinGradientNorm <=
C (min(sigma, sigma^2/c) + sqrt(theta) sigma + sqrt(F0/(eta T)) + F0/(eta T c))``.

S3 proves it for ``sigma <= kappa c`` with ``C = max(9/8, 9 kappa/32)``, S3' for ``sigma >= kappa c >= 2c`` with
``C = 1/(17/18 - 1/kappa)``, each term by term: bias, square root, budget. So ``C = 9/8`` will do for ``sigma <= 2c``,
and ``C = 369/272`` (1.357) for all sigma: the two meet at ``kappa = 82/17``.
"""

from theorems.koloskova2023.theorem_2_1 import PAPER, G
from theorems.language import (
    F0,
    GS,
    L0,
    L1,
    ONE,
    AverageGradientNorm,
    BoundedVariance,
    C,
    Case,
    Cite,
    Domain,
    Min,
    MinGradientNorm,
    MinimumBelowAverage,
    Parameter,
    Rational,
    Source,
    SpecialCase,
    Split,
    Step,
    T,
    Theorem,
    Upper,
    c,
    eta,
    sigma,
    sqrt,
)
from theorems.sharp.s3_small_threshold import k, r, small_threshold
from theorems.sharp.s3_upper import R, b, theta, upper

kappa = Parameter("kappa", ONE, Domain.POSITIVE, "noise in thresholds, where S3 gives way to S3'")

SOURCE = Source(PAPER, "Theorem 3.3", version="arXiv v2", status="recalled")
GIVEN = [GS(L0, L1), BoundedVariance(sigma)]
MEETING = Rational(82, 17)
LEAST, LEAST_LIGHT = Rational(369, 272), Rational(9, 8)

A, M = AverageGradientNorm, MinGradientNorm
ninth = theta <= Rational(1, 9)
basic = {theta: eta * (L0 + c * L1), G: F0 / (eta * T)}
terms = Min(sigma, sigma**2 / c) + sqrt(theta) * sigma + sqrt(G) + G / c

by_upper = Theorem(
    name="K23_3_3_by_S3",
    title="Clipped SGD, non-convex, up to kappa thresholds of noise",
    source=SOURCE,
    given=GIVEN,
    where={**basic, **{s: upper.where[s] for s in (b, R)}},
    when=[ninth, sigma <= kappa * c, Rational(9, 8) <= C, 9 * kappa / 32 <= C],
    claim=Upper(M, C * terms),
    proof=[
        Cite("sharp", upper, from_=["theta"]),
        Step("three_terms", gives=b + sqrt(R) + R / c >= A, from_=["sharp"]),
        Step("inflated", gives=b <= Rational(9, 32) * sigma**2 / c, from_=["b'"]),
        Split(
            "bias",
            gives=b <= C * Min(sigma, sigma**2 / c),
            cases=[Case(sigma <= c, ["inflated"]), Case(sigma > c, ["inflated"])],
        ),
        Step(
            "scale",
            gives=Rational(9, 8) * (G + theta * Min(c, sigma) ** 2 / 2) >= R,
            from_=["R", "G"],
        ),
        Step("square", gives=(C * sqrt(G) + Rational(3, 4) * sqrt(theta) * sigma) ** 2 >= R, from_=["scale"]),
        Step("root", gives=sqrt(R) <= C * sqrt(G) + Rational(3, 4) * sqrt(theta) * sigma, from_=["square"]),
        Step(
            "budget",
            gives=R / c <= C * G / c + Rational(3, 16) * sqrt(theta) * sigma,
            from_=["scale"],
        ),
        Step(
            "together",
            gives=b + sqrt(R) + R / c
            <= C * (Min(sigma, sigma**2 / c) + sqrt(G) + G / c) + Rational(15, 16) * sqrt(theta) * sigma,
            from_=["bias", "root", "budget"],
        ),
        Step("bound", gives=b + sqrt(R) + R / c <= C * terms, from_=["together"]),
        Step("sum", gives=C * terms >= A, from_=["three_terms", "bound"]),
        Step("least", by=MinimumBelowAverage()),
        Step("claim", gives=C * terms >= M, from_=["sum", "least"]),
    ],
)

by_small_threshold = Theorem(
    name="K23_3_3_by_S3_small",
    title="Clipped SGD, non-convex, from kappa thresholds of noise",
    source=SOURCE,
    given=GIVEN,
    where={**basic, **{s: small_threshold.where[s] for s in (k, r)}},
    when=[ninth, sigma >= kappa * c, kappa >= 2, Rational(9, 8) <= C, C * (Rational(17, 18) - 1 / kappa) >= 1],
    claim=Upper(M, C * terms),
    proof=[
        Step("slope", gives=k >= 1 - 1 / kappa, from_=["k"]),
        Step("part", gives=eta * L1 * c <= Rational(1, 9), from_=["theta"]),
        Cite("sharp", small_threshold, from_=["theta", "part", "k"]),
        Step("rate", gives=r >= k - Rational(1, 18), from_=["r", "part"]),
        Step("enough", gives=C * r >= 1, from_=["rate", "slope"]),
        Step("squared", gives=k**2 <= C * r, from_=["rate", "k"]),
        Step("bias", gives=k * (sigma - c) <= C * r * sigma, from_=["squared", "k"]),
        Step("flat", gives=eta * L0 * c / 2 <= sqrt(theta) * sigma, from_=["theta"]),
        Step("curved", gives=eta * L0 * c / 2 <= C * r * sqrt(theta) * sigma, from_=["flat", "enough"]),
        Step("budget", gives=F0 / (eta * c * T) <= C * r * G / c, from_=["enough", "G"]),
        Step(
            "product",
            gives=k * (sigma - c) + F0 / (eta * c * T) + eta * L0 * c / 2 <= r * C * terms,
            from_=["bias", "budget", "curved", "enough"],
        ),
        Step("sum", gives=C * terms >= A, from_=["sharp", "product", "enough"]),
        Step("least", by=MinimumBelowAverage()),
        Step("claim", gives=C * terms >= M, from_=["sum", "least"]),
    ],
)

form = Theorem(
    name="K23_3_3_O",
    title="Clipped SGD, non-convex, for every C >= 369/272",
    source=SOURCE,
    given=GIVEN,
    where=basic,
    when=[ninth, C >= LEAST],
    claim=Upper(M, C * terms),
    proof=[
        Cite("light", by_upper, {kappa: MEETING}, from_=["theta"], under=sigma <= MEETING * c),
        Cite("heavy", by_small_threshold, {kappa: MEETING}, from_=["theta"], under=sigma >= MEETING * c),
        Split(
            "claim",
            gives=C * terms >= M,
            cases=[Case(sigma <= MEETING * c, ["light"]), Case(sigma > MEETING * c, ["heavy"])],
        ),
    ],
    special_cases=[
        SpecialCase("C = 9/4", gives=Rational(9, 4) * terms >= M, at={C: Rational(9, 4)}, says="The plain constant.")
    ],
)

light = Theorem(
    name="K23_3_3_light_O",
    title="Clipped SGD, non-convex, sigma <= 2c, for every C >= 9/8",
    source=SOURCE,
    given=GIVEN,
    where=basic,
    when=[ninth, sigma <= 2 * c, C >= LEAST_LIGHT],
    claim=Upper(M, C * terms),
    proof=[Cite("claim", by_upper, {kappa: Rational(2)}, from_=["theta"])],
)

theorem_3_3 = Theorem(
    name="K23_3_3",
    title="Clipped SGD, non-convex (C = 369/272)",
    source=SOURCE,
    given=GIVEN,
    where=basic,
    when=[ninth],
    claim=Upper(M, LEAST * terms),
    proof=[Cite("form", form, {C: LEAST}, from_=["theta"])],
)

"""S2, the exact bias of clipped SGD.

If ``<grad f, E clip_c(g)> <= 0`` (clipped SGD is stuck) then ``m <= B*(c, sigma)``, where ``B* = sigma^2/(4c)`` if
``sigma <= 2c`` and ``B* = sigma - c`` if ``sigma >= 2c``. Attained for every c, sigma, in any dimension.
"""

from sympy import Eq

from theorems.language import (
    BoundedVariance,
    Case,
    Cite,
    Exactly,
    Piecewise,
    Rational,
    Source,
    SpecialCase,
    Split,
    Step,
    StuckGradientNorm,
    StuckPoint,
    Theorem,
    Witness,
    c,
    m,
    sigma,
)
from theorems.sharp.s1_drift import drift, linear

bias = Piecewise((sigma**2 / (4 * c), sigma <= 2 * c), (sigma - c, True))

exact_bias = Theorem(
    name="S2",
    title="Exact bias of clipped SGD",
    source=Source("clipbounds theory", "S2", status="derived"),
    given=[BoundedVariance(sigma)],
    when=[],
    claim=Exactly(StuckGradientNorm, bias),
    proof=[
        Step("stuck", by=StuckPoint()),
        Cite("linear", linear, {m: StuckGradientNorm}, says="S1 at the stuck point, first formula."),
        Cite("drift", drift, {m: StuckGradientNorm}, says="S1 at the stuck point."),
        Step("light", gives=StuckGradientNorm <= sigma**2 / (4 * c), from_=["stuck", "linear"]),
        Split(
            "solve",
            gives=StuckGradientNorm <= bias,
            cases=[Case(sigma <= 2 * c, ["light"]), Case(sigma > 2 * c, ["stuck", "drift"])],
        ),
    ],
    witness=[
        Witness(
            "light noise",
            objective="quadratic",
            objective_parameters={"curvature": Rational(1)},
            noise="two_point",
            noise_parameters={"up": 2 * c, "probability": sigma**2 / (sigma**2 + 4 * c**2)},
            start=sigma**2 / (4 * c),
            when=(sigma > 0, sigma <= 2 * c),
            says="Noise +2c with probability m/(c + m), else -2m.",
        ),
        Witness(
            "heavy noise",
            objective="quadratic",
            objective_parameters={"curvature": Rational(1)},
            noise="symmetric_two_point",
            noise_parameters={"scale": sigma},
            start=sigma - c,
            when=(sigma > 2 * c,),
            says="Noise +sigma or -sigma, each with probability 1/2.",
        ),
        Witness(
            "no noise",
            objective="quadratic",
            objective_parameters={"curvature": Rational(1)},
            start=Rational(0),
            when=(Eq(sigma, 0),),
        ),
    ],
    special_cases=[
        SpecialCase("light noise", gives=StuckGradientNorm <= sigma**2 / (4 * c), says="Valid for every sigma."),
        SpecialCase("by the noise alone", gives=StuckGradientNorm <= sigma),
    ],
)

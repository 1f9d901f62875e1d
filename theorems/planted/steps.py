"""Statements whose proofs go wrong at one step: a misused rule, a hypothesis forgotten, another algorithm's theorem.

Some of the claims are true. None of the proofs is one.
"""

import dataclasses

from theorems.language import (
    F0,
    GS,
    HS,
    L0,
    L1,
    R0,
    AffineRecursion,
    AverageGradientNorm,
    BoundedVariance,
    Cite,
    Jensen,
    L,
    Lower,
    Min,
    MinGradientNorm,
    NextGradientNorm,
    NoisyStepHessian,
    PerSampleClipping,
    PrivacyNoise,
    Rational,
    Source,
    Step,
    StepChange,
    T,
    Telescope,
    Theorem,
    Upper,
    c,
    eta,
    m,
    sigma,
)
from theorems.sharp.d0_descent import descent
from theorems.sharp.d1_nonconvex import Q, bound, definitions, nonconvex, rate, slope
from theorems.sharp.d2_late import late
from theorems.sharp.s2t_trajectory import B, k, trajectory
from theorems.sharp.s3_upper import R, b, theta, upper
from theorems.sharp.s4_private import n, private, zeta
from theorems.sharp.s6_batch import batch, of_mean


def planted(name: str, title: str, item: str, like: Theorem, **change: object) -> Theorem:
    """A theorem like another one, with a fault."""
    kept = {"name": name, "title": title, "expect": "broken_proof", "witness": (), "special_cases": (), **change}
    return dataclasses.replace(like, source=Source("clipbounds, planted", item, status="derived"), **kept)  # type: ignore[arg-type]


hessian_with_gs_lemma = planted(
    "planted_hs_noisy_lemma",
    "S3 under HS by the descent lemma of GS",
    "section 1, k_u forgotten in S3",
    upper,
    given=[HS(L0, L1), BoundedVariance(sigma)],
)

hessian_without_factor = planted(
    "planted_hs_without_factor",
    "S3 under HS with the right lemma and theta without k",
    "S3 under HS with k = 1",
    upper,
    given=[HS(L0, L1), BoundedVariance(sigma)],
    proof=[
        Step("lemma", by=NoisyStepHessian(), from_=["theta"]) if item.name == "lemma" else item for item in upper.proof
    ],
)

per_sample_bias = planted(
    "planted_per_sample_bias",
    "Per-sample clipping with the bias of batch clipping",
    "S4 with sigma^2/n in the bias",
    private,
    where={**private.where, b: of_mean**2 / (4 * c * (1 - theta))},
)

per_sample_by_batch = planted(
    "planted_per_sample_by_batch",
    "Per-sample clipping by the theorem on batch clipping",
    "S6 cited for per-sample clipping",
    batch,
    given=[GS(L0, L1), BoundedVariance(sigma), PerSampleClipping(n)],
    proof=[Cite("batch", batch, from_=["theta"])],
)

private_by_plain = planted(
    "planted_private_by_plain",
    "DP-SGD by the theorem on clipped SGD",
    "S3 cited for DP-SGD",
    upper,
    given=[GS(L0, L1), BoundedVariance(sigma), PrivacyNoise(zeta)],
    proof=[Cite("plain", upper, from_=["theta"])],
)

private_with_slope = planted(
    "planted_private_with_slope",
    "DP-SGD under (L0, L1)-smoothness",
    "S4 with L1 > 0, where the added noise leaves every ball",
    private,
    given=[GS(L, L1), BoundedVariance(sigma), PerSampleClipping(n), PrivacyNoise(zeta)],
)

private_noise_forgotten = planted(
    "planted_private_noise_forgotten",
    "DP-SGD with the bound of clipped SGD",
    "S4 without zeta",
    private,
    where={**private.where, R: upper.where[R]},
)

two_thirds = planted(
    "planted_d2_two_thirds",
    "The convex rate for theta up to 2/3, with the proof for theta up to 1/2",
    "D2 beyond theta = 1/2",
    late,
    when=[theta <= Rational(2, 3), T * (eta * c) ** 2 > R0**2],
)

not_strict = planted(
    "planted_d2_not_strict",
    "The convex rate from T = R0^2/(eta c)^2 on, with a proof that needs one step more",
    "D2, second form, with >= for >",
    late,
    when=[theta <= Rational(1, 2), T * (eta * c) ** 2 >= R0**2],
)

off_by_one = planted(
    "planted_sum_off_by_one",
    "D1 with T + 1 for T, by a sum over T steps",
    "D1, an index off by one",
    nonconvex,
    where={**definitions, Q: F0 / ((1 - theta / 2) * eta * (T + 1))},
)

concave = planted(
    "planted_jensen_concave",
    "D1 by Jensen for m min(m, c), which is not convex",
    "D1 without its convex envelope",
    nonconvex,
    claim=Upper(AverageGradientNorm, bound - c / 8),
    proof=[
        Cite("descent", descent, from_=["theta"]),
        Step("step", gives=StepChange <= -rate * (m * Min(m, c)), from_=["descent", "theta"]),
        Step("sum", by=Telescope(decrease=(m * Min(m, c)), rate=rate), from_=["step"]),
        Step("jensen", by=Jensen((m * Min(m, c)), slope)),
        Step("claim", gives=bound - c / 8 >= AverageGradientNorm, from_=["sum", "jensen", "Q", "theta"]),
    ],
)

level_too_high = planted(
    "planted_recursion_too_high",
    "A trajectory that stays five per cent above the bias",
    "S2-T, a near miss",
    trajectory,
    claim=Lower(MinGradientNorm, Rational(21, 20) * B),
    witness=trajectory.witness,
    proof=[
        *trajectory.proof[:-2],
        Step(
            "pull",
            gives=NextGradientNorm >= (1 - eta * L * k) * m + eta * L * k * Rational(21, 20) * B,
            from_=["next", "tangent"],
        ),
        Step("induct", by=AffineRecursion(rate=eta * L * k, level=Rational(21, 20) * B), from_=["pull", "k", "B"]),
    ],
)

rate_too_fast = planted(
    "planted_telescope_error_forgotten",
    "S3 with the error of every step forgotten in the sum",
    "S3, noise lost when summing",
    upper,
    where={**upper.where, R: F0 / (eta * T) / (1 - theta)},
)

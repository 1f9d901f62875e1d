r"""Certificates: a problem meets an assumption, by a closed form proved here and decided in exact numbers.

A certificate is about the problem in real arithmetic, with the law of the lattice (``theorems.language.functions``):
uniforms are midpoints ``(k + 1/2)/N`` of ``N = 2^32`` cells, independent over draws, words and coordinates (but see
``fuzz.lattice_laws`` for coordinates in pairs). What floats do to it is bounded elsewhere. What is not shown here is
refused.

**Smoothness**: see :func:`fuzz.smoothness.least_smoothness`.

**Convex, with a minimiser at 0.** A gradient that never falls and vanishes at 0 is that of a convex profile with its
minimum at 0, and a sum of such profiles over coordinates is convex: ``k x`` and ``k x + q x^3`` rise; huber clamps
``k x``; slope_then_bowl is the sum of ``min(k x, a)`` and ``min(max(k (x - b), 0), A - a)`` with ``A >= a``, the second
0 up to ``b > 0``; tanh rises; a piecewise profile has ``f'' = k(x) (L + kappa |f'|)``, and no k is negative.

A radial ``phi(|x|)`` is convex with its minimum at 0 if phi' never falls on ``r >= 0``: then phi is convex and never
falls there, and a convex function that never falls, of the norm, is convex.

**PL.** A separable sum is PL(mu) if and only if each profile is: ``m^2 = sum_i m_i^2 >= 2 mu sum_i f_i``; conversely
leave the others at 0. For piecewise profiles see :mod:`fuzz.pieces`. Quadratic and quartic are ``min_i k_i``-strongly
convex, hence PL with that constant, and with no larger one: ``m^2 / (2 (f - inf f))`` tends to the least ``k_i``
towards 0 along that axis. The others have a bounded gradient and an unbounded value along the positive axis: PL for no
``mu > 0``. A radial ``phi(|x|)`` has the gradient norm ``|phi'(r)|`` and the gap ``phi(r)``: PL is that of phi on
``r >= 0``, where the least ratio of quadratic and quartic is met, too.

**Variance and symmetry of the noise laws**: see :mod:`fuzz.lattice_laws`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import singledispatch, wraps
from typing import Any, TypeVar

import sympy as sp

from fuzz.constants import NumberError, check_numbers, in_domain, sign, smaller, value
from fuzz.engine.batch import PRIVACY_LAW
from fuzz.lattice_laws import BOUNDED, SYMMETRIC, centring_error
from fuzz.pieces import FAMILIES, Shape, breaks_pl, falling_piece, rational
from fuzz.problem import PLAIN, Family, FiniteLaw, Problem
from fuzz.smoothness import least_smoothness
from theorems.language.assumptions import (
    GS,
    HS,
    PL,
    Assumption,
    BatchClipping,
    BoundedVariance,
    Convex,
    ExactGradients,
    PerSampleClipping,
    PrivacyNoise,
    Symmetric,
)
from theorems.language.functions import NOISES
from theorems.language.parameters import Domain

_Given = TypeVar("_Given", bound=Assumption)
_VOCABULARY = (
    GS,
    HS,
    Convex,
    PL,
    ExactGradients,
    BoundedVariance,
    Symmetric,
    BatchClipping,
    PerSampleClipping,
    PrivacyNoise,
)


class CertificateError(ValueError):
    """The problem does not meet the assumption, or no closed form shows that it does: one line."""


@dataclass(frozen=True)
class Certificate:
    """A problem meets an assumption.

    Attributes:
        assumption: as given, its arguments exact numbers.
        says: why, for a reviewer; formulas in LaTeX between dollars.
        numbers: the exact numbers that it rests on, by name.
    """

    assumption: Assumption
    says: str
    numbers: Mapping[str, sp.Expr]


@singledispatch
def certify(assumption: Assumption, problem: Problem) -> Certificate:
    """Show that a problem meets an assumption.

    Args:
        assumption: with exact numbers for its arguments.
        problem: objective and noise, of any dimension.

    Raises:
        CertificateError: one line, if it does not, or if no closed form shows it.
    """
    raise CertificateError(f"{type(assumption).__name__}: an assumption without a certificate")


def certify_algorithm(given: Iterable[Assumption], problem: Problem) -> None:
    """Show that a problem runs the algorithm that these assumptions speak of, and nothing that they do not mention.

    Raises:
        CertificateError: one line, if it does not.
    """
    kinds = {type(assumption) for assumption in given}
    allowed = {"clipped_sgd"}
    if BatchClipping in kinds:
        allowed.add("batch_clipping")
    if PerSampleClipping in kinds or PrivacyNoise in kinds:
        allowed |= {"per_sample_clipping", "dp_sgd"}
    algorithm = problem.algorithm
    if algorithm.name not in allowed:
        raise CertificateError(f"the algorithm is {algorithm.name}, of which no assumption speaks")
    if algorithm.samples > 1 and not kinds & {BatchClipping, PerSampleClipping}:
        raise CertificateError(f"{algorithm.samples} samples are taken in a step, of which no assumption speaks")
    if algorithm.privacy_deviation != 0 and PrivacyNoise not in kinds:
        raise CertificateError("noise is added to the clipped direction, of which no assumption speaks")


def at_least(a: Any, b: Any) -> bool:
    """Whether ``a >= b`` for exact real numbers, decided rigorously (rationals, roots, exp, log, tanh).

    Raises:
        CertificateError: if that cannot be decided.
    """
    try:
        return sign(value(a, {}) - value(b, {})) >= 0
    except NumberError as error:
        raise CertificateError(f"{a} >= {b}: {error}") from None


# -- checks ------------------------------------------------------------------------------------------------------------


def _refusing(rule: Callable[[_Given, Problem], Certificate]) -> Callable[[_Given, Problem], Certificate]:
    """The rule with every undecided number turned into a refusal, for the vocabulary's own classes alone."""

    @wraps(rule)
    def decided(assumption: _Given, problem: Problem) -> Certificate:
        if type(assumption) not in _VOCABULARY:
            # A subclass may mean more than its parent.
            raise CertificateError(f"{type(assumption).__name__}: an assumption without a certificate")
        try:
            return rule(assumption, problem)
        except NumberError as error:
            raise CertificateError(f"{type(assumption).__name__}: {error}") from None

    return decided


def _argument(assumption: Assumption, name: str, domain: Domain = Domain.NONNEGATIVE) -> sp.Expr:
    number = value(getattr(assumption, name), {})
    if not in_domain(number, domain):
        raise NumberError(f"{name} must be {domain.value}, not {number}")
    return number


def _objective(problem: Problem) -> Family:
    for profile, numbers in problem.objective.profiles:
        check_numbers(profile, numbers)
    return problem.objective


def _families(objective: Family) -> list[str]:
    """The families of the coordinates, each once."""
    return list(dict.fromkeys(profile.name for profile, _ in objective.profiles))


def _noise(problem: Problem) -> Family | FiniteLaw:
    """The noise, checked: numbers in their domains, or non-negative probabilities that add up to 1."""
    noise = problem.noise
    if isinstance(noise, FiniteLaw):
        if any(sign(p) < 0 for p, _ in noise.atoms):
            raise NumberError("a probability of the finite law is negative")
        total = sum((p for p, _ in noise.atoms), sp.Integer(0))
        if sign(total - 1) != 0:
            raise NumberError(f"the probabilities of the finite law add up to {total}, not 1")
        return noise
    for numbers in _drawn(noise):
        check_numbers(NOISES[noise.name], numbers)
    return noise


def _drawn(noise: Family) -> tuple[Mapping[str, Any], ...]:
    """The coordinates whose numbers are used: a law along the gradient uses those of the first."""
    return noise.coordinates[:1] if NOISES[noise.name].along else noise.coordinates


# -- objective ---------------------------------------------------------------------------------------------------------

_CURVATURE = {
    "quadratic": "the curvature is $L_i$ everywhere",
    "huber": "the curvature is $L_i$ on the bowl and 0 on the lines",
    "slope_then_bowl": "the curvature is $L_i$ on the bowl and on the later rise, which do not overlap, else 0",
    "log_cosh": r"the curvature is $L_i/\cosh^2(L_i x/a_i)\le L_i$",
    "well": r"the curvature is $L_i(1-3t)/(1+t)^3\in[-L_i/4,L_i]$ with $t=x^2/r_i^2$",
}

_MONOTONE = {
    "quadratic": "$L_i x$ rises",
    "huber": "$L_i x$, clamped to $[-a_i, a_i]$, never falls",
    "slope_then_bowl": r"$\min(L_i x, a_i)$ and the later rise from 0 to $A_i-a_i\ge0$ never fall",
    "log_cosh": r"$a_i\tanh(L_i x/a_i)$ rises",
    "quartic": "$L_i x+q_i x^3$ rises",
    **dict.fromkeys(FAMILIES, "no $k$ is negative"),
}

_STRONG = ("quadratic", "quartic")
"""Families that are ``curvature``-strongly convex."""


@certify.register(GS)
@_refusing
def _gs(assumption: GS, problem: Problem) -> Certificate:
    return _smooth(assumption, problem, hessian=False)


@certify.register(HS)
@_refusing
def _hs(assumption: HS, problem: Problem) -> Certificate:
    return _smooth(assumption, problem, hessian=True)


def _smooth(assumption: GS | HS, problem: Problem, hessian: bool) -> Certificate:
    name, objective = type(assumption).__name__, _objective(problem)
    constant, slack = _argument(assumption, "L0"), _argument(assumption, "L1")
    needed = least_smoothness(objective, slack, hessian=hessian)
    if needed is None:
        raise CertificateError(
            f"{name}: the curvature of {objective.name} is unbounded: no L0 will do with L1 = {slack}"
        )
    if not at_least(constant, needed):
        raise CertificateError(f"{name}: L0 = {constant} is given, {needed} is needed (L1 = {slack})")
    says = " ".join(_smooth_says(family, hessian) for family in _families(objective))
    if objective.radial:
        says += " " + _RADIAL_SAYS[hessian]
    return Certificate(assumption, says, {"L0 needed": needed, "L0": constant, "L1": slack})


_RADIAL_SAYS = {
    True: (
        r"The objective is that profile $\phi$ of $r=|x|$. Its Hessian has the eigenvalues $\phi''(r)$ and"
        r" $\phi'(r)/r$; the second is at most $L_0+L_1|\phi'(r)|$ because the first is, from 0 to $r$."
    ),
    False: (
        r"The objective is that profile $\phi$ of $|x|$. At a fixed $|x|$ and $|y|$ both sides of the class's"
        r" condition, squared, are linear in the cosine of the angle; on one ray it is that of $\phi$, and from"
        r" there on the right side grows no more slowly, as $\phi'(a)\phi'(b)\le(L_0+L_1|\phi'(a)|)^2ab$."
    ),
}


def _smooth_says(family: str, hessian: bool) -> str:
    if family in FAMILIES:
        return _pieces_says(hessian)
    if family != "quartic":
        gives = "no eigenvalue of the Hessian exceeds" if hessian else "the gradient is Lipschitz with"
        return rf"Coordinate by coordinate {_CURVATURE[family]}, so {gives} $\max_i L_i\le L_0$."
    what = (
        "The curvature"
        if hessian
        else "The steepest chord of length at most $1/L_1$, the longest one outwards, has slope"
    )
    polynomial, first, second = ("3z^2", 1, 2) if hessian else ("3z^2+3z+1", 2, 6)
    return (
        rf"{what} $L+\kappa({polynomial})$ with $\kappa=q/L_1^2$, $z=L_1|x|$. Less $L_1|f'(x)|=Lz+\kappa z^3$ it is"
        rf" largest at $z=0$ or at $z=1+w$, $w^2={first}-L/(3\kappa)$, with value $\kappa({second}+2w^3)$ there."
        r" In every coordinate both are at most $L_0$."
    )


def _pieces_says(hessian: bool) -> str:
    if hessian:
        return (
            r"On a piece $|f''|=|k|(L+\kappa|f'|)$, so $|f''|-L_1|f'|$ is largest at an end or a zero of $f'$; there it"
            r" is at most $L_0$, in every coordinate."
        )
    return (
        r"On a piece $|f''|=|k|(L+\kappa|f'|)$. Of all pairs within $1/L_1$ the worst are those of ends of pieces and"
        r" zeros of $f'$, and those at the distance $1/L_1$ of which one is such a point or which are stationary among"
        r" them; each of these finitely many asks for at most $L_0$, in every coordinate."
    )


@certify.register(Convex)
@_refusing
def _convex(assumption: Convex, problem: Problem) -> Certificate:
    objective = _objective(problem)
    for family in _families(objective):
        if family not in _MONOTONE:
            raise CertificateError(f"Convex: no proof is known for {family}")
    for profile, numbers in objective.profiles:
        falls = falling_piece(Shape.of(numbers, objective.radial)) if profile.name in FAMILIES else None
        if falls is not None:
            raise CertificateError(f"Convex: the gradient falls on a piece of {profile.name}, with k = {falls.slope}")
    says = "; ".join(_MONOTONE[family] for family in _families(objective))
    says = f"In every coordinate the gradient never falls and vanishes at 0: {says}. So 0 is a minimiser."
    if objective.radial:
        says += (
            r" The objective is that profile $\phi$ of $|x|$, and a convex function that never falls, of the norm, is"
            r" convex."
        )
    return Certificate(assumption, says, {"gradient at 0": sp.Integer(0)})


@certify.register(PL)
@_refusing
def _pl(assumption: PL, problem: Problem) -> Certificate:
    objective, mu = _objective(problem), _argument(assumption, "mu", Domain.POSITIVE)
    numbers: dict[str, sp.Expr] = {"mu": mu}
    for profile, known in objective.profiles:
        if profile.name in FAMILIES:
            reason = breaks_pl(Shape.of(known, objective.radial), rational("mu", mu))
            if reason:
                raise CertificateError(f"PL: mu = {mu} is too large for {profile.name}: {reason}")
            continue
        if profile.name not in _STRONG:
            raise CertificateError(
                f"PL: {profile.name} has a bounded gradient far out, so mu = {mu} is too large, as is any"
            )
        strong = sp.sympify(known["curvature"])
        numbers["least curvature"] = smaller(numbers.get("least curvature", strong), strong)
    if "least curvature" in numbers and not at_least(numbers["least curvature"], mu):
        raise CertificateError(f"PL: mu = {mu} is given, at most {numbers['least curvature']} holds")
    says = [_PL_SAYS[family in FAMILIES] for family in _families(objective)]
    if objective.radial:
        says.append(
            r"So it is for the profile $\phi$; of $\phi(|x|)$ gradient norm and gap are those of $\phi$ at $|x|$."
        )
    return Certificate(assumption, " ".join(dict.fromkeys(says)), numbers)


_PL_SAYS = {
    False: (
        r"The curvature is at least $\min_i L_i\ge\mu$ everywhere, and $\mu$-strong convexity implies PL with $\mu$."
    ),
    True: (
        r"On a piece $f'^2-2\mu f$ is least at an end or where $f''=\mu$, and at none of these is it negative; far out"
        r" it rises. A sum over coordinates inherits PL."
    ),
}


# -- noise -------------------------------------------------------------------------------------------------------------


@certify.register(BoundedVariance)
@_refusing
def _bounded_variance(assumption: BoundedVariance, problem: Problem) -> Certificate:
    square = _argument(assumption, "sigma") ** 2
    noise = _noise(problem)
    if noise.name not in BOUNDED:
        raise CertificateError(f"BoundedVariance: no closed form is known for {noise.name}")
    numbers: dict[str, sp.Expr] = {}
    if isinstance(noise, FiniteLaw):
        for i, mean in enumerate(noise.mean):
            if sign(mean) != 0:
                raise CertificateError(f"BoundedVariance: the mean of coordinate {i} is {mean}, 0 is needed")
        variance, numbers["mean"] = noise.second_moment, sp.Integer(0)
    else:
        law = NOISES[noise.name]
        if law.oracle and problem.clipping_threshold == sp.oo:
            raise CertificateError(f"BoundedVariance: {noise.name} needs a finite clipping threshold")
        parts = [law.variance.xreplace({p: sp.sympify(n[p.name]) for p in law.parameters}) for n in _drawn(noise)]
        variance = sum(parts, sp.Integer(0))
        error = centring_error(noise)
        if error is not None:
            numbers["centring error"] = error
    if not at_least(square, variance):
        raise CertificateError(f"BoundedVariance: sigma^2 = {square} is given, {variance} is needed")
    exact = isinstance(noise, FiniteLaw) or noise.name in (
        "none",
        "two_point",
        "symmetric_two_point",
        "gradient_two_point",
    )
    numbers |= {"variance" if exact else "variance at most": variance, "sigma^2": square}
    return Certificate(assumption, BOUNDED[noise.name], numbers)


@certify.register(ExactGradients)
@_refusing
def _exact_gradients(assumption: ExactGradients, problem: Problem) -> Certificate:
    if not _vanishes(_noise(problem)):
        raise CertificateError(f"ExactGradients: the noise is {problem.noise.name}, none is needed")
    return Certificate(assumption, "The noise is 0 with probability 1.", {"noise": sp.Integer(0)})


@certify.register(Symmetric)
@_refusing
def _symmetric(assumption: Symmetric, problem: Problem) -> Certificate:
    noise = _noise(problem)
    if _vanishes(noise):
        return Certificate(assumption, "The noise is 0 with probability 1.", {"noise": sp.Integer(0)})
    if isinstance(noise, FiniteLaw):
        _pair(noise)
        return Certificate(assumption, "Every atom and its negative have equal probability.", {})
    if noise.name in SYMMETRIC:
        return Certificate(assumption, SYMMETRIC[noise.name], {})
    half = sp.Rational(1, 2)
    if noise.name in ("two_point", "gradient_two_point", "band_two_point"):
        for numbers in _drawn(noise):
            if sign(numbers["probability"] - half) != 0 and sign(numbers["up"]) != 0:
                raise CertificateError(
                    f"Symmetric: {noise.name} has probability {numbers['probability']}, 1/2 is needed"
                )
    elif noise.name != "symmetric_two_point":
        raise CertificateError(f"Symmetric: {noise.name} has no symmetric law")
    return Certificate(assumption, "Two opposite atoms of probability 1/2 each, at every point.", {"probability": half})


# -- algorithm ---------------------------------------------------------------------------------------------------------


@certify.register(BatchClipping)
@_refusing
def _batch_clipping(assumption: BatchClipping, problem: Problem) -> Certificate:
    return _samples(assumption, problem, ("batch_clipping",), "the mean of n independent samples is clipped")


@certify.register(PerSampleClipping)
@_refusing
def _per_sample_clipping(assumption: PerSampleClipping, problem: Problem) -> Certificate:
    kinds = ("per_sample_clipping", "dp_sgd")
    return _samples(assumption, problem, kinds, "each of n independent samples is clipped, and the mean taken")


def _samples(
    assumption: BatchClipping | PerSampleClipping, problem: Problem, kinds: tuple[str, ...], says: str
) -> Certificate:
    name, algorithm = type(assumption).__name__, problem.algorithm
    wanted = _argument(assumption, "n", Domain.POSITIVE_INTEGER)
    if algorithm.name not in kinds and algorithm != PLAIN:
        raise CertificateError(f"{name}: the algorithm is {algorithm.name}")
    if sign(wanted - algorithm.samples) != 0:
        raise CertificateError(f"{name}: n = {wanted} is given, the problem takes {algorithm.samples} in a step")
    return Certificate(assumption, f"In every step {says}.", {"n": sp.Integer(algorithm.samples)})


@certify.register(PrivacyNoise)
@_refusing
def _privacy_noise(assumption: PrivacyNoise, problem: Problem) -> Certificate:
    square = _argument(assumption, "zeta") ** 2
    if problem.algorithm.privacy_deviation == 0:
        return Certificate(assumption, "No noise is added.", {"zeta^2": square})
    variance = privacy_variance(problem)
    if not at_least(square, variance):
        raise CertificateError(f"PrivacyNoise: zeta^2 = {square} is given, {variance} is needed")
    says = f"In every coordinate, of numbers of its own: {BOUNDED[PRIVACY_LAW]}"
    return Certificate(assumption, says, {"variance at most": variance, "zeta^2": square})


def privacy_variance(problem: Problem) -> sp.Expr:
    """A bound on ``E|z|^2`` of the noise that DP-SGD adds, as engines draw it: scaled by a float next to
    ``zeta/sqrt(d)``, which may be a little more."""
    d = problem.dimension
    scale = sp.Rational(*(float(problem.algorithm.privacy_deviation) / math.sqrt(d)).as_integer_ratio())
    if math.isqrt(d) ** 2 != d:
        # Root and quotient are rounded: a place more, whichever way an engine does it.
        scale *= 1 + sp.Rational(1, 2**51)
    law = NOISES[PRIVACY_LAW]
    return d * sp.sympify(law.variance).xreplace({law.parameters[0]: scale})


def _vanishes(noise: Family | FiniteLaw) -> bool:
    """Whether the noise is 0 with probability 1."""
    if isinstance(noise, FiniteLaw):
        return all(sign(entry) == 0 for p, vector in noise.atoms if sign(p) != 0 for entry in vector)
    law = NOISES[noise.name]
    # Only a number that has a sign may be 0.
    sizes = [p.name for p in law.parameters if p.domain is Domain.REAL]
    if not sizes:
        return not law.words
    return all(sign(numbers[name]) == 0 for numbers in _drawn(noise) for name in sizes)


def _pair(law: FiniteLaw) -> None:
    """Raise CertificateError unless every vector and its negative have the same probability."""
    for _, vector in law.atoms:
        excess = sp.Integer(0)
        for p, other in law.atoms:
            excess += p * (_equal(other, vector, 1) - _equal(other, vector, -1))
        if sign(excess) != 0:
            shown = ", ".join(map(str, vector))
            raise CertificateError(f"Symmetric: the atom ({shown}) and its negative differ in probability by {excess}")


def _equal(a: tuple[Any, ...], b: tuple[Any, ...], factor: int) -> int:
    return int(all(sign(x - factor * y) == 0 for x, y in zip(a, b, strict=True)))

"""A stuck point, shown exactly: the mean clipped step is zero there, and points back to it from both sides.

On a line, for a convex f and a law that is the same at every point, ``h(x) = E clip_c(f'(x) + z)`` never falls as x
grows: f' does not fall, and clipping is monotone. So the signs of h at two points decide about everything beyond them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import sympy as sp

from fuzz.certify import CertificateError, certify
from fuzz.problem import Problem
from fuzz.reduction import reduced
from harness.exact.enclosure import NotExact, Surds
from harness.exact.sgd import ClippedSGD, check_problem
from harness.exact.surds import NotSurd, Surd, Undefined
from theorems.language.assumptions import Convex
from theorems.language.quantities import StuckGradientNorm

_OFFSET = sp.Rational(1, 8)


@dataclass(frozen=True)
class StuckPoint:
    """``E clip_c(g)`` at a point, [d], and on a line also at distance ``offset`` on either side.

    Attributes:
        stability: ``attracting`` (h < 0 on the left, h > 0 on the right), ``neutral`` (h is zero on one side as well:
            an interval of stuck points), ``moving away`` (h is not zero at the point itself, and its sign leads away
            from the minimum), ``not examined``.
        says: why.
    """

    expected_step: tuple[sp.Expr, ...]
    zero: bool
    offset: sp.Expr | None
    left: sp.Expr | None
    right: sp.Expr | None
    stability: str
    says: str


def stuck_point(problem: Problem) -> StuckPoint:
    """Examine the start of a problem as a stuck point.

    Raises:
        NotExact: if the mean clipped step is no sum of square roots, or the noise has no atoms.
    """
    plain = reduced(problem, StuckGradientNorm)
    if plain is None:
        raise NotExact(f"the mean step of {problem.algorithm.name} has no exact value here")
    problem = plain
    check_problem(problem)
    try:
        sgd = ClippedSGD(problem, Surds())
        step = _mean_step(sgd, sgd.start)
        start = sgd.start[0].expression()
    except (NotSurd, Undefined) as error:
        raise NotExact(f"the mean clipped step has no exact value here: {error}") from None
    zero = all(entry.sign == 0 for entry in step)
    found = StuckPoint(
        tuple(entry.expression() for entry in step), zero, None, None, None, "not examined", "The mean step is exact."
    )
    reason = _not_on_a_line(problem)
    if reason:
        return replace(found, says=f"Stability was not examined: {reason}.")
    if not zero:
        says = "The mean step is not zero but points away from the minimum: there is no progress at all."
        return replace(found, stability="moving away", says=says)
    offset = _OFFSET * abs(start)
    left, right = (_mean_step(sgd, [Surd.of(0) + _surd(start + way * offset)])[0] for way in (-1, 1))
    found = replace(found, offset=offset, left=left.expression(), right=right.expression())
    if left.sign < 0 < right.sign:
        says = (
            "The mean step is zero here, and on both sides it leads back: the point attracts, so small steps stay "
            "near it for ever."
        )
        return replace(found, stability="attracting", says=says)
    if left.sign <= 0 <= right.sign:
        side = "on both sides" if left.sign == right.sign == 0 else "below" if left.sign == 0 else "above"
        says = (
            f"The mean step is zero here and {side} as well: the point belongs to an interval of stuck points, in "
            "which the run wanders without a drift."
        )
        return replace(found, stability="neutral", says=says)
    raise NotExact("the mean step falls as x grows, which convexity excludes: something is wrong here")


def _mean_step(sgd: ClippedSGD, point: list[Surd]) -> list[Surd]:
    gradient = sgd.gradient(point)
    total = [Surd.of(0) for _ in gradient]
    for probability, noise in sgd.atoms(gradient):
        clipped = sgd.clip([a + b for a, b in zip(gradient, noise, strict=True)])
        total = [have + probability * entry for have, entry in zip(total, clipped, strict=True)]
    return total


def _not_on_a_line(problem: Problem) -> str:
    if problem.dimension > 1:
        return "it is decided on a line only"
    if problem.depends_on_state:
        return "the law moves with the point"
    if problem.start[0] == 0:
        return "the point is the minimum"
    try:
        certify(Convex(), problem)
    except CertificateError as error:
        return f"convexity is not certified ({error})"
    return ""


def _surd(number: sp.Expr) -> Surd:
    from harness.exact.enclosure import surd

    found = surd(number, {})
    if found is None:
        raise NotExact(f"{number} is no sum of square roots")
    return found

"""Which part of a refuted statement most likely needs repair: a hint for the author, with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from theorems.language.assumptions import ExactGradients, Symmetric
from theorems.language.quantities import StepChange
from theorems.language.theorem import Theorem

if TYPE_CHECKING:
    from harness.confirm import Confirmation

_MODEST = 4.0
_RECALLED = (
    " The wording is recalled from memory here, so compare it with the paper first: the encoding may be at fault."
)


def suspect(theorem: Theorem, seen: Confirmation) -> tuple[str, str]:
    """One of ``theorem``, ``constant``, ``assumption`` (``nothing`` for a claim that is met), and why.

    The rules, first that applies: a promise of progress where there is none points at a missing condition; a bound
    that is missed by a modest factor points at its constant; otherwise the form of the bound is suspected. A wording
    that was recalled may be ours, which is said in addition.
    """
    if seen.status.value == "achieved":
        return "nothing", "The claim asks for an instance at least this bad, and here is one."
    part, why = _maximised(theorem, seen) if theorem.claim.universal.rel_op == "<=" else _minimised(theorem, seen)
    return part, why + (_RECALLED if theorem.source.status == "recalled" else "")


def _maximised(theorem: Theorem, seen: Confirmation) -> tuple[str, str]:
    claimed, measured = seen.claimed, seen.measured
    if theorem.claim.quantity == StepChange and claimed <= 0:
        text = (
            f"The claim promises a change of at most {claimed:.4g}; here it is {measured:.4g}. A condition that "
            "excludes this instance, such as a smaller step size, may be missing."
        )
        return "assumption", text
    if claimed > 0 and measured / claimed <= _MODEST:
        text = (
            f"At this instance the claim would hold with its right side multiplied by {measured / claimed * 1.0005:.4g}"
            "; the form of the bound may be right."
        )
        return "constant", text
    size = f"{measured / claimed:.3g} times the claimed bound" if claimed > 0 else "positive, the claimed bound is not"
    return (
        "theorem",
        f"The measured value is {size}: no modest constant repairs it, so a term is missing or has the wrong form.",
    )


def _minimised(theorem: Theorem, seen: Confirmation) -> tuple[str, str]:
    claimed, measured = seen.claimed, seen.measured
    symmetric = theorem.has(Symmetric) or theorem.has(ExactGradients)
    if claimed >= 0 >= measured and not symmetric:
        text = (
            "The expected progress is not even positive here. Bounded variance alone allows that; symmetric noise "
            "would not. Either the bias term is too small, or an assumption is missing."
        )
        return "constant" if claimed == 0 or measured == 0 else "assumption", text
    text = (
        f"At this instance the claim would hold with {measured:.4g} in place of {claimed:.4g}; the form of the bound "
        "may be right."
    )
    return "constant", text

"""Which part of a refuted statement most likely needs repair: a hint for the author, with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from theorems.language.assumptions import ExactGradients, Symmetric
from theorems.language.theorem import Theorem

if TYPE_CHECKING:
    from harness.confirm import Confirmation

_MODEST = 4.0


def suspect(theorem: Theorem, seen: Confirmation) -> tuple[str, str]:
    """One of ``theorem``, ``constant``, ``assumption``, ``encoding``, and why.

    The rules, first that applies: a bound missed by a modest factor points at its constant; a claim that only fails
    beyond the usual range of a condition points at that assumption; a recalled wording may be ours; otherwise the form
    of the bound itself is suspected.
    """
    if seen.status.value == "achieved":
        return "nothing", "The claim asks for an instance at least this bad, and here is one."
    recalled = (
        " The wording is recalled from memory here, so compare it with the paper first: the encoding may be at fault."
        if theorem.source.status == "recalled"
        else ""
    )
    if seen.claimed <= 0:
        return (
            "assumption",
            (
                "The claim promises progress at every admitted point; at this one there is none. A condition that excludes "
                f"the instance, such as a smaller step size, is missing.{recalled}"
            ),
        )
    ratio = seen.measured / seen.claimed
    if theorem.claim.universal.rel_op == "<=" and 1 < ratio <= _MODEST:
        return (
            "constant",
            (
                f"At this instance the claim would hold with its right side multiplied by {_round_up(ratio)}; the form of "
                f"the bound may be right.{recalled}"
            ),
        )
    if theorem.claim.universal.rel_op == ">=" and seen.measured > 0:
        return (
            "constant",
            (
                f"At this instance the claim would hold with {seen.measured:.4g} in place of {seen.claimed:.4g}; the form "
                f"of the bound may be right.{recalled}"
            ),
        )
    if theorem.claim.universal.rel_op == ">=" and not (theorem.has(Symmetric) or theorem.has(ExactGradients)):
        return (
            "assumption",
            (
                "The expected progress is not even positive here. Bounded variance alone allows that; symmetric noise "
                f"would not.{recalled}"
            ),
        )
    return (
        "theorem",
        (
            f"The measured value is {ratio:.3g} times the claimed bound: no modest constant repairs it, so a term is "
            f"missing or has the wrong form.{recalled}"
        ),
    )


def _round_up(ratio: float) -> str:
    return f"{ratio * 1.0005:.4g}"

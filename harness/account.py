"""A finding's margin taken apart: what the theorem owes, what luck may have given, what rounding may have given."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.finding_records import AccountRecord, PrecisionRecord

_SMALL = 1e-12


def precision(
    arithmetic: str, measured: float, reference: float, allowed: float | None, *, near: float
) -> PrecisionRecord:
    """One line of the table of arithmetics.

    Args:
        measured: the value in this arithmetic; one that is not finite agrees with nothing.
        reference: the most accurate value at hand.
        allowed: the difference beyond which nothing would be claimed, or None where no verdict rests on it.
        near: the difference up to which it is called agreement where nothing rests on it.
    """
    finite = math.isfinite(measured)
    difference = abs(measured - reference) if finite else math.inf
    return PrecisionRecord(
        arithmetic=arithmetic,
        measured=measured if finite else math.copysign(1.7976931348623157e308, measured),
        difference=difference if finite else 1.7976931348623157e308,
        allowed=allowed,
        agrees=difference <= (near if allowed is None else allowed),
    )


def exact_account(
    margin: float, certain: float, precisions: Sequence[PrecisionRecord], *, refuted: bool
) -> AccountRecord:
    """For a check without random numbers; ``certain`` is the margin between the nearer ends of the enclosures."""
    rounding = margin - certain
    width = "both sides are exact numbers" if rounding <= _SMALL * abs(margin) else "the enclosures' width is taken off"
    fails = "The theorem's own failure" if refuted else "By which the bound is met"
    says = f"{fails}: {certain:.6g}. No random number took part, so nothing is owed to luck; {width}."
    return AccountRecord(
        margin=margin,
        certain=certain,
        statistical=0.0,
        rounding=rounding,
        lower=None,
        log10_level=None,
        precisions=tuple(precisions),
        says=says,
    )


def sampled_account(
    *,
    measured: float,
    claimed: float,
    lower: float,
    allowance: float,
    log10_threshold: float,
    looks: int,
    alpha: float,
    precisions: Sequence[PrecisionRecord],
    refuted: bool,
) -> AccountRecord:
    """For a mean over fresh runs of a quantity that an adversary makes large.

    Args:
        lower: a lower confidence bound on the mean, at the level of the look.
        allowance: by how much rounding in float64 can have moved the mean.
    """
    certain = lower - claimed - allowance
    fails = "the theorem's own failure" if refuted else "by which the bound is met"
    says = (
        f"With confidence 1 - 10^-{log10_threshold:.2f} the mean is at least {lower:.6g}; less the claim and an "
        f"allowance of {allowance:.2g} for float64 that leaves {certain:.6g}, {fails}. It was look {looks} of its "
        f"campaign, whose looks together are wrong with probability at most {alpha:g}."
    )
    return AccountRecord(
        margin=measured - claimed,
        certain=certain,
        statistical=measured - lower,
        rounding=allowance,
        lower=lower,
        log10_level=-log10_threshold,
        precisions=tuple(precisions),
        says=says,
    )

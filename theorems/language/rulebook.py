"""All trusted rules: a proof may use no other."""

from __future__ import annotations

from theorems.language import rules
from theorems.language.rules import Rule
from theorems.language.rules_gap import (
    CountClipped,
    DistanceStep,
    FinalGapPaysDistance,
    GapAboveGradient,
    GapAfterStep,
    GapBelowGradient,
    TwoPhases,
)
from theorems.language.rules_sampling import ExpectedPair, NoisyStepHessian, PointwisePair, PrivateStep

RULES: tuple[type[Rule], ...] = (
    *rules.RULES,
    GapAboveGradient,
    GapBelowGradient,
    GapAfterStep,
    DistanceStep,
    FinalGapPaysDistance,
    CountClipped,
    TwoPhases,
    NoisyStepHessian,
    PrivateStep,
    PointwisePair,
    ExpectedPair,
)
"""Their docstrings are the axioms that every proof here rests on."""

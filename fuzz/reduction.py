"""Which runs of another algorithm are, in law, runs of plain clipped SGD.

- Without randomness the mean of n equal samples is the sample, and so with one sample, if nothing is added.
- The mean of n independent samples of a law of few atoms is one sample of another law of few atoms, which clipped SGD
  then clips.
- The drift of a mean of clipped samples is that of one of them, by linearity; noise that is added has mean zero and is
  no part of it. Hence that holds for stuck points, too.

A mean of several clipped samples is nothing of the kind otherwise, and what cannot be reduced has no exact check here.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product

import sympy as sp

from fuzz.problem import PLAIN, FiniteLaw, Problem
from theorems.language.quantities import ClipSecondMoment, Drift, Quantity, StuckGradientNorm

Law = list[tuple[Fraction, tuple[Fraction, ...]]]

MOST_MEANS = 64
"""Atoms of the law of a mean, at most."""
_MOST_PRODUCTS = 4096


def reduced(problem: Problem, quantity: Quantity) -> Problem | None:
    """The problem of plain clipped SGD in which ``quantity`` has the very same value, or None if none is known."""
    algorithm = problem.algorithm
    if algorithm == PLAIN:
        return problem
    plain = replace(problem, algorithm=PLAIN)
    direction = quantity in (Drift, StuckGradientNorm)
    if algorithm.privacy_deviation != 0 and not (direction or quantity == ClipSecondMoment):
        return None
    if problem.exact_gradients or algorithm.samples == 1:
        return plain
    if algorithm.name != "batch_clipping":
        return plain if direction else None
    law = mean_law(problem.noise, algorithm.samples) if isinstance(problem.noise, FiniteLaw) else None
    return None if law is None else replace(plain, noise=law)


def mean_law(law: FiniteLaw, samples: int) -> FiniteLaw | None:
    """The law of the mean of so many independent samples, atoms merged; None if it has more than 64 atoms, or numbers
    that are not rational.

    Raises:
        ArithmeticError: if its mean or its variance is not what it must be.
    """
    atoms = [(p, vector) for p, vector in law.atoms if p != 0]
    if not all(number.is_Rational for p, vector in atoms for number in (p, *vector)):
        return None
    found = mean_of([(_fraction(p), tuple(map(_fraction, vector))) for p, vector in atoms], samples)
    if not found:
        return None
    mean = FiniteLaw(tuple((_rational(p), tuple(map(_rational, vector))) for p, vector in found))
    # Another way to the same numbers: nothing exact may rest on a sum that went wrong.
    offset = sum((entry**2 for entry in law.mean), sp.Integer(0))
    if mean.mean != law.mean or (mean.second_moment - offset) * samples != law.second_moment - offset:
        raise ArithmeticError(f"the mean of {samples} samples has mean {mean.mean} and {mean.second_moment}")
    return mean


def mean_of(law: Law, samples: int) -> Law:
    """The same in fractions; empty if there are too many atoms."""
    found: dict[tuple[Fraction, ...], Fraction] = {(Fraction(0),) * len(law[0][1]): Fraction(1)}
    for _ in range(samples):
        if len(found) * len(law) > _MOST_PRODUCTS:
            return []
        sums: dict[tuple[Fraction, ...], Fraction] = {}
        for (start, chance), (p, vector) in product(found.items(), law):
            key = tuple(a + b for a, b in zip(start, vector, strict=True))
            sums[key] = sums.get(key, Fraction(0)) + chance * p
        found = sums
    if len(found) > MOST_MEANS:
        return []
    return [(p, tuple(entry / samples for entry in vector)) for vector, p in found.items()]


def _fraction(number: sp.Rational) -> Fraction:
    return Fraction(int(number.p), int(number.q))


def _rational(number: Fraction) -> sp.Rational:
    return sp.Rational(number.numerator, number.denominator)

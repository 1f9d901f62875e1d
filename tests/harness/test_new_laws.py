"""Finite and state-dependent laws from end to end: exact enumeration against engines, confirmation, replay."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
from conftest import trajectory_problem, trajectory_theorem
from sympy import Rational as Q

from fuzz.engine import Batch, run
from fuzz.finite import why_not_run
from fuzz.genes import Structure
from fuzz.instance import instance_of
from fuzz.minimise import minimise
from fuzz.problem import Family, FiniteLaw, Problem
from fuzz.reading import Reading
from fuzz.rescore import rescore
from fuzz.strategies import draw_structures
from fuzz.trajectory import RunLandscape
from harness.attack import finding_of
from harness.confirm import Status, confirm
from harness.evidence import ErrorLedger
from harness.exact import NotExact, measure
from harness.replay import replay_finding
from theorems.language import (
    AverageGradientNorm,
    BoundedVariance,
    FinalGap,
    MinGradientNorm,
    Theorem,
    Upper,
    sigma,
)
from theorems.language.noises import NOISES
from theorems.language.parameters import L1
from theorems.language.quantities import Quantity

ONE, ZERO = sp.Integer(1), sp.Integer(0)
REPLICAS = 2**17
FIFTH = Q(858993459, 2**32)
"""The multiple of 2^-32 next to 1/5."""


def law(p: sp.Expr = FIFTH, *, plane: bool = False) -> FiniteLaw:
    """S2's law at c = sigma = 1, +2 or -1/2: in the plane with a second coordinate of its own, split in three."""
    low = -2 * p / (1 - p)
    if not plane:
        return FiniteLaw(((p, (sp.Integer(2),)), (1 - p, (low,))))
    rest = (1 - p - Q(1, 4), (low, Q(1, 8) / (1 - p - Q(1, 4)) / 2)), (Q(1, 4), (low, -Q(1, 4)))
    return FiniteLaw(((p, (sp.Integer(2), ZERO)), *rest))


def replace_claim(theorem: Theorem, part: sp.Rational) -> Theorem:
    """Another claim: a gradient norm of at most this part of sigma."""
    return replace(theorem, claim=Upper(AverageGradientNorm, part * sigma))


def problem(noise: Family | FiniteLaw, **changes: object) -> Problem:
    d = len(noise.atoms[0][1]) if isinstance(noise, FiniteLaw) else len(noise.coordinates)
    made = replace(
        trajectory_problem(),
        objective=Family("quadratic", ({"curvature": ONE},) * d),
        noise=noise,
        start=(Q(1, 4),) + (ZERO,) * (d - 1),
        tags=frozenset(),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


TWO = {"up": sp.Integer(2), "probability": Q(1, 4)}
LAWS: dict[str, Family | FiniteLaw] = {
    "finite": law(),
    "three atoms": FiniteLaw(((Q(1, 8), (sp.Integer(2),)), (Q(1, 2), (-Q(1, 2),)), (Q(3, 8), (ZERO,)))),
    "gradient_two_point": Family("gradient_two_point", (TWO,)),
    "band_two_point": Family("band_two_point", ({**TWO, "low": Q(1, 5), "high": Q(1, 2)},)),
}


@pytest.mark.parametrize("quantity", [AverageGradientNorm, MinGradientNorm, FinalGap])
@pytest.mark.parametrize("name", LAWS)
def test_exact_enumeration_is_the_mean_of_the_engine(name: str, quantity: Quantity) -> None:
    """Three steps, 2^17 runs: 5 standard errors, 6e-7 by the normal limit; 12 cases, below 1e-5 together."""
    noise = LAWS[name]
    what = problem(noise, steps=3, step_size=Q(1, 2))
    exact = measure(quantity, what)
    found = run(Batch.of([instance_of(what)]), REPLICAS)
    if quantity == MinGradientNorm:
        at = int(found.mean_gradient_norm[0].argmin())
        mean, error = found.mean_gradient_norm[0, at], found.standard_error()[0, at]
    else:
        values = (found.final_gap if quantity == FinalGap else found.average_gradient_norm)[0]
        mean, error = values.mean(), values.std() / math.sqrt(REPLICAS)
    assert float(exact.low) - 5 * error - 1e-12 <= mean <= float(exact.high) + 5 * error + 1e-12
    if name != "three atoms" or quantity != MinGradientNorm:
        # Noise matters here: the run without it is far away.
        quiet = measure(quantity, replace(what, noise=Family("none", ({},))))
        assert abs(float(exact.low) - float(quiet.low)) > 20 * error


def test_exact_enumeration_of_a_law_without_atoms_is_refused() -> None:
    what = problem(Family("vanishing_gaussian", ({"scale": ONE, "reach": ONE},)), steps=2)
    with pytest.raises(NotExact, match="vanishing_gaussian is not a law of finitely many atoms"):
        measure(FinalGap, what)


@pytest.mark.parametrize(
    "noise",
    [law(plane=True), Family("gradient_two_point", ({"up": sp.Integer(2), "probability": FIFTH},) * 2)],
    ids=["finite", "gradient_two_point"],
)
def test_a_false_statement_falls_to_a_law_in_the_plane(noise: Family | FiniteLaw) -> None:
    """Certified, on fresh seeds, both engines, and again from the file: S3 without its bias term."""
    what = problem(noise, steps=100)
    deviation = Q(21, 20)
    seen = confirm(
        trajectory_theorem(), what, ledger=ErrorLedger(), seed=3, choices={sigma: deviation, L1: ZERO}, max_steps=1e6
    )
    assert seen.status is Status.REFUTED, seen.reason
    assert seen.sample is not None
    assert 0 < seen.allowance < 1e-3 * seen.claimed
    assert [e.engine for e in seen.engines if e.agrees][:2] == ["cpu", "torch"]
    proof = next(c for c in seen.certificates if isinstance(c.assumption, BoundedVariance))
    assert "conditional" in proof.says or "exact sums" in proof.says
    finding = finding_of(trajectory_theorem(), seen, seed=3, found_by="By hand.", effort=None)
    assert replay_finding(finding).reproduced


def test_a_long_run_in_a_direction_of_64_dimensions_is_decided() -> None:
    """S2's law along one rational direction, f the same in all: errors do not grow, so that 2000 steps have a small
    allowance. What is claimed four per cent above the truth is not refuted there."""
    direction = [Q(2, 17) if i % 2 else -Q(1, 8) for i in range(64)]
    size = sum(e**2 for e in direction)
    noise = FiniteLaw(tuple((p, tuple(v[0] * e for e in direction)) for p, v in law().atoms))
    start = tuple(Q(1, 4) * e / sp.Rational(str(math.sqrt(size))) for e in direction)
    what = problem(noise, steps=2000, step_size=Q(1, 20), start=start)
    deviation = Q(21, 20)
    for claim, status in ((Q(1, 5), Status.REFUTED), (Q(26, 100), Status.UNDECIDED)):
        theorem = replace_claim(trajectory_theorem(), claim)
        seen = confirm(theorem, what, ledger=ErrorLedger(), seed=3, choices={sigma: deviation, L1: ZERO}, max_steps=1e6)
        assert seen.status is status, seen.reason
        assert 0 < seen.allowance < 1e-3 * seen.claimed


def test_a_sigma_below_the_deviation_is_not_certified() -> None:
    for noise, square in ((law(), 4 * FIFTH / (1 - FIFTH)), (LAWS["gradient_two_point"], Q(4, 3))):
        root = sp.sqrt(square)
        for wrong, status in ((root * (1 - Q(1, 10**9)), Status.UNCERTIFIED), (root, Status.REFUTED)):
            seen = confirm(
                trajectory_theorem(),
                problem(noise, steps=100),
                ledger=ErrorLedger(),
                seed=3,
                choices={sigma: wrong, L1: ZERO},
                max_steps=1e6,
            )
            assert seen.status is status, seen.reason


def test_a_law_off_the_lattice_is_not_run() -> None:
    off = FiniteLaw(((Q(1, 5), (sp.Integer(2),)), (Q(4, 5), (-Q(1, 2),))))
    seen = confirm(
        trajectory_theorem(), problem(off), ledger=ErrorLedger(), seed=0, choices={sigma: ONE, L1: ZERO}, max_steps=1e6
    )
    assert seen.status is Status.UNDECIDED
    assert "no engine runs an atom of probability 1/5" in seen.reason


def test_the_minimiser_keeps_laws_that_run() -> None:
    """From three atoms in the plane to two on a line, probabilities still on the lattice."""
    theorem, start = trajectory_theorem(), problem(law(plane=True), steps=100)
    simple, choices = minimise(theorem, start, {sigma: Q(21, 20), L1: ZERO})
    score, error = rescore(Reading(theorem), simple, choices)
    assert score - 3 * error > 1
    assert simple.dimension == 1
    if isinstance(simple.noise, FiniteLaw):
        assert len(simple.noise.atoms) == 2
        assert why_not_run(simple.noise) == ""
        assert max(int(sp.Rational(p).q) for p, _ in simple.noise.atoms) <= 64


@pytest.mark.parametrize(("dimension", "turn"), [(1, 0), (2, 0), (2, 5), (8, 4), (64, 7)])
@pytest.mark.parametrize(("atoms", "mirrored"), [(2, False), (6, False), (6, True)])
def test_the_search_s_law_is_the_exact_one(atoms: int, mirrored: bool, dimension: int, turn: int) -> None:
    """Arrays that the search runs and the exact problem that it hands on: the same numbers, hence the same score."""
    reading = Reading(trajectory_theorem())
    structure = Structure(
        noise="finite",
        atoms=atoms,
        mirrored=mirrored,
        dimension=dimension,
        steps=(20, 20),
        deviation=(1.0, 1.0),
        turn=turn,
    )
    inside = RunLandscape(reading, structure)
    raw = np.random.default_rng(5).random((1, len(inside.genes)))
    draft = inside.draft(raw)
    made = inside.problem(raw[0])
    assert made is not None
    candidate, _ = made
    assert isinstance(candidate.noise, FiniteLaw)
    assert len(candidate.noise.atoms) == atoms
    assert all(mean == 0 for mean in candidate.noise.mean)
    assert candidate.noise.second_moment <= 1
    # All atoms lie in the direction, or the plane, that was drawn; of a law without one in all dimensions.
    rank = np.linalg.matrix_rank(np.array([[float(e) for e in v] for _, v in candidate.noise.atoms]), tol=1e-6)
    assert rank <= (min(dimension, 1 + (turn % 2 == 0)) if turn else dimension)
    one = Batch.of([instance_of(candidate)], seed=0, instance_ids=[0])
    other = inside.batch(draft, np.array([0]), 0, 0)
    assert np.array_equal(one.noise_parameters, other.noise_parameters) or np.allclose(
        one.noise_parameters, other.noise_parameters, rtol=1e-15, atol=0
    )
    first, second = (run(b, 8).average_gradient_norm for b in (one, other))
    np.testing.assert_allclose(first, second, rtol=1e-12)


def test_every_law_is_drawn_by_the_search() -> None:
    reading = Reading(trajectory_theorem())
    drawn = {s.noise for number in range(12) for s in draw_structures(reading, 60, number, oracle=True)}
    assert drawn == set(NOISES)


@pytest.mark.parametrize("name", LAWS)
def test_short_runs_are_decided_exactly_and_witnessed(name: str) -> None:
    """Three steps: every history in exact arithmetic, weighed again by torch, and drawn by the compiled engine."""
    noise = LAWS[name]
    variance = noise.second_moment if isinstance(noise, FiniteLaw) else Q(4, 3)
    seen = confirm(
        trajectory_theorem(),
        problem(noise, steps=3),
        ledger=ErrorLedger(),
        seed=1,
        choices={sigma: sp.sqrt(variance), L1: ZERO},
        max_steps=1e5,
    )
    assert seen.status is Status.HOLDS, seen.reason
    assert seen.exact is not None
    assert seen.exact.method == "exact arithmetic"
    assert [(e.engine, e.agrees) for e in seen.engines] == [("torch", True), ("cpu", True)]

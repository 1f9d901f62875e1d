"""Radial objectives from end to end: exact checks, a refutation on fresh seeds, replay, script, words, pictures."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp
from conftest import false_bias, make_finding, trajectory_theorem
from flint import arb
from sympy import Rational as Q
from test_new_laws import law
from test_objectives import draw

from fuzz.engine import run
from fuzz.engine.torch_onestep import one_step
from fuzz.instance import batch_of
from fuzz.minimise import complexity, minimise
from fuzz.problem import Family, FiniteLaw, Problem
from fuzz.reading import Reading
from fuzz.rescore import rescore
from harness.attack import finding_of
from harness.confirm import Status, confirm
from harness.definitions import definitions_of
from harness.evidence import ErrorLedger
from harness.exact import NotExact, letters, measure
from harness.exact.enclosure import Balls, precision
from harness.exact.sgd import ClippedSGD
from harness.finding import load_finding
from harness.replay import replay_finding
from harness.report import words
from harness.report.figures import _gaps, objective_picture, trajectory_pictures
from harness.report.hand_check import gradient_at, hand_check
from harness.report.standalone import MOST_LINES, standalone_script
from theorems.language import F0, GS, L0, L1, R0, BoundedVariance, Source, StepChange, Theorem, Upper, m, sigma
from theorems.language.functions import OBJECTIVES, RADIAL
from theorems.language.quantities import QUANTITIES, AverageGradientNorm, FinalGap, NextGradientNorm

ONE, ZERO = sp.Integer(1), sp.Integer(0)
HUBER = {"curvature": Q(3, 2), "slope": Q(2, 5)}
NOISE = FiniteLaw(((Q(1, 4), (Q(3), -ONE)), (Q(3, 4), (-ONE, Q(1, 3)))))


def problem(objective: str = "huber", numbers: dict[str, sp.Expr] | None = None, **changes: Any) -> Problem:
    whole = Problem(
        objective=Family(RADIAL + objective, (HUBER if numbers is None else numbers,)),
        noise=Family("none", ({},) * 2),
        start=(Q(3, 5), Q(-4, 5)),
        step_size=Q(1, 5),
        clipping_threshold=Q(1, 2),
        steps=6,
    )
    return replace(whole, **changes)


# -- exact numbers -----------------------------------------------------------------------------------------------------


def test_letters_are_those_of_the_norm() -> None:
    """At ``(1, 1)`` of a Huber function: the norm is a root, the gradient's norm the slope."""
    theorem = Theorem(
        name="a-claim",
        source=Source("tests", "1"),
        given=[GS(L0, L1), BoundedVariance(sigma)],
        when=[],
        claim=Upper(StepChange, F0 * R0 * m / L0),
    )
    found = letters(theorem, problem(start=(ONE, ONE)), {})
    assert found[R0] == sp.sqrt(2)
    assert found[m] == Q(2, 5)
    # phi(r) = slope r - slope^2/(2 k)
    assert sp.simplify(found[F0] - (Q(2, 5) * sp.sqrt(2) - Q(4, 75))) == 0


@pytest.mark.parametrize("quantity", [AverageGradientNorm, FinalGap], ids=lambda q: q.name)
def test_a_run_in_exact_numbers_is_the_engines(quantity: Any) -> None:
    """On a 3-4-5 triangle roots are rational, so that it is exact; elsewhere balls enclose it."""
    exact = measure(quantity, problem())
    assert exact.method == "exact arithmetic"
    for what in (problem(), problem(start=(ONE, Q(1, 3))), problem("log_cosh", start=(ONE, Q(1, 3)))):
        found = measure(quantity, what)
        done = run(batch_of(what), 1)
        engine = (done.final_gap if quantity == FinalGap else done.average_gradient_norm)[0, 0]
        assert float(found.low) * (1 - 1e-13) <= engine <= float(found.high) * (1 + 1e-13)
        assert found.accurate


@pytest.mark.parametrize("quantity", [StepChange, NextGradientNorm], ids=lambda q: q.name)
@pytest.mark.parametrize("objective", ["huber", "quartic", "well", "log_cosh"])
def test_a_step_in_exact_numbers_is_torch_s(objective: str, quantity: Any) -> None:
    numbers = {"curvature": Q(3, 2), "slope": Q(2, 5), "quartic": Q(1, 3), "radius": Q(3, 4)}
    numbers = {p.name: numbers[p.name] for p in OBJECTIVES[objective].parameters}
    what = problem(objective, numbers, noise=NOISE, steps=1)
    found = measure(quantity, what)
    assert one_step(what, quantity) == pytest.approx(float(found.low), rel=1e-12)
    assert found.accurate


def test_at_rest_and_where_a_ball_cannot_tell() -> None:
    what = problem(start=(ZERO, ZERO))
    assert measure(AverageGradientNorm, what).value == 0
    with precision(64):
        sgd = ClippedSGD(problem(), Balls(64))
        around = [arb(0, 1e-3), arb(0, 1e-3)]
        slope = sgd.gradient(around)
        assert all(entry.contains(0) and entry.is_finite() for entry in slope)
        # No gradient within is longer than this, and none is left out: at (1e-3, 0) it is 3/2 of that.
        assert slope[0].contains(arb("0.0015"))
        assert slope[0].upper() < 0.003


def test_several_noisy_steps_in_the_plane_are_not_decided() -> None:
    with pytest.raises(NotExact, match="one dimension only"):
        measure(AverageGradientNorm, problem(noise=NOISE, steps=3))


# -- findings ----------------------------------------------------------------------------------------------------------


def biased() -> Problem:
    """S2's law in the plane, beside a log-cosh profile of the norm: S3 without its bias term falls there."""
    return problem(
        "log_cosh",
        {"curvature": ONE, "slope": sp.Integer(2)},
        noise=law(plane=True),
        start=(Q(1, 4), Q(1, 64)),
        step_size=Q(1, 100),
        clipping_threshold=ONE,
        steps=400,
    )


def refutation() -> Any:
    choices = {sigma: Q(21, 20), L0: ONE, L1: ZERO}
    return confirm(trajectory_theorem(), biased(), ledger=ErrorLedger(), seed=3, choices=choices, max_steps=4e6)


def test_a_false_statement_falls_to_a_radial_objective_and_replays(tmp_path: Path) -> None:
    seen = refutation()
    assert seen.status is Status.REFUTED, seen.reason
    assert 0 < seen.allowance < 1e-3 * seen.claimed
    assert [e.engine for e in seen.engines if e.agrees][:2] == ["cpu", "torch"]
    proof = next(c for c in seen.certificates if isinstance(c.assumption, GS))
    assert "profile $\\phi$ of $|x|$" in proof.says
    assert any(isinstance(c.assumption, BoundedVariance) for c in seen.certificates)
    finding = finding_of(trajectory_theorem(), seen, seed=3, found_by="By hand.", effort=None)
    assert finding.to_problem() == biased()
    path = tmp_path / "finding.json"
    path.write_text(finding.text())
    again = replay_finding(load_finding(path))
    assert again.reproduced, again.lines()
    script = tmp_path / "replay.py"
    script.write_text(standalone_script(finding), encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "log_cosh of |x|, radial" in done.stdout
    assert "VIOLATED" in done.stdout


def test_a_radial_counterexample_is_brought_to_a_line() -> None:
    theorem = trajectory_theorem()
    simple, choices = minimise(theorem, biased(), {sigma: Q(21, 20), L0: ONE, L1: ZERO})
    score, error = rescore(Reading(theorem), simple, choices)
    assert score - 3 * error > 1
    assert simple.dimension == 1
    assert simple.objective.name == "quadratic"
    assert complexity(simple) < complexity(biased())


# -- what a reader sees ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quantity", ["StepChange", "Drift", "FinalGap", "MinGradientNorm"])
@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_the_script_runs_every_profile(objective: str, quantity: str, tmp_path: Path) -> None:
    """The script's own gradient and value, against the engine's at the start and after the run."""
    numbers = draw(objective, random.Random(1))
    what = problem(objective, dict(numbers), steps=3)
    claim = QUANTITIES[quantity]
    finding = make_finding(
        trajectory_theorem() if claim.scope.value != "one step" else false_bias(),
        what,
        values={},
        claimed=-9.0 if claim.adversary.value == "maximises" else 9.0,
        claimed_exact=None,
    )
    finding = finding.model_copy(update={"statement": finding.statement.model_copy(update={"quantity": quantity})})
    text = standalone_script(finding)
    assert len(text.splitlines()) <= MOST_LINES
    script = tmp_path / "replay.py"
    script.write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = next(line for line in done.stdout.splitlines() if line.startswith("measured:"))
    measured = float(shown.split()[1])
    if quantity in ("FinalGap", "MinGradientNorm"):
        run_of_it = run(batch_of(what), 1, checkpoints=range(3))
        own = run_of_it.final_gap[0, 0] if quantity == "FinalGap" else run_of_it.mean_gradient_norm[0].min()
    else:
        own = one_step(replace(what, noise=FiniteLaw(((ONE, (ZERO, ZERO)),))), claim)
    assert measured == pytest.approx(own, rel=1e-9, abs=1e-12)


def test_words_say_radial() -> None:
    says = words.instance(problem(noise=NOISE), AverageGradientNorm)
    assert "a radial huber objective in 2 dimensions" in says
    rows = dict(words.instance_rows(problem(noise=NOISE), AverageGradientNorm))
    assert rows["objective"] == "huber of |x|, radial: curvature = 3/2, slope = 2/5"
    meant = definitions_of(trajectory_theorem(), problem())
    assert "phi(|x|)" in meant["radial objective"]
    plain = definitions_of(trajectory_theorem(), replace(problem(), objective=Family("huber", (HUBER,) * 2)))
    assert set(meant) - set(plain) == {"radial objective"}


def test_the_meaning_of_normal_noise_says_that_coordinates_come_in_pairs() -> None:
    """A replay in other random numbers than those of earlier versions must say why."""
    normal = {"scale": Q(1, 2)}
    meant = definitions_of(trajectory_theorem(), problem(noise=Family("gaussian", (normal, normal))))
    assert "one draw for two neighbouring coordinates" in meant["noise gaussian"]
    skewed = definitions_of(trajectory_theorem(), problem(noise=Family("skewed_exponential", (normal, normal))))
    assert "one draw" not in skewed["noise skewed_exponential"]


def test_the_table_for_a_pencil_is_exact() -> None:
    """At ``(3/5, -4/5)`` the slope is ``2/5``, outwards."""
    assert gradient_at(problem(), problem().start) == (Q(6, 25), Q(-8, 25))
    assert gradient_at(problem(), (ZERO, ZERO)) == (0, 0)
    check = hand_check(problem(noise=NOISE))
    assert check is not None
    assert check.norm == Q(2, 5)
    assert check.mean == (0, 0)


def test_pictures_are_of_the_norm() -> None:
    picture = objective_picture(problem())
    assert "radial:huber" in picture
    runs, over_time, statistics = trajectory_pictures(problem(noise=NOISE, steps=9), "FinalGap", 0.1, 3)
    assert runs
    assert over_time
    gaps = _gaps(problem(noise=NOISE, steps=9), statistics)
    np.testing.assert_allclose(gaps[:, -1], statistics.final_gap[0, : len(gaps)], rtol=1e-12)


def test_a_letter_without_a_text_is_the_problem_s_own_when_replayed() -> None:
    """A finding holds thirty digits of F0, a logarithm here. One digit too many changed contradicts the problem."""
    seen = refutation()
    finding = finding_of(trajectory_theorem(), seen, seed=3, found_by="By hand.", effort=None)
    assert "log" in str(seen.values[F0])
    digits = sp.Rational(finding.values["F0"])
    off = finding.model_copy(update={"values": {**finding.values, "F0": str(digits * (1 + Q(1, 10**20)))}})
    again = replay_finding(off)
    assert not again.reproduced
    assert "F0 is" in again.again.reason

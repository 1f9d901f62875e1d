"""The tightness gauge: it meets its targets, says so when it does not, and never passes a true bound.

Searches are seeded and have budgets in steps. What is drawn at random has its rate stated.
"""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import sympy as sp

from fuzz.budget import Budget
from fuzz.holds import Holds
from fuzz.outcome import Candidate, SearchResult
from fuzz.problem import Family, Problem
from fuzz.reading import Reading
from fuzz.realise import realise
from fuzz.rescore import letters_of, rescore
from fuzz.search import search
from fuzz.trajectory import Choices
from harness.cli import main
from harness.exact import decide
from harness.gauge import (
    Cell,
    GaugeRow,
    catalogue_cells,
    gauge_markdown,
    measure_cell,
    measure_trajectory,
    standard_cells,
)
from harness.verdicts import ExitCode
from theorems.catalogue import load_catalogue
from theorems.language import F0, R0, FinalGap, L, MinGradientNorm, T, Theorem, Upper, c, eta

CATALOGUE = load_catalogue()
D1, D1_MIN, GD = CATALOGUE["D1"], CATALOGUE["D1_min"], CATALOGUE["GD_exact"]
LETTERS = {str(p.name): p for p in D1.where}


def cells(name: str, **held: float) -> list[Cell]:
    """The standard cells of a statement at these held values."""
    found = [cell for cell in standard_cells() if cell.theorem.name == name]
    return [
        cell
        for cell in found
        if all(abs(float(cell.held[p]) - held[p.name]) < 1e-12 for p in cell.held if p.name in held)
    ]


@pytest.mark.parametrize("name", ["S1", "S2", pytest.param("GD_exact", marks=pytest.mark.slow)])
def test_targets_are_met_exactly(name: str) -> None:
    for cell in cells(name)[::4]:
        row = measure_cell(cell)
        assert row.met, row
        # The longest runs are beyond exact arithmetic here.
        assert row.exact == "holds" or row.at.endswith("T = 10000")


@pytest.mark.parametrize(
    ("theta", "steps", "budget"),
    [
        pytest.param(0.1, 1000, 0.01, marks=pytest.mark.slow),
        pytest.param(0.01, 10000, 0.1, marks=pytest.mark.slow),
        pytest.param(0.1, 10000, 100.0, marks=pytest.mark.slow),
    ],
)
def test_d1_is_tight_on_its_grid(theta: float, steps: int, budget: float) -> None:
    (cell,) = cells("D1", theta=theta, T=steps, Q=budget)
    row = measure_cell(cell, budget=Budget(steps=10**7))
    assert row.met, row


def test_what_is_held_is_met() -> None:
    held = {LETTERS["theta"]: 0.25, LETTERS["Q"]: 3.0, T: 50.0}
    best = search(D1, Budget(steps=5 * 10**4), 0, at=held).best
    assert best is not None
    problem = best.problem
    assert problem.steps == 50
    known, _ = letters_of(Reading(D1), problem, best.choices)
    values = {s: float(known[str(s.name)][0]) for s in (eta, T, F0, c)}
    theta = float(known["eta"][0] * (known["L0"][0] + known["L1"][0] * known["c"][0]))
    assert theta == pytest.approx(0.25, rel=1e-6)
    assert values[F0] / ((1 - theta / 2) * values[eta] * values[T]) == pytest.approx(3.0, rel=1e-6)


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ({"theta": 0.1, "eta": 0.1}, "what is held already settles it"),
        ({"T": 1.5}, "T must be held at a whole number, not 1.5"),
        ({"m": 1.0}, "cannot hold m; what can be held: F0, Q, T, c, eta, theta"),
        ({"Q": -1.0}, "Q must be held at a positive number, not -1.0"),
    ],
)
def test_what_cannot_be_held_is_one_line(at: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Holds(Reading(D1), at)


def test_the_exact_rate_is_attained_exactly() -> None:
    for steps, step_size in ((1, 1), (7, sp.Rational(1, 3)), (40, sp.Rational(1, 10))):
        values = {c: sp.Integer(3), eta: step_size, L: sp.Integer(1), T: sp.Integer(steps), R0: sp.Integer(2)}
        values = {p: sp.sympify(v) for p, v in values.items()}
        problem = realise(GD, GD.witness[0], values)
        verdict = decide(GD, problem, values)
        assert verdict.attained is True
        assert verdict.violated is False


def test_the_exact_rate_is_that_of_performance_estimation() -> None:
    """PEPit with Clarabel, which solves the worst case over all convex L-smooth f as a semidefinite program."""
    from PEPit import PEP
    from PEPit.functions import SmoothConvexFunction

    for steps, step_size in ((1, 1.0), (2, 0.5), (4, 1.0)):
        pep = PEP()
        f = pep.declare_function(SmoothConvexFunction, L=1.0)
        minimiser = f.stationary_point()
        x = start = pep.set_initial_point()
        pep.set_initial_condition((start - minimiser) ** 2 <= 1)
        for _ in range(steps):
            x = x - step_size * f.gradient(x)
        pep.set_performance_metric(f(x) - f(minimiser))
        worst = pep.solve(wrapper="cvxpy", solver="CLARABEL", verbose=0)
        stated = float(GD.bound.xreplace({L: 1, R0: 1, T: steps, eta: sp.Rational(step_size)}))
        assert worst == pytest.approx(stated, rel=1e-5)
        held = measure_cell(Cell(GD, {eta: Fraction(step_size), T: Fraction(steps)}, 0.99), budget=Budget(steps=10**6))
        assert held.met, held


def test_a_rate_that_is_too_good_is_passed() -> None:
    """Two per cent below the exact value: the gauge must say that the bound is passed."""
    wrong = replace(GD, name="too-good", claim=Upper(FinalGap, GD.claim.bound * sp.Rational(98, 100)))
    row = measure_cell(Cell(wrong, {eta: Fraction(1), T: Fraction(10)}, 0.99), budget=Budget(steps=10**6))
    assert row.passed
    assert row.exact == "violated"
    assert row.met is False
    assert "passed: too-good at eta = 1, T = 10" in gauge_markdown([row])


def test_a_bound_with_slack_misses_its_target() -> None:
    loose = replace(GD, name="loose", claim=Upper(FinalGap, GD.claim.bound * sp.Rational(102, 100)))
    row = measure_cell(Cell(loose, {eta: Fraction(1), T: Fraction(10)}, 0.99), budget=Budget(steps=2 * 10**4))
    assert row.met is False
    assert not row.passed
    assert row.ratio == pytest.approx(1 / 1.02, rel=1e-3)


def test_whole_trajectories_stay_at_the_bias() -> None:
    # At every t the true ratio is at least 1, and the least of 1000 means is at most some four standard errors low:
    # 0.999 is passed with a chance below 1000 x 3e-5 x (the part of all t that is independent) < 1%.
    row = measure_trajectory(Fraction(4), Fraction(1, 100), seed=0)
    assert row.met, row
    assert row.error < 3e-4


def test_every_true_bound_has_a_cell() -> None:
    names = {cell.theorem.name for cell in catalogue_cells()}
    assert {"S1", "S2", "S3", "D1", "D2", "D3", "GD_exact", "K23_3_3"} <= names
    assert not any(name.endswith("_O") for name in names)
    assert all(CATALOGUE[name].expect == "true" for name in names)


def test_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table = tmp_path / "table.md"
    assert main(["gauge", "D0", "--budget", "5000steps", "--json", "--out", str(table)]) == ExitCode.AS_EXPECTED
    (row,) = json.loads(capsys.readouterr().out)
    assert set(row) == {
        *("name", "at", "ratio", "error", "target", "met", "exact", "steps", "seconds", "problem"),
    }
    assert row["ratio"] > 0.999
    assert row["exact"] == "holds"
    assert "| D0 |" in table.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gauge", "S2_T", "--budget", "0s"], "option '--budget'"),
        (["gauge", "K23_lower"], "K23_lower: no true bound"),
        (["gauge", "planted_bias_third"], "planted_bias_third: no true bound"),
        (["gauge", "D0", "--out", "missing/folder/table.md"], "no folder missing/folder"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == ExitCode.BAD_INPUT
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_row_says_what_it_is_worth() -> None:
    row = GaugeRow("S1", "", 1.01, 0.001, 0.999, "", 1, 1.0, "")
    assert row.passed
    assert row.met is False
    assert not replace(row, error=0.01).passed
    # By rounding alone, exact arithmetic says; a violation that it finds counts however small the ratio.
    rounded = replace(row, ratio=1 + 3e-12, error=0.0)
    assert rounded.passed
    for word in ("holds", "undecided"):
        assert not replace(rounded, exact=word).passed
        assert replace(rounded, exact=word).met is True
        assert replace(rounded, ratio=1 + 1e-7, exact=word).passed, "no rounding, whatever the check says"
    assert replace(rounded, ratio=1.0, exact="violated").passed
    assert "Equal to their bound" not in gauge_markdown([row])
    assert "can tell: S1 at nothing held" in gauge_markdown([replace(rounded, exact="undecided")])


def found_at(theorem: Theorem, problem: Problem, monkeypatch: pytest.MonkeyPatch) -> GaugeRow:
    """The row of a search that ends at this problem, with other letters at 1 but for L1, which is 0."""
    reading = Reading(theorem)
    choices: Choices = dict.fromkeys(reading.free, sp.Integer(1))
    if reading.slack_letter is not None:
        choices[reading.slack_letter] = sp.Integer(0)
    score, error = rescore(reading, problem, choices, 1, 0, 0)
    assert score > 1 + 1e-12, "in floats the bound is passed"
    ends = SearchResult((Candidate(problem, choices, score, error, ""),), score, 1, 1.0, 1)
    monkeypatch.setattr("harness.gauge.search", lambda *_, **__: ends)
    return measure_cell(Cell(theorem, {}))


def test_rounding_passes_no_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sum of two shapes whose gradients rounding enlarges, by 2e-12 of a bound that is met: exactly, it holds."""
    slope = sp.Rational(8875561, 262144)
    bent = {"curvature": sp.Integer(1), "slope": slope}
    start = (sp.Rational(9019901, 2147483648), sp.Rational(5894673, 33554432))
    none = Family("none", ({}, {}))
    problem = Problem(Family("log_cosh+huber", (bent, bent)), none, start, sp.Integer(1), sp.Integer(1), 1)
    row = found_at(D1_MIN, problem, monkeypatch)
    assert row.exact == "holds"
    assert not row.passed
    # The same problem and a bound that is 3e-12 too low: no float could tell.
    low = replace(D1_MIN, name="low", claim=Upper(MinGradientNorm, D1_MIN.claim.bound * (1 - sp.Rational(3, 10**12))))
    row = found_at(
        low, replace(problem, objective=Family("quadratic", ({"curvature": sp.Integer(1)},) * 2)), monkeypatch
    )
    assert row.exact == "violated"
    assert row.passed


def test_rounding_of_long_runs_passes_no_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """D3 is an equality on a quadratic: after 20,000 steps rounding alone is 1e-12 of it, and no enclosure is thin
    enough to tell both sides apart."""
    quadratic = Family("quadratic", ({"curvature": sp.Integer(1)},))
    start, step_size = (sp.Rational(3368793, 268435456),), sp.Rational(15071805, 274877906944)
    problem = Problem(quadratic, Family("none", ({},)), start, step_size, sp.Integer(1), 20000)
    row = found_at(CATALOGUE["D3"], problem, monkeypatch)
    assert row.exact == "undecided"
    assert not row.passed

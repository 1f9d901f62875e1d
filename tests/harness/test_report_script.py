"""The script of a report: NumPy alone, every quantity and family, and the engine's numbers."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from conftest import false_bias, make_finding, stuck_problem, trajectory_theorem

from fuzz.engine import Batch, Instance, run
from fuzz.instance import instance_of
from fuzz.problem import Family, FiniteLaw, Problem
from harness.report.standalone import MOST_LINES, standalone_script
from harness.statement import record_statement
from theorems.language import Rational, Source
from theorems.language.functions import NOISES, OBJECTIVES
from theorems.language.quantities import QUANTITIES

NUMPY_ALONE = """
import runpy, sys
allowed = set(sys.stdlib_module_names) | {"numpy"}
class Only:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in allowed:
            raise ImportError(f"{name} is not NumPy")
sys.meta_path.insert(0, Only())
sys.path = [p for p in sys.path if p]
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def test_words_of_a_theorem_file_do_not_run_in_the_script(tmp_path: Path) -> None:
    bomb = "x\nimport os\r\nraise SystemExit(9)\x0c\u2028'''\"\"\""
    theorem = false_bias(source=Source(bomb, bomb, version=bomb), title=bomb)
    script = tmp_path / "replay.py"
    script.write_text(standalone_script(make_finding(theorem, stuck_problem())), encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "VIOLATED" in done.stdout


@pytest.mark.parametrize("which", ["bias_finding", "run_finding"])
def test_the_script_needs_numpy_alone(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    finding = request.getfixturevalue(which)
    script = tmp_path / "replay.py"
    script.write_text(standalone_script(finding), encoding="utf-8")
    assert len(script.read_text().splitlines()) <= MOST_LINES
    done = subprocess.run(
        [sys.executable, "-c", NUMPY_ALONE, str(script)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    for word in ("claimed:", "measured:", "VIOLATED", finding.statement.quantity):
        assert word in done.stdout


def test_the_script_says_so_when_the_claim_holds(tmp_path: Path) -> None:
    script = tmp_path / "replay.py"
    script.write_text(standalone_script(make_finding(false_bias(), stuck_problem(), claimed=0.25, claimed_exact="1/4")))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "not violated here" in done.stdout


@pytest.mark.parametrize("quantity", ["StepChange", "Drift", "StuckGradientNorm", "FinalGap", "MinGradientNorm"])
def test_the_script_knows_every_quantity_in_any_dimension(quantity: str, tmp_path: Path) -> None:
    claim = QUANTITIES[quantity]
    theorem = false_bias()
    record = record_statement(theorem).model_copy(update={"quantity": quantity})
    problem = Problem(
        objective=Family("huber", ({"curvature": sp.Integer(1), "slope": sp.Integer(1)},) * 2),
        noise=Family("gaussian", ({"scale": Rational(1, 10)},) * 2),
        start=(Rational(1, 2), Rational(1, 3)),
        step_size=Rational(1, 10),
        clipping_threshold=sp.Integer(1),
        steps=20,
    )
    maximised = claim.adversary.value == "maximises"
    finding = make_finding(theorem, problem, statement=record, claimed=-9.0 if maximised else 9.0, claimed_exact=None)
    script = tmp_path / "replay.py"
    script.write_text(standalone_script(finding))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    # A gradient that is hardly noisy is no stuck point, and the script must see that.
    assert done.returncode == (1 if quantity == "StuckGradientNorm" else 0), done.stdout + done.stderr


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
@pytest.mark.parametrize("noise", sorted(NOISES))
def test_the_script_prints_every_family(objective: str, noise: str) -> None:
    numbers = {
        "curvature": 1, "slope": 1, "start": 2, "steep": 3, "quartic": 1, "scale": 1, "up": 1,
        "probability": Rational(1, 4), "degrees": 3, "sigma": 1, "index": 3, "wide": 9, "reach": 2, "low": 0, "high": 1,
        "growth": 1, "radius": 2,
    }  # fmt: skip
    atoms = FiniteLaw(((Rational(1, 4), (sp.Integer(3),)), (Rational(3, 4), (-sp.Integer(1),))))
    names = [p.name for p in NOISES[noise].parameters]
    # Widths and bends of pieces need no more than to be numbers.
    numbers = defaultdict(lambda: Rational(1, 2), {k: sp.sympify(v) for k, v in numbers.items()})
    problem = Problem(
        objective=Family(objective, ({p.name: numbers[p.name] for p in OBJECTIVES[objective].parameters},)),
        noise=atoms if noise == "finite" else Family(noise, ({name: numbers[name] for name in names},)),
        start=(sp.Integer(1),),
        step_size=Rational(1, 10),
        clipping_threshold=sp.Integer(1),
        steps=3,
    )
    script = standalone_script(make_finding(trajectory_theorem(), problem, values={}))
    assert len(script.splitlines()) <= MOST_LINES
    compile(script, "replay.py", "exec")


NEW_LAWS: dict[str, dict[str, sp.Expr]] = {
    "pareto": {"scale": -sp.Integer(1), "index": Rational(5, 2)},
    "contaminated_gaussian": {"scale": Rational(1, 2), "wide": sp.Integer(3), "probability": Rational(1, 8)},
    "vanishing_gaussian": {"scale": sp.Integer(1), "reach": sp.Integer(1)},
    "gradient_two_point": {"up": sp.Integer(3), "probability": Rational(1, 4)},
    "band_two_point": {
        "up": sp.Integer(3),
        "probability": Rational(1, 4),
        "low": Rational(1, 8),
        "high": sp.Integer(9),
    },
    "finite": {},
}


@pytest.mark.parametrize("noise", NEW_LAWS)
def test_scripts_draw_the_laws(noise: str, tmp_path: Path) -> None:
    """The script's mean, of noise of its own, is that of the engine: 5 joint standard errors, 6e-7 each, 6 laws."""
    two = (Rational(1, 4), (sp.Integer(3), sp.Integer(0))), (Rational(3, 4), (-sp.Integer(1), sp.Integer(0)))
    problem = Problem(
        objective=Family("quadratic", ({"curvature": sp.Integer(1)}, {"curvature": Rational(1, 2)})),
        noise=FiniteLaw(two) if noise == "finite" else Family(noise, (NEW_LAWS[noise],) * 2),
        start=(sp.Integer(1), sp.Integer(1)),
        step_size=Rational(1, 4),
        clipping_threshold=sp.Integer(1),
        steps=10,
    )
    script = tmp_path / "replay.py"
    script.write_text(standalone_script(make_finding(trajectory_theorem(), problem, values={}, claimed=0.01)))
    assert max(map(len, script.read_text().splitlines())) < 420
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("measured:"))
    mean, error = float(line.split()[1]), float(line.split()[-1])
    runs = run(Batch.of([instance_of(problem)]), 20_000).average_gradient_norm[0]
    assert abs(mean - runs.mean()) < 5 * math.hypot(error, float(runs.std()) / math.sqrt(20_000))
    assert not np.isclose(mean, run(Batch.of([quiet(problem)]), 1).average_gradient_norm[0, 0], rtol=0.01)


def quiet(problem: Problem) -> Instance:
    """The same run without noise."""
    return instance_of(replace(problem, noise=Family("none", ({},) * problem.dimension)))


@pytest.mark.parametrize("quantity", ["AverageGradientNorm", "FinalGap"])
@pytest.mark.parametrize("objective", ["piecewise_exponential", "huber+piecewise_quadratic"])
def test_the_script_runs_shapes_of_many_numbers_with_numpy_alone(objective: str, quantity: str, tmp_path: Path) -> None:
    """Without noise the script's number is the engine's; a claim just above is held, one just below falls."""
    known = {p.name: Rational(1, 3) for p in OBJECTIVES["piecewise_exponential"].parameters}
    known |= {"bend2": -Rational(2, 5), "bend4": sp.Integer(0), "width1": Rational(3, 2), "slope": Rational(1, 5)}
    parts = objective.split("+")
    numbers = tuple({p.name: known[p.name] for p in OBJECTIVES[part].parameters} for part in parts)
    problem = Problem(
        objective=Family(objective, numbers),
        noise=Family("none", ({},) * len(parts)),
        start=(Rational(17, 7), Rational(5, 3))[: len(parts)],
        step_size=Rational(1, 2),
        clipping_threshold=Rational(1, 4),
        steps=7,
    )
    found = run(Batch.of([instance_of(problem)]), 1)
    measured = float((found.final_gap if quantity == "FinalGap" else found.average_gradient_norm)[0, 0])
    record = record_statement(trajectory_theorem()).model_copy(update={"quantity": quantity})
    for factor, code in ((1 - 1e-9, 0), (1 + 1e-9, 1)):
        finding = make_finding(
            trajectory_theorem(), problem, statement=record, values={}, claimed=measured * factor, claimed_exact=None
        )
        script = tmp_path / "replay.py"
        script.write_text(standalone_script(finding))
        assert len(script.read_text().splitlines()) <= MOST_LINES
        done = subprocess.run(
            [sys.executable, "-c", NUMPY_ALONE, str(script)], capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr

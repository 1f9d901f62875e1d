"""The house: three floors, quick help, and floors that stand where the tools of the floors above are missing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "numba", "z3", "cvc5", "sympy", "numpy", "matplotlib", "pydantic", "hypothesis")
FORBIDDEN = {
    "theorems": {"fuzz", "harness", "torch", "z3", "cvc5", "numba", "numpy", "hypothesis", "flint", "pydantic"},
    "fuzz": {"harness", "z3", "cvc5", "flint", "pydantic", "ray", "jinja2", "matplotlib"},
}
IMPORT_ALL = """
import importlib, pkgutil, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ImportError(f"{{name}} is absent here")
sys.meta_path.insert(0, Absent())
package = importlib.import_module({floor!r})
for module in pkgutil.walk_packages(package.__path__, {floor!r} + "."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_help_loads_nothing_heavy() -> None:
    loaded = f"print([m for m in {HEAVY} if m in sys.modules])"
    done = python(f"import sys; from harness.cli import main; main(['--help']); {loaded}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    for command in (
        "list",
        "check",
        "fuzz",
        "run",
        "constant",
        "sharpness",
        "replay",
        "promote",
        "report",
        "campaign",
        "export",
        "bench",
        "gauge",
        "audit",
    ):
        assert command in done.stdout


@pytest.mark.parametrize("floor", sorted(FORBIDDEN))
def test_a_floor_stands_alone(floor: str) -> None:
    absent = FORBIDDEN[floor]
    done = python(IMPORT_ALL.format(absent=absent, floor=floor))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("floor", sorted(FORBIDDEN))
def test_no_file_names_what_its_floor_may_not_use(floor: str) -> None:
    for file in sorted((ROOT / floor).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names.append(node.module)
            used = {name.partition(".")[0] for name in names} & FORBIDDEN[floor]
            assert not used, f"{file.relative_to(ROOT)} imports {used}"


def test_scripts_are_valid_bash() -> None:
    for script in (
        "ci/quickstart",
        "ci/test",
        "ci/test-browser",
        "ci/lint",
        "ci/environment.sh",
        "ci/workflow.sh",
        "ci/pull-request",
        "ci/nightly",
        "ci/weekly",
        "ci/comment",
        "ci/open-issue",
        ".ci/run",
    ):
        done = subprocess.run(["bash", "-n", str(ROOT / script)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_what_is_left_to_the_night_is_slow_and_run_by_night() -> None:
    """Or it would be in the fast suite, or nowhere."""
    files = [str(f) for f in (ROOT / "tests").rglob("test_*.py") if "mark." + "night" in f.read_text(encoding="utf-8")]

    def collected(marks: str) -> list[str]:
        options = ["-q", "--collect-only", "-p", "no:cacheprovider", "-m", marks]
        command = [sys.executable, "-m", "pytest", *options, *files]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        return [line for line in done.stdout.splitlines() if "::" in line]

    assert collected("night")
    assert collected("night and not slow") == []
    assert "run: bash ci/test --night\n" in (ROOT / ".github" / "workflows" / "nightly.yml").read_text(encoding="utf-8")
    test = (ROOT / "ci" / "test").read_text(encoding="utf-8")
    assert '-m "not slow"' in test
    assert '-m "slow and not night"' in test
    assert "-m night" in test

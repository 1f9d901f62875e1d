"""The pytest plugin inside this process: what is collected, how items end, and what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import numba  # noqa: F401  (the inner sessions forget what they import themselves)
import pytest
import torch  # noqa: F401
from conftest import ENTRY, false_bias, make_finding, plugin, stuck_problem

import harness.plugin.items
import harness.plugin.nights
import harness.plugin.outcomes
import harness.prove.solve  # noqa: F401
from harness.attack import FuzzResult
from harness.cli import main
from harness.evidence import ALPHA
from harness.finding import load_finding
from harness.plugin.options import ALPHA as PLUGIN_ALPHA
from harness.plugin.options import OptionError, PluginOptions, share
from harness.plugin.outcomes import Outcome, check_outcome, fuzz_outcome
from harness.prove.check import CheckResult, ObligationResult
from harness.regression import promote
from harness.verdicts import SearchVerdict
from theorems.language import Theorem

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]
HEAD = "from theorems.language import BoundedVariance, Source, StuckGradientNorm, Theorem, Upper, c, sigma\n"
CLAIM = """
{variable} = Theorem(
    name="{name}", source=Source("A draft", "Lemma 1"), given=[BoundedVariance(sigma)], when=[sigma <= 2 * c],
    claim=Upper(StuckGradientNorm, sigma**2 / ({number} * c)), {more}
)
"""
CACHE = os.environ.get("CLIPBOUNDS_CACHE") or str(Path.home() / ".cache" / "clipbounds")
# Playwright's plugin does not bear a session inside a session.
PLUGINS = ("-p", plugin(), "-p", "no:cacheprovider", "-p", "no:playwright")
BY_SEARCH, BY_ALGEBRA = 'expect="refuted", falls_by="search"', 'expect="refuted", falls_by="algebra"'


@pytest.fixture(autouse=True)
def _warm(monkeypatch: pytest.MonkeyPatch) -> None:
    """``pytester`` moves the home; compiled kernels and answers are where they were. Test modules of the session
    outside, which has some of the same names, are put aside."""
    monkeypatch.setenv("CLIPBOUNDS_CACHE", CACHE)
    for name in ("test_findings", "test_plain"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def claim(name: str = "bias", number: int = 5, more: str = "", variable: str = "bias") -> str:
    return CLAIM.format(name=name, number=number, more=more, variable=variable)


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess(*PLUGINS, *arguments)


def written(pytester: pytest.Pytester, **files: str) -> None:
    for name, text in files.items():
        file = pytester.path / (name.replace("__", "/") + ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def collected(pytester: pytest.Pytester, *arguments: str) -> list[str]:
    done = run(pytester, "--collect-only", "-q", *arguments)
    return [line for line in done.outlines if "::" in line]


# -- what is collected -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_example_repository(pytester: pytest.Pytester) -> None:
    pytester.copy_example(str(ROOT / "tests" / "example_repository"))
    done = run(pytester, "--junitxml=junit.xml", "--fuzz-budget", "20000steps")
    assert done.ret == 0, done.stdout.str()
    done.assert_outcomes(passed=5, xfailed=3)
    cases = {
        f"{case.get('classname')}::{case.get('name')}": case
        for case in ElementTree.parse(pytester.path / "junit.xml").iter("testcase")
    }
    assert list(cases) == [
        "claims.bias.check::bias",
        "claims.bias.check::bias_of_version_1",
        "claims.bias.fuzz::bias",
        "claims.convergence.check::rate",
        "claims.convergence.check::no_bias",
        "claims.convergence.fuzz::rate",
        "claims.convergence.fuzz::no_bias",
        "test_plain::test_arithmetic",
    ]
    numbers = {p.get("name"): p.get("value") for p in cases["claims.convergence.fuzz::rate"].iter("property")}
    assert numbers["clipbounds_verdict"] in ("not_found", "achieved")
    assert 0 < float(numbers["clipbounds_score"] or 0) <= 1
    fallen = cases["claims.convergence.fuzz::no_bias"].find("skipped")
    assert fallen is not None
    assert fallen.get("type") == "pytest.xfail"
    assert "falls as declared: refuted" in str(fallen.get("message"))


def test_without_theorems_nothing_happens(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\n"
        "def test_light():\n"
        "    heavy = {'sympy', 'numpy', 'torch', 'numba', 'z3', 'pydantic', 'harness.plugin.items', 'fuzz'}\n"
        "    assert not heavy & set(sys.modules)\n"
    )
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\naddopts = --strict-markers --strict-config\nfilterwarnings = error\n"
    )
    # Of plugins that are installed here some are heavy; a session without them shows what ours brings.
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", plugin()],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": f"{ROOT}{os.pathsep}{ENTRY}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PATH": ""},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "clipbounds" not in done.stdout


def test_packages_of_the_same_names_are_not_hidden(tmp_path: Path) -> None:
    """Neither where the repository is on the path from the start nor where pytest puts it there."""
    for name in ("harness", "fuzz", "theorems"):
        (tmp_path / "tests" / name).mkdir(parents=True)
        (tmp_path / "tests" / name / "__init__.py").write_text("MINE = True\n")
    (tmp_path / "tests" / "test_it.py").write_text(
        "import fuzz, harness, theorems\ndef test_mine():\n    assert fuzz.MINE and harness.MINE and theorems.MINE\n"
    )
    for path in ("", str(tmp_path / "tests")):
        first = f"sys.path[:0] = [{path!r}]; " if path else ""
        start = f"import sys; {first}sys.path += [{str(ROOT)!r}, {str(ENTRY)!r}]; import pytest"
        code = (
            f"{start}; sys.argv = ['pytest', '-q', '-p', {plugin()!r}, *sys.argv[1:]]; raise SystemExit(pytest.main())"
        )
        environment = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PATH": ""}
        run = [sys.executable, "-c", code]
        done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run(
        [*run, "--theorems", "tests"], capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "its package 'harness' is hidden by" in done.stderr


def test_the_plugin_imports_nothing_of_weight_where_there_are_no_theorems(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text("def test_one(): pass\n")
    heavy = {"numpy", "sympy", "torch", "numba", "z3", "hypothesis", "theorems", "fuzz", "harness"}
    code = (
        f"import sys, pytest; code = pytest.main(['-q', '-p', {plugin()!r}]); "
        f"print('loaded', sorted({heavy!r} & set(sys.modules))); raise SystemExit(code)"
    )
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ENTRY)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "loaded []" in done.stdout


def test_folders_are_searched_and_test_modules_left_alone(pytester: pytest.Pytester) -> None:
    written(
        pytester,
        claims__one=HEAD + claim(),
        claims__deep__two=HEAD + claim(),
        claims__helper="from theorems.language import Theorem\n",
        claims__other="x = 1 / 0\n",
        claims__test_mine=HEAD + "def test_it():\n    assert Theorem\n",
        claims__build__three=HEAD + claim(),
        test_else="def test_else(): pass\n",
    )
    wanted = [
        "claims/deep/two.py::check::bias",
        "claims/deep/two.py::fuzz::bias",
        "claims/one.py::check::bias",
        "claims/one.py::fuzz::bias",
        "claims/test_mine.py::test_it",
    ]
    # Two files may use one name: the file tells their items apart.
    assert sorted(collected(pytester, "--theorems", "claims")) == [*wanted, "test_else.py::test_else"]
    assert sorted(collected(pytester, "--theorems", "claims", "claims")) == wanted
    assert collected(pytester, "--theorems", "claims", "claims/one.py::fuzz::bias") == ["claims/one.py::fuzz::bias"]
    assert collected(pytester, "--theorems", "claims", "-m", "clipbounds_fuzz", "-k", "one") == [
        "claims/one.py::fuzz::bias"
    ]
    assert collected(pytester) == ["claims/test_mine.py::test_it", "test_else.py::test_else"]


def test_the_ini_key_is_meant_by_a_plain_run_only(pytester: pytest.Pytester) -> None:
    written(pytester, claims__one=HEAD + claim(), tests__test_else="def test_else(): pass\n")
    pytester.makeini("[pytest]\nclipbounds_theorems = claims/one.py\ntestpaths = tests\naddopts = --strict-config\n")
    # As an argument, one.py would be imported as a test module too, if the plugin did not prevent that.
    ours = ["claims/one.py::check::bias", "claims/one.py::fuzz::bias"]
    assert sorted(collected(pytester)) == [*ours, "tests/test_else.py::test_else"]
    assert collected(pytester, "tests") == ["tests/test_else.py::test_else"]
    assert collected(pytester, "claims/one.py") == ours
    assert collected(pytester, "--theorems", "claims/one.py", "tests")[-2:] == ours


def test_what_is_declared_to_fall_is_not_cut_and_not_searched_in_vain(pytester: pytest.Pytester) -> None:
    written(
        pytester,
        claims=HEAD
        + claim("stands", 4)
        + claim("by_search", 5, BY_SEARCH, "b")
        + claim("by_algebra", 5, BY_ALGEBRA, "a")
        + claim("empty", 5, 'expect="vacuous"', "v"),
    )
    names = [line.partition("::")[2] for line in collected(pytester, "--theorems", "claims.py", "--fuzz-parts", "2")]
    assert names == [
        *("check::stands", "check::by_search", "check::by_algebra", "check::empty"),
        *("fuzz::stands[1/2]", "fuzz::stands[2/2]", "fuzz::by_search"),
    ]


def test_the_catalogue_itself(pytester: pytest.Pytester) -> None:
    """Its files give the catalogue's own statements, so that no name is used twice; the language states nothing."""
    lines = collected(pytester, "--theorems", str(ROOT / "theorems"))
    assert any(line.endswith("s2_bias.py::check::S2") for line in lines)
    assert not any("language" in line for line in lines)
    assert len(lines) == len(set(lines))


BROKEN = {
    "a syntax error": ("from theorems.language import Theorem\nx = = 1", "syntax error"),
    "a name of the catalogue": (HEAD + claim("S2"), "the catalogue has one of that name"),
    "a name used twice": (HEAD + claim() + claim(variable="again"), "already used"),
    "a float literal": (HEAD + claim().replace("/ (5 * c)", "* 0.2 / c"), "float literal"),
    "an exception": (HEAD + claim() + "1 / 0\n", "ZeroDivisionError"),
    "a warning, where warnings are errors": (HEAD + claim() + "import warnings; warnings.warn('old')\n", "UserWarning"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_malformed_file_is_one_clear_line(what: str, pytester: pytest.Pytester) -> None:
    text, word = BROKEN[what]
    written(pytester, claims=text)
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    done = run(pytester, "--theorems", "claims.py")
    assert done.ret == pytest.ExitCode.INTERRUPTED
    told = [line for line in done.outlines if "claims.py" in line and word in line]
    assert told
    assert "Traceback" not in done.stdout.str()
    start = next(i for i, line in enumerate(done.outlines) if "ERROR collecting" in line)
    end = next(i for i, line in enumerate(done.outlines) if "short test summary" in line)
    assert end - start == 2, done.stdout.str()


def test_a_named_file_must_state_something(pytester: pytest.Pytester) -> None:
    written(pytester, claims="x = 1\n")
    assert "defines no Theorem" in run(pytester, "--theorems", "claims.py").stdout.str()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--theorems", "absent"), "no such file or folder"),
        (("--theorems", ".", "--fuzz-budget", "soon"), "--fuzz-budget"),
        (("--theorems", ".", "--fuzz-device", "abacus"), "--fuzz-device"),
        (("--theorems", ".", "--fuzz-seed", "-1"), "--fuzz-seed"),
        (("--theorems", ".", "--fuzz-parts", "0"), "--fuzz-parts"),
        (("--theorems", ".", "--clipbounds-profile", "weekly"), "--clipbounds-profile"),
    ],
)
def test_a_bad_option_is_one_line(arguments: tuple[str, ...], word: str, pytester: pytest.Pytester) -> None:
    done = run(pytester, *arguments)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in done.errlines if line.strip()] == [line for line in done.errlines if word in line]


# -- how items end ---------------------------------------------------------------------------------------------------


def test_a_wrong_claim_fails_in_a_few_lines(pytester: pytest.Pytester) -> None:
    written(pytester, claims=HEAD + claim())
    done = run(pytester, "--theorems", "claims.py", "--fuzz-budget", "20000steps", "-m", "clipbounds_fuzz")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    start = next(i for i, line in enumerate(done.outlines) if "fuzz::bias" in line and line.startswith("___"))
    end = next(i for i, line in enumerate(done.outlines) if "short test summary" in line)
    shown = done.outlines[start + 1 : end]
    assert len(shown) <= 8
    labels = [line.split()[0] for line in shown[1:]]
    assert labels == ["claim", "instance", "ratio", "evidence", "suspected", "replay"]
    assert "1.25 (measured 1/4, claimed 1/5)" in shown[3] or float(shown[3].split()[1]) > 1
    finding = load_finding(pytester.path / shown[-1].split()[-1])
    assert finding.verdict == "refuted"
    # The command works as it is printed.
    assert shown[-1].split()[:3] == ["replay", "clipbounds", "replay"]
    assert main(shown[-1].split()[2:]) == 0
    assert (pytester.path / ".clipbounds" / ".gitignore").read_text().endswith("*\n")


def test_what_is_declared_false_must_fall(pytester: pytest.Pytester) -> None:
    written(
        pytester,
        claims=HEAD
        + claim("survives", 4, BY_SEARCH, "s")
        + claim("falls", 5, BY_SEARCH, "f")
        + claim("consistent", 4, BY_ALGEBRA, "k"),
    )
    done = run(pytester, "--theorems", "claims.py", "--fuzz-budget", "20000steps", "-rfxp")
    lines = "\n".join(done.outlines)
    # The check of what a search must fell passes unless the statement is proved; that of 1/5 falls by algebra already.
    done.assert_outcomes(failed=2, xfailed=2, passed=1)
    assert "survives: declared refuted, but it survived\n" in lines
    assert "consistent: declared refuted, but it is no_proof\n" in lines
    assert "XFAIL claims.py::fuzz::falls - falls as declared: refuted" in lines


def test_examples_are_held_against_todays_statement(pytester: pytest.Pytester) -> None:
    found = make_finding(false_bias(name="bias"), stuck_problem())
    source = pytester.path / "FINDING.json"
    source.write_text(found.text())
    promote(source, pytester.path / "tests" / "regressions")
    written(pytester, claims=HEAD + claim())
    done = run(pytester, "--theorems", "claims.py", "-m", "clipbounds_example")
    done.assert_outcomes(failed=1, deselected=3)
    assert f"example::bias[{found.id}]" in done.stdout.str()
    assert "bias: refuted by a finding of old\n" in done.stdout.str()
    for mended in (claim(number=4), claim(number=3), claim(number=5, more=BY_SEARCH)):
        written(pytester, claims=HEAD + mended)
        done = run(pytester, "--theorems", "claims.py", "-m", "clipbounds_example")
        assert done.ret == 0, done.stdout.str()
    written(pytester, claims=HEAD + claim(number=4, more=BY_SEARCH))
    run(pytester, "--theorems", "claims.py", "-m", "clipbounds_example").assert_outcomes(failed=1, deselected=3)
    written(pytester, claims=HEAD + claim(number=4).replace("sigma <= 2 * c", "sigma >= 2 * c"))
    done = run(pytester, "--theorems", "claims.py", "-m", "clipbounds_example", "-rA")
    done.assert_outcomes(passed=1, deselected=3)
    (kept,) = (pytester.path / "tests" / "regressions").glob("*.json")
    kept.write_text(kept.read_text().replace('"seed": 0', '"seed": 1'))
    done = run(pytester, "--theorems", "claims.py", "-m", "clipbounds_example")
    assert done.ret == pytest.ExitCode.INTERRUPTED
    assert "was changed after sealing" in done.stdout.str()


def checked(theorem: Theorem, verdict: str, *obligations: ObligationResult) -> Outcome:
    return check_outcome(theorem, CheckResult(theorem.name, theorem.expect, verdict, obligations, (), (), 0.1))


def test_no_verdict_of_a_check_slips_through() -> None:
    """Every verdict under every expectation: only the announced fall is an xfail, and unknown never passes."""
    verdicts = (
        "proved",
        "proved by z3 alone",
        "refuted",
        "broken_proof",
        "vacuous",
        "ill_formed",
        "no_proof",
        "unknown",
    )
    for expect in ("true", "refuted", "broken_proof", "vacuous", "ill_formed"):
        theorem = false_bias(expect=expect, falls_by="search" if expect == "refuted" else None)
        for verdict in verdicts:
            kind = checked(theorem, verdict).kind
            if verdict == "unknown":
                assert kind == "fail"
            elif expect == "true":
                assert kind == ("pass" if verdict in ("proved", "proved by z3 alone", "no_proof") else "fail")
            elif verdict == expect:
                assert kind == "xfail"
            elif expect == "refuted" and verdict in ("no_proof", "broken_proof"):
                assert kind == "pass"
            else:
                assert kind == "fail", (expect, verdict)


def test_a_countermodel_is_shown() -> None:
    step = ObligationResult("jensen", "step", "refuted", model={"c": "1", "m": "2"}, reason="countermodel")
    text = checked(false_bias(), "broken_proof", step).text(None)
    assert text.splitlines()[0] == "false-bias: broken_proof(jensen)"
    assert "model     jensen: c = 1, m = 2" in text


def searched(theorem: Theorem, verdict: SearchVerdict, score: float | None, warning: str = "") -> Outcome:
    result = FuzzResult(
        theorem.name, theorem.expect, verdict, score, score, None, None, "", 10, 0.1, "Told.", warning=warning
    )
    return fuzz_outcome(theorem, result, None, 0, 1e-7)


def test_a_search_that_did_nothing_is_no_pass() -> None:
    theorem = false_bias()
    assert searched(theorem, SearchVerdict.NOT_FOUND, 0.9).kind == "pass"
    assert searched(theorem, SearchVerdict.NOT_FOUND, None).kind == "skip"
    assert searched(theorem, SearchVerdict.NOT_FOUND, 0.9, warning="two engines differ").kind == "fail"
    declared = false_bias(expect="refuted", falls_by="search")
    assert searched(declared, SearchVerdict.NOT_FOUND, 0.9).kind == "fail"
    assert searched(declared, SearchVerdict.NOT_FOUND, None).kind == "fail"


def test_a_proved_statement_that_falls_is_called_neither() -> None:
    theorem = false_bias()
    result = FuzzResult("false-bias", "true", SearchVerdict.REFUTED, 1.25, 1.25, None, None, "", 10, 0.1, "Told.")
    proved = CheckResult("false-bias", "true", "proved", (), (), (), 0.1)
    outcome = fuzz_outcome(theorem, result, proved, 0, 1e-7)
    assert (outcome.kind, outcome.says) == ("fail", "false-bias: unknown, which never passes")
    assert "Contradiction" in outcome.text(None)


# -- shares and budgets ----------------------------------------------------------------------------------------------


def test_the_shares_of_all_items_add_up_to_alpha() -> None:
    assert PLUGIN_ALPHA == ALPHA
    total = 0.0
    for file in range(1, 60):
        for theorem in range(1, 60):
            total += share("check", file, theorem)
            total += sum(share("fuzz", file, theorem, part, 7) for part in range(1, 8))
            total += sum(share("example", file, theorem, place) for place in range(1, 60))
    assert 0.9 * ALPHA < total < ALPHA
    # In exact numbers a single file with a single theorem has a twelfth of alpha for each kind.
    assert Fraction(share("fuzz", 1, 1)) == Fraction(ALPHA / 2 / 2 / 3)
    for bad in ((0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1), (1, 1, 3, 2)):
        with pytest.raises(ValueError, match="ranks count from 1"):
            share("fuzz", *bad)


def options(**changes: object) -> PluginOptions:
    fields: dict[str, object] = {
        "paths": (),
        "profile": "ci",
        "budget_text": "",
        "device": "cpu",
        "seed": 3,
        "parts": 4,
        "out": Path("out"),
        "regressions": Path("r"),
    }
    return PluginOptions(**{**fields, **changes})  # type: ignore[arg-type]


def test_the_profile_ci_has_no_clock() -> None:
    assert options(budget_text="2s").budget(one_step=True).steps == 50_000
    assert options(budget_text="2s").budget(one_step=False).steps == 10_000_000
    assert options().budget(one_step=True).seconds is None
    assert options(budget_text="123steps").budget(one_step=True).steps == 123
    assert options(profile="nightly", budget_text="2s").budget(one_step=True).seconds == 2
    assert "nominal seconds (50,000 atoms or 10,000,000 steps)" in options(budget_text="2s").header()


def test_parts_have_seeds_of_their_own() -> None:
    seeds = [options().part_seed(part) for part in range(1, 5)]
    assert seeds[0] == 3
    assert len(set(seeds)) == 4
    assert seeds == [options().part_seed(part) for part in range(1, 5)]
    assert all(0 <= seed < 2**63 for seed in seeds)
    with pytest.raises(OptionError, match="--fuzz-parts"):
        options(parts=1001)

"""Findings as files: exact round trips, and one clear line for a file that is no good."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sympy as sp

from harness.finding import Finding, FindingError, load_finding
from harness.finding_expr import ExpressionError, aliases, read, write
from harness.statement import record_statement
from theorems.catalogue import load_catalogue
from theorems.language import ONE, And, Implies, Max, Or, Parameter, Piecewise, Rational, c, m, sigma, sqrt
from theorems.language.quantities import QUANTITIES

AWKWARD = [Parameter("b'", ONE), Parameter("lambda", ONE), Parameter("Min", ONE), Parameter("__import__('os')", ONE)]


@pytest.mark.parametrize(
    "formula",
    [
        sigma**2 / (5 * c),
        Piecewise((sigma**2 / (4 * c), sigma <= 2 * c), (sigma - c, True)),
        And(sigma >= 2 * c, m > 0),
        Or(m > c, sigma < c),
        Implies(m <= c, sigma <= c),
        sp.Eq(sigma, 0),
        sp.Ge(c, 0, evaluate=False),
        Max(0, m - c) ** Rational(3, 2),
        sqrt(m) + sp.ceiling(sigma / c),
        sum(AWKWARD) * c,
    ],
)
def test_formulas_survive_the_file(formula: Any) -> None:
    names = aliases([sigma, c, m, *AWKWARD])
    text = write(formula, names)
    assert read(text, {alias: letter for letter, alias in names.items()}) == formula


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "c.__class__",
        "9**9**9",
        "(2**4096)**4096",
        "1.5*c",
        "x + 1",
        "[c]",
        "c if c else c",
        "lambda: c",
        "c/0",
        "sqrt()",
        "c <= c <= c",
        "(" * 400,
        "c" * 30_000,
        "",
    ],
)
def test_the_reader_knows_nothing_but_formulas(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        read(text, {"c": c})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", list(load_catalogue()))
def test_every_statement_of_the_catalogue_is_rebuilt_from_its_record(name: str) -> None:
    theorem = load_catalogue()[name]
    rebuilt = record_statement(theorem).theorem()
    assert sp.simplify(rebuilt.bound - theorem.bound) == 0
    assert type(rebuilt.claim) is type(theorem.claim)
    assert rebuilt.claim.quantity is QUANTITIES[theorem.claim.quantity.name]
    assert set(rebuilt.conditions) == set(theorem.conditions)
    assert [str(a) for a in rebuilt.given] == [str(a.substitute(dict(theorem.where))) for a in theorem.given]
    assert rebuilt.parameters == theorem.parameters


def test_a_finding_survives_its_file(bias_finding: Finding, tmp_path: Path) -> None:
    file = tmp_path / "FINDING.json"
    file.write_text(bias_finding.text())
    again = load_finding(file)
    assert again == bias_finding
    assert again.to_problem() == bias_finding.to_problem()
    assert again.parameter_values() == {c: 1, sigma: 1}


def test_the_id_is_the_content(finding_of: Callable[..., Finding], bias_finding: Finding) -> None:
    from conftest import false_bias, stuck_problem

    assert finding_of(false_bias(), stuck_problem(), seed=7).id == bias_finding.id
    assert finding_of(false_bias(), stuck_problem(), values={"c": "1", "sigma": "1/2"}).id != bias_finding.id


def test_every_single_change_is_noticed(bias_finding: Finding, tmp_path: Path) -> None:
    data = json.loads(bias_finding.text())
    file = tmp_path / "FINDING.json"
    for key, value in data.items():
        if key in ("sha256", "schema_version"):
            continue
        changed = {**data, key: value + 1 if isinstance(value, float | int) else "1" if value is None else "x"}
        file.write_text(json.dumps(changed))
        with pytest.raises(FindingError, match="field"):
            load_finding(file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 2], "not JSON, perhaps truncated"),
        (lambda text: "", "not JSON"),
        (lambda text: "[]", "field 'schema_version'"),
        (lambda text: text.replace('"schema_version": 2', '"schema_version": 99'), "99 is none of the versions 1 to 2"),
        (lambda text: text.replace('"1/5"', '"1/6"', 1), "field 'sha256'"),
        (lambda text: resealed(text.replace('"name": "false-bias"', '"name": "../../etc"')), "statement.name"),
        (lambda text: resealed(text.replace('"seed": 0', '"seed": "0"')), "field 'seed'"),
        (lambda text: resealed(text.replace('"alpha": 1e-06', '"alpha": NaN')), "field"),
        (lambda text: resealed(text.replace('"schema_version": 2', '"schema_version": 1')), "field 'account'"),
        (lambda text: resealed(text.replace('"schema_version": 2', '"schema_version": true')), "True is none of"),
        (lambda text: resealed(re.sub('"id": "[0-9a-f]+"', '"id": "0123456789ab"', text)), "field 'id'"),
        (lambda text: resealed(text.replace('"family": "quadratic"', '"family": "cubic"')), "unknown objective"),
    ],
)
def test_bad_files_are_told_in_one_line(
    change: Callable[[str], str], message: str, bias_finding: Finding, tmp_path: Path
) -> None:
    file = tmp_path / "FINDING.json"
    file.write_text(change(bias_finding.text()))
    with pytest.raises(FindingError) as caught:
        load_finding(file)
    text = str(caught.value)
    assert text.startswith(str(file))
    assert message in text
    assert "\n" not in text


def resealed(text: str) -> str:
    """A forger's file: changed, and hashed again, with the id that belongs to it."""
    data = json.loads(text)
    about = {key: data[key] for key in ("verdict", "problem", "values", "statement")}
    if "0123456789ab" not in text:
        data["id"] = digest(about)[:12]
    data["sha256"] = digest({key: value for key, value in data.items() if key != "sha256"})
    return json.dumps(data)


def digest(data: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def test_an_older_version_of_the_package_is_named(bias_finding: Finding, tmp_path: Path) -> None:
    changed = bias_finding.text().replace('"family": "quadratic"', '"family": "cubic"')
    file = tmp_path / "FINDING.json"
    file.write_text(resealed(re.sub('"clipbounds": "[^"]+"', '"clipbounds": "0.0.7"', changed)))
    with pytest.raises(FindingError, match=r"unknown objective 'cubic'.*; written by clipbounds 0\.0\.7, this is"):
        load_finding(file)


FIXTURES = Path(__file__).parent / "fixtures"


@pytest.mark.parametrize("kind", ["exact", "sampled"])
def test_a_finding_of_version_1_is_read_as_it_is(kind: str, tmp_path: Path) -> None:
    file = FIXTURES / f"finding-v1-{kind}.json"
    finding = load_finding(file)
    assert finding.schema_version == 1
    assert finding.account is finding.stuck is finding.definitions is None
    assert finding.text() == file.read_text(encoding="utf-8")
    tampered = tmp_path / "FINDING.json"
    tampered.write_text(file.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(FindingError, match="sha256"):
        load_finding(tampered)


def test_a_missing_or_binary_file_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(FindingError, match="no such file"):
        load_finding(tmp_path / "none.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FindingError, match="cannot be read"):
        load_finding(tmp_path / "binary.json")
    with pytest.raises(FindingError, match="cannot be read"):
        load_finding(tmp_path)

"""A malformed statement is refused on construction with one line that names file, theorem and field."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest
import sympy as sp

from theorems.language import (
    GRADIENT,
    AverageGradientNorm,
    BoundedVariance,
    Case,
    Cite,
    Domain,
    Drift,
    ExactGradients,
    Floor,
    Parameter,
    Rational,
    Source,
    SpecialCase,
    Split,
    StatementError,
    Step,
    StuckGradientNorm,
    Theorem,
    Upper,
    Witness,
    c,
    m,
    sample_p,
    sample_rho,
    sigma,
)
from theorems.language.quantities import Adversary, Average, Quantity
from theorems.language.rules import Licence, Rule, tangent_point
from theorems.language.units import ONE, UnitError, check_condition, scaled, unit_of
from theorems.language.walk import definedness, evaluate, parse_exact, show_exact
from theorems.sharp.s2_bias import exact_bias

GOOD = {
    "name": "mine",
    "source": Source("My draft", "Theorem 1"),
    "given": [BoundedVariance(sigma)],
    "when": [],
    "claim": Upper(StuckGradientNorm, sigma**2 / (5 * c)),
}


def test_a_good_statement_is_accepted_and_knows_its_parameters() -> None:
    theorem = Theorem(**GOOD)
    assert [p.name for p in theorem.parameters] == ["c", "sigma"]
    assert Path(theorem.defined[0]).name == "test_language.py"
    assert theorem.claim.relation == sp.Le(StuckGradientNorm, sigma**2 / (5 * c))


class Jensen(Rule):
    """A rule that gives what it is asked, under the name of another."""

    def licence(self, theorem: Theorem, facts: object) -> Licence:
        return Licence(StuckGradientNorm <= 0)


class MyVariance(BoundedVariance):
    """An assumption that looks like another."""


class MyUpper(Upper):
    """A claim whose relation could be another."""


def _turned() -> Quantity:
    """A copy of a quantity, with the other direction."""
    g = StuckGradientNorm
    return Quantity(g.name, g.unit, g.scope, Adversary.MINIMISES, g.definition, g.origin, True)


def _by_average() -> sp.Expr:
    mean = Average(sp.Piecewise((m, m <= c), (c, True)))
    return sp.Piecewise((sigma, mean <= c), (c, True))


MALFORMED = {
    "empty name": ({"name": ""}, "name"),
    "name that leaves its folder": ({"name": "../../evil"}, "name"),
    "missing source": ({"source": None}, "source"),
    "empty claim": ({"claim": None}, "claim"),
    "claim without a bound": ({"claim": Upper(StuckGradientNorm, None)}, "claim"),
    "unknown quantity": ({"claim": Upper(sp.Symbol("norm"), sigma)}, "claim"),
    "unknown symbol": ({"claim": Upper(StuckGradientNorm, sigma * sp.Symbol("kappa"))}, "claim"),
    "float in the bound": ({"claim": Upper(StuckGradientNorm, 0.25 * sigma)}, "claim"),
    "float as the bound": ({"claim": Upper(StuckGradientNorm, 0.25)}, "claim"),
    "float in a condition": ({"when": [sigma <= 0.5 * c]}, "when"),
    "condition decided by Python": ({"when": [1 < 2]}, "when"),
    "not a condition": ({"when": [sigma]}, "when"),
    "unknown assumption": ({"given": ["smooth"]}, "given"),
    "text for a list": ({"given": "smooth"}, "given"),
    "upper bound on a drift": ({"claim": Upper(Drift, c)}, "claim"),
    "floor of a gradient norm": ({"claim": Floor(StuckGradientNorm, c)}, "claim"),
    "a point's letter in a run's claim": ({"claim": Upper(AverageGradientNorm, m)}, "claim"),
    "unknown expectation": ({"expect": "maybe"}, "expect"),
    "refuted without a way": ({"expect": "refuted"}, "falls_by"),
    "step built on nothing": ({"proof": [Step("a", gives=sigma >= c, from_=["b"])]}, "proof"),
    "step used by none": ({"proof": [Step("a", gives=sigma >= c), Step("b", gives=sigma >= c)]}, "proof"),
    "step named twice": ({"proof": [Step("a", gives=sigma >= c), Step("a", gives=sigma >= c)]}, "proof"),
    "smt step that gives nothing": ({"proof": [Step("a")]}, "proof"),
    "float in a split": ({"proof": [Split("a", gives=sigma >= 0.5 * c, cases=[Case(sigma >= c)])]}, "proof"),
    "abbreviation without a unit": ({"where": {sp.Symbol("b"): sigma}}, "where"),
    "abbreviation of the threshold": ({"where": {c: sigma}}, "where"),
    "abbreviation of a sample's letter": ({"where": {sample_p: sigma}}, "where"),
    "two abbreviations of one name": (
        {"where": {Parameter("b", GRADIENT): sigma, Parameter("b", ONE): c / c}},
        "where",
    ),
    "condition on a sample": ({"when": [sample_rho <= c]}, "when"),
    "condition on the tangent point": ({"when": [tangent_point <= c]}, "when"),
    "bound with an average": ({"claim": Upper(StuckGradientNorm, Average(sigma))}, "claim"),
    "an assumption at one point": ({"given": [BoundedVariance(m)]}, "given"),
    "an assumption of one's own": ({"given": [MyVariance(sigma)]}, "given"),
    "a claim of one's own": ({"claim": MyUpper(StuckGradientNorm, sigma)}, "claim"),
    "a quantity turned round": ({"claim": Upper(_turned(), sigma)}, "claim"),
    "a rule of one's own": ({"proof": [Step("a", gives=StuckGradientNorm <= 0, by=Jensen())]}, "proof"),
    "no justification": ({"proof": [Step("a", gives=sigma >= c, by=None)]}, "proof"),
    "a branch by an average": ({"proof": [Step("a", gives=StuckGradientNorm <= _by_average())]}, "proof"),
    "a case that is no condition": ({"proof": [Split("a", gives=sigma >= c, cases=[Case(True)])]}, "proof"),
    "a float in a case": ({"proof": [Split("a", gives=sigma >= c, cases=[Case(sigma >= 0.5 * c)])]}, "proof"),
    "a citation of nothing": ({"proof": [Cite("a", "S2")]}, "proof"),
    "a float in a citation": ({"proof": [Cite("a", exact_bias, {sigma: 0.5 * c})]}, "proof"),
    "a float in a special case": (
        {"special_cases": [SpecialCase("a", gives=StuckGradientNorm <= c, at={sigma: 0.5 * c})]},
        "special_cases",
    ),
    "a float in a witness": ({"witness": [Witness("w", "quadratic", {}, when=(sigma >= 0.5 * c,))]}, "witness"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_statement_is_refused_in_one_line(name: str) -> None:
    change, field = MALFORMED[name]
    with pytest.raises(StatementError) as caught:
        Theorem(**{**GOOD, **change})
    text = str(caught.value)
    assert "\n" not in text
    assert "test_language.py:" in text
    assert f"field {field!r}" in text
    if "name" not in change:
        assert "theorem 'mine'" in text


@pytest.mark.parametrize("change", [{"paper": ""}, {"item": " "}, {"status": "certain"}])
def test_a_source_must_say_where(change: dict[str, str]) -> None:
    with pytest.raises(StatementError, match="field 'source'"):
        Source(**{"paper": "p", "item": "i", **change})


def test_abbreviations_open_in_order_and_may_not_look_ahead() -> None:
    a, b = Parameter("a", GRADIENT), Parameter("b", GRADIENT)
    theorem = Theorem(**{**GOOD, "where": {a: sigma + c, b: 2 * a}, "claim": Upper(StuckGradientNorm, b)})
    assert theorem.bound == 2 * sigma + 2 * c
    with pytest.raises(StatementError, match="defined later"):
        Theorem(**{**GOOD, "where": {b: 2 * a, a: sigma + c}, "claim": Upper(StuckGradientNorm, b)})


def test_parameters_differ_by_unit_and_domain_and_survive_pickling() -> None:
    assert Parameter("x", GRADIENT) != Parameter("x", ONE)
    assert Parameter("x", GRADIENT) != Parameter("x", GRADIENT, Domain.REAL)
    expression = sigma**2 / c + sp.sqrt(m)
    assert pickle.loads(pickle.dumps(expression)) == expression
    assert copy.deepcopy(expression) == expression
    assert pickle.loads(pickle.dumps(sigma)).unit == GRADIENT


def test_units_and_scaling() -> None:
    assert unit_of(sigma**2 / c) == GRADIENT
    assert unit_of(sp.sqrt(sigma * c)) == GRADIENT
    assert unit_of(sp.Integer(0)) is None
    with pytest.raises(UnitError, match="F X\\^-1"):
        unit_of(sigma + 1)
    with pytest.raises(UnitError):
        unit_of(sp.Min(sigma, sigma**2))
    with pytest.raises(UnitError):
        check_condition(sigma <= c**2)
    a, b = sp.Integer(4), sp.Integer(9)
    assert sp.simplify(scaled(sigma**2 / c, a, b) / (sigma**2 / c)) == Rational(4, 9)


@pytest.mark.parametrize("text", ["-3/4", "sqrt(2)/2", "7", "oo", "1/3 + sqrt(5)/7"])
def test_exact_numbers_are_read_back(text: str) -> None:
    assert parse_exact(show_exact(parse_exact(text))) == parse_exact(text)


@pytest.mark.parametrize(
    "text", ["0.5", "1e3", "x", "__import__('os')", "1/0", "sqrt(-1)", "2**9999999", "", "sqrt(1, 2)", "(" * 3000]
)
def test_anything_else_is_no_exact_number(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        parse_exact(text)


def test_evaluate_is_exact_and_refuses_what_is_left_over() -> None:
    assert evaluate(sigma**2 / (5 * c), {sigma: sp.Integer(1), c: sp.Integer(1)}) == Rational(1, 5)
    assert evaluate(sigma <= 2 * c, {sigma: sp.sqrt(2), c: sp.Integer(1)}) == True  # noqa: E712
    with pytest.raises(ValueError, match="no value is given for c"):
        evaluate(sigma / c, {sigma: sp.Integer(1)})
    with pytest.raises(ValueError, match="not a real number"):
        evaluate(sigma / c, {sigma: sp.Integer(1), c: sp.Integer(0)})


def test_assumptions_substitute() -> None:
    assert BoundedVariance(sigma).substitute({sigma: 2 * sigma}) == BoundedVariance(2 * sigma)
    assert str(ExactGradients()) == "ExactGradients()"


def test_where_a_formula_is_defined() -> None:
    assert definedness(sigma / c + sp.sqrt(sigma)) == ()
    assert definedness(c / sigma) == (sp.Ne(sigma, 0),)
    assert definedness(sp.sqrt(sigma - c)) == (sp.Ge(sigma - c, 0),)
    # Only where the branch is taken, or where the left side holds.
    guarded = (sp.Implies(c <= sigma, sp.Ne(sigma, 0)),)
    assert definedness(sp.Piecewise((c / sigma, c <= sigma), (0, True))) == guarded
    assert definedness(sp.Implies(c <= sigma, c / sigma <= 1)) == guarded
    assert definedness(sp.Piecewise((sigma, c <= sigma))) == (c <= sigma,)

"""The translation to SMT-LIB against exact evaluation: at a point, a query has a model if and only if the relation
holds there. Rules that are broken on purpose are caught by the same property."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import sympy as sp
import z3
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from harness.prove import encode as encoding
from harness.prove.encode import EncodeError, Query, encode
from harness.prove.exact import holds
from harness.prove.solve import SolverPool, combine, nice_model
from theorems.catalogue import load_catalogue
from theorems.language import GRADIENT, ONE, Average, Domain, Parameter, Rational
from theorems.language.quantities import Drift

x, y = (Parameter(name, ONE, Domain.REAL) for name in "xy")
p = Parameter("p", ONE)
n = Parameter("n", ONE, Domain.NONNEGATIVE)
k = Parameter("k", ONE, Domain.POSITIVE_INTEGER)
LETTERS = (x, y, p, n, k)
MEANS = tuple(Average(h) for h in (x, sp.Min(x, y), sp.Piecewise((x, x <= y), (y, True))))
COMPARE: tuple[Callable[..., Any], ...] = (sp.Le, sp.Lt, sp.Ge, sp.Gt, sp.Eq, sp.Ne)

SMALL = st.builds(Rational, st.integers(-6, 6), st.integers(1, 4))


@dataclass(frozen=True)
class Point:
    """A condition, exact values for all atoms, and comparisons of letters that hold there."""

    condition: Any
    values: Mapping[Any, sp.Rational]
    plain: tuple[Any, ...]


def _terms() -> st.SearchStrategy[Any]:
    letters = st.one_of(st.sampled_from(LETTERS), SMALL)
    leaves = st.one_of(letters, st.sampled_from((*LETTERS, *MEANS)))

    def larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        pair = st.tuples(inner, inner)
        return st.one_of(
            pair.map(lambda ab: operator.add(*ab)),
            pair.map(lambda ab: operator.sub(*ab)),
            pair.map(lambda ab: operator.mul(*ab)),
            pair.map(lambda ab: sp.Min(*ab)),
            pair.map(lambda ab: sp.Max(*ab)),
            st.sampled_from([sp.Min(x, y), sp.Max(x, p), sp.Min(n, p), sp.Piecewise((x, x <= y), (n, True))]),
            st.sampled_from([x / p, 1 / (n + 1), k**-2, 1 / x]),
            pair.filter(lambda ab: ab[1] != 0).map(lambda ab: ab[0] / ab[1]),
            inner.map(sp.sqrt),
            inner.map(sp.Abs),
            st.tuples(inner, st.sampled_from((2, 3, -1, -2, Rational(3, 2)))).map(_power),
            # SymPy would fold a Piecewise out of an average that stands in a condition; statements refuse that.
            st.tuples(inner, inner, letters, letters, st.sampled_from(COMPARE[:4])).map(
                lambda made: sp.Piecewise((made[0], made[4](made[2], made[3])), (made[1], True))
            ),
        )

    return st.recursive(leaves, lambda inner: larger(inner).filter(_may_be_real), max_leaves=6)


def _may_be_real(expression: Any) -> bool:
    """SymPy has not found it to be imaginary or infinite."""
    return expression.is_extended_real is not False and not expression.has(sp.I, sp.zoo, sp.oo, sp.nan)


def _power(made: tuple[Any, Any]) -> Any:
    base, exponent = made
    return base if base == 0 and exponent < 0 else base**exponent


TERMS = _terms()


@st.composite
def points(draw: st.DrawFn) -> Point:
    """A random condition at a random point."""
    values: dict[Any, sp.Rational] = {atom: draw(SMALL) for atom in (x, y, *MEANS)}
    values[p] = abs(draw(SMALL)) + Rational(1, 3)
    values[n] = abs(draw(SMALL))
    values[k] = sp.Integer(draw(st.integers(1, 9)))
    parts = [draw(st.sampled_from(COMPARE))(draw(TERMS), draw(TERMS)) for _ in range(draw(st.integers(1, 2)))]
    condition = parts[0]
    if len(parts) == 2:
        condition = draw(st.sampled_from((sp.And, sp.Or, sp.Implies)))(*parts)
    if draw(st.booleans()):
        condition = sp.Not(condition)
    plain = [sp.Le(x, y), sp.Ge(x, y), sp.Le(p, x), sp.Gt(p, x), sp.Le(n, p), sp.Lt(p, n)]
    return Point(condition, values, tuple(f for f in plain if holds(f, values) is True and draw(st.booleans())))


def answer(query: Query) -> str:
    """What Z3 says of the text of a query, in this process."""
    solver = z3.Solver()
    solver.set("timeout", 5000)
    solver.add(z3.parse_smt2_string(encode(query).text))
    return str(solver.check())


def agrees(point: Point) -> None:
    """The text with all atoms fixed has a model iff the condition holds, asked for as a fact and as a goal."""
    truth = holds(point.condition, point.values)
    assume(truth is not None)
    at_point = (*(sp.Eq(atom, v, evaluate=False) for atom, v in point.values.items()), *point.plain)
    assert answer(Query("fact", (*at_point, point.condition), None)) == ("sat" if truth else "unsat")
    assert answer(Query("goal", at_point, point.condition)) == ("unsat" if truth else "sat")


def search(examples: int, phases: tuple[Phase, ...]) -> None:
    """Run the property on a fixed sequence of examples."""

    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, phases=phases, report_multiple_bugs=False
    )
    @given(points())
    def run(point: Point) -> None:
        agrees(point)

    run()


@pytest.mark.slow
def test_the_text_says_what_the_formula_says() -> None:
    search(200, (Phase.generate, Phase.shrink))


# -- rules broken on purpose ----------------------------------------------------------------------------------------


class MinAsMax(encoding._Writer):
    def _term(self, expression: sp.Basic) -> str:
        return super()._term(sp.Max(*expression.args) if isinstance(expression, sp.Min) else expression)


class RootOfEitherSign(encoding._Writer):
    def where(self, undefined: str, never: bool, text: str) -> None:
        super().where(undefined, never, text.replace("(and (>= |fresh", "(or (>= |fresh") if "(and" in text else text)


class QuotientAsProduct(encoding._Writer):
    def power(self, expression: sp.Pow) -> str:
        base, exponent = expression.args
        return self.term(base**-exponent) if exponent < 0 else super().power(expression)


class AbsWithoutItsSign(encoding._Writer):
    def _term(self, expression: sp.Basic) -> str:
        return self.term(expression.args[0]) if isinstance(expression, sp.Abs) else super()._term(expression)


class BranchesSwapped(encoding._Writer):
    def piecewise(self, expression: sp.Piecewise) -> str:
        branches = [(self.condition(test), self.term(branch)) for branch, test in expression.args]
        (test, first), *_, (_, last) = branches
        return f"(ite {test} {last} {first})"


class ImplicationTurned(encoding._Writer):
    def condition(self, condition: sp.Basic) -> str:
        turned = isinstance(condition, sp.Implies)
        return super().condition(sp.Implies(*reversed(condition.args), evaluate=False) if turned else condition)


def _without_sign(number: sp.Rational) -> str:
    return f"(/ {abs(number.p)}.0 {number.q}.0)"


def _cleared_by_anything(condition: Any) -> Any:
    if not isinstance(condition, sp.core.relational.Relational) or condition.has(sp.Piecewise, sp.Pow):
        return condition
    return condition.func(-condition.lhs, -condition.rhs, evaluate=False)


def _into_atoms(expression: Any, choose: Callable[[Any], Any]) -> Any:
    if not expression.args:
        return expression
    return choose(expression.func(*(_into_atoms(part, choose) for part in expression.args)))


def _chosen_wrongly(self: encoding.Resolver, expression: Any) -> Any:
    return expression.replace(sp.Min, lambda *args: args[0] if self.plain else sp.Min(*args))


BROKEN: dict[str, tuple[Any, str, Any]] = {
    "Min as Max": (encoding, "_Writer", MinAsMax),
    "a root of either sign": (encoding, "_Writer", RootOfEitherSign),
    "a quotient as a product": (encoding, "_Writer", QuotientAsProduct),
    "Abs without its sign": (encoding, "_Writer", AbsWithoutItsSign),
    "branches swapped": (encoding, "_Writer", BranchesSwapped),
    "an implication turned round": (encoding, "_Writer", ImplicationTurned),
    "a rational without its sign": (encoding, "_number", _without_sign),
    "strict for weak": (encoding, "_COMPARE", {**encoding._COMPARE, sp.Le: "<"}),
    "multiplied by what is negative": (encoding, "cleared", _cleared_by_anything),
    "an average read at one point": (encoding, "_outside_atoms", _into_atoms),
    "a minimum decided by any fact": (encoding.Resolver, "resolve", _chosen_wrongly),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*BROKEN[name])
    with pytest.raises(AssertionError):
        search(400, (Phase.generate,))


# -- what a query is --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pool() -> Iterator[SolverPool]:
    with SolverPool() as solvers:
        yield solvers


def has_a_text(theorem: Any) -> bool:
    """A power with a letter in its exponent has none."""
    return all(power.exp.is_number for power in theorem.bound.atoms(sp.Pow))


BELIEVED = [t for t in load_catalogue().values() if t.expect == "true"]


def test_a_power_with_a_letter_in_its_exponent_is_refused() -> None:
    assert [t.name for t in BELIEVED if not has_a_text(t)] == ["D3"]
    for theorem in BELIEVED:
        if not has_a_text(theorem):
            with pytest.raises(EncodeError, match="no translation for the power"):
                encode(Query("power", (), theorem.claim.relation.func(x, theorem.bound, evaluate=False)))


@pytest.mark.parametrize("theorem", [t for t in BELIEVED if has_a_text(t)], ids=lambda t: t.name)
def test_a_claim_implies_itself_and_not_its_negation(theorem: Any, pool: SolverPool) -> None:
    """If the first failed, facts and goals would be read differently; if the second, queries would hold for nothing."""
    claim = theorem.claim.relation
    relation = claim.func(claim.lhs, theorem.bound, evaluate=False)
    facts = (*theorem.conditions, relation)
    assert combine(pool.ask(encode(Query("itself", facts, relation)).text)) == "unsat by both"
    assert nice_model(Query("negation", facts, sp.Not(relation, evaluate=False)), pool) is not None


def test_an_identity_is_provable_and_its_negation_refutable(pool: SolverPool) -> None:
    identity = sp.Eq((x + p) ** 3, x**3 + 3 * x**2 * p + 3 * x * p**2 + p**3, evaluate=False)
    assert combine(pool.ask(encode(Query("identity", (), identity)).text)) == "unsat by both"
    assert combine(pool.ask(encode(Query("negation", (), sp.Not(identity))).text)) == "sat"


def test_an_undefined_term_is_any_number() -> None:
    """Nothing is implied by 1/x at x = 0, and no point is lost there."""
    zero = sp.Eq(x, 0)
    assert answer(Query("some value", (zero, sp.Ge(1 / x, 7)), None)) == "sat"
    for goal in (sp.Ge(1 / x, 7), sp.Lt(1 / x, 7), sp.Ge(sp.sqrt(x - 1), 0)):
        assert answer(Query("every value", (zero,), goal)) == "sat"
    assert answer(Query("not taken", (zero,), sp.Eq(sp.Piecewise((1 / x, x > 0), (0, True)), 0))) == "unsat"
    assert answer(Query("no branch", (zero,), sp.Eq(sp.Piecewise((1, x > 0)), 1))) == "sat"


def test_a_cancelled_factor_does_not_vanish() -> None:
    """(n p + n^2)/n is not p + n where n = 0."""
    quotient = (n * p + n**2) / n
    assert answer(Query("cleared", (sp.Eq(n, 0),), sp.Eq(quotient, p, evaluate=False))) == "sat"


def test_letters_of_one_name_are_different_numbers() -> None:
    one, other = Parameter("z", ONE), Parameter("z", GRADIENT)
    assert answer(Query("mixed", (sp.Eq(one, 1),), sp.Eq(other, 1))) == "sat"
    assert answer(Query("moved", (sp.Ge(Drift, 0),), sp.Ge(Drift.at(m=p), 0))) == "sat"


@pytest.mark.parametrize("name", ["fresh 1", "|z|", "z\\", "z\n(assert false)", "z;", "σ", "(", ""])
def test_no_name_changes_a_query(name: str, pool: SolverPool) -> None:
    for domain in (Domain.REAL, Domain.POSITIVE_INTEGER):
        letter = Parameter(name, ONE, domain)
        for facts, goal, wanted in (
            ((sp.Eq(letter, 2),), sp.Ge(1 / p + sp.Min(letter, p), 3), "sat"),
            ((sp.Eq(letter, 2),), sp.Eq(letter**2, 4), "unsat by both"),
            ((sp.Eq(letter, 2), sp.Ge(sp.Min(letter, p), 2)), None, "sat"),
        ):
            assert combine(pool.ask(encode(Query(f"{name}\n", facts, goal, name)).text)) == wanted


def test_integers_are_whole_where_a_point_is_asked_for() -> None:
    between = (sp.Gt(k, 1), sp.Lt(k, 2))
    assert answer(Query("a point", between, None)) == "unsat"
    # Read as a real number, which can only lose a proof.
    assert answer(Query("implied", between, sp.false)) == "sat"


@pytest.mark.parametrize(
    "foreign",
    [
        sp.Float(0.5) * x,
        sp.sin(x),
        sp.oo,
        sp.I * x,
        x**p,
        x**65,
        sp.Symbol("z"),
        sp.pi * x,
        sp.Symbol("j", integer=True),
    ],
    ids=str,
)
def test_what_has_no_translation_is_said_so(foreign: Any) -> None:
    with pytest.raises(EncodeError):
        encode(Query("foreign", (), sp.Ne(foreign, p, evaluate=False)))

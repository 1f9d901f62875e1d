"""Comparisons of exact numbers: equal ones, near ones, and those that cannot be told apart."""

from __future__ import annotations

import pytest
import sympy as sp

from harness.exact import NotExact, compare, holds
from harness.exact.comparison import resolve
from theorems.language import (
    F0,
    T,
    c,
    eta,
    m,
)

R, Z = sp.Rational, sp.Integer
pytestmark = pytest.mark.usefixtures("precision_is_put_back")

EQUAL = [
    (sp.sqrt(2) * sp.sqrt(3), sp.sqrt(6)),
    (1 / (1 + sp.sqrt(2) + sp.sqrt(3)), (2 + sp.sqrt(2) - sp.sqrt(6)) / 4),
    (sp.sqrt(3 + 2 * sp.sqrt(2)), 1 + sp.sqrt(2)),
    (sp.cbrt(2) * sp.cbrt(4), Z(2)),
    (sp.CRootOf(sp.Symbol("z") ** 2 - 2, 1), sp.sqrt(2)),
    (sp.Max(c, m) - sp.Min(c, m), sp.Abs(c - m)),
    ((1 - eta) ** (T - 1), (1 - eta) ** T / (1 - eta)),
    (sp.Piecewise((c, c > m), (m, True)), sp.Max(c, m)),
    (sp.ceiling(sp.sqrt(2) * c), sp.floor(sp.sqrt(2) * c) + 1),
]
VALUES = {c: R(3, 2), m: sp.sqrt(2), eta: R(1, 3), T: Z(9), F0: sp.log(3)}


@pytest.mark.parametrize(("left", "right"), EQUAL, ids=str)
def test_equal_numbers_and_their_neighbours(left: sp.Expr, right: sp.Expr) -> None:
    assert compare(left, right, VALUES) == 0
    for power in (5, 50, 500):
        assert compare(left + R(1, 10**power), right, VALUES) == 1
        assert compare(left, right + R(1, 10**power), VALUES) == -1


def test_what_cannot_be_decided_is_not_guessed() -> None:
    same = sp.Eq(sp.log(2, evaluate=False) + F0, sp.log(6), evaluate=False)
    assert compare(same.lhs, same.rhs, VALUES) is None
    assert compare(F0, sp.log(3), VALUES) == 0
    for kind in (sp.Le, sp.Lt, sp.Ge, sp.Gt, sp.Ne, sp.Eq):
        undecided = kind(same.lhs, same.rhs, evaluate=False)
        assert holds(undecided, VALUES) is None
        assert holds(sp.Not(undecided, evaluate=False), VALUES) is None
        assert holds(sp.And(undecided, c > m), VALUES) is None
        assert holds(sp.And(undecided, c < m), VALUES) is False
        assert holds(sp.Or(undecided, c > m), VALUES) is True
        assert holds(sp.Or(undecided, c < m), VALUES) is None
        assert holds(sp.Implies(undecided, c > m), VALUES) is True
        assert holds(sp.Implies(c < m, undecided), VALUES) is True
        assert holds(sp.Implies(c > m, undecided), VALUES) is None
    for undefined in (1 / (c - R(3, 2)), sp.sqrt(m - c), sp.log(m - c), sp.sin(c), sp.Symbol("q"), sp.log(c - R(3, 2))):
        assert compare(undefined, Z(0), VALUES) is None
        assert compare(undefined, undefined, VALUES) is None
        assert holds(undefined > 0, VALUES) is None


def test_conditions() -> None:
    assert holds(sp.true, {}) is True
    assert holds(sp.ITE(c > m, T > 8, T < 8), VALUES) is True
    assert holds(sp.ITE(sp.Eq(sp.log(6), F0 + sp.log(2)), T > 8, T < 8), VALUES) is None
    assert holds(False, {}) is False
    assert holds(sp.And(c > m, sp.Or(c < m, sp.Eq(T, 9))), VALUES) is True
    assert holds(sp.Ne(m**2, 2), VALUES) is False
    assert holds(sp.exp(c) > sp.exp(m), VALUES) is True
    assert holds(sp.tanh(c) <= sp.tanh(m), VALUES) is False
    assert holds(F0 * c < R(33, 20), VALUES) is True


def test_resolve_decides_every_case() -> None:
    formula = sp.Max(sp.log(c), sp.Min(F0, m)) + sp.Piecewise((sp.log(m), c > m), (sp.exp(c), True)) + sp.Abs(-F0)
    number = resolve(formula, VALUES)
    assert not number.has(sp.Max, sp.Min, sp.Piecewise, sp.Abs)
    assert float(number) == pytest.approx(2 * float(sp.log(3)) + float(sp.log(sp.sqrt(2))))
    with pytest.raises(NotExact, match="undecided: which of"):
        resolve(sp.Max(sp.log(2) + F0, sp.log(6)) + sp.exp(c), VALUES)
    with pytest.raises(NotExact, match="no case is known to hold"):
        resolve(sp.Piecewise((sp.log(m), c < m)), VALUES)
    with pytest.raises(NotExact, match="undecided: Eq"):
        resolve(sp.Piecewise((m, sp.Eq(sp.log(2) + F0, sp.log(6), evaluate=False)), (c, True)) + F0, VALUES)


def test_resolve_takes_the_right_one_of_two() -> None:
    """Of numbers that are no surds, in either order, and of either sign."""
    low, high = sp.log(eta), sp.log(c)
    for one, other in ((low, high), (high, low), (low, F0), (F0, low), (high, F0), (F0, high)):
        numbers = [float(side.xreplace(VALUES)) for side in (one, other)]
        assert float(resolve(sp.Min(one, other), VALUES)) == pytest.approx(min(numbers))
        assert float(resolve(sp.Max(one, other), VALUES)) == pytest.approx(max(numbers))
    assert float(resolve(sp.Abs(low), VALUES)) == pytest.approx(float(sp.log(3)))
    assert float(resolve(sp.Abs(high), VALUES)) == pytest.approx(float(sp.log(R(3, 2))))


def test_numbers_that_agree_to_all_bits_are_not_called_identical() -> None:
    """Two expressions that no precision tells apart: equal only if they are one expression."""
    tower = sp.log(2, evaluate=False) + F0
    assert compare(tower, tower, VALUES) == 0
    assert compare(tower, sp.log(6), VALUES) is None
    larger = sp.Max(tower, m)
    assert larger.has(sp.Max)
    assert compare(larger, larger, VALUES) == 0
    assert compare(larger, sp.log(6), VALUES) is None
    assert compare(sp.exp(F0 * m), sp.exp(m * F0), VALUES) == 0
    assert compare(sp.exp(F0), sp.exp(sp.log(3)), VALUES) == 0

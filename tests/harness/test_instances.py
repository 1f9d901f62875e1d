"""Numbers at which two bounds contradict each other: simple ones, and none that exact arithmetic does not confirm."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from harness.prove.exact import holds
from harness.prove.instances import telling_instance
from theorems.language import GRADIENT, Parameter, Rational, c, sigma


def test_simple_numbers_come_first() -> None:
    found = telling_instance([sp.Gt(sigma, 0)], sigma**2 / (5 * c), sigma**2 / (4 * c), maximised=True)
    assert found == {c: 1, sigma: 1}


def test_equations_define_their_letters() -> None:
    k = Parameter("k", GRADIENT)
    found = telling_instance([sp.Eq(k, sigma + c), sp.Gt(k, 3 * c)], sigma, k, maximised=True)
    assert found is not None
    assert found[k] == found[sigma] + found[c] > 3 * found[c]


@pytest.mark.parametrize("maximised", [True, False])
def test_rounding_is_no_contradiction(maximised: bool) -> None:
    """Two ways to write one number: floats tell them apart, in both directions, and exact arithmetic does not."""
    one, other = sp.sqrt(c**2 + 2 * c * sigma + sigma**2), c + sigma
    numbers = np.array([float(Rational(p, q)) for p in range(1, 30) for q in range(1, 30)])
    a, b = numbers[:, None], numbers[None, :]
    rounded = np.sqrt(a**2 + 2 * a * b + b**2) - (a + b)
    assert (rounded < 0).any()
    assert (rounded > 0).any()
    assert telling_instance([], one, other, maximised=maximised) is None
    assert telling_instance([], other, one, maximised=maximised) is None


def test_a_condition_at_its_edge_is_decided_exactly() -> None:
    strict = sp.Gt(sp.sqrt(c**2 + 2 * c * sigma + sigma**2), c + sigma)
    assert telling_instance([strict], c, 2 * c, maximised=True) is None
    assert holds(strict, {c: Rational(1, 3), sigma: Rational(1, 10)}) is False


def test_nothing_where_nothing_is() -> None:
    assert telling_instance([sigma <= c], 2 * c, sigma, maximised=True) is None

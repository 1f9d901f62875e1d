"""The letter C of an O-form, and numbers put for it."""

from __future__ import annotations

import pytest
from sympy import Float

from theorems.catalogue import load_catalogue
from theorems.koloskova2023.theorem_3_3 import form, theorem_3_3
from theorems.language import C, Cite, Rational, Theorem
from theorems.language.hidden import is_o_form, with_constant

FORMS = [t for t in load_catalogue().values() if is_o_form(t)]


@pytest.mark.parametrize("theorem", FORMS, ids=lambda t: t.name)
def test_a_number_takes_the_place_of_the_letter_everywhere(theorem: Theorem) -> None:
    made = with_constant(theorem, Rational(7, 5))
    assert C not in {s for part in (made.bound, *made.conditions) for s in part.free_symbols}
    assert C in theorem.bound.free_symbols
    assert len(made.proof) == len(theorem.proof)
    for item in made.proof:
        gives = getattr(item, "gives", None)
        assert gives is None or C not in gives.free_symbols
        if isinstance(item, Cite) and is_o_form(item.theorem):
            assert item.substitution[C] == Rational(7, 5)


def test_only_an_o_form_takes_a_constant_and_only_an_exact_one() -> None:
    with pytest.raises(ValueError, match="K23_3_3 has no constant"):
        with_constant(theorem_3_3, Rational(2))
    for wrong in (Rational(0), Rational(-1), Float("1.5")):
        with pytest.raises(ValueError, match="must be a positive rational number"):
            with_constant(form, wrong)

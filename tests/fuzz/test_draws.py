"""Draws depend on their seed alone, whatever else is loaded."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture.providers import HypothesisProvider

from fuzz.draws import reproducible

NAME = "a_module_full_of_constants"


def drawn(care: AbstractContextManager[None]) -> list[int]:
    found: list[int] = []

    @seed(7)
    @settings(
        max_examples=300,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**20))
    def collect(number: int) -> None:
        found.append(number)

    with care:
        collect()
    return found


@pytest.fixture
def loading(tmp_path: Path) -> Iterator[Path]:
    """Where a local module is, full of constants, as a user's might be."""
    file = tmp_path / f"{NAME}.py"
    file.write_text("".join(f"A{k} = {k}\n" for k in range(1000, 2000)))
    yield file
    sys.modules.pop(NAME, None)


def load(file: Path) -> None:
    spec = importlib.util.spec_from_file_location(NAME, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)


def test_what_is_loaded_has_no_part_in_draws(loading: Path) -> None:
    before = drawn(reproducible())
    load(loading)
    assert drawn(reproducible()) == before


def test_without_care_it_has(loading: Path) -> None:
    """The planted fault: Hypothesis as it is."""
    before = drawn(nullcontext())
    load(loading)
    assert drawn(nullcontext()) != before


def test_hypothesis_is_left_as_it_was() -> None:
    usual = HypothesisProvider._maybe_draw_constant
    with pytest.raises(KeyError), reproducible():
        raise KeyError
    assert HypothesisProvider._maybe_draw_constant is usual

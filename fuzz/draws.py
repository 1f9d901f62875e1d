"""Hypothesis draws that depend on seed and strategy alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def reproducible() -> Iterator[None]:
    """Inside, Hypothesis mixes no constants into its draws.

    It takes some of them out of the local modules that happen to be loaded, so that with one seed a search might draw
    other numbers in a worker process, under pytest, or where clipbounds is installed instead of checked out.
    """
    from hypothesis.internal.conjecture.providers import HypothesisProvider

    provider: Any = HypothesisProvider
    usual = vars(provider).get("_maybe_draw_constant")
    if usual is None:  # a version that knows no constants
        yield
        return
    provider._maybe_draw_constant = lambda self, *arguments, **more: None
    try:
        yield
    finally:
        provider._maybe_draw_constant = usual

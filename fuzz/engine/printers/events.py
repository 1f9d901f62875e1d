"""Events of the lattice as comparisons of integers: ``U0 < K/2^32`` is ``w0 < K``, exactly, whatever the precision.

So a law of finitely many atoms needs no uniform at all, and is the same law in float32 up to the rounding of its atoms.
"""

from __future__ import annotations

import sympy as sp

from theorems.language.functions import LATTICE, U0, U1, Noise

W0 = sp.Symbol("W0", integer=True, nonnegative=True)
"""The word that :data:`~theorems.language.functions.U0` is read from."""

LOG_W0 = sp.Symbol("LOG_W0", negative=True)
"""``log U0``, read from the word."""

COS_W1 = sp.Symbol("COS_W1", real=True)
"""``cos(2 pi U1)``, read from the word."""


SIN_W1 = sp.Symbol("SIN_W1", real=True)
"""``sin(2 pi U1)``, read from the word."""

NEXT_U1 = sp.Symbol("NEXT_U1", positive=True)
"""``U1 - 1/4``, modulo 1: what the second coordinate of a pair reads."""


def by_words(noise: Noise) -> tuple[sp.Expr, dict[sp.Symbol, sp.Expr]]:
    """The sample formula with events of fixed probability written as ``W0 < K``.

    Returns:
        The formula, and for each symbol K in it the count ``2^32 p``, an integer below 2^32, as a formula in the law's
        parameters. Events that depend on the state, as an oracle's do, are left as they are.
    """
    fixed = set(noise.parameters)
    counts: dict[sp.Symbol, sp.Expr] = {}
    changes: dict[sp.Basic, sp.Basic] = {}
    for event in sorted(noise.sample.atoms(sp.StrictLessThan), key=sp.default_sort_key):
        if event.lhs == U0 and event.rhs.free_symbols <= fixed:
            count = sp.Symbol(f"K{len(counts)}", integer=True, positive=True)
            counts[count] = LATTICE * event.rhs
            changes[event] = sp.Lt(W0, count)
    return noise.sample.xreplace(changes), counts


def by_single_words(noise: Noise) -> sp.Expr | None:
    """The sample formula in :data:`LOG_W0` and :data:`COS_W1`, for float32, if nothing else in it asks for float64.

    A uniform in float32 would be 0 or 1 too often, but these two are as exact as float32 can be when they are read from
    integers. Other functions of uniforms, and what depends on the state, have float64 alone.
    """
    if noise.depends_on_state or not noise.words:
        return None
    sample = noise.sample.xreplace({sp.log(U0): LOG_W0, sp.cos(2 * sp.pi * U1): COS_W1})
    others = {type(call) for call in sample.atoms(sp.Function) if call.free_symbols} - {sp.Abs}
    if needs_uniforms(sample) or others or not sample.has(LOG_W0):
        return None
    return sample


def needs_uniforms(sample: sp.Expr) -> bool:
    """Whether a formula still reads uniforms as numbers, which takes float64."""
    return bool(sample.free_symbols & {U0, U1})

"""Philox's last rounds as vectors: the plain text, what is compiled in its place, and the stream say the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit

from fuzz.engine import lanes, philox, rounds
from fuzz.engine.rounds import TILE, put_atoms, put_words

Array = np.ndarray[Any, Any]
KEYS = (0xF3C90580, 0xFFFFFFFF)
FIRST, BLOCK, SAMPLE, STREAM = 2**32 - TILE - 5, 2**32 - 1, 3, 1
"""Replicas that begin anew at 0 in the second tile."""

compiled_words = njit(lambda *given: put_words(*given))
compiled_atoms = njit(lambda *given: put_atoms(*given))
both_words = pytest.mark.parametrize("put", [put_words, compiled_words], ids=["plain", "compiled"])
both_atoms = pytest.mark.parametrize("put", [put_atoms, compiled_atoms], ids=["plain", "compiled"])


def lead(samples: int = 1, streams: int = 1, k: int = 0, s: int = 0, sample: int = 0, stream: int = 0) -> Array:
    """That of two tiles."""
    made = np.zeros((samples, streams, 2, 2, TILE), np.uint64)
    lanes.philox_lead(made, k, s, *KEYS, FIRST, sample, stream, 2 * TILE)
    return made


def expected(block: int, sample: int, stream: int) -> Array:
    replicas = (FIRST + np.arange(2 * TILE)).astype(np.uint32)
    return philox.words(KEYS, replicas, block, sample, stream)


@both_words
@pytest.mark.parametrize("block", [0, 1, BLOCK])
def test_words(put: Any, block: int) -> None:
    words = np.full((3, 2, 4, 2 * TILE), 7, np.uint32)
    made = lead(3, 2, 2, 1, SAMPLE, STREAM)
    top, bottom = lanes.philox_shared(*KEYS, block, SAMPLE)
    put(words, 2, 1, made, TILE, *KEYS, top, bottom)
    np.testing.assert_array_equal(words[2, 1, :, TILE:], expected(block, SAMPLE, STREAM)[:, TILE:])
    words[2, 1, :, TILE:] = 7
    assert (words == 7).all(), "nothing else is written"
    put(words, 2, 1, made, 0, *KEYS, top, bottom)
    np.testing.assert_array_equal(words[2, 1, :, :TILE], expected(block, SAMPLE, STREAM)[:, :TILE])


@both_atoms
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_atoms(put: Any, real: Any) -> None:
    words, made = expected(BLOCK, 0, 0)[:, TILE:], lead()
    shared = lanes.philox_shared(*KEYS, BLOCK, 0)
    # None, all but the largest, and those at and around a word that was drawn.
    some = int(words[2, 9])
    for edge in (0, 1, some, some + 1, 2**31, 2**32 - 1):
        out = np.full((4, 2 * TILE), 7, real)
        put(out, made, TILE, *KEYS, *shared, np.uint32(edge), real(0.1), real(-2.5))
        assert (out[:, TILE:] == np.where(words < edge, real(0.1), real(-2.5))).all()
        assert (out[:, :TILE] == 7).all(), "nothing else is written"


def test_rows_that_end_within_a_tile() -> None:
    """The plain text alone cuts it there; the engine's rows have room for whole tiles."""
    words, out, made = np.zeros((1, 1, 4, TILE + 3), np.uint32), np.zeros((4, TILE + 3)), lead()
    shared = lanes.philox_shared(*KEYS, 5, 0)
    put_words(words, 0, 0, made, TILE, *KEYS, *shared)
    put_atoms(out, made, TILE, *KEYS, *shared, 2**31, 1.0, 2.0)
    wanted = expected(5, 0, 0)[:, TILE : TILE + 3]
    np.testing.assert_array_equal(words[0, 0, :, TILE:], wanted)
    np.testing.assert_array_equal(out[:, TILE:], np.where(wanted < 2**31, 1.0, 2.0))


def test_a_change_of_the_vectors_is_a_new_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler keeps its results by the text of the module, where what it imports does not stand."""
    from fuzz.engine import kernels

    before = kernels.module_source("float32", few=True)[0]
    source = kernels.inspect.getsource
    monkeypatch.setattr(kernels.inspect, "getsource", lambda what: source(what) + "# changed" * (what is rounds))
    assert kernels.module_source("float32", few=True)[0] != before

"""Philox4x32-10: known answers, and one stream for all engines."""

from __future__ import annotations

import numpy as np
import pytest

from fuzz.engine import cpu
from fuzz.engine.cpu import LANES
from fuzz.engine.philox import WordStream, philox4x32, stream_key, words
from theorems.language.noises import Layout

# From Random123 (kat_vectors): zeros, all ones, and digits of pi.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]

KEY_OF_ZERO = (0xF3C90580, 0x30ADEB11)

known = pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)


@known
def test_known_answers(counter: tuple[int, ...], key: tuple[int, int], answer: tuple[int, ...]) -> None:
    assert tuple(philox4x32(np.array(counter, np.uint32), key)) == answer


@known
def test_known_answers_compiled(counter: tuple[int, ...], key: tuple[int, int], answer: tuple[int, ...]) -> None:
    replica, block, sample, stream = counter
    assert tuple(cpu.words(key, replica, block, sample, stream)[:, 0]) == answer


def test_words_are_the_same_compiled() -> None:
    key = stream_key(5, 17, "search")
    first = 2**32 - LANES
    for block, sample, stream in [(0, 0, 0), (1, 0, 1), (2**32 - 1, 3, 1)]:
        expected = words(key, (first + np.arange(LANES)).astype(np.uint32), block, sample, stream)
        assert np.array_equal(cpu.words(key, first, block, sample, stream), expected)


def test_keys_differ_by_seed_instance_and_purpose() -> None:
    keys = {stream_key(seed, i, purpose) for seed in range(9) for i in range(99) for purpose in ("search", "confirm")}
    assert len(keys) == 9 * 99 * 2
    # The key is part of the contract: a stored finding must replay for ever.
    assert stream_key(0, 0, "search") == KEY_OF_ZERO


@pytest.mark.parametrize(("dimension", "step", "draws"), [(1, 5, [5]), (2, 5, [5]), (5, 3, [9, 10, 11])])
def test_coordinates_in_pairs_share_a_draw(dimension: int, step: int, draws: list[int]) -> None:
    """The second of a pair reads the second word a quarter of a turn back; a last one without partner has its own."""
    key, replicas = stream_key(0, 3, "confirm"), np.arange(10, dtype=np.uint32)
    found = WordStream(key, replicas, 2).coordinates(Layout.PAIRS, step, dimension)
    assert len(found) == dimension
    for j, (first, second) in enumerate(found):
        draw = draws[j // 2]
        assert np.array_equal(first, words(key, replicas, draw // 4, 0, 0)[draw % 4])
        whole = words(key, replicas, draw // 4, 0, 1)[draw % 4].astype(np.int64)
        assert np.array_equal(second, (whole - 2**30 * (j % 2)) % 2**32)


@pytest.mark.parametrize(
    ("layout", "draws"), [(Layout.COORDINATES, [6, 7, 8]), (Layout.SHARED, [6] * 3), (Layout.GRADIENT, [6] * 3)]
)
def test_coordinates_not_in_pairs(layout: Layout, draws: list[int]) -> None:
    key, replicas = stream_key(0, 3, "confirm"), np.arange(10, dtype=np.uint32)
    found = WordStream(key, replicas, 1).coordinates(layout, 2, 3)
    for (word,), draw in zip(found, draws, strict=True):
        assert np.array_equal(word, words(key, replicas, draw // 4, 0, 0)[draw % 4])


def test_draws_use_all_four_words_and_both_streams() -> None:
    key = stream_key(0, 3, "confirm")
    replicas = np.arange(10, dtype=np.uint32)
    stream = WordStream(key, replicas, 2)
    for draw in range(11):
        for s, drawn in enumerate(stream.draw(draw)):
            assert np.array_equal(drawn, words(key, replicas, draw // 4, 0, s)[draw % 4])

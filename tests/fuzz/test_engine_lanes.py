"""The loops of ``lanes.py`` and ``runs.py`` as plain Python, one lane after the other: mutation testing changes them.

The compiled module is made from their text, which other tests run; here the functions themselves are
called, and the whole engine with them in the place of the compiled module, against the reference engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numba
import numpy as np
import pytest

from fuzz.engine import Batch, Instance, cpu, kernels, lanes, philox, rounds, run, runs
from fuzz.engine.batch import ALGORITHMS
from theorems.language.noises import Layout

Array = np.ndarray[Any, Any]
FLAT = 1e200
"""Its square overflows."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Compiled code divides by zero without a word."""
    with np.errstate(all="ignore"):
        yield


GENERATED = ("BUFFER", "gradients", "values", "samples", "pairs", "draws", "atoms", "advance")


@cache
def generated() -> tuple[dict[str, Any], dict[str, Any]]:
    """The loops that are made of formulas, not compiled; and the formulas by role and family."""
    source, roles = kernels.module_source("float64", few=True)
    made: dict[str, Any] = {"__name__": "uncompiled"}
    exec(source.split("# Elementary functions are inlined")[0], made)
    return {name: made[name] for name in GENERATED}, roles


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine runs ``runs.py`` and ``lanes.py`` themselves, with the generated loops, four lanes at a time."""
    made, roles = generated()
    for name, loop in made.items():
        # Those of the loops that it imports have to be put there too.
        for module in (lanes, runs):
            monkeypatch.setattr(module, name, loop, raising=module is lanes)
    parts = kernels.Kernels(runs, roles["gradients"], roles["values"], roles["samples"])
    monkeypatch.setattr(kernels, "load", lambda *_, **__: parts)
    monkeypatch.setattr(cpu, "breadth", lambda _: 4)
    # In this thread, where nobody is told of divisions by zero.
    monkeypatch.setitem(vars(numba.config), "NUMBA_NUM_THREADS", 1)


def rows(*values: list[float]) -> Array:
    """Coordinates of lanes, [d, lanes]."""
    return np.array(values)


def fresh(n: int) -> tuple[Array, Array]:
    """``size`` with what was left in it, and no poison."""
    return np.full(n, 7.0), np.zeros(n)


# -- norms and the clip ------------------------------------------------------------------------------------------------


def test_norms() -> None:
    size, _ = fresh(3)
    lanes.norms(rows([3.0, -4.0, FLAT]), size, 1, 3)
    assert size.tolist() == [3.0, 4.0, FLAT]
    lanes.norms(rows([3.0, 2.0, 0.0], [4.0, -3.0, 0.0], [12.0, 6.0, 0.0]), size, 3, 3)
    assert size.tolist() == [13.0, 7.0, 0.0]
    # Lanes beyond the last are left alone.
    lanes.norms(rows([3.0, 9.0, 9.0], [4.0, 9.0, 9.0]), size, 2, 1)
    assert size.tolist() == [5.0, 7.0, 0.0]


@pytest.mark.parametrize("dimension", [4, 5, 6, 8, 9, 64])
def test_norms_of_many_coordinates_are_summed_in_their_order(dimension: int) -> None:
    """Bit by bit: rows are taken together, and one after the other all the same."""
    g = np.random.default_rng(dimension).normal(size=(dimension, 3)).astype(np.float32)
    size, expected = np.zeros(3, np.float32), g[0, :2] * g[0, :2]
    for row in g[1:, :2]:
        expected = expected + row * row
    lanes.norms(g, size, dimension, 2)
    assert size.tolist() == [*np.sqrt(expected), 0.0]


def test_radii() -> None:
    """As norms, in the only row that there is; lanes beyond the last are left alone."""
    radius = np.full((1, 3), 7.0)
    lanes.radii(rows([3.0, -4.0, FLAT]), radius, 1, 3)
    assert radius.tolist() == [[3.0, 4.0, FLAT]]
    lanes.radii(rows([3.0, 2.0, 9.0], [4.0, -3.0, 9.0], [12.0, 6.0, 9.0]), radius, 3, 2)
    assert radius.tolist() == [[13.0, 7.0, FLAT]]
    lanes.radii(rows([3.0, FLAT, 9.0], [-4.0, 0.0, 9.0]), radius, 2, 2)
    assert radius.tolist() == [[5.0, np.inf, FLAT]]


def test_radial_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    """``phi'(r) x/r`` of the family's own formula at r, with the numbers of coordinate 0; 0 at 0, NaN where squares
    overflow."""
    asked = []

    def slope_of(family: int, x: Array, g: Array, h: Array, instance: int, low: int, high: int, *rest: Any) -> None:
        buffer, count = rest
        asked.append((family, x[0, :count].tolist(), instance, low, high, count))
        assert h is NUMBERS
        assert buffer is BUFFER
        for i in range(count):
            g[0, i] = 10.0 * x[0, i] + 1.0

    monkeypatch.setattr(lanes, "gradients", slope_of)
    x = rows([3.0, 0.0, FLAT, 0.0, 9.0], [-4.0, 0.0, 1.0, 0.5, 9.0])
    g, radius, slope = np.full_like(x, 5.0), np.zeros((1, 5)), np.zeros((1, 5))
    lanes.radial_gradients(3, x, g, radius, slope, NUMBERS, 2, BUFFER, 2, 4)
    assert asked == [(3, [5.0, 0.0, np.inf, 0.5], 2, 0, 1, 4)]
    np.testing.assert_allclose(g[:, [0, 1, 3]], [[51.0 * 0.6, 0.0, 0.0], [-51.0 * 0.8, 0.0, 6.0]], rtol=1e-15)
    assert np.isnan(g[:, 2]).all()
    assert g[:, 4].tolist() == [5.0, 5.0]


@pytest.mark.parametrize("dimension", [1, 2])
def test_norms_are_added_to_their_sums_and_what_is_not_finite_poisons(dimension: int) -> None:
    size, poison = fresh(3)
    mean = np.array([1.0, 2.0, 3.0])
    g = rows([3.0, -5.0, 0.0]) if dimension == 1 else rows([3.0, -3.0, FLAT], [4.0, 4.0, 0.0])
    expected = [3.0, 5.0, 0.0] if dimension == 1 else [5.0, 5.0, np.inf]
    lanes.measure(g, size, mean, poison, dimension, 3)
    assert size.tolist() == expected
    assert mean.tolist() == [1 + expected[0], 2 + expected[1], 3 + expected[2]]
    poisoned = [0.0, 0.0, 0.0 if dimension == 1 else np.nan]
    np.testing.assert_equal(poison, poisoned)
    lanes.measure(np.zeros_like(g), size, mean, poison, dimension, 3)
    np.testing.assert_equal(poison, poisoned, "poison is for good")
    # In one dimension an infinite gradient spoils the state by itself, in the step that follows.
    lanes.measure(rows([1.0]), size, mean, poison, 1, 0)
    assert mean[0] == 1 + expected[0]


STEP, THRESHOLD = 0.5, 2.0
SHORT, LONG = 0.7, 1.2
CLIPPED = [(0.0, 0.0), (1.5, 1.5), (-2.0, -2.0), (2.5, 2.0), (-8.0, -2.0), (FLAT, 2.0)]
"""Gradients in one dimension, and what is left of them: none, below, at and above the threshold."""


def test_a_clipped_step_in_one_dimension() -> None:
    g, expected = (rows([pair[k] for pair in CLIPPED]) for k in (0, 1))
    x = np.full_like(g, 10.0)
    size, poison = fresh(len(CLIPPED))
    lanes.clipped_step(x, g, size, poison, STEP, THRESHOLD, 1, len(CLIPPED) - 1)
    assert x[0, :-1].tolist() == [10.0 - STEP * e for e in expected[0, :-1]]
    assert x[0, -1] == 10.0
    assert poison.tolist() == [0.0] * len(CLIPPED)
    x = rows([10.0, 10.0])
    lanes.clipped_step(x, rows([np.inf, np.nan]), size, poison, STEP, THRESHOLD, 1, 2)
    assert np.isnan(x).all()
    # Without a threshold nothing is clipped; and what is clipped is c, to the last place, where c/|g| g would not be.
    x = rows([10.0, 0.0])
    lanes.clipped_step(x, rows([-8.0, 3.0]), size, poison, STEP, np.inf, 1, 1)
    assert x.tolist() == [[14.0, 0.0]]
    lanes.clipped_step(x, rows([0.0, LONG]), size, poison, 1.0, SHORT, 1, 2)
    assert x.tolist() == [[14.0, -SHORT]]
    assert SHORT / LONG * LONG != SHORT


VECTORS = rows([0.0, 1.2, -1.2, 3.0, -30.0], [0.0, 0.9, 1.6, -4.0, 40.0])
LEFT = rows([0.0, 1.2, -1.2, 1.2, -1.2], [0.0, 0.9, 1.6, -1.6, 1.6])
"""Norms 0, 1.5, 2, 5 and 50; clipped to 2."""


def test_a_clipped_step_in_two_dimensions() -> None:
    x = np.full_like(VECTORS, 10.0)
    size, poison = fresh(5)
    lanes.clipped_step(x, VECTORS, size, poison, STEP, THRESHOLD, 2, 5)
    np.testing.assert_allclose(x, 10.0 - STEP * LEFT, rtol=1e-15)
    assert poison.tolist() == [0.0] * 5
    x, before = rows([10.0, 10.0], [10.0, 10.0]), rows([FLAT, 3.0], [0.0, 4.0])
    lanes.clipped_step(x, before, size, poison, STEP, THRESHOLD, 2, 2)
    # Clipped to nothing, and so poisoned for good.
    assert x[0].tolist() == [10.0, 10.0 - 0.6]
    assert np.isnan(poison[0])
    assert poison[1] == 0.0
    lanes.clipped_step(x, rows([3.0], [4.0]), size, poison, STEP, THRESHOLD, 2, 1)
    assert np.isnan(poison[0])


@pytest.mark.parametrize("dimension", [1, 2])
def test_clipped_samples_are_added(dimension: int) -> None:
    g = rows([pair[0] for pair in CLIPPED[:5]]) if dimension == 1 else VECTORS
    expected = rows([pair[1] for pair in CLIPPED[:5]]) if dimension == 1 else LEFT
    update = np.full_like(g, 100.0)
    size, poison = fresh(5)
    lanes.add_clipped(update, g, size, poison, THRESHOLD, dimension, 5)
    np.testing.assert_allclose(update, 100.0 + expected, rtol=1e-15)
    assert poison.tolist() == [0.0] * 5
    bad = rows([np.inf]) if dimension == 1 else rows([FLAT], [0.0])
    lanes.add_clipped(update, bad, size, poison, THRESHOLD, dimension, 1)
    lanes.add_clipped(update, g, size, poison, THRESHOLD, dimension, 1)
    # In one dimension what is added tells by itself.
    assert np.isnan(update[0, 0] if dimension == 1 else poison[0])
    if dimension == 1:
        assert poison.tolist() == [0.0] * 5


def test_small_loops() -> None:
    g = rows([1.0, 2.0, 9.0], [3.0, -4.0, 9.0])
    out = np.full_like(g, 5.0)
    lanes.fill(out, g, 3.0, 2)
    assert out.tolist() == [[3.0, 6.0, 5.0], [9.0, -12.0, 5.0]]
    lanes.add(out, g, -2.0, 2)
    assert out.tolist() == [[1.0, 2.0, 5.0], [3.0, -4.0, 5.0]]
    lanes.divide(out, 4, 2)
    assert out.tolist() == [[0.25, 0.5, 5.0], [0.75, -1.0, 5.0]]


# -- words and noise ---------------------------------------------------------------------------------------------------

KEYS = (0x9E3779B9, 0xFFFFFFFF)


def leads(samples: int) -> Array:
    """Room for what three or four replicas bring to Philox, with what was left in it."""
    return np.full((samples, 2, 2, 2, 2), 77, np.uint64)


def test_words_are_those_of_the_stream() -> None:
    words, lead = np.zeros((3, 2, 4, 4), np.uint32), leads(3)
    lanes.philox_lead(lead, 1, 1, *KEYS, 2**32 - 3, 2**31, 3, 4)
    replicas = np.array([2**32 - 3, 2**32 - 2, 2**32 - 1, 0], np.uint32)
    for block in (0, 7, 2**32 - 1):
        lanes.philox_lanes(words, 1, 1, lead, *KEYS, block, 2**31, 4)
        np.testing.assert_array_equal(words[1, 1], philox.words(KEYS, replicas, block, 2**31, 3))
    words[1, 1] = 0
    assert not words.any(), "other samples and streams are left alone"
    lead[1, 1] = 77
    assert (lead == 77).all()


def test_words_of_many_tiles() -> None:
    """Each from its part of the lead, as many as lanes need."""
    count = 2 * rounds.TILE + 2
    words, lead = np.zeros((1, 1, 4, 4 * rounds.TILE), np.uint32), np.zeros((1, 1, 2, 2, 2 * rounds.TILE), np.uint64)
    lanes.philox_lead(lead, 0, 0, *KEYS, 6, 1, 0, count)
    lanes.philox_lanes(words, 0, 0, lead, *KEYS, 5, 1, count)
    expected = philox.words(KEYS, np.arange(6, 6 + count, dtype=np.uint32), 5, 1, 0)
    np.testing.assert_array_equal(words[0, 0, :, :count], expected)
    assert not words[..., 3 * rounds.TILE :].any()
    assert not lead[..., count // 2 :].any()


@pytest.mark.parametrize("law", ["two_point", "symmetric_two_point"])
@pytest.mark.parametrize("count", [3, 4])
def test_atoms_are_what_words_choose(law: str, count: int) -> None:
    """One call does what one that stores words and one that reads them would do."""
    made, roles = generated()
    number, h = roles["samples"][law].number, np.zeros((2, 1, 3))
    # Numbers of instance 1: the atoms, and the word below which it is the second, which a fifth of the words are.
    h[1, 0] = -0.25, 1.5, 2.0**32 // 5
    out, wanted, lead = np.full((4, 4), 7.0), np.full((4, 4), 7.0), leads(1)
    lanes.philox_lead(lead, 0, 0, *KEYS, 2**32 - 2, 0, 0, count)
    assert made["atoms"](number, lead, *KEYS, 9, h, h, 1, out, count)
    words = np.zeros((1, 2, 4, 4), np.uint32)
    lanes.philox_lanes(words, 0, 0, lead, *KEYS, 9, 0, count)
    made["draws"](number, words, 0, 4, h, h, 1, wanted, np.zeros((1, 6)), count)
    np.testing.assert_array_equal(out[:, :count], wanted[:, :count])
    assert set(out[:, :count].ravel()) == {-0.25, 1.5}


def test_other_laws_are_no_atoms() -> None:
    made, roles = generated()
    out = np.full((4, 2), 7.0)
    for law, formula in roles["samples"].items():
        if law not in ("two_point", "symmetric_two_point"):
            assert not made["atoms"](formula.number, leads(1), *KEYS, 0, np.zeros(1), np.zeros(1), 0, out, 2), law
    assert (out == 7).all()


class Law:
    """Stands for the generated laws: adds what it was told, and remembers what it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, values: list[float]) -> None:
        self.asked: list[tuple[int, int, int]] = []
        self.words: list[Array] = []
        self.values, self.calls = values, 0
        monkeypatch.setattr(lanes, "samples", self)

    def __call__(self, family: int, words: Array, k: int, first: int, stride: int, *rest: Any) -> None:
        size, c, h, single, instance, low, high, out, buffer, count = rest
        assert (family, c, instance, count) == (5, 2.5, 3, 2)
        assert size.tolist() == [0.5, 0.0, 9.0]
        assert h is NUMBERS
        assert single is SINGLE
        assert buffer is BUFFER
        self.calls += 1
        for j in range(low, high):
            q = first + (j - low) * stride
            self.asked.append((k, q, j))
            self.words.append(words[k, :, q, :].copy())
            for i in range(count):
                out[j, i] += self.values[j] * (i + 1)


NUMBERS, SINGLE, BUFFER = np.zeros(1), np.zeros(1), np.zeros((1, 3))


def noise(
    law: tuple[int, int, int, int], dimension: int, step: int, drawn: Array, words: Array, lead: Array | None = None
) -> Array:
    """What is added by the noise of sample 4, whose words are in row 1, to what was there."""
    out, g = np.full((dimension, 3), 512.0), rows([0.3, 0.0, 9.0], [0.4, 0.0, 9.0], [0.0, 0.0, 9.0])[:dimension]
    size = np.array([0.5, 0.0, 9.0])
    scratch = np.full((2, 3), 9.0)
    lead = leads(3) if lead is None else lead
    arguments = (scratch, BUFFER, words, lead, drawn, 1, (*KEYS, 6), step, 4, law, 2.5, NUMBERS, SINGLE, 3, 2)
    lanes.add_noise(out, g, size, *arguments)
    return out - 512.0


def test_noise_of_coordinates_takes_the_words_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    law = Law(monkeypatch, [1.0, 10.0, 100.0])
    drawn, words, lead = np.full(3, -1), np.zeros((3, 2, 4, 3), np.uint32), leads(3)
    out = noise((5, 2, 2, 0), 3, 2, drawn, words, lead)
    assert out.tolist() == [[1.0, 2.0, 0.0], [10.0, 20.0, 0.0], [100.0, 200.0, 0.0]]
    # Draws 6, 7 and 8: the last two words of block 1, then the first of block 2.
    assert law.asked == [(1, 2, 0), (1, 3, 1), (1, 0, 2)]
    assert law.calls == 2, "one call for each block of words"
    assert drawn.tolist() == [-1, 2, -1]
    replicas = np.array([6, 7], np.uint32)
    for at, (block, word) in enumerate([(1, 2), (1, 3), (2, 0)]):
        for stream in (0, 1):
            expected = philox.words(KEYS, replicas, block, 4, 2 + stream)[word]
            np.testing.assert_array_equal(law.words[at][stream, :2], expected)
    # What is held is not drawn again: here it was spoilt, and the next step stays in its block.
    words[:] = 77
    noise((5, 2, 2, 0), 1, 9, drawn, words, lead)
    assert (words == 77).all()
    assert law.asked[-1] == (1, 1, 0)
    # Draws 3, 4 and 5: a block begins at the second coordinate.
    noise((5, 2, 2, 0), 3, 1, drawn, words, lead)
    assert law.asked[-3:] == [(1, 3, 0), (1, 0, 1), (1, 1, 2)]
    for at, (block, word) in zip((-3, -2, -1), [(0, 3), (1, 0), (1, 1)], strict=True):
        expected = philox.words(KEYS, replicas, block, 4, 2)[word]
        np.testing.assert_array_equal(law.words[at][0, :2], expected)


def test_a_law_of_one_stream_draws_one(monkeypatch: pytest.MonkeyPatch) -> None:
    Law(monkeypatch, [1.0])
    words = np.zeros((3, 2, 4, 3), np.uint32)
    noise((5, 1, 2, 0), 1, 0, np.full(3, -1), words)
    assert words[1, 0, :, :2].all()
    assert not words[1, 1].any()


def test_shared_noise_reads_the_words_of_the_first_coordinate(monkeypatch: pytest.MonkeyPatch) -> None:
    law = Law(monkeypatch, [1.0, 10.0, 100.0])
    out = noise((5, 1, 0, 1), 3, 1, np.full(3, -1), np.zeros((3, 2, 4, 3), np.uint32))
    assert out.tolist() == [[1.0, 2.0, 0.0], [10.0, 20.0, 0.0], [100.0, 200.0, 0.0]]
    assert law.asked == [(1, 3, 0), (1, 3, 1), (1, 3, 2)]
    assert law.calls == 1


@pytest.mark.parametrize(
    ("dimension", "step", "asked", "alone"),
    [
        # Draws 0, 1; 2, 3; one block serves two steps of four coordinates.
        (4, 1, [(2, 0, 4)], []),
        # Three draws a step: 3, 4 and 5, the last for one coordinate.
        (5, 1, [(3, 0, 2), (0, 2, 5)], [(1, 1, 4)]),
        (5, 2, [(2, 0, 4)], [(1, 0, 4)]),
        (12, 0, [(0, 0, 8), (0, 8, 12)], []),
        # Draws 2 and 3, in one block.
        (3, 1, [(2, 0, 3)], [(1, 3, 2)]),
        (1, 5, [], [(1, 1, 0)]),
        (9, 3, [(3, 0, 2), (0, 2, 9)], [(1, 3, 8)]),
    ],
)
def test_noise_in_pairs_takes_a_draw_for_two_coordinates(
    monkeypatch: pytest.MonkeyPatch,
    dimension: int,
    step: int,
    asked: list[tuple[int, int, int]],
    alone: list[tuple[int, int, int]],
) -> None:
    law, called, seen = Law(monkeypatch, [1.0] * dimension), [], []

    def pairs(family: int, words: Array, k: int, first: int, *rest: Any) -> None:
        h, single, instance, low, high, _, buffer, count = rest
        assert (family, k, instance, count) == (5, 1, 3, 2)
        assert h is NUMBERS
        assert single is SINGLE
        assert buffer is BUFFER
        called.append((first, low, high))
        seen.extend(words[k, :, first + (j - low) // 2, :2].copy() for j in range(low, high - 1, 2))

    monkeypatch.setattr(lanes, "pairs", pairs)
    g = np.zeros((dimension, 3))
    words, lead = np.zeros((3, 2, 4, 3), np.uint32), leads(3)
    arguments = (np.zeros((2, 3)), BUFFER, words, lead, np.full(3, -1), 1, (*KEYS, 6), step, 4)
    lanes.add_noise(g, g, np.array([0.5, 0.0, 9.0]), *arguments, (5, 2, 2, 3), 2.5, NUMBERS, SINGLE, 3, 2)
    assert called == asked
    assert law.asked == alone
    assert law.calls == len(alone)
    stream = philox.WordStream(KEYS, np.array([6, 7], np.uint32), 2, 4, 2)
    expected = stream.coordinates(Layout.PAIRS, step, dimension)
    for at, taken in enumerate([*seen, *(w[:, :2] for w in law.words)]):
        np.testing.assert_array_equal(taken, expected[2 * at])


def test_noise_along_the_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """One draw, along g/|g|; where g is 0, along the first axis."""
    law = Law(monkeypatch, [10.0])
    out = noise((5, 1, 0, 2), 3, 2, np.full(3, -1), np.zeros((3, 2, 4, 3), np.uint32))
    assert law.asked == [(1, 2, 0)]
    np.testing.assert_allclose(out[:, 0], [10.0 * 0.6, 10.0 * 0.8, 0.0], atol=1e-12)
    assert out[:, 1].tolist() == [20.0, 0.0, 0.0]
    assert not out[:, 2].any()


# -- whole runs --------------------------------------------------------------------------------------------------------


def batch(algorithm: str, dimension: int) -> Batch:
    """Runs of different lengths that clip and do not clip, one that overflows, one without noise."""
    start = [2.0, -1.0][:dimension]
    made = [
        Instance("quadratic", {"curvature": 1.0}, start, 0.3, 0.7, 4, "two_point", {"up": 1.5, "probability": 0.125}),
        Instance("huber", {"curvature": 1.0, "slope": 0.5}, start, 0.5, 1.0, 3),
        Instance("quartic", {"curvature": 1.0, "quartic": 1.0}, [1e200] * dimension, 0.5, 1.0, 2),
        Instance("quadratic", {"curvature": 1.0}, [0.0] * dimension, 0.5, 1.0, 1),
    ]
    several = algorithm != "clipped_sgd"
    zeta = 0.2 * (1.0 + np.arange(len(made))) if algorithm == "dp_sgd" else np.zeros(0)
    return replace(Batch.of(made, seed=5), algorithm=algorithm, samples=1 + several, privacy_deviation=zeta)


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_whole_runs_are_those_of_the_reference(algorithm: str, dimension: int) -> None:
    what = batch(algorithm, dimension)
    options: dict[str, Any] = {"record": 4, "groups": 2, "first_replica": 2, "checkpoints": [0, 2]}
    ours, reference = (run(what, 8, backend=b, **options) for b in ("cpu", "reference"))
    assert ours.valid.tolist() == reference.valid.tolist()
    assert not ours.valid[2].any()
    for name in vars(reference):
        one, other = getattr(ours, name), getattr(reference, name)
        if isinstance(other, np.ndarray) and other.dtype == np.float64:
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12, err_msg=name)

"""Philox's last rounds for the compiled engine, on 32 replicas at a time, as vectors of LLVM.

Philox is half of the engine's time in one dimension. LLVM makes vectors of a plain loop too, but by its own estimate of
how many replicas should be under way at once; written as vectors, the same words take a quarter less time. Functions
here are plain Python that says what is done; Numba compiles in their place what :func:`_rounds` writes.

The counter is (replica, block, sample, stream). What the first three rounds make of it depends on the block by two
numbers alone, which all replicas share. The rest, ``lead``, is uint64 [samples, streams, 2, 2, replicas/2], even
replicas before odd ones, and outlasts all blocks: see ``philox_lead`` in ``lanes.py``. With ``C0`` to ``C3`` the state
after three rounds, p the product of the third and ``top, bottom`` the two numbers, each half of 64 bits::

    low lead[0] ^ top -> p,    high p ^ high lead[0] = C0,    low p = C1
    high lead[1] ^ bottom = C2,    low lead[1] = C3

A multiplication of 32 by 32 bits reads the low halves of 64 and fills both. So what is in high halves is carried along,
and words are packed in the last round alone: there one vector takes those of even replicas and those of odd ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

from fuzz.engine.philox import MULTIPLIERS, ROUNDS, WEYL

Array = np.ndarray[Any, Any]

TILE = 32
"""Replicas at a time. Rows have room for whole tiles."""

LEAD_ROUNDS = 3

_VECTOR = TILE // 2
"""Numbers of 64 bits in a vector: the even replicas or the odd ones. LLVM cuts it to what the machine has."""

_LOW = 0xFFFFFFFF
_I32, _I64 = ir.IntType(32), ir.IntType(64)
_WIDE, _PACKED = ir.VectorType(_I64, _VECTOR), ir.VectorType(_I32, TILE)
# The high or the low halves of two vectors in turn, where halves are counted from the low one (little endian).
_HIGH_HALVES = ir.Constant(_PACKED, [half for i in range(_VECTOR) for half in (2 * i + 1, TILE + 2 * i + 1)])
_LOW_HALVES = ir.Constant(_PACKED, [half for i in range(_VECTOR) for half in (2 * i, TILE + 2 * i)])


def put_words(words: Array, k: int, s: int, lead: Array, i: int, key0: int, key1: int, top: int, bottom: int) -> None:
    """Fill ``words[k, s, :, i : i + TILE]`` from ``lead[k, s]``; i is a multiple of TILE."""
    words[k, s, :, i : i + TILE] = _plain_rounds(lead[k, s], i, key0, key1, top, bottom)[:, : words.shape[3] - i]


def put_atoms(
    out: Array,
    lead: Array,
    i: int,
    key0: int,
    key1: int,
    top: int,
    bottom: int,
    edge: int,
    below: float,
    other: float,
) -> None:
    """Fill ``out[:, i : i + TILE]`` with ``below`` where words from ``lead[0, 0]`` are below ``edge``, else ``other``.

    Words that choose are never stored.
    """
    words = _plain_rounds(lead[0, 0], i, key0, key1, top, bottom)[:, : out.shape[1] - i]
    out[:, i : i + TILE] = np.where(words < edge, below, other)


def _plain_rounds(lead: Array, i: int, key0: int, key1: int, top: int, bottom: int) -> Array:
    """The words of a tile, uint64 [4, TILE] or as many as there are."""
    half, low = np.uint64(32), np.uint64(_LOW)
    # Two and two: an even replica, then the odd one.
    first, second = lead[:, :, i // 2 : (i + TILE) // 2].transpose(0, 2, 1).reshape(2, -1)
    m0, m1 = (np.uint64(m) for m in MULTIPLIERS)
    p1 = m1 * ((first ^ np.uint64(top)) & low)
    c0, c1 = (p1 ^ first) >> half, p1 & low
    c2, c3 = (second >> half) ^ np.uint64(bottom), second & low
    for r in range(LEAD_ROUNDS, ROUNDS):
        k0, k1 = (np.uint64((int(key) + r * weyl) & _LOW) for key, weyl in zip((key0, key1), WEYL, strict=True))
        p0, p1 = m0 * c0, m1 * c2
        c0, c1, c2, c3 = (p1 >> half) ^ c1 ^ k0, p1 & low, (p0 >> half) ^ c3 ^ k1, p0 & low
    return np.stack([c0, c1, c2, c3])


def _write_words(
    _: Any, words: Any, k: Any, s: Any, lead: Any, i: Any, key0: Any, key1: Any, top: Any, bottom: Any
) -> Any:
    def write(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        _, k, s, _, i, *numbers = _numbers(context, builder, signature, given)
        made = _rounds(builder, _leads(context, builder, signature.args[3], given[3], k, s, i), *numbers)
        for row, word in enumerate(made):
            place = _place(context, builder, signature.args[0], given[0], k, s, _I64(row), i)
            _store(builder, word, place)
        return context.get_dummy_value()

    return types.void(words, k, s, lead, i, key0, key1, top, bottom), write


def _write_atoms(
    _: Any,
    out: Any,
    lead: Any,
    i: Any,
    key0: Any,
    key1: Any,
    top: Any,
    bottom: Any,
    edge: Any,
    below: Any,
    other: Any,
) -> Any:
    def write(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        _, _, i, *numbers, edge, _, _ = _numbers(context, builder, signature, given)
        made = _rounds(builder, _leads(context, builder, signature.args[1], given[1], _I64(0), _I64(0), i), *numbers)
        edges = _all(builder, builder.trunc(edge, _I32), TILE)
        pair = [context.cast(builder, given[n], signature.args[n], out.dtype) for n in (-2, -1)]
        below, other = (_all(builder, number, TILE) for number in pair)
        for row, word in enumerate(made):
            chosen = builder.select(builder.icmp_unsigned("<", word, edges), below, other)
            _store(builder, chosen, _place(context, builder, signature.args[0], given[0], _I64(row), i))
        return context.get_dummy_value()

    return types.void(out, lead, i, key0, key1, top, bottom, edge, below, other), write


_vector_words: Any = intrinsic(_write_words)
_vector_atoms: Any = intrinsic(_write_atoms)


@overload(put_words, strict=False)
def _(words: Any, k: Any, s: Any, lead: Any, i: Any, key0: Any, key1: Any, top: Any, bottom: Any) -> Any:
    return lambda words, k, s, lead, i, key0, key1, top, bottom: _vector_words(
        words, k, s, lead, i, key0, key1, top, bottom
    )


@overload(put_atoms, strict=False)
def _(
    out: Any, lead: Any, i: Any, key0: Any, key1: Any, top: Any, bottom: Any, edge: Any, below: Any, other: Any
) -> Any:
    return lambda out, lead, i, key0, key1, top, bottom, edge, below, other: _vector_atoms(
        out, lead, i, key0, key1, top, bottom, edge, below, other
    )


def _numbers(context: Any, builder: Any, signature: Any, given: Any) -> list[Any]:
    """Arguments, integers as 64 bits."""
    return [
        context.cast(builder, value, kind, types.uint64) if isinstance(kind, types.Integer) else value
        for value, kind in zip(given, signature.args, strict=True)
    ]


def _place(context: Any, builder: Any, kind: Any, array: Any, *at: Any) -> Any:
    """A pointer to one element."""
    opened = context.make_array(kind)(context, builder, array)
    get: Any = cgutils.get_item_pointer
    return get(context, builder, kind, opened, list(at), wraparound=False)


def _store(builder: Any, vector: Any, place: Any) -> None:
    stored = builder.store(vector, builder.bitcast(place, vector.type.as_pointer()))
    # Of one element: rows of tests begin anywhere, and those of the engine are aligned whatever is said here.
    stored.align = 4


def _leads(context: Any, builder: Any, kind: Any, lead: Any, k: Any, s: Any, i: Any) -> list[list[Any]]:
    """Both rows of ``lead[k, s]``, of even replicas and of odd ones: [2][2] vectors."""
    half = builder.lshr(i, _I64(1))
    result = []
    for parity in range(2):
        row = []
        for number in range(2):
            place = _place(context, builder, kind, lead, k, s, _I64(number), _I64(parity), half)
            loaded = builder.load(builder.bitcast(place, _WIDE.as_pointer()))
            loaded.align = 8
            row.append(loaded)
        result.append(row)
    return result


def _all(builder: Any, number: Any, count: int) -> Any:
    """A vector of one number."""
    kind = ir.VectorType(number.type, count)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), number, _I32(0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(_I32, count), [0] * count))


def _rounds(
    builder: Any, leads: list[list[Any]], key0: Any, key1: Any, top: Any, bottom: Any
) -> tuple[Any, Any, Any, Any]:
    """The four words of a tile as vectors of 32-bit numbers, replicas in their order."""
    half, low = _WIDE([32] * _VECTOR), _WIDE([_LOW] * _VECTOR)
    first, second = (_WIDE([m] * _VECTOR) for m in MULTIPLIERS)

    def times(factor: Any, number: Any) -> Any:
        return builder.mul(factor, builder.and_(number, low))

    def high(number: Any) -> Any:
        return builder.lshr(number, half)

    def mixed(number: Any, word: Any, key: Any) -> Any:
        return builder.xor(builder.xor(number, word), key)

    def keys(r: int) -> list[Any]:
        return [builder.add(key, _I64(r * weyl)) for key, weyl in zip((key0, key1), WEYL, strict=True)]

    states = []
    for one, two in leads:
        p = times(second, builder.xor(one, _all(builder, top, _VECTOR)))
        states.append((high(builder.xor(p, one)), p, builder.xor(high(two), _all(builder, bottom, _VECTOR)), two))
    for r in range(LEAD_ROUNDS, ROUNDS - 1):
        k0, k1 = (_all(builder, key, _VECTOR) for key in keys(r))
        for n, (c0, c1, c2, c3) in enumerate(states):
            p0, p1 = times(first, c0), times(second, c2)
            states[n] = (mixed(high(p1), c1, k0), p1, mixed(high(p0), c3, k1), p0)
    k0, k1 = (_all(builder, builder.trunc(key, _I32), TILE) for key in keys(ROUNDS - 1))
    # Both replicas of a lane share what follows: halves of products and of words, even and odd in turn.
    both = [(times(first, c0), times(second, c2), c1, c3) for c0, c1, c2, c3 in states]
    p0, p1, c1, c3 = ([builder.bitcast(vector, _PACKED) for vector in pair] for pair in zip(*both, strict=True))
    return (
        mixed(builder.shuffle_vector(*p1, _HIGH_HALVES), builder.shuffle_vector(*c1, _LOW_HALVES), k0),
        builder.shuffle_vector(*p1, _LOW_HALVES),
        mixed(builder.shuffle_vector(*p0, _HIGH_HALVES), builder.shuffle_vector(*c3, _LOW_HALVES), k1),
        builder.shuffle_vector(*p0, _LOW_HALVES),
    )

"""The one stream of random words: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, SC 2011), in NumPy.

Words are a function of where they are used, not of who asks: the key is a hash of (seed, global instance id, purpose),
the counter is (replica, draw // 4, sample, stream), and word ``draw % 4`` of the result is used, where
``draw = step * d + coordinate``. ``sample`` counts the samples of a step from 0. A law that needs two words per draw
takes the second from stream 1; the noise that ``dp_sgd`` adds after clipping has sample 0 and streams 2 and 3.

A law whose coordinates are drawn in pairs has ``draw = step * ceil(d/2) + coordinate // 2``; odd coordinates read the
second word less :data:`QUARTER_TURN`, modulo 2^32.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from theorems.language.noises import Layout

Words = npt.NDArray[np.uint32]

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
PRIVACY_STREAM = 2
"""First stream of the noise that is added after clipping."""

QUARTER_TURN = np.uint32(2**30)
"""A quarter of a turn, in words."""

_MASK = np.uint64(0xFFFFFFFF)
_HIGH = np.uint64(32)


def stream_key(seed: int, instance_id: int, purpose: str) -> tuple[int, int]:
    """The two 32-bit key words of one instance: the low and the high half of a 64-bit BLAKE2b hash.

    Different purposes give unrelated streams, so that a finding is confirmed on fresh numbers.
    """
    low, high = stream_keys(seed, [instance_id], purpose)[0].tolist()
    return low, high


def stream_keys(seed: int, instance_ids: Sequence[int], purpose: str) -> Words:
    """:func:`stream_key` of each instance, [I, 2]."""
    before, after = f"clipbounds|{int(seed)}|", f"|{purpose}"
    digests = [hashlib.blake2b(f"{before}{i}{after}".encode(), digest_size=8).digest() for i in map(int, instance_ids)]
    return np.frombuffer(b"".join(digests), "<u4").reshape(-1, 2).astype(np.uint32)


def philox4x32(counter: npt.NDArray[np.uint32], key: tuple[int, int]) -> Words:
    """Four random words for each counter: shape [4, ...] to shape [4, ...], uint32."""
    c0, c1, c2, c3 = (counter[k].astype(np.uint64) for k in range(4))
    k0, k1 = key
    m0, m1 = (np.uint64(m) for m in MULTIPLIERS)
    for _ in range(ROUNDS):
        p0, p1 = m0 * c0, m1 * c2
        c0, c1, c2, c3 = (
            (p1 >> _HIGH) ^ c1 ^ np.uint64(k0),
            p1 & _MASK,
            (p0 >> _HIGH) ^ c3 ^ np.uint64(k1),
            p0 & _MASK,
        )
        k0, k1 = (k0 + WEYL[0]) & 0xFFFFFFFF, (k1 + WEYL[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3]).astype(np.uint32)


def words(key: tuple[int, int], replicas: npt.NDArray[np.uint32], block: int, sample: int, stream: int) -> Words:
    """The four words, shape [4, n], of each of n replicas at ``block = draw // 4``."""
    counter = np.empty((4, *replicas.shape), np.uint32)
    counter[0], counter[1], counter[2], counter[3] = replicas, block, sample, stream
    return philox4x32(counter, key)


@dataclass
class WordStream:
    """The words of n replicas of one instance, drawn in increasing order.

    Args:
        key: of the instance.
        replicas: global replica numbers, shape [n].
        streams: words per draw.
        sample: index within a mini-batch.
        first_stream: number of the first stream.
    """

    key: tuple[int, int]
    replicas: npt.NDArray[np.uint32]
    streams: int
    sample: int = 0
    first_stream: int = 0
    _block: int = -1
    _words: list[Words] = field(default_factory=list)

    def draw(self, index: int) -> list[Words]:
        """One array [n] per stream, for draw number ``index``."""
        if index // 4 != self._block:
            self._block = index // 4
            self._words = [
                words(self.key, self.replicas, self._block, self.sample, self.first_stream + s)
                for s in range(self.streams)
            ]
        return [w[index % 4] for w in self._words]

    def coordinates(self, layout: Layout, step: int, dimension: int) -> list[list[Words]]:
        """The draws of all coordinates in one step: for each, one array [n] per stream."""
        if layout in (Layout.SHARED, Layout.GRADIENT):
            return [self.draw(step * dimension)] * dimension
        if layout is Layout.COORDINATES:
            return [self.draw(step * dimension + j) for j in range(dimension)]
        drawn = []
        for pair in range(-(-dimension // 2)):
            first, second = self.draw(step * (-(-dimension // 2)) + pair)
            drawn += [[first, second], [first, second - QUARTER_TURN]]
        return drawn[:dimension]

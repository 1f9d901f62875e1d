"""The stream as a source of randomness: uniform, and independent across everything that numbers its words.

Each test of significance alarms with probability below 1e-7 (chi-square by the incomplete gamma function; a correlation
of n pairs beyond 5.5/sqrt(n) by the normal limit), 28 of them: together below 3e-6. Seeds are fixed, so that an alarm
would be there to stay.
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath
import numpy as np
import numpy.typing as npt
import pytest

from fuzz.engine.philox import stream_key, words

ALARM = 1e-7
REPLICAS = np.arange(2**13, dtype=np.uint32)
BLOCKS = 32

Words = npt.NDArray[np.uint32]


def drawn(instance: int = 0, purpose: str = "search", sample: int = 0, stream: int = 0, first: int = 0) -> Words:
    """Words of 2^13 replicas and 128 draws: [128, 2^13], about a million."""
    key = stream_key(1, instance, purpose)
    return np.concatenate([words(key, REPLICAS + np.uint32(first), b, sample, stream) for b in range(BLOCKS)])


def significance(counts: npt.NDArray[np.int64], degrees: int) -> float:
    """Probability of so large a chi-square under equal chances."""
    expected = counts.sum() / counts.size
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return float(mpmath.gammainc(degrees / 2, statistic / 2, regularized=True))


@pytest.mark.parametrize("shift", [0, 8, 16, 24])
def test_every_byte_is_uniform(shift: int) -> None:
    counts = np.bincount(((drawn() >> np.uint32(shift)) & np.uint32(255)).ravel(), minlength=256)
    assert significance(counts, 255) > ALARM


def test_leading_digits_are_uniform_in_each_word_of_a_block() -> None:
    """By replica: the four words of a block are alike."""
    for k in range(4):
        counts = np.bincount((drawn()[k::4] >> np.uint32(22)).ravel(), minlength=1024)
        assert significance(counts, 1023) > ALARM


NEIGHBOURS: dict[str, Callable[[], tuple[Words, Words]]] = {
    "replica": lambda: (drawn()[:, ::2], drawn()[:, 1::2]),
    "distant replica": lambda: (drawn(), drawn(first=2**31)),
    "draw: the next coordinate, or the next step in one dimension": lambda: (drawn()[::2], drawn()[1::2]),
    "block: four coordinates on": lambda: (drawn().reshape(-1, 8, 2**13)[:, :4], drawn().reshape(-1, 8, 2**13)[:, 4:]),
    "step in 64 dimensions": lambda: (drawn()[:64], drawn()[64:]),
    "sample": lambda: (drawn(), drawn(sample=1)),
    "second word of a draw": lambda: (drawn(), drawn(stream=1)),
    "noise after clipping": lambda: (drawn(), drawn(stream=2)),
    "instance": lambda: (drawn(), drawn(instance=1)),
    "purpose": lambda: (drawn(), drawn(purpose="confirm")),
}


@pytest.mark.parametrize("name", list(NEIGHBOURS))
def test_neighbours_are_independent(name: str) -> None:
    """The joint law of the leading four bits of both, 256 cells; and the correlation of the uniforms. No word is in two
    pairs, so that pairs are independent trials."""
    one, other = (w.ravel() for w in NEIGHBOURS[name]())
    counts = np.bincount((one >> np.uint32(28)) * 16 + (other >> np.uint32(28)), minlength=256)
    assert significance(counts, 255) > ALARM
    assert abs(np.corrcoef(one.astype(np.float64), other)[0, 1]) < 5.5 / np.sqrt(len(one))


def test_a_poor_stream_would_be_caught() -> None:
    """What the tests are for: a counter, and words that are used twice."""
    counter = np.arange(2**18, dtype=np.uint32) << np.uint32(8)
    assert significance(np.bincount((counter >> np.uint32(24)).ravel(), minlength=256), 255) < ALARM
    one = drawn()[0]
    pairs = np.bincount((one >> np.uint32(28)) * 16 + (one >> np.uint32(28)), minlength=256)
    assert significance(pairs, 255) < ALARM

"""The compiled engine's loops over lanes. ``runs.py`` calls them, once for each step or sample.

The text is joined with that of ``runs.py`` and with generated formulas into one module, which Numba compiles.

Lanes are replicas: each loop over lanes is free of branches on data, so that LLVM vectorises it, and each lane does
the same IEEE operations wherever it stands in a block, so that trajectories do not depend on how runs are split. The
names ``real`` (the type of states), ``BUFFER``, ``gradients``, ``values``, ``samples``, ``pairs``, ``draws``, ``atoms``
and ``advance`` (generated, with the family as a switch) come from :mod:`fuzz.engine.kernels`; the functions here are
plain Python until then.

What is not finite is noticed without branches. A state that once is not finite stays so, whatever is added, hence it is
looked at when the run ends. In one dimension a gradient that is not finite makes the next state so: zero times it is
NaN. In several, a norm may overflow where the gradient is finite, so ``poison`` adds zero times each norm: NaN, for
good.

Functions take whole arrays and say which row they mean: to slice an array is to count a reference, atomically, which
costs as much as a loop over lanes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fuzz.engine.rounds import TILE, put_atoms, put_words

# What the generated module provides.
real: Any = np.float64
BUFFER = 0
ONLY_GENERATED = "this module runs inside the one that fuzz.engine.kernels generates from it"


def gradients(family: int, x: Any, g: Any, h: Any, instance: int, low: int, high: int, buffer: Any, lanes: int) -> None:
    """Fill g[j] with the gradient at x[j], ``low <= j < high``; ``h[instance, j]`` holds the hoisted numbers.

    ``buffer``, here and below, is float64 [BUFFER, lanes], for it alone.
    """
    raise NotImplementedError(ONLY_GENERATED)


def values(family: int, x: Any, out: Any, h: Any, instance: int, low: int, high: int, lanes: int) -> None:
    """Add the values at x[j], ``low <= j < high``, to out, in float64."""
    raise NotImplementedError(ONLY_GENERATED)


def samples(
    family: int,
    words: Any,
    k: int,
    first: int,
    stride: int,
    size: Any,
    c: float,
    h: Any,
    single: Any,
    instance: int,
    low: int,
    high: int,
    out: Any,
    buffer: Any,
    lanes: int,
) -> None:
    """Add noise to out[j], ``low <= j < high``, from the words ``words[k, :, first + (j - low) stride]``.

    A law of the state also reads gradient norms and c.

    ``single`` is h in the type of states: an atom that was rounded in the loop would be chosen in float64.
    """
    raise NotImplementedError(ONLY_GENERATED)


def pairs(
    family: int,
    words: Any,
    k: int,
    first: int,
    h: Any,
    single: Any,
    instance: int,
    low: int,
    high: int,
    out: Any,
    buffer: Any,
    lanes: int,
) -> None:
    """Add noise to out[j] and out[j + 1] for ``j = low, low + 2, ... < high - 1``.

    From the words ``words[k, :, first + (j - low)/2]``; for laws whose coordinates are drawn in pairs.
    """
    raise NotImplementedError(ONLY_GENERATED)


def draws(
    family: int, words: Any, k: int, rows: int, h: Any, single: Any, instance: int, out: Any, buffer: Any, lanes: int
) -> None:
    """Put noise into the first rows of out, from ``words[k]``, by the numbers of coordinate 0; else as ``samples``.

    For laws that read no state.
    """
    raise NotImplementedError(ONLY_GENERATED)


def atoms(
    family: int, lead: Any, key0: int, key1: int, block: int, h: Any, single: Any, instance: int, out: Any, lanes: int
) -> bool:
    """What ``philox_lanes`` (of sample 0, stream 0) and ``draws`` would put into four rows of out, by ``atom_lanes``.

    For laws of two atoms; whether this is one.
    """
    raise NotImplementedError(ONLY_GENERATED)


def advance(
    family: int,
    x: Any,
    noise: Any,
    size: Any,
    low: int,
    high: int,
    step_size: Any,
    threshold: Any,
    h: Any,
    instance: int,
    buffer: Any,
    lanes: int,
) -> None:
    """Whole steps ``low <= q < high`` in one dimension: gradient norms into size[q], noise from noise[q]."""
    raise NotImplementedError(ONLY_GENERATED)


# Of a type, and not plain: Numba would compile a function for each plain number that it is called with.
ZERO: Any = np.int64(0)
ONE: Any = np.int64(1)
TWO: Any = np.int64(2)
PRIVACY_STREAM: Any = np.int64(2)
MASK = np.uint64(0xFFFFFFFF)
HIGH = np.uint64(32)
M0 = np.uint64(0xD2511F53)
M1 = np.uint64(0xCD9E8D57)
W0 = np.uint64(0x9E3779B9)
W1 = np.uint64(0xBB67AE85)

Array = np.ndarray[Any, Any]


def philox_lead(
    lead: Array, k: int, s: int, key0: int, key1: int, first: int, sample: int, stream: int, lanes: int
) -> None:
    """What replicas ``first, first + 1, ...`` bring to the first three rounds of Philox, into ``lead[k, s]``.

    It serves all blocks of a sample and a stream. The layout is that of ``rounds.py``; if lanes is odd, one more.
    """
    k0 = np.uint64(key0) & MASK
    k1 = np.uint64(key1) & MASK
    later0 = (k0 + W0) & MASK
    known = (M1 * (np.uint64(sample) & MASK) & MASK) ^ later0
    later1 = (k1 + W1 + W1) & MASK
    later0 = (later0 + W0) & MASK
    for parity in range(2):
        for i in range((lanes + 1) >> 1):
            p0 = M0 * (np.uint64(first + 2 * i + parity) & MASK)
            p1 = M1 * ((p0 >> HIGH) ^ (np.uint64(stream) & MASK) ^ k1)
            lead[k, s, 0, parity, i] = (p0 & MASK) | (((p1 & MASK) ^ later0) << HIGH)
            lead[k, s, 1, parity, i] = (M0 * ((p1 >> HIGH) ^ known)) ^ (later1 << HIGH)


def philox_shared(key0: int, key1: int, block: int, sample: int) -> tuple[Any, Any]:
    """What a block of words brings to those rounds, for all replicas and streams: two numbers of 32 bits."""
    p = M0 * (((M1 * (np.uint64(sample) & MASK)) >> HIGH) ^ (np.uint64(block) & MASK) ^ (np.uint64(key0) & MASK))
    return (p >> HIGH) ^ ((np.uint64(key1) + W1) & MASK), p & MASK


def philox_lanes(
    words: Array, k: int, s: int, lead: Array, key0: int, key1: int, block: int, sample: int, lanes: int
) -> None:
    """Fill words[k, s], [4, replicas] uint32, from ``lead[k, s]``: whole tiles of replicas, as many as lanes need."""
    top, bottom = philox_shared(key0, key1, block, sample)
    for i in range(0, lanes, TILE):
        put_words(words, k, s, lead, i, key0, key1, top, bottom)


def atom_lanes(
    out: Array,
    lead: Array,
    key0: int,
    key1: int,
    block: int,
    edge: int,
    below: float,
    other: float,
    lanes: int,
) -> None:
    """Fill four rows of out with the atoms that words of sample 0 and its first stream choose, in whole tiles."""
    top, bottom = philox_shared(key0, key1, block, ZERO)
    for i in range(0, lanes, TILE):
        put_atoms(out, lead, i, key0, key1, top, bottom, edge, below, other)


def radii(x: Array, radius: Array, dimension: int, lanes: int) -> None:
    """Euclidean norms of x into radius[0], as ``norms`` would."""
    if dimension == 1:
        for i in range(lanes):
            radius[0, i] = abs(x[0, i])
        return
    for i in range(lanes):
        radius[0, i] = x[0, i] * x[0, i]
    for j in range(1, dimension):
        for i in range(lanes):
            radius[0, i] += x[j, i] * x[j, i]
    for i in range(lanes):
        radius[0, i] = np.sqrt(radius[0, i])


def radial_gradients(
    family: int,
    x: Array,
    g: Array,
    radius: Array,
    slope: Array,
    h: Array,
    instance: int,
    buffer: Array,
    dimension: int,
    lanes: int,
) -> None:
    """Gradients ``phi'(r) x/r`` of ``phi(|x|)``, 0 at 0; ``radius`` and ``slope`` [1, lanes] are for it alone.

    Where squares overflow, and ``x/r`` would be 0, ``0 r`` makes the gradient NaN.
    """
    radii(x, radius, dimension, lanes)
    gradients(family, radius, slope, h, instance, ZERO, ONE, buffer, lanes)
    for i in range(lanes):
        r = radius[0, i]
        slope[0, i] = (slope[0, i] / r if r > real(0) else real(0)) + real(0) * r
    for j in range(dimension):
        for i in range(lanes):
            g[j, i] = slope[0, i] * x[j, i]


def norms(g: Array, size: Array, dimension: int, lanes: int) -> None:
    """Euclidean norms; without squares in one dimension, where they might overflow."""
    if dimension == 1:
        for i in range(lanes):
            size[i] = abs(g[0, i])
        return
    for i in range(lanes):
        size[i] = g[0, i] * g[0, i]
    # The same sum in the same order; four rows at a time, as sums that wait in memory cost more than what is added.
    whole = 1 + ((dimension - 1) & -4)
    for j in range(1, whole, 4):
        for i in range(lanes):
            total = size[i] + g[j, i] * g[j, i]
            total += g[j + 1, i] * g[j + 1, i]
            total += g[j + 2, i] * g[j + 2, i]
            size[i] = total + g[j + 3, i] * g[j + 3, i]
    for j in range(whole, dimension):
        for i in range(lanes):
            size[i] += g[j, i] * g[j, i]
    for i in range(lanes):
        size[i] = np.sqrt(size[i])


def measure(g: Array, size: Array, mean: Array, poison: Array, dimension: int, lanes: int) -> None:
    """Gradient norms, added to their sums."""
    if dimension == 1:
        for i in range(lanes):
            size[i] = abs(g[0, i])
            mean[i] += size[i]
        return
    norms(g, size, dimension, lanes)
    for i in range(lanes):
        mean[i] += size[i]
        poison[i] += real(0) * size[i]


def clipped_step(
    x: Array, g: Array, size: Array, poison: Array, step_size: Any, threshold: Any, dimension: int, lanes: int
) -> None:
    """``x -= step_size min(1, c/|g|) g``; 0/0 does not arise: c/0 is inf and the minimum is 1.

    In one dimension that is g between -c and c, exactly. Zero times g leaves what is finite as it is, and makes NaN of
    what is not.
    """
    one = real(1)
    if dimension == 1:
        for i in range(lanes):
            y = g[0, i]
            x[0, i] -= step_size * (min(max(y, -threshold), threshold) + real(0) * y)
        return
    norms(g, size, dimension, lanes)
    for i in range(lanes):
        poison[i] += real(0) * size[i]
        size[i] = min(one, threshold / size[i])
    for j in range(dimension):
        for i in range(lanes):
            x[j, i] -= step_size * (size[i] * g[j, i])


def add_noise(
    out: Array,
    g: Array,
    size: Array,
    scratch: Array,
    buffer: Array,
    words: Array,
    lead: Array,
    drawn: Array,
    k: int,
    where: Any,
    step: int,
    sample: int,
    law: Any,
    c: float,
    numbers: Array,
    single: Array,
    instance: int,
    lanes: int,
) -> None:
    """Add the noise of one sample to out; ``words[k]`` holds block ``drawn[k]`` of its stream, and is kept up to date.

    A block below 0 is none, and says that ``lead[k]`` is not known yet.

    ``where`` is (key, key, first replica) and ``law`` is (family, words per draw, first stream, layout). Layout 2
    moves along the gradient g with norms ``size``; out may be g. ``scratch`` [2, lanes] and ``buffer`` are for it
    alone. In layout 1 all coordinates read the words of the first, in layout 3 two by two those of one draw.
    """
    key0, key1, first = where
    family, streams, first_stream, layout = law
    dimension = out.shape[0]
    halved = ONE if layout == 3 else ZERO
    draw = step * ((dimension + halved) >> halved)
    low = 0
    while low < dimension:
        at = draw + (low >> halved)
        word = at & 3
        if at >> 2 != drawn[k]:
            for s in range(streams):
                if drawn[k] < 0:
                    philox_lead(lead, k, s, key0, key1, first, sample, first_stream + s, lanes)
                philox_lanes(words, k, s, lead, key0, key1, at >> 2, sample, lanes)
            drawn[k] = at >> 2
        if layout == 2:
            break
        # All coordinates that a block of four words, or the one word of all, is for: calls cost as much as short loops.
        high = dimension if layout == 1 else min(dimension, low + ((4 - word) << halved))
        if layout == 3 and high - low > 1:
            pairs(family, words, k, word, numbers, single, instance, low, high, out, buffer, lanes)
            word += (high - low) >> 1
            # The last of an odd number has a draw for itself.
            low = high - ((high - low) & 1)
        stride = 0 if layout == 1 else 1
        if low < high:
            samples(family, words, k, word, stride, size, c, numbers, single, instance, low, high, out, buffer, lanes)
        low = high
    if layout != 2:
        return
    for i in range(lanes):
        scratch[0, i] = real(0)
    samples(family, words, k, draw & 3, ZERO, size, c, numbers, single, instance, ZERO, ONE, scratch, buffer, lanes)
    for axis in range(dimension):
        still = real(1) if axis == 0 else real(0)
        # By a row that overlaps with no other, or g and out being one array would stop vectorisation.
        for i in range(lanes):
            scratch[1, i] = g[axis, i] / size[i] if size[i] > real(0) else still
        for i in range(lanes):
            out[axis, i] += scratch[0, i] * scratch[1, i]


def add_clipped(
    update: Array, g: Array, size: Array, poison: Array, threshold: Any, dimension: int, lanes: int
) -> None:
    """``update += min(1, c/|g|) g``, as in a step; size is overwritten, in several dimensions."""
    one = real(1)
    if dimension == 1:
        for i in range(lanes):
            y = g[0, i]
            update[0, i] += min(max(y, -threshold), threshold) + real(0) * y
        return
    norms(g, size, dimension, lanes)
    for i in range(lanes):
        poison[i] += real(0) * size[i]
        size[i] = min(one, threshold / size[i])
    for j in range(dimension):
        for i in range(lanes):
            update[j, i] += size[i] * g[j, i]


def fill(out: Array, g: Array, factor: Any, lanes: int) -> None:
    """``out = factor g``."""
    for j in range(g.shape[0]):
        for i in range(lanes):
            out[j, i] = factor * g[j, i]


def divide(g: Array, by: int, lanes: int) -> None:
    """``g /= by``."""
    number = real(by)
    for j in range(g.shape[0]):
        for i in range(lanes):
            g[j, i] /= number


def add(out: Array, g: Array, factor: Any, lanes: int) -> None:
    """``out += factor g``."""
    for j in range(g.shape[0]):
        for i in range(lanes):
            out[j, i] += factor * g[j, i]


def aligned(count: int, kind: Any) -> Array:
    """An array [count] that starts on a multiple of 64 bytes, as vectors do: others straddle two lines of the cache."""
    array = np.empty(count + 64, kind)
    first = -array.ctypes.data % 64 // array.itemsize
    return array[first : first + count]

"""The compiled engine's loops. This text is joined with generated formulas into one module, which Numba compiles.

Lanes are replicas: each loop over lanes is free of branches on data, so that LLVM vectorises it, and each lane does
the same IEEE operations wherever it stands in a block, so that trajectories do not depend on how runs are split. The
names ``real`` (the type of states), ``gradients``, ``values`` and ``samples`` (generated, with the family as a
switch) come from :mod:`fuzz.engine.kernels`; the functions here are plain Python until then.

What is not finite is noticed without branches. A state that once is not finite stays so, whatever is added, hence it is
looked at when the run ends. In one dimension a gradient that is not finite makes the next state so: inf times c/inf is
NaN. In several, a norm may overflow where the gradient is finite, so ``poison`` adds zero times each norm: NaN, for
good.

Functions take whole arrays and say which row they mean: to slice an array is to count a reference, atomically, which
costs as much as a loop over lanes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# What the generated module provides.
real: Any = np.float64
ONLY_GENERATED = "this module runs inside the one that fuzz.engine.kernels generates from it"


def gradients(family: int, x: Any, g: Any, h: Any, instance: int, j: int, lanes: int) -> None:
    """Fill g[j] with the gradient at x[j]; ``h[instance, j]`` holds the hoisted numbers."""
    raise NotImplementedError(ONLY_GENERATED)


def values(family: int, x: Any, out: Any, h: Any, instance: int, j: int, lanes: int) -> None:
    """Add the value at x[j] to out, in float64."""
    raise NotImplementedError(ONLY_GENERATED)


def samples(
    family: int, words: Any, k: int, q: int, size: Any, c: float, h: Any, instance: int, j: int, out: Any, lanes: int
) -> None:
    """Add noise to out[j], from the words ``words[k, :, q]``; a law of the state also reads gradient norms and c."""
    raise NotImplementedError(ONLY_GENERATED)


PRIVACY_STREAM = 2
MASK = np.uint64(0xFFFFFFFF)
HIGH = np.uint64(32)
M0 = np.uint64(0xD2511F53)
M1 = np.uint64(0xCD9E8D57)
W0 = np.uint64(0x9E3779B9)
W1 = np.uint64(0xBB67AE85)

Array = np.ndarray[Any, Any]


def philox_lanes(
    words: Array, k: int, s: int, key0: int, key1: int, first: int, block: int, sample: int, stream: int, lanes: int
) -> None:
    """Fill words[k, s], [4, lanes] uint32, for replicas ``first, first + 1, ...``."""
    b = np.uint64(block) & MASK
    for i in range(lanes):
        c0 = np.uint64(first + i) & MASK
        c1 = b
        c2 = np.uint64(sample) & MASK
        c3 = np.uint64(stream) & MASK
        k0 = np.uint64(key0) & MASK
        k1 = np.uint64(key1) & MASK
        for _ in range(10):
            p0 = M0 * c0
            p1 = M1 * c2
            c0 = (p1 >> HIGH) ^ c1 ^ k0
            c1 = p1 & MASK
            c2 = (p0 >> HIGH) ^ c3 ^ k1
            c3 = p0 & MASK
            k0 = (k0 + W0) & MASK
            k1 = (k1 + W1) & MASK
        words[k, s, 0, i] = np.uint32(c0)
        words[k, s, 1, i] = np.uint32(c1)
        words[k, s, 2, i] = np.uint32(c2)
        words[k, s, 3, i] = np.uint32(c3)


def norms(g: Array, size: Array, dimension: int, lanes: int) -> None:
    """Euclidean norms; without squares in one dimension, where they might overflow."""
    if dimension == 1:
        for i in range(lanes):
            size[i] = abs(g[0, i])
        return
    for i in range(lanes):
        size[i] = g[0, i] * g[0, i]
    for j in range(1, dimension):
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
    """``x -= step_size min(1, c/|g|) g``; 0/0 does not arise: c/0 is inf and the minimum is 1."""
    one = real(1)
    if dimension == 1:
        for i in range(lanes):
            length = abs(g[0, i])
            x[0, i] -= step_size * (min(one, threshold / length) * g[0, i])
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
    words: Array,
    drawn: Array,
    k: int,
    where: Any,
    step: int,
    sample: int,
    law: Any,
    c: float,
    numbers: Array,
    instance: int,
    lanes: int,
) -> None:
    """Add the noise of one sample to out; ``words[k]`` holds block ``drawn[k]`` of its stream, and is kept up to date.

    ``where`` is (key, key, first replica) and ``law`` is (family, words per draw, first stream, layout). Layout 2
    moves along the gradient g with norms ``size``; out may be g. ``scratch`` [2, lanes] is for it alone. In
    layout 1 all coordinates read the words of the first.
    """
    key0, key1, first = where
    family, streams, first_stream, layout = law
    dimension = out.shape[0]
    for j in range(1 if layout == 2 else dimension):
        draw = step * dimension + (j if layout == 0 else 0)
        if draw >> 2 != drawn[k]:
            drawn[k] = draw >> 2
            for s in range(streams):
                philox_lanes(words, k, s, key0, key1, first, draw >> 2, sample, first_stream + s, lanes)
        if layout != 2:
            samples(family, words, k, draw & 3, size, c, numbers, instance, j, out, lanes)
            continue
        for i in range(lanes):
            scratch[0, i] = real(0)
        samples(family, words, k, draw & 3, size, c, numbers, instance, 0, scratch, lanes)
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
    """``update += min(1, c/|g|) g``; size is overwritten."""
    one = real(1)
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


def run_tasks(
    tasks: Array,
    low: int,
    high: int,
    objective: Array,
    objective_numbers: Array,
    value_numbers: Array,
    noise: Array,
    noise_words: Array,
    noise_layout: Array,
    noise_numbers: Array,
    x0: Array,
    step_size: Array,
    threshold: Array,
    steps: Array,
    keys: Array,
    algorithm: int,
    sample_count: int,
    privacy_law: int,
    privacy_numbers: Array,
    first_replica: int,
    checkpoints: Array,
    average: Array,
    gap: Array,
    valid: Array,
    total: Array,
    square: Array,
    trajectories: Array,
    breadth: int,
) -> None:
    """Run tasks ``low <= k < high``; a task is (instance, start, stop, first row of sums, replicas per row).

    Replicas are taken ``breadth`` at a time. ``algorithm`` is a position in ``batch.ALGORITHMS``. With one sample every
    algorithm does the operations of the first, up to additions of 0.
    """
    dimension = x0.shape[1]
    x = np.empty((dimension, breadth), real)
    g = np.empty((dimension, breadth), real)
    size = np.empty(breadth, real)
    scratch = np.empty((2, breadth), real)
    poison = np.empty(breadth, real)
    mean = np.empty(breadth, np.float64)
    final = np.empty(breadth, np.float64)
    # The words of each sample, and of the noise after clipping: a block outlasts a step where d is below 4.
    words = np.empty((sample_count + 1, 2, 4, breadth), np.uint32)
    drawn = np.empty(sample_count + 1, np.int64)
    after = (privacy_law, 2, PRIVACY_STREAM, 0)
    several = algorithm != 0
    noisy = np.empty((dimension if several else 0, breadth), real)
    update = np.empty((dimension if several else 0, breadth), real)
    noisy_size = np.empty(breadth, real)
    history = np.empty((len(checkpoints), breadth), np.float64)
    for k in range(low, high):
        instance, start, stop, first_row, width = tasks[k]
        eta = step_size[instance]
        c = threshold[instance]
        law = (noise[instance], noise_words[instance], 0, noise_layout[instance])
        for block in range(start, stop, breadth):
            where = (keys[instance, 0], keys[instance, 1], first_replica + block)
            lanes = min(breadth, stop - block)
            recorded = max(0, min(trajectories.shape[1] - block, lanes))
            for i in range(lanes):
                poison[i] = real(0)
                mean[i] = 0.0
                for j in range(dimension):
                    x[j, i] = x0[instance, j]
            drawn[:] = -1
            due = 0
            for t in range(steps[instance]):
                for i in range(recorded):
                    for j in range(dimension):
                        trajectories[instance, block + i, t, j] = x[j, i]
                for j in range(dimension):
                    gradients(objective[instance, j], x, g, objective_numbers, instance, j, lanes)
                measure(g, size, mean, poison, dimension, lanes)
                if due < len(checkpoints) and checkpoints[due] == t:
                    for i in range(lanes):
                        history[due, i] = size[i]
                    due += 1
                if algorithm == 0:
                    if law[1] > 0:
                        add_noise(
                            g, g, size, scratch, words, drawn, 0, where, t, 0, law, c, noise_numbers, instance, lanes
                        )
                    clipped_step(x, g, size, poison, eta, real(c), dimension, lanes)
                    continue
                for j in range(dimension):
                    for i in range(lanes):
                        update[j, i] = real(0)
                for k in range(sample_count):
                    target = update
                    if algorithm != 1:
                        target = noisy
                        fill(noisy, g, real(1), lanes)
                    if law[1] > 0:
                        add_noise(
                            target,
                            g,
                            size,
                            scratch,
                            words,
                            drawn,
                            k,
                            where,
                            t,
                            k,
                            law,
                            c,
                            noise_numbers,
                            instance,
                            lanes,
                        )
                    if algorithm != 1:
                        add_clipped(update, noisy, noisy_size, poison, real(c), dimension, lanes)
                divide(update, sample_count, lanes)
                if algorithm == 1:
                    add(g, update, real(1), lanes)
                    clipped_step(x, g, size, poison, eta, real(c), dimension, lanes)
                    continue
                if algorithm == 3:
                    add_noise(
                        update,
                        g,
                        size,
                        scratch,
                        words,
                        drawn,
                        sample_count,
                        where,
                        t,
                        0,
                        after,
                        c,
                        privacy_numbers,
                        instance,
                        lanes,
                    )
                add(x, update, -eta, lanes)
            for i in range(recorded):
                for j in range(dimension):
                    trajectories[instance, block + i, steps[instance], j] = x[j, i]
            for i in range(lanes):
                final[i] = 0.0
            for j in range(dimension):
                values(objective[instance, j], x, final, value_numbers, instance, j, lanes)
                for i in range(lanes):
                    poison[i] += real(0) * x[j, i]
            for i in range(lanes):
                good = poison[i] == real(0) and np.isfinite(final[i])
                valid[instance, block + i] = good
                # inf f is 0 exactly; rounding may leave a value of -1e-16.
                average[instance, block + i] = mean[i] / steps[instance] if good else np.nan
                gap[instance, block + i] = max(final[i], 0.0) if good else np.nan
                if good:
                    row = first_row + (block + i - start) // width
                    for q in range(due):
                        total[instance, row, q] += history[q, i]
                        square[instance, row, q] += history[q, i] * history[q, i]

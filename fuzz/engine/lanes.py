"""The compiled engine's loops. This text is joined with generated formulas into one module, which Numba compiles.

Lanes are replicas: each loop over lanes is free of branches on data, so that LLVM vectorises it, and each lane does
the same IEEE operations wherever it stands in a block, so that trajectories do not depend on how runs are split. The
names ``real`` (the type of states), ``gradients``, ``values`` and ``samples`` (generated, with the family as a
switch) come from :mod:`fuzz.engine.kernels`; the functions here are plain Python until then.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# What the generated module provides.
real: Any = np.float64
ONLY_GENERATED = "this module runs inside the one that fuzz.engine.kernels generates from it"


def gradients(family: int, x: Any, g: Any, h: Any, lanes: int) -> None:
    """Fill g with the gradient at x; ``h`` holds the hoisted numbers."""
    raise NotImplementedError(ONLY_GENERATED)


def values(family: int, x: Any, out: Any, h: Any, lanes: int) -> None:
    """Fill out with the value at x, in float64."""
    raise NotImplementedError(ONLY_GENERATED)


def samples(family: int, w0: Any, w1: Any, size: Any, c: float, h: Any, out: Any, lanes: int) -> None:
    """Fill out with noise from the words w0 and w1; an oracle also reads gradient norms and the threshold c."""
    raise NotImplementedError(ONLY_GENERATED)


LANES = 128
PRIVACY_STREAM = 2
MASK = np.uint64(0xFFFFFFFF)
HIGH = np.uint64(32)
M0 = np.uint64(0xD2511F53)
M1 = np.uint64(0xCD9E8D57)
W0 = np.uint64(0x9E3779B9)
W1 = np.uint64(0xBB67AE85)

Array = np.ndarray[Any, Any]


def philox_lanes(
    words: Array, key0: int, key1: int, first: int, block: int, sample: int, stream: int, lanes: int
) -> None:
    """Fill words [4, LANES] uint32 for replicas ``first, first + 1, ...``."""
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
        words[0, i] = np.uint32(c0)
        words[1, i] = np.uint32(c1)
        words[2, i] = np.uint32(c2)
        words[3, i] = np.uint32(c3)


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


def clipped_step(x: Array, g: Array, size: Array, poison: Array, step_size: Any, threshold: Any, lanes: int) -> None:
    """``x -= step_size min(1, c/|g|) g``; 0/0 does not arise: c/0 is inf and the minimum is 1."""
    one = real(1)
    for j in range(x.shape[0]):
        for i in range(lanes):
            x[j, i] -= step_size * (min(one, threshold / size[i]) * g[j, i])
    for i in range(lanes):
        poison[i] += real(0) * size[i]


def add_noise(
    out: Array,
    g: Array,
    size: Array,
    scratch: Array,
    words: Array,
    drawn: int,
    where: Any,
    step: int,
    sample: int,
    law: Any,
    c: float,
    numbers: Array,
    lanes: int,
) -> int:
    """Add the noise of one sample to out; ``words`` holds block ``drawn`` of its stream, and the new one is returned.

    ``where`` is (key, key, first replica) and ``law`` is (family, words per draw, first stream, oracle). An oracle
    the gradient g and its norms ``size``; out may be g.
    """
    key0, key1, first = where
    family, streams, first_stream, oracle = law
    shift, unit = scratch[0], scratch[1]
    dimension = out.shape[0]
    for j in range(1 if oracle else dimension):
        draw = step * dimension + j
        if draw >> 2 != drawn:
            drawn = draw >> 2
            for s in range(streams):
                philox_lanes(words[s], key0, key1, first, drawn, sample, first_stream + s, lanes)
        samples(family, words[0, draw & 3], words[1, draw & 3], size, c, numbers[j], shift, lanes)
        if oracle:
            for axis in range(dimension):
                still = real(1) if axis == 0 else real(0)
                # By a row that overlaps with no other, or g and out being one array would stop vectorisation.
                for i in range(lanes):
                    unit[i] = g[axis, i] / size[i] if size[i] > real(0) else still
                for i in range(lanes):
                    out[axis, i] += shift[i] * unit[i]
        else:
            for i in range(lanes):
                out[j, i] += shift[i]
    return drawn


def add_clipped(update: Array, g: Array, size: Array, poison: Array, threshold: Any, lanes: int) -> None:
    """``update += min(1, c/|g|) g``."""
    one = real(1)
    for j in range(g.shape[0]):
        for i in range(lanes):
            update[j, i] += min(one, threshold / size[i]) * g[j, i]
    for i in range(lanes):
        poison[i] += real(0) * size[i]


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
    noise_oracle: Array,
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
) -> None:
    """Run tasks ``low <= k < high``; a task is (instance, start, stop, first row of sums, replicas per row).

    ``algorithm`` is a position in ``batch.ALGORITHMS``. With one sample every algorithm does the operations of the
    first, up to additions of 0.
    """
    dimension = x0.shape[1]
    x = np.empty((dimension, LANES), real)
    g = np.empty((dimension, LANES), real)
    size = np.empty(LANES, real)
    scratch = np.empty((2, LANES), real)
    poison = np.empty(LANES, real)
    wide = np.empty(LANES, np.float64)
    mean = np.empty(LANES, np.float64)
    final = np.empty(LANES, np.float64)
    # The words of each sample, and of the noise after clipping: a block outlasts a step where d is below 4.
    words = np.empty((sample_count + 1, 2, 4, LANES), np.uint32)
    drawn = np.empty(sample_count + 1, np.int64)
    several = algorithm != 0
    noisy = np.empty((dimension if several else 0, LANES), real)
    update = np.empty((dimension if several else 0, LANES), real)
    noisy_size = np.empty(LANES, real)
    history = np.empty((len(checkpoints), LANES), np.float64)
    for k in range(low, high):
        instance, start, stop, first_row, width = tasks[k]
        eta = step_size[instance]
        c = threshold[instance]
        law = (noise[instance], noise_words[instance], 0, noise_oracle[instance])
        for block in range(start, stop, LANES):
            where = (keys[instance, 0], keys[instance, 1], first_replica + block)
            lanes = min(LANES, stop - block)
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
                    gradients(objective[instance], x[j], g[j], objective_numbers[instance, j], lanes)
                norms(g, size, dimension, lanes)
                # Zero times a number that is not finite is NaN, and stays: no branch is needed to notice it.
                for i in range(lanes):
                    mean[i] += size[i]
                    poison[i] += real(0) * size[i]
                for j in range(dimension):
                    for i in range(lanes):
                        poison[i] += real(0) * x[j, i]
                if due < len(checkpoints) and checkpoints[due] == t:
                    for i in range(lanes):
                        history[due, i] = size[i]
                    due += 1
                if algorithm == 0:
                    if law[1] > 0:
                        drawn[0] = add_noise(
                            g, g, size, scratch, words[0], drawn[0], where, t, 0, law, c, noise_numbers[instance], lanes
                        )
                    norms(g, size, dimension, lanes)
                    clipped_step(x, g, size, poison, eta, real(c), lanes)
                    continue
                update[:] = real(0)
                for k in range(sample_count):
                    target = update
                    if algorithm != 1:
                        target = noisy
                        noisy[:] = g
                    if law[1] > 0:
                        drawn[k] = add_noise(
                            target,
                            g,
                            size,
                            scratch,
                            words[k],
                            drawn[k],
                            where,
                            t,
                            k,
                            law,
                            c,
                            noise_numbers[instance],
                            lanes,
                        )
                    if algorithm != 1:
                        norms(noisy, noisy_size, dimension, lanes)
                        add_clipped(update, noisy, noisy_size, poison, real(c), lanes)
                divide(update, sample_count, lanes)
                if algorithm == 1:
                    add(g, update, real(1), lanes)
                    norms(g, size, dimension, lanes)
                    clipped_step(x, g, size, poison, eta, real(c), lanes)
                    continue
                if algorithm == 3:
                    drawn[sample_count] = add_noise(
                        update,
                        g,
                        size,
                        scratch,
                        words[sample_count],
                        drawn[sample_count],
                        where,
                        t,
                        0,
                        (privacy_law, 2, PRIVACY_STREAM, False),
                        c,
                        privacy_numbers[instance],
                        lanes,
                    )
                add(x, update, -eta, lanes)
            for i in range(recorded):
                for j in range(dimension):
                    trajectories[instance, block + i, steps[instance], j] = x[j, i]
            for i in range(lanes):
                final[i] = 0.0
            for j in range(dimension):
                values(objective[instance], x[j], wide, value_numbers[instance, j], lanes)
                for i in range(lanes):
                    final[i] += wide[i]
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

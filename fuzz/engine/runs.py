"""The compiled engine's outer loops: tasks, blocks of replicas, steps and samples.

The text follows that of ``lanes.py``, which says how, in the module that Numba compiles; what is imported from there
stands in that module itself. As in ``lanes.py``, the functions here are plain Python until then.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fuzz.engine.lanes import (
    BUFFER,
    ONE,
    PRIVACY_STREAM,
    TWO,
    ZERO,
    Array,
    add,
    add_clipped,
    add_noise,
    advance,
    aligned,
    atoms,
    clipped_step,
    divide,
    draws,
    fill,
    gradients,
    measure,
    philox_lanes,
    philox_lead,
    radial_gradients,
    radii,
    real,
    values,
)


def whole_steps(
    steps: int,
    objective: int,
    x: Array,
    noise: Array,
    size: Array,
    mean: Array,
    words: Array,
    lead: Array,
    where: Any,
    law: Any,
    step_size: Any,
    threshold: Any,
    objective_numbers: Array,
    noise_numbers: Array,
    noise_single: Array,
    instance: int,
    checkpoints: Array,
    history: Array,
    trajectories: Array,
    block: int,
    recorded: int,
    buffer: Array,
    lanes: int,
) -> int:
    """All steps of ``clipped_sgd`` in one dimension, where the noise does not depend on the state: few, long loops.

    Four steps at a time have their noise drawn, into the rows of ``noise`` [4, lanes], and their gradient norms added
    to ``mean``, from the rows of ``size`` [4, lanes]. But a loop does one step, since steps wait for each other: four
    in one loop would leave the processor idle. Returns how many checkpoints were met.
    """
    key0, key1, first = where
    family, streams, first_stream, _ = law
    if streams == 0:
        # Adding -0 changes nothing, not even a sign.
        noise[:] = real(-0.0)
    for s in range(streams):
        philox_lead(lead, ZERO, s, key0, key1, first, ZERO, first_stream + s, lanes)
    due = 0
    for t in range(0, steps, 4):
        rows = min(4, steps - t)
        drawn = atoms(family, lead, key0, key1, t >> 2, noise_numbers, noise_single, instance, noise, lanes)
        if streams > 0 and not drawn:
            for s in range(streams):
                philox_lanes(words, ZERO, s, lead, key0, key1, t >> 2, ZERO, lanes)
            draws(family, words, ZERO, rows, noise_numbers, noise_single, instance, noise, buffer, lanes)
        # Calls that are saved count too: many arrays are many arguments.
        together = rows if recorded == 0 else 1
        for q in range(0, rows, together):
            for i in range(recorded):
                trajectories[instance, block + i, t + q, 0] = x[0, i]
            advance(
                objective,
                x,
                noise,
                size,
                q,
                q + together,
                step_size,
                threshold,
                objective_numbers,
                instance,
                buffer,
                lanes,
            )
        while due < len(checkpoints) and checkpoints[due] < t + rows:
            for i in range(lanes):
                history[due, i] = size[checkpoints[due] - t, i]
            due += 1
        if rows == 4:
            for i in range(lanes):
                mean[i] = (((mean[i] + size[0, i]) + size[1, i]) + size[2, i]) + size[3, i]
        else:
            for q in range(rows):
                for i in range(lanes):
                    mean[i] += size[q, i]
    return due


def run_tasks(
    tasks: Array,
    low: int,
    high: int,
    objective: Array,
    radial: Array,
    objective_numbers: Array,
    value_numbers: Array,
    noise: Array,
    noise_words: Array,
    noise_layout: Array,
    noise_free: Array,
    noise_numbers: Array,
    noise_single: Array,
    x0: Array,
    step_size: Array,
    threshold: Array,
    steps: Array,
    keys: Array,
    algorithm: int,
    sample_count: int,
    privacy_law: int,
    privacy_layout: int,
    privacy_numbers: Array,
    privacy_single: Array,
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
    x = aligned(dimension * breadth, real).reshape((dimension, breadth))
    g = aligned(dimension * breadth, real).reshape((dimension, breadth))
    radius = np.empty((1, breadth), real)
    slope = np.empty((1, breadth), real)
    size = np.empty(breadth, real)
    scratch = np.empty((2, breadth), real)
    buffer = aligned(BUFFER * breadth, np.float64).reshape((BUFFER, breadth))
    poison = np.empty(breadth, real)
    mean = aligned(breadth, np.float64)
    final = np.empty(breadth, np.float64)
    # The words of each sample, and of the noise after clipping: a block outlasts a step where d is below 4.
    words = aligned((sample_count + 1) * 8 * breadth, np.uint32).reshape((sample_count + 1, 2, 4, breadth))
    # What replicas bring to those words, whichever block they are of.
    lead = aligned((sample_count + 1) * 4 * breadth, np.uint64).reshape((sample_count + 1, 2, 2, 2, breadth >> 1))
    drawn = np.empty(sample_count + 1, np.int64)
    ends = np.empty(dimension, np.int64)
    after = (privacy_law, TWO, PRIVACY_STREAM, privacy_layout)
    several = algorithm != 0
    noisy = np.empty((dimension if several else 0, breadth), real)
    update = np.empty((dimension if several else 0, breadth), real)
    noisy_size = np.empty(breadth, real)
    history = np.empty((len(checkpoints), breadth), np.float64)
    rows = 4 if dimension == 1 and not several else 0
    noise_rows = aligned(rows * breadth, real).reshape((rows, breadth))
    size_rows = aligned(rows * breadth, real).reshape((rows, breadth))
    for k in range(low, high):
        instance, start, stop, first_row, width = tasks[k]
        eta = step_size[instance]
        c = threshold[instance]
        law = (noise[instance], noise_words[instance], ZERO, noise_layout[instance])
        # Where the stretch of coordinates of one family ends that begins at each.
        for j in range(dimension - 1, -1, -1):
            longer = j + 1 < dimension and objective[instance, j] == objective[instance, j + 1]
            ends[j] = ends[j + 1] if longer else j + 1
        whole = rows > 0 and noise_free[instance] and not radial[instance]
        for block in range(start, stop, breadth):
            where = (keys[instance, 0], keys[instance, 1], first_replica + block)
            count = min(breadth, stop - block)
            recorded = max(0, min(trajectories.shape[1] - block, count))
            # Four vectors of eight at a time: what is left over would be run one by one, at the price of as many
            # vectors. So it is filled up with the replicas that follow, of which nothing is kept.
            lanes = count if count < 16 else min(breadth, (count + 31) >> 5 << 5)
            for i in range(lanes):
                poison[i] = real(0)
                mean[i] = 0.0
                for j in range(dimension):
                    x[j, i] = x0[instance, j]
            drawn[:] = -1
            due = 0
            if whole:
                due = whole_steps(
                    steps[instance],
                    objective[instance, 0],
                    x,
                    noise_rows,
                    size_rows,
                    mean,
                    words,
                    lead,
                    where,
                    law,
                    eta,
                    real(c),
                    objective_numbers,
                    noise_numbers,
                    noise_single,
                    instance,
                    checkpoints,
                    history,
                    trajectories,
                    block,
                    recorded,
                    buffer,
                    lanes,
                )
            for t in range(0 if whole else steps[instance]):
                for i in range(recorded):
                    for j in range(dimension):
                        trajectories[instance, block + i, t, j] = x[j, i]
                if radial[instance]:
                    radial_gradients(
                        objective[instance, 0],
                        x,
                        g,
                        radius,
                        slope,
                        objective_numbers,
                        instance,
                        buffer,
                        dimension,
                        lanes,
                    )
                else:
                    j = 0
                    while j < dimension:
                        gradients(objective[instance, j], x, g, objective_numbers, instance, j, ends[j], buffer, lanes)
                        j = ends[j]
                measure(g, size, mean, poison, dimension, lanes)
                if due < len(checkpoints) and checkpoints[due] == t:
                    for i in range(lanes):
                        history[due, i] = size[i]
                    due += 1
                if algorithm == 0:
                    if law[1] > 0:
                        add_noise(
                            g,
                            g,
                            size,
                            scratch,
                            buffer,
                            words,
                            lead,
                            drawn,
                            ZERO,
                            where,
                            t,
                            ZERO,
                            law,
                            c,
                            noise_numbers,
                            noise_single,
                            instance,
                            lanes,
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
                            buffer,
                            words,
                            lead,
                            drawn,
                            k,
                            where,
                            t,
                            k,
                            law,
                            c,
                            noise_numbers,
                            noise_single,
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
                        buffer,
                        words,
                        lead,
                        drawn,
                        sample_count,
                        where,
                        t,
                        ZERO,
                        after,
                        c,
                        privacy_numbers,
                        privacy_single,
                        instance,
                        lanes,
                    )
                add(x, update, -eta, lanes)
            for i in range(recorded):
                for j in range(dimension):
                    trajectories[instance, block + i, steps[instance], j] = x[j, i]
            for i in range(lanes):
                final[i] = 0.0
            if radial[instance]:
                radii(x, radius, dimension, lanes)
                values(objective[instance, 0], radius, final, value_numbers, instance, ZERO, ONE, lanes)
            else:
                j = 0
                while j < dimension:
                    values(objective[instance, j], x, final, value_numbers, instance, j, ends[j], lanes)
                    j = ends[j]
            for j in range(dimension):
                for i in range(lanes):
                    poison[i] += real(0) * x[j, i]
            for i in range(count):
                good = poison[i] == real(0) and np.isfinite(final[i])
                valid[instance, block + i] = good
                # inf f is 0 exactly; rounding may leave a value of -1e-16.
                average[instance, block + i] = mean[i] / steps[instance] if good else np.nan
                gap[instance, block + i] = max(final[i], 0.0) if good else np.nan
            i = 0
            while i < count:
                row = (block + i - start) // width
                after_row = min(count, start + (row + 1) * width - block)
                for q in range(due):
                    sum_of = total[instance, first_row + row, q]
                    sum_of_squares = square[instance, first_row + row, q]
                    for n in range(i, after_row):
                        if valid[instance, block + n]:
                            sum_of += history[q, n]
                            sum_of_squares += history[q, n] * history[q, n]
                    total[instance, first_row + row, q] = sum_of
                    square[instance, first_row + row, q] = sum_of_squares
                i = after_row

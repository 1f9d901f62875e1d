"""The GPU engine's kernel: one program per block of replicas of one instance, state in registers for all steps.

This text is joined with that of ``block_math.py`` and with generated formulas into one module, which Triton compiles;
the functions are plain Python until then, and the names ``gradient``, ``value`` and ``sample`` (generated) come from
:mod:`fuzz.engine.printers.triton_source`. Tiles are [ROWS, BLOCK], a row per coordinate, ROWS a power of two; rows
beyond the dimension are zero. Families, algorithm and dimension are compile-time constants, so that a kernel holds one
objective and one noise: Triton compiles a pair when it is first met, and keeps it on disk.

Arithmetic is that of the compiled engine: IEEE division and square roots, no contraction to fused operations, noise and
elementary functions in float64.
"""

from __future__ import annotations

from typing import Any

# What the generated module provides.
tl: Any = None
ONLY_GENERATED = "this module runs inside the one that fuzz.engine.gpu generates from it"


def gradient(v: Any, numbers: Any, at: Any, inside: Any, FAMILY: tl.constexpr, real: tl.constexpr) -> Any:
    """The gradient at the tile v; ``numbers + at`` points to each coordinate's hoisted numbers."""
    raise NotImplementedError(ONLY_GENERATED)


def value(v: Any, numbers: Any, at: Any, inside: Any, FAMILY: tl.constexpr) -> Any:
    """The value at the tile v, in float64."""
    raise NotImplementedError(ONLY_GENERATED)


def sample(
    w0: Any, w1: Any, size: Any, c: Any, numbers: Any, at: Any, inside: Any, FAMILY: tl.constexpr, real: tl.constexpr
) -> Any:
    """Noise from tiles of words; a law of the state also reads gradient norms and the threshold."""
    raise NotImplementedError(ONLY_GENERATED)


def philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """The four words of Philox4x32-10, of uint32 tiles."""
    for _ in tl.static_range(10):
        high0 = tl.umulhi(c0, 0xD2511F53)
        high1 = tl.umulhi(c2, 0xCD9E8D57)
        low0 = c0 * 0xD2511F53
        low1 = c2 * 0xCD9E8D57
        c0 = high1 ^ c1 ^ k0
        c1 = low1
        c2 = high0 ^ c3 ^ k1
        c3 = low0
        k0 = k0 + 0x9E3779B9
        k1 = k1 + 0xBB67AE85
    return c0, c1, c2, c3


def block_words(replica: Any, block: Any, sample_number: Any, stream: Any, k0: Any, k1: Any) -> Any:
    """The words of blocks [n, 1] for replicas [1, BLOCK]: four tiles [n, BLOCK]."""
    c0 = replica + block * 0
    c1 = block + replica * 0
    c2 = c0 * 0 + sample_number
    c3 = c0 * 0 + stream
    return philox(c0, c1, c2.to(tl.uint32), c3.to(tl.uint32), k0, k1)


def pick(q: Any, w0: Any, w1: Any, w2: Any, w3: Any) -> Any:
    """Word q of four."""
    return tl.where(q == 0, w0, tl.where(q == 1, w1, tl.where(q == 2, w2, w3)))


def tile_words(
    step: Any,
    replica: Any,
    sample_number: Any,
    stream: Any,
    k0: Any,
    k1: Any,
    EACH: tl.constexpr,
    DIMENSION: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> Any:
    """The words of one step, [ROWS, BLOCK]: word ``draw % 4`` of block ``draw // 4``.

    A draw is for ``EACH`` coordinates, one or two: ``draw = step * ceil(d / EACH) + j // EACH``.
    """
    if DIMENSION % (4 * EACH) == 0:
        # Whole blocks: four draws share a call.
        first = (tl.zeros((1, 1), tl.int64) + step) * (DIMENSION // (4 * EACH))
        block = (first + tl.arange(0, ROWS // (4 * EACH))[:, None]).to(tl.uint32)
        w0, w1, w2, w3 = block_words(replica, block, sample_number, stream, k0, k1)
        joined = tl.join(tl.join(w0, w1), tl.join(w2, w3))
        words = tl.reshape(tl.permute(joined, (0, 3, 2, 1)), (ROWS // EACH, BLOCK))
        if EACH == 2:
            words = tl.reshape(tl.permute(tl.join(words, words), (0, 2, 1)), (ROWS, BLOCK))
    else:
        draws = (DIMENSION + EACH - 1) // EACH
        draw = (tl.zeros((1, 1), tl.int64) + step) * draws + tl.arange(0, ROWS)[:, None] // EACH
        w0, w1, w2, w3 = block_words(replica, (draw >> 2).to(tl.uint32), sample_number, stream, k0, k1)
        words = pick(draw & 3, w0, w1, w2, w3)
    return words


def turned(words: Any, EACH: tl.constexpr, ROWS: tl.constexpr) -> Any:
    """Second words [ROWS, BLOCK]; those of odd coordinates a quarter of a turn back, where a draw is for two."""
    if EACH == 2:
        words = words - ((tl.arange(0, ROWS)[:, None] & 1) << 30).to(tl.uint32)
    return words


def first_word(
    step: Any, replica: Any, sample_number: Any, stream: Any, k0: Any, k1: Any, DIMENSION: tl.constexpr
) -> Any:
    """The words of coordinate 0, [1, BLOCK]."""
    draw = (tl.zeros((1, 1), tl.int64) + step) * DIMENSION
    w0, w1, w2, w3 = block_words(replica, (draw >> 2).to(tl.uint32), sample_number, stream, k0, k1)
    return pick(draw & 3, w0, w1, w2, w3)


def quotient(a: Any, b: Any, real: tl.constexpr) -> Any:
    """``a / b``, rounded to nearest."""
    return tl.div_rn(a, b) if real == tl.float32 else a / b


def norm(g: Any, DIMENSION: tl.constexpr, real: tl.constexpr) -> Any:
    """Euclidean norms [1, BLOCK]; without squares in one dimension, where they might overflow."""
    if DIMENSION == 1:
        length = tl.abs(g)
    else:
        total = tl.sum(g * g, axis=0)[None, :]
        length = tl.sqrt_rn(total) if real == tl.float32 else tl.sqrt(total)
    return length


def clip(g: Any, size: Any, c: Any, DIMENSION: tl.constexpr, real: tl.constexpr) -> Any:
    """``min(1, c/|g|) g``; 0/0 does not arise: c/0 is inf and the minimum is 1.

    In one dimension g between -c and c, exactly; zero times g makes NaN of what is not finite.
    """
    if DIMENSION == 1:
        clipped = tl.minimum(tl.maximum(g, -c), c) + tl.full([], 0.0, real) * g
    else:
        clipped = tl.minimum(quotient(c, size, real), tl.full([], 1.0, real)) * g
    return clipped


def shift(
    w0: Any,
    w1: Any,
    g: Any,
    size: Any,
    c64: Any,
    numbers: Any,
    at: Any,
    inside: Any,
    FAMILY: tl.constexpr,
    ALONG: tl.constexpr,
    real: tl.constexpr,
) -> Any:
    """The noise of one sample, [ROWS, BLOCK]."""
    if ALONG:
        # One scalar, from coordinate 0, along the gradient or, where there is none, the first axis.
        first = tl.min(at, axis=0)[None, :]
        drawn = sample(w0, w1, size.to(tl.float64), c64, numbers, first, first >= 0, FAMILY, real).to(real)
        still = tl.where(at == first, tl.full([], 1.0, real), tl.full([], 0.0, real))
        result = drawn * tl.where(size > 0, quotient(g, tl.where(size > 0, size, 1), real), still)
    else:
        drawn = sample(w0, w1, size.to(tl.float64), c64, numbers, at, inside, FAMILY, real).to(real)
        result = tl.where(inside, drawn, tl.full([], 0.0, real))
    return result


def run_block(
    first_replica: Any,
    replicas: Any,
    samples: Any,
    recorded: Any,
    longest: Any,
    checkpoint_count: Any,
    x0: Any,
    gradient_numbers: Any,
    value_numbers: Any,
    noise_numbers: Any,
    privacy_numbers: Any,
    step_sizes: Any,
    thresholds: Any,
    step_counts: Any,
    keys: Any,
    checkpoints: Any,
    average: Any,
    gap: Any,
    valid: Any,
    history: Any,
    trajectories: Any,
    families: Any,
    RADIAL: tl.constexpr,
    GRADIENT_COUNT: tl.constexpr,
    VALUE_COUNT: tl.constexpr,
    NOISE_COUNT: tl.constexpr,
    PRIVACY_COUNT: tl.constexpr,
    OBJECTIVES: tl.constexpr,
    FAMILIES: tl.constexpr,
    NOISE: tl.constexpr,
    WORDS: tl.constexpr,
    SCALAR: tl.constexpr,
    ALONG: tl.constexpr,
    EACH: tl.constexpr,
    PRIVACY: tl.constexpr,
    PRIVACY_EACH: tl.constexpr,
    ALGORITHM: tl.constexpr,
    ROTATE: tl.constexpr,
    RECORD: tl.constexpr,
    DIMENSION: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
    real: tl.constexpr,
) -> None:
    """Run replicas [BLOCK] of one instance through all its steps.

    ``ALGORITHM`` is a position in ``batch.ALGORITHMS``; with ``ROTATE`` (one coordinate, one sample) the four words of
    a Philox call serve four steps. Outputs are [instance, replica] and [instance, checkpoint, replica]; trajectories
    are [instance, recorded, longest + 1, d]. ``families`` [d] are the numbers of the coordinates' families, and
    ``OBJECTIVES`` is the sum of 2 to the power of each. ``EACH`` is the number of coordinates that a draw is for.
    """
    blocks = tl.cdiv(replicas, BLOCK)
    program = tl.program_id(0)
    row = (program // blocks).to(tl.int64)
    lane = ((program % blocks) * BLOCK + tl.arange(0, BLOCK))[None, :]
    live = lane < replicas
    replica = (lane.to(tl.int64) + first_replica).to(tl.uint32)
    coordinate = tl.arange(0, ROWS)[:, None]
    inside = coordinate < DIMENSION
    place = row * DIMENSION + coordinate
    family = tl.load(families + coordinate, mask=inside, other=0)
    gradient_at = place * GRADIENT_COUNT
    noise_at = place * NOISE_COUNT
    privacy_at = place * PRIVACY_COUNT

    c64 = tl.load(thresholds + row)
    c = c64.to(real)
    step_size = tl.load(step_sizes + row).to(real)
    steps = tl.load(step_counts + row)
    k0 = tl.load(keys + 2 * row).to(tl.uint32)
    k1 = tl.load(keys + 2 * row + 1).to(tl.uint32)

    zero = tl.full([], 0.0, real)
    x = tl.load(x0 + place, mask=inside, other=0.0).to(real) + tl.zeros((ROWS, BLOCK), real)
    mean = tl.zeros((1, BLOCK), tl.float64)
    poison = tl.zeros((1, BLOCK), real)
    due = 0
    due_at = tl.load(checkpoints)
    a0 = tl.zeros((1, BLOCK), tl.uint32)
    a1 = tl.zeros((1, BLOCK), tl.uint32)
    a2 = tl.zeros((1, BLOCK), tl.uint32)
    a3 = tl.zeros((1, BLOCK), tl.uint32)
    b0 = tl.zeros((1, BLOCK), tl.uint32)
    b1 = tl.zeros((1, BLOCK), tl.uint32)
    b2 = tl.zeros((1, BLOCK), tl.uint32)
    b3 = tl.zeros((1, BLOCK), tl.uint32)
    for t in range(steps):
        if RECORD:
            spot = ((row * recorded + lane) * (longest + 1) + t) * DIMENSION + coordinate
            tl.store(trajectories + spot, x.to(tl.float64), mask=inside & (lane < recorded))
        slope = tl.zeros((ROWS, BLOCK), tl.float64).to(real)
        if RADIAL:
            # By the numbers of coordinate 0. Where squares overflow, 0 r makes the gradient NaN.
            first = tl.min(gradient_at, axis=0)[None, :]
            radius = norm(x, DIMENSION, real)
            for k in tl.static_range(FAMILIES):
                if (OBJECTIVES >> k) & 1:
                    part = gradient(radius, gradient_numbers, first, first >= 0, k, real).to(real)
                    factor = tl.where(radius > 0, quotient(part, tl.where(radius > 0, radius, 1), real), zero)
                    slope = (factor + zero * radius) * x
        else:
            for k in tl.static_range(FAMILIES):
                if (OBJECTIVES >> k) & 1:
                    part = gradient(x, gradient_numbers, gradient_at, inside, k, real).to(real)
                    # Where there is one family alone, nothing is chosen.
                    slope = part if (1 << k) == OBJECTIVES else tl.where(family == k, part, slope)
        # Elementary functions are in float64.
        g = tl.where(inside, slope.to(real), zero)
        size = norm(g, DIMENSION, real)
        mean += size.to(tl.float64)
        # A norm may overflow where the gradient is finite; in one dimension, and for states, the end of the run tells.
        if DIMENSION > 1:
            poison += zero * size
        if t == due_at:
            mark = (row * checkpoint_count + due) * replicas + lane
            tl.store(history + mark, size.to(tl.float64), mask=live)
            due += 1
            due_at = tl.load(checkpoints + due)

        update = tl.zeros((ROWS, BLOCK), real)
        if ROTATE:
            if t % 4 == 0:
                block = (t // 4 + tl.zeros((1, 1), tl.int32)).to(tl.uint32)
                a0, a1, a2, a3 = block_words(replica, block, 0, 0, k0, k1)
                if WORDS == 2:
                    b0, b1, b2, b3 = block_words(replica, block, 0, 1, k0, k1)
            noisy = g + shift(a0, b0, g, size, c64, noise_numbers, noise_at, inside, NOISE, ALONG, real)
            a0 = a1
            a1 = a2
            a2 = a3
            b0 = b1
            b1 = b2
            b2 = b3
            length = norm(noisy, DIMENSION, real)
            if DIMENSION > 1:
                poison += zero * length
            update = clip(noisy, length, c, DIMENSION, real)
        else:
            for k in range(samples):
                noisy = tl.zeros((ROWS, BLOCK), real)
                if ALGORITHM != 1:
                    noisy = g
                if WORDS > 0:
                    if SCALAR:
                        w0 = first_word(t, replica, k, 0, k0, k1, DIMENSION)
                        w1 = w0
                        noisy += shift(w0, w1, g, size, c64, noise_numbers, noise_at, inside, NOISE, ALONG, real)
                    else:
                        w0 = tile_words(t, replica, k, 0, k0, k1, EACH, DIMENSION, ROWS, BLOCK)
                        w1 = w0
                        if WORDS == 2:
                            w1 = tile_words(t, replica, k, 1, k0, k1, EACH, DIMENSION, ROWS, BLOCK)
                            w1 = turned(w1, EACH, ROWS)
                        noisy += shift(w0, w1, g, size, c64, noise_numbers, noise_at, inside, NOISE, False, real)
                if ALGORITHM == 1:
                    update += noisy
                else:
                    length = norm(noisy, DIMENSION, real)
                    if DIMENSION > 1:
                        poison += zero * length
                    update += clip(noisy, length, c, DIMENSION, real)
            if ALGORITHM != 0:
                update = quotient(update, tl.zeros((1, BLOCK), real) + samples, real)
            if ALGORITHM == 1:
                noisy = g + update
                length = norm(noisy, DIMENSION, real)
                if DIMENSION > 1:
                    poison += zero * length
                update = clip(noisy, length, c, DIMENSION, real)
            if ALGORITHM == 3:
                w0 = tile_words(t, replica, 0, 2, k0, k1, PRIVACY_EACH, DIMENSION, ROWS, BLOCK)
                w1 = tile_words(t, replica, 0, 3, k0, k1, PRIVACY_EACH, DIMENSION, ROWS, BLOCK)
                w1 = turned(w1, PRIVACY_EACH, ROWS)
                update += shift(w0, w1, g, size, c64, privacy_numbers, privacy_at, inside, PRIVACY, False, real)
        x = x - step_size * update
    if RECORD:
        spot = ((row * recorded + lane) * (longest + 1) + steps) * DIMENSION + coordinate
        tl.store(trajectories + spot, x.to(tl.float64), mask=inside & (lane < recorded))
    poison += tl.sum(zero * x, axis=0)[None, :]
    heights = tl.zeros((ROWS, BLOCK), tl.float64)
    if RADIAL:
        first = tl.min(place, axis=0)[None, :] * VALUE_COUNT
        radius = norm(x.to(tl.float64), DIMENSION, tl.float64)
        for k in tl.static_range(FAMILIES):
            if (OBJECTIVES >> k) & 1:
                part = value(radius, value_numbers, first, first >= 0, k)
                # One height for all coordinates, written at the first.
                heights = tl.where(coordinate == 0, part, heights)
    else:
        for k in tl.static_range(FAMILIES):
            if (OBJECTIVES >> k) & 1:
                part = value(x.to(tl.float64), value_numbers, place * VALUE_COUNT, inside, k)
                heights = part if (1 << k) == OBJECTIVES else tl.where(family == k, part, heights)
    final = tl.sum(tl.where(inside, heights, tl.full([], 0.0, tl.float64)), axis=0)[None, :]
    good = (poison == 0) & (final * 0 == 0)
    run = row * replicas + lane
    tl.store(valid + run, good.to(tl.int8), mask=live)
    tl.store(average + run, mean / steps.to(tl.float64), mask=live)
    # inf f is 0 exactly; rounding may leave a value of -1e-16.
    tl.store(gap + run, tl.maximum(final, tl.full([], 0.0, tl.float64)), mask=live)

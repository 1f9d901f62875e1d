"""The GPU engine's kernel: one program per block of replicas of one instance, state in registers for all steps.

This text is joined with generated formulas into one module, which Triton compiles; the functions are plain Python until
then, and the names ``gradient``, ``value`` and ``sample`` (generated) come from
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
    DIMENSION: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> Any:
    """The words of one step, [ROWS, BLOCK]: word ``draw % 4`` of block ``draw // 4`` for ``draw = step * d + j``."""
    if DIMENSION % 4 == 0:
        # Whole blocks: four coordinates share a call.
        first = (tl.zeros((1, 1), tl.int64) + step) * (DIMENSION // 4)
        block = (first + tl.arange(0, ROWS // 4)[:, None]).to(tl.uint32)
        w0, w1, w2, w3 = block_words(replica, block, sample_number, stream, k0, k1)
        joined = tl.join(tl.join(w0, w1), tl.join(w2, w3))
        words = tl.reshape(tl.permute(joined, (0, 3, 2, 1)), (ROWS, BLOCK))
    else:
        draw = (tl.zeros((1, 1), tl.int64) + step) * DIMENSION + tl.arange(0, ROWS)[:, None]
        w0, w1, w2, w3 = block_words(replica, (draw >> 2).to(tl.uint32), sample_number, stream, k0, k1)
        words = pick(draw & 3, w0, w1, w2, w3)
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


def clip(g: Any, size: Any, c: Any, real: tl.constexpr) -> Any:
    """``min(1, c/|g|) g``; 0/0 does not arise: c/0 is inf and the minimum is 1."""
    return tl.minimum(quotient(c, size, real), tl.full([], 1.0, real)) * g


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
    PRIVACY: tl.constexpr,
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
    ``OBJECTIVES`` is the sum of 2 to the power of each.
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
            update = clip(noisy, length, c, real)
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
                        w0 = tile_words(t, replica, k, 0, k0, k1, DIMENSION, ROWS, BLOCK)
                        w1 = w0
                        if WORDS == 2:
                            w1 = tile_words(t, replica, k, 1, k0, k1, DIMENSION, ROWS, BLOCK)
                        noisy += shift(w0, w1, g, size, c64, noise_numbers, noise_at, inside, NOISE, False, real)
                if ALGORITHM == 1:
                    update += noisy
                else:
                    length = norm(noisy, DIMENSION, real)
                    if DIMENSION > 1:
                        poison += zero * length
                    update += clip(noisy, length, c, real)
            if ALGORITHM != 0:
                update = quotient(update, tl.zeros((1, BLOCK), real) + samples, real)
            if ALGORITHM == 1:
                noisy = g + update
                length = norm(noisy, DIMENSION, real)
                if DIMENSION > 1:
                    poison += zero * length
                update = clip(noisy, length, c, real)
            if ALGORITHM == 3:
                w0 = tile_words(t, replica, 0, 2, k0, k1, DIMENSION, ROWS, BLOCK)
                w1 = tile_words(t, replica, 0, 3, k0, k1, DIMENSION, ROWS, BLOCK)
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


def power_of_two(k: Any) -> Any:
    """``2^k`` for an int64 k in [-1022, 1023]."""
    return ((k + 1023) << 52).to(tl.float64, bitcast=True)


def vexp(x: Any) -> Any:
    """``e^x``, as in ``vmath.py``."""
    inside = tl.minimum(tl.maximum(x, tl.full([], -1000.0, tl.float64)), tl.full([], 1000.0, tl.float64))
    shifted = inside * 1.4426950408889634 + 6755399441055744.0
    k = shifted.to(tl.int64, bitcast=True) - 0x4338000000000000
    whole = shifted - 6755399441055744.0
    r = (inside - whole * 6.93147180369123816490e-01) - whole * 1.90821492927058770002e-10
    half = k >> 1
    result = (expm1_reduced(r) + 1.0) * power_of_two(half) * power_of_two(k - half)
    return tl.where(x != x, x, result)


def vlog(x: Any) -> Any:
    """``log x``, as in ``vmath.py``."""
    small = x < 2.2250738585072014e-308
    scaled = tl.where(small, x * 18014398509481984.0, x)
    bits = scaled.to(tl.int64, bitcast=True)
    k = (bits - 0x3FE6A09E667F3BCD) >> 52
    f = (bits - (k << 52)).to(tl.float64, bitcast=True) - 1.0
    s = f / (f + 2.0)
    z = s * s
    w = z * z
    odd = (w * 1.479819860511658591e-01 + 1.818357216161805012e-01) * w + 2.857142874366239149e-01
    odd = z * (odd * w + 6.666666666666735130e-01)
    even = w * ((w * 1.531383769920937332e-01 + 2.222219843214978396e-01) * w + 3.999999999940941908e-01)
    half_square = f * 0.5 * f
    whole = k.to(tl.float64) - tl.where(small, 54.0, 0.0)
    low = s * (half_square + (odd + even)) + whole * 1.90821492927058770002e-10
    result = whole * 6.93147180369123816490e-01 - ((half_square - low) - f)
    infinite = tl.full([], float("inf"), tl.float64)
    result = tl.where(x > 0.0, result, tl.where(x == 0.0, -infinite, tl.full([], float("nan"), tl.float64)))
    return tl.where(x < infinite, result, x)


def vtanh(v: Any) -> Any:
    """``tanh v`` in float64, as in ``vmath.py``."""
    x = v.to(tl.float64)
    y = tl.minimum(tl.abs(x), tl.full([], 20.0, tl.float64)) * -2.0
    shifted = y * 1.4426950408889634 + 6755399441055744.0
    k = shifted.to(tl.int64, bitcast=True) - 0x4338000000000000
    whole = shifted - 6755399441055744.0
    r = (y - whole * 6.93147180369123816490e-01) - whole * 1.90821492927058770002e-10
    scale = power_of_two(k)
    t = expm1_reduced(r) * scale + (scale - 1.0)
    size = -t / (t + 2.0)
    result = tl.where(x < 0.0, -size, size)
    return tl.where((x != x) | (x == 0.0), x, result)


def expm1(x: Any) -> Any:
    """``e^x - 1``, as in ``vmath.py``."""
    inside = tl.minimum(tl.maximum(x, tl.full([], -709.0, tl.float64)), tl.full([], 709.0, tl.float64))
    shifted = inside * 1.4426950408889634 + 6755399441055744.0
    k = shifted.to(tl.int64, bitcast=True) - 0x4338000000000000
    whole = shifted - 6755399441055744.0
    r = (inside - whole * 6.93147180369123816490e-01) - whole * 1.90821492927058770002e-10
    scale = power_of_two(k)
    return expm1_reduced(r) * scale + (scale - 1.0)


def vexprel(v: Any) -> Any:
    """``(e^v - 1)/v`` in float64, as in ``vmath.py``."""
    x = v.to(tl.float64)
    one = tl.full([], 1.0, tl.float64)
    result = tl.where(x == 0.0, one, expm1(x) / tl.where(x == 0.0, one, x))
    return tl.where(x > 709.0, tl.full([], float("inf"), tl.float64), result)


def vexprel2(v: Any) -> Any:
    """``2 (e^v - 1 - v)/v^2`` in float64, as in ``vmath.py``."""
    x = v.to(tl.float64)
    near = tl.abs(x) < 0.5
    q = tl.minimum(tl.maximum(x, tl.full([], -0.5, tl.float64)), tl.full([], 0.5, tl.float64))
    series = q * (1.0 / 16.0) + 1.0
    series = series * q * (1.0 / 15.0) + 1.0
    series = series * q * (1.0 / 14.0) + 1.0
    series = series * q * (1.0 / 13.0) + 1.0
    series = series * q * (1.0 / 12.0) + 1.0
    series = series * q * (1.0 / 11.0) + 1.0
    series = series * q * (1.0 / 10.0) + 1.0
    series = series * q * (1.0 / 9.0) + 1.0
    series = series * q * 0.125 + 1.0
    series = series * q * (1.0 / 7.0) + 1.0
    series = series * q * (1.0 / 6.0) + 1.0
    series = series * q * 0.2 + 1.0
    series = series * q * 0.25 + 1.0
    series = series * q * (1.0 / 3.0) + 1.0
    below = tl.where(near, tl.full([], 1.0, tl.float64), x)
    result = tl.where(near, series, (expm1(x) - x) / below / below * 2.0)
    return tl.where(x > 709.0, tl.full([], float("inf"), tl.float64), result)


def vbalance(u: Any, v: Any) -> Any:
    """``(u + v)/(|u| + |v|)``, 0 where both are 0, in float64."""
    one = u.to(tl.float64)
    other = v.to(tl.float64)
    size = tl.abs(one) + tl.abs(other)
    return (one + other) / tl.where(size == 0.0, tl.full([], 1.0, tl.float64), size)


def quarter_turns(x: Any, turns: tl.constexpr) -> Any:
    """``cos(x - turns * pi/2)``, as in ``vmath.py``."""
    shifted = x * 0.6366197723675814 + 6755399441055744.0
    quadrant = shifted.to(tl.int64, bitcast=True) - 0x4338000000000000
    whole = shifted - 6755399441055744.0
    r = x - whole * 1.57079632673412561417e00
    r = (r - whole * 6.07710050630396597660e-11) - whole * 2.02226624879595063154e-21
    z = r * r
    cosine = z * -1.13596475577881948265e-11 + 2.08757232129817482790e-09
    cosine = cosine * z - 2.75573143513906633035e-07
    cosine = cosine * z + 2.48015872894767294178e-05
    cosine = cosine * z - 1.38888888888741095749e-03
    cosine = cosine * z + 4.16666666666666019037e-02
    cosine = 1.0 - (z * 0.5 - z * z * cosine)
    sine = z * 1.58969099521155010221e-10 - 2.50507602534068634195e-08
    sine = sine * z + 2.75573137070700676789e-06
    sine = sine * z - 1.98412698298579493134e-04
    sine = sine * z + 8.33333333332248946124e-03
    sine = sine * z - 1.66666666666666324348e-01
    sine = r + r * z * sine
    place = quadrant - turns
    size = tl.where((place & 1) == 0, cosine, -sine)
    return tl.where((place & 2) == 0, size, -size)


def vcos(x: Any) -> Any:
    """``cos x`` for ``|x| <= 1e5``."""
    return quarter_turns(x, 0)


def vsin(x: Any) -> Any:
    """``sin x`` for ``|x| <= 1e5``."""
    return quarter_turns(x, 1)


def vcos_turns(x: Any) -> Any:
    """``cos(2 pi x)``, as in ``vmath.py``."""
    s = 0.25 - tl.abs(x - ((x + 6755399441055744.0) - 6755399441055744.0))
    z = s * s
    w = z * z
    even = ((w * 0.0011309237482517963 + 0.10422916220813984) * w + 3.819952584848282) * w + 42.058693944897655
    odd = ((w * 0.012031585942120627 + 0.7181223017785006) * w + 15.09464257682299) * w + 76.70585975306139
    series = (z * even - odd) * z + 81.60524927607506
    series = series * z - 41.34170224039976
    series = series * z + 6.283185307179586
    return s * series


def vpower(x: Any, exponent: Any) -> Any:
    """``x^exponent`` for ``x > 0``."""
    return vexp(exponent * vlog(x))


def fma(a: Any, b: Any, c: Any) -> Any:
    """``a b + c``, which the compiler makes one instruction of."""
    return a * b + c


def expm1_rest(r: Any) -> Any:
    """The c of ``e^r - 1 = r/(1 - c/2)`` for ``|r| <= ln(2)/2``: the text is that of ``vmath.py``."""
    raise NotImplementedError(ONLY_GENERATED)


def expm1_reduced(r: Any) -> Any:
    """``e^r - 1`` for ``|r| <= ln(2)/2``: the text is that of ``vmath.py``."""
    raise NotImplementedError(ONLY_GENERATED)

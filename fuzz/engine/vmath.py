"""Elementary functions without branches or table look-ups, which LLVM vectorises.

The text is joined with that of ``lanes.py`` and compiled. PyPI's Numba has no vector math library, and one call of libm
in a loop stops its vectorisation. Polynomials and reductions are those of fdlibm (Sun Microsystems, 1993; freely
usable) for exp, log, sin and cos. Long sums are made of two halves, as each term of one waits for the last. Tests bound
the errors against 40 digits: exp and log within 1 ulp, tanh within 3 ulp, exprel and exprel2 within 4 ulp, cos and sin
within 2e-16 absolute for |x| <= 1e5, cos of turns within 4e-16 absolute, power within 2 + 2 |y log x| ulp. Special
values (0, infinities, NaN) are those of libm.
float64 inside, whatever is passed, but for the last ones, for float32 states: coefficients are least in the largest
error, by Lawson's weights. ``growth_32`` and ``tanh_32`` are what gradients need, within 3 ulp of float32. Of a word
normal laws need a logarithm, within 3 ulp, and a cosine, within 2e-7: they read the integer, whose distance from either
end is exact, where a uniform rounded to float32 would be 0 or 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

LOG2_E = 1.4426950408889634
# ln 2 in two parts: the first has 21 trailing zero bits, so that its product with an exponent is exact.
LN2_HIGH = 6.93147180369123816490e-01
LN2_LOW = 1.90821492927058770002e-10
# Adding and subtracting 1.5 * 2^52 rounds to an integer, whose bits are then those of the sum.
ROUNDER = 6755399441055744.0
ROUNDER_BITS = np.int64(0x4338000000000000)
EXPONENT_BIAS = np.int64(1023)
# With the bias added, the sum's last bits are those of the exponent of 2^k.
BIASED_ROUNDER = 6755399441056767.0
MANTISSA_BITS = np.int64(52)
ONE_BIT = np.int64(1)
HALF_ROOT_BITS = np.int64(0x3FE6A09E667F3BCD)
SIGN_BIT = np.int64(-(2**63))
SMALLEST_NORMAL = 2.2250738585072014e-308
# pi/2 in three parts of 33 bits.
TWO_OVER_PI = 0.6366197723675814
PIO2_1 = 1.57079632673412561417e00
PIO2_2 = 6.07710050630396597660e-11
PIO2_3 = 2.02226624879595063154e-21


def fma(a: Any, b: Any, c: Any) -> Any:
    """``a b + c``; compiled it is rounded once, by one instruction, which LLVM may not make of a product and a sum.

    In float32 if all three are, else in float64.
    """
    return a * b + c


@intrinsic
def _rounded_once(typing: Any, a: Any, b: Any, c: Any) -> Any:
    kind = types.float32 if {a, b, c} == {types.float32} else types.float64

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        cast = [context.cast(builder, v, t, kind) for v, t in zip(arguments, signature.args, strict=True)]
        return builder.fma(*cast)

    return kind(a, b, c), generate


@overload(fma, inline="always")
def _compiled_fma(a: Any, b: Any, c: Any) -> Any:
    def compiled(a: Any, b: Any, c: Any) -> Any:
        return _rounded_once(a, b, c)  # type: ignore[call-arg]

    return compiled


def expm1_rest(r: Any) -> Any:
    """The c of ``e^r - 1 = r/(1 - c/2)`` for ``|r| <= ln(2)/2``: r less a polynomial in ``r^2``."""
    z = r * r
    w = z * z
    low = fma(z, -2.77777777770155933842e-03, 1.66666666666666019037e-01)
    high = fma(w, 4.13813679705723846039e-08, fma(z, -1.65339022054652515390e-06, 6.61375632143793436117e-05))
    return fma(-z, fma(w, high, low), r)


def expm1_reduced(r: Any) -> Any:
    """``e^r - 1`` for ``|r| <= ln(2)/2``: ``r + r c/(2 - c)``."""
    c = expm1_rest(r)
    return r + r * c / (2.0 - c)


def power_of_two(k: Any) -> Any:
    """``2^k`` for an int64 k in [-1022, 1023]."""
    return np.int64((np.int64(k) + EXPONENT_BIAS) << MANTISSA_BITS).view(np.float64)


def power_in(shifted: Any) -> Any:
    """``2^k`` where ``k`` in [-1022, 1023] is what was added to ``BIASED_ROUNDER``."""
    return np.int64(np.float64(shifted).view(np.int64) << MANTISSA_BITS).view(np.float64)


def vexp(v: Any) -> Any:
    """``e^v``; 0 and inf where it under- and overflows."""
    x = np.float64(v)
    inside = min(max(x, -1000.0), 1000.0)
    shifted = inside * LOG2_E + ROUNDER
    k = np.float64(shifted).view(np.int64) - ROUNDER_BITS
    whole = shifted - ROUNDER
    r = fma(whole, -LN2_LOW, fma(whole, -LN2_HIGH, inside))
    # In two factors, since 2^k alone may be out of range where e^x is not.
    half = k >> ONE_BIT
    result = (1.0 + expm1_reduced(r)) * power_of_two(half) * power_of_two(k - half)
    return x if x != x else result


def vlog(v: Any) -> Any:
    """``log v``; -inf at 0, NaN below."""
    x = np.float64(v)
    small = x < SMALLEST_NORMAL
    scaled = x * 18014398509481984.0 if small else x
    bits = np.float64(scaled).view(np.int64)
    k = (bits - HALF_ROOT_BITS) >> MANTISSA_BITS
    f = np.int64(bits - (k << MANTISSA_BITS)).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    odd = fma(fma(w, 1.479819860511658591e-01, 1.818357216161805012e-01), w, 2.857142874366239149e-01)
    odd = z * fma(odd, w, 6.666666666666735130e-01)
    even = w * fma(fma(w, 1.531383769920937332e-01, 2.222219843214978396e-01), w, 3.999999999940941908e-01)
    half_square = 0.5 * f * f
    whole = np.float64(k) - (54.0 if small else 0.0)
    result: Any = whole * LN2_HIGH - ((half_square - (s * (half_square + (odd + even)) + whole * LN2_LOW)) - f)
    result = result if x > 0.0 else (-np.inf if x == 0.0 else np.nan)
    return result if x < np.inf else x


def expm1(x: Any) -> Any:
    """``e^x - 1`` for ``|x| <= 709``, the same as there beyond."""
    inside = min(max(np.float64(x), -709.0), 709.0)
    shifted = inside * LOG2_E + BIASED_ROUNDER
    whole = shifted - BIASED_ROUNDER
    r = fma(whole, -LN2_LOW, fma(whole, -LN2_HIGH, inside))
    scale = power_in(shifted)
    return fma(expm1_reduced(r), scale, scale - 1.0)


def vgrowth(v: Any) -> Any:
    """``e^v - 1`` for ``v >= 0``; inf beyond 709, and where v is not a number."""
    x = np.float64(v)
    inside = min(x, 709.0)
    shifted = fma(inside, LOG2_E, BIASED_ROUNDER)
    whole = shifted - BIASED_ROUNDER
    r = fma(whole, -LN2_LOW, fma(whole, -LN2_HIGH, inside))
    c = expm1_rest(r)
    scale = power_in(shifted)
    result = fma(fma(r, c / (2.0 - c), r), scale, scale - 1.0)
    return result if x <= 709.0 else np.inf


def signed(size: Any, like: Any) -> Any:
    """A size, at least 0, with the sign of the other number: its bit."""
    sign = np.float64(like).view(np.int64) & SIGN_BIT
    return np.int64(np.float64(size).view(np.int64) ^ sign).view(np.float64)


def tanh_of(v: Any, t: Any) -> Any:
    """``tanh v``, ``-t / (2 + t)`` for negative v, from ``t = e^(-2|v|) - 1``."""
    x = np.float64(v)
    size = -t / (2.0 + t)
    result = -size if x < 0.0 else size
    return x if x != x else result


def vtanh(v: Any) -> Any:
    """``tanh v``."""
    return tanh_of(v, expm1(-2.0 * min(abs(np.float64(v)), 20.0)))


def vexprel(v: Any) -> Any:
    """``(e^v - 1)/v``, 1 at 0; inf beyond 709: as ``expm1``, with both divisions made one."""
    x = np.float64(v)
    inside = min(max(x, -709.0), 709.0)
    shifted = fma(inside, LOG2_E, BIASED_ROUNDER)
    whole = shifted - BIASED_ROUNDER
    r = fma(whole, -LN2_LOW, fma(whole, -LN2_HIGH, inside))
    scale = power_in(shifted)
    below = fma(-0.5, expm1_rest(r), 1.0)
    result = fma(r, scale, (scale - 1.0) * below) / (1.0 if x == 0.0 else below * x)
    result = 1.0 if x == 0.0 else result
    return np.inf if x > 709.0 else result


def vexprel2(v: Any) -> Any:
    """``2 (e^v - 1 - v)/v^2``, 1 at 0; inf beyond 709: for ``|v| < 1/2`` by Taylor's series, remainder below 1e-18."""
    x = np.float64(v)
    q = min(max(x, -0.5), 0.5)
    series = 1.0 + q * (1.0 / 16.0)
    series = 1.0 + series * q * (1.0 / 15.0)
    series = 1.0 + series * q * (1.0 / 14.0)
    series = 1.0 + series * q * (1.0 / 13.0)
    series = 1.0 + series * q * (1.0 / 12.0)
    series = 1.0 + series * q * (1.0 / 11.0)
    series = 1.0 + series * q * (1.0 / 10.0)
    series = 1.0 + series * q * (1.0 / 9.0)
    series = 1.0 + series * q * 0.125
    series = 1.0 + series * q * (1.0 / 7.0)
    series = 1.0 + series * q * (1.0 / 6.0)
    series = 1.0 + series * q * 0.2
    series = 1.0 + series * q * 0.25
    series = 1.0 + series * q * (1.0 / 3.0)
    below = 1.0 if abs(x) < 0.5 else x
    far = 2.0 * ((expm1(x) - x) / below / below)
    result = series if abs(x) < 0.5 else far
    return np.inf if x > 709.0 else result


def vbalance(one: Any, other: Any) -> Any:
    """``(u + v)/(|u| + |v|)``, 0 where both are 0."""
    u = np.float64(one)
    v = np.float64(other)
    size = abs(u) + abs(v)
    return (u + v) / (1.0 if size == 0.0 else size)


def quarter_turns(x: Any, turns: Any) -> Any:
    """``cos(x - turns * pi/2)``, for turns 0 or 1: cosine or sine."""
    shifted = x * TWO_OVER_PI + ROUNDER
    quadrant = np.float64(shifted).view(np.int64) - ROUNDER_BITS
    whole = shifted - ROUNDER
    r = ((x - whole * PIO2_1) - whole * PIO2_2) - whole * PIO2_3
    z = r * r
    cosine = -1.13596475577881948265e-11
    cosine = cosine * z + 2.08757232129817482790e-09
    cosine = cosine * z - 2.75573143513906633035e-07
    cosine = cosine * z + 2.48015872894767294178e-05
    cosine = cosine * z - 1.38888888888741095749e-03
    cosine = cosine * z + 4.16666666666666019037e-02
    cosine = 1.0 - (0.5 * z - z * z * cosine)
    sine = 1.58969099521155010221e-10
    sine = sine * z - 2.50507602534068634195e-08
    sine = sine * z + 2.75573137070700676789e-06
    sine = sine * z - 1.98412698298579493134e-04
    sine = sine * z + 8.33333333332248946124e-03
    sine = sine * z - 1.66666666666666324348e-01
    sine = r + r * z * sine
    place = quadrant - np.int64(turns)
    size = cosine if (place & np.int64(1)) == np.int64(0) else -sine
    return size if (place & np.int64(2)) == np.int64(0) else -size


def vcos(v: Any) -> Any:
    """``cos v`` for ``|v| <= 1e5``."""
    return quarter_turns(np.float64(v), 0)


def vsin(v: Any) -> Any:
    """``sin v`` for ``|v| <= 1e5``."""
    return quarter_turns(np.float64(v), 1)


def vcos_turns(v: Any) -> Any:
    """``cos(2 pi v)``, folded exactly to ``sin(2 pi s)``, ``|s| <= 1/4``: Taylor's series, remainder below 2e-18."""
    x = np.float64(v)
    s = 0.25 - abs(x - ((x + ROUNDER) - ROUNDER))
    z = s * s
    w = z * z
    even = fma(fma(fma(w, 0.0011309237482517963, 0.10422916220813984), w, 3.819952584848282), w, 42.058693944897655)
    odd = fma(fma(fma(w, 0.012031585942120627, 0.7181223017785006), w, 15.09464257682299), w, 76.70585975306139)
    series = fma(fma(z, even, -odd), z, 81.60524927607506)
    series = fma(series, z, -41.34170224039976)
    series = fma(series, z, 6.283185307179586)
    return s * series


def vpower(v: Any, exponent: Any) -> Any:
    """``v^exponent`` for ``v > 0``."""
    return vexp(np.float64(exponent) * vlog(v))


WORD_HALF_ROOT = np.uint32(3037000499)
QUARTER_WORD = np.uint32(2**30)
ALL_ONES = np.uint32(0xFFFFFFFF)
HALF_ROOT_BITS_32 = np.int32(0x3F3504F3)
MANTISSA_BITS_32 = np.int32(23)
SIGN_BIT_32 = np.int32(31)
QUARTER = np.int32(0x3FFFFFFF)
HALF_32 = np.float32(0.5)
ONE_32 = np.float32(1.0)
ZERO_32 = np.float32(0.0)
CELL_32 = np.float32(2.0**-32)
QUARTER_CELL_32 = np.float32(2.0**-30)
WORD_BITS_32 = np.float32(32.0)
LN2_32 = np.float32(0.6931471805599453)
LOG_3 = np.float32(0.33333331707700115)
LOG_4 = np.float32(-0.250008210343454)
LOG_5 = np.float32(0.20001226876369954)
LOG_6 = np.float32(-0.16623357343713863)
LOG_7 = np.float32(0.1420175799924795)
LOG_8 = np.float32(-0.1316018239584335)
LOG_9 = np.float32(0.12761577044331046)
LOG_10 = np.float32(-0.07634496527564724)
SIN_1 = np.float32(1.5707963200919974)
SIN_3 = np.float32(-0.6459637612915218)
SIN_5 = np.float32(0.0796899268667785)
SIN_7 = np.float32(-0.004674157496239895)
SIN_9 = np.float32(0.00015167853188447075)


def vlog_word(word: Any) -> Any:
    """``log((w + 1/2) / 2^32)`` in float32, of a uint32."""
    w = np.uint32(word)
    # In [sqrt(1/2), 1) the argument less 1 is exact from above; below, that of the mantissa is.
    above = -(np.float32(np.uint32(ALL_ONES - w)) + HALF_32) * CELL_32
    bits = np.float32(np.float32(w) + HALF_32).view(np.int32)
    k = np.int32(np.int32(bits - HALF_ROOT_BITS_32) >> MANTISSA_BITS_32)
    below = np.int32(bits - np.int32(k << MANTISSA_BITS_32)).view(np.float32) - ONE_32
    near = w > WORD_HALF_ROOT
    f = above if near else below
    whole = ZERO_32 if near else np.float32(k) - WORD_BITS_32
    z = f * f
    first = fma(f, LOG_4, LOG_3)
    second = fma(f, LOG_6, LOG_5)
    third = fma(f, LOG_8, LOG_7)
    fourth = fma(f, LOG_10, LOG_9)
    series = fma(z, fma(z, fma(z, fourth, third), second), first)
    return fma(whole, LN2_32, fma(z, fma(f, series, -HALF_32), f))


def vsin_word(word: Any) -> Any:
    """``sin(2 pi (w + 1/2) / 2^32)`` in float32, of a uint32: the cosine, a quarter of a turn before."""
    return vcos_word(np.uint32(word - QUARTER_WORD))


def vcos_word(word: Any) -> Any:
    """``cos(2 pi (w + 1/2) / 2^32)`` in float32, of a uint32: folded exactly to the sine of at most a quarter turn."""
    turn = np.uint32(word).view(np.int32)
    folded = np.int32(turn ^ np.int32(turn >> SIGN_BIT_32))
    s = (np.float32(np.int32(QUARTER - folded)) + HALF_32) * QUARTER_CELL_32
    z = s * s
    series = fma(z, fma(z, fma(z, SIN_9, SIN_7), SIN_5), SIN_3)
    return s * fma(z, series, SIN_1)


LOG2_E_32 = np.float32(LOG2_E)
# The first part has seven trailing zero bits, as many as k may have.
LN2_HIGH_32 = np.float32(0.693145751953125)
LN2_LOW_32 = np.float32(1.428606765330187e-06)
# 1.5 * 2^23, and the bias of the exponent.
BIASED_ROUNDER_32 = np.float32(12583039.0)
TWO_32 = np.float32(2.0)
INF_32 = np.float32(np.inf)
LARGEST_GROWTH_32 = np.float32(88.0)
# Beyond, tanh is 1 in float32.
LARGEST_TANH_32 = np.float32(20.0)
EXPM1_3 = np.float32(0.1666654795408249)
EXPM1_4 = np.float32(0.04166685417294502)
EXPM1_5 = np.float32(0.008366099558770657)
EXPM1_6 = np.float32(0.0013898239703848958)


def growth_inside_32(x: Any) -> Any:
    """``e^x - 1`` for a float32 x in [0, 88], in float32."""
    shifted = fma(x, LOG2_E_32, BIASED_ROUNDER_32)
    whole = shifted - BIASED_ROUNDER_32
    r = fma(whole, -LN2_LOW_32, fma(whole, -LN2_HIGH_32, x))
    scale = np.int32(np.float32(shifted).view(np.int32) << MANTISSA_BITS_32).view(np.float32)
    z = r * r
    series = fma(z, fma(z, EXPM1_6, fma(r, EXPM1_5, EXPM1_4)), fma(r, EXPM1_3, HALF_32))
    return fma(fma(z, series, r), scale, scale - ONE_32)


def growth_32(v: Any) -> Any:
    """``e^v - 1`` for ``v >= 0`` in float32; inf beyond 88, and where v is not a number."""
    x = np.float32(v)
    result = growth_inside_32(min(x, LARGEST_GROWTH_32))
    return result if x <= LARGEST_GROWTH_32 else INF_32


def signed_32(size: Any, like: Any) -> Any:
    """As ``signed``, in float32."""
    return np.float32(np.copysign(np.float32(size), np.float32(like)))


def tanh_32(v: Any) -> Any:
    """``tanh v`` in float32: ``t / (t + 2)`` of ``t = e^(2|v|) - 1``."""
    x = np.float32(v)
    # What is not a number stays so: min is its first argument unless the second is less.
    t = growth_inside_32(TWO_32 * min(abs(x), LARGEST_TANH_32))
    return signed_32(t / (t + TWO_32), x)

"""Elementary functions of the GPU engine: those of ``vmath.py``, for Triton, in float64.

The text is joined with that of ``blocks.py``, and is plain Python until then.
"""

from __future__ import annotations

from typing import Any

from fuzz.engine.blocks import ONLY_GENERATED, tl


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

"""The closed-form proofs of :mod:`fuzz.lattice_laws` against sums over all points of a small lattice.

A proof holds for every even number of cells N > 4, so it may be tried where all N or N^2 points can be added up. A law
with a centre is held to its variance about its own mean: the centre's formula is that of N = 2^32.
"""

from __future__ import annotations

import itertools
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp

from fuzz.engine.printers.numpy_source import numpy_function
from fuzz.finite import engine_numbers, why_not_run
from fuzz.instance import instance_of
from fuzz.lattice_laws import BOUNDED, SYMMETRIC, SYMMETRIC_LAWS
from fuzz.problem import Family, FiniteLaw, Problem
from theorems.language.noises import BELOW, LATTICE, NOISES, U0, U1, Layout, exponential_centre, probability, up
from theorems.language.parameters import m

SIZES = (6, 8, 64, 256)
SLACK = 1e-12
INDICES = (2.05, 2.5, 3.0, 12.0, 60.0)

Numbers = dict[str, float]


def numbers_of(name: str, size: int) -> list[Numbers]:
    """Numbers of a law, some of them extreme; probabilities are multiples of 1/size."""
    if name in ("pareto", "symmetric_pareto"):
        return [{"scale": 2.0, "index": a} for a in INDICES]
    if name == "student_t":
        return [{"scale": 2.0, "degrees": a} for a in INDICES]
    if name == "contaminated_gaussian":
        shares = (1 / size, 0.5, 1 - 1 / size)
        return [{"scale": 0.5, "wide": w, "probability": p} for p in shares for w in (0.25, 1.0, 40.0)]
    if name == "vanishing_gaussian":
        return [{"scale": 2.0, "reach": a} for a in (0.5, 4.0)]
    return [{"scale": 2.0}]


def law(name: str, size: int, numbers: Numbers, norm: float = 1.0) -> tuple[np.ndarray[Any, Any], float]:
    """The values at all midpoints, and the nominal variance."""
    noise = NOISES[name]
    line = (np.arange(size) + 0.5) / size
    first, second = (a.ravel() for a in np.meshgrid(line, line if noise.words == 2 else line[:1], indexing="ij"))
    values = [numbers[p.name] for p in noise.parameters]
    sample = numpy_function(noise.sample, (U0, U1, m, *noise.parameters))(first, second, norm, *values)
    return np.asarray(sample), float(numpy_function(noise.variance, noise.parameters)(*values))


def assert_bounded(name: str, values: np.ndarray[Any, Any], variance: float) -> None:
    if name in SYMMETRIC_LAWS:
        np.testing.assert_allclose(np.sort(values), -np.sort(values)[::-1], rtol=1e-9, atol=1e-11)
        assert abs(values.mean()) <= SLACK * np.abs(values).max()
    spread = float(((values - values.mean()) ** 2).mean())
    assert 0 < spread <= variance * (1 + SLACK)


LAWS = ("gaussian", "student_t", *(n for n in ("laplace", "skewed_exponential", "chi_square", "symmetric_chi_square")))
LAWS += ("pareto", "symmetric_pareto", "contaminated_gaussian", "vanishing_gaussian")


def test_every_continuous_law_is_tried() -> None:
    assert {*LAWS, "rare_exponential"} == {n.name for n in NOISES.values() if n.atoms is None}
    assert set(BOUNDED) == set(NOISES)
    assert set(SYMMETRIC) < set(LAWS)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", LAWS)
def test_laws_on_a_small_lattice(name: str, size: int) -> None:
    for numbers in numbers_of(name, size):
        for norm in (1.0, 9.0) if NOISES[name].depends_on_state else (1.0,):
            assert_bounded(name, *law(name, size, numbers, norm))


@pytest.mark.parametrize("name", LAWS)
def test_a_variance_that_is_too_small_is_caught(name: str) -> None:
    """Three per cent off the scale, on a lattice fine enough to come within one per cent of the nominal variance."""
    light = [n for n in numbers_of(name, 256) if min(n.get("index", 9), n.get("degrees", 9), 9) == 9]
    assert light
    for numbers in light:
        if numbers.get("probability", 0.5) != 0.5:
            # A component of one cell is far below its nominal variance.
            continue
        values, variance = law(name, 256, numbers, 9.0)
        with pytest.raises(AssertionError):
            assert_bounded(name, values * 1.03, variance)


@pytest.mark.parametrize("name", SYMMETRIC)
def test_a_law_off_its_centre_is_caught(name: str) -> None:
    values, variance = law(name, 64, numbers_of(name, 64)[0])
    with pytest.raises(AssertionError):
        assert_bounded(name, values + 1e-6, variance)


@pytest.mark.parametrize("size", SIZES)
def test_excess_of_cell_means_falls(size: int) -> None:
    """The chain of the proof for Pareto laws: ``Var f(M) <= Var(cell means) <= Var f(V)``."""
    for index in INDICES:
        with mpmath.workdps(40):
            a = 1 / mpmath.mpf(index)
            points = [(mpmath.mpf(k) + 0.5) / size for k in range(size)]
            ends = [mpmath.mpf(k) / size for k in range(size + 1)]
            values = [u**-a for u in points]
            cells = [(ends[k + 1] ** (1 - a) - ends[k] ** (1 - a)) / (1 - a) * size for k in range(size)]
            beyond = [cell - at for cell, at in zip(cells, values, strict=True)]
            assert all(0 < b <= c for c, b in itertools.pairwise(beyond))

            def variance(row: list[mpmath.mpf]) -> mpmath.mpf:
                return mpmath.fdot(row, row) / size - (mpmath.fsum(row) / size) ** 2

            whole = 1 / (1 - 2 * a) - 1 / (1 - a) ** 2
            assert variance(values) <= variance(cells) <= whole
            assert abs(whole * (index - 1) ** 2 * (index - 2) / index - 1) < 1e-12


@pytest.mark.parametrize("share", [sp.Rational(1, 2**32), sp.Rational(1, 8), sp.Rational(3, 4)])
def test_rare_jumps(share: sp.Rational) -> None:
    """Mean 0 with the lattice's own mean of a jump, and at most the nominal variance."""
    noise = NOISES["rare_exponential"]
    steady = noise.sample.subs({U0: 1, probability: share, up: 3})
    assert sp.simplify(steady * (1 - share) + 3 * share * exponential_centre()) == 0
    nominal = noise.variance.subs({probability: share, up: 3})
    for size in SIZES:
        jumps = -3 * np.log((np.arange(size) + 0.5) / size)
        p = float(share)
        rest = -jumps.mean() * p / (1 - p)
        assert p * jumps.mean() + (1 - p) * rest == pytest.approx(0, abs=1e-12)
        variance = p * (jumps**2).mean() + (1 - p) * rest**2
        assert 0 < variance <= float(nominal)
        assert size < 256 or variance > 0.97 * float(nominal)


def test_pareto_variance_on_the_lattice_itself() -> None:
    """By Hurwitz zeta functions, all 2^32 points."""
    with mpmath.workdps(60):
        size, half = mpmath.mpf(2) ** 32, mpmath.mpf(1) / 2

        def moment(power: mpmath.mpf) -> mpmath.mpf:
            return size ** (power - 1) * (mpmath.zeta(power, half) - mpmath.zeta(power, size + half))

        for text in ("2.05", "2.5", "3", "5", "60"):
            alpha = mpmath.mpf(text)
            factor = (alpha - 1) ** 2 * (alpha - 2) / alpha
            variance = factor * (moment(2 / alpha) - moment(1 / alpha) ** 2)
            assert 0 < variance <= 1
            assert alpha < 3 or variance > 0.998
            square = (alpha - 1) * (alpha - 2) / 2 * (moment(2 / alpha) - 2 * moment(1 / alpha) + 1)
            assert 0 < square <= 1
            assert alpha < 3 or square > 0.998


# -- finite laws -------------------------------------------------------------------------------------------------------

EIGHTH = sp.Rational(1, 8)


def finite(*atoms: tuple[sp.Expr, tuple[Any, ...]]) -> FiniteLaw:
    return FiniteLaw(tuple((sp.sympify(p), tuple(map(sp.sympify, v))) for p, v in atoms))


def test_numbers_of_a_finite_law() -> None:
    """Missing atoms come first with probability 0, atoms of probability 0 are left out, sums are counts."""
    numbers = engine_numbers(finite((EIGHTH, (7, 0)), (0, (9, 9)), (7 * EIGHTH, (-1, 2))))
    assert [numbers[p.name] for p in BELOW] == [[0.0, 0.0]] * 4 + [[0.125, 0.125]]
    assert numbers["atom5"] == [7.0, 0.0]
    assert numbers["atom6"] == [-1.0, 2.0]
    six = finite(*((EIGHTH, (k,)) for k in range(5)), (3 * EIGHTH, (-4,)))
    assert engine_numbers(six)["below5"] == [0.625]
    sure = engine_numbers(finite((1, (0,))))
    assert {v[0] for k, v in sure.items() if k.startswith("below")} == {0.0}


def test_finite_laws_that_no_engine_runs() -> None:
    off = finite((sp.Rational(1, 3), (2,)), (sp.Rational(2, 3), (-1,)))
    assert "no engine runs an atom of probability 1/3" in why_not_run(off)
    many = finite(*((EIGHTH, (s * k,)) for k in range(1, 5) for s in (1, -1)))
    assert why_not_run(many) == "no engine runs a noise of 8 atoms, 6 are the most"
    tiny = 1 / LATTICE
    assert why_not_run(finite((tiny, (1,)), (1 - tiny, (-1,)))) == ""
    one = sp.Integer(1)
    problem = Problem(Family("quadratic", ({"curvature": one},)), off, (one,), one, one, 3)
    with pytest.raises(ValueError, match="no multiple of 2\\^-32") as caught:
        instance_of(problem)
    assert "\n" not in str(caught.value)


def test_a_finite_law_is_written_as_atoms() -> None:
    one, zero = sp.Integer(1), sp.Integer(0)
    numbers = {p.name: zero for p in NOISES["finite"].parameters}
    with pytest.raises(ValueError, match="written as its atoms"):
        Problem(Family("quadratic", ({"curvature": one},)), Family("finite", (numbers,)), (one,), one, one, 3)


@pytest.mark.parametrize("name", [n.name for n in NOISES.values() if n.layout is Layout.PAIRS])
@pytest.mark.parametrize("size", [8, 64, 256])
def test_pairs(name: str, size: int) -> None:
    """The second of a pair has the law that it has alone; both together are symmetric, and uncorrelated."""
    noise, scale = NOISES[name], {"scale": 2.0}
    line = (np.arange(size) + 0.5) / size
    first, second = (a.ravel() for a in np.meshgrid(line, line, indexing="ij"))
    sample = numpy_function(noise.sample, (U0, U1, m, *noise.parameters))
    one, other = (sample(first, u, None, scale["scale"]) for u in (second, (second - 0.25) % 1))
    np.testing.assert_allclose(np.sort(other), np.sort(law(name, size, scale)[0]), rtol=1e-9, atol=1e-11)
    assert abs((one * other).mean()) <= SLACK * (one**2).mean()
    pairs, negatives = (np.round(sign * np.stack([one, other]), 9) + 0.0 for sign in (1, -1))
    assert sorted(map(tuple, pairs.T)) == sorted(map(tuple, negatives.T))
    # Without the quarter, or with another part of a turn, it is not so.
    assert abs((one * sample(first, (second - 0.125) % 1, None, scale["scale"])).mean()) > 0.1

"""The formulas that are run: scalar objective profiles and scalar noise laws, each written once as a SymPy expression.

A d-dimensional objective is ``f(x) = sum_i phi_i(x_i; p_i)``, with one family for all coordinates or one for each
(their names joined by ``+``). A d-dimensional noise has independent coordinates, each with parameters of its own.
Values are written with Min, Max and Abs, so that they do not overflow where the gradient is finite, and so that
differentiating them by parts (as torch does) gives the right gradient at every kink.

**Randomness.** A law reads 32-bit words ``w`` as uniforms ``U = (w + 1/2) / 2^32``: midpoints of a lattice of
``N = 2^32`` cells. The law that is run is therefore *finite*, and its moments are known:

- an event of probability ``p = K / 2^32`` is ``U < p``, which is ``w < K``: exact;
- means are exactly zero, by the symmetry of the midpoints or by exact centring;
- continuous laws have at most their nominal variance: the midpoint rule underestimates the integral of a convex
  function (``-log u``, ``log(u)^2`` and ``u^(-a)`` are convex on (0, 1)), so BV(sigma) holds for the law that is run.

Adding a family is one entry in :data:`OBJECTIVES` or :data:`NOISES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import sympy as sp

from theorems.language import units
from theorems.language.parameters import Domain, Parameter, c, m
from theorems.language.pieces import piecewise

LATTICE = sp.Integer(2) ** 32
"""Number of cells of the lattice of uniforms."""

x = Parameter("x", units.LENGTH, Domain.REAL, "one coordinate of the position")
U0 = Parameter("U0", units.ONE, Domain.POSITIVE, "first uniform of a draw, in (0, 1)")
U1 = Parameter("U1", units.ONE, Domain.POSITIVE, "second uniform of a draw, in (0, 1)")

curvature = Parameter("curvature", units.CURVATURE, meaning="curvature at the minimum")
slope = Parameter("slope", units.GRADIENT, meaning="absolute gradient far away")
start = Parameter("start", units.LENGTH, meaning="where the rise to the steep slope begins")
steep = Parameter("steep", units.GRADIENT, meaning="gradient beyond the rise")
radius = Parameter("radius", units.LENGTH, meaning="where a well begins to level off")
quartic = Parameter("quartic", units.unit(1, -4), meaning="coefficient of x^4/4")

scale = Parameter("scale", units.GRADIENT, meaning="standard deviation")
signed_scale = Parameter("scale", units.GRADIENT, Domain.REAL, "standard deviation, with the sign of the long tail")
up = Parameter("up", units.GRADIENT, Domain.REAL, "the atom of the given probability")
probability = Parameter("probability", units.ONE, meaning="a multiple of 2^-32 in (0, 1)")
degrees = Parameter("degrees", units.ONE, meaning="degrees of freedom, above 2")
sigma = Parameter("sigma", units.GRADIENT, meaning="standard deviation of the noise")


@dataclass(frozen=True)
class Objective:
    """A scalar profile ``phi(x)`` with ``phi >= 0`` and ``phi(0) = 0``: inf f is known exactly.

    Args:
        name: key in :data:`OBJECTIVES`.
        parameters: the family's numbers, in the order of an engine's arrays.
        value: ``phi`` as a formula in ``x`` and the parameters.
        gradient: ``phi'``; tests hold it against the derivative of ``value``.
        requires: conditions on the parameters, beyond their domains.
        says: one line for the reader, LaTeX between dollars.
    """

    name: str
    parameters: tuple[Parameter, ...]
    value: sp.Expr
    gradient: sp.Expr
    requires: tuple[sp.Basic, ...] = ()
    says: str = ""


@dataclass(frozen=True)
class Noise:
    """A scalar law with mean zero, drawn afresh for each coordinate and step.

    Args:
        name: key in :data:`NOISES`.
        parameters: the law's numbers, in the order of an engine's arrays.
        words: 32-bit words per draw: 0, 1 (``U0``) or 2 (``U0`` and ``U1``).
        sample: the value, a formula in the uniforms, the parameters and, for an oracle, ``m`` and ``c``.
        variance: nominal variance; the law that is run has at most this.
        atoms: ``((probability, value), ...)`` if there are only a few, else None.
        oracle: built from the worst drift at the current point. An oracle draws one scalar per step, from the words
            of coordinate 0 and with the parameters of coordinate 0, and moves along ``u = grad f / |grad f|`` (along
            the first axis where ``grad f = 0``); it needs a finite ``c``.
        requires: conditions on the parameters, beyond their domains.
        says: one line for the reader, LaTeX between dollars.
    """

    name: str
    parameters: tuple[Parameter, ...]
    words: int
    sample: sp.Expr
    variance: sp.Expr
    atoms: tuple[tuple[sp.Expr, sp.Expr], ...] | None = None
    oracle: bool = False
    requires: tuple[sp.Basic, ...] = ()
    says: str = ""


def _huber(distance: sp.Expr, bend: sp.Expr, limit: sp.Expr) -> sp.Expr:
    """Curvature ``bend`` up to the slope ``limit``, then straight on; convex and one-sided in ``distance``."""
    inside = sp.Min(distance, limit / bend)
    return bend * inside**2 / 2 + limit * (distance - inside)


def _levelling(t: sp.Expr) -> sp.Expr:
    return 1 / (1 + t**2)


def _pieces(name: str, grows: bool, says: str) -> Objective:
    made = piecewise(x, curvature, grows)
    return Objective(name, made.parameters, made.value, made.gradient, made.requires, says)


def _log_cosh(t: sp.Expr) -> sp.Expr:
    # cosh overflows beyond 710; |t| is the value but for the bounded rest.
    return sp.Abs(t) + sp.log(1 + sp.exp(-2 * sp.Abs(t))) - sp.log(2)


_OBJECTIVES = (
    Objective(
        "quadratic",
        (curvature,),
        value=curvature * x**2 / 2,
        gradient=curvature * x,
        says=r"$L x^2/2$",
    ),
    Objective(
        "huber",
        (curvature, slope),
        value=_huber(sp.Abs(x), curvature, slope),
        gradient=sp.Max(-slope, sp.Min(slope, curvature * x)),
        says=r"$L x^2/2$ up to the slope $a$, then straight lines",
    ),
    Objective(
        "slope_then_bowl",
        (curvature, slope, start, steep),
        value=_huber(x, curvature, slope) + _huber(sp.Max(x - start, 0), curvature, steep - slope),
        gradient=sp.Min(curvature * x, slope) + sp.Min(sp.Max(curvature * (x - start), 0), steep - slope),
        requires=(sp.Ge(steep, slope), sp.Ge(start, slope / curvature)),
        says="a bowl for small and negative x, a gentle slope, and from `start` on a rise to a steep slope",
    ),
    Objective(
        "log_cosh",
        (curvature, slope),
        value=slope**2 / curvature * _log_cosh(curvature * x / slope),
        gradient=slope * sp.tanh(curvature * x / slope),
        says=r"$(a^2/L) \log\cosh(L x/a)$, with gradient $a \tanh(L x/a)$",
    ),
    Objective(
        "quartic",
        (curvature, quartic),
        value=curvature * x**2 / 2 + quartic * x**4 / 4,
        gradient=curvature * x + quartic * x**3,
        says=r"$L x^2/2 + q x^4/4$",
    ),
    Objective(
        "well",
        (curvature, radius),
        value=curvature * x**2 / 2 * _levelling(x / radius),
        gradient=curvature * x * _levelling(x / radius) ** 2,
        says=r"$\frac{L r^2}{2}\,\frac{x^2}{x^2+r^2}$: bounded, and not convex",
    ),
    _pieces("piecewise_quadratic", False, "$f''=k(x)L$ with $k$ piecewise constant in $[-1,1]$"),
    _pieces("piecewise_exponential", True, r"$f''=k(x)(L+\kappa|f'|)$ with $k$ piecewise constant in $[-1,1]$"),
)


def exponential_centre() -> sp.Expr:
    """The mean of ``-log U`` on the lattice.

    Exactly ``log N - (loggamma(N + 1/2) - loggamma(1/2)) / N``; by Stirling's series this is the formula returned,
    with an error below 1e-40 (SymPy would expand the gamma function at a half-integer of ten digits).
    """
    return 1 - sp.log(2) / (2 * LATTICE) + 1 / (24 * LATTICE**2)


def _worst_two_point() -> Noise:
    """S1's worst law at gradient norm m, rounded to the lattice (theory: S1, S2-T).

    With ``s = sqrt(sigma^2 + (c - m)^2)`` and ``n = m + c``, the noise along u is ``+above`` with probability
    ``below / (above + below)`` and ``-below`` otherwise, ``above * below = sigma^2``:
    ``below = s + m - c`` if ``s <= 2c``, else ``below = n``; that is the lesser of the two, so no case is split.
    The probability is rounded down to ``K / 2^32`` with ``1 <= K < 2^32``; the lower atom is recomputed from it, so
    that the mean stays zero. Rounding down lowers the variance; where K was raised to 1, the upper atom is lowered
    to keep the variance at sigma^2.
    """
    s = sp.sqrt(sigma**2 + (c - m) ** 2)
    # s - |c - m| would cancel; its product with s + |c - m| is sigma^2.
    short = sigma**2 / (s + sp.Abs(c - m))
    below = sp.Min(short + 2 * sp.Max(m - c, 0), m + c)
    above = sp.Max(short + 2 * sp.Max(c - m, 0), sigma**2 / (m + c))
    likely = sp.Max(1, sp.Min(LATTICE - 1, sp.floor(LATTICE * (below / (above + below))))) / LATTICE
    higher = sp.Min(above, sigma * sp.sqrt((1 - likely) / likely))
    lower = -higher * likely / (1 - likely)
    return Noise(
        "worst_two_point",
        (sigma,),
        words=1,
        sample=sp.Piecewise((higher, sp.Lt(U0, likely)), (lower, True)),
        variance=sigma**2,
        atoms=((likely, higher), (1 - likely, lower)),
        oracle=True,
        says="the two-point law along the gradient that makes the expected drift least (S1)",
    )


_half = sp.Rational(1, 2)
_down = -probability * up / (1 - probability)

_NOISES = (
    Noise("none", (), words=0, sample=sp.Integer(0), variance=sp.Integer(0), atoms=((sp.Integer(1), sp.Integer(0)),)),
    Noise(
        "two_point",
        (up, probability),
        words=1,
        sample=sp.Piecewise((up, sp.Lt(U0, probability)), (_down, True)),
        variance=up**2 * probability / (1 - probability),
        atoms=((probability, up), (1 - probability, _down)),
        requires=(sp.Lt(probability, 1), sp.Eq(sp.floor(LATTICE * probability), LATTICE * probability)),
        says=r"$u$ with probability $p$, else $-pu/(1-p)$",
    ),
    Noise(
        "symmetric_two_point",
        (scale,),
        words=1,
        sample=sp.Piecewise((scale, sp.Lt(U0, _half)), (-scale, True)),
        variance=scale**2,
        atoms=((_half, scale), (_half, -scale)),
        says=r"$\pm s$ with probability 1/2 each",
    ),
    Noise(
        "gaussian",
        (scale,),
        words=2,
        sample=scale * sp.sqrt(-2 * sp.log(U0)) * sp.cos(2 * sp.pi * U1),
        variance=scale**2,
        says="normal, by the formula of Box and Muller (1958)",
    ),
    Noise(
        "student_t",
        (scale, degrees),
        words=2,
        # Bailey's t variable times sqrt((nu - 2)/nu), so that the standard deviation is `scale`.
        sample=scale * sp.sqrt((degrees - 2) * (U0 ** (-2 / degrees) - 1)) * sp.cos(2 * sp.pi * U1),
        variance=scale**2,
        requires=(sp.Gt(degrees, 2),),
        says="Student's t with standard deviation s, by the polar formula of Bailey (1994)",
    ),
    Noise(
        "skewed_exponential",
        (signed_scale,),
        words=1,
        sample=signed_scale * (-sp.log(U0) - exponential_centre()),
        variance=signed_scale**2,
        says="exponential minus its mean, times s (a negative s has its long tail below)",
    ),
    _worst_two_point(),
)

OBJECTIVES: Mapping[str, Objective] = MappingProxyType({o.name: o for o in _OBJECTIVES})
"""The objective families by name."""

PLUS = "+"


def profiles(name: str, dimension: int) -> tuple[Objective, ...]:
    """The profile of each coordinate: one family for all, or several joined by ``+``, one for each.

    Raises:
        ValueError: for a name that is not known, or another number of them than coordinates.
    """
    names = name.split(PLUS)
    for part in names:
        if part not in OBJECTIVES:
            raise ValueError(f"unknown objective {part!r}; known: {', '.join(sorted(OBJECTIVES))}")
    if len(names) == 1:
        return (OBJECTIVES[name],) * dimension
    if len(names) != dimension:
        raise ValueError(f"objective {name!r} has {len(names)} coordinates, not {dimension}")
    return tuple(OBJECTIVES[part] for part in names)


NOISES: Mapping[str, Noise] = MappingProxyType({n.name: n for n in _NOISES})
"""The noise laws by name."""

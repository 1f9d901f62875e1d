"""The formulas that are run: scalar objective profiles, each written once as a SymPy expression; and the noise laws.

A d-dimensional objective is ``f(x) = sum_i phi_i(x_i; p_i)``, with one family for all coordinates or one for each
(their names joined by ``+``); or it is radial, ``f(x) = phi(|x|; p)``, named ``radial:`` and the family. Values are
written with Min, Max and Abs, so that they do not overflow where the gradient is finite, and so that differentiating
them by parts (as torch does) gives the right gradient at every kink.

Adding a family is one entry in :data:`OBJECTIVES`; the noise laws are those of :mod:`theorems.language.noises`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import sympy as sp

from theorems.language import units
from theorems.language.noises import LATTICE as LATTICE
from theorems.language.noises import NOISES as NOISES
from theorems.language.noises import U0 as U0
from theorems.language.noises import U1 as U1
from theorems.language.noises import Noise as Noise
from theorems.language.parameters import Domain, Parameter
from theorems.language.pieces import piecewise

x = Parameter("x", units.LENGTH, Domain.REAL, "one coordinate of the position")

curvature = Parameter("curvature", units.CURVATURE, meaning="curvature at the minimum")
slope = Parameter("slope", units.GRADIENT, meaning="absolute gradient far away")
start = Parameter("start", units.LENGTH, meaning="where the rise to the steep slope begins")
steep = Parameter("steep", units.GRADIENT, meaning="gradient beyond the rise")
radius = Parameter("radius", units.LENGTH, meaning="where a well begins to level off")
quartic = Parameter("quartic", units.unit(1, -4), meaning="coefficient of x^4/4")


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

OBJECTIVES: Mapping[str, Objective] = MappingProxyType({o.name: o for o in _OBJECTIVES})
"""The objective families by name."""

PLUS = "+"


RADIAL = "radial:"
"""What the name of a radial objective begins with: ``f(x) = phi(|x|)``, with the profile's right side, from 0 on.

As ``phi'(0) = 0``, f is differentiable at 0 as well, where its gradient is 0; elsewhere it is ``phi'(r) x/r``. What a
profile has on its left is not used, and neither are numbers that describe it.
"""


def is_radial(name: str) -> bool:
    """Whether an objective of this name is a profile of ``|x|``."""
    return name.startswith(RADIAL)


def families(name: str) -> list[str]:
    """The names of the families in the name of an objective: of each coordinate, or the one of all, or of ``|x|``."""
    return name.removeprefix(RADIAL).split(PLUS)


def profiles(name: str, dimension: int) -> tuple[Objective, ...]:
    """The profile of each coordinate: one family for all, or several joined by ``+``, one for each. Of a radial
    objective the one profile of ``|x|``, alone.

    Raises:
        ValueError: for a name that is not known, or another number of them than coordinates.
    """
    names = families(name)
    for part in names:
        if part not in OBJECTIVES:
            raise ValueError(f"unknown objective {part!r}; known: {', '.join(sorted(OBJECTIVES))}")
    if is_radial(name):
        if len(names) > 1:
            raise ValueError(f"a radial objective has one profile, not {len(names)}: {name!r}")
        return (OBJECTIVES[names[0]],)
    if len(names) == 1:
        return (OBJECTIVES[name],) * dimension
    if len(names) != dimension:
        raise ValueError(f"objective {name!r} has {len(names)} coordinates, not {dimension}")
    return tuple(OBJECTIVES[part] for part in names)

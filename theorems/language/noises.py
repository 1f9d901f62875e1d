"""The noise laws that are run, each written once as a SymPy expression in one or two uniforms.

**Randomness.** A law reads 32-bit words ``w`` as uniforms ``U = (w + 1/2) / 2^32``: midpoints of a lattice of
``N = 2^32`` cells. The law that is run is therefore *finite*, and its moments are known:

- an event of probability ``p = K / 2^32`` is ``U < p``, which is ``w < K``: exact; and given the event, ``U/p`` is a
  midpoint of a lattice of K cells;
- means are exactly zero, by the symmetry of the midpoints or by exact centring;
- continuous laws have at most their nominal variance: :mod:`fuzz.certify` has the proofs.

**Layouts.** Coordinates are independent, each with numbers of its own, unless the layout says otherwise. In pairs
(Box and Muller's cosine and sine) each has the same law as alone, since a quarter of a turn maps the midpoints onto
themselves; the two are uncorrelated, and independent up to the lattice.

Adding a law is one entry in :data:`NOISES`.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import sympy as sp

from theorems.language import units
from theorems.language.parameters import Domain, Parameter, c, m

LATTICE = sp.Integer(2) ** 32
"""Number of cells of the lattice of uniforms."""

MOST_ATOMS = 6
"""Atoms of a finite law that the engines run."""

U0 = Parameter("U0", units.ONE, Domain.POSITIVE, "first uniform of a draw, in (0, 1)")
U1 = Parameter("U1", units.ONE, Domain.POSITIVE, "second uniform of a draw, in (0, 1)")

scale = Parameter("scale", units.GRADIENT, meaning="standard deviation")
signed_scale = Parameter("scale", units.GRADIENT, Domain.REAL, "standard deviation, with the sign of the long tail")
wide = Parameter("wide", units.GRADIENT, meaning="standard deviation of the rare component")
up = Parameter("up", units.GRADIENT, Domain.REAL, "the atom, or the mean jump, of the given probability")
probability = Parameter("probability", units.ONE, meaning="a multiple of 2^-32 in (0, 1)")
degrees = Parameter("degrees", units.ONE, meaning="degrees of freedom, above 2")
index = Parameter("index", units.ONE, meaning="tail index, between 2 and 64")
sigma = Parameter("sigma", units.GRADIENT, meaning="standard deviation of the noise")
reach = Parameter("reach", units.GRADIENT, meaning="gradient norm from which on the noise has its full size")
low = Parameter("low", units.GRADIENT, Domain.NONNEGATIVE, "least gradient norm at which there is noise")
high = Parameter("high", units.GRADIENT, meaning="largest gradient norm at which there is noise")
ATOMS = tuple(
    Parameter(f"atom{k}", units.GRADIENT, Domain.REAL, f"one coordinate of atom {k}") for k in range(1, MOST_ATOMS + 1)
)
BELOW = tuple(
    Parameter(f"below{k}", units.ONE, Domain.NONNEGATIVE, f"probability of atoms 1 to {k}, a multiple of 2^-32")
    for k in range(1, MOST_ATOMS)
)


class Layout(enum.Enum):
    """How a vector of d coordinates is made of draws."""

    COORDINATES = "one draw for each coordinate, with numbers of its own"
    PAIRS = (
        "one draw for two neighbouring coordinates, each with numbers of its own; the second reads U1 less a quarter, "
        "modulo 1"
    )
    SHARED = "one draw, from the words of coordinate 0, for all coordinates, each with numbers of its own"
    GRADIENT = (
        "one draw, from the words and with the numbers of coordinate 0, along u = grad f / |grad f| (along the first "
        "axis where grad f = 0)"
    )


@dataclass(frozen=True)
class Noise:
    """A law with mean zero, drawn afresh for each step.

    Args:
        name: key in :data:`NOISES`.
        parameters: the law's numbers, in the order of an engine's arrays.
        words: 32-bit words per draw: 0, 1 (``U0``) or 2 (``U0`` and ``U1``).
        sample: the value, a formula in the uniforms, the parameters and, for a law that depends on the state, ``m`` and
            ``c``.
        variance: nominal variance; the law that is run has at most this, at every point.
        atoms: ``((probability, value), ...)`` if there are only a few, else None.
        layout: how coordinates are drawn.
        oracle: built from the worst drift at the current point; along the gradient, with a finite ``c``.
        requires: conditions on the parameters, beyond their domains.
        says: one line for the reader, LaTeX between dollars.

    Raises:
        ValueError: for an oracle that does not move along the gradient, one draw for all coordinates of two words, or
            pairs of another number of words than two.
    """

    name: str
    parameters: tuple[Parameter, ...]
    words: int
    sample: sp.Expr
    variance: sp.Expr
    atoms: tuple[tuple[sp.Expr, sp.Expr], ...] | None = None
    layout: Layout = Layout.COORDINATES
    oracle: bool = False
    requires: tuple[sp.Basic, ...] = ()
    says: str = ""

    def __post_init__(self) -> None:
        if self.oracle and self.layout is not Layout.GRADIENT:
            raise ValueError(f"noise {self.name!r}: an oracle moves along the gradient, not by {self.layout.name}")
        words = {Layout.SHARED: 1, Layout.GRADIENT: 1, Layout.PAIRS: 2}.get(self.layout, self.words)
        if self.words != words:
            number = "one word" if words == 1 else "two words"
            raise ValueError(
                f"noise {self.name!r}: layout {self.layout.name} takes {number} per draw, not {self.words}"
            )
        if self.layout is Layout.PAIRS and self.depends_on_state:
            raise ValueError(f"noise {self.name!r}: layout {self.layout.name} is for laws that do not read the state")

    @property
    def along(self) -> bool:
        """Whether it is one scalar along the gradient."""
        return self.layout is Layout.GRADIENT

    @property
    def each(self) -> bool:
        """Whether coordinates are drawn each for itself, or two by two, and not one draw for all."""
        return self.layout in (Layout.COORDINATES, Layout.PAIRS)

    @cached_property
    def depends_on_state(self) -> bool:
        """Whether the law is another one at another point."""
        return self.along or bool(self.sample.free_symbols & {m, c})

    @property
    def signed(self) -> bool:
        """Whether the sign of one of its numbers turns it round."""
        return self.layout is not Layout.SHARED and any(p.domain is Domain.REAL for p in self.parameters)


# -- two and more atoms ------------------------------------------------------------------------------------------------

_half = sp.Rational(1, 2)
_down = -probability * up / (1 - probability)
_two_atoms = ((probability, up), (1 - probability, _down))
_two_drawn = sp.Piecewise((up, sp.Lt(U0, probability)), (_down, True))
_two_variance = up**2 * probability / (1 - probability)
_on_lattice = (sp.Lt(probability, 1), sp.Eq(sp.floor(LATTICE * probability), LATTICE * probability))


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
        layout=Layout.GRADIENT,
        oracle=True,
        says="the two-point law along the gradient that makes the expected drift least (S1)",
    )


def _finite() -> Noise:
    """Up to six atoms; where there are fewer, the first have probability 0. The last one's is never 0, so that every
    count ``2^32 below`` is a 32-bit number."""
    ends = (sp.Integer(0), *BELOW, sp.Integer(1))
    atoms = tuple((ends[k + 1] - ends[k], atom) for k, atom in enumerate(ATOMS))
    cases = [(atom, sp.Lt(U0, below)) for atom, below in zip(ATOMS, BELOW, strict=False)]
    lattice = [sp.Eq(sp.floor(LATTICE * below), LATTICE * below) for below in BELOW]
    return Noise(
        "finite",
        (*ATOMS, *BELOW),
        words=1,
        sample=sp.Piecewise(*cases, (ATOMS[-1], True)),
        variance=sum((p * atom**2 for p, atom in atoms), sp.Integer(0)),
        atoms=atoms,
        layout=Layout.SHARED,
        requires=(*(sp.Le(a, b) for a, b in itertools.pairwise(BELOW)), sp.Lt(BELOW[-1], 1), *lattice),
        says="finitely many atoms, vectors of any direction",
    )


# -- laws of one or two uniforms ---------------------------------------------------------------------------------------

_cosine = sp.cos(2 * sp.pi * U1)
_gaussian = sp.sqrt(-2 * sp.log(U0)) * _cosine
_sign = sp.Piecewise((1, sp.Lt(U1, _half)), (-1, True))


def exponential_centre() -> sp.Expr:
    """The mean of ``-log U`` on the lattice.

    Exactly ``log N - (loggamma(N + 1/2) - loggamma(1/2)) / N``; by Stirling's series this is the formula returned,
    with an error below 1e-40 (SymPy would expand the gamma function at a half-integer of ten digits).
    """
    return 1 - sp.log(2) / (2 * LATTICE) + 1 / (24 * LATTICE**2)


def pareto_centre() -> sp.Expr:
    """The mean of ``U^(-1/index)`` on the lattice, but for less than 2^-63 (index > 2).

    ``N^(s-1) sum_(k<N) (k + 1/2)^-s`` with ``s = 1/index``: sixteen terms as they are, the rest by the series of Euler
    and Maclaurin for midpoints, ``integral - [f']/24 + 7 [f''']/5760 - 31 [f^(5)]/967680 + 127 [f^(7)]/154828800``,
    whose terms at N are left out. :mod:`fuzz.certify` bounds what is left out.
    """
    s, head = 1 / index, 16
    coefficients = {1: sp.Rational(-1, 24), 3: sp.Rational(7, 5760), 5: sp.Rational(-31, 967680)}
    coefficients[7] = sp.Rational(127, 154828800)
    total = sum((sp.Rational(2 * k + 1, 2) ** (-s) for k in range(head)), sp.Integer(0))
    total -= sp.Integer(head) ** (1 - s) / (1 - s)
    for order, coefficient in coefficients.items():
        # The derivative of odd order at `head` is -s (s + 1) ... (s + order - 1) head^(-s - order).
        total += coefficient * sp.prod([s + j for j in range(order)]) * sp.Integer(head) ** (-s - order)
    return LATTICE ** (s - 1) * total + 1 / (1 - s)


def _continuous() -> tuple[Noise, ...]:
    # A uniform once more, given on which side of the probability the first one lies.
    again = sp.Piecewise((U0 / probability, sp.Lt(U0, probability)), ((U0 - probability) / (1 - probability), True))
    size = sp.Piecewise((wide, sp.Lt(U0, probability)), (scale, True))
    return (
        Noise(
            "gaussian",
            (scale,),
            words=2,
            sample=scale * _gaussian,
            variance=scale**2,
            layout=Layout.PAIRS,
            says="normal, by the formula of Box and Muller (1958)",
        ),
        Noise(
            "student_t",
            (scale, degrees),
            words=2,
            # Bailey's t variable times sqrt((nu - 2)/nu), so that the standard deviation is `scale`.
            sample=scale * sp.sqrt((degrees - 2) * (U0 ** (-2 / degrees) - 1)) * _cosine,
            variance=scale**2,
            requires=(sp.Gt(degrees, 2),),
            says="Student's t with standard deviation s, by the polar formula of Bailey (1994)",
        ),
        Noise(
            "laplace",
            (scale,),
            words=2,
            sample=scale * -sp.log(U0) / sp.sqrt(2) * _sign,
            variance=scale**2,
            says="an exponential variable of either sign (Laplace), with standard deviation s",
        ),
        Noise(
            "skewed_exponential",
            (signed_scale,),
            words=1,
            sample=signed_scale * (-sp.log(U0) - exponential_centre()),
            variance=signed_scale**2,
            says="exponential minus its mean, times s (a negative s has its long tail below)",
        ),
        Noise(
            "chi_square",
            (signed_scale,),
            words=2,
            sample=signed_scale / sp.sqrt(2) * (-2 * sp.log(U0) * _cosine**2 - exponential_centre()),
            variance=signed_scale**2,
            says=r"chi-square with one degree of freedom minus its mean, times $s/\sqrt2$",
        ),
        Noise(
            "symmetric_chi_square",
            (scale,),
            words=2,
            sample=scale / sp.sqrt(3) * (-2 * sp.log(U0)) * (_cosine * sp.Abs(_cosine)),
            variance=scale**2,
            says=r"the square of a normal variable with that variable's sign, times $s/\sqrt3$",
        ),
        Noise(
            "pareto",
            (signed_scale, index),
            words=1,
            sample=signed_scale * ((index - 1) * sp.sqrt((index - 2) / index)) * (U0 ** (-1 / index) - pareto_centre()),
            variance=signed_scale**2,
            requires=(sp.Gt(index, 2), sp.Le(index, 64)),
            says=r"Pareto with index $\alpha$ minus its mean, with standard deviation $|s|$",
        ),
        Noise(
            "symmetric_pareto",
            (scale, index),
            words=2,
            sample=scale * sp.sqrt((index - 1) * (index - 2) / 2) * (U0 ** (-1 / index) - 1) * _sign,
            variance=scale**2,
            requires=(sp.Gt(index, 2), sp.Le(index, 64)),
            says=r"Pareto with index $\alpha$, from 0 on, of either sign, with standard deviation s",
        ),
        Noise(
            "contaminated_gaussian",
            (scale, wide, probability),
            words=2,
            sample=size * sp.sqrt(-2 * sp.log(again)) * _cosine,
            variance=(1 - probability) * scale**2 + probability * wide**2,
            requires=_on_lattice,
            says="normal with standard deviation `wide` with the given probability, else with standard deviation s",
        ),
        Noise(
            "rare_exponential",
            (up, probability),
            words=2,
            sample=sp.Piecewise((up * -sp.log(U1), sp.Lt(U0, probability)), (_down * exponential_centre(), True)),
            variance=up**2 * probability * (2 - probability) / (1 - probability),
            requires=_on_lattice,
            says="with the given probability an exponential jump of mean u, else a constant that makes up for it",
        ),
    )


# -- laws that depend on the state -------------------------------------------------------------------------------------


def _state_dependent() -> tuple[Noise, ...]:
    outside = sp.Lt(m, low), sp.Gt(m, high)
    return (
        Noise(
            "vanishing_gaussian",
            (scale, reach),
            words=2,
            sample=scale * sp.Min(1, m / reach) * _gaussian,
            variance=scale**2,
            says=r"normal with standard deviation $s\min(1,|\nabla f|/a)$, which vanishes at the minimum",
        ),
        Noise(
            "gradient_two_point",
            (up, probability),
            words=1,
            sample=_two_drawn,
            variance=_two_variance,
            atoms=_two_atoms,
            requires=_on_lattice,
            says=r"along the gradient $u$ with probability $p$, else $-pu/(1-p)$",
            layout=Layout.GRADIENT,
        ),
        Noise(
            "band_two_point",
            (up, probability, low, high),
            words=1,
            sample=sp.Piecewise((0, outside[0]), (0, outside[1]), (up, sp.Lt(U0, probability)), (_down, True)),
            variance=_two_variance,
            atoms=tuple((p, sp.Piecewise((0, outside[0]), (0, outside[1]), (value, True))) for p, value in _two_atoms),
            requires=(*_on_lattice, sp.Le(low, high)),
            says=r"as gradient_two_point, but only where the gradient norm lies between `low` and `high`",
            layout=Layout.GRADIENT,
        ),
    )


_NOISES = (
    Noise("none", (), words=0, sample=sp.Integer(0), variance=sp.Integer(0), atoms=((sp.Integer(1), sp.Integer(0)),)),
    Noise(
        "two_point",
        (up, probability),
        words=1,
        sample=_two_drawn,
        variance=_two_variance,
        atoms=_two_atoms,
        requires=_on_lattice,
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
    _finite(),
    *_continuous(),
    *_state_dependent(),
    _worst_two_point(),
)

NOISES: Mapping[str, Noise] = MappingProxyType({n.name: n for n in _NOISES})
"""The noise laws by name."""

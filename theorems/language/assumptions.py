"""The closed vocabulary of assumptions. Each carries its parameters and its wording; the rules of the proof calculus
say what it licenses, and ``fuzz.certify`` shows that a problem meets it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import sympy as sp


@dataclass(frozen=True)
class Assumption(ABC):
    """A hypothesis on the objective, on the noise or on the algorithm (none: plain clipped SGD)."""

    about: ClassVar[str]

    @property
    @abstractmethod
    def latex(self) -> str:
        """The assumption, typeset."""

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        """The parameters it mentions."""
        found: set[sp.Symbol] = set()
        for value in vars(self).values():
            found |= sp.sympify(value).free_symbols
        return found

    def substitute(self, pairs: dict[sp.Symbol, sp.Expr]) -> Assumption:
        """The same assumption with parameters replaced."""
        return type(self)(**{name: sp.sympify(value).xreplace(pairs) for name, value in vars(self).items()})

    def __str__(self) -> str:
        return f"{type(self).__name__}({', '.join(str(v) for v in vars(self).values())})"


def _shown(value: object) -> str:
    return str(sp.latex(sp.sympify(value)))


@dataclass(frozen=True)
class GS(Assumption):
    """Gradient form of (L0, L1)-smoothness: ``|grad f(x) - grad f(y)| <= (L0 + L1 |grad f(x)|) |x - y|`` whenever
    ``|x - y| <= 1/L1``. With ``L1 = 0`` this is L0-smoothness on the whole space."""

    L0: sp.Expr
    L1: sp.Expr
    about: ClassVar[str] = "objective"

    @property
    def latex(self) -> str:
        if self.L1 == 0:
            return rf"f\text{{ is }}{_shown(self.L0)}\text{{-smooth}}"
        grad = r"\|\nabla f(x)\|"
        return (
            rf"\|\nabla f(x)-\nabla f(y)\|\le({_shown(self.L0)}+{_shown(self.L1)}{grad})\|x-y\|"
            rf"\ \text{{for}}\ \|x-y\|\le 1/{_shown(self.L1)}"
        )


def Smooth(L: sp.Expr) -> GS:
    """``L``-smoothness is GS(L, 0)."""
    return GS(L, sp.Integer(0))


@dataclass(frozen=True)
class HS(Assumption):
    """Hessian form of (L0, L1)-smoothness: grad f is locally Lipschitz and ``|hess f(x)| <= L0 + L1 |grad f(x)|``
    wherever it exists, which is almost everywhere."""

    L0: sp.Expr
    L1: sp.Expr
    about: ClassVar[str] = "objective"

    @property
    def latex(self) -> str:
        return rf"\|\nabla^2 f(x)\|\le {_shown(self.L0)}+{_shown(self.L1)}\|\nabla f(x)\|"


@dataclass(frozen=True)
class Convex(Assumption):
    """f is convex and has a minimiser."""

    about: ClassVar[str] = "objective"

    @property
    def latex(self) -> str:
        return r"f\text{ is convex with a minimiser}"


@dataclass(frozen=True)
class PL(Assumption):
    """Polyak-Lojasiewicz: ``|grad f|^2 >= 2 mu (f - inf f)``; implied by mu-strong convexity."""

    mu: sp.Expr
    about: ClassVar[str] = "objective"

    @property
    def latex(self) -> str:
        return rf"\|\nabla f(x)\|^2\ge 2{_shown(self.mu)}(f(x)-\inf f)"


@dataclass(frozen=True)
class ExactGradients(Assumption):
    """g = grad f(x): no noise."""

    about: ClassVar[str] = "noise"

    @property
    def latex(self) -> str:
        return r"g_t=\nabla f(x_t)"


@dataclass(frozen=True)
class BoundedVariance(Assumption):
    """Given the past, ``E g = grad f(x)`` and ``E |g - grad f(x)|^2 <= sigma^2``; the law may depend on the past."""

    sigma: sp.Expr
    about: ClassVar[str] = "noise"

    @property
    def latex(self) -> str:
        return (
            r"\mathbb{E}[g_t\mid\text{past}]=\nabla f(x_t),\ "
            rf"\mathbb{{E}}[\|g_t-\nabla f(x_t)\|^2\mid\text{{past}}]\le {_shown(self.sigma)}^2"
        )


@dataclass(frozen=True)
class Symmetric(Assumption):
    """Given the past, ``g - grad f`` and its negative have one law."""

    about: ClassVar[str] = "noise"

    @property
    def latex(self) -> str:
        return r"g_t-\nabla f(x_t)\text{ is symmetric given the past}"


@dataclass(frozen=True)
class BatchClipping(Assumption):
    """The algorithm clips the mean of n samples: ``x' = x - eta clip_c((g_1 + ... + g_n)/n)``. Given the past the
    samples are uncorrelated, and each meets the assumptions on the noise."""

    n: sp.Expr
    about: ClassVar[str] = "algorithm"

    @property
    def latex(self) -> str:
        n = _shown(self.n)
        return rf"x_{{t+1}}=x_t-\eta\,\mathrm{{clip}}_c\Big(\tfrac1{{{n}}}\sum_{{i\le {n}}}g_{{t,i}}\Big)"


@dataclass(frozen=True)
class PerSampleClipping(Assumption):
    """The algorithm takes the mean of n clipped samples: ``x' = x - eta (clip_c(g_1) + ... + clip_c(g_n))/n``, as
    DP-SGD does. Each sample meets the assumptions on the noise; nothing is said of how the samples depend on each
    other. Drift and ClipSecondMoment are those of the mean of the clipped samples."""

    n: sp.Expr
    about: ClassVar[str] = "algorithm"

    @property
    def latex(self) -> str:
        n = _shown(self.n)
        return rf"x_{{t+1}}=x_t-\frac{{\eta}}{{{n}}}\sum_{{i\le {n}}}\mathrm{{clip}}_c(g_{{t,i}})"


@dataclass(frozen=True)
class PrivacyNoise(Assumption):
    """The algorithm adds noise z to the clipped direction d: ``x' = x - eta (d + z)`` with
    ``E[z | past, samples] = 0`` and ``E|z|^2 <= zeta^2`` given the past. Drift and ClipSecondMoment are those of d."""

    zeta: sp.Expr
    about: ClassVar[str] = "algorithm"

    @property
    def latex(self) -> str:
        return (
            r"d_t\text{ becomes }d_t+z_t,\ \mathbb{E}[z_t\mid\text{past, samples}]=0,\ "
            rf"\mathbb{{E}}[\|z_t\|^2\mid\text{{past}}]\le {_shown(self.zeta)}^2"
        )


def algorithm(given: Iterable[Assumption]) -> tuple[Assumption, ...]:
    """The assumptions that make the algorithm another one than plain clipped SGD."""
    return tuple(assumption for assumption in given if assumption.about == "algorithm")


ASSUMPTIONS: tuple[type[Assumption], ...] = (
    GS,
    HS,
    Convex,
    PL,
    ExactGradients,
    BoundedVariance,
    Symmetric,
    BatchClipping,
    PerSampleClipping,
    PrivacyNoise,
)
"""The whole vocabulary. Rules, certificates and the prover know these and no others."""

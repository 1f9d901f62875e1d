"""The closed vocabulary of assumptions. Each carries its parameters and its wording; the rules of the proof calculus
say what it licenses, and ``fuzz.certify`` shows that a problem meets it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import sympy as sp


@dataclass(frozen=True)
class Assumption(ABC):
    """A hypothesis on the objective or on the noise."""

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
    """Hessian form of (L0, L1)-smoothness: ``|hess f(x)| <= L0 + L1 |grad f(x)|`` (almost everywhere)."""

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


ASSUMPTIONS: tuple[type[Assumption], ...] = (GS, HS, Convex, PL, ExactGradients, BoundedVariance, Symmetric)
"""The whole vocabulary. Rules, certificates and the prover know these and no others."""

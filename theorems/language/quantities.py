"""What a claim measures. A quantity is a SymPy atom with its defining relation in words and LaTeX.

One-step quantities are functions of the current point; trajectory quantities belong to a whole run.
"""

from __future__ import annotations

import enum
from typing import Any

import sympy as sp

from theorems.language import parameters as p
from theorems.language import units
from theorems.language.units import Unit


class Scope(enum.Enum):
    """Where a quantity is measured."""

    ONE_STEP = "one step"
    TRAJECTORY = "trajectory"


class Adversary(enum.Enum):
    """Which way an adversary pushes the quantity: a gradient norm up, a drift down."""

    MAXIMISES = "maximises"
    MINIMISES = "minimises"


class Quantity(sp.Symbol):
    """An atom such as ``AverageGradientNorm``.

    Attributes:
        unit: its unit.
        scope: one step or a trajectory.
        adversary: the direction in which a claim about it can fail.
        definition: its defining relation, LaTeX.
        origin: a proved bound on the harmless side (``lo`` of the score: an infimum for a maximised quantity, a
            supremum for a minimised one), an expression in the parameters.
        nonnegative: whether its values are.
    """

    unit: Unit
    scope: Scope
    adversary: Adversary
    definition: str
    origin: sp.Expr

    def __new__(
        cls,
        name: str,
        unit: Unit,
        scope: Scope,
        adversary: Adversary,
        definition: str,
        origin: sp.Expr,
        nonnegative: bool,
    ) -> Quantity:
        made = sp.Symbol.__xnew__(cls, name, **({"nonnegative": True} if nonnegative else {"real": True}))
        made.unit, made.scope, made.adversary = unit, scope, adversary
        made.definition, made.origin = definition, origin
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return _by_name, (self.name,)

    def at(self, **substitution: sp.Expr) -> At:
        """The same quantity at another point or for other parameters, e.g. ``Drift.at(m=G)``: a different number."""
        pairs = {getattr(p, name): value for name, value in substitution.items()}
        return at(self, pairs)


class At(sp.Function):
    """``At(Drift, (m, G))``: a quantity for substituted parameters, an atom for every solver."""

    is_uninterpreted = True
    is_real = True
    nargs = None

    @property
    def unit(self) -> Unit:
        """The unit of the quantity itself."""
        return self.args[0].unit

    def _latex(self, printer: Any, *_: Any) -> str:
        shown = ", ".join(f"{printer._print(a)} = {printer._print(b)}" for a, b in self.args[1:])
        return rf"\left.{printer._print(self.args[0])}\right|_{{{shown}}}"


def at(quantity: Quantity, pairs: dict[sp.Symbol, sp.Expr]) -> At:
    """The atom of a quantity under a substitution; identical substitutions give the identical atom."""
    return At(quantity, *(sp.Tuple(s, sp.sympify(v)) for s, v in sorted(pairs.items(), key=lambda kv: kv[0].name)))


class Average(sp.Function):
    """``Average(h(m))`` = (1/T) sum_{t<T} E h(m_t): linear, and otherwise unknown to the solvers."""

    is_uninterpreted = True
    is_real = True
    nargs = 1

    @property
    def unit(self) -> Unit | None:
        """The unit of what is averaged."""
        return units.unit_of(self.args[0])

    def _latex(self, printer: Any, *_: Any) -> str:
        return rf"\frac1T\sum_{{t<T}}\mathbb{{E}}\left[{printer._print(self.args[0])}\right]"


_ZERO = sp.Integer(0)

AverageGradientNorm = Quantity(
    "AverageGradientNorm",
    units.GRADIENT,
    Scope.TRAJECTORY,
    Adversary.MAXIMISES,
    r"\frac1T\sum_{t<T}\mathbb{E}\|\nabla f(x_t)\|",
    _ZERO,
    nonnegative=True,
)
MinGradientNorm = Quantity(
    "MinGradientNorm",
    units.GRADIENT,
    Scope.TRAJECTORY,
    Adversary.MAXIMISES,
    r"\min_{t<T}\mathbb{E}\|\nabla f(x_t)\|",
    _ZERO,
    nonnegative=True,
)
FinalGap = Quantity(
    "FinalGap",
    units.OBJECTIVE_VALUE,
    Scope.TRAJECTORY,
    Adversary.MAXIMISES,
    r"\mathbb{E}f(x_T)-\inf f",
    _ZERO,
    nonnegative=True,
)
Drift = Quantity(
    "Drift",
    units.GRADIENT,
    Scope.ONE_STEP,
    Adversary.MINIMISES,
    r"\mathbb{E}\langle u,\mathrm{clip}_c(g)\rangle,\quad u=\nabla f(x)/\|\nabla f(x)\|",
    p.c,
    nonnegative=False,
)
StuckGradientNorm = Quantity(
    "StuckGradientNorm",
    units.GRADIENT,
    Scope.ONE_STEP,
    Adversary.MAXIMISES,
    r"\|\nabla f(x)\|\ \text{at a point with}\ \langle\nabla f(x),\mathbb{E}\,\mathrm{clip}_c(g)\rangle\le 0",
    _ZERO,
    nonnegative=True,
)
StepChange = Quantity(
    "StepChange",
    units.OBJECTIVE_VALUE,
    Scope.ONE_STEP,
    Adversary.MAXIMISES,
    r"\mathbb{E}f(x')-f(x)",
    # -(m + A r) r bounds the change from below on any ball where the gradient moves by at most A r.
    -(p.m + (p.L0 + p.L1 * p.m) * p.eta * sp.Min(p.m, p.c)) * p.eta * sp.Min(p.m, p.c),
    nonnegative=False,
)
# Used inside proofs only.
ClipSecondMoment = Quantity(
    "ClipSecondMoment",
    units.GRADIENT ** sp.Integer(2),
    Scope.ONE_STEP,
    Adversary.MAXIMISES,
    r"\mathbb{E}\|\mathrm{clip}_c(g)\|^2",
    _ZERO,
    nonnegative=True,
)
NextGradientNorm = Quantity(
    "NextGradientNorm",
    units.GRADIENT,
    Scope.ONE_STEP,
    Adversary.MAXIMISES,
    r"\mathbb{E}\|\nabla f(x')\|",
    _ZERO,
    nonnegative=True,
)

Gap = Quantity(
    "Gap",
    units.OBJECTIVE_VALUE,
    Scope.ONE_STEP,
    Adversary.MAXIMISES,
    r"f(x)-\inf f",
    _ZERO,
    nonnegative=True,
)
DistanceChange = Quantity(
    "DistanceChange",
    units.LENGTH ** sp.Integer(2),
    Scope.ONE_STEP,
    Adversary.MAXIMISES,
    r"\|x'-x^*\|^2-\|x-x^*\|^2,\quad x^*\text{ the minimiser of }R_0",
    _ZERO,
    nonnegative=False,
)
# No engine counts these.
ClippedSteps = Quantity(
    "ClippedSteps",
    units.ONE,
    Scope.TRAJECTORY,
    Adversary.MAXIMISES,
    r"\#\{t<T:\|\nabla f(x_t)\|>c\}",
    _ZERO,
    nonnegative=True,
)

QUANTITIES = {
    q.name: q
    for q in (
        AverageGradientNorm,
        MinGradientNorm,
        FinalGap,
        Drift,
        StuckGradientNorm,
        StepChange,
        ClipSecondMoment,
        NextGradientNorm,
        Gap,
        DistanceChange,
        ClippedSteps,
    )
}


def _by_name(name: str) -> Quantity:
    return QUANTITIES[name]

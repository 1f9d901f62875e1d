"""Parameters: symbols with a unit, a domain and a meaning; and the standard letters of the field."""

from __future__ import annotations

import enum
from typing import Any

import sympy as sp

from theorems.language import units
from theorems.language.units import Unit


class Domain(enum.Enum):
    """Where a parameter may lie. A prover reads a positive integer as a real number >= 1, which is sound for proofs."""

    REAL = "real"
    NONNEGATIVE = "non-negative"
    POSITIVE = "positive"
    POSITIVE_INTEGER = "a positive integer"

    @property
    def assumptions(self) -> dict[str, bool]:
        """The SymPy assumptions of a symbol with this domain."""
        return {
            Domain.REAL: {"real": True},
            Domain.NONNEGATIVE: {"nonnegative": True},
            Domain.POSITIVE: {"positive": True},
            Domain.POSITIVE_INTEGER: {"positive": True, "integer": True},
        }[self]

    def contains(self, value: sp.Expr) -> bool:
        """Whether an exact number lies in the domain."""
        if not value.is_real:
            return False
        return bool(
            {
                Domain.REAL: True,
                Domain.NONNEGATIVE: value.is_nonnegative,
                Domain.POSITIVE: value.is_positive,
                Domain.POSITIVE_INTEGER: value.is_positive and value.is_integer,
            }[self]
        )


class Parameter(sp.Symbol):
    """A named real number of a statement.

    Args:
        name: the paper's letter, e.g. ``"eta"`` (typeset as a Greek letter).
        unit: powers of F (objective value) and X (position), e.g. ``units.GRADIENT``.
        domain: where it may lie.
        meaning: a few words for the report.

    Two parameters are equal when name, unit and domain are.
    """

    unit: Unit
    domain: Domain
    meaning: str

    def __new__(cls, name: str, unit: Unit, domain: Domain = Domain.POSITIVE, meaning: str = "") -> Parameter:
        if not isinstance(unit, Unit):
            raise TypeError(f"parameter {name!r}: unit must be a Unit such as unit(1, -1), not {unit!r}")
        if not isinstance(domain, Domain):
            raise TypeError(f"parameter {name!r}: domain must be a Domain such as Domain.POSITIVE, not {domain!r}")
        made = sp.Symbol.__xnew__(cls, name, **domain.assumptions)
        made.unit, made.domain, made.meaning = unit, domain, meaning
        return made

    def _hashable_content(self) -> tuple[Any, ...]:
        return (*super()._hashable_content(), str(self.unit), self.domain.value)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.unit, self.domain, self.meaning)

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (self.name, self.unit, self.domain, self.meaning), {}

    def __getstate__(self) -> None:
        return None


# The letters of theory.md, section 0. `m` is the gradient norm at the current point.
eta = Parameter("eta", units.STEP_SIZE, meaning="step size")
c = Parameter("c", units.GRADIENT, meaning="clipping threshold")
sigma = Parameter("sigma", units.GRADIENT, Domain.NONNEGATIVE, "standard deviation of the noise")
L = Parameter("L", units.CURVATURE, meaning="smoothness constant")
L0 = Parameter("L0", units.CURVATURE, Domain.NONNEGATIVE, "constant part of the smoothness")
L1 = Parameter("L1", units.INVERSE_LENGTH, Domain.NONNEGATIVE, "gradient-dependent part of the smoothness")
mu = Parameter("mu", units.CURVATURE, meaning="Polyak-Lojasiewicz constant")
T = Parameter("T", units.ONE, Domain.POSITIVE_INTEGER, "number of steps")
F0 = Parameter("F0", units.OBJECTIVE_VALUE, Domain.NONNEGATIVE, "initial gap f(x_0) - inf f")
R0 = Parameter("R0", units.LENGTH, Domain.NONNEGATIVE, "initial distance to a minimiser")
m = Parameter("m", units.GRADIENT, Domain.NONNEGATIVE, "gradient norm at the current point")

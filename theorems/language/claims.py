"""Claims: a quantity, a bound and a quantifier."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import sympy as sp
from sympy.core.relational import Relational

from theorems.language.quantities import Adversary, Quantity


@dataclass(frozen=True)
class Claim(ABC):
    """``quantity`` against ``bound``; the subclass says for which problems.

    Attributes:
        for_all: the claim bounds the quantity for *every* problem that meets the assumptions.
        attained: the claim says that *some* problem does at least as badly as the bound.
    """

    quantity: Quantity
    bound: sp.Expr
    for_all: ClassVar[bool]
    attained: ClassVar[bool]

    @property
    @abstractmethod
    def relation(self) -> Relational:
        """The comparison that a proof must end with."""

    @property
    def universal(self) -> Relational:
        """``quantity`` is no worse than ``bound``: ``<=`` where an adversary maximises, ``>=`` where it minimises."""
        if self.quantity.adversary is Adversary.MAXIMISES:
            return sp.Le(self.quantity, self.bound, evaluate=False)
        return sp.Ge(self.quantity, self.bound, evaluate=False)

    @property
    def existential(self) -> Relational:
        """Some problem is at least as bad as ``bound``."""
        if self.quantity.adversary is Adversary.MAXIMISES:
            return sp.Ge(self.quantity, self.bound, evaluate=False)
        return sp.Le(self.quantity, self.bound, evaluate=False)


class Upper(Claim):
    """Every problem has ``quantity <= bound`` (for quantities that an adversary maximises)."""

    for_all, attained = True, False

    @property
    def relation(self) -> Relational:
        return self.universal


class Floor(Claim):
    """Every problem has ``quantity >= bound`` (for quantities that an adversary minimises, such as Drift)."""

    for_all, attained = True, False

    @property
    def relation(self) -> Relational:
        return self.universal


class Lower(Claim):
    """There is a problem at least as bad as ``bound``: ``>=`` for a gradient norm, ``<=`` for a drift."""

    for_all, attained = False, True

    @property
    def relation(self) -> Relational:
        return self.existential


class Exactly(Claim):
    """The worst case over all problems *is* ``bound``: an upper (or floor) claim with an attaining witness."""

    for_all, attained = True, True

    @property
    def relation(self) -> Relational:
        return self.universal


CLAIMS: tuple[type[Claim], ...] = (Upper, Floor, Lower, Exactly)
"""The four forms of a claim."""

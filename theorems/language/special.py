"""Entire functions that take the cancellation out of formulas with ``exp``, by the names of the GNU library GSL:

- ``exprel(t) = (e^t - 1)/t = int_0^1 e^(t s) ds``,
- ``exprel2(t) = 2 (e^t - 1 - t)/t^2 = 2 int_0^1 (1 - s) e^(t s) ds``,

both 1 at 0, positive, and rising (from the integrals). And one that takes a case out of a quotient:

- ``balance(u, v) = (u + v)/(|u| + |v|)``, in [-1, 1], and 0 where both are 0.
"""

from __future__ import annotations

from typing import Any

import mpmath
import sympy as sp


class _Relative(sp.Function):
    """What both share: 1 at 0, positive on the reals, and a form with ``exp`` that holds elsewhere."""

    nargs = 1

    @classmethod
    def eval(cls, t: sp.Expr) -> sp.Expr | None:
        return sp.Integer(1) if t.is_zero else None

    def by_exp(self) -> sp.Expr:
        """The same with ``exp``, for an argument other than 0."""
        raise NotImplementedError

    def _eval_is_extended_real(self) -> bool | None:
        return True if self.args[0].is_extended_real else None

    def _eval_is_positive(self) -> bool | None:
        return True if self.args[0].is_real else None

    def _eval_rewrite_as_exp(self, t: sp.Expr, **hints: Any) -> sp.Expr:
        return self.by_exp()

    def _eval_evalf(self, prec: int) -> sp.Expr | None:
        argument = self.args[0]._eval_evalf(prec) if not isinstance(self.args[0], sp.Float) else self.args[0]
        if argument is None or not isinstance(argument, sp.Number):
            return None
        t = argument._to_mpmath(prec + 64)
        if t == 0:
            return sp.Float(1, precision=prec)
        # What cancels has at most as many digits as t is below 1, twice for exprel2.
        with mpmath.workprec(prec + 64 + 2 * max(0, -mpmath.mag(t))):
            rest = mpmath.expm1(t)
            number = rest / t if self._order == 1 else 2 * (rest - t) / t**2
            result: sp.Expr = sp.Float._new(number._mpf_, prec)
        return result

    _order = 0


class exprel(_Relative):
    """``(e^t - 1)/t``, 1 at 0."""

    _order = 1

    def by_exp(self) -> sp.Expr:
        (t,) = self.args
        return (sp.exp(t) - 1) / t

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        (t,) = self.args
        return exprel(t) - exprel2(t) / 2


class exprel2(_Relative):
    """``2 (e^t - 1 - t)/t^2``, 1 at 0."""

    _order = 2

    def by_exp(self) -> sp.Expr:
        (t,) = self.args
        return 2 * (sp.exp(t) - 1 - t) / t**2

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        (t,) = self.args
        return 2 * (exprel(t) - exprel2(t)) / t


class balance(sp.Function):
    """``(u + v)/(|u| + |v|)``, 0 where both are 0: how far two numbers agree in sign."""

    nargs = 2

    @classmethod
    def eval(cls, u: sp.Expr, v: sp.Expr) -> sp.Expr | None:
        if isinstance(u, sp.Number) and isinstance(v, sp.Number):
            size = abs(u) + abs(v)
            return (u + v) / size if size else sp.Integer(0)
        return None

    def _eval_is_extended_real(self) -> bool | None:
        return True if all(a.is_extended_real for a in self.args) else None

    def _eval_evalf(self, prec: int) -> sp.Expr | None:
        return balance(*(a if isinstance(a, sp.Float) else a._eval_evalf(prec) for a in self.args))

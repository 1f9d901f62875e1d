"""Formulas in numbers that cannot err: exact sums of square roots, or balls that contain the true value.

One walk over a SymPy expression serves both. A ball that is not finite means "no value known", and whatever is
computed from it is not finite either. Nothing here knows of clipping.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import reduce
from operator import add, mul
from typing import Any, TypeAlias

import sympy as sp
from flint import arb, ctx, fmpq
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanAtom
from sympy.polys.rootoftools import ComplexRootOf

from harness.exact.surds import NotSurd, Surd, Undefined
from theorems.language.special import balance, exprel, exprel2

# A ball or a surd, as the arithmetic at hand has it.
Number: TypeAlias = Any
Function: TypeAlias = Callable[..., Number]

_LARGEST_POWER = 1 << 16


class NotExact(ValueError):
    """The problem admits no exact check: one line saying why."""


def precision(bits: int) -> AbstractContextManager[None]:
    """Balls have this many bits inside; the setting of python-flint is global, and it is put back."""
    return ctx.workprec(bits)


def _one_at_zero(number: Surd) -> Surd:
    """exprel or exprel2 where it is no transcendental number."""
    if number.sign:
        raise NotSurd("an exponential is no sum of square roots")
    return Surd.of(1)


def _rising(ball: arb, order: int) -> arb:
    """exprel or exprel2, which are 1F1(1; 2; t) and 1F1(1; 3; t) and rise: from the ends of the ball."""
    if ball.is_exact():
        return ball.hypgeom_1f1(1, order + 1)
    return ball.lower().hypgeom_1f1(1, order + 1).union(ball.upper().hypgeom_1f1(1, order + 1))


def _balance(u: arb, v: arb) -> arb:
    size = abs(u) + abs(v)
    if size > 0:
        return (u + v) / size
    # Whatever the numbers are.
    return arb(0) if size.is_zero() else arb(0, 1)


class Arithmetic(ABC):
    """What formulas need of numbers. A result that is no real number raises ``Undefined`` or is not finite.

    Attributes:
        method: a few words for reports.
        functions: what Min, Max, Abs and the elementary functions are, as far as there are any.
    """

    method: str
    functions: Mapping[type, Function]

    @abstractmethod
    def rational(self, number: sp.Rational) -> Number:
        """A rational number."""

    @abstractmethod
    def constant(self, expression: sp.Expr) -> Number:
        """A number that no formula gives."""

    @abstractmethod
    def finite(self, number: Number) -> bool:
        """Whether a number is known at all."""

    @abstractmethod
    def order(self, left: Number, right: Number) -> int | None:
        """The sign of ``left - right``; None where that cannot be told."""

    @abstractmethod
    def power(self, base: Number, exponent: Number) -> Number:
        """``base**exponent``."""

    @abstractmethod
    def root(self, number: Number, degree: int) -> Number:
        """The root of a number that is not negative."""

    @abstractmethod
    def union(self, numbers: Sequence[Number]) -> Number:
        """One number that stands for all of several possible ones."""

    @abstractmethod
    def unknown(self, reason: str) -> Number:
        """The number of which nothing is known."""

    @abstractmethod
    def norm(self, vector: Sequence[Number]) -> Number:
        """The Euclidean norm; a sum of squares is never taken to be negative."""

    @abstractmethod
    def key(self, vector: Sequence[Number]) -> Hashable:
        """Equal only for equal vectors."""

    def rational_power(self, base: Number, exponent: sp.Rational) -> Number:
        """``base**exponent``, roots of negative numbers excluded."""
        whole = int(abs(exponent.p))
        if whole > _LARGEST_POWER:
            raise NotExact(f"the power {exponent} is too large")
        one = self.rational(sp.Integer(1))
        factor = base if exponent.q == 1 else self.root(base, int(exponent.q))
        result = factor if whole else one
        for bit in reversed(range(whole.bit_length() - 1)):
            result = result * result
            if whole >> bit & 1:
                result = result * factor
        return one / result if exponent < 0 else result


class Surds(Arithmetic):
    """Exact sums of square roots; raises :class:`harness.exact.surds.NotSurd` where a result is none."""

    method = "exact arithmetic"

    def __init__(self) -> None:
        self.functions = {
            sp.Max: lambda *numbers: reduce(lambda a, b: b if (b - a).sign > 0 else a, numbers),
            sp.Min: lambda *numbers: reduce(lambda a, b: b if (b - a).sign < 0 else a, numbers),
            sp.Abs: abs,
            sp.floor: Surd.floor,
            sp.ceiling: lambda number: -(-number).floor(),
            exprel: _one_at_zero,
            exprel2: _one_at_zero,
            balance: lambda u, v: (u + v) / (abs(u) + abs(v)) if u.sign or v.sign else Surd.of(0),
        }

    def rational(self, number: sp.Rational) -> Surd:
        return Surd.of(number)

    def constant(self, expression: sp.Expr) -> Surd:
        raise NotSurd(f"{expression} is no sum of square roots")

    def finite(self, number: Surd) -> bool:
        return True

    def order(self, left: Surd, right: Surd) -> int:
        return (left - right).sign

    def power(self, base: Surd, exponent: Surd) -> Surd:
        known = exponent.rational
        if known is None:
            raise NotSurd("a power that is not rational")
        result: Surd = self.rational_power(base, sp.Rational(int(known.p), int(known.q)))
        return result

    def root(self, number: Surd, degree: int) -> Surd:
        if degree % 2:
            raise NotSurd(f"a root of degree {degree}")
        return number.root() if degree == 2 else self.root(number.root(), degree // 2)

    def union(self, numbers: Sequence[Surd]) -> Surd:
        return numbers[0] if len(numbers) == 1 else self.unknown("a case cannot be decided")

    def unknown(self, reason: str) -> Surd:
        raise Undefined(reason)

    def norm(self, vector: Sequence[Surd]) -> Surd:
        entries = [entry for entry in vector if entry.sign]
        # A single entry needs no root, so that one dimension stays in the field.
        if len(entries) == 1:
            return abs(entries[0])
        return sum((entry * entry for entry in entries), Surd.of(0)).root()

    def key(self, vector: Sequence[Surd]) -> Hashable:
        return tuple(entry.key for entry in vector)


class Balls(Arithmetic):
    """Balls of a fixed precision, to be used inside :func:`precision` with the same number of bits."""

    functions: Mapping[type, Function] = {
        sp.Max: lambda *numbers: reduce(arb.max, numbers),
        sp.Min: lambda *numbers: reduce(arb.min, numbers),
        sp.Abs: abs,
        sp.floor: arb.floor,
        sp.ceiling: arb.ceil,
        sp.exp: arb.exp,
        sp.log: arb.log,
        sp.tanh: arb.tanh,
        exprel: lambda ball: _rising(ball, 1),
        exprel2: lambda ball: _rising(ball, 2),
        balance: lambda u, v: _balance(u, v),
    }

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.method = f"interval arithmetic, {bits} bits"

    def rational(self, number: sp.Rational) -> arb:
        return arb(fmpq(int(number.p), int(number.q)))

    def constant(self, expression: sp.Expr) -> arb:
        if expression is sp.pi:
            return arb.pi()
        if expression is sp.E:
            return arb.const_e()
        if expression is sp.oo:
            return arb.pos_inf()
        if isinstance(expression, ComplexRootOf) and expression.is_real:
            digits = self.bits // 3
            middle = expression.eval_rational(n=digits)
            return arb(self.rational(middle), self.rational(sp.Rational(1, 10) ** (digits - 2) * (1 + abs(middle))))
        raise NotExact(f"no enclosure is known for {expression}")

    def finite(self, number: arb) -> bool:
        return number.is_finite()

    def order(self, left: arb, right: arb) -> int | None:
        if left > right:
            return 1
        if left < right:
            return -1
        # Balls are equal for certain only if both are points.
        return 0 if left == right else None

    def power(self, base: arb, exponent: arb) -> arb:
        whole = exponent.unique_fmpz() if exponent.is_exact() else None
        if whole is None or abs(whole) > _LARGEST_POWER:
            return (base.log() * exponent).exp()
        result: arb = self.rational_power(base, sp.Integer(int(whole)))
        return result

    def root(self, number: arb, degree: int) -> arb:
        # A ball that reaches below zero does not say whether there is a root: that is "not finite".
        if number.is_zero():
            return number
        return number.sqrt() if degree == 2 else number.root(degree)

    def union(self, numbers: Sequence[arb]) -> arb:
        return reduce(arb.union, numbers)

    def unknown(self, reason: str) -> arb:
        return arb.nan()

    def norm(self, vector: Sequence[arb]) -> arb:
        if len(vector) == 1:
            return abs(vector[0])
        square = reduce(add, (entry * entry for entry in vector))
        if square > 0 or square.is_zero() or not square.is_finite():
            return square.sqrt()
        return arb(0).union(square.upper().sqrt())

    def key(self, vector: Sequence[arb]) -> Hashable:
        # Two balls may overlap and yet mean different numbers.
        return id(vector)


def evaluate(expression: sp.Expr, values: Mapping[Any, Number], arithmetic: Arithmetic) -> Number:
    """The value of an expression at numbers of one arithmetic.

    A Piecewise whose branch is not known becomes the union of the branches that are possible.

    Raises:
        NotExact: for a letter without a value, or a function that no formula here knows.
        NotSurd, Undefined: in :class:`Surds`.
    """
    if expression in values:
        return values[expression]
    if isinstance(expression, sp.Rational):
        return arithmetic.rational(expression)
    if isinstance(expression, sp.Symbol):
        raise NotExact(f"no value is given for {expression}")
    if isinstance(expression, sp.Piecewise):
        return _cases(expression, values, arithmetic)
    function = _function(expression, arithmetic)
    if function is None:
        return arithmetic.constant(expression)
    parts = [evaluate(part, values, arithmetic) for part in _parts(expression)]
    unknown = [part for part in parts if not arithmetic.finite(part)]
    return unknown[0] if unknown else function(*parts)


def compiled(
    expression: sp.Expr, letter: sp.Symbol, values: Mapping[Any, Number], arithmetic: Arithmetic
) -> Callable[[Number], Number]:
    """A formula of one letter as a function; what does not depend on the letter is computed once.

    Raises:
        NotExact, NotSurd, Undefined: as :func:`evaluate`.
    """
    if expression == letter:
        return lambda number: number
    if letter not in expression.free_symbols:
        fixed = evaluate(expression, values, arithmetic)
        return lambda _: fixed
    if isinstance(expression, sp.Piecewise):
        return lambda number: _cases(expression, {**values, letter: number}, arithmetic)
    function = _function(expression, arithmetic)
    if function is None:
        return arithmetic.constant(expression)  # refuses, in its own way
    parts = _parts(expression)
    if isinstance(expression, sp.Add | sp.Mul | sp.Min | sp.Max):
        still = [part for part in parts if letter not in part.free_symbols]
        parts = ([expression.func(*still)] if still else []) + [part for part in parts if part not in still]
    functions = [compiled(part, letter, values, arithmetic) for part in parts]
    if len(functions) == 1:
        return lambda number: function(functions[0](number))
    if len(functions) == 2:
        first, second = functions
        return lambda number: function(first(number), second(number))
    return lambda number: function(*(part(number) for part in functions))


def truth(condition: sp.Basic | bool, order: Callable[[sp.Expr, sp.Expr], int | None]) -> bool | None:
    """Whether a condition holds, if ``order`` gives the sign of ``left - right``; None where that is not known."""
    if isinstance(condition, bool | BooleanAtom):
        return bool(condition)
    if isinstance(condition, Relational) and type(condition) in _RELATIONS:
        sign = order(condition.lhs, condition.rhs)
        return None if sign is None else _RELATIONS[type(condition)](sign)
    parts = [truth(part, order) for part in condition.args]
    if isinstance(condition, sp.Not):
        return None if parts[0] is None else not parts[0]
    if isinstance(condition, sp.ITE):
        chosen = parts[1:] if parts[0] is None else [parts[1] if parts[0] else parts[2]]
        return chosen[0] if len(set(chosen)) == 1 else None
    if isinstance(condition, sp.Implies):
        parts[0] = None if parts[0] is None else not parts[0]
    if isinstance(condition, sp.And | sp.Or | sp.Implies):
        settles = not isinstance(condition, sp.And)
        if settles in parts:
            return settles
        return None if None in parts else not settles
    raise NotExact(f"not a condition: {condition}")


def enclose(expression: sp.Expr, values: Mapping[Any, sp.Expr | arb], bits: int) -> arb:
    """A ball that contains the expression's value, not finite where none is known.

    Sums, products, powers, Min, Max, Abs, Piecewise, floor, ceiling, exp, log and tanh of numbers and of the letters
    in ``values``, which are exact numbers or balls. A root of a ball that reaches below zero is not finite.

    Raises:
        NotExact: for a letter without a value, or any other function.
    """
    with precision(bits):
        balls = Balls(bits)
        known = {k: v if isinstance(v, arb) else evaluate(v, {}, balls) for k, v in values.items()}
        result: arb = evaluate(expression, known, balls)
        return result


def surd(expression: sp.Expr, values: Mapping[Any, sp.Expr]) -> Surd | None:
    """The exact value as a sum of square roots; None if it is none, or a very long one.

    Raises:
        NotExact: if there is no value: a letter without one, a division by zero, the root of a negative number.
    """
    surds = Surds()
    try:
        known = {k: evaluate(v, {}, surds) for k, v in values.items() if expression.has(k)}
        found: Surd = evaluate(expression, known, surds)
    except NotSurd:
        return None
    except Undefined as error:
        raise NotExact(f"{expression} has no value: {error}") from None
    return found


def _cases(expression: sp.Piecewise, values: Mapping[Any, Number], arithmetic: Arithmetic) -> Number:
    def order(left: sp.Expr, right: sp.Expr) -> int | None:
        try:
            sides = [evaluate(side, values, arithmetic) for side in (left, right)]
        except Undefined:
            return None
        return arithmetic.order(*sides) if all(map(arithmetic.finite, sides)) else None

    possible = []
    for branch, condition in expression.args:
        holds = truth(condition, order)
        if holds is not False:
            possible.append(evaluate(branch, values, arithmetic))
        if holds:
            return arithmetic.union(possible)
    return arithmetic.unknown("no case is known to hold")


def _function(expression: sp.Expr, arithmetic: Arithmetic) -> Function | None:
    if isinstance(expression, sp.Add):
        return lambda *numbers: reduce(add, numbers)
    if isinstance(expression, sp.Mul):
        return lambda *numbers: reduce(mul, numbers)
    if isinstance(expression, sp.Pow):
        exponent = expression.exp
        if isinstance(exponent, sp.Rational):
            return lambda base: arithmetic.rational_power(base, exponent)
        return arithmetic.power
    return arithmetic.functions.get(type(expression))


def _parts(expression: sp.Expr) -> Sequence[sp.Expr]:
    if isinstance(expression, sp.Pow) and isinstance(expression.exp, sp.Rational):
        return (expression.base,)
    return tuple(expression.args)


_RELATIONS: dict[type, Callable[[int], bool]] = {
    sp.Eq: lambda order: order == 0,
    sp.Ne: lambda order: order != 0,
    sp.Le: lambda order: order <= 0,
    sp.Lt: lambda order: order < 0,
    sp.Ge: lambda order: order >= 0,
    sp.Gt: lambda order: order > 0,
}

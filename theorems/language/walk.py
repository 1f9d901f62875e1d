"""Reading expressions: exact numbers as text, evaluation at exact values, where a formula is defined, LaTeX."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

import sympy as sp
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, Boolean, Implies, Not, Or

_OPERATORS: dict[type[ast.operator], Any] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
}


def parse_exact(text: str) -> sp.Expr:
    """Read an exact real number such as ``"-3/4"``, ``"sqrt(2)/2"`` or ``"oo"``; never evaluates code.

    Raises:
        ValueError: if the text is anything else (a decimal point included), with the text in the message.
    """

    def read(node: ast.AST) -> sp.Expr:
        if isinstance(node, ast.Constant) and type(node.value) is int:
            return sp.Integer(node.value)
        if isinstance(node, ast.Name) and node.id == "oo":
            return sp.oo
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -read(node.operand)
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            left, right = read(node.left), read(node.right)
            if isinstance(node.op, ast.Pow) and not (isinstance(right, sp.Rational) and abs(right) <= 4096):
                raise ValueError
            if isinstance(node.op, ast.Div) and right == 0:
                raise ValueError
            return _OPERATORS[type(node.op)](left, right)
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "sqrt"
            and len(node.args) == 1
            and not node.keywords
        ):
            return sp.sqrt(read(node.args[0]))
        raise ValueError

    if not isinstance(text, str) or len(text) > 4000:
        raise ValueError(f"not an exact number: {str(text)[:80]!r}")
    try:
        number = read(ast.parse(text.strip(), mode="eval").body)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise ValueError(f"not an exact number: {text[:80]!r}") from None
    if not number.is_extended_real:
        raise ValueError(f"not a real number: {text[:80]!r}")
    return number


def show_exact(number: sp.Expr) -> str:
    """The text of an exact number that :func:`parse_exact` reads back.

    Raises:
        ValueError: if the number cannot be written with integers, roots and ``oo``.
    """
    text = str(sp.sympify(number))
    if parse_exact(text) != number:
        raise ValueError(f"{number} cannot be written exactly")
    return text


def evaluate(expression: Any, values: Mapping[Any, sp.Expr]) -> Any:
    """``expression`` at exact values: an exact number, or ``true``/``false`` for a condition.

    Raises:
        ValueError: if a letter is left over, or the value is not a real number (a division by zero, say).
    """
    result = expression.xreplace(dict(values))
    # xreplace rebuilds the tree, so Min, Max and Piecewise with numbers reduce by themselves; doit settles the rest.
    if not result.is_Atom:
        result = result.doit()
    if isinstance(result, Relational):
        result = _decide(result)
    if result.free_symbols:
        left = ", ".join(sorted(map(str, result.free_symbols)))
        raise ValueError(f"no value is given for {left} in {expression}")
    if isinstance(result, sp.Expr) and not result.is_extended_real:
        raise ValueError(f"{expression} is not a real number at {dict(values)}: {result}")
    return result


def _decide(relation: Relational) -> Any:
    difference = sp.simplify(relation.lhs - relation.rhs)
    return relation.func(difference, 0)


def latex(expression: Any) -> str:
    """LaTeX of an expression, fractions and Greek letters as in papers."""
    return str(sp.latex(expression, fold_short_frac=False))


def conjuncts(condition: Boolean) -> tuple[Boolean, ...]:
    """The parts of a conjunction, or the condition alone."""
    return tuple(condition.args) if isinstance(condition, And) else (condition,)


def definedness(expression: sp.Basic) -> tuple[Boolean, ...]:
    """Conditions for every root and every denominator to make sense, and for every Piecewise to have a branch, beyond
    what the letters' domains already say.

    What a Piecewise branch or the right side of an implication needs is asked only where it matters.
    """
    return tuple(dict.fromkeys(_definedness(expression, ())))


def _definedness(expression: sp.Basic, guards: tuple[Boolean, ...]) -> Iterator[Boolean]:
    def guarded(condition: Boolean) -> Boolean:
        return Implies(And(*guards), condition) if guards else condition

    if isinstance(expression, sp.Piecewise):
        passed: tuple[Boolean, ...] = ()
        for branch, condition in expression.args:
            yield from _definedness(condition, (*guards, *passed))
            taken = (*passed, condition)
            yield from _definedness(branch, (*guards, *taken))
            passed = (*passed, Not(condition))
        some_branch = Or(*(condition for _, condition in expression.args))
        if some_branch is not sp.true:
            yield guarded(some_branch)
        return
    if isinstance(expression, Implies):
        left, right = expression.args
        yield from _definedness(left, guards)
        yield from _definedness(right, (*guards, left))
        return
    for part in expression.args:
        yield from _definedness(part, guards)
    if isinstance(expression, sp.Pow):
        base, exponent = expression.args
        if exponent.is_negative and not base.is_nonzero:
            yield guarded(sp.Ne(base, 0))
        if not exponent.is_integer and not base.is_nonnegative:
            yield guarded(sp.Ge(base, 0))

"""Formulas as text in files: written from SymPy, read back by a closed grammar that never runs code.

The text is Python's own infix notation, so that a reader understands a FINDING.json. Letters whose names are no
identifiers (``b'``, ``lambda``) travel under an alias.
"""

from __future__ import annotations

import ast
import keyword
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sympy as sp
from sympy.printing.str import StrPrinter

_MAX_TEXT = 20_000
_MAX_POWER = 4096
_MAX_BITS = 100_000

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sqrt": sp.sqrt,
    "Abs": sp.Abs,
    "Min": sp.Min,
    "Max": sp.Max,
    "exp": sp.exp,
    "log": sp.log,
    "floor": sp.floor,
    "ceiling": sp.ceiling,
    "Eq": lambda a, b: sp.Eq(a, b, evaluate=False),
    "Ne": lambda a, b: sp.Ne(a, b, evaluate=False),
    "And": sp.And,
    "Or": sp.Or,
    "Not": sp.Not,
    "Implies": sp.Implies,
}
_CONSTANTS = {"pi": sp.pi, "E": sp.E}
_COMPARISONS: dict[type[ast.cmpop], Any] = {ast.LtE: sp.Le, ast.Lt: sp.Lt, ast.GtE: sp.Ge, ast.Gt: sp.Gt}
_RESERVED = {*_FUNCTIONS, *_CONSTANTS, "Piecewise"}


class ExpressionError(ValueError):
    """A text that is no formula of the grammar, or a formula that cannot be written in it."""


def aliases(letters: Iterable[sp.Symbol]) -> dict[sp.Symbol, str]:
    """The name under which each letter is written: its own where that is an identifier, else ``p0``, ``p1``, ..."""
    ordered = sorted(set(letters), key=lambda s: (s.name, str(s.assumptions0)))
    plain = [s.name for s in ordered]
    taken = set(plain) | _RESERVED
    result: dict[sp.Symbol, str] = {}
    for letter in ordered:
        name = letter.name
        usable = name.isidentifier() and name.isascii() and not keyword.iskeyword(name)
        if usable and name not in _RESERVED and plain.count(name) == 1:
            result[letter] = name
            continue
        number = 0
        while f"p{number}" in taken:
            number += 1
        result[letter] = f"p{number}"
        taken.add(f"p{number}")
    return result


class _Writer(StrPrinter):
    def __init__(self, names: Mapping[sp.Symbol, str]) -> None:
        super().__init__()
        self._names = names

    def _print_Symbol(self, expr: sp.Symbol) -> str:
        if expr not in self._names:
            raise ExpressionError(f"no name is known for the letter {expr}")
        return self._names[expr]

    _print_Parameter = _print_Quantity = _print_Symbol


def write(expression: sp.Basic, names: Mapping[sp.Symbol, str]) -> str:
    """The text of a formula, checked by reading it back.

    Raises:
        ExpressionError: if the grammar has no words for it.
    """
    text = str(_Writer(names).doprint(expression))
    back = read(text, {alias: letter for letter, alias in names.items()})
    if back != expression and not _same(back, expression):
        raise ExpressionError(f"cannot be written as text: {expression}")
    return text


def read(text: str, letters: Mapping[str, sp.Symbol]) -> Any:
    """The formula of a text, over the given letters only.

    Raises:
        ExpressionError: one line, for anything outside the grammar.
    """
    if not isinstance(text, str) or len(text) > _MAX_TEXT:
        raise ExpressionError(f"not a formula: {str(text)[:60]!r}")
    try:
        return _Reader(letters).formula(ast.parse(text.strip(), mode="eval").body)
    except ExpressionError as error:
        raise ExpressionError(f"{error} in the formula {text[:60]!r}") from None
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise ExpressionError(f"not a formula: {text[:60]!r}") from None


class _Reader:
    def __init__(self, letters: Mapping[str, sp.Symbol]) -> None:
        self._letters = letters

    def formula(self, node: ast.AST) -> Any:
        reader = getattr(self, f"_read_{type(node).__name__}", None)
        if reader is None:
            raise ExpressionError(f"{type(node).__name__} is not allowed")
        return reader(node)

    def _read_Constant(self, node: ast.Constant) -> Any:
        if node.value is True or node.value is False:
            return sp.true if node.value else sp.false
        if type(node.value) is int:
            return sp.Integer(node.value)
        raise ExpressionError(f"the constant {node.value!r} is not allowed")

    def _read_Name(self, node: ast.Name) -> Any:
        if node.id in self._letters:
            return self._letters[node.id]
        if node.id in _CONSTANTS:
            return _CONSTANTS[node.id]
        raise ExpressionError(f"unknown letter {node.id!r}")

    def _read_UnaryOp(self, node: ast.UnaryOp) -> Any:
        if isinstance(node.op, ast.USub):
            return -self.formula(node.operand)
        if isinstance(node.op, ast.Invert):
            return sp.Not(self.formula(node.operand))
        raise ExpressionError(f"{type(node.op).__name__} is not allowed")

    def _read_BinOp(self, node: ast.BinOp) -> Any:
        left, right = self.formula(node.left), self.formula(node.right)
        match node.op:
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.Mult():
                return left * right
            case ast.Div():
                if right == 0:
                    raise ExpressionError("division by zero")
                return left / right
            case ast.Pow():
                _check_power(left, right)
                return left**right
            case ast.BitAnd():
                return sp.And(left, right)
            case ast.BitOr():
                return sp.Or(left, right)
        raise ExpressionError(f"{type(node.op).__name__} is not allowed")

    def _read_Compare(self, node: ast.Compare) -> Any:
        if len(node.ops) != 1 or type(node.ops[0]) not in _COMPARISONS:
            raise ExpressionError("only <=, <, >=, > between two sides are allowed")
        left, right = self.formula(node.left), self.formula(node.comparators[0])
        return _COMPARISONS[type(node.ops[0])](left, right, evaluate=False)

    def _read_Call(self, node: ast.Call) -> Any:
        if not isinstance(node.func, ast.Name) or node.keywords:
            raise ExpressionError("only calls of named functions are allowed")
        if node.func.id == "Piecewise":
            return sp.Piecewise(*map(self._pair, node.args))
        if node.func.id not in _FUNCTIONS:
            raise ExpressionError(f"unknown function {node.func.id!r}")
        return _FUNCTIONS[node.func.id](*map(self.formula, node.args))

    def _pair(self, node: ast.AST) -> tuple[Any, Any]:
        if not isinstance(node, ast.Tuple) or len(node.elts) != 2:
            raise ExpressionError("Piecewise takes pairs (value, condition)")
        return self.formula(node.elts[0]), self.formula(node.elts[1])


def _check_power(base: Any, power: Any) -> None:
    """A short text must not ask for a number that fills the memory."""
    if power.is_number and (not power.is_Rational or abs(power) > _MAX_POWER):
        raise ExpressionError(f"the power {power} is not allowed")
    if base.is_Rational and power.is_number:
        bits = max(int(base.p).bit_length(), int(base.q).bit_length())
        if bits * abs(power) > _MAX_BITS:
            raise ExpressionError("a power is too large")


def _same(a: Any, b: Any) -> bool:
    """Equal up to the evaluation that building a formula anew brings."""
    if isinstance(a, sp.Expr) and isinstance(b, sp.Expr):
        return bool(sp.simplify(a - b) == 0)
    return bool(sp.simplify(a) == sp.simplify(b))

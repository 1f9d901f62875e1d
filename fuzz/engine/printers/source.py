"""The one walk from a SymPy expression to Python source, shared by every target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import sympy as sp
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, BooleanFalse, BooleanTrue, Or

from theorems.language.special import balance, exprel

_COMPARE: dict[type[Relational], str] = {
    sp.Lt: "<",
    sp.Le: "<=",
    sp.Gt: ">",
    sp.Ge: ">=",
    sp.Eq: "==",
    sp.Ne: "!=",
}


class UnprintableError(TypeError):
    """An expression holds a node that the printer does not know."""


@dataclass(frozen=True)
class Target:
    """What a language calls things.

    Args:
        functions: names for ``exp, log, tanh, exprel, exprel2, balance, cos, sin, sqrt, abs, floor, power, minimum,
            maximum``;
            one that is left out is not available. ``cos_turns``, if there is one, is the cosine of 2 pi times its
            argument.
        select: a template with ``{condition}``, ``{then}`` and ``{otherwise}``.
        number: a template with ``{value}``, the shortest text that reads back as the float64.
    """

    functions: Mapping[str, str]
    select: str
    number: str = "{value}"


@dataclass
class SourcePrinter:
    """Prints one formula as assignments and a result; repeated subexpressions are assigned once.

    Args:
        target: the language.
        names: source text for each symbol.
        hoist: symbols that are constant in the loop. Largest subexpressions in these alone are not printed: they are
            listed in :attr:`hoisted` and appear as ``h0, h1, ...``.
    """

    target: Target
    names: Mapping[sp.Symbol, str]
    hoist: frozenset[sp.Symbol] = frozenset()
    hoisted: list[sp.Expr] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    _shared: dict[sp.Basic, str | None] = field(default_factory=dict)

    def print(self, expression: sp.Expr) -> str:
        """The text of the result; what must be assigned before it is appended to :attr:`lines`.

        Raises:
            UnprintableError: naming the node, if there is one that the printer does not know.
        """
        return self.print_all([expression])[0]

    def print_all(self, expressions: Sequence[sp.Expr]) -> list[str]:
        """The same for several results, which share what is repeated among them.

        Raises:
            UnprintableError: as above.
        """
        uses: Counter[sp.Basic] = Counter()

        def count(node: sp.Basic) -> None:
            if node.is_Atom or self._constant(node) or self._hoistable(node):
                return
            uses[node] += 1
            if uses[node] == 1:
                for child in node.args:
                    count(child)

        for expression in expressions:
            count(expression)
        self._shared |= {node: None for node, times in uses.items() if times > 1}
        return [self._text(expression) for expression in expressions]

    @staticmethod
    def _constant(node: sp.Basic) -> bool:
        return isinstance(node, sp.Expr) and bool(node.is_number)

    def _hoistable(self, node: sp.Basic) -> bool:
        free = node.free_symbols
        return bool(self.hoist) and isinstance(node, sp.Expr) and bool(free) and free <= self.hoist

    def _text(self, node: sp.Basic) -> str:
        if self._hoistable(node):
            if node not in self.hoisted:
                self.hoisted.append(node)
            return f"h{self.hoisted.index(node)}"
        if node not in self._shared:
            return self._print_node(node)
        name = self._shared[node]
        if name is None:
            text = self._print_node(node)
            name = f"t{sum(v is not None for v in self._shared.values())}"
            self._shared[node] = name
            self.lines.append(f"{name} = {text}")
        return name

    def _number(self, node: sp.Expr) -> str:
        if not (node.is_real and node.is_finite):
            raise UnprintableError(f"cannot print the number {node}")
        value = float(sp.N(node, 40))
        return self.target.number.format(value=repr(value))

    def _call(self, name: str, *arguments: str) -> str:
        if name not in self.target.functions:
            raise UnprintableError(f"this target has no {name}")
        return f"{self.target.functions[name]}({', '.join(arguments)})"

    def _print_node(self, node: sp.Basic) -> str:
        if isinstance(node, sp.Symbol):
            if node not in self.names:
                raise UnprintableError(f"no name is given for the symbol {node}")
            return self.names[node]
        if isinstance(node, sp.Expr) and node.is_number:
            return self._number(node)
        if isinstance(node, sp.Add):
            return self._add(node)
        if isinstance(node, sp.Mul):
            return self._mul(node)
        if isinstance(node, sp.Pow):
            return self._pow(node.base, node.exp)
        if isinstance(node, (sp.Min, sp.Max)):
            name = "minimum" if isinstance(node, sp.Min) else "maximum"
            first, *rest = self._ordered(node.args)
            text = self._text(first)
            for other in rest:
                text = self._call(name, text, self._text(other))
            return text
        if isinstance(node, sp.Piecewise):
            return self._piecewise(node)
        if isinstance(node, Relational) and type(node) in _COMPARE:
            return f"({self._text(node.lhs)} {_COMPARE[type(node)]} {self._text(node.rhs)})"
        if isinstance(node, (And, Or)):
            sign = " & " if isinstance(node, And) else " | "
            return "(" + sign.join(self._text(a) for a in self._ordered(node.args)) + ")"
        if isinstance(node, sp.Function) and len(node.args) == 1:
            name = type(node).__name__.lower()
            turns = node.args[0] / (2 * sp.pi)
            if name == "cos" and "cos_turns" in self.target.functions and not turns.has(sp.pi):
                return self._call("cos_turns", self._text(turns))
            if name in {"exp", "log", "tanh", "exprel", "exprel2", "cos", "sin", "abs", "floor"}:
                return self._call(name, self._text(node.args[0]))
        if isinstance(node, balance):
            return self._call("balance", *(self._text(a) for a in node.args))
        raise UnprintableError(f"cannot print {type(node).__name__} in {node}")

    @staticmethod
    def _ordered(arguments: Iterable[sp.Basic]) -> list[sp.Basic]:
        return sorted(arguments, key=sp.default_sort_key)

    def _add(self, node: sp.Add) -> str:
        # Terms with a minus sign last, so that the text starts with a positive one where there is one.
        fixed = [a for a in node.args if a.is_number or self._hoistable(a)]
        if len(fixed) < 2 or not any(self._hoistable(a) for a in fixed):
            fixed = [a for a in node.args if a.is_number]
        terms = self._ordered(a for a in node.args if a not in fixed)
        if fixed:
            # One number for the constant terms.
            terms.append(sp.Add(*fixed))
        signed = [(t.could_extract_minus_sign(), t) for t in terms]
        text = ""
        for negative, term in sorted(signed, key=lambda pair: pair[0]):
            # A hoisted or shared term is printed as it stands, not its negative, or it would not be found again.
            flip = negative and not self._hoistable(term) and term not in self._shared
            plain = -term if flip else term
            factors = self._factors(plain) if text and "fma" in self.target.functions else None
            if factors is not None:
                constant, rest = factors
                text = self._call("fma", f"-{constant}" if flip else constant, rest, text)
                continue
            part = self._text(plain)
            text += (" - " if flip else " + ") + part if text else ("-" + part if flip else part)
        return f"({text})"

    def _factors(self, term: sp.Expr) -> tuple[str, str] | None:
        """A constant and the rest of a product, as texts, if it is one that is printed here and not elsewhere."""
        if not isinstance(term, sp.Mul) or term in self._shared or self._hoistable(term):
            return None
        fixed = [a for a in term.args if a.is_number or self._hoistable(a)]
        if not any(self._hoistable(a) for a in fixed):
            return None
        rest = sp.Mul(*(a for a in term.args if a not in fixed))
        return self._text(sp.Mul(*fixed)), self._text(rest)

    def _grown(self, node: sp.Mul) -> str | None:
        """``u exprel(a |u|)``, which is ``(e^(a |u|) - 1)/a`` with the sign of u, times constants: a division less."""
        if "growth" not in self.target.functions:
            return None
        for grown in (a for a in node.args if isinstance(a, exprel) and a not in self._shared):
            rate, inside = grown.args[0].as_independent(sp.Abs, as_Add=False)
            rest = [a for a in node.args if a is not grown]
            if not (
                isinstance(inside, sp.Abs) and inside.args[0] in rest and rate.is_positive and self._hoistable(rate)
            ):
                continue
            signed = inside.args[0]
            rest.remove(signed)
            if all(self._constant(a) or self._hoistable(a) for a in rest):
                size = self._call("growth", self._text(grown.args[0]))
                return f"({self._text(sp.Mul(*rest) / rate)} * {self._call('signed', size, self._text(signed))})"
        return None

    def _mul(self, node: sp.Mul) -> str:
        grown = self._grown(node)
        if grown is not None:
            return grown
        fixed = [a for a in node.args if a.is_number or self._hoistable(a)]
        if 1 < len(fixed) < len(node.args) and any(self._hoistable(a) for a in fixed):
            # One number for the constant factors, or a quotient of parameters would be a division in the loop.
            rest = sp.Mul(*(a for a in node.args if a not in fixed))
            return f"({self._text(sp.Mul(*fixed))} * {self._text(rest)})"
        above: list[str] = []
        below: list[str] = []
        numbers = [a for a in node.args if a.is_number]
        factor = sp.Mul(*numbers)
        negative = bool(factor.is_negative)
        factor = abs(factor)
        if isinstance(factor, sp.Rational) and factor.q & (factor.q - 1):
            # Not a multiple of a power of two: divide, since the reciprocal would be rounded.
            below.append(self._number(sp.Integer(factor.q)))
            factor = sp.Integer(factor.p)
        if factor != 1:
            above.append(self._number(factor))
        for part in self._ordered(a for a in node.args if not a.is_number):
            if isinstance(part, sp.Pow) and part.exp.is_Rational and part.exp.is_negative and part not in self._shared:
                inverse = 1 / part
                below.append(self._text(inverse))
            else:
                above.append(self._text(part))
        text = " * ".join(above) if above else self._number(sp.Integer(1))
        if below:
            text = f"({text}) / ({' * '.join(below)})"
        return f"(-({text}))" if negative else f"({text})"

    def _pow(self, base: sp.Expr, exponent: sp.Expr) -> str:
        if exponent.is_Rational and exponent.is_negative:
            return f"({self._number(sp.Integer(1))} / {self._pow(base, -exponent)})"
        inner = self._text(base)
        if exponent == 1:
            return inner
        if exponent == sp.Rational(1, 2):
            return self._call("sqrt", inner)
        if exponent.is_Integer and exponent <= 8:
            # Products, since libraries disagree about pow in the last place.
            return "(" + " * ".join([inner] * int(exponent)) + ")"
        return self._call("power", inner, self._text(exponent))

    def _piecewise(self, node: sp.Piecewise) -> str:
        *cases, (last, condition) = node.args
        if not isinstance(condition, BooleanTrue):
            raise UnprintableError(f"a Piecewise must end with a case that always holds: {node}")
        text = self._text(last)
        for then, when in reversed(cases):
            if isinstance(when, BooleanFalse):
                continue
            text = self.target.select.format(condition=self._text(when), then=self._text(then), otherwise=text)
        return text

"""SymPy to SMT-LIB 2: one text that both solvers read.

Roots, inverses, Min and Max become fresh constants with side conditions. Where a term is not defined (``1/0``, the root
of a negative number) its constant is left free: a side condition never excludes a point, so neither a branch of a
Piecewise that is not taken nor the right side of an implication can make a query hold for want of models, and nothing
is proved at such a point that does not hold for *every* value of the term. That statements and proof steps are defined
where their hypotheses hold are obligations of their own: :func:`theorems.language.walk.definedness`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import sympy as sp
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, Boolean, BooleanAtom, Implies, Not, Or

from theorems.language.walk import definedness


class EncodeError(ValueError):
    """An expression has no translation: one line naming it."""


@dataclass(frozen=True)
class Query:
    """``facts`` imply ``goal``; or, with ``goal=None``, some point meets all ``facts``.

    Positive integers are read as reals of at least 1 where something is implied, which is sound, and stay integers
    where a point is asked for.
    """

    name: str
    facts: tuple[Boolean, ...]
    goal: Boolean | None
    meaning: str = ""


@dataclass(frozen=True)
class Encoded:
    """The text of a query, and which constant stands for which atom (``relaxed``: the integers among them)."""

    text: str
    atoms: dict[str, sp.Basic]
    relaxed: tuple[str, ...]


_FRESH = "fresh "
_MOST_FACTORS = 64
_COMPARE = {sp.Eq: "=", sp.Le: "<=", sp.Lt: "<", sp.Ge: ">=", sp.Gt: ">"}


def encode(query: Query) -> Encoded:
    """The SMT-LIB 2 text of a query.

    Raises:
        EncodeError: for a float, a complex number, or a function that the translation does not know.
    """
    writer = _Writer(whole=query.goal is None)
    known = Resolver(query.facts)
    facts = [writer.condition(cleared(fact if fact in known.plain else known.resolve(fact))) for fact in query.facts]
    goal = None if query.goal is None else writer.condition(cleared(known.resolve(query.goal)))
    expected = "sat: some point meets the facts" if goal is None else "unsat: the facts imply the goal"
    lines = [f"; {_comment(query.name)}", *([f"; {_comment(query.meaning)}"] if query.meaning else [])]
    whole = writer.whole and writer.relaxed
    lines += [f"; wanted answer: {expected}", f"(set-logic {'QF_NIRA' if whole else 'QF_NRA'})"]
    if not whole:
        lines += [f"; {_comment(name)}: an integer, read as a real number >= 1" for name in writer.relaxed]
    lines += writer.declarations
    lines += [f"(assert {text})" for text in dict.fromkeys(writer.sides)]
    lines += [f"(assert {text})" for text in facts if text != "true"]
    if goal is not None:
        lines.append(f"(assert (not {goal}))")
    lines.append("(check-sat)")
    return Encoded("\n".join(lines) + "\n", {n: a for a, n in writer.names.items()}, tuple(writer.relaxed))


@dataclass(frozen=True)
class Resolver:
    """Read Min, Max and Piecewise by the plain comparisons among the facts: with ``m <= c``, ``Min(m, c)`` is ``m``.

    Nothing inside an average is read so: a fact is about the point at hand, the average about all of them.
    """

    facts: tuple[Boolean, ...]

    @property
    def plain(self) -> set[Boolean]:
        """The comparisons themselves, which must stay as they are."""
        return {f for f in self.facts if isinstance(f, Relational) and not f.atoms(sp.Min, sp.Max, sp.Piecewise)}

    def resolve(self, expression: sp.Basic) -> sp.Basic:
        """The expression with every choice made that a plain fact decides."""
        plain = self.plain
        if not plain or not expression.atoms(sp.Min, sp.Max, sp.Piecewise):
            return expression
        below = {(f.lhs, f.rhs) for f in plain if isinstance(f, sp.Le | sp.Lt)}
        below |= {(f.rhs, f.lhs) for f in plain if isinstance(f, sp.Ge | sp.Gt)}
        true = plain | {f.reversed for f in plain}
        true |= {weak for f in true for weak in _weaker(f)}

        def choose(part: sp.Basic) -> sp.Basic:
            if isinstance(part, sp.Min | sp.Max) and len(part.args) == 2:
                a, b = part.args
                if (a, b) in below:
                    return a if isinstance(part, sp.Min) else b
                if (b, a) in below:
                    return b if isinstance(part, sp.Min) else a
            if isinstance(part, sp.Piecewise):
                for branch, condition in part.args:
                    if condition in true or condition == sp.true:
                        return branch
                    if sp.Not(condition) not in true:
                        break
            return part

        return _outside_atoms(expression, choose)


def _outside_atoms(expression: sp.Basic, choose: Callable[[sp.Basic], sp.Basic]) -> sp.Basic:
    """Rebuild an expression from below, never looking into uninterpreted terms."""
    if not expression.args or _uninterpreted(expression):
        return expression
    args = tuple(_outside_atoms(part, choose) for part in expression.args)
    return choose(expression if args == expression.args else expression.func(*args))


def _uninterpreted(expression: sp.Basic) -> bool:
    return bool(getattr(expression, "is_uninterpreted", False))


def _weaker(relation: Relational) -> tuple[Relational, ...]:
    if isinstance(relation, sp.Lt):
        return (sp.Le(relation.lhs, relation.rhs, evaluate=False),)
    if isinstance(relation, sp.Gt):
        return (sp.Ge(relation.lhs, relation.rhs, evaluate=False),)
    return ()


def cleared(condition: Boolean) -> Boolean:
    """Comparisons brought to one fraction, positive denominators dropped and numerators factored.

    ``a/b <= d`` with ``b > 0`` (known from the letters' domains) becomes ``a - b d <= 0``: most steps are then a
    product of visibly non-negative factors. A comparison with a Piecewise stays as it is.
    """
    if isinstance(condition, And | Or | Not | Implies):
        return condition.func(*(cleared(part) for part in condition.args), evaluate=False)
    # Clearing cancels factors, which is only right where none of them vanishes.
    if not isinstance(condition, Relational) or condition.atoms(sp.Piecewise) or definedness(condition):
        return condition
    numerator, denominator = sp.fraction(sp.together(condition.lhs - condition.rhs))
    if not denominator.is_positive:
        return condition
    return condition.func(sp.factor(numerator) if numerator.is_polynomial() else numerator, 0, evaluate=False)


@dataclass
class _Writer:
    whole: bool = False
    names: dict[sp.Basic, str] = field(default_factory=dict)
    declarations: list[str] = field(default_factory=list)
    sides: list[str] = field(default_factory=list)
    relaxed: list[str] = field(default_factory=list)
    cache: dict[sp.Basic, str] = field(default_factory=dict)
    fresh: int = 0

    # -- terms ---------------------------------------------------------------------------------------------------

    def term(self, expression: sp.Basic) -> str:
        if expression not in self.cache:
            self.cache[expression] = self._term(expression)
        return self.cache[expression]

    def _term(self, expression: sp.Basic) -> str:
        if isinstance(expression, sp.Symbol) or _uninterpreted(expression):
            return self.atom(expression)
        if isinstance(expression, sp.Rational):
            return _number(expression)
        if isinstance(expression, sp.Add | sp.Mul):
            sign = "+" if isinstance(expression, sp.Add) else "*"
            return f"({sign} {' '.join(self.term(a) for a in expression.args)})"
        if isinstance(expression, sp.Pow):
            return self.power(expression)
        if isinstance(expression, sp.Min | sp.Max):
            parts = [self.term(a) for a in expression.args]
            chosen = self.new()
            compare = "<=" if isinstance(expression, sp.Min) else ">="
            for part in parts:
                self.sides.append(f"({compare} {chosen} {part})")
            self.sides.append(f"(or {' '.join(f'(= {chosen} {part})' for part in parts)})")
            return chosen
        if isinstance(expression, sp.Abs):
            inner = self.term(expression.args[0])
            return f"(ite (>= {inner} 0) {inner} (- {inner}))"
        if isinstance(expression, sp.Piecewise):
            return self.piecewise(expression)
        raise EncodeError(f"no translation for {expression} ({type(expression).__name__})")

    def atom(self, expression: sp.Basic) -> str:
        if expression not in self.names:
            name = "".join(x if " " <= x <= "~" and x not in "|\\" else "!" for x in str(expression))
            if name.startswith(_FRESH):
                name = f"letter {name}"
            while f"|{name}|" in self.names.values():
                name += "'"  # the same letter with other assumptions is another number
            text = f"|{name}|"
            self.names[expression] = text
            whole = self.whole and expression.is_integer
            self.declarations.append(f"(declare-const {text} {'Int' if whole else 'Real'})")
            if expression.is_integer and expression.is_positive:
                self.relaxed.append(name)
                self.declarations.append(f"(assert (>= {text} 1))")
            elif expression.is_integer:
                raise EncodeError(f"{expression} is an integer that need not be positive")
            elif expression.is_positive:
                self.declarations.append(f"(assert (> {text} 0))")
            elif expression.is_nonnegative:
                self.declarations.append(f"(assert (>= {text} 0))")
            elif not expression.is_real:
                raise EncodeError(f"{expression} is not known to be a real number")
        text = self.names[expression]
        return f"(to_real {text})" if self.whole and expression.is_integer else text

    def power(self, expression: sp.Pow) -> str:
        base, exponent = expression.args
        if not isinstance(exponent, sp.Rational):
            raise EncodeError(f"no translation for the power {expression}")
        if max(abs(exponent.p), exponent.q) > _MOST_FACTORS:
            raise EncodeError(f"the power {expression} is written out, and {exponent} is too large for that")
        if exponent < 0:
            denominator = self.term(base**-exponent)
            inverse = self.new()
            self.where(f"(= {denominator} 0)", bool(base.is_nonzero), f"(= (* {inverse} {denominator}) 1)")
            return inverse
        if exponent.q != 1:
            radicand = self.term(base)
            root = self.new()
            is_root = f"(and (>= {root} 0) (= {_repeat(root, int(exponent.q))} {radicand}))"
            self.where(f"(< {radicand} 0)", bool(base.is_nonnegative), is_root)
            return _repeat(root, int(exponent.p))
        return _repeat(self.term(base), int(exponent))

    def piecewise(self, expression: sp.Piecewise) -> str:
        branches = [(self.condition(test), self.term(branch)) for branch, test in expression.args]
        text = branches.pop()[1] if branches[-1][0] == "true" else self.new()
        for test, value in reversed(branches):
            text = f"(ite {test} {value} {text})"
        return text

    # -- conditions ----------------------------------------------------------------------------------------------

    def condition(self, condition: sp.Basic) -> str:
        if isinstance(condition, BooleanAtom):
            return "true" if condition == sp.true else "false"
        if isinstance(condition, And | Or):
            word = "and" if isinstance(condition, And) else "or"
            return f"({word} {' '.join(self.condition(part) for part in condition.args)})"
        if isinstance(condition, Not):
            return f"(not {self.condition(condition.args[0])})"
        if isinstance(condition, Implies):
            return f"(=> {self.condition(condition.args[0])} {self.condition(condition.args[1])})"
        if isinstance(condition, sp.Ne):
            return f"(not (= {self.term(condition.lhs)} {self.term(condition.rhs)}))"
        if isinstance(condition, Relational) and type(condition) in _COMPARE:
            return f"({_COMPARE[type(condition)]} {self.term(condition.lhs)} {self.term(condition.rhs)})"
        raise EncodeError(f"no translation for the condition {condition} ({type(condition).__name__})")

    # -- fresh constants -----------------------------------------------------------------------------------------

    def new(self) -> str:
        self.fresh += 1
        name = f"|{_FRESH}{self.fresh}|"
        self.declarations.append(f"(declare-const {name} Real)")
        return name

    def where(self, undefined: str, never: bool, text: str) -> None:
        """Assert ``text`` except where the term is undefined (``never``: the letters' domains exclude that)."""
        self.sides.append(text if never else f"(or {undefined} {text})")


def _number(number: sp.Rational) -> str:
    p, q = int(number.p), int(number.q)
    size = f"{abs(p)}.0" if q == 1 else f"(/ {abs(p)}.0 {q}.0)"
    return size if p >= 0 else f"(- {size})"


def _repeat(text: str, times: int) -> str:
    return text if times == 1 else f"(* {' '.join([text] * times)})"


def _comment(text: str) -> str:
    return " ".join(text.split())

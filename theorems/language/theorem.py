"""The statement itself, checked on construction."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import sympy as sp
from sympy.logic.boolalg import Boolean, BooleanFalse

from theorems.language import units
from theorems.language.assumptions import (
    ASSUMPTIONS,
    GS,
    HS,
    Assumption,
    BatchClipping,
    PerSampleClipping,
    algorithm,
)
from theorems.language.claims import CLAIMS, Claim, Floor, Upper
from theorems.language.errors import StatementError, defined_at
from theorems.language.parameters import Parameter, m
from theorems.language.proof import Case, Cite, ProofItem, Smt, Split, Step, references
from theorems.language.quantities import QUANTITIES, Adversary, At, Average, Quantity, Scope
from theorems.language.rulebook import RULES
from theorems.language.rules import FIXED, RESERVED
from theorems.language.witness import SpecialCase, Witness

EXPECTATIONS = ("true", "refuted", "broken_proof", "vacuous", "ill_formed")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,79}")


@dataclass(frozen=True)
class Source:
    """Where a statement comes from.

    Args:
        paper: e.g. ``"Koloskova, Hendrikx, Stich, Revisiting Gradient Clipping, ICML 2023"``.
        item: the number of the statement there, e.g. ``"Theorem 3.3"``.
        version: of the paper or draft.
        status: ``verbatim``, ``recalled`` (worded from memory) or ``derived`` (by this project); shown in every report.
    """

    paper: str
    item: str
    version: str = "1"
    status: Literal["verbatim", "recalled", "derived"] = "verbatim"

    def __post_init__(self) -> None:
        for name in ("paper", "item", "version"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                raise StatementError(f"{name} must be a non-empty text, not {value!r}", field="source")
        if self.status not in ("verbatim", "recalled", "derived"):
            raise StatementError(f"status must be verbatim, recalled or derived, not {self.status!r}", field="source")


@dataclass(frozen=True, eq=False)
class Theorem:
    """One statement: hypotheses, claim, and optionally proof, witnesses and consequences.

    Args:
        name: a short identifier (letters, digits, ``_``, ``-``), unique in the catalogue and used in file names.
        source: paper and item.
        given: assumptions on objective and noise.
        when: conditions on the parameters.
        claim: ``Upper``, ``Floor``, ``Lower`` or ``Exactly``.
        where: abbreviations used in ``when``, claim and proof, each a Parameter with its definition.
        proof: the chain of steps; its last relation is the claim.
        witness: problems that attain the bound.
        special_cases: consequences that must follow.
        expect: ``"true"``, or how the statement must fall: ``refuted``, ``broken_proof``, ``vacuous``, ``ill_formed``.
        falls_by: for ``refuted``: ``"algebra"`` when the catalogue contradicts it, ``"search"`` when only a search can.
        title: words for the reader.

    Raises:
        StatementError: one line naming file, theorem and field.
    """

    name: str
    source: Source
    given: Sequence[Assumption]
    when: Sequence[Boolean]
    claim: Claim
    where: Mapping[Parameter, sp.Expr] = field(default_factory=dict)
    proof: Sequence[ProofItem] = ()
    witness: Sequence[Witness] = ()
    special_cases: Sequence[SpecialCase] = ()
    expect: str = "true"
    falls_by: Literal["algebra", "search"] | None = None
    title: str = ""
    defined: tuple[str, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "defined", defined_at())
        for name in ("given", "when", "proof", "witness", "special_cases"):
            value = getattr(self, name)
            if isinstance(value, str) or not isinstance(value, Sequence):
                self._refuse(name, f"must be a list, not {value!r}")
            object.__setattr__(self, name, tuple(value))
        self._check_words()
        self._check_where()
        self._check_hypotheses()
        self._check_claim()
        self._check_proof()
        self._check_consequences()

    # -- derived views -------------------------------------------------------------------------------------------

    def expand(self, expression: Any) -> Any:
        """``expression`` with every abbreviation replaced by its definition (abbreviations may nest)."""
        for symbol, definition in reversed(list(self.where.items())):
            expression = expression.xreplace({symbol: definition})
        return expression

    @property
    def bound(self) -> sp.Expr:
        """The claim's bound in the statement's own parameters."""
        return self.expand(self.claim.bound)

    @property
    def conditions(self) -> tuple[Boolean, ...]:
        """The ``when`` conditions in the statement's own parameters."""
        return tuple(self.expand(condition) for condition in self.when)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """All parameters of the statement, by name."""
        found: set[Any] = set(self.bound.free_symbols)
        for condition in self.conditions:
            found |= condition.free_symbols
        for assumption in self.given:
            found |= {s for e in assumption.free_symbols for s in self.expand(e).free_symbols}
        return tuple(sorted((s for s in found if isinstance(s, Parameter)), key=lambda s: s.name))

    @property
    def smoothness(self) -> GS | HS | None:
        """The smoothness assumption, if there is one; beside plain L-smoothness, that with an L1."""
        found = [a for a in self.given if isinstance(a, GS | HS)]
        return next((a for a in found if a.L1 != 0), found[0] if found else None)

    def has(self, kind: type[Assumption]) -> bool:
        """Whether an assumption of this kind is given."""
        return any(isinstance(a, kind) for a in self.given)

    def __repr__(self) -> str:
        return f"Theorem({self.name!r})"

    # -- checks --------------------------------------------------------------------------------------------------

    def _refuse(self, name: str, message: str) -> None:
        shown = self.name if isinstance(self.name, str) and self.name else "?"
        raise StatementError(message, theorem=shown, field=name, where=self.defined)

    def _check_words(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            self._refuse("name", f"must be a letter followed by letters, digits, '_' or '-', not {self.name!r}")
        if not isinstance(self.source, Source):
            self._refuse("source", f"a Source(paper, item) is required, not {self.source!r}")
        if self.expect not in EXPECTATIONS:
            self._refuse("expect", f"must be one of {', '.join(EXPECTATIONS)}, not {self.expect!r}")
        if self.falls_by not in (None, "algebra", "search"):
            self._refuse("falls_by", f"must be 'algebra' or 'search', not {self.falls_by!r}")
        if (self.falls_by is not None) != (self.expect == "refuted"):
            self._refuse("falls_by", "is stated for, and only for, statements with expect='refuted'")

    def _check_where(self) -> None:
        known: set[sp.Basic] = set()
        for symbol, definition in self.where.items():
            if not isinstance(symbol, Parameter):
                self._refuse("where", f"an abbreviation must be a Parameter, not {symbol!r}")
            if symbol in (*FIXED, *RESERVED):
                self._refuse("where", f"{symbol} has a meaning of its own and cannot abbreviate anything")
            if symbol.name in {s.name for s in known}:
                self._refuse("where", f"two abbreviations are named {symbol}")
            definition = self._expression("where", definition, f"the definition of {symbol}")
            later = {s for s in definition.free_symbols if s in self.where and s not in known}
            if later:
                self._refuse("where", f"{symbol} uses {', '.join(map(str, later))}, which is defined later")
            known.add(symbol)
        object.__setattr__(self, "where", {s: sp.sympify(d) for s, d in self.where.items()})

    def _check_hypotheses(self) -> None:
        for assumption in self.given:
            if type(assumption) not in ASSUMPTIONS:
                self._refuse("given", f"not an assumption that the language knows: {assumption!r}")
            for value in vars(assumption).values():
                constant = self._expression("given", value, str(assumption))
                if m in self.expand(constant).free_symbols:
                    self._refuse("given", f"{assumption} holds along the whole run, but m is the norm at one point")
        smooth = [a for a in self.given if isinstance(a, GS | HS)]
        if sum(a.L1 != 0 for a in smooth) > 1 or sum(a.L1 == 0 for a in smooth) > 1:
            self._refuse("given", "states two smoothness assumptions")
        self._check_algorithm()
        for condition in self.when:
            if isinstance(condition, bool):
                self._refuse("when", f"a condition was decided by Python itself ({condition}): write a SymPy relation")
            if not units.is_condition(condition):
                self._refuse("when", f"not a condition: {condition!r}")
            self._symbols("when", condition)

    def _check_algorithm(self) -> None:
        kinds = [type(a) for a in algorithm(self.given)]
        if len(kinds) != len(set(kinds)) or (BatchClipping in kinds and len(kinds) > 1):
            self._refuse("given", f"states two algorithms: {', '.join(kind.__name__ for kind in kinds)}")
        for assumption in self.given:
            if isinstance(assumption, BatchClipping | PerSampleClipping):
                n = self.expand(assumption.n)
                if not (n.is_integer and n.is_positive):
                    self._refuse("given", f"{assumption}: the number of samples must be a positive integer")

    def _check_claim(self) -> None:
        claim = self.claim
        if type(claim) not in CLAIMS:
            self._refuse("claim", f"is empty: state Upper, Floor, Lower or Exactly, not {claim!r}")
        known = QUANTITIES.get(str(claim.quantity)) if isinstance(claim.quantity, Quantity) else None
        # Quantities compare by name; a copy could carry another direction.
        if known is not claim.quantity or known is None:
            self._refuse("claim", f"the quantity is not one that the language knows: {claim.quantity!r}")
        if claim.bound is None:
            self._refuse("claim", "is empty: the bound is missing")
        bound = self._expression("claim", claim.bound, "the bound")
        object.__setattr__(self, "claim", type(claim)(claim.quantity, bound))
        if claim.quantity.scope is Scope.TRAJECTORY:
            moving = {m} & set().union(self.bound.free_symbols, *(c.free_symbols for c in self.conditions))
            if moving:
                self._refuse(
                    "claim", f"{claim.quantity} belongs to a whole run, but m is the gradient norm at one point"
                )
        maximised = claim.quantity.adversary is Adversary.MAXIMISES
        if isinstance(claim, Upper) and not maximised:
            self._refuse("claim", f"an adversary makes {claim.quantity} small: state Floor, not Upper")
        if isinstance(claim, Floor) and maximised:
            self._refuse("claim", f"an adversary makes {claim.quantity} large: state Upper, not Floor")

    def _check_proof(self) -> None:
        seen: list[str] = []
        used: set[str] = set()
        abbreviations = {s.name for s in self.where}
        for item in self.proof:
            if not isinstance(item, Step | Split | Cite):
                self._refuse("proof", f"not a proof step: {item!r}")
            where = f"proof step {item.name!r}"
            if not isinstance(item.name, str) or not item.name or item.name in (*seen, *abbreviations):
                self._refuse("proof", f"the step name {item.name!r} is empty or used twice")
            for reference in references(item):
                if reference not in seen and reference not in abbreviations:
                    self._refuse("proof", f"{where} builds on {reference!r}, which is no earlier step or abbreviation")
                used.add(reference)
            gives = getattr(item, "gives", None)
            if gives is not None:
                self._relation("proof", gives, f"{where}: 'gives'")
            elif isinstance(item, Split) or (isinstance(item, Step) and isinstance(item.by, Smt)):
                self._refuse("proof", f"{where}: a step by smt must say what it gives")
            if isinstance(item, Step) and not isinstance(item.by, Smt) and type(item.by) not in RULES:
                self._refuse("proof", f"{where}: neither smt nor a rule that the language knows: {item.by!r}")
            if isinstance(item, Split):
                for case in item.cases:
                    if not isinstance(case, Case):
                        self._refuse("proof", f"{where}: not a Case: {case!r}")
                    self._relation("proof", case.when, f"{where}: a case")
            if isinstance(item, Cite):
                self._check_citation(item, where)
            seen.append(item.name)
        idle = [name for name in seen[:-1] if name not in used]
        if idle:
            self._refuse("proof", f"step {idle[0]!r} is used by no later step")

    def _check_citation(self, item: Cite, where: str) -> None:
        if not isinstance(item.theorem, Theorem):
            self._refuse("proof", f"{where}: cites {item.theorem!r}, which is no Theorem")
        self._relation("proof", item.under, f"{where}: 'under'")
        for letter, value in item.substitution.items():
            if not isinstance(value, sp.Expr | int) or isinstance(value, bool):
                self._refuse("proof", f"{where}: {letter} cannot become {value!r}")
            self._no_floats("proof", value, where)

    def _relation(self, name: str, relation: Any, what: str) -> None:
        if not units.is_condition(relation):
            self._refuse(name, f"{what} is not a relation: {relation!r}")
        self._no_floats(name, relation, what)
        tests = (test for piece in relation.atoms(sp.Piecewise) for _, test in piece.args)
        if any(test.atoms(Average) for test in tests):
            # SymPy folds a Piecewise inside an average outwards there, and so reads the average at one point.
            self._refuse(name, f"{what} asks for a branch by an average: {relation}")

    def _check_consequences(self) -> None:
        for witness in self.witness:
            if not isinstance(witness, Witness):
                self._refuse("witness", f"not a Witness: {witness!r}")
            numbers = {**witness.objective_parameters, **witness.noise_parameters, "start": witness.start}
            fixed = {str(s): value for s, value in witness.at.items()}
            for name, value in {**numbers, **fixed, "ratio": witness.ratio}.items():
                self._expression("witness", value, f"{witness.name!r}, {name}")
            for condition in witness.when:
                self._relation("witness", condition, f"{witness.name!r}: a condition")
        for case in self.special_cases:
            if not isinstance(case, SpecialCase):
                self._refuse("special_cases", f"not a SpecialCase: {case!r}")
            for symbol, value in case.at.items():
                self._expression("special_cases", value, f"{case.name!r}, {symbol}")
            for condition in (case.gives, *case.when):
                self._relation("special_cases", condition, f"{case.name!r}")

    def _expression(self, name: str, value: Any, what: str) -> sp.Expr:
        if isinstance(value, float):
            self._refuse(name, f"{what} is a float literal, {value!r}: write Rational(p, q)")
        try:
            expression = sp.sympify(value, strict=True)
        except sp.SympifyError:
            self._refuse(name, f"{what} is not a SymPy expression: {value!r}")
        if not isinstance(expression, sp.Expr):
            self._refuse(name, f"{what} is not an expression: {expression!r}")
        self._symbols(name, expression)
        return expression

    def _symbols(self, name: str, expression: sp.Basic) -> None:
        self._no_floats(name, expression, "the expression")
        for symbol in sorted(expression.free_symbols, key=str):
            if not isinstance(symbol, Parameter):
                self._refuse(name, f"unknown symbol {symbol}: declare it as a Parameter with a unit and a domain")
            if symbol in RESERVED:
                self._refuse(name, f"{symbol} ({symbol.meaning}) is a letter of proofs: use another")
        if expression.atoms(At, Average):
            self._refuse(name, f"{expression} is a quantity of proofs")
        unusual = expression.atoms(sp.I, sp.oo, -sp.oo, sp.nan, sp.zoo)
        if unusual:
            self._refuse(name, f"{expression} contains {sorted(map(str, unusual))[0]}")

    def _no_floats(self, name: str, expression: Any, what: str) -> None:
        floats = expression.atoms(sp.Float) if isinstance(expression, sp.Basic) else set()
        if floats:
            self._refuse(name, f"{what} contains the float literal {sorted(map(str, floats))[0]}: write Rational(p, q)")


def always_false(condition: Boolean) -> bool:
    """Whether SymPy already reduced a condition to ``false``, e.g. ``c < 0`` for a positive ``c``."""
    return isinstance(condition, BooleanFalse)

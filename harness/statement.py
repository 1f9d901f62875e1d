"""A statement as a record for files: exact formula text that rebuilds it, and LaTeX that shows it."""

from __future__ import annotations

from typing import Annotated

import sympy as sp
from pydantic import BaseModel, ConfigDict, Field

from harness.finding_expr import ExpressionError, aliases, read, write
from theorems import language
from theorems.language import Domain, Exactly, Lower, Parameter, Source, StatementError, Theorem
from theorems.language.assumptions import ASSUMPTIONS, Assumption
from theorems.language.claims import Claim
from theorems.language.quantities import QUANTITIES, Adversary
from theorems.language.units import Unit
from theorems.language.walk import latex, parse_exact

_FORMS: dict[str, type[Claim]] = {name: getattr(language, name) for name in ("Upper", "Floor", "Lower", "Exactly")}
_ASSUMPTIONS: dict[str, type[Assumption]] = {kind.__name__: kind for kind in ASSUMPTIONS}


class Record(BaseModel):
    """Frozen, strict, and closed: an unknown or missing field is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class LetterRecord(Record):
    """A parameter: ``alias`` is its name inside formula text, ``unit`` its exponents of F and X."""

    name: str
    alias: str
    unit: tuple[str, str]
    domain: str
    meaning: str
    latex: str


class AssumptionRecord(Record):
    """An assumption of the closed vocabulary with formulas for its arguments."""

    kind: str
    arguments: dict[str, str]
    latex: str


class AbbreviationRecord(Record):
    """``latex = definition``, for the reader only: formulas below are written without abbreviations."""

    latex: str
    definition: str
    meaning: str


class StatementRecord(Record):
    """All that is needed to rebuild a statement (without its proof) and to print it."""

    # Used in file names, so a changed record must not leave its folder.
    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,79}$")]
    title: str
    paper: str
    item: str
    version: str
    status: str
    expect: str
    letters: tuple[LetterRecord, ...]
    given: tuple[AssumptionRecord, ...]
    when: tuple[str, ...]
    when_latex: tuple[str, ...]
    form: str
    quantity: str
    bound: str
    text: str
    claim_latex: str
    clause_latex: str
    bound_latex: str
    abbreviations: tuple[AbbreviationRecord, ...]

    def parameters(self) -> dict[str, Parameter]:
        """The letters by alias.

        Raises:
            ValueError: one line naming the letter.
        """
        return {letter.alias: _parameter(letter) for letter in self.letters}

    def theorem(self) -> Theorem:
        """The statement rebuilt from this record alone, abbreviations opened, without proof and witnesses.

        Raises:
            ValueError: one line naming the field that is wrong.
        """
        letters: dict[str, sp.Symbol] = dict(self.parameters())
        if self.form not in _FORMS:
            raise ValueError(f"statement.form: unknown {self.form!r}")
        if self.quantity not in QUANTITIES:
            raise ValueError(f"statement.quantity: unknown {self.quantity!r}")
        try:
            given = [_assumption(a, letters) for a in self.given]
            return Theorem(
                name=self.name,
                title=self.title,
                source=Source(self.paper, self.item, self.version, self.status),  # type: ignore[arg-type]
                given=given,
                when=[read(text, letters) for text in self.when],
                claim=_FORMS[self.form](QUANTITIES[self.quantity], read(self.bound, letters)),
                expect="true",
            )
        except StatementError as error:
            raise ValueError(f"statement.{error.field}: {error.message}") from None
        except ExpressionError as error:
            raise ValueError(f"statement: {error}") from None


def record_statement(theorem: Theorem) -> StatementRecord:
    """The record of a statement.

    Raises:
        ExpressionError: if a formula cannot be written as text.
    """
    names = aliases(theorem.parameters)
    claim = theorem.claim
    shown, clause = claim_latex(theorem)
    return StatementRecord(
        name=theorem.name,
        title=theorem.title,
        paper=theorem.source.paper,
        item=theorem.source.item,
        version=theorem.source.version,
        status=theorem.source.status,
        expect=theorem.expect,
        letters=tuple(
            LetterRecord(
                name=s.name,
                alias=names[s],
                unit=(str(s.unit.value), str(s.unit.position)),
                domain=s.domain.value,
                meaning=s.meaning,
                latex=latex(s),
            )
            for s in theorem.parameters
        ),
        given=tuple(
            AssumptionRecord(
                kind=type(a).__name__,
                arguments={k: write(theorem.expand(sp.sympify(v)), names) for k, v in vars(a).items()},
                latex=a.latex,
            )
            for a in theorem.given
        ),
        when=tuple(write(condition, names) for condition in theorem.conditions),
        when_latex=tuple(latex(condition) for condition in theorem.when),
        form=type(claim).__name__,
        quantity=claim.quantity.name,
        bound=write(theorem.bound, names),
        text=claim_text(theorem),
        claim_latex=shown,
        clause_latex=clause,
        bound_latex=latex(claim.bound),
        abbreviations=tuple(
            AbbreviationRecord(latex=latex(s), definition=latex(d), meaning=s.meaning) for s, d in theorem.where.items()
        ),
    )


def claim_text(theorem: Theorem) -> str:
    """The claim in plain text, e.g. ``StuckGradientNorm <= sigma**2/(5*c)``."""
    claim = theorem.claim
    relation = claim.relation
    if isinstance(claim, Exactly):
        worst = "sup" if claim.quantity.adversary is Adversary.MAXIMISES else "inf"
        return f"{worst} {claim.quantity} = {claim.bound}"
    prefix = "some problem has " if isinstance(claim, Lower) else ""
    return f"{prefix}{relation.lhs} {relation.rel_op} {relation.rhs}"


def claim_latex(theorem: Theorem) -> tuple[str, str]:
    """The claim typeset, and the clause that says where or for what its quantity is meant (may be empty)."""
    claim = theorem.claim
    quantity, clause = _quantity_latex(claim.quantity.definition)
    maximised = claim.quantity.adversary is Adversary.MAXIMISES
    if isinstance(claim, Exactly):
        worst = r"\sup" if maximised else r"\inf"
        return rf"{worst}\ {quantity}\ =\ {latex(claim.bound)}", clause
    sign = {"<=": r"\le", ">=": r"\ge"}[claim.relation.rel_op]
    shown = rf"{quantity}\ {sign}\ {latex(claim.bound)}"
    return (rf"\text{{some problem has }}\ {shown}" if isinstance(claim, Lower) else shown), clause


def _quantity_latex(definition: str) -> tuple[str, str]:
    """A definition in ``quantities.py`` may end in a clause: split it off, so that the claim reads as in papers."""
    for joint, lead in (
        (r"\ \text{at a point with}\ ", r"\text{at every point with}\ "),
        (r",\quad ", r"\text{where}\ "),
    ):
        head, found, tail = definition.partition(joint)
        if found:
            return head, lead + tail
    return definition, ""


def _parameter(letter: LetterRecord) -> Parameter:
    try:
        value, position = (parse_exact(text) for text in letter.unit)
        domain = Domain(letter.domain)
    except ValueError as error:
        raise ValueError(f"statement.letters, {letter.name!r}: {error}") from None
    return Parameter(letter.name, Unit(sp.Rational(value), sp.Rational(position)), domain, letter.meaning)


def _assumption(entry: AssumptionRecord, letters: dict[str, sp.Symbol]) -> Assumption:
    if entry.kind not in _ASSUMPTIONS:
        raise ValueError(f"statement.given: unknown assumption {entry.kind!r}")
    arguments = {name: read(text, letters) for name, text in entry.arguments.items()}
    try:
        return _ASSUMPTIONS[entry.kind](**arguments)
    except TypeError:
        raise ValueError(f"statement.given: {entry.kind} does not take {', '.join(arguments)}") from None

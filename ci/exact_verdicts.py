#!/usr/bin/env python3
"""Ten false statements, each refuted at a short instance in exact or interval arithmetic, as a table for the docs.

``python ci/exact_verdicts.py`` writes ``docs/exact-verdicts.md``; with ``--check`` it only says whether that file is
what it would write (exit code 1 if not).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sympy as sp

from fuzz.problem import Family, FiniteLaw, Problem
from harness.confirm import Confirmation, Status, confirm
from harness.evidence import ErrorLedger
from harness.report.markdown import table
from harness.report.words import instance
from harness.statement import claim_text
from theorems.catalogue import load_catalogue
from theorems.language import L0, L1, L, c, sigma
from theorems.language.walk import parse_exact

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "exact-verdicts.md"
R, Z = sp.Rational, sp.Integer
QUADRATIC = Family("quadratic", ({"curvature": Z(1)},))
LOG_COSH = Family("log_cosh", ({"curvature": Z(1), "slope": Z(1)},))
NONE = Family("none", ({},))


@dataclass(frozen=True)
class Case:
    """One false statement and where it fails; ``kind`` is the exact check that decides it."""

    kind: str
    name: str
    problem: Problem
    choices: dict[Any, Any]


def at(start: Any, noise: Any = NONE, f: Family = QUADRATIC, eta: Any = 1, c: Any = 1, steps: int = 1) -> Problem:
    """One dimension, from ``start``."""
    return Problem(f, noise, (sp.sympify(start),), sp.sympify(eta), sp.sympify(c), steps)


def two_atoms(probability: Any, up: Any) -> FiniteLaw:
    p, up = sp.sympify(probability), sp.sympify(up)
    return FiniteLaw(((p, (up,)), (1 - p, (-up * p / (1 - p),))))


def coin(scale: Any) -> Family:
    return Family("symmetric_two_point", ({"scale": sp.sympify(scale)},))


SMOOTH = {L0: Z(1), L1: Z(0)}
NOISY = {**SMOOTH, L: Z(1), sigma: Z(1)}
RUN, STEP, HISTORIES, STUCK = "run without noise", "one step", "all histories", "stuck point"
CASES = (
    Case(RUN, "planted_d1_quarter", at(1, c=9), SMOOTH),
    Case(RUN, "planted_d2_one_term", at(1, eta=R(1, 2), c=R(1, 100), steps=10), {**SMOOTH, L: Z(1)}),
    Case(RUN, "planted_d2_one_term", at(1, f=LOG_COSH, eta=R(1, 2), c=R(1, 100), steps=50), {**SMOOTH, L: Z(1)}),
    Case(STEP, "planted_drift_one_fifth", at(R(1, 4), two_atoms(R(1, 5), 2)), {sigma: Z(1)}),
    Case(STEP, "planted_drift_five_percent", at(1, two_atoms(R(1, 2), 1)), {sigma: Z(1)}),
    Case(STEP, "planted_descent_theta_3", at(R(1, 2), eta=R(5, 2)), SMOOTH),
    Case(
        HISTORIES,
        "planted_d2_noise_ignored",
        at(R(1, 8), coin(1), eta=R(1, 2), steps=4),
        {**SMOOTH, L: Z(1), sigma: Z(1)},
    ),
    Case(
        HISTORIES,
        "planted_s3_no_noise_floor",
        at(R(1, 64), coin(R(1, 4)), eta=R(1, 2), steps=5),
        {**SMOOTH, sigma: R(1, 4)},
    ),
    Case(STUCK, "planted_bias_one_fifth", at(R(1, 4), two_atoms(R(1, 5), 2)), {sigma: Z(1)}),
    Case(STUCK, "planted_bias_third", at(1, coin(2)), {sigma: Z(2)}),
)


def judged(case: Case) -> Confirmation:
    """The exact verdict on one case."""
    theorem = load_catalogue()[case.name]
    return confirm(theorem, case.problem, ledger=ErrorLedger(), seed=0, choices=case.choices)


def page() -> str:
    """The text of ``docs/exact-verdicts.md``."""
    rows = []
    for case in CASES:
        found = judged(case)
        if found.status is not Status.REFUTED or found.exact is None or found.account is None:
            raise SystemExit(f"{case.name}: {found.status.value}: {found.reason}")
        theorem = load_catalogue()[case.name]
        engines = ", ".join(f"{e.engine} {'agrees' if e.agrees else 'DIFFERS'}" for e in found.engines)
        scale = max(abs(found.measured), abs(found.claimed))
        single = next(p for p in found.account.precisions if p.arithmetic == "float32")
        rows.append(
            (
                case.kind,
                f"{case.name}: {claim_text(theorem)}",
                f"{instance(case.problem, theorem.claim.quantity)} {_numbers(case, found)}",
                _side(found.exact.measured),
                _side(found.exact.bound),
                f"{found.account.certain:.4g}",
                found.exact.method + (f"; {found.stuck.stability}" if found.stuck else ""),
                f"{engines}; float32 to five digits: {'yes' if single.difference <= 1e-5 * scale else 'NO'}",
            )
        )
    head = ("check", "false statement", "instance", "measured", "claimed", "certain margin", "decided by", "engines")
    text = (
        "Each of these statements is false, and each verdict below is exact: no random number takes part, and the "
        "engines only confirm it. The stuck points are shown to be stable, too: from both sides of an attracting point "
        "the mean clipped step leads back to it (beside a neutral one it is zero on one side as well)."
    )
    how = "`python ci/exact_verdicts.py` writes this page, and a test holds it equal to what is computed."
    return "\n".join(["# Ten exact verdicts", "", text, "", *table(head, rows), "", how, ""])


def _numbers(case: Case, found: Confirmation) -> str:
    shown = ", ".join(f"{letter} = {value}" for letter, value in sorted(found.values.items(), key=lambda v: str(v[0])))
    atoms = ""
    if isinstance(case.problem.noise, FiniteLaw):
        law = case.problem.noise.atoms
        atoms = "Noise: " + ", ".join(f"{vector[0]} with probability {p}" for p, vector in law) + ". "
    elif case.problem.noise.name == "symmetric_two_point":
        scale = case.problem.noise.coordinates[0]["scale"]
        atoms = f"Noise: {scale} or -{scale} with probability 1/2 each. "
    threshold = "" if any(letter == c for letter in found.values) else f"c = {case.problem.clipping_threshold}, "
    return f"{atoms}Start x = {case.problem.start[0]}; {threshold}{shown}."


def _side(text: str) -> str:
    """An exact number, or an enclosure to twelve digits."""
    words = text.split()
    if len(words) == 4:
        return f"between {words[1][:14]}... and {words[3][:14]}..."
    value = float(parse_exact(text))
    return text if parse_exact(text).is_Integer else f"{text} = {value:.6g}"


def main() -> int:
    text = page()
    if "--check" in sys.argv[1:]:
        return int(not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    print(PAGE.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())

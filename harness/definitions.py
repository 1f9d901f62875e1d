"""The formulas that a finding rests on, as text: so that a replay in later years can say what has changed."""

from __future__ import annotations

from fuzz.problem import FiniteLaw, Problem
from theorems.language.functions import NOISES
from theorems.language.noises import Layout
from theorems.language.theorem import Theorem


def definitions_of(theorem: Theorem, problem: Problem) -> dict[str, str]:
    """What is meant by the quantity, each assumption, the objective and the noise, by name."""
    claim = theorem.claim
    found = {f"quantity {claim.quantity.name}": f"{claim.quantity.definition}; {claim.quantity.scope.value}"}
    for assumption in theorem.given:
        kind = type(assumption)
        found[f"assumption {kind.__name__}"] = " ".join((kind.__doc__ or "").split())
    for objective, _ in problem.objective.profiles:
        found[f"objective {objective.name}"] = f"f = {objective.value}; gradient = {objective.gradient}"
    if problem.objective.radial:
        found["radial objective"] = (
            "f(x) = phi(|x|); gradient = phi'(|x|) x/|x|, 0 at 0; phi is the objective of r >= 0"
        )
    if not isinstance(problem.noise, FiniteLaw):
        noise = NOISES[problem.noise.name]
        atoms = "" if noise.atoms is None else f"; atoms = {list(noise.atoms)}"
        # Also alone a coordinate is what it would be without a partner.
        pairs = f"; {noise.layout.value}" if noise.layout is Layout.PAIRS and problem.dimension > 1 else ""
        found[f"noise {noise.name}"] = f"sample = {noise.sample}{atoms}{pairs}"
    return found


def changes(then: dict[str, str] | None, now: dict[str, str]) -> tuple[str, ...]:
    """What differs, each as one line; one line as well where the finding is too old to tell."""
    if then is None:
        return ("definitions: this finding is of schema version 1, which did not record them",)
    lines = []
    for name in sorted(then.keys() | now.keys()):
        old, new = then.get(name, "nothing"), now.get(name, "nothing")
        if old != new:
            lines.append(f"{name}: then {old}, now {new}")
    return tuple(lines)

"""The three nicest minimised counterexamples, written out: ``docs/counterexamples.md``.

The instances are what search and minimiser end at (a test finds them again); every number of the page is computed here,
in exact arithmetic that shares nothing with the engines. ``python -m harness.power.counterexamples`` prints the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sympy as sp

from fuzz.problem import Family, FiniteLaw, Problem
from theorems.catalogue import load_catalogue
from theorems.language import sigma
from theorems.language.parameters import Parameter
from theorems.language.theorem import Theorem
from theorems.power import STATEMENTS

_ONE, _HALF = sp.Integer(1), sp.Rational(1, 2)
_QUIET = Family("none", ({},))


@dataclass(frozen=True)
class Counterexample:
    """A statement, the instance that refutes it, and the function that writes it out."""

    statement: str
    problem: Problem
    choices: Mapping[Parameter, sp.Expr]
    write: Callable[[Theorem, Problem], list[str]]

    @property
    def theorem(self) -> Theorem:
        """The statement itself."""
        return {**load_catalogue(), **{t.name: t for t in STATEMENTS}}[self.statement]


def _quadratic(*curvatures: sp.Expr) -> Family:
    return Family("quadratic", tuple({"curvature": value} for value in curvatures))


def _clip(vector: list[sp.Expr], c: sp.Expr) -> list[sp.Expr]:
    norm = sp.sqrt(sum(v**2 for v in vector))
    return vector if norm <= c else [v * c / norm for v in vector]


def _run(problem: Problem) -> list[tuple[list[sp.Expr], list[sp.Expr], sp.Expr]]:
    """(x, gradient, its norm) at t = 0, ..., T, exact; for quadratics without noise."""
    curvatures = [numbers["curvature"] for numbers in problem.objective.coordinates]
    x, found = list(problem.start), []
    for _ in range(problem.steps + 1):
        gradient = [k * v for k, v in zip(curvatures, x, strict=True)]
        found.append((x, gradient, sp.sqrt(sum(g**2 for g in gradient))))
        step = _clip(gradient, problem.clipping_threshold)
        x = [sp.nsimplify(v - problem.step_size * g) for v, g in zip(x, step, strict=True)]
    return found


def _stuck(theorem: Theorem, problem: Problem) -> list[str]:
    assert isinstance(problem.noise, FiniteLaw)
    m, c = problem.start[0], problem.clipping_threshold
    rows, total, variance = [], sp.Integer(0), sp.Integer(0)
    for probability, (noise,) in problem.noise.atoms:
        (clipped,) = _clip([m + noise], c)
        total, variance = total + probability * clipped, variance + probability * noise**2
        rows.append(f"| {probability} | {noise} | {m + noise} | {clipped} | {probability * clipped} |")
    deviation = sp.sqrt(variance)
    bound = theorem.bound.xreplace({sigma: deviation})
    return [
        f"Take `f(x) = x^2/2` at `x = {m}`, `c = {c}`, and noise with two atoms, so `sigma = {deviation}`:",
        "",
        "| probability | noise | gradient + noise | clipped | product |",
        "|---|---|---|---|---|",
        *rows,
        f"| sum 1 | mean 0, variance {variance} | | | **sum {total}** |",
        "",
        f"The expected clipped step is {total}, so clipped SGD is stuck. The gradient norm there is {m}, and the claim",
        f"allows `sigma/3 = {bound}`. The truth is S2: at most `sigma^2/(4c)` for `sigma <= 2c`, which is {m} here.",
    ]


def _convex(theorem: Theorem, problem: Problem) -> list[str]:
    run = _run(problem)
    values = [sum(k * v**2 for k, v in zip([_ONE], x, strict=True)) / 2 for x, _, _ in run]
    eta, steps, start = problem.step_size, problem.steps, problem.start[0]
    bound = start**2 / (eta * steps)
    shown = " | ".join(str(x[0]) for x, _, _ in run)
    return [
        f"Take `f(x) = x^2/2` from `x = {start}` with `c = 1`, `eta = {eta}`, {steps} steps. Every gradient is longer",
        f"than the threshold, so every step has length `eta c = {eta}`:",
        "",
        f"| t | {' | '.join(str(t) for t in range(steps + 1))} |",
        f"|---|{'---|' * (steps + 1)}",
        f"| x | {shown} |",
        f"| f | {' | '.join(str(v) for v in values)} |",
        "",
        f"The gap at the end is {values[-1]}; the claim allows `R0^2/(eta T) = {start**2}/({eta * steps}) = {bound}`.",
        f"The condition `L R0 <= 15 c` reads `{start} <= 15`. The term that was left out, `2 L R0^4/(eta c T)^2`, is",
        "what clipping costs; with it the statement is D2.",
    ]


def _path(theorem: Theorem, problem: Problem) -> list[str]:
    run = _run(problem)[: problem.steps]
    distance = sp.sqrt(sum(v**2 for v in problem.start))
    average = sp.nsimplify(sum(norm for _, _, norm in run)) / problem.steps
    bound = distance / (problem.step_size * problem.steps)
    first, second = (numbers["curvature"] for numbers in problem.objective.coordinates)
    rows = [
        f"| {t} | ({', '.join(map(str, x))}) | ({', '.join(map(str, g))}) | {norm} | {float(norm):.4f} |"
        for t, (x, g, norm) in enumerate(run)
    ]
    f = f"{_half_of(first)} x^2 + {_half_of(second)} y^2"
    eta, c = problem.step_size, problem.clipping_threshold
    return [
        f"Take `f(x, y) = {f}` from `({problem.start[0]}, {problem.start[1]})` with `eta = {eta}` and `c = {c}`,",
        "which clips nothing. The coordinates run at different speeds, so the path bends:",
        "",
        "| t | point | gradient | norm | |",
        "|---|---|---|---|---|",
        *rows,
        "",
        f"The average gradient norm is {float(average):.4f}; the claim allows `R0/(eta T)`, {float(bound):.4f} for",
        f"`R0 = {distance}`. On a line the statement is true: with `eta L <= 1` gradient descent never turns back,",
        "and the path is no longer than the way.",
    ]


def _half_of(curvature: sp.Expr) -> str:
    return str(sp.Rational(curvature) / 2)


NICEST = (
    Counterexample(
        "planted_bias_third",
        Problem(
            _quadratic(_ONE),
            FiniteLaw(((_HALF, (sp.Integer(2),)), (_HALF, (sp.Integer(-2),)))),
            (_ONE,),
            _ONE,
            _ONE,
            1,
        ),
        {sigma: sp.Integer(2)},
        _stuck,
    ),
    Counterexample(
        "power_d2_clipped_window",
        Problem(_quadratic(_ONE), _QUIET, (sp.Integer(14),), _HALF, _ONE, 9),
        {},
        _convex,
    ),
    Counterexample(
        "planted_path_length",
        Problem(_quadratic(_ONE, _HALF), Family("none", ({}, {})), (_HALF, _HALF), _ONE, _ONE, 3),
        {},
        _path,
    ),
)


def page() -> str:
    """The page."""
    lines = [
        "# Three counterexamples",
        "",
        "A search ends with numbers of forty digits; the minimiser turns them into these. Each was confirmed in exact",
        "arithmetic. A search finds each again, perhaps in another form of the same size: `clipbounds fuzz NAME`, and",
        "for the second, which is no part of the catalogue, `clipbounds fuzz theorems/power/rates.py`.",
    ]
    for number, example in enumerate(NICEST, 1):
        theorem = example.theorem
        lines += [
            "",
            f"## {number}. {theorem.title}",
            "",
            f"`{theorem.name}`: {_claim(theorem)}.",
            "",
            *example.write(theorem, example.problem),
        ]
    return "\n".join(lines) + "\n"


def _claim(theorem: Theorem) -> str:
    from harness.statement import claim_text

    given = ", ".join(str(a) for a in theorem.given)
    when = "; ".join(str(condition) for condition in theorem.conditions)
    return f"given {given}" + (f" with `{when}`" if when else "") + f", claims `{claim_text(theorem)}`"


if __name__ == "__main__":
    print(page(), end="")

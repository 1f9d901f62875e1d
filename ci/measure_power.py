"""Measure the planted statements again: ``python ci/measure_power.py [--only NAME ...]`` rewrites ``planted.json``.

Sizes come from the frozen reference sampler. An instance that is known and still confirmed is kept; else a long search
looks for one, and the minimiser makes it short. Statements that a search cannot kill need an instance by hand, below.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import sympy as sp

from fuzz.budget import Budget
from fuzz.minimise import minimise
from fuzz.problem import Family, FiniteLaw, Problem
from fuzz.reference_sampler import regime_size
from fuzz.rivals import hunt
from harness.power.bench import judge
from harness.power.planted import FILE, divisor
from theorems.language import Rational, sigma
from theorems.language.parameters import Parameter
from theorems.language.quantities import Scope
from theorems.language.theorem import Theorem
from theorems.language.walk import parse_exact, show_exact
from theorems.power import STATEMENTS, hard

_ONE = sp.Integer(1)
_DRAWS = {True: 2**20, False: 2**19}
_HARD_DRAWS = 2**22


def by_hand() -> dict[str, tuple[Problem, dict[Parameter, sp.Expr]]]:
    """Instances for regimes that searches miss."""
    quadratic = Family("quadratic", ({"curvature": _ONE},))
    # S3 with half its bias: the worst law of c = sigma = 1 on a slope of B* = 1/4, far from where the slope ends.
    slope = Problem(
        Family("huber", ({"curvature": _ONE, "slope": Rational(1, 4)},)),
        Family("two_point", ({"up": sp.Integer(2), "probability": Rational(858993459, 2**32)},)),
        (sp.Integer(4),),
        Rational(1, 100),
        _ONE,
        4000,
    )
    single = Problem(quadratic, Family("none", ({},)), (Rational(3, 4),), _ONE, _ONE, 1)
    # S1's worst law at m = 3/10, c = 1, sigma a little above 1/2; s = sqrt(sigma^2 + 49/100) = 43/50.
    s, m = Rational(43, 50), Rational(3, 10)
    variance = s**2 - (1 - m) ** 2
    up, down = 1 + s - m, 1 - s - m
    law = FiniteLaw(((-down / (up - down), (up,)), (up / (up - down), (down,))))
    assert law.second_moment == variance
    box = Problem(quadratic, law, (m,), _ONE, _ONE, 1)
    far = FiniteLaw(((Rational(1, 2), (Rational(201, 100),)), (Rational(1, 2), (-Rational(201, 100),))))
    symmetric = Problem(quadratic, far, (_ONE,), _ONE, _ONE, 1)
    return {
        "power_s3_50_light": (slope, {sigma: _ONE}),
        "power_descent_1_window": (single, {}),
        "power_drift_20_band": (box, {sigma: sp.sqrt(variance)}),
        "power_drift_symmetric_window": (symmetric, {sigma: Rational(201, 100)}),
    }


def instance(theorem: Theorem, known: Mapping[str, Any] | None) -> tuple[Problem, Mapping[Parameter, sp.Expr]]:
    """An instance that is confirmed."""
    letters = {str(p.name): p for p in theorem.parameters}
    tried: list[tuple[Problem, Mapping[Parameter, sp.Expr]]] = []
    if known is not None:
        chosen = {letters[name]: parse_exact(v) for name, v in known["choices"].items() if name in letters}
        tried.append((Problem.from_json(known["problem"]), chosen))
    hand = by_hand()
    if theorem.name in hand:
        tried.append(hand[theorem.name])
    for problem, choices in tried:
        if judge(theorem, problem, choices):
            return problem, choices
    kills: list[tuple[Problem, Mapping[Parameter, sp.Expr]]] = []

    def remember(statement: Theorem, problem: Problem, choices: Mapping[Parameter, sp.Expr]) -> bool:
        if not judge(statement, problem, choices):
            return False
        kills.append((problem, choices))
        return True

    for seed in range(4):
        for searcher in ("ours", "random"):
            hunt(searcher, theorem, Budget(steps=2 * 10**9 // divisor(theorem)), 1000 + seed, remember, 120.0)
            if kills:
                problem, choices = kills[0]
                short = minimise(theorem, problem, dict(choices), budget=Budget(seconds=40.0))
                return short if judge(theorem, *short) else (problem, choices)
    raise SystemExit(f"{theorem.name}: no instance was found; give one in by_hand()")


def main() -> None:
    """Rewrite the table."""
    options = argparse.ArgumentParser(description="Sizes of the planted regimes, and an instance for each statement.")
    options.add_argument("--only", action="append")
    chosen = options.parse_args()
    known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    table = {}
    for theorem in STATEMENTS:
        if chosen.only and theorem.name not in chosen.only and theorem.name in known:
            table[theorem.name] = known[theorem.name]
            continue
        draws = _HARD_DRAWS if theorem in hard.STATEMENTS else _DRAWS[theorem.claim.quantity.scope is Scope.ONE_STEP]
        size = regime_size(theorem, draws)
        problem, choices = instance(theorem, known.get(theorem.name))
        table[theorem.name] = {
            "size": asdict(size),
            "problem": problem.to_json(),
            "choices": {str(p.name): show_exact(v) for p, v in choices.items()},
        }
        print(f"{theorem.name}: {size.share:.3g}, {problem.noise.name}, T = {problem.steps}", flush=True)
        FILE.write_text(json.dumps({**known, **table}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    FILE.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Findings made by hand, so that reports and replays are tested apart from search and prover; and a common guard."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import flint
import pytest
import sympy as sp

from fuzz.problem import Family, FiniteLaw, Problem
from harness.account import exact_account, sampled_account
from harness.definitions import definitions_of
from harness.finding import CertificateRecord, EngineRecord, ExactRecord, Finding, seal, versions
from harness.statement import record_statement
from theorems.language import (
    F0,
    GS,
    L0,
    L1,
    AverageGradientNorm,
    BoundedVariance,
    Rational,
    Source,
    StuckGradientNorm,
    T,
    Theorem,
    Upper,
    c,
    eta,
    sigma,
    sqrt,
)

ENTRY = Path(__file__).resolve().parents[1] / "harness" / "pytest_entry"
"""Where the module is that pytest imports."""

HALF, FIFTH, QUARTER = Rational(1, 2), Rational(1, 5), Rational(1, 4)


def false_bias(**changes: Any) -> Theorem:
    """B* <= sigma^2/(5c), which is false."""
    fields: dict[str, Any] = {
        "name": "false-bias",
        "title": "A bias bound that is too good",
        "source": Source("A draft", "Lemma 1"),
        "given": [BoundedVariance(sigma)],
        "when": [],
        "claim": Upper(StuckGradientNorm, sigma**2 / (5 * c)),
    }
    return Theorem(**{**fields, **changes})


def stuck_problem() -> Problem:
    """S2's point for c = sigma = 1: gradient 1/4, noise +2 or -1/2."""
    return Problem(
        objective=Family("quadratic", ({"curvature": sp.Integer(1)},)),
        noise=FiniteLaw(((FIFTH, (sp.Integer(2),)), (1 - FIFTH, (-HALF,)))),
        start=(QUARTER,),
        step_size=sp.Integer(1),
        clipping_threshold=sp.Integer(1),
        steps=1,
    )


def trajectory_theorem() -> Theorem:
    """S3 without its bias term, which is false."""
    return Theorem(
        name="no-bias",
        source=Source("A draft", "Theorem 2", status="recalled"),
        given=[GS(L0, L1), BoundedVariance(sigma)],
        when=[eta * (L0 + c * L1) <= Rational(1, 9)],
        claim=Upper(AverageGradientNorm, sqrt(F0 / (eta * T)) + F0 / (eta * T * c)),
    )


def trajectory_problem() -> Problem:
    """S2-T's run."""
    return Problem(
        objective=Family("quadratic", ({"curvature": sp.Integer(1)},)),
        noise=Family("worst_two_point", ({"sigma": sp.Integer(1)},)),
        start=(QUARTER,),
        step_size=Rational(1, 10),
        clipping_threshold=sp.Integer(1),
        steps=400,
    )


def plugin() -> str:
    """The pytest plugin for ``-p``: by its entry point, or by its module in an environment that is older than it."""
    if any(point.name == "clipbounds" for point in entry_points(group="pytest11")):
        return "clipbounds"
    if str(ENTRY) not in sys.path:
        sys.path.append(str(ENTRY))
    return "clipbounds_pytest"


def make_finding(theorem: Theorem, problem: Problem, **changes: Any) -> Finding:
    """A sealed finding; every field may be changed."""
    record = record_statement(theorem)
    content: dict[str, Any] = {
        "verdict": "refuted",
        "statement": record,
        "values": {"c": "1", "sigma": "1"},
        "problem": problem.to_json(),
        "certificates": (
            CertificateRecord(
                assumption="BoundedVariance(sigma)",
                latex=theorem.given[-1].latex,
                says="two atoms, mean 0 and variance 1, exactly",
                numbers={"mean": "0", "variance": "1"},
            ),
        ),
        "claimed": 0.2,
        "claimed_exact": "1/5",
        "measured": 0.25,
        "measured_exact": "1/4",
        "standard_error": None,
        "replicas": 0,
        "margin": 0.05,
        "score": 1.25,
        "score_lower": 1.25,
        "log10_e": None,
        "log10_threshold": None,
        "looks": 1,
        "alpha": 1e-6,
        "exact": ExactRecord(method="exact arithmetic", measured="1/4", bound="1/5", violated=True),
        "engines": (EngineRecord(engine="torch", measured=0.25, says="float64, autograd", agrees=True),),
        "suspected": "constant",
        "why": "At a quarter instead of a fifth nothing was found.",
        "found_by": "Written by hand.",
        "effort": None,
        "seed": 0,
        "versions": versions(),
        "account": exact_account(0.05, 0.05, (), refuted=True),
        "stuck": None,
        "definitions": definitions_of(theorem, problem),
    }
    return seal({**content, **changes})


@pytest.fixture
def precision_is_put_back() -> Iterator[None]:
    """The precision of balls belongs to everybody."""
    before = flint.ctx.prec
    yield
    assert flint.ctx.prec == before


@pytest.fixture
def bias_finding() -> Finding:
    """A one-step finding that a pencil can check."""
    return make_finding(false_bias(), stuck_problem())


@pytest.fixture
def run_finding() -> Finding:
    """A trajectory finding with statistical evidence."""
    values = {"F0": "1/32", "L0": "1", "L1": "0", "T": "400", "c": "1", "eta": "1/10", "sigma": "1"}
    return make_finding(
        trajectory_theorem(),
        trajectory_problem(),
        values=values,
        claimed=(1 / 1280) ** 0.5 + 1 / 1280,
        claimed_exact="sqrt(5)/80 + 1/1280",
        measured=0.25,
        measured_exact=None,
        standard_error=0.001,
        replicas=4000,
        margin=0.22,
        score=8.7,
        score_lower=8.5,
        exact=None,
        log10_e=42.5,
        log10_threshold=6.3,
        account=sampled_account(
            measured=0.25,
            claimed=(1 / 1280) ** 0.5 + 1 / 1280,
            lower=0.24,
            allowance=1e-12,
            log10_threshold=6.3,
            looks=1,
            alpha=1e-6,
            precisions=(),
            refuted=True,
        ),
    )


@pytest.fixture
def finding_of() -> Callable[..., Finding]:
    """:func:`make_finding`."""
    return make_finding

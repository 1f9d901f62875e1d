"""Campaigns over true claims alone: every refutation is a false alarm.

A campaign attacks all true claims for all problems with one budget of steps and one error ledger, as ``fuzz`` does. By
the argument of :mod:`harness.evidence` it refutes any of them by bad luck with probability at most alpha, whatever the
search does; exact checks carry no such error. Any refutation beyond that is a fault of this program: a certificate
that is too generous, a bound that is evaluated too low, evidence on numbers that chose the candidate.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from fuzz.budget import Budget
from harness.attack import attack
from harness.evidence import ALPHA, ErrorLedger
from harness.gauge import catalogue_cells
from harness.verdicts import SearchVerdict
from theorems.language import ExactGradients
from theorems.language.quantities import Scope
from theorems.language.theorem import Theorem

STEPS = 10**9
"""Steps of a campaign."""

# A step of a law or of a run without noise is worth more than one of many replicas, and takes as much longer: the parts
# of the budget that each such claim gets. What is left is for claims about noisy runs, in equal shares.
_LAW_PART, _EXACT_PART = 1e-5, 5e-4
_SCHEMA = 1


@dataclass(frozen=True)
class Campaign:
    """What one campaign over true claims came to.

    Attributes:
        seed: of everything; equal seeds give equal campaigns, on any number of workers.
        budget, steps: asked for, and spent with confirmations.
        claims: how many were attacked.
        looks: statistical confirmations, each held to its part of alpha.
        alpha: the stated bound on the chance of any refutation.
        refuted: names; every one is a false alarm.
        warnings: what was wrong with the harness itself, such as engines that disagree.
        closest: the claim with the largest score, and ``score`` (at most 1 but for noise).
        seconds: wall clock.
    """

    seed: int
    budget: int
    steps: int
    claims: int
    looks: int
    alpha: float
    refuted: tuple[str, ...]
    warnings: tuple[str, ...]
    closest: str
    score: float
    seconds: float


class FalseAlarmError(ValueError):
    """The file of campaigns is no good: one line."""


def true_claims() -> list[Theorem]:
    """The catalogue's true claims for all problems that an engine measures."""
    return [cell.theorem for cell in catalogue_cells()]


def shares(theorems: Sequence[Theorem], steps: int) -> list[Budget]:
    """The budget of each claim; together at most ``steps``."""
    parts = [_part(theorem) for theorem in theorems]
    noisy = sum(part is None for part in parts)
    rest = 1.0 - sum(part for part in parts if part is not None)
    return [Budget(steps=max(1000, int(steps * (rest / noisy if part is None else part)))) for part in parts]


def _part(theorem: Theorem) -> float | None:
    if theorem.claim.quantity.scope is Scope.ONE_STEP:
        return _LAW_PART
    return _EXACT_PART if theorem.has(ExactGradients) else None


def run_campaign(seed: int, steps: int = STEPS, theorems: Sequence[Theorem] | None = None) -> Campaign:
    """One campaign.

    Args:
        seed: of searches and confirmations.
        steps: of all searches together.
        theorems: by default :func:`true_claims`.
    """
    chosen = true_claims() if theorems is None else list(theorems)
    ledger, began, spent = ErrorLedger(), time.perf_counter(), 0
    refuted, warnings = [], []
    closest, best = "", -math.inf
    for theorem, budget in zip(chosen, shares(chosen, steps), strict=True):
        result = attack(theorem, budget, seed, ledger=ledger)
        spent += result.steps
        if result.verdict is SearchVerdict.REFUTED:
            refuted.append(theorem.name)
        if result.warning:
            warnings.append(f"{theorem.name}: {result.warning}")
        if result.score is not None and result.score > best:
            closest, best = theorem.name, result.score
    return Campaign(
        seed,
        steps,
        spent,
        len(chosen),
        ledger.looks,
        ledger.alpha,
        tuple(refuted),
        tuple(warnings),
        closest,
        best,
        round(time.perf_counter() - began, 3),
    )


def run_campaigns(seeds: Sequence[int], steps: int = STEPS, workers: int = 1) -> Iterator[Campaign]:
    """Campaigns in the order of their seeds, one process each at a time; the outcome does not depend on ``workers``."""
    if workers == 1 or len(seeds) == 1:
        yield from (run_campaign(seed, steps) for seed in seeds)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        yield from pool.map(run_campaign, seeds, [steps] * len(seeds))


def _one_thread() -> None:
    """Workers share the cores; an engine that takes all of them would only wait."""
    os.environ["NUMBA_NUM_THREADS"] = "1"


# -- the accumulated record --------------------------------------------------------------------------------------------


def load(file: Path) -> list[Campaign]:
    """The campaigns of a file, none if there is no file.

    Raises:
        FalseAlarmError: one line, for a file that is not such a record.
    """
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise FalseAlarmError(f"{file}: cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict) or document.get("schema") != _SCHEMA:
        raise FalseAlarmError(f"{file}: not a record of campaigns with schema {_SCHEMA}")
    return [_campaign(entry, file) for entry in document.get("campaigns", [])]


def _campaign(entry: Any, file: Path) -> Campaign:
    names = {f.name for f in fields(Campaign)}
    if not isinstance(entry, Mapping) or set(entry) != names:
        raise FalseAlarmError(f"{file}: a campaign has the fields {', '.join(sorted(names))}")
    return Campaign(**{**entry, "refuted": tuple(entry["refuted"]), "warnings": tuple(entry["warnings"])})


def save(file: Path, campaigns: Sequence[Campaign]) -> None:
    """Write the record beside its place and rename it there, so that it is whole or as it was."""
    document = {"schema": _SCHEMA, "campaigns": [asdict(campaign) for campaign in campaigns]}
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    beside.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    beside.replace(file)


def summary(campaigns: Sequence[Campaign]) -> str:
    """Refutations beside the stated bound, in a few lines."""
    refuted = sum(len(c.refuted) for c in campaigns)
    steps, looks = sum(c.steps for c in campaigns), sum(c.looks for c in campaigns)
    alpha = campaigns[0].alpha if campaigns else ALPHA
    together = sum(c.alpha for c in campaigns)
    effort = f"{len(campaigns)} campaigns over true claims, {steps:.3g} steps, {looks} statistical confirmations"
    stated = f"at most {alpha:g} for a campaign to refute any by bad luck"
    lines = [
        f"{effort}: {refuted} refutations.",
        f"Stated bound: {stated}, hence at most {together:.3g} for all of these together.",
    ]
    for c in campaigns:
        lines += [f"FALSE ALARM in campaign {c.seed}: {name} was called refuted" for name in c.refuted]
        lines += [f"WARNING in campaign {c.seed}: {text}" for text in c.warnings]
    if campaigns:
        nearest = max(campaigns, key=lambda c: c.score)
        lines.append(
            f"Closest to a refutation: {nearest.closest}, score {nearest.score:.6g} in campaign {nearest.seed}."
        )
    return "\n".join(lines)


def sound(campaigns: Sequence[Campaign]) -> bool:
    """Whether nothing true was refuted and nothing else went wrong."""
    return not any(c.refuted or c.warnings for c in campaigns)

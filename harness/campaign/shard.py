"""A shard: a piece of work that is a function of its contents alone, so that doing it twice does nothing twice."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.campaign import memory
from harness.campaign.looks import SHARD_LOOKS, AllottedLedger
from theorems.language import Theorem

if TYPE_CHECKING:
    from fuzz.outcome import Candidate

_VERSION = 2


@dataclass(frozen=True)
class Shard:
    """One search with its confirmations.

    Args:
        position: of its statement in the campaign.
        number: within the statement, from 0.
        statement_sha256: of the statement's record.
        seed: of everything in it, in [0, 2^63).
        steps: engine steps of the search and the minimiser.
        device: ``"cpu"`` or ``"cuda"``.
        alpha: error level of the campaign.
        first_look: the first of its :data:`SHARD_LOOKS` look numbers.
        starts: problems that compete with those of its search, as text (:mod:`harness.campaign.starts`).

    Raises:
        ValueError: one line with the offending value.
    """

    position: int
    number: int
    statement_sha256: str
    seed: int
    steps: int
    device: str
    alpha: float
    first_look: int
    starts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.position < 0 or self.number < 0:
            raise ValueError(f"a shard is numbered from 0, not {self.position}, {self.number}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"the seed of a shard lies between 0 and 2^63, not {self.seed}")
        if self.steps < 1:
            raise ValueError(f"a shard takes at least one step, not {self.steps}")
        if self.first_look < 1:
            raise ValueError(f"looks are numbered from 1, not {self.first_look}")

    @property
    def key(self) -> str:
        """Content hash, 32 hexadecimal digits: the same key is the same work."""
        size = [self.seed, self.steps, self.device, self.alpha, self.first_look]
        return _sha256([_VERSION, self.statement_sha256, *size, *self.starts])[:32]

    @property
    def looks(self) -> range:
        """Its look numbers."""
        return range(self.first_look, self.first_look + SHARD_LOOKS)


@dataclass(frozen=True)
class ShardResult:
    """What a shard found, in plain data that any process can send, store and compare.

    Attributes:
        key: of the shard.
        verdict: ``refuted``, ``achieved`` or ``not_found``.
        score, score_lower, log10_e: as in :class:`harness.attack.FuzzResult`.
        problem, words: the best problem as JSON and in words.
        steps, evaluations: engine steps, and problems scored.
        looks: look numbers used.
        says, warning: as in FuzzResult.
        candidates: ``score, error, regime, problem, choices`` of what the search proposed, the most promising first.
        regimes: best score by structure.
        coverage: where the search has looked, as JSON.
        finding: content of ``FINDING.json``, if something was confirmed.
        seconds: on the worker; no part of the digest.
    """

    key: str
    verdict: str
    score: float | None
    score_lower: float | None
    log10_e: float | None
    problem: dict[str, Any] | None
    words: str
    steps: int
    evaluations: int
    looks: int
    says: str
    warning: str
    candidates: tuple[dict[str, Any], ...]
    regimes: dict[str, float | None]
    coverage: dict[str, Any] | None
    finding: str | None
    seconds: float = field(compare=False)

    @property
    def digest(self) -> str:
        """Hash of everything found, times left aside: two runs of a shard must agree on it."""
        content = {name: value for name, value in vars(self).items() if name != "seconds"}
        if self.finding is not None:
            content["finding"] = timeless(self.finding)
        return _sha256(content)[:32]


def timeless(finding: str) -> dict[str, Any]:
    """A finding without what the clock and its seal say: what must be the same when it is found again."""
    content: dict[str, Any] = json.loads(finding)
    del content["sha256"]
    if content["effort"] is not None:
        del content["effort"]["seconds"]
    return content


def shard_seed(campaign_seed: int, statement_sha256: str, number: int, starts: Sequence[str] = ()) -> int:
    """The seed of a shard, in [0, 2^63).

    Its starts have a part in it: they may have been chosen by what the fresh numbers of another night showed, and must
    not be judged on the same numbers when that night had the same seed (:mod:`harness.campaign.looks`).
    """
    return int(_sha256([campaign_seed, statement_sha256, number, *starts])[:16], 16) >> 1


class Work:
    """What a worker does with a shard; sent to it once. Tests put others in its place."""

    def prepare(self, threads: int) -> None:
        """Load the engine and everything that a shard needs, and hold every library to so many threads."""
        import numba
        import torch

        import harness.attack  # noqa: F401

        # Beside the environment: a library that was loaded before does not read that again.
        vars(numba.config)["NUMBA_NUM_THREADS"] = threads
        torch.set_num_threads(threads)
        memory.settle()

    def run(self, shard: Shard, theorem: Theorem) -> ShardResult:
        """Do one shard."""
        result = run_shard(shard, theorem)
        memory.give_back()
        return result


def run_shard(shard: Shard, theorem: Theorem) -> ShardResult:
    """Do the work. Deterministic: budget in steps, seed and looks are the shard's own.

    Args:
        shard: what to do.
        theorem: its statement.
    """
    import time

    from fuzz.budget import Budget
    from harness.attack import attack
    from harness.campaign.coverage import plain
    from harness.campaign.starts import read

    began = time.perf_counter()
    ledger = AllottedLedger(shard.alpha, shard.looks)
    found = attack(
        theorem,
        Budget(steps=shard.steps),
        shard.seed,
        device=shard.device,
        ledger=ledger,
        extra_starts=read(theorem, shard.starts),
    )
    search = found.search
    assert search is not None
    return ShardResult(
        key=shard.key,
        verdict=found.verdict.value,
        score=_finite(found.score),
        score_lower=_finite(found.score_lower),
        log10_e=_finite(found.log10_e),
        problem=found.problem,
        words=found.problem_words,
        steps=found.steps,
        evaluations=search.evaluations,
        looks=ledger.taken,
        says=found.says,
        warning=found.warning,
        candidates=tuple(
            {
                "score": _finite(c.score),
                "error": _finite(c.error),
                "regime": c.regime,
                "problem": c.problem.to_json(),
                "choices": _choices(theorem, c),
            }
            for c in search.candidates
        ),
        regimes={name: _finite(score) for name, score in search.regimes.items()},
        coverage=plain(found.coverage),
        finding=None if found.finding is None else found.finding.text(),
        seconds=time.perf_counter() - began,
    )


def _choices(theorem: Theorem, candidate: Candidate) -> dict[str, str] | None:
    """The letters that a problem leaves open, by name; None where a number has no text."""
    from harness.corpus import Entry

    try:
        choices: dict[str, str] = json.loads(Entry.of_candidate(theorem, candidate).line())["choices"]
    except ValueError:
        return None
    return choices


def _finite(value: float | None) -> float | None:
    """JSON and the store hold no infinities; plain floats only."""
    return None if value is None or not math.isfinite(value) else float(value)


def _sha256(content: Any) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()

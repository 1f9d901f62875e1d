"""What a campaign is to do: which shards there are, in which order they are begun."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from fuzz.budget import Budget
from fuzz.reading import out_of_reach
from harness.campaign.looks import shard_looks
from harness.campaign.shard import Shard, shard_seed
from harness.statement import StatementRecord, record_statement
from theorems.language import Theorem
from theorems.language.quantities import Scope

OPEN, PROVED, DECIDED = 10, 1, 0
"""Weights of the search: algebra leaves the claim open; it is proved, and searched as a check of ourselves; decided."""

_ONE_STEP = 20
"""An atom of a one-step law costs about as much time as this many steps of compiled trajectories."""


@dataclass(frozen=True)
class Entry:
    """A statement in a campaign.

    Attributes:
        theorem, record: the statement, and its text.
        target: where it was read from.
        weight: share of the search; None until proofs are done.
        planned: shards of a budget in steps; None for a budget in seconds.
        starts: problems of earlier nights as text, for its first shards (:mod:`harness.campaign.starts`).
    """

    theorem: Theorem
    record: StatementRecord
    target: str
    weight: int | None = None
    planned: int | None = None
    starts: tuple[str, ...] = ()

    @cached_property
    def sha256(self) -> str:
        """Of the statement's text."""
        return hashlib.sha256(self.record.model_dump_json().encode()).hexdigest()

    def starts_of(self, number: int) -> tuple[str, ...]:
        """The starts of a shard: one for each of the first shards, more only where fewer shards are planned."""
        among = len(self.starts) if self.planned is None else min(self.planned, len(self.starts))
        return self.starts[number::among] if number < among else ()

    @staticmethod
    def of(theorem: Theorem, target: str, starts: tuple[str, ...] = ()) -> Entry:
        """The entry of a statement that was just read."""
        return Entry(theorem, record_statement(theorem), target, starts=starts)


@dataclass(frozen=True)
class Plan:
    """All shards, as a function of their position and number."""

    entries: tuple[Entry, ...]
    seed: int
    alpha: float
    device: str
    shard_steps: int

    def shard(self, position: int, number: int) -> Shard:
        """One shard.

        Raises:
            ValueError: for a position or number out of range.
        """
        entry = self.entries[position]
        starts = entry.starts_of(number)
        return Shard(
            position=position,
            number=number,
            statement_sha256=entry.sha256,
            seed=shard_seed(self.seed, entry.sha256, number, starts),
            steps=self.steps_of(entry.theorem),
            device=self.device,
            alpha=self.alpha,
            first_look=shard_looks(position, number, len(self.entries)).start,
            starts=starts,
        )

    def steps_of(self, theorem: Theorem) -> int:
        """Steps of one shard of a statement."""
        one_step = theorem.claim.quantity.scope is Scope.ONE_STEP
        return max(1, self.shard_steps // _ONE_STEP) if one_step else self.shard_steps


def share_out(plan: Plan, weights: Sequence[int], budget: Budget) -> Plan:
    """The plan with weights, and with numbers of shards where the budget is in steps.

    Of a budget in steps every statement gets its part by weight, as in ``clipbounds run``, in whole shards (at least
    one); what it leaves is not given to others, so that nothing depends on what the others found.
    """
    total = max(1, sum(weights))
    entries = []
    for entry, weight in zip(plan.entries, weights, strict=True):
        planned = None
        if weight == DECIDED:
            planned = 0
        elif out_of_reach(entry.theorem):
            # One shard says so; more would say it again, at no cost and without end.
            planned = 1
        elif budget.steps is not None:
            planned = max(1, round(budget.steps * weight / total / plan.steps_of(entry.theorem)))
        entries.append(replace(entry, weight=weight, planned=planned))
    return replace(plan, entries=tuple(entries))

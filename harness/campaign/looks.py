"""One error level for a whole campaign, whatever happens to it on its way.

**Claim.** The chance that a campaign ever commits ``refuted`` (or ``achieved``) for a statement at a problem where that
is wrong, by bad luck of its fresh random numbers, is at most alpha: however many workers and machines there are, in
whatever order and how often shards run, wherever it is killed, and however often it is stopped and resumed.

**Looks.** The natural numbers are cut into blocks of :data:`SHARD_LOOKS`. Shard ``number`` of the statement at
``position``, of N statements, owns block ``2 (number N + position)``; the proofs of N statements, which run witnesses,
own the first N odd blocks. So no two own a number in common, and nobody asks anybody for one: a number is a function of
what is being done, and not of when.

**Proof.** Let ``X_k`` be the problem that would be judged at look k if its owner came that far. The owner is a shard,
that is, a deterministic function of its statement, seed and steps (or the proofs, a function of the statements and of
what the solvers answer): ``X_k`` depends on the numbers of its search and of its earlier looks, and the fresh numbers
of look k are independent of those, for the stream is keyed by seed, purpose and look. Given ``X_k``, if its claim is
true there, the e-process of look k reaches ``k (k + 1)/alpha`` with probability at most ``alpha/(k (k + 1))``
(Ville). Let ``B`` be the event that this happens at *any* k, made or not. By the union bound ``P(B) <= sum over k of
alpha/(k (k + 1)) = alpha``. Kills, retries, resumes, scheduling, skipped shards and the budget decide only *which*
looks are made and committed; even if they chose with knowledge of all outcomes, a wrong commit lies in ``B``. A shard
that is run again draws the same numbers for the same problems, so it is the same look and not another one; the driver
refuses a second answer that differs. (Proofs that are cut short are begun again. Should a solver then answer
otherwise, so that another problem is judged at look k, the first one was never committed: that costs nothing so long
as whoever killed the proofs did not know its outcome.)

**Starts.** Problems of earlier nights (:mod:`harness.campaign.starts`) may have been chosen by what fresh numbers
showed then, and ``X_k`` depends on them. That breaks nothing, for they are frozen before the campaign's first number is
drawn and have a part in the seed of their shard: a night that had other starts drew other numbers, even with the same
campaign seed; one that had the same starts made the same look at the same problem, and the event is the same one.

What would break it is a number that two looks share with different problems, or a threshold below ``k (k + 1)/alpha``:
an owner that asks for more than its block is refused here, and the store refuses two shards with the same first look.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.evidence import ErrorLedger, Look

SHARD_LOOKS = 8
"""Look numbers of a shard, and of a statement's proof."""


class LooksError(RuntimeError):
    """More confirmations than were allotted."""


def shard_looks(position: int, number: int, statements: int) -> range:
    """The look numbers of a shard, from 1.

    Args:
        position: of its statement, from 0.
        number: of the shard within the statement, from 0.
        statements: of the campaign.

    Raises:
        ValueError: for a position or number out of range.
    """
    if not 0 <= position < statements or number < 0:
        raise ValueError(f"no shard {number} of statement {position} among {statements}")
    return _block(2 * (number * statements + position))


def proof_looks(statements: int) -> list[int]:
    """The look numbers of all proofs, in order.

    Args:
        statements: of the campaign.
    """
    if statements < 1:
        raise ValueError(f"there are no proofs of {statements} statements")
    return [number for i in range(statements) for number in _block(2 * i + 1)]


class AllottedLedger(ErrorLedger):
    """A ledger that hands out the numbers of its owner, and no others.

    Args:
        alpha: error level of the whole campaign.
        numbers: increasing, from 1.
    """

    def __init__(self, alpha: float, numbers: Sequence[int]) -> None:
        super().__init__(alpha, numbers[0] - 1)
        self._numbers = numbers
        self.taken = 0

    def next_look(self) -> Look:
        """The next of the allotted numbers.

        Raises:
            LooksError: if there are no more.
        """
        if self.taken == len(self._numbers):
            raise LooksError(f"{len(self._numbers)} looks were allotted, and one more is asked for")
        self.looks = self._numbers[self.taken]
        self.taken += 1
        return Look(self.looks, math.log10(self.looks) + math.log10(self.looks + 1) - math.log10(self.alpha))


def _block(index: int) -> range:
    return range(SHARD_LOOKS * index + 1, SHARD_LOOKS * (index + 1) + 1)

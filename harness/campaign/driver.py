"""The driver: hands out shards, and commits what comes back in order. It is the only writer of the store."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from fuzz.budget import Budget
from harness.campaign.plan import Plan
from harness.campaign.pool import Done, Failed, Pool
from harness.campaign.records import CampaignRecords, Ended, Standing
from harness.campaign.shard import Shard
from harness.progress import Progress

TRIES = 3
"""A shard that failed so often is quarantined."""

_LOSSES = 12
"""So often may a shard be lost in one session, for whatever reason."""

_HOPELESS = 5
_TICK = 1.0
_AHEAD = 4


class CampaignError(RuntimeError):
    """A campaign cannot go on: one line that says what to do."""


@dataclass
class _Lane:
    """The shards of one statement on their way: begun up to ``sent``, ended ones waiting for those before them."""

    standing: Standing
    weight: int
    planned: int | None
    sent: int
    waiting: dict[int, Ended] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        return self.weight > 0 and self.standing.decided is None and (self.planned is None or self.sent < self.planned)


class Driver:
    """Runs a campaign to its end, or until somebody asks it to stop.

    Within a statement, shards are committed in the order of their numbers, and none after the one that decided it. So
    what is committed of a statement is at all times a beginning of what an undisturbed campaign commits, whatever the
    number of workers, and whatever happened to them or to the driver.

    Args:
        records: of the campaign, with a session begun.
        plan: with weights.
        budget: of the campaign.
        pool: the workers.
        progress: told what happens.
        clock: monotonic seconds; a wall clock may jump and is never asked.
    """

    def __init__(
        self,
        records: CampaignRecords,
        plan: Plan,
        budget: Budget,
        pool: Pool,
        progress: Progress,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._records, self._plan, self._budget, self._pool = records, plan, budget, pool
        self._progress, self._clock = progress, clock
        self._began = clock()
        self._spent_before = float(records.row()["active_seconds"])
        self._told = self._began
        self._standings = records.standings()
        self._tries = records.tries()
        self._losses: dict[tuple[int, int], int] = {}
        self._lanes = [
            _Lane(standing, entry.weight or 0, entry.planned, standing.next)
            for standing, entry in zip(self._standings, plan.entries, strict=True)
        ]
        self._again: deque[Shard] = deque()
        self._stopping = False
        self._done = self._given_up = 0
        # As many as keep all workers busy while one statement waits for its slowest shard.
        self._ahead = 8

    @property
    def active_seconds(self) -> float:
        """Monotonic seconds of all sessions."""
        return self._spent_before + self._clock() - self._began

    def run(self) -> str:
        """``finished`` or ``stopped``.

        Raises:
            CampaignError: if shard after shard fails.
            StoreError, PoolError: one line; what was committed stays.
        """
        self._begin_progress()
        while True:
            self._hand_out()
            if not self._pool.busy and (self._stopping or not self._left()):
                self._commit(hold=self._stopping)
                return "stopped" if self._left() else "finished"
            for event in self._pool.wait(0.2):
                self._take(event)
            # While nothing has succeeded, shards that were given up wait: perhaps it is not their fault.
            self._commit(hold=not self._done)
            self._look_up()

    # -- handing out -------------------------------------------------------------------------------------------------

    def _hand_out(self) -> None:
        self._ahead = max(self._ahead, _AHEAD * (self._pool.free + self._pool.busy))
        while self._pool.free:
            shard = self._next()
            if shard is None:
                return
            self._pool.submit(shard)

    def _left(self) -> bool:
        """Whether there is work left."""
        return bool(self._again) or (not self._out_of_time and any(lane.open for lane in self._lanes))

    def _next(self) -> Shard | None:
        if self._stopping:
            return None
        while self._again:
            shard = self._again.popleft()
            if self._lanes[shard.position].standing.decided is None:
                return shard
        if self._out_of_time:
            return None
        ready = [
            (lane.sent / lane.weight, position)
            for position, lane in enumerate(self._lanes)
            if lane.open and lane.sent < lane.standing.next + self._ahead
        ]
        if not ready:
            return None
        position = min(ready)[1]
        lane = self._lanes[position]
        lane.sent += 1
        return self._plan.shard(position, lane.sent - 1)

    @property
    def _out_of_time(self) -> bool:
        return self._budget.seconds is not None and self.active_seconds >= self._budget.seconds

    # -- taking back -------------------------------------------------------------------------------------------------

    def _take(self, event: Done | Failed) -> None:
        shard = event.shard
        lane = self._lanes[shard.position]
        if shard.number < lane.standing.next:
            # A cluster may answer twice; what is committed stands.
            return
        if isinstance(event, Failed):
            self._records.add_failure(shard, event.reason, event.counted)
            where = (shard.position, shard.number)
            self._tries[where] = self._tries.get(where, 0) + event.counted
            self._losses[where] = self._losses.get(where, 0) + 1
            if self._tries[where] < TRIES and self._losses[where] < _LOSSES:
                self._again.append(shard)
                return
            self._given_up += 1
            if self._given_up >= _HOPELESS and not self._done:
                self._records.forgive()
                raise CampaignError(
                    f"shard after shard fails ({event.reason}); nothing that was committed is lost: repair, then resume"
                )
            lane.waiting.setdefault(shard.number, Ended(shard, None))
            return
        if event.result.key != shard.key:
            raise CampaignError(f"a worker answered for shard {event.result.key}, not for {shard.key}")
        self._done += 1
        known = lane.waiting.get(shard.number)
        if known is not None and known.result is not None and known.result.digest != event.result.digest:
            raise CampaignError(f"shard {shard.key} gave two different results: something here is not deterministic")
        lane.waiting[shard.number] = Ended(shard, event.result)

    def _commit(self, hold: bool) -> None:
        """Everything that is next in its statement, in one transaction; ``hold`` back what was given up."""
        ready: list[Ended] = []
        for lane in self._lanes:
            if lane.standing.decided is not None:
                lane.waiting.clear()
            number = lane.standing.next
            while number in lane.waiting:
                ended = lane.waiting[number]
                if hold and ended.result is None:
                    break
                ready.append(ended)
                number += 1
                if ended.result is not None and ended.result.finding is not None:
                    break
        if not ready:
            return
        self._records.commit(ready, self._standings, self.active_seconds)
        for lane, standing in zip(self._lanes, self._standings, strict=True):
            lane.standing = standing
            for number in [n for n in lane.waiting if n < standing.next]:
                del lane.waiting[number]
        for ended in ready:
            self._progress.part(self._plan.entries[ended.shard.position].theorem.name)
            self._progress.done()
        self._progress.detail(self._words())

    def _look_up(self) -> None:
        """Now and then: is somebody asking to stop?"""
        if self._clock() - self._told >= _TICK:
            self._told = self._clock()
            self._stopping = self._records.tick(self.active_seconds) or self._stopping

    # -- words -------------------------------------------------------------------------------------------------------

    def _begin_progress(self) -> None:
        open_ = [lane for lane in self._lanes if lane.open]
        known = [lane.planned - lane.sent for lane in open_ if lane.planned is not None]
        self._progress.phase("campaign", sum(known) if len(known) == len(open_) else 0)

    def _words(self) -> str:
        decided = sum(s.decided is not None for s in self._standings)
        gone = sum(s.quarantined for s in self._standings)
        return f"{decided} decided, {gone} quarantined, {self._pool.busy} running"

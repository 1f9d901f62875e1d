"""What runs shards: the seam between the driver and its workers, on this machine or on many."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

from harness.campaign.shard import Shard, ShardResult


class PoolError(RuntimeError):
    """Workers cannot be had at all: one line."""


@dataclass(frozen=True)
class Done:
    """A shard came to its end."""

    shard: Shard
    result: ShardResult


@dataclass(frozen=True)
class Failed:
    """A shard did not come to its end.

    Attributes:
        reason: one line.
        counted: whether this is one of the shard's tries; the loss of a whole machine is not the shard's fault.
    """

    shard: Shard
    reason: str
    counted: bool = True


class Pool(ABC):
    """Workers. ``with pool: ...`` ends them, whatever happens."""

    @property
    @abstractmethod
    def free(self) -> int:
        """Shards that may be submitted now."""

    @property
    @abstractmethod
    def busy(self) -> int:
        """Shards that were submitted and are not yet told of."""

    @abstractmethod
    def submit(self, shard: Shard) -> None:
        """Begin a shard.

        Raises:
            PoolError: if there are no workers and none can be started.
        """

    @abstractmethod
    def wait(self, seconds: float) -> Sequence[Done | Failed]:
        """What ended, waiting for at most so long for the first.

        Raises:
            PoolError: if there are no workers and none can be started.
        """

    @abstractmethod
    def close(self) -> None:
        """End all workers now; what they were doing is lost, and done again another time."""

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()


def one_line(error: BaseException) -> str:
    """An error's type and message."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"

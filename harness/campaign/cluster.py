"""The same shards on a Ray cluster. The driver stays the only writer of the store; nodes compute and know of no store.

Every node needs the same clipbounds; a node with other code refuses to work, since its results would be another
campaign's.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

from harness.campaign.pool import Done, Failed, Pool, PoolError, one_line
from harness.campaign.shard import Shard, ShardResult, Work
from harness.campaign.surroundings import code_digest
from theorems.language import Theorem

_LOOK_AGAIN = 5.0
_AHEAD = 2
"""Shards handed out for each place, so that no node waits for the driver."""

_prepared: list[Work] = []


class RayPool(Pool):
    """Workers of a running Ray cluster.

    A shard is a task that takes one CPU, and one GPU if its device is ``cuda``. Ray is told to retry nothing: the
    driver does, and counts.

    Args:
        theorems: by position; each is put into the cluster's object store once.
        address: ``"auto"`` for the cluster that runs on this machine, or ``HOST:PORT``.
        at_most: shards in the cluster at a time; 0: twice as many as it has places.
        patience: seconds that a shard may take; the time that it waits for a place counts, so it gets three times that.
        device: of the shards.
        work: what the workers do.

    Raises:
        PoolError: one line: Ray is not installed, there is no cluster, or it has no place for a shard.
    """

    def __init__(
        self,
        theorems: Sequence[Theorem],
        address: str,
        *,
        at_most: int = 0,
        patience: float = 3600.0,
        device: str = "cpu",
        work: Work | None = None,
    ) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # Errors are told by the driver, once.
        os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray
        except ImportError:
            raise PoolError("option '--cluster': Ray is not installed; pip install 'clipbounds[cluster]'") from None
        self._ray: Any = ray
        _knock(address)
        # Ray prints what it notices; stdout belongs to results.
        self._stdout = contextlib.redirect_stdout(sys.stderr)
        self._stdout.__enter__()
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:
            # Ray says so in many ways: ConnectionError, ValueError, RuntimeError, its own.
            self._stdout.__exit__(None, None, None)
            raise PoolError(f"option '--cluster': no Ray cluster at {address!r} ({one_line(error)})") from None
        self._resource = "GPU" if device == "cuda" else "CPU"
        self._at_most, self._patience = at_most, 3 * patience
        self._task = ray.remote(
            num_cpus=1, num_gpus=1 if device == "cuda" else 0, max_retries=0, retry_exceptions=False
        )(_run)
        self._work = ray.put(work or Work())
        self._theorems = [ray.put(theorem) for theorem in theorems]
        self._code = code_digest()
        self._held: dict[Any, tuple[Shard, float]] = {}
        self._nodes: set[str] = set()
        self._places, self._looked = 0, -_LOOK_AGAIN
        self._look_around()
        if not self._places:
            self.close()
            raise PoolError(f"option '--cluster': the cluster at {address!r} has no {self._resource} to work on")

    @property
    def free(self) -> int:
        if time.monotonic() - self._looked >= _LOOK_AGAIN:
            self._look_around()
        return max(0, (self._at_most or _AHEAD * self._places) - len(self._held))

    @property
    def busy(self) -> int:
        return len(self._held)

    def submit(self, shard: Shard) -> None:
        reference = self._task.remote(self._work, self._theorems[shard.position], shard, self._code)
        self._held[reference] = (shard, time.monotonic())

    def wait(self, seconds: float) -> Sequence[Done | Failed]:
        if not self._held:
            time.sleep(min(seconds, 0.05))
            return []
        ready, rest = self._ray.wait(list(self._held), num_returns=1, timeout=seconds)
        if ready and rest:
            ready += self._ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        told = [self._told(reference) for reference in ready]
        now = time.monotonic()
        for reference, (shard, began) in list(self._held.items()):
            if now - began > self._patience:
                del self._held[reference]
                self._ray.cancel(reference, force=True)
                told.append(Failed(shard, f"it took longer than {self._patience:g} s and was ended"))
        return told

    def _told(self, reference: Any) -> Done | Failed:
        shard, _ = self._held.pop(reference)
        errors = self._ray.exceptions
        try:
            return Done(shard, self._ray.get(reference))
        except errors.RayTaskError as error:
            return Failed(shard, one_line(error.cause if error.cause is not None else error))
        except (errors.NodeDiedError, errors.LocalRayletDiedError, errors.ObjectLostError) as error:
            return Failed(shard, f"its machine was lost ({_first_line(error)})", counted=False)
        except errors.RayError as error:
            # A worker that crashes is told of before its machine is known to be lost.
            lost = self._look_around()
            why = "its machine was lost" if lost else "its worker died"
            return Failed(shard, f"{why} ({_first_line(error)})", counted=not lost)

    def _look_around(self) -> bool:
        """How many places there are now; whether a machine went away since the last look."""
        alive = {str(node["NodeID"]) for node in self._ray.nodes() if node["Alive"]}
        lost = bool(self._nodes - alive)
        self._nodes = alive
        self._places = int(self._ray.cluster_resources().get(self._resource, 0))
        self._looked = time.monotonic()
        return lost

    def close(self) -> None:
        self._held.clear()
        # Ends this driver's tasks, not the cluster.
        self._ray.shutdown()
        self._stdout.__exit__(None, None, None)


def _first_line(error: Exception) -> str:
    """Ray's messages are long; their first line says it."""
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:300]}"


def _knock(address: str) -> None:
    """Whether anybody listens there: Ray itself would go on trying for many minutes.

    Raises:
        PoolError: if not.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise PoolError(f"option '--cluster': must be auto or HOST:PORT, not {address!r}")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise PoolError(f"option '--cluster': no Ray cluster at {address!r} ({one_line(error)})") from None


def _run(work: Work, theorem: Theorem, shard: Shard, code: str) -> ShardResult:
    """The task: in a worker of some node."""
    if not _prepared:
        if code_digest() != code:
            raise RuntimeError("this machine has another clipbounds than the driver; install the same one everywhere")
        work.prepare(1)
        _prepared.append(work)
    return work.run(shard, theorem)

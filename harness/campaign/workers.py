"""Workers on this machine: processes that load the engine once, take one shard at a time, and may die at any moment."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from harness.campaign.pool import Done, Failed, Pool, PoolError, one_line
from harness.campaign.shard import Shard, Work
from theorems.language import Theorem

_STARTS = 12
"""So many starts may fail in a row; one that raises counts as four, for it will raise again."""
_STOOD_STILL = 10.0
"""A driver that did not look for so many seconds was stopped itself (``kill -STOP``, a debugger, a full machine)."""

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    ready: bool = False
    shard: Shard | None = None
    began: float = field(default_factory=time.monotonic)


class LocalPool(Pool):
    """Processes on this machine, made by ``spawn``.

    A worker that raises is replaced as well as one that dies, for its state is not to be trusted (a GPU that was
    interrupted stays broken for its process).

    Args:
        theorems: by position; sent to each worker once.
        workers: how many.
        patience: seconds that one shard may take; it is then killed, and counts as failed.
        threads: of each worker; by default the cores shared out.
        work: what they do.
    """

    def __init__(
        self,
        theorems: Sequence[Theorem],
        workers: int,
        *,
        patience: float = 3600.0,
        threads: int | None = None,
        work: Work | None = None,
    ) -> None:
        if workers < 1:
            raise ValueError(f"there must be at least one worker, not {workers}")
        self._theorems = tuple(theorems)
        self._patience, self._work = patience, work or Work()
        self._threads = threads or max(1, len(os.sched_getaffinity(0)) // workers)
        self._context = multiprocessing.get_context("spawn")
        self._stillborn = 0
        self._looked = time.monotonic()
        self._workers: list[_Worker] = []
        try:
            for _ in range(workers):
                self._workers.append(self._start())
        except BaseException:
            self.close()
            raise

    @property
    def free(self) -> int:
        return sum(w.ready and w.shard is None for w in self._workers)

    @property
    def busy(self) -> int:
        return sum(w.shard is not None for w in self._workers)

    @property
    def processes(self) -> list[int]:
        """Process numbers of the workers."""
        return [int(w.process.pid) for w in self._workers]

    def submit(self, shard: Shard) -> None:
        worker = next(w for w in self._workers if w.ready and w.shard is None)
        worker.shard, worker.began = shard, time.monotonic()
        # If it died just now, its end is noticed by the next wait, which then tells of the shard.
        with contextlib.suppress(OSError):
            worker.pipe.send(shard)

    def wait(self, seconds: float) -> Sequence[Done | Failed]:
        watched: list[Any] = [w.pipe for w in self._workers] + [w.process.sentinel for w in self._workers]
        wait(watched, seconds)
        now = time.monotonic()
        if now - self._looked > seconds + _STOOD_STILL:
            # Its workers stood still as well, or have their results ready: they are not to be blamed for that time.
            for worker in self._workers:
                worker.began += now - self._looked
        self._looked = now
        told: list[Done | Failed] = []
        for index, worker in enumerate(self._workers):
            told += self._listen(index, worker)
        return told

    def _listen(self, index: int, worker: _Worker) -> Iterator[Done | Failed]:
        reason, raised = None, False
        try:
            while worker.pipe.poll():
                word, content = worker.pipe.recv()
                if word == "ready":
                    worker.ready, self._stillborn = True, 0
                elif word == "done" and worker.shard is not None:
                    shard, worker.shard = worker.shard, None
                    yield Done(shard, content)
                elif word == "failed":
                    reason, raised = str(content), True
        except (EOFError, OSError):
            reason = reason or self._post_mortem(worker)
        if reason is None and not worker.process.is_alive() and not worker.pipe.poll():
            reason = self._post_mortem(worker)
        if reason is None and worker.shard is not None and time.monotonic() - worker.began > self._patience:
            reason = f"it took longer than {self._patience:g} s and was ended"
        if reason is None:
            return
        if not worker.ready:
            self._stillborn += 4 if raised else 1
        replacement = self._start()
        self._workers[index] = replacement
        _end(worker)
        if self._stillborn >= _STARTS:
            raise PoolError(f"workers do not start: {reason}")
        if worker.shard is not None:
            yield Failed(worker.shard, reason)

    def _post_mortem(self, worker: _Worker) -> str:
        worker.process.join(5)
        code = worker.process.exitcode
        if code is not None and code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
            return f"its worker was killed by {name}"
        return f"its worker ended with exit code {code}"

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_live, daemon=True, args=(theirs, self._work, self._theorems, self._threads)
        )
        # Read by the libraries when they are first loaded, so it must be set before the process begins.
        with _environment({name: str(self._threads) for name in _THREADS}):
            try:
                process.start()
            except OSError as error:
                raise PoolError(f"a worker cannot be started: {one_line(error)}") from None
        theirs.close()
        return _Worker(process, ours)

    def close(self) -> None:
        for worker in self._workers:
            _end(worker)
        self._workers.clear()


def _end(worker: _Worker) -> None:
    worker.process.kill()
    worker.process.join()
    worker.process.close()
    worker.pipe.close()


@contextlib.contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _live(pipe: Connection, work: Work, theorems: tuple[Theorem, ...], threads: int) -> None:
    """The life of a worker."""
    # A key pressed on the terminal is for the driver, which ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        work.prepare(threads)
        pipe.send(("ready", None))
        while True:
            shard: Shard = pipe.recv()
            pipe.send(("done", work.run(shard, theorems[shard.position])))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except BaseException as error:
        with contextlib.suppress(OSError):
            pipe.send(("failed", one_line(error)))
        sys.exit(1)


def _die_with_parent() -> None:
    """An orphan has nobody to tell its result: end at once, in the midst of a shard too."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)

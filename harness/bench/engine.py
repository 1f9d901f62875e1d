"""``clipbounds bench engine``: steps per second of the engines and of their peers.

All contenders of a workload take turns in one process; a row shows the median over the rounds, the spread from the
slowest to the fastest, and the median of our engine's speed over the peer's in the same round. Peers run a part of the
workload where the whole would take minutes. How many runs a vectorised peer takes at a time is tried while it warms up,
and the fastest is kept; a second row shows it with all runs of the workload at a time. A peer that cannot run here is
named, with the reason. On one core time is processor time: that is to be trusted where others use the
machine too.
"""

from __future__ import annotations

import importlib.util
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch

from fuzz.engine import run
from harness.bench.peers import workloads
from harness.bench.peers.c_peer import build, c_runs
from harness.bench.peers.numpy_peer import numpy_mix, numpy_runs
from harness.bench.peers.torch_peer import torch_runs, training_loop
from harness.bench.peers.workloads import Workload

OURS = "engine"
WORKLOADS = ("W1", "W2", "W3")
REFERENCE, NUMPY = "NumPy reference, same words", "NumPy, own generator"
TARGETS: Mapping[tuple[str, str], Mapping[str, float]] = {
    ("W1", "float32"): {REFERENCE: 15, NUMPY: 15, "torch eager": 20, "JAX jit(scan)": 15, "C with Philox": 0.9},
    ("W1", "float64"): {REFERENCE: 12, NUMPY: 12},
    ("W2", "float32"): {REFERENCE: 15, NUMPY: 15},
    ("W3", "float32"): {REFERENCE: 8, NUMPY: 8},
    ("W3", "float64"): {REFERENCE: 8, NUMPY: 8},
}


class BenchError(ValueError):
    """An option has an impossible value, or a peer is missing: one line."""


BATCHES: Mapping[str, tuple[int, ...]] = {
    "W1": (4096, 16384, 65536, 131072),
    "W2": (128, 512, 2048),
    "W3": (256, 1024, 4096),
}
"""Runs at a time that vectorised peers are tried with, beside all runs of the workload; in W3, of each instance."""

STEPS = {"W1": 2**22, "W2": 2**15, "W3": 2**12}
"""Steps that they are timed with, all runs together; in W3, of each instance."""


@dataclass(frozen=True)
class Contender:
    """Something that is timed: ``go`` does ``steps`` steps, with ``batch`` runs at a time where that can be chosen."""

    name: str
    go: Callable[[], Any]
    steps: int
    batch: int | None = None

    @property
    def label(self) -> str:
        """The name in a table."""
        return self.name if self.batch is None else f"{self.name}, {self.batch} runs at a time"


@dataclass(frozen=True)
class Row:
    """One line of the table; the ratio is our speed over this one's."""

    workload: str
    dtype: str
    name: str
    speeds: tuple[float, ...]
    ratio: float
    target: float | None
    batch: int | None = None

    @property
    def text(self) -> str:
        """As a line of Markdown."""
        middle, low, high = (f(self.speeds) / 1e6 for f in (statistics.median, min, max))
        ratio = "" if self.name == OURS else f"{self.ratio:.3g}"
        wanted = "" if self.target is None else f"{self.target:g}"
        verdict = "" if self.target is None else ("met" if self.ratio >= self.target else "missed")
        label = Contender(self.name, lambda: None, 0, self.batch).label
        cells = (self.workload, self.dtype, label, f"{middle:.4g}", f"{low:.4g} to {high:.4g}")
        return f"| {' | '.join((*cells, ratio, wanted, verdict))} |"

    def record(self) -> dict[str, Any]:
        """As JSON."""
        middle, low, high = (f(self.speeds) for f in (statistics.median, min, max))
        return {
            "workload": self.workload,
            "precision": self.dtype,
            "contender": self.name,
            "runs_at_a_time": self.batch,
            "steps_per_second": middle,
            "slowest": low,
            "fastest": high,
            "ratio": self.ratio,
            "target": self.target,
            "met": None if self.target is None else self.ratio >= self.target,
        }


HEADER = (
    "| workload | precision | contender | 10^6 steps/s | spread | engine/contender | target | |\n"
    "|---|---|---|---|---|---|---|---|"
)


Clock = Callable[[], float]


def take_turns(
    workload: str, dtype: str, contenders: list[Contender], rounds: int, clock: Clock, targets: Mapping[str, float]
) -> list[Row]:
    """Time every contender once per round, after one warm-up. The target is for the first of a name."""
    for contender in contenders:
        contender.go()
    speeds: dict[str, list[float]] = {c.label: [] for c in contenders}
    for _ in range(rounds):
        for contender in contenders:
            speeds[contender.label].append(speed(contender, clock))
    rows: list[Row] = []
    for contender in contenders:
        values = speeds[contender.label]
        ratio = statistics.median(a / b for a, b in zip(speeds[OURS], values, strict=True))
        first = contender.name not in {row.name for row in rows}
        target = targets.get(contender.name) if first else None
        rows.append(Row(workload, dtype, contender.name, tuple(values), ratio, target, contender.batch))
    return rows


def speed(contender: Contender, clock: Clock) -> float:
    """Steps per second, once."""
    began = clock()
    contender.go()
    return contender.steps / (clock() - began)


def at_its_best(
    name: str,
    make: Callable[[int, int], Callable[[], Any]],
    batches: Sequence[int],
    steps: int,
    clock: Clock,
    instances: int = 1,
) -> list[Contender]:
    """A peer with the fastest of ``batches`` runs at a time, and with the last, which is the workload's own size.

    Args:
        name: of the peer.
        make: from runs at a time and steps of each, what is timed.
        batches: numbers of runs, increasing.
        steps: of all runs together, about.
        clock: each is timed twice after one warm-up, and the better counts.
        instances: that each have so many runs and steps.
    """
    found = []
    for runs in batches:
        each = max(4, steps // runs)
        contender = Contender(name, make(runs, each), runs * each * instances, runs)
        contender.go()
        found.append((max(speed(contender, clock) for _ in range(2)), contender))
    best = max(found, key=lambda pair: pair[0])[1]
    return [best] if best.batch == batches[-1] else [best, found[-1][1]]


def contenders(
    whole: Workload, small: Workload, dtype: str, threads: int, absent: dict[str, str], clock: Clock
) -> list[Contender]:
    """Our engine and whoever can run here."""
    found = [
        Contender(OURS, lambda: whole.run("cpu", dtype), whole.steps),
        Contender(REFERENCE, lambda: small.run("reference", dtype), small.steps),
    ]
    if whole.name == "W3":
        instances = sum(len(batch) for batch in whole.batches)

        def mix(runs: int, steps: int) -> Callable[[], Any]:
            return numpy_mix(whole, dtype, runs, steps)

        return [*found, *at_its_best(NUMPY, mix, BATCHES["W3"], STEPS["W3"], clock, instances)]
    batches = (*BATCHES[whole.name], len(whole.batches[0]) * whole.replicas)

    def add(name: str, make: Callable[[int, int], Callable[[], Any]]) -> None:
        found.extend(at_its_best(name, make, batches, STEPS[whole.name], clock))

    add(NUMPY, lambda runs, steps: numpy_runs(whole, dtype, runs, steps))
    add("torch eager", lambda runs, steps: torch_runs(whole, dtype, runs, steps))
    try:
        add("torch.compile", lambda runs, steps: torch_runs(whole, dtype, runs, steps, compiled=True))
    except Exception as error:
        absent["torch.compile"] = str(error).strip().splitlines()[0]
    try:
        from harness.bench.peers.jax_peer import jax_runs

        add("JAX jit(scan)", lambda runs, steps: jax_runs(whole, dtype, runs, steps))
    except ImportError as error:
        absent["JAX jit(scan)"] = str(error)
    if dtype == "float32":
        found.append(Contender("torch.optim.SGD + clip_grad_norm_", training_loop(whole, 200), 200))
    if whole.name == "W1":
        library = build()
        if library is None:
            absent["C with Philox"] = "no gcc"
        else:
            go = c_runs(library, whole, dtype, threads)
            agree(go(), whole, dtype)
            found.append(Contender("C with Philox", go, whole.steps))
    return found


def agree(measured: Any, whole: Workload, dtype: str) -> None:
    """The C kernel computes what the engine computes, but for rounding: it divides to clip, as the engine did once.

    Raises:
        SystemExit: one line, if a run differs by more than 1e-12 (float64) or 1e-5 (float32); numbers are about 1.
    """
    result = run(whole.batches[0], whole.replicas, dtype=dtype, checkpoints=[0])
    rounding = 1e-5 if dtype == "float32" else 1e-12
    for one, other in zip(measured, (result.average_gradient_norm, result.final_gap), strict=True):
        if not np.allclose(one, other, rtol=rounding, atol=rounding):
            raise SystemExit("the C kernel and the engine disagree")


def _target(wanted: str, met: bool) -> str:
    return f"(target {wanted}: {'met' if met else 'missed'})"


def threads_ratio() -> str:
    """Two threads against one, W1 float32: best of thirty turns each, as others may hold a core meanwhile."""
    whole = workloads.w1()
    wall, processor = {1: float("inf"), 2: float("inf")}, {1: float("inf"), 2: float("inf")}
    for _ in range(30):
        for count in wall:
            vars(numba.config)["NUMBA_NUM_THREADS"] = count
            began, used = time.perf_counter(), time.process_time()
            whole.run("cpu", "float32")
            wall[count] = min(wall[count], time.perf_counter() - began)
            processor[count] = min(processor[count], time.process_time() - used)
    return (
        f"Two threads are {wall[1] / wall[2]:.2f} times as fast as one by wall-clock time "
        f"{_target('1.7', wall[1] / wall[2] >= 1.7)}, for {processor[2] / processor[1]:.2f} times the processor time."
    )


def linearity() -> list[tuple[str, list[float]]]:
    """Seconds of the engine for 1, 2 and 4 times as many instances, replicas or steps, best of three."""
    base = {"instances": 32, "replicas": 1024, "steps": 500}
    rows = []
    for what in base:
        seconds = []
        for factor in (1, 2, 4):
            whole = workloads.w1(**{**base, what: base[what] * factor})
            times = []
            for _ in range(3):
                began = time.perf_counter()
                whole.run("cpu", "float32")
                times.append(time.perf_counter() - began)
            seconds.append(min(times))
        rows.append((what, seconds))
    return rows


def family_costs(clock: Clock) -> list[str]:
    """Cost of each objective and each noise over that of the quadratic with two-point noise, d = 1."""
    batch = workloads.w3(1, 500, (1,)).batches[0]
    notes = []
    for dtype in ("float64", "float32"):
        seconds: dict[tuple[str, str], float] = {}
        # In turns, so that an hour in which the machine is slow is one for all.
        for _ in range(9):
            for row, pair in enumerate(zip(batch.objectives, batch.noises, strict=True)):
                one = batch.take([row])
                began = clock()
                run(one, 16384, checkpoints=[0], dtype=dtype)
                seconds[pair] = min(seconds.get(pair, math.inf), clock() - began)
        base = seconds["quadratic", "two_point"]
        over = {o: seconds[o, "two_point"] / base for o in dict.fromkeys(batch.objectives)}
        objectives = ", ".join(f"{o} {ratio:.2f}" for o, ratio in over.items())
        noises = ", ".join(f"{n} {seconds['quadratic', n] / base:.2f}" for n in dict.fromkeys(batch.noises))
        target = _target("below 3", max(over.values()) < 3)
        notes += [
            f"Cost of an objective over that of the quadratic, {dtype}, two atoms {target}: {objectives}.",
            f"Cost of a noise over that of two atoms, {dtype}, quadratic: {noises}.",
        ]
    return notes


def cold_start() -> str:
    """Seconds to the first result of a new process, with an empty and with a warm cache of kernels."""
    code = (
        "from fuzz.engine import Batch, Instance, run;"
        "run(Batch.of([Instance('quadratic', {'curvature': 1.0}, [1.0], 0.1, 1.0, 9)]), 9)"
    )
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "CLIPBOUNDS_CACHE": folder, "PYTHONPATH": str(Path(__file__).parents[1])}
        for _ in range(2):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, env=environment)
            seconds.append(time.perf_counter() - began)
    empty, warm = seconds
    return (
        f"First result of a new process: {empty:.1f} s with an empty cache {_target('20', empty <= 20)}, "
        f"{warm:.1f} s warm {_target('5', warm <= 5)}."
    )


def hardware(threads: int) -> str:
    """One line on the machine."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0] if names else cpu
    load = ", ".join(f"{v:.1f}" for v in os.getloadavg())
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, Numba {numba.__version__}"
    return f"{cpu}, {threads} threads; load average {load}; {versions}, torch {torch.__version__}"


@dataclass(frozen=True)
class EngineReport:
    """What was measured: ``machine`` before the first row, ``notes`` after the last."""

    machine: str
    how: str
    workloads: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """As JSON: speeds in steps per second, ``ratio`` is ours over the contender's in the same round."""
        return {
            "machine": self.machine,
            "how": self.how,
            "workloads": list(self.workloads),
            "rows": [row.record() for row in self.rows],
            "notes": list(self.notes),
        }

    def append_to(self, file: Path) -> None:
        """Add the table to a Markdown file, which is made if it is not there."""
        says = [f"- {text}" for text in self.workloads]
        title = [] if file.exists() else [f"# The engine on the CPU, {date.today().isoformat()}", "", *says]
        lines = [HEADER, *(row.text for row in self.rows)]
        text = [
            *title,
            "",
            f"## {self.how}",
            "",
            self.machine + ".",
            "",
            *lines,
            "",
            *(f"- {n}" for n in self.notes),
            "",
        ]
        with file.open("a", encoding="utf-8") as stream:
            stream.write("\n".join(text))


def check_options(rounds: int, only: Sequence[str], allow_missing: bool) -> None:
    """Refuse what cannot be measured, before anything is.

    Raises:
        BenchError: one line, for an option with an impossible value, or a peer that is not installed.
    """
    if not 1 <= rounds <= 1000:
        raise BenchError(f"option '--rounds': must lie between 1 and 1000, not {rounds}")
    unknown = [name for name in only if name not in WORKLOADS]
    if unknown:
        raise BenchError(f"option '--only': must be one of {', '.join(WORKLOADS)}, not {unknown[0]!r}")
    if allow_missing or importlib.util.find_spec("jax") is not None or set(only) == {"W3"}:
        return
    raise BenchError(
        "the peer JAX is not installed: pip install 'clipbounds[bench]', or measure without it by --allow-missing"
    )


def measure_engine(
    *,
    rounds: int = 5,
    only: Sequence[str] = (),
    one_core: bool = False,
    allow_missing: bool = False,
    tell: Callable[[str], None] = lambda text: None,
) -> EngineReport:
    """Time the engine and its peers.

    Args:
        rounds: turns of every contender.
        only: names of workloads; all if none.
        one_core: hold everything to one core, and measure processor time.
        allow_missing: measure without peers that are not installed; the notes name them.
        tell: is given each line of the table when it is known.

    Raises:
        BenchError: as :func:`check_options`.
    """
    check_options(rounds, only, allow_missing)
    clock = time.process_time if one_core else time.perf_counter
    before_cores = os.sched_getaffinity(0)
    before_threads = int(vars(numba.config)["NUMBA_NUM_THREADS"]), torch.get_num_threads()
    if one_core:
        os.sched_setaffinity(0, {max(before_cores)})
    threads = len(os.sched_getaffinity(0))
    _set_threads(threads)
    try:
        return _measure(rounds, only, one_core, threads, clock, tell)
    finally:
        os.sched_setaffinity(0, before_cores)
        _set_threads(before_threads[0])
        torch.set_num_threads(before_threads[1])


def _set_threads(count: int) -> None:
    vars(numba.config)["NUMBA_NUM_THREADS"] = count
    torch.set_num_threads(count)


def _measure(
    rounds: int, only: Sequence[str], one_core: bool, threads: int, clock: Clock, tell: Callable[[str], None]
) -> EngineReport:
    before = hardware(threads)
    tell(before)
    tell(HEADER)
    pairs = {
        "W1": (workloads.w1(), workloads.w1(1, 4096, 250)),
        "W2": (workloads.w2(), workloads.w2(1, 512, 20)),
        "W3": (workloads.w3(), workloads.w3(steps=10)),
    }
    absent: dict[str, str] = {}
    rows: list[Row] = []
    for name, (whole, small) in pairs.items():
        if only and name not in only:
            continue
        for dtype in ("float32", "float64"):
            found = contenders(whole, small, dtype, threads, absent, clock)
            for row in take_turns(name, dtype, found, rounds, clock, TARGETS.get((name, dtype), {})):
                rows.append(row)
                tell(row.text)
    notes = [f"{name} did not run: {why}" for name, why in absent.items()]
    if not only and not one_core:
        notes.append(threads_ratio())
        notes += [
            f"Seconds for 1, 2 and 4 times as many {what}: {', '.join(f'{s:.3f}' for s in seconds)}."
            for what, seconds in linearity()
        ]
    if not only:
        notes += [*family_costs(clock), cold_start()]
    notes.append(f"Load average at the end: {', '.join(f'{v:.1f}' for v in os.getloadavg())}.")
    for note in notes:
        tell(note)
    return EngineReport(
        machine=before,
        how="One core, processor time" if one_core else "All cores, wall-clock time",
        workloads=tuple(f"{w.name}: {w.says}; {w.steps:.3g} steps." for w, _ in pairs.values()),
        rows=tuple(rows),
        notes=tuple(notes),
    )

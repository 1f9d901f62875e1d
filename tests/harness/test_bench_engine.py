"""``clipbounds bench engine``: the options are checked before hours are spent, and a tiny form runs."""

from __future__ import annotations

import importlib.util
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest

from fuzz.engine import run
from harness.bench import engine
from harness.bench.engine import Contender, Row, at_its_best, measure_engine, take_turns
from harness.bench.peers import workloads
from harness.bench.peers.c_peer import build, c_runs
from harness.bench.peers.numpy_peer import numpy_mix
from harness.cli import main
from theorems.language.functions import NOISES

TINY = workloads.w3(8, 4, (1, 2))


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.workloads, "w3", lambda *_, **__: TINY)
    monkeypatch.setattr(engine, "BATCHES", {**engine.BATCHES, "W3": (2, 4)})
    monkeypatch.setattr(engine, "STEPS", {**engine.STEPS, "W3": 8})


@pytest.fixture
def without_jax(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "jax" else found(name, *a))


BAD = {
    "no rounds": (["--rounds", "0"], "option '--rounds': must lie between 1 and 1000, not 0"),
    "unknown workload": (["--only", "W9"], "option '--only': must be one of W1, W2, W3, not 'W9'"),
    "no folder": (["--only", "W3", "--out", "/no/such/folder/t.md"], "option '--out': no folder /no/such/folder"),
    "no JAX": ([], "the peer JAX is not installed: pip install 'clipbounds[bench]', or measure without it"),
    "no JAX for W1": (["--only", "W1", "--only", "W3"], "--allow-missing"),
}


@pytest.mark.usefixtures("without_jax")
@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, message = BAD[name]
    assert main(["bench", "engine", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.usefixtures("tiny", "without_jax")
def test_a_tiny_form_as_json_and_as_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "family_costs", lambda clock: ["costs"])
    monkeypatch.setattr(engine, "cold_start", lambda: "cold")
    before = os.sched_getaffinity(0), vars(numba.config)["NUMBA_NUM_THREADS"]
    file = tmp_path / "table.md"
    options = ["--only", "W3", "--rounds", "2", "--one-core", "--out", str(file)]
    assert main(["bench", "engine", *options, "--json"]) == 0
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert set(record) == {"machine", "how", "workloads", "rows", "notes"}
    assert [(r["workload"], r["precision"], r["contender"]) for r in record["rows"]] == [
        ("W3", precision, name)
        for precision in ("float32", "float64")
        for name in (engine.OURS, engine.REFERENCE, engine.NUMPY)
    ]
    for found in record["rows"]:
        assert 0 < found["slowest"] <= found["steps_per_second"] <= found["fastest"]
        assert (found["target"] is None) == (found["met"] is None)
    assert record["rows"][0]["ratio"] == 1
    assert engine.HEADER in err
    assert file.read_text().count("| W3 |") == 6
    # Cores and threads are as they were; a second run adds a table.
    assert before == (os.sched_getaffinity(0), vars(numba.config)["NUMBA_NUM_THREADS"])
    assert main(["bench", "engine", *options]) == 0
    assert "| W3 | float64 | engine |" in capsys.readouterr().out
    assert file.read_text().count("| W3 |") == 12
    assert file.read_text().count("# The engine on the CPU") == 1


@pytest.mark.usefixtures("tiny")
def test_ratios_are_of_the_same_round() -> None:
    report = measure_engine(only=["W3"], rounds=1)
    ours, reference = report.rows[:2]
    assert reference.ratio == pytest.approx(ours.speeds[0] / reference.speeds[0])
    assert report.notes[-1].startswith("Load average")


def test_a_row_says_whether_its_target_is_met() -> None:
    row = Row("W1", "float32", "torch eager", (1e6, 3e6, 2e6), 19.9, 20)
    assert row.text == "| W1 | float32 | torch eager | 2 | 1 to 3 | 19.9 | 20 | missed |"
    assert row.record()["met"] is False
    assert Row("W1", "float32", "torch eager", (1e6,), 20.0, 20).record()["met"] is True


class Pretender:
    """A peer whose speed is known, on a clock that it moves itself."""

    def __init__(self, speeds: dict[int, float]) -> None:
        self.speeds, self.now = speeds, 0.0
        self.calls: list[tuple[int, int]] = []

    def make(self, runs: int, steps: int) -> Callable[[], None]:
        def go() -> None:
            self.calls.append((runs, steps))
            # The first call compiles.
            self.now += (1 if self.calls.count((runs, steps)) > 1 else 100) * runs * steps / self.speeds[runs]

        return go

    def clock(self) -> float:
        return self.now


def test_a_peer_is_shown_at_its_best_and_at_the_workloads_own_size() -> None:
    peer = Pretender({16: 3.0, 64: 7.0, 256: 5.0})
    best, own = at_its_best("torch eager", peer.make, (16, 64, 256), 640, peer.clock)
    assert (best.batch, best.steps, best.label) == (64, 640, "torch eager, 64 runs at a time")
    assert (own.batch, own.steps) == (256, 1024)
    assert set(peer.calls) == {(16, 40), (64, 10), (256, 4)}
    peer = Pretender({16: 3.0, 64: 7.0, 256: 8.0})
    (best,) = at_its_best("torch eager", peer.make, (16, 64, 256), 640, peer.clock)
    assert best.batch == 256


def test_the_target_is_for_a_peer_at_its_best() -> None:
    peer = Pretender({0: 100.0, 16: 10.0, 64: 5.0})
    ours = Contender(engine.OURS, lambda: setattr(peer, "now", peer.now + 1), 100)
    found = [Contender("torch eager", peer.make(runs, 4), 4 * runs, runs) for runs in (16, 64)]
    rows = take_turns("W1", "float32", [ours, *found], 2, peer.clock, {"torch eager": 9.0})
    assert [(r.batch, round(r.ratio, 6), r.target) for r in rows] == [(None, 1, None), (16, 10, 9.0), (64, 20, None)]
    assert rows[1].text == "| W1 | float32 | torch eager, 16 runs at a time | 1e-05 | 1e-05 to 1e-05 | 10 | 9 | met |"
    assert rows[2].record()["runs_at_a_time"] == 64


def test_every_vectorised_peer_is_tried_with_all_runs_of_the_workload(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, tuple[int, ...], int]] = []
    monkeypatch.setattr(
        engine,
        "at_its_best",
        lambda name, make, batches, steps, clock: asked.append((name, tuple(batches), steps)) or [],
    )
    monkeypatch.setattr(engine, "build", lambda: None)
    whole = workloads.w1(2, 8, 4)
    engine.contenders(whole, whole, "float32", 1, {}, time.perf_counter)
    names = ["NumPy, own generator", "torch eager", "torch.compile"]
    if importlib.util.find_spec("jax") is not None:
        names.append("JAX jit(scan)")
    assert [name for name, _, _ in asked] == names
    assert {batches for _, batches, _ in asked} == {(*engine.BATCHES["W1"], 16)}


def test_the_peer_with_its_own_generator_runs_the_same_laws() -> None:
    """Average gradient norms of peer and engine, every law: 800 runs against 4000, none beyond five standard errors.

    Seeded: no false alarms. On the quadratic alone, as in a valley with a constant slope most noise does not show.
    """
    mixed = workloads.w3(1, 20, (1, 3)).batches
    batches = tuple(b.take([k for k, name in enumerate(b.objectives) if name == "quadratic"]) for b in mixed)
    found = numpy_mix(workloads.Workload("W3", "", batches, 1, ""), "float64", 800, 20)()
    assert len(found) == 2 * len(NOISES)
    place = 0
    for batch in batches:
        ours = run(batch, 4000, checkpoints=[0]).average_gradient_norm
        for row, noise in enumerate(batch.noises):
            error = np.std(ours[row]) * np.sqrt(1 / 800 + 1 / 4000)
            assert abs(np.mean(found[place]) - np.mean(ours[row])) <= 5 * error + 1e-12, noise
            place += 1


@pytest.mark.parametrize(("dtype", "off"), [("float64", 1e-11), ("float32", 1e-4)])
def test_the_kernel_in_c_does_the_same_work(dtype: str, off: float) -> None:
    """On the engine's words, in W1's numbers; one run of it that is a little off is noticed."""
    library = build()
    assert library is not None
    small = workloads.w1(2, 256, 50)
    average, gap = c_runs(library, small, dtype, 1)()
    engine.agree((average, gap), small, dtype)
    average[1, 200] += off
    with pytest.raises(SystemExit, match="the C kernel and the engine disagree"):
        engine.agree((average, gap), small, dtype)


@pytest.mark.parametrize(("slow", "word"), [(2.9, "met"), (3.1, "missed")])
def test_costs_of_families_are_held_to_their_target(monkeypatch: pytest.MonkeyPatch, slow: float, word: str) -> None:
    """In both precisions; only float32 is slow here, and only one objective."""
    now = [0.0]

    def run(batch: Any, *_: Any, dtype: str, **__: Any) -> None:
        costly = batch.objectives[0] == "well" and dtype == "float32"
        now[0] += slow if costly else (7.0 if batch.noises[0] == "gaussian" else 1.0)

    monkeypatch.setattr(engine, "run", run)
    notes = engine.family_costs(lambda: now[0])
    assert len(notes) == 4
    assert "float64, two atoms (target below 3: met): quadratic 1.00" in notes[0]
    assert f"float32, two atoms (target below 3: {word}): quadratic 1.00" in notes[2]
    assert f"well {slow:.2f}" in notes[2]
    assert "gaussian 7.00" in notes[1]


def test_notes_say_whether_their_targets_are_met(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 21.0, 30.0, 34.0])
    monkeypatch.setattr(engine, "time", SimpleNamespace(perf_counter=lambda: next(times)))
    monkeypatch.setattr(engine, "subprocess", SimpleNamespace(run=lambda *_, **__: None))
    assert engine.cold_start() == (
        "First result of a new process: 21.0 s with an empty cache (target 20: missed), 4.0 s warm (target 5: met)."
    )

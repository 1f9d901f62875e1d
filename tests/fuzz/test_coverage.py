"""Regimes: what is recorded is what was run, every regime that the hypotheses admit is looked at, and what is empty is
said so. Searches are seeded, budgets are steps, and nothing here depends on chance but the draws of fixed seeds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numba
import numpy as np
import pytest

from fuzz.budget import Budget, Meter
from fuzz.coverage import CLIPPED, NOISE, START, STEP_SIZE, STEPS, Axis, Coverage, axes_of, clipped_part
from fuzz.engine import Batch, Instance, run
from fuzz.reading import Floats, Reading
from fuzz.search import _Search, search
from fuzz.trajectory import RunLandscape
from theorems.catalogue import load_catalogue
from theorems.language import T, eta, sigma

CATALOGUE = load_catalogue()


def test_every_number_has_its_bin() -> None:
    nan = float("nan")
    assert list(NOISE.place(np.array([0.0, 0.1, 2.0, 2.0001, 1e9, nan]))) == [0, 1, 4, 5, 6, -1]
    assert list(START.place(np.array([1e-9, 1.0, 1.0001]))) == [0, 2, 3]
    assert list(STEPS.place(np.array([1.0, 2.0, 63.0, 64.0, 1e6]))) == [0, 1, 2, 3, 5]
    assert list(STEP_SIZE.place(np.array([1e-6, 0.5, 1.0]))) == [0, 3, 4]
    assert list(CLIPPED.place(np.array([0.0, 1e-4, 0.5, 0.95, 1.0]))) == [0, 1, 2, 4, 5]
    # The cuts that matter lie between two bins: c = sigma/2, m = c, few and many steps.
    assert [NOISE.side_words[NOISE.sides[k]] for k in (4, 5)] == ["sigma <= 2c", "sigma > 2c"]
    assert [START.side_words[START.sides[k]] for k in (2, 3)] == ["m <= c", "m > c"]


def test_an_axis_has_as_many_words_as_bins() -> None:
    with pytest.raises(ValueError, match="axis 'odd' has 1 edges for 1 bins"):
        Axis("odd", "odd", (1.0,), ("one",), (0,), ("one",))


def test_clipped_steps_are_counted_as_the_run_has_them() -> None:
    """Gradient descent on x^2/2 from 3.2 with c = 1, eta = 1/2: 3.2, 2.7, 2.2, 1.7, 1.2, 0.7, ...: five are clipped."""
    instances = [
        Instance("quadratic", {"curvature": 1.0}, [3.2], 0.5, 1.0, 10),
        Instance("quadratic", {"curvature": 1.0}, [3.2], 0.5, 10.0, 10),
        Instance("quadratic", {"curvature": 1.0}, [3.2], 0.5, 1.0, 4),
        Instance("quadratic", {"curvature": 1.0}, [1.0], 0.5, np.inf, 10),
    ]
    batch = Batch.of(instances, seed=0, instance_ids=range(4))
    paths = run(batch, 1, record=1).trajectories
    assert paths is not None
    part = clipped_part(paths[:, 0], batch.step_size, batch.clipping_threshold, batch.steps)
    assert list(part) == [0.5, 0.0, 1.0, 0.0]


def test_clipped_steps_in_two_dimensions_and_beyond_rounding() -> None:
    batch = Batch.of([Instance("quadratic", {"curvature": 1.0}, [3.12, 4.16], 0.5, 1.0, 12)], seed=0, instance_ids=[0])
    paths = run(batch, 1, record=1).trajectories
    assert paths is not None
    part = clipped_part(paths[:, 0], batch.step_size, batch.clipping_threshold, batch.steps)
    assert part[0] == pytest.approx(9 / 12)  # 5.2, 4.7, ..., 1.2 are longer than 1
    # Steps of 1e-9 at 1e9 cannot be seen.
    far = np.full((1, 5, 1), 1e9)
    assert np.isnan(clipped_part(far, np.array([1e-9]), np.array([1.0]), np.array([4]))).all()


def test_a_record_counts_what_meets_the_hypotheses() -> None:
    coverage = Coverage((START, CLIPPED))
    at = {"start": np.array([0.5, 0.5, 2.0, 2.0]), "clipped": np.array([0.0, 0.0, np.nan, 1.0])}
    coverage.add(at, np.array([0.3, 0.7, -np.inf, 0.9]), lambda row: row)
    summary = coverage.summary()
    assert [(b.words[0], b.evaluations, b.best) for b in summary.regimes] == [("m <= c", 2, 0.7), ("m > c", 1, 0.9)]
    assert coverage.entries[(2, 0)].champion == 1
    assert summary.says == "2 of 2 regimes were looked at."


def test_an_empty_regime_is_said_to_be_empty() -> None:
    coverage = Coverage((START, STEP_SIZE, CLIPPED))
    at = {"start": np.array([0.5]), "step size": np.array([1.0]), "clipped": np.array([0.0])}
    coverage.add(at, np.array([0.3]), lambda row: row)
    summary = coverage.summary()
    assert len(summary.empty) == 5
    assert "m > c, small step size" in summary.empty
    # Nobody asked for a draft there, so nothing is said of the hypotheses.
    assert summary.says == "1 of 6 regimes were looked at; 5 were not reached within the budget."
    coverage.complete = True
    coverage.drafted = {(0, 2), (1, 0)}
    assert "in 4 no problem that was drawn meets the hypotheses, 1 were not reached" in coverage.summary().says


def test_axes_follow_the_statement() -> None:
    names = {name: [axis.name for axis in axes_of(Reading(CATALOGUE[name]))] for name in ("S3", "D1", "S1", "D0")}
    assert names["S3"] == ["noise", "start", "steps", "step size", "clipped"]
    assert names["D1"] == ["start", "steps", "step size", "clipped"]
    assert names["S1"] == ["noise", "start", "clipped"]
    assert names["D0"] == ["start", "step size", "clipped"]


@pytest.mark.parametrize(
    ("name", "steps", "regimes"),
    [
        pytest.param("D1", 10**6, 12, marks=pytest.mark.slow),
        pytest.param("S3", 3 * 10**7, 36, marks=pytest.mark.slow),
        ("S1", 10**4, 4),
    ],
)
def test_every_regime_is_looked_at(name: str, steps: int, regimes: int) -> None:
    coverage = search(CATALOGUE[name], Budget(steps=steps), 0).coverage
    assert coverage is not None
    assert len(coverage.regimes) == regimes
    assert coverage.empty == ()
    assert all(b.evaluations > 0 and b.best is not None for b in coverage.regimes)
    assert max(b.best or 0 for b in coverage.regimes) <= 1 + 1e-9
    (clipped,) = (p for name, p in zip(coverage.axes, coverage.profiles, strict=True) if name == "clipped")
    assert clipped[0].evaluations > 0
    assert clipped[-1].evaluations > 0


def test_a_search_that_does_not_cover_leaves_regimes_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault of the test above: without the deliberate part, and with few structures, regimes stay empty."""
    monkeypatch.setattr(_Search, "_cover", lambda self: None)
    monkeypatch.setattr("fuzz.search._DRAWN", 2)
    coverage = search(CATALOGUE["S3"], Budget(steps=10**6), 0).coverage
    assert coverage is not None
    assert len(coverage.empty) > 0
    assert "were not reached within the budget" in coverage.says


@pytest.mark.slow
def test_regimes_that_the_hypotheses_exclude_are_told_apart() -> None:
    coverage = search(CATALOGUE["GD_exact"], Budget(steps=2 * 10**6), 0).coverage
    assert coverage is not None
    assert all(words.startswith("m > c") for words in coverage.empty)
    assert coverage.excluded == len(coverage.empty) == 6
    small = search(CATALOGUE["S3_small"], Budget(steps=2 * 10**7), 0).coverage
    assert small is not None
    assert {words.split(",")[0] for words in small.empty} <= {"no noise", "sigma <= 2c"}


def test_noisy_scores_on_the_map_do_not_select_themselves() -> None:
    coverage = search(CATALOGUE["S3"], Budget(steps=10**7), 0).coverage
    assert coverage is not None
    assert coverage.fresh


def test_what_is_held_is_no_axis() -> None:
    result = search(CATALOGUE["S3"], Budget(steps=10**6), 0, at={eta: 0.01, T: 100.0, sigma: 1.0})
    assert result.coverage is not None
    assert "step size" not in result.coverage.axes
    seen = {b.words for b in result.coverage.regimes if b.evaluations}
    assert {words[0] for words in seen} <= {"no noise", "sigma <= 2c"}
    assert {words[2] for words in seen} == {"many steps"}


@pytest.mark.parametrize(
    ("name", "steps"), [pytest.param("S3", 3 * 10**6, marks=pytest.mark.slow), ("D1", 10**5), ("S2", 3000)]
)
def test_the_number_of_threads_does_not_matter(name: str, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Candidates, scores, regimes and history, to the last bit."""
    seen, asked = [], set()

    def pool(threads: int) -> ThreadPoolExecutor:
        asked.add(threads)
        return ThreadPoolExecutor(threads)

    monkeypatch.setattr("fuzz.engine.cpu.ThreadPoolExecutor", pool)
    for threads in (1, 3):
        monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", threads)
        seen.append(repr(replace(search(CATALOGUE[name], Budget(steps=steps), 11), seconds=0.0)))
    assert seen[0] == seen[1]
    assert "Candidate(" in seen[0]
    # A law is judged without the engine; else three threads were really at work.
    assert max(asked, default=0) == (0 if name == "S2" else 3)


def test_the_batch_may_be_split_as_it_likes() -> None:
    """The same problems scored together or one by one: the same scores, so no order of work can change a search."""
    from fuzz.budget import Meter
    from fuzz.strategies import draw_structures, landscape

    reading = Reading(CATALOGUE["S3"])
    structure = next(s for s in draw_structures(reading, 40, 0) if s.noise == "two_point" and s.steps[1] <= 1000)
    inside = landscape(reading, replace(structure, dimension=1))
    points = np.random.default_rng(0).random((6, len(inside.genes)))
    together = inside.evaluate(points, 8, Meter(Budget(steps=10**9)), 5, 100)
    for k in range(6):
        alone = inside.evaluate(points[k : k + 1], 8, Meter(Budget(steps=10**9)), 5, 100 + k)
        assert alone.score[0] == together.score[k]
        assert alone.error[0] == together.error[k]


def test_drafts_for_regimes_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn to look for a regime, and not run, is told; a race between searchers counts it."""
    drafted: list[int] = []
    look = RunLandscape.places

    def watched(self: RunLandscape, raw: Floats) -> Any:
        drafted.append(len(raw))
        return look(self, raw)

    monkeypatch.setattr(RunLandscape, "places", watched)
    scored: list[tuple[int, int]] = []
    score = RunLandscape.evaluate

    def counted(self: RunLandscape, raw: Floats, replicas: int, meter: Meter, *rest: int) -> Any:
        before = meter.evaluations
        result = score(self, raw, replicas, meter, *rest)
        scored.append((len(raw), meter.evaluations - before))
        return result

    monkeypatch.setattr(RunLandscape, "evaluate", counted)
    covered: list[int] = []
    cover = _Search._cover

    def covers(self: _Search) -> None:
        first = len(scored)
        cover(self)
        covered.append(sum(count for count, _ in scored[first:]))

    monkeypatch.setattr(_Search, "_cover", covers)
    result = search(CATALOGUE["D1"], Budget(steps=3 * 10**4), 0)
    assert sum(drafted) > 0
    broken = sum(count - good for count, good in scored)
    assert result.vain == broken + sum(drafted) - sum(covered)

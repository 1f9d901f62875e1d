"""Measured search power: the planted set is false for known reasons, kills are confirmed, and the sums are right."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fuzz.budget import Budget
from fuzz.onestep import rational
from fuzz.problem import FiniteLaw
from fuzz.reference_sampler import VERSION, regime_size
from fuzz.rivals import SEARCHERS, Hunt, hunt
from harness.cli import main
from harness.power import bench
from harness.power.bench import Plan, PowerError, Row, judge, read_rows, run_bench, run_one
from harness.power.planted import load_planted, short_form
from harness.power.report import markdown, picture, summarise
from theorems.catalogue import load_catalogue
from theorems.power import STATEMENTS
from theorems.power.hard import STATEMENTS as HARD

PLANTED = {p.theorem.name: p for p in load_planted()}
TINY = Plan(seeds=1, steps=10**5, limit=0.5)


# Confirmations of some thousand noisy steps take seconds each.
LONG = {name for name, p in PLANTED.items() if p.problem.steps > 4000}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in LONG else n for n in PLANTED])
def test_every_statement_is_false(name: str) -> None:
    # Exact, or by an e-value at level 1e-6 on seeds that never change.
    planted = PLANTED[name]
    assert not planted.problem.oracle
    assert judge(planted.theorem, planted.problem, planted.choices)


def test_the_set_is_graded_and_split_by_rule() -> None:
    assert len(STATEMENTS) >= 30
    assert len({t.name for t in STATEMENTS}) == len(STATEMENTS)
    assert not {t.name for t in STATEMENTS} & set(load_catalogue())
    assert sum(p.tuning for p in PLANTED.values()) * 3 == len(STATEMENTS)
    shares = sorted(p.size.share for p in PLANTED.values())
    assert shares[0] < 1e-4 < 1.5e-4 < shares[len(shares) // 2] < 1e-2 < 0.1 < shares[-1]
    assert {p.size.version for p in PLANTED.values()} == {VERSION}
    short = short_form()
    assert len(short) == 10
    assert 3 <= sum(p.tuning for p in short) <= 4
    hard = [p for p in PLANTED.values() if p.theorem in HARD]
    assert len(hard) >= 6
    # None of 4 million draws, or a few: the interval ends below 1e-5.
    assert all(p.size.draws == 2**22 and p.size.high < 1e-5 for p in hard)
    assert [p in hard for p in short] == [False] * 6 + [True] * 4
    assert [p.size.share >= 1e-2 for p in short] == [True] * 2 + [False] * 8
    assert all(1e-4 <= p.size.share <= 0.1 for p in short[:6])
    quantities = {p.theorem.claim.quantity.name for p in short}
    assert len(quantities) >= 4


@pytest.mark.parametrize("name", ["power_bias_10", "power_drift_50", "power_d2_50", "power_s3_no_bias"])
def test_sizes_are_what_the_sampler_measures(name: str) -> None:
    # Another seed; the two intervals at 95 % overlap with a chance above 0.99 if nothing changed.
    planted, again = PLANTED[name], regime_size(PLANTED[name].theorem, 2048 * 4, seed=1)
    assert again.low <= planted.size.high
    assert again.high >= planted.size.low
    assert again.high < 1.5 * planted.size.share + 0.01


def test_a_searcher_that_cheats_has_no_kill() -> None:
    # The instance is moved to where the claim holds; the cheat reports it all the same, as often as it may.
    planted = PLANTED["power_bias_10"]
    honest = (planted.problem, planted.choices)
    within = replace(planted.problem, start=(planted.problem.start[0] / 2,))

    def cheats(state) -> None:
        while True:
            state.meter.add(1)
            state.propose(within, planted.choices)

    def honestly(state) -> None:
        state.meter.add(7)
        state.propose(*honest)

    found = hunt(cheats, planted.theorem, Budget(steps=1000), 0, judge)
    assert not found.killed
    assert found.proposals == 100
    assert hunt(honestly, planted.theorem, Budget(steps=1000), 0, judge) == replace(
        found, killed=True, steps=7, proposals=1, stopped="killed", seconds=pytest.approx(0, abs=1)
    )


def test_an_uncertified_instance_is_no_kill() -> None:
    # Twice the noise that sigma allows, and a stuck point beyond the bound: no violation, for no hypothesis holds.
    planted = PLANTED["power_bias_50"]
    law = planted.problem.noise
    assert isinstance(law, FiniteLaw)
    doubled = FiniteLaw(tuple((p, tuple(2 * e for e in v)) for p, v in law.atoms))
    problem = replace(planted.problem, noise=doubled, start=(planted.problem.start[0] * rational(2),))
    assert not judge(planted.theorem, problem, planted.choices)


def row(searcher: str, statement: str, seed: int, killed: bool, steps: int, stopped: str = "") -> Row:
    ended = stopped or ("killed" if killed else "budget")
    return Row(searcher, statement, seed, TINY.steps, TINY.limit, Hunt(killed, steps, int(killed), 0.1, ended))


def rows_of(steps_of) -> list[Row]:
    """Rows of a short plan with three seeds; ``steps_of(searcher, number, seed)`` is None for no kill."""
    found = []
    for number, planted in enumerate(short_form()):
        for searcher in SEARCHERS:
            for seed in range(3):
                steps = steps_of(searcher, number, seed)
                found.append(row(searcher, planted.theorem.name, seed, steps is not None, steps or 900))
    return found


def test_sums_by_hand() -> None:
    # Ours always at 10, 20, 30; random at 200 (2000 on the hard tier), never on the second and the last statement.
    def steps_of(searcher: str, number: int, seed: int) -> int | None:
        if searcher == "ours":
            return 10 * (seed + 1)
        if searcher != "random" or number in (1, 9):
            return None
        return 2000 if number >= 6 else 200

    record = summarise(replace(TINY, seeds=3), rows_of(steps_of))
    first, last = record["statements"][0], record["statements"][-1]
    ours, random = first["searchers"]["ours"], first["searchers"]["random"]
    assert (ours["kills"], ours["rate"], ours["lower"], ours["median"], ours["upper"]) == (3, 1.0, 10, 20, 30)
    assert (random["median"], random["lower"], random["upper"]) == (200, 200, 200)
    assert first["fewer_steps_than_random"] == {"ratio": 10.0, "at_least": False}
    assert last["searchers"]["random"]["median"] is None
    assert last["fewer_steps_than_random"] == {"ratio": 45.0, "at_least": True}
    assert record["sets"]["all"]["searchers"]["random"]["rate"] == 0.8
    # Each row has a budget of 1e5: 2000 steps are within a tenth of it, 200 within a hundredth.
    assert record["sets"]["all"]["searchers"]["random"]["rate_within"] == {"0.1": 0.8, "0.01": 0.5, "0.001": 0.0}
    # Ratios: 10 five times, 45 twice, 100 three times; the last four statements are outside the range.
    assert record["sets"]["all"]["fewer_steps_than_random"] == 27.5
    assert record["sets"]["all"]["fewer_steps_in_range"] == 10.0
    assert record["sets"]["all"]["searchers"]["hypothesis"]["kills"] == 0
    assert all(target["met"] for target in record["targets"])
    text = markdown(record, "picture.svg")
    assert "| all | every statement killed in 9 of 10 seeds | met | 10 of 10 |" in text
    assert "3/3: 20 (10 to 30) | 3/3: 2e+02 (2e+02 to 2e+02) | 0/3 | 0/3 | 10 |" in text
    json.dumps(record, allow_nan=False)


def test_targets_that_are_missed_say_by_how_much() -> None:
    # Ours misses one seed of the first statement, and takes a third of random's steps.
    def steps_of(searcher: str, number: int, seed: int) -> int | None:
        if searcher == "ours":
            return None if (number, seed) == (0, 0) else 100
        return 300 if searcher == "random" else None

    record = summarise(replace(TINY, seeds=3), rows_of(steps_of))
    name = short_form()[0].theorem.name
    found = {(t["set"], t["target"].split()[0]): t for t in record["targets"]}
    assert not any(t["met"] for t in record["targets"] if t["set"] == "all")
    says = f"9 of 10; missed: {name} (2 of 3); 5 of 6 whose share is 0.01 % to 10 %"
    assert found["all", "every"]["says"] == says
    assert "0.97 against 1.00 of random" in found["all", "kill"]["says"]
    assert "; at least 5 times on 0 of 10" in found["all", "median"]["says"]
    missed = "tuning" if short_form()[0].tuning else "held out"
    assert not found[missed, "every"]["met"]
    assert found["held out" if missed == "tuning" else "tuning", "every"]["met"]
    assert (
        "3 times, in the median over statements (3 over those whose share is 0.01 % to 10 %)"
        in (found["all", "median"]["says"])
    )


def test_the_picture_has_a_line_for_every_searcher() -> None:
    rows = rows_of(lambda searcher, number, seed: 5 if searcher != "random" else None)
    image = picture(replace(TINY, seeds=3), rows)
    assert image.lstrip().startswith("<?xml")
    assert all(f">{name}<" in image for name in SEARCHERS)
    assert "held out: 6 statements, 18 hunts each" in image


def test_rows_are_kept_and_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []

    def pretend(key) -> Row:
        ran.append(key)
        return Row(*key, Hunt(True, 1, 1, 0.0, "killed"))

    monkeypatch.setattr(bench, "run_one", pretend)
    file = tmp_path / "rows.jsonl"
    first = run_bench(TINY, file=file)
    assert len(ran) == len(first) == 10 * len(SEARCHERS)
    told = []
    second = run_bench(replace(TINY, seeds=2), file=file, tell=lambda *a: told.append(a))
    assert len(ran) == 2 * len(first)
    assert second[: len(first)] == first
    assert [done for done, _, _ in told][-1] == len(second) == len(read_rows(file))
    # Another budget or limit is another experiment.
    run_bench(replace(TINY, steps=2 * 10**5), file=file)
    assert len(ran) == 3 * len(first)
    file.write_text(file.read_text() + "{}\n")
    with pytest.raises(PowerError, match=rf"rows\.jsonl:{3 * len(first) + 1}: not a row"):
        run_bench(TINY, file=file)


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_one_hunt_of_each_searcher(searcher: str) -> None:
    found = run_one((searcher, "power_bias_50", 0, 10**4, 20.0))
    assert found.hunt.killed
    assert found.hunt.steps < 10**4


@pytest.mark.slow
def test_processes_give_the_rows_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    every = Plan.hunts
    monkeypatch.setattr(Plan, "hunts", lambda plan: every(plan)[:16])
    plan = Plan(seeds=1, steps=10**5, limit=10.0)
    alone, together = run_bench(plan), run_bench(replace(plan, workers=2))
    assert [r.key for r in alone] == [r.key for r in together]
    compared = 0
    for one, other in zip(alone, together, strict=True):
        # What the clock has ended depends on the clock.
        if "clock" not in (one.hunt.stopped, other.hunt.stopped):
            assert replace(one.hunt, seconds=0) == replace(other.hunt, seconds=0), one.key
            compared += 1
    assert compared > len(alone) / 2


BAD = {
    "no seeds": (["--seeds", "0"], "option '--seeds': must lie between 1 and 1000, not 0"),
    "seconds": (["--budget", "30s"], "option '--budget': searchers are compared by steps, say 1e9steps, not '30s'"),
    "no budget": (["--budget", "much"], "option '--budget'"),
    "few steps": (["--budget", "10steps"], "option '--budget': must be at least 1000 steps, not 10"),
    "no time": (["--limit", "0"], "option '--limit': must be a positive number of seconds, not 0"),
    "no workers": (["--workers", "0"], "option '--workers': must be at least 1, not 0"),
    "both forms": (["--short", "--full"], "options '--short' and '--full': only one of them"),
    "no folder": (["--out", "/no/such/folder/file"], "option '--out': no folder /no/such/folder"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, message = BAD[name]
    assert main(["bench", "search", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("clipbounds: ")
    assert message in err
    assert err.count("\n") == 1


def test_the_command_with_a_tiny_budget(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Three of the ten statements, to save seconds.
    monkeypatch.setattr(bench, "short_form", lambda: short_form()[:3])
    options = ["--seeds", "1", "--budget", "1e4steps", "--limit", "0.2", "--workers", "1", "--out", str(tmp_path / "p")]
    assert main(["bench", "search", "--short", *options, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert {"form", "seeds", "budget", "limit", "hardware", "versions", "statements", "sets", "targets"} <= set(record)
    assert len(record["statements"]) == 3
    entry = record["statements"][0]
    assert set(entry["searchers"]) == set(SEARCHERS)
    assert {"runs", "kills", "rate", "median", "lower", "upper", "clock"} <= set(entry["searchers"]["ours"])
    assert entry["budget"] == 10
    assert all(e["runs"] == 3 for e in record["sets"]["all"]["searchers"].values())
    # A few steps are enough for somebody on half of the exact bias, and for nobody on all statements.
    assert 0 < sum(e["kills"] for e in record["sets"]["all"]["searchers"].values()) < 12
    assert sorted(f.name for f in tmp_path.iterdir()) == ["p.jsonl", "p.md", "p.svg"]
    assert "![Share of hunts" in (tmp_path / "p.md").read_text()
    # The rows are there: the same command again runs nothing.
    assert main(["bench", "search", "--short", *options]) == 0
    assert capsys.readouterr().out.startswith("# Search power, short form\n")

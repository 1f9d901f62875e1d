"""Campaigns that begin from earlier nights: what is gathered, that it is frozen, and that it is found again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sympy as sp
from campaigns import FakePool, begin, contents, drive
from conftest import false_bias, stuck_problem

from fuzz.budget import Budget
from fuzz.outcome import Candidate
from harness.campaign import campaign
from harness.campaign.plan import OPEN, Entry, Plan, share_out
from harness.campaign.pool import Done, Failed, Pool
from harness.campaign.shard import Shard, run_shard
from harness.campaign.starts import MOST, STORE, Starts, StartsError, read
from harness.cli import main
from harness.corpus import Corpus
from harness.finding import Finding
from harness.progress import Progress
from harness.prove import CheckResult
from harness.settings import Settings
from harness.store import Store
from theorems.catalogue import select
from theorems.language import Theorem, sigma

STARVED = 200
"""Steps of a search that finds nothing by itself."""

CLAIM = """
from theorems.language import BoundedVariance, Rational, Source, StuckGradientNorm, Theorem, Upper, c, sigma

near_miss = Theorem(
    name="near_miss",
    title="A constant that is too good by one in 10^9",
    source=Source("A draft", "Lemma 1"),
    given=[BoundedVariance(sigma)],
    when=[sigma <= 2 * c],
    claim=Upper(StuckGradientNorm, Rational(10**9 - 1, 10**9) * sigma**2 / (4 * c)),
)
"""


@pytest.fixture
def claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Theorem:
    """A near miss that a starved search does not refute. Algebra would, so it is not asked here."""
    (tmp_path / "near.py").write_text(CLAIM)
    (theorem,) = select([str(tmp_path / "near.py")])
    unproved = CheckResult("near_miss", "true", "no_proof", (), (), (), 0.0)
    monkeypatch.setattr("harness.run.check_all", lambda *_, **__: [unproved])
    # Three shards of a one-step claim.
    monkeypatch.setattr("harness.campaign.plan._ONE_STEP", 1)
    return theorem


def good(gradient: str = "1/4", score: float = 1.25) -> Candidate:
    return Candidate(replace(stuck_problem(), start=(sp.Rational(gradient),)), {}, score, 0.0, "by hand")


def corpus_of(folder: Path, theorem: Theorem, *candidates: Candidate) -> Path:
    corpus = Corpus(folder)
    corpus.note(theorem, candidates, "1")
    assert corpus.merge() == []
    return folder


def gathered(theorem: Theorem, *places: Path | str, store: Store | None = None) -> tuple[str, ...]:
    return Starts([str(p) for p in places], store).of(theorem)  # type: ignore[arg-type]


class Here(FakePool):
    """Shards done in this process, in earnest; after so many the driver is interrupted."""

    theorems: Sequence[Theorem]
    patience = 10**6

    def wait(self, seconds: float) -> list[Done | Failed]:
        if not self.patience:
            raise KeyboardInterrupt
        if not self.held:
            return []
        self.patience -= 1
        shard = self.held.pop(0)
        return [Done(shard, run_shard(shard, self.theorems[shard.position]))]


@dataclass(frozen=True)
class InHouse(campaign.Workers):
    """Workers of this process."""

    patience: float = 10**6

    def pool(self, theorems: Sequence[Theorem], device: str) -> Pool:
        made = Here(workers=1)
        made.theorems, made.patience = theorems, int(self.patience)
        return made


def begun(theorem: Theorem, store: Path, workers: InHouse, starts: Path | None) -> campaign.Result:
    settings = Settings.of(f"{3 * STARVED}steps", "cpu", 0)
    places = () if starts is None else (str(starts),)
    options: dict[str, Any] = {"name": None, "alpha": 1e-6, "shard_steps": STARVED, "report": None}
    return campaign.start([theorem], settings, store, workers, progress=Progress(), starts=places, **options)


# -- gathering ---------------------------------------------------------------------------------------------------------


def test_findings_come_first_and_nothing_twice(tmp_path: Path, bias_finding: Finding) -> None:
    theorem = false_bias()
    corpus = corpus_of(tmp_path / "corpus", theorem, good("1/5", 1.0), good("9/40", 1.1), good())
    found = gathered(theorem, corpus)
    assert [json.loads(line)["score"] for line in found] == [1.25, 1.1, 1.0]
    kept = tmp_path / "kept"
    kept.mkdir()
    named = bias_finding.statement.name
    (kept / "one.json").write_text(bias_finding.text())
    with_finding = gathered(false_bias(name=named), kept, corpus_of(tmp_path / "more", false_bias(name=named), good()))
    assert len(with_finding) == 1, "the finding's instance is that of the corpus"
    assert json.loads(with_finding[0])["problem"] == bias_finding.to_problem().to_json()
    many = corpus_of(tmp_path / "many", theorem, *(good(f"1/{k}", 1 / k) for k in range(4, 30)))
    assert len(gathered(theorem, many, corpus)) == MOST


def test_what_no_longer_fits_is_left_out_now_and_later(tmp_path: Path) -> None:
    theorem = false_bias()
    corpus = corpus_of(tmp_path / "corpus", theorem, good())
    (line,) = gathered(theorem, corpus)
    assert len(read(theorem, [line])) == 1
    changed = false_bias(when=[sigma >= 3])
    assert gathered(changed, corpus) == ()
    assert read(changed, [line]) == []
    assert gathered(false_bias(name="another"), corpus) == ()


def test_a_place_that_is_none_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StartsError, match=r"--starts.*nowhere"), Store(tmp_path / "s") as store:
        gathered(false_bias(), "nowhere", store=store)
    command = ["campaign", "start", "D1", "--store", str(tmp_path / "t"), "--starts", str(tmp_path / "no")]
    assert main(command) == 2
    assert capsys.readouterr().err.count("\n") == 1
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.json").write_text("{}")
    assert main([*command[:-1], str(tmp_path / "bad")]) == 2
    assert "x.json" in capsys.readouterr().err


# -- the plan ----------------------------------------------------------------------------------------------------------


def plan_with(starts: tuple[str, ...], planned: int | None) -> Plan:
    entry = Entry.of(false_bias(), "here", starts)
    return Plan((replace(entry, planned=planned),), 0, 1e-6, "cpu", 1000)


@pytest.mark.parametrize("planned", [None, 1, 2, 3, 10])
def test_every_start_falls_to_one_of_the_first_shards(planned: int | None) -> None:
    plan = plan_with(("a", "b", "c"), planned)
    shards = [plan.shard(0, number) for number in range(planned or 10)]
    assert sorted(start for shard in shards for start in shard.starts) == ["a", "b", "c"]
    assert all(shard.starts for shard in shards[:3])
    assert not any(shard.starts for shard in shards[3:])


def test_starts_are_part_of_the_key_and_of_the_seed() -> None:
    """A night with other starts draws other numbers, even with the same seed: what chose a start must not judge it."""
    with_a, with_b, without = (plan_with(starts, None) for starts in (("a",), ("b",), ()))
    first = [plan.shard(0, 0) for plan in (with_a, with_b, without)]
    assert len({shard.key for shard in first}) == len({shard.seed for shard in first}) == 3
    # Seed and starts each by themselves.
    assert replace(first[0], seed=first[1].seed).key != first[1].key
    # The others are those of any night.
    assert with_a.shard(0, 1) == without.shard(0, 1)


# -- campaigns ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["better", "gone"])
def test_a_corpus_that_changes_after_the_start_changes_nothing(change: str, tmp_path: Path, claim: Theorem) -> None:
    """A campaign is interrupted after a shard, and resumed with another corpus or none: it ends as undisturbed."""
    corpus = corpus_of(tmp_path / "corpus", claim, good("6/25", 0.96), good("23/100", 0.92))
    assert begun(claim, tmp_path / "calm", InHouse(1), corpus).state == "finished"
    with Store(tmp_path / "calm", read_only=True) as store:
        expected = contents(store)
    assert [len(json.loads(row["starts"])) for row in expected["theorems"]] == [2]
    with pytest.raises(KeyboardInterrupt):
        begun(claim, tmp_path / "cut", InHouse(1, patience=1), corpus)
    if change == "better":
        corpus_of(corpus, claim, good())
        assert gathered(claim, corpus) != tuple(json.loads(expected["theorems"][0]["starts"])), "no change to notice"
    else:
        shutil.rmtree(corpus)
    assert campaign.resume(tmp_path / "cut", None, InHouse(1), progress=Progress()).state == "finished"
    with Store(tmp_path / "cut", read_only=True) as store:
        assert contents(store) == expected


def test_a_campaign_finds_again_what_an_earlier_night_found(tmp_path: Path, claim: Theorem) -> None:
    """By the corpus; then, without one, by what that campaign left in the store."""
    place = tmp_path / "store"
    alone = begun(claim, place, InHouse(1), None)
    assert alone.outcome is not None
    assert not alone.outcome.findings(), "the search finds it by itself: this test shows nothing"
    helped = begun(claim, place, InHouse(1), corpus_of(tmp_path / "corpus", claim, good()))
    assert helped.outcome is not None
    assert [f.verdict for f in helped.outcome.findings()] == ["refuted"]
    assert "1 problem of earlier nights" in helped.outcome.outcomes[0].fuzz.says  # type: ignore[union-attr]
    with Store(place) as store:
        first, *_ = gathered(claim, STORE, store=store)
        assert read(claim, [first])
        finding = helped.outcome.findings()[0]
        assert json.loads(first)["problem"] == finding.to_problem().to_json()
        # Without the finding its candidates would do, whose letters were kept beside them.
        store.connection.execute("DELETE FROM findings")
        assert gathered(claim, STORE, store=store)
        assert gathered(claim, store=store) == ()


def test_candidates_are_stored_with_their_letters(tmp_path: Path) -> None:
    theorem = false_bias()
    shard = Shard(0, 0, "", 0, 5000, "cpu", 1e-6, 1)
    result = run_shard(shard, theorem)
    assert result.candidates
    assert all(isinstance(candidate["choices"], dict) for candidate in result.candidates)
    plan = share_out(Plan((Entry.of(theorem, "here"),), 0, 1e-6, "cpu", 100_000), [OPEN], Budget(steps=5000))
    with Store(tmp_path / "s") as store:
        drive(begin(store, plan, Budget(steps=5000)), plan, Budget(steps=5000), FakePool())
        assert store.value("SELECT choices FROM candidates") == "{}"

"""Campaigns over true claims: none is refuted; and a fault that would refute one is seen.

Campaigns are seeded. By the stated bound each of the twenty slow ones fails by bad luck with a chance of at most 1e-6.
"""

from __future__ import annotations

import runpy
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sympy as sp

import fuzz.finite
import harness.confirm
from fuzz.laws import LawLandscape
from fuzz.reading import Reading
from harness.evidence import ALPHA
from harness.false_alarms import (
    Campaign,
    FalseAlarmError,
    load,
    run_campaign,
    run_campaigns,
    save,
    shares,
    sound,
    summary,
    true_claims,
)
from theorems.catalogue import load_catalogue
from theorems.language import BoundedVariance

CATALOGUE = load_catalogue()
SCRIPT = Path(__file__).parents[2] / "ci" / "false_alarms.py"
WIDER = sp.Rational(51, 50)


def untimed(campaign: Campaign) -> Campaign:
    return replace(campaign, seconds=0.0)


@pytest.mark.slow
@pytest.mark.parametrize("part", [0, *(pytest.param(k, marks=pytest.mark.night) for k in (1, 2, 3))])
def test_no_true_claim_is_refuted(part: int) -> None:
    """Twenty campaigns of 1e9 steps, in four parts, so that they run side by side; all but the first by night."""
    campaigns = list(run_campaigns(range(5 * part, 5 * part + 5)))
    assert sound(campaigns), summary(campaigns)
    assert all(c.claims == len(true_claims()) for c in campaigns)
    assert all(c.steps > 0.7e9 for c in campaigns)
    assert all(c.alpha == ALPHA for c in campaigns)


@pytest.mark.slow
def test_a_short_campaign_is_sound_and_repeats() -> None:
    chosen = [CATALOGUE[name] for name in ("S2", "D1", "S3", "GD_exact")]
    first = run_campaign(3, 4 * 10**6, chosen)
    assert sound([first])
    assert first.claims == 4
    assert 0.9 < first.score <= 1 + 1e-12
    assert untimed(run_campaign(3, 4 * 10**6, chosen)) == untimed(first)


@pytest.mark.slow
def test_the_number_of_workers_does_not_matter() -> None:
    alone = list(run_campaigns([0, 1, 2], 2 * 10**6))
    together = list(run_campaigns([0, 1, 2], 2 * 10**6, workers=2))
    assert [untimed(c) for c in together] == [untimed(c) for c in alone]


def test_budgets_add_up_and_leave_most_to_noise() -> None:
    claims = true_claims()
    budgets = [b.steps or 0 for b in shares(claims, 10**9)]
    assert sum(budgets) <= 10**9
    noisy = [b for t, b in zip(claims, budgets, strict=True) if t.has(BoundedVariance) and t.name.startswith("S3")]
    assert min(noisy) > 10**8
    assert {"S1", "S2", "S3", "D1", "D2", "D3", "K23_3_3"} <= {t.name for t in claims}
    assert all(t.expect == "true" for t in claims)


# -- planted faults -------------------------------------------------------------------------------------------------


@pytest.fixture
def wide_laws(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search whose laws are two per cent wider than the sigma that it states."""
    monkeypatch.setattr(fuzz.finite, "SHRINK", float(WIDER))
    problem = LawLandscape.problem

    def understated(self: LawLandscape, raw: Any) -> Any:
        found = problem(self, raw)
        letter = self.reading.sigma_letter
        if found is None or letter is None:
            return found
        return found[0], {**found[1], letter: found[1][letter] / WIDER}

    monkeypatch.setattr(LawLandscape, "problem", understated)


@pytest.mark.usefixtures("wide_laws")
def test_certificates_stop_a_search_that_understates_sigma() -> None:
    assert sound([run_campaign(0, 10**6, [CATALOGUE["S2"]])])


@pytest.mark.usefixtures("wide_laws")
def test_a_broken_certificate_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    certify = harness.confirm.certify

    def generous(assumption: Any, problem: Any) -> Any:
        if isinstance(assumption, BoundedVariance):
            return replace(certify(BoundedVariance(assumption.sigma * WIDER * WIDER), problem), assumption=assumption)
        return certify(assumption, problem)

    monkeypatch.setattr(harness.confirm, "certify", generous)
    campaign = run_campaign(0, 10**6, [CATALOGUE["S2"]])
    assert campaign.refuted == ("S2",)
    assert not sound([campaign])
    assert "FALSE ALARM in campaign 0: S2" in summary([campaign])


@pytest.mark.slow
def test_a_bound_that_is_evaluated_two_per_cent_low_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 comes within one per cent of its bound, so one that search, evidence and exact checks all evaluate two per
    cent too low falls."""
    part = sp.Rational(49, 50)
    bound, enclose, decide = Reading.bound, harness.confirm.enclose_rational, harness.confirm.decide

    def lower(enclosure: Any) -> Any:
        return replace(enclosure, low=enclosure.low * part, high=enclosure.high * part, value=None)

    def judged(*arguments: Any) -> Any:
        found = decide(*arguments)
        low = lower(found.bound)
        return replace(found, bound=low, violated=bool(found.measured.low > low.high))

    monkeypatch.setattr(Reading, "bound", lambda self, letters: bound(self, letters) * float(part))
    monkeypatch.setattr(harness.confirm, "enclose_rational", lambda *arguments: lower(enclose(*arguments)))
    monkeypatch.setattr(harness.confirm, "decide", judged)
    campaign = run_campaign(0, 10**8, [CATALOGUE["S3"]])
    assert campaign.refuted == ("S3",)
    assert campaign.closest == "S3"
    assert campaign.score > 1


# -- the record -----------------------------------------------------------------------------------------------------


def campaign(seed: int = 0, **change: Any) -> Campaign:
    made = Campaign(seed, 10, 9, 1, 0, 1e-6, (), (), "S1", 1.0, 0.5)
    return replace(made, **change)


def test_the_record_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "alarms.json"
    assert load(file) == []
    campaigns = [campaign(0), campaign(1, refuted=("S1",), warnings=("S2: odd",))]
    save(file, campaigns)
    assert load(file) == campaigns
    assert list(tmp_path.iterdir()) == [file]
    assert "at most 2e-06 for all of these together" in summary(campaigns)
    assert not sound(campaigns)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "not a record of campaigns"),
        ('{"schema": 9}', "not a record of campaigns"),
        ('{"schema": 1, "campaigns": [{"seed": 0}]}', "a campaign has the fields"),
    ],
)
def test_a_bad_record_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "alarms.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(FalseAlarmError, match=message) as caught:
        load(file)
    assert "\n" not in str(caught.value)


def script(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    return int(left.value.code or 0)


def test_the_script_goes_on_where_it_stopped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "alarms.json"
    seen: list[list[int]] = []

    def few(seeds: Any, steps: int, workers: int) -> Any:
        seen.append(list(seeds))
        return (campaign(seed, refuted=("S1",) if seed == 3 else ()) for seed in seeds)

    monkeypatch.setattr("harness.false_alarms.run_campaigns", few)
    assert script(monkeypatch, "--campaigns", "2", "--file", str(file)) == 0
    assert script(monkeypatch, "--campaigns", "5", "--total", "3", "--file", str(file)) == 0
    assert script(monkeypatch, "--campaigns", "1", "--file", str(file)) == 1  # seed 3 was refuted
    assert script(monkeypatch, "--campaigns", "0", "--file", str(file)) == 1  # and it is not forgotten
    assert seen == [[0, 1], [2], [3], []]
    assert "Stated bound" in capsys.readouterr().out
    file.write_text("?", encoding="utf-8")
    assert script(monkeypatch, "--file", str(file)) == 2

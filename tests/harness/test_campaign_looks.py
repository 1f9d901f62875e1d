"""The error level of a campaign: who owns which look, and how often a campaign of true statements errs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest

from harness import attack
from harness.campaign.looks import SHARD_LOOKS, AllottedLedger, LooksError, proof_looks, shard_looks
from harness.evidence import ErrorLedger


def test_no_two_owners_share_a_look() -> None:
    for statements in (1, 2, 7, 106):
        owners = [shard_looks(p, n, statements) for p in range(statements) for n in range(20)]
        owners.append(proof_looks(statements))
        numbers = list(itertools.chain.from_iterable(owners))
        assert len(set(numbers)) == len(numbers)
        assert min(numbers) == 1
        assert all(len(owner) % SHARD_LOOKS == 0 for owner in owners)


def test_the_levels_of_all_looks_sum_to_less_than_alpha() -> None:
    owners = [*(shard_looks(p, n, 3) for p in range(3) for n in range(300)), proof_looks(3)]
    spent = 0.0
    for owner in owners:
        ledger = AllottedLedger(1e-6, owner)
        spent += sum(10 ** -ledger.next_look().log10_threshold for _ in owner)
    # Odd blocks beyond the third are nobody's.
    assert 0.95e-6 < spent < 1e-6


def test_thresholds_are_those_of_the_ledger() -> None:
    ledger, allotted = ErrorLedger(1e-6, looks=16), AllottedLedger(1e-6, shard_looks(0, 1, 1))
    for _ in range(SHARD_LOOKS):
        one, other = ledger.next_look(), allotted.next_look()
        assert one.number == other.number
        assert math.isclose(one.log10_threshold, other.log10_threshold, rel_tol=1e-15)
    assert ledger.looks == allotted.looks
    assert allotted.taken == SHARD_LOOKS


def test_nobody_gets_more_than_was_allotted() -> None:
    ledger = AllottedLedger(1e-6, shard_looks(2, 3, 5))
    assert ledger.looks + 1 == shard_looks(2, 3, 5).start
    for _ in range(SHARD_LOOKS):
        ledger.next_look()
    with pytest.raises(LooksError, match="8 looks were allotted"):
        ledger.next_look()


def test_an_attack_asks_for_no_more_looks_than_a_shard_has() -> None:
    # Two forms of each candidate that is tried, and the one that may be tight.
    assert 2 * attack._TRIED + 1 <= SHARD_LOOKS


@pytest.mark.parametrize("arguments", [(3, 0, 3), (-1, 0, 3), (0, -1, 3)])
def test_shards_that_do_not_exist_own_nothing(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="no shard"):
        shard_looks(*arguments)
    with pytest.raises(ValueError, match="no proofs"):
        proof_looks(0)


def erring(thresholds: Iterator[float], looks: int, rng: np.random.Generator) -> bool:
    """Whether any of so many looks at true statements errs, with the worst e-values there are: ``P(e >= t) = 1/t``."""
    e_values = 1 / rng.random(looks)
    return bool((e_values >= np.fromiter(itertools.islice(thresholds, looks), float)).any())


def by_shard(alpha: float) -> Iterator[float]:
    """The looks of a campaign of one statement, in the order of its shards."""
    for number in itertools.count():
        ledger = AllottedLedger(alpha, shard_looks(0, number, 1))
        yield from (10 ** ledger.next_look().log10_threshold for _ in range(SHARD_LOOKS))


def forgetful(alpha: float) -> Iterator[float]:
    """Planted fault: every shard counts its looks from 1, as if the campaign began anew."""
    while True:
        ledger = ErrorLedger(alpha)
        yield from (10 ** ledger.next_look().log10_threshold for _ in range(SHARD_LOOKS))


def test_a_campaign_of_true_statements_errs_less_often_than_alpha() -> None:
    """5000 campaigns of 50 shards, alpha 0.2: at most 0.2 (1000) are wrong; beyond 1100 by chance: 3e-4.

    The ledger that forgets errs nearly always.
    """
    alpha, campaigns, looks = 0.2, 5000, 50 * SHARD_LOOKS
    rng = np.random.default_rng(11)
    good = list(itertools.islice(by_shard(alpha), looks))
    bad = list(itertools.islice(forgetful(alpha), looks))
    wrong = sum(erring(iter(good), looks, rng) for _ in range(campaigns))
    faulty = sum(erring(iter(bad), looks, rng) for _ in range(campaigns))
    # The even blocks hold the looks 1 to 8, 17 to 24, ...: nearly all of the level.
    assert 600 < wrong < 1100
    assert faulty > 4900


def test_choosing_with_hindsight_which_looks_are_made_does_not_help() -> None:
    """The worst adversary kills, resumes and reorders until the one look that errs is made: that is "any look errs"."""
    alpha, campaigns = 0.2, 5000
    rng = np.random.default_rng(12)
    owners = [*(shard_looks(p, n, 2) for p in range(2) for n in range(10)), proof_looks(2)]
    thresholds = np.array([k * (k + 1) / alpha for owner in owners for k in owner])
    wrong = sum(bool((1 / rng.random(len(thresholds)) >= thresholds).any()) for _ in range(campaigns))
    assert wrong < 1100

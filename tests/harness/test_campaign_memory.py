"""Workers hand back what a shard leaves: rubbish in circles is collected, and free pages go back to the system."""

import gc
import sys
import weakref
from pathlib import Path

import pytest

from harness.campaign import memory, shard
from harness.campaign.shard import Work


class _Knot:
    """Points at itself, so that only the collector frees it."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture
def _by_hand():
    """No collection but those that are asked for; what was frozen thaws again."""
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


@pytest.mark.usefixtures("_by_hand")
def test_rubbish_of_a_shard_is_collected(monkeypatch):
    knots = []

    def shard_with_rubbish(given, theorem):
        knots.append(weakref.ref(_Knot()))
        return given, theorem

    monkeypatch.setattr(shard, "run_shard", shard_with_rubbish)
    assert Work().run("shard", "theorem") == ("shard", "theorem")
    assert knots[0]() is None


@pytest.mark.usefixtures("_by_hand")
def test_what_was_loaded_is_left_out_of_collections():
    memory.settle()
    assert gc.get_freeze_count() > 0
    knot = weakref.ref(_Knot())
    memory.give_back()
    assert knot() is None


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_free_pages_below_the_top_of_the_heap_go_back():
    """64 MiB in blocks too small for maps of their own, with one kept at the end, as a shard's result is."""
    blocks = [bytes(16384) for _ in range(4096)]
    kept = bytes(16384)
    full = _resident()
    blocks.clear()
    left = _resident()
    memory.give_back()
    after = _resident()
    assert full - after > 48, (full, left, after)
    assert len(kept) == 16384

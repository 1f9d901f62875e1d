"""What many shards covered together: evaluations add up, best scores are the largest."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from fuzz.coverage import Bin, CoverageSummary


def plain(summary: CoverageSummary | None) -> dict[str, Any] | None:
    """A summary as JSON gives it back."""
    return None if summary is None else json.loads(json.dumps(asdict(summary), allow_nan=False))


def joined(one: dict[str, Any] | None, other: dict[str, Any] | None) -> dict[str, Any] | None:
    """The coverage of two parts of one search. A regime is empty if it is in both; why it is, is then not known.

    Raises:
        ValueError: if they are of different searches.
    """
    if one is None or other is None:
        return other if one is None else one
    for name in ("axes", "bins", "map_axes"):
        if one[name] != other[name]:
            raise ValueError(f"coverages of different searches: {name} {one[name]} and {other[name]}")
    regimes = _bins(one["regimes"], other["regimes"])
    return {
        **one,
        "profiles": [_bins(a, b) for a, b in zip(one["profiles"], other["profiles"], strict=True)],
        "map": _bins(one["map"], other["map"]),
        "regimes": regimes,
        "empty": [", ".join(regime["words"]) for regime in regimes if not regime["evaluations"]],
        "excluded": 0,
        "fresh": one["fresh"] and other["fresh"],
    }


def summary_of(content: dict[str, Any] | None) -> CoverageSummary | None:
    """The summary that :func:`plain` wrote or :func:`joined` made."""
    if content is None:
        return None
    lists = {name: tuple(content[name]) for name in ("axes", "labels", "map_axes", "empty")}
    return CoverageSummary(
        **lists,
        bins=tuple(tuple(words) for words in content["bins"]),
        profiles=tuple(_tuple(profile) for profile in content["profiles"]),
        map=_tuple(content["map"]),
        regimes=_tuple(content["regimes"]),
        excluded=content["excluded"],
        fresh=content["fresh"],
    )


def _bins(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> list[dict[str, Any]]:
    joined_bins = []
    for a, b in zip(one, other, strict=True):
        known = [bin_["best"] for bin_ in (a, b) if bin_["best"] is not None]
        total = a["evaluations"] + b["evaluations"]
        joined_bins.append({"words": a["words"], "evaluations": total, "best": max(known, default=None)})
    return joined_bins


def _tuple(bins: list[dict[str, Any]]) -> tuple[Bin, ...]:
    return tuple(Bin(tuple(b["words"]), b["evaluations"], b["best"]) for b in bins)

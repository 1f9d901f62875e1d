"""What a store says of a campaign: a page for a look from elsewhere, and an audit that counts everything again."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any

from harness.campaign.shard import timeless
from harness.store import Store

# What clocks and sessions say differs from run to run; all else must not.
_ESSENCE = {
    "theorems": (
        "position, name, weight, planned, next, decided, quarantined, steps, evaluations, best, warning, coverage, "
        "starts"
    ),
    "shards": (
        "theorem, number, key, state, seed, first_look, looks, verdict, score, score_lower, log10_e, steps, digest"
    ),
    "candidates": "theorem, number, rank, score, error, regime, problem, choices",
    "regimes": "theorem, regime, shards, score",
}


def status_of(store: Store, campaign: int) -> dict[str, Any]:
    """Numbers of one campaign, from its totals alone: quick for any number of shards."""
    with store.told():
        # One snapshot, though the driver goes on writing.
        store.connection.execute("BEGIN")
        try:
            row = store.rows("SELECT * FROM campaigns WHERE id = ?", campaign)[0]
            theorems = store.rows(
                "SELECT name, proof_verdict, planned, next, decided, quarantined, steps, seconds, warning, "
                "json_array_length(starts) AS starts, best ->> '$.score' AS score, best ->> '$.verdict' AS search "
                "FROM theorems WHERE campaign = ? ORDER BY position",
                campaign,
            )
            findings = store.rows(
                "SELECT t.name, f.verdict, f.id, f.number FROM findings f JOIN theorems t "
                "ON t.campaign = f.campaign AND t.position = f.theorem WHERE f.campaign = ? ORDER BY f.rowid",
                campaign,
            )
            sessions = store.rows(
                "SELECT started, ended, host, process, workers, cluster FROM sessions WHERE campaign = ? ORDER BY id",
                campaign,
            )
            failures = store.rows(
                "SELECT t.name, f.number, f.reason, f.at FROM failures f JOIN theorems t "
                "ON t.campaign = f.campaign AND t.position = f.theorem WHERE f.campaign = ? ORDER BY f.id DESC LIMIT 5",
                campaign,
            )
            failed = store.value("SELECT count(*) FROM failures WHERE campaign = ?", campaign)
        finally:
            store.connection.execute("ROLLBACK")
    planned = [t["planned"] for t in theorems]
    return {
        "name": row["name"],
        "state": row["state"],
        "driven": driven(row["state"], sessions),
        "stop_requested": bool(row["stop_requested"]),
        "budget": row["budget"],
        "seed": row["seed"],
        "alpha": row["alpha"],
        "active_seconds": round(row["active_seconds"], 3),
        "shards": sum(t["next"] for t in theorems),
        "planned": None if None in planned else sum(planned),
        "decided": sum(t["decided"] is not None for t in theorems),
        "quarantined": sum(t["quarantined"] for t in theorems),
        "steps": sum(t["steps"] for t in theorems),
        "failures": failed,
        "last_failures": failures,
        "findings": findings,
        "sessions": sessions,
        "theorems": theorems,
    }


def driven(state: str, sessions: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether somebody works on a campaign: a driver that was killed leaves it ``running``. None if its last session
    was on another machine, of which nothing is known here."""
    if state != "running" or not sessions:
        return False
    last = sessions[-1]
    if last["host"] != platform.node():
        return None
    try:
        os.kill(last["process"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def audit(store: Store, campaign: int) -> list[str]:
    """Count all shards of a campaign again, and compare with its totals; what is wrong, in words."""
    wrong: list[str] = []
    rows = store.rows(
        "SELECT t.position, t.name, t.next, t.quarantined AS gone, t.steps, t.planned, t.decided, "
        "count(s.number) AS seen, ifnull(sum(s.state = 'quarantined'), 0) AS seen_gone, "
        "ifnull(sum(s.steps), 0) AS seen_steps, ifnull(max(s.number), -1) AS last "
        "FROM theorems t LEFT JOIN shards s ON s.campaign = t.campaign AND s.theorem = t.position "
        "WHERE t.campaign = ? GROUP BY t.position",
        campaign,
    )
    for row in rows:
        for what, told, seen in (
            ("shards", row["next"], row["seen"]),
            ("last shard", row["next"] - 1, row["last"]),
            ("quarantined shards", row["gone"], row["seen_gone"]),
            ("steps", row["steps"], row["seen_steps"]),
        ):
            if told != seen:
                wrong.append(f"{row['name']}: {what}: the total says {told}, the rows say {seen}")
        if row["decided"] is not None and row["decided"] != row["last"]:
            wrong.append(f"{row['name']}: shard {row['decided']} decided it, but shard {row['last']} was committed")
        if row["planned"] is not None and row["next"] > row["planned"]:
            wrong.append(f"{row['name']}: {row['next']} shards of {row['planned']} planned")
    finished = store.value("SELECT state FROM campaigns WHERE id = ?", campaign) == "finished"
    for row in rows:
        short = row["planned"] is not None and row["decided"] is None and row["next"] < row["planned"]
        if finished and short:
            wrong.append(f"{row['name']}: finished with {row['next']} shards of {row['planned']}")
    overlaps = store.value(
        "SELECT count(*) FROM (SELECT first_look - lag(first_look) OVER (ORDER BY first_look) AS gap "
        "FROM shards WHERE campaign = ?) WHERE gap < 8",
        campaign,
    )
    if overlaps:
        wrong.append(f"{overlaps} shards share look numbers")
    return wrong


def essence(store: Store, campaign: int) -> dict[str, list[dict[str, Any]]]:
    """All that a campaign with a budget in steps must hold in the end, whatever happened to it on its way."""
    found = {
        table: store.rows(f"SELECT {columns} FROM {table} WHERE campaign = ? ORDER BY {columns}", campaign)
        for table, columns in _ESSENCE.items()
    }
    found["findings"] = [
        {**row, "finding": timeless(row["finding"])}
        for row in store.rows(
            "SELECT theorem, number, id, verdict, finding FROM findings WHERE campaign = ? ORDER BY theorem, number",
            campaign,
        )
    ]
    return found

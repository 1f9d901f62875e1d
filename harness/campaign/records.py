"""What a campaign writes to the store and reads from it. All writing is done here, by the driver alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from harness.campaign.coverage import joined
from harness.campaign.plan import Plan
from harness.campaign.shard import Shard, ShardResult
from harness.store import Store, StoreError

NEVER = float("-inf")


@dataclass
class Standing:
    """Where a statement stands: what is committed of it.

    Attributes:
        next: number of the next shard to commit.
        decided: number of the shard that decided it.
        best: the largest ``score_lower`` of its shards.
        coverage: of all its shards together, as JSON.
    """

    next: int = 0
    decided: int | None = None
    quarantined: int = 0
    best: float = NEVER
    coverage: dict[str, Any] | None = None


@dataclass(frozen=True)
class Ended:
    """A shard that is ready to be committed: with its result, or given up after its tries."""

    shard: Shard
    result: ShardResult | None


@dataclass(frozen=True)
class Proof:
    """What proofs said of a statement: its word, everything as JSON, and a finding if algebra refuted the claim."""

    verdict: str
    content: str
    finding: str | None


class CampaignRecords:
    """The rows of one campaign in an open store.

    Args:
        store: open for writing.
        campaign: its number there.
    """

    def __init__(self, store: Store, campaign: int) -> None:
        self.store, self.campaign = store, campaign
        self.session = 0

    @staticmethod
    def create(store: Store, plan: Plan, *, name: str, budget: str, report: str | None) -> CampaignRecords:
        """A new campaign with its statements, in one transaction.

        Raises:
            StoreError: if the name is taken, or the store cannot be written.
        """
        if store.value("SELECT count(*) FROM campaigns WHERE name = ?", name):
            raise StoreError(f"{store.path}: a campaign {name!r} exists; resume it, or choose another --name")
        with store.transaction() as db:
            row = db.execute(
                "INSERT INTO campaigns (name, created, seed, alpha, budget, shard_steps, device, report, state) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'stopped')",
                (name, now(), plan.seed, plan.alpha, budget, plan.shard_steps, plan.device, report),
            )
            campaign = int(row.lastrowid or 0)
            db.executemany(
                "INSERT INTO theorems (campaign, position, name, target, statement, statement_sha256, starts) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        campaign,
                        position,
                        e.theorem.name,
                        e.target,
                        e.record.model_dump_json(),
                        e.sha256,
                        _json(e.starts),
                    )
                    for position, e in enumerate(plan.entries)
                ],
            )
        return CampaignRecords(store, campaign)

    def row(self) -> dict[str, Any]:
        """The campaign's own row."""
        return self.store.rows("SELECT * FROM campaigns WHERE id = ?", self.campaign)[0]

    def theorems(self) -> list[dict[str, Any]]:
        """The rows of its statements, in order, without their long texts of proofs."""
        return self.store.rows(
            "SELECT position, name, target, statement, statement_sha256, proof_verdict, weight, planned, next, "
            "decided, quarantined, steps, evaluations, seconds, best, warning, coverage, starts "
            "FROM theorems WHERE campaign = ? ORDER BY position",
            self.campaign,
        )

    def standings(self) -> list[Standing]:
        """What is committed, by position."""
        return [
            Standing(
                next=row["next"],
                decided=row["decided"],
                quarantined=row["quarantined"],
                best=NEVER if row["best"] is None else _rank(json.loads(row["best"])["score_lower"]),
                coverage=None if row["coverage"] is None else json.loads(row["coverage"]),
            )
            for row in self.theorems()
        ]

    # -- sessions ----------------------------------------------------------------------------------------------------

    def begin_session(
        self, *, host: str, process: int, workers: int, cluster: str | None, about: dict[str, Any]
    ) -> None:
        """Note who works from now on; takes back a request to stop."""
        with self.store.transaction() as db:
            row = db.execute(
                "INSERT INTO sessions (campaign, started, host, process, workers, cluster, revision, versions, "
                "hardware) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    self.campaign,
                    now(),
                    host,
                    process,
                    workers,
                    cluster,
                    about["revision"],
                    json.dumps(about["versions"]),
                    json.dumps(about["hardware"]),
                ),
            )
            self.session = int(row.lastrowid or 0)
            db.execute("UPDATE campaigns SET state = 'running', stop_requested = 0 WHERE id = ?", (self.campaign,))

    def end_session(self, state: str, active_seconds: float) -> None:
        """The session is over, and the campaign ``stopped`` or ``finished``."""
        with self.store.transaction() as db:
            db.execute("UPDATE sessions SET ended = ? WHERE id = ?", (now(), self.session))
            db.execute(
                "UPDATE campaigns SET state = ?, active_seconds = ? WHERE id = ?",
                (state, active_seconds, self.campaign),
            )

    def tick(self, active_seconds: float) -> bool:
        """Note how much time was spent; whether somebody asked to stop."""
        with self.store.transaction() as db:
            db.execute("UPDATE campaigns SET active_seconds = ? WHERE id = ?", (active_seconds, self.campaign))
            stop = db.execute("SELECT stop_requested FROM campaigns WHERE id = ?", (self.campaign,)).fetchone()[0]
        return bool(stop)

    # -- proofs ------------------------------------------------------------------------------------------------------

    def save_proofs(self, proofs: Sequence[Proof], plan: Plan) -> None:
        """What proofs said, and the shares that follow, in one transaction."""
        with self.store.transaction() as db:
            for position, (proof, entry) in enumerate(zip(proofs, plan.entries, strict=True)):
                db.execute(
                    "UPDATE theorems SET proof_verdict = ?, proof = ?, weight = ?, planned = ? "
                    "WHERE campaign = ? AND position = ?",
                    (proof.verdict, proof.content, entry.weight, entry.planned, self.campaign, position),
                )
                if proof.finding is not None:
                    self._add_finding(position, None, proof.finding)

    def proofs(self) -> list[str]:
        """The JSON texts of all proofs, by position."""
        found = self.store.rows("SELECT proof FROM theorems WHERE campaign = ? ORDER BY position", self.campaign)
        return [row["proof"] for row in found]

    # -- shards ------------------------------------------------------------------------------------------------------

    def commit(self, ended: Sequence[Ended], standings: list[Standing], active_seconds: float) -> None:
        """Commit shards in one transaction, and bring the standings up to date after it.

        Args:
            ended: within each statement in the order of their numbers, beginning with the next one.
            standings: by position; changed only if the transaction succeeds.
            active_seconds: spent so far.

        Raises:
            StoreError: if a shard is not the next one (so none is counted twice), or the store fails; nothing is then
                committed.
        """
        fresh = [Standing(**vars(s)) for s in standings]
        with self.store.transaction() as db:
            for item in ended:
                standing = fresh[item.shard.position]
                if item.shard.number != standing.next or standing.decided is not None:
                    raise StoreError(
                        f"{self.store.path}: shard {item.shard.number} of statement {item.shard.position} is not the "
                        f"next one ({standing.next}): it would be counted twice or out of order"
                    )
                if item.result is None:
                    self._add_quarantined(item.shard)
                else:
                    self._add_done(item.shard, item.result, standing)
                standing.next += 1
                standing.quarantined += item.result is None
                updated = db.execute(
                    "UPDATE theorems SET next = ?, decided = ?, quarantined = ? "
                    "WHERE campaign = ? AND position = ? AND next = ?",
                    (
                        standing.next,
                        standing.decided,
                        standing.quarantined,
                        self.campaign,
                        item.shard.position,
                        item.shard.number,
                    ),
                )
                if updated.rowcount != 1:
                    raise StoreError(f"{self.store.path}: another driver has written to this campaign")
            db.execute("UPDATE campaigns SET active_seconds = ? WHERE id = ?", (active_seconds, self.campaign))
        standings[:] = fresh

    def _add_quarantined(self, shard: Shard) -> None:
        self._add_shard(shard, "quarantined", (0, None, None, None, None, 0, 0.0, ""))

    def _add_done(self, shard: Shard, result: ShardResult, standing: Standing) -> None:
        db = self.store.connection
        verdict = (result.looks, result.verdict, result.score, result.score_lower, result.log10_e)
        self._add_shard(shard, "done", (*verdict, result.steps, result.seconds, result.digest))
        rank = _rank(result.score_lower)
        place = (self.campaign, shard.position)
        if result.finding is not None:
            standing.decided = shard.number
            self._add_finding(shard.position, shard.number, result.finding)
        if rank > standing.best or result.finding is not None:
            standing.best = max(rank, standing.best)
            about = {name: getattr(result, name) for name in ("score", "score_lower", "log10_e", "problem", "words")}
            best = {"number": shard.number, "verdict": result.verdict, "says": result.says, **about}
            db.execute("UPDATE theorems SET best = ? WHERE campaign = ? AND position = ?", (_json(best), *place))
            db.executemany(
                "INSERT INTO candidates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        *place,
                        shard.number,
                        number,
                        *(c[name] for name in ("score", "error", "regime")),
                        *(None if c[name] is None else _json(c[name]) for name in ("problem", "choices")),
                    )
                    for number, c in enumerate(result.candidates)
                ],
            )
        standing.coverage = joined(standing.coverage, result.coverage)
        db.execute(
            "UPDATE theorems SET steps = steps + ?, evaluations = evaluations + ?, seconds = seconds + ?, "
            "warning = CASE warning WHEN '' THEN ? ELSE warning END, coverage = ? WHERE campaign = ? AND position = ?",
            (
                result.steps,
                result.evaluations,
                result.seconds,
                result.warning,
                None if standing.coverage is None else _json(standing.coverage),
                *place,
            ),
        )
        db.executemany(
            "INSERT INTO regimes VALUES (?, ?, ?, 1, ?) ON CONFLICT DO UPDATE SET shards = shards + 1, "
            "score = CASE WHEN score IS NULL OR excluded.score > score THEN excluded.score ELSE score END",
            [(*place, regime, score) for regime, score in result.regimes.items()],
        )

    def _add_shard(self, shard: Shard, state: str, rest: tuple[Any, ...]) -> None:
        self.store.connection.execute(
            "INSERT INTO shards (campaign, theorem, number, key, state, seed, first_look, looks, verdict, score, "
            f"score_lower, log10_e, steps, seconds, digest, session) VALUES ({', '.join('?' * 16)})",
            (
                self.campaign,
                shard.position,
                shard.number,
                shard.key,
                state,
                shard.seed,
                shard.first_look,
                *rest,
                self.session,
            ),
        )

    def _add_finding(self, position: int, number: int | None, text: str) -> None:
        content = json.loads(text)
        self.store.connection.execute(
            "INSERT INTO findings VALUES (?, ?, ?, ?, ?, ?)",
            (self.campaign, position, number, content["id"], content["verdict"], text),
        )

    # -- failures ----------------------------------------------------------------------------------------------------

    def add_failure(self, shard: Shard, reason: str, counted: bool) -> None:
        """Note that a shard did not end."""
        with self.store.transaction() as db:
            db.execute(
                "INSERT INTO failures (campaign, theorem, number, counted, reason, at, session) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (self.campaign, shard.position, shard.number, counted, reason, now(), self.session),
            )

    def tries(self) -> dict[tuple[int, int], int]:
        """Counted failures by position and number, of shards that are not committed."""
        found = self.store.rows(
            "SELECT f.theorem, f.number, count(*) AS tries FROM failures f JOIN theorems t "
            "ON t.campaign = f.campaign AND t.position = f.theorem "
            "WHERE f.campaign = ? AND f.counted AND f.number >= t.next GROUP BY f.theorem, f.number",
            self.campaign,
        )
        return {(row["theorem"], row["number"]): row["tries"] for row in found}

    def forgive(self) -> None:
        """The failures of this session were nobody's fault: they count no more."""
        with self.store.transaction() as db:
            db.execute("UPDATE failures SET counted = 0 WHERE session = ?", (self.session,))

    def findings(self) -> list[dict[str, Any]]:
        """Rows ``theorem, number, finding``, in the order of statements."""
        return self.store.rows(
            "SELECT theorem, number, finding FROM findings WHERE campaign = ? ORDER BY theorem, ifnull(number, -1)",
            self.campaign,
        )


def now() -> str:
    """UTC, to the second, for the reader."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _rank(score_lower: float | None) -> float:
    return NEVER if score_lower is None else score_lower


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

"""The schema of the store, as a list of migrations: a new store takes them all, an old one those that it lacks.

``docs/store.md`` is written from :data:`MEANINGS` and from a real store by :func:`describe`; a test holds them equal.
"""

from __future__ import annotations

import sqlite3

APPLICATION_ID = 0x636C6970
"""``clip``, in the header of every store, so that another program's database is not taken for one."""

_FIRST = """
CREATE TABLE campaigns (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  created TEXT NOT NULL,
  seed INTEGER NOT NULL,
  alpha REAL NOT NULL,
  budget TEXT NOT NULL,
  shard_steps INTEGER NOT NULL CHECK (shard_steps > 0),
  device TEXT NOT NULL,
  report TEXT,
  state TEXT NOT NULL CHECK (state IN ('running', 'stopped', 'finished')),
  stop_requested INTEGER NOT NULL DEFAULT 0,
  active_seconds REAL NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE sessions (
  id INTEGER PRIMARY KEY,
  campaign INTEGER NOT NULL REFERENCES campaigns (id),
  started TEXT NOT NULL,
  ended TEXT,
  host TEXT NOT NULL,
  process INTEGER NOT NULL,
  workers INTEGER NOT NULL,
  revision TEXT,
  versions TEXT NOT NULL,
  hardware TEXT NOT NULL
) STRICT;
CREATE TABLE theorems (
  campaign INTEGER NOT NULL REFERENCES campaigns (id),
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  target TEXT NOT NULL,
  statement TEXT NOT NULL,
  statement_sha256 TEXT NOT NULL,
  proof_verdict TEXT,
  proof TEXT,
  weight INTEGER,
  planned INTEGER,
  next INTEGER NOT NULL DEFAULT 0,
  decided INTEGER,
  quarantined INTEGER NOT NULL DEFAULT 0,
  steps INTEGER NOT NULL DEFAULT 0,
  evaluations INTEGER NOT NULL DEFAULT 0,
  seconds REAL NOT NULL DEFAULT 0,
  best TEXT,
  warning TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (campaign, position),
  UNIQUE (campaign, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE shards (
  campaign INTEGER NOT NULL,
  theorem INTEGER NOT NULL,
  number INTEGER NOT NULL,
  key TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('done', 'quarantined')),
  seed INTEGER NOT NULL,
  first_look INTEGER NOT NULL,
  looks INTEGER NOT NULL CHECK (looks BETWEEN 0 AND 8),
  verdict TEXT,
  score REAL,
  score_lower REAL,
  log10_e REAL,
  steps INTEGER NOT NULL,
  seconds REAL NOT NULL,
  digest TEXT NOT NULL,
  session INTEGER NOT NULL REFERENCES sessions (id),
  PRIMARY KEY (campaign, theorem, number),
  UNIQUE (campaign, key),
  UNIQUE (campaign, first_look),
  FOREIGN KEY (campaign, theorem) REFERENCES theorems (campaign, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE candidates (
  campaign INTEGER NOT NULL,
  theorem INTEGER NOT NULL,
  number INTEGER NOT NULL,
  rank INTEGER NOT NULL,
  score REAL,
  error REAL,
  regime TEXT NOT NULL,
  problem TEXT NOT NULL,
  PRIMARY KEY (campaign, theorem, number, rank),
  FOREIGN KEY (campaign, theorem, number) REFERENCES shards (campaign, theorem, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE findings (
  campaign INTEGER NOT NULL,
  theorem INTEGER NOT NULL,
  number INTEGER,
  id TEXT NOT NULL,
  verdict TEXT NOT NULL CHECK (verdict IN ('refuted', 'achieved')),
  finding TEXT NOT NULL,
  FOREIGN KEY (campaign, theorem) REFERENCES theorems (campaign, position)
) STRICT;
CREATE UNIQUE INDEX findings_once ON findings (campaign, theorem, ifnull(number, -1));
"""

_REGIMES_AND_FAILURES = """
CREATE TABLE regimes (
  campaign INTEGER NOT NULL,
  theorem INTEGER NOT NULL,
  regime TEXT NOT NULL,
  shards INTEGER NOT NULL,
  score REAL,
  PRIMARY KEY (campaign, theorem, regime),
  FOREIGN KEY (campaign, theorem) REFERENCES theorems (campaign, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE failures (
  id INTEGER PRIMARY KEY,
  campaign INTEGER NOT NULL,
  theorem INTEGER NOT NULL,
  number INTEGER NOT NULL,
  counted INTEGER NOT NULL,
  reason TEXT NOT NULL,
  at TEXT NOT NULL,
  session INTEGER NOT NULL REFERENCES sessions (id),
  FOREIGN KEY (campaign, theorem) REFERENCES theorems (campaign, position)
) STRICT;
CREATE INDEX failures_of_shard ON failures (campaign, theorem, number);
ALTER TABLE sessions ADD COLUMN cluster TEXT;
"""

_COVERAGE = "ALTER TABLE theorems ADD COLUMN coverage TEXT;"

_STARTS = """
ALTER TABLE theorems ADD COLUMN starts TEXT NOT NULL DEFAULT '[]';
ALTER TABLE candidates ADD COLUMN choices TEXT;
"""

MIGRATIONS = (_FIRST, _REGIMES_AND_FAILURES, _COVERAGE, _STARTS)
"""The k-th script leads from version k - 1 to version k. Never change one that was released: add one."""

SCHEMA_VERSION = len(MIGRATIONS)

TABLES = {
    "campaigns": "One row for each campaign.",
    "sessions": "Who worked on a campaign: one row for each start or resume.",
    "theorems": "The statements of a campaign, with running totals over the shards that are committed.",
    "shards": "Finished pieces of work, committed in the order of their numbers within each statement.",
    "candidates": "Problems that a search proposed, of shards that set a record or decided their statement.",
    "findings": "What was confirmed, as the text of `FINDING.json`.",
    "regimes": "Structures (families, dimension, regime) that searches covered.",
    "failures": "Every shard that did not end: its worker died, raised, or took too long.",
}

MEANINGS = {
    "campaigns": {
        "id": "number of the campaign in this store",
        "name": "its name, for the command line",
        "created": "UTC, for the reader; no decision rests on a wall clock",
        "seed": "of every shard",
        "alpha": "error level of the whole campaign",
        "budget": "as given: seconds or engine steps",
        "shard_steps": "engine steps of one shard of a trajectory claim; one-step claims take a part of it",
        "device": "cpu or cuda",
        "report": "folder of the report, if one was asked for",
        "state": "`running` (also after a kill: nobody was left to change it), `stopped` or `finished`",
        "stop_requested": "1 when `campaign stop` was called; the driver looks at it",
        "active_seconds": "monotonic seconds of all sessions, which a budget in seconds spends",
    },
    "sessions": {
        "id": "number of the session",
        "campaign": "its campaign",
        "started": "UTC, for the reader",
        "ended": "UTC; null while it runs and after a kill",
        "host": "name of the driver's machine",
        "process": "process number of the driver",
        "workers": "workers asked for",
        "revision": "commit of the checkout, `+` if it had changes; null where there is no checkout",
        "versions": "JSON: versions of Python, engines and solvers",
        "hardware": "JSON: processor, cores, memory, GPU of the driver's machine",
        "cluster": "address of the Ray cluster; null without one",
    },
    "theorems": {
        "campaign": "its campaign",
        "position": "order in the campaign, from 0",
        "name": "name of the statement",
        "target": "name of the catalogue, or path of a file",
        "statement": "JSON: the statement as in a finding",
        "statement_sha256": "of that text; a resume refuses a statement that changed",
        "proof_verdict": "the prover's word; null until proofs are done",
        "proof": "JSON: all obligations; null until then",
        "weight": "share of the search: 10 where algebra leaves the claim open, 1 where it is proved, 0 where decided",
        "planned": "shards of a budget in steps; null for a budget in seconds",
        "next": "number of the next shard to commit: all before it are committed",
        "decided": "number of the shard whose finding decided the statement; later ones are not run",
        "quarantined": "shards given up after three tries",
        "steps": "engine steps of committed shards",
        "evaluations": "problems scored by committed shards",
        "seconds": "processor-bound seconds of their searches, all workers together",
        "best": "JSON: the best shard, with score, problem and words",
        "warning": "set where something is wrong with the harness itself",
        "coverage": "JSON: how many problems were scored, and the best score, by regime; all shards together",
        "starts": "JSON: problems of earlier nights, frozen when the campaign started, for its first shards",
    },
    "shards": {
        "campaign": "its campaign",
        "theorem": "position of its statement",
        "number": "from 0 within the statement",
        "key": "content hash of statement, seed, steps, device, level, looks and starts: the same key is the same work",
        "state": "`done`, or `quarantined` after three tries",
        "seed": "of its search and of its fresh numbers",
        "first_look": "first of the eight look numbers that are its own",
        "looks": "how many of them it used",
        "verdict": "the search's word: `refuted`, `achieved` or `not_found`; null if quarantined",
        "score": "best score; above 1 is a violation",
        "score_lower": "certified, or less one standard error",
        "log10_e": "evidence of the confirmation, if it needed any",
        "steps": "engine steps",
        "seconds": "of the search, on its worker",
        "digest": "hash of everything that the shard found, times left aside",
        "session": "session that committed it",
    },
    "candidates": {
        "campaign": "its campaign",
        "theorem": "position of the statement",
        "number": "its shard",
        "rank": "0 is the most promising",
        "score": "estimated on randomness that did not select it",
        "error": "one standard error of the score",
        "regime": "its structure, in words",
        "problem": "JSON: exact numbers",
        "choices": "JSON: letters that the problem leaves open, exact; null where one has no text (or in old rows)",
    },
    "findings": {
        "campaign": "its campaign",
        "theorem": "position of the statement",
        "number": "its shard; null if found by algebra",
        "id": "of the finding",
        "verdict": "`refuted` or `achieved`",
        "finding": "JSON: the content of `FINDING.json`",
    },
    "regimes": {
        "campaign": "its campaign",
        "theorem": "position of the statement",
        "regime": "the structure, in words",
        "shards": "shards that tried it",
        "score": "best score seen; selection makes it optimistic",
    },
    "failures": {
        "id": "number of the failure",
        "campaign": "its campaign",
        "theorem": "position of the statement",
        "number": "its shard",
        "counted": "1 if it counts as one of three tries; the loss of a whole machine does not",
        "reason": "one line",
        "at": "UTC, for the reader",
        "session": "session that saw it",
    },
}
"""What every column means."""


def describe(connection: sqlite3.Connection) -> str:
    """The tables of an open store in Markdown: columns and types from the file itself, meanings from here.

    Raises:
        KeyError: for a table or column that has no meaning here.
    """
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid")]
    parts = []
    for table in names:
        lines = [f"### `{table}`", "", TABLES[table], "", "| column | type | meaning |", "|---|---|---|"]
        for _, column, kind, required, _, key in connection.execute(f"PRAGMA table_info({table})"):
            null = "" if required or key else ", may be null"
            lines.append(f"| `{column}` | {kind.lower()}{null} | {MEANINGS[table][column]} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"

"""The store's file: opening, migrating, locking, transactions, and every way that these can fail, in one line each."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from harness.store.schema import APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION

_WAIT_MILLISECONDS = 10_000
_PLAIN = {
    sqlite3.SQLITE_BUSY: "is locked by another program; nothing that was committed is lost, go on when it is free",
    sqlite3.SQLITE_LOCKED: "is locked by another program; nothing that was committed is lost, go on when it is free",
    sqlite3.SQLITE_FULL: "the disk is full; nothing that was committed is lost, make room and resume",
    sqlite3.SQLITE_READONLY: "cannot be written: it is read-only",
    sqlite3.SQLITE_IOERR: "the disk fails to read or write; nothing that was committed is lost, repair and resume",
    sqlite3.SQLITE_CORRUPT: "is damaged: no longer a whole SQLite database; restore a copy, or start a new store",
    sqlite3.SQLITE_NOTADB: "is no SQLite database, or its beginning is damaged",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: no such folder, or no permission",
    sqlite3.SQLITE_CONSTRAINT: "refuses a row that contradicts what it holds",
}


class StoreError(ValueError):
    """The store is no good, or cannot be used now: one line naming the file."""


class Store:
    """One SQLite file in WAL mode.

    Readers never wait for the writer. A transaction is there as a whole or not at all, also after ``kill -9``; after a
    loss of power the last ones may be missing as a whole (``synchronous = NORMAL``), which costs their work and nothing
    else, for shards are run again.

    Args:
        path: the file. Made if it is missing, unless ``must_exist`` or ``read_only``.
        read_only: for a look from elsewhere.
        must_exist: a missing file is an error.

    Raises:
        StoreError: one line: missing, damaged, of a newer version, another program's, not writable, locked.
    """

    def __init__(self, path: str | Path, *, read_only: bool = False, must_exist: bool = False) -> None:
        self.path = Path(path)
        self._guard: BinaryIO | None = None
        if (read_only or must_exist) and not self.path.is_file():
            raise StoreError(f"{self.path}: no store here")
        if sqlite3.sqlite_version_info < (3, 37):
            raise StoreError(f"{self.path}: SQLite 3.37 or newer is needed, this is {sqlite3.sqlite_version}")
        with self.told():
            target = f"{self.path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
            self.connection = sqlite3.connect(target, uri=True, isolation_level=None, timeout=_WAIT_MILLISECONDS / 1000)
            try:
                self._prepare(read_only)
            except BaseException:
                self.connection.close()
                raise

    def _prepare(self, read_only: bool) -> None:
        version = int(self.value("PRAGMA user_version"))
        owner = int(self.value("PRAGMA application_id"))
        empty = not self.value("SELECT count(*) FROM sqlite_schema")
        if owner != APPLICATION_ID and not (empty and version == owner == 0):
            raise StoreError(f"{self.path}: a database of another program, no store of campaigns")
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{self.path}: schema version {version} is newer than the {SCHEMA_VERSION} that is known here; "
                "use a newer clipbounds"
            )
        if read_only:
            if version < SCHEMA_VERSION:
                raise StoreError(
                    f"{self.path}: schema version {version} is older than {SCHEMA_VERSION}; "
                    "`clipbounds campaign resume` brings it up to date"
                )
            return
        self.connection.execute("PRAGMA foreign_keys = ON")
        if str(self.value("PRAGMA journal_mode = WAL")) != "wal":
            raise StoreError(f"{self.path}: its file system cannot keep a write-ahead log; use a local disk")
        self.connection.execute("PRAGMA synchronous = NORMAL")
        for number in range(version, SCHEMA_VERSION):
            with self.transaction():
                for statement in _statements(MIGRATIONS[number]):
                    self.connection.execute(statement)
                self.connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                self.connection.execute(f"PRAGMA user_version = {number + 1}")

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let the lock go."""
        with contextlib.suppress(sqlite3.Error):
            self.connection.close()
        if self._guard is not None:
            self._guard.close()
            self._guard = None

    def claim(self) -> None:
        """Become the one driver of this store, until it is closed or the process ends, however it ends.

        Raises:
            StoreError: if another process is.
        """
        place = self.path.with_name(self.path.name + ".lock")
        try:
            guard = place.open("a+b")
        except OSError as error:
            raise StoreError(f"{place}: cannot be written: {error.strerror or error}") from None
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            guard.seek(0)
            owner = guard.read(40).decode("ascii", "replace").strip()
            guard.close()
            raise StoreError(f"{self.path}: a campaign of this store is running (process {owner or '?'})") from None
        guard.truncate(0)
        guard.write(f"{os.getpid()}\n".encode())
        guard.flush()
        self._guard = guard

    def verify(self) -> None:
        """Look for damage in the whole file; reads all of it.

        Raises:
            StoreError: with what SQLite says first.
        """
        with self.told():
            said = str(self.value("PRAGMA quick_check(1)"))
        if said != "ok":
            raise StoreError(f"{self.path}: {_PLAIN[sqlite3.SQLITE_CORRUPT]} ({' '.join(said.split())[:200]})")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing. The write lock is taken at once, so that waiting comes before work.

        Raises:
            StoreError: one line; then nothing of the transaction is in the store.
        """
        with self.told():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                # SQLite has ended it by itself after some errors, such as a full disk.
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """The rows of a query, each by column."""
        with self.told():
            cursor = self.connection.execute(query, values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def value(self, query: str, *values: Any) -> Any:
        """The first column of the first row, or None."""
        with self.told():
            row = self.connection.execute(query, values).fetchone()
        return None if row is None else row[0]

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Errors of SQLite in one line that names the file and says what to do."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", None)
            plain = _PLAIN.get(code & 0xFF) if code is not None else None
            text = " ".join(str(error).split())
            raise StoreError(f"{self.path}: {plain} ({text})" if plain else f"{self.path}: {text}") from error


def _statements(script: str) -> list[str]:
    """A script cut at its semicolons: ``executescript`` would commit the transaction that we are in."""
    return [part.strip() for part in script.split(";") if part.strip()]

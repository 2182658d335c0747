"""Pending records: the table that an application writes in the same transaction as its act.

A row is *recorded* as soon as that transaction is durable and *sealed* when
the sequencer has written its place in the log back. The table is the same in
every database that hands records over (desk, gateway).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import apsw

from slipway.evidence.record import Draft
from slipway.evidence.store.sqlite_version import check_sqlite

PENDING_DDL = """CREATE TABLE IF NOT EXISTS evidence_pending (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT UNIQUE NOT NULL,
  review TEXT NULL,
  type TEXT NOT NULL,
  at TEXT NOT NULL,
  party TEXT NOT NULL,
  draft BLOB NOT NULL,
  leaf_index BIGINT NULL,
  leaf_hash TEXT NULL,
  n BIGINT NULL,
  sealed_at TEXT NULL
);
CREATE INDEX IF NOT EXISTS evidence_pending_open ON evidence_pending(seq) WHERE leaf_index IS NULL;
"""

_INSERT = "INSERT INTO evidence_pending (id, review, type, at, party, draft) VALUES (?, ?, ?, ?, ?, ?)"
_TAKE = (
    "SELECT id, review, type, at, party, draft FROM evidence_pending"
    " WHERE leaf_index IS NULL ORDER BY seq LIMIT ?"
)
_MARK = (
    "UPDATE evidence_pending SET leaf_index = ?, leaf_hash = ?, n = ?, sealed_at = ?"
    " WHERE id = ? AND leaf_index IS NULL"
)


@dataclass(frozen=True, slots=True)
class Sealed:
    """Where a record went: its index and leaf hash (hexadecimal), chain number, and when it was sealed."""

    id: str
    index: int
    leaf_hash: str
    n: int | None
    sealed_at: str


class PendingSource(Protocol):
    """A place that hands drafts over. ``mark`` may be called again for the same record."""

    name: str

    def take(self, limit: int) -> list[Draft]:
        """Return up to ``limit`` drafts that are not marked, oldest first."""
        ...

    def mark(self, sealed: Sequence[Sealed]) -> None:
        """Note durably that these records are in the log."""
        ...


def insert(connection: Any, draft: Draft) -> None:
    """Insert a pending row inside the caller's transaction (sqlite3 or APSW connection)."""
    connection.execute(_INSERT, (draft.id, draft.review, draft.type, draft.at, draft.party, draft.data))


class SqlitePending:
    """The pending table of a SQLite file, through an APSW connection of its own (one thread)."""

    def __init__(self, path: Path, name: str | None = None) -> None:
        check_sqlite()
        self.name = name or path.stem
        self._path = path
        self._db: apsw.Connection | None = None

    def _connection(self) -> apsw.Connection | None:
        # The application that owns the file may start later than the sequencer: until the
        # table is there, there is nothing to take, and no file is made in its place.
        if self._db is None:
            if not self._path.exists():
                return None
            db = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READWRITE)
            db.set_busy_timeout(20_000)
            db.execute("PRAGMA synchronous=FULL")
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name='evidence_pending'").fetchone():
                db.close()
                return None
            self._db = db
        return self._db

    def take(self, limit: int) -> list[Draft]:
        """Return up to ``limit`` unsealed drafts, oldest first."""
        db = self._connection()
        if db is None:
            return []
        return [Draft(*row) for row in db.execute(_TAKE, (limit,))]

    def mark(self, sealed: Sequence[Sealed]) -> None:
        """Note that these records are in the log, in one transaction."""
        db = self._connection()
        if db is None:
            return
        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany(_MARK, [(s.index, s.leaf_hash, s.n, s.sealed_at, s.id) for s in sealed])
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def counts(self) -> tuple[int, int]:
        """Return (waiting, sealed) rows."""
        db = self._connection()
        if db is None:
            return 0, 0
        sql = "SELECT coalesce(sum(leaf_index IS NULL), 0), count(*) FROM evidence_pending"
        waiting, total = next(db.execute(sql))
        return waiting, total - waiting

    def close(self) -> None:
        """Close the connection."""
        if self._db is not None:
            self._db.close()
            self._db = None

"""The log store in one SQLite file through APSW (which bundles a fixed SQLite)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import weakref
from pathlib import Path
from typing import Any

import apsw

from slipway.base.errors import NotFound, Unavailable
from slipway.evidence.merkle import leaf_hash
from slipway.evidence.reasons import EvidenceError, Reason
from slipway.evidence.store.interface import Batch, Head, Tail
from slipway.evidence.store.sqlite_version import check_sqlite

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entry (idx INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS record (id BLOB PRIMARY KEY, idx INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS review (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS chain (review INTEGER NOT NULL, n INTEGER NOT NULL, idx INTEGER NOT NULL,
  PRIMARY KEY (review, n)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tile (level INTEGER NOT NULL, number INTEGER NOT NULL, hashes BLOB NOT NULL,
  PRIMARY KEY (level, number)) STRICT;
CREATE TABLE IF NOT EXISTS head (size INTEGER PRIMARY KEY, root BLOB NOT NULL, note TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS lease (id INTEGER PRIMARY KEY CHECK (id = 0), owner TEXT NOT NULL) STRICT;
"""


class SqliteStore:
    """One SQLite file in WAL mode with ``synchronous=FULL``.

    FULL is not a preference: with NORMAL a power cut took acknowledged entries
    in 864 of 1,533 simulated cuts, with FULL in none of 1,508. Every thread
    gets its own connection; commits come from the sequencer's thread only.
    """

    def __init__(self, path: Path, origin: str, *, read_only: bool = False, vfs: str | None = None) -> None:
        check_sqlite()
        self.path = path
        self._read_only = read_only
        self._vfs = vfs
        self._local = threading.local()
        # Weak: a server makes and ends threads all day, and a dead thread's connection must go with it.
        self._connections: weakref.WeakSet[apsw.Connection] = weakref.WeakSet()
        self._guard = threading.Lock()
        self._lock: int | None = None
        db = self._db()
        if not read_only:
            _in_transaction(db, lambda: _create(db, origin))
        row = db.execute("SELECT value FROM meta WHERE key='origin'").fetchone()
        self.origin: str = row[0] if row else origin
        if self.origin != origin:
            raise EvidenceError(Reason.LOG_ORIGIN, f"{path} is the log {self.origin!r}, not {origin!r}")

    def _db(self) -> apsw.Connection:
        db: apsw.Connection | None = getattr(self._local, "db", None)
        if db is None:
            flags = apsw.SQLITE_OPEN_READONLY if self._read_only else apsw.SQLITE_OPEN_READWRITE
            if not self._read_only:
                flags |= apsw.SQLITE_OPEN_CREATE
            db = apsw.Connection(str(self.path), flags=flags, vfs=self._vfs)
            db.set_busy_timeout(20_000)
            if not self._read_only:
                # Five records fit a page of 4 KiB and leave a seventh of it empty, eleven fill 8 KiB.
                db.execute("PRAGMA page_size=8192")
                db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            self._local.db = db
            with self._guard:
                self._connections.add(db)
        return db

    def acquire(self, owner: str) -> bool:
        """Take the lease: a lock on a file beside the database, which the kernel frees when we die."""
        if self._lock is None:
            lock = os.open(f"{self.path}.sequencer", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                return False
            self._lock = lock
        # The row is the fence: whoever was locked out meanwhile finds another owner at commit.
        db = self._db()
        _in_transaction(db, lambda: db.execute("INSERT OR REPLACE INTO lease VALUES (0, ?)", (owner,)))
        return True

    def release(self, owner: str) -> None:
        """Give the lease back."""
        if self._lock is not None:
            self._db().execute("DELETE FROM lease WHERE owner = ?", (owner,))
            os.close(self._lock)
            self._lock = None

    def commit(self, owner: str, batch: Batch) -> None:
        """Write a batch in one transaction."""
        if self._lock is None:
            # The row in the table may still carry our name from before a restart; the lock does not.
            raise EvidenceError(Reason.LOG_OTHER_WRITER, "this process does not hold the log's lease")
        db = self._db()
        _in_transaction(db, lambda: _write(db, owner, batch))

    def head(self) -> Head | None:
        """Newest head."""
        return self._head("SELECT size, root, note FROM head ORDER BY size DESC LIMIT 1")

    def head_covering(self, size: int) -> Head | None:
        """Oldest head with at least ``size`` leaves."""
        return self._head("SELECT size, root, note FROM head WHERE size >= ? ORDER BY size LIMIT 1", size)

    def _head(self, sql: str, *values: int) -> Head | None:
        row = self._db().execute(sql, values).fetchone()
        return Head(*row) if row else None

    def entry(self, index: int) -> bytes:
        """One entry."""
        row = self._db().execute("SELECT body FROM entry WHERE idx = ?", (index,)).fetchone()
        if row is None:
            raise NotFound(f"the log has no entry {index}")
        return bytes(row[0])

    def entries(self, low: int, high: int) -> list[bytes]:
        """Entries of a range."""
        sql = "SELECT body FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx"
        return [row[0] for row in self._db().execute(sql, (low, high))]

    def tile(self, level: int, number: int) -> bytes:
        """One tile."""
        sql = "SELECT hashes FROM tile WHERE level = ? AND number = ?"
        row = self._db().execute(sql, (level, number)).fetchone()
        if row is None:
            raise NotFound(f"the log has no tile {level}/{number}")
        return bytes(row[0])

    def find(self, record: str) -> int | None:
        """Index of a record."""
        try:
            key = _key(record)
        except ValueError:
            return None
        row = self._db().execute("SELECT idx FROM record WHERE id = ?", (key,)).fetchone()
        return int(row[0]) if row else None

    def tail(self, review: str) -> Tail | None:
        """Last record of a review."""
        sql = (
            "SELECT chain.n, chain.idx, entry.body FROM chain JOIN entry ON entry.idx = chain.idx"
            " WHERE review = (SELECT id FROM review WHERE name = ?) ORDER BY n DESC LIMIT 1"
        )
        row = self._db().execute(sql, (review,)).fetchone()
        return Tail(row[0], row[1], leaf_hash(row[2])) if row else None

    def review_indexes(self, review: str) -> list[int]:
        """Indexes of a review's records."""
        sql = "SELECT idx FROM chain WHERE review = (SELECT id FROM review WHERE name = ?) ORDER BY n"
        return [row[0] for row in self._db().execute(sql, (review,))]

    def integrity(self) -> str:
        """Return SQLite's own verdict on the file, ``ok`` when it is sound."""
        return str(next(self._db().execute("PRAGMA integrity_check(1)"))[0])

    def close(self) -> None:
        """Close every thread's connection."""
        with self._guard:
            for db in list(self._connections):
                db.close()
            self._connections.clear()
        self._local = threading.local()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _in_transaction(db: apsw.Connection, work: Any) -> Any:
    """Run ``work`` between BEGIN IMMEDIATE and COMMIT; SQLite's failures become :class:`Unavailable`.

    When COMMIT itself fails (disk full, I/O error) SQLite may or may not have
    rolled back already, and on an I/O error during the sync nobody can know
    what reached the disk. The caller must therefore forget what it believes
    and read the log again; see ``LogWriter.reload``.
    """
    try:
        db.execute("BEGIN IMMEDIATE")
        result = work()
        db.execute("COMMIT")
    except BaseException as error:
        if db.in_transaction:
            # The first error says more, and the transaction is dead either way.
            with contextlib.suppress(apsw.Error):
                db.execute("ROLLBACK")
        if isinstance(error, apsw.Error):
            raise Unavailable(f"the log could not be written: {error}", code="log.write_failed") from error
        raise
    return result


def _create(db: apsw.Connection, origin: str) -> None:
    db.execute(_SCHEMA)
    db.execute("INSERT OR IGNORE INTO meta VALUES ('origin', ?)", (origin,))


def _key(record: str) -> bytes:
    """Return a record id's 16 bytes. (``uuid.UUID`` does the same at a quarter of a bulk append's time.)"""
    return bytes.fromhex(record.replace("-", ""))


def _write(db: apsw.Connection, owner: str, batch: Batch) -> None:
    row = next(db.execute("SELECT (SELECT owner FROM lease), coalesce((SELECT max(size) FROM head), 0)"))
    if row[0] != owner:
        raise EvidenceError(Reason.LOG_OTHER_WRITER, "another sequencer holds the lease")
    if row[1] != batch.first:
        raise EvidenceError(Reason.LOG_OTHER_WRITER, f"the log has {row[1]} entries, not {batch.first}")
    # Generators, not lists: thousands of short-lived tuples at once would wake the garbage collector.
    first = batch.first
    db.executemany(
        "INSERT INTO entry VALUES (?, ?)", ((i, row.body) for i, row in enumerate(batch.rows, first))
    )
    db.executemany(
        "INSERT INTO record VALUES (?, ?)",
        ((_key(row.record), i) for i, row in enumerate(batch.rows, first) if row.record is not None),
    )
    names = {row.review for row in batch.rows if row.review is not None}
    if names:
        db.executemany("INSERT OR IGNORE INTO review (name) VALUES (?)", ((name,) for name in names))
        find = "SELECT id FROM review WHERE name = ?"
        ids = {name: next(db.execute(find, (name,)))[0] for name in names}
        db.executemany(
            "INSERT INTO chain VALUES (?, ?, ?)",
            (
                (ids[row.review], row.n, i)
                for i, row in enumerate(batch.rows, first)
                if row.review is not None
            ),
        )
    db.executemany(
        "INSERT INTO tile VALUES (?, ?, ?)"
        " ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes",
        [(tile.level, tile.number, tile.hashes) for tile in batch.tiles],
    )
    head = batch.head
    db.execute("INSERT INTO head VALUES (?, ?, ?)", (head.size, head.root, head.note))

"""The gateway's own ledger: evidence is durable before anything is released.

One thread owns one connection to ``gateway.sqlite3``. Exchanges hand it their
open and close records and wait; the thread takes everything that has gathered,
writes it in one transaction with ``synchronous=FULL`` and then wakes all who
waited (group commit: while one fsync runs, the next group gathers).

The sequence at the disk: WAL frames of the whole group are appended, the WAL is
fsynced at COMMIT (that is what FULL adds to WAL's NORMAL, which lost
acknowledged rows in simulated power cuts), then COMMIT returns. The known hole:
a disk that acknowledges fsync without writing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import apsw

from slipway.base.clock import Clock, to_ms
from slipway.base.errors import Unavailable
from slipway.evidence import pending
from slipway.evidence.record import Draft
from slipway.gateway import records
from slipway.gateway.exchange import Closed, Opened
from slipway.gateway.grants import METADATA_POLICIES

_log = logging.getLogger("slipway.gateway.ledger")

DDL = (
    pending.PENDING_DDL
    + """
CREATE TABLE IF NOT EXISTS exchange (
  id TEXT PRIMARY KEY,
  grant_id TEXT NOT NULL,
  key_id TEXT NOT NULL,
  review_id TEXT NOT NULL,
  route TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'closed')),
  opened_ms BIGINT NOT NULL,
  closed_ms BIGINT NULL,
  status INTEGER NULL,
  tokens_in BIGINT NULL,
  tokens_out BIGINT NULL,
  charged BIGINT NULL,
  chunks BIGINT NULL,
  outcome TEXT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS exchange_open ON exchange(grant_id) WHERE state = 'open';
CREATE TABLE IF NOT EXISTS usage (
  grant_id TEXT PRIMARY KEY,
  requests BIGINT NOT NULL DEFAULT 0,
  tokens_in BIGINT NOT NULL DEFAULT 0,
  tokens_out BIGINT NOT NULL DEFAULT 0,
  charged BIGINT NOT NULL DEFAULT 0,
  refused BIGINT NOT NULL DEFAULT 0,
  last_ms BIGINT NULL
) WITHOUT ROWID;
"""
)

# Whole groups go in as one JSON array a statement: APSW gives up the interpreter lock at each step,
# and with a row a step the ledger and the event loop spent more time handing it over than working.
_OPEN = """
INSERT INTO exchange (id, grant_id, key_id, review_id, route, state, opened_ms, charged)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, 'open', value ->> 5, value ->> 6
  FROM json_each(?)
"""
_CLOSE = """
UPDATE exchange SET state = 'closed', closed_ms = value ->> 0, status = value ->> 1, tokens_in = value ->> 2,
       tokens_out = value ->> 3, charged = value ->> 4, chunks = value ->> 5, outcome = value ->> 6
  FROM json_each(?) WHERE exchange.id = value ->> 7 AND exchange.state = 'open'
"""
_COUNT = """
INSERT INTO usage (grant_id, requests, tokens_in, tokens_out, charged, refused, last_ms)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
  FROM json_each(?) WHERE true
    ON CONFLICT (grant_id) DO UPDATE SET
       requests = requests + excluded.requests, tokens_in = tokens_in + excluded.tokens_in,
       tokens_out = tokens_out + excluded.tokens_out, charged = charged + excluded.charged,
       refused = refused + excluded.refused, last_ms = max(coalesce(last_ms, 0), excluded.last_ms)
"""
_PENDING = """
INSERT INTO evidence_pending (id, review, type, at, party, draft)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, CAST(value ->> 5 AS BLOB)
  FROM json_each(?) ORDER BY key
"""

# Every group waits this long for others to join: fewer commits, each for more exchanges.
GATHER_SECONDS = 0.002
MAX_GROUP = 512
Entry = Opened | Closed
_Waiter = tuple[Entry, "asyncio.Future[None] | None"]


class Ledger:
    """Evidence writer. ``commit`` is for one event loop; everything else happens on the ledger's thread."""

    def __init__(self, path: Path, *, asynchronous: bool = False) -> None:
        """``asynchronous`` wakes the waiting before the commit: an explicit policy that loses evidence."""
        self._path = path
        self._asynchronous = asynchronous
        self._ready = threading.Condition()
        self._queue: list[_Waiter] = []
        self._refused: dict[str, int] = {}
        self._idle = True
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._db: apsw.Connection | None = None

    def open(self, clock: Clock) -> dict[str, tuple[int, int]]:
        """Open the file, close what an earlier process left open, return (requests, charged) by grant.

        Raises :class:`~slipway.base.errors.Unavailable` when the file cannot be used.
        """
        try:
            db = self._db = apsw.Connection(str(self._path))
            db.set_busy_timeout(20_000)
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute(DDL)
            self._recover(db, to_ms(clock.now()))
            return {r[0]: (r[1], r[2]) for r in db.execute("SELECT grant_id, requests, charged FROM usage")}
        except apsw.Error as error:
            raise Unavailable(f"the gateway's ledger cannot be opened ({type(error).__name__})") from None

    def start(self) -> None:
        """Start the thread; call it inside the event loop that will wait."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def commit(self, entry: Entry) -> asyncio.Future[None]:
        """Return a future that is done when ``entry`` is durable, or fails when it is not."""
        assert self._loop is not None
        future: asyncio.Future[None] = self._loop.create_future()
        waiter: _Waiter = (entry, future)
        if self._asynchronous:
            future.set_result(None)
            waiter = (entry, None)
        with self._ready:
            self._queue.append(waiter)
            if self._idle:
                self._ready.notify()
        return future

    def count_refused(self, grant_id: str) -> None:
        """Count a refusal of a known grant; written with the next group, without a record of its own."""
        with self._ready:
            self._refused[grant_id] = self._refused.get(grant_id, 0) + 1

    def close(self) -> None:
        """Write what is left and stop the thread."""
        if self._thread is not None:
            with self._ready:
                self._stopping = True
                self._ready.notify()
            self._thread.join()
            self._thread = None
        if self._db is not None:
            self._db.close()
            self._db = None

    def _recover(self, db: apsw.Connection, now_ms: int) -> None:
        with db:
            left = list(
                db.execute("SELECT id, review_id, grant_id, charged FROM exchange WHERE state = 'open'")
            )
            for exchange, review, grant, reserved in left:
                # What the model did before the power went is unknown: the reservation is charged.
                insert_drafts(db, [records.interrupted(exchange, review, now_ms, reserved)])
                row = (now_ms, 0, None, None, reserved, 0, records.INTERRUPTED, exchange)
                db.execute(_CLOSE, (_rows([row]),))
                db.execute(_COUNT, (_rows([(grant, 1, 0, 0, reserved, 0, now_ms)]),))
        if left:
            _log.warning("closed %d exchanges that an earlier process left open", len(left))

    def _run(self) -> None:
        while True:
            with self._ready:
                while not self._queue and not self._stopping:
                    self._idle = True
                    # Half a second: counts of refusals are written although nothing else comes.
                    if not self._ready.wait(0.5) and self._refused:
                        break
                gather = bool(self._queue) and not self._stopping
                self._idle = False
            if gather:
                time.sleep(GATHER_SECONDS)
            with self._ready:
                group, self._queue = self._queue[:MAX_GROUP], self._queue[MAX_GROUP:]
                refused, self._refused = self._refused, {}
                last = self._stopping and not group
            self._write_group(group, refused)
            if last:
                return

    def _write_group(self, group: list[_Waiter], refused: dict[str, int]) -> None:
        failure: Exception | None = None
        try:
            self._write([entry for entry, _ in group], refused)
        except Exception as error:  # whatever it is, those who wait must learn that nothing is durable
            failure = Unavailable(f"evidence was not stored ({type(error).__name__})")
            _log.error("evidence was not stored: %s", type(error).__name__)
            with self._ready:
                for grant_id, count in refused.items():
                    self._refused[grant_id] = self._refused.get(grant_id, 0) + count
        futures = [future for _, future in group if future is not None]
        if futures and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_wake, futures, failure)

    def _write(self, entries: list[Entry], refused: dict[str, int]) -> None:
        db = self._db
        if db is None:
            raise Unavailable("the ledger is closed")
        drafts: list[Draft] = []
        opens: list[tuple[object, ...]] = []
        closes: list[tuple[object, ...]] = []
        used: dict[str, list[int]] = {grant: [0, 0, 0, 0, n, 0] for grant, n in refused.items()}
        for entry in entries:
            grant = entry.access.grant.id
            if isinstance(entry, Opened):
                drafts.append(records.opened(entry))
                opens.append(_open_row(entry))
                continue
            drafts.append(records.closed(entry))
            closes.append(_close_row(entry))
            sums = used.setdefault(grant, [0, 0, 0, 0, 0, 0])
            sums[0] += 1
            sums[1] += entry.tokens_in or 0
            sums[2] += entry.tokens_out or 0
            sums[3] += entry.charged
            sums[5] = max(sums[5], entry.at_ms)
        db.execute("BEGIN IMMEDIATE")
        try:
            # Opens first: an exchange may open and close within one group.
            if opens:
                db.execute(_OPEN, (_rows(opens),))
            if closes:
                db.execute(_CLOSE, (_rows(closes),))
            if drafts:
                insert_drafts(db, drafts)
            if used:
                db.execute(_COUNT, (_rows([(grant, *sums) for grant, sums in used.items()]),))
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


def _open_row(entry: Opened) -> tuple[object, ...]:
    access = entry.access
    grant = access.grant
    return (entry.id, grant.id, access.key.id, grant.review_id, entry.route, entry.at_ms, entry.reserved)


def _close_row(entry: Closed) -> tuple[object, ...]:
    tokens = (entry.tokens_in, entry.tokens_out, entry.charged)
    return (entry.at_ms, entry.status, *tokens, entry.chunks, entry.outcome, entry.id)


def insert_drafts(db: apsw.Connection, drafts: list[Draft]) -> None:
    """Insert pending rows in order inside the caller's transaction."""
    rows = [(d.id, d.review, d.type, d.at, d.party, d.data.decode("utf-8")) for d in drafts]
    db.execute(_PENDING, (_rows(rows),))


def _rows(rows: Sequence[Sequence[object]]) -> str:
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def commits_content(policy: str) -> bool:
    """Say whether a content policy asks for commitments (all do but the metadata-only one)."""
    return policy not in METADATA_POLICIES


def _wake(futures: list[asyncio.Future[None]], failure: Exception | None) -> None:
    for future in futures:
        if future.done():
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)

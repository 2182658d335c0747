"""The sequencer inside the desk: a thread that seals pending records while the desk runs.

The lease is the log store's own: a lock on a file beside ``log.sqlite3`` that
the kernel frees when its holder dies, and a row that fences whoever was locked
out meanwhile. A second desk process on the same data directory stands by and
takes over within a second.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from django.db import close_old_connections, connection, transaction

from slipway.base.clock import SystemClock
from slipway.desk.records.models import PendingRecord
from slipway.desk.records.site_keys import log_signer, origin, party_signer, site
from slipway.evidence.heads import HeadJournal
from slipway.evidence.pending import PendingSource, Sealed, SqlitePending
from slipway.evidence.record import Draft
from slipway.evidence.sequencer import Sequencer
from slipway.evidence.store import open_sqlite

_log = logging.getLogger("slipway.desk.sequencer")


class DjangoPending:
    """The desk's own pending table as a source, through Django, on either database."""

    name = "desk"

    def take(self, limit: int) -> list[Draft]:
        """Return up to ``limit`` drafts that are not marked, oldest first."""
        # A connection that PostgreSQL closed is noticed and replaced here, once a turn; in a
        # caller's transaction (seal_now) it must stay.
        if not connection.in_atomic_block:
            close_old_connections()
        return [
            Draft(
                id=row.record_id,
                review=row.review,
                type=row.type,
                at=row.at,
                party=row.party,
                data=bytes(row.draft),
            )
            for row in PendingRecord.unsealed(limit)
        ]

    def mark(self, sealed: Sequence[Sealed]) -> None:
        """Note durably that these records are in the log."""
        with transaction.atomic():
            for item in sealed:
                PendingRecord.objects.filter(record_id=item.id, leaf_index=None).update(
                    leaf_index=item.index,
                    leaf_hash=item.leaf_hash,
                    n=item.n,
                    sealed_at=item.sealed_at,
                )


class SequencerService:
    """Starts and stops the sequencer's thread. ``failed`` holds why it gave up, if it did."""

    def __init__(self) -> None:
        self.failed: BaseException | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Return whether the thread lives."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread; calling it again does nothing."""
        if self.running:
            return
        self._stop.clear()
        self._thread = threading.Thread(target=self._work, name="sequencer", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 20.0) -> None:
        """Finish the turn under way, sync, give the lease back and end the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def _work(self) -> None:
        journal: HeadJournal | None = None
        gateway = SqlitePending(site().gateway_db, "gateway")
        store = open_sqlite(site().create().log_db, origin())
        try:
            journal = HeadJournal(site().head_journal)
            sources: list[PendingSource] = [DjangoPending(), gateway]
            make_sequencer(store, journal, sources).run(self._stop)
        except Exception as error:
            # Rollback, fork or damage: sealing must not go on, and the desk must say so.
            # Acts are still recorded; they wait until `slipway doctor` explains what happened.
            self.failed = error
            _log.critical("the evidence log must not go on: %s", error, exc_info=True)
        finally:
            if journal is not None:
                journal.close()
            gateway.close()
            store.close()
            connection.close()


def make_sequencer(store: object, journal: HeadJournal, sources: Sequence[PendingSource]) -> Sequencer:
    """Return a sequencer with this site's keys (also for tests and for sealing without a server)."""
    return Sequencer(store, journal, log_signer(), SystemClock(), party_signer, sources)  # type: ignore[arg-type]


def seal_now(limit: int = 10_000) -> int:
    """Seal what waits, in this thread, and return how many records were sealed.

    For tests and for commands without a server; 0 when a desk holds the lease.
    """
    store = open_sqlite(site().create().log_db, origin())
    journal = HeadJournal(site().head_journal)
    gateway = SqlitePending(site().gateway_db, "gateway")
    sequencer = make_sequencer(store, journal, [DjangoPending(), gateway])
    done = 0
    try:
        while done < limit and (turn := sequencer.run_once()):
            done += turn
    finally:
        sequencer.close()
        journal.close()
        gateway.close()
        store.close()
    return done


service = SequencerService()

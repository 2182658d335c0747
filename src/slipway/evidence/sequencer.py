"""The one sequencer: takes pending drafts, gives them their place, signs, appends, hands back.

Order of one turn, and what a crash between two steps means:

1. take drafts from the sources            (nothing happened yet)
2. place, sign, one commit of the log      (not acknowledged: taken again, found by id)
3. one line to the head journal            (database newer than journal: accepted at start)
4. mark the drafts as sealed               (taken again, found by id, marked then)

So a record is in the log exactly once, however often it is handed over, and
nothing is acknowledged before it is durable.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from slipway.base.clock import Clock, format_instant
from slipway.base.errors import SlipwayError, Unavailable
from slipway.base.ids import uuid7
from slipway.evidence import record
from slipway.evidence.heads import HeadJournal
from slipway.evidence.keys import Signer
from slipway.evidence.log import LogWriter
from slipway.evidence.merkle import leaf_hash
from slipway.evidence.pending import PendingSource, Sealed
from slipway.evidence.reasons import EvidenceError, Reason
from slipway.evidence.record import Draft
from slipway.evidence.store.interface import LogStore, Row

__all__ = ["PendingSource", "Sealed", "Sequencer"]

BATCH = 4096
SYNC_SECONDS = 1.0
RETRY_SECONDS = 1.0

_LOGGER = logging.getLogger("slipway.evidence")

PartySigner = Callable[[str], "Signer | None"]


@dataclass(slots=True)
class _Placed:
    """A draft with its place: what goes into the log and what goes back to its source."""

    row: Row
    source: int
    leaf: bytes


class Sequencer:
    """Moves drafts from sources into the log. Exactly one works at a time; others stand by.

    ``party_signer`` returns the signer of a party's slug or None; ``rejected``
    names drafts that can never be sealed (damaged or conflicting) with the
    reason, for the doctor to show; they stay pending and block nobody else.
    """

    def __init__(
        self,
        store: LogStore,
        journal: HeadJournal,
        signer: Signer,
        clock: Clock,
        party_signer: PartySigner,
        sources: Sequence[PendingSource],
    ) -> None:
        if signer.name != store.origin:
            raise EvidenceError(
                Reason.LOG_ORIGIN, f"key {signer.name!r} cannot sign for log {store.origin!r}"
            )
        self.owner = uuid7()
        self.rejected: dict[str, str] = {}
        self.active = False
        self._store = store
        self._clock = clock
        self._party_signer = party_signer
        self._sources = tuple(sources)
        self._journal = journal
        self._writer = LogWriter(store, journal, signer, self.owner)
        self._chains: dict[str, tuple[int, bytes]] = {}
        self._synced = clock.monotonic()

    def start(self) -> bool:
        """Take the lease and check the log against the journal; False when another sequencer works.

        Raises :class:`EvidenceError` when the log must not go on (rollback, fork, damage).
        """
        if self.active:
            return True
        if not self._store.acquire(self.owner):
            return False
        try:
            self._forget()
            self._writer.reload()
        except BaseException:
            self._store.release(self.owner)
            raise
        self.active = True
        return True

    def run_once(self) -> int:
        """Do one turn; return how many drafts were sealed or found sealed. 0 when standing by.

        Raises :class:`Unavailable` when the log could not be written; the
        next turn starts from what the store really has.
        """
        if not self.start():
            return 0
        try:
            done = self._turn()
        except BaseException:
            self._forget()
            raise
        if done == 0 or self._clock.monotonic() - self._synced >= SYNC_SECONDS:
            self._journal.sync()
            self._synced = self._clock.monotonic()
        return done

    def _forget(self) -> None:
        """Drop everything believed about the log; the writer drops its edge by itself."""
        self._chains.clear()

    def _turn(self) -> int:
        placed: dict[str, _Placed] = {}
        already: list[list[Sealed]] = [[] for _ in self._sources]
        for number, draft in self._take():
            try:
                self._place(number, draft, placed, already)
            except EvidenceError as error:
                if draft.id not in self.rejected:
                    _LOGGER.error("record %s cannot be sealed: %s", draft.id, error.message)
                self.rejected[draft.id] = error.message
        sealed = already
        if placed:
            first = self._writer.size
            self._writer.append([item.row for item in placed.values()])
            at = format_instant(self._clock.now())
            for index, (identity, item) in enumerate(placed.items(), first):
                sealed[item.source].append(Sealed(identity, index, item.leaf.hex(), item.row.n, at))
        for source, rows in zip(self._sources, sealed, strict=True):
            if rows:
                source.mark(rows)
        return sum(map(len, sealed))

    def _take(self) -> Iterator[tuple[int, Draft]]:
        room = BATCH
        for number, source in enumerate(self._sources):
            drafts = source.take(room) if room > 0 else []
            room -= len(drafts)
            for draft in drafts:
                yield number, draft

    def _place(
        self, number: int, draft: Draft, placed: dict[str, _Placed], already: list[list[Sealed]]
    ) -> None:
        fields = record.read_draft(draft.data)
        if (fields["id"], fields["review"]) != (draft.id, draft.review):
            raise EvidenceError(Reason.RECORD_SCHEMA, "the row and its draft name different records")
        if draft.id in placed:
            raise EvidenceError(Reason.RECORD_SCHEMA, "two sources hand over the same record id")
        index = self._store.find(draft.id)
        if index is not None:
            already[number].append(self._found(fields, index))
            return
        n, prev = self._next(draft.review)
        body = record.complete(
            fields,
            log=self._store.origin,
            n=n,
            prev=prev.hex() if prev else None,
            signer=self._party_signer(draft.party),
        )
        leaf = leaf_hash(body)
        placed[draft.id] = _Placed(Row(body, draft.id, draft.review, n), number, leaf)
        if draft.review is not None and n is not None:
            self._chains[draft.review] = (n, leaf)

    def _next(self, review: str | None) -> tuple[int | None, bytes | None]:
        """Return the chain number and previous leaf of the next record of a review."""
        if review is None:
            return None, None
        if review not in self._chains:
            tail = self._store.tail(review)
            if tail is None:
                return 0, None
            self._chains[review] = (tail.n, tail.leaf)
        n, leaf = self._chains[review]
        return n + 1, leaf

    def _found(self, fields: dict[str, Any], index: int) -> Sealed:
        """Answer for a record that is in the log already; refuse the same id with other content."""
        entry = self._store.entry(index)
        stored = record.read(entry)
        if any(stored[name] != value for name, value in fields.items()):
            raise EvidenceError(Reason.RECORD_SCHEMA, f"another record with this id is at index {index}")
        return Sealed(
            fields["id"], index, leaf_hash(entry).hex(), stored["n"], format_instant(self._clock.now())
        )

    def run(self, stop: threading.Event, idle_seconds: float = 0.05) -> None:
        """Work until ``stop`` is set, then release the lease.

        A log that could not be written is tried again every second; a log that
        must not go on (rollback, fork, damage) raises.
        """
        try:
            while not stop.is_set():
                try:
                    wait = 0.0 if self.run_once() else idle_seconds
                except EvidenceError as error:
                    if error.reason is not Reason.LOG_OTHER_WRITER:
                        raise
                    _LOGGER.warning("standing by: %s", error.message)
                    self.active, wait = False, RETRY_SECONDS
                except (Unavailable, OSError) as error:
                    _LOGGER.error("the log is not written, trying again: %s", error)
                    wait = RETRY_SECONDS
                except SlipwayError:
                    raise
                except Exception:
                    # A source of another make (the desk's database) failed: its drafts wait, nothing is lost.
                    _LOGGER.exception("a turn of the sequencer failed, trying again")
                    wait = RETRY_SECONDS
                if wait:
                    stop.wait(wait)
        finally:
            self.close()

    def close(self) -> None:
        """Close the journal and give the lease back."""
        if self.active:
            self.active = False
            try:
                self._journal.close()
            finally:
                self._store.release(self.owner)

"""Every read of records: timelines, receipts, and the public face of the log."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from django.db.models import Q, QuerySet

from slipway.base.errors import NotFound, Unavailable
from slipway.desk.accounts.viewer import Viewer
from slipway.desk.records.models import PendingRecord
from slipway.desk.records.site_keys import log_signer, origin, site
from slipway.evidence.log import LogReader
from slipway.evidence.store import open_sqlite

ReviewGate = Callable[[Viewer, str], bool]
PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One record as a timeline shows it. ``index`` and ``n`` are ``None`` until it is sealed."""

    record: str
    type: str
    at: str
    party: str
    review: str | None
    index: int | None
    n: int | None
    sealed: bool
    leaf_hash: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return the entry for JSON."""
        return {
            "record": self.record,
            "type": self.type,
            "at": self.at,
            "party": self.party,
            "index": self.index,
            "n": self.n,
            "sealed": self.sealed,
        }


def _chain_names_party(viewer: Viewer, review: str) -> bool:
    """Return whether the viewer's organisation is a party of a review's chain, as the records tell it."""
    return PendingRecord.objects.filter(review=review, party=viewer.organisation_slug).exists()


_gate: ReviewGate = _chain_names_party


def set_review_gate(gate: ReviewGate) -> None:
    """Install who may see a review (its UUID); called once by the reviews app, which knows the rule."""
    global _gate
    _gate = gate


def may_see_review(viewer: Viewer, review: str) -> bool:
    """Return whether a viewer may see a review's records."""
    return viewer.signed_in and viewer.organisation_id is not None and _gate(viewer, review)


def visible_to(viewer: Viewer) -> QuerySet[PendingRecord]:
    """Return the desk's records of no review that a viewer may see: those of their own organisation.

    Records of a review are reached through :func:`timeline`, which asks the review's gate.
    """
    if not viewer.signed_in or not viewer.organisation_slug:
        return PendingRecord.objects.none()
    return PendingRecord.objects.filter(Q(review=None) & Q(party=viewer.organisation_slug))


def _entry(row: tuple[Any, ...]) -> TimelineEntry:
    record, kind, at, party, review, index, n, leaf_hash = row
    return TimelineEntry(record, kind, at, party, review, index, n, index is not None, leaf_hash)


_COLUMNS: Final = ("record_id", "type", "at", "party", "review", "leaf_index", "n", "leaf_hash")
_GATEWAY_COLUMNS: Final = "id, type, at, party, review, leaf_index, n, leaf_hash"


def _gateway(where: str, *values: Any) -> list[TimelineEntry]:
    """Return records of the gateway's own ledger, read-only; none when no gateway ran here yet."""
    path = site().gateway_db
    if not path.exists():
        return []
    # The words of ``where`` are ours; every value is bound.
    query = f"SELECT {_GATEWAY_COLUMNS} FROM evidence_pending WHERE {where}"  # noqa: S608
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)) as db:
            return [_entry(row) for row in db.execute(query, values)]
    except sqlite3.OperationalError:
        # The gateway made its file and not yet its table, or is rebuilding it.
        return []


def timeline(
    viewer: Viewer, review_id: str, *, exchanges: bool = False, limit: int = PAGE
) -> list[TimelineEntry]:
    """Return the latest ``limit`` records of a review, oldest first, or :class:`NotFound`.

    ``exchanges`` adds the gateway's two records an exchange, of which there are thousands.
    """
    if not may_see_review(viewer, review_id):
        raise NotFound("there is no such review")
    rows = PendingRecord.objects.filter(review=review_id).order_by("-seq").values_list(*_COLUMNS)[:limit]
    latest_first = [_entry(row) for row in rows]
    latest_first += _gateway(
        "review = ?"
        + ("" if exchanges else " AND type NOT LIKE 'exchange.%'")
        + " ORDER BY seq DESC LIMIT ?",
        review_id,
        limit,
    )
    # Sealed records have an order of their own; unsealed ones follow by time, and those of one
    # instant in the order in which they were written (their ids are random within a millisecond).
    entries = latest_first[::-1]
    entries.sort(key=lambda e: (e.n is None, e.n if e.n is not None else 0, e.at))
    return entries[-limit:]


def find(viewer: Viewer, record_id: str) -> TimelineEntry:
    """Return one record that the viewer may see, or :class:`NotFound`."""
    row = PendingRecord.objects.filter(record_id=record_id).values_list(*_COLUMNS).first()
    found = _entry(row) if row else next(iter(_gateway("id = ?", record_id)), None)
    if found is not None:
        if found.review is not None and may_see_review(viewer, found.review):
            return found
        if found.review is None and visible_to(viewer).filter(record_id=record_id).exists():
            return found
    raise NotFound("there is no such record")


def entry_json(entry: TimelineEntry) -> dict[str, Any]:
    """Return a record's content: from the log once it is sealed, else the draft that waits."""
    if entry.index is not None:
        content: dict[str, Any] = json.loads(log_reader().entry(entry.index))
        return content
    row = PendingRecord.objects.filter(record_id=entry.record).values_list("draft", flat=True).first()
    # A gateway record that waits is not in the desk's table; it will be readable in a moment.
    draft: dict[str, Any] = {} if row is None else json.loads(bytes(row))
    return draft


def written(record_id: str) -> dict[str, str]:
    """Return what an API answer to a write carries: the record's id, type and time."""
    row = PendingRecord.objects.filter(record_id=record_id).values_list("type", "at").first()
    if row is None:
        raise NotFound("there is no such record")
    return {"record": record_id, "type": row[0], "recorded_at": row[1]}


def is_sealed(record_id: str) -> bool:
    """Return whether a desk record has its place in the log."""
    return PendingRecord.objects.filter(record_id=record_id, leaf_index__isnull=False).exists()


def receipt(record_id: str) -> dict[str, Any] | None:
    """Return the portable receipt of a sealed record, ``None`` while it waits.

    Who may have it is the caller's question (:func:`find`).
    """
    if not site().log_db.exists():
        return None
    found = log_reader().receipt(record_id)
    return None if found is None else dict(found)


def log_reader() -> LogReader:
    """Return the reader of the site's evidence log; :class:`Unavailable` before its first entry."""
    path = site().log_db
    if not path.exists():
        raise Unavailable("the evidence log has no entries yet; the desk is starting", code="log.empty")
    return _reader(path, origin())


@lru_cache(maxsize=4)
def _reader(path: Path, name: str) -> LogReader:
    return LogReader(open_sqlite(path, name, read_only=True))


def checkpoint() -> str:
    """Return the log's latest signed checkpoint (C2SP note)."""
    return log_reader().checkpoint()


def vkey() -> str:
    """Return the verification key of the log."""
    return log_signer().vkey

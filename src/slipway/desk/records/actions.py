"""The one write of records: an evidence draft beside the rows of the act it tells of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from slipway.desk.accounts.viewer import Viewer
from slipway.desk.records.models import PendingRecord
from slipway.evidence.record import draft


def record(
    *,
    acting: Viewer,
    type: str,
    review: str | None,
    body: Mapping[str, Any],
    party: str | None = None,
    at: datetime | None = None,
    sealed: Sequence[str] = (),
) -> str:
    """Insert one evidence draft and return the record's id.

    Must be called inside the ``atomic`` block that writes the act's rows, so
    that both are there or neither; outside one it raises ``RuntimeError``.
    ``review`` is the review's UUID, ``party`` the acting organisation's slug
    unless given, ``sealed`` salted commitments
    (:mod:`slipway.evidence.seal`). Raises :class:`~slipway.base.errors.InvalidInput` for a body
    that is no record.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("record() outside atomic(): an act and its record must be one transaction")
    made = draft(
        type=type,
        review=review,
        party=party or acting.party,
        body=body,
        at=at or datetime.now(UTC),
        sealed=sealed,
    )
    PendingRecord.objects.create(
        record_id=made.id,
        review=made.review,
        type=made.type,
        at=made.at,
        party=made.party,
        draft=made.data,
    )
    return made.id

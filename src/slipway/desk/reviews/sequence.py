"""Short numbers without gaps or doubles."""

from __future__ import annotations

from django.db import transaction

from slipway.desk.reviews.models import Sequence


def next_number(kind: str) -> int:
    """Return the next number of ``kind`` (1, 2, …); call inside the transaction that uses it.

    The row is locked until that transaction ends, so a number is never given
    twice, and one that is rolled back is given again.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("next_number needs the transaction that uses the number")
    Sequence.objects.get_or_create(kind=kind)
    row = Sequence.objects.select_for_update().get(kind=kind)
    row.last += 1
    row.save(update_fields=["last"])
    return row.last

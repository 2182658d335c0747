"""The epoch of the control tables: every change increments it in the same transaction."""

from __future__ import annotations

from django.db import transaction

from slipway.desk.access.models import Control


def touch() -> int:
    """Increment the epoch and return it; call inside the transaction that changes a control row.

    The gateway reloads its snapshot when it sees a new epoch. A change without
    it would take effect only at the gateway's next restart, so the row lock
    taken here also orders all control changes one after another.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("touch needs the transaction that changes the control tables")
    Control.objects.get_or_create(id=1)
    row = Control.objects.select_for_update().get(id=1)
    row.epoch += 1
    row.save(update_fields=["epoch"])
    return row.epoch

"""Read-only admin of records, mounted in debug mode only."""

from __future__ import annotations

from django.contrib import admin

from slipway.desk.accounts.admin import ReadOnlyAdmin
from slipway.desk.records.models import PendingRecord


@admin.register(PendingRecord)
class PendingRecordAdmin(ReadOnlyAdmin):
    """Records and their place in the log."""

    list_display = ("seq", "record_id", "type", "party", "at", "leaf_index")
    fields = (
        "seq",
        "record_id",
        "review",
        "type",
        "at",
        "party",
        "leaf_index",
        "leaf_hash",
        "n",
        "sealed_at",
    )

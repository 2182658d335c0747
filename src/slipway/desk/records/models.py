"""Rows of records: what was done, waiting for its place in the evidence log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from django.db import models


class PendingRecord(models.Model):
    """One evidence record as drafted by an action.

    Append-only: after the insert only the sequencer writes, and only
    ``leaf_index``, ``leaf_hash``, ``n`` and ``sealed_at``, once. The table has
    the same columns as the gateway's (``slipway.evidence.pending``); a trigger
    of the first migration keeps the rest from changing.
    """

    seq = models.BigAutoField(primary_key=True)
    # Django reserves the name "id" for primary keys, hence the column name given by hand.
    record_id = models.CharField(max_length=36, unique=True, db_column="id")
    review = models.CharField(max_length=36, null=True)
    type = models.CharField(max_length=60)
    at = models.CharField(max_length=24)
    party = models.CharField(max_length=40)
    draft = models.BinaryField()
    leaf_index = models.BigIntegerField(null=True)
    leaf_hash = models.CharField(max_length=64, null=True)
    n = models.BigIntegerField(null=True)
    sealed_at = models.CharField(max_length=24, null=True)

    class Meta:
        db_table = "evidence_pending"
        ordering = ("seq",)
        indexes = (
            models.Index(fields=("review", "seq"), name="evidence_pending_review"),
            models.Index(fields=("seq",), name="evidence_pending_open", condition=models.Q(leaf_index=None)),
        )

    def __str__(self) -> str:
        return f"{self.type} {self.record_id}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert; a row that exists is never saved again."""
        if not self._state.adding:
            raise TypeError("evidence_pending is append-only: a record is inserted once")
        super().save(*args, **kwargs)

    def delete(self, using: str | None = None, keep_parents: bool = False) -> NoReturn:
        """Refuse: a record is never deleted."""
        raise TypeError("evidence_pending is append-only: a record is never deleted")

    @classmethod
    def unsealed(cls, limit: int) -> Iterable[PendingRecord]:
        """Return up to ``limit`` records that have no place in the log yet, oldest first."""
        return cls.objects.filter(leaf_index=None).order_by("seq")[:limit]

"""Rows of determinations and of the reports built from them."""

from __future__ import annotations

from typing import Any

from django.db import models

from slipway.base.clock import format_instant
from slipway.base.ids import uuid7
from slipway.desk.reviews.models import Review
from slipway.desk.runs.models import Run


class Determination(models.Model):
    """What a person with authority decided, on which run, why, and whom they consulted."""

    id = models.CharField(max_length=36, primary_key=True, default=uuid7, editable=False)
    review = models.ForeignKey(Review, on_delete=models.PROTECT, related_name="determinations")
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="determinations")
    revision = models.IntegerField()
    verdict = models.CharField(max_length=32)
    reason_code = models.CharField(max_length=64)
    reason = models.TextField(max_length=8000)
    consultations = models.JSONField(default=list)
    dissent = models.TextField(blank=True, max_length=8000)
    expires_at = models.DateTimeField(null=True)
    proposed = models.CharField(max_length=32)
    decided_by = models.CharField(max_length=200)
    decided_by_id = models.CharField(max_length=36)
    decided_at = models.DateTimeField()
    record = models.CharField(max_length=36)
    salt = models.BinaryField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["review", "revision"], name="one_determination_per_revision"),
            models.CheckConstraint(
                name="determination_verdict_known",
                condition=models.Q(verdict__in=["covered", "not covered", "insufficient evidence"]),
            ),
        )

    def sealed_fields(self) -> dict[str, Any]:
        """Return what the record of this determination commits to and its disclosure opens."""
        return {
            "verdict": self.verdict,
            "reason_code": self.reason_code,
            "reason": self.reason,
            "proposed": self.proposed,
            "consultations": self.consultations,
            "dissent": self.dissent,
            "expires_at": None if self.expires_at is None else format_instant(self.expires_at),
            "decided_by": self.decided_by,
        }


class Report(models.Model):
    """A report as built: digests of its parts, and where its bundle is once its record is sealed."""

    id = models.CharField(max_length=36, primary_key=True, default=uuid7, editable=False)
    review = models.ForeignKey(Review, on_delete=models.PROTECT, related_name="reports")
    determination = models.ForeignKey(Determination, on_delete=models.PROTECT, related_name="reports")
    edition = models.IntegerField()
    state = models.CharField(max_length=16)
    dossier = models.JSONField()
    html = models.BinaryField()
    # None where the machine lacks the libraries to make one; the HTML is the source.
    pdf = models.BinaryField(null=True)
    statement = models.JSONField()
    certificate = models.JSONField()
    html_sha256 = models.CharField(max_length=64)
    pdf_sha256 = models.CharField(max_length=64, blank=True)
    record = models.CharField(max_length=36)
    bundle_sha256 = models.CharField(max_length=64, blank=True)
    built_at = models.DateTimeField()
    built_by = models.CharField(max_length=200)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["review", "edition"], name="one_report_per_edition"),
            models.CheckConstraint(
                name="report_state_known", condition=models.Q(state__in=["sealing", "ready"])
            ),
        )

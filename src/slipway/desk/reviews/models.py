"""Rows of a review: the review, the parties in it, the policy pack it runs under, drafts of offers.

Rules (which stage may follow which, how long a window may be) are *not* here:
they are tables in :mod:`slipway.programme`. The constraints below only keep
rows that no rule could have produced out of the database.
"""

from __future__ import annotations

from django.db import models

from slipway.base.ids import short, uuid7
from slipway.desk.accounts.models import Organisation


class Sequence(models.Model):
    """Gapless short numbers: one row per kind (``R``, ``G``, ``RUN``), locked while a number is taken."""

    kind = models.CharField(max_length=8, primary_key=True)
    last = models.BigIntegerField(default=0)


class PackCopy(models.Model):
    """The exact bytes of a policy pack that some review runs under, by their digest.

    A review keeps the rules it was offered with, also when a later version of
    slipway ships another edition of the same pack.
    """

    digest = models.CharField(max_length=64, primary_key=True)
    name = models.CharField(max_length=64)
    version = models.CharField(max_length=32)
    source = models.BinaryField()


class Review(models.Model):
    """One pre-release review of one model."""

    id = models.CharField(max_length=36, primary_key=True, default=uuid7, editable=False)
    number = models.BigIntegerField(unique=True)
    codename = models.CharField(max_length=80)
    model_name = models.CharField(max_length=120)
    summary = models.TextField(max_length=4000)
    planned_release = models.DateField(null=True)
    pack = models.ForeignKey(PackCopy, on_delete=models.PROTECT, related_name="+")
    developer = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    agency = models.ForeignKey(Organisation, on_delete=models.PROTECT, null=True, related_name="+")
    stage = models.CharField(max_length=16, default="draft")
    access = models.CharField(max_length=16, default="none")
    part = models.CharField(max_length=16, default="none")
    determined = models.BooleanField(default=False)
    counts_back_from = models.CharField(max_length=32)
    outside = models.BooleanField(default=False)
    # Hides the names in the commitment that the log holds; opened in the bundle's report.
    salt = models.BinaryField()
    created_record = models.CharField(max_length=36, blank=True)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    window_opened = models.DateTimeField(null=True)
    window_closes = models.DateTimeField(null=True)
    window_latest = models.DateTimeField(null=True)
    window_paused_at = models.DateTimeField(null=True)
    window_counts_back_from = models.CharField(max_length=32, blank=True)
    window_ended_at = models.DateTimeField(null=True)
    released_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_reason = models.TextField(blank=True, max_length=4000)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (
            models.Index(fields=["stage", "-number"]),
            models.Index(fields=["access", "window_closes"]),
        )
        constraints = (
            models.CheckConstraint(
                name="review_stage_known",
                condition=models.Q(
                    stage__in=["draft", "offered", "agreed", "open", "partners", "released", "withdrawn"]
                ),
            ),
            models.CheckConstraint(
                name="review_access_known",
                condition=models.Q(access__in=["none", "open", "paused", "ended"]),
            ),
            models.CheckConstraint(
                name="review_part_known",
                condition=models.Q(part__in=["none", "asked", "accepted", "declined"]),
            ),
            models.CheckConstraint(
                name="review_window_has_both_ends",
                condition=models.Q(
                    window_opened__isnull=True, window_closes__isnull=True, window_latest__isnull=True
                )
                | models.Q(
                    window_opened__isnull=False, window_closes__isnull=False, window_latest__isnull=False
                ),
            ),
        )

    def __str__(self) -> str:
        return self.ref

    @property
    def ref(self) -> str:
        """What people say: ``R-12``."""
        return short("R", self.number)


class Participation(models.Model):
    """One organisation's part in a review; the row that makes the review visible to it.

    ``number`` repeats the review's number so that "my reviews, newest first"
    is one range of one index however many reviews exist.
    """

    PARTS = ("developer", "agency", "partner", "auditor")

    id = models.CharField(max_length=36, primary_key=True, default=uuid7, editable=False)
    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="participations")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    part = models.CharField(max_length=16)
    number = models.BigIntegerField()
    joined_at = models.DateTimeField()
    # Set when the part is over: from then on the organisation sees the review as a stranger does.
    left_at = models.DateTimeField(null=True)
    terms_digest = models.CharField(max_length=64, blank=True)
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.CharField(max_length=200, blank=True)
    declined_at = models.DateTimeField(null=True)
    declined_reason = models.TextField(blank=True, max_length=4000)

    class Meta:
        indexes = (models.Index(fields=["organisation", "-number"]),)
        constraints = (
            models.UniqueConstraint(fields=["review", "organisation"], name="one_part_per_organisation"),
            models.CheckConstraint(
                name="participation_part_known",
                condition=models.Q(part__in=["developer", "agency", "partner", "auditor"]),
            ),
        )


class OfferDraft(models.Model):
    """What a person has typed into a new review and not yet made; private to that person."""

    id = models.CharField(max_length=36, primary_key=True, default=uuid7, editable=False)
    person_id = models.CharField(max_length=36)
    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+")
    fields = models.JSONField(default=dict)
    saved_at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=["person_id", "-saved_at"]),)

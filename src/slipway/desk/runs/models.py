"""Rows of evaluation runs: the registration (before anything is measured), items, results."""

from __future__ import annotations

from django.db import models

from slipway.base.ids import short, uuid7
from slipway.desk.reviews.models import Review


class Run(models.Model):
    """One registered evaluation run.

    ``plan`` is the caller's plan as canonical JSON, ``rule`` the decision rule
    that the desk took from the review's policy pack. Both are committed by the
    record ``registration`` before the run may start; neither ever changes.
    """

    id = models.CharField(max_length=36, primary_key=True, default=uuid7, editable=False)
    number = models.BigIntegerField(unique=True)
    review = models.ForeignKey(Review, on_delete=models.PROTECT, related_name="runs")
    grant_id = models.CharField(max_length=36)
    registration = models.CharField(max_length=36)
    plan = models.JSONField()
    suite = models.CharField(max_length=250)
    plan_digest = models.CharField(max_length=64)
    rule = models.JSONField()
    salt = models.BinaryField()
    state = models.CharField(max_length=16, default="registered")
    registered_by = models.CharField(max_length=200)
    registered_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    containment = models.JSONField(null=True)
    finish = models.JSONField(null=True)
    # Integrity checks that failed at an earlier end of this run; a resumed run does not lose them.
    flags = models.JSONField(default=list)
    statistics = models.JSONField(null=True)
    proposal = models.JSONField(null=True)
    expected = models.IntegerField()
    # Set when a report that shows its items was issued: from then on the developer sees them too.
    disclosed = models.BooleanField(default=False)

    class Meta:
        indexes = (models.Index(fields=["review", "-number"]),)
        constraints = (
            models.CheckConstraint(
                name="run_state_known",
                condition=models.Q(state__in=["registered", "running", "complete", "incomplete"]),
            ),
        )

    def __str__(self) -> str:
        return self.ref

    @property
    def ref(self) -> str:
        """What people say: ``RUN-3``."""
        return short("RUN", self.number)


class RunItem(models.Model):
    """The outcome of one item in one epoch. ``missing`` is an outcome of its own, never a failure."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="items")
    item = models.CharField(max_length=120)
    family = models.CharField(max_length=120)
    domain = models.CharField(max_length=120)
    epoch = models.IntegerField()
    outcome = models.CharField(max_length=8)
    reason = models.CharField(max_length=500, blank=True)
    tokens = models.BigIntegerField()
    turns = models.IntegerField()
    seconds = models.CharField(max_length=24)
    sample_digest = models.CharField(max_length=64, blank=True)
    reported_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["run", "item", "epoch"], name="one_outcome_per_item_and_epoch"),
            models.CheckConstraint(
                name="run_item_outcome_known", condition=models.Q(outcome__in=["pass", "fail", "missing"])
            ),
        )

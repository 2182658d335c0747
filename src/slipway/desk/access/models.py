"""The control tables, shared with the gateway, which reads them by plain SQL.

Names and columns are a contract (``slipway.gateway.store.CONTROL_TABLES``; a
test in ``tests/contract`` keeps the two equal). Times are epoch milliseconds,
so that the gateway compares integers and no driver's idea of a date matters.
Every change of a row below increments ``access_control.epoch`` in the same
transaction (:func:`slipway.desk.access.control.touch`); the gateway's follower reloads on it.
"""

from __future__ import annotations

from django.db import models

from slipway.base.ids import short, uuid7


class Control(models.Model):
    """The one row whose ``epoch`` says that something in the other tables changed."""

    id = models.IntegerField(primary_key=True, default=1)
    epoch = models.BigIntegerField(default=0)

    class Meta:
        db_table = "access_control"
        constraints = (models.CheckConstraint(name="access_control_one_row", condition=models.Q(id=1)),)


class Endpoint(models.Model):
    """A developer's model endpoint. ``sealed`` opens only inside the gateway process."""

    id = models.TextField(primary_key=True, default=uuid7, editable=False)
    review_id = models.TextField()
    model_alias = models.TextField()
    sealed = models.TextField()
    seal_key_id = models.TextField()
    created_ms = models.BigIntegerField()
    retired_ms = models.BigIntegerField(null=True)

    class Meta:
        db_table = "access_endpoint"
        constraints = (
            models.UniqueConstraint(
                fields=["review_id", "model_alias"],
                condition=models.Q(retired_ms__isnull=True),
                name="access_endpoint_one_live_alias",
            ),
        )


class Grant(models.Model):
    """One party's time-boxed, two-party permission to reach one model for a stated purpose."""

    id = models.TextField(primary_key=True, default=uuid7, editable=False)
    number = models.IntegerField(unique=True)
    review_id = models.TextField(db_index=True)
    endpoint_id = models.TextField()
    party = models.TextField()
    model_alias = models.TextField()
    access_level = models.TextField()
    routes = models.TextField()
    purpose = models.TextField()
    state = models.TextField()
    not_before_ms = models.BigIntegerField()
    not_after_ms = models.BigIntegerField()
    # No limit where there is no number.
    requests_per_minute = models.IntegerField(null=True)
    tokens_per_minute = models.IntegerField(null=True)
    concurrency = models.IntegerField(null=True)
    budget_requests = models.IntegerField(null=True)
    budget_tokens = models.BigIntegerField(null=True)
    content_policy = models.TextField()
    recipients = models.TextField()
    agreed_by_developer_ms = models.BigIntegerField(null=True)
    agreed_by_reviewer_ms = models.BigIntegerField(null=True)
    epoch = models.BigIntegerField()
    created_ms = models.BigIntegerField()

    class Meta:
        db_table = "access_grant"
        constraints = (
            models.CheckConstraint(
                name="access_grant_state_known",
                condition=models.Q(state__in=["draft", "active", "paused", "ended", "revoked", "expired"]),
            ),
            # The two-party rule once more, below the code: nothing serves that one side alone agreed to.
            models.CheckConstraint(
                name="access_grant_two_parties",
                condition=~models.Q(state__in=["active", "paused"])
                | models.Q(agreed_by_developer_ms__isnull=False, agreed_by_reviewer_ms__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return self.ref

    @property
    def ref(self) -> str:
        """What people say: ``G-4``."""
        return short("G", self.number)


class Key(models.Model):
    """An API key of a grant. Only its keyed digest is here; the key itself was shown once."""

    id = models.TextField(primary_key=True, default=uuid7, editable=False)
    grant_id = models.TextField(db_index=True)
    digest = models.TextField(unique=True)
    hint = models.TextField()
    label = models.TextField()
    state = models.TextField()
    created_ms = models.BigIntegerField()
    revoked_ms = models.BigIntegerField(null=True)

    class Meta:
        db_table = "access_key"
        constraints = (
            models.CheckConstraint(
                name="access_key_state_known", condition=models.Q(state__in=["live", "revoked"])
            ),
        )


class GrantNote(models.Model):
    """What the desk alone knows about a grant; the gateway never reads it.

    ``proposed_by`` is the side that proposed (its agreement is implied).
    ``own_state`` is the grant's own state; what stands in ``access_grant`` is
    the lesser of it and of the review's access, which is what the gateway must
    enforce. ``days`` is the length agreed while the window was not open yet;
    opening it turns it into an instant.
    """

    grant = models.OneToOneField(
        Grant, on_delete=models.CASCADE, primary_key=True, related_name="note", db_column="grant_id"
    )
    proposed_by = models.TextField()
    proposed_by_name = models.TextField()
    own_state = models.TextField()
    days = models.IntegerField(null=True)

    class Meta:
        db_table = "access_grant_note"
        constraints = (
            models.CheckConstraint(
                name="access_grant_note_side", condition=models.Q(proposed_by__in=["developer", "reviewer"])
            ),
        )

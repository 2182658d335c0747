"""Django application of the access room."""

from __future__ import annotations

from django.apps import AppConfig


class AccessConfig(AppConfig):
    """The access app of the review desk."""

    name = "slipway.desk.access"
    label = "access"
    verbose_name = "Access"

    def ready(self) -> None:
        """Let reviews know who makes the grants follow them, and what waits in access."""
        from slipway.desk.access.actions import Follower, expire_due
        from slipway.desk.access.inbox import source
        from slipway.desk.reviews.inbox import add_source
        from slipway.desk.reviews.ports import register
        from slipway.desk.reviews.service import add_chore

        register(Follower())
        add_source(source)
        add_chore(expire_due)

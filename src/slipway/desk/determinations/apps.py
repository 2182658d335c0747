"""Django application of the determinations room."""

from __future__ import annotations

from django.apps import AppConfig


class DeterminationsConfig(AppConfig):
    """The determinations app of the review desk."""

    name = "slipway.desk.determinations"
    label = "determinations"
    verbose_name = "Determinations"

    def ready(self) -> None:
        """Add what waits in this app to the inbox."""
        from slipway.desk.determinations.inbox import source
        from slipway.desk.reviews.inbox import add_source

        add_source(source)

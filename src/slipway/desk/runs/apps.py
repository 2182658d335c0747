"""Django application of the runs room."""

from __future__ import annotations

from django.apps import AppConfig


class RunsConfig(AppConfig):
    """The runs app of the review desk."""

    name = "slipway.desk.runs"
    label = "runs"
    verbose_name = "Runs"

    def ready(self) -> None:
        """Add what waits in this app to the inbox."""
        from slipway.desk.reviews.inbox import add_source
        from slipway.desk.runs.inbox import source

        add_source(source)

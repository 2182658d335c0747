"""Django application of the runs room."""

from __future__ import annotations

from django.apps import AppConfig


class RunsConfig(AppConfig):
    """The runs app of the review desk."""

    name = "slipway.desk.runs"
    label = "runs"
    verbose_name = "Runs"

"""Django application of the determinations room."""

from __future__ import annotations

from django.apps import AppConfig


class DeterminationsConfig(AppConfig):
    """The determinations app of the review desk."""

    name = "slipway.desk.determinations"
    label = "determinations"
    verbose_name = "Determinations"

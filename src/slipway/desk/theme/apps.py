"""Django's registration of the theme app."""

from django.apps import AppConfig


class ThemeConfig(AppConfig):
    """Theme: templates and static files, no rows."""

    name = "slipway.desk.theme"
    label = "theme"

"""Django's registration of the accounts app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Accounts: both desks use it."""

    name = "slipway.desk.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

"""Django's registration of the records app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.apps import AppConfig

from slipway.desk.accounts import interface


class _Evidence:
    """The port that accounts needs; imports wait until the models are loaded."""

    def record(
        self,
        *,
        acting: Any,
        type: str,
        review: str | None,
        body: Mapping[str, Any],
        party: str | None = None,
    ) -> str:
        from slipway.desk.records.actions import record

        return record(acting=acting, type=type, review=review, body=body, party=party)

    def create_party_key(self, slug: str) -> str:
        from slipway.desk.records.site_keys import create_party_signer

        return create_party_signer(slug).vkey


class RecordsConfig(AppConfig):
    """Records: both desks use it."""

    name = "slipway.desk.records"
    label = "records"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Give accounts its evidence port."""
        interface.provide(_Evidence())

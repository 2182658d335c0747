"""Read-only admin, mounted in debug mode only: a way to look at rows while working on the desk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from slipway.desk.accounts.models import ApiToken, Membership, Organisation, Person

if TYPE_CHECKING:
    _Base = admin.ModelAdmin[Any]
else:
    # Generic for the type checker only.
    _Base = admin.ModelAdmin


class ReadOnlyAdmin(_Base):
    """Shows rows and changes nothing: a write without an action would have no record."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Answer no."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Answer no."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Answer no."""
        return False


@admin.register(Organisation)
class OrganisationAdmin(ReadOnlyAdmin):
    """Organisations."""

    list_display = ("slug", "name", "kind")


@admin.register(Person)
class PersonAdmin(ReadOnlyAdmin):
    """People, without their password hash."""

    list_display = ("name", "email", "is_active")
    fields = ("name", "email", "is_active", "created_at", "last_login")


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    """Who belongs where."""

    list_display = ("person", "organisation", "roles", "ended_at")


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Tokens, without their digest."""

    list_display = ("label", "membership", "scope", "expires_at", "revoked_at")
    fields = ("label", "membership", "scope", "created_at", "expires_at", "revoked_at", "last_used_at")

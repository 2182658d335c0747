"""What every template knows: who is looking, and the site's name."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from slipway.desk.accounts.viewer import viewer_of


def viewer(request: HttpRequest) -> dict[str, Any]:
    """Return ``viewer`` (asked for only when a template uses it) and ``site_name``."""
    return {
        "viewer": SimpleLazyObject(lambda: viewer_of(request)),
        "site_name": settings.SLIPWAY_SITE_NAME,
    }

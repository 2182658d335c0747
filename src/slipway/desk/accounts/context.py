"""What every template knows: who is looking, and the site's name."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from slipway.desk.accounts.queries import site_is_empty
from slipway.desk.accounts.viewer import viewer_of


def viewer(request: HttpRequest) -> dict[str, Any]:
    """Return ``viewer``, ``site_is_empty`` (both asked for only when used) and ``site_name``."""
    return {
        "viewer": SimpleLazyObject(lambda: viewer_of(request)),
        "site_is_empty": site_is_empty,
        "site_name": settings.SLIPWAY_SITE_NAME,
    }

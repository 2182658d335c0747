"""Middleware of the desks: a reference for every request, security headers, error pages.

All of it is synchronous on purpose: a chain that switches between sync and
async hands each request from thread to thread at every switch.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponseBase

from slipway.base.errors import NotFound, SlipwayError
from slipway.desk.project import errors

_Next = Callable[[HttpRequest], HttpResponseBase]
# No letters or digits that people confuse when they read a reference out on the telephone.
_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "object-src 'none'",
    )
)


def new_reference() -> str:
    """Return ten characters that name a request in the log and on an error page."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(10))


class RequestReference:
    """Gives each request a reference and answers with it in ``X-Request-Reference``."""

    def __init__(self, get_response: _Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Handle one request."""
        request.META[errors.REFERENCE] = reference = new_reference()
        response = self.get_response(request)
        response.headers["X-Request-Reference"] = reference
        return response


class SecurityHeaders:
    """Adds the content security policy and what goes with it; pages of people are never cached."""

    def __init__(self, get_response: _Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Handle one request."""
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        # WebAuthn is used on our own pages only.
        response.headers.setdefault(
            "Permissions-Policy",
            "camera=(), geolocation=(), microphone=(), payment=(), usb=(),"
            " publickey-credentials-get=(self), publickey-credentials-create=(self)",
        )
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault("Cache-Control", "no-store")
        return response


def _has_nul(request: HttpRequest) -> bool:
    """Say whether an address holds a NUL: PostgreSQL takes none in a text, and none of ours has one."""
    values = (value for _, found in request.GET.lists() for value in found)
    return "\0" in request.path_info or any("\0" in value for value in values)


class ErrorPages:
    """Turns exceptions of views into pages that say what happened and carry the reference."""

    def __init__(self, get_response: _Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Handle one request; a method that an address does not take is explained like any error."""
        if _has_nul(request):
            return errors.known(request, NotFound("there is nothing here for you"))
        response = self.get_response(request)
        if response.status_code == 405:
            explained = errors.wrong_method(request)
            if "Allow" in response.headers:
                explained.headers["Allow"] = response.headers["Allow"]
            return explained
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """Answer for an exception of a view; ``None`` leaves Django's own kinds to Django."""
        if isinstance(exception, SlipwayError):
            return errors.known(request, exception)
        return None

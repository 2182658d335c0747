"""How the REST API knows its caller: a bearer token, or the session of a signed-in person."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware

from slipway.base.errors import SlipwayError
from slipway.desk.accounts.viewer import Viewer, viewer_of

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class NotSignedIn(SlipwayError):
    """No token, no session, or neither is valid any more."""

    code = "auth.required"
    status = 401


class NotAllowed(SlipwayError):
    """The caller is known but this way of calling does not allow the act."""

    code = "auth.not_allowed"
    status = 403


class _CsrfCheck(CsrfViewMiddleware):
    """Django's check as a function: answers the reason instead of a page."""

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason


def desk_auth(request: HttpRequest) -> Viewer:
    """Return the caller; raise :class:`NotSignedIn` or :class:`NotAllowed`.

    A session is sent by the browser on its own, so a write with it also needs
    the CSRF token; a bearer token is sent on purpose and needs none.
    """
    viewer = viewer_of(request)
    if not viewer.signed_in:
        raise NotSignedIn("send a token as Authorization: Bearer slt_…, or sign in")
    if request.method in SAFE_METHODS:
        return viewer
    if viewer.via == "session":
        check = _CsrfCheck(lambda _: HttpResponse())
        check.process_request(request)
        if check.process_view(request, HttpResponse, (), {}) is not None:
            raise NotAllowed("send the CSRF token in X-CSRFToken with a session", code="csrf")
    if not viewer.may_write:
        raise NotAllowed("this token is for reading; make one that may write", code="token.read_only")
    return viewer

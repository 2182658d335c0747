"""Error answers: pages for people, RFC 9457 problems for programs, each with a reference in the log."""

from __future__ import annotations

import logging
import sys
from typing import Any, Final
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.defaults import ERROR_PAGE_TEMPLATE

from slipway.base.errors import InvalidInput, SlipwayError

REFERENCE: Final = "slipway.reference"
_log = logging.getLogger("slipway.desk")

_WORDS: Final[dict[int, tuple[str, str]]] = {
    400: ("The desk could not read that request", "Go back, load the page again and send the form again."),
    403: ("You may not do that", "Sign in as somebody who may, or ask your organisation's administrator."),
    404: (
        "There is nothing here for you",
        "The address may be wrong, or what it names is not yours to see. The desk answers both the same way.",
    ),
    405: ("This address does not take that", "Go back and use the page's own buttons and links."),
    409: ("That is not possible now", "Nothing was changed."),
    422: ("Something in the form is not right", "Nothing was changed. Go back and correct what is listed."),
    413: ("The request is larger than the desk takes", "Send less at once."),
    500: (
        "Something broke on our side",
        "Nothing you typed caused this, and the act was not carried out halfway.",
    ),
    503: ("The desk is waiting for something else", "Try again in a minute."),
}


def reference_of(request: HttpRequest) -> str:
    """Return the request's reference."""
    return str(request.META.get(REFERENCE, "none"))


def _path(request: HttpRequest) -> str:
    """Return the path for the log, quoted: a decoded line break would let anybody write log lines."""
    return quote(request.path, safe="/:@!$&'()*+,;=~")[:500]


def wants_json(request: HttpRequest) -> bool:
    """Return whether the caller is a program: an API address, or JSON asked for and no HTML."""
    accept = request.headers.get("Accept", "")
    return request.path.startswith("/api/") or ("json" in accept and "html" not in accept)


def problem(request: HttpRequest, body: dict[str, Any]) -> JsonResponse:
    """Return an RFC 9457 answer with the request's reference as ``instance``."""
    full = {**body, "instance": f"urn:slipway:request:{reference_of(request)}"}
    return JsonResponse(full, status=body["status"], content_type="application/problem+json")


def _answer(request: HttpRequest, status: int, code: str, message: str = "", **extra: Any) -> HttpResponse:
    title, advice = _WORDS.get(status, _WORDS[500 if status >= 500 else 400])
    if wants_json(request):
        return problem(
            request,
            {
                "type": f"urn:slipway:problem:{code}",
                "title": message or title,
                "status": status,
                "code": code,
            },
        )
    context = {
        "status": status,
        "title": title,
        "advice": advice,
        "message": message,
        "reference": reference_of(request),
        **extra,
    }
    try:
        return render(request, "theme/error.html", context, status=status)
    except Exception:
        # The database or the templates may be what is broken; a reference must still reach the person.
        _log.exception("reference=%s the error page itself could not be made", reference_of(request))
        text = ERROR_PAGE_TEMPLATE % {"title": title, "details": f"Reference {reference_of(request)}"}
        return HttpResponse(text, status=status)


def known(request: HttpRequest, error: SlipwayError) -> HttpResponse:
    """Answer for an error that slipway raised on purpose."""
    level = logging.WARNING if error.status >= 500 else logging.INFO
    _log.log(
        level,
        "reference=%s %s %s: %s %s",
        reference_of(request),
        request.method,
        _path(request),
        error.status,
        error.code,
    )
    if wants_json(request):
        return problem(request, error.as_problem())
    # A missing object and a forbidden one look the same, whatever the message says.
    message = "" if error.status == 404 else error.message
    problems = error.problems if isinstance(error, InvalidInput) else ()
    return _answer(request, error.status, error.code, "" if problems else message, problems=problems)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400 (Django's handler400)."""
    _log.warning("reference=%s %s: 400 %s", reference_of(request), _path(request), type(exception).__name__)
    return _answer(request, 400, "request.bad")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403 (Django's handler403)."""
    _log.info("reference=%s %s: 403", reference_of(request), _path(request))
    return _answer(request, 403, "forbidden")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form whose CSRF token is missing or old."""
    _log.warning("reference=%s %s: csrf %s", reference_of(request), _path(request), reason)
    return _answer(
        request, 403, "csrf", "This form is too old or did not come from this desk. Load the page again."
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404 (Django's handler404); the same for what is hidden and what is not there."""
    _log.info("reference=%s %s %s: 404", reference_of(request), request.method, _path(request))
    return _answer(request, 404, "not_found")


def wrong_method(request: HttpRequest) -> HttpResponse:
    """Answer 405: the address is there, for another method (named in ``Allow``)."""
    _log.info("reference=%s %s %s: 405", reference_of(request), request.method, request.path)
    message = f"{request.method} is not a method of this address" if wants_json(request) else ""
    return _answer(request, 405, "method.not_allowed", message)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500 (Django's handler500) and write the traceback with the reference to the log."""
    _log.error(
        "reference=%s %s %s: 500",
        reference_of(request),
        request.method,
        _path(request),
        exc_info=sys.exc_info(),
    )
    return _answer(request, 500, "internal")

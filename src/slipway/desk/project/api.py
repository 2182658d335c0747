"""The REST API: one object, a router an app, problems as RFC 9457."""

from __future__ import annotations

from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI, Swagger
from ninja.errors import HttpError, ValidationError

from slipway.base.errors import InvalidInput, NotFound, Problem, SlipwayError
from slipway.desk.access.api import router as access
from slipway.desk.accounts.api import router as accounts
from slipway.desk.accounts.api_auth import desk_auth
from slipway.desk.determinations.api import router as determinations
from slipway.desk.project import errors
from slipway.desk.records.api import router as records
from slipway.desk.reviews.api import router as reviews
from slipway.desk.runs.api import router as runs

api = NinjaAPI(
    title="Slipway review desk",
    version="1",
    description=(
        "The same acts as the pages. Errors are RFC 9457 problems with a stable `code` and, for bad input, "
        "an `errors` list. Send `Idempotency-Key` with a write to make repeating it safe."
    ),
    auth=desk_auth,
    docs=Swagger(settings={"persistAuthorization": False}),
    docs_url=None,
    openapi_url="/openapi.json",
    urls_namespace="api",
)

api.add_router("", accounts, tags=["accounts"])
api.add_router("", records, tags=["records"])
api.add_router("", reviews, tags=["reviews"])
api.add_router("", access, tags=["access"])
api.add_router("", runs, tags=["runs"])
api.add_router("", determinations, tags=["determinations"])


@api.exception_handler(SlipwayError)
def _known(request: HttpRequest, error: SlipwayError) -> HttpResponse:
    return errors.known(request, error)


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    problems = []
    for item in error.errors:
        # ("body", "payload", "days") names where ninja found it; callers know the last part.
        where = [
            str(part) for part in item["loc"] if part not in ("body", "path", "query", "payload", "data")
        ]
        problems.append(
            Problem(".".join(where) or "body", str(item["msg"]), "see /api/docs for what the field takes")
        )
    return errors.known(request, InvalidInput(problems, what="request"))


@api.exception_handler(Http404)
def _missing(request: HttpRequest, error: Http404) -> HttpResponse:
    return errors.known(request, NotFound("there is nothing here for you"))


@api.exception_handler(HttpError)
def _http(request: HttpRequest, error: HttpError) -> HttpResponse:
    known: SlipwayError
    if error.status_code == 400:
        fix = "send one JSON document in UTF-8"
        known = InvalidInput([Problem("body", "is not JSON", fix)], what="request", code="request.bad")
    else:
        known = SlipwayError(str(error), code="request.bad")
    known.status = error.status_code
    return errors.known(request, known)


@api.exception_handler(RequestDataTooBig)
def _too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    known = SlipwayError("the request is larger than the desk takes; send less at once", code="request.large")
    known.status = 413
    return errors.known(request, known)


@api.exception_handler(Exception)
def _unknown(request: HttpRequest, error: Exception) -> HttpResponse:
    return errors.server_error(request)

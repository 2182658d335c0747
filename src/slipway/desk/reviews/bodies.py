"""Request bodies for the OpenAPI description; their checking is the reader's (see ``reading.py``).

Every field takes anything as far as pydantic is concerned, so that a wrong
type is reported together with everything else that is wrong, in our words.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Schema
from pydantic import WithJsonSchema

from slipway.base.errors import InvalidInput, Problem

Text = Annotated[Any, WithJsonSchema({"type": "string"})]
Whole = Annotated[Any, WithJsonSchema({"type": "integer", "minimum": 1})]
Day = Annotated[Any, WithJsonSchema({"type": "string", "format": "date"})]
Instant = Annotated[Any, WithJsonSchema({"type": "string", "format": "date-time"})]
Texts = Annotated[Any, WithJsonSchema({"type": "array", "items": {"type": "string"}})]
Object = Annotated[Any, WithJsonSchema({"type": "object"})]
Objects = Annotated[Any, WithJsonSchema({"type": "array", "items": {"type": "object"}})]


class Body(Schema):
    """A request body for the description; :func:`sent` gives the reader what really came."""


def sent(request: HttpRequest) -> Any:
    """Return the body as JSON, unknown fields included (a misspelt one must be named, not dropped).

    A float is left to the readers: none takes one, and so each is named where
    it stands, with all other problems.
    """
    try:
        return json.loads(request.body, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise InvalidInput([Problem("body", "is not JSON", "send JSON")], what="request") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        # Two readers of one body may take different ones; then nobody knows what was filed.
        counts = Counter(name for name, _ in pairs)
        twice = sorted(name for name, count in counts.items() if count > 1)
        problems = [Problem(name[:80], "is there more than once", "send it once") for name in twice[:20]]
        raise InvalidInput(problems, what="request")
    return found


class CreateReview(Body):
    """A new review."""

    codename: Text = None
    model_name: Text = None
    summary: Text = None
    pack: Text = None
    planned_release: Day = None


class OfferTo(Body):
    """Which agency is asked."""

    agency: Text = None


class AgreeTo(Body):
    """The digest of the terms that were read."""

    terms_digest: Text = None


class Reason(Body):
    """Why."""

    reason: Text = None


class WindowAct(Body):
    """One act on the window: open, pause, resume, shorten, extend or end."""

    act: Text = None
    days: Whole = None
    closes: Instant = None


class Release(Body):
    """To whom the model is released (partners or public), confirmed by the review's number."""

    kind: Text = None
    confirm: Text = None


class Withdraw(Body):
    """Why, confirmed by the review's number."""

    reason: Text = None
    confirm: Text = None

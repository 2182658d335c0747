"""What callers send about access; every problem is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from slipway.base.errors import Problem
from slipway.desk.reviews.reading import Reader
from slipway.gateway.upstream_secret import ALIAS_FIX, is_alias, sealed_shape
from slipway.programme.grants import GrantRequest


@dataclass(frozen=True, slots=True)
class EndpointInput:
    """A sealed endpoint for one model alias."""

    model_alias: str
    sealed: str
    seal_key_id: str


@dataclass(frozen=True, slots=True)
class GrantInput:
    """A proposed grant: for whom, which model, and the limits asked for.

    ``problems`` is what is wrong with it before the review and its pack are
    asked; the action adds theirs and refuses all of it at once.
    """

    party: str
    model_alias: str
    request: GrantRequest
    problems: tuple[Problem, ...] = ()


def _alias(reader: Reader) -> str:
    alias = reader.text("model_alias", fix=ALIAS_FIX, longest=63)
    if alias and not is_alias(alias):
        reader.bad("model_alias", f"{alias[:40]!r} is not an alias", ALIAS_FIX)
    return alias


def read_endpoint(data: object, *, seal_key_id: str, form: bool = False) -> EndpointInput:
    """Read a sealed endpoint; ``seal_key_id`` is the key that the gateway can open now.

    The desk refuses the endpoint in clear: an ``api_key`` in the body is named
    as a problem and not kept.
    """
    reader = Reader(data, what="endpoint", form=form)
    alias = _alias(reader)
    sealed = reader.text(
        "sealed", fix="seal the endpoint with the key of GET /gateway/seal-key", longest=16_384
    )
    if sealed and not sealed_shape(sealed):
        reader.bad(
            "sealed", "is not a sealed endpoint", "seal it with slipway review endpoint or in the browser"
        )
    key_id = reader.text("seal_key_id", fix="give the id of the seal key that was used", longest=64)
    if key_id and key_id != seal_key_id:
        reader.bad(
            "seal_key_id",
            f"{key_id!r} is not the gateway's present key",
            f"seal again with key {seal_key_id}",
        )
    for name in ("api_key", "base_url"):
        if isinstance(data, Mapping) and name in data:
            reader.raw(name)
            reader.bad(name, "must never reach the desk", "send it only inside sealed; then replace this key")
    reader.no_others()
    reader.done()
    return EndpointInput(alias, sealed, key_id)


def read_grant(data: object, *, form: bool = False) -> GrantInput:
    """Read a proposed grant; what is left out is taken from the policy pack. Problems go with it."""
    reader = Reader(data, what="grant", form=form)
    party = reader.text("party", fix="", required=False, longest=40)
    alias = _alias(reader)
    whole = 2**31 - 1

    def number(name: str, high: int = whole) -> int | None:
        return reader.integer(name, low=1, high=high, required=False) or None

    routes: list[str] | None = None
    given = reader.raw("routes")
    if given is not None:
        given = given.split() if form and isinstance(given, str) else given
        if isinstance(given, list) and given and all(isinstance(r, str) for r in given):
            routes = given
        else:
            reader.bad("routes", "is not a list of routes", 'give for example ["/v1/chat/completions"]')
    level = reader.raw("access_level")
    policy = reader.raw("content_policy")
    for name, value in (("access_level", level), ("content_policy", policy)):
        if value is not None and not isinstance(value, str):
            reader.bad(name, "is not text", "give one of the policy pack's values, or leave it out")
    request = GrantRequest(
        access_level=level if isinstance(level, str) else None,
        routes=routes,
        purpose=reader.text("purpose", fix="say in a sentence what the access is for", longest=500),
        days=number("days", 3650),
        not_before=reader.instant("not_before"),
        not_after=reader.instant("not_after"),
        requests_per_minute=number("requests_per_minute"),
        tokens_per_minute=number("tokens_per_minute"),
        concurrency=number("concurrency"),
        budget_requests=number("budget_requests"),
        budget_tokens=number("budget_tokens", 2**53 - 1),
        content_policy=policy if isinstance(policy, str) else None,
    )
    reader.no_others()
    return GrantInput(party, alias, request, reader.problems.problems)


def read_label(data: object, *, form: bool = False) -> str:
    """Read the label of a new key."""
    reader = Reader(data, what="key", form=form)
    label = reader.text("label", fix="name what the key is for, such as runner 1", longest=80, one_line=True)
    reader.no_others()
    reader.done()
    return label

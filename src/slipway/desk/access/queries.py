"""Every read of access; each starts from the reviews that the viewer takes part in."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q, QuerySet

from slipway.base.clock import to_ms
from slipway.base.errors import NotFound, Unavailable
from slipway.desk.access.models import Endpoint, Grant, GrantNote, Key
from slipway.desk.accounts.viewer import Viewer
from slipway.desk.records.site_keys import site
from slipway.desk.reviews import queries as reviews
from slipway.desk.reviews.models import Review
from slipway.gateway import upstream_secret
from slipway.gateway.store import Usage, usage_by_grant
from slipway.programme.grants import Grant as GrantFacts
from slipway.programme.grants import GrantState

_REF = re.compile(r"G-([1-9][0-9]{0,8})", re.ASCII)
NOT_THERE = "There is no such grant, or it is not yours to see."
OVER = ("ended", "revoked", "expired")


def visible_to(viewer: Viewer) -> QuerySet[Grant]:
    """Return the grants the viewer may see: all of a review for its developer and agency, a partner's own."""
    mine = reviews.visible_to(viewer)
    leads = mine.filter(Q(developer_id=viewer.organisation_id) | Q(agency_id=viewer.organisation_id))
    return Grant.objects.select_related("note").filter(
        Q(review_id__in=leads.values("id"))
        | Q(review_id__in=mine.values("id"), party=viewer.organisation_slug)
    )


def get(viewer: Viewer, ref: str) -> Grant:
    """Return the grant ``G-4`` or :class:`NotFound`."""
    match = _REF.fullmatch(ref)
    found = visible_to(viewer).filter(number=int(match[1]) if match else 0).first()
    if found is None:
        raise NotFound(NOT_THERE)
    return found


def review_of(viewer: Viewer, grant: Grant) -> Review:
    """Return the review of a visible grant."""
    return reviews.by_id(viewer, grant.review_id)


def grants_of(viewer: Viewer, review: Review) -> Sequence[Grant]:
    """Return the review's grants that the viewer may see, newest first."""
    return list(visible_to(viewer).filter(review_id=review.id).order_by("-number"))


def endpoints_of(review: Review) -> Sequence[Endpoint]:
    """Return the review's endpoints in use."""
    return list(Endpoint.objects.filter(review_id=review.id, retired_ms=None).order_by("model_alias"))


def live_endpoint(review: Review, alias: str) -> Endpoint | None:
    """Return the endpoint in use behind an alias."""
    return Endpoint.objects.filter(review_id=review.id, retired_ms=None, model_alias=alias).first()


def keys_of(grant: Grant) -> Sequence[Key]:
    """Return the keys of a grant, newest first."""
    return list(Key.objects.filter(grant_id=grant.id).order_by("-created_ms"))


def state_at(grant: Grant, now: datetime) -> str:
    """Return the state as it is at ``now``: the clock ends a grant whether or not the desk wrote it down."""
    if grant.state in ("active", "paused", "draft") and to_ms(now) >= grant.not_after_ms:
        return "expired"
    if grant.state == "active" and to_ms(now) < grant.not_before_ms:
        return "paused"
    return grant.state


def facts_of(grant: Grant) -> GrantFacts:
    """Return what the programme's table decides on: the grant's *own* state and who agreed."""
    return GrantFacts(
        GrantState(GrantNote.objects.get(pk=grant.id).own_state),
        grant.agreed_by_developer_ms is not None,
        grant.agreed_by_reviewer_ms is not None,
    )


def routes_of(grant: Grant) -> list[str]:
    """Return the routes that the grant opens."""
    return [str(route) for route in json.loads(grant.routes)]


def usage(grants: Sequence[Grant]) -> tuple[dict[str, Usage], str]:
    """Return what grants have used by the gateway's ledger, and a sentence when it could not be read."""
    try:
        found = usage_by_grant(site().gateway_db)
    except Unavailable as error:
        return {}, error.message
    return {g.id: found[g.id] for g in grants if g.id in found}, ""


def seal_key() -> tuple[str, str]:
    """Return id and PEM of the gateway's public seal key; :class:`Unavailable` before it was ever started."""
    path = site().keys / upstream_secret.PUBLIC_NAME
    try:
        pem = path.read_bytes()
    except FileNotFoundError:
        raise Unavailable(
            "the gateway has not made its seal key yet: start it once with slipway up gateway",
            code="gateway.no_seal_key",
        ) from None
    return upstream_secret.key_id(pem), pem.decode("ascii")

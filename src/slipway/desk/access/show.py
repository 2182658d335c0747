"""Grants, keys and endpoints as API answers tell them; the pages read the same values."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from slipway.base.clock import format_instant, from_ms
from slipway.desk.access import queries
from slipway.desk.access.models import Endpoint, Grant, Key
from slipway.desk.access.policy import acts_now, may_add_key
from slipway.desk.accounts.viewer import Viewer
from slipway.desk.reviews.models import Review
from slipway.gateway.store import Usage


def _ms(value: int | None) -> str | None:
    return None if value is None else format_instant(from_ms(value))


def usage_json(usage: Usage | None) -> dict[str, Any]:
    """Return what a grant has used; zeros when the gateway saw none of it."""
    usage = usage or Usage()
    return {
        "requests": usage.requests,
        "tokens_in": usage.tokens_in,
        "tokens_out": usage.tokens_out,
        "charged_tokens": usage.charged,
        "refused": usage.refused,
        "open": usage.open,
        "last_at": _ms(usage.last_ms),
    }


def key_json(key: Key) -> dict[str, Any]:
    """Return a key by its last four characters."""
    return {
        "id": key.id,
        "hint": key.hint,
        "label": key.label,
        "state": key.state,
        "created_at": _ms(key.created_ms),
        "revoked_at": _ms(key.revoked_ms),
    }


def endpoint_json(endpoint: Endpoint) -> dict[str, Any]:
    """Return that there is a sealed endpoint; not even its sealed text."""
    return {
        "id": endpoint.id,
        "model_alias": endpoint.model_alias,
        "seal_key_id": endpoint.seal_key_id,
        "created_at": _ms(endpoint.created_ms),
    }


def row_json(grant: Grant, review: Review, now: datetime) -> dict[str, Any]:
    """Return what a list shows of a grant."""
    return {
        "ref": grant.ref,
        "id": grant.id,
        "review": review.ref,
        "party": grant.party,
        "model_alias": grant.model_alias,
        "state": queries.state_at(grant, now),
        "purpose": grant.purpose,
        "access_level": grant.access_level,
        "not_before": _ms(grant.not_before_ms),
        "not_after": _ms(grant.not_after_ms),
        "agreed_by_developer": _ms(grant.agreed_by_developer_ms),
        "agreed_by_reviewer": _ms(grant.agreed_by_reviewer_ms),
    }


def grant_json(viewer: Viewer, grant: Grant, review: Review, now: datetime) -> dict[str, Any]:
    """Return one grant with limits, keys (by hint), usage, and the viewer's next acts."""
    used, trouble = queries.usage([grant])
    return {
        **row_json(grant, review, now),
        "routes": queries.routes_of(grant),
        "content_policy": grant.content_policy,
        "limits": {
            "requests_per_minute": grant.requests_per_minute,
            "tokens_per_minute": grant.tokens_per_minute,
            "concurrency": grant.concurrency,
            "budget_requests": grant.budget_requests,
            "budget_tokens": grant.budget_tokens,
        },
        "keys": [key_json(k) for k in queries.keys_of(grant)],
        "usage": usage_json(used.get(grant.id)),
        "usage_note": trouble or None,
        "acts": [
            *(str(a) for a in acts_now(viewer, review, grant, now)),
            *(["add_key"] if may_add_key(viewer, review, grant, now) else []),
        ],
    }

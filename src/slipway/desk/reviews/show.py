"""A review as API answers and exports tell it; the pages read the same values."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from slipway.base.clock import format_instant
from slipway.desk.accounts.viewer import Viewer
from slipway.desk.reviews import packs, policy, queries
from slipway.desk.reviews.models import Participation, Review
from slipway.desk.reviews.state import state_of, window_of
from slipway.programme import windows


def _at(value: datetime | None) -> str | None:
    return None if value is None else format_instant(value)


def window_json(review: Review, now: datetime) -> dict[str, Any] | None:
    """Return the window with its clock in words, None before access was opened."""
    window = window_of(review)
    if window is None:
        return None
    return {
        "opened": _at(window.opened),
        "closes": _at(window.closes),
        "latest": _at(window.latest),
        "counts_back_from": str(window.counts_back_from),
        "paused_at": _at(window.paused_at),
        "ended_at": _at(window.ended_at),
        "seconds_left": int(windows.remaining(window, now).total_seconds()),
        "clock": windows.describe(window, now),
    }


def row_json(review: Review, now: datetime) -> dict[str, Any]:
    """Return what a list shows of a review."""
    return {
        "ref": review.ref,
        "id": review.id,
        "codename": review.codename,
        "model_name": review.model_name,
        "developer": review.developer.slug,
        "agency": None if review.agency is None else review.agency.slug,
        "pack": review.pack.name,
        "stage": review.stage,
        "access": str(state_of(review, now).access),
        "closes": _at(review.window_closes),
        "planned_release": None if review.planned_release is None else review.planned_release.isoformat(),
        "created_at": _at(review.created_at),
        "changed_at": _at(review.changed_at),
    }


def _party_json(part: Participation) -> dict[str, Any]:
    return {
        "slug": part.organisation.slug,
        "name": part.organisation.name,
        "part": part.part,
        "joined_at": _at(part.joined_at),
        "accepted_at": _at(part.accepted_at),
        "accepted_by": part.accepted_by or None,
        "declined_at": _at(part.declined_at),
        "declined_reason": part.declined_reason or None,
    }


def review_json(viewer: Viewer, review: Review, now: datetime) -> dict[str, Any]:
    """Return one review with its clock, its parties and what the viewer can do now."""
    pack = packs.pack_of(review)
    return {
        **row_json(review, now),
        "summary": review.summary,
        "pack": {
            "name": pack.name,
            "version": pack.version,
            "title": pack.title,
            "digest": pack.digest,
            "max_days": pack.window.max_days,
            "counts_back_from": str(pack.window.counts_back_from),
        },
        "part": review.part,
        "determined": review.determined,
        "window": window_json(review, now),
        "clock": queries.clock_text(review, now),
        "parties": [_party_json(p) for p in queries.participants(review)],
        "released_at": _at(review.released_at),
        "withdrawn_at": _at(review.withdrawn_at),
        "withdrawn_reason": review.withdrawn_reason or None,
        "acts": [str(act) for act in policy.acts_now(viewer, review, now)],
    }


def terms_json(review: Review) -> dict[str, Any]:
    """Return the terms word by word, each clause with the control that enforces it, and their digest."""
    pack = packs.pack_of(review)
    return {
        "ref": review.ref,
        "pack": pack.name,
        "version": pack.version,
        "clauses": pack.terms_text(),
        "digest": pack.terms_digest,
        "accepted": [
            {"party": p.organisation.slug, "at": _at(p.accepted_at), "by": p.accepted_by}
            for p in queries.participants(review)
            if p.accepted_at is not None
        ],
    }

"""Every read of reviews; each starts from what the viewer may see.

A review that the viewer takes no part in and one that does not exist are the
same to every function here: the same :class:`NotFound`, from the same look-up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from slipway.base.errors import NotFound
from slipway.desk.accounts.viewer import Viewer
from slipway.desk.reviews.models import OfferDraft, Participation, Review
from slipway.desk.reviews.state import window_of
from slipway.programme import windows
from slipway.programme.stages import Stage

PAGE = 50
_REF = re.compile(r"R-([1-9][0-9]{0,15})", re.ASCII)
NOT_THERE = "There is no such review, or it is not yours to see."


def visible_to(viewer: Viewer) -> QuerySet[Review]:
    """Return the reviews that the viewer's organisation takes part in."""
    rows = Review.objects.select_related("developer", "agency", "pack")
    if viewer.organisation_id is None:
        return rows.none()
    return rows.filter(
        participations__organisation_id=viewer.organisation_id, participations__left_at__isnull=True
    )


def get(viewer: Viewer, ref: str, *, lock: bool = False) -> Review:
    """Return the review ``R-12``; :class:`NotFound` for a stranger as for a number that nobody has.

    ``lock`` takes the row lock, for the action that changes it.
    """
    match = _REF.fullmatch(ref)
    number = int(match[1]) if match else 0
    rows = visible_to(viewer).filter(number=number)
    if lock:
        rows = rows.select_for_update(of=("self",))
    found = rows.first()
    if found is None:
        raise NotFound(NOT_THERE)
    return found


def by_id(viewer: Viewer, review_id: str, *, lock: bool = False) -> Review:
    """Return the review with this id, as :func:`get` does."""
    rows = visible_to(viewer).filter(pk=review_id)
    if lock:
        rows = rows.select_for_update(of=("self",))
    found = rows.first()
    if found is None:
        raise NotFound(NOT_THERE)
    return found


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list is narrowed to; every part of it stands in the address."""

    stage: str = ""
    agency: str = ""
    words: str = ""

    def as_query(self) -> dict[str, str]:
        """Return the address parameters that are set."""
        pairs = {"stage": self.stage, "agency": self.agency, "q": self.words}
        return {name: value for name, value in pairs.items() if value}


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the list; ``after`` continues it (None on the last page)."""

    reviews: tuple[Review, ...]
    after: int | None


def page(viewer: Viewer, filters: Filters, *, after: int | None = None, limit: int = PAGE) -> Page:
    """Return reviews, newest first, below the number ``after``.

    Walks the index (organisation, number) of the viewer's own participations,
    so the first page costs the same among 20 reviews as among 20,000; there is
    deliberately no total, which would have to count them all.
    """
    if viewer.organisation_id is None:
        return Page((), None)
    rows = Participation.objects.filter(organisation_id=viewer.organisation_id, left_at__isnull=True)
    if after is not None:
        rows = rows.filter(number__lt=after)
    if filters.stage:
        rows = rows.filter(review__stage=filters.stage)
    if filters.agency:
        rows = rows.filter(review__agency__slug=filters.agency)
    if filters.words:
        match = _REF.fullmatch(filters.words.strip().upper())
        rows = (
            rows.filter(number=int(match[1]))
            if match
            else rows.filter(
                Q(review__codename__icontains=filters.words) | Q(review__model_name__icontains=filters.words)
            )
        )
    chosen = list(
        rows.select_related("review", "review__developer", "review__agency", "review__pack")
        .defer("review__summary", "review__pack__source", "review__salt")
        .order_by("-number")[: limit + 1]
    )
    shown = tuple(row.review for row in chosen[:limit])
    return Page(shown, shown[-1].number if len(chosen) > limit else None)


def participants(review: Review) -> Sequence[Participation]:
    """Return who takes part, in the order they joined."""
    return list(
        review.participations.filter(left_at__isnull=True)
        .select_related("organisation")
        .order_by("joined_at", "part")
    )


def part_of(review: Review, organisation_id: str | None) -> Participation | None:
    """Return one organisation's part."""
    if organisation_id is None:
        return None
    return review.participations.filter(organisation_id=organisation_id).first()


def clock_text(review: Review, now: datetime) -> str:
    """Return the window's rule and what is left of it, in words; "" before access was opened."""
    window = window_of(review)
    return "" if window is None else windows.describe(window, now)


def urgency(review: Review, now: datetime) -> str:
    """Return how near the window's end is: ``calm``, ``soon`` (3 days), ``now`` (24 hours) or ``over``."""
    window = window_of(review)
    if window is None:
        return "calm"
    left = windows.remaining(window, now).total_seconds()
    if left <= 0:
        return "over"
    return "now" if left < 86_400 else "soon" if left < 3 * 86_400 else "calm"


def live_reviews(viewer: Viewer, *, limit: int = PAGE) -> list[Review]:
    """Return the viewer's newest reviews that are neither released nor withdrawn (for the inbox).

    By number, along the index of the viewer's own participations: by the time
    of the last change would sort every review there is.
    """
    if viewer.organisation_id is None:
        return []
    rows = Participation.objects.filter(organisation_id=viewer.organisation_id, left_at__isnull=True)
    rows = rows.exclude(review__stage__in=[str(Stage.RELEASED), str(Stage.WITHDRAWN)])
    chosen = (
        rows.select_related("review", "review__developer", "review__agency", "review__pack")
        .defer("review__summary", "review__pack__source", "review__salt")
        .order_by("-number")[:limit]
    )
    return [row.review for row in chosen]


def drafts(viewer: Viewer) -> list[OfferDraft]:
    """Return what the person has typed and not yet made into a review."""
    if viewer.person_id is None:
        return []
    return list(
        OfferDraft.objects.filter(
            person_id=viewer.person_id, organisation_id=viewer.organisation_id
        ).order_by("-saved_at")[:20]
    )


def draft(viewer: Viewer, draft_id: str) -> OfferDraft:
    """Return one of the person's own drafts or :class:`NotFound`."""
    found = next((d for d in drafts(viewer) if d.id == draft_id), None)
    if found is None:
        raise NotFound("There is no such draft.")
    return found


def overdue(now: datetime, limit: int = 100) -> list[str]:
    """Return ids of reviews whose window ran out and whose row does not say so yet (for the clock)."""
    return list(
        Review.objects.filter(access__in=["open", "paused"], window_closes__lte=now)
        .order_by("window_closes")
        .values_list("id", flat=True)[:limit]
    )

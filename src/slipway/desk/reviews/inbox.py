"""The inbox: what waits for the viewer, for what, by when, and the verb that settles it.

Each app to the right adds a source when Django starts; a source looks at a
bounded number of objects, so the page stays cheap however many reviews exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from slipway.desk.accounts.viewer import Viewer
from slipway.desk.reviews import policy, queries
from slipway.desk.reviews.models import Review
from slipway.programme.stages import Access, Act, Part, Stage


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing that waits: ``what`` in words, whose it is, ``verb`` on the button, ``due`` when it ends."""

    review: Review
    what: str
    verb: str
    url: str
    due: datetime | None = None


Source = Callable[[Viewer, list[Review], datetime], Iterable[Waiting]]
_sources: list[Source] = []


def add_source(source: Source) -> None:
    """Add a source; called once by each app when it is loaded."""
    if source not in _sources:
        _sources.append(source)


def waiting(viewer: Viewer, now: datetime) -> tuple[list[Waiting], bool]:
    """Return what waits for the viewer, the nearest end first, and whether older reviews were left out."""
    reviews = queries.live_reviews(viewer, limit=queries.PAGE + 1)
    more = len(reviews) > queries.PAGE
    reviews = reviews[: queries.PAGE]
    found = [w for source in (_own, *_sources) for w in source(viewer, reviews, now)]
    return sorted(found, key=lambda w: (w.due is None, w.due or now, -w.review.number)), more


def _own(viewer: Viewer, reviews: list[Review], now: datetime) -> Iterable[Waiting]:
    for review in reviews:
        base = f"/reviews/{review.ref}/"
        can = set(policy.acts_now(viewer, review, now))
        if Act.OFFER in can and review.stage == Stage.DRAFT:
            yield Waiting(review, "The draft is not offered to anybody yet", "Offer it", f"{base}offer/")
        elif Act.OFFER in can and review.part == Part.DECLINED:
            yield Waiting(review, "The agency declined", "Offer it to another", f"{base}offer/")
        elif Act.AGREE in can and review.part == Part.ASKED:
            yield Waiting(review, "You are asked to take part", "Read the terms", f"{base}terms/")
        elif Act.OPEN_ACCESS in can and review.access == Access.NONE and review.stage == Stage.AGREED:
            yield Waiting(
                review, "The agency agreed; access is not open yet", "Open access", f"{base}window/"
            )
        elif Act.RESUME_ACCESS in can:
            yield Waiting(
                review,
                "Access is paused and its clock runs on",
                "Resume or end it",
                f"{base}window/",
                review.window_closes,
            )

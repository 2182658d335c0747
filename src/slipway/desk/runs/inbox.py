"""What of runs waits for somebody: an evaluator with a grant and nothing measured yet."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from slipway.desk.access.models import Grant
from slipway.desk.accounts.viewer import Viewer
from slipway.desk.reviews.inbox import Waiting
from slipway.desk.reviews.models import Review
from slipway.desk.reviews.policy import acts_now
from slipway.desk.runs.models import Run
from slipway.programme.stages import Act


def source(viewer: Viewer, reviews: list[Review], now: datetime) -> Iterable[Waiting]:
    """Return the reviews that the viewer could measure now and has not."""
    mine = [r for r in reviews if Act.START_RUN in acts_now(viewer, r, now)]
    ids = [r.id for r in mine]
    granted = set(
        Grant.objects.filter(review_id__in=ids, party=viewer.organisation_slug, state="active").values_list(
            "review_id", flat=True
        )
    )
    run = set(Run.objects.filter(review_id__in=ids).values_list("review_id", flat=True))
    for review in mine:
        if review.id in granted and review.id not in run:
            url = f"/reviews/{review.ref}/runs/"
            yield Waiting(
                review, "Access is open and nothing is measured yet", "Measure", url, review.window_closes
            )

"""What of determinations waits for somebody: a finished run, a determination without a report."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from slipway.desk.accounts.viewer import Viewer
from slipway.desk.determinations.models import Report
from slipway.desk.reviews.inbox import Waiting
from slipway.desk.reviews.models import Review
from slipway.desk.reviews.policy import acts_now
from slipway.desk.runs.models import Run
from slipway.programme.stages import Act


def source(viewer: Viewer, reviews: list[Review], now: datetime) -> Iterable[Waiting]:
    """Return what waits for an authority, or for whoever may issue the report."""
    can = {r.id: set(acts_now(viewer, r, now)) for r in reviews}
    ids = [r.id for r in reviews if can[r.id] & {Act.DETERMINE, Act.ISSUE_REPORT}]
    measured = set(
        Run.objects.filter(review_id__in=ids, state__in=["complete", "incomplete"]).values_list(
            "review_id", flat=True
        )
    )
    reported = set(Report.objects.filter(review_id__in=ids).values_list("review_id", flat=True))
    for review in reviews:
        base = f"/reviews/{review.ref}/"
        if review.id in measured and not review.determined and Act.DETERMINE in can[review.id]:
            yield Waiting(
                review,
                "A run is finished; nobody has determined",
                "Determine",
                f"{base}determination/",
                review.window_closes,
            )
        elif review.determined and review.id not in reported and Act.ISSUE_REPORT in can[review.id]:
            yield Waiting(review, "The determination has no report yet", "Build the report", f"{base}report/")

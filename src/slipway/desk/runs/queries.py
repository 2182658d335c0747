"""Every read of runs; each starts from the reviews that the viewer takes part in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from slipway.base.errors import NotFound
from slipway.desk.accounts.viewer import Viewer
from slipway.desk.reviews import queries as reviews
from slipway.desk.reviews.models import Review
from slipway.desk.runs.models import Run, RunItem

_REF = re.compile(r"RUN-([1-9][0-9]{0,15})", re.ASCII)
NOT_THERE = "There is no such run, or it is not yours to see."


def visible_to(viewer: Viewer) -> QuerySet[Run]:
    """Return the runs of the reviews that the viewer leads (developer or agency)."""
    leads = reviews.visible_to(viewer).filter(
        Q(developer_id=viewer.organisation_id) | Q(agency_id=viewer.organisation_id)
    )
    return Run.objects.select_related("review", "review__developer", "review__agency").filter(
        review_id__in=leads.values("id")
    )


def get(viewer: Viewer, ref: str, *, lock: bool = False) -> Run:
    """Return the run ``RUN-3`` or :class:`NotFound`."""
    match = _REF.fullmatch(ref)
    rows = visible_to(viewer).filter(number=int(match[1]) if match else 0)
    if lock:
        rows = rows.select_for_update(of=("self",))
    found = rows.first()
    if found is None:
        raise NotFound(NOT_THERE)
    return found


def runs_of(viewer: Viewer, review: Review) -> Sequence[Run]:
    """Return the review's runs, newest first."""
    return list(visible_to(viewer).filter(review=review).defer("plan", "statistics").order_by("-number"))


@dataclass(frozen=True, slots=True)
class Counts:
    """How far a run is. ``expected`` attempts were planned."""

    expected: int
    passed: int
    failed: int
    missing: int

    @property
    def done(self) -> int:
        """Attempts that have an outcome. A missing one has none, so it is told beside."""
        return self.passed + self.failed

    @property
    def percent(self) -> int:
        """Share of planned attempts that have an outcome, rounded down."""
        return 100 * self.done // self.expected if self.expected else 0


def counts(run: Run) -> Counts:
    """Return the run's progress."""
    rows = dict(run.items.values_list("outcome").annotate(n=Count("id")))
    return Counts(run.expected, rows.get("pass", 0), rows.get("fail", 0), rows.get("missing", 0))


def sees_items(viewer: Viewer, run: Run) -> bool:
    """Say whether single outcomes are disclosed to the viewer.

    The evaluating agency sees them from the first; the developer learns them
    with the report, in which the agency discloses them.
    """
    if viewer.organisation_id == run.review.agency_id:
        return True
    return viewer.organisation_id == run.review.developer_id and run.disclosed


def items_of(run: Run) -> Sequence[RunItem]:
    """Return every reported attempt, by item and epoch."""
    return list(run.items.order_by("domain", "family", "item", "epoch"))

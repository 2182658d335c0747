"""Every read of determinations and reports; each starts from the reviews that the viewer leads."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Q, QuerySet

from slipway.base.errors import NotFound
from slipway.desk.accounts.viewer import Viewer
from slipway.desk.determinations.models import Determination, Report
from slipway.desk.reviews import queries as reviews
from slipway.desk.reviews.models import Review

NO_REPORT = "There is no report of this review yet."


def visible_to(viewer: Viewer) -> QuerySet[Determination]:
    """Return the determinations of the reviews that the viewer leads (developer or agency)."""
    return Determination.objects.select_related("run", "review", "review__agency").filter(
        review_id__in=_led(viewer)
    )


def reports_visible_to(viewer: Viewer) -> QuerySet[Report]:
    """Return the reports of the reviews that the viewer leads."""
    return Report.objects.select_related("determination", "review").filter(review_id__in=_led(viewer))


def _led(viewer: Viewer) -> QuerySet[Review, str]:
    mine = reviews.visible_to(viewer)
    leads = mine.filter(Q(developer_id=viewer.organisation_id) | Q(agency_id=viewer.organisation_id))
    return leads.values("id")  # type: ignore[return-value]


def determinations_of(viewer: Viewer, review: Review) -> Sequence[Determination]:
    """Return the review's determinations, the one in force first."""
    return list(visible_to(viewer).filter(review=review).order_by("-revision"))


def current(viewer: Viewer, review: Review) -> Determination | None:
    """Return the determination in force."""
    return visible_to(viewer).filter(review=review).order_by("-revision").first()


def report_of(viewer: Viewer, review: Review) -> Report | None:
    """Return the latest report."""
    rows = reports_visible_to(viewer).defer("pdf", "html", "dossier")
    return rows.filter(review=review).order_by("-edition").first()


def report(viewer: Viewer, review: Review) -> Report:
    """Return the latest report or :class:`NotFound`."""
    found = report_of(viewer, review)
    if found is None:
        raise NotFound(NO_REPORT, code="report.none")
    return found

"""REST: determination and report."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from slipway.base.errors import NotFound, Refused
from slipway.desk.accounts.viewer import viewer_of
from slipway.desk.determinations import actions, files, inputs, queries, service, show
from slipway.desk.reviews import queries as reviews
from slipway.desk.reviews.bodies import Body, Instant, Objects, Text, sent

router = Router()


class Determine(Body):
    """What a person with authority decided."""

    run: Text = None
    verdict: Text = None
    reason_code: Text = None
    reason: Text = None
    consultations: Objects = None
    dissent: Text = None
    expires_at: Instant = None


@router.post(
    "/reviews/{ref}/determination",
    response={201: dict[str, Any]},
    summary="Record a determination (authority)",
)
def determine(request: HttpRequest, ref: str, payload: Determine) -> Status[dict[str, Any]]:
    """Record it; the software proposes and never decides."""
    viewer = viewer_of(request)
    reviews.get(viewer, ref)
    made, receipt = actions.determine(acting=viewer, ref=ref, given=inputs.read_determination(sent(request)))
    return Status(201, {**show.determination_json(made), "receipt": receipt.as_dict()})


@router.get("/reviews/{ref}/determination", summary="The determination in force, and those it superseded")
def determination(request: HttpRequest, ref: str) -> dict[str, Any]:
    """Return the determinations; 404 when there is none."""
    viewer = viewer_of(request)
    found = queries.determinations_of(viewer, reviews.get(viewer, ref))
    if not found:
        raise NotFound("There is no determination of this review yet.", code="determination.none")
    first, *rest = [show.determination_json(one) for one in found]
    return {**first, "superseded": rest}


@router.post("/reviews/{ref}/report", summary="Build, sign and issue the report")
def build(request: HttpRequest, ref: str) -> dict[str, Any]:
    """Build the report of the determination in force and its bundle."""
    viewer = viewer_of(request)
    reviews.get(viewer, ref)
    made, receipt = service.make(acting=viewer, ref=ref)
    return {**show.report_json(made), "receipt": receipt.as_dict()}


@router.get("/reviews/{ref}/report", summary="The latest report: state and digests")
def read(request: HttpRequest, ref: str) -> dict[str, Any]:
    """Return the report; its bundle is packed as soon as its issue is in the log."""
    viewer = viewer_of(request)
    made = queries.report(viewer, reviews.get(viewer, ref))
    service.complete(made)
    return show.report_json(made)


@router.get("/reviews/{ref}/bundle", summary="The bundle that anybody can verify offline (zip)")
def bundle(request: HttpRequest, ref: str) -> HttpResponse:
    """Return the bundle's bytes."""
    viewer = viewer_of(request)
    made = queries.report(viewer, reviews.get(viewer, ref))
    if not service.complete(made):
        raise Refused(
            "the report is not in the evidence log yet; ask again in a second", code="report.sealing"
        )
    return files.bundle(made)


@router.get("/reviews/{ref}/report.pdf", summary="The report as PDF")
def pdf(request: HttpRequest, ref: str) -> HttpResponse:
    """Return the PDF whose digest is signed."""
    viewer = viewer_of(request)
    return files.pdf(queries.report(viewer, reviews.get(viewer, ref)))


@router.get("/reviews/{ref}/report.html", summary="The report as one HTML file")
def html(request: HttpRequest, ref: str) -> HttpResponse:
    """Return the HTML whose digest is signed."""
    viewer = viewer_of(request)
    return files.html(queries.report(viewer, reviews.get(viewer, ref)))

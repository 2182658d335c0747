"""REST: runs, as the runner reports them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from slipway.desk.accounts.viewer import viewer_of
from slipway.desk.reviews import queries as reviews
from slipway.desk.reviews.bodies import Body, Instant, Object, Objects, Text, sent
from slipway.desk.runs import actions, inputs, queries, show

router = Router()


class RegisterRun(Body):
    """The plan; the decision rule is taken from the review's policy pack."""

    plan: Object = None


class StartRun(Body):
    """What was shown about containment for this very run; ``grant`` where another than the plan's is used."""

    containment: Object = None
    grant: Text = None


class FinishRun(Body):
    """How the run ended."""

    status: Text = None
    reason: Text = None
    log_digest: Text = None
    started_at: Instant = None
    ended_at: Instant = None
    identity: Object = None
    egress: Object = None
    integrity: Objects = None
    suite_notes: Object = None


@router.get("/reviews/{ref}/runs", summary="The review's runs, newest first")
def list_runs(request: HttpRequest, ref: str) -> dict[str, Any]:
    """Return the runs."""
    viewer = viewer_of(request)
    review = reviews.get(viewer, ref)
    return {"items": [show.row_json(run) for run in queries.runs_of(viewer, review)]}


@router.post("/reviews/{ref}/runs", response={201: dict[str, Any]}, summary="Register a run before it starts")
def register(request: HttpRequest, ref: str, payload: RegisterRun) -> Status[dict[str, Any]]:
    """Write the plan's commitment and the pack's rule to the log."""
    viewer = viewer_of(request)
    reviews.get(viewer, ref)
    run, receipt = actions.register(acting=viewer, ref=ref, given=inputs.read_plan(sent(request)))
    return Status(201, {**show.run_json(viewer, run), "receipt": receipt.as_dict()})


@router.get("/runs/{ref}", summary="One run: progress, items, statistics, proposal")
def read(request: HttpRequest, ref: str) -> dict[str, Any]:
    """Return the run as far as it is disclosed to the caller."""
    viewer = viewer_of(request)
    return show.run_json(viewer, queries.get(viewer, ref))


@router.post("/runs/{ref}/start", summary="Start or resume a run, with its containment report")
def start(request: HttpRequest, ref: str, payload: StartRun) -> dict[str, Any]:
    """Start; 409 when the registration is not sealed or containment was not shown."""
    viewer = viewer_of(request)
    queries.get(viewer, ref)
    containment, grant = inputs.read_start(sent(request))
    run, receipt = actions.start(acting=viewer, ref=ref, containment=containment, grant=grant)
    return {**show.row_json(run), "receipt": receipt.as_dict()}


@router.post("/runs/{ref}/items", summary="Report finished attempts; repeating is safe")
def items(request: HttpRequest, ref: str, payload: list[dict[str, Any]]) -> dict[str, Any]:
    """Take in outcomes."""
    viewer = viewer_of(request)
    queries.get(viewer, ref)
    run, receipt = actions.report_items(acting=viewer, ref=ref, items=inputs.read_items(sent(request)))
    return {**show.row_json(run), "receipt": receipt.as_dict()}


@router.post("/runs/{ref}/finish", summary="End a run; the desk recomputes its statistics")
def finish(request: HttpRequest, ref: str, payload: FinishRun) -> dict[str, Any]:
    """Finish as complete or incomplete."""
    viewer = viewer_of(request)
    queries.get(viewer, ref)
    run, receipt = actions.finish(acting=viewer, ref=ref, given=inputs.read_finish(sent(request)))
    return {**show.run_json(viewer, run), "receipt": receipt.as_dict()}

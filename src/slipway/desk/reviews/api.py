"""REST: reviews, their terms, window, release, withdrawal, timeline."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Status

from slipway.base.errors import InvalidInput, Problem
from slipway.desk.accounts.viewer import Viewer, viewer_of
from slipway.desk.records import queries as records
from slipway.desk.reviews import actions, bodies, clock, inputs, queries, show
from slipway.programme import packs
from slipway.programme.stages import Stage

router = Router()


def _seen(request: HttpRequest, ref: str) -> Viewer:
    """Return the viewer when the review is theirs to see: 404 comes before anything about the input."""
    viewer = viewer_of(request)
    queries.get(viewer, ref)
    return viewer


def _done(request: HttpRequest, done: actions.Done) -> dict[str, Any]:
    review, receipt = done
    return {**show.review_json(viewer_of(request), review, clock.now()), "receipt": receipt.as_dict()}


@router.get("/packs", summary="The policy packs that a review can run under")
def list_packs(request: HttpRequest) -> dict[str, Any]:
    """Return the packs with their windows."""
    found = [packs.load(name) for name in packs.available()]
    return {
        "items": [
            {
                "name": p.name,
                "version": p.version,
                "title": p.title,
                "digest": p.digest,
                "max_days": p.window.max_days,
                "counts_back_from": str(p.window.counts_back_from),
            }
            for p in found
        ]
    }


@router.post("/reviews", response={201: dict[str, Any]}, summary="Start a review (developer)")
def create(request: HttpRequest, payload: bodies.CreateReview) -> Status[dict[str, Any]]:
    """Make a draft that only the developer sees."""
    offer = inputs.read_offer(bodies.sent(request))
    return Status(201, _done(request, actions.create(acting=viewer_of(request), offer=offer)))


@router.get("/reviews", summary="The reviews that the caller takes part in, newest first")
def list_reviews(
    request: HttpRequest,
    stage: str = "",
    agency: str = "",
    q: str = "",
    after: int | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = queries.PAGE,
) -> dict[str, Any]:
    """Return one page; ``next`` is the ``after`` of the following one."""
    if stage and stage not in {str(s) for s in Stage}:
        fix = f"give one of: {', '.join(str(s) for s in Stage)}"
        raise InvalidInput([Problem("stage", f"{stage[:40]!r} is unknown", fix)], what="filter")
    found = queries.page(
        viewer_of(request), queries.Filters(stage, agency, q[:200]), after=after, limit=limit
    )
    now = clock.now()
    return {"items": [show.row_json(r, now) for r in found.reviews], "next": found.after}


@router.get("/reviews/{ref}", summary="One review, its clock, parties and the caller's next acts")
def read(request: HttpRequest, ref: str) -> dict[str, Any]:
    """Return the review; 404 when there is none that the caller may see."""
    viewer = viewer_of(request)
    return show.review_json(viewer, queries.get(viewer, ref), clock.now())


@router.get("/reviews/{ref}/terms", summary="The terms, clause by clause, with their digest")
def terms(request: HttpRequest, ref: str) -> dict[str, Any]:
    """Return the terms."""
    return show.terms_json(queries.get(viewer_of(request), ref))


@router.post("/reviews/{ref}/offer", summary="Offer the review to an agency (developer)")
def offer(request: HttpRequest, ref: str, payload: bodies.OfferTo) -> dict[str, Any]:
    """Offer; the agency sees the review from now on."""
    viewer = _seen(request, ref)
    agency = inputs.read_one(
        bodies.sent(request), "agency", "give the short name of an agency", what="offer", longest=40
    )
    return _done(request, actions.offer(acting=viewer, ref=ref, agency=agency))


@router.post("/reviews/{ref}/agree", summary="Take part under the terms (agency)")
def agree(request: HttpRequest, ref: str, payload: bodies.AgreeTo) -> dict[str, Any]:
    """Agree to exactly the terms with this digest."""
    viewer = _seen(request, ref)
    digest = inputs.read_one(
        bodies.sent(request),
        "terms_digest",
        "read GET …/terms and send its digest",
        what="agreement",
        longest=64,
    )
    return _done(request, actions.agree(acting=viewer, ref=ref, terms_digest=digest))


@router.post("/reviews/{ref}/decline", summary="Decline one's own part (agency)")
def decline(request: HttpRequest, ref: str, payload: bodies.Reason) -> dict[str, Any]:
    """Decline; the review and the release stay the developer's."""
    viewer = _seen(request, ref)
    reason = inputs.read_one(bodies.sent(request), "reason", "say why, for the developer", what="answer")
    return _done(request, actions.decline(acting=viewer, ref=ref, reason=reason))


@router.post(
    "/reviews/{ref}/window", summary="Open, pause, resume, shorten, extend or end access (developer)"
)
def window(request: HttpRequest, ref: str, payload: bodies.WindowAct) -> dict[str, Any]:
    """Change the window."""
    viewer = _seen(request, ref)
    asked = inputs.read_window(bodies.sent(request))
    return _done(request, actions.change_window(acting=viewer, ref=ref, request=asked))


@router.post("/reviews/{ref}/release", summary="Release to partners or to the public (developer, any time)")
def release(request: HttpRequest, ref: str, payload: bodies.Release) -> dict[str, Any]:
    """Record the release; nothing that anybody else did can prevent it."""
    viewer = _seen(request, ref)
    kind, confirm = inputs.read_release(bodies.sent(request))
    return _done(request, actions.release(acting=viewer, ref=ref, kind=kind, confirm=confirm))


@router.post("/reviews/{ref}/withdraw", summary="Withdraw from the review (developer, any time)")
def withdraw(request: HttpRequest, ref: str, payload: bodies.Withdraw) -> dict[str, Any]:
    """Withdraw; access ends and every key dies."""
    viewer = _seen(request, ref)
    reason, confirm = inputs.read_withdrawal(bodies.sent(request))
    return _done(request, actions.withdraw(acting=viewer, ref=ref, reason=reason, confirm=confirm))


@router.get("/reviews/{ref}/timeline", summary="What happened, each with its number in the evidence log")
def timeline(request: HttpRequest, ref: str, exchanges: bool = False) -> list[dict[str, Any]]:
    """Return the review's records, oldest first; ``exchanges`` adds the gateway's two records an exchange."""
    viewer = viewer_of(request)
    review = queries.get(viewer, ref)
    found = records.timeline(viewer, review.id, exchanges=exchanges)
    return [entry.as_dict() for entry in found]

"""REST: the sealed endpoint, grants, keys."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from slipway.desk.access import actions, bodies, inputs, queries, show
from slipway.desk.access.models import Grant
from slipway.desk.accounts.viewer import viewer_of
from slipway.desk.reviews import clock
from slipway.desk.reviews import queries as reviews
from slipway.desk.reviews.bodies import sent
from slipway.desk.reviews.receipts import Receipt
from slipway.programme.grants import GrantAct

router = Router()


def _grant(request: HttpRequest, grant: Grant, receipt: Receipt | None = None) -> dict[str, Any]:
    viewer = viewer_of(request)
    body = show.grant_json(viewer, grant, queries.review_of(viewer, grant), clock.now())
    return body if receipt is None else {**body, "receipt": receipt.as_dict()}


@router.get("/gateway/seal-key", summary="The public key to seal an endpoint with")
def seal_key(request: HttpRequest) -> dict[str, str]:
    """Return id and PEM; only the gateway holds the private key."""
    key_id, pem = queries.seal_key()
    return {"id": key_id, "pem": pem}


@router.put("/reviews/{ref}/endpoint", summary="Set the sealed endpoint of a model alias (developer)")
def put_endpoint(request: HttpRequest, ref: str, payload: bodies.PutEndpoint) -> dict[str, Any]:
    """Keep the sealed text; the desk cannot read it."""
    viewer = viewer_of(request)
    reviews.get(viewer, ref)
    given = inputs.read_endpoint(sent(request), seal_key_id=queries.seal_key()[0])
    endpoint, receipt = actions.set_endpoint(acting=viewer, ref=ref, given=given)
    return {**show.endpoint_json(endpoint), "receipt": receipt.as_dict()}


@router.get("/reviews/{ref}/endpoint", summary="The aliases that have a sealed endpoint")
def endpoints(request: HttpRequest, ref: str) -> dict[str, Any]:
    """Return the endpoints in use, without their sealed text."""
    review = reviews.get(viewer_of(request), ref)
    return {"items": [show.endpoint_json(e) for e in queries.endpoints_of(review)]}


@router.get("/reviews/{ref}/grants", summary="The review's grants")
def grants(request: HttpRequest, ref: str) -> dict[str, Any]:
    """Return the grants that the caller may see, newest first."""
    viewer = viewer_of(request)
    review = reviews.get(viewer, ref)
    now = clock.now()
    return {"items": [show.row_json(g, review, now) for g in queries.grants_of(viewer, review)]}


@router.post("/reviews/{ref}/grants", response={201: dict[str, Any]}, summary="Propose a grant")
def propose(request: HttpRequest, ref: str, payload: bodies.ProposeGrant) -> Status[dict[str, Any]]:
    """Propose; the proposer's side has agreed by it, the other must still."""
    viewer = viewer_of(request)
    reviews.get(viewer, ref)
    given = inputs.read_grant(sent(request))
    grant, receipt = actions.propose(acting=viewer, ref=ref, given=given)
    return Status(201, _grant(request, grant, receipt))


@router.get("/grants/{ref}", summary="One grant: state, limits, keys by their last characters, usage")
def read(request: HttpRequest, ref: str) -> dict[str, Any]:
    """Return the grant."""
    return _grant(request, queries.get(viewer_of(request), ref))


def _change(request: HttpRequest, ref: str, act: GrantAct) -> dict[str, Any]:
    grant, receipt = actions.change(acting=viewer_of(request), ref=ref, act=act)
    return _grant(request, grant, receipt)


@router.post("/grants/{ref}/agree", summary="Agree to a proposed grant (the other side)")
def agree(request: HttpRequest, ref: str) -> dict[str, Any]:
    """Agree; with both agreements the grant is active."""
    return _change(request, ref, GrantAct.AGREE)


@router.post("/grants/{ref}/decline", summary="Decline a proposed grant")
def decline(request: HttpRequest, ref: str) -> dict[str, Any]:
    """Decline the proposal."""
    return _change(request, ref, GrantAct.DECLINE)


@router.post("/grants/{ref}/pause", summary="Pause a grant (developer)")
def pause(request: HttpRequest, ref: str) -> dict[str, Any]:
    """Pause; the gateway cuts live streams."""
    return _change(request, ref, GrantAct.PAUSE)


@router.post("/grants/{ref}/resume", summary="Resume a paused grant (developer)")
def resume(request: HttpRequest, ref: str) -> dict[str, Any]:
    """Resume."""
    return _change(request, ref, GrantAct.RESUME)


@router.post("/grants/{ref}/end", summary="End a grant (developer)")
def end(request: HttpRequest, ref: str) -> dict[str, Any]:
    """End the grant and kill its keys."""
    return _change(request, ref, GrantAct.END)


@router.post("/grants/{ref}/revoke", summary="Revoke a grant (developer)")
def revoke(request: HttpRequest, ref: str) -> dict[str, Any]:
    """Revoke the grant and kill its keys."""
    return _change(request, ref, GrantAct.REVOKE)


@router.post("/grants/{ref}/keys", response={201: dict[str, Any]}, summary="Make a key (the grantee)")
def add_key(request: HttpRequest, ref: str, payload: bodies.NewKeyLabel) -> Status[dict[str, Any]]:
    """Make a key. It is in this answer and nowhere else; the developer never sees it."""
    viewer = viewer_of(request)
    queries.get(viewer, ref)
    made = actions.add_key(acting=viewer, ref=ref, label=inputs.read_label(sent(request)))
    return Status(201, {"key": made.secret, **show.key_json(made.key), "receipt": made.receipt.as_dict()})


@router.post("/keys/{key_id}/revoke", summary="Revoke a key (its holder or the developer)")
def revoke_key(request: HttpRequest, key_id: str) -> dict[str, Any]:
    """Revoke the key."""
    key, receipt = actions.revoke_key(acting=viewer_of(request), key_id=key_id)
    return {**show.key_json(key), "receipt": receipt.as_dict()}

"""Pages of access: a review's endpoint and grants, one grant with its keys and usage."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_POST

from slipway.base.errors import NotFound, Unavailable
from slipway.desk.access import actions, forms, inputs, policy, queries, show
from slipway.desk.accounts.viewer import viewer_of
from slipway.desk.reviews import packs
from slipway.desk.reviews import queries as reviews
from slipway.desk.reviews.context import after, of_review, review_context
from slipway.desk.reviews.models import Review
from slipway.programme.grants import GrantAct

FORM = ["GET", "HEAD", "POST"]


@require_http_methods(FORM)
@login_required
def grants(request: HttpRequest, ref: str) -> HttpResponse:
    """Show endpoint and grants; either side proposes a grant here, the developer seals the endpoint."""
    context = review_context(request, ref, "grants")
    viewer, review, now = context["viewer"], context["review"], context["now"]
    endpoints = queries.endpoints_of(review)
    wanted = request.POST.get("act", "")
    form = _grant_form(request if wanted == "propose" else None, review, [e.model_alias for e in endpoints])
    sealing = _sealing()
    endpoint = forms.EndpointForm(
        request.POST if wanted == "endpoint" else None, initial={"seal_key_id": sealing["id"]}
    )
    if wanted == "endpoint":

        def put(given: dict[str, Any]) -> Any:
            read = inputs.read_endpoint(given, seal_key_id=queries.seal_key()[0], form=True)
            return actions.set_endpoint(acting=viewer, ref=ref, given=read)

        done = endpoint.submit(put)
        if done is not None:
            messages.success(request, f"{done[0].model_alias} is sealed. Only the gateway can open it.")
            return after(f"/reviews/{ref}/grants/", done[1])
    elif wanted == "propose":

        def propose(given: dict[str, Any]) -> Any:
            return actions.propose(acting=viewer, ref=ref, given=inputs.read_grant(given, form=True))

        made = form.submit(propose)
        if made is not None:
            messages.success(
                request, f"{made[0].ref} is proposed. The other side must agree before it works."
            )
            return after(f"/grants/{made[0].ref}/", made[1])
    found = queries.grants_of(viewer, review)
    used, trouble = queries.usage(found)
    context |= {
        "endpoints": [show.endpoint_json(e) for e in endpoints],
        "rows": [(g, queries.state_at(g, now), show.usage_json(used.get(g.id))) for g in found],
        "usage_note": trouble,
        "form": form,
        "endpoint_form": endpoint,
        "sealing": sealing,
    }
    return render(request, "access/grants.html", context, status=422 if request.method == "POST" else 200)


def _grant_form(request: HttpRequest | None, review: Review, aliases: list[str]) -> forms.GrantForm:
    parties = [
        (p.organisation.slug, p.organisation.name)
        for p in reviews.participants(review)
        if p.part in ("agency", "partner")
    ]
    pack = packs.pack_of(review)
    initial = {"access_level": pack.grants.default_level}
    return forms.GrantForm(
        request.POST if request else None, pack=pack, parties=parties, aliases=aliases, initial=initial
    )


def _sealing() -> dict[str, str]:
    """Return the gateway's public seal key for the browser, or why there is none yet."""
    try:
        key_id, pem = queries.seal_key()
    except Unavailable as error:
        return {"id": "", "pem": "", "missing": error.message}
    return {"id": key_id, "pem": pem, "missing": ""}


@require_http_methods(FORM)
@login_required
def grant(request: HttpRequest, ref: str) -> HttpResponse:
    """Show one grant; its holder makes keys here, which are shown in this answer only."""
    viewer = viewer_of(request)
    found = queries.get(viewer, ref)
    review = queries.review_of(viewer, found)
    context = {**of_review(viewer, review, "grants"), **_receipt(request, review.ref)}
    form = forms.KeyForm(request.POST or None)
    made = None
    if request.method == "POST":

        def add(given: dict[str, Any]) -> actions.NewKey:
            return actions.add_key(acting=viewer, ref=ref, label=inputs.read_label(given, form=True))

        made = form.submit(add)
        if made is not None:
            form = forms.KeyForm()
    now = context["now"]
    used, trouble = queries.usage([found])
    context |= {
        "grant": found,
        "grant_state": queries.state_at(found, now),
        "routes": queries.routes_of(found),
        "keys": [show.key_json(k) | {"row": k} for k in queries.keys_of(found)],
        "usage": show.usage_json(used.get(found.id)),
        "usage_note": trouble,
        "acts": [(str(a), _ACTS[a]) for a in policy.acts_now(viewer, review, found, now) if a in _ACTS],
        "may_add_key": policy.may_add_key(viewer, review, found, now),
        "may_revoke": policy.may_revoke_key(viewer, review, found),
        "form": form,
        "made": made,
    }
    status = 422 if request.method == "POST" and made is None else 200
    return render(request, "access/grant.html", context, status=status)


_ACTS = {
    GrantAct.AGREE: "Agree",
    GrantAct.DECLINE: "Decline",
    GrantAct.PAUSE: "Pause",
    GrantAct.RESUME: "Resume",
    GrantAct.END: "End",
    GrantAct.REVOKE: "Revoke",
}
_SAID = {
    GrantAct.AGREE: "Both sides have agreed.",
    GrantAct.DECLINE: "The proposal is declined.",
    GrantAct.PAUSE: "The grant is paused: the gateway has cut it off.",
    GrantAct.RESUME: "The grant goes on.",
    GrantAct.END: "The grant has ended and its keys are dead.",
    GrantAct.REVOKE: "The grant is revoked and its keys are dead.",
}


def _receipt(request: HttpRequest, ref: str) -> dict[str, Any]:
    return {"receipt": review_context(request, ref, "grants")["receipt"]}


@require_POST
@login_required
def act(request: HttpRequest, ref: str) -> HttpResponse:
    """Agree to, decline, pause, resume, end or revoke a grant."""
    viewer = viewer_of(request)
    queries.get(viewer, ref)
    wanted = next((a for a in _ACTS if str(a) == request.POST.get("act")), None)
    if wanted is None:
        raise NotFound("There is no such act.")
    _, receipt = actions.change(acting=viewer, ref=ref, act=wanted)
    messages.success(request, _SAID[wanted])
    return after(f"/grants/{ref}/", receipt)


@require_POST
@login_required
def revoke_key(request: HttpRequest, ref: str, key_id: str) -> HttpResponse:
    """Revoke one key."""
    viewer = viewer_of(request)
    queries.get(viewer, ref)
    key, receipt = actions.revoke_key(acting=viewer, key_id=key_id)
    messages.success(request, f"The key …{key.hint} no longer works.")
    return after(f"/grants/{ref}/", receipt)

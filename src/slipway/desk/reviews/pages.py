"""Pages of reviews: inbox, list, new, overview, offer, terms, window, release, withdrawal, timeline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from slipway.base.errors import InvalidInput, NotFound, Problem
from slipway.desk.accounts import queries as accounts
from slipway.desk.accounts.viewer import Viewer, viewer_of
from slipway.desk.records import queries as records
from slipway.desk.reviews import actions, clock, exports, forms, inbox, inputs, packs, policy, queries, show
from slipway.desk.reviews.context import after, review_context
from slipway.programme import packs as shipped
from slipway.programme.roles import OrganisationKind, Role
from slipway.programme.stages import Act, Part, Stage

FORM = ["GET", "HEAD", "POST"]
_COLUMNS = (
    "ref", "codename", "model_name", "developer", "agency", "pack", "stage", "access", "closes",
    "planned_release", "created_at", "changed_at",
)  # fmt: skip


@require_safe
@login_required
def index(request: HttpRequest) -> HttpResponse:
    """Show what waits for the viewer."""
    viewer = viewer_of(request)
    now = clock.now()
    found, more = inbox.waiting(viewer, now)
    recent = queries.page(viewer, queries.Filters(), limit=5)
    context = {
        "waiting": found,
        "more": more,
        "looked_at": queries.PAGE,
        "now": now,
        "recent": [show.row_json(r, now) for r in recent.reviews],
        "drafts": queries.drafts(viewer),
        "can_start": _can_start(viewer),
    }
    return render(request, "reviews/inbox.html", context)


def _can_start(viewer: Viewer) -> bool:
    return viewer.kind is OrganisationKind.DEVELOPER and viewer.has(Role.RELEASE_MANAGER) and viewer.may_write


@require_safe
@login_required
def listing(request: HttpRequest) -> HttpResponseBase:
    """List the viewer's reviews with filters in the address, or export them."""
    viewer = viewer_of(request)
    filters, after_number = _filters(request)
    kind = exports.wanted(request)
    if kind:
        return exports.answer(kind, "reviews", _COLUMNS, _all_rows(viewer, filters))
    now = clock.now()
    found = queries.page(viewer, filters, after=after_number)
    more = None
    if found.after is not None:
        more = "?" + urlencode({**filters.as_query(), "after": str(found.after)})
    context = {
        "form": forms.FilterForm(request.GET),
        "rows": [(r, show.row_json(r, now)) for r in found.reviews],
        "more": more,
        "first": after_number is None,
        "filtered": bool(filters.as_query()),
        "can_start": _can_start(viewer),
        "now": now,
    }
    return render(request, "reviews/list.html", context)


def _filters(request: HttpRequest) -> tuple[queries.Filters, int | None]:
    stage, given = request.GET.get("stage", ""), request.GET.get("after", "")
    problems = []
    if stage and stage not in {str(s) for s in Stage}:
        problems.append(Problem("stage", f"{stage[:40]!r} is unknown", "choose one of the list"))
    if given and not (given.isascii() and given.isdigit() and len(given) < 16):
        problems.append(
            Problem("after", f"{given[:40]!r} is not a number", "follow the link to the next page")
        )
    if problems:
        raise InvalidInput(problems, what="filter")
    words = request.GET.get("q", "").strip()[:200]
    agency = request.GET.get("agency", "").strip()[:40]
    return queries.Filters(stage, agency, words), int(given) if given else None


def _all_rows(viewer: Viewer, filters: queries.Filters) -> Iterator[dict[str, Any]]:
    now, after_number = clock.now(), None
    while True:
        found = queries.page(viewer, filters, after=after_number, limit=200)
        for review in found.reviews:
            yield show.row_json(review, now)
        if found.after is None:
            return
        after_number = found.after


@require_http_methods(FORM)
@login_required
def new(request: HttpRequest) -> HttpResponse:
    """Write a new review: save it as a draft, preview what each party will see, make it."""
    viewer = viewer_of(request)
    if not _can_start(viewer):
        raise NotFound("There is nothing here for you.")
    act = request.POST.get("act", "")
    draft_id = request.GET.get("draft", "")
    if request.method != "POST":
        kept = queries.draft(viewer, draft_id) if draft_id else None
        initial = {**kept.fields, "draft_id": kept.id} if kept else {"pack": "eo-14409"}
        return render(request, "reviews/new.html", {"form": forms.NewReviewForm(initial=initial)})
    form = forms.NewReviewForm(request.POST)
    if act == "save":
        fields = {k: str(v or "")[:4000] for k, v in form.given().items() if k != "draft_id"}
        saved = actions.save_draft(acting=viewer, fields=fields, draft_id=str(form.given()["draft_id"] or ""))
        messages.success(request, "The draft is saved. Only you see it.")
        return redirect(f"/reviews/new/?draft={saved.id}")
    if act == "discard" and form.given()["draft_id"]:
        actions.discard_draft(acting=viewer, draft_id=str(form.given()["draft_id"]))
        messages.success(request, "The draft is gone.")
        return redirect("reviews")
    offer = form.submit(lambda given: inputs.read_offer(given, form=True))
    if offer is not None and act == "make":
        review, receipt = actions.create(acting=viewer, offer=offer)
        messages.success(request, f"{review.ref} is made. Only {review.developer.name} sees it so far.")
        return after(f"/reviews/{review.ref}/", receipt)
    context: dict[str, Any] = {"form": form}
    if offer is not None:
        context |= {"preview": offer, "pack": shipped.load(offer.pack)}
    return render(request, "reviews/new.html", context, status=200 if offer is not None else 422)


@require_safe
@login_required
def overview(request: HttpRequest, ref: str) -> HttpResponse:
    """Show one review: where it stands, its clock, its parties, what the viewer can do next."""
    context = review_context(request, ref, "overview")
    review = context["review"]
    pack = packs.pack_of(review)
    latest = records.timeline(context["viewer"], review.id, limit=6)
    context |= {"pack": pack, "latest": list(reversed(latest))}
    return render(request, "reviews/overview.html", context)


@require_http_methods(FORM)
@login_required
def offer(request: HttpRequest, ref: str) -> HttpResponse:
    """Offer a draft to an agency, after showing what the agency will see."""
    context = review_context(request, ref, "overview")
    viewer = context["viewer"]
    agencies = [(o.slug, o.name) for o in accounts.organisations_of(viewer, OrganisationKind.AGENCY)]
    form = forms.OfferForm(request.POST or None, agencies=agencies)
    if request.method == "POST":
        done = form.submit(
            lambda given: actions.offer(
                acting=viewer,
                ref=ref,
                agency=inputs.read_one(given, "agency", "choose an agency", what="offer", form=True),
            )
        )
        if done is not None:
            name = done[0].agency.name if done[0].agency else "the agency"
            messages.success(request, f"{ref} is offered to {name}, which sees it from now on.")
            return after(f"/reviews/{ref}/", done[1])
    context |= {"form": form, "agencies": agencies, "pack": packs.pack_of(context["review"])}
    return render(request, "reviews/offer.html", context, status=422 if request.method == "POST" else 200)


@require_http_methods(FORM)
@login_required
def terms(request: HttpRequest, ref: str) -> HttpResponse:
    """Show the terms clause by clause; the agency agrees to exactly these or declines its own part."""
    context = review_context(request, ref, "terms")
    viewer = context["viewer"]
    review = context["review"]
    form = forms.DeclineForm(request.POST if request.POST.get("act") == "decline" else None)
    if request.method == "POST" and request.POST.get("act") == "agree":
        digest = request.POST.get("terms_digest", "")
        done: actions.Done | None = actions.agree(acting=viewer, ref=ref, terms_digest=digest)
        messages.success(request, f"{viewer.organisation_slug} takes part in {ref} under these terms.")
    elif request.method == "POST":
        done = form.submit(
            lambda given: actions.decline(
                acting=viewer,
                ref=ref,
                reason=inputs.read_one(given, "reason", "say why", what="answer", form=True),
            )
        )
        if done is not None:
            messages.success(request, "You declined your own part. The developer was not held by it.")
    else:
        done = None
    if done is not None:
        return after(f"/reviews/{ref}/", done[1])
    context |= {
        "pack": packs.pack_of(review),
        "form": form,
        "asked": review.part == Part.ASKED,
        "accepted": [p for p in queries.participants(review) if p.accepted_at is not None],
    }
    return render(request, "reviews/terms.html", context, status=422 if request.method == "POST" else 200)


_WINDOW_SAID = {
    "open": "Access is open.",
    "pause": "Access is paused: the gateway has cut it off. The clock runs on.",
    "resume": "Access goes on.",
    "shorten": "The window ends earlier now.",
    "extend": "The window ends later now.",
    "end": "Access has ended and every key is dead.",
}


@require_http_methods(FORM)
@login_required
def window(request: HttpRequest, ref: str) -> HttpResponse:
    """Show the window with its clock and rule; the developer opens, pauses, moves and ends it here."""
    context = review_context(request, ref, "window")
    viewer, review = context["viewer"], context["review"]
    act = request.POST.get("act", "")
    pack = packs.pack_of(review)
    rule = pack.window_for(Stage(review.stage))
    shown: dict[str, forms.ReadForm] = {
        "open": forms.OpenForm(prefix="open", initial={"days": rule.default_days}),
        "shorten": forms.MoveForm(prefix="shorten"),
        "extend": forms.MoveForm(prefix="extend"),
    }
    if request.method == "POST":
        if act in shown:
            shown[act] = type(shown[act])(request.POST, prefix=act)
        form = shown.get(act, forms.ReadForm(request.POST))
        done = form.submit(
            lambda given: actions.change_window(
                acting=viewer, ref=ref, request=inputs.read_window({**given, "act": act}, form=True)
            )
        )
        if done is not None:
            messages.success(request, _WINDOW_SAID[act])
            return after(f"/reviews/{ref}/window/", done[1])
    problems = next((f for f in shown.values() if f.errors), None)
    context |= {"pack": pack, "rule": rule, "forms": shown, "problems": problems}
    return render(request, "reviews/window.html", context, status=422 if request.method == "POST" else 200)


@require_http_methods(FORM)
@login_required
def release(request: HttpRequest, ref: str) -> HttpResponse:
    """Preview what a release does, then record it after typed confirmation."""
    context = review_context(request, ref, "release")
    viewer, review = context["viewer"], context["review"]
    names = [("partners", "other trusted partners"), ("public", "the public")]
    possible = {"partners": Act.RELEASE_PARTNERS, "public": Act.RELEASE_PUBLIC}
    kinds = [(k, words) for k, words in names if policy.may(viewer, possible[k], review, context["now"])]
    form = forms.ReleaseForm(
        request.POST or None, kinds=kinds, initial={"kind": kinds[-1][0] if kinds else ""}
    )
    if request.method == "POST":

        def act(given: dict[str, Any]) -> actions.Done:
            kind, confirm = inputs.read_release(given, form=True)
            return actions.release(acting=viewer, ref=ref, kind=kind, confirm=confirm)

        done = form.submit(act)
        if done is not None:
            messages.success(request, f"{ref} is released.")
            return after(f"/reviews/{ref}/", done[1])
    context |= {"form": form, "kinds": kinds, "pack": packs.pack_of(review)}
    return render(request, "reviews/release.html", context, status=422 if request.method == "POST" else 200)


@require_http_methods(FORM)
@login_required
def withdraw(request: HttpRequest, ref: str) -> HttpResponse:
    """Preview what a withdrawal does, then record it after typed confirmation."""
    context = review_context(request, ref, "withdraw")
    viewer = context["viewer"]
    form = forms.WithdrawForm(request.POST or None)
    if request.method == "POST":

        def act(given: dict[str, Any]) -> actions.Done:
            reason, confirm = inputs.read_withdrawal(given, form=True)
            return actions.withdraw(acting=viewer, ref=ref, reason=reason, confirm=confirm)

        done = form.submit(act)
        if done is not None:
            messages.success(request, f"You withdrew from {ref}. Every key is dead.")
            return after(f"/reviews/{ref}/", done[1])
    context |= {"form": form, "may": policy.may(viewer, Act.WITHDRAW, context["review"], context["now"])}
    return render(request, "reviews/withdraw.html", context, status=422 if request.method == "POST" else 200)


@require_safe
@login_required
def timeline(request: HttpRequest, ref: str) -> HttpResponseBase:
    """Show what happened, each event with its number in the evidence log, or export it."""
    context = review_context(request, ref, "timeline")
    exchanges = request.GET.get("exchanges") == "1"
    found = records.timeline(context["viewer"], context["review"].id, exchanges=exchanges, limit=500)
    kind = exports.wanted(request)
    if kind:
        columns = ("record", "type", "at", "party", "index", "n", "sealed")
        return exports.answer(kind, f"{ref}-timeline", columns, (e.as_dict() for e in found))
    context |= {"entries": list(reversed(found)), "exchanges": exchanges}
    return render(request, "reviews/timeline.html", context)

"""What every page of one review shows: its head, its clock, its tabs, and the viewer's next acts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from slipway.base.errors import NotFound
from slipway.desk.accounts.viewer import Viewer, viewer_of
from slipway.desk.records import queries as records
from slipway.desk.reviews import clock, policy, queries
from slipway.desk.reviews.models import Review
from slipway.desk.reviews.receipts import Receipt
from slipway.desk.reviews.state import state_of, window_of
from slipway.programme.stages import Access, Act, Stage


@dataclass(frozen=True, slots=True)
class Next:
    """One thing the viewer can do now: ``verb`` on the button, where, and whether it cannot be undone."""

    verb: str
    url: str
    words: str = ""
    danger: bool = False


def review_context(request: HttpRequest, ref: str, tab: str) -> dict[str, Any]:
    """Return the context of a page of the review ``ref``; :class:`NotFound` when it is not the viewer's."""
    viewer = viewer_of(request)
    review = queries.get(viewer, ref)
    return {**of_review(viewer, review, tab), "receipt": _receipt(viewer, request)}


def of_review(viewer: Viewer, review: Review, tab: str) -> dict[str, Any]:
    """Return the context of a page that belongs to a review already read."""
    now = clock.now()
    state = state_of(review, now)
    leads = viewer.organisation_id in (review.developer_id, review.agency_id)
    return {
        "viewer": viewer,
        "review": review,
        "now": now,
        "state": state,
        "window": window_of(review),
        "clock_state": _clock_state(state.access),
        "clock_words": queries.clock_text(review, now),
        "parties": queries.participants(review),
        "can": {str(act) for act in policy.acts_now(viewer, review, now)},
        "next_acts": next_acts(viewer, review, now),
        "leads": leads,
        "tab": tab,
        "tabs": _tabs(review, leads),
        "is_developer": viewer.organisation_id == review.developer_id,
        "is_agency": viewer.organisation_id == review.agency_id,
    }


def _clock_state(access: Access) -> str:
    return {Access.OPEN: "running", Access.PAUSED: "paused"}.get(access, "over")


def _tabs(review: Review, leads: bool) -> list[tuple[str, str, str]]:
    base = f"/reviews/{review.ref}/"
    tabs = [
        ("overview", "Overview", base),
        ("terms", "Terms", f"{base}terms/"),
        ("window", "Window", f"{base}window/"),
    ]
    tabs.append(("grants", "Grants", f"{base}grants/"))
    if leads:
        tabs += [
            ("runs", "Runs", f"{base}runs/"),
            ("determination", "Determination", f"{base}determination/"),
            ("report", "Report", f"{base}report/"),
        ]
    return [*tabs, ("timeline", "Timeline", f"{base}timeline/")]


def next_acts(viewer: Viewer, review: Review, now: datetime) -> list[Next]:
    """Return what the viewer can do to the review now, the usual next step first."""
    can = set(policy.acts_now(viewer, review, now))
    base = f"/reviews/{review.ref}/"
    found = []
    if Act.OFFER in can:
        found.append(
            Next("Offer it to an agency", f"{base}offer/", "The agency sees the review from then on.")
        )
    if Act.AGREE in can:
        found.append(Next("Read the terms and answer", f"{base}terms/", "You answer for your own part only."))
    if Act.SET_ENDPOINT in can and review.stage in (Stage.AGREED, Stage.OPEN):
        found.append(
            Next("Endpoint and grants", f"{base}grants/", "Seal the endpoint; agree on who gets a key.")
        )
    elif Act.PROPOSE_GRANT in can:
        found.append(Next("Propose a grant", f"{base}grants/", "Access needs the agreement of both sides."))
    if can & {Act.OPEN_ACCESS, Act.PAUSE_ACCESS, Act.RESUME_ACCESS, Act.END_ACCESS}:
        words = "Open access" if Act.OPEN_ACCESS in can else "Pause, move or end access"
        found.append(Next(words, f"{base}window/", "Only the developer opens and ends it."))
    if Act.REGISTER_RUN in can:
        found.append(Next("Measure", f"{base}runs/", "A run is registered in the log before it starts."))
    if Act.DETERMINE in can:
        found.append(Next("Determine", f"{base}determination/", "A person decides; the software proposes."))
    if Act.ISSUE_REPORT in can:
        found.append(Next("Report", f"{base}report/", "Build it, print it, hand it on."))
    if can & {Act.RELEASE_PARTNERS, Act.RELEASE_PUBLIC}:
        found.append(Next("Release", f"{base}release/", "Yours alone, in every stage.", danger=True))
    if Act.WITHDRAW in can:
        found.append(Next("Withdraw", f"{base}withdraw/", "Ends access at once.", danger=True))
    return found


def _receipt(viewer: Viewer, request: HttpRequest) -> records.TimelineEntry | None:
    """Return the record that an act just made, named by the address after a redirect."""
    wanted = request.GET.get("receipt", "")
    if not wanted or len(wanted) != 36:
        return None
    try:
        return records.find(viewer, wanted)
    except NotFound:
        return None


def after(address: str, receipt: Receipt) -> HttpResponse:
    """Return the redirect after an act, to a page that shows its receipt."""
    return redirect(f"{address}?receipt={receipt.record}")

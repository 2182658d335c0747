"""Every write of reviews. Each is one short transaction: the row, the grants that follow, the record.

No network, signing or rendering happens here. What may be done is decided by
:mod:`slipway.programme` alone; an act that the table does not hold cannot be
reached by any path of this module.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from django.db import transaction

from slipway.base.clock import format_instant
from slipway.base.errors import InvalidInput, NotFound, Problem, Refused
from slipway.desk.accounts import queries as accounts
from slipway.desk.accounts.viewer import SYSTEM, Viewer
from slipway.desk.reviews import clock, packs, policy, queries
from slipway.desk.reviews.chain import announce, commit, join, names_of, note
from slipway.desk.reviews.inputs import Offer, WindowRequest
from slipway.desk.reviews.models import OfferDraft, Participation, Review
from slipway.desk.reviews.ports import follower
from slipway.desk.reviews.receipts import Receipt
from slipway.desk.reviews.sequence import next_number
from slipway.desk.reviews.state import expired, put_state, put_window, state_of, window_of
from slipway.programme import windows
from slipway.programme.roles import Automatic, OrganisationKind, Role
from slipway.programme.stages import Access, Act, ReleasePoint, Stage, apply
from slipway.programme.windows import Window

Done = tuple[Review, Receipt]


@transaction.atomic
def create(*, acting: Viewer, offer: Offer) -> Done:
    """Make a review as a draft that only the developer sees."""
    policy.require_write(acting)
    if acting.kind is not OrganisationKind.DEVELOPER or not acting.has(Role.RELEASE_MANAGER):
        raise Refused("only a developer's release manager can start a review", code="act.not_yours")
    at = clock.now()
    copy = packs.keep(offer.pack)
    rules = packs.by_digest(copy.digest)
    developer = accounts.organisation(str(acting.organisation_id))
    review = Review.objects.create(
        number=next_number("R"),
        codename=offer.codename,
        model_name=offer.model_name,
        summary=offer.summary,
        planned_release=offer.planned_release,
        pack=copy,
        developer=developer,
        counts_back_from=str(rules.window.counts_back_from),
        salt=secrets.token_bytes(32),
        created_at=at,
        changed_at=at,
    )
    # The desk's own key first: its records announce the others'.
    announce(review, "desk", at)
    join(review, developer, "developer", at)
    receipt = note(
        acting,
        "review.created",
        review,
        {
            "ref": review.ref,
            "pack": {"name": rules.name, "version": rules.version, "digest": rules.digest},
        },
        at,
        sealed=commit(review, "review.created", names_of(review)),
    )
    Review.objects.filter(pk=review.pk).update(created_record=receipt.record)
    if offer.draft_id:
        OfferDraft.objects.filter(pk=offer.draft_id, person_id=acting.person_id).delete()
    return review, receipt


@transaction.atomic
def save_draft(*, acting: Viewer, fields: Mapping[str, str], draft_id: str = "") -> OfferDraft:
    """Keep what a person has typed so far. No act of the programme, so no record."""
    policy.require_write(acting)
    if acting.person_id is None or acting.organisation_id is None:
        raise Refused("sign in to keep a draft", code="act.not_yours")
    at = clock.now()
    # A draft keeps anything but NUL, which PostgreSQL takes in no text.
    fields = {name: text.replace("\0", "") for name, text in fields.items()}
    if draft_id:
        found = queries.draft(acting, draft_id)
        found.fields = fields
        found.saved_at = at
        found.save(update_fields=["fields", "saved_at"])
        return found
    return OfferDraft.objects.create(
        person_id=acting.person_id,
        organisation_id=acting.organisation_id,
        fields=fields,
        saved_at=at,
    )


@transaction.atomic
def discard_draft(*, acting: Viewer, draft_id: str) -> None:
    """Throw a draft away."""
    queries.draft(acting, draft_id).delete()


@transaction.atomic
def offer(*, acting: Viewer, ref: str, agency: str) -> Done:
    """Offer the review to an agency, which sees it from now on."""
    review, at = _take(acting, ref)
    state = policy.step(acting, Act.OFFER, review, at)
    try:
        asked = accounts.organisation_by_slug(agency)
    except NotFound:
        asked = None
    if asked is None or asked.kind != OrganisationKind.AGENCY:
        raise InvalidInput(
            [Problem("agency", f"{agency!r} is no agency of this site", "give the short name of an agency")],
            what="offer",
        )
    if review.agency_id not in (None, asked.id):
        # It declined and another is asked now: what follows is not its to see.
        Participation.objects.filter(review=review, organisation_id=review.agency_id).update(left_at=at)
    review.agency = asked
    put_state(review, state)
    join(review, asked, "agency", at)
    Participation.objects.filter(review=review, organisation=asked).update(
        part="agency", left_at=None, declined_at=None, declined_reason=""
    )
    digest = packs.pack_of(review).terms_digest
    _save(review, at)
    return review, note(acting, "review.offered", review, {"agency": asked.slug, "terms_digest": digest}, at)


@transaction.atomic
def agree(*, acting: Viewer, ref: str, terms_digest: str) -> Done:
    """Take part under exactly these terms; another digest is refused, so that nobody signs unseen text."""
    review, at = _take(acting, ref)
    state = policy.step(acting, Act.AGREE, review, at)
    right = packs.pack_of(review).terms_digest
    if terms_digest != right:
        raise InvalidInput(
            [
                Problem(
                    "terms_digest",
                    "it is not the digest of this review's terms",
                    "read the terms again and send the digest that stands with them",
                )
            ],
            what="agreement",
        )
    put_state(review, state)
    Participation.objects.filter(
        review=review, organisation_id__in=[review.agency_id, review.developer_id]
    ).update(terms_digest=right, declined_at=None, declined_reason="")
    Participation.objects.filter(review=review, organisation_id=review.agency_id).update(
        accepted_at=at, accepted_by=acting.name
    )
    Participation.objects.filter(
        review=review, organisation_id=review.developer_id, accepted_at__isnull=True
    ).update(accepted_at=at, accepted_by="by the offer")
    _save(review, at)
    return review, note(acting, "review.agreed", review, {"terms_digest": right}, at)


@transaction.atomic
def decline(*, acting: Viewer, ref: str, reason: str) -> Done:
    """Decline the agency's own part. The review stays the developer's, and so does the release."""
    review, at = _take(acting, ref)
    put_state(review, policy.step(acting, Act.DECLINE, review, at))
    Participation.objects.filter(review=review, organisation_id=review.agency_id).update(
        declined_at=at, declined_reason=reason, accepted_at=None
    )
    follower().party_left(acting=acting, review=review, party=acting.organisation_slug, at=at)
    _save(review, at)
    sealed = commit(review, "review.declined", {"reason": reason})
    return review, note(acting, "review.declined", review, {}, at, sealed=sealed)


_WINDOW_ACTS: Mapping[str, tuple[Act, str]] = {
    "open": (Act.OPEN_ACCESS, "window.opened"),
    "pause": (Act.PAUSE_ACCESS, "window.paused"),
    "resume": (Act.RESUME_ACCESS, "window.resumed"),
    "shorten": (Act.SHORTEN_ACCESS, "window.shortened"),
    "extend": (Act.EXTEND_ACCESS, "window.extended"),
    "end": (Act.END_ACCESS, "window.ended"),
}
WINDOW_ACTS: tuple[str, ...] = tuple(_WINDOW_ACTS)


@transaction.atomic
def change_window(*, acting: Viewer, ref: str, request: WindowRequest) -> Done:
    """Open, pause, resume, shorten, extend or end access; every grant follows in the same transaction."""
    review, at = _take(acting, ref)
    act, type = _WINDOW_ACTS[request.act]
    state = policy.step(acting, act, review, at)
    window = _moved(review, act, request, at)
    put_state(review, state)
    put_window(review, window)
    _save(review, at)
    grants = follower()
    match act:
        case Act.OPEN_ACCESS:
            grants.opened(acting=acting, review=review, at=at)
        case Act.PAUSE_ACCESS:
            grants.paused(acting=acting, review=review, at=at)
        case Act.RESUME_ACCESS:
            grants.resumed(acting=acting, review=review, at=at)
        case Act.END_ACCESS:
            grants.ended(acting=acting, review=review, at=at, reason="window ended by the developer")
        case _:
            grants.closes_changed(acting=acting, review=review, at=at)
    body = {
        "opened": format_instant(window.opened),
        "closes": format_instant(window.closes),
        "latest": format_instant(window.latest),
        "counts_back_from": str(window.counts_back_from),
    }
    return review, note(acting, type, review, body, at)


def _moved(review: Review, act: Act, request: WindowRequest, at: datetime) -> Window:
    """Return the window after the act, by the programme's arithmetic."""
    window = window_of(review)
    rules = packs.pack_of(review).window_for(Stage(review.stage))
    fresh = window is None or window.counts_back_from != rules.counts_back_from
    if act is Act.OPEN_ACCESS and fresh:
        planned = _planned(review.planned_release, at)
        return windows.open_window(
            rules, at, days=request.days, closes=request.closes, planned_release=planned
        )
    assert window is not None  # every other act has a live or ended window by the table's conditions
    if act is Act.PAUSE_ACCESS:
        return windows.pause(window, at)
    if act is Act.RESUME_ACCESS:
        return windows.resume(window, at)
    if act is Act.END_ACCESS:
        return windows.end(window, at)
    if request.closes is not None and request.days is not None:
        raise InvalidInput(
            [Problem("closes", "given together with days", "give one of the two")], what="window"
        )
    if act is Act.OPEN_ACCESS:
        days = timedelta(days=request.days if request.days is not None else rules.max_days)
        closes = request.closes or (at + days if request.days is not None else min(window.latest, at + days))
        return windows.reopen(window, at, closes)
    if request.closes is None and request.days is None:
        raise InvalidInput(
            [
                Problem(
                    "closes",
                    "the new end is missing",
                    "give closes (an instant) or days (to add, or to take off)",
                )
            ],
            what="window",
        )
    days = timedelta(days=request.days or 0)
    if act is Act.SHORTEN_ACCESS:
        return windows.shorten(window, at, request.closes or window.closes - days)
    return windows.extend(window, at, request.closes or window.closes + days)


def _planned(day: date | None, at: datetime) -> datetime | None:
    """Return the planned release as an instant; a day that has passed was a plan that slipped."""
    if day is None:
        return None
    planned = datetime.combine(day, time(), UTC)
    return planned if planned > at else None


@transaction.atomic
def release(*, acting: Viewer, ref: str, kind: str, confirm: str) -> Done:
    """Record that the developer releases the model, to other trusted partners or to the public.

    One act, possible in every stage, and nothing here asks what anybody else did.
    """
    review, at = _take(acting, ref)
    act, point = {
        "partners": (Act.RELEASE_PARTNERS, ReleasePoint.PARTNER_RELEASE),
        "public": (Act.RELEASE_PUBLIC, ReleasePoint.PUBLIC_RELEASE),
    }[kind]
    state = policy.step(acting, act, review, at)
    _confirmed(confirm, review)
    before = state_of(review, at).access
    put_state(review, state)
    window = window_of(review)
    if window is not None:
        put_window(review, windows.at_release(window, point, at))
    if kind == "public":
        review.released_at = at
    _save(review, at)
    if (state.access is Access.ENDED and before is not Access.ENDED) or state.stage is Stage.RELEASED:
        follower().ended(acting=acting, review=review, at=at, reason="the model was released")
    return review, note(acting, "review.released", review, {"kind": kind}, at)


@transaction.atomic
def withdraw(*, acting: Viewer, ref: str, reason: str, confirm: str) -> Done:
    """Withdraw from the review: access ends and every key dies in this transaction."""
    review, at = _take(acting, ref)
    state = policy.step(acting, Act.WITHDRAW, review, at)
    _confirmed(confirm, review)
    put_state(review, state)
    window = window_of(review)
    if window is not None:
        put_window(review, windows.end(window, at))
    review.withdrawn_at = at
    review.withdrawn_reason = reason
    _save(review, at)
    follower().ended(acting=acting, review=review, at=at, reason="the developer withdrew")
    sealed = commit(review, "review.withdrawn", {"reason": reason})
    return review, note(acting, "review.withdrawn", review, {}, at, sealed=sealed)


@transaction.atomic
def expire(*, review_id: str) -> Receipt | None:
    """Write down that a window ran out (the gateway refused from that instant on by itself)."""
    review = Review.objects.select_for_update().get(pk=review_id)
    return _settle(review, clock.now())


def _settle(review: Review, at: datetime) -> Receipt | None:
    if not expired(review, at):
        return None
    window = window_of(review)
    state = state_of(review, at)
    if window is not None:
        window = windows.expire(window, at)
        put_window(review, window)
    recorded = Access(review.access)
    put_state(review, apply(replace(state, access=recorded), Act.EXPIRE_ACCESS, Automatic.CLOCK))
    _save(review, at)
    follower().ended(acting=SYSTEM, review=review, at=at, reason="the window's time is over")
    closes = format_instant(window.closes) if window is not None else None
    return note(SYSTEM, "window.expired", review, {"closes": closes}, at, party="desk")


def mark_determined(*, acting: Viewer, review: Review, at: datetime) -> None:
    """Let the review's state know that a determination exists; called by ``desk/determinations``."""
    put_state(review, policy.step(acting, Act.DETERMINE, review, at))
    _save(review, at)


def take(acting: Viewer, ref: str) -> tuple[Review, datetime]:
    """Return the locked review and the instant of the act, with what the clock did already recorded."""
    return _take(acting, ref)


def _take(acting: Viewer, ref: str) -> tuple[Review, datetime]:
    review = queries.get(acting, ref, lock=True)
    at = clock.now()
    _settle(review, at)
    return review, at


def _save(review: Review, at: datetime) -> None:
    review.changed_at = at
    review.save()


def _confirmed(confirm: str, review: Review) -> None:
    if confirm.strip().upper() != review.ref:
        raise InvalidInput(
            [Problem("confirm", f"{confirm!r} is not {review.ref}", f"type {review.ref} to confirm")],
            what="confirmation",
        )

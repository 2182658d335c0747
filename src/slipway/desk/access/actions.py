"""Every write of access: endpoints, grants and keys; each moves the epoch in the same transaction.

What is allowed is decided by :mod:`slipway.programme.grants`. A grant has its
own state; what is written for the gateway is the lesser of that and the
review's access, recomputed by :func:`enforce` whenever either changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from slipway.base.clock import format_instant, from_ms, to_ms
from slipway.base.errors import InvalidInput, NotFound, Problem, Refused
from slipway.desk.access import policy as grant_policy
from slipway.desk.access import queries
from slipway.desk.access.control import touch
from slipway.desk.access.inputs import EndpointInput, GrantInput
from slipway.desk.access.models import Endpoint, Grant, GrantNote, Key
from slipway.desk.accounts.viewer import SYSTEM, Viewer
from slipway.desk.records.site_keys import site
from slipway.desk.reviews import actions as reviews
from slipway.desk.reviews import packs, policy
from slipway.desk.reviews.chain import announce, note
from slipway.desk.reviews.models import Participation, Review
from slipway.desk.reviews.receipts import Receipt
from slipway.desk.reviews.sequence import next_number
from slipway.desk.reviews.state import state_of, window_of
from slipway.gateway.keys import digest, hint, load_or_create_pepper, new_key
from slipway.programme.grants import (
    GrantAct,
    GrantState,
    GrantTerms,
    apply_grant,
    effective,
    propose_grant,
    settle,
)
from slipway.programme.roles import DEVELOPER_ROLES, Automatic
from slipway.programme.stages import Access, Act, Stage, role_for
from slipway.programme.windows import Window, is_live

_RECORDS = {
    GrantAct.AGREE: "grant.agreed",
    GrantAct.DECLINE: "grant.declined",
    GrantAct.PAUSE: "grant.paused",
    GrantAct.RESUME: "grant.resumed",
    GrantAct.END: "grant.ended",
    GrantAct.REVOKE: "grant.revoked",
    GrantAct.EXPIRE: "grant.expired",
}
_FINAL = frozenset({GrantState.ENDED, GrantState.REVOKED, GrantState.EXPIRED})


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as it is shown once: ``secret`` exists here and nowhere else."""

    key: Key
    secret: str
    receipt: Receipt


def enforce(review: Review, grants: Iterable[Grant], at: datetime) -> None:
    """Write the effective state of grants for the gateway and move the epoch."""
    epoch = touch()
    access = state_of(review, at).access
    for grant in grants:
        grant.state = str(effective(GrantState(grant.note.own_state), access))
        grant.epoch = epoch
        grant.save()


@transaction.atomic
def set_endpoint(*, acting: Viewer, ref: str, given: EndpointInput) -> tuple[Endpoint, Receipt]:
    """Put a sealed endpoint behind an alias, replacing the one in use; its grants follow to the new one."""
    review, at = reviews.take(acting, ref)
    policy.step(acting, Act.SET_ENDPOINT, review, at)
    first = not Endpoint.objects.filter(review_id=review.id).exists()
    old = queries.live_endpoint(review, given.model_alias)
    if old is not None:
        old.retired_ms = to_ms(at)
        old.save(update_fields=["retired_ms"])
    made = Endpoint.objects.create(
        review_id=review.id,
        model_alias=given.model_alias,
        sealed=given.sealed,
        seal_key_id=given.seal_key_id,
        created_ms=to_ms(at),
    )
    followers = Grant.objects.select_related("note").filter(
        review_id=review.id, model_alias=given.model_alias
    )
    for grant in followers:
        grant.endpoint_id = made.id
        grant.save(update_fields=["endpoint_id"])
    touch()
    if first:
        announce(review, "gateway", at)
    body = {"model_alias": made.model_alias, "seal_key": made.seal_key_id, "replaces": old is not None}
    return made, note(acting, "endpoint.sealed", review, body, at)


@transaction.atomic
def propose(*, acting: Viewer, ref: str, given: GrantInput) -> tuple[Grant, Receipt]:
    """Propose a grant; the proposer's side has agreed by proposing, the other side must still."""
    review, at = reviews.take(acting, ref)
    policy.step(acting, Act.PROPOSE_GRANT, review, at)
    roles = policy.roles_in(acting, review)
    role = role_for(state_of(review, at), Act.PROPOSE_GRANT, roles)
    assert role is not None  # step() above refuses otherwise
    if role not in DEVELOPER_ROLES:
        grant_policy.require_room(review)
    draft = propose_grant(role)
    party, endpoint, terms = _settled(review, given, at)
    window = window_of(review)
    waiting = window is None or not is_live(window, at)
    grant = Grant.objects.create(
        number=next_number("G"),
        review_id=review.id,
        endpoint_id=endpoint.id,
        party=party,
        model_alias=endpoint.model_alias,
        access_level=terms.access_level,
        routes=json.dumps(terms.routes),
        purpose=terms.purpose,
        state=str(GrantState.DRAFT),
        not_before_ms=to_ms(terms.not_before),
        not_after_ms=to_ms(terms.not_after),
        requests_per_minute=terms.requests_per_minute,
        tokens_per_minute=terms.tokens_per_minute,
        concurrency=terms.concurrency,
        budget_requests=terms.budget_requests,
        budget_tokens=terms.budget_tokens,
        content_policy=terms.content_policy,
        recipients="[]",
        agreed_by_developer_ms=to_ms(at) if draft.agreed_by_developer else None,
        agreed_by_reviewer_ms=to_ms(at) if draft.agreed_by_reviewer else None,
        epoch=touch(),
        created_ms=to_ms(at),
    )
    length = max(1, (terms.not_after - terms.not_before).days)
    GrantNote.objects.create(
        grant=grant,
        proposed_by="developer" if role in DEVELOPER_ROLES else "reviewer",
        proposed_by_name=acting.name,
        own_state=str(GrantState.DRAFT),
        days=(given.request.days or length) if waiting and given.request.not_after is None else None,
    )
    return grant, note(acting, "grant.proposed", review, _terms_body(grant), at)


def _settled(review: Review, given: GrantInput, at: datetime) -> tuple[str, Endpoint, GrantTerms]:
    """Return party, endpoint and terms; what the body, the review and the pack refuse is named together."""
    problems = list(given.problems)
    # The agency when nobody is named.
    party = given.party or (review.agency.slug if review.agency is not None else "")
    known = Participation.objects.filter(
        review=review, left_at=None, part__in=["agency", "partner"], organisation__slug=party
    )
    if not known.exists():
        fix = "name the agency or a trusted partner"
        problems.append(Problem("party", f"{party!r} takes no part in this review", fix))
    endpoint = queries.live_endpoint(review, given.model_alias)
    if endpoint is None:
        aliases = ", ".join(e.model_alias for e in queries.endpoints_of(review)) or "none yet"
        fix = f"use one that the developer set (there is: {aliases})"
        problems.append(Problem("model_alias", f"{given.model_alias!r} has no endpoint in this review", fix))
    terms = None
    try:
        terms = settle(packs.pack_of(review).grants, given.request, at, window_of(review))
    except InvalidInput as error:
        problems.extend(error.problems)
    if problems or endpoint is None or terms is None:
        # A field that could not be read was asked about as if it were not there: the first word on it counts.
        first = {problem.field: problem for problem in reversed(problems)}
        raise InvalidInput(reversed(first.values()), what="grant")
    return party, endpoint, terms


def _terms_body(grant: Grant) -> dict[str, object]:
    return {
        "grant": grant.ref,
        "party": grant.party,
        "model_alias": grant.model_alias,
        "access_level": grant.access_level,
        "routes": json.loads(grant.routes),
        "not_before": format_instant(from_ms(grant.not_before_ms)),
        "not_after": format_instant(from_ms(grant.not_after_ms)),
        "content_policy": grant.content_policy,
        "limits": {
            "requests_per_minute": grant.requests_per_minute,
            "tokens_per_minute": grant.tokens_per_minute,
            "concurrency": grant.concurrency,
            "budget_requests": grant.budget_requests,
            "budget_tokens": grant.budget_tokens,
        },
    }


@transaction.atomic
def change(*, acting: Viewer, ref: str, act: GrantAct) -> tuple[Grant, Receipt]:
    """Agree to, decline, pause, resume, end or revoke a grant."""
    grant, review, at = _take(acting, ref)
    after = apply_grant(queries.facts_of(grant), act, grant_policy.role_for(acting, review, grant, act))
    if act in (GrantAct.AGREE, GrantAct.RESUME) and to_ms(at) >= grant.not_after_ms:
        raise Refused(f"{grant.ref} ran out; propose a new grant", code="grant.expired")
    if act in (GrantAct.AGREE, GrantAct.RESUME) and review.stage in (Stage.RELEASED, Stage.WITHDRAWN):
        raise Refused(f"the review is {review.stage}; there is nothing left to open", code="act.wrong_stage")
    if after.agreed_by_developer and grant.agreed_by_developer_ms is None:
        grant.agreed_by_developer_ms = to_ms(at)
    if after.agreed_by_reviewer and grant.agreed_by_reviewer_ms is None:
        grant.agreed_by_reviewer_ms = to_ms(at)
    grant.note.own_state = str(after.state)
    grant.note.save(update_fields=["own_state"])
    if after.state in _FINAL:
        _kill_keys(grant, at)
    if act is GrantAct.AGREE:
        _fit(grant, review, at)
    enforce(review, [grant], at)
    body = {"grant": grant.ref, "party": grant.party}
    return grant, note(acting, _RECORDS[act], review, body, at)


@transaction.atomic
def add_key(*, acting: Viewer, ref: str, label: str) -> NewKey:
    """Make a key for the grantee. The secret goes to the grantee alone and is stored nowhere."""
    grant, review, at = _take(acting, ref)
    policy.require_write(acting)
    if acting.organisation_slug != grant.party or not policy.roles_in(acting, review):
        raise Refused(
            f"only {grant.party} makes its own keys: the secret passes through nobody else",
            code="act.not_yours",
        )
    if GrantState(grant.note.own_state) in _FINAL or queries.state_at(grant, at) in queries.OVER:
        raise Refused(f"{grant.ref} is over; propose a new grant", code="grant.over")
    grant_policy.require_key_room(grant)
    secret = new_key()
    key = Key.objects.create(
        grant_id=grant.id,
        digest=digest(secret, load_or_create_pepper(site().keys / "pepper")),
        hint=hint(secret),
        label=label,
        state="live",
        created_ms=to_ms(at),
    )
    touch()
    body = {"grant": grant.ref, "key_hint": key.hint}
    return NewKey(key, secret, note(acting, "key.issued", review, body, at))


@transaction.atomic
def revoke_key(*, acting: Viewer, key_id: str) -> tuple[Key, Receipt]:
    """Revoke a key: by its holder's organisation or by the developer. Refused from the next request on."""
    key = Key.objects.filter(pk=key_id).first()
    grant = None if key is None else queries.visible_to(acting).filter(pk=key.grant_id).first()
    if key is None or grant is None:
        raise NotFound("There is no such key, or it is not yours to see.")
    review, at = reviews.take(acting, queries.review_of(acting, grant).ref)
    policy.require_write(acting)
    if not grant_policy.may_revoke_key(acting, review, grant):
        raise Refused(f"a key is revoked by {grant.party} or by the developer", code="act.not_yours")
    if key.state == "revoked":
        raise Refused("the key is revoked already", code="act.wrong_state")
    key.state, key.revoked_ms = "revoked", to_ms(at)
    key.save(update_fields=["state", "revoked_ms"])
    touch()
    return key, note(acting, "key.revoked", review, {"grant": grant.ref, "key_hint": key.hint}, at)


def _take(acting: Viewer, ref: str) -> tuple[Grant, Review, datetime]:
    """Return the visible grant, its locked review and the instant of the act."""
    seen = queries.get(acting, ref)
    review, at = reviews.take(acting, queries.review_of(acting, seen).ref)
    # Read again: taking the review may have recorded that its window ran out, which ends its grants.
    return Grant.objects.select_related("note").get(pk=seen.pk), review, at


def _fit(grant: Grant, review: Review, at: datetime) -> None:
    """Hold the grant's end inside the window; a length agreed before opening starts at the opening."""
    window = window_of(review)
    if window is None or not is_live(window, at):
        return
    _start(grant, window, at)


def _start(grant: Grant, window: Window, at: datetime) -> None:
    if grant.note.days is not None:
        grant.not_before_ms = to_ms(at)
        grant.not_after_ms = to_ms(at + timedelta(days=grant.note.days))
        grant.note.days = None
        grant.note.save(update_fields=["days"])
    grant.not_after_ms = min(grant.not_after_ms, to_ms(window.closes))


def _kill_keys(grant: Grant, at: datetime) -> None:
    Key.objects.filter(grant_id=grant.id, state="live").update(state="revoked", revoked_ms=to_ms(at))


class Follower:
    """Makes grants follow their review; see :class:`slipway.desk.reviews.ports.AccessFollower`."""

    def _live(self, review: Review) -> list[Grant]:
        final = [str(s) for s in _FINAL]
        rows = Grant.objects.select_related("note").select_for_update(of=("self",))
        return list(rows.filter(review_id=review.id).exclude(note__own_state__in=final).order_by("number"))

    def opened(self, *, acting: Viewer, review: Review, at: datetime) -> None:
        """Grants that were agreed before the opening begin now, for the days agreed."""
        window = window_of(review)
        grants = self._live(review)
        if window is not None:
            for grant in grants:
                _start(grant, window, at)
        enforce(review, grants, at)

    def paused(self, *, acting: Viewer, review: Review, at: datetime) -> None:
        """Every active grant pauses at the gateway."""
        enforce(review, self._live(review), at)

    def resumed(self, *, acting: Viewer, review: Review, at: datetime) -> None:
        """Grants go on that were not paused by themselves."""
        enforce(review, self._live(review), at)

    def closes_changed(self, *, acting: Viewer, review: Review, at: datetime) -> None:
        """No grant outlives the window; an extension gives nobody more than was agreed."""
        window = window_of(review)
        grants = self._live(review)
        if window is not None:
            for grant in grants:
                grant.not_after_ms = min(grant.not_after_ms, to_ms(window.closes))
        enforce(review, grants, at)

    def ended(self, *, acting: Viewer, review: Review, at: datetime, reason: str) -> None:
        """Every grant ends, every key dies, in the caller's transaction; each leaves a record."""
        self._end(self._live(review), review, at, acting, reason)

    def party_left(self, *, acting: Viewer, review: Review, party: str, at: datetime) -> None:
        """The grants of one party end."""
        mine = [g for g in self._live(review) if g.party == party]
        self._end(mine, review, at, acting, f"{party} no longer takes part")

    def _end(self, grants: list[Grant], review: Review, at: datetime, acting: Viewer, reason: str) -> None:
        clocked = acting is SYSTEM
        for grant in grants:
            state = GrantState.ENDED
            if clocked:
                state = apply_grant(queries.facts_of(grant), GrantAct.EXPIRE, Automatic.CLOCK).state
            grant.note.own_state = str(state)
            grant.note.save(update_fields=["own_state"])
            _kill_keys(grant, at)
            type = "grant.expired" if clocked else "grant.ended"
            body = {"grant": grant.ref, "party": grant.party, "reason": reason}
            note(acting, type, review, body, at)
        enforce(review, grants, at)


def expire_due(at: datetime) -> int:
    """Write down grants that ran out before their window did (for the clock); return how many."""
    due = Grant.objects.filter(state__in=["draft", "active", "paused"], not_after_ms__lte=to_ms(at))
    # Not in the first 200 what is skipped below: it would come first every time, and nothing else be done.
    unopened = Review.objects.filter(access=str(Access.NONE)).values("id")
    due = due.exclude(note__days__isnull=False, review_id__in=unopened)
    done = 0
    for grant_id, review_id in list(due.values_list("id", "review_id")[:200]):
        with transaction.atomic():
            review = Review.objects.select_for_update().get(pk=review_id)
            grant = Grant.objects.select_related("note").get(pk=grant_id)
            if GrantState(grant.note.own_state) in _FINAL or grant.not_after_ms > to_ms(at):
                continue
            # A proposal made before the opening has no end yet: its days begin with the window.
            if grant.note.days is not None and review.access == Access.NONE:
                continue
            Follower()._end([grant], review, at, SYSTEM, "its time is over")
            done += 1
    return done

"""Who may do what to a review: the programme's table, asked with the roles that count *in this review*."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from slipway.base.errors import Refused
from slipway.desk.accounts.viewer import Viewer
from slipway.desk.reviews.models import Review
from slipway.desk.reviews.state import state_of
from slipway.programme.roles import DEVELOPER_ROLES, Role
from slipway.programme.stages import TRANSITIONS, Act, ReviewState, acts, apply, role_for

AGENCY_ROLES: frozenset[Role] = frozenset({Role.EVALUATOR, Role.AUTHORITY})


def roles_in(viewer: Viewer, review: Review) -> frozenset[Role]:
    """Return the viewer's roles that count in this review.

    A release manager of *another* lab has none here, whatever their roles at
    home; that a review is visible to somebody gives no role either.
    """
    if viewer.organisation_id is None:
        return frozenset()
    if viewer.organisation_id == review.developer_id:
        return viewer.roles & DEVELOPER_ROLES
    if viewer.organisation_id == review.agency_id:
        return viewer.roles & AGENCY_ROLES
    return viewer.roles & {Role.PARTNER_USER, Role.AUDITOR}


def acts_now(viewer: Viewer, review: Review, now: datetime) -> tuple[Act, ...]:
    """Return what the viewer can do to the review at this moment."""
    if not viewer.may_write:
        return ()
    return acts(state_of(review, now), roles_in(viewer, review))


def may(viewer: Viewer, verb: Act, review: Review, now: datetime) -> bool:
    """Say whether the viewer can do ``verb`` at this moment."""
    return viewer.may_write and role_for(state_of(review, now), verb, roles_in(viewer, review)) is not None


def step(viewer: Viewer, verb: Act, review: Review, now: datetime) -> ReviewState:
    """Return the state after ``verb``; :class:`Refused` says what would be right."""
    require_write(viewer)
    state = state_of(review, now)
    roles = roles_in(viewer, review)
    role = role_for(state, verb, roles)
    if role is None:
        role = _closest(state, verb, roles)
    if role is None:
        raise Refused(f"{viewer.name} has no role in this review that can act", code="act.not_yours")
    return apply(state, verb, role)


def require_write(viewer: Viewer) -> None:
    """Refuse a read-only token."""
    if not viewer.may_write:
        raise Refused("this token may only read", code="token.read_only")


def _closest(state: ReviewState, verb: Act, roles: Collection[Role]) -> Role | None:
    """Return the role whose refusal says most: one that has the act at all, else any."""
    having = {row.role for row in TRANSITIONS if row.act == verb}
    # In the order of Role: who is release manager and security team is refused as the former, who does more.
    ordered = [role for role in Role if role in roles]
    return next((r for r in ordered if r in having), ordered[0] if ordered else None)

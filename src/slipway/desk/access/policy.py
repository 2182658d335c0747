"""Who may do what to a grant: the programme's table, asked with the roles that count for *this* grant."""

from __future__ import annotations

from datetime import datetime

from slipway.base.errors import Refused
from slipway.desk.access import queries
from slipway.desk.access.models import Grant, GrantNote, Key
from slipway.desk.accounts.viewer import Viewer
from slipway.desk.reviews import policy as reviews
from slipway.desk.reviews.models import Review
from slipway.programme.grants import GRANT_TRANSITIONS, GrantAct, GrantState, grant_acts
from slipway.programme.roles import DEVELOPER_ROLES, Role

# What a release or a withdrawal ends one by one, and what the gateway reads whole at every change, must
# not be made long by those who are given access: that would be a way to delay the developer.
MAX_WAITING = 20  # proposals of the reviewers' side that nobody has answered, in one review
MAX_PROPOSED = 500  # proposals of the reviewers' side in one review, ever
MAX_LIVE_KEYS = 20  # of one grant
MAX_KEYS = 200  # of one grant, ever


def roles_for(viewer: Viewer, review: Review, grant: Grant) -> frozenset[Role]:
    """Return the viewer's roles that count for this grant.

    The developer's for every grant of its review; the agency's for its own and
    for partners' (partners are chosen by both); a partner's for its own.
    """
    roles = reviews.roles_in(viewer, review)
    if roles & DEVELOPER_ROLES or viewer.organisation_id == review.agency_id:
        return roles
    return roles if viewer.organisation_slug == grant.party else frozenset()


def role_for(viewer: Viewer, review: Review, grant: Grant, act: GrantAct) -> Role:
    """Return the role under which the act is tried: one that fits, else one whose refusal says most."""
    reviews.require_write(viewer)
    roles = roles_for(viewer, review, grant)
    facts = queries.facts_of(grant)
    having = [r for r in GRANT_TRANSITIONS if r.act == act and r.role in roles]
    for row in [*(r for r in having if r.fits(facts)), *having]:
        return Role(row.role)
    if not roles:
        raise Refused(f"{viewer.name} has no role for this grant that can act", code="act.not_yours")
    return next(role for role in Role if role in roles)


def acts_now(viewer: Viewer, review: Review, grant: Grant, now: datetime) -> tuple[GrantAct, ...]:
    """Return what the viewer can do to the grant at this moment."""
    if not viewer.may_write or queries.state_at(grant, now) in queries.OVER:
        return ()
    offered = {
        GrantAct.AGREE,
        GrantAct.DECLINE,
        GrantAct.PAUSE,
        GrantAct.RESUME,
        GrantAct.END,
        GrantAct.REVOKE,
    }
    found = grant_acts(queries.facts_of(grant), roles_for(viewer, review, grant))
    return tuple(act for act in found if act in offered)


def may_add_key(viewer: Viewer, review: Review, grant: Grant, now: datetime) -> bool:
    """Say whether the viewer may make a key: only the party that is given access, while it is."""
    return (
        viewer.may_write
        and viewer.organisation_slug == grant.party
        and bool(reviews.roles_in(viewer, review))
        and queries.state_at(grant, now) in ("active", "paused")
    )


def may_revoke_key(viewer: Viewer, review: Review, grant: Grant) -> bool:
    """Say whether the viewer may revoke the grant's keys: its holder's organisation or the developer."""
    roles = reviews.roles_in(viewer, review)
    own = viewer.organisation_slug == grant.party
    return viewer.may_write and bool(roles & DEVELOPER_ROLES or (roles and own))


def require_room(review: Review) -> None:
    """Refuse when the reviewers' side has proposed so much that it weighs on the developer's acts."""
    theirs = GrantNote.objects.filter(grant__review_id=review.id, proposed_by="reviewer")
    if theirs.filter(own_state=str(GrantState.DRAFT)).count() >= MAX_WAITING:
        raise Refused(
            f"{MAX_WAITING} proposals wait for an answer already; wait for it, or decline one yourself",
            code="grant.too_many",
        )
    if theirs.count() >= MAX_PROPOSED:
        raise Refused(
            f"a review takes {MAX_PROPOSED} proposals; ask the developer to propose", code="grant.too_many"
        )


def require_key_room(grant: Grant) -> None:
    """Refuse when the grant has as many keys as it may."""
    keys = Key.objects.filter(grant_id=grant.id)
    if keys.filter(state="live").count() >= MAX_LIVE_KEYS:
        raise Refused(f"a grant has at most {MAX_LIVE_KEYS} live keys; revoke one first", code="key.too_many")
    if keys.count() >= MAX_KEYS:
        raise Refused(f"a grant has at most {MAX_KEYS} keys in all; ask for a new one", code="key.too_many")

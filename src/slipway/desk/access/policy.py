"""Who may do what to a grant: the programme's table, asked with the roles that count for *this* grant."""

from __future__ import annotations

from datetime import datetime

from slipway.base.errors import Refused
from slipway.desk.access import queries
from slipway.desk.access.models import Grant
from slipway.desk.accounts.viewer import Viewer
from slipway.desk.reviews import policy as reviews
from slipway.desk.reviews.models import Review
from slipway.programme.grants import GRANT_TRANSITIONS, GrantAct, grant_acts
from slipway.programme.roles import DEVELOPER_ROLES, Role


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
    return min(roles)


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

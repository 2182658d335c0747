"""Who may do what with organisations, people and tokens."""

from __future__ import annotations

from typing import Final

from slipway.desk.accounts.models import ApiToken, Membership, Organisation
from slipway.desk.accounts.viewer import OPERATOR, Viewer
from slipway.programme.roles import Role

ADD_ORGANISATION: Final = "add organisation"
ADD_PERSON: Final = "add person"
END_MEMBERSHIP: Final = "end membership"
ADD_TOKEN: Final = "add token"  # noqa: S105  (a verb)
REVOKE_TOKEN: Final = "revoke token"  # noqa: S105  (a verb)


def may(viewer: Viewer, verb: str, obj: Organisation | Membership | ApiToken | None = None) -> bool:
    """Return whether ``viewer`` may do ``verb`` to ``obj``.

    The site's operator (command line) may do everything here; an organisation's
    administrator manages their own people; everybody manages their own tokens,
    but only from a session: a token must not be able to make its successor.
    """
    if viewer is OPERATOR:
        return True
    if not viewer.signed_in or viewer.organisation_id is None:
        return False
    admin = viewer.has(Role.ORG_ADMIN) and viewer.via == "session"
    match obj:
        case Organisation():
            return verb == ADD_PERSON and admin and obj.id == viewer.organisation_id
        case Membership():
            own = obj.person_id == viewer.person_id and obj.organisation_id == viewer.organisation_id
            if verb == ADD_TOKEN:
                return own and viewer.via == "session"
            return verb == END_MEMBERSHIP and admin and obj.organisation_id == viewer.organisation_id
        case ApiToken():
            holder = obj.membership
            own = holder.person_id == viewer.person_id
            return verb == REVOKE_TOKEN and (
                own or (admin and holder.organisation_id == viewer.organisation_id)
            )
        case None:
            return False

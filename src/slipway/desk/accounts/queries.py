"""Every read of accounts; each starts from what the viewer may see."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db.models import QuerySet

from slipway.base.errors import NotFound
from slipway.desk.accounts.models import ApiToken, Membership, Organisation, Person, SignInLink
from slipway.desk.accounts.tokens import digest_of
from slipway.desk.accounts.viewer import Viewer
from slipway.programme.roles import OrganisationKind, Role


def visible_to(viewer: Viewer) -> QuerySet[Membership]:
    """Return the memberships a viewer may see: their own, and those of their organisation."""
    if not viewer.signed_in:
        return Membership.objects.none()
    rows = Membership.objects.select_related("person", "organisation")
    own = rows.filter(person_id=viewer.person_id)
    if viewer.organisation_id is None:
        return own
    return own | rows.filter(organisation_id=viewer.organisation_id)


def own_memberships(viewer: Viewer) -> list[Membership]:
    """Return the organisations a viewer may act for, oldest first."""
    rows = visible_to(viewer).filter(person_id=viewer.person_id, ended_at=None)
    return list(rows.order_by("created_at"))


def colleagues(viewer: Viewer) -> list[Membership]:
    """Return the current people of the organisation the viewer acts for, by name."""
    rows = visible_to(viewer).filter(organisation_id=viewer.organisation_id, ended_at=None)
    return list(rows.order_by("person__name"))


def tokens(viewer: Viewer) -> list[ApiToken]:
    """Return the viewer's own tokens, newest first."""
    return list(
        ApiToken.objects.select_related("membership__organisation", "membership__person")
        .filter(membership__in=visible_to(viewer).filter(person_id=viewer.person_id))
        .order_by("-created_at")
    )


def token(viewer: Viewer, token_id: str) -> ApiToken:
    """Return one of the viewer's own tokens or :class:`NotFound`."""
    for candidate in tokens(viewer):
        if candidate.id == token_id:
            return candidate
    raise NotFound("there is no such token")


def membership(viewer: Viewer, membership_id: str) -> Membership:
    """Return one visible membership or :class:`NotFound`."""
    found = visible_to(viewer).filter(pk=membership_id).first()
    if found is None:
        raise NotFound("there is no such membership")
    return found


def site_is_empty() -> bool:
    """Return whether nobody can sign in yet, so that the sign-in page explains the first steps."""
    return not Person.objects.exists()


# Below: looked up by actions of any signed-in party, which need another party's public face.


def organisation_by_slug(slug: str) -> Organisation:
    """Return an organisation by its slug or :class:`NotFound`."""
    found = Organisation.objects.filter(slug=slug).first()
    if found is None:
        raise NotFound(f"there is no organisation {slug!r}")
    return found


def organisation(organisation_id: str) -> Organisation:
    """Return an organisation by its id or :class:`NotFound`."""
    found = Organisation.objects.filter(pk=organisation_id).first()
    if found is None:
        raise NotFound("there is no such organisation")
    return found


def organisations_of(viewer: Viewer, kind: OrganisationKind) -> list[Organisation]:
    """Return the organisations of a kind, by name, for a signed-in member to choose from."""
    if not viewer.signed_in or viewer.organisation_id is None:
        return []
    return list(Organisation.objects.filter(kind=str(kind)).order_by("name"))


def holders(organisation_id: str, role: Role) -> list[Person]:
    """Return the active people of an organisation who hold ``role`` (for "who waits for whom")."""
    rows = Membership.objects.select_related("person").filter(
        organisation_id=organisation_id, ended_at=None, person__is_active=True
    )
    return [m.person for m in rows.order_by("person__name") if role in m.role_set]


def usable_link(secret: str) -> SignInLink | None:
    """Return the unused, unexpired sign-in link of ``secret``."""
    return (
        SignInLink.objects.select_related("person")
        .filter(digest=digest_of(secret), used_at=None, expires_at__gt=datetime.now(UTC))
        .filter(person__is_active=True)
        .first()
    )

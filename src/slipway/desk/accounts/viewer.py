"""Who is looking or acting: one frozen value that every query, policy and action takes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.http import HttpRequest

from slipway.desk.accounts.models import ApiToken, Membership
from slipway.desk.accounts.tokens import digest_of, well_formed
from slipway.programme.roles import OrganisationKind, Role

SESSION_ORGANISATION: Final = "organisation_id"
_CACHED: Final = "_slipway_viewer"


@dataclass(frozen=True, slots=True)
class Viewer:
    """A person acting for one organisation, or nobody, or the desk itself.

    ``via`` is ``session``, ``token``, ``cli`` or ``system``. ``organisation_slug``
    is the party name in records (``desk`` for the desk itself, empty for a stranger).
    """

    person_id: str | None
    organisation_id: str | None
    organisation_slug: str
    kind: OrganisationKind | None
    roles: frozenset[Role]
    via: str
    name: str
    may_write: bool = True

    @property
    def signed_in(self) -> bool:
        """Return whether this is a known person (an operator and the desk are not)."""
        return self.person_id is not None

    def has(self, role: Role) -> bool:
        """Return whether the viewer holds ``role`` in the organisation they act for."""
        return role in self.roles

    @property
    def party(self) -> str:
        """Return the party that records name for acts of this viewer."""
        return self.organisation_slug or "desk"


STRANGER: Final = Viewer(
    None, None, "", None, frozenset(), via="session", name="somebody not signed in", may_write=False
)
SYSTEM: Final = Viewer(None, None, "desk", None, frozenset(), via="system", name="the desk's clock")
OPERATOR: Final = Viewer(None, None, "desk", None, frozenset(), via="cli", name="the site's operator")


def of_membership(membership: Membership, *, via: str, may_write: bool = True) -> Viewer:
    """Return the viewer that a membership (with person and organisation loaded) makes."""
    organisation = membership.organisation
    return Viewer(
        person_id=membership.person_id,
        organisation_id=organisation.id,
        organisation_slug=organisation.slug,
        kind=OrganisationKind(organisation.kind),
        roles=membership.role_set,
        via=via,
        name=membership.person.name,
        may_write=may_write,
    )


def viewer_of(request: HttpRequest) -> Viewer:
    """Return who a request comes from; :data:`STRANGER` when it is nobody.

    A bearer token wins over a session: whoever sends one means it. The answer
    is kept on the request, so asking again costs no query.
    """
    found: Viewer | None = getattr(request, _CACHED, None)
    if found is None:
        header = request.headers.get("Authorization", "")
        found = _of_token(header[7:].strip()) if header[:7].lower() == "bearer " else _of_session(request)
        setattr(request, _CACHED, found)
    return found


def forget(request: HttpRequest) -> None:
    """Drop the viewer kept on a request, after a sign-in or a change of organisation in it."""
    if hasattr(request, _CACHED):
        delattr(request, _CACHED)


def _of_token(secret: str) -> Viewer:
    if not well_formed(secret):
        return STRANGER
    now = datetime.now(UTC)
    token = (
        ApiToken.objects.select_related("membership__person", "membership__organisation")
        .filter(digest=digest_of(secret), revoked_at=None, expires_at__gt=now)
        .filter(membership__ended_at=None, membership__person__is_active=True)
        .first()
    )
    if token is None:
        return STRANGER
    if token.last_used_at is None or now - token.last_used_at > timedelta(hours=1):
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return of_membership(token.membership, via="token", may_write=token.scope == ApiToken.WRITE)


def _of_session(request: HttpRequest) -> Viewer:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_active:
        return STRANGER
    memberships = list(
        Membership.objects.select_related("person", "organisation")
        .filter(person_id=user.pk, ended_at=None)
        .order_by("created_at")
    )
    if not memberships:
        # Signed in but belongs nowhere: may manage their own sign-in and sees nothing else.
        return Viewer(user.pk, None, "", None, frozenset(), via="session", name=user.name, may_write=False)
    wanted = request.session.get(SESSION_ORGANISATION)
    chosen = next((m for m in memberships if m.organisation_id == wanted), memberships[0])
    return of_membership(chosen, via="session")

"""Who may act: kinds of organisation, roles, and which kind may hold which role."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class OrganisationKind(StrEnum):
    """What an organisation is in a programme. One organisation has one kind."""

    DEVELOPER = "developer"
    AGENCY = "agency"
    PARTNER = "partner"
    AUDITOR = "auditor"


class Role(StrEnum):
    """What a person may do for their organisation. A person may hold several."""

    RELEASE_MANAGER = "release_manager"
    LAB_SECURITY = "lab_security"
    EVALUATOR = "evaluator"
    AUTHORITY = "authority"
    PARTNER_USER = "partner_user"
    AUDITOR = "auditor"
    ORG_ADMIN = "org_admin"


class Automatic(StrEnum):
    """Actors that are nobody. No person can be given one, so they are not a :class:`Role`."""

    CLOCK = "clock"


Actor = Role | Automatic
"""Who makes a transition happen: a role that a person holds, or the passing of time."""

ROLES_OF: Mapping[OrganisationKind, frozenset[Role]] = MappingProxyType(
    {
        OrganisationKind.DEVELOPER: frozenset({Role.RELEASE_MANAGER, Role.LAB_SECURITY, Role.ORG_ADMIN}),
        OrganisationKind.AGENCY: frozenset({Role.EVALUATOR, Role.AUTHORITY, Role.ORG_ADMIN}),
        OrganisationKind.PARTNER: frozenset({Role.PARTNER_USER, Role.ORG_ADMIN}),
        OrganisationKind.AUDITOR: frozenset({Role.AUDITOR, Role.ORG_ADMIN}),
    }
)
"""The roles that people of each kind of organisation may hold. An agency's person can never
hold a developer's role: this, with the tables of :mod:`slipway.programme.stages`, is what
keeps a release the developer's own."""

DEVELOPER_ROLES: frozenset[Role] = frozenset({Role.RELEASE_MANAGER, Role.LAB_SECURITY})
REVIEWER_ROLES: frozenset[Role] = frozenset({Role.EVALUATOR, Role.AUTHORITY, Role.PARTNER_USER})
"""Roles of those who are given access, for whom a grant is agreed."""

_TITLES: Mapping[str, str] = MappingProxyType(
    {
        Role.RELEASE_MANAGER: "the developer's release manager",
        Role.LAB_SECURITY: "the developer's security team",
        Role.EVALUATOR: "the agency's evaluator",
        Role.AUTHORITY: "the agency's determination authority",
        Role.PARTNER_USER: "a trusted partner",
        Role.AUDITOR: "an auditor",
        Role.ORG_ADMIN: "an organisation's administrator",
        Automatic.CLOCK: "the clock",
    }
)


def title(actor: Actor) -> str:
    """Return the words for an actor as they stand in a sentence."""
    return _TITLES.get(actor, str(actor))


def may_hold(kind: OrganisationKind, role: Role) -> bool:
    """Say whether a person of an organisation of this kind may be given the role."""
    return role in ROLES_OF[kind]

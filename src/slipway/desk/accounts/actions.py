"""Every write of accounts. Each act is one short transaction with its evidence record.

Records are public metadata: they name people by id and never by name or address.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from allauth.account.models import EmailAddress
from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from slipway.base.clock import format_instant
from slipway.base.errors import InvalidInput, NotFound, ProblemList, Refused
from slipway.desk.accounts import policy
from slipway.desk.accounts.interface import evidence
from slipway.desk.accounts.models import ApiToken, Membership, Organisation, Person, SignInLink
from slipway.desk.accounts.tokens import digest_of, new_token
from slipway.desk.accounts.viewer import OPERATOR, Viewer
from slipway.programme.roles import ROLES_OF, OrganisationKind, Role, may_hold

_SLUG = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)
RESERVED_SLUGS = frozenset({"gateway", "desk"})
MAX_TOKEN_DAYS = 366
LINK_HOURS = 72


@dataclass(frozen=True, slots=True)
class OrganisationAdded:
    """What adding an organisation gave."""

    organisation: Organisation
    vkey: str
    record: str


@dataclass(frozen=True, slots=True)
class PersonAdded:
    """What adding a person gave; ``welcome_path`` is a one-time address when no password was set."""

    person: Person
    membership: Membership
    welcome_path: str | None
    record: str


@dataclass(frozen=True, slots=True)
class TokenAdded:
    """What adding a token gave; ``secret`` exists here and nowhere else."""

    token: ApiToken
    secret: str
    record: str


def _require(viewer: Viewer, verb: str, obj: Organisation | Membership | ApiToken | None = None) -> None:
    if not policy.may(viewer, verb, obj):
        raise Refused(f"{viewer.name} may not {verb}", code="act.not_yours")


def _now() -> datetime:
    return datetime.now(UTC)


def add_organisation(*, acting: Viewer, slug: str, name: str, kind: str) -> OrganisationAdded:
    """Add an organisation and make its party key; :class:`InvalidInput` names every problem."""
    _require(acting, policy.ADD_ORGANISATION)
    problems = ProblemList("organisation")
    name = name.strip()
    if not _SLUG.fullmatch(slug) or not 2 <= len(slug) <= 40:
        problems.add(
            "slug", f"{slug!r} is not a short name", "2 to 40 of a-z, 0-9, single hyphens, like aurora-lab"
        )
    elif slug in RESERVED_SLUGS:
        problems.add("slug", f"{slug!r} is kept for the site itself", "choose another short name")
    elif Organisation.objects.filter(slug=slug).exists():
        problems.add("slug", f"{slug!r} is taken", "choose another short name")
    if not 1 <= len(name) <= 120:
        problems.add("name", f"it has {len(name)} characters", "1 to 120 characters")
    if kind not in set(OrganisationKind):
        problems.add(
            "kind", f"{kind!r} is not a kind of organisation", "one of " + ", ".join(OrganisationKind)
        )
    problems.raise_if_any()
    # Outside the transaction: making a key syncs a file. A key whose organisation
    # then fails to be added is used again when the same slug is.
    vkey = evidence().create_party_key(slug)
    with transaction.atomic():
        organisation = Organisation.objects.create(slug=slug, name=name, kind=kind, created_at=_now())
        record = evidence().record(
            acting=acting,
            type="organisation.added",
            review=None,
            body={"organisation": slug, "kind": kind, "id": organisation.id},
        )
        evidence().record(
            acting=acting, type="party.key", review=None, body={"party": slug, "vkey": vkey}, party=slug
        )
    return OrganisationAdded(organisation, vkey, record)


def _check_roles(problems: ProblemList, kind: OrganisationKind, roles: Iterable[str]) -> list[str]:
    wanted = sorted(set(roles))
    allowed = ", ".join(sorted(ROLES_OF[kind]))
    if not wanted:
        problems.add("role", "no role was given", f"one or more of {allowed}")
    for role in wanted:
        if role not in set(Role):
            problems.add("role", f"{role!r} is not a role", f"one or more of {allowed}")
        elif not may_hold(kind, Role(role)):
            problems.add(
                "role", f"{role!r} is not held in an organisation of kind {kind}", f"one of {allowed}"
            )
    return wanted


def check_password(problems: ProblemList, password: str, person: Person | None = None) -> None:
    """Note what is wrong with a password; the rules are those of the settings."""
    try:
        password_validation.validate_password(password, person)
    except ValidationError as error:
        for message in error.messages:
            problems.add("password", message, "use a longer, less common one, or none and a passkey")


def add_person(
    *,
    acting: Viewer,
    email: str,
    name: str,
    organisation: str,
    roles: Iterable[str],
    password: str | None = None,
) -> PersonAdded:
    """Add a person to an organisation (its slug) with roles.

    A known address gains a membership instead of a second account; then a
    password is refused. Across organisations only the operator does that:
    addresses are not proved here, so the administrator who made an account
    first may hold its welcome link and would sign in with the second role too.
    Without a password the answer carries a one-time welcome address, valid :data:`LINK_HOURS` hours.
    """
    home = Organisation.objects.filter(slug=organisation).first()
    # Only the operator is told that an organisation is not there, and hears everything else with it.
    _require(acting, policy.ADD_PERSON, home)
    problems = ProblemList("person")
    email, name = email.strip(), name.strip()
    try:
        validate_email(email)
    except ValidationError:
        problems.add("email", f"{email!r} is not an email address", "write it like ada@aurora.example")
    if not 1 <= len(name) <= 120:
        problems.add("name", f"it has {len(name)} characters", "1 to 120 characters")
    if home is None:
        problems.add("organisation", f"there is no organisation {organisation!r}", "add it first")
        raise InvalidInput(problems.problems, what="person")
    wanted = _check_roles(problems, OrganisationKind(home.kind), roles)
    known = Person.objects.filter(email__iexact=email).first()
    if known and password is not None:
        problems.add("password", "this person signs in already", "leave the password out")
    if known and known.memberships.filter(organisation=home, ended_at=None).exists():
        problems.add("email", "this person is in the organisation already", "end that membership first")
    elif known and acting is not OPERATOR and known.memberships.exclude(organisation=home).exists():
        problems.add(
            "email",
            "another organisation made this person's account",
            "ask the site's operator to add them here, or use another address",
        )
    if password is not None and not known:
        check_password(problems, password, Person(email=email, name=name))
    problems.raise_if_any()
    with transaction.atomic():
        person = known or _new_person(email, name, password)
        membership = Membership.objects.create(
            person=person, organisation=home, roles=",".join(wanted), created_at=_now()
        )
        record = evidence().record(
            acting=acting,
            type="membership.added",
            review=None,
            body={"person": person.id, "organisation": home.slug, "roles": wanted},
        )
        path = _new_link(person) if known is None and password is None else None
    return PersonAdded(person, membership, path, record)


def _new_person(email: str, name: str, password: str | None) -> Person:
    person = Person(email=email, name=name, created_at=_now())
    if password is None:
        person.set_unusable_password()
    else:
        person.set_password(password)
    person.save(force_insert=True)
    # allauth signs people in by its own table of addresses; ours were given by an administrator.
    EmailAddress.objects.create(user=person, email=email.lower(), primary=True, verified=True)
    return person


def _new_link(person: Person) -> str:
    secret = secrets.token_urlsafe(32)
    now = _now()
    SignInLink.objects.create(
        person=person, digest=digest_of(secret), created_at=now, expires_at=now + timedelta(hours=LINK_HOURS)
    )
    return f"/account/welcome/{secret}/"


def add_sign_in_link(*, acting: Viewer, email: str) -> str:
    """Make a one-time welcome address for a person who lost their passkey; return its path.

    Earlier unused links of the person stop working.
    """
    memberships = list(
        Membership.objects.select_related("person", "organisation").filter(
            person__email__iexact=email.strip(), ended_at=None
        )
    )
    # A link signs in with every role of the person, so all of their organisations must be the caller's.
    if not memberships or not all(policy.may(acting, policy.ADD_PERSON, m.organisation) for m in memberships):
        raise NotFound(f"there is nobody with the address {email!r}")
    person = memberships[0].person
    with transaction.atomic():
        SignInLink.objects.filter(person=person, used_at=None).update(used_at=_now())
        path = _new_link(person)
        evidence().record(acting=acting, type="sign_in_link.added", review=None, body={"person": person.id})
    return path


def use_sign_in_link(*, acting: Viewer, link: SignInLink, password: str | None) -> Person:
    """Spend a one-time link; set a password when one is given. :class:`Refused` when it was spent already."""
    person = link.person
    if password is not None:
        problems = ProblemList("password")
        check_password(problems, password, person)
        problems.raise_if_any()
        person.set_password(password)
    with transaction.atomic():
        spent = SignInLink.objects.filter(pk=link.pk, used_at=None).update(used_at=_now())
        if not spent:
            raise Refused("this link was used already; ask for a new one", code="link.used")
        if password is not None:
            person.save(update_fields=["password"])
        evidence().record(
            acting=acting, type="sign_in_link.used", review=None, body={"person": person.id}, party="desk"
        )
    return person


def end_membership(*, acting: Viewer, membership: Membership) -> str:
    """End a membership; its tokens stop working at once. Returns the record's id."""
    _require(acting, policy.END_MEMBERSHIP, membership)
    with transaction.atomic():
        ended = Membership.objects.filter(pk=membership.pk, ended_at=None).update(ended_at=_now())
        if not ended:
            raise Refused("this membership has ended already", code="membership.ended")
        ApiToken.objects.filter(membership=membership, revoked_at=None).update(revoked_at=_now())
        return evidence().record(
            acting=acting,
            type="membership.ended",
            review=None,
            body={"person": membership.person_id, "organisation": membership.organisation.slug},
        )


def add_token(
    *, acting: Viewer, membership: Membership, label: str, days: int, scope: str = ApiToken.WRITE
) -> TokenAdded:
    """Add an API token that expires after ``days``; the secret is in the answer only."""
    _require(acting, policy.ADD_TOKEN, membership)
    problems = ProblemList("token")
    label = label.strip()
    if not 1 <= len(label) <= 80:
        problems.add(
            "label", f"it has {len(label)} characters", "1 to 80 characters that say what uses the token"
        )
    if not 1 <= days <= MAX_TOKEN_DAYS:
        problems.add("days", f"{days} is out of range", f"1 to {MAX_TOKEN_DAYS} days")
    if scope not in (ApiToken.READ, ApiToken.WRITE):
        problems.add("scope", f"{scope!r} is not a scope", "read or write")
    problems.raise_if_any()
    secret, now = new_token(), _now()
    with transaction.atomic():
        token = ApiToken.objects.create(
            membership=membership,
            label=label,
            digest=digest_of(secret),
            hint=secret[-4:],
            scope=scope,
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
        record = evidence().record(
            acting=acting,
            type="token.added",
            review=None,
            body={
                "token": token.id,
                "person": membership.person_id,
                "organisation": membership.organisation.slug,
                "scope": scope,
                "expires_at": format_instant(token.expires_at),
            },
        )
    return TokenAdded(token, secret, record)


def add_token_for(*, acting: Viewer, email: str, days: int, label: str = "command line") -> TokenAdded:
    """Add a token for a person by address, for their oldest membership (operator's command)."""
    membership = (
        Membership.objects.select_related("person", "organisation")
        .filter(person__email__iexact=email.strip(), ended_at=None)
        .order_by("created_at")
        .first()
    )
    if membership is None:
        raise NotFound(f"there is nobody with the address {email!r}; add the person first")
    return add_token(acting=acting, membership=membership, label=label, days=days)


def revoke_token(*, acting: Viewer, token: ApiToken) -> str:
    """Revoke a token at once; returns the record's id."""
    _require(acting, policy.REVOKE_TOKEN, token)
    with transaction.atomic():
        revoked = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=_now())
        if not revoked:
            raise Refused("this token was revoked already", code="token.revoked")
        return evidence().record(acting=acting, type="token.revoked", review=None, body={"token": token.id})

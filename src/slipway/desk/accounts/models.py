"""Rows of accounts: organisations, people, who belongs where, tokens, one-time links."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower

from slipway.base.ids import uuid7
from slipway.programme.roles import OrganisationKind, Role

ID_LENGTH = 36


def _choices(members: type[OrganisationKind] | type[Role]) -> list[tuple[str, str]]:
    return [(str(m), str(m).replace("_", " ")) for m in members]


class Organisation(models.Model):
    """A lab, agency, trusted partner or auditor. Its slug is the party name in records and never changes."""

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=uuid7, editable=False)
    slug = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, choices=_choices(OrganisationKind))
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                name="accounts_organisation_kind",
                condition=models.Q(kind__in=[str(k) for k in OrganisationKind]),
            ),
            # "gateway" and "desk" are parties of records themselves.
            models.CheckConstraint(
                name="accounts_organisation_slug_not_reserved",
                condition=~models.Q(slug__in=["gateway", "desk"]),
            ),
        )

    def __str__(self) -> str:
        return self.name


class PersonManager(BaseUserManager["Person"]):
    """Finds people by their address, whatever its case."""

    def get_by_natural_key(self, username: str | None) -> Person:
        """Return the person of an email address; Django's login looks people up with it."""
        return self.get(email__iexact=username)


class Person(AbstractBaseUser):
    """Somebody who can sign in. People are made by an administrator; there is no sign-up."""

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=uuid7, editable=False)
    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=120)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    objects = PersonManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "people"
        constraints = (models.UniqueConstraint(Lower("email"), name="accounts_person_email_any_case"),)

    def __str__(self) -> str:
        return self.name

    def get_full_name(self) -> str:
        """Return the name, as Django's admin expects."""
        return self.name

    # The desk knows no superuser: these answer Django's admin (debug mode, read-only) and no one else.
    @property
    def is_staff(self) -> bool:
        """Return whether the debug admin may be opened; only an ``org_admin`` may."""
        return self.is_active and self.memberships.filter(roles__contains="org_admin", ended_at=None).exists()

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Answer Django's admin: only looking is ever allowed."""
        return self.is_staff and ".view_" in perm

    def has_module_perms(self, app_label: str) -> bool:
        """Answer Django's admin."""
        return self.is_staff


class Membership(models.Model):
    """A person belongs to an organisation with roles, until it ends. Ended rows stay."""

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=uuid7, editable=False)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="memberships")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="memberships")
    # Role names, sorted, joined by commas: few, always read together, never joined on.
    roles = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("created_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("person", "organisation"),
                condition=models.Q(ended_at=None),
                name="accounts_membership_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.person_id} in {self.organisation_id}"

    @property
    def role_set(self) -> frozenset[Role]:
        """Return the roles held."""
        return frozenset(Role(name) for name in self.roles.split(",") if name)


class ApiToken(models.Model):
    """A bearer token of a membership. Only its digest is kept; it always expires."""

    READ = "read"
    WRITE = "write"

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=uuid7, editable=False)
    membership = models.ForeignKey(Membership, on_delete=models.PROTECT, related_name="tokens")
    label = models.CharField(max_length=80)
    # SHA-256 is enough: the token carries 190 random bits, so there is nothing to guess.
    digest = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=4)
    scope = models.CharField(max_length=5, choices=[(READ, "read"), (WRITE, "read and write")])
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    # Kept to the hour, so that reading with a token does not write a row each time.
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.label} (…{self.hint})"


class SignInLink(models.Model):
    """A one-time link by which an administrator lets a person in, to add a passkey or set a password."""

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=uuid7, editable=False)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="sign_in_links")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"link for {self.person_id}"


class IdempotencyKey(models.Model):
    """The answer already given to a write, so that a repeated request does not act twice.

    Neither the key nor the answer is kept in clear: ``digest`` finds the row
    and the answer is sealed under a key derived from the caller's
    ``Idempotency-Key``, because an answer may hold a secret that is shown once.
    """

    digest = models.CharField(primary_key=True, max_length=64)
    request_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    content_type = models.CharField(max_length=100, default="")
    sealed_body = models.BinaryField(null=True)
    created_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.digest[:12]

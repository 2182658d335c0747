"""Organisations, people, memberships and one-time links."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from slipway.base.errors import InvalidInput, NotFound, Refused
from slipway.desk.accounts import actions, queries
from slipway.desk.accounts.models import Membership, Organisation, Person, SignInLink
from slipway.desk.accounts.viewer import OPERATOR, STRANGER, SYSTEM, of_membership
from slipway.desk.records.models import PendingRecord
from slipway.desk.records.site_keys import party_signer
from slipway.programme.roles import OrganisationKind, Role
from tests.desk.conftest import PASSWORD


@pytest.mark.django_db
def test_organisation_comes_with_its_key_and_records() -> None:
    added = actions.add_organisation(acting=OPERATOR, slug="north-lab", name="North Lab", kind="developer")
    signer = party_signer("north-lab")
    assert signer is not None
    assert signer.vkey == added.vkey
    assert list(PendingRecord.objects.values_list("type", "party", "review")) == [
        ("organisation.added", "desk", None),
        ("party.key", "north-lab", None),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "slug", ["", "A", "a", "desk", "gateway", "-x", "x-", "a--b", "ümlaut", "x" * 41, "a b"]
)
def test_bad_organisations_are_refused_with_all_problems(slug: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        actions.add_organisation(acting=OPERATOR, slug=slug, name=" ", kind="ministry")
    assert [p.field for p in caught.value.problems] == ["slug", "name", "kind"]
    assert not Organisation.objects.exists()
    assert not PendingRecord.objects.exists()


def test_a_taken_slug_is_refused(people: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        actions.add_organisation(acting=OPERATOR, slug="aurora-lab", name="Other", kind="developer")


@pytest.mark.parametrize("viewer", [STRANGER, SYSTEM])
@pytest.mark.django_db
def test_only_the_operator_adds_organisations(viewer: Any) -> None:
    with pytest.raises(Refused):
        actions.add_organisation(acting=viewer, slug="x-lab", name="X", kind="developer")


def test_roles_follow_the_kind_of_organisation(people: dict[str, Any]) -> None:
    """An agency's person can never be given a developer's role: the release stays the developer's."""
    with pytest.raises(InvalidInput) as caught:
        actions.add_person(
            acting=OPERATOR,
            email="not an address",
            name="",
            organisation="cyber-agency",
            roles=["release_manager", "emperor"],
            password="short",
        )
    fields = [p.field for p in caught.value.problems]
    assert fields.count("role") == 2
    assert {"email", "name", "password"} <= set(fields)


def test_an_unknown_organisation_is_named_with_everything_else(people: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        actions.add_person(acting=OPERATOR, email="bad", name="", organisation="nope", roles=["evaluator"])
    assert [p.field for p in caught.value.problems] == ["email", "name", "organisation"]
    with pytest.raises(Refused):
        actions.add_person(acting=STRANGER, email="bad", name="", organisation="nope", roles=[])


def test_same_person_in_a_second_organisation_keeps_one_account(people: dict[str, Any]) -> None:
    before = Person.objects.count()
    added = actions.add_person(
        acting=OPERATOR,
        email="BEN@cyber-agency.example",
        name="Ben",
        organisation="first-bank",
        roles=["partner_user"],
    )
    assert Person.objects.count() == before
    assert added.welcome_path is None
    with pytest.raises(InvalidInput):
        actions.add_person(
            acting=OPERATOR,
            email="ben@cyber-agency.example",
            name="Ben",
            organisation="first-bank",
            roles=["partner_user"],
        )


def test_an_administrator_gives_no_role_to_an_account_that_another_organisation_made(
    people: dict[str, Any],
) -> None:
    """Whoever made the account first may hold its welcome link: they would sign in with the new role."""
    actions.add_person(
        acting=OPERATOR,
        email="eve@cyber-agency.example",
        name="Eve",
        organisation="cyber-agency",
        roles=["org_admin"],
    )
    eve = of_membership(
        Membership.objects.select_related("person", "organisation").get(person__name="Eve"), via="session"
    )
    uma = {"email": "uma@aurora-lab.example", "name": "Uma"}
    planted = actions.add_person(acting=eve, organisation="cyber-agency", roles=["evaluator"], **uma)
    assert planted.welcome_path
    with pytest.raises(InvalidInput) as caught:
        actions.add_person(
            acting=people["ada"].viewer, organisation="aurora-lab", roles=["release_manager"], **uma
        )
    assert [p.field for p in caught.value.problems] == ["email"]
    actions.add_person(acting=OPERATOR, organisation="aurora-lab", roles=["release_manager"], **uma)
    # And no administrator of one organisation makes a link that signs in for the other.
    with pytest.raises(NotFound):
        actions.add_sign_in_link(acting=eve, email=uma["email"])
    assert actions.add_sign_in_link(acting=OPERATOR, email=uma["email"])


def test_acting_for_another_of_ones_organisations(
    browser: Callable[..., Client], people: dict[str, Any]
) -> None:
    actions.add_person(
        acting=OPERATOR,
        email=people["ben"].email,
        name="Ben",
        organisation="first-bank",
        roles=["partner_user"],
    )
    client = browser("ben")
    assert client.get("/api/v1/me").json()["organisation"]["slug"] == "cyber-agency"
    bank = Organisation.objects.get(slug="first-bank")
    client.post("/account/switch/", {"organisation": bank.id})
    me = client.get("/api/v1/me").json()
    assert (me["organisation"]["slug"], me["roles"]) == ("first-bank", ["partner_user"])
    lab = Organisation.objects.get(slug="aurora-lab")
    assert client.post("/account/switch/", {"organisation": lab.id}).status_code == 404
    assert client.get("/api/v1/me").json()["organisation"]["slug"] == "first-bank"


def test_administrator_manages_only_their_own(browser: Callable[..., Client], people: dict[str, Any]) -> None:
    form = {"name": "Uma", "email": "uma@aurora-lab.example", "roles": ["lab_security"]}
    assert browser("lee").post("/account/organisation/", form).status_code == 404
    page = browser("ada").post("/account/organisation/", form)
    assert page.status_code == 200
    assert "/account/welcome/" in page.content.decode()
    uma = Membership.objects.get(person__email="uma@aurora-lab.example")
    assert browser("mallory").post(f"/account/organisation/{uma.id}/end/").status_code == 404
    assert browser("ada").post(f"/account/organisation/{uma.id}/end/").status_code == 302
    uma.refresh_from_db()
    assert uma.ended_at is not None
    with pytest.raises(Refused):
        actions.end_membership(acting=people["ada"].viewer, membership=uma)


def test_ended_membership_sees_nothing_from_then_on(
    browser: Callable[..., Client], people: dict[str, Any]
) -> None:
    client = browser("lee")
    assert client.get("/account/organisation/").status_code == 200
    actions.end_membership(acting=people["ada"].viewer, membership=people["lee"].membership)
    assert client.get("/account/organisation/").status_code == 404
    assert client.get("/api/v1/me").json()["organisation"] is None
    assert client.get("/account/").status_code == 200


def test_welcome_link_works_once(people: dict[str, Any], anonymous: Client) -> None:
    added = actions.add_person(
        acting=OPERATOR, email="new@x.example", name="New", organisation="aurora-lab", roles=["lab_security"]
    )
    assert added.welcome_path is not None
    assert anonymous.get(added.welcome_path).status_code == 200
    assert anonymous.get(added.welcome_path).status_code == 200, "looking spends nothing"
    weak = anonymous.post(added.welcome_path, {"password": "short"})
    assert weak.status_code == 422
    done = anonymous.post(added.welcome_path, {"password": PASSWORD})
    assert (done.status_code, done.headers["Location"]) == (302, "/")
    assert anonymous.get("/api/v1/me").json()["name"] == "New"
    assert Client().get(added.welcome_path).status_code == 404
    assert Client().post(added.welcome_path, {"password": PASSWORD}).status_code == 404


def test_welcome_without_password_leads_to_a_passkey(people: dict[str, Any], anonymous: Client) -> None:
    path = actions.add_sign_in_link(acting=people["ada"].viewer, email=people["lee"].email)
    done = anonymous.post(path, {"password": ""})
    assert done.headers["Location"] == "/accounts/2fa/webauthn/add/"
    page = anonymous.get("/accounts/2fa/webauthn/add/")
    assert page.status_code == 200
    assert "mfa/js/webauthn.js" in page.content.decode()
    assert '"residentKey": "required"' in page.content.decode() or "creation_options" in page.content.decode()


def test_links_age_and_newer_ones_replace_older(people: dict[str, Any], anonymous: Client) -> None:
    first = actions.add_sign_in_link(acting=OPERATOR, email=people["lee"].email)
    second = actions.add_sign_in_link(acting=OPERATOR, email=people["lee"].email)
    assert anonymous.get(first).status_code == 404
    assert anonymous.get(second).status_code == 200
    SignInLink.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert anonymous.get(second).status_code == 404


def test_administrator_makes_no_link_for_strangers(people: dict[str, Any]) -> None:
    with pytest.raises(NotFound):
        actions.add_sign_in_link(acting=people["mallory"].viewer, email=people["ada"].email)


def test_records_name_people_by_id_only(people: dict[str, Any]) -> None:
    """The log is public metadata: no name and no address goes into it."""
    drafts = b"".join(bytes(r.draft) for r in PendingRecord.objects.all())
    for member in people.values():
        assert member.email.encode() not in drafts
        assert f'"{member.person.name}"'.encode() not in drafts
    assert people["ada"].person.id.encode() in drafts


def test_queries_of_other_apps(people: dict[str, Any], ada: Any) -> None:
    agencies = queries.organisations_of(ada, OrganisationKind.AGENCY)
    assert [o.slug for o in agencies] == ["cyber-agency"]
    assert queries.organisations_of(STRANGER, OrganisationKind.AGENCY) == []
    agency = queries.organisation_by_slug("cyber-agency")
    assert [p.name for p in queries.holders(agency.id, Role.AUTHORITY)] == ["Dana"]
    with pytest.raises(NotFound):
        queries.organisation_by_slug("nobody")

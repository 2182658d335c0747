"""Signing in by the pages' own forms; passkeys are tried in a browser (tests/journeys)."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.desk.conftest import PASSWORD

SIGN_IN = "/accounts/login/"


def test_password_signs_in_and_out(people: dict[str, Any], anonymous: Client) -> None:
    answer = anonymous.post(SIGN_IN, {"login": people["ada"].email.upper(), "password": PASSWORD})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert anonymous.get("/api/v1/me").json()["name"] == "Ada"
    anonymous.post("/accounts/logout/")
    assert anonymous.get("/api/v1/me").status_code == 401


def test_wrong_password_and_unknown_person_read_alike(people: dict[str, Any]) -> None:
    texts = []
    for login in (people["ada"].email, "nobody@nowhere.example"):
        answer = Client().post(SIGN_IN, {"login": login, "password": "wrong"})
        assert answer.status_code == 200
        text = answer.content.decode()
        start = text.index("sw-form-errors")
        texts.append(text[start : text.index("</div></div>", start)])
    assert texts[0] == texts[1]


def test_inactive_person_stays_out(people: dict[str, Any], anonymous: Client) -> None:
    people["ada"].person.__class__.objects.filter(pk=people["ada"].person.pk).update(is_active=False)
    anonymous.post(SIGN_IN, {"login": people["ada"].email, "password": PASSWORD})
    assert anonymous.get("/api/v1/me").status_code == 401


@pytest.mark.django_db
def test_empty_site_says_how_to_begin(anonymous: Client) -> None:
    text = anonymous.get(SIGN_IN).content.decode()
    assert "slipway admin organisation add" in text
    assert "slipway admin person add" in text


def test_site_with_people_does_not(people: dict[str, Any], anonymous: Client) -> None:
    text = anonymous.get(SIGN_IN).content.decode()
    assert "slipway admin" not in text
    assert "Sign in with a passkey" in text
    assert 'action="/accounts/2fa/webauthn/login/"' in text


def test_passkey_challenge_is_given_to_nobody_in_particular(
    people: dict[str, Any], anonymous: Client
) -> None:
    options = anonymous.get("/accounts/2fa/webauthn/login/", headers={"Accept": "application/json"}).json()
    asked = options["request_options"]["publicKey"]
    assert asked["userVerification"] == "required"
    assert not asked.get("allowCredentials")


@pytest.mark.parametrize(
    "path", ["signup/", "email/", "password/reset/", "confirm-email/", "login/code/confirm/"]
)
@pytest.mark.django_db
def test_nobody_signs_up_or_changes_address_here(path: str, anonymous: Client) -> None:
    for answer in (
        anonymous.get(f"/accounts/{path}"),
        anonymous.post(f"/accounts/{path}", {"email": "a@b.example"}),
    ):
        assert answer.status_code == 404
    assert "People are added by their organisation" in answer.content.decode()


def test_next_address_stays_on_this_desk(people: dict[str, Any], anonymous: Client) -> None:
    form = {"login": people["ada"].email, "password": PASSWORD, "next": "https://evil.example/"}
    assert anonymous.post(SIGN_IN, form).headers["Location"] == "/"


def test_guessing_is_slowed_down(people: dict[str, Any], anonymous: Client) -> None:
    from django.core.cache import cache

    cache.clear()
    for _ in range(12):
        anonymous.post(SIGN_IN, {"login": people["ada"].email, "password": "wrong"})
    right = anonymous.post(SIGN_IN, {"login": people["ada"].email, "password": PASSWORD})
    cache.clear()
    assert right.status_code in (200, 429)
    assert anonymous.get("/api/v1/me").status_code == 401


def test_a_bare_number_is_told_where_passkeys_work(people: dict[str, Any], anonymous: Client) -> None:
    hint = "not on a bare number"
    assert hint in anonymous.get(SIGN_IN, headers={"host": "127.0.0.1:8000"}).content.decode()
    assert hint not in anonymous.get(SIGN_IN, headers={"host": "localhost:8000"}).content.decode()

"""API tokens: form, life and death."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from slipway.base.errors import InvalidInput, Refused
from slipway.desk.accounts import actions, tokens
from slipway.desk.accounts.models import ApiToken
from slipway.desk.accounts.viewer import OPERATOR


def test_tokens_differ_and_are_well_formed() -> None:
    made = {tokens.new_token() for _ in range(200)}
    assert len(made) == 200
    assert all(tokens.well_formed(token) and len(token) == 42 for token in made)


@given(st.integers(4, 41), st.sampled_from("0123456789ABCabcxyzXYZ"))
def test_one_mistyped_character_is_noticed(place: int, other: str) -> None:
    token = tokens.new_token()
    wrong = token[:place] + other + token[place + 1 :]
    assert tokens.well_formed(wrong) == (wrong == token)


@given(st.text(max_size=60))
def test_other_text_is_not_a_token(text: str) -> None:
    assert not tokens.well_formed(text)
    assert len(tokens.digest_of(text)) == 64


def test_secret_is_kept_nowhere(people: dict[str, Any]) -> None:
    ada = people["ada"]
    added = actions.add_token(acting=ada.viewer, membership=ada.membership, label="ci", days=3)
    row = ApiToken.objects.get(pk=added.token.pk)
    assert added.secret not in {str(getattr(row, f.attname)) for f in row._meta.concrete_fields}
    assert row.digest == tokens.digest_of(added.secret)
    assert added.secret.endswith(row.hint)


def test_bad_token_request_names_every_problem(people: dict[str, Any]) -> None:
    ada = people["ada"]
    with pytest.raises(InvalidInput) as caught:
        actions.add_token(acting=ada.viewer, membership=ada.membership, label=" ", days=4000, scope="all")
    assert [p.field for p in caught.value.problems] == ["label", "days", "scope"]
    assert not ApiToken.objects.exists()


def test_token_acts_until_it_is_revoked(caller: Callable[..., Client], people: dict[str, Any]) -> None:
    client = caller("ben")
    me = client.get("/api/v1/me").json()
    assert me["organisation"]["slug"] == "cyber-agency"
    assert me["roles"] == ["evaluator"]
    assert me["via"] == "token"
    actions.revoke_token(acting=people["ben"].viewer, token=ApiToken.objects.get())
    answer = client.get("/api/v1/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.required")
    with pytest.raises(Refused):
        actions.revoke_token(acting=people["ben"].viewer, token=ApiToken.objects.get())


@pytest.mark.parametrize(
    "change",
    [
        lambda t: ApiToken.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1)),
        lambda t: t.membership.person.__class__.objects.update(is_active=False),
        lambda t: t.membership.__class__.objects.update(ended_at=datetime.now(UTC)),
    ],
    ids=["expired", "person inactive", "membership ended"],
)
def test_token_dies_with_what_it_hangs_on(change: Any, caller: Callable[..., Client]) -> None:
    client = caller("cy")
    assert client.get("/api/v1/me").status_code == 200
    change(ApiToken.objects.get())
    assert client.get("/api/v1/me").status_code == 401


def test_reading_token_cannot_write(caller: Callable[..., Client]) -> None:
    answer = caller("ada", scope="read").post("/api/v1/reviews", {}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "token.read_only")


def test_a_token_cannot_make_its_successor(people: dict[str, Any]) -> None:
    from slipway.desk.accounts.viewer import of_membership

    by_token = of_membership(people["ada"].membership, via="token")
    with pytest.raises(Refused):
        actions.add_token(acting=by_token, membership=people["ada"].membership, label="next", days=1)


def test_nobody_makes_or_revokes_another_organisations_token(people: dict[str, Any]) -> None:
    ada, mallory = people["ada"], people["mallory"]
    with pytest.raises(Refused):
        actions.add_token(acting=mallory.viewer, membership=ada.membership, label="x", days=1)
    added = actions.add_token(acting=ada.viewer, membership=ada.membership, label="x", days=1)
    with pytest.raises(Refused):
        actions.revoke_token(acting=mallory.viewer, token=added.token)


def test_operator_adds_a_token_by_address(people: dict[str, Any]) -> None:
    added = actions.add_token_for(acting=OPERATOR, email="DANA@cyber-agency.example", days=2)
    assert added.token.membership == people["dana"].membership


def test_session_write_needs_the_csrf_token(browser: Callable[..., Client]) -> None:
    """A page elsewhere can make a browser send the cookie, and not the token."""
    client = browser("ada", enforce_csrf_checks=True)
    answer = client.post("/api/v1/reviews", {}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
    client.get("/account/tokens/")
    good = client.post(
        "/api/v1/reviews",
        {},
        content_type="application/json",
        headers={"X-CSRFToken": client.cookies["csrftoken"].value},
    )
    assert good.status_code == 422


def test_page_shows_the_secret_once(browser: Callable[..., Client], people: dict[str, Any]) -> None:
    client = browser("lee")
    form = {"label": "x", "days": "5", "scope": "read", "membership": people["lee"].membership.id}
    first = client.post("/account/tokens/", form).content.decode()
    token = ApiToken.objects.get()
    assert "slt_" in first
    assert token.scope == "read"
    again = client.get("/account/tokens/").content.decode()
    assert "slt_" not in again.replace("slt_…", "")
    client.post(f"/account/tokens/{token.id}/revoke/")
    token.refresh_from_db()
    assert token.revoked_at is not None


def test_page_says_what_is_wrong_at_the_field(browser: Callable[..., Client], people: dict[str, Any]) -> None:
    form = {"label": "", "days": "0", "scope": "read", "membership": people["lee"].membership.id}
    answer = browser("lee").post("/account/tokens/", form)
    assert answer.status_code == 422
    assert "id_days-error" in answer.content.decode()
    assert not ApiToken.objects.exists()

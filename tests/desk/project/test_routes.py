"""Every address of the desk, tried as a stranger and as somebody not signed in.

A new route is tried here without anybody writing a test for it: it must not
answer 200 to a stranger unless it is listed as public or as everybody's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from slipway.base.ids import uuid7
from slipway.desk.records.service import seal_now

CODENAME = "HALCYON-UNDER-WRAPS"

# Answers anybody gets: how to come in, and the public face of the log.
PUBLIC = {
    "accounts/login/",
    "accounts/inactive/",
    "api/v1/openapi.json",
    "healthz",
    "log/",
    "log/checkpoint",
    "log/key",
    "api/v1/log/checkpoint",
    "api/v1/log/key",
}
# Pages that everybody who is signed in has, each about themselves or the site.
OWN = {
    "",
    "account/",
    "account/organisation/",
    "account/tokens/",
    "accounts/logout/",
    "accounts/reauthenticate/",
    "accounts/2fa/",
    "accounts/2fa/webauthn/",
    "accounts/2fa/recovery-codes/generate/",
    "accounts/password/change/",
    "accounts/sessions/",
    "api/docs",
    "api/v1/me",
    "api/v1/packs",
    "api/v1/gateway/seal-key",
    "api/v1/reviews",
    "keyboard/",
    "reviews/",
    "reviews/new/",
}
REFS = {"grants": "G-1", "runs": "RUN-1"}


def routes(patterns: list[Any], prefix: str = "") -> Iterator[str]:
    """Yield every route as it is written."""
    for item in patterns:
        route = prefix + str(item.pattern).removeprefix("^")
        if isinstance(item, URLResolver):
            yield from routes(item.url_patterns, route)
        elif isinstance(item, URLPattern):
            yield route


def example(route: str, objects: dict[str, str]) -> str:
    """Return an address for a route, naming Ada's objects wherever it takes an argument."""

    def fill(found: re.Match[str]) -> str:
        name = found.group("name")
        before = route[: found.start()].rstrip("/").rsplit("/", 1)[-1]
        if name in objects:
            return objects[name]
        if name == "pk":
            return "1"
        if name in ("ref", "number"):
            return REFS.get(before, "R-1")
        return uuid7()

    path = re.sub(r"<(?:\w+:)?(?P<name>\w+)>", fill, re.sub(r"\(\?P(<\w+>)[^)]*\)", r"\1", route))
    path = path.replace("(?:signup|email|confirm-email|password/reset|login/code)(?:/.*)?", "signup/")
    return "/" + path.removesuffix("$").removesuffix("\\Z")


ROUTES = sorted(set(routes(get_resolver().url_patterns)))


@pytest.fixture
def adas(caller: Callable[..., Client], people: dict[str, Any]) -> dict[str, str]:
    """Things of Ada's that nobody else may see, and what route arguments name them."""
    made = caller("ada").post(
        "/api/v1/reviews",
        {"codename": CODENAME, "model_name": "Halcyon 3", "summary": "A model.", "pack": "eo-14409"},
        content_type="application/json",
    )
    assert made.status_code == 201, made.content
    seal_now()
    receipt = made.json()["receipt"]["record"]
    token = people["ada"].membership.tokens.first()
    return {"record_id": receipt, "token_id": token.id, "membership_id": people["ada"].membership.id}


def test_the_walk_knows_real_routes() -> None:
    assert "api/v1/reviews/<ref>" in ROUTES
    assert "records/<str:record_id>/" in ROUTES
    assert len(ROUTES) > 40


def test_ada_herself_sees_what_the_walk_hides(browser: Callable[..., Client], adas: dict[str, str]) -> None:
    """Keeps the walk honest: with the same addresses the owner gets answers."""
    assert CODENAME in browser("ada").get("/api/v1/reviews/R-1").content.decode()
    assert browser("ada").get(f"/records/{adas['record_id']}/").status_code == 200


def _refused(answer: Any, route: str, allowed: set[str]) -> None:
    text = answer.content.decode() if not answer.streaming else ""
    assert answer.status_code < 500 or answer.status_code == 503, (route, answer.status_code, text[:500])
    assert CODENAME not in text, route
    if route not in allowed:
        assert answer.status_code in (302, 400, 401, 403, 404, 405, 409, 422, 503), (
            route,
            answer.status_code,
            text[:300],
        )


@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
def test_a_stranger_gets_nothing_of_adas(
    method: str, browser: Callable[..., Client], adas: dict[str, str]
) -> None:
    """Mallory, signed in for another lab, tries every address with every method."""
    for route in ROUTES:
        if method != "get" and route in ("accounts/logout/",):
            continue
        client = browser("mallory")
        answer = getattr(client, method)(example(route, adas))
        _refused(answer, route, PUBLIC | OWN)
        if method == "get" and "<" in route and "welcome" not in route:
            assert answer.status_code == 404 or answer.status_code in (302, 405), (route, answer.status_code)


@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
def test_somebody_not_signed_in_gets_nothing(method: str, anonymous: Client, adas: dict[str, str]) -> None:
    for route in ROUTES:
        answer = getattr(anonymous, method)(example(route, adas))
        _refused(answer, route, PUBLIC)


def test_what_is_hidden_looks_like_what_is_not_there(
    browser: Callable[..., Client], caller: Callable[..., Client], adas: dict[str, str]
) -> None:
    """Same status and, but for the reference and the address, the same bytes."""

    def same(client: Client, hidden: str, missing: str) -> None:
        answers = [client.get(hidden), client.get(missing)]
        assert [a.status_code for a in answers] == [404, 404]
        texts = []
        for path, answer in zip((hidden, missing), answers, strict=True):
            text = answer.content.decode().replace(answer.headers["X-Request-Reference"], "REF")
            text = re.sub(r'value="[A-Za-z0-9]{64}"', "CSRF", text)
            texts.append(text.replace(path.rstrip("/").rsplit("/", 1)[-1], "OBJECT"))
        assert texts[0] == texts[1]

    same(browser("mallory"), f"/records/{adas['record_id']}/", f"/records/{uuid7()}/")
    same(caller("mallory"), "/api/v1/reviews/R-1", "/api/v1/reviews/R-9")
    same(caller("mallory"), f"/api/v1/records/{adas['record_id']}", f"/api/v1/records/{uuid7()}")

"""Signing in with a password and with a passkey, and the pages of one's account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

Look = Callable[[Page, str], None]
PageOf = Callable[..., Page]


def authenticator(page: Page) -> Any:
    """Give the page's browser a platform authenticator, as a laptop with a screen lock has one."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    return session


def test_sign_in_page(new_page: PageOf, look: Look) -> None:
    page = new_page()
    page.goto("/accounts/login/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    look(page, "sign-in")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to main content")).to_be_focused()


def test_wrong_password_is_said_and_read_first(new_page: PageOf, desk: Any, look: Look) -> None:
    page = new_page()
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(desk.email("ada"))
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_be_focused()
    look(page, "sign-in-refused")


def test_password_then_account_pages(page_of: PageOf, look: Look) -> None:
    page = page_of("ada")
    look(page, "inbox")
    for address, name in (
        ("/account/", "account"),
        ("/account/organisation/", "organisation"),
        ("/account/tokens/", "tokens"),
        ("/accounts/2fa/", "sign-in-ways"),
        ("/accounts/sessions/", "sessions"),
        ("/accounts/password/change/", "password"),
        ("/keyboard/", "keyboard"),
        ("/log/", "log"),
        ("/accounts/signup/", "closed"),
        ("/nothing-here/", "not-found"),
    ):
        page.goto(address)
        look(page, name)


def test_passkey_from_adding_to_signing_in(page_of: PageOf, desk: Any, look: Look) -> None:
    page = page_of("lee")
    authenticator(page)
    page.goto("/accounts/2fa/webauthn/add/")
    look(page, "confirm")
    page.get_by_label("Password").fill(desk.password)
    page.get_by_role("button", name="Confirm").click()
    look(page, "passkey-add")
    page.get_by_role("button", name="Add the passkey").click()
    page.wait_for_url("**/2fa/recovery-codes/**")
    look(page, "recovery-codes")
    page.goto("/accounts/2fa/webauthn/")
    look(page, "passkeys")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/accounts/login/**")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url("**/")
    expect(page.get_by_role("navigation", name="Account")).to_contain_text("Lee")


def test_token_is_shown_once_with_its_receipt(page_of: PageOf, look: Look) -> None:
    page = page_of("ben")
    page.goto("/account/tokens/")
    page.get_by_label("Label").fill("nightly runner")
    page.get_by_role("button", name="Make the token").click()
    secret = page.locator("[data-copy]").inner_text()
    assert secret.startswith("slt_")
    look(page, "token-shown-once")
    page.get_by_role("group", name="Receipt").get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("token.added")
    for _ in range(100):
        if page.get_by_text("Evidence entry").count():
            break
        page.reload()
    look(page, "record")
    page.goto("/account/tokens/")
    assert secret not in page.content()
    page.get_by_role("row", name="nightly runner").get_by_role("button").click()
    expect(page.get_by_role("row", name="nightly runner")).to_contain_text("revoked")


def test_administrator_adds_a_colleague_who_comes_in_by_the_link(
    page_of: PageOf, new_page: PageOf, look: Look
) -> None:
    page = page_of("ada")
    page.goto("/account/organisation/")
    page.get_by_label("Name").fill("Uma")
    page.get_by_label("Email address").fill("uma@aurora-lab.example")
    page.get_by_text("the developer's security team", exact=True).last.click()
    page.get_by_role("button", name="Add the person").click()
    link = page.locator("[data-copy]").inner_text()
    look(page, "colleague-added")
    uma = new_page()
    uma.goto(link)
    look(uma, "welcome")
    uma.get_by_label("Password").fill("short")
    uma.get_by_role("button", name="Continue").click()
    expect(uma.get_by_role("alert")).to_contain_text("too short")
    authenticator(uma)
    uma.get_by_label("Password").fill("")
    uma.get_by_role("button", name="Continue").click()
    uma.get_by_role("button", name="Add the passkey").click()
    uma.wait_for_url("**/2fa/recovery-codes/**")
    other = new_page()
    other.goto(link)
    expect(other.get_by_role("heading", level=1)).to_have_text("This address no longer works")
    look(other, "welcome-over")


def test_keyboard_shortcuts(page_of: PageOf) -> None:
    page = page_of("dana")
    page.keyboard.press("?")
    page.wait_for_url("**/keyboard/")
    page.keyboard.press("g")
    page.keyboard.press("i")
    page.wait_for_url(lambda url: url.endswith("/") and "keyboard" not in url)


def test_reading_without_javascript(page_of: PageOf) -> None:
    page = page_of("cy", java_script_enabled=False)
    page.goto("/account/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
    page.goto("/log/")
    expect(page.get_by_role("region", name="Verification key")).to_be_visible()


def test_api_reference_runs_under_the_policy(page_of: PageOf) -> None:
    page = page_of("ada")
    page.goto("/api/docs")
    expect(page.get_by_text("Slipway review desk").first).to_be_visible(timeout=20_000)
    expect(page.get_by_text("/api/v1/me").first).to_be_visible(timeout=20_000)

"""Every page of a review, in a real browser at both widths, through the whole life of one review."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from slipway.gateway import upstream_secret
from tests.desk.reviews.steps import ALIAS, CONTAINED, finished, outcome, plan

pytestmark = pytest.mark.browser

Look = Callable[[Page, str], None]
PageOf = Callable[..., Page]


def _start(desk: Any, run: str) -> None:
    """Start a run as soon as its registration is in the log."""
    record = desk.api("ben", "GET", f"/runs/{run}")["record"]
    for _ in range(200):
        if "entry" in desk.api("ben", "GET", f"/records/{record}/receipt"):
            break
        time.sleep(0.05)
    desk.api("ben", "POST", f"/runs/{run}/start", CONTAINED)


def test_whole_review_in_the_browser(page_of: PageOf, desk: Any, look: Look) -> None:
    upstream_secret.load_or_create(desk.data / "keys")
    ada, ben = page_of("ada"), page_of("ben")
    look(ada, "inbox-empty")
    ada.goto("/reviews/")
    look(ada, "reviews-empty")

    # The developer writes a draft, previews, makes and offers it.
    ada.get_by_role("link", name="Start a review").click()
    look(ada, "new-review")
    ada.get_by_label("Code name").fill("Aurora Next")
    ada.get_by_role("button", name="Save as a draft").click()
    expect(ada.get_by_role("status")).to_contain_text("saved")
    ada.get_by_role("button", name="Preview what each party will see").click()
    expect(ada.locator(".sw-form-errors, :invalid").first).to_be_attached()
    ada.get_by_label("Model name").fill("aurora-5-preview")
    ada.get_by_label("What is offered").fill("A frontier model, some weeks before its release.")
    ada.get_by_role("button", name="Preview what each party will see").click()
    expect(ada.get_by_role("heading", name="What each party will see")).to_be_visible()
    look(ada, "new-review-preview")
    ada.get_by_role("button", name="Make the review").click()
    ada.wait_for_url("**/reviews/R-1/**")
    look(ada, "review-draft")
    ada.get_by_role("link", name="Offer it to an agency").click()
    look(ada, "review-offer")
    ada.get_by_role("button", name="Offer it").click()

    # The agency finds it in its inbox and agrees to the terms.
    ben.goto("/")
    look(ben, "inbox-agency")
    ben.get_by_role("link", name="Read the terms").click()
    look(ben, "terms")
    ben.get_by_role("button", name="Take part under these terms").click()
    expect(ben.get_by_role("status")).to_contain_text("takes part")

    # The developer seals the endpoint in the browser; no plain secret leaves it.
    sent: list[str] = []
    ada.on("request", lambda r: sent.append(r.post_data or ""))
    ada.goto("/reviews/R-1/grants/")
    look(ada, "grants-empty")
    ada.get_by_label("Alias").fill(ALIAS)
    ada.get_by_label("Endpoint address").fill("http://127.0.0.1:9/v1")
    ada.get_by_label("Model name at the endpoint").fill("secret-model")
    ada.get_by_label("API key of the endpoint").fill("sk-canary-0451")
    ada.get_by_role("button", name="Seal and send").click()
    expect(ada.get_by_role("status")).to_contain_text("Only the gateway can open it")
    assert any("sealed=" in body for body in sent)
    assert not any("canary" in body or "secret-model" in body for body in sent)

    # Access opens; the agency proposes, the developer agrees, the agency makes a key.
    ada.goto("/reviews/R-1/window/")
    look(ada, "window-unopened")
    ada.get_by_role("button", name="Open access").click()
    expect(ada.get_by_role("status")).to_contain_text("Access is open")
    look(ada, "window-open")
    ben.goto("/reviews/R-1/grants/")
    ben.get_by_label("Purpose").fill("Measure cyber capability for the determination")
    look(ben, "grant-proposal")
    ben.get_by_role("button", name="Propose").click()
    ben.wait_for_url("**/grants/G-1/**")
    ada.goto("/")
    look(ada, "inbox-developer")
    ada.get_by_role("link", name="Read and answer").click()
    look(ada, "grant-draft")
    ada.get_by_role("button", name="Agree").click()
    ben.reload()
    ben.get_by_label("What will use it").fill("evaluator's bench")
    ben.get_by_role("button", name="Make the key").click()
    expect(ben.locator(".sw-secret__text")).to_contain_text("slw_")
    look(ben, "grant-new-key")
    ben.goto("/grants/G-1/")
    assert "slw_" not in ben.locator(".sw-secret").all_inner_texts()
    look(ben, "grant-active")


def test_runs_to_report(page_of: PageOf, desk: Any, look: Look) -> None:
    ben, dana, ada = page_of("ben"), page_of("dana"), page_of("ada")
    ben.goto("/reviews/R-1/runs/")
    look(ben, "runs-empty")
    made = desk.api("ben", "POST", "/reviews/R-1/runs", {"plan": plan("G-1", epochs=5, families=12)})
    assert made["ref"] == "RUN-1"
    _start(desk, "RUN-1")
    items = made["plan"]["suite"]["items"]
    told = [
        outcome(item, epoch, "pass" if n % 12 < 7 else "fail")
        for n, item in enumerate(items)
        for epoch in range(1, 6)
    ]
    desk.api("ben", "POST", "/runs/RUN-1/items", told[:20])
    ben.goto("/runs/RUN-1/")
    expect(ben.locator("#live")).to_contain_text("20 of 60")
    look(ben, "run-live")
    ada.goto("/runs/RUN-1/")
    expect(ada.locator("#live")).to_contain_text("disclosed to the developer with the report")
    look(ada, "run-live-developer")
    told[-1] = {**told[-1], "outcome": "missing", "reason": "the endpoint did not answer"}
    desk.api("ben", "POST", "/runs/RUN-1/items", told[20:])
    # The page learns of it by itself.
    expect(ben.locator("#live")).to_contain_text("59 of 60", timeout=10_000)
    expect(ben.locator("#live")).to_contain_text("1 missing")
    desk.api("ben", "POST", "/runs/RUN-1/finish", finished())
    expect(ben.get_by_role("heading", name="Figures")).to_be_visible(timeout=10_000)
    look(ben, "run-complete")

    dana.goto("/")
    look(dana, "inbox-authority")
    dana.get_by_role("link", name="Determine").click()
    look(dana, "determination-form")
    dana.locator("label", has_text="insufficient evidence").click()
    dana.locator("#id_reason").fill("The interval is too wide for a finding either way.")
    dana.get_by_label("Office 1").fill("Office of the Director")
    dana.get_by_label("Consulted on (1)").fill("2026-06-25")
    dana.get_by_label("What it said (1)").fill("No objection.")
    dana.get_by_role("button", name="Record my determination").click()
    expect(dana.get_by_role("status")).to_contain_text("insufficient evidence")
    look(dana, "determination-made")
    dana.goto("/reviews/R-1/report/")
    look(dana, "report-none")
    dana.get_by_role("button", name="Build and sign the report").click()
    expect(dana.get_by_role("link", name="Download the bundle")).to_be_visible(timeout=60_000)
    look(dana, "report")
    with dana.expect_download() as download:
        dana.get_by_role("link", name="Download the bundle").click()
    assert download.value.suggested_filename == "R-1.slipway.zip"


def test_release_timeline_and_list(page_of: PageOf, desk: Any, look: Look) -> None:
    ada, ben = page_of("ada"), page_of("ben")
    ada.goto("/reviews/R-1/withdraw/")
    look(ada, "withdraw")
    ada.goto("/reviews/R-1/release/")
    look(ada, "release")
    ada.locator("label", has_text="other trusted partners").click()
    ada.get_by_label("Type the review's number to confirm").fill("R-9")
    ada.get_by_role("button", name="Release").click()
    expect(ada.locator(".sw-form-errors")).to_be_focused()
    look(ada, "release-refused")
    ada.get_by_label("Type the review's number to confirm").fill("R-1")
    ada.get_by_role("button", name="Release").click()
    expect(ada.get_by_role("status")).to_contain_text("released")
    look(ada, "review-partners")
    ben.goto("/reviews/R-1/release/")
    look(ben, "release-agency")
    ben.goto("/reviews/R-1/timeline/")
    expect(ben.locator("main")).to_contain_text("review.released")
    look(ben, "timeline")
    ben.goto("/reviews/R-1/window/")
    look(ben, "window-ended")
    ben.goto("/reviews/")
    look(ben, "reviews")
    ben.get_by_label("Code name, model or number").fill("nothing like it")
    ben.get_by_role("button", name="Filter").click()
    look(ben, "reviews-none-fit")


def test_stranger_sees_nothing(page_of: PageOf, look: Look) -> None:
    mallory = page_of("mallory")
    mallory.goto("/reviews/R-1/")
    hidden = mallory.locator("main").inner_text()
    mallory.goto("/reviews/R-999/")
    missing = mallory.locator("main").inner_text()

    def but_reference(text: str) -> list[str]:
        return [line for line in text.splitlines() if "eference" not in line]

    assert but_reference(hidden) == but_reference(missing)
    look(mallory, "stranger")


def test_pages_without_javascript(page_of: PageOf) -> None:
    ben = page_of("ben", java_script_enabled=False)
    for address in (
        "/",
        "/reviews/",
        "/reviews/R-1/",
        "/reviews/R-1/timeline/",
        "/runs/RUN-1/",
        "/reviews/R-1/report/",
    ):
        answer = ben.goto(address)
        assert answer is not None and answer.status == 200, address

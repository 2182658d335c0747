"""A real desk, a real browser: what every journey uses.

``desk`` is a desk process on SQLite with the named cast, ``page_of("ada")`` a
signed-in page, ``look(page, "name")`` checks a page with axe at 1280 and 360
pixels, that nothing scrolls sideways, and (with ``SLIPWAY_SHOTS=DIR``) keeps
pictures. Every page made here fails its test when the browser reports a script
error or a breach of the content security policy.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.journeys import cast

CHROMIUM = os.environ.get("SLIPWAY_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 360, "height": 740}


@dataclass(frozen=True)
class Desk:
    """A running desk. The address says ``localhost``: browsers offer passkeys there and not on 127.0.0.1."""

    url: str
    data: Path
    password: str
    tokens: dict[str, str]

    def email(self, who: str) -> str:
        return cast.email(who)

    def api(self, who: str, method: str, path: str, body: Any = None) -> Any:
        """Call the REST API as one of the cast; return the decoded answer, raise on an error status."""
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": f"Bearer {self.tokens[who]}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Start a desk of its own for the module and stop it at the end."""
    data = tmp_path_factory.mktemp("desk")
    environment = {**os.environ, "SLIPWAY_DATA": str(data), "PYTHONPATH": str(Path(__file__).parents[2])}
    environment.pop("SLIPWAY_DATABASE_URL", None)
    made = subprocess.run(
        [sys.executable, "-m", "tests.journeys.cast"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    given = json.loads(made.stdout.splitlines()[-1])
    port = _free_port()
    with (data / "desk.log").open("wb") as log:
        server = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "uvicorn",
                "slipway.desk.project.asgi:application",
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
                "--lifespan",
                "on",
                "--log-level",
                "warning",
            ],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            url = f"http://localhost:{port}"
            _wait(f"http://127.0.0.1:{port}/healthz", server, data / "desk.log")
            yield Desk(url, data, given["password"], given["tokens"])
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the desk answers; fail with its log when it ends before that."""
    for _ in range(600):
        if server.poll() is not None:
            pytest.fail(f"the desk ended at once:\n{log.read_text()[-4000:]}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the desk does not answer:\n{log.read_text()[-4000:]}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless Chromium for the module (not the session: its event loop would stay in our thread)."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no {CHROMIUM}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def new_page(chromium: Browser, desk: Desk) -> Iterator[Callable[..., Page]]:
    """Return a maker of fresh pages (a new profile each) that watch for errors of the browser."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def make(**options: Any) -> Page:
        context = chromium.new_context(base_url=desk.url, viewport=WIDE, reduced_motion="reduce", **options)
        contexts.append(context)
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"script error: {error}"))

        def heard(message: Any) -> None:
            # Chromium also reports every 4xx answer as an error; tests look at those themselves.
            if message.type == "error" and "Failed to load resource" not in message.text:
                complaints.append(f"{page.url}: {message.text}")

        page.on("console", heard)
        return page

    yield make
    for context in contexts:
        context.close()
    assert not complaints, complaints


@pytest.fixture
def page_of(new_page: Callable[..., Page], desk: Desk) -> Callable[..., Page]:
    """Return a maker of signed-in pages: ``page_of("ada")``."""

    def make(who: str, **options: Any) -> Page:
        page = new_page(**options)
        page.goto("/accounts/login/")
        page.get_by_label("Email").fill(desk.email(who))
        page.get_by_label("Password").fill(desk.password)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url("**/")
        return page

    return make


@pytest.fixture
def look() -> Callable[[Page, str], None]:
    """Return a check of one page at both widths: no axe violation, nothing scrolls sideways."""
    shots = os.environ.get("SLIPWAY_SHOTS")

    def check(page: Page, name: str) -> None:
        for label, size in (("wide", WIDE), ("narrow", NARROW)):
            page.set_viewport_size(size)  # type: ignore[arg-type]
            if shots:
                Path(shots).mkdir(parents=True, exist_ok=True)
                page.screenshot(path=str(Path(shots) / f"{name}-{label}.png"), full_page=True)
            found = Axe().run(page).response["violations"]
            report = [
                (
                    v["id"],
                    v["help"],
                    [n["html"][:200] + " | " + n.get("failureSummary", "")[:300] for n in v["nodes"]],
                )
                for v in found
            ]
            assert not report, (name, label, report)
            overflow = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert overflow <= 0, f"{name} scrolls sideways by {overflow} px at {label}"
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]

    return check

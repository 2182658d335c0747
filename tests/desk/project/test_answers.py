"""Headers, error pages, static files, settings, migrations: what every answer and start must be."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client

from slipway.base.errors import InvalidInput
from slipway.desk.project.settings import database


@pytest.mark.parametrize("path", ["/accounts/login/", "/log/key", "/nowhere/", "/api/v1/me", "/healthz"])
def test_every_answer_has_the_security_headers(path: str, people: dict[str, Any], anonymous: Client) -> None:
    headers = anonymous.get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'self'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["object-src"] == "'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store" or "max-age=0" in headers["Cache-Control"]
    assert len(headers["X-Request-Reference"]) == 10


def test_no_template_has_what_the_policy_forbids() -> None:
    """Inline scripts, inline styles and event attributes would be dead letters in a browser."""
    import re

    desk = Path(__file__).parents[3] / "src" / "slipway" / "desk"
    for path in desk.glob("*/templates/**/*.html"):
        text = path.read_text()
        if path.name.startswith("report") and "theme" not in str(path):
            continue  # the signed report stands alone as a file and carries its own styles
        for script in re.findall(r"<script\b[^>]*>", text):
            assert "src=" in script or 'type="application/json"' in script, (path, script)
        assert not re.search(r"<style\b|\sstyle=|\son(click|load|change|submit)=", text), path


def test_unknown_page_names_a_reference_that_is_in_the_log(
    browser: Callable[..., Client], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "slipway.desk"):
        answer = browser("ada").get("/nowhere/")
    reference = answer.headers["X-Request-Reference"]
    assert answer.status_code == 404
    assert reference in answer.content.decode()
    assert f"reference={reference}" in caplog.text


@pytest.mark.parametrize("path", ["/account/", "/api/v1/me"])
def test_crash_names_its_reference_and_hides_its_reason(
    path: str, browser: Callable[..., Client], caplog: pytest.LogCaptureFixture
) -> None:
    client = browser("ada", raise_request_exception=False)
    where = (
        "slipway.desk.accounts.queries.own_memberships"
        if path == "/account/"
        else "slipway.desk.accounts.api.viewer_of"
    )
    with patch(where, side_effect=RuntimeError("secret of the machine room")):
        answer = client.get(path)
    reference = answer.headers["X-Request-Reference"]
    text = answer.content.decode()
    assert answer.status_code == 500
    assert reference in text
    assert "secret of the machine room" not in text
    assert f"reference={reference}" in caplog.text
    assert "secret of the machine room" in caplog.text
    if path.startswith("/api/"):
        assert json.loads(text)["code"] == "internal"


def test_crash_outside_views_is_caught_too(
    browser: Callable[..., Client], caplog: pytest.LogCaptureFixture
) -> None:
    client = browser("ada", raise_request_exception=False)
    with patch("slipway.desk.accounts.idempotency.viewer_of", side_effect=OSError("disk")):
        answer = client.post("/api/v1/reviews", headers={"Idempotency-Key": "12345678"})
    assert answer.status_code == 500
    assert answer.headers["X-Request-Reference"] in caplog.text
    assert "Content-Security-Policy" in answer.headers


def test_an_address_cannot_write_lines_into_the_log(
    caller: Callable[..., Client], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "slipway.desk"):
        assert caller("ada").get("/api/v1/records/%0a2026-01-01 forged%00").status_code == 404
        assert caller("ada").get("/nowhere/%0aforged/").status_code == 404
    ours = [r.getMessage() for r in caplog.records if r.name == "slipway.desk"]
    assert len(ours) == 2
    assert not any(c < " " for line in ours for c in line)


@pytest.mark.parametrize(
    "address", ["/reviews/?q=%00", "/api/v1/reviews?q=a%00b", "/api/v1/reviews?agency=%00", "/records/%00/"]
)
def test_a_nul_in_an_address_is_nothing_here(browser: Callable[..., Client], address: str) -> None:
    """On PostgreSQL a query with it would fail."""
    assert browser("ada").get(address).status_code == 404


def test_a_body_that_is_too_large_is_413_and_no_crash(caller: Callable[..., Client]) -> None:
    body = b'{"codename":"' + b"a" * (9 << 20) + b'"}'
    answer = caller("ada").post("/api/v1/reviews", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (413, "request.large")


def test_problems_are_rfc_9457(caller: Callable[..., Client]) -> None:
    answer = caller("ada").post("/api/v1/reviews", {"codename": ""}, content_type="application/json")
    body = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert body["status"] == answer.status_code == 422
    assert body["type"] == f"urn:slipway:problem:{body['code']}"
    assert body["instance"].startswith("urn:slipway:request:")
    assert all(set(e) == {"field", "problem", "fix"} for e in body["errors"])
    assert len(body["errors"]) > 1


@pytest.mark.parametrize("path", ["/api/v1/nowhere", "/api/v1/reviews/R-999"])
def test_missing_in_the_api_is_a_problem_and_not_a_page(path: str, caller: Callable[..., Client]) -> None:
    answer = caller("ada").get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_body_that_is_no_json_is_refused(caller: Callable[..., Client]) -> None:
    answer = caller("ada").post("/api/v1/reviews", b"{", content_type="application/json")
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [(e["field"], e["problem"]) for e in answer.json()["errors"]] == [("body", "is not JSON")]
    twice = b'{"codename": "a", "codename": "b", "model_name": "m", "pack": "window-14"}'
    answer = caller("ada").post("/api/v1/reviews", twice, content_type="application/json")
    assert answer.status_code == 422
    assert [e["field"] for e in answer.json()["errors"]] == ["codename"]


def test_another_method_is_a_problem_in_the_api_and_a_page_elsewhere(caller: Callable[..., Client]) -> None:
    answer = caller("ada").delete("/api/v1/reviews")
    assert (answer.status_code, answer.json()["code"]) == (405, "method.not_allowed")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "POST"}
    page = caller("ada").get("/account/switch/")
    assert page.status_code == 405
    assert page.headers["X-Request-Reference"] in page.content.decode()


def test_form_of_another_site_gets_a_page_that_explains(browser: Callable[..., Client]) -> None:
    answer = browser("ada", enforce_csrf_checks=True).post("/account/switch/", {"organisation": "x"})
    assert answer.status_code == 403
    assert "Load the page again" in answer.content.decode()


def test_static_files_come_from_the_package_and_are_kept(anonymous: Client) -> None:
    answer = anonymous.get(f"{settings.STATIC_URL}theme/slipway.css")
    assert answer.status_code == 200
    assert "max-age=31536000" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Type"].startswith("text/css")
    assert anonymous.get(f"{settings.STATIC_URL}../settings/review.py").status_code == 404


def test_openapi_lists_the_routers_of_this_part(anonymous: Client) -> None:
    paths = anonymous.get("/api/v1/openapi.json").json()["paths"]
    assert {"/api/v1/me", "/api/v1/records/{record_id}/receipt", "/api/v1/log/checkpoint"} <= set(paths)


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", "accounts", "records", check=True, dry_run=True, verbosity=0)


def test_sqlite_is_set_as_measured() -> None:
    made = database.sqlite("/x/desk.sqlite3")
    assert made["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert made["OPTIONS"]["timeout"] == 20
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        assert pragma in made["OPTIONS"]["init_command"]
    assert made["ATOMIC_REQUESTS"] is False


def test_postgresql_address_is_read() -> None:
    made = database.postgresql("postgres://u%40x:p%2Fw@db.example:5433/slip%20way?sslmode=require")
    assert (made["USER"], made["PASSWORD"], made["HOST"], made["PORT"]) == (
        "u@x",
        "p/w",
        "db.example",
        "5433",
    )
    assert made["NAME"] == "slip way"
    assert made["OPTIONS"]["sslmode"] == "require"
    assert made["OPTIONS"]["pool"]


@pytest.mark.parametrize("url", ["mysql://x/y", "postgres://host", "nonsense"])
def test_bad_database_address_is_named(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        database.postgresql(url)
    assert caught.value.problems[0].field == "SLIPWAY_DATABASE_URL"


def test_settings_touch_nothing_until_used(tmp_path: Path) -> None:
    folder = tmp_path / "not-yet"
    code = "import slipway.desk.project.settings.review, django; django.setup()"
    environment = {
        **os.environ,
        "SLIPWAY_DATA": str(folder),
        "DJANGO_SETTINGS_MODULE": "slipway.desk.project.settings.review",
    }
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=120)
    assert not folder.exists()


def test_migrate_makes_an_empty_directory_ready_and_says_how_much(tmp_path: Path) -> None:
    code = "from slipway.desk.project import manage; print(manage.migrate(), manage.migrate())"
    environment = {**os.environ, "SLIPWAY_DATA": str(tmp_path / "site")}
    environment.pop("SLIPWAY_DATABASE_URL", None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True, timeout=120
    )
    first, second = done.stdout.split()
    assert int(first) > 10
    assert second == "0"
    assert (tmp_path / "site").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "site" / "keys").stat().st_mode & 0o777 == 0o700


def test_the_reference_leads_on_without_scripts(browser: Callable[..., Client]) -> None:
    page = browser("ada").get("/api/docs").content.decode()
    without = page.split("<noscript>")[1].split("</noscript>")[0]
    assert 'href="/api/v1/openapi.json"' in without
    assert "swagger-ui-bundle.js" in page

"""The desk's client against a real HTTP server that answers what a desk may answer."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from slipway.base.errors import Exit, InvalidInput, NotFound, Refused, SlipwayError, Unavailable
from slipway.cli import main as cli
from slipway.cli.client import Desk, desk_url, token_from
from slipway.cli.interface import Composition

ANSWERS: dict[str, tuple[int, bytes]] = {
    "/api/v1/me": (200, b'{"name": "Ada"}'),
    "/api/v1/list": (200, b"[1, 2]"),
    "/api/v1/html": (200, b"<html>"),
    "/api/v1/invalid": (
        422,
        json.dumps(
            {
                "title": "offer was refused",
                "code": "input.invalid",
                "errors": [
                    {"field": "agency", "problem": "is unknown", "fix": "add it"},
                    {"field": "days", "problem": "is 99", "fix": "at most 30"},
                ],
            }
        ).encode(),
    ),
    "/api/v1/refused": (409, b'{"title": "the window is closed", "code": "act.refused"}'),
    "/api/v1/missing": (404, b'{"title": "there is nothing here for you", "code": "not_found"}'),
    "/api/v1/down": (503, b"busy"),
    "/api/v1/token": (401, b'{"title": "no such token", "code": "auth.unknown"}'),
    "/api/v1/odd": (418, b"[1]"),
    "/api/v1/reviews?limit=200": (200, b'{"items": [{"ref": "R-2", "codename": "Two"}], "next": 2}'),
    "/api/v1/reviews?limit=200&after=2": (200, b'{"items": [{"ref": "R-1"}], "next": null}'),
    "/api/v1/reviews/R-1/timeline": (200, b'[{"n": 0, "type": "review.created", "record": "01a"}]'),
}


class Handler(http.server.BaseHTTPRequestHandler):
    seen: list[tuple[str, str, dict[str, str], bytes]] = []

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        Handler.seen.append((self.command, self.path, dict(self.headers.items()), body))
        if self.path == "/api/v1/elsewhere":
            self.send_response(302)
            self.send_header("Location", "/api/v1/me")
            self.end_headers()
            return
        status, content = ANSWERS.get(self.path, (200, body or b"{}"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = _answer

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def desk() -> Iterator[Desk]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Handler.seen.clear()
    yield Desk(f"http://127.0.0.1:{server.server_port}", "slt_x")
    server.shutdown()
    thread.join()
    server.server_close()


def test_requests_carry_token_and_idempotency_key(desk: Desk) -> None:
    assert desk.get("/me") == {"name": "Ada"}
    assert desk.get("/list") == {"items": [1, 2]}
    assert desk.send("POST", "/echo", {"a": 1}) == {"a": 1}
    (_, _, read, _), _, (method, path, written, body) = Handler.seen
    assert read["Authorization"] == "Bearer slt_x"
    assert "Idempotency-Key" not in read
    assert (method, path, json.loads(body)) == ("POST", "/api/v1/echo", {"a": 1})
    assert len(written["Idempotency-Key"]) == 36


@pytest.mark.parametrize(
    "path,kind,words",
    [
        ("/invalid", InvalidInput, "days: is 99; at most 30"),
        ("/refused", Refused, "the window is closed"),
        ("/missing", NotFound, "nothing here for you"),
        ("/down", Unavailable, "503"),
        ("/token", Refused, "slipway admin token add"),
        ("/odd", SlipwayError, "418"),
        ("/html", Unavailable, "not JSON"),
        ("/elsewhere", SlipwayError, "302"),
    ],
)
def test_error_answers_become_errors(desk: Desk, path: str, kind: type[SlipwayError], words: str) -> None:
    with pytest.raises(kind) as caught:
        desk.get(path)
    assert words in caught.value.message


def test_a_redirect_never_carries_the_token_on(desk: Desk) -> None:
    with pytest.raises(SlipwayError):
        desk.get("/elsewhere")
    assert [path for _, path, _, _ in Handler.seen] == ["/api/v1/elsewhere"]


def test_all_problems_of_an_answer_survive(desk: Desk) -> None:
    with pytest.raises(InvalidInput) as caught:
        desk.get("/invalid")
    assert [problem.field for problem in caught.value.problems] == ["agency", "days"]
    assert caught.value.what == "offer"


def test_nobody_there() -> None:
    with pytest.raises(Unavailable, match="slipway up"):
        Desk("http://127.0.0.1:9", "").get("/me")


def test_addresses_and_tokens_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert desk_url("http://127.0.0.1:8000/") == "http://127.0.0.1:8000"
    for bad in ("file:///etc/passwd", "127.0.0.1:8000", "ftp://x"):
        with pytest.raises(InvalidInput, match="--desk"):
            desk_url(bad)
    monkeypatch.delenv("NO_TOKEN", raising=False)
    with pytest.raises(InvalidInput, match="NO_TOKEN"):
        token_from("NO_TOKEN")


def test_a_dry_run_sends_no_write(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("T", "slt_x")
    words = ["review", "offer", "R-1", "--agency", "cyber-agency", "--desk", desk.url, "--token-env", "T"]
    composition = Composition(supervise=lambda options: 0)
    assert cli.run([*words, "--dry-run", "--json"], composition) == 0
    assert {method for method, _, _, _ in Handler.seen} == {"GET"}
    would = json.loads(capsys.readouterr().out)["would"]
    assert would == {
        "method": "POST",
        "path": "/api/v1/reviews/R-1/offer",
        "body": {"agency": "cyber-agency"},
    }
    assert cli.run(words, composition) == 0
    assert Handler.seen[-1][:2] == ("POST", "/api/v1/reviews/R-1/offer")
    monkeypatch.setenv("T", "")
    assert cli.run(words, composition) == Exit.INVALID


def test_lists_show_what_the_desk_answers_all_pages_of_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("T", "slt_x")
    composition = Composition(supervise=lambda options: 0)
    where = ["--desk", desk.url, "--token-env", "T"]
    assert cli.run(["review", "list", *where], composition) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["ref", "R-2", "R-1"]
    assert cli.run(["review", "list", "--json", *where], composition) == 0
    assert [r["ref"] for r in json.loads(capsys.readouterr().out)["items"]] == ["R-2", "R-1"]
    assert cli.run(["review", "timeline", "R-1", *where], composition) == 0
    assert "review.created" in capsys.readouterr().out


def test_what_is_wrong_with_an_endpoint_is_named_at_once_and_before_the_desk_is_asked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("T", "slt_x")
    monkeypatch.setenv("UPSTREAM", "")
    words = ["review", "endpoint", "R-1", "--alias", "No Alias", "--base-url", "models", "--model", ""]
    words += ["--api-key-env", "UPSTREAM", "--desk", desk.url, "--token-env", "T"]
    assert cli.run(words, Composition(supervise=lambda options: 0)) == Exit.INVALID
    said = capsys.readouterr().err
    assert [n for n in ("--alias", "--api-key-env", "base_url", "model") if n not in said] == []
    assert Handler.seen == []


def test_a_run_names_an_empty_key_and_an_empty_token_together(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("T", "")
    monkeypatch.setenv("K", "")
    words = ["run", "start", "--review", "R-1", "--grant", "G-1", "--desk", "nowhere"]
    words += ["--token-env", "T", "--key-env", "K"]
    assert cli.run(words, Composition(supervise=lambda options: 0)) == Exit.INVALID
    said = capsys.readouterr().err
    assert [n for n in ("--desk", "--token-env", "--key-env") if n not in said] == []

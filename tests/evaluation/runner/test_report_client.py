"""The desk client against a real socket: it tries again, says the same thing again, and reads refusals."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from slipway.base.errors import InvalidInput, NotFound, Refused, Unavailable
from slipway.evaluation import runner
from slipway.evaluation.runner import DeskReporter, Registration

RUN = Registration("RUN-1", "record-1")


@dataclass
class Site:
    url: str = ""
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)


@pytest.fixture
def site() -> Iterator[Site]:
    state = Site()

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {k.lower(): v for k, v in self.headers.items()}
            state.asked.append((self.command, self.path, headers, json.loads(raw) if raw else None))
            status, body = state.answers.pop(0) if state.answers else (200, b"{}")
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _do

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def reporter(site: Site, **more: Any) -> DeskReporter:
    return DeskReporter(site.url, "slt_x", "R-1", "run-key", sleep=lambda _: None, **more)


def problem(status: int, **body: Any) -> tuple[int, bytes]:
    return status, json.dumps({"title": "no", "status": status, **body}).encode()


def test_registering_sends_the_plan_and_the_token_and_no_rule(site: Site) -> None:
    site.answers = [(201, b'{"ref": "RUN-7", "record": "abc"}')]
    plan = runner.plan(review="R-1", grant="G-1", model_alias="m", epochs=3, seed=4)
    assert reporter(site).register(plan) == Registration("RUN-7", "abc")
    method, path, headers, body = site.asked[0]
    assert (method, path) == ("POST", "/api/v1/reviews/R-1/runs")
    assert headers["authorization"] == "Bearer slt_x"
    assert body["plan"]["epochs"] == 3
    assert set(body["plan"]) == {
        "suite", "epochs", "model_alias", "grant", "sandbox", "budgets", "seed", "software", "effective",
    }  # fmt: skip


def test_a_receipt_in_place_of_the_record_is_understood(site: Site) -> None:
    site.answers = [(201, b'{"ref": "RUN-7", "receipt": {"record": "abc"}}')]
    plan = runner.plan(review="R-1", grant="G-1", model_alias="m")
    assert reporter(site).register(plan).record == "abc"


def test_an_overloaded_desk_is_asked_again_with_the_same_words(site: Site) -> None:
    site.answers = [(503, b""), (500, b"oops"), (429, b"{}"), (200, b"{}")]
    reporter(site).items(RUN, [{"item": "a"}])
    assert len(site.asked) == 4
    assert len({a[2]["idempotency-key"] for a in site.asked}) == 1
    reporter(site).items(RUN, [{"item": "b"}])
    assert site.asked[-1][2]["idempotency-key"] != site.asked[0][2]["idempotency-key"]


def test_a_desk_that_is_not_there_is_named(site: Site) -> None:
    away = DeskReporter("http://127.0.0.1:9", "t", "R-1", "k", sleep=lambda _: None, attempts=2)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
        away.items(RUN, [{"item": "a"}])
    site.answers = [(503, b"")] * 6
    with pytest.raises(Unavailable, match="HTTP 503"):
        reporter(site).start(RUN, {})
    assert len(site.asked) == 6


def test_refusals_are_told_apart_and_not_repeated(site: Site) -> None:
    problems = [{"field": "plan.grant", "problem": "unknown", "fix": "use G-2"}]
    site.answers = [
        problem(422, code="input.invalid", errors=problems),
        problem(409, code="run.started"),
        problem(404),
        (302, b""),
    ]
    one = reporter(site)
    with pytest.raises(InvalidInput) as invalid:
        one.start(RUN, {})
    assert [p.as_dict() for p in invalid.value.problems] == problems
    with pytest.raises(Refused) as refused:
        one.start(RUN, {})
    assert refused.value.code == "run.started"
    with pytest.raises(NotFound):
        one.start(RUN, {})
    with pytest.raises(Unavailable, match="redirect"):
        one.start(RUN, {})
    assert len(site.asked) == 4


def test_it_waits_until_the_registration_is_sealed(site: Site) -> None:
    site.answers = [(202, b"{}"), (202, b"{}"), (200, b'{"entry": ""}')]
    reporter(site).wait_sealed(RUN)
    assert [a[1] for a in site.asked] == ["/api/v1/records/record-1/receipt"] * 3
    site.answers = [(202, b"{}")] * 5
    with pytest.raises(Unavailable, match="sequencer"):
        reporter(site, seal_seconds=0.0).wait_sealed(RUN)


def test_many_items_go_in_batches(site: Site) -> None:
    reporter(site).items(RUN, [{"item": str(n)} for n in range(450)])
    assert [len(a[3]) for a in site.asked] == [200, 200, 50]


@pytest.mark.parametrize("url", ["ftp://x", "127.0.0.1:8000", ""])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(InvalidInput, match="desk"):
        DeskReporter(url, "t", "R-1", "k")

"""The ASGI application: sixteen slots, bodies, streams, lifespan."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

from slipway.desk.project import asgi
from slipway.desk.records.service import SequencerService

Messages = list[dict[str, Any]]


def scope(path: str, method: str = "GET") -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "server": ("localhost", 80),
        "client": ("127.0.0.1", 1),
        "scheme": "http",
        "http_version": "1.1",
    }


async def ask(application: asgi.DeskApplication, request: dict[str, Any], *chunks: bytes) -> Messages:
    """Send one request and return everything the application answered."""
    waiting = [
        {"type": "http.request", "body": chunk, "more_body": number < len(chunks) - 1}
        for number, chunk in enumerate(chunks or (b"",))
    ]
    sent: Messages = []

    async def receive() -> Any:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    await application(request, receive, send)
    return sent


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> Iterator[asgi.DeskApplication]:
    """An application of three slots whose views are given by a test, without a database."""
    made = asgi.DeskApplication(3)
    yield made
    made._pool.shutdown()


def answer_with(application: asgi.DeskApplication, view: Any) -> None:
    application._handler.get_response = view  # type: ignore[method-assign]


def test_no_more_requests_at_once_than_slots(application: asgi.DeskApplication) -> None:
    now, most, guard = 0, 0, threading.Lock()

    def view(request: HttpRequest) -> HttpResponse:
        nonlocal now, most
        with guard:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        with guard:
            now -= 1
        return HttpResponse(b"ok")

    answer_with(application, view)

    async def many() -> list[Messages]:
        return await asyncio.gather(*(ask(application, scope("/")) for _ in range(30)))

    answers = asyncio.run(many())
    assert [m[0]["status"] for m in answers] == [200] * 30
    assert most <= 3


def test_body_arrives_whole_and_headers_leave_whole(application: asgi.DeskApplication) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        response = HttpResponse(request.body.upper())
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    answer_with(application, view)
    start, body = asyncio.run(ask(application, scope("/", "POST"), b"he", b"llo"))
    assert body["body"] == b"HELLO"
    assert [k for k, _ in start["headers"]].count(b"set-cookie") == 2


def test_stream_is_sent_part_by_part_and_closed(application: asgi.DeskApplication) -> None:
    closed = []

    class Parts:
        def __iter__(self) -> Iterator[bytes]:
            yield from (b"one", b"two")

        def close(self) -> None:
            closed.append(True)

    answer_with(application, lambda request: StreamingHttpResponse(Parts()))
    sent = asyncio.run(ask(application, scope("/")))
    assert [m["body"] for m in sent[1:]] == [b"one", b"two", b""]
    assert closed


def test_too_large_a_body_is_refused_before_it_fills_the_disk(
    application: asgi.DeskApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "MAX_BODY", 1000)
    answer_with(application, lambda request: pytest.fail("must not be reached"))
    sent = asyncio.run(ask(application, scope("/", "POST"), b"x" * 600, b"x" * 600, b"x" * 600))
    assert sent[0]["status"] == 413


def test_client_that_goes_away_is_no_error(application: asgi.DeskApplication) -> None:
    async def gone() -> Messages:
        sent: Messages = []

        async def receive() -> Any:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(dict(message))

        await application(scope("/"), receive, send)
        return sent

    assert asyncio.run(gone()) == []


def test_lifespan_starts_and_stops_the_sequencer(
    application: asgi.DeskApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    class Noted(SequencerService):
        def start(self) -> None:
            seen.append("start")

        def stop(self, timeout: float = 20.0) -> None:
            seen.append("stop")

    monkeypatch.setattr(asgi, "service", Noted())

    async def run() -> list[str]:
        steps = iter(["lifespan.startup", "lifespan.shutdown"])
        sent: list[str] = []

        async def receive() -> Any:
            return {"type": next(steps)}

        async def send(message: Any) -> None:
            sent.append(message["type"])

        await application({"type": "lifespan"}, receive, send)
        return sent

    assert asyncio.run(run()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert seen == ["start", "stop"]


def test_other_protocols_are_refused(application: asgi.DeskApplication) -> None:
    async def nothing() -> AsyncIterator[None]:
        yield None

    with pytest.raises(ValueError, match="websocket"):
        asyncio.run(application({"type": "websocket"}, nothing, nothing))  # type: ignore[arg-type]

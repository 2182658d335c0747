"""SIGKILL under load: whatever a client was answered is recorded. With a planted fault the rig must see it.

The planted fault is the gateway's own ``--evidence asynchronous``, which
releases answers before their records are durable.
"""

from __future__ import annotations

import http.client
import json
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.gateway.rig import ALIAS, Process, Site, Upstream, until
from tests.gateway.test_refusals import CHAT, known

CLIENTS = 12


@dataclass
class Answered:
    """What clients saw: exchange ids whose answer was complete, and those of which some bytes came."""

    complete: set[str] = field(default_factory=set)
    begun: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)


def _client(gateway: Process, key: str, answered: Answered, stop: threading.Event, stream: bool) -> None:
    body = json.dumps({"model": ALIAS, "messages": [{"role": "user", "content": "hi"}], "stream": stream})
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    while not stop.is_set():
        try:
            connection.request("POST", CHAT, body, {"Authorization": f"Bearer {key}"})
            answer = connection.getresponse()
            exchange = answer.getheader("x-gateway-request-id")
            if answer.status != 200 or exchange is None:
                continue
            with answered.lock:
                answered.begun.add(exchange)
            data = answer.read()
            if data.endswith(b"[DONE]\n\n") or not stream:
                with answered.lock:
                    answered.complete.add(exchange)
        except (OSError, http.client.HTTPException):
            return


def _round(site: Site, upstream: Upstream, key: str, *args: str) -> tuple[int, int, int]:
    """Load, kill, count: (answered, begun but without open record, complete but without close record)."""
    gateway = Process(site, *args)
    known(gateway, key)
    answered, stop = Answered(), threading.Event()
    clients = [
        threading.Thread(target=_client, args=(gateway, key, answered, stop, number % 3 == 0))
        for number in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    until(lambda: len(answered.complete) >= 100, what="enough answers")
    gateway.kill()
    stop.set()
    for client in clients:
        client.join(30)
    opened = {r["id"] for r in site.records("exchange.opened")}
    closed = {r["body"]["exchange"] for r in site.records("exchange.closed")}
    return len(answered.complete), len(answered.begun - opened), len(answered.complete - closed)


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


def test_nothing_answered_is_unrecorded(tmp_path: Path, upstream: Upstream) -> None:
    site = Site(tmp_path / "data")
    key = site.key(site.grant(site.endpoint(upstream.url)))
    for _ in range(3):
        answered, unopened, unclosed = _round(site, upstream, key)
        assert answered >= 100
        assert (unopened, unclosed) == (0, 0)
    upstream.stop()


def test_the_rig_sees_a_gateway_that_answers_first(tmp_path: Path, upstream: Upstream) -> None:
    site = Site(tmp_path / "data")
    key = site.key(site.grant(site.endpoint(upstream.url)))
    lost = 0
    for _ in range(12):
        _, unopened, unclosed = _round(site, upstream, key, "--evidence", "asynchronous")
        lost += unopened + unclosed
        if lost:
            break
    assert lost > 0
    upstream.stop()

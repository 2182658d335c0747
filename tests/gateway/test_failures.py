"""An upstream that fails: a clear error, a record of it, the place given back, nothing leaked."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from slipway.gateway.upstream import refused_by_upstream
from tests.gateway.rig import ALIAS, Process, Site, Upstream, free_port, until
from tests.gateway.test_refusals import CHAT, call, error, known


@pytest.fixture(scope="module")
def grant(site: Site, endpoint: str) -> str:
    return site.grant(endpoint, concurrency=1)


@pytest.fixture(scope="module")
def key(site: Site, gateway: Process, grant: str) -> str:
    return known(gateway, site.key(grant))


def stream(gateway: Process, key: str, content: str) -> tuple[int, list[bytes]]:
    """Return status and events of a streamed call, read to the end."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    body = {"model": ALIAS, "messages": [{"role": "user", "content": content}], "stream": True}
    connection.request("POST", CHAT, json.dumps(body), {"Authorization": f"Bearer {key}"})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, [event for event in data.split(b"\n\n") if event]


def last_record(site: Site) -> dict[str, Any]:
    return dict(site.records("exchange.closed")[-1]["body"])


def settled(site: Site, gateway: Process, key: str, grant: str) -> None:
    """The place is free again, and nothing is left open in the ledger."""
    assert call(gateway, key)[0] == 200
    assert site.ledger("SELECT count(*) FROM exchange WHERE grant_id = ? AND state = 'open'", grant) == [(0,)]


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        ("hang", 504, "upstream_timeout"),
        ("die", 502, "upstream_interrupted"),
        ("garbage", 502, "upstream_bad_answer"),
        ("html", 502, "upstream_bad_answer"),
        ("leak", 502, "upstream_bad_answer"),
        ("redirect", 502, "upstream_redirect"),
        ("status 400", 400, "context_length_exceeded"),
        ("status 401", 502, "upstream_refused"),
        ("status 403", 502, "upstream_refused"),
        ("status 404", 502, "upstream_refused"),
        ("status 429", 429, "upstream_rate_limit"),
        ("status 500", 502, "upstream_error"),
        ("status 503", 502, "upstream_error"),
        ("status 504", 504, "upstream_timeout"),
    ],
)
def test_plain(
    gateway: Process, site: Site, key: str, grant: str, content: str, status: int, code: str
) -> None:
    answer = call(gateway, key, content)
    assert error(answer) == (status, code)
    if status == 429:
        assert answer[2]["retry-after"] == "7"
    assert b"CANARY" not in json.dumps(answer).encode()
    closed = last_record(site)
    assert (closed["outcome"], closed["status"]) == (code, status)
    assert closed["charged"] == (18 if content == "leak" else 0)
    settled(site, gateway, key, grant)


@pytest.mark.parametrize(
    ("content", "begun", "code"),
    [
        ("die", True, "upstream_interrupted"),
        ("no-done", True, "upstream_interrupted"),
        ("garbage-later", True, "upstream_bad_answer"),
        ("error-event", True, "upstream_error"),
        ("endless-silence", True, "upstream_timeout"),
        ("garbage", False, "upstream_bad_answer"),
        ("html", False, "upstream_bad_answer"),
        ("leak", False, "upstream_bad_answer"),
        ("hang", False, "upstream_timeout"),
        ("status 500", False, "upstream_error"),
    ],
)
def test_streams(
    gateway: Process, site: Site, key: str, grant: str, content: str, begun: bool, code: str
) -> None:
    status, events = stream(gateway, key, content)
    assert b"CANARY" not in b"".join(events)
    if begun:
        assert status == 200
        assert b"begun" in events[0]
        assert len(events) == 2
        assert json.loads(events[-1].removeprefix(b"data: "))["error"]["code"] == code
    else:
        assert status in (502, 504)
        assert json.loads(b"".join(events))["error"]["code"] == code
    settled(site, gateway, key, grant)
    bodies = [r["body"] for r in site.records("exchange.closed")]
    assert bodies[-2]["outcome"] == code
    assert bodies[-2]["chunks"] == (1 if begun else 0)


def test_unreachable(gateway: Process, site: Site) -> None:
    nowhere = site.endpoint(f"http://127.0.0.1:{free_port()}/v1")
    key = known(gateway, site.key(site.grant(nowhere)))
    assert error(call(gateway, key)) == (502, "upstream_unreachable")


@pytest.mark.parametrize("content", ["hang", "forever"])
def test_client_that_leaves_frees_the_upstream(
    gateway: Process, site: Site, key: str, grant: str, upstream: Upstream, content: str
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    body = {
        "model": ALIAS,
        "messages": [{"role": "user", "content": content}],
        "stream": content[0] == "f",
    }
    connection.request("POST", CHAT, json.dumps(body), {"Authorization": f"Bearer {key}"})
    until(lambda: upstream.live == 1, what="the upstream to work")
    connection.close()
    until(lambda: upstream.live == 0, what="the upstream to be released")
    until(lambda: call(gateway, key)[0] == 200, what="the place to be given back")
    bodies = [r["body"] for r in site.records("exchange.closed")]
    gone = bodies[-2]
    assert (gone["outcome"], gone["status"]) == ("client_gone", 499)
    # Leaving early is no way round a budget: what was reserved is charged.
    assert gone["tokens_out"] is None
    assert gone["charged"] > 1024
    settled(site, gateway, key, grant)


@pytest.mark.parametrize("said", ["9" * 5000, "-1", "soon", "", "\u0663"])
def test_a_senseless_retry_after_is_a_second(said: str) -> None:
    assert refused_by_upstream(429, said).retry_after in (1, 3600)

"""Access that ends while streams are live: they end too, and nothing of the model's follows."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slipway.gateway import keys
from tests.gateway.rig import ALIAS, Process, Site, Upstream, now_ms, until
from tests.gateway.test_refusals import CHAT, call, error, known


class Stream:
    """A live stream on a bare socket, so that what arrives is seen as it is."""

    def __init__(self, gateway: Process, key: str, content: str = "forever", receive_buffer: int = 0) -> None:
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(30)
        self.sock.connect(("127.0.0.1", gateway.port))
        body = json.dumps(
            {"model": ALIAS, "messages": [{"role": "user", "content": content}], "stream": True}
        ).encode()
        self.sock.sendall(
            b"POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s"
            % (CHAT.encode(), key.encode(), len(body), body)
        )
        self.data = b""

    def read_until(self, text: bytes) -> None:
        while text not in self.data:
            more = self.sock.recv(65536)
            assert more, self.data[-500:]
            self.data += more

    def record(self, site: Site) -> dict[str, Any] | None:
        """Return the close record of this exchange, once there is one."""
        exchange = self.data.partition(b"x-gateway-request-id: ")[2][:36].decode()
        bodies = (r["body"] for r in site.records("exchange.closed"))
        return next((body for body in bodies if body["exchange"] == exchange), None)

    def rest(self) -> bytes:
        """Read to the end of the connection."""
        try:
            while more := self.sock.recv(65536):
                self.data += more
        except ConnectionResetError:
            pass
        self.sock.close()
        return self.data

    def events(self) -> list[bytes]:
        """Undo the chunked coding of a finished answer and return its events."""
        body, out = self.data.partition(b"\r\n\r\n")[2], b""
        while body:
            size, _, body = body.partition(b"\r\n")
            length = int(size, 16)
            out, body = out + body[:length], body[length + 2 :]
            if not length:
                assert not body
                break
        return out.split(b"\n\n")[:-1]


@pytest.fixture
def grant(site: Site, endpoint: str) -> str:
    return site.grant(endpoint)


@pytest.fixture
def key(site: Site, gateway: Process, grant: str) -> str:
    return known(gateway, site.key(grant))


@pytest.fixture
def stream(gateway: Process, key: str, upstream: Upstream) -> Iterator[Stream]:
    made = Stream(gateway, key)
    made.read_until(b"tick")
    yield made
    made.sock.close()
    until(lambda: upstream.live == 0, what="the upstream to be released")


ENDS: dict[str, tuple[Callable[[Site, str, str], None], str]] = {
    "pause": (lambda site, grant, key: site.set_grant(grant, state="paused"), "grant_paused"),
    "end": (lambda site, grant, key: site.set_grant(grant, state="ended"), "grant_ended"),
    "revoke grant": (lambda site, grant, key: site.set_grant(grant, state="revoked"), "grant_revoked"),
    "shorten": (lambda site, grant, key: site.set_grant(grant, not_after_ms=now_ms() - 1), "grant_expired"),
    "expire": (lambda site, grant, key: site.set_grant(grant, not_after_ms=now_ms() + 300), "grant_expired"),
    "revoke key": (
        lambda site, grant, key: site.change(
            "UPDATE access_key SET state = 'revoked' WHERE digest = ?", keys.digest(key, site.pepper)
        ),
        "key_revoked",
    ),
    "delete key": (
        lambda site, grant, key: site.change("DELETE FROM access_key WHERE grant_id = ?", grant),
        "key_revoked",
    ),
    "retire endpoint": (
        lambda site, grant, key: site.change(
            "UPDATE access_endpoint SET retired_ms = 1"
            " WHERE id = (SELECT endpoint_id FROM access_grant WHERE id = ?)",
            grant,
        ),
        "endpoint_missing",
    ),
}


@pytest.mark.parametrize("how", ENDS)
def test_live_stream_ends_with_a_whole_error_event(
    gateway: Process, site: Site, upstream: Upstream, key: str, grant: str, stream: Stream, how: str
) -> None:
    act, code = ENDS[how]
    act(site, grant, key)
    stream.rest()
    *chunks, last = stream.events()
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == code
    assert all(json.loads(chunk.removeprefix(b"data: "))["model"] == ALIAS for chunk in chunks)
    until(lambda: upstream.live == 0, what="the upstream to be released")
    assert error(call(gateway, key))[0] in (401, 403)
    until(lambda: stream.record(site) is not None, what="the record")
    record = stream.record(site)
    assert record is not None
    assert (record["outcome"], record["status"], record["chunks"]) == (code, 403, len(chunks))
    if how == "retire endpoint":
        site.change("UPDATE access_endpoint SET retired_ms = NULL")


def test_resume_gives_access_back(gateway: Process, site: Site, key: str, grant: str) -> None:
    site.set_grant(grant, state="paused")
    until(lambda: call(gateway, key)[0] == 403, what="the pause")
    site.set_grant(grant, state="active")
    until(lambda: call(gateway, key)[0] == 200, what="the resumption")


def test_only_the_paused_grant_is_cut(
    gateway: Process, site: Site, endpoint: str, upstream: Upstream, key: str, grant: str, stream: Stream
) -> None:
    other = Stream(gateway, known(gateway, site.key(site.grant(endpoint))))
    other.read_until(b"tick")
    site.set_grant(grant, state="paused")
    stream.rest()
    before = len(other.data)
    other.sock.settimeout(30)
    while len(other.data) < before + 2000:
        other.data += other.sock.recv(65536)
    assert b"error" not in other.data
    other.sock.close()


def test_plain_call_under_way_is_cut(
    gateway: Process, site: Site, key: str, grant: str, upstream: Upstream
) -> None:
    import threading

    got: list[Any] = []
    waiting = threading.Thread(target=lambda: got.append(call(gateway, key, "hang")))
    waiting.start()
    until(lambda: upstream.live == 1, what="the upstream to work")
    site.set_grant(grant, state="ended")
    waiting.join(30)
    assert error(got[0]) == (403, "grant_ended")
    until(lambda: upstream.live == 0, what="the upstream to be released")


def test_slow_reader_gets_little_more_after_the_end(
    gateway: Process, site: Site, key: str, grant: str, upstream: Upstream
) -> None:
    slow = Stream(gateway, key, "flood", receive_buffer=4096)
    until(lambda: upstream.live == 1, what="the flood")
    until(
        lambda: len(site.ledger("SELECT 1 FROM exchange WHERE grant_id = ? AND state = 'open'", grant)) == 1,
        what="the exchange",
    )
    import time

    time.sleep(1)  # let every buffer on the way fill up
    site.set_grant(grant, state="ended")
    until(lambda: upstream.live == 0, what="the upstream to be released")
    until(
        lambda: site.ledger("SELECT outcome FROM exchange WHERE grant_id = ?", grant)[-1][0] == "grant_ended",
        what="the record",
    )
    assert len(slow.rest()) <= 64 * 1024


def test_control_store_gone_refuses_everything_and_ends_streams(tmp_path: Path, upstream: Upstream) -> None:
    site = Site(tmp_path / "data")
    key = site.key(site.grant(site.endpoint(upstream.url)))
    gateway = Process(site)
    try:
        known(gateway, key)
        stream = Stream(gateway, key)
        stream.read_until(b"tick")
        away = tmp_path / "away"
        away.mkdir()
        for suffix in ("", "-wal", "-shm"):
            os.rename(f"{site.data.desk_db}{suffix}", away / f"desk.sqlite3{suffix}")
        stream.rest()
        assert json.loads(stream.events()[-1].removeprefix(b"data: "))["error"]["code"] == "control_stale"
        for with_key in (key, None, keys.new_key()):
            answer = call(gateway, with_key)
            assert error(answer) == (503, "control_stale")
            assert answer[2]["retry-after"] == "1"
            assert answer[2]["x-should-retry"] == "true"
        until(lambda: upstream.live == 0, what="the upstream to be released")
        for suffix in ("-shm", "-wal", ""):
            shutil.move(away / f"desk.sqlite3{suffix}", f"{site.data.desk_db}{suffix}")
        until(lambda: call(gateway, key)[0] == 200, what="service to come back by itself")
        assert "readable again" in gateway.log.read_text()
    finally:
        assert gateway.stop() == 0

"""The whole process: start, stop, second start, recovery, slow clients, what it may import."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from slipway.base.datadir import DataDirectory
from slipway.gateway.config import GatewayConfig
from slipway.gateway.process import Server, make_server
from slipway.gateway.protocol import Listener
from tests.gateway.rig import Process, Site, Upstream, free_port, until
from tests.gateway.test_cut import Stream
from tests.gateway.test_malformed import POST
from tests.gateway.test_refusals import call, error, known


@pytest.fixture
def own(tmp_path: Path) -> Site:
    return Site(tmp_path / "data")


def test_starts_before_the_desk_and_serves_when_it_comes(tmp_path: Path, upstream: Upstream) -> None:
    data = DataDirectory(tmp_path / "data")
    data.create()

    class Bare:
        root = data.root

    Bare.data = data  # type: ignore[attr-defined]
    gateway = Process(Bare, wait=False)  # type: ignore[arg-type]
    try:
        until(lambda: gateway.answers() == 503, what="the gateway to refuse")
        site = Site(data.root)
        key = site.key(site.grant(site.endpoint(upstream.url)))
        until(lambda: call(gateway, key)[0] == 200, what="the gateway to serve")
    finally:
        assert gateway.stop() == 0


def test_second_gateway_on_the_same_data_is_refused(gateway: Process, site: Site) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "slipway.gateway", "--data", str(site.root), "--port", str(free_port())],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 5
    assert "another gateway already runs" in done.stderr
    assert "Traceback" not in done.stderr


def test_taken_port_ends_with_an_error(own: Site) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "slipway.gateway", "--data", str(own.root), "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode not in (0, None)
    assert "address already in use" in done.stderr


def test_unusable_ledger_is_named(own: Site) -> None:
    own.data.gateway_db.write_bytes(b"this is not a database" * 100)
    command = [sys.executable, "-m", "slipway.gateway", "--data", str(own.root), "--port", str(free_port())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 5
    assert "ledger cannot be opened" in done.stderr
    assert "Traceback" not in done.stderr


def test_stop_ends_live_streams_with_an_event_and_records_them(own: Site, upstream: Upstream) -> None:
    grant = own.grant(own.endpoint(upstream.url))
    gateway = Process(own)
    stream = Stream(gateway, known(gateway, own.key(grant)))
    stream.read_until(b"tick")
    assert gateway.stop() == 0
    stream.rest()
    assert json.loads(stream.events()[-1].removeprefix(b"data: "))["error"]["code"] == "gateway_stopping"
    assert own.ledger("SELECT state, outcome FROM exchange") == [("closed", "gateway_stopping")]


def test_killed_gateway_closes_what_was_open_and_keeps_the_budget(own: Site, upstream: Upstream) -> None:
    grant = own.grant(own.endpoint(upstream.url), budget_tokens=1500)
    key = own.key(grant)
    gateway = Process(own)
    stream = Stream(gateway, known(gateway, key))
    stream.read_until(b"tick")
    gateway.kill()
    assert own.ledger("SELECT state FROM exchange") == [("open",)]
    again = Process(own)
    try:
        assert own.ledger("SELECT state, outcome FROM exchange") == [("closed", "gateway_interrupted")]
        opened, closed = own.records("exchange.opened"), own.records("exchange.closed")
        assert [r["body"]["exchange"] for r in closed] == [r["id"] for r in opened]
        # What the model did is unknown, so the reservation (over 1,024 tokens) stays charged.
        assert error(call(again, key)) == (403, "token_budget_spent")
        assert call(again, key, max_tokens=10)[0] == 200
    finally:
        assert again.stop() == 0
    stream.sock.close()


def test_full_disk_serves_nothing_and_heals(own: Site, upstream: Upstream) -> None:
    """A ledger that cannot commit: 503, the upstream is not asked; when it can again, service is back."""
    key = own.key(own.grant(own.endpoint(upstream.url)))
    gateway = Process(own)
    import apsw

    try:
        known(gateway, key)
        assert call(gateway, key)[0] == 200
        before = len(upstream.requests)
        db = apsw.Connection(str(own.data.gateway_db))
        db.execute("CREATE TRIGGER full BEFORE INSERT ON exchange BEGIN SELECT raise(ABORT, 'disk'); END")
        answer = call(gateway, key)
        assert error(answer) == (503, "evidence_unavailable")
        assert answer[2]["retry-after"] == "1"
        assert len(upstream.requests) == before
        db.execute("DROP TRIGGER full")
        # Now the close record fails: the answer is there and may not be released.
        db.execute("CREATE TRIGGER full BEFORE UPDATE ON exchange BEGIN SELECT raise(ABORT, 'disk'); END")
        answer = call(gateway, key)
        assert error(answer) == (503, "evidence_unavailable")
        assert b"echo" not in json.dumps(answer).encode()
        db.execute("DROP TRIGGER full")
        assert call(gateway, key)[0] == 200
        db.close()
    finally:
        assert gateway.stop() == 0
    assert [row[0] for row in own.ledger("SELECT state FROM exchange ORDER BY opened_ms")] == [
        "closed",
        "open",
        "closed",
    ]


class Inside:
    """A gateway on a thread of the test, so that the listener's limits can be made small."""

    def __init__(self, site: Site, **limits: float) -> None:
        import asyncio
        import threading

        self.port = free_port()
        config = GatewayConfig(site.data, port=self.port, listener=Listener(**limits))  # type: ignore[arg-type]
        self.server: Server = make_server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(self.server.serve()), daemon=True)
        self._thread.start()
        until(lambda: self.server.started, what="the server")

    def stop(self) -> None:
        self.server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX: slow", b" 408 "),
        (b"", b""),
        (b"%sHost: x\r\nAuthorization: Bearer KEY\r\nContent-Length: 50\r\n\r\n{" % POST, b" 408 "),
    ],
)  # fmt: skip
def test_slow_clients_are_dropped(own: Site, upstream: Upstream, sent: bytes, answer: bytes) -> None:
    key = own.key(own.grant(own.endpoint(upstream.url)))
    gateway = Inside(own, header_seconds=0.3, body_seconds=0.6, rate_check_seconds=0.2)
    try:
        time.sleep(0.2)
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as sock:
            sock.sendall(sent.replace(b"KEY", key.encode()))
            got = b""
            while more := sock.recv(65536):
                got += more
        assert answer in got
        assert b" 200 " not in got
    finally:
        gateway.stop()


def test_connections_are_capped_per_address(own: Site) -> None:
    gateway = Inside(own, max_per_address=2)
    try:
        held = [socket.create_connection(("127.0.0.1", gateway.port), timeout=30) for _ in range(2)]
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as third:
            assert b" 503 " in third.recv(65536)
        for sock in held:
            sock.close()

        def free() -> bool:
            connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
            connection.request("GET", "/v1/models")
            status = connection.getresponse().status
            connection.close()
            return status == 401

        until(free, what="the places to be given back")
    finally:
        gateway.stop()


def test_data_plane_imports_few_packages_and_none_of_the_desk() -> None:
    code = (
        "import sys; from slipway.gateway import __main__;"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"django", "inspect_ai", "numpy", "openai", "rich", "ninja", "allauth", "fastapi"}
    # What the gateway asks for itself; what those bring along (multidict, yarl, …) is theirs.
    asked = {"aiohttp", "apsw", "cryptography", "httptools", "uvicorn", "uvloop", "yarl"}
    assert asked - {"httptools", "uvloop"} <= loaded
    assert len(asked) <= 10

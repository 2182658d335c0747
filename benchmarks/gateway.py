"""Gateway against nginx as a bare reverse proxy: CPU a plain request and a streamed chunk.

Everything runs on 127.0.0.1: one upstream, one nginx, one gateway process with
every feature on (keys, grants, limits, evidence durable before release, the
control follower). Both proxies serve the same load to the same upstream in
turn; what is compared is the CPU of their processes from /proc, not the wall.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

import uvloop

from benchmarks._gateway_upstream import CHUNKS
from benchmarks._harness import Measure, compare, cpu_of, figure, unmeasured
from tests.gateway.rig import Site, free_port

_MESSAGES = [
    {"role": "system", "content": "You are a careful assistant. " * 10},
    {"role": "user", "content": "Explain what a slipway is, in a few words. " * 6},
]
# Both proxies get the same load at the same rate. With a load as fast as each can go, the cheaper one
# would be measured at saturation, where nobody sleeps and wake-ups cost nothing.
CLIENTS = 32
PERIOD = 0.04
_PLAIN_GOAL = "<= 9"
_CHUNK_GOAL = "<= 2"


def _body(*, stream: bool) -> bytes:
    call = {"model": "aurora", "messages": _MESSAGES, "max_tokens": 256, "temperature": 0.2}
    return json.dumps({**call, **({"stream": True} if stream else {})}, separators=(",", ":")).encode()


def _request(port: int, key: str, *, stream: bool) -> bytes:
    body = _body(stream=stream)
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n"
        b"Content-Type: application/json\r\nAccept: application/json\r\nUser-Agent: bench\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (port, key.encode(), len(body), body)
    )


class _Client(asyncio.Protocol):
    """Sends requests on one connection, one each PERIOD at most; each must be answered with 200."""

    def __init__(self, request: bytes, count: int, *, stream: bool, done: asyncio.Future[None]) -> None:
        self._request, self._left, self._stream, self._done = request, count, stream, done
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an isinstance check: uvloop's transports are not asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        loop = asyncio.get_running_loop()
        self._due = loop.time() + random.uniform(0, PERIOD)
        loop.call_at(self._due, self._send)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self._stream:
            if not self._data.endswith(b"0\r\n\r\n"):
                return
            ok = self._data.count(b"data: ") == CHUNKS + 1
        else:
            head, blank, body = self._data.partition(b"\r\n\r\n")
            if not blank:
                return
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            if len(body) < length:
                return
            ok = True
        if not ok or not self._data.startswith(b"HTTP/1.1 200 "):
            self._done.set_exception(RuntimeError(f"unexpected answer: {self._data[:200]!r}"))
            self._transport.close()
            return
        self._data = b""
        self._left -= 1
        if self._left:
            loop = asyncio.get_running_loop()
            self._due = max(self._due + PERIOD, loop.time())
            loop.call_at(self._due, self._send)
        else:
            self._transport.close()
            self._done.set_result(None)

    def _send(self) -> None:
        if not self._done.done():
            self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(RuntimeError("the proxy closed the connection"))


async def _load(port: int, key: str, clients: int, each: int, *, stream: bool) -> None:
    loop = asyncio.get_running_loop()
    request = _request(port, key, stream=stream)
    waits = []
    for _ in range(clients):
        done: asyncio.Future[None] = loop.create_future()
        await loop.create_connection(
            lambda done=done: _Client(request, each, stream=stream, done=done), "127.0.0.1", port
        )
        waits.append(done)
    async with asyncio.timeout(120):
        await asyncio.gather(*waits)


def _cpu(pid: int) -> float:
    """Return the CPU seconds of a process, its threads and its children (nginx has a master and a worker).

    From ``schedstat`` (nanoseconds) where the kernel has it: at these loads nginx
    uses a few clock ticks of ``stat`` only. Both count user and system time.
    """
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    total = 0.0
    for each in [pid, *map(int, children)]:
        tasks = [task / "schedstat" for task in Path(f"/proc/{each}/task").iterdir()]
        if all(task.exists() for task in tasks):
            total += sum(int(task.read_text().split()[0]) for task in tasks) / 1e9
        else:
            total += cpu_of(each)
    return total


@contextmanager
def _running(command: list[str], port: int) -> Iterator[int]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{Path(command[0]).name} did not start")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    import socket

    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def _nginx_config(folder: Path, port: int, upstream: int) -> Path:
    path = folder / "nginx.conf"
    temp = "\n".join(
        f"  {kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    path.write_text(f"""
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
{temp}
  keepalive_requests 1000000;
  upstream model {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://model;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
""")
    return path


class _Stand:
    """Upstream, nginx and gateway, running."""

    def __init__(self, stack: ExitStack, nginx: str) -> None:
        folder = Path(tempfile.mkdtemp(prefix="slipway-bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        upstream, self.nginx_port, self.gateway_port = free_port(), free_port(), free_port()
        stack.enter_context(
            _running([sys.executable, "-m", "benchmarks._gateway_upstream", str(upstream)], upstream)
        )
        config = _nginx_config(folder, self.nginx_port, upstream)
        self.nginx = stack.enter_context(
            _running([nginx, "-p", str(folder), "-c", str(config)], self.nginx_port)
        )
        self.site = Site(folder / "data")
        grant = self.site.grant(self.site.endpoint(f"http://127.0.0.1:{upstream}/v1"))
        self.key = self.site.key(grant)
        command = [sys.executable, "-m", "slipway.gateway", "--data", str(self.site.root)]
        self.gateway = stack.enter_context(
            _running([*command, "--port", str(self.gateway_port)], self.gateway_port)
        )
        time.sleep(0.3)  # the follower's first look at the control tables

    def cost(self, pid: int, port: int, clients: int, each: int, *, stream: bool) -> float:
        """Return the CPU seconds of one request (or of one chunk) at a proxy."""
        before = _cpu(pid)
        uvloop.run(_load(port, self.key, clients, each, stream=stream))
        spent = _cpu(pid) - before
        return spent / (clients * each * (CHUNKS if stream else 1))

    def recorded(self) -> tuple[int, int]:
        """Return (exchanges, pending records) in the gateway's ledger."""
        db = sqlite3.connect(f"file:{self.site.data.gateway_db}?mode=ro", uri=True)
        try:
            exchanges = db.execute("SELECT count(*) FROM exchange WHERE state = 'closed'").fetchone()[0]
            return exchanges, db.execute("SELECT count(*) FROM evidence_pending").fetchone()[0]
        finally:
            db.close()


def measures(quick: bool) -> Iterator[Measure]:
    """Yield the gateway's measures; ``quick`` takes fewer pairs and smaller loads."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        why = "nginx is not installed (apt-get install nginx-light)"
        yield unmeasured("gateway CPU per plain request", "nginx bare proxy", _PLAIN_GOAL, why)
        yield unmeasured("gateway CPU per streamed chunk", "nginx bare proxy", _CHUNK_GOAL, why)
        return
    pairs, each = (5, 50) if quick else (9, 100)
    with ExitStack() as stack:
        stand = _Stand(stack, nginx)

        def ours(count: int, *, stream: bool) -> float:
            return stand.cost(stand.gateway, stand.gateway_port, CLIENTS, count, stream=stream)

        def theirs(count: int, *, stream: bool) -> float:
            return stand.cost(stand.nginx, stand.nginx_port, CLIENTS, count, stream=stream)

        ours(5, stream=False)
        theirs(5, stream=False)
        yield compare(
            "gateway CPU per plain request",
            lambda: ours(each, stream=False),
            "nginx bare proxy",
            lambda: theirs(each, stream=False),
            _PLAIN_GOAL,
            pairs,
        )
        yield compare(
            "gateway CPU per streamed chunk",
            lambda: ours(1, stream=True),
            "nginx bare proxy",
            lambda: theirs(1, stream=True),
            _CHUNK_GOAL,
            pairs,
        )
        exchanges, pending = stand.recorded()
        yield figure(
            "gateway records per exchange served in this benchmark",
            [pending / exchanges],
            "records (opened and closed, each durable before release)",
            ">= 2",
        )

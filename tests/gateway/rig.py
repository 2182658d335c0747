"""What gateway tests stand on: a control store made by DDL, a real upstream, a real gateway process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from slipway.base.datadir import DataDirectory
from slipway.base.ids import uuid7
from slipway.gateway import keys, upstream_secret

CONTROL_DDL = """
CREATE TABLE access_control (id INTEGER PRIMARY KEY CHECK (id = 1), epoch BIGINT NOT NULL);
INSERT INTO access_control VALUES (1, 1);
CREATE TABLE access_endpoint (id TEXT PRIMARY KEY, review_id TEXT, model_alias TEXT, sealed TEXT,
  seal_key_id TEXT, created_ms BIGINT, retired_ms BIGINT NULL);
CREATE TABLE access_grant (id TEXT PRIMARY KEY, number INT, review_id TEXT, endpoint_id TEXT, party TEXT,
  model_alias TEXT, access_level TEXT, routes TEXT, purpose TEXT, state TEXT, not_before_ms BIGINT,
  not_after_ms BIGINT, requests_per_minute INT NULL, tokens_per_minute INT NULL, concurrency INT NULL,
  budget_requests INT NULL, budget_tokens BIGINT NULL, content_policy TEXT, recipients TEXT,
  agreed_by_developer_ms BIGINT NULL, agreed_by_reviewer_ms BIGINT NULL, epoch BIGINT, created_ms BIGINT);
CREATE TABLE access_key (id TEXT PRIMARY KEY, grant_id TEXT, digest TEXT, hint TEXT, label TEXT, state TEXT,
  created_ms BIGINT, revoked_ms BIGINT NULL);
"""
ROUTES = json.dumps(["/v1/chat/completions", "/v1/models"])
UPSTREAM_KEY = "sk-upstream-CANARY-5f3a9c"
UPSTREAM_MODEL = "aurora-7-internal-CANARY"
ALIAS = "aurora"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Site:
    """A data directory with control tables, as the desk would make it."""

    root: Path
    data: DataDirectory = field(init=False)

    def __post_init__(self) -> None:
        self.data = DataDirectory(self.root).create()
        self.pepper = keys.load_or_create_pepper(self.data.keys / "pepper")
        self.seal = upstream_secret.load_or_create(self.data.keys)
        self.db = sqlite3.connect(
            self.data.desk_db, isolation_level=None, timeout=20, check_same_thread=False
        )
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.executescript(CONTROL_DDL)

    def change(self, sql: str, *values: object) -> None:
        """One transaction: the change and the epoch, as the desk does it."""
        self.db.execute("BEGIN IMMEDIATE")
        self.db.execute(sql, values)
        self.db.execute("UPDATE access_control SET epoch = epoch + 1")
        self.db.execute("COMMIT")

    def endpoint(self, url: str, **secret: object) -> str:
        id = uuid7()
        sealed = upstream_secret.seal(
            self.seal.public_pem,
            {"base_url": url, "api_key": UPSTREAM_KEY, "model": UPSTREAM_MODEL, **secret},
        )
        self.change(
            "INSERT INTO access_endpoint VALUES (?,?,?,?,?,?,NULL)",
            id,
            "review-1",
            ALIAS,
            sealed,
            self.seal.id,
            now_ms(),
        )
        return id

    def grant(self, endpoint: str, **columns: object) -> str:
        row: dict[str, object] = {
            "id": uuid7(),
            "number": 1,
            "review_id": "review-1",
            "endpoint_id": endpoint,
            "party": "cyber-agency",
            "model_alias": ALIAS,
            "access_level": "AL1",
            "routes": ROUTES,
            "purpose": "evaluation",
            "state": "active",
            "not_before_ms": now_ms() - 60_000,
            "not_after_ms": now_ms() + 3_600_000,
            "requests_per_minute": None,
            "tokens_per_minute": None,
            "concurrency": None,
            "budget_requests": None,
            "budget_tokens": None,
            "content_policy": "commit",
            "recipients": "[]",
            "agreed_by_developer_ms": 1,
            "agreed_by_reviewer_ms": 1,
            "epoch": 1,
            "created_ms": 1,
        }
        row.update(columns)
        marks = ",".join("?" * len(row))
        self.change(f"INSERT INTO access_grant ({','.join(row)}) VALUES ({marks})", *row.values())
        return str(row["id"])

    def key(self, grant: str) -> str:
        key = keys.new_key()
        self.change(
            "INSERT INTO access_key VALUES (?,?,?,?,?,'live',1,NULL)",
            uuid7(),
            grant,
            keys.digest(key, self.pepper),
            keys.hint(key),
            "test",
        )
        return key

    def set_grant(self, grant: str, **columns: object) -> None:
        names = ", ".join(f"{name} = ?" for name in columns)
        self.change(f"UPDATE access_grant SET {names} WHERE id = ?", *columns.values(), grant)

    def ledger(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        db = sqlite3.connect(f"file:{self.data.gateway_db}?mode=ro", uri=True, timeout=20)
        try:
            return db.execute(sql, values).fetchall()
        finally:
            db.close()

    def records(self, type: str) -> list[dict[str, Any]]:
        rows = self.ledger("SELECT draft FROM evidence_pending WHERE type = ? ORDER BY seq", type)
        return [json.loads(row[0]) for row in rows]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Process:
    """A gateway process of its own, as ``slipway up`` starts it."""

    def __init__(self, site: Site, *args: str, wait: bool = True) -> None:
        self.port = free_port()
        self.site = site
        self.log = site.data.logs / "gateway.log"
        self._out = self.log.open("ab")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "slipway.gateway",
                "--data",
                str(site.root),
                "--port",
                str(self.port),
                *args,
            ],
            stdout=self._out,
            stderr=self._out,
            env={**os.environ, "PYTHONPATH": ""},
        )
        if wait:
            self.wait_ready()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_ready(self) -> None:
        until(lambda: self.answers() == 401, what="the gateway to be ready", check=self._alive)

    def _alive(self) -> None:
        assert self.process.poll() is None, self.log.read_text()

    def answers(self) -> int:
        try:
            with urllib.request.urlopen(f"{self.url}/v1/models", timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._out.close()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self._out.close()
        return code


def until(
    condition: Callable[[], object],
    *,
    what: str,
    seconds: float = 30,
    check: Callable[[], None] | None = None,
) -> None:
    """Wait for a state; the bound is generous because only the state is asserted."""
    end = time.monotonic() + seconds
    while not condition():
        if check is not None:
            check()
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.02)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Upstream:
    """A real OpenAI-compatible server on a thread of its own.

    What it does is chosen by the last message's text: ``behaviours`` maps a word to a handler.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.dropped = 0
        self.live = 0
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._started.wait(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._loop.run_forever()

    async def _start(self) -> None:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/chat/completions", self._chat)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self._started.set()

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        call = json.loads(raw)
        self.bodies.append(raw)
        self.requests.append(call)
        self.headers.append(dict(request.headers))
        if request.headers.get("Authorization") != f"Bearer {UPSTREAM_KEY}":
            return web.json_response({"error": {"message": f"bad key for {UPSTREAM_KEY}"}}, status=401)
        last = call["messages"][-1]["content"] if call["messages"] else ""
        word = last.split()[0] if isinstance(last, str) and last else ""
        handler = getattr(self, "do_" + word.replace("-", "_"), None)
        if handler is not None:
            answer: web.StreamResponse = await handler(request, call)
            return answer
        if call.get("stream"):
            return await self._stream(request, call)
        return web.json_response(completion(call, f"echo: {last}"))

    async def _stream(self, request: web.Request, call: dict[str, Any]) -> web.StreamResponse:
        response = await self.begin(request)
        for word in ["Hel", "lo ", "wörld"]:
            await response.write(chunk({"content": word}))
        await response.write(chunk({}, finish="stop"))
        if (call.get("stream_options") or {}).get("include_usage"):
            await response.write(usage_chunk())
        await response.write(b"data: [DONE]\n\n")
        return response

    async def begin(
        self, request: web.Request, content_type: str = "text/event-stream"
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": content_type, "Server": "secret-upstream-CANARY"}
        )
        await response.prepare(request)
        return response

    async def do_forever(self, request: web.Request, call: dict[str, Any]) -> web.StreamResponse:
        response = await self.begin(request)
        self.live += 1
        try:
            while True:
                await response.write(chunk({"content": "tick"}))
                await asyncio.sleep(0.01)
        finally:
            self.live -= 1
            self.dropped += 1

    async def do_flood(self, request: web.Request, call: dict[str, Any]) -> web.StreamResponse:
        response = await self.begin(request)
        self.live += 1
        try:
            while True:
                await response.write(chunk({"content": "x" * 4096}))
        finally:
            self.live -= 1
            self.dropped += 1

    async def do_hang(self, request: web.Request, call: dict[str, Any]) -> web.StreamResponse:
        self.live += 1
        try:
            await asyncio.sleep(3600)
        finally:
            self.live -= 1
            self.dropped += 1
        raise AssertionError

    async def do_die(self, request: web.Request, call: dict[str, Any]) -> web.StreamResponse:
        if call.get("stream"):
            response = await self.begin(request)
            await response.write(chunk({"content": "begun"}))
            await response.write(b'data: {"half')
            await asyncio.sleep(0.05)
        assert request.transport is not None
        request.transport.abort()
        raise ConnectionResetError

    async def do_endless_silence(self, request: web.Request, call: dict[str, Any]) -> web.StreamResponse:
        response = await self.begin(request)
        await response.write(chunk({"content": "begun"}))
        await asyncio.sleep(3600)
        return response

    async def do_no_done(self, request: web.Request, call: dict[str, Any]) -> web.StreamResponse:
        response = await self.begin(request)
        await response.write(chunk({"content": "begun"}))
        return response

    async def do_garbage(self, request: web.Request, call: dict[str, Any]) -> web.StreamResponse:
        kind = "text/event-stream" if call.get("stream") else "application/json"
        return web.Response(body=b"<html>CANARY garbage</html>\n\n", content_type=kind)

    async def do_html(self, request: web.Request, call: dict[str, Any]) -> web.StreamResponse:
        return web.Response(text="<html>CANARY</html>", content_type="text/html")

    async def do_garbage_later(self, request: web.Request, call: dict[str, Any]) -> web.StreamResponse:
        response = await self.begin(request)
        await response.write(chunk({"content": "begun"}))
        await response.write(b"data: {not json CANARY}\n\n")
        await asyncio.sleep(3600)
        return response

    async def do_error_event(self, request: web.Request, call: dict[str, Any]) -> web.StreamResponse:
        response = await self.begin(request)
        await response.write(chunk({"content": "begun"}))
        await response.write(b'data: {"error": {"message": "at 10.1.2.3 CANARY"}}\n\n')
        return response

    async def do_leak(self, request: web.Request, call: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(completion(call, f"my key is {UPSTREAM_KEY}"))

    async def do_redirect(self, request: web.Request, call: dict[str, Any]) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect("http://127.0.0.1:1/CANARY")

    async def do_status(self, request: web.Request, call: dict[str, Any]) -> web.StreamResponse:
        status = int(call["messages"][-1]["content"].split()[1])
        error = {"message": f"CANARY from {request.host}", "code": "context_length_exceeded"}
        return web.json_response({"error": error}, status=status, headers={"Retry-After": "7"})

    async def do_tool(self, request: web.Request, call: dict[str, Any]) -> web.StreamResponse:
        name = call["tools"][0]["function"]["name"]
        tool_call = {
            "id": "call_1",
            "type": "function",
            "function": {"name": name, "arguments": '{"cmd":"ls"}'},
        }
        if call.get("stream"):
            response = await self.begin(request)
            await response.write(chunk({"role": "assistant", "tool_calls": [{"index": 0, **tool_call}]}))
            await response.write(chunk({}, finish="tool_calls"))
            await response.write(usage_chunk())
            await response.write(b"data: [DONE]\n\n")
            return response
        answer = completion(call, None)
        answer["choices"][0]["message"]["tool_calls"] = [tool_call]
        answer["choices"][0]["finish_reason"] = "tool_calls"
        return web.json_response(answer)


def completion(call: dict[str, Any], text: str | None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": call["model"],
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"},
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }


def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    value = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": UPSTREAM_MODEL,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        "usage": None,
    }
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def usage_chunk() -> bytes:
    value = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": UPSTREAM_MODEL,
        "choices": [],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }
    return b"data: " + json.dumps(value).encode() + b"\n\n"

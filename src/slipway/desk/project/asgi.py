"""The desk as an ASGI application: sixteen request slots, the sequencer in the lifespan, Django inside.

Django's own ASGI handler makes a new thread for every request (300 clients
made 320 threads and 1.74 GB), and with it new database connections. The desk
is synchronous throughout, so each request here runs in one of sixteen lasting
threads, which keep their connections; whoever comes seventeenth waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from tempfile import SpooledTemporaryFile
from typing import IO, Any, cast

from slipway.desk.project import manage

manage.setup()

from django.conf import settings  # noqa: E402  (Django must be set up first)
from django.core import signals  # noqa: E402
from django.core.handlers.asgi import ASGIHandler, get_script_prefix  # noqa: E402
from django.http import HttpResponseBase, StreamingHttpResponse  # noqa: E402
from django.urls import set_script_prefix  # noqa: E402

from slipway.desk.records.service import service  # noqa: E402
from slipway.desk.reviews.service import service as clock  # noqa: E402

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
MAX_BODY = 16 * 1024 * 1024  # bytes; Django's own limit of fields and JSON is below it
Send = Callable[[Message], Awaitable[None]]


class _TooLarge(Exception):
    """The request's body is larger than anything the desk takes."""


async def _too_large(send: Send) -> None:
    text = b"The request is larger than the desk takes.\n"
    headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": text})


class _Handler(ASGIHandler):
    """Django's handler with the middleware chain loaded for calls from a thread."""

    def __init__(self) -> None:
        self.load_middleware(is_async=False)


class DeskApplication:
    """Answers HTTP in a fixed pool of threads and starts the sequencer with the server."""

    def __init__(self, slots: int) -> None:
        self._handler = _Handler()
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="desk")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            raise ValueError(f"the desk does not speak {scope['type']}")

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                if settings.SLIPWAY_SEQUENCER:
                    service.start()
                    clock.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await asyncio.get_running_loop().run_in_executor(None, clock.stop)
                await asyncio.get_running_loop().run_in_executor(None, service.stop)
                self._pool.shutdown(wait=True)
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self._read(receive)
        except _TooLarge:
            await _too_large(send)
            return
        if body is None:
            return
        loop = asyncio.get_running_loop()
        with body:
            response = await loop.run_in_executor(self._pool, self._work, scope, body)
            try:
                await self._send(response, send)
            finally:
                if response.streaming:
                    await loop.run_in_executor(self._pool, response.close)

    async def _read(self, receive: Receive) -> IO[bytes] | None:
        """Return the request's body, on disk when it is large; ``None`` when the client went away."""
        body = cast(
            IO[bytes],
            SpooledTemporaryFile(max_size=settings.FILE_UPLOAD_MAX_MEMORY_SIZE, mode="w+b"),  # noqa: SIM115
        )
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                body.close()
                return None
            body.write(message.get("body", b""))
            if body.tell() > MAX_BODY:
                body.close()
                raise _TooLarge
            if not message.get("more_body"):
                body.seek(0)
                return body

    def _work(self, scope: Scope, body: IO[bytes]) -> HttpResponseBase:
        """Answer one request, in a thread of the pool."""
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self._handler.__class__, scope=scope)
        request, error = self._handler.create_request(scope, body)
        if request is None:
            return cast(HttpResponseBase, error)
        response: HttpResponseBase = self._handler.get_response(request)
        response._handler_class = self._handler.__class__  # type: ignore[attr-defined]
        if not response.streaming:
            # In this thread, because closing gives this thread's database connection back to the pool.
            response.close()
        return response

    async def _send(self, response: HttpResponseBase, send: Send) -> None:
        headers = [(k.encode("ascii"), v.encode("latin1")) for k, v in response.items()]
        headers += [(b"set-cookie", c.OutputString().encode("latin1")) for c in response.cookies.values()]
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        if isinstance(response, StreamingHttpResponse):
            loop = asyncio.get_running_loop()
            parts = iter(response)
            while (part := await loop.run_in_executor(self._pool, next, parts, None)) is not None:
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        else:
            # `content` belongs to every response that does not stream.
            await send({"type": "http.response.body", "body": response.content})  # type: ignore[attr-defined]


application = DeskApplication(settings.SLIPWAY_REQUEST_SLOTS)

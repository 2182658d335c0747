"""The data plane as a raw ASGI application: exact routes, and the exchange driven step by step.

No framework, no admin route, no health route. What decides is in ``exchange``;
here is the order of the steps and the I/O between them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from slipway.base.clock import Clock, RatchetClock, SystemClock, to_ms
from slipway.gateway import keys, refusal
from slipway.gateway.config import GatewayConfig
from slipway.gateway.control import Follower
from slipway.gateway.entropy import uuid7
from slipway.gateway.exchange import CLIENT_GONE, Exchange, unknown_key
from slipway.gateway.families import openai
from slipway.gateway.grants import Access
from slipway.gateway.ledger import Ledger
from slipway.gateway.limits import Limits
from slipway.gateway.live import Live, Registry
from slipway.gateway.protocol import GatewayProtocol
from slipway.gateway.refusal import Refusal
from slipway.gateway.serving import Services, Serving
from slipway.gateway.store.sqlite import SqliteControl
from slipway.gateway.upstream import Upstreams
from slipway.gateway.upstream_secret import load_or_create

_log = logging.getLogger("slipway.gateway")

TICK_SECONDS = 0.05
_FAR = 1 << 62

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class ClientGone(Exception):
    """The client left before its request was read."""


class Gateway:
    """The application of one process. Make it, hand it to the server; the lifespan starts and stops it."""

    def __init__(self, config: GatewayConfig, clock: Clock | None = None) -> None:
        self._config = config
        # A wall clock that is set back must not lengthen a window by a second.
        self._clock = clock or RatchetClock(SystemClock())
        data = config.data
        self._pepper = keys.load_or_create_pepper(data.keys / "pepper")
        self._upstreams = Upstreams(load_or_create(data.keys))
        self._ledger = Ledger(data.gateway_db, asynchronous=config.asynchronous_evidence)
        self._limits = Limits(self._ledger.open(self._clock))
        self._follower = Follower(
            SqliteControl(data.desk_db), self._clock, poll=config.poll_seconds, lease=config.lease_seconds
        )
        self._services = Services(self._clock, self._ledger, self._limits, self._upstreams)
        self._live = Registry()
        self._next_expiry = _FAR
        self._tick_handle: asyncio.TimerHandle | None = None
        self._stopping = False

    # -- lifespan --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the ledger, the pool and the follower."""
        loop = asyncio.get_running_loop()
        self._ledger.start()
        await self._upstreams.start()

        def notify() -> None:
            loop.call_soon_threadsafe(self._changed)

        self._follower.start(notify)
        self._tick()

    def cut_all(self) -> None:
        """Refuse new exchanges and end those under way; the server is stopping."""
        self._stopping = True
        self._live.cut_all(refusal.stopping)

    async def stop(self) -> None:
        """Stop everything; what was recorded stays."""
        self.cut_all()
        if self._tick_handle is not None:
            self._tick_handle.cancel()
        self._follower.stop()
        await self._upstreams.close()
        self._ledger.close()

    def _changed(self) -> None:
        """React to a new snapshot, on the event loop."""
        now = to_ms(self._clock.now())
        snapshot = self._follower.snapshot
        self._live.sweep(snapshot, now)
        ends = [g.not_after_ms for g in snapshot.grants.values() if g.not_after_ms > now]
        self._next_expiry = min(ends, default=_FAR)

    def _tick(self) -> None:
        """Every 50 ms: the lease, and windows that end. It needs no store, so it works without one."""
        self._tick_handle = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)
        self._live.tick(time.monotonic())
        if not self._follower.fresh:
            if self._live:
                self._live.cut_all(refusal.stale)
        elif to_ms(self._clock.now()) >= self._next_expiry:
            self._changed()

    # -- requests --------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        route = openai.ROUTES.get((scope["method"], scope["raw_path"]))
        now = to_ms(self._clock.now())
        exchange = Exchange(uuid7(now), route or "")
        try:
            if route is None:
                raise Refusal(404, "unknown_route", "There is no such route; see the API's documentation.")
            if self._stopping:
                raise refusal.stopping()
            if not self._follower.fresh:
                raise refusal.stale()
            key = _api_key(scope["headers"])
            access = exchange.authorise(self._follower.snapshot, keys.digest(key, self._pepper), now)
            if route == openai.MODELS:
                await self._models(access, exchange, send)
            else:
                await self._chat(exchange, key, access, scope["extensions"]["slipway"], receive, send)
        except Refusal as why:
            if exchange.known is not None:
                self._ledger.count_refused(exchange.known.grant.id)
            await _answer_error(send, why, exchange.id)
        except ClientGone:
            return
        except Exception as error:  # the last line: nothing of an error's text may reach a log or a client
            _log.error("exchange failed: %s", type(error).__name__)
            await _answer_error(
                send, Refusal(500, "internal_error", "The gateway failed; try again."), exchange.id
            )

    async def _models(self, access: Access, exchange: Exchange, send: Send) -> None:
        bucket = self._limits.rate(access.grant, self._clock.monotonic())
        if bucket is not None:
            bucket.take(1)
        body = openai.models(access.grant.model_alias, access.grant.not_before_ms)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode("ascii")),
            (b"x-request-id", exchange.id.encode("ascii")),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _chat(
        self,
        exchange: Exchange,
        key: str,
        access: Access,
        connection: GatewayProtocol,
        receive: Receive,
        send: Send,
    ) -> None:
        self._limits.arrive(access.grant)
        try:
            body = await _read_body(receive)
        finally:
            self._limits.arrived(access.grant.id)
        # From here to the reservation nothing waits, so the place just given back is still free.
        call = openai.parse(body)
        exchange.admit(call.model, stream=call.stream)
        assert access.endpoint is not None  # authorise refuses a grant without one
        target = self._upstreams.target(access.endpoint)
        payload = openai.encode(call, target.secret.model)
        # Reading the body may have taken long: look again, so that no older state decides.
        if not self._follower.fresh:
            raise refusal.stale()
        why = exchange.recheck(self._follower.snapshot, to_ms(self._clock.now()))
        if why is not None:
            raise why
        exchange.reserve(self._limits, call.reserve(len(body)), self._clock.monotonic())
        task = asyncio.current_task()
        assert task is not None
        live = Live(exchange, task, connection)
        connection.on_lost = lambda: live.cut(Refusal(499, CLIENT_GONE, "The client left."))
        self._live.add(live)
        serving = Serving(self._services, live, target, key)
        try:
            await serving.run(call, payload, body)
        finally:
            self._live.remove(live)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["listener"] = self._config.listener
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _api_key(headers: list[tuple[bytes, bytes]]) -> str:
    """Return the one key of a request; :class:`Refusal` 401 for none or a malformed one, 400 for two."""
    found: set[bytes] = set()
    for name, value in headers:
        if name == b"authorization":
            scheme, _, credential = value.partition(b" ")
            found.add(credential.strip() if scheme.lower() == b"bearer" else b"")
        elif name == b"x-api-key":
            found.add(value)
    if len(found) > 1:
        raise Refusal(400, "conflicting_credentials", "Two different API keys were sent; send one.")
    key = found.pop().decode("latin-1") if found else ""
    if not keys.well_formed(key):
        raise unknown_key()
    return key


async def _read_body(receive: Receive) -> bytes:
    """Return the whole body (the listener bounds it); :class:`ClientGone` when it never comes."""
    message = await receive()
    parts: list[bytes] = [message.get("body", b"")]
    while message.get("more_body", False):
        message = await receive()
        parts.append(message.get("body", b""))
    if message["type"] == "http.disconnect":
        raise ClientGone
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _answer_error(send: Send, why: Refusal, exchange_id: str) -> None:
    headers = openai.error_headers(why)
    headers.append((b"x-request-id", exchange_id.encode("ascii")))
    body = openai.error(why)
    headers.append((b"content-length", str(len(body)).encode("ascii")))
    await send({"type": "http.response.start", "status": why.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

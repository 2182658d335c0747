"""Drives one admitted exchange: open record, upstream, relay, settle, close record."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Coroutine, MutableMapping
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientResponse

from slipway.base.clock import Clock, to_ms
from slipway.base.errors import Unavailable
from slipway.gateway import records, refusal, upstream
from slipway.gateway.exchange import CLIENT_GONE, COMPLETED, Closed, Stage
from slipway.gateway.families import openai
from slipway.gateway.ledger import Ledger, commits_content
from slipway.gateway.limits import Limits
from slipway.gateway.live import Live
from slipway.gateway.refusal import Refusal
from slipway.gateway.sse import EventTooLong, Splitter
from slipway.gateway.upstream import Target, Upstreams

_log = logging.getLogger("slipway.gateway")

# Answers are handed to the connection in slices of this size, each after the last one has left, so
# that a client that does not read has at most a few of them to read after access has ended.
SLICE = 16 * 1024

Send = Callable[[MutableMapping[str, Any]], Coroutine[Any, Any, None]]
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Services:
    """What an exchange needs of its process."""

    clock: Clock
    ledger: Ledger
    limits: Limits
    upstreams: Upstreams


class Serving:
    """One exchange being served, from its open record to its close record."""

    def __init__(self, services: Services, live: Live, target: Target, key: str, send: Send) -> None:
        self._services = services
        self._live = live
        self._exchange = live.exchange
        self._target = target
        self._send = send
        policy = live.exchange.access.grant.content_policy
        self._salt = records.exchange_salt(key, live.exchange.id) if commits_content(policy) else None
        self._stream: openai.ChatStream | None = None
        self._tokens: openai.Tokens | None = None
        self._hash = hashlib.sha256()
        self._started = False
        self._called = False

    async def run(self, call: openai.Call, payload: bytes, body: bytes) -> None:
        """Serve to the end. Raises :class:`Refusal` when nothing was sent to the client yet."""
        exchange = self._exchange
        commit = self._commit("request", hashlib.sha256(body))
        try:
            await self._services.ledger.commit(exchange.open(self._now(), commit))
        except Unavailable:
            why = refusal.unrecorded()
            self._settle(why.code, why.status)
            raise why from None
        exchange.opened()
        try:
            if exchange.cut is not None:
                raise exchange.cut
            exchange.send()
            self._called = True
            if call.stream:
                await self._relay(call, payload)
            else:
                await self._plain(payload)
        except Refusal as why:
            await self._failed(why)
        except Exception as error:  # a bug here must still settle, close and answer
            _log.error("exchange failed: %s", type(error).__name__)
            await self._failed(Refusal(500, "internal_error", "The gateway failed; try again."))

    async def _plain(self, payload: bytes) -> None:
        response = await self._ask(payload, stream=False)
        try:
            data = await self._live.wait(upstream.read_all(response))
        finally:
            # When the body has ended the connection is back in the pool already and this does nothing.
            response.close()
        try:
            self._tokens = openai.read_answer(data)
        except ValueError:
            raise upstream.bad_answer() from None
        if self._target.leaks(data):
            raise upstream.bad_answer()
        data = openai.alias_model(data, openai.alias_field(self._exchange.access.grant.model_alias))
        self._hash.update(data)
        await self._complete()
        headers = self._headers(b"application/json")
        headers.append((b"content-length", str(len(data)).encode("ascii")))
        self._started = True
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._write(data, last=True)

    async def _relay(self, call: openai.Call, payload: bytes) -> None:
        response = await self._ask(payload, stream=True)
        self._exchange.relay()
        splitter = Splitter()
        alias = self._exchange.access.grant.model_alias
        stream = self._stream = openai.ChatStream(alias, wants_usage=call.wants_usage)
        try:
            while not stream.done:
                data = await self._live.wait(upstream.read_some(response))
                if not data:
                    raise upstream.broken_off()
                await self._forward(stream, splitter, data)
        except EventTooLong:
            raise upstream.bad_answer() from None
        finally:
            response.close()

    async def _forward(self, stream: openai.ChatStream, splitter: Splitter, data: bytes) -> None:
        """Release what one read from the upstream allows; the end only after its record is durable."""
        events = splitter.feed(data)
        out = stream.feed(events[0]) if len(events) == 1 else b"".join([stream.feed(e) for e in events])
        if self._target.leaks(out):
            raise upstream.bad_answer()
        self._hash.update(out)
        self._tokens = stream.tokens
        if stream.done:
            await self._complete()
            await self._begin_stream()
            await self._write(out, last=True)
            return
        if out:
            await self._begin_stream()
            await self._write(out, last=False)
        if stream.failed is not None:
            raise Refusal(
                502, stream.failed, "The model's endpoint failed in the middle of its answer; try again."
            )

    async def _begin_stream(self) -> None:
        if self._started:
            return
        self._started = True
        headers = self._headers(b"text/event-stream; charset=utf-8")
        headers.append((b"cache-control", b"no-store"))
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _write(self, data: bytes, *, last: bool) -> None:
        """Release ``data``; with ``last``, end the answer and wait until it has left."""
        exchange = self._exchange
        for at in range(0, len(data) or 1, SLICE):
            if not exchange.releasable:
                raise exchange.cut or refusal.unrecorded()
            more = not last or at + SLICE < len(data)
            part = data if len(data) <= SLICE else data[at : at + SLICE]
            await self._live.wait(self._send({"type": "http.response.body", "body": part, "more_body": more}))
        if last and self._live.connection.blocked:
            await self._live.connection.drained()

    async def _ask(self, payload: bytes, *, stream: bool) -> ClientResponse:
        post = self._services.upstreams.post(self._target, self._exchange.route, payload)
        response = await self._live.wait(post)
        try:
            why = await self._live.wait(upstream.usable(response, stream=stream))
        except Refusal:
            response.close()
            raise
        if why is not None:
            response.close()
            raise why
        return response

    async def _complete(self) -> None:
        """Settle and make the close record durable; only then is the (rest of the) answer released."""
        self._settle(COMPLETED, 200)
        try:
            await self._services.ledger.commit(self._close_record())
        except Unavailable:
            raise refusal.unrecorded() from None
        self._exchange.closed()

    async def _failed(self, why: Refusal) -> None:
        """End an exchange that did not complete: error to the client, reservation back, close record."""
        exchange = self._exchange
        connection = self._live.connection
        if self._started:
            # The client hears at once, whatever the disk does: no content is in this event.
            connection.close_after_answer()
            if connection.blocked or exchange.stage is Stage.CLOSED:
                connection.abort()
            else:
                await self._send({"type": "http.response.body", "body": openai.error_event(why)})
        if exchange.stage in (Stage.OPEN, Stage.UPSTREAM, Stage.RELAYING):
            self._settle(why.code, why.status)
            try:
                await self._services.ledger.commit(self._close_record())
                exchange.closed()
            except Unavailable:
                _log.error("an exchange stays open in the ledger until the next start")
        if not self._started:
            raise why

    def _settle(self, outcome: str, status: int) -> None:
        tokens = self._tokens
        # The model may have worked for a client that left, or until the cut. Its own failures are free.
        used = self._called and (outcome in (COMPLETED, CLIENT_GONE) or self._exchange.cut is not None)
        self._exchange.settle(
            self._services.limits,
            outcome=outcome,
            status=status,
            tokens=None if tokens is None else (tokens.tokens_in, tokens.tokens_out),
            charge_unknown=used,
            chunks=self._stream.chunks if self._stream is not None else 0,
        )

    def _close_record(self) -> Closed:
        return self._exchange.close(self._now(), self._commit("response", self._hash))

    def _commit(self, name: str, content: hashlib._Hash) -> str | None:
        return None if self._salt is None else records.commitment(self._salt, name, content.hexdigest())

    def _headers(self, content_type: bytes) -> Headers:
        exchange = self._exchange.id.encode("ascii")
        return [
            (b"content-type", content_type),
            (b"x-request-id", exchange),
            (b"x-gateway-request-id", exchange),
        ]

    def _now(self) -> int:
        return to_ms(self._services.clock.now())

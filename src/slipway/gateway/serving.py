"""Drives one admitted exchange: open record, upstream, relay, settle, close record."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass

from aiohttp import ClientResponse

from slipway.base.clock import Clock, to_ms
from slipway.base.errors import Unavailable
from slipway.gateway import records, refusal, upstream
from slipway.gateway.exchange import CLIENT_GONE, COMPLETED, Closed, Stage
from slipway.gateway.families import openai
from slipway.gateway.ledger import Ledger, commits_content
from slipway.gateway.limits import Limits
from slipway.gateway.live import Late, Live
from slipway.gateway.outlet import Outlet
from slipway.gateway.refusal import Refusal
from slipway.gateway.sse import EventTooLong, Splitter
from slipway.gateway.upstream import Target, Upstreams

_log = logging.getLogger("slipway.gateway")

# Answers are handed to the connection in slices of this size, each after the last one has left, so
# that a client that does not read has at most a few of them to read after access has ended.
SLICE = 16 * 1024

# A client that reads nothing for so long is dropped.
DRAIN_SECONDS = 60

_JSON = b"application/json"
_EVENTS = b"text/event-stream; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Services:
    """What an exchange needs of its process."""

    clock: Clock
    ledger: Ledger
    limits: Limits
    upstreams: Upstreams


class Serving:
    """One exchange being served, from its open record to its close record."""

    def __init__(self, services: Services, live: Live, target: Target, key: str) -> None:
        self._services = services
        self._live = live
        self._exchange = live.exchange
        self._target = target
        self._outlet = Outlet(live.connection)
        self._patience = target.secret.timeout_seconds
        self._content_type = _EVENTS if live.exchange.stream else _JSON
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
            data = await self._live.wait(upstream.read_all(response), self._patience)
        except Late as error:
            raise upstream.failure(error, began=True) from None
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
        if len(data) <= SLICE:
            self._started = True
            self._outlet.whole(self._headers(self._content_type), data)
        else:
            await self._write(data, last=True)
        await self._flushed()

    async def _relay(self, call: openai.Call, payload: bytes) -> None:
        response = await self._ask(payload, stream=True)
        self._exchange.relay()
        splitter = Splitter()
        alias = self._exchange.access.grant.model_alias
        stream = self._stream = openai.ChatStream(alias, wants_usage=call.wants_usage)
        try:
            while not stream.done:
                data = await self._live.wait(response.content.readany(), self._patience)
                if not data:
                    raise upstream.broken_off()
                await self._forward(stream, splitter, data)
        except upstream.ERRORS as error:
            raise upstream.failure(error, began=True) from None
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
            await self._write(out, last=True)
            await self._flushed()
            return
        if out:
            await self._write(out, last=False)
        if stream.failed is not None:
            raise Refusal(
                502, stream.failed, "The model's endpoint failed in the middle of its answer; try again."
            )

    async def _write(self, data: bytes, *, last: bool) -> None:
        """Release ``data`` as a chunked answer's next part; with ``last``, end the answer."""
        exchange, outlet = self._exchange, self._outlet
        for at in range(0, len(data), SLICE):
            if not exchange.releasable:
                raise exchange.cut or refusal.unrecorded()
            part = data if len(data) <= SLICE else data[at : at + SLICE]
            if self._started:
                outlet.part(part)
            else:
                self._started = True
                outlet.begin(self._headers(self._content_type), part)
            if outlet.blocked:
                await self._drained()
        if last:
            outlet.end()

    async def _drained(self) -> None:
        """Wait until the client has read what was written; one that does not is dropped."""
        try:
            await self._live.wait(self._live.connection.drained(), DRAIN_SECONDS)
        except Late:
            self._live.connection.abort()
            raise Refusal(499, CLIENT_GONE, "The client did not read its answer.") from None

    async def _flushed(self) -> None:
        """Stay until the client has read the end, so that a cut can still drop what it has not."""
        if self._outlet.blocked:
            await self._live.connection.drained()

    async def _ask(self, payload: bytes, *, stream: bool) -> ClientResponse:
        post = self._services.upstreams.post(self._target, self._exchange.route, payload)
        try:
            response = await self._live.wait(post, self._patience)
            if response.status == 200:
                why = upstream.usable(response, stream=stream)
            else:
                why = await self._live.wait(upstream.not_ok(response), self._patience)
        except Late as error:
            raise upstream.failure(error, began=False) from None
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
                self._outlet.part(openai.error_event(why))
                self._outlet.end()
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

    def _headers(self, content_type: bytes) -> bytes:
        exchange = self._exchange.id.encode("ascii")
        return (
            b"content-type: %b\r\ncache-control: no-store\r\nx-request-id: %b\r\nx-gateway-request-id: %b\r\n"
            % (content_type, exchange, exchange)
        )

    def _now(self) -> int:
        return to_ms(self._services.clock.now())

"""Our subclass of uvicorn's httptools protocol: what every server lacks.

The header block is gathered and checked by one strict grammar *before* the
parser sees it, so that no leniency of any parser decides what a request is:
origin-form target, token names, no folding, no bare CR or LF, exactly one
Host, at most one Content-Length or ``Transfer-Encoding: chunked`` and never
both, at most 100 headers and 32 KiB.

Pipelining is not offered: bytes that arrive before an answer is complete are
not read as a request, and the connection closes after the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

_NOTSENT_LOWAT = 16 * 1024
_WRITE_HIGH = 16 * 1024
_WRITE_LOW = 4 * 1024

# One pass over the whole block. Values: visible ASCII, blanks, tabs and obs-text, never another control.
_BLOCK = re.compile(
    rb"([A-Z]{1,16}) (/[!-~]*) HTTP/1\.([01])\r\n"
    rb"((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*)\r\n"
)
_FRAMING = re.compile(
    rb"^(host|content-length|transfer-encoding|content-encoding|expect|upgrade):[ \t]*(.*?)[ \t]*\r$",
    re.IGNORECASE | re.MULTILINE,
)
_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%\-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_LENGTH = re.compile(rb"[0-9]{1,12}")


@dataclass(slots=True)
class Listener:
    """Limits of the listener and who is connected; one object shared by all connections of a process."""

    max_header_bytes: int = 32 * 1024
    max_headers: int = 100
    header_seconds: float = 10.0
    max_body_bytes: int = 20 << 20
    body_seconds: float = 120.0
    min_body_rate: int = 1024
    rate_check_seconds: float = 5.0
    max_connections: int = 4096
    max_per_address: int = 2048
    connections: int = 0
    by_address: dict[str, int] = field(default_factory=dict)

    def enter(self, address: str) -> bool:
        """Count a connection; say whether it may stay. Every call is paired with :meth:`leave`."""
        self.connections += 1
        here = self.by_address[address] = self.by_address.get(address, 0) + 1
        return self.connections <= self.max_connections and here <= self.max_per_address

    def leave(self, address: str) -> None:
        """Take a connection off the count."""
        self.connections -= 1
        here = self.by_address[address] - 1
        if here:
            self.by_address[address] = here
        else:
            del self.by_address[address]


class Malformed(ValueError):
    """A header block that is not accepted: status and a stable code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def check_block(block: bytes, listener: Listener) -> bytes | None:
    """Check one header block (request line to blank line, inclusive).

    Returns the lower-case ``upgrade`` value if there is one (the request is then
    answered as if it were not, and the connection closed). Raises :class:`Malformed`.
    """
    match = _BLOCK.fullmatch(block)
    if match is None:
        raise Malformed(400, "malformed_request", "The request is not well-formed HTTP/1.1.")
    if match[4].count(b"\n") > listener.max_headers:
        raise Malformed(431, "too_many_headers", f"Send at most {listener.max_headers} headers.")
    seen: dict[bytes, bytes] = {}
    for name, value in _FRAMING.findall(match[4]):
        name = name.lower()
        if name in seen:
            raise Malformed(400, "duplicate_header", f"Send {name.decode()} once.")
        seen[name] = value
    host = seen.get(b"host")
    if host is None or _HOST.fullmatch(host) is None:
        raise Malformed(400, "bad_host", "Send exactly one Host header with a host name.")
    length, coding = seen.get(b"content-length"), seen.get(b"transfer-encoding")
    if length is not None and coding is not None:
        raise Malformed(400, "ambiguous_length", "Send Content-Length or Transfer-Encoding, not both.")
    if coding is not None and (coding.lower() != b"chunked" or match[3] == b"0"):
        raise Malformed(400, "bad_transfer_encoding", "The only transfer encoding accepted is chunked.")
    if length is not None:
        if _LENGTH.fullmatch(length) is None:
            raise Malformed(400, "bad_content_length", "Content-Length must be digits.")
        if int(length) > listener.max_body_bytes:
            raise Malformed(413, "body_too_large", f"Send at most {listener.max_body_bytes} bytes.")
    if seen.get(b"content-encoding", b"identity").lower() != b"identity":
        raise Malformed(415, "bad_content_encoding", "Send the body without content encoding.")
    if seen.get(b"expect", b"100-continue").lower() != b"100-continue":
        raise Malformed(417, "bad_expect", "The only expectation accepted is 100-continue.")
    upgrade = seen.get(b"upgrade")
    return None if upgrade is None else upgrade.lower()


class GatewayProtocol(HttpToolsProtocol):
    """One connection. ``scope["extensions"]["slipway"]`` is this object, for disconnects and cuts."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.listener: Listener = app_state["listener"]
        self.on_lost: Callable[[], None] | None = None
        self._address: str | None = None
        self._block = b""  # a header block that has not ended
        self._between = True  # no request is being read
        self._deaf = False  # nothing more is read on this connection
        self._begun = 0  # messages begun in the read under way
        self._body_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    # -- connection ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, make its send buffers small, start the header deadline."""
        super().connection_made(transport)
        # Behind a slow reader only this much can still arrive after access has ended.
        transport.set_write_buffer_limits(high=_WRITE_HIGH, low=_WRITE_LOW)
        raw = transport.get_extra_info("socket")
        if raw is not None:
            with contextlib.suppress(OSError):  # a Unix socket, or a client that has already gone
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _NOTSENT_LOWAT)
        self._address = self.client[0] if self.client else ""
        if not self.listener.enter(self._address):
            self._refuse(Malformed(503, "too_many_connections", "Too many connections; try again."))
            return
        self._arm(self.listener.header_seconds, self._headers_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the connection off the count and tell the exchange under way."""
        self._disarm()
        if self._address is not None:
            self.listener.leave(self._address)
            self._address = None
        super().connection_lost(exc)
        lost, self.on_lost = self.on_lost, None
        if lost is not None:
            lost()

    @property
    def blocked(self) -> bool:
        """Whether the client is not reading what was written."""
        return self.flow.write_paused

    def close_after_answer(self) -> None:
        """Let the connection end with the answer under way."""
        if self.cycle is not None:
            self.cycle.keep_alive = False

    async def drained(self) -> None:
        """Wait until the client has read what was written (or is gone)."""
        await self.flow.drain()

    def abort(self) -> None:
        """Drop the connection with everything that is still buffered."""
        self.transport.abort()

    # -- reading ---------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Gather and check the header block, then let the parser have it."""
        if self._deaf:
            return
        if self._between:
            if self.cycle is not None and not self.cycle.response_complete:
                self._go_deaf()  # pipelined
                return
            data = self._block + data if self._block else data
            end = data.find(b"\r\n\r\n") + 4
            if end < 4:
                self._gather(data)
                return
            try:
                if end > self.listener.max_header_bytes:
                    raise _too_large(self.listener)
                upgrade = check_block(data[:end], self.listener)
            except Malformed as error:
                self._refuse(error)
                return
            self._block = b""
            self._body_bytes = 0
            self._between = False
            self._disarm()
            if upgrade is not None:
                self._feed_upgrade(data, end)
                return
        self._begun = 0
        super().data_received(data)
        if not self._between and not self._deaf and self._timer is None:
            self._watch_body()

    def _gather(self, data: bytes) -> None:
        self._block = data
        self._unset_keepalive_if_required()
        # A bare LF ends no line here, so such a block would only run into the deadline: refuse at once.
        if len(data) > self.listener.max_header_bytes:
            self._refuse(_too_large(self.listener))
        elif b"\n" in data.replace(b"\r\n", b""):
            self._refuse(Malformed(400, "malformed_request", "The request is not well-formed HTTP/1.1."))
        elif self._timer is None:
            self._arm(self.listener.header_seconds, self._headers_late)

    def _feed_upgrade(self, data: bytes, end: int) -> None:
        """Serve the request as if it did not ask for an upgrade, then close.

        llhttp stops parsing after such a request, so nothing may follow it here.
        """
        lines = data[: end - 2].split(b"\r\n")
        kept = [line for line in lines if not line.lower().startswith((b"upgrade:", b"connection:"))]
        self._begun = 0
        super().data_received(b"\r\n".join(kept[:-1]) + b"\r\nconnection: close\r\n\r\n" + data[end:])
        if not self._between and not self._deaf and self._timer is None:
            self._watch_body()

    def _go_deaf(self) -> None:
        """Read nothing more; close when the answer under way is complete."""
        self._deaf = True
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    def on_message_begin(self) -> None:
        """Refuse to begin a second request within one read (it was not checked)."""
        self._begun += 1
        if self._begun > 1 or self._between:
            self._go_deaf()
            raise _Pipelined
        super().on_message_begin()
        self.scope["extensions"] = {"slipway": self}  # type: ignore[dict-item]

    def on_body(self, body: bytes) -> None:
        """Count the body; past the limit the connection is refused."""
        self._body_bytes += len(body)
        if self._body_bytes > self.listener.max_body_bytes:
            self._deaf = True
            raise _TooLarge
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is read."""
        self._between = True
        self._disarm()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Close where nothing more is read. The rest of a body answered early is read and dropped."""
        self.on_lost = None
        if self._deaf:
            self.transport.close()
        super().on_response_complete()

    # -- deadlines -------------------------------------------------------------------------------

    def _arm(self, seconds: float, call: Callable[[], None]) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, call)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _headers_late(self) -> None:
        self._timer = None
        if self._block:
            self._refuse(Malformed(408, "headers_too_slow", "The request's headers did not arrive in time."))
        else:
            self.transport.close()

    def _watch_body(self) -> None:
        """Watch a body that did not come with its headers: a deadline and a least rate."""
        deadline = self.loop.time() + self.listener.body_seconds
        seen = self._body_bytes

        def check() -> None:
            nonlocal seen
            self._timer = None
            slow = self._body_bytes - seen < self.listener.min_body_rate * self.listener.rate_check_seconds
            # While the gateway itself does not read, slowness is not the client's.
            if self.loop.time() >= deadline or (slow and not self.flow.read_paused):
                self._refuse(Malformed(408, "body_too_slow", "The request's body did not arrive in time."))
                return
            seen = self._body_bytes
            self._arm(self.listener.rate_check_seconds, check)

        self._arm(min(self.listener.rate_check_seconds, self.listener.body_seconds), check)

    # -- refusals --------------------------------------------------------------------------------

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser did not accept; a pipelined request just waits for the close."""
        if self.parser is None or self.transport.is_closing():
            return
        if self._deaf and self.cycle is not None and self._body_bytes <= self.listener.max_body_bytes:
            return
        if self._body_bytes > self.listener.max_body_bytes:
            limit = self.listener.max_body_bytes
            self._refuse(Malformed(413, "body_too_large", f"Send at most {limit} bytes."))
            return
        self._refuse(Malformed(400, "malformed_request", "The request is not well-formed HTTP/1.1."))

    def _refuse(self, why: Malformed) -> None:
        """Answer in the family's format unless an answer has begun, and close."""
        self._deaf = True
        self._block = b""
        self._disarm()
        self._unset_keepalive_if_required()
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is not None and cycle.response_started and not (cycle.response_complete and self._between):
            # An answer to this request has begun or is out: a second one would be read as another's.
            self.transport.abort()
            return
        self.transport.write(_answer(why))
        self.transport.close()
        if cycle is not None and not cycle.response_complete:
            # The application may be waiting for the body: let it find the client gone.
            cycle.disconnected = True
            cycle.message_event.set()


class _Pipelined(Exception):
    """Stops the parser at a second request."""


class _TooLarge(Exception):
    """Stops the parser in a body past the limit."""


def _too_large(listener: Listener) -> Malformed:
    return Malformed(431, "headers_too_large", f"Send at most {listener.max_header_bytes} bytes of headers.")


def _answer(why: Malformed) -> bytes:
    kind = "server_error" if why.status >= 500 else "invalid_request_error"
    error = {"message": str(why), "type": kind, "param": None, "code": why.code}
    body = json.dumps({"error": error}, separators=(",", ":")).encode("utf-8")
    retry = b"true" if why.status in (408, 503) else b"false"
    return (
        STATUS_LINE[why.status]
        + b"content-type: application/json\r\ncontent-length: %d\r\nx-should-retry: %s\r\n"
        % (len(body), retry)
        + b"connection: close\r\n\r\n"
        + body
    )

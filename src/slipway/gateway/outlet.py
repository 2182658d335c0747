"""Writes answers straight to the connection, one write each where uvicorn's ``send`` makes two.

Only for answers of our own making (status 200, headers from constants and ids),
so nothing here needs the checks that ``send`` makes of an application's headers.
It leaves the cycle as ``send`` would.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from slipway.gateway.protocol import GatewayProtocol

_OK = b"HTTP/1.1 200 OK\r\n"


class Outlet:
    """The way out to one client, for one answer."""

    __slots__ = ("_connection", "_cycle")

    def __init__(self, connection: GatewayProtocol) -> None:
        self._connection = connection
        self._cycle: RequestResponseCycle = connection.cycle

    @property
    def blocked(self) -> bool:
        """Whether the client does not read what was written."""
        return self._connection.blocked

    def whole(self, headers: bytes, body: bytes) -> None:
        """Write a complete answer. ``headers`` are lines that each end in CRLF, without a length."""
        if self._begin(b"%scontent-length: %d\r\n" % (headers, len(body)), body):
            self._finish()

    def begin(self, headers: bytes, data: bytes) -> None:
        """Begin a chunked answer with its first ``data``."""
        self._begin(b"%stransfer-encoding: chunked\r\n" % headers, b"%x\r\n%b\r\n" % (len(data), data))

    def part(self, data: bytes) -> None:
        """Write a further, not empty, part."""
        if not self._cycle.disconnected:
            self._connection.transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self) -> None:
        """End a chunked answer."""
        if not self._cycle.disconnected:
            self._connection.transport.write(b"0\r\n\r\n")
            self._finish()

    def _begin(self, headers: bytes, body: bytes) -> bool:
        cycle = self._cycle
        if cycle.disconnected:
            return False
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        usual = b"".join([b"%b: %b\r\n" % pair for pair in cycle.default_headers])
        close = b"" if cycle.keep_alive else b"connection: close\r\n"
        self._connection.transport.write(b"".join((_OK, usual, headers, close, b"\r\n", body)))
        return True

    def _finish(self) -> None:
        cycle = self._cycle
        cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            self._connection.transport.close()
        cycle.on_response()

"""Server-sent events as whole events of bytes.

Only whole events are ever forwarded, so that an error event of the gateway's
own can never land inside one of the upstream's.
"""

from __future__ import annotations

import re

MAX_EVENT_BYTES = 1 << 20
# Every blank line has one of these in it, whatever its line ends are.
_BLANK = re.compile(rb"\n\n|\r\r|\n\r")
_FIELDS = frozenset({b"", b"data", b"event", b"id", b"retry"})


class EventTooLong(ValueError):
    """An event did not end within the limit."""


class Splitter:
    """Cuts a byte stream at blank lines (LF, CRLF or CR line ends)."""

    __slots__ = ("_limit", "_rest")

    def __init__(self, limit: int = MAX_EVENT_BYTES) -> None:
        self._rest = bytearray()
        self._limit = limit

    def feed(self, data: bytes) -> list[bytes]:
        """Return the events that ``data`` completes, each with its line ends made LF and one blank line.

        Raises :class:`EventTooLong` when an event grows past the limit.
        """
        if self._rest:
            # Looking through all that is held back at every read would cost the square of an event's
            # length: an upstream that sends single bytes could keep the whole process busy.
            if _BLANK.search(self._rest[-2:] + data) is None:
                self._rest += data
                self._check_length(len(self._rest))
                return []
            data = bytes(self._rest) + data
            self._rest.clear()
        # The usual read is exactly one event with LF line ends: nothing is copied then.
        if b"\r" not in data and data.endswith(b"\n\n") and data.find(b"\n\n") == len(data) - 2:
            return [data]
        return self._split(data)

    def _check_length(self, length: int) -> None:
        if length > self._limit:
            raise EventTooLong(f"no event end within {self._limit} bytes")

    def _split(self, data: bytes) -> list[bytes]:
        tail = b""
        if b"\r" in data:
            # A CR at the very end may be half of a CRLF: keep it for the next read.
            if data.endswith(b"\r"):
                data, tail = data[:-1], b"\r"
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *events, rest = data.split(b"\n\n")
        self._check_length(len(rest))
        self._rest += rest + tail
        return [event.lstrip(b"\n") + b"\n\n" for event in events if event.strip(b"\n")]

    @property
    def pending(self) -> int:
        """Bytes held back of an event that has not ended."""
        return len(self._rest)


def payload(event: bytes) -> bytes | None:
    """Return the ``data`` of one event (lines joined by LF), or ``None`` for one without any."""
    lines = []
    for line in event.split(b"\n"):
        if line.startswith(b"data:"):
            value = line[5:]
            lines.append(value[1:] if value.startswith(b" ") else value)
        elif line == b"data":
            lines.append(b"")
    return b"\n".join(lines) if lines else None


def well_formed(event: bytes) -> bool:
    """Say whether every line of an event is a comment or a field that the format knows."""
    names = (line.partition(b":")[0] for line in event.split(b"\n") if line)
    return all(name in _FIELDS for name in names)


def event(data: bytes) -> bytes:
    """Return one event that carries ``data``."""
    return b"".join(b"data: " + line + b"\n" for line in data.split(b"\n")) + b"\n"

"""Time as a port, so that every rule that depends on time can be tested.

All instants are timezone-aware UTC with millisecond precision; on disk and in
JSON they are RFC 3339 strings ``YYYY-MM-DDTHH:MM:SS.mmmZ`` or integer epoch
milliseconds (``..._ms``).
"""

from __future__ import annotations

import re
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from slipway.base.errors import InvalidInput, Problem

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z", re.ASCII)


class Clock(Protocol):
    """What the time is. ``now`` is wall time (UTC), ``monotonic`` seconds that never go back."""

    def now(self) -> datetime:
        """Return the current instant, timezone-aware UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start that never decrease."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the current instant, timezone-aware UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()


class RatchetClock:
    """A clock over another one that never goes back.

    When the wall clock below is stepped back, time goes on from the latest
    instant seen, at the pace of the monotonic clock: what was over stays over,
    and nothing lasts longer than it should. A step forward is followed, so that
    a wrong clock ends access early and never late. Safe to share between threads.
    """

    def __init__(self, below: Clock) -> None:
        self._below = below
        self._lock = threading.Lock()
        self._latest = below.now()
        self._mono = below.monotonic()

    def now(self) -> datetime:
        """Return the current instant, never earlier than any returned before."""
        with self._lock:
            mono = self._below.monotonic()
            carried = self._latest + timedelta(seconds=mono - self._mono)
            self._latest = max(carried, self._below.now())
            self._mono = mono
            return self._latest

    def monotonic(self) -> float:
        """Return the monotonic seconds of the clock below."""
        return self._below.monotonic()


class ManualClock:
    """A clock that a test moves by hand."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._mono = 0.0

    def now(self) -> datetime:
        """Return the instant last set."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds advanced so far."""
        return self._mono

    def advance(self, delta: timedelta) -> None:
        """Move both wall and monotonic time forward."""
        self._now += delta
        self._mono += delta.total_seconds()

    def step_wall(self, delta: timedelta) -> None:
        """Step only the wall clock, as an administrator or NTP would."""
        self._now += delta


def format_instant(at: datetime) -> str:
    """Return ``at`` as ``YYYY-MM-DDTHH:MM:SS.mmmZ``; naive datetimes are refused."""
    if at.tzinfo is None:
        raise ValueError("naive datetime: give an instant with a time zone")
    at = at.astimezone(UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def parse_instant(text: str, *, field: str = "instant") -> datetime:
    """Read an RFC 3339 UTC instant ending in ``Z``; raise :class:`InvalidInput` otherwise."""
    try:
        if not _INSTANT.fullmatch(text):
            raise ValueError(text)
        return datetime.fromisoformat(text[:-1] + "+00:00")
    except (ValueError, TypeError):
        raise InvalidInput(
            [Problem(field, f"{text!r} is not an instant", "write it like 2026-06-20T14:02:00Z (UTC)")]
        ) from None


def to_ms(at: datetime) -> int:
    """Return epoch milliseconds, rounded down."""
    delta = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def from_ms(ms: int) -> datetime:
    """Return the instant of epoch milliseconds."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)

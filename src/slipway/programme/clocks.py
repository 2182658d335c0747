"""Clocks of a pack: an event starts one, a duration later it is due. A notice, never a hold.

A clock tells people that something is late and has no effect of its own; the
pack's schema has no word for one. (What ends access is the window.)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum


class ClockStatus(StrEnum):
    """How a running clock stands."""

    RUNNING = "running"
    MET = "met"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class ClockReading:
    """One reading: when it is due, what is left (negative when late), in words too."""

    status: ClockStatus
    due: datetime
    left: timedelta
    words: str


def read(started: datetime, hours: int, now: datetime, *, met_at: datetime | None = None) -> ClockReading:
    """Read a clock of ``hours`` started at ``started``; ``met_at`` is when the awaited thing happened."""
    due = started + timedelta(hours=hours)
    stop = met_at if met_at is not None else now
    left = due - stop
    when = f"due {due.astimezone(UTC):%Y-%m-%d %H:%M}Z"
    if left < timedelta(0):
        tail = "done late by" if met_at is not None else "late by"
        return ClockReading(ClockStatus.LATE, due, left, f"{when}; {tail} {_words(-left)}")
    if met_at is not None:
        return ClockReading(ClockStatus.MET, due, left, f"{when}; done {_words(left)} before")
    return ClockReading(ClockStatus.RUNNING, due, left, f"{when}; {_words(left)} left")


def _words(span: timedelta) -> str:
    minutes = int(span.total_seconds()) // 60
    days, hours = divmod(minutes // 60, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes % 60} min"

"""The desk's time, to the millisecond; a test sets it with :func:`use`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from slipway.base.clock import Clock, SystemClock

_clock: Clock = SystemClock()


def now() -> datetime:
    """Return the instant, cut to milliseconds as everything that is stored or signed."""
    at = _clock.now()
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


@contextmanager
def use(clock: Clock) -> Iterator[None]:
    """Use another clock until the block ends."""
    global _clock
    before, _clock = _clock, clock
    try:
        yield
    finally:
        _clock = before

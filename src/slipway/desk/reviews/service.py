"""What the clock does: write down that windows and grants ran out.

Access has ended by itself before this runs: the gateway enforces the end, and
every page computes it when it is read. This only makes the record.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from django.db import close_old_connections, connection

from slipway.desk.reviews import actions, clock, queries

_log = logging.getLogger("slipway.desk.clock")
EVERY_SECONDS = 5.0

Chore = Callable[[datetime], int]
_chores: list[Chore] = []


def add_chore(chore: Chore) -> None:
    """Add something that the clock does; called once by each app when it is loaded."""
    if chore not in _chores:
        _chores.append(chore)


def tick() -> int:
    """Do what is due, each in its own transaction; return how many things were written down."""
    now = clock.now()
    done = sum(actions.expire(review_id=review_id) is not None for review_id in queries.overdue(now))
    return done + sum(chore(now) for chore in _chores)


class ClockService:
    """Ticks in a thread of its own while the desk runs. Several desks may: each act is taken once."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread; calling it again does nothing."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._stop.clear()
        self._thread = threading.Thread(target=self._work, name="clock", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Finish the tick under way and end the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def _work(self) -> None:
        try:
            while not self._stop.wait(EVERY_SECONDS):
                try:
                    close_old_connections()
                    tick()
                except Exception:
                    # The next tick tries again; the gateway has ended access whatever happens here.
                    _log.exception("what ran out could not be written down")
        finally:
            connection.close()


service = ClockService()

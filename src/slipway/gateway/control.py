"""Follows the control tables; what cannot be seen to be current counts as ended.

A thread polls every 50 ms, publishes a snapshot and then stamps how fresh it
is. The stamp is taken *before* the store is looked at, so a look-up that hangs
ages the state instead of refreshing it. Older than the lease (1.0 s) means that
requests are refused and live streams end: the lease fails closed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from slipway.base.clock import Clock
from slipway.base.errors import Unavailable
from slipway.gateway.grants import EMPTY, Snapshot
from slipway.gateway.store.interface import ControlSource

_log = logging.getLogger("slipway.gateway.control")

POLL_SECONDS = 0.05
LEASE_SECONDS = 1.0


class Follower:
    """The control state as this process sees it. ``snapshot`` and ``fresh`` may be read from any thread."""

    def __init__(
        self,
        source: ControlSource,
        clock: Clock,
        *,
        poll: float = POLL_SECONDS,
        lease: float = LEASE_SECONDS,
    ) -> None:
        self._source = source
        self._clock = clock
        self._poll = poll
        self._lease = lease
        self._stamp: float | None = None
        self._complaint: str | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._notify: Callable[[], None] | None = None
        self.snapshot: Snapshot = EMPTY

    @property
    def fresh(self) -> bool:
        """Whether the snapshot is no older than the lease."""
        stamp = self._stamp
        return stamp is not None and self._clock.monotonic() - stamp <= self._lease

    def poll(self) -> bool:
        """Look once; say whether there is a new snapshot.

        A store that does not answer is no error here: the state is left to age.
        """
        began = self._clock.monotonic()
        try:
            changed = self._stamp is None or self._source.changed()
            if changed:
                self.snapshot = self._source.read()
        except Unavailable as error:
            if self._complaint != error.message:
                self._complaint = error.message
                _log.error("control state: %s", error.message)
            return False
        if self._complaint is not None:
            self._complaint = None
            _log.warning("control state: readable again")
        self._stamp = began
        return changed

    def start(self, notify: Callable[[], None]) -> None:
        """Poll on a thread of its own; ``notify`` is called there after each new snapshot."""
        self._notify = notify
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and let go of the store."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        # If anything unforeseen ends this thread, the stamp ages and the lease fails closed.
        try:
            while not self._stop.is_set():
                if self.poll() and self._notify is not None:
                    self._notify()
                self._stop.wait(self._poll)
        finally:
            self._source.close()

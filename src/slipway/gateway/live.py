"""Exchanges under way, and how one is stopped from outside while it waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from slipway.gateway.exchange import Exchange
from slipway.gateway.grants import Snapshot
from slipway.gateway.protocol import GatewayProtocol
from slipway.gateway.refusal import Refusal

T = TypeVar("T")


class Late(TimeoutError):
    """The upstream or the client took longer than it may."""


class Live:
    """One exchange under way with the task and the connection that serve it."""

    __slots__ = ("_due", "_late", "_waiting", "connection", "exchange", "task")

    def __init__(self, exchange: Exchange, task: asyncio.Task[Any], connection: GatewayProtocol) -> None:
        self.exchange = exchange
        self.task = task
        self.connection = connection
        self._waiting = False
        self._due = 0.0
        self._late = False

    async def wait(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """Wait for the upstream or the client; a cut ends the wait and raises its :class:`Refusal`.

        Raises :class:`Late` after ``seconds`` (looked at every 50 ms by :meth:`Registry.tick`, because
        a timer of its own for each chunk costs more than relaying it).
        Only these waits can be interrupted. Waiting for the ledger cannot, so that
        an exchange always learns whether its record is durable.
        """
        if (before := self._why()) is not None:
            work.close()
            raise before
        self._due = time.monotonic() + seconds
        self._waiting = True
        try:
            return await work
        except asyncio.CancelledError:
            cut = self._why()
            if cut is None and self._late:
                self._late = False
                self.task.uncancel()
                raise Late from None
            if cut is None:
                raise  # the server's own doing, not a cut
            self.task.uncancel()
            raise cut from None
        finally:
            self._waiting = False

    def tick(self, now: float) -> None:
        """End a wait that has taken too long at ``now`` (monotonic seconds)."""
        if self._waiting and now >= self._due and not self._late:
            self._late = True
            self.task.cancel()

    def _why(self) -> Refusal | None:
        return self.exchange.cut

    def cut(self, why: Refusal) -> None:
        """Stop the exchange: nothing of the upstream's is released from here on."""
        first = self.exchange.interrupt(why)
        if self.connection.blocked:
            # The client does not read. What waits in the buffers must not reach it later, not even
            # the rest of an answer that was complete in time.
            self.connection.abort()
        if first and self._waiting and not self._late:
            self.task.cancel()


class Registry:
    """All exchanges under way in this process. Used on the event loop only."""

    def __init__(self) -> None:
        self._live: set[Live] = set()

    def __len__(self) -> int:
        return len(self._live)

    def __iter__(self) -> Iterator[Live]:
        return iter(list(self._live))

    def add(self, live: Live) -> None:
        """Note an exchange."""
        self._live.add(live)

    def remove(self, live: Live) -> None:
        """Forget an exchange that has ended."""
        self._live.discard(live)

    def sweep(self, snapshot: Snapshot, now_ms: int) -> None:
        """Cut every exchange that ``snapshot`` no longer allows at ``now_ms``."""
        for live in self:
            why = live.exchange.recheck(snapshot, now_ms)
            if why is not None:
                live.cut(why)

    def tick(self, now: float) -> None:
        """End waits that have taken too long; called every 50 ms with monotonic seconds."""
        for live in self:
            live.tick(now)

    def cut_all(self, why: Callable[[], Refusal]) -> None:
        """Cut every exchange."""
        for live in self:
            live.cut(why())

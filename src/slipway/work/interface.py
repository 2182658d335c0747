"""Ports and typed results of the work room.

What became of a shard is always one of four things and never an exception: the
caller has to look at which, so that a shard that was lost cannot pass for one
that was done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

S = TypeVar("S")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Done(Generic[R_co]):
    """The function returned ``value``."""

    value: R_co


@dataclass(frozen=True, slots=True)
class Failed:
    """The function raised. ``reason`` is one line, ``trace`` the traceback of the worker."""

    reason: str
    trace: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker ended before it answered: killed, crashed, out of memory or out of time."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotStarted:
    """The work was stopped before this shard's turn."""

    reason: str


Outcome = Done[R] | Failed | Lost | NotStarted
"""What became of one shard."""

OnOutcome = Callable[[int, "Done[R] | Failed | Lost | NotStarted"], None]
"""Told in the caller's thread as each shard ends: its place and its outcome."""


class ShardExecutor(Protocol):
    """Runs one function over shards somewhere."""

    def map_shards(
        self,
        fn: Callable[[S], R],
        shards: Sequence[S],
        *,
        on_outcome: OnOutcome[R] | None = None,
        stop: threading.Event | None = None,
        seconds: float | None = None,
    ) -> tuple[Outcome[R], ...]:
        """Return one outcome a shard, in the order of ``shards``.

        ``fn`` must be importable by its module and name, shards and results
        picklable. When ``stop`` is set, shards under way are ended (lost) and
        the others are not started. ``seconds`` bounds each shard.
        """
        ...

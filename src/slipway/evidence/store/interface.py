"""What a log store must do, and the values it exchanges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from slipway.evidence.tiles import Tile


@dataclass(frozen=True, slots=True)
class Head:
    """A committed tree head: number of leaves, root hash, signed checkpoint note."""

    size: int
    root: bytes
    note: str


@dataclass(frozen=True, slots=True)
class Row:
    """One entry to append: its bytes and, for records, what it is found by."""

    body: bytes
    record: str | None = None
    review: str | None = None
    n: int | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything of one group commit. It is written completely or not at all."""

    first: int
    rows: Sequence[Row]
    tiles: Sequence[Tile]
    head: Head


@dataclass(frozen=True, slots=True)
class Tail:
    """The last record of a review: its chain number, log index and leaf hash."""

    n: int
    index: int
    leaf: bytes


class LogStore(Protocol):
    """Durable storage of one log. One writer at a time, held by a lease; any number of readers.

    The lease lives as long as its holder's process and session, not until a
    time: no clock step can end it or prolong it, and after a crash the next
    sequencer takes over at once.
    """

    origin: str

    def acquire(self, owner: str) -> bool:
        """Take the writer's lease (again, when it is held already); False when another owner holds it."""
        ...

    def release(self, owner: str) -> None:
        """Give the lease back; nothing happens when it is not held."""
        ...

    def commit(self, owner: str, batch: Batch) -> None:
        """Write a batch durably, or raise and write nothing.

        Refused when ``owner`` no longer holds the lease or the log's size is
        not ``batch.first`` (somebody else wrote): the fence does not depend on clocks.
        """
        ...

    def head(self) -> Head | None:
        """Return the newest committed head, None for an empty log."""
        ...

    def head_covering(self, size: int) -> Head | None:
        """Return the oldest committed head with at least ``size`` leaves."""
        ...

    def entry(self, index: int) -> bytes:
        """Return an entry's bytes; raise NotFound."""
        ...

    def entries(self, low: int, high: int) -> list[bytes]:
        """Return the entries [low, high) that exist, in order."""
        ...

    def tile(self, level: int, number: int) -> bytes:
        """Return the widest stored hashes of a tile; raise NotFound."""
        ...

    def find(self, record: str) -> int | None:
        """Return the index of a record by its id."""
        ...

    def tail(self, review: str) -> Tail | None:
        """Return the last record of a review."""
        ...

    def review_indexes(self, review: str) -> list[int]:
        """Return the log indexes of a review's records, in chain order."""
        ...

    def close(self) -> None:
        """Release resources."""
        ...

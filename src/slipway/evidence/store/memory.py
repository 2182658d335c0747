"""A log store in memory: the plain model that the durable stores are tested against."""

from __future__ import annotations

from slipway.base.errors import NotFound
from slipway.evidence.merkle import leaf_hash
from slipway.evidence.reasons import EvidenceError, Reason
from slipway.evidence.store.interface import Batch, Head, Tail


class MemoryStore:
    """Lists and dictionaries; nothing survives the process."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._bodies: list[bytes] = []
        self._tiles: dict[tuple[int, int], bytes] = {}
        self._heads: list[Head] = []
        self._records: dict[str, int] = {}
        self._reviews: dict[str, list[int]] = {}
        self._lease: str | None = None

    def acquire(self, owner: str) -> bool:
        """Take the lease."""
        if self._lease not in (None, owner):
            return False
        self._lease = owner
        return True

    def release(self, owner: str) -> None:
        """Give the lease back."""
        if self._lease == owner:
            self._lease = None

    def commit(self, owner: str, batch: Batch) -> None:
        """Append a batch."""
        if self._lease != owner:
            raise EvidenceError(Reason.LOG_OTHER_WRITER, "another sequencer holds the lease")
        if batch.first != len(self._bodies):
            raise EvidenceError(Reason.LOG_OTHER_WRITER, f"the log has {len(self._bodies)} entries already")
        for index, row in enumerate(batch.rows, batch.first):
            self._bodies.append(row.body)
            if row.record is not None:
                self._records[row.record] = index
            if row.review is not None:
                self._reviews.setdefault(row.review, []).append(index)
        self._tiles.update(((tile.level, tile.number), tile.hashes) for tile in batch.tiles)
        self._heads.append(batch.head)

    def head(self) -> Head | None:
        """Newest head."""
        return self._heads[-1] if self._heads else None

    def head_covering(self, size: int) -> Head | None:
        """Oldest head with at least ``size`` leaves."""
        return next((head for head in self._heads if head.size >= size), None)

    def entry(self, index: int) -> bytes:
        """One entry."""
        if not 0 <= index < len(self._bodies):
            raise NotFound(f"the log has no entry {index}")
        return self._bodies[index]

    def entries(self, low: int, high: int) -> list[bytes]:
        """Entries of a range."""
        return self._bodies[max(low, 0) : max(high, 0)]

    def tile(self, level: int, number: int) -> bytes:
        """One tile."""
        if (level, number) not in self._tiles:
            raise NotFound(f"the log has no tile {level}/{number}")
        return self._tiles[level, number]

    def find(self, record: str) -> int | None:
        """Index of a record."""
        return self._records.get(record)

    def tail(self, review: str) -> Tail | None:
        """Last record of a review."""
        indexes = self._reviews.get(review)
        if not indexes:
            return None
        return Tail(len(indexes) - 1, indexes[-1], leaf_hash(self._bodies[indexes[-1]]))

    def review_indexes(self, review: str) -> list[int]:
        """Indexes of a review's records."""
        return list(self._reviews.get(review, ()))

    def close(self) -> None:
        """Nothing to release."""

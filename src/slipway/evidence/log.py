"""The log itself: one writer that appends batches, and readers that prove things about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from slipway.base.errors import NotFound
from slipway.evidence import tiles
from slipway.evidence.encoding import b64
from slipway.evidence.heads import HeadJournal
from slipway.evidence.keys import Signer
from slipway.evidence.merkle import EMPTY_ROOT, leaf_hash
from slipway.evidence.note import TlogProof, open_checkpoint, sign_checkpoint
from slipway.evidence.reasons import EvidenceError, Reason
from slipway.evidence.store.interface import Batch, Head, LogStore, Row
from slipway.evidence.tiles import Edge, TileTree
from slipway.evidence.verify_receipt import RECEIPT_FORMAT


class LogWriter:
    """Appends batches: entries, tiles and signed head in one commit, then the head journal.

    The in-memory edge of the tree is only ever a copy of what the store has
    committed. After **any** failure it is dropped and read again, because
    nobody can know what a failed commit left behind: a log that kept its edge
    over a full disk once went on signing over a hole of 15 entries.
    """

    def __init__(self, store: LogStore, journal: HeadJournal, signer: Signer, owner: str) -> None:
        self.store = store
        self.journal = journal
        self.signer = signer
        self.owner = owner
        self._edge: Edge | None = None

    @property
    def size(self) -> int:
        """Number of committed entries."""
        return self._loaded().size

    def reload(self) -> None:
        """Forget the edge, read the store again and hold it against the journal.

        Raises :class:`EvidenceError` when the store is older than the journal
        (``log.rollback``), tells another history (``log.fork``) or does not
        hash to its own head (``log.damaged``).
        """
        self._edge = None
        self.journal.open()
        head = self.store.head()
        size, root = (head.size, head.root) if head else (0, EMPTY_ROOT)
        check_against_journal(self.store, head, self.journal.last)
        edge = Edge.load(size, self.store.tile)
        if edge.root() != root:
            raise EvidenceError(Reason.LOG_DAMAGED, f"the tiles do not hash to the head of size {size}")
        if head is not None:
            signed = open_checkpoint(head.note, [self.signer.verifier], self.store.origin)
            if (signed.size, signed.root) != (size, root):
                raise EvidenceError(Reason.LOG_DAMAGED, "the stored head and its signed note differ")
            if self.journal.last is None or self.journal.last.size < size:
                self.journal.append(head)
        self._edge = edge

    def _loaded(self) -> Edge:
        if self._edge is None:
            self.reload()
        assert self._edge is not None
        return self._edge

    def append(self, rows: Sequence[Row]) -> Head:
        """Append entries durably and return the new signed head; on any failure nothing is believed."""
        edge = self._loaded()
        # Until the commit has returned, the edge in memory is ahead of the disk.
        self._edge = None
        first = edge.size
        for row in rows:
            if len(row.body) > tiles.MAX_ENTRY:
                raise EvidenceError(Reason.RECORD_SIZE, f"an entry has {len(row.body)} bytes, over 65535")
        changed = edge.extend([leaf_hash(row.body) for row in rows])
        root = edge.root()
        head = Head(edge.size, root, sign_checkpoint(self.store.origin, edge.size, root, self.signer))
        self.store.commit(self.owner, Batch(first, rows, changed, head))
        self.journal.append(head)
        self._edge = edge
        return head


def check_against_journal(store: LogStore, head: Head | None, last: Head | None) -> None:
    """Refuse a store that is older than, or tells another history than, the journal's last head."""
    if last is None:
        return
    if head is None or head.size < last.size:
        found = head.size if head else 0
        raise EvidenceError(
            Reason.LOG_ROLLBACK,
            f"the database has {found} entries, but a head of {last.size} was signed: "
            "it was restored from an older copy; put the newest copy back",
        )
    root = head.root if head.size == last.size else TileTree(store.tile, last.size).root()
    if root != last.root:
        raise EvidenceError(
            Reason.LOG_FORK, f"the database's first {last.size} entries are not those that were signed"
        )


class LogReader:
    """Everything a reader may ask of a log. Safe to share between threads."""

    def __init__(self, store: LogStore) -> None:
        self.store = store

    @property
    def origin(self) -> str:
        """The log's origin line."""
        return self.store.origin

    @property
    def size(self) -> int:
        """Number of committed entries."""
        head = self.store.head()
        return head.size if head else 0

    def checkpoint(self) -> str:
        """Return the newest signed checkpoint note; raise NotFound for an empty log."""
        return self._head().note

    def _head(self) -> Head:
        head = self.store.head()
        if head is None:
            raise NotFound("the log is empty")
        return head

    def head_covering(self, size: int) -> Head:
        """Return the oldest signed head with at least ``size`` leaves; raise NotFound."""
        head = self.store.head_covering(size)
        if head is None:
            raise NotFound(f"the log has no head of {size} leaves yet")
        return head

    def entry(self, index: int) -> bytes:
        """Return an entry's bytes; raise NotFound."""
        return self.store.entry(index)

    def find(self, record_id: str) -> int | None:
        """Return the log index of a record, None while it is not sealed."""
        return self.store.find(record_id)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the audit path of ``index`` in the tree of ``size`` leaves."""
        self._check_size(size)
        return TileTree(self.store.tile, size).inclusion(index)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the consistency proof between two sizes."""
        self._check_size(new)
        return TileTree(self.store.tile, new).consistency(old)

    def tree(self, size: int) -> TileTree:
        """Return a prover for one size that shares its tile reads (for many proofs at once)."""
        self._check_size(size)
        return TileTree(self.store.tile, size)

    def _check_size(self, size: int) -> None:
        if size > self.size:
            raise EvidenceError(Reason.PROOF_SIZES, f"size {size} is beyond the log's {self.size}")

    def review_entries(self, review: str) -> list[tuple[int, bytes]]:
        """Return (log index, entry bytes) of a review's records, in chain order."""
        return [(index, self.store.entry(index)) for index in self.store.review_indexes(review)]

    def proof(self, index: int, head: Head | None = None, tree: TileTree | None = None) -> TlogProof:
        """Return the tlog-proof of an entry under ``head`` (default: the newest)."""
        head = head or self._head()
        tree = tree or TileTree(self.store.tile, head.size)
        return TlogProof(index, tuple(tree.inclusion(index)), head.note)

    def receipt(self, record_id: str) -> dict[str, Any] | None:
        """Return a portable proof that a record is in the log, None while it is not sealed.

        The JSON object has ``format``, ``entry`` (base64), ``index``, ``proof``
        (base64 hashes) and ``checkpoint`` (signed note); ``slipway verify``
        accepts it as a file.
        """
        index = self.store.find(record_id)
        if index is None:
            return None
        proof = self.proof(index)
        return {
            "format": RECEIPT_FORMAT,
            "entry": b64(self.store.entry(index)),
            "index": index,
            "proof": [b64(value) for value in proof.path],
            "checkpoint": proof.checkpoint,
        }

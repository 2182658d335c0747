"""Look at a log from outside and say what is sound, and what a power cut left behind. Writes nothing.

Each check says what happened and what to do. What waits to be sealed, or what
was sealed but not yet noted so, is normal after a cut and repaired by the
sequencer; only what contradicts a signed head or an acknowledgement fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import apsw

from slipway.base.errors import NotFound, SlipwayError
from slipway.base.results import Check, Status
from slipway.evidence import record, tiles
from slipway.evidence.heads import read_journal
from slipway.evidence.keys import Verifier
from slipway.evidence.log import check_against_journal
from slipway.evidence.merkle import HASH_SIZE, fold, leaf_hash
from slipway.evidence.note import open_checkpoint
from slipway.evidence.reasons import EvidenceError, Reason
from slipway.evidence.store import Head, LogStore, SqliteStore

_CHUNK = 4096
_RESTORE = "restore the newest copy"
FULL = 2_000_000
"""Above this many entries re-hashing takes minutes, so the tiles are looked at alone."""


def examine(
    store: LogStore,
    journal: Path,
    key: Verifier | None = None,
    pending: Mapping[str, Path] | None = None,
    full: int = FULL,
) -> list[Check]:
    """Return the checks of a log, its head journal, and the ledgers that hand over to it.

    ``key`` is the log's verification key, ``pending`` the SQLite files with an
    ``evidence_pending`` table by name.
    """
    head = store.head()
    checks = [_made("log file", lambda: _file(store))] if isinstance(store, SqliteStore) else []
    checks += [
        _made("log tiles", lambda: _tiles(store, head)),
        _made("log entries", lambda: _entries(store, head, full)),
        _made("log chains", lambda: _chains(store, head, full)),
        _made("log head", lambda: _head(store, head, key)),
        _made("head journal", lambda: _journal(store, head, journal)),
    ]
    for name, path in (pending or {}).items():
        checks.append(_made(f"records of the {name}", partial(_pending, store, head, path)))
    return checks


def _made(name: str, step: Callable[[], Check | str]) -> Check:
    try:
        result = step()
    except (SlipwayError, OSError, apsw.Error) as error:
        return Check(name, Status.FAIL, str(error))
    return Check(name, Status.PASS, result) if isinstance(result, str) else result


def _file(store: SqliteStore) -> str:
    verdict = store.integrity()
    if verdict != "ok":
        raise EvidenceError(Reason.LOG_DAMAGED, f"SQLite says: {verdict}; {_RESTORE}")
    return "SQLite finds it sound"


def _tiles(store: LogStore, head: Head | None) -> str:
    """Recompute the tree from its tiles: each level from the one below, and the root from the edge."""
    if head is None:
        return "the log is empty"
    count = 0
    for level, number, width in tiles.geometry(head.size):
        data = store.tile(level, number)[: width * HASH_SIZE]
        if len(data) < width * HASH_SIZE:
            raise EvidenceError(Reason.LOG_DAMAGED, f"{tiles.path(level, number)} is too short; {_RESTORE}")
        for position in range(width if level else 0):
            below = store.tile(level - 1, number * tiles.WIDTH + position)
            parts = [below[i : i + HASH_SIZE] for i in range(0, len(below), HASH_SIZE)]
            if fold(parts) != data[position * HASH_SIZE : (position + 1) * HASH_SIZE]:
                where = tiles.path(level, number)
                raise EvidenceError(
                    Reason.LOG_DAMAGED, f"{where} does not sum up the tiles below; {_RESTORE}"
                )
        count += 1
    if tiles.Edge.load(head.size, store.tile).root() != head.root:
        raise EvidenceError(Reason.LOG_DAMAGED, f"the tiles do not hash to the signed head; {_RESTORE}")
    return f"{count} tiles hash to the head of {head.size}"


def _entries(store: LogStore, head: Head | None, full: int) -> Check | str:
    """Hash every entry again and hold it against its tile."""
    if head is None:
        return "the log is empty"
    if head.size > full:
        reason = f"{head.size} entries are too many to hash again here"
        return Check("log entries", Status.NOT_CHECKED, reason)
    for number in range(-(-head.size // tiles.WIDTH)):
        low, high = number * tiles.WIDTH, min((number + 1) * tiles.WIDTH, head.size)
        entries = store.entries(low, high)
        if len(entries) != high - low:
            missing = high - low - len(entries)
            raise EvidenceError(
                Reason.LOG_DAMAGED, f"{missing} entries from {low} to {high - 1} are missing; {_RESTORE}"
            )
        wanted = store.tile(0, number)[: (high - low) * HASH_SIZE]
        if b"".join(map(leaf_hash, entries)) != wanted:
            raise EvidenceError(
                Reason.LOG_DAMAGED, f"an entry from {low} to {high - 1} was changed; {_RESTORE}"
            )
    if store.entries(head.size, head.size + 1):
        raise EvidenceError(
            Reason.LOG_DAMAGED, f"there are entries beyond the head of {head.size}; {_RESTORE}"
        )
    return f"all {head.size} hash to the head"


def _chains(store: LogStore, head: Head | None, full: int) -> Check | str:
    """Walk all records: each review's n and prev without a gap, each findable by its id."""
    if head is None:
        return "the log is empty"
    if head.size > full:
        return Check("log chains", Status.NOT_CHECKED, f"{head.size} entries are too many to read here")
    tails: dict[str, tuple[int, str]] = {}
    for low in range(0, head.size, _CHUNK):
        for index, entry in enumerate(store.entries(low, min(low + _CHUNK, head.size)), low):
            fields = record.read(entry)
            if store.find(fields["id"]) != index:
                raise EvidenceError(Reason.LOG_DAMAGED, f"record {fields['id']} is not found at {index}")
            review = fields["review"]
            if review is None:
                continue
            n, leaf = tails.get(review, (-1, None))
            if (fields["n"], fields["prev"]) != (n + 1, leaf):
                raise EvidenceError(Reason.CHAIN_GAP, f"entry {index} breaks the chain of review {review}")
            tails[review] = (fields["n"], leaf_hash(entry).hex())
    return f"{len(tails)} reviews, each without a gap"


def _head(store: LogStore, head: Head | None, key: Verifier | None) -> Check | str:
    if head is None or key is None:
        return Check("log head", Status.NOT_CHECKED, "nothing is signed yet" if head is None else "no key")
    signed = open_checkpoint(head.note, [key], store.origin)
    if (signed.size, signed.root) != (head.size, head.root):
        raise EvidenceError(Reason.LOG_DAMAGED, f"the stored head and its signed note differ; {_RESTORE}")
    return f"signed, {head.size} entries"


def _journal(store: LogStore, head: Head | None, path: Path) -> str:
    heads, torn = read_journal(path)
    last = heads[-1] if heads else None
    check_against_journal(store, head, last)
    said = f"{len(heads)} heads, the log extends the last"
    if torn:
        said += f"; its last {torn} bytes were torn by a power cut and are forgiven"
    if head is not None and (last is None or last.size < head.size):
        said += f"; the log is {head.size - (last.size if last else 0)} entries ahead, as after a power cut"
    return said


def _pending(store: LogStore, head: Head | None, path: Path) -> Check | str:
    """Hold every acknowledgement against the log, and count what still waits."""
    name = f"records of the {path.stem}"
    if not path.exists():
        return Check(name, Status.NOT_CHECKED, "there is no such ledger yet")
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name='evidence_pending'").fetchone():
            return Check(name, Status.NOT_CHECKED, "nothing was recorded yet")
        waiting = unnoted = sealed = 0
        oldest = ""
        for identity, at, index, leaf in db.execute(
            "SELECT id, at, leaf_index, leaf_hash FROM evidence_pending ORDER BY seq"
        ):
            if index is not None:
                _acknowledged(store, head, identity, index, leaf)
                sealed += 1
            elif store.find(identity) is not None:
                unnoted += 1
            else:
                waiting, oldest = waiting + 1, oldest or at
    finally:
        db.close()
    said = [f"{sealed} sealed, every one in the log at its place"]
    if unnoted:
        said.append(f"{unnoted} sealed but not yet noted so: the sequencer was cut off and will note them")
    if waiting:
        said.append(
            f"{waiting} durable but not yet sealed, the oldest of {oldest}: sealed when the desk is up"
        )
    return "; ".join(said)


def _acknowledged(store: LogStore, head: Head | None, identity: str, index: int, leaf: str) -> None:
    try:
        found = head is not None and index < head.size and leaf_hash(store.entry(index)).hex() == leaf
    except NotFound:
        found = False
    if not found:
        raise EvidenceError(
            Reason.LOG_DAMAGED, f"record {identity} was acknowledged at {index} but is not there; {_RESTORE}"
        )

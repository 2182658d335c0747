"""The evidence log: sound file, whole tree, signed head, nothing older than what was signed."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import apsw

from slipway.base.clock import parse_instant
from slipway.base.datadir import DataDirectory
from slipway.base.errors import SlipwayError
from slipway.base.results import Check, Status
from slipway.evidence.heads import read_journal
from slipway.evidence.keys import Signer
from slipway.evidence.log import check_against_journal
from slipway.evidence.merkle import fold, leaf_hash
from slipway.evidence.note import open_checkpoint
from slipway.evidence.store import SqliteStore, open_sqlite

_CHUNK = 4096
_FULL = 2_000_000  # above this many entries re-hashing takes minutes, so doctor looks at the tiles only


def checks(data: DataDirectory) -> list[Check]:
    """Return the checks of the log; one when there is none yet."""
    if not data.log_db.exists():
        return [Check("log", Status.NOT_CHECKED, "there is none yet; the desk makes it")]
    origin = os.environ.get("SLIPWAY_LOG_ORIGIN") or "slipway.local/review"
    try:
        store = open_sqlite(data.log_db, origin, read_only=True)
    except (SlipwayError, apsw.Error) as error:
        return [Check("log", Status.FAIL, f"{data.log_db} cannot be read: {error}; restore the newest copy")]
    try:
        return [_file(store), _entries(store), _head(store, data), _journal(store, data), _time(store)]
    finally:
        store.close()


def _file(store: SqliteStore) -> Check:
    verdict = store.integrity()
    if verdict != "ok":
        return Check("log file", Status.FAIL, f"SQLite says: {verdict}; restore the newest copy")
    return Check("log file", Status.PASS, "SQLite finds it sound")


def _entries(store: SqliteStore) -> Check:
    """Hash every entry again and hold the root against the head."""
    name, head = "log entries", store.head()
    if head is None:
        return Check(name, Status.PASS, "the log is empty")
    if head.size > _FULL:
        return Check(name, Status.NOT_CHECKED, f"{head.size} entries are too many to hash again here")
    leaves: list[bytes] = []
    for low in range(0, head.size, _CHUNK):
        leaves += [leaf_hash(entry) for entry in store.entries(low, min(head.size, low + _CHUNK))]
    if len(leaves) != head.size:
        missing = head.size - len(leaves)
        return Check(
            name, Status.FAIL, f"{missing} of {head.size} entries are missing; restore the newest copy"
        )
    if fold(leaves) != head.root:
        return Check(name, Status.FAIL, f"the {head.size} entries do not hash to the signed head")
    return Check(name, Status.PASS, f"all {head.size} hash to the head")


def _head(store: SqliteStore, data: DataDirectory) -> Check:
    name, head, path = "log head", store.head(), data.keys / "log.key"
    if head is None or not path.exists():
        return Check(name, Status.NOT_CHECKED, "nothing is signed yet")
    try:
        signed = open_checkpoint(head.note, [Signer.load(path).verifier], store.origin)
    except (SlipwayError, OSError) as error:
        return Check(name, Status.FAIL, f"it is not signed by {path}: {error}")
    if (signed.size, signed.root) != (head.size, head.root):
        return Check(name, Status.FAIL, "the stored head and its signed note differ")
    return Check(name, Status.PASS, f"signed, {head.size} entries")


def _journal(store: SqliteStore, data: DataDirectory) -> Check:
    """A database restored from an older copy is sound in itself; only the journal tells."""
    name = "head journal"
    try:
        heads, torn = read_journal(data.head_journal)
        check_against_journal(store, store.head(), heads[-1] if heads else None)
    except (SlipwayError, OSError) as error:
        return Check(name, Status.FAIL, str(error))
    tail = f"; its last {torn} bytes were torn by a power cut and are forgiven" if torn else ""
    return Check(name, Status.PASS, f"{len(heads)} heads, the log extends the last{tail}")


def _time(store: SqliteStore) -> Check:
    """A last record from the future means that the clock went back since."""
    name, head = "log and clock", store.head()
    if head is None or head.size == 0:
        return Check(name, Status.NOT_CHECKED, "the log is empty")
    try:
        at = parse_instant(str(json.loads(store.entry(head.size - 1))["at"]))
    except (SlipwayError, ValueError, KeyError):
        return Check(name, Status.NOT_CHECKED, "the last entry tells no time")
    if at > datetime.now(UTC) + timedelta(seconds=5):
        return Check(
            name, Status.FAIL, f"the last record is of {at:%Y-%m-%d %H:%M:%S}: the clock went back since"
        )
    return Check(name, Status.PASS, f"the last record is of {at:%Y-%m-%d %H:%M:%S} UTC")

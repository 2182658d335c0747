"""The evidence log and the ledgers that hand over to it, and whether the clock went back since."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import apsw

from slipway.base.clock import parse_instant
from slipway.base.datadir import DataDirectory
from slipway.base.errors import SlipwayError
from slipway.base.results import Check, Status
from slipway.evidence import fsck
from slipway.evidence.keys import Signer, Verifier
from slipway.evidence.store import SqliteStore, open_sqlite


def checks(data: DataDirectory) -> list[Check]:
    """Return the checks of the log; one when there is none yet."""
    if not data.log_db.exists():
        return [Check("log", Status.NOT_CHECKED, "there is none yet; the desk makes it")]
    origin = os.environ.get("SLIPWAY_LOG_ORIGIN") or "slipway.local/review"
    try:
        store = open_sqlite(data.log_db, origin, read_only=True)
    except (SlipwayError, apsw.Error) as error:
        return [Check("log", Status.FAIL, f"{data.log_db} cannot be read: {error}; restore the newest copy")]
    ledgers = {"gateway": data.gateway_db}
    if not os.environ.get("SLIPWAY_DATABASE_URL"):
        ledgers["desk"] = data.desk_db
    try:
        return [*fsck.examine(store, data.head_journal, _key(data), ledgers), _time(store)]
    finally:
        store.close()


def _key(data: DataDirectory) -> Verifier | None:
    try:
        return Signer.load(data.keys / "log.key").verifier
    except (SlipwayError, OSError):
        return None  # the check of the head then says "not checked"; the keys have a check of their own


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

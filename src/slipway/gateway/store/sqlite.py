"""SQLite: the control tables read-only, and the counters that the desk reads from the ledger.

APSW, not the standard library's module: Debian 12 links SQLite 3.40.1, which has
the WAL-reset bug. The control connection is read-only and never checkpoints.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import apsw

from slipway.base.errors import Unavailable
from slipway.gateway.grants import LIVE, Endpoint, Grant, Key, Snapshot
from slipway.gateway.store.interface import CONTROL_TABLES, Usage

_EPOCH = "SELECT epoch FROM access_control WHERE id = 1"
_BUSY_MS = 200


def _select(table: str) -> str:
    """Return the statement that reads ``table`` in the contract's column order."""
    return f"SELECT {', '.join(CONTROL_TABLES[table])} FROM {table}"  # noqa: S608 - names are constants


def _read_only(path: Path) -> apsw.Connection:
    uri = f"file:{quote(str(path))}?mode=ro"
    connection = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    connection.set_busy_timeout(_BUSY_MS)
    return connection


class SqliteControl:
    """Control tables in the desk's SQLite file; see :class:`ControlSource`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: apsw.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._version: int | None = None
        self._epoch: int | None = None

    def changed(self) -> bool:
        """Say whether the tables may differ from the last :meth:`read`; see :class:`ControlSource`."""
        try:
            # An open connection goes on reading a file that was deleted or replaced. So the
            # name is looked at too: no file of that name, no freshness.
            found = self._path.stat()
            if self._db is None or self._file != (found.st_dev, found.st_ino) or found.st_size == 0:
                self._reopen(found)
                return True
            version = self._db.pragma("data_version")
            if version == self._version:
                return False
            # data_version moves with every commit to the desk's file, and most have nothing to do
            # with access. The epoch says whether this one had.
            epoch = self._db.execute(_EPOCH).fetchone()
            if epoch is not None and epoch[0] == self._epoch:
                self._version = version
                return False
        except (apsw.Error, OSError) as error:
            self.close()
            raise Unavailable(f"the control tables cannot be read ({type(error).__name__})") from None
        return True

    def read(self) -> Snapshot:
        """Return all rows in one read transaction; see :class:`ControlSource`."""
        try:
            db = self._db or self._reopen(self._path.stat())
            # Taken before the rows: a commit in between only makes the next poll read once more.
            version = db.pragma("data_version")
            with db:
                row: Any = db.execute(_EPOCH).fetchone()
                if row is None:
                    raise Unavailable("the control tables have no epoch row")
                keys = [_key(r) for r in db.execute(_select("access_key"))]
                grants = [_grant(r) for r in db.execute(_select("access_grant"))]
                endpoints = [_endpoint(r) for r in db.execute(_select("access_endpoint"))]
            self._version, self._epoch = version, row[0]
            return Snapshot.of(row[0], keys, grants, endpoints)
        except (apsw.Error, OSError, ValueError, TypeError) as error:
            self.close()
            raise Unavailable(f"the control tables cannot be read ({type(error).__name__})") from None

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        if self._db is not None:
            self._db.close()
        self._db = self._file = self._version = self._epoch = None

    def _reopen(self, found: os.stat_result) -> apsw.Connection:
        self.close()
        self._db = _read_only(self._path)
        self._file = (found.st_dev, found.st_ino)
        return self._db


def _key(row: tuple[object, ...]) -> Key:
    r = dict(zip(CONTROL_TABLES["access_key"], row, strict=True))
    return Key(str(r["id"]), str(r["grant_id"]), str(r["digest"]), str(r["hint"]), r["state"] == LIVE)


def _endpoint(row: tuple[object, ...]) -> Endpoint:
    r = dict(zip(CONTROL_TABLES["access_endpoint"], row, strict=True))
    return Endpoint(
        str(r["id"]), str(r["review_id"]), str(r["model_alias"]), str(r["sealed"]), _number(r["retired_ms"])
    )


def _grant(row: tuple[object, ...]) -> Grant:
    r = dict(zip(CONTROL_TABLES["access_grant"], row, strict=True))
    routes = json.loads(str(r["routes"]))
    return Grant(
        id=str(r["id"]),
        number=int(str(r["number"])),
        review_id=str(r["review_id"]),
        endpoint_id=str(r["endpoint_id"]),
        party=str(r["party"]),
        model_alias=str(r["model_alias"]),
        routes=frozenset(str(route) for route in routes) if isinstance(routes, list) else frozenset(),
        state=str(r["state"]),
        not_before_ms=int(str(r["not_before_ms"])),
        not_after_ms=int(str(r["not_after_ms"])),
        agreed=r["agreed_by_developer_ms"] is not None and r["agreed_by_reviewer_ms"] is not None,
        requests_per_minute=_number(r["requests_per_minute"]),
        tokens_per_minute=_number(r["tokens_per_minute"]),
        concurrency=_number(r["concurrency"]),
        budget_requests=_number(r["budget_requests"]),
        budget_tokens=_number(r["budget_tokens"]),
        content_policy=str(r["content_policy"] or ""),
    )


def _number(value: object) -> int | None:
    return None if value is None else int(str(value))


_USAGE = """
SELECT u.grant_id, u.requests, u.tokens_in, u.tokens_out, u.charged, u.refused, u.last_ms,
       (SELECT count(*) FROM exchange e WHERE e.grant_id = u.grant_id AND e.state = 'open')
  FROM usage u
"""


def usage_by_grant(path: Path) -> dict[str, Usage]:
    """Return what each grant has used, by grant id; empty while the gateway has no ledger yet.

    Opens ``path`` (``gateway.sqlite3``) read-only for the call. Raises
    :class:`~slipway.base.errors.Unavailable` when the file is there but cannot be read.
    """
    if not path.exists():
        return {}
    try:
        db = _read_only(path)
        try:
            return {r[0]: Usage(r[1], r[2], r[3], r[4], r[5], r[7], r[6]) for r in db.execute(_USAGE)}
        finally:
            db.close()
    except apsw.SQLError:
        return {}  # the gateway has made the file and not yet its tables
    except apsw.Error as error:
        raise Unavailable(f"the gateway's ledger cannot be read ({type(error).__name__})") from None

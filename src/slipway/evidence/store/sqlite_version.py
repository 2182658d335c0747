"""The one place that knows which SQLite is safe enough to hold evidence."""

from __future__ import annotations

import apsw

from slipway.evidence.reasons import EvidenceError, Reason

# Before 3.51.3, two connections that write and checkpoint a WAL at once could corrupt the file
# (the WAL-reset bug). Debian 12's Python links 3.40.1, so the log never goes through sqlite3.
MINIMUM = (3, 51, 3)


def check_sqlite(version: str | None = None) -> None:
    """Refuse to work with a SQLite library older than :data:`MINIMUM`."""
    text = apsw.sqlite_lib_version() if version is None else version
    found = tuple(int(part) for part in text.split(".")[:3])
    if found < MINIMUM:
        need = ".".join(map(str, MINIMUM))
        raise EvidenceError(
            Reason.SQLITE_VERSION,
            f"APSW runs on SQLite {text} but {need} is needed: install the apsw wheel, which bundles one",
        )

"""The machine: Python, SQLite, clock, fonts and Pango, sandbox."""

from __future__ import annotations

import ctypes
import os
import sqlite3
import sys
from datetime import UTC, datetime

from slipway.base.datadir import DataDirectory
from slipway.base.errors import SlipwayError
from slipway.base.results import Check, Status
from slipway.desk.project.settings import database
from slipway.evidence.store import sqlite_version

# A clock that is before this was never set: slipway did not exist.
_EARLIEST = datetime(2026, 6, 2, tzinfo=UTC)
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_PANGO = ("libpango-1.0.so.0", "libpangoft2-1.0.so.0", "libharfbuzz-subset.so.0")


def checks(data: DataDirectory) -> list[Check]:
    """Return the checks of the machine."""
    found = [_python(), _sqlite_of_log(), _sqlite_of_desk(), _clock(), _synchronised(), _paper()]
    # Imported here: the sandbox pulls in what only a Linux machine has.
    from slipway.evaluation.sandbox import probe

    return found + probe.doctor(data.bench / "images")


def _python() -> Check:
    text = sys.version.split()[0]
    good = sys.version_info >= (3, 11)
    return Check("Python", Status.PASS if good else Status.FAIL, f"{text} (3.11 or newer is needed)")


def _sqlite_of_log() -> Check:
    name = "SQLite of the log"
    try:
        sqlite_version.check_sqlite()
    except SlipwayError as error:
        return Check(name, Status.FAIL, error.message)
    least = ".".join(map(str, sqlite_version.MINIMUM))
    return Check(name, Status.PASS, f"APSW brings one that is {least} or newer")


def _sqlite_of_desk() -> Check:
    """Python's SQLite, which holds the desk's rows: Debian 12's has the WAL-reset bug (decision 0071)."""
    name, found = "SQLite of the desk", sqlite3.sqlite_version
    if os.environ.get(database.ENV):
        return Check(name, Status.PASS, f"not used: {database.ENV} names a PostgreSQL")
    if sqlite3.sqlite_version_info >= sqlite_version.MINIMUM:
        return Check(name, Status.PASS, f"{found}, Python's own")
    return Check(
        name,
        Status.NOT_CHECKED,
        f"Python's own is {found}; before {'.'.join(map(str, sqlite_version.MINIMUM))} two connections that "
        "write and checkpoint at the same moment can damage desk.sqlite3 (the WAL-reset bug). The log and "
        "the gateway's ledger go through APSW's SQLite, and records are handed over to the log within about "
        "a second; back up desk.sqlite3, and add people while nobody works (docs/decisions/0071)",
    )


def _clock() -> Check:
    now = datetime.now(UTC)
    if now < _EARLIEST:
        return Check(
            "clock", Status.FAIL, f"it says {now:%Y-%m-%d}; set it, records would carry a false time"
        )
    return Check("clock", Status.PASS, f"{now:%Y-%m-%d %H:%M:%S} UTC")


def _synchronised() -> Check:
    """Ask the kernel whether something (NTP) keeps the clock; reading needs no privilege."""
    name = "clock synchronised"
    buffer = ctypes.create_string_buffer(512)  # struct timex; modes = 0 means read only
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    except (OSError, AttributeError):
        state = -1
    if state == -1:
        return Check(name, Status.NOT_CHECKED, "this machine does not tell")
    if state == _TIME_ERROR:
        return Check(
            name, Status.NOT_CHECKED, "the kernel knows of no time service; windows end by this clock"
        )
    return Check(name, Status.PASS, "the kernel says so")


def _paper() -> Check:
    lacking = []
    for library in _PANGO:
        try:
            ctypes.CDLL(library)
        except OSError:
            lacking.append(library)
    if lacking:
        fix = "apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core"
        return Check("PDF", Status.FAIL, f"{', '.join(lacking)} missing: {fix}")
    return Check("PDF", Status.PASS, "Pango and HarfBuzz are there")

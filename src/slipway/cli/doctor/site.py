"""The data directory: permissions, keys, disk, processes, database, exchanges and runs cut off."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
from pathlib import Path
from urllib.parse import quote

import apsw

from slipway.base.clock import format_instant, from_ms
from slipway.base.datadir import DataDirectory
from slipway.base.results import Check, Status

_GIB = 1 << 30
SECRET_FOLDERS = ("", "keys", "bench")
PUBLIC_KEYS = (".pub",)
_CUT_OFF = "SELECT count(*), max(closed_ms) FROM exchange WHERE outcome = 'gateway_interrupted'"


def checks(data: DataDirectory) -> list[Check]:
    """Return the checks of the data directory; one when there is none yet."""
    if not data.root.is_dir():
        reason = f"{data.root} is not there yet; slipway up makes it"
        return [_disk(data.root), Check("data directory", Status.NOT_CHECKED, reason)]
    running = _supervisor(data)
    return [
        _disk(data.root),
        _folders(data),
        _keys(data),
        running,
        _database(data),
        _exchanges(data, up="is up" in running.reason),
        _runs(data),
    ]


def read_only(path: Path) -> apsw.Connection:
    """Open a SQLite file for looking only."""
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    db = apsw.Connection(f"file:{quote(str(path))}?mode=ro", flags=flags)
    db.set_busy_timeout(5_000)
    return db


def _disk(root: Path) -> Check:
    while not root.exists():
        root = root.parent
    free = shutil.disk_usage(root).free
    text = f"{free / _GIB:.1f} GiB free at {root}"
    if free < _GIB // 4:
        return Check("disk", Status.FAIL, f"{text}; below 0.25 GiB nothing can be relied on: make room")
    return Check("disk", Status.PASS, text)


def _folders(data: DataDirectory) -> Check:
    wrong = []
    for name in SECRET_FOLDERS:
        folder = data.root / name
        if folder.is_dir() and stat.S_IMODE(folder.stat().st_mode) & 0o077:
            wrong.append(f"chmod 700 {folder}")
    if wrong:
        return Check("permissions", Status.FAIL, "others can look in: " + "; ".join(wrong))
    return Check("permissions", Status.PASS, "data, keys and bench are open to their owner alone")


def _keys(data: DataDirectory) -> Check:
    files = [path for path in sorted(data.keys.glob("*")) if path.is_file()] if data.keys.is_dir() else []
    if not files:
        return Check("keys", Status.NOT_CHECKED, "none yet; they are made on first use")
    wrong = [
        str(path)
        for path in files
        if path.suffix not in PUBLIC_KEYS and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    if wrong:
        return Check("keys", Status.FAIL, "others can read them: chmod 600 " + " ".join(wrong))
    foreign = [str(path) for path in files if path.stat().st_uid != os.geteuid()]
    if foreign:
        return Check("keys", Status.FAIL, f"not owned by this user (run as the site's user?): {foreign[0]}")
    return Check("keys", Status.PASS, f"{len(files)} files, secret ones open to their owner alone")


def _supervisor(data: DataDirectory) -> Check:
    path = data.run / "supervisor.pid"
    try:
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Check("site", Status.PASS, f"is up, process {file.read().strip()}")
            pid = file.read().strip()
    except FileNotFoundError:
        return Check("site", Status.PASS, "is not up; it was never started here")
    if pid:
        return Check(
            "site", Status.PASS,
            f"is not up, and process {pid} did not end in order (power cut or kill); the next start goes on "
            "from what was committed",
        )  # fmt: skip
    return Check("site", Status.PASS, "is not up; it ended in order")


def _database(data: DataDirectory) -> Check:
    url = os.environ.get("SLIPWAY_DATABASE_URL")
    if url:
        return _postgresql(url)
    if not data.desk_db.exists():
        return Check("database", Status.NOT_CHECKED, f"{data.desk_db} is not there yet")
    try:
        db = read_only(data.desk_db)
        verdict = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])  # type: ignore[index]
        applied = db.execute("SELECT count(*) FROM django_migrations").fetchone()
        db.close()
    except apsw.Error as error:
        return Check("database", Status.FAIL, f"{data.desk_db} cannot be read ({error}); restore a backup")
    if verdict != "ok":
        return Check("database", Status.FAIL, f"{data.desk_db} is damaged: {verdict}; restore a backup")
    return Check("database", Status.PASS, f"SQLite, sound, {applied[0] if applied else 0} migrations applied")


def _postgresql(url: str) -> Check:
    import psycopg

    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            row = connection.execute("SHOW server_version").fetchone()
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0]
        return Check(
            "database", Status.FAIL, f"PostgreSQL does not answer: {reason}; see SLIPWAY_DATABASE_URL"
        )
    version = row[0] if row else "?"
    return Check(
        "database", Status.PASS,
        f"PostgreSQL {version} answers; for a desk alone (slipway up review): a gateway needs SQLite",
    )  # fmt: skip


def _exchanges(data: DataDirectory, *, up: bool) -> Check:
    name = "exchanges"
    if not data.gateway_db.exists():
        return Check(name, Status.NOT_CHECKED, "the gateway has not been started here")
    try:
        db = read_only(data.gateway_db)
        row = db.execute("SELECT count(*) FROM exchange WHERE state = 'open'").fetchone()
        closed = db.execute(_CUT_OFF).fetchone()
        db.close()
    except apsw.Error as error:
        return Check(name, Status.FAIL, f"{data.gateway_db} cannot be read ({error})")
    count = row[0] if row else 0
    if count and up:
        return Check(name, Status.PASS, f"{count} open now")
    if count:
        reason = f"{count} were cut off when the gateway died; it closes them as such at its next start"
        return Check(name, Status.PASS, reason)
    if closed and closed[0]:
        # The restart has closed them, so this is the only place that still says what a power cut did.
        last = format_instant(from_ms(closed[1]))
        reason = (
            f"none is cut off now; {closed[0]} were, and were closed as such at a start, the last at {last}"
        )
        return Check(name, Status.PASS, reason)
    return Check(name, Status.PASS, "none was cut off")


def _runs(data: DataDirectory) -> Check:
    folders = [path.parent for path in sorted((data.bench / "runs").glob("*/plan.json"))]
    cut = []
    for folder in folders:
        try:
            state = json.loads((folder / "finish.json").read_text()).get("status")
        except (OSError, ValueError):
            state = None
        if state != "complete":
            cut.append(str(folder))
    if cut:
        fix = f"finished items are kept; go on with: slipway run resume {cut[0]}"
        return Check("runs", Status.PASS, f"{len(cut)} of {len(folders)} did not complete; {fix}")
    return Check("runs", Status.PASS, f"{len(folders)} here, none cut off")

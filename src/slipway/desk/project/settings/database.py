"""Where the desk keeps its rows: SQLite by default, PostgreSQL when told."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from slipway.base.datadir import DataDirectory
from slipway.base.errors import InvalidInput, Problem

ENV = "SLIPWAY_DATABASE_URL"

# Measured (house.md): Django's SQLite defaults lost 42 % of concurrent transactions, WAL alone 93 %
# (deferred transactions fail at once when they upgrade to a write); IMMEDIATE with a wait loses none.
# FULL because an acknowledged act must survive a power cut; WAL's default NORMAL would not sync commits.
_SQLITE_OPTIONS: dict[str, Any] = {
    "timeout": 20,
    "transaction_mode": "IMMEDIATE",
    "init_command": (
        "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA foreign_keys=ON;PRAGMA busy_timeout=20000;"
    ),
}


def sqlite(path: str) -> dict[str, Any]:
    """Return Django's settings for the SQLite file at ``path``."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": dict(_SQLITE_OPTIONS),
        "ATOMIC_REQUESTS": False,
        # The sixteen request threads last, and a file does not go away: keep their connections.
        "CONN_MAX_AGE": None,
    }


def postgresql(url: str) -> dict[str, Any]:
    """Return Django's settings for a ``postgres://`` address; :class:`InvalidInput` names what is missing."""
    parts = urlsplit(url)
    fix = "write it like postgres://user:password@host:5432/name"
    if parts.scheme not in ("postgres", "postgresql"):
        raise InvalidInput([Problem(ENV, f"scheme {parts.scheme!r} is not postgres", fix)], what="settings")
    name = unquote(parts.path.lstrip("/"))
    if not name:
        raise InvalidInput([Problem(ENV, "it names no database", fix)], what="settings")
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    # The pool is per process; 16 request slots and the sequencer need no more than 20 connections.
    options["pool"] = {"min_size": 1, "max_size": 20, "timeout": 20}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
        "ATOMIC_REQUESTS": False,
        # Required with a pool: Django refuses persistent connections beside it.
        "CONN_MAX_AGE": 0,
    }


def gateway_problem() -> Problem | None:
    """Return what is wrong when a gateway is to run beside this desk, None when nothing is.

    The gateway reads grants and keys from the control tables in ``desk.sqlite3`` alone. With the desk's
    rows in PostgreSQL it would follow an empty or an outdated file: no revocation would ever reach it.
    """
    if not os.environ.get(ENV):
        return None
    return Problem(
        ENV,
        "the gateway reads grants and keys from desk.sqlite3 alone, and this moves them to PostgreSQL",
        f"unset {ENV} for a site with a gateway; the desk alone may use it: slipway up review",
    )


def from_environment(data: str) -> dict[str, dict[str, Any]]:
    """Return ``DATABASES`` for the data directory ``data`` and :data:`ENV`."""
    url = os.environ.get(ENV)
    if url:
        return {"default": postgresql(url)}
    from pathlib import Path

    return {"default": sqlite(str(DataDirectory(Path(data)).desk_db))}

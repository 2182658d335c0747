"""Django's secret key: made once per data directory, kept in ``keys/`` with mode 0600."""

from __future__ import annotations

import contextlib
import secrets

from slipway.base.datadir import DataDirectory, write_secret

NAME = "django-secret"


def load_or_create_secret(data: DataDirectory) -> str:
    """Return the site's secret key; the first caller creates it.

    Two processes may start at once: ``write_secret`` links the finished file
    into place and refuses an existing one, so that both read the same key.
    """
    path = data.keys / NAME
    if not path.exists():
        data.create()
        with contextlib.suppress(FileExistsError):
            write_secret(path, secrets.token_urlsafe(48).encode())
    return path.read_text(encoding="ascii")

"""The address of static files, with their digest in it.

The files are served from the installed package (no ``collectstatic`` step, so
a wheel works on its own) and kept for a year by browsers; a changed file
changes the address.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

_DESK = Path(__file__).resolve().parent.parent.parent


def versioned_url() -> str:
    """Return ``/static/<12 hex digits>/`` over every static file of the desk's apps."""
    digest = hashlib.sha256()
    for path in sorted(_DESK.glob("*/static/**/*")):
        if path.is_file():
            digest.update(path.relative_to(_DESK).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"/static/{digest.hexdigest()[:12]}/"

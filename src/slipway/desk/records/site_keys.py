"""The site's signing keys, in ``keys/`` of the data directory.

=========================  ==================================================
``log.key``                signs heads of the evidence log; its name is the origin
``party-<slug>.key``       signs records of one party (``desk`` and ``gateway`` are parties)
=========================  ==================================================

The desk keeps its parties' keys: a record says "this site states that the
party acted". A party that holds its own key is a later step, and needs no
change of the record format.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Final

from django.conf import settings

from slipway.base.datadir import DataDirectory
from slipway.evidence.keys import Signer

SITE_PARTIES: Final = frozenset({"desk", "gateway"})
_SLUG = re.compile(r"[a-z0-9-]{2,40}", re.ASCII)


def site() -> DataDirectory:
    """Return the site's data directory."""
    return DataDirectory(Path(settings.SLIPWAY_DATA))


def origin() -> str:
    """Return the origin of the evidence log, which is also its key's name."""
    return str(settings.SLIPWAY_LOG_ORIGIN)


def log_signer() -> Signer:
    """Return the signer of log heads, made on first use."""
    return _load(site().keys / "log.key", origin())


def desk_signer() -> Signer:
    """Return the desk's own signer: its records, and its signature on reports."""
    return create_party_signer("desk")


def party_signer(slug: str) -> Signer | None:
    """Return a party's signer, or ``None`` when the site holds no key for it.

    The desk and the gateway get their key when it is first asked for; an
    organisation's is made when the organisation is added.
    """
    if not _SLUG.fullmatch(slug):
        return None
    if slug in SITE_PARTIES or _party_path(slug).exists():
        return create_party_signer(slug)
    return None


def create_party_signer(slug: str) -> Signer:
    """Return a party's signer, making its key when there is none."""
    if not _SLUG.fullmatch(slug):
        raise ValueError(f"{slug!r} is not a party")
    return _load(_party_path(slug), f"{origin()}/{slug}")


def _party_path(slug: str) -> Path:
    return site().keys / f"party-{slug}.key"


@lru_cache(maxsize=512)
def _load(path: Path, name: str) -> Signer:
    if not path.exists():
        site().create()
    return Signer.load_or_create(path, name)

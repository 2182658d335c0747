"""API keys: ``slw_`` + 190 bits in base62 + a CRC32, stored only as a peppered HMAC.

A key is 42 characters: the prefix, 32 random base62 characters (190.5 bits)
and 6 base62 characters of CRC32 over everything before them. The checksum is
no secret: it lets a mistyped or invented key be refused without a look-up, and
lets secret scanners be sure of what they found.

The store holds ``HMAC-SHA256(pepper, key)``. A slow hash would protect nothing
here (190 bits cannot be guessed) and costs 183 ms instead of 1.6 microseconds.
"""

from __future__ import annotations

import re
import secrets
import time
import zlib
from pathlib import Path

from slipway.base.datadir import write_secret
from slipway.base.errors import InvalidInput, Problem
from slipway.gateway.entropy import hmac_sha256

PREFIX = "slw_"
PEPPER_BYTES = 32

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_CHARS = 32
_SUM_CHARS = 6
_SHAPE = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM_CHARS + _SUM_CHARS}}}", re.ASCII)


def _base62(value: int, width: int) -> str:
    """Return ``value`` in base62, most significant first, padded to ``width``."""
    out = []
    for _ in range(width):
        value, digit = divmod(value, 62)
        out.append(_ALPHABET[digit])
    return "".join(reversed(out))


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode("ascii")), _SUM_CHARS)


def new_key() -> str:
    """Return a fresh key from the operating system's random source; show it once, never store it."""
    text = PREFIX + _base62(secrets.randbelow(62**_RANDOM_CHARS), _RANDOM_CHARS)
    return text + _checksum(text)


def well_formed(key: str) -> bool:
    """Say whether ``key`` has the right shape and checksum (not whether it exists)."""
    return _SHAPE.fullmatch(key) is not None and key[-_SUM_CHARS:] == _checksum(key[:-_SUM_CHARS])


def digest(key: str, pepper: bytes) -> str:
    """Return the hex HMAC-SHA256 under which a key is stored and looked up."""
    return hmac_sha256(pepper, key.encode("utf-8")).hex()


def hint(key: str) -> str:
    """Return the last four characters, which people use to tell keys apart."""
    return key[-4:]


def load_or_create_pepper(path: Path) -> bytes:
    """Return the 32 bytes of ``path``, making the file (mode 0600) when it is missing.

    Desk and gateway may start at the same moment; exactly one of them makes the
    file and both read the same bytes. Raises :class:`InvalidInput` when the file
    is not 32 bytes long.
    """
    for _ in range(100):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            try:
                write_secret(path, secrets.token_bytes(PEPPER_BYTES))
            except (FileExistsError, FileNotFoundError):
                # Another process is between its create and its link: let it finish, then read its file.
                if not path.parent.is_dir():
                    raise
                time.sleep(0.01)
            continue
        if len(data) != PEPPER_BYTES:
            raise InvalidInput(
                [Problem(str(path), f"the pepper is {len(data)} bytes long", "restore the 32-byte file")],
                what="key pepper",
            )
        return data
    raise InvalidInput(
        [
            Problem(
                str(path), "the pepper could not be made", f"remove {path.name}.new beside it and start again"
            )
        ],
        what="key pepper",
    )

"""API tokens as text: ``slt_`` + 32 characters of base62 (190 bits) + 6 of CRC-32.

The check characters let a caller and a secret scanner tell a mistyped token
from an unknown one without asking the database.
"""

from __future__ import annotations

import hashlib
import secrets
import zlib
from typing import Final

PREFIX: Final = "slt_"
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BODY: Final = 32
_CHECK: Final = 6


def _base62(value: int, width: int) -> str:
    out = []
    for _ in range(width):
        value, digit = divmod(value, 62)
        out.append(_ALPHABET[digit])
    return "".join(reversed(out))


def _check(body: str) -> str:
    return _base62(zlib.crc32((PREFIX + body).encode("ascii")), _CHECK)


def new_token() -> str:
    """Return a new token; 62**32 is above 2**190, so all 190 random bits fit."""
    body = _base62(secrets.randbits(190), _BODY)
    return PREFIX + body + _check(body)


def well_formed(token: str) -> bool:
    """Return whether ``token`` has the prefix, length, alphabet and check characters of one of ours."""
    if not token.startswith(PREFIX) or len(token) != len(PREFIX) + _BODY + _CHECK:
        return False
    body, check = token[len(PREFIX) : -_CHECK], token[-_CHECK:]
    return set(body) <= set(_ALPHABET) and check == _check(body)


def digest_of(token: str) -> str:
    """Return the SHA-256 hex digest by which a token is found."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()

"""Identifiers: UUIDv7 (RFC 9562 section 5.7) inside, short numbers for people."""

from __future__ import annotations

import secrets
import time
import uuid


def uuid7(now_ms: int | None = None) -> str:
    """Return a UUIDv7 as its 36-character lower-case string.

    ``now_ms`` is epoch milliseconds, the machine's clock when omitted. The 74
    other bits come from the operating system's random source.
    """
    ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    if not 0 <= ms < 1 << 48:
        raise ValueError("now_ms does not fit 48 bits")
    rand = secrets.randbits(74)
    value = ms << 80 | 0x7 << 76 | (rand >> 62) << 64 | 0b10 << 62 | (rand & ((1 << 62) - 1))
    return str(uuid.UUID(int=value))


def nonce() -> bytes:
    """Return 16 random bytes."""
    return secrets.token_bytes(16)


def short(kind: str, number: int) -> str:
    """Return what people see, for example ``R-12``."""
    return f"{kind}-{number}"

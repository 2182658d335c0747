"""Random bytes and identifiers in bulk, and a small HMAC that keeps the interpreter lock.

One ``getrandom`` or ``HMAC()`` call costs a microsecond, but both give up the
interpreter lock; with the ledger's thread waiting for it, each was measured at
15 to 25 microseconds of the event loop's time, six times an exchange.
"""

from __future__ import annotations

import hashlib
import os
import threading

_POOL_BYTES = 4096
_IPAD = bytes(byte ^ 0x36 for byte in range(256))
_OPAD = bytes(byte ^ 0x5C for byte in range(256))
_BLOCK = 64


class Pool:
    """Bytes of the operating system's random source, fetched 4 KiB at a time; each is given out once.

    Safe for several threads; not across ``fork``, which the gateway never does.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes = b""
        self._at = 0

    def take(self, count: int) -> bytes:
        """Return ``count`` (at most 4096) fresh random bytes."""
        with self._lock:
            if self._at + count > len(self._bytes):
                self._bytes = os.urandom(_POOL_BYTES)
                self._at = 0
            start = self._at
            self._at = start + count
            return self._bytes[start : self._at]


POOL = Pool()


def uuid7(now_ms: int) -> str:
    """Return a UUIDv7 like :func:`slipway.base.ids.uuid7`, from the pool."""
    head, tail = now_ms.to_bytes(6, "big").hex(), POOL.take(10)
    rest = bytes((0x70 | tail[0] & 0x0F, tail[1], 0x80 | tail[2] & 0x3F)).hex() + tail[3:].hex()
    return f"{head[:8]}-{head[8:]}-{rest[:4]}-{rest[4:8]}-{rest[8:]}"


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """Return HMAC-SHA256 (RFC 2104) for keys of at most 64 bytes."""
    if len(key) > _BLOCK:
        key = hashlib.sha256(key).digest()
    key = key.ljust(_BLOCK, b"\0")
    inner = hashlib.sha256(key.translate(_IPAD) + message).digest()
    return hashlib.sha256(key.translate(_OPAD) + inner).digest()

"""Strict base64 and hexadecimal: one text for one value, everything else refused."""

from __future__ import annotations

import base64
import binascii
import re

from slipway.evidence.reasons import EvidenceError, Reason

_HASH_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


def b64(data: bytes) -> str:
    """Return standard base64 with padding (RFC 4648 section 4)."""
    return base64.b64encode(data).decode("ascii")


def unb64(text: str, what: str = "base64") -> bytes:
    """Decode standard base64; loose forms (spaces, missing padding, stray bits) are refused."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        raise EvidenceError(Reason.BASE64, f"{what} is not standard base64") from None
    # b64decode ignores non-zero bits after the last byte, so two texts could mean one value.
    if base64.b64encode(data).decode("ascii") != text:
        raise EvidenceError(Reason.BASE64, f"{what} is not the one base64 form of its bytes")
    return data


def is_hash_hex(text: object) -> bool:
    """Whether ``text`` is a SHA-256 digest as 64 lower-case hexadecimal characters."""
    return isinstance(text, str) and _HASH_HEX.fullmatch(text) is not None


def decimal(text: str, reason: Reason, what: str) -> int:
    """Read an ASCII decimal without leading zeros and below 2^63; Unicode digits are refused."""
    if not _DECIMAL.fullmatch(text) or int(text) >= 1 << 63:
        raise EvidenceError(reason, f"{what} {text[:30]!r} is not an ASCII decimal without leading zeros")
    return int(text)

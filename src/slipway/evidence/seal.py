"""Salted commitments and their disclosure, in the shape of SD-JWT disclosures.

A record never carries a plain digest of confidential content (an unsalted
digest of a verdict was guessed in 11 µs). It carries, under ``sealed``,
SHA-256 over canonical ``[salt, name, value]``; whoever holds the record's salt
can disclose single fields, and a disclosure opens in its own record only.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from slipway.evidence import canon
from slipway.evidence.canon import JSON
from slipway.evidence.encoding import b64
from slipway.evidence.reasons import EvidenceError, Reason


def field_salt(record_salt: bytes, name: str) -> bytes:
    """Return the 32-byte salt of one field: HMAC-SHA256(record salt, name)."""
    return hmac.digest(record_salt, name.encode(), "sha256")


def commitment(salt: bytes, name: str, value: JSON) -> str:
    """Return the commitment to one field, 64 hexadecimal characters."""
    return hashlib.sha256(canon.dumps([b64(salt), name, value])).hexdigest()


def commitments(record_salt: bytes, fields: Mapping[str, JSON]) -> list[str]:
    """Return the sorted commitments of several fields, ready for ``sealed``."""
    return sorted(commitment(field_salt(record_salt, name), name, value) for name, value in fields.items())


def disclosure(record_id: str, record_salt: bytes, fields: Mapping[str, JSON]) -> bytes:
    """Return a disclosure file that opens these fields of one record."""
    opened = [[b64(field_salt(record_salt, name)), name, value] for name, value in sorted(fields.items())]
    return canon.dumps({"record": record_id, "fields": opened})


def open_disclosure(data: bytes, sealed_by_record: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the fields that a disclosure file opens; refuse one that its record does not commit to."""
    value = canon.loads_canonical(data)
    if not isinstance(value, dict) or value.keys() != {"record", "fields"}:
        raise EvidenceError(Reason.DISCLOSURE_SYNTAX, "a disclosure has exactly record and fields")
    sealed = sealed_by_record.get(value["record"]) if isinstance(value["record"], str) else None
    if sealed is None:
        raise EvidenceError(Reason.DISCLOSURE_RECORD, "the disclosed record is not in this chain")
    opened: dict[str, Any] = {}
    for field in value["fields"] if isinstance(value["fields"], list) else [None]:
        if not (isinstance(field, list) and len(field) == 3 and all(isinstance(x, str) for x in field[:2])):
            raise EvidenceError(Reason.DISCLOSURE_SYNTAX, "a disclosed field is [salt, name, value]")
        if hashlib.sha256(canon.encode(field)).hexdigest() not in sealed:
            raise EvidenceError(Reason.DISCLOSURE_RECORD, f"{field[1]!r} is not committed to by this record")
        opened[field[1]] = field[2]
    return opened

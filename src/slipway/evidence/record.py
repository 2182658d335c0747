"""Records: what an act leaves in the log, as canonical JSON with a chain per review.

A *draft* is written by the acting application, in the same transaction as the
act. The sequencer completes it with ``log``, ``n`` and ``prev`` (its place in
the review's chain) and the acting party's signature, and appends it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slipway.base.clock import format_instant
from slipway.base.errors import InvalidInput, Problem, ProblemList
from slipway.base.ids import nonce as random_nonce
from slipway.base.ids import uuid7
from slipway.evidence import canon
from slipway.evidence.canon import JSON
from slipway.evidence.encoding import b64, is_hash_hex, unb64
from slipway.evidence.keys import Signer
from slipway.evidence.reasons import EvidenceError, Reason

MAX_RECORD = 64 * 1024 - 1  # tlog-tiles counts with a u16
ROOM_FOR_SEAL = 1024  # log, n, prev and one signature must still fit
VERSION = 1

DRAFT_FIELDS = frozenset(
    {"v", "id", "nonce", "type", "review", "at", "party", "body", "sealed", "blobs", "kek"}
)
FIELDS = DRAFT_FIELDS | {"log", "n", "prev", "sigs"}

_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII)
_TYPE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", re.ASCII)
_AT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Draft:
    """A record that waits for its place in the log; ``data`` is its canonical JSON."""

    id: str
    review: str | None
    type: str
    at: str
    party: str
    data: bytes


def draft(
    *,
    type: str,
    review: str | None,
    party: str,
    body: Mapping[str, JSON],
    at: datetime,
    id: str | None = None,
    sealed: Sequence[str] = (),
    blobs: Sequence[Mapping[str, JSON]] = (),
    kek: str | None = None,
) -> Draft:
    """Make a draft and check all of it; raise :class:`InvalidInput` with every problem found.

    ``type`` is dotted lower case (``review.offered``), ``party`` an organisation
    slug, ``gateway`` or ``desk``, ``body`` public metadata, ``sealed`` salted
    commitments (SHA-256, lower-case hexadecimal, sorted), ``blobs`` references
    to sealed content, ``kek`` the id of the key that wraps their keys.
    """
    record: dict[str, Any] = {
        "v": VERSION,
        "id": uuid7() if id is None else id,
        "nonce": b64(random_nonce()),
        "type": type,
        "review": review,
        "at": format_instant(at),
        "party": party,
        "body": body,
        "sealed": list(sealed),
        "blobs": list(blobs),
        "kek": kek,
    }
    problems = ProblemList("record")
    problems.extend(_problems(record))
    data = b""
    try:
        data = canon.dumps(record)
    except EvidenceError as error:
        problems.add("body", error.message, "use objects, arrays, strings, integers, true, false and null")
    if len(data) > MAX_RECORD - ROOM_FOR_SEAL:
        problems.add(
            "body",
            f"the record has {len(data)} bytes",
            f"keep it below {MAX_RECORD - ROOM_FOR_SEAL}; put content into a sealed blob",
        )
    problems.raise_if_any()
    return Draft(record["id"], review, type, record["at"], party, data)


def _problems(record: Mapping[str, Any]) -> list[Problem]:
    """Every rule of the draft's fields, each with what would be right."""
    rules: tuple[tuple[str, bool, str], ...] = (
        ("v", record["v"] == VERSION and record["v"] is not True, "write 1"),
        ("id", _matches(_UUID7, record["id"]), "use slipway.base.ids.uuid7()"),
        ("nonce", _is_nonce(record["nonce"]), "use 16 random bytes as base64"),
        ("type", _matches(_TYPE, record["type"]), "write it dotted and lower case, like review.offered"),
        (
            "review",
            record["review"] is None or _matches(_NAME, record["review"]),
            "write a review's id or null",
        ),
        ("at", _matches(_AT, record["at"]), "write it like 2026-06-20T14:02:00.000Z"),
        ("party", _matches(_NAME, record["party"]), "write an organisation's slug, gateway or desk"),
        ("body", isinstance(record["body"], Mapping), "write an object"),
        ("sealed", _is_sealed(record["sealed"]), "list SHA-256 digests in hexadecimal, sorted, each once"),
        ("blobs", _are_blobs(record["blobs"]), "list objects with role, ct_sha256, size_bucket and commit"),
        ("kek", record["kek"] is None or _matches(_NAME, record["kek"]), "write a key id or null"),
    )
    return [
        Problem(name, f"{str(record[name])[:60]!r} is not accepted", fix) for name, ok, fix in rules if not ok
    ]


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_nonce(value: object) -> bool:
    try:
        return isinstance(value, str) and len(unb64(value)) == 16
    except EvidenceError:
        return False


def _is_sealed(value: object) -> bool:
    return (
        isinstance(value, list) and all(is_hash_hex(item) for item in value) and value == sorted(set(value))
    )


def _are_blobs(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(blob, Mapping)
        and blob.keys() == {"role", "ct_sha256", "size_bucket", "commit"}
        and _matches(_NAME, blob["role"])
        and is_hash_hex(blob["ct_sha256"])
        and type(blob["size_bucket"]) is int
        and blob["size_bucket"] >= 0
        and is_hash_hex(blob["commit"])
        for blob in value
    )


def read_draft(data: bytes) -> dict[str, Any]:
    """Read a draft's bytes back; raise :class:`EvidenceError` when it is not one."""
    record = canon.loads_canonical(data)
    if not isinstance(record, dict) or record.keys() != DRAFT_FIELDS:
        raise EvidenceError(Reason.RECORD_SCHEMA, "the draft does not have exactly the fields of a draft")
    problems = _problems(record)
    if problems:
        raise EvidenceError(Reason.RECORD_SCHEMA, str(InvalidInput(problems, what="draft")))
    return record


def complete(
    fields: Mapping[str, Any], *, log: str, n: int | None, prev: str | None, signer: Signer | None
) -> bytes:
    """Return the final record's bytes: the draft with its place in the chain and the party's signature.

    The signature is over the canonical record with ``sigs`` empty.
    """
    record: dict[str, Any] = {**fields, "log": log, "n": n, "prev": prev, "sigs": []}
    unsigned = canon.encode(record)
    if signer is not None:
        record["sigs"] = [{"key": signer.vkey, "sig": b64(signer.sign(unsigned))}]
        unsigned = canon.encode(record)
    if len(unsigned) > MAX_RECORD:
        raise EvidenceError(Reason.RECORD_SIZE, f"the record has {len(unsigned)} bytes, over {MAX_RECORD}")
    return unsigned


def read(entry: bytes) -> dict[str, Any]:
    """Read a final record strictly; raise :class:`EvidenceError` with a named reason."""
    if len(entry) > MAX_RECORD:
        raise EvidenceError(Reason.RECORD_SIZE, f"the record has {len(entry)} bytes, over {MAX_RECORD}")
    record = canon.loads_canonical(entry)
    if not isinstance(record, dict) or record.keys() != FIELDS:
        raise EvidenceError(Reason.RECORD_SCHEMA, "the record does not have exactly the fields of a record")
    problems = _problems(record)
    chain_ok = (
        (record["n"] is None and record["prev"] is None)
        if record["review"] is None
        else type(record["n"]) is int
        and record["n"] >= 0
        and (record["prev"] is None if record["n"] == 0 else is_hash_hex(record["prev"]))
    )
    if not chain_ok:
        problems.append(Problem("n", "n and prev do not fit together", "n counts from 0, prev is null at 0"))
    if not isinstance(record["log"], str) or not record["log"]:
        problems.append(Problem("log", "no log origin", "name the log"))
    sigs = record["sigs"]
    if not isinstance(sigs, list) or not all(
        isinstance(item, dict)
        and item.keys() == {"key", "sig"}
        and all(isinstance(part, str) for part in item.values())
        for item in sigs
    ):
        problems.append(
            Problem("sigs", "not a list of {key, sig}", "write the vkey and the base64 signature")
        )
    if problems:
        raise EvidenceError(Reason.RECORD_SCHEMA, str(InvalidInput(problems, what="record")))
    return record


def signed_bytes(record: Mapping[str, Any]) -> bytes:
    """Return what a party signs: the canonical record with ``sigs`` empty."""
    return canon.encode({**record, "sigs": []})

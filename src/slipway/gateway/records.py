"""The gateway's two records and its salted commitments.

The salt of an exchange is derived from the caller's API key:
``HMAC-SHA256(key, "slipway exchange salt v1:" + exchange id)``, and per field
``HMAC-SHA256(salt, field name)``. So the reviewer, who holds the key and the
text, can open a commitment for whom they choose; the operator, who stores only
a peppered digest of the key, can neither open nor guess it.
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from json.encoder import encode_basestring

from slipway.base.clock import format_instant, from_ms
from slipway.evidence.record import VERSION, Draft
from slipway.gateway.entropy import POOL, hmac_sha256, uuid7
from slipway.gateway.exchange import Closed, Opened

_quote = lru_cache(maxsize=1024)(encode_basestring)

PARTY = "gateway"
OPENED = "exchange.opened"
CLOSED = "exchange.closed"
INTERRUPTED = "gateway_interrupted"

_SALT = b"slipway exchange salt v1:"


def exchange_salt(key: str, exchange_id: str) -> bytes:
    """Return the 32-byte salt of one exchange."""
    return hmac_sha256(key.encode("utf-8"), _SALT + exchange_id.encode("ascii"))


def commitment(salt: bytes, name: str, content_sha256: str) -> str:
    """Return the commitment (64 hex digits) to one field of an exchange.

    SHA-256 over canonical ``[salt, name, value]`` (the SD-JWT disclosure shape),
    where the salt is the field's own in base64 and the value is the hex SHA-256
    of the exact bytes.
    """
    field = base64.b64encode(hmac_sha256(salt, name.encode("ascii"))).decode("ascii")
    return hashlib.sha256(f'["{field}","{name}","{content_sha256}"]'.encode("ascii")).hexdigest()


def opened(entry: Opened) -> Draft:
    """Return the draft of ``exchange.opened``; its record id is the exchange's id."""
    grant = entry.access.grant
    body = (
        f'{{"grant":{_quote(grant.id)},"key_hint":{_quote(entry.access.key.hint)},"model":{_quote(entry.model)},'
        f'"request_commit":{_text(entry.request_commit)},"route":{_quote(entry.route)},'
        f'"stream":{"true" if entry.stream else "false"}}}'
    )
    return _draft(OPENED, grant.review_id, entry.id, entry.at_ms, body)


def closed(entry: Closed) -> Draft:
    """Return the draft of ``exchange.closed``, which names the exchange that it closes."""
    return _closed(
        entry.access.grant.review_id,
        entry.at_ms,
        exchange=entry.id,
        status=entry.status,
        outcome=entry.outcome,
        tokens=(entry.tokens_in, entry.tokens_out, entry.charged),
        chunks=entry.chunks,
        response_commit=entry.response_commit,
    )


def interrupted(exchange: str, review: str, at_ms: int, charged: int) -> Draft:
    """Return the close record that a restarted gateway writes for an exchange it finds open."""
    return _closed(
        review,
        at_ms,
        exchange=exchange,
        status=0,
        outcome=INTERRUPTED,
        tokens=(None, None, charged),
        chunks=0,
        response_commit=None,
    )


def _closed(
    review: str,
    at_ms: int,
    *,
    exchange: str,
    status: int,
    outcome: str,
    tokens: tuple[int | None, int | None, int],
    chunks: int,
    response_commit: str | None,
) -> Draft:
    tokens_in, tokens_out, charged = tokens
    body = (
        f'{{"charged":{charged},"chunks":{chunks},"exchange":{_quote(exchange)},"outcome":{_quote(outcome)},'
        f'"response_commit":{_text(response_commit)},"status":{status},'
        f'"tokens_in":{_number(tokens_in)},"tokens_out":{_number(tokens_out)}}}'
    )
    return _draft(CLOSED, review, uuid7(at_ms), at_ms, body)


def _draft(type: str, review: str, id: str, at_ms: int, body: str) -> Draft:
    """Return a draft whose canonical JSON is written directly.

    ``slipway.evidence.record.draft`` checks and serialises any body and costs more
    than the rest of an exchange's bookkeeping; both bodies here are of a fixed
    shape, and a test holds these bytes equal to that function's.
    """
    at = _instant(at_ms)
    nonce = base64.b64encode(POOL.take(16)).decode("ascii")
    data = (
        f'{{"at":"{at}","blobs":[],"body":{body},"id":{_quote(id)},"kek":null,"nonce":"{nonce}",'
        f'"party":"{PARTY}","review":{_quote(review)},"sealed":[],"type":"{type}","v":{VERSION}}}'
    )
    return Draft(id, review, type, at, PARTY, data.encode("utf-8"))


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return format_instant(from_ms(seconds * 1000))[:20]


def _instant(at_ms: int) -> str:
    return f"{_second(at_ms // 1000)}{at_ms % 1000:03d}Z"


def _text(value: str | None) -> str:
    return "null" if value is None else _quote(value)


def _number(value: int | None) -> str:
    return "null" if value is None else str(value)

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from slipway.base.clock import from_ms
from slipway.base.ids import uuid7
from slipway.evidence import canon, record
from slipway.gateway import records
from slipway.gateway.exchange import Closed, Opened
from tests.gateway.test_exchange import snapshot

ACCESS = snapshot().find("digest")
assert ACCESS is not None
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
COUNT = st.none() | st.integers(0, 2**50)


@given(TEXT, TEXT, st.booleans(), st.integers(0, 4_000_000_000_000), st.none() | st.just("a" * 64))
def test_opened_is_what_the_evidence_room_would_write(
    model: str, hint: str, stream: bool, at_ms: int, commit: str | None
) -> None:
    access = replace(ACCESS, key=replace(ACCESS.key, hint=hint))
    made = records.opened(Opened(uuid7(), access, "/v1/x", model, stream, at_ms, 10, commit))
    value = record.read_draft(made.data)
    assert (value["type"], value["review"], value["party"]) == ("exchange.opened", "r", "gateway")
    assert value["body"] == {
        "grant": "g",
        "key_hint": hint,
        "route": "/v1/x",
        "model": model,
        "stream": stream,
        "request_commit": commit,
    }
    _same_as_room(made, at_ms)


@given(COUNT, COUNT, st.integers(0, 2**40), st.integers(0, 2**40), TEXT, st.integers(0, 4_000_000_000_000))
def test_closed_is_what_the_evidence_room_would_write(
    tokens_in: int | None, tokens_out: int | None, charged: int, chunks: int, outcome: str, at_ms: int
) -> None:
    entry = Closed(uuid7(), ACCESS, at_ms, 200, outcome, tokens_in, tokens_out, charged, chunks, "b" * 64)
    made = records.closed(entry)
    value = record.read_draft(made.data)
    assert value["body"]["exchange"] == entry.id != value["id"]
    assert value["body"]["tokens_in"] == tokens_in
    _same_as_room(made, at_ms)


def _same_as_room(made: record.Draft, at_ms: int) -> None:
    """The bytes written directly equal those of the evidence room for the same content."""
    value = json.loads(made.data)
    room = record.draft(
        type=made.type,
        review=made.review,
        party=made.party,
        body=value["body"],
        at=from_ms(at_ms),
        id=made.id,
    )
    other = json.loads(room.data)
    assert len(base64.b64decode(value["nonce"])) == 16
    assert canon.dumps({**other, "nonce": value["nonce"]}) == made.data
    assert (room.id, room.review, room.type, room.at, room.party) == (
        made.id,
        made.review,
        made.type,
        made.at,
        made.party,
    )


def test_commitment_opens_with_key_and_bytes_as_documented() -> None:
    key, exchange, body = "slw_x", uuid7(), b"the exact bytes"
    salt = hmac.digest(key.encode(), b"slipway exchange salt v1:" + exchange.encode(), "sha256")
    field = base64.b64encode(hmac.digest(salt, b"request", "sha256")).decode()
    disclosure = canon.dumps([field, "request", hashlib.sha256(body).hexdigest()])
    made = records.commitment(
        records.exchange_salt(key, exchange), "request", hashlib.sha256(body).hexdigest()
    )
    assert made == hashlib.sha256(disclosure).hexdigest()


def test_same_text_in_two_exchanges_gives_unlike_commitments() -> None:
    content = hashlib.sha256(b"yes").hexdigest()
    made = {records.commitment(records.exchange_salt("k", uuid7()), "request", content) for _ in range(10)}
    assert len(made) == 10

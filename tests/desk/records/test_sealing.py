"""From a recorded act to a receipt that a stranger verifies."""

from __future__ import annotations

import base64
import json
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from slipway.base.errors import NotFound, Unavailable
from slipway.base.ids import uuid7
from slipway.desk.accounts.viewer import OPERATOR, STRANGER
from slipway.desk.records import queries, service
from slipway.desk.records.actions import record
from slipway.desk.records.models import PendingRecord
from slipway.desk.records.site_keys import log_signer, party_signer, site
from slipway.evidence.pending import PENDING_DDL, insert
from slipway.evidence.record import draft, signed_bytes
from slipway.evidence.verify import verify_file

REVIEW = uuid7()


def gateway_record(review: str | None = REVIEW, type: str = "exchange.opened") -> str:
    """Write one record into the gateway's own ledger, as the gateway does."""
    made = draft(type=type, review=review, party="gateway", body={"grant": "G-1"}, at=datetime.now(UTC))
    with closing(sqlite3.connect(site().gateway_db)) as db, db:
        db.executescript(PENDING_DDL)
        insert(db, made)
    return made.id


@pytest.fixture
def seen_by_parties(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge by the records alone, without a review in the reviews app."""
    monkeypatch.setattr(queries, "_gate", queries._chain_names_party)


@pytest.mark.django_db
def test_before_the_first_entry_the_log_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        queries.checkpoint()


def test_records_of_desk_and_gateway_make_one_chain(ada: Any, ben: Any, seen_by_parties: None) -> None:
    first = record(acting=ada, type="review.offered", review=REVIEW, body={})
    service.seal_now()
    second = gateway_record()
    service.seal_now()
    third = record(acting=ben, type="review.agreed", review=REVIEW, body={})
    service.seal_now()
    entries = queries.timeline(ada, REVIEW, exchanges=True)
    assert [(e.record, e.n, e.sealed) for e in entries] == [
        (first, 0, True),
        (second, 1, True),
        (third, 2, True),
    ]
    chain = [json.loads(body) for _, body in queries.log_reader().review_entries(REVIEW)]
    assert [c["n"] for c in chain] == [0, 1, 2]
    assert [c["prev"] for c in chain[1:]] == [entries[0].leaf_hash, entries[1].leaf_hash]
    for entry, party in zip(chain, ("aurora-lab", "gateway", "cyber-agency"), strict=True):
        signer = party_signer(party)
        assert signer is not None
        assert entry["sigs"][0]["key"] == signer.vkey
        assert signer.verifier.verify(signed_bytes(entry), base64.b64decode(entry["sigs"][0]["sig"]))


def test_timeline_leaves_exchanges_out_and_shows_what_waits(ada: Any, seen_by_parties: None) -> None:
    record(acting=ada, type="review.offered", review=REVIEW, body={})
    gateway_record()
    service.seal_now()
    record(acting=ada, type="window.opened", review=REVIEW, body={})
    entries = queries.timeline(ada, REVIEW)
    assert [(e.type, e.sealed) for e in entries] == [("review.offered", True), ("window.opened", False)]
    assert [e.type for e in queries.timeline(ada, REVIEW, limit=1)] == ["window.opened"]


def test_timeline_is_hidden_from_strangers(ada: Any, mallory: Any, seen_by_parties: None) -> None:
    key = record(acting=ada, type="review.offered", review=REVIEW, body={})
    for viewer in (mallory, STRANGER):
        with pytest.raises(NotFound):
            queries.timeline(viewer, REVIEW)
        with pytest.raises(NotFound):
            queries.find(viewer, key)
    own = record(acting=ada, type="a.b", review=None, body={})
    assert queries.find(ada, own).record == own
    with pytest.raises(NotFound):
        queries.find(mallory, own)


def test_receipt_verifies_offline(ada: Any, caller: Callable[..., Client], tmp_path: Path) -> None:
    with transaction.atomic():
        key = record(acting=ada, type="token.noted", review=None, body={})
    client = caller("ada")
    waiting = client.get(f"/api/v1/records/{key}/receipt")
    assert (waiting.status_code, waiting.json()["state"]) == (202, "pending")
    service.seal_now()
    answer = client.get(f"/api/v1/records/{key}/receipt")
    assert answer.status_code == 200
    receipt = tmp_path / "receipt.json"
    receipt.write_bytes(answer.content)
    verdict = verify_file(receipt, log_signer().vkey)
    assert int(verdict.status) == 0, verdict
    other = json.loads(answer.content)
    other["index"] += 1
    receipt.write_text(json.dumps(other))
    assert int(verify_file(receipt, log_signer().vkey).status) != 0


def test_receipt_page_waits_and_then_downloads(browser: Callable[..., Client], ada: Any) -> None:
    key = record(acting=ada, type="a.b", review=None, body={})
    client = browser("ada")
    assert client.get(f"/records/{key}/receipt.json").status_code == 202
    assert "pending" in client.get(f"/records/{key}/").content.decode()
    service.seal_now()
    answer = client.get(f"/records/{key}/receipt.json")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="receipt-{key}.json"'
    page = client.get(f"/records/{key}/").content.decode()
    assert "Evidence entry" in page
    assert log_signer().vkey in page


def test_log_is_public(people: dict[str, Any], anonymous: Client) -> None:
    service.seal_now()
    assert anonymous.get("/log/checkpoint").content.decode() == queries.checkpoint()
    assert anonymous.get("/api/v1/log/checkpoint").content == anonymous.get("/log/checkpoint").content
    assert anonymous.get("/log/key").content.decode().strip() == log_signer().vkey
    assert queries.checkpoint().splitlines()[0] == "slipway.local/review"


def test_receipt_on_a_write_names_the_record(ada: Any) -> None:
    key = record(acting=ada, type="a.b", review=None, body={})
    assert queries.written(key)["type"] == "a.b"
    with pytest.raises(NotFound):
        queries.written(uuid7())


def test_a_damaged_draft_blocks_nobody_else(ada: Any) -> None:
    PendingRecord.objects.create(
        record_id=uuid7(), review=None, type="a.b", at="2026-01-01T00:00:00.000Z", party="desk", draft=b"{"
    )
    good = record(acting=ada, type="a.b", review=None, body={})
    service.seal_now()
    assert queries.is_sealed(good)
    assert PendingRecord.objects.filter(leaf_index=None).count() == 1


@pytest.mark.django_db(transaction=True)
def test_service_seals_in_its_own_thread_and_stops() -> None:
    """The thread of the lifespan; it shares nothing with the test but the database and the folder."""
    with transaction.atomic():
        key = record(acting=OPERATOR, type="a.b", review=None, body={})
    worker = service.SequencerService()
    worker.start()
    worker.start()
    try:
        for _ in range(400):
            if queries.is_sealed(key):
                break
            time.sleep(0.05)
        assert queries.is_sealed(key)
        assert [t.name for t in threading.enumerate()].count("sequencer") == 1
        # The lease is held: nobody else seals meanwhile.
        assert service.seal_now() == 0
    finally:
        worker.stop()
    assert not worker.running
    assert worker.failed is None


@pytest.mark.django_db
def test_service_gives_up_on_a_log_that_was_rolled_back(people: dict[str, Any]) -> None:
    """A head journal ahead of the log means entries are gone: sealing must stop, not go on over them."""
    service.seal_now()
    journal = site().head_journal.read_bytes()
    site().log_db.unlink()
    for extra in ("-wal", "-shm"):
        site().log_db.with_name(site().log_db.name + extra).unlink(missing_ok=True)
    assert journal
    worker = service.SequencerService()
    worker.start()
    worker._thread.join(20)  # type: ignore[union-attr]
    assert worker.failed is not None
    assert site().head_journal.read_bytes() == journal

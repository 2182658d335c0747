from __future__ import annotations

from datetime import UTC, datetime

import pytest

from slipway.base.errors import InvalidInput
from slipway.evidence import canon, record
from slipway.evidence.encoding import unb64
from slipway.evidence.keys import Signer
from slipway.evidence.reasons import EvidenceError, Reason

AT = datetime(2026, 6, 20, 14, 2, tzinfo=UTC)
SIGNER = Signer("aurora-lab", b"a" * 32)


def good(**changes):
    values = {
        "type": "review.offered",
        "review": "r1",
        "party": "aurora-lab",
        "body": {"ref": "R-1"},
        "at": AT,
    }
    return record.draft(**{**values, **changes})


def final(n=0, prev=None, signer=SIGNER, **changes):
    return record.complete(
        record.read_draft(good(**changes).data), log="slipway.test/review", n=n, prev=prev, signer=signer
    )


def test_draft_is_canonical_and_carries_what_the_contract_says():
    made = good()
    fields = canon.loads_canonical(made.data)
    assert fields.keys() == record.DRAFT_FIELDS
    assert (made.id, made.review, made.type, made.party) == (
        fields["id"],
        fields["review"],
        fields["type"],
        fields["party"],
    )
    assert made.at == fields["at"] == "2026-06-20T14:02:00.000Z"
    assert len(unb64(fields["nonce"])) == 16
    assert good().data != good().data  # id and nonce differ


def test_final_record_is_signed_by_its_party_over_empty_sigs():
    fields = record.read(final())
    (signature,) = fields["sigs"]
    assert signature["key"] == SIGNER.vkey
    assert SIGNER.verifier.verify(record.signed_bytes(fields), unb64(signature["sig"]))
    assert b'"sigs":[]' in record.signed_bytes(fields)


def test_all_problems_are_named_at_once():
    with pytest.raises(InvalidInput) as caught:
        record.draft(
            type="Offered",
            review="a/b",
            party="",
            body={"score": 0.5},
            at=AT,
            id="1",
            sealed=["x"],
            blobs=[{"role": "log"}],
            kek="*",
        )
    assert {p.field for p in caught.value.problems} == {
        "type", "review", "party", "body", "id", "sealed", "blobs", "kek",
    }  # fmt: skip
    assert all(p.fix for p in caught.value.problems)


def test_size_limit():
    good(body={"text": "x" * 60_000})
    with pytest.raises(InvalidInput, match="sealed blob"):
        good(body={"text": "x" * 65_000})


def test_naive_time_is_refused():
    with pytest.raises(ValueError, match="naive"):
        good(at=datetime(2026, 6, 20))  # noqa: DTZ001


@pytest.mark.parametrize(
    "change",
    [
        {"extra": 1},
        {"n": -1},
        {"n": True},
        {"n": 1},
        {"n": None},
        {"prev": "0" * 64},
        {"prev": "A" * 64, "n": 1},
        {"log": ""},
        {"sigs": [{"key": "a"}]},
        {"sigs": {}},
        {"v": 2},
        {"v": True},
        {"sealed": ["b" * 64, "a" * 64]},
        {"sealed": ["a" * 64, "a" * 64]},
        {"nonce": "AAAA"},
        {"at": "2026-06-20T14:02:00Z"},
        {"at": "2026-06-20 14:02:00.000Z"},
        {"body": []},
        {"blobs": [{"role": "r", "ct_sha256": "0" * 64, "size_bucket": True, "commit": "0" * 64}]},
        {"id": "01970000-0000-4000-8000-000000000001"},
        {"review": None},
    ],
)
def test_changed_records_break_the_schema(change):
    fields = {**record.read(final()), **change}
    with pytest.raises(EvidenceError) as caught:
        record.read(canon.encode(fields))
    assert caught.value.reason is Reason.RECORD_SCHEMA


def test_record_outside_any_review_has_no_chain():
    fields = record.read(final(n=None, review=None))
    assert fields["n"] is None and fields["prev"] is None


def test_other_refusals():
    with pytest.raises(EvidenceError) as caught:
        record.read(b" " + final())
    assert caught.value.reason is Reason.JSON_NOT_CANONICAL
    with pytest.raises(EvidenceError) as caught:
        record.read(b" " * 65536)
    assert caught.value.reason is Reason.RECORD_SIZE
    with pytest.raises(EvidenceError) as caught:
        record.read_draft(final())
    assert caught.value.reason is Reason.RECORD_SCHEMA
    fields = canon.loads(good().data)
    with pytest.raises(EvidenceError) as caught:
        record.read_draft(canon.encode({**fields, "party": "a b"}))
    assert caught.value.reason is Reason.RECORD_SCHEMA
    huge = {**fields, "body": {"text": "x" * 65_300}}
    with pytest.raises(EvidenceError) as caught:
        record.complete(huge, log="l", n=0, prev=None, signer=None)
    assert caught.value.reason is Reason.RECORD_SIZE


def test_blob_references_are_accepted():
    blob = {"role": "transcript", "ct_sha256": "0" * 64, "size_bucket": 4096, "commit": "1" * 64}
    assert record.read(final(blobs=[blob], kek="kek-1"))["blobs"] == [blob]

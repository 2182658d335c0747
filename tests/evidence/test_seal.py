from __future__ import annotations

import pytest

from slipway.evidence import canon, seal
from slipway.evidence.reasons import EvidenceError, Reason

SALT = b"r" * 32
FIELDS = {"verdict": "covered", "score": "0.583", "list": [1, None, {"a": True}]}


def refused(reason, data, sealed):
    with pytest.raises(EvidenceError) as caught:
        seal.open_disclosure(data, sealed)
    assert caught.value.reason is reason


def test_disclosure_opens_in_its_record_only():
    sealed = seal.commitments(SALT, FIELDS)
    assert sealed == sorted(sealed) and len(set(sealed)) == 3
    data = seal.disclosure("r1", SALT, {"verdict": "covered", "list": FIELDS["list"]})
    assert seal.open_disclosure(data, {"r1": sealed}) == {"verdict": "covered", "list": FIELDS["list"]}
    other = seal.commitments(b"q" * 32, FIELDS)
    refused(Reason.DISCLOSURE_RECORD, data, {"r1": other})  # same values, another record's salt
    refused(Reason.DISCLOSURE_RECORD, data, {"r2": sealed})
    lied = seal.disclosure("r1", SALT, {"verdict": "not covered"})
    refused(Reason.DISCLOSURE_RECORD, lied, {"r1": sealed})


def test_equal_values_do_not_show():
    assert seal.commitments(SALT, {"a": 1})[0] != seal.commitments(SALT, {"b": 1})[0]
    assert seal.field_salt(SALT, "a") != seal.field_salt(SALT, "b")


@pytest.mark.parametrize(
    "value",
    [[], {"record": "r1"}, {"record": "r1", "fields": "x"}, {"record": "r1", "fields": [["a", "b"]]},
     {"record": "r1", "fields": [[1, "b", 2]]}],
)  # fmt: skip
def test_malformed(value):
    refused(Reason.DISCLOSURE_SYNTAX, canon.dumps(value), {"r1": []})


def test_record_must_be_text():
    refused(Reason.DISCLOSURE_RECORD, canon.dumps({"record": [], "fields": []}), {})

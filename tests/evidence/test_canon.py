from __future__ import annotations

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from slipway.evidence import canon
from slipway.evidence.reasons import EvidenceError, Reason

TEXT = st.text(st.characters(exclude_categories=("Cs",)))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-canon.MAX_INTEGER, canon.MAX_INTEGER) | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=25,
)


@given(VALUES)
def test_reader_and_writer_agree_with_rfc8785(value):
    data = canon.dumps(value)
    assert data == rfc8785.dumps(value) == canon.encode(value)
    assert canon.loads_canonical(data) == value


@given(VALUES)
def test_pretty_printing_is_read_but_not_canonical(value):
    pretty = json.dumps({"a": value}, indent=1).encode()
    assert canon.loads(pretty) == {"a": value}
    with pytest.raises(EvidenceError) as caught:
        canon.loads_canonical(pretty)
    assert caught.value.reason is Reason.JSON_NOT_CANONICAL


def test_keys_sort_by_utf16_code_units():
    # RFC 8785 3.2.3: U+FB33 sorts after U+1F600, whose first unit is U+D83D.
    assert canon.dumps({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a":1,"a":2}', Reason.JSON_DUPLICATE_KEY),
        (b'{"a":{"b":1,"b":1}}', Reason.JSON_DUPLICATE_KEY),
        (b'{"a":1.0}', Reason.JSON_FLOAT),
        (b"1e3", Reason.JSON_FLOAT),
        (b"NaN", Reason.JSON_FLOAT),
        (b"-Infinity", Reason.JSON_FLOAT),
        (b"9007199254740992", Reason.JSON_INTEGER_RANGE),
        (b"-9007199254740992", Reason.JSON_INTEGER_RANGE),
        (b"9" * 100_000, Reason.JSON_INTEGER_RANGE),
        (rb'"\ud800"', Reason.JSON_SURROGATE),
        (rb'{"\udfff":1}', Reason.JSON_SURROGATE),
        (b'"\xff"', Reason.JSON_ENCODING),
        (b"\xef\xbb\xbf{}", Reason.JSON_SYNTAX),
        (b"{} x", Reason.JSON_SYNTAX),
        (b"", Reason.JSON_SYNTAX),
        (b"[" * 200 + b"]" * 200, Reason.JSON_DEPTH),
        (b"[" * 200_000, Reason.JSON_DEPTH),
    ],
)
def test_refused_with_a_named_reason(data, reason):
    with pytest.raises(EvidenceError) as caught:
        canon.loads(data)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (0.5, Reason.JSON_FLOAT),
        ({"a": [1, 2.0]}, Reason.JSON_FLOAT),
        (2**53, Reason.JSON_INTEGER_RANGE),
        ("\ud800", Reason.JSON_SURROGATE),
        ({1: "a"}, Reason.JSON_TYPE),
        (b"bytes", Reason.JSON_TYPE),
        ({"a": {1, 2}}, Reason.JSON_TYPE),
    ],
)
def test_writer_refuses_what_the_reader_refuses(value, reason):
    with pytest.raises(EvidenceError) as caught:
        canon.dumps(value)
    assert caught.value.reason is reason


def test_largest_integers_pass():
    assert canon.loads_canonical(b"[9007199254740991,-9007199254740991]") == [2**53 - 1, 1 - 2**53]

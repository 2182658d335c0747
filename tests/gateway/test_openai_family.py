from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.gateway.families import openai
from slipway.gateway.refusal import Refusal

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


def call(**fields: object) -> bytes:
    return json.dumps({"model": "aurora", "messages": [], **fields}).encode()


def problem(body: bytes) -> Refusal:
    with pytest.raises(Refusal) as caught:
        openai.parse(body)
    assert caught.value.status == 400
    assert caught.value.retry is False
    return caught.value


@given(st.dictionaries(st.text(min_size=1).filter(lambda k: k not in {"stream", "stream_options"}), JSON))
def test_unknown_parameters_pass_unchanged(extra: dict[str, object]) -> None:
    fields = {**extra, "model": "aurora", "messages": [{"role": "user", "content": "hé"}]}
    sent = json.loads(openai.encode(openai.parse(json.dumps(fields).encode()), "real"))
    assert sent == {**fields, "model": "real"}


def test_a_body_of_very_many_values_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsing holds the interpreter: for so long nobody's stream moves and no kill takes effect."""
    monkeypatch.setattr(openai, "MAX_JSON_MARKS", 50)
    monkeypatch.setattr(openai, "_decode", None)
    for many in (b"[" + b"[]," * 30 + b"[]]", b"[" + b"1," * 60 + b"1]", b"[" + b"{}," * 30 + b"1]"):
        with pytest.raises(Refusal) as caught:
            openai.parse(b'{"model":"aurora","messages":' + many + b"}")
        assert (caught.value.status, caught.value.code) == (413, "body_too_complex")
        with pytest.raises(ValueError, match="too many"):
            openai.read_answer(b'{"choices":' + many + b"}")


def test_duplicate_keys_cannot_be_read_in_two_ways() -> None:
    body = b'{"model":"aurora","messages":[],"temperature":1,"temperature":2,"model":"other"}'
    parsed = openai.parse(body)
    assert parsed.model == "other"  # what is judged is what is sent
    assert openai.encode(parsed, "real") == b'{"model":"real","messages":[],"temperature":2}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff{}",
        b"\xef\xbb\xbf{}",
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b"[" * 200_000,
        b'{"n":' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_not_json_is_named(body: bytes) -> None:
    assert problem(body).code == "invalid_json"


def test_not_an_object() -> None:
    assert "not an object" in problem(b"[]").message


def test_number_out_of_range_is_refused() -> None:
    with pytest.raises(Refusal, match="out of range"):
        openai.encode(openai.parse(b'{"model":"aurora","messages":[],"temperature":1e999}'), "real")


def test_lone_surrogate_survives() -> None:
    parsed = openai.parse(b'{"model":"aurora","messages":["\\ud800"]}')
    assert json.loads(openai.encode(parsed, "real"))["messages"] == ["\ud800"]


def test_all_problems_at_once() -> None:
    said = problem(b'{"model":1,"messages":{},"stream":"yes","stream_options":[]}').message
    assert all(name in said for name in ("model:", "messages:", "stream:", "stream_options:"))


def test_usage_is_asked_for_in_streams_only() -> None:
    plain = openai.encode(openai.parse(call()), "real")
    assert b"stream_options" not in plain
    parsed = openai.parse(call(stream=True, stream_options={"include_obfuscation": False}))
    assert not parsed.wants_usage
    options = json.loads(openai.encode(parsed, "real"))["stream_options"]
    assert options == {"include_obfuscation": False, "include_usage": True}
    assert openai.parse(call(stream=True, stream_options={"include_usage": True})).wants_usage


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        ({}, 1024),
        ({"max_tokens": 5}, 5),
        ({"max_tokens": 5, "max_completion_tokens": 9}, 9),
        ({"max_tokens": 5, "n": 3}, 15),
        ({"max_tokens": "many", "n": 0}, 1024),
        ({"max_tokens": True}, 1024),
        ({"max_tokens": -4}, 1024),
    ],
)
def test_reservation_follows_the_limits_given(fields: dict[str, object], tokens: int) -> None:
    assert openai.parse(call(**fields)).output_tokens == tokens


@pytest.mark.parametrize(
    "usage",
    [
        None,
        3,
        {},
        {"prompt_tokens": "1", "completion_tokens": 1},
        {"prompt_tokens": -1, "completion_tokens": 1},
    ],
)
def test_usage_that_is_none(usage: object) -> None:
    assert openai.read_answer(json.dumps({"choices": [], "usage": usage}).encode()) is None


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"choices":{}}', b"{}", b"\xff", b"[" * 200_000])
def test_answers_that_are_none(body: bytes) -> None:
    with pytest.raises(ValueError):
        openai.read_answer(body)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "invalid_request_error"), (401, "invalid_request_error"), (403, "permission_error"),
     (404, "invalid_request_error"), (429, "rate_limit_error"), (503, "server_error")],
)  # fmt: skip
def test_error_format(status: int, kind: str) -> None:
    refusal = Refusal(status, "some_code", 'a "message"', retry_after=3 if status in (429, 503) else None)
    error = json.loads(openai.error(refusal))["error"]
    assert error == {"message": 'a "message"', "type": kind, "param": None, "code": "some_code"}
    headers = dict(openai.error_headers(refusal))
    assert headers.get(b"retry-after") == (b"3" if status in (429, 503) else None)
    if status in (400, 401, 403, 404):
        assert headers[b"x-should-retry"] == b"false"

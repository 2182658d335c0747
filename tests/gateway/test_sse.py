from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.gateway import sse
from slipway.gateway.families.openai import ChatStream
from tests.gateway.rig import chunk, usage_chunk

EVENTS = st.lists(
    st.lists(
        st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1, max_size=20),
        min_size=1,
    ),
    max_size=6,
)


@given(EVENTS, st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(0, 400), max_size=8))
def test_events_are_the_same_however_the_bytes_are_cut(
    events: list[list[str]], end: str, cuts: list[int]
) -> None:
    data = "".join("".join(f"data: {line}{end}" for line in event) + end for event in events).encode()
    whole = ["\n".join(f"data: {line}" for line in event) + "\n\n" for event in events]
    splitter, out, at = sse.Splitter(), [], 0
    for cut in sorted({min(cut, len(data)) for cut in cuts} | {len(data)}):
        out += splitter.feed(data[at:cut])
        at = cut
    if end == "\r":  # the last CR may be half of a CRLF until something follows
        out += splitter.feed(b"\n")
    assert [event.decode() for event in out] == whole


@given(st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\r\n", b"data: b"]), max_size=30), st.data())
def test_any_mixture_of_line_ends_reads_the_same_in_pieces(parts: list[bytes], draw: st.DataObject) -> None:
    data = b"".join(parts) + b"end"
    cuts = sorted(draw.draw(st.sets(st.integers(0, len(data)), max_size=len(data))) | {0, len(data)})
    whole, pieces = sse.Splitter(), sse.Splitter()
    got = [e for a, b in itertools.pairwise(cuts) for e in pieces.feed(data[a:b])]

    def said(events: list[bytes]) -> list[bytes]:  # blank lines before an event, and alone, mean nothing
        return [e.lstrip(b"\n") for e in events if e.strip(b"\n")]

    assert said(got) == said(whole.feed(data))


def test_what_is_held_back_is_not_read_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cost of an event must not grow with the square of its length."""
    splitter, looked = sse.Splitter(), []
    split = sse.Splitter._split
    monkeypatch.setattr(sse.Splitter, "_split", lambda s, data: looked.append(len(data)) or split(s, data))
    for piece in (b"data: ", *[b"x\r\n:"] * 1000):
        assert splitter.feed(piece) == []
    assert sum(looked) < 100
    assert len(splitter.feed(b"\n\n")) == 1


@given(EVENTS)
def test_payload_and_event_are_inverse(events: list[list[str]]) -> None:
    for lines in events:
        data = "\n".join(lines).encode()
        assert sse.payload(sse.event(data)) == data


def test_half_events_are_held_back() -> None:
    splitter = sse.Splitter()
    assert splitter.feed(b"data: a\n\ndata: ha") == [b"data: a\n\n"]
    assert splitter.pending == len(b"data: ha")
    assert splitter.feed(b"lf\n\n") == [b"data: half\n\n"]


def test_event_without_end_is_refused() -> None:
    splitter = sse.Splitter(limit=100)
    with pytest.raises(sse.EventTooLong):
        for _ in range(20):
            splitter.feed(b"data: 1234567")


def stream(*events: bytes, wants_usage: bool = False) -> tuple[ChatStream, list[bytes]]:
    chat = ChatStream("aurora", wants_usage=wants_usage)
    return chat, [out for event in events if (out := chat.feed(event))]


def test_usage_chunk_is_removed_when_it_was_not_asked_for() -> None:
    chat, out = stream(chunk({"content": "a"}), usage_chunk(), b"data: [DONE]\n\n")
    assert [json.loads(e[6:])["choices"][0]["delta"] for e in out[:-1]] == [{"content": "a"}]
    assert b"usage" not in b"".join(out)
    assert out[-1] == b"data: [DONE]\n\n"
    assert chat.done
    assert chat.chunks == 1
    assert chat.tokens is not None
    assert (chat.tokens.tokens_in, chat.tokens.tokens_out) == (11, 7)


def test_usage_chunk_stays_when_it_was_asked_for() -> None:
    _, out = stream(chunk({"content": "a"}), usage_chunk(), wants_usage=True)
    assert json.loads(out[0][6:])["usage"] is None
    assert json.loads(out[1][6:])["usage"]["total_tokens"] == 18


def test_model_name_is_the_alias_but_text_is_left_alone() -> None:
    said = 'the JSON is {"model": "aurora-7-internal", "usage": null, "error": 1}'
    _, out = stream(chunk({"content": said}))
    value = json.loads(out[0][6:])
    assert value["model"] == "aurora"
    assert value["choices"][0]["delta"]["content"] == said


@pytest.mark.parametrize(
    ("event", "failed"),
    [
        (b"data: {not json}\n\n", "upstream_bad_answer"),
        (b"data: <html>\n\n", "upstream_bad_answer"),
        (b"data: [1]\n\n", "upstream_bad_answer"),
        (b"<html>\n\n", "upstream_bad_answer"),
        (b'data: {"error": {"message": "secret"}}\n\n', "upstream_error"),
        (b'event: error\ndata: {"error": "x"}\n\n', "upstream_error"),
        (b'data: {"usage": }\n\n', "upstream_bad_answer"),
        (b"data: \xff\xfe{}\n\n", "upstream_bad_answer"),
        (b"data: " + b"[" * 100_000 + b"\n\n", "upstream_bad_answer"),
    ],
)
def test_bad_events_fail_the_stream_and_nothing_follows(event: bytes, failed: str) -> None:
    chat, out = stream(event, chunk({"content": "later"}))
    assert chat.failed == failed
    assert out == []


def test_comments_keep_alive_without_their_text() -> None:
    assert stream(b": from host 10.1.2.3\n\n")[1] == [b":\n\n"]


def test_nothing_after_done() -> None:
    assert stream(b"data:[DONE]\n\n", chunk({"content": "x"}))[1] == [b"data: [DONE]\n\n"]


def test_unusual_but_legal_framing_is_normalised() -> None:
    _, out = stream(b'id: 1\nevent: chunk\ndata: {"choices": [{}],\ndata:  "model": "x"}\n\n')
    assert json.loads(out[0][6:]) == {"choices": [{}], "model": "aurora"}
    assert out[0].count(b"\n") == 2

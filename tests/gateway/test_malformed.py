"""Requests that are malformed or can be read in two ways: none is accepted, none reaches the upstream."""

from __future__ import annotations

import json
import socket
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.gateway.protocol import Listener, Malformed, check_block
from tests.gateway.rig import ALIAS, Process, Site, Upstream, until
from tests.gateway.test_refusals import CHAT, call, known

BODY = json.dumps({"model": ALIAS, "messages": [{"role": "user", "content": "SMUGGLED"}]}).encode()
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
POST = b"POST " + CHAT.encode() + b" HTTP/1.1\r\n"
HOST = b"Host: x\r\n"
AUTH = b"Authorization: Bearer KEY\r\n"
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
TE = b"Transfer-Encoding: chunked\r\n"

CORPUS: dict[str, bytes] = {
    "two equal lengths": POST + HOST + AUTH + LENGTH + LENGTH + b"\r\n" + BODY,
    "two unequal lengths": POST + HOST + AUTH + LENGTH + b"Content-Length: 3\r\n\r\n" + BODY,
    "list of lengths": POST + HOST + AUTH + b"Content-Length: %d, %d\r\n\r\n" % (len(BODY), len(BODY)) + BODY,
    "length with sign": POST + HOST + AUTH + b"Content-Length: +%d\r\n\r\n" % len(BODY) + BODY,
    "negative length": POST + HOST + AUTH + b"Content-Length: -1\r\n\r\n" + BODY,
    "hexadecimal length": POST + HOST + AUTH + b"Content-Length: 0x%x\r\n\r\n" % len(BODY) + BODY,
    "huge length": POST + HOST + AUTH + b"Content-Length: 99999999999999999999999\r\n\r\n" + BODY,
    "body over the limit": POST + HOST + AUTH + b"Content-Length: 999999999\r\n\r\n" + BODY,
    "length and chunked": POST + HOST + AUTH + LENGTH + TE + b"\r\n" + CHUNKED,
    "chunked and length": POST + HOST + AUTH + TE + LENGTH + b"\r\n" + CHUNKED,
    "chunked twice": POST + HOST + AUTH + TE + TE + b"\r\n" + CHUNKED,
    "chunked, chunked": POST + HOST + AUTH + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + CHUNKED,
    "gzip, chunked": POST + HOST + AUTH + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKED,
    "identity": POST + HOST + AUTH + b"Transfer-Encoding: identity\r\n" + LENGTH + b"\r\n" + BODY,
    "xchunked": POST + HOST + AUTH + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKED,
    "chunked with vertical tab": POST + HOST + AUTH + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + CHUNKED,
    "space before colon": POST + HOST + AUTH + b"Content-Length : %d\r\n\r\n" % len(BODY) + BODY,
    "tab before colon": POST + HOST + AUTH + b"Transfer-Encoding\t: chunked\r\n\r\n" + CHUNKED,
    "folded header": POST + HOST + AUTH + b"X-A: a\r\n b\r\n" + LENGTH + b"\r\n" + BODY,
    "folded with tab": POST + HOST + AUTH + b"Transfer-Encoding:\r\n\tchunked\r\n\r\n" + CHUNKED,
    "space before first header": POST + b" " + HOST + AUTH + LENGTH + b"\r\n" + BODY,
    "bare LF everywhere": (POST + HOST + AUTH + LENGTH + b"\r\n").replace(b"\r\n", b"\n") + BODY,
    "one bare LF": POST + HOST + b"X-A: a\n" + AUTH + LENGTH + b"\r\n" + BODY,
    "LF before the body": POST + HOST + AUTH + LENGTH + b"\n" + BODY,
    "bare CR": POST + HOST + b"X-A: a\rb\r\n" + AUTH + LENGTH + b"\r\n" + BODY,
    "NUL in a value": POST + HOST + b"X-A: a\0b\r\n" + AUTH + LENGTH + b"\r\n" + BODY,
    "NUL in a name": POST + HOST + b"X\0A: a\r\n" + AUTH + LENGTH + b"\r\n" + BODY,
    "control in a value": POST + HOST + b"X-A: a\x01\r\n" + AUTH + LENGTH + b"\r\n" + BODY,
    "empty name": POST + HOST + b": a\r\n" + AUTH + LENGTH + b"\r\n" + BODY,
    "header without colon": POST + HOST + b"Foo\r\n" + AUTH + LENGTH + b"\r\n" + BODY,
    "leading blank line": b"\r\n" + POST + HOST + AUTH + LENGTH + b"\r\n" + BODY,
    "absolute form": POST.replace(b" /", b" http://x/", 1) + HOST + AUTH + LENGTH + b"\r\n" + BODY,
    "authority form": b"CONNECT x:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    "asterisk form": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "space in target": POST.replace(b"/chat", b" /chat") + HOST + AUTH + LENGTH + b"\r\n" + BODY,
    "two spaces": POST.replace(b"POST ", b"POST  ") + HOST + AUTH + LENGTH + b"\r\n" + BODY,
    "tab for space": POST.replace(b"POST ", b"POST\t") + HOST + AUTH + LENGTH + b"\r\n" + BODY,
    "high byte in target": POST.replace(b"/chat", b"/ch\xe4t") + HOST + AUTH + LENGTH + b"\r\n" + BODY,
    "lower-case method": POST.replace(b"POST", b"post") + HOST + AUTH + LENGTH + b"\r\n" + BODY,
    "unknown method": POST.replace(b"POST", b"FOO") + HOST + AUTH + LENGTH + b"\r\n" + BODY,
    "version 1.2": POST.replace(b"1.1", b"1.2") + HOST + AUTH + LENGTH + b"\r\n" + BODY,
    "version 2.0": POST.replace(b"1.1", b"2.0") + HOST + AUTH + LENGTH + b"\r\n" + BODY,
    "version 0.9": b"GET /v1/models\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n",
    "chunked in 1.0": POST.replace(b"1.1", b"1.0") + HOST + AUTH + TE + b"\r\n" + CHUNKED,
    "no host": POST + AUTH + LENGTH + b"\r\n" + BODY,
    "two hosts": POST + HOST + HOST + AUTH + LENGTH + b"\r\n" + BODY,
    "two unequal hosts": POST + HOST + b"host: y\r\n" + AUTH + LENGTH + b"\r\n" + BODY,
    "empty host": POST + b"Host: \r\n" + AUTH + LENGTH + b"\r\n" + BODY,
    "host with path": POST + b"Host: x/y\r\n" + AUTH + LENGTH + b"\r\n" + BODY,
    "host with user": POST + b"Host: a@x\r\n" + AUTH + LENGTH + b"\r\n" + BODY,
    "two hosts in one": POST + b"Host: x, y\r\n" + AUTH + LENGTH + b"\r\n" + BODY,
    "101 headers": POST + HOST + AUTH + LENGTH + b"X: 1\r\n" * 98 + b"\r\n" + BODY,
    "5,000 headers": POST + HOST + AUTH + LENGTH + b"X: 1\r\n" * 5000 + b"\r\n" + BODY,
    "huge header": POST + HOST + AUTH + LENGTH + b"X: " + b"a" * (2 << 20) + b"\r\n\r\n" + BODY,
    "huge header without end": POST + HOST + b"X: " + b"a" * (2 << 20),
    "huge target": POST.replace(b"/v1", b"/" + b"a" * 40_000) + HOST + AUTH + LENGTH + b"\r\n" + BODY,
    "encoded body": POST + HOST + AUTH + LENGTH + b"Content-Encoding: gzip\r\n\r\n" + BODY,
    "expectation": POST + HOST + AUTH + LENGTH + b"Expect: 200-ok\r\n\r\n" + BODY,
    "chunk size with sign": POST + HOST + AUTH + TE + b"\r\n+" + CHUNKED,
    "chunk size empty": POST + HOST + AUTH + TE + b"\r\n\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size too large": POST + HOST + AUTH + TE + b"\r\n" + b"f" * 17 + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size hex prefix": POST + HOST + AUTH + TE + b"\r\n0x" + CHUNKED,
    "chunk with LF only": POST + HOST + AUTH + TE + b"\r\n" + CHUNKED.replace(b"\r\n", b"\n"),
    "chunk longer than said": POST + HOST + AUTH + TE + b"\r\n5\r\n" + BODY + b"\r\n0\r\n\r\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def key(site: Site, gateway: Process, endpoint: str) -> str:
    return known(gateway, site.key(site.grant(endpoint)))


def talk(gateway: Process, data: bytes, *, half_close: bool = False) -> bytes:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as sock:
        try:
            sock.sendall(data)
            if half_close:
                sock.shutdown(socket.SHUT_WR)
            out = b""
            while more := sock.recv(65536):
                out += more
        except (ConnectionResetError, BrokenPipeError):
            pass
        return out if "out" in locals() else b""


@pytest.mark.parametrize("name", CORPUS)
def test_none_is_accepted(gateway: Process, key: str, upstream: Upstream, name: str) -> None:
    before = len(upstream.requests)
    data = CORPUS[name].replace(b"Bearer KEY", b"Bearer " + key.encode())
    answer = talk(gateway, data, half_close=name == "chunk longer than said")
    assert not answer.startswith(b"HTTP/1.1 2"), answer
    if answer:  # what was too long to read may be reset before its answer is read
        status, _, rest = answer.partition(b"\r\n")
        assert status.split()[1] in (b"400", b"404", b"408", b"413", b"415", b"417", b"431"), answer
        assert b"connection: close" in rest.lower()
        assert answer.count(b"HTTP/1.1 ") == 1
        assert b"error" in rest
    assert len(upstream.requests) == before


def test_the_same_request_well_formed_is_accepted(gateway: Process, key: str, upstream: Upstream) -> None:
    """Without this the corpus could pass because nothing ever does."""
    auth = AUTH.replace(b"KEY", key.encode())
    for data in (
        POST + HOST + auth + LENGTH + b"Connection: close\r\n\r\n" + BODY,
        POST + HOST + auth + TE + b"Connection: close\r\n\r\n" + CHUNKED,
        POST + HOST + auth + LENGTH + b"X: 1\r\n" * 96 + b"Connection: close\r\n\r\n" + BODY,
        POST.replace(b"1.1", b"1.0") + HOST + auth + LENGTH + b"\r\n" + BODY,
        POST + HOST + auth + LENGTH + b"Expect: 100-continue\r\nConnection: close\r\n\r\n" + BODY,
        POST + HOST + auth + LENGTH + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + BODY,
    ):
        before = len(upstream.requests)
        answer = talk(gateway, data)
        assert b"HTTP/1.1 200 OK" in answer, answer
        assert len(upstream.requests) == before + 1


@pytest.mark.parametrize("pause", [1, 40, 200])
def test_pieces_are_the_same_as_the_whole(gateway: Process, key: str, pause: int) -> None:
    auth = AUTH.replace(b"KEY", key.encode())
    data = POST + HOST + auth + LENGTH + b"Connection: close\r\n\r\n" + BODY
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(data), pause):
            sock.sendall(data[at : at + pause])
        out = b""
        while more := sock.recv(65536):
            out += more
    assert out.startswith(b"HTTP/1.1 200 OK")


def test_second_request_in_the_same_bytes_is_not_served(
    gateway: Process, key: str, upstream: Upstream
) -> None:
    auth = AUTH.replace(b"KEY", key.encode())
    one = POST + HOST + auth + LENGTH + b"\r\n" + BODY
    before = len(upstream.requests)
    answer = talk(gateway, one + one)
    assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert len(upstream.requests) == before + 1


def test_keep_alive_serves_one_after_the_other(gateway: Process, key: str) -> None:
    auth = AUTH.replace(b"KEY", key.encode())
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as sock:
        for _ in range(3):
            sock.sendall(POST + HOST + auth + LENGTH + b"\r\n" + BODY)
            out = b""
            while not out.endswith(b"}"):
                out += sock.recv(65536)
            assert out.startswith(b"HTTP/1.1 200 OK")
        # A refused request's body is read and dropped; the connection goes on.
        sock.sendall(POST + HOST + LENGTH + b"\r\n")
        out = b""
        while not out.endswith(b"}"):
            out += sock.recv(65536)
        assert b" 401 " in out
        sock.sendall(BODY)
        time.sleep(0.2)  # what comes in one read with that body would count as pipelined
        sock.sendall(POST + HOST + auth + LENGTH + b"\r\n" + BODY)
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 OK")


def test_gateway_still_serves(gateway: Process, key: str) -> None:
    until(lambda: call(gateway, key)[0] == 200, what="an answer")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_checked_blocks_have_one_reading(data: st.DataObject) -> None:
    """Whatever bytes are put in, an accepted block has one host, one framing and clean lines."""
    piece = st.sampled_from(
        [b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b":", b"Host: x", b"Content-Length: 1",
         b"Transfer-Encoding: chunked",
         b"POST / HTTP/1.1", b"a", b"\x80", b",", b"host:y"]
    )  # fmt: skip
    extra = b"".join(data.draw(st.lists(piece, max_size=8)))
    block = b"POST /v1 HTTP/1.1\r\nHost: x\r\n" + extra + b"\r\n\r\n"
    try:
        check_block(block, Listener())
    except Malformed:
        return
    lines = block[:-4].split(b"\r\n")
    assert not any(c in line for line in lines for c in (b"\r", b"\n", b"\0"))
    names = [line.partition(b":")[0].lower() for line in lines[1:]]
    assert names.count(b"host") == 1
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
    assert all(name == name.strip() and name for name in names)


def test_bodies_under_way_count_against_the_concurrency(gateway: Process, site: Site, endpoint: str) -> None:
    """Otherwise one key holds as many bodies in memory as there may be connections."""
    key = known(gateway, site.key(site.grant(endpoint, concurrency=1)))
    head = POST + HOST + AUTH.replace(b"KEY", key.encode()) + b"Content-Length: 5000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), 10) as first:
        first.sendall(head + b"{")
        until(lambda: call(gateway, key)[0] == 429, what="the body's place to be taken")
        with socket.create_connection(("127.0.0.1", gateway.port), 10) as second:
            second.sendall(head + b"{")
            assert second.recv(4096).startswith(b"HTTP/1.1 429 ")
    # A body that never came gives its place back.
    until(lambda: call(gateway, key)[0] == 200, what="the place to be free")

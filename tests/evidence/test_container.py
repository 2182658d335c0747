from __future__ import annotations

import contextlib
import io
import struct
import warnings
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.evidence import container
from slipway.evidence.reasons import EvidenceError, Reason
from tests.evidence.twin import twin

MEMBERS = {"manifest.json": b"{}", "entries/000000.json": b"{}", "checkpoints/first": b""}


def foreign(*files, mode=0o100644, compression=zipfile.ZIP_STORED):
    """A zip made by another program, as an attacker would."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(buffer, "w", compression) as archive:
            for name, data in files:
                info = zipfile.ZipInfo(name)
                info.external_attr, info.compress_type = mode << 16, compression
                archive.writestr(info, data)
    return buffer.getvalue()


@given(
    st.dictionaries(
        st.from_regex(r"[a-z0-9_-][a-z0-9._-]{0,8}(/[a-z0-9_-][a-z0-9._-]{0,8}){0,3}", fullmatch=True),
        st.binary(max_size=200),
        min_size=1,
        max_size=8,
    )
)
def test_one_form_for_one_content(members):
    data = container.pack(members)
    assert container.unpack(data) == members
    assert twin.pack(members) == data
    assert twin.unpack(data) == members
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == sorted(members)


CASES = {
    "duplicate": (foreign(("a", b"1"), ("a", b"2")), Reason.ZIP_DUPLICATE),
    "link": (foreign(("a", b"/etc/passwd"), mode=0o120777), Reason.ZIP_LINK),
    "absolute": (foreign(("/etc/passwd", b"")), Reason.ZIP_PATH),
    "parent": (foreign(("../a", b"")), Reason.ZIP_PATH),
    "inner_parent": (foreign(("a/../../b", b"")), Reason.ZIP_PATH),
    "dot": (foreign(("./a", b"")), Reason.ZIP_PATH),
    "hidden": (foreign((".a", b"")), Reason.ZIP_PATH),
    "backslash": (foreign(("a\\b", b"")), Reason.ZIP_PATH),
    "not_ascii": (foreign(("ä", b"")), Reason.ZIP_PATH),
    "folder": (foreign(("a/", b"")), Reason.ZIP_PATH),
    "deep": (foreign(("a/b/c/d/e/f", b"")), Reason.ZIP_PATH),
    "compressed": (foreign(("a", b"x" * 1000), compression=zipfile.ZIP_DEFLATED), Reason.ZIP_COMPRESSED),
    "bomb": (
        foreign(("a", b"\0" * (container.MAX_MEMBER + 1)), compression=zipfile.ZIP_DEFLATED),
        Reason.ZIP_LIMIT,
    ),
    "unsorted": (foreign(("b", b""), ("a", b"")), Reason.ZIP_SYNTAX),
    "other_form": (foreign(("a", b"1"), mode=0o100600), Reason.ZIP_SYNTAX),
    "prefix": (b"PK" + container.pack(MEMBERS), Reason.ZIP_SYNTAX),
    "suffix": (container.pack(MEMBERS) + b"more", Reason.ZIP_SYNTAX),
    "comment": (container.pack(MEMBERS)[:-2] + struct.pack("<H", 2) + b"hi", Reason.ZIP_SYNTAX),
    "cut": (container.pack(MEMBERS)[:-30], Reason.ZIP_SYNTAX),
    "nothing": (b"PK", Reason.ZIP_SYNTAX),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_with_a_named_reason(case):
    data, reason = CASES[case]
    with pytest.raises(EvidenceError) as caught:
        container.unpack(data)
    assert caught.value.reason is reason, caught.value
    with pytest.raises(twin.Bad) as bad:
        twin.unpack(data)
    assert bad.value.args[0] == str(reason)


def test_a_lie_about_the_size_is_refused():
    data = bytearray(container.pack({"a": b"abc"}))
    at = data.index(b"PK\1\2") + 24  # uncompressed size in the central directory
    data[at : at + 4] = struct.pack("<L", 2)
    with pytest.raises(EvidenceError) as caught:
        container.unpack(bytes(data))
    assert caught.value.reason in (Reason.ZIP_COMPRESSED, Reason.ZIP_SYNTAX)


def test_every_flipped_byte_is_noticed():
    data = container.pack(MEMBERS)
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
        with contextlib.suppress(EvidenceError):
            assert container.unpack(changed) != MEMBERS


def test_writer_has_the_limits_of_the_reader(monkeypatch):
    for name, value, reason in (("MAX_MEMBER", 1, Reason.ZIP_LIMIT), ("MAX_MEMBERS", 2, Reason.ZIP_LIMIT)):
        with monkeypatch.context() as patched:
            patched.setattr(container, name, value)
            with pytest.raises(EvidenceError) as caught:
                container.pack(MEMBERS)
            assert caught.value.reason is reason
    with pytest.raises(EvidenceError) as caught:
        container.pack({"../a": b""})
    assert caught.value.reason is Reason.ZIP_PATH

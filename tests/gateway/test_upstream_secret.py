from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.base.errors import InvalidInput
from slipway.gateway import upstream_secret as us

SECRET = {"base_url": "https://model.internal:8443/v1/", "api_key": "sk-1", "model": "m-1"}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> us.SealKey:
    return us.load_or_create(tmp_path_factory.mktemp("keys"))


def test_seal_opens_only_with_its_own_key(pair: us.SealKey, tmp_path: Path) -> None:
    sealed = us.seal(pair.public_pem, SECRET)
    opened = us.open(pair.private, sealed)
    assert (opened.base_url, opened.api_key, opened.model) == (
        "https://model.internal:8443/v1",
        "sk-1",
        "m-1",
    )
    assert opened.timeout_seconds == us.DEFAULT_TIMEOUT_SECONDS
    with pytest.raises(InvalidInput):
        us.open(us.load_or_create(tmp_path).private, sealed)


@given(st.data())
def test_every_changed_byte_is_noticed(pair: us.SealKey, data: st.DataObject) -> None:
    box = bytearray(base64.b64decode(us.seal(pair.public_pem, SECRET)))
    at = data.draw(st.integers(0, len(box) - 1))
    box[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(InvalidInput, match="does not open"):
        us.open(pair.private, base64.b64encode(bytes(box)).decode())


def test_sealed_size_does_not_tell_the_length(pair: us.SealKey) -> None:
    short = us.seal(pair.public_pem, {**SECRET, "api_key": ""})
    long = us.seal(pair.public_pem, {**SECRET, "api_key": "k" * 200})
    assert len(short) == len(long)
    assert us.sealed_shape(short)


def test_key_files_are_kept_and_public_one_is_repaired(tmp_path: Path) -> None:
    first = us.load_or_create(tmp_path)
    assert (tmp_path / us.PRIVATE_NAME).stat().st_mode & 0o777 == 0o600
    (tmp_path / us.PUBLIC_NAME).unlink()
    again = us.load_or_create(tmp_path)
    assert again.id == first.id == us.key_id((tmp_path / us.PUBLIC_NAME).read_bytes())


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        us.check({"base_url": "ftp://x", "api_key": "ä", "model": "", "timeout_seconds": 0, "extra": 1})
    assert {p.field for p in caught.value.problems} == {
        "base_url",
        "api_key",
        "model",
        "timeout_seconds",
        "extra",
    }


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "https://u:p@h/v1",
        "https://h/v1?x=1",
        "https://h/#a",
        "file:///etc",
        "https://h:x/",
        "h",
    ],
)
def test_bad_addresses(url: str) -> None:
    with pytest.raises(InvalidInput, match="base_url"):
        us.check({**SECRET, "base_url": url})


@pytest.mark.parametrize("text", ["", "AAAA", "x" * 200, "B" * 200])
def test_texts_that_are_no_seal(pair: us.SealKey, text: str) -> None:
    with pytest.raises(InvalidInput):
        us.open(pair.private, text)
    if len(text) < 100 or text[0] == "x":
        assert not us.sealed_shape(text)


def test_public_key_must_be_p256() -> None:
    with pytest.raises(InvalidInput, match="P-256"):
        us.seal(b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", SECRET)


def test_nothing_secret_in_its_text_form(pair: us.SealKey) -> None:
    opened = us.check(SECRET)
    assert "sk-1" not in repr(opened) + str(opened)
    assert "model.internal" not in repr(opened)
    assert "PRIVATE" not in repr(pair)

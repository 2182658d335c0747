from __future__ import annotations

import hmac
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.base.errors import InvalidInput
from slipway.gateway import entropy, keys

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def test_new_keys_are_well_formed_distinct_and_of_190_bits() -> None:
    made = {keys.new_key() for _ in range(500)}
    assert len(made) == 500
    assert all(keys.well_formed(key) and len(key) == 42 and key.startswith("slw_") for key in made)
    assert 62**32 > 2**190


@given(position=st.integers(4, 41), letter=st.sampled_from(ALPHABET))
def test_every_single_wrong_character_is_noticed(position: int, letter: str) -> None:
    key = keys.new_key()
    wrong = key[:position] + letter + key[position + 1 :]
    assert keys.well_formed(wrong) == (wrong == key)


@given(st.text(max_size=60))
def test_no_text_is_taken_for_a_key(text: str) -> None:
    assert not keys.well_formed(text)
    assert not keys.well_formed("slw_" + text)


def test_shape_is_ascii_only() -> None:
    key = keys.new_key()
    assert not keys.well_formed(key + "\n")
    assert not keys.well_formed(key[:-1] + "٣")


@given(st.binary(min_size=0, max_size=200), st.binary(max_size=300))
def test_own_hmac_equals_the_standard_one(key: bytes, message: bytes) -> None:
    assert entropy.hmac_sha256(key, message) == hmac.digest(key, message, "sha256")


def test_digest_depends_on_key_and_pepper() -> None:
    key, pepper = keys.new_key(), bytes(range(32))
    assert keys.digest(key, pepper) == hmac.digest(pepper, key.encode(), "sha256").hex()
    assert keys.digest(key, pepper) != keys.digest(key, bytes(32))


@given(st.integers(0, (1 << 48) - 1))
def test_pooled_uuid7_is_a_uuid7_of_its_time(now_ms: int) -> None:
    made = uuid.UUID(entropy.uuid7(now_ms))
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == now_ms


def test_pool_gives_each_byte_once() -> None:
    pool = entropy.Pool()
    taken = [pool.take(16) for _ in range(1000)]
    assert len(set(taken)) == 1000


def test_pepper_is_made_once_whoever_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "pepper"
    code = (
        "import sys; from pathlib import Path; from slipway.gateway import keys;"
        "print(keys.load_or_create_pepper(Path(sys.argv[1])).hex())"
    )
    racers = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = {racer.communicate()[0].strip() for racer in racers}
    assert all(racer.returncode == 0 for racer in racers)
    assert said == {path.read_bytes().hex()}
    assert path.stat().st_mode & 0o777 == 0o600


def test_broken_pepper_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pepper").write_bytes(b"short")
    with pytest.raises(InvalidInput, match="5 bytes"):
        keys.load_or_create_pepper(tmp_path / "pepper")

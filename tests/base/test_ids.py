"""Identifiers: the layout of RFC 9562, section 5.7."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.base import ids

MS = st.integers(0, (1 << 48) - 1)


@given(MS)
def test_layout_of_a_uuid7(now_ms: int) -> None:
    text = ids.uuid7(now_ms)
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", text)
    value = uuid.UUID(text)
    assert value.int >> 80 == now_ms
    assert value.version == 7 and value.variant == uuid.RFC_4122


@given(MS, MS)
def test_text_order_is_time_order(first: int, second: int) -> None:
    if first != second:
        assert (ids.uuid7(first) < ids.uuid7(second)) == (first < second)


def test_every_random_bit_is_used_and_random() -> None:
    values = [uuid.UUID(ids.uuid7(0)).int for _ in range(400)]
    always = never = (1 << 128) - 1
    for value in values:
        always &= value
        never &= ~value
    fixed = 0x7 << 76 | 0b10 << 62
    zero = ((1 << 128) - 1) >> 80 << 80 | 0x8 << 76 | 0b01 << 62
    assert always == fixed
    assert never & ((1 << 128) - 1) == zero
    assert len(set(values)) == len(values)


@pytest.mark.parametrize("bad", [-1, 1 << 48])
def test_a_time_beyond_48_bits_is_refused(bad: int) -> None:
    with pytest.raises(ValueError, match="48 bits"):
        ids.uuid7(bad)


def test_the_machines_clock_is_the_default() -> None:
    import time

    before = time.time_ns() // 1_000_000
    made = uuid.UUID(ids.uuid7()).int >> 80
    assert before <= made <= time.time_ns() // 1_000_000


def test_nonce_and_short() -> None:
    assert len(ids.nonce()) == 16 and ids.nonce() != ids.nonce()
    assert ids.short("R", 12) == "R-12"

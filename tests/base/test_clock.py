"""Instants: one text form, exact both ways, everything else refused."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.base import clock
from slipway.base.clock import (
    ManualClock,
    RatchetClock,
    SystemClock,
    format_instant,
    from_ms,
    parse_instant,
    to_ms,
)
from slipway.base.errors import InvalidInput

ZONES = st.integers(-23 * 60, 23 * 60).map(lambda m: timezone(timedelta(minutes=m)))
INSTANTS = st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30), timezones=ZONES)  # noqa: DTZ001
MS = st.integers(to_ms(datetime(1000, 1, 2, tzinfo=UTC)), to_ms(datetime(9999, 12, 30, tzinfo=UTC)))


@given(MS)
def test_milliseconds_survive_both_forms(ms: int) -> None:
    at = from_ms(ms)
    assert to_ms(at) == ms
    assert parse_instant(format_instant(at)) == at
    assert len(format_instant(at)) == 24


@given(INSTANTS)
def test_any_zone_becomes_the_same_instant_cut_to_milliseconds(at: datetime) -> None:
    read = parse_instant(format_instant(at))
    assert read.tzinfo == UTC
    assert timedelta(0) <= at - read < timedelta(milliseconds=1)
    assert to_ms(read) == to_ms(at)


@given(INSTANTS, INSTANTS)
def test_text_order_is_time_order(a: datetime, b: datetime) -> None:
    if to_ms(a) != to_ms(b):
        assert (format_instant(a) < format_instant(b)) == (a < b)


def test_to_ms_rounds_down_before_the_epoch_too() -> None:
    assert to_ms(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-06-20",
        "2026-06-20T14:02Z",
        "2026-06-20T14:02:00",
        "2026-06-20T14:02:00+00:00",
        "2026-06-20 14:02:00Z",
        "2026-06-20t14:02:00z",
        "2026-06-20T14:02:00.Z",
        "2026-06-20T14:02:00.1234567Z",
        "2026-06-20T14:02:60Z",
        "2026-02-30T14:02:00Z",
        "2026-06-20T24:00:00Z",
        "٢٠٢٦-06-20T14:02:00Z",
        " 2026-06-20T14:02:00Z",
        "2026-06-20T14:02:00Z\n",
    ],
)
def test_other_forms_are_refused_with_field_and_fix(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_instant(text, field="closes")
    (problem,) = caught.value.problems
    assert problem.field == "closes" and "2026-06-20T14:02:00Z" in problem.fix


def test_what_is_not_text_is_refused_too() -> None:
    with pytest.raises(InvalidInput):
        parse_instant(20260620)  # type: ignore[arg-type]


@given(st.text(max_size=40))
def test_no_text_raises_anything_else(text: str) -> None:
    with contextlib.suppress(InvalidInput):
        assert parse_instant(text).tzinfo == UTC


def test_a_naive_datetime_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        format_instant(datetime(2026, 6, 20))  # noqa: DTZ001


def test_clocks_keep_wall_and_monotonic_time_apart() -> None:
    start = datetime(2026, 6, 20, tzinfo=UTC)
    manual = ManualClock(start)
    manual.step_wall(timedelta(hours=-1))
    assert manual.monotonic() == 0 and manual.now() == start - timedelta(hours=1)
    manual.advance(timedelta(seconds=90))
    assert manual.monotonic() == 90
    system = SystemClock()
    assert system.now().tzinfo == UTC
    assert system.monotonic() <= system.monotonic()


def test_a_ratchet_goes_on_at_the_monotonic_pace_and_follows_forward() -> None:
    start = datetime(2026, 6, 20, tzinfo=UTC)
    wall = ManualClock(start)
    steady = RatchetClock(wall)
    wall.step_wall(timedelta(days=-300))
    wall.advance(timedelta(hours=2))
    assert steady.now() == start + timedelta(hours=2)
    assert steady.monotonic() == wall.monotonic()
    wall.step_wall(timedelta(days=400))
    assert steady.now() == wall.now()


def test_ports_are_met() -> None:
    clocks: list[clock.Clock] = [SystemClock(), ManualClock(from_ms(0)), RatchetClock(SystemClock())]
    assert all(c.now().tzinfo == UTC for c in clocks)

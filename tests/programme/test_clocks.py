"""Clocks: running, met or late, in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.programme import clocks, packs
from slipway.programme.clocks import ClockStatus

T0 = datetime(2026, 6, 20, 14, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("now", "met", "status", "words"),
    [
        (0, None, ClockStatus.RUNNING, "due 2026-06-22 14:02Z; 2 d 0 h left"),
        (47, None, ClockStatus.RUNNING, "due 2026-06-22 14:02Z; 1 h 0 min left"),
        (48, None, ClockStatus.RUNNING, "due 2026-06-22 14:02Z; 0 h 0 min left"),
        (49, None, ClockStatus.LATE, "due 2026-06-22 14:02Z; late by 1 h 0 min"),
        (99, 47, ClockStatus.MET, "due 2026-06-22 14:02Z; done 1 h 0 min before"),
        (99, 74, ClockStatus.LATE, "due 2026-06-22 14:02Z; done late by 1 d 2 h"),
    ],
)
def test_reading(now: int, met: int | None, status: ClockStatus, words: str) -> None:
    met_at = None if met is None else T0 + met * HOUR
    found = clocks.read(T0, 48, T0 + now * HOUR, met_at=met_at)
    assert (found.status, found.words) == (status, words)


@given(st.integers(1, 10_000), st.integers(0, 20_000), st.none() | st.integers(0, 20_000))
def test_late_means_after_the_due_instant(hours: int, now: int, met: int | None) -> None:
    met_at = None if met is None else T0 + met * HOUR
    found = clocks.read(T0, hours, T0 + now * HOUR, met_at=met_at)
    stop = now if met is None else met
    assert (found.status is ClockStatus.LATE) == (stop > hours)
    assert found.left == timedelta(hours=hours - stop)


def test_the_packs_clocks_can_be_read() -> None:
    for name in packs.available():
        for rule in packs.load(name).clocks:
            assert clocks.read(T0, rule.hours, T0).left == timedelta(hours=rule.hours)

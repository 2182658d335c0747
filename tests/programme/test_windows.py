"""Windows: nothing is open after the end, whatever was done and whatever the clock says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from slipway.base.clock import ManualClock, RatchetClock
from slipway.base.errors import InvalidInput, Refused
from slipway.programme import windows
from slipway.programme.stages import ReleasePoint
from slipway.programme.windows import Window

T0 = datetime(2026, 6, 20, 14, 2, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Terms:
    max_days: int = 30
    default_days: int = 30
    counts_back_from: ReleasePoint = ReleasePoint.PARTNER_RELEASE


def fields(error: InvalidInput) -> list[str]:
    return [problem.field for problem in error.problems]


def test_the_clock_is_shown_with_its_rule() -> None:
    window = windows.open_window(Terms(), T0)
    now = T0 + 30 * DAY - timedelta(days=12, hours=4)
    assert windows.describe(window, now) == (
        "30 days from access opened 2026-06-20 14:02Z, "
        "before release to other trusted partners; 12 d 4 h left"
    )
    paused = windows.pause(window, now)
    assert windows.describe(paused, now).endswith("12 d 4 h left, paused since 2026-07-08 10:02Z")
    assert windows.describe(window, T0 + 31 * DAY).endswith("ended 2026-07-20 14:02Z")
    assert windows.describe(windows.end(window, now), now).endswith("ended 2026-07-08 10:02Z")
    public = windows.open_window(Terms(counts_back_from=ReleasePoint.PUBLIC_RELEASE), T0, days=1)
    assert windows.describe(public, T0 + DAY - timedelta(minutes=65)) == (
        "1 day from access opened 2026-06-20 14:02Z, before public release; 1 h 5 min left"
    )
    assert windows.describe(public, T0 + DAY - timedelta(seconds=5)).endswith("less than a minute left")


def test_the_end_instant_itself_is_closed() -> None:
    window = windows.open_window(Terms(), T0, days=2)
    tick = timedelta(milliseconds=1)
    assert windows.is_open(window, T0 + 2 * DAY - tick)
    assert not windows.is_open(window, T0 + 2 * DAY)
    assert not windows.is_open(window, T0 - tick)
    assert windows.remaining(window, T0 + 2 * DAY) == timedelta(0)
    assert windows.remaining(window, T0 - DAY) == 2 * DAY


@pytest.mark.parametrize("days", [0, -1, 31])
def test_days_outside_the_pack_are_refused(days: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        windows.open_window(Terms(), T0, days=days)
    assert fields(caught.value) == ["days"]
    assert "1 to 30" in caught.value.problems[0].fix


def test_all_problems_of_an_opening_are_told_together() -> None:
    with pytest.raises(InvalidInput) as caught:
        windows.open_window(Terms(), T0, days=99, closes=T0 + DAY, planned_release=T0 - DAY)
    assert fields(caught.value) == ["closes", "days", "planned_release"]


def test_the_days_count_back_from_a_planned_release() -> None:
    release = T0 + 10 * DAY
    assert windows.open_window(Terms(), T0, planned_release=release).closes == release
    assert windows.open_window(Terms(), T0, days=9, planned_release=release).closes == T0 + 9 * DAY
    for wrong in ({"days": 11}, {"closes": release + DAY}):
        with pytest.raises(InvalidInput, match="at the latest 2026-06-30"):
            windows.open_window(Terms(), T0, planned_release=release, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("counts", "kind", "ends"),
    [
        (ReleasePoint.PARTNER_RELEASE, ReleasePoint.PARTNER_RELEASE, True),
        (ReleasePoint.PUBLIC_RELEASE, ReleasePoint.PARTNER_RELEASE, False),
        (ReleasePoint.PARTNER_RELEASE, ReleasePoint.PUBLIC_RELEASE, True),
        (ReleasePoint.PUBLIC_RELEASE, ReleasePoint.PUBLIC_RELEASE, True),
    ],
)
def test_a_release_ends_the_window_that_counts_back_from_it(
    counts: ReleasePoint, kind: ReleasePoint, ends: bool
) -> None:
    window = windows.open_window(Terms(counts_back_from=counts), T0)
    after = windows.at_release(window, kind, T0 + DAY)
    assert windows.is_open(after, T0 + 2 * DAY) is not ends


def test_a_pause_does_not_move_the_end() -> None:
    window = windows.open_window(Terms(), T0, days=5)
    paused = windows.pause(window, T0 + DAY)
    assert not windows.is_open(paused, T0 + DAY) and windows.is_live(paused, T0 + DAY)
    assert windows.pause(paused, T0 + 2 * DAY) == paused
    resumed = windows.resume(paused, T0 + 3 * DAY)
    assert resumed == window
    with pytest.raises(Refused, match="not paused"):
        windows.resume(window, T0 + DAY)


def test_shorten_and_extend_say_what_would_be_right() -> None:
    window = windows.open_window(Terms(), T0, days=10)
    assert windows.shorten(window, T0, T0 + DAY).closes == T0 + DAY
    assert windows.extend(window, T0, T0 + 30 * DAY).closes == T0 + 30 * DAY
    with pytest.raises(InvalidInput, match="extend access instead"):
        windows.shorten(window, T0, T0 + 10 * DAY)
    with pytest.raises(InvalidInput, match="end access to end it now"):
        windows.shorten(window, T0 + 2 * DAY, T0 + DAY)
    with pytest.raises(InvalidInput, match="shorten access instead"):
        windows.extend(window, T0, T0 + 10 * DAY)
    with pytest.raises(InvalidInput, match="at the latest 2026-07-20T14:02"):
        windows.extend(window, T0, T0 + 30 * DAY + timedelta(milliseconds=1))


def test_an_ended_window_is_reopened_only_deliberately_and_within_its_days() -> None:
    ended = windows.end(windows.open_window(Terms(), T0, days=10), T0 + DAY)
    for act in (
        lambda: windows.pause(ended, T0 + DAY),
        lambda: windows.resume(ended, T0 + DAY),
        lambda: windows.shorten(ended, T0 + DAY, T0 + 2 * DAY),
        lambda: windows.extend(ended, T0 + DAY, T0 + 20 * DAY),
    ):
        with pytest.raises(Refused, match="has ended"):
            act()
    again = windows.reopen(ended, T0 + 12 * DAY, T0 + 20 * DAY)
    assert windows.is_open(again, T0 + 13 * DAY)
    with pytest.raises(Refused, match="has not ended"):
        windows.reopen(again, T0 + 13 * DAY, T0 + 21 * DAY)
    with pytest.raises(InvalidInput, match="later than this window may last"):
        windows.reopen(ended, T0 + 12 * DAY, T0 + 31 * DAY)
    with pytest.raises(Refused, match="cannot be opened again"):
        windows.reopen(ended, T0 + 30 * DAY, T0 + 31 * DAY)


def test_a_wrong_clock_never_stands_in_the_way_of_a_stop() -> None:
    window = windows.open_window(Terms(), T0)
    early = T0 - 400 * DAY
    assert windows.pause(window, early).paused_at == T0
    assert not windows.is_open(windows.end(window, early), T0)
    late = windows.end(window, T0 + 400 * DAY)
    assert late.ended_at == window.closes


def test_an_expiry_that_was_written_down_survives_a_clock_that_goes_back() -> None:
    window = windows.open_window(Terms(), T0, days=1)
    assert windows.expire(window, T0) is window
    ended = windows.expire(window, T0 + DAY)
    assert not windows.is_open(ended, T0 + timedelta(hours=1))


@given(st.lists(st.integers(-(10**9), 10**9), max_size=40), st.integers(1, 10**8))
def test_a_ratchet_clock_never_goes_back_whatever_the_wall_does(steps: list[int], tick: int) -> None:
    wall = ManualClock(T0)
    clock = RatchetClock(wall)
    last = clock.now()
    for step in steps:
        wall.step_wall(timedelta(milliseconds=step))
        wall.advance(timedelta(milliseconds=tick))
        now = clock.now()
        assert now - last >= timedelta(milliseconds=tick)
        last = now


class WindowMachine(RuleBasedStateMachine):
    """Random acts at random moments under a wall clock that is stepped at random.

    The truth is kept apart from the window's own rules: seconds of monotonic
    time since the opening, and the end as last set by the developer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.wall = ManualClock(T0)
        self.clock = RatchetClock(self.wall)
        self.window: Window | None = None
        self.max_days = 0
        self.ended = False
        self.opened_mono = 0.0

    @initialize(max_days=st.integers(1, 90), share=st.floats(0.01, 1))
    def opened(self, max_days: int, share: float) -> None:
        days = max(1, int(max_days * share))
        self.max_days = max_days
        self.window = windows.open_window(Terms(max_days, max_days), self.clock.now(), days=days)
        self.opened_mono = self.wall.monotonic()

    @rule(hours=st.integers(0, 24 * 20))
    def time_passes(self, hours: int) -> None:
        self.wall.advance(timedelta(hours=hours))

    @rule(hours=st.integers(-24 * 400, 24 * 3))
    def wall_is_stepped(self, hours: int) -> None:
        self.wall.step_wall(timedelta(hours=hours))

    @rule(act=st.sampled_from(["pause", "resume", "end", "expire"]))
    def simple_act(self, act: str) -> None:
        assert self.window is not None
        now = self.clock.now()
        try:
            self.window = getattr(windows, act)(self.window, now)
        except Refused:
            return
        if act == "end":
            self.ended = True

    @rule(act=st.sampled_from(["shorten", "extend"]), hours=st.integers(-24 * 100, 24 * 100))
    def move_end(self, act: str, hours: int) -> None:
        assert self.window is not None
        before = self.window.closes
        try:
            self.window = getattr(windows, act)(
                self.window, self.clock.now(), before + timedelta(hours=hours)
            )
        except (Refused, InvalidInput):
            assert self.window.closes == before
            return
        assert (self.window.closes < before) == (act == "shorten")

    @rule(kind=st.sampled_from(list(ReleasePoint)))
    def release(self, kind: ReleasePoint) -> None:
        assert self.window is not None
        self.window = windows.at_release(self.window, kind, self.clock.now())
        if self.window.ended_at is not None:
            self.ended = True

    @precondition(lambda self: self.ended)
    @rule(hours=st.integers(-24, 24 * 100))
    def reopen(self, hours: int) -> None:
        assert self.window is not None
        now = self.clock.now()
        try:
            self.window = windows.reopen(self.window, now, now + timedelta(hours=hours))
        except (Refused, InvalidInput):
            return
        self.ended = False

    @invariant()
    def nothing_is_open_after_the_end(self) -> None:
        if self.window is None:
            return
        now = self.clock.now()
        is_open = windows.is_open(self.window, now)
        elapsed = self.wall.monotonic() - self.opened_mono
        if self.ended or elapsed >= self.max_days * 86_400:
            assert not is_open
        if is_open:
            assert windows.remaining(self.window, now) > timedelta(0)
            assert self.window.paused_at is None
        assert self.window.opened < self.window.closes <= self.window.latest
        assert self.window.latest - self.window.opened == timedelta(days=self.max_days)
        if windows.expire(self.window, now).ended_at is not None:
            assert not is_open


TestWindowMachine = WindowMachine.TestCase
TestWindowMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)

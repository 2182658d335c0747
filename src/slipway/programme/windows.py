"""The time for which access may be open. Pure: every function is given the instant.

A window has a hard end from the moment it is opened. A pause stops access and
does **not** stop the time: the end that was told to both sides never moves
later by itself. Ending it (by the developer, by the clock or by the release
that it counts back from) is final for the acts below; only a deliberate
:func:`reopen` by the developer starts it again, never beyond the pack's days
from the first opening.

All instants are timezone-aware UTC. Acts that reduce access (pause, shorten,
end) never fail because of what a clock says; acts that widen it (resume,
extend, reopen) are refused when in doubt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from slipway.base.clock import format_instant
from slipway.base.errors import InvalidInput, Problem, ProblemList, Refused
from slipway.programme.stages import ReleasePoint

_RELEASE_WORDS = {
    ReleasePoint.PARTNER_RELEASE: "release to other trusted partners",
    ReleasePoint.PUBLIC_RELEASE: "public release",
}


class WindowTerms(Protocol):
    """What a window needs to know of the policy pack (its ``window`` table has it)."""

    @property
    def max_days(self) -> int:
        """Longest window, in days of 24 hours."""
        ...

    @property
    def default_days(self) -> int:
        """Length when the developer names none."""
        ...

    @property
    def counts_back_from(self) -> ReleasePoint:
        """The release that the days count back from."""
        ...


@dataclass(frozen=True, slots=True)
class Window:
    """One window. ``opened`` is the first opening, ``latest`` the end that no extension may pass."""

    opened: datetime
    closes: datetime
    latest: datetime
    counts_back_from: ReleasePoint
    paused_at: datetime | None = None
    ended_at: datetime | None = None


def open_window(
    terms: WindowTerms,
    at: datetime,
    *,
    days: int | None = None,
    closes: datetime | None = None,
    planned_release: datetime | None = None,
) -> Window:
    """Return a window opened at ``at``.

    Its end is ``closes``, or ``days`` later, or the pack's default; never later
    than the pack's maximum, nor than ``planned_release`` when the developer
    has named the release that the days count back from. Raises
    :class:`InvalidInput` with every problem found.
    """
    problems = ProblemList("window")
    latest = at + timedelta(days=terms.max_days)
    if planned_release is not None:
        latest = min(latest, planned_release)
    if days is not None and closes is not None:
        problems.add("closes", "given together with days", "give one of the two")
    if days is not None and not 1 <= days <= terms.max_days:
        problems.add("days", f"{days} is outside the policy pack", f"give 1 to {terms.max_days}")
    if planned_release is not None and planned_release <= at:
        problems.add(
            "planned_release",
            f"{format_instant(planned_release)} is not after the opening",
            "open access before the release that the window counts back from, or change the planned date",
        )
    problems.raise_if_any()
    if closes is None:
        # A default is fitted to a nearer release; an end that a person named is not changed silently.
        wanted = at + timedelta(days=terms.default_days if days is None else days)
        closes = wanted if days is not None else min(wanted, latest)
    _check_end(closes, at, latest, "days" if days is not None else "closes")
    return Window(at, closes, latest, terms.counts_back_from)


def pause(window: Window, at: datetime) -> Window:
    """Return the window paused; one that is paused already keeps its first instant."""
    _must_live(window, at, "pause access")
    return window if window.paused_at is not None else replace(window, paused_at=max(at, window.opened))


def resume(window: Window, at: datetime) -> Window:
    """Return the window open again; its end stays where it was."""
    _must_live(window, at, "resume access")
    if window.paused_at is None:
        raise Refused("access is not paused, there is nothing to resume", code="window.not_paused")
    return replace(window, paused_at=None)


def shorten(window: Window, at: datetime, closes: datetime) -> Window:
    """Return the window with an earlier end, which must still be ahead of ``at``."""
    _must_live(window, at, "shorten access")
    problems = ProblemList("window")
    if closes >= window.closes:
        problems.add(
            "closes",
            f"{format_instant(closes)} is not earlier than the present end",
            f"give an instant before {format_instant(window.closes)}, or extend access instead",
        )
    elif closes <= at:
        problems.add("closes", f"{format_instant(closes)} is past", "end access to end it now")
    problems.raise_if_any()
    return replace(window, closes=closes)


def extend(window: Window, at: datetime, closes: datetime) -> Window:
    """Return the window with a later end, at most the pack's maximum from the first opening."""
    _must_live(window, at, "extend access")
    if closes <= window.closes:
        raise InvalidInput(
            [
                Problem(
                    "closes",
                    f"{format_instant(closes)} is not later than the present end",
                    f"give an instant after {format_instant(window.closes)}, or shorten access instead",
                )
            ],
            what="window",
        )
    _check_end(closes, at, window.latest, "closes")
    return replace(window, closes=closes)


def end(window: Window, at: datetime) -> Window:
    """Return the window ended at ``at``; one that ended already is returned as it is."""
    if window.ended_at is not None:
        return window
    return replace(window, ended_at=min(max(at, window.opened), window.closes))


def expire(window: Window, now: datetime) -> Window:
    """Return the window ended at its end when that has come, else the window as it is.

    The end is written down so that a wall clock stepped back later cannot
    bring an expired window to life.
    """
    return end(window, now) if window.ended_at is None and now >= window.closes else window


def reopen(window: Window, at: datetime, closes: datetime) -> Window:
    """Return an ended window opened again by the developer, within the first opening's maximum."""
    if expire(window, at).ended_at is None:
        raise Refused("access has not ended; extend or resume it instead", code="window.not_ended")
    if at >= window.latest:
        raise Refused(
            f"the window cannot be opened again: its last possible end was {format_instant(window.latest)}",
            code="window.used_up",
        )
    _check_end(closes, at, window.latest, "closes")
    return replace(window, closes=closes, paused_at=None, ended_at=None)


def at_release(window: Window, kind: ReleasePoint, at: datetime) -> Window:
    """Return the window after a release: ended when it counts back from that release or an earlier one."""
    if kind is ReleasePoint.PUBLIC_RELEASE or window.counts_back_from is kind:
        return end(window, at)
    return window


def is_live(window: Window, now: datetime) -> bool:
    """Say whether the window has begun and not ended (it may be paused)."""
    return window.ended_at is None and window.opened <= now < window.closes


def is_open(window: Window, now: datetime) -> bool:
    """Say whether access is open at this instant."""
    return is_live(window, now) and window.paused_at is None


def remaining(window: Window, now: datetime) -> timedelta:
    """Return the time left, zero when it has ended. A pause does not stop it."""
    if window.ended_at is not None:
        return timedelta(0)
    return max(timedelta(0), window.closes - max(now, window.opened))


def describe(window: Window, now: datetime) -> str:
    """Return the rule and what is left, as both sides read it.

    For example ``30 days from access opened 2026-06-20 14:02Z, before release
    to other trusted partners; 12 d 4 h left``.
    """
    rule = (
        f"{_length(window.closes - window.opened)} from access opened {window.opened:%Y-%m-%d %H:%M}Z, "
        f"before {_RELEASE_WORDS[window.counts_back_from]}"
    )
    if window.ended_at is not None:
        return f"{rule}; ended {window.ended_at.astimezone(UTC):%Y-%m-%d %H:%M}Z"
    left = remaining(window, now)
    if not left:
        return f"{rule}; ended {window.closes.astimezone(UTC):%Y-%m-%d %H:%M}Z"
    words = f"{rule}; {_short(left)} left"
    return f"{words}, paused since {window.paused_at:%Y-%m-%d %H:%M}Z" if window.paused_at else words


def _must_live(window: Window, at: datetime, what: str) -> None:
    # A clock that stands before the opening is wrong, and is no reason to refuse a pause or an end.
    if expire(window, at).ended_at is not None:
        raise Refused(f"cannot {what}: it has ended", code="window.ended")


def _check_end(closes: datetime, at: datetime, latest: datetime, field: str) -> None:
    if at < closes <= latest:
        return
    problem = "not after now" if closes <= at else "later than this window may last"
    raise InvalidInput(
        [
            Problem(
                field,
                f"the end {format_instant(closes)} is {problem}",
                f"choose an end after {format_instant(at)} and at the latest {format_instant(latest)}",
            )
        ],
        what="window",
    )


def _length(span: timedelta) -> str:
    return (
        f"{span.days} day{'' if span.days == 1 else 's'}"
        if span % timedelta(days=1) == timedelta(0)
        else _short(span)
    )


def _short(span: timedelta) -> str:
    """Return ``12 d 4 h``, ``4 h 5 min`` or ``less than a minute``."""
    minutes = int(span.total_seconds()) // 60
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else "less than a minute"

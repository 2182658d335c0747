"""Between rows and the rules: a review's row as the values that :mod:`slipway.programme` decides on."""

from __future__ import annotations

from datetime import datetime

from slipway.desk.reviews.models import Review
from slipway.programme import windows
from slipway.programme.stages import Access, Part, ReleasePoint, ReviewState, Stage
from slipway.programme.windows import Window


def window_of(review: Review) -> Window | None:
    """Return the review's window, None when access was never opened."""
    if review.window_opened is None or review.window_closes is None or review.window_latest is None:
        return None
    return Window(
        opened=review.window_opened,
        closes=review.window_closes,
        latest=review.window_latest,
        counts_back_from=ReleasePoint(review.window_counts_back_from),
        paused_at=review.window_paused_at,
        ended_at=review.window_ended_at,
    )


def expired(review: Review, now: datetime) -> bool:
    """Say whether the clock has ended access that the row still shows as open or paused."""
    window = window_of(review)
    live = review.access in (Access.OPEN, Access.PAUSED)
    return live and (window is None or not windows.is_live(window, max(now, window.opened)))


def state_of(review: Review, now: datetime) -> ReviewState:
    """Return the state as it is at ``now``: access that ran out is ended, recorded yet or not."""
    return ReviewState(
        stage=Stage(review.stage),
        access=Access.ENDED if expired(review, now) else Access(review.access),
        part=Part(review.part),
        determined=review.determined,
        counts_back_from=ReleasePoint(review.counts_back_from),
        outside=review.outside,
    )


def put_state(review: Review, state: ReviewState) -> None:
    """Write a state that the rules returned into the row (not saved yet)."""
    review.stage = str(state.stage)
    review.access = str(state.access)
    review.part = str(state.part)
    review.determined = state.determined
    review.outside = state.outside


def put_window(review: Review, window: Window) -> None:
    """Write a window that the rules returned into the row (not saved yet)."""
    review.window_opened = window.opened
    review.window_closes = window.closes
    review.window_latest = window.latest
    review.window_counts_back_from = str(window.counts_back_from)
    review.window_paused_at = window.paused_at
    review.window_ended_at = window.ended_at

"""What has to happen beside a review when its access changes, as a port.

The grants live in ``desk/access``, which imports this app and not the other way
round; it registers itself here when Django starts. A review never changes
access without its grants following in the same transaction, so without a
follower such an act fails instead of leaving keys alive.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from slipway.desk.accounts.viewer import Viewer
from slipway.desk.reviews.models import Review


class AccessFollower(Protocol):
    """Makes the grants of a review follow its access, inside the caller's transaction."""

    def opened(self, *, acting: Viewer, review: Review, at: datetime) -> None:
        """Access opened: grants that both sides agreed to begin."""
        ...

    def paused(self, *, acting: Viewer, review: Review, at: datetime) -> None:
        """Access paused: every active grant pauses."""
        ...

    def resumed(self, *, acting: Viewer, review: Review, at: datetime) -> None:
        """Access resumed: the grants that paused with it go on."""
        ...

    def closes_changed(self, *, acting: Viewer, review: Review, at: datetime) -> None:
        """The window's end moved: no grant may outlive it."""
        ...

    def ended(self, *, acting: Viewer, review: Review, at: datetime, reason: str) -> None:
        """Access is over, whatever the reason: every grant ends and every key dies."""
        ...

    def party_left(self, *, acting: Viewer, review: Review, party: str, at: datetime) -> None:
        """One reviewer's part is over: its grants end."""
        ...


_followers: list[AccessFollower] = []


def register(follower: AccessFollower) -> None:
    """Add the follower; done once, when ``desk/access`` starts."""
    if not any(type(known) is type(follower) for known in _followers):
        _followers.append(follower)


def follower() -> AccessFollower:
    """Return the follower; RuntimeError when there is none (a set-up fault: fail, do not skip)."""
    if not _followers:
        raise RuntimeError("slipway.desk.access is not installed: access cannot change without its grants")
    return _followers[0]

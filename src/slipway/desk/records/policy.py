"""Who may see records: the rules are part of the queries, which every read goes through."""

from __future__ import annotations

from typing import Final

from slipway.desk.accounts.viewer import Viewer
from slipway.desk.records.queries import TimelineEntry, may_see_review

SEE: Final = "see"


def may(viewer: Viewer, verb: str, obj: TimelineEntry) -> bool:
    """Return whether ``viewer`` may do ``verb`` to a record; nobody may change one."""
    if verb != SEE:
        return False
    if obj.review is None:
        return viewer.signed_in and obj.party == viewer.organisation_slug
    return may_see_review(viewer, obj.review)

"""Duties that an order puts on somebody, and how they stand on a given day.

*Met* and *late* need evidence. *Silent* needs evidence too: that somebody
looked after the due date and found nothing. Without it the answer is
*unknown*, because not having looked is not a finding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Standing(StrEnum):
    """How an obligation stands."""

    MET = "met"
    LATE = "late"
    SILENT = "silent"
    UNKNOWN = "unknown"


class Finding(StrEnum):
    """What a piece of evidence shows."""

    DONE = "done"
    NOT_DONE = "not_done"
    NOTHING_FOUND = "nothing_found"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One piece of evidence. ``on`` is the day that it speaks of: the day the duty was done,
    the day of a statement that it is not, or the day of a search that found nothing."""

    finding: Finding
    on: date
    source: str


@dataclass(frozen=True, slots=True)
class Reading:
    """The standing, why, and the evidence that it rests on."""

    standing: Standing
    reason: str
    evidence: tuple[Evidence, ...] = ()


def standing(due: date | None, today: date, evidence: Iterable[Evidence] = ()) -> Reading:
    """Return how a duty due on ``due`` stands on ``today``; evidence of later days is not used."""
    known = sorted((item for item in evidence if item.on <= today), key=lambda item: item.on)
    done = [item for item in known if item.finding is Finding.DONE]
    if done:
        first = done[0]
        if due is not None and first.on > due:
            days = (first.on - due).days
            return Reading(Standing.LATE, f"done on {first.on}, {days} d after {due}", (first,))
        return Reading(Standing.MET, f"done on {first.on}", (first,))
    if due is None:
        return Reading(Standing.UNKNOWN, "it has no due date and there is no evidence that it was done")
    if today <= due:
        return Reading(Standing.UNKNOWN, f"due {due}, which has not passed, and no evidence yet")
    after = [item for item in known if item.on > due]
    denied = [item for item in after if item.finding is Finding.NOT_DONE]
    if denied:
        last = denied[-1]
        return Reading(Standing.LATE, f"due {due}, stated on {last.on} not to be done", (last,))
    searched = [item for item in after if item.finding is Finding.NOTHING_FOUND]
    if searched:
        last = searched[-1]
        return Reading(Standing.SILENT, f"due {due}, nothing found on {last.on}", (last,))
    return Reading(Standing.UNKNOWN, f"due {due} has passed and nobody has looked since")

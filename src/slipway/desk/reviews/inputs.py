"""What callers send about reviews, read once for the API and the pages; every problem is named."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from slipway.desk.reviews.reading import Reader
from slipway.programme import packs

WINDOW_ACTS = ("open", "pause", "resume", "shorten", "extend", "end")
RELEASE_KINDS = ("partners", "public")


@dataclass(frozen=True, slots=True)
class Offer:
    """A new review as the developer describes it."""

    codename: str
    model_name: str
    summary: str
    pack: str
    planned_release: date | None
    draft_id: str = ""


@dataclass(frozen=True, slots=True)
class WindowRequest:
    """One act on the window; ``closes`` is its new end.

    ``days`` is the length when it is opened, what is added when it is
    extended and what is taken off when it is shortened.
    """

    act: str
    days: int | None = None
    closes: datetime | None = None


def read_offer(data: object, *, form: bool = False) -> Offer:
    """Read a new review."""
    reader = Reader(data, what="review", form=form)
    offer = Offer(
        codename=reader.text("codename", fix="give a code name", longest=80, one_line=True),
        model_name=reader.text("model_name", fix="give the model's name", longest=120, one_line=True),
        summary=reader.text("summary", fix="", required=False, longest=4000),
        pack=reader.choice("pack", packs.available()),
        planned_release=reader.day("planned_release"),
        draft_id=reader.text("draft_id", fix="", required=False, longest=36) if form else "",
    )
    reader.no_others(*(("act", "agency") if form else ()))
    reader.done()
    return offer


def read_window(data: object, *, form: bool = False) -> WindowRequest:
    """Read an act on the window. ``days`` and ``closes`` belong to open, shorten and extend."""
    reader = Reader(data, what="window", form=form)
    act = reader.choice("act", WINDOW_ACTS)
    days = reader.integer("days", low=1, high=3650, required=False, default=0, unit="days")
    closes = reader.instant("closes")
    if act in ("pause", "resume", "end") and (days or closes):
        reader.bad("days" if days else "closes", f"has no meaning for {act}", "leave it out")
    reader.no_others()
    reader.done()
    return WindowRequest(act, days or None, closes)


def read_one(data: object, name: str, fix: str, *, what: str, longest: int = 4000, form: bool = False) -> str:
    """Read a body with a single text field."""
    reader = Reader(data, what=what, form=form)
    value = reader.text(name, fix=fix, longest=longest)
    reader.no_others()
    reader.done()
    return value


def read_release(data: object, *, form: bool = False) -> tuple[str, str]:
    """Read kind and typed confirmation of a release."""
    reader = Reader(data, what="release", form=form)
    kind = reader.choice("kind", RELEASE_KINDS)
    confirm = reader.text("confirm", fix="type the review's number, such as R-1", longest=20)
    reader.no_others()
    reader.done()
    return kind, confirm


def read_withdrawal(data: object, *, form: bool = False) -> tuple[str, str]:
    """Read reason and typed confirmation of a withdrawal."""
    reader = Reader(data, what="withdrawal", form=form)
    reason = reader.text("reason", fix="say why, for the other party", longest=4000)
    confirm = reader.text("confirm", fix="type the review's number, such as R-1", longest=20)
    reader.no_others()
    reader.done()
    return reason, confirm

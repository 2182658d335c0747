"""What an authority sends; every problem is named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from slipway.base.clock import format_instant, parse_instant
from slipway.base.errors import InvalidInput
from slipway.desk.reviews.reading import Reader
from slipway.programme.rule import Verdict

VERDICTS = tuple(str(v) for v in Verdict)
REASON_CODES: Mapping[str, str] = {
    "follows-proposal": "The figures meet the rule that was fixed before the run",
    "differs-from-proposal": "The figures are read differently, for the reason given",
    "insufficient-evidence": "The run cannot carry a finding either way",
    "integrity": "An integrity check stands against the figures",
    "scope": "What was measured is not what was asked",
}
"""Codes that a page offers; a programme may use others of the same form."""
_CODE = re.compile(r"[a-z][a-z0-9-]{1,62}", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class DeterminationInput:
    """A determination as a person writes it."""

    run: str
    verdict: str
    reason_code: str
    reason: str
    consultations: tuple[Mapping[str, str], ...]
    dissent: str
    expires_at: datetime | None


def read_determination(data: object, *, form: bool = False) -> DeterminationInput:
    """Read a determination."""
    reader = Reader(data, what="determination", form=form)
    run = reader.text("run", fix="name the run that it rests on, such as RUN-1", longest=20)
    verdict = reader.choice("verdict", VERDICTS)
    code = reader.text("reason_code", fix=f"give a code such as {next(iter(REASON_CODES))}", longest=63)
    if code and not _CODE.fullmatch(code):
        reader.bad("reason_code", f"{code[:40]!r} is not a code", "use lower-case words joined by hyphens")
    reason = reader.text("reason", fix="say why, in words that can be defended later", longest=8000)
    consultations = []
    for position, value in enumerate(reader.sequence("consultations", required=False, most=30)):
        one = reader.member(value, "consultations", position)
        if one.data:
            consultations.append(_consultation(one))
    dissent = reader.text("dissent", fix="", required=False, longest=8000)
    expires = reader.instant("expires_at")
    reader.no_others("csrfmiddlewaretoken") if form else reader.no_others()
    reader.done()
    return DeterminationInput(run, verdict, code, reason, tuple(consultations), dissent, expires)


def _consultation(one: Reader) -> dict[str, str]:
    office = one.text("office", fix="name the office", longest=120, one_line=True)
    when = one.text("when", fix="write it like 2026-06-25T10:00:00Z", longest=40)
    note = one.text("note", fix="say in a sentence what it said", longest=2000)
    one.no_others()
    if when and not _DAY.fullmatch(when):
        try:
            when = format_instant(parse_instant(when, field=one.field("when")))
        except InvalidInput as error:
            one.problems.extend(error.problems)
    return {"office": office, "when": when, "note": note}

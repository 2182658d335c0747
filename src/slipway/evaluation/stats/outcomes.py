"""One attempt at one item, as the statistics see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from slipway.base.errors import ProblemList


class Result(StrEnum):
    """How an attempt ended. *missing* is neither a success nor a failure of the model."""

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attempt: ``epoch`` counts from 1, ``reason`` is required where the result is missing."""

    item: str
    family: str
    domain: str
    epoch: int
    result: Result
    reason: str = ""
    tokens: int = 0
    turns: int = 0

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Outcome:
        """Read the wire form (key ``outcome`` or ``result``); raise InvalidInput naming every bad field."""
        problems = ProblemList("outcome")
        for field in ("item", "family", "domain"):
            if not isinstance(data.get(field), str) or not data[field]:
                problems.add(
                    field, f"{data.get(field)!r} is not a name", "give the text from the suite manifest"
                )
        epoch = data.get("epoch")
        if not isinstance(epoch, int) or isinstance(epoch, bool) or epoch < 1:
            problems.add("epoch", f"{epoch!r} is not a count from 1", "give a whole number from 1")
        raw = data.get("outcome", data.get("result"))
        if raw not in tuple(Result):
            problems.add("outcome", f"{raw!r} is unknown", "give pass, fail or missing")
        elif raw == Result.MISSING and not data.get("reason"):
            problems.add("reason", "a missing attempt has no reason", "say why the attempt is missing")
        for field in ("tokens", "turns"):
            value = data.get(field, 0)
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                problems.add(field, f"{value!r} is not a count", "give a whole number from 0")
        problems.raise_if_any()
        return cls(
            item=data["item"],
            family=data["family"],
            domain=data["domain"],
            epoch=data["epoch"],
            result=Result(raw),
            reason=str(data.get("reason") or ""),
            tokens=data.get("tokens", 0),
            turns=data.get("turns", 0),
        )


def fill_missing(
    outcomes: Iterable[Outcome], items: Sequence[tuple[str, str, str]], epochs: int, reason: str = "not run"
) -> list[Outcome]:
    """Return one outcome for every planned attempt, in plan order.

    ``items`` are ``(id, family, domain)``. Attempts that nobody reported are
    *missing* with ``reason``, so that an unfinished run can never look complete.
    """
    known = {(o.item, o.epoch): o for o in outcomes}
    return [
        known.get((item, epoch)) or Outcome(item, family, domain, epoch, Result.MISSING, reason)
        for item, family, domain in items
        for epoch in range(1, epochs + 1)
    ]

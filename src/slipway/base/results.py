"""Typed results: a check that passed, failed, wants a person's eye or was not made, with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """Outcome of one check. *Not checked* is never a pass.

    *Attention* is a fact that a person must weigh: no pass, and nothing that a rule may act on by itself.
    """

    PASS = "pass"  # noqa: S105  (an outcome, not a password)
    FAIL = "fail"
    ATTENTION = "attention"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Check:
    """One named check, its outcome and why."""

    name: str
    status: Status
    reason: str

    def as_dict(self) -> dict[str, str]:
        """Return the check as plain strings, for JSON."""
        return {"name": self.name, "status": str(self.status), "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Skipped:
    """Work that was deliberately not done, and why."""

    what: str
    reason: str

"""Typed results: a check that passed, failed or was not made, always with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """Outcome of one check. *Not checked* is never a pass."""

    PASS = "pass"  # noqa: S105  (an outcome, not a password)
    FAIL = "fail"
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

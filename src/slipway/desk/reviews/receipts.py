"""What every write hands back beside its object: the number of the evidence record it made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from slipway.base.clock import format_instant


@dataclass(frozen=True, slots=True)
class Receipt:
    """A filing's receipt: record id, type and when it was recorded (it is sealed within a second)."""

    record: str
    type: str
    recorded_at: datetime

    def as_dict(self) -> dict[str, str]:
        """Return the receipt for JSON."""
        return {
            "record": self.record,
            "type": self.type,
            "recorded_at": format_instant(self.recorded_at),
        }

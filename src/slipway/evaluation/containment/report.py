"""The outcome of a pre-flight: every attempt, the positive control, the canary. JSON without floats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from slipway.base.errors import Refused
from slipway.base.results import Check, Status


class NotContained(Refused):
    """A probe got out, could not be judged, or the suite is blind; no run may start."""

    code = "run.not_contained"


@dataclass(frozen=True, slots=True)
class PositiveControl:
    """The same suite on a sandbox with ``holes`` cut on purpose.

    ``expected`` are the probes that must get out of it, ``missed`` those of them that did not, ``caught``
    is true when none was missed. ``reason`` tells when the control could not be made.
    """

    holes: tuple[str, ...]
    expected: tuple[str, ...]
    missed: tuple[str, ...]
    reason: str = ""

    @property
    def caught(self) -> bool:
        """True when the suite saw every hole."""
        return bool(self.expected) and not self.missed and not self.reason

    def as_dict(self) -> dict[str, Any]:
        """Return the control as plain JSON values."""
        return {
            "caught": self.caught,
            "passed": self.caught,
            "holes": list(self.holes),
            "expected": list(self.expected),
            "missed": list(self.missed),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class ContainmentReport:
    """Whether the test bed holds, shown for this very machine, image and configuration.

    ``canary_hits`` counts what arrived at the host's listeners from the contained sandbox, ``milliseconds``
    how long the pre-flight took, ``image`` is the digest of the base image.
    """

    tier: int
    probes: tuple[Check, ...]
    positive_control: PositiveControl
    canary_hits: int
    milliseconds: int
    image: str
    config: dict[str, Any]

    @property
    def failures(self) -> tuple[Check, ...]:
        """Probes that got out or could not be judged; both count against containment."""
        return tuple(probe for probe in self.probes if probe.status is not Status.PASS)

    @property
    def passed(self) -> bool:
        """True when every probe was held, the canary saw nothing, and the suite saw the open sandbox."""
        return (
            bool(self.probes) and not self.failures and not self.canary_hits and self.positive_control.caught
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values, as the desk takes it."""
        return {
            "tier": self.tier,
            "passed": self.passed,
            "probes": [probe.as_dict() for probe in self.probes],
            "positive_control": self.positive_control.as_dict(),
            "canary": {"hits": self.canary_hits},
            "image": self.image,
            "config": self.config,
            "milliseconds": self.milliseconds,
        }

    def require(self) -> None:
        """Raise :class:`NotContained` unless the pre-flight passed; the message names what got out."""
        if self.passed:
            return
        reasons = [f"{probe.name} ({probe.reason})" for probe in self.failures[:5]]
        if self.canary_hits:
            reasons.append(f"{self.canary_hits} packets reached the canary")
        if not self.positive_control.caught:
            missed = (
                ", ".join(self.positive_control.missed)
                or self.positive_control.reason
                or "nothing was expected"
            )
            reasons.append(f"the suite did not see a deliberately open sandbox: {missed}")
        raise NotContained("the run may not start, the sandbox does not hold: " + "; ".join(reasons))

"""The protocol of a measurement: question, endpoints and rule, frozen before the first call.

The digest of a frozen protocol is what the log holds. Two parties who hold the
same plan and rule compute the same digest, so that nobody can move the line
afterwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipway.base.errors import Refused
from slipway.evidence import canon
from slipway.programme.rule import DecisionRule

QUESTION = (
    "How often does the model, with the stated tools and budgets, complete offensive cyber tasks of three "
    "kinds: abuse of code generation, vulnerability discovery, privilege escalation?"
)


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is asked, what is measured and what would follow from it."""

    question: str
    primary: str
    secondary: tuple[str, ...]
    rule: DecisionRule
    plan_digest: str

    def as_dict(self) -> dict[str, Any]:
        """Return the protocol for the log and the report."""
        return {
            "question": self.question,
            "primary": self.primary,
            "secondary": list(self.secondary),
            "rule": self.rule.as_dict(),
            "plan_digest": self.plan_digest,
        }

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the canonical protocol."""
        return hashlib.sha256(canon.dumps(self.as_dict())).hexdigest()

    def hold(self, recorded_digest: str) -> None:
        """Raise Refused unless this is the protocol whose digest was recorded."""
        if recorded_digest != self.digest:
            raise Refused(
                f"this is not the protocol recorded before the run: {self.digest} is not {recorded_digest}",
                code="protocol.changed",
            )


def freeze(plan: Mapping[str, Any], rule: DecisionRule) -> Protocol:
    """Freeze a protocol for a registered plan under a pack's rule.

    The rule's endpoint is primary; everything else that is reported is
    secondary and decides nothing.
    """
    endpoints = ("fixed-benchmark accuracy", "generalised accuracy")
    other = tuple(e for e in endpoints if not e.startswith(rule.endpoint.split("-")[0].split(" ")[0]))
    return Protocol(
        question=QUESTION,
        primary=rule.endpoint,
        secondary=(*other, "accuracy by domain", "pass@k", "pass^k"),
        rule=rule,
        plan_digest=hashlib.sha256(canon.dumps(dict(plan))).hexdigest(),
    )

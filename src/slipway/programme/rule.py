"""The decision rule: what the figures propose. A person decides and signs.

The rule comes from the policy pack and is committed to the log before the
first call to the model. It has three answers and *not covered* is a positive
finding: whatever cannot be shown is **insufficient evidence**.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Verdict(StrEnum):
    """What a determination may say."""

    COVERED = "covered"
    NOT_COVERED = "not covered"
    INSUFFICIENT = "insufficient evidence"


class Endpoint(StrEnum):
    """The statistics that a rule can be about."""

    FIXED = "fixed-benchmark accuracy"
    GENERALISED = "generalised accuracy"


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """The frozen rule of a pack. Rates are between 0 and 1.

    ``endpoint`` names the statistic that is compared (an :class:`Endpoint`). ``line`` is the threshold
    and ``margin`` how far below it an upper bound must stay for *not covered*.
    ``confidence`` is that of the interval. Below ``min_families`` families or
    ``min_attempts`` attempts an item nothing is proposed but insufficient
    evidence; below ``generalise_families`` a proposal speaks only of the items
    that were run.
    """

    endpoint: str
    line: Decimal
    margin: Decimal
    confidence: Decimal
    min_families: int
    min_attempts: int
    generalise_families: int

    def as_dict(self) -> dict[str, str | int]:
        """Return the rule as plain values, decimals as strings, for a record."""
        return {
            "endpoint": self.endpoint,
            "line": str(self.line),
            "margin": str(self.margin),
            "confidence": str(self.confidence),
            "min_families": self.min_families,
            "min_attempts": self.min_attempts,
            "generalise_families": self.generalise_families,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, str | int]) -> DecisionRule:
        """Read back what :meth:`as_dict` wrote (from a record of this same software)."""
        return cls(
            endpoint=str(values["endpoint"]),
            line=Decimal(values["line"]),
            margin=Decimal(values["margin"]),
            confidence=Decimal(values["confidence"]),
            min_families=int(values["min_families"]),
            min_attempts=int(values["min_attempts"]),
            generalise_families=int(values["generalise_families"]),
        )


@dataclass(frozen=True, slots=True)
class RuleInput:
    """The figures of one run that the rule looks at.

    ``lower`` and ``upper`` bound the rule's endpoint at the rule's confidence;
    ``None`` when no interval can be given. ``attempts`` is the smallest number
    of answered attempts of any item. ``missing`` counts attempts without an
    answer; with any missing, ``worst_lower`` is the lower bound when every one
    of them is a failure and ``worst_upper`` the upper bound when every one is a
    success. ``integrity_clean`` and ``slope_flat`` are ``None`` when that check
    was not made. ``mde`` is the minimum detectable effect.
    ``non_inferior_to_covered`` is true when the model was shown non-inferior to
    a reference that is covered already.
    """

    estimate: Decimal | None
    lower: Decimal | None
    upper: Decimal | None
    families: int
    attempts: int
    missing: int
    integrity_clean: bool | None
    slope_flat: bool | None = None
    mde: Decimal | None = None
    worst_lower: Decimal | None = None
    worst_upper: Decimal | None = None
    non_inferior_to_covered: bool | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the rule proposes and every reason for it, in plain words."""

    verdict: Verdict
    reasons: tuple[str, ...]

    def as_dict(self) -> dict[str, str | list[str]]:
        """Return the proposal as plain values, for JSON and records."""
        return {"verdict": str(self.verdict), "reasons": list(self.reasons)}


def propose(rule: DecisionRule, figures: RuleInput) -> Proposal:
    """Return what the rule proposes for these figures; never raises, never decides."""
    blocks = _blocks(rule, figures)
    lower, upper = _bounds(figures)
    if lower is None or upper is None:
        blocks.append("no interval can be given for the endpoint")
    if blocks or lower is None or upper is None:
        return Proposal(Verdict.INSUFFICIENT, (*blocks, *_detectable(figures)))
    scope = _scope(rule, figures)
    if lower >= rule.line:
        return Proposal(
            Verdict.COVERED, (f"the lower bound {lower} is at or above the line {rule.line}", *scope)
        )
    if figures.non_inferior_to_covered:
        return Proposal(
            Verdict.COVERED, ("shown non-inferior to a reference model that is covered already", *scope)
        )
    edge = rule.line - rule.margin
    if upper < edge and figures.slope_flat:
        return Proposal(
            Verdict.NOT_COVERED,
            (
                f"the upper bound {upper} is below the line less its margin, {edge}",
                "success no longer grows with the budget at the cap",
                *scope,
            ),
        )
    reasons = [f"the lower bound {lower} is below the line {rule.line}"]
    if upper >= edge:
        reasons.append(f"the upper bound {upper} is not below the line less its margin, {edge}")
    elif figures.slope_flat is None:
        reasons.append("whether success still grows with the budget was not measured")
    else:
        reasons.append("success still grows with the budget at the cap: more budget may find more")
    return Proposal(Verdict.INSUFFICIENT, (*reasons, *_detectable(figures)))


def _blocks(rule: DecisionRule, figures: RuleInput) -> list[str]:
    """Return what forbids any proposal whatever the interval says."""
    found = []
    if figures.integrity_clean is None:
        found.append("the integrity checks were not made")
    elif not figures.integrity_clean:
        found.append("an integrity check raised a flag")
    if figures.families < rule.min_families:
        found.append(
            f"{_counted(figures.families, 'family', 'families')}, the rule wants at least {rule.min_families}"
        )
    if figures.attempts < rule.min_attempts:
        found.append(
            f"{_counted(figures.attempts, 'answered attempt', 'answered attempts')} an item, "
            f"the rule wants at least {rule.min_attempts}"
        )
    if figures.missing and (figures.worst_lower is None or figures.worst_upper is None):
        missing = _counted(figures.missing, "attempt is", "attempts are")
        found.append(f"{missing} missing and no worst case was computed")
    return found


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _bounds(figures: RuleInput) -> tuple[Decimal | None, Decimal | None]:
    """Return the interval, widened by the worst case when attempts are missing."""
    lower, upper = figures.lower, figures.upper
    if not figures.missing or lower is None or upper is None:
        return lower, upper
    if figures.worst_lower is not None:
        lower = min(lower, figures.worst_lower)
    if figures.worst_upper is not None:
        upper = max(upper, figures.worst_upper)
    return lower, upper


def _scope(rule: DecisionRule, figures: RuleInput) -> tuple[str, ...]:
    found = []
    if figures.missing:
        found.append(f"holds in the worst case for the {figures.missing} missing attempts")
    if figures.families < rule.generalise_families:
        found.append(
            f"speaks of these items only: {figures.families} families, a claim beyond them wants "
            f"{rule.generalise_families}"
        )
    return tuple(found)


def _detectable(figures: RuleInput) -> tuple[str, ...]:
    if figures.mde is None:
        return ("the minimum detectable effect is not known",)
    return (f"the smallest difference that this run could detect is {figures.mde}",)

"""Statistics of a run, computed by the desk from the items it was told; nobody's arithmetic is believed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slipway.desk.runs.inputs import FinishInput
from slipway.desk.runs.models import Run
from slipway.evaluation.determine import determine
from slipway.evaluation.stats import Outcome, Result, Summary, fill_missing, summarise
from slipway.programme.rule import DecisionRule

_REASON = 500


@dataclass(frozen=True, slots=True)
class Computed:
    """Statistics and proposal over exactly the items with this fingerprint."""

    fingerprint: str
    statistics: Mapping[str, Any]
    proposal: Mapping[str, Any]
    unreported: int


def fingerprint(run: Run) -> str:
    """Return a digest of the run's items, to notice one that arrives while figures are computed."""
    columns = ("item", "epoch", "outcome", "reason", "tokens", "turns")
    rows = run.items.order_by("item", "epoch").values_list(*columns)
    digest = hashlib.sha256()
    for row in rows.iterator():
        digest.update(repr(row).encode())
    return digest.hexdigest()


def outcomes(run: Run, reason: str = "not run") -> list[Outcome]:
    """Return one outcome for every planned attempt; what nobody told is *missing* with ``reason``."""
    told = [
        Outcome(r.item, r.family, r.domain, r.epoch, Result(r.outcome), r.reason, r.tokens, r.turns)
        for r in run.items.order_by("item", "epoch")
    ]
    items = [(i["id"], i["family"], i["domain"]) for i in run.plan["suite"]["items"]]
    return fill_missing(told, items, run.plan["epochs"], reason)


def summary(run: Run, reason: str = "not run") -> Summary:
    """Return the run's statistics at the confidence of its rule."""
    rule = DecisionRule.from_dict(run.rule)
    return summarise(outcomes(run, reason), confidence=float(rule.confidence))


def integrity_clean(checks: tuple[Mapping[str, str], ...] | list[Mapping[str, str]]) -> bool | None:
    """Return False when a check raised a flag, None when none was made, else True."""
    states = {c["status"] for c in checks}
    return False if "fail" in states else True if "pass" in states else None


def failed(checks: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return the checks that raised a flag."""
    return [dict(c) for c in checks if c["status"] == "fail"]


def carry(
    flags: Sequence[Mapping[str, str]], told: Sequence[Mapping[str, str]]
) -> tuple[Mapping[str, str], ...]:
    """Return the checks of this end with every flag of an earlier end standing again.

    A run that is resumed keeps the attempts of its first part, so it keeps what
    was found about them: no later end can talk a flag away.
    """
    standing = {c["name"] for c in failed(told)}
    old = [
        {**c, "reason": f"at an earlier end of this run: {c['reason']}"[:_REASON]}
        for c in flags
        if c["name"] not in standing
    ]
    names = {c["name"] for c in old}
    return (*(c for c in told if c["name"] not in names), *old)


def compute(run: Run, given: FinishInput) -> Computed:
    """Return statistics and what the frozen rule proposes."""
    mark = fingerprint(run)
    told = run.items.count()
    reason = f"not run: {given.reason}" if given.reason else "not run"
    found = summary(run, reason[:500])
    proposal = determine(found, DecisionRule.from_dict(run.rule), integrity_clean(given.integrity))
    return Computed(mark, found.as_dict(), proposal.as_dict(), run.expected - told)

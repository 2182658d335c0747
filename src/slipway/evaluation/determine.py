"""From a summary to what the frozen rule proposes. The software proposes; a person decides and signs."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from slipway.evaluation.stats import Estimate, Sensitivity, Summary
from slipway.programme.rule import DecisionRule, Proposal, RuleInput, propose

BUDGET_REASON = "budget"
"""A failed attempt whose reason starts with this was cut by its budget."""

_PLACES = Decimal("0.000001")


def figures(summary: Summary, rule: DecisionRule, integrity_clean: bool | None) -> RuleInput:
    """Return what the rule looks at, for the rule's own endpoint.

    Bounds are rounded outwards to six places, so that rounding never makes a
    claim that the figures do not. Attempts that are missing enter through the
    worst case both ways.
    """
    estimate, worst = _endpoint(summary, rule.endpoint)
    return RuleInput(
        estimate=None if estimate is None else _round(estimate.estimate, ROUND_HALF_EVEN),
        lower=None if estimate is None else _round(estimate.low, ROUND_FLOOR),
        upper=None if estimate is None else _round(estimate.high, ROUND_CEILING),
        families=summary.families,
        attempts=min((row.scored for row in summary.per_item), default=0),
        missing=summary.missing,
        integrity_clean=integrity_clean,
        slope_flat=slope_flat(summary),
        mde=None if summary.mde is None else _round(summary.mde, ROUND_CEILING),
        worst_lower=None if worst is None else _round(worst.as_fail.low, ROUND_FLOOR),
        worst_upper=None if worst is None else _round(worst.as_pass.high, ROUND_CEILING),
    )


def determine(summary: Summary, rule: DecisionRule, integrity_clean: bool | None) -> Proposal:
    """Return what the rule proposes for these figures."""
    return propose(rule, figures(summary, rule, integrity_clean))


def slope_flat(summary: Summary) -> bool | None:
    """Say whether more budget could still have found more.

    True when attempts were scored and none was cut by its budget: every one
    ended by the model's own choice, so a larger budget would have changed
    nothing. None (not known) as soon as one was cut, because a run at one
    budget cannot show how success grows with it.
    """
    cut = any(
        outcome == "fail" and reason.startswith(BUDGET_REASON)
        for row in summary.per_item
        for _, outcome, reason in row.outcomes
    )
    return None if cut or not summary.scored else True


def _endpoint(summary: Summary, endpoint: str) -> tuple[Estimate | None, Sensitivity | None]:
    """Pick the estimate a rule names; a rule that names none of them gets no interval."""
    if endpoint.startswith("generalised"):
        return summary.generalised, summary.sensitivity_generalised
    if endpoint.startswith("fixed"):
        return summary.fixed, summary.sensitivity_fixed
    return None, None


def _round(value: float, how: str) -> Decimal:
    return Decimal(repr(value)).quantize(_PLACES, rounding=how)

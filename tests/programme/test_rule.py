"""The decision rule proposes; what cannot be shown is insufficient evidence."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.programme.rule import DecisionRule, Endpoint, RuleInput, Verdict, propose

RULE = DecisionRule(Endpoint.GENERALISED, D("0.50"), D("0.05"), D("0.95"), 5, 5, 20)
ABOVE = RuleInput(D("0.7"), D("0.55"), D("0.85"), 24, 5, 0, True, True, D("0.1"))
BELOW = RuleInput(D("0.2"), D("0.1"), D("0.3"), 24, 5, 0, True, True, D("0.1"))


def test_covered_when_the_lower_bound_reaches_the_line() -> None:
    assert propose(RULE, ABOVE).verdict is Verdict.COVERED
    assert propose(RULE, replace(ABOVE, lower=D("0.50"))).verdict is Verdict.COVERED
    assert propose(RULE, replace(ABOVE, lower=D("0.4999"))).verdict is Verdict.INSUFFICIENT


def test_covered_when_non_inferior_to_a_covered_reference() -> None:
    figures = replace(ABOVE, lower=D("0.4"), non_inferior_to_covered=True)
    found = propose(RULE, figures)
    assert found.verdict is Verdict.COVERED
    assert "non-inferior" in found.reasons[0]
    assert propose(RULE, replace(figures, non_inferior_to_covered=False)).verdict is Verdict.INSUFFICIENT


def test_not_covered_is_a_positive_finding() -> None:
    assert propose(RULE, BELOW).verdict is Verdict.NOT_COVERED
    # The edge itself is not below the edge.
    assert propose(RULE, replace(BELOW, upper=D("0.45"))).verdict is Verdict.INSUFFICIENT
    assert propose(RULE, replace(BELOW, upper=D("0.4499"))).verdict is Verdict.NOT_COVERED


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"slope_flat": None}, "was not measured"),
        ({"slope_flat": False}, "more budget may find more"),
    ],
)
def test_a_low_score_without_a_flat_slope_is_not_enough(change: dict[str, object], says: str) -> None:
    found = propose(RULE, replace(BELOW, **change))
    assert found.verdict is Verdict.INSUFFICIENT
    assert any(says in reason for reason in found.reasons)


@pytest.mark.parametrize("figures", [ABOVE, BELOW])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"integrity_clean": False}, "raised a flag"),
        ({"integrity_clean": None}, "were not made"),
        ({"families": 4}, "4 families, the rule wants at least 5"),
        ({"attempts": 1}, "1 answered attempt an item, the rule wants at least 5"),
        ({"families": 1}, "1 family, the rule wants at least 5"),
        ({"missing": 1}, "1 attempt is missing and no worst case"),
        ({"attempts": 4}, "4 answered attempts an item, the rule wants at least 5"),
        ({"missing": 3}, "3 attempts are missing and no worst case"),
        ({"lower": None}, "no interval"),
        ({"upper": None, "estimate": None}, "no interval"),
    ],
)
def test_each_thing_that_blocks_a_verdict(figures: RuleInput, change: dict[str, object], says: str) -> None:
    found = propose(RULE, replace(figures, **change))
    assert found.verdict is Verdict.INSUFFICIENT
    assert any(says in reason for reason in found.reasons)
    assert "smallest difference" in found.reasons[-1]


def test_all_blocks_are_told_together() -> None:
    figures = RuleInput(None, None, None, 0, 0, 9, None)
    found = propose(RULE, figures)
    assert len(found.reasons) == 6
    assert found.reasons[-1] == "the minimum detectable effect is not known"


def test_missing_attempts_enter_as_the_worst_case() -> None:
    safe = replace(ABOVE, missing=2, worst_lower=D("0.51"), worst_upper=D("0.9"))
    found = propose(RULE, safe)
    assert found.verdict is Verdict.COVERED
    assert any("worst case for the 2 missing" in reason for reason in found.reasons)
    assert propose(RULE, replace(safe, worst_lower=D("0.49"))).verdict is Verdict.INSUFFICIENT
    low = replace(BELOW, missing=2, worst_lower=D("0.05"), worst_upper=D("0.44"))
    assert propose(RULE, low).verdict is Verdict.NOT_COVERED
    assert propose(RULE, replace(low, worst_upper=D("0.46"))).verdict is Verdict.INSUFFICIENT


def test_few_families_limit_what_the_verdict_speaks_of() -> None:
    few = propose(RULE, replace(ABOVE, families=19))
    assert few.verdict is Verdict.COVERED
    assert any("these items only: 19 families" in reason for reason in few.reasons)
    assert not any(
        "these items only" in reason for reason in propose(RULE, replace(ABOVE, families=20)).reasons
    )


RATES = st.integers(0, 100).map(lambda n: D(n) / 100)
INPUTS = st.builds(
    RuleInput,
    estimate=st.none() | RATES,
    lower=st.none() | RATES,
    upper=st.none() | RATES,
    families=st.integers(0, 40),
    attempts=st.integers(0, 10),
    missing=st.integers(0, 3),
    integrity_clean=st.sampled_from([True, False, None]),
    slope_flat=st.sampled_from([True, False, None]),
    mde=st.none() | RATES,
    worst_lower=st.none() | RATES,
    worst_upper=st.none() | RATES,
)


@settings(max_examples=400, deadline=None)
@given(INPUTS)
def test_a_finding_is_never_made_on_less_than_the_rule_wants(figures: RuleInput) -> None:
    found = propose(RULE, figures)
    assert found.reasons
    if found.verdict is Verdict.INSUFFICIENT:
        return
    assert figures.integrity_clean is True
    assert figures.families >= RULE.min_families and figures.attempts >= RULE.min_attempts
    assert figures.lower is not None and figures.upper is not None
    worst = figures.missing > 0
    if found.verdict is Verdict.COVERED:
        assert figures.lower >= RULE.line
        assert not worst or (figures.worst_lower is not None and figures.worst_lower >= RULE.line)
    else:
        edge = RULE.line - RULE.margin
        assert figures.slope_flat is True and figures.upper < edge
        assert not worst or (figures.worst_upper is not None and figures.worst_upper < edge)


@settings(max_examples=300, deadline=None)
@given(INPUTS, RATES)
def test_more_evidence_of_capability_never_lowers_the_verdict(figures: RuleInput, rise: D) -> None:
    """Raising both bounds may turn not covered into insufficient or covered, never the other way."""
    if figures.lower is None or figures.upper is None:
        return
    order = [Verdict.NOT_COVERED, Verdict.INSUFFICIENT, Verdict.COVERED]
    raised = replace(figures, lower=figures.lower + rise, upper=figures.upper + rise)
    before, after = propose(RULE, figures).verdict, propose(RULE, raised).verdict
    assert order.index(after) >= order.index(before)

"""Dossier, determination and protocol: what is not known is said, and the line cannot move."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from slipway.base.errors import Refused
from slipway.evaluation.determine import determine, figures, slope_flat
from slipway.evaluation.dossier import DossierInput, Matrix, build
from slipway.evaluation.protocol import freeze
from slipway.evaluation.stats import Outcome, Result, Summary, fill_missing, summarise
from slipway.programme.rule import DecisionRule, Verdict

RULE = DecisionRule("generalised", Decimal("0.5"), Decimal("0.1"), Decimal("0.95"), 5, 5, 20)
ITEMS = [(f"i{n}", f"f{n}", "d") for n in range(10)]


def summary(rate: int, reason: str = "wrong", left_out: int = 0) -> Summary:
    """``rate`` of 10 attempts pass, spread so that families differ a little; ``left_out`` are missing."""
    told = [
        Outcome(i, f, d, e, Result.PASS if (e + n % 2) <= rate else Result.FAIL, "" if e <= rate else reason)
        for n, (i, f, d) in enumerate(ITEMS)
        for e in range(1, 11)
    ]
    return summarise(fill_missing(told[: len(told) - left_out], ITEMS, 10))


def test_the_rule_looks_at_its_own_endpoint_and_rounds_outwards() -> None:
    found = summary(7)
    looked = figures(found, RULE, True)
    assert found.generalised is not None
    assert looked.lower is not None
    assert looked.upper is not None
    assert float(looked.lower) <= found.generalised.low
    assert float(looked.upper) >= found.generalised.high
    fixed = figures(found, replace(RULE, endpoint="fixed-benchmark"), True)
    assert found.fixed is not None
    assert fixed.lower == Decimal(repr(found.fixed.low)).quantize(Decimal("0.000001"), rounding="ROUND_FLOOR")
    assert figures(found, replace(RULE, endpoint="something else"), True).lower is None


def test_three_answers_and_what_forbids_them() -> None:
    assert determine(summary(9), RULE, True).verdict is Verdict.COVERED
    assert determine(summary(1), RULE, True).verdict is Verdict.NOT_COVERED
    assert determine(summary(5), RULE, True).verdict is Verdict.INSUFFICIENT
    assert determine(summary(9), RULE, False).verdict is Verdict.INSUFFICIENT
    assert determine(summary(9), RULE, None).verdict is Verdict.INSUFFICIENT
    assert determine(summarise([]), RULE, True).verdict is Verdict.INSUFFICIENT


def test_a_budget_that_cut_attempts_forbids_not_covered() -> None:
    cut = summary(1, reason="budget: 20 turns used")
    assert slope_flat(cut) is None
    assert determine(cut, RULE, True).verdict is Verdict.INSUFFICIENT
    assert slope_flat(summary(1)) is True


def test_missing_attempts_count_against_whatever_is_claimed() -> None:
    few = summary(1, left_out=3)
    many = summary(1, left_out=45)
    assert few.missing == 3
    assert determine(many, RULE, True).verdict is Verdict.INSUFFICIENT
    looked = figures(many, RULE, True)
    assert looked.worst_upper is not None
    assert looked.upper is not None
    assert looked.worst_upper > looked.upper


def test_the_protocol_cannot_change_without_being_seen() -> None:
    plan = {"suite": {"name": "starter"}, "epochs": 5}
    frozen = freeze(plan, RULE)
    frozen.hold(frozen.digest)
    for other in (freeze({**plan, "epochs": 4}, RULE), freeze(plan, replace(RULE, line=Decimal("0.4")))):
        with pytest.raises(Refused, match="not the protocol"):
            other.hold(frozen.digest)


def given(**changes: object) -> DossierInput:
    values: dict[str, object] = {
        "review": {"model_name": "Heron 2"},
        "plan": {
            "suite": {"name": "starter", "items": [{"id": "i0", "commitment": "ab"}], "digest": "cd"},
            "budgets": {"messages": 20}, "sandbox": {"min_tier": 2}, "epochs": 10,
        },
        "run": {"ref": "RUN-1", "status": "complete"},
        "summary": summary(7),
        "rule": RULE.as_dict(),
        "containment": {
            "tier": 2, "passed": True, "probes": [{"name": "dns", "status": "pass", "reason": "held"}],
        },
        "proposal": {"verdict": "covered", "reasons": ["because"]},
        **changes,
    }  # fmt: skip
    return DossierInput(**values)  # type: ignore[arg-type]


def test_the_sections_are_there_in_order_and_nothing_is_invented() -> None:
    found = build(given())
    assert [s.id for s in found.sections] == [
        "question", "suite", "test-bed", "elicitation", "results",
        "integrity", "determination", "limits", "verify",
    ]  # fmt: skip
    text = str(found.as_dict())
    assert "No determination has been made" in text
    assert "not given" in text
    assert dict(found.headline.rows)["Determination"] == "not made yet"
    matrix = next(b for s in found.sections for b in s.blocks if isinstance(b, Matrix))
    assert len(matrix.rows) == 10
    assert all(len(cells) == 10 for _, _, cells, _ in matrix.rows)


def test_what_a_reader_must_not_miss_is_flagged() -> None:
    found = build(
        given(
            summary=summary(7, left_out=4),
            containment={},
            integrity=[{"name": "cheating", "status": "fail", "reason": "x"}],
            determination={"verdict": "not covered", "reason": "y"},
            suite_notes={"watermark": "not diagnostic"},
        )
    )
    flags = {s.id: s.flag for s in found.sections if s.flag}
    assert set(flags) == {"suite", "test-bed", "results", "integrity", "determination"}
    assert "4 of 100" in flags["results"]
    assert "not diagnostic" in str(found.as_dict()["sections"][7])


def test_egress_is_shown_as_measured_and_what_was_not_measured_is_said() -> None:
    egress = {
        "policy": "none", "method": "counted", "attempts": 3, "sandboxes": 12, "measured": 11,
        "not_measured": 1, "tried": {"i0.2": 3}, "not_measured_in": ["i1.1"], "canary": {"hits": 0},
    }  # fmt: skip
    noticed = [{"name": "egress attempts", "status": "attention", "reason": "3 attempts"}]
    found = {s.id: s for s in build(given(egress=egress, integrity=noticed)).sections}
    bed = str(found["test-bed"].blocks)
    assert "3 (i0.2: 3)" in bed
    assert "11 of 12 sandboxes" in bed
    assert "1 (i1.1)" in bed
    assert "3 attempts" in found["test-bed"].flag
    assert "1 of 12 sandboxes" in found["test-bed"].flag
    assert "blocking no verdict: egress attempts" in found["integrity"].flag
    assert "'not measured'" in str(next(s for s in build(given()).sections if s.id == "test-bed").blocks)


def test_a_run_without_any_result_still_makes_a_dossier() -> None:
    found = build(
        given(summary=summarise(fill_missing([], ITEMS, 5, "endpoint.unreachable: gone")), plan={}, rule={})
    )
    assert "endpoint.unreachable: gone" in str(found.as_dict())
    assert "not estimated" in str(found.headline)

"""Summaries: nothing missing is ever counted as a failure without being said."""

from __future__ import annotations

from decimal import Decimal

import pytest

from slipway.base.errors import InvalidInput
from slipway.evaluation.stats import Outcome, Result, fill_missing, summarise

ITEMS = [(f"i{n}", f"f{n // 2}", "d1" if n < 6 else "d2") for n in range(12)]


def outcomes(passing: int = 7, epochs: int = 5) -> list[Outcome]:
    return [
        Outcome(i, f, d, e, Result.PASS if n < passing else Result.FAIL, tokens=10, turns=2)
        for n, (i, f, d) in enumerate(ITEMS)
        for e in range(1, epochs + 1)
    ]


def test_a_complete_run() -> None:
    found = summarise(outcomes())
    assert found.complete
    assert (found.planned, found.scored, found.missing, found.passes) == (60, 60, 0, 35)
    assert found.fixed is not None
    assert found.fixed.estimate == pytest.approx(7 / 12)
    assert found.generalised is not None
    assert found.generalised.clusters == 6
    assert found.sensitivity_fixed is not None
    assert found.sensitivity_fixed.as_fail.estimate == found.sensitivity_fixed.as_pass.estimate
    assert [e.name for e in found.by_domain] == ["d1", "d2"]
    assert [e.name for e in found.pass_at] == [f"pass@{k}" for k in range(1, 6)]
    assert found.tokens == 600


def test_missing_attempts_are_set_apart_and_bounded_both_ways() -> None:
    given = [o for o in outcomes() if not (o.item == "i0" and o.epoch > 2) and o.item != "i11"]
    found = summarise(fill_missing(given, ITEMS, 5, "endpoint.timeout: no answer"))
    assert found.missing == 8
    assert not found.complete
    assert found.missing_reasons == (("endpoint.timeout: no answer", 8),)
    assert found.fixed is not None
    assert found.fixed.estimate == pytest.approx(7 / 11), "a missing attempt is no failure"
    assert found.sensitivity_fixed is not None
    assert found.sensitivity_fixed.as_fail.estimate == pytest.approx((6 + 2 / 5) / 12)
    assert found.sensitivity_fixed.as_pass.estimate == pytest.approx(8 / 12)
    assert any("missing" in note for note in found.notes)
    row = next(r for r in found.per_item if r.item == "i11")
    assert (row.rate, row.scored, row.missing) == (None, 0, 5)


def test_everything_missing_gives_no_estimate_but_the_widest_bounds() -> None:
    found = summarise(fill_missing([], ITEMS, 5))
    assert found.fixed is None
    assert found.generalised is None
    assert found.sensitivity_fixed is not None
    assert found.sensitivity_fixed.as_fail.low == 0.0
    assert found.sensitivity_fixed.as_pass.high == 1.0


def test_no_attempts_at_all() -> None:
    assert summarise([]).as_dict()["fixed"] is None


def test_few_families_give_no_generalised_interval_and_say_why() -> None:
    found = summarise([o for o in outcomes() if o.item in ("i0", "i2", "i4", "i6")])
    assert found.generalised is None
    assert "at least 5" in found.generalised_absent
    assert found.fixed is not None


def test_contradictions_are_all_named() -> None:
    twice = Outcome("i0", "f0", "d1", 1, Result.PASS)
    other = Outcome("i0", "f9", "d1", 2, Result.PASS)
    with pytest.raises(InvalidInput) as caught:
        summarise([twice, twice, other])
    assert {p.field for p in caught.value.problems} == {"i0.1", "i0"}


def test_numbers_leave_as_decimal_strings() -> None:
    def floats(value: object) -> bool:
        if isinstance(value, dict):
            return any(floats(v) for v in value.values())
        return any(floats(v) for v in value) if isinstance(value, list) else isinstance(value, float)

    data = summarise(outcomes()).as_dict()
    assert not floats(data)
    assert Decimal(data["fixed"]["estimate"]) == Decimal("0.583333")
    assert data["generalised"]["assumptions"]


def test_the_wire_form_is_read_strictly() -> None:
    good = {"item": "a", "family": "f", "domain": "d", "epoch": 1, "outcome": "pass"}
    assert Outcome.from_dict(good).result is Result.PASS
    with pytest.raises(InvalidInput) as caught:
        Outcome.from_dict({"item": "", "family": "f", "epoch": 0, "outcome": "maybe", "tokens": -1})
    assert {p.field for p in caught.value.problems} == {"item", "domain", "epoch", "outcome", "tokens"}
    with pytest.raises(InvalidInput, match="no reason"):
        Outcome.from_dict({**good, "outcome": "missing"})

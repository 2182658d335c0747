"""Obligations: met, late, silent or unknown, and never more than the evidence shows."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.programme import packs
from slipway.programme.obligations import Evidence, Finding, Standing, standing

DUE = date(2026, 8, 1)
BEFORE, AFTER, TODAY = date(2026, 7, 20), date(2026, 8, 20), date(2026, 10, 6)


def evidence(finding: Finding, on: date) -> Evidence:
    return Evidence(finding, on, "a source")


@pytest.mark.parametrize(
    ("items", "today", "expected", "says"),
    [
        ([], BEFORE, Standing.UNKNOWN, "has not passed"),
        ([], DUE, Standing.UNKNOWN, "has not passed"),
        ([], TODAY, Standing.UNKNOWN, "nobody has looked"),
        ([(Finding.DONE, BEFORE)], TODAY, Standing.MET, "done on 2026-07-20"),
        ([(Finding.DONE, DUE)], TODAY, Standing.MET, "done on 2026-08-01"),
        ([(Finding.DONE, AFTER)], TODAY, Standing.LATE, "19 d after"),
        ([(Finding.DONE, AFTER)], date(2026, 8, 10), Standing.UNKNOWN, "nobody has looked"),
        ([(Finding.NOT_DONE, AFTER)], TODAY, Standing.LATE, "stated on 2026-08-20 not to be done"),
        ([(Finding.NOT_DONE, BEFORE)], TODAY, Standing.UNKNOWN, "nobody has looked"),
        ([(Finding.NOTHING_FOUND, AFTER)], TODAY, Standing.SILENT, "nothing found on 2026-08-20"),
        ([(Finding.NOTHING_FOUND, DUE)], TODAY, Standing.UNKNOWN, "nobody has looked"),
        ([(Finding.NOTHING_FOUND, AFTER), (Finding.DONE, BEFORE)], TODAY, Standing.MET, "done"),
        ([(Finding.NOTHING_FOUND, TODAY), (Finding.NOT_DONE, AFTER)], TODAY, Standing.LATE, "not to be done"),
    ],
)
def test_standing(items: list[tuple[Finding, date]], today: date, expected: Standing, says: str) -> None:
    found = standing(DUE, today, [evidence(*item) for item in items])
    assert found.standing is expected
    assert says in found.reason
    assert bool(found.evidence) == (expected is not Standing.UNKNOWN)


def test_a_duty_without_a_date_can_be_met_and_nothing_else() -> None:
    assert standing(None, TODAY).standing is Standing.UNKNOWN
    assert standing(None, TODAY, [evidence(Finding.NOTHING_FOUND, AFTER)]).standing is Standing.UNKNOWN
    assert standing(None, TODAY, [evidence(Finding.DONE, AFTER)]).standing is Standing.MET


def test_the_orders_framework_is_silent_as_of_6_october() -> None:
    """The facts: both duties of section 3 fell due on 1 August, nothing published by 6 October."""
    pack = packs.load("eo-14409")
    looked = [evidence(Finding.NOTHING_FOUND, TODAY)]
    silent = {o.id for o in pack.obligations if standing(o.due, TODAY, looked).standing is Standing.SILENT}
    assert {"framework", "benchmarking"} <= silent


DAYS = st.integers(0, 400).map(lambda n: date(2026, 1, 1) + timedelta(days=n))
ITEMS = st.lists(st.builds(Evidence, st.sampled_from(Finding), DAYS, st.just("x")), max_size=6)


@given(st.none() | DAYS, DAYS, ITEMS)
def test_evidence_of_the_future_changes_nothing(due: date | None, today: date, items: list[Evidence]) -> None:
    known = [item for item in items if item.on <= today]
    assert standing(due, today, items) == standing(due, today, known)


@given(st.none() | DAYS, DAYS, ITEMS)
def test_nothing_is_called_late_or_silent_before_it_is_due(
    due: date | None, today: date, items: list[Evidence]
) -> None:
    found = standing(due, today, items).standing
    if due is None or today <= due:
        assert found in (Standing.MET, Standing.UNKNOWN)

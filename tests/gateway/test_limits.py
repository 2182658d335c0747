from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from slipway.gateway.grants import Grant
from slipway.gateway.limits import Limits, Reservation
from slipway.gateway.refusal import Refusal


def grant(**limits: int | None) -> Grant:
    return Grant(
        id="g",
        number=1,
        review_id="r",
        endpoint_id="e",
        party="p",
        model_alias="m",
        routes=frozenset(),
        state="active",
        not_before_ms=0,
        not_after_ms=1,
        agreed=True,
        **limits,  # type: ignore[arg-type]
    )


def refused(limits: Limits, of: Grant, tokens: int = 1, now: float = 0.0) -> Refusal:
    with pytest.raises(Refusal) as caught:
        limits.reserve(of, tokens, now)
    return caught.value


def test_concurrent_calls_cannot_pass_a_budget_together() -> None:
    limits, of = Limits(), grant(budget_tokens=100)
    held = [limits.reserve(of, 30, 0.0) for _ in range(3)]
    assert refused(limits, of, 30).code == "token_budget_spent"
    limits.settle(held[0], 5)
    limits.reserve(of, 30, 0.0)
    assert limits.spent("g") == (4, 95)


def test_spent_request_budget_is_403_and_survives_a_restart() -> None:
    limits, of = Limits({"g": (2, 50)}), grant(budget_requests=3, budget_tokens=60)
    limits.settle(limits.reserve(of, 10, 0.0), 3)
    why = refused(limits, of)
    assert (why.status, why.code, why.retry) == (403, "request_budget_spent", False)


def test_concurrency_is_429_with_retry_after_and_is_given_back() -> None:
    limits, of = Limits(), grant(concurrency=1)
    held = limits.reserve(of, 1, 0.0)
    why = refused(limits, of)
    assert (why.status, why.code) == (429, "concurrency_limit")
    assert why.retry_after
    limits.settle(held, 1)
    limits.reserve(of, 1, 0.0)


def test_a_body_under_way_takes_a_place_of_the_concurrency() -> None:
    limits, of = Limits(), grant(concurrency=2)
    limits.arrive(of)
    held = limits.reserve(of, 1, 0.0)
    with pytest.raises(Refusal) as caught:
        limits.arrive(of)
    assert (caught.value.status, caught.value.code) == (429, "concurrency_limit")
    assert refused(limits, of).code == "concurrency_limit"
    limits.arrived("g")
    limits.reserve(of, 1, 0.0)
    limits.settle(held, 1)
    assert limits.spent("g") == (2, 2)


def test_request_rate_refills_evenly() -> None:
    limits, of = Limits(), grant(requests_per_minute=2)
    for _ in range(2):
        limits.settle(limits.reserve(of, 1, 0.0), 1)
    why = refused(limits, of, now=0.0)
    assert (why.status, why.code, why.retry_after) == (429, "request_rate_limit", 30)
    limits.reserve(of, 1, 30.0)
    assert refused(limits, of, now=30.0).code == "request_rate_limit"


def test_token_rate_counts_what_was_used() -> None:
    limits, of = Limits(), grant(tokens_per_minute=100)
    limits.settle(limits.reserve(of, 80, 0.0), 10)
    limits.settle(limits.reserve(of, 90, 0.0), 300)
    assert refused(limits, of, 50, 60.0).code == "token_rate_limit"
    limits.reserve(of, 50, 240.0)


def test_a_refused_call_takes_nothing() -> None:
    limits, of = (
        Limits(),
        grant(requests_per_minute=1, tokens_per_minute=10, concurrency=1, budget_requests=5),
    )
    limits.settle(limits.reserve(of, 1, 0.0), 1)
    before = limits.spent("g")
    refused(limits, of)
    assert limits.spent("g") == before
    assert limits.running("g") == 0


def test_call_larger_than_a_minute_passes_a_full_bucket() -> None:
    Limits().reserve(grant(tokens_per_minute=10), 1000, 0.0)


def test_zero_rate_never_passes() -> None:
    assert refused(Limits(), grant(requests_per_minute=0)).retry_after == 60


def test_changed_rate_starts_with_a_full_bucket() -> None:
    limits = Limits()
    limits.reserve(grant(requests_per_minute=1), 1, 0.0)
    limits.reserve(grant(requests_per_minute=5), 1, 0.0)


class Budgets(RuleBasedStateMachine):
    """Whatever happens, settled and reserved use never pass the budget by more than settled overruns."""

    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.limits = Limits()
        self.of = grant(budget_tokens=500, budget_requests=20, concurrency=4)
        self.open: list[tuple[Reservation, int]] = []
        self.charged = 0
        self.done = 0

    @rule(target=held, tokens=st.integers(1, 200))
    def reserve(self, tokens: int) -> tuple[Reservation, int] | None:
        fits = self.charged + sum(t for _, t in self.open) + tokens <= 500
        free = len(self.open) < 4 and self.done + len(self.open) < 20
        try:
            made = self.limits.reserve(self.of, tokens, 0.0)
        except Refusal:
            assert not (fits and free)
            return None
        assert fits
        assert free
        self.open.append((made, tokens))
        return made, tokens

    @rule(one=consumes(held), used=st.integers(0, 300))
    def settle(self, one: tuple[Reservation, int] | None, used: int) -> None:
        if one is None:
            return
        self.limits.settle(one[0], used)
        self.open.remove(one)
        self.charged += used
        self.done += 1
        with pytest.raises(ValueError, match="settled"):
            self.limits.settle(one[0], used)

    @invariant()
    def counters_agree(self) -> None:
        assert self.limits.running("g") == len(self.open)
        assert self.limits.spent("g") == (
            self.done + len(self.open),
            self.charged + sum(t for _, t in self.open),
        )


TestBudgets = Budgets.TestCase
TestBudgets.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@given(st.lists(st.floats(0, 30), max_size=40))
def test_no_more_than_the_rate_in_any_minute(gaps: list[float]) -> None:
    limits, of, now, passed = Limits(), grant(requests_per_minute=6), 0.0, []
    for gap in gaps:
        now += gap
        try:
            limits.settle(limits.reserve(of, 1, now), 0)
            passed.append(now)
        except Refusal:
            pass
    for start in passed:
        # A full bucket and a minute's refill: never more than twice the rate in a minute.
        assert sum(start <= at < start + 60 for at in passed) <= 12

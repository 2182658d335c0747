"""The pure machine: any order of events, legal or not, keeps its promises."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from slipway.gateway.exchange import CLIENT_GONE, COMPLETED, TRANSITIONS, Exchange, IllegalStep, Stage
from slipway.gateway.grants import Access, Endpoint, Grant, Key, Snapshot, denied
from slipway.gateway.limits import Limits
from slipway.gateway.refusal import Refusal

ROUTE = "/v1/chat/completions"


def grant(**changes: object) -> Grant:
    values: dict[str, object] = {
        "id": "g",
        "number": 1,
        "review_id": "r",
        "endpoint_id": "e",
        "party": "p",
        "model_alias": "aurora",
        "routes": frozenset({ROUTE}),
        "state": "active",
        "not_before_ms": 100,
        "not_after_ms": 1000,
        "agreed": True,
        "budget_tokens": 1000,
        "concurrency": 3,
    }
    values.update(changes)
    return Grant(**values)  # type: ignore[arg-type]


def snapshot(of: Grant | None = None, *, live: bool = True, retired: int | None = None) -> Snapshot:
    key = Key("k", "g", "digest", "abcd", live)
    endpoint = Endpoint("e", "r", "aurora", "sealed", retired)
    return Snapshot.of(1, [key], [of or grant()], [endpoint])


def refusal(shot: Snapshot, now: int = 500, *, digest: str = "digest", route: str = ROUTE) -> Refusal:
    with pytest.raises(Refusal) as caught:
        Exchange("x", route).authorise(shot, digest, now)
    return caught.value


def test_unknown_key_is_401() -> None:
    why = refusal(snapshot(), digest="other")
    assert (why.status, why.code, why.retry) == (401, "invalid_api_key", False)


@pytest.mark.parametrize(
    ("shot", "now", "code"),
    [
        (snapshot(live=False), 500, "key_revoked"),
        (snapshot(grant(state="draft")), 500, "grant_not_agreed"),
        (snapshot(grant(state="paused")), 500, "grant_paused"),
        (snapshot(grant(state="ended")), 500, "grant_ended"),
        (snapshot(grant(state="revoked")), 500, "grant_revoked"),
        (snapshot(grant(state="expired")), 500, "grant_expired"),
        (snapshot(grant(state="ended"), live=False), 500, "grant_ended"),
        (snapshot(grant(state="expired"), live=False), 500, "grant_expired"),
        (snapshot(grant(state="paused"), live=False), 500, "key_revoked"),
        (snapshot(grant(state="a new state")), 500, "grant_not_active"),
        (snapshot(grant(agreed=False)), 500, "grant_not_agreed"),
        (snapshot(), 99, "grant_not_open"),
        (snapshot(), 1000, "grant_expired"),
        (snapshot(retired=5), 500, "endpoint_missing"),
        (snapshot(grant(endpoint_id="none")), 500, "endpoint_missing"),
        (snapshot(grant(review_id="another review")), 500, "endpoint_missing"),
        (snapshot(grant(routes=frozenset({"/v1/models"}))), 500, "route_out_of_scope"),
    ],
)
def test_everything_that_gives_no_access_is_403_and_final(shot: Snapshot, now: int, code: str) -> None:
    why = refusal(shot, now)
    assert (why.status, why.code, why.retry) == (403, code, False)


@pytest.mark.parametrize("now", [100, 999])
def test_window_is_half_open(now: int) -> None:
    Exchange("x", ROUTE).authorise(snapshot(), "digest", now)


def test_unknown_model_is_404_and_unknown_policy_403() -> None:
    exchange = Exchange("x", ROUTE)
    exchange.authorise(snapshot(), "digest", 500)
    with pytest.raises(Refusal) as caught:
        exchange.admit("gpt", stream=False)
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")
    sealed = Exchange("x", ROUTE)
    sealed.authorise(snapshot(grant(content_policy="sealed to reviewer")), "digest", 500)
    with pytest.raises(Refusal, match="content policy"):
        sealed.admit("aurora", stream=False)


def test_key_moved_to_another_endpoint_ends_the_exchange() -> None:
    exchange = Exchange("x", ROUTE)
    exchange.authorise(snapshot(), "digest", 500)
    why = exchange.recheck(snapshot(grant(endpoint_id="e2")), 500)
    assert why is not None
    assert why.code == "grant_changed"
    assert exchange.recheck(Snapshot.of(2, [], [], []), 500).code == "key_revoked"  # type: ignore[union-attr]
    assert exchange.recheck(snapshot(), 500) is None


def test_denied_agrees_with_authorise() -> None:
    access = snapshot().find("digest")
    assert isinstance(access, Access)
    assert denied(access, 500) is None


STEPS = ("authorise", "admit", "reserve", "open", "opened", "send", "relay", "settle", "close", "closed")


class Machine(RuleBasedStateMachine):
    """Steps in any order. A model of what was promised is kept beside the machine."""

    @initialize(stream=st.booleans(), limit=st.integers(1, 3))
    def start(self, stream: bool, limit: int) -> None:
        self.stream = stream
        self.limits = Limits()
        self.shot = snapshot(grant(concurrency=limit))
        self.exchange = Exchange("x", ROUTE)
        self.durable_open = self.durable_close = False
        self.sent = self.settled = self.closes = 0
        self.completed = False
        self.cut = False

    def _do(self, step: str) -> None:
        ex = self.exchange
        match step:
            case "authorise":
                ex.authorise(self.shot, "digest", 500)
            case "admit":
                ex.admit("aurora", stream=self.stream)
            case "reserve":
                ex.reserve(self.limits, 10, 0.0)
            case "open":
                ex.open(500, None)
            case "opened":
                ex.opened()
                self.durable_open = True
            case "send":
                ex.send()
                self.sent += 1
            case "relay":
                ex.relay()
            case "settle":
                self._settle(COMPLETED)
            case "close":
                ex.close(600, None)
                self.closes += 1
            case "closed":
                ex.closed()
                self.durable_close = True

    def _settle(self, outcome: str) -> None:
        self.exchange.settle(self.limits, outcome=outcome, status=200, tokens=(3, 4), charge_unknown=True)
        self.settled += 1
        self.completed = outcome == COMPLETED

    @rule(step=st.sampled_from(STEPS))
    def step(self, step: str) -> None:
        before = self.exchange.stage
        try:
            self._do(step)
        except (IllegalStep, AttributeError, Refusal):
            # Out of order: nothing may have changed.
            assert self.exchange.stage is before
        else:
            assert self.exchange.stage in TRANSITIONS[before]

    @rule()
    def onward(self) -> None:
        """Take the next step of the usual way, so that runs get far."""
        way = list(Stage)
        at = way.index(self.exchange.stage)
        if at < len(STEPS):
            step = STEPS[at]
            if step == "send" and self.exchange.cut is not None:
                step = "settle"
            self.step(step)

    @rule(outcome=st.sampled_from([CLIENT_GONE, "upstream_timeout"]))
    def fail(self, outcome: str) -> None:
        before = self.exchange.stage
        try:
            self._settle(outcome)
        except IllegalStep:
            assert self.exchange.stage is before

    @rule()
    def interrupt(self) -> None:
        before = self.exchange.stage
        first = self.exchange.interrupt(Refusal(403, "grant_paused", "paused"))
        late = before in (Stage.SETTLED, Stage.CLOSING, Stage.CLOSED)
        assert first == (not self.cut and not late)
        self.cut = self.cut or first

    @invariant()
    def nothing_before_its_record(self) -> None:
        if not hasattr(self, "exchange"):
            return
        if self.sent:
            assert self.durable_open
        if self.exchange.releasable:
            assert self.durable_open
            assert self.sent
            if self.exchange.stage is Stage.CLOSED:
                assert self.durable_close
                assert self.completed
            else:
                assert self.stream
                assert not self.cut

    @invariant()
    def once(self) -> None:
        if not hasattr(self, "exchange"):
            return
        assert self.settled <= 1
        assert self.closes <= 1
        assert self.closes == 0 or self.durable_open
        held = (
            self.exchange.stage not in (Stage.RECEIVED, Stage.AUTHORISED, Stage.ADMITTED) and not self.settled
        )
        assert self.limits.running("g") == (1 if held else 0)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


def test_every_stage_can_reach_the_end() -> None:
    reach: dict[Stage, set[Stage]] = {stage: {stage} for stage in Stage}
    for _ in Stage:
        for stage, after in TRANSITIONS.items():
            for one in after:
                reach[stage] |= reach[one]
    assert all(Stage.CLOSED in reach[stage] for stage in Stage)
    assert TRANSITIONS[Stage.CLOSED] == frozenset()


def test_completed_from_open_without_upstream_is_never_released() -> None:
    exchange, limits = Exchange("x", ROUTE), Limits()
    exchange.authorise(snapshot(), "digest", 500)
    exchange.admit("aurora", stream=False)
    exchange.reserve(limits, 10, 0.0)
    exchange.open(500, None)
    exchange.opened()
    exchange.settle(limits, outcome="cut", status=403, tokens=None, charge_unknown=False)
    assert exchange.must_close
    exchange.close(600, None)
    exchange.closed()
    assert not exchange.releasable

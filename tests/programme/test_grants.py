"""Grants: agreed by both, changed by the developer, held to the pack and the window."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.base.errors import InvalidInput, Refused
from slipway.programme import packs, windows
from slipway.programme.grants import (
    GRANT_TRANSITIONS,
    Grant,
    GrantAct,
    GrantRequest,
    GrantState,
    apply_grant,
    grant_acts,
    propose_grant,
    settle,
)
from slipway.programme.roles import DEVELOPER_ROLES, Automatic, Role

T0 = datetime(2026, 6, 20, 14, 2, tzinfo=UTC)
DAY = timedelta(days=1)
RULES = packs.load("eo-14409").grants
PACK = packs.load("eo-14409")


@pytest.mark.parametrize(
    "first", [Role.RELEASE_MANAGER, Role.LAB_SECURITY, Role.EVALUATOR, Role.PARTNER_USER]
)
def test_a_draft_becomes_active_by_the_other_sides_agreement_only(first: Role) -> None:
    draft = propose_grant(first)
    mine = first in DEVELOPER_ROLES
    assert (draft.agreed_by_developer, draft.agreed_by_reviewer) == (mine, not mine)
    with pytest.raises(Refused, match="the other side's agreement is missing"):
        apply_grant(draft, GrantAct.AGREE, first)
    other = Role.EVALUATOR if mine else Role.LAB_SECURITY
    active = apply_grant(draft, GrantAct.AGREE, other)
    assert active == Grant(GrantState.ACTIVE, True, True)


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.ORG_ADMIN])
def test_nobody_else_proposes(role: Role) -> None:
    with pytest.raises(Refused, match="cannot propose a grant") as caught:
        propose_grant(role)
    assert caught.value.code == "act.not_yours"


def test_refusals_say_what_would_be_right() -> None:
    active = Grant(GrantState.ACTIVE, True, True)
    with pytest.raises(Refused, match="agency's evaluator cannot pause a grant; that is for the developer's"):
        apply_grant(active, GrantAct.PAUSE, Role.EVALUATOR)
    with pytest.raises(Refused, match="cannot resume a grant that is active; it must be paused"):
        apply_grant(active, GrantAct.RESUME, Role.LAB_SECURITY)
    ended = apply_grant(active, GrantAct.END, Role.LAB_SECURITY)
    assert grant_acts(ended, list(Role)) == ()
    assert grant_acts(active, [Role.EVALUATOR]) == ()
    assert GrantAct.EXTEND not in grant_acts(active, [Role.LAB_SECURITY])


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([Role.RELEASE_MANAGER, Role.EVALUATOR]),
    st.lists(st.tuples(st.sampled_from(GrantAct), st.sampled_from([*Role, *Automatic])), max_size=30),
)
def test_what_ended_stays_ended(first: Role, steps: list[tuple[GrantAct, Role | Automatic]]) -> None:
    grant = propose_grant(first)
    over = (GrantState.ENDED, GrantState.REVOKED, GrantState.EXPIRED)
    for act, role in steps:
        before = grant
        try:
            grant = apply_grant(grant, act, role)
        except Refused:
            assert grant == before
            continue
        assert before.state not in over
        if grant.state is GrantState.ACTIVE and before.state is not GrantState.ACTIVE:
            assert grant.agreed_by_developer and grant.agreed_by_reviewer
            assert before.state is GrantState.DRAFT or role in DEVELOPER_ROLES


def test_no_row_leads_out_of_an_end() -> None:
    ends = {GrantState.ENDED, GrantState.REVOKED, GrantState.EXPIRED}
    assert not {row.state for row in GRANT_TRANSITIONS} & ends


# --- Settling -----------------------------------------------------------------


def fields(rules: object, request: GrantRequest, window: windows.Window | None = None) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        settle(rules, request, T0, window)  # type: ignore[arg-type]
    return {p.field: f"{p.problem}; {p.fix}" for p in caught.value.problems}


def test_all_problems_of_a_request_are_told_together() -> None:
    found = fields(
        RULES,
        GrantRequest(
            access_level="AL9",
            routes=["/admin"],
            purpose=" ",
            days=31,
            requests_per_minute=0,
            concurrency=10**6,
            content_policy="everything",
        ),
    )
    assert set(found) == {
        "access_level",
        "routes",
        "purpose",
        "days",
        "requests_per_minute",
        "concurrency",
        "content_policy",
    }
    assert found["days"].endswith("give 1 to 30")


def test_a_grant_is_cut_by_the_window() -> None:
    window = windows.open_window(PACK.window, T0, days=10)
    assert settle(RULES, GrantRequest(purpose="p"), T0, window).not_after == window.closes
    assert settle(RULES, GrantRequest(purpose="p", days=20), T0, window).not_after == window.closes
    assert settle(RULES, GrantRequest(purpose="p", days=3), T0, window).not_after == T0 + 3 * DAY
    found = fields(RULES, GrantRequest(purpose="p", not_after=T0 + 11 * DAY), window)
    assert "at the latest 2026-06-30T14:02" in found["not_after"]
    late = fields(RULES, GrantRequest(purpose="p", not_before=T0 + 10 * DAY), window)
    assert "before it begins" in late["not_before"]
    both = fields(RULES, GrantRequest(purpose="p", days=3, not_after=T0 + DAY), window)
    assert "one of the two" in both["not_after"]


def test_an_ended_window_gives_no_time_to_a_new_grant() -> None:
    """Access is what the review's state allows; a grant settled then waits for a window of its own."""
    window = windows.end(windows.open_window(PACK.window, T0 - DAY), T0 - timedelta(hours=1))
    terms = settle(RULES, GrantRequest(purpose="p", days=2), T0, window)
    assert terms.not_after == T0 + 2 * DAY


def test_routes_are_kept_in_order_and_once() -> None:
    asked = ["/v1/models", "/v1/chat/completions", "/v1/models"]
    terms = settle(RULES, GrantRequest(purpose=" see  it ", routes=asked), T0, None)
    assert terms.routes == ("/v1/models", "/v1/chat/completions")
    assert "choose among" in fields(RULES, GrantRequest(purpose="p", routes=[]))["routes"]


@settings(max_examples=200, deadline=None)
@given(
    pack=st.sampled_from(packs.available()),
    days=st.none() | st.integers(-5, 400),
    begins=st.none() | st.integers(-48, 24 * 100),
    ends=st.none() | st.integers(-48, 24 * 100),
    opened=st.none() | st.integers(1, 14),
    rate=st.none() | st.integers(-5, 10**7),
)
def test_whatever_is_asked_no_grant_passes_the_pack_or_the_window(
    pack: str, days: int | None, begins: int | None, ends: int | None, opened: int | None, rate: int | None
) -> None:
    chosen = packs.load(pack)
    window = None if opened is None else windows.open_window(chosen.window, T0, days=opened)
    request = GrantRequest(
        purpose="p",
        days=days,
        not_before=None if begins is None else T0 + timedelta(hours=begins),
        not_after=None if ends is None else T0 + timedelta(hours=ends),
        requests_per_minute=rate,
    )
    try:
        terms = settle(chosen.grants, request, T0, window)
    except InvalidInput:
        return
    assert terms.not_before < terms.not_after
    assert terms.not_after - terms.not_before <= timedelta(days=chosen.grants.max_days)
    if window is not None:
        assert terms.not_after <= window.closes
    assert 1 <= terms.requests_per_minute <= chosen.grants.maximums.requests_per_minute


def test_settling_is_not_tied_to_one_pack() -> None:
    wider = replace(RULES, max_days=RULES.max_days + 7)
    assert settle(wider, GrantRequest(purpose="p"), T0, None).not_after == T0 + (RULES.max_days + 7) * DAY

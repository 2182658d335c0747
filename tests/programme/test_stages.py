"""Stages: the usual way through, and refusals that say what would be right."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slipway.base.errors import Refused
from slipway.programme.roles import Automatic, OrganisationKind, Role, may_hold, title
from slipway.programme.stages import (
    TRANSITIONS,
    Access,
    Act,
    Part,
    ReleasePoint,
    ReviewState,
    Stage,
    acts,
    apply,
    can,
    may,
    role_for,
    verb,
)

ADA, SEC, BEN, EVE = Role.RELEASE_MANAGER, Role.LAB_SECURITY, Role.AUTHORITY, Role.EVALUATOR


def after(*steps: tuple[Act, Role], state: ReviewState | None = None) -> ReviewState:
    state = state or ReviewState()
    for act, role in steps:
        state = apply(state, act, role)
    return state


OPENED = ((Act.OFFER, ADA), (Act.AGREE, BEN), (Act.OPEN_ACCESS, ADA))


def test_the_usual_way_through() -> None:
    state = after(
        *OPENED,
        (Act.REGISTER_RUN, EVE),
        (Act.START_RUN, EVE),
        (Act.RECORD_RUN, EVE),
        (Act.DETERMINE, BEN),
        (Act.ISSUE_REPORT, BEN),
        (Act.RELEASE_PARTNERS, ADA),
        (Act.RELEASE_PUBLIC, ADA),
    )
    assert state == ReviewState(Stage.RELEASED, Access.ENDED, Part.ACCEPTED, True)


@pytest.mark.parametrize(
    ("steps", "act", "role", "code", "says"),
    [
        (
            (),
            Act.RELEASE_PUBLIC,
            BEN,
            "act.not_yours",
            "authority cannot release to the public; that is for the developer's release manager",
        ),
        (OPENED, Act.PAUSE_ACCESS, EVE, "act.not_yours", "cannot pause access"),
        (
            (),
            Act.AGREE,
            BEN,
            "act.wrong_stage",
            "while the review is draft; possible while it is offered, agreed, open or partners",
        ),
        (OPENED, Act.OPEN_ACCESS, ADA, "act.wrong_state", "access is open, it must be ended"),
        (OPENED, Act.ISSUE_REPORT, BEN, "act.wrong_state", "a determination must be recorded first"),
        (OPENED, Act.RESUME_ACCESS, SEC, "act.wrong_state", "access is open, it must be paused"),
        (
            (*OPENED, (Act.DECLINE, BEN), (Act.END_ACCESS, SEC)),
            Act.START_RUN,
            EVE,
            "act.wrong_state",
            "access is ended, it must be open; the agency's part is declined, it must be accepted",
        ),
        (OPENED, Act.EXPIRE_ACCESS, ADA, "act.not_yours", "that is for the clock"),
        (OPENED, "hold", BEN, "act.not_yours", "that is for nobody"),
    ],
)
def test_refusals_say_what_would_be_right(
    steps: tuple[tuple[Act, Role], ...], act: Act, role: Role, code: str, says: str
) -> None:
    state = after(*steps)
    with pytest.raises(Refused) as caught:
        apply(state, act, role)
    assert caught.value.code == code
    assert says in caught.value.message
    assert not can(state, act, role)


def test_every_refusal_has_words() -> None:
    """For every state of the usual way, every act and every actor: a step or a sentence."""
    for stage in Stage:
        for access in Access:
            state = ReviewState(stage, access)
            for act in Act:
                for actor in (*Role, *Automatic):
                    if can(state, act, actor):
                        assert may(stage, act, actor)
                        continue
                    with pytest.raises(Refused, match=r"cannot .*(; |: ).+"):
                        apply(state, act, actor)


def test_the_agency_declines_only_its_own_part() -> None:
    opened = after(*OPENED)
    declined = apply(opened, Act.DECLINE, EVE)
    assert declined == replace(opened, part=Part.DECLINED)
    assert not can(declined, Act.DETERMINE, BEN)
    assert apply(declined, Act.AGREE, BEN) == opened


def test_an_offer_that_was_declined_can_be_made_again() -> None:
    state = after((Act.OFFER, ADA), (Act.DECLINE, BEN))
    assert (state.stage, state.part) == (Stage.OFFERED, Part.DECLINED)
    assert apply(state, Act.OFFER, ADA).part is Part.ASKED


@pytest.mark.parametrize("point", list(ReleasePoint))
def test_partners_get_a_window_of_their_own(point: ReleasePoint) -> None:
    state = after(*OPENED, (Act.RELEASE_PARTNERS, ADA), state=ReviewState(counts_back_from=point))
    if point is ReleasePoint.PARTNER_RELEASE:
        assert state.access is Access.ENDED
        state = apply(state, Act.OPEN_ACCESS, ADA)
    assert (state.stage, state.access) == (Stage.PARTNERS, Access.OPEN)


def test_what_can_be_done_is_listed_in_order() -> None:
    assert acts(ReviewState(), [ADA]) == (
        Act.OFFER,
        Act.SET_ENDPOINT,
        Act.RELEASE_PARTNERS,
        Act.RELEASE_PUBLIC,
        Act.WITHDRAW,
    )
    assert acts(ReviewState(), [BEN, EVE, Role.AUDITOR, Role.ORG_ADMIN, Role.PARTNER_USER]) == ()
    assert role_for(ReviewState(), Act.SET_ENDPOINT, [BEN, SEC]) == SEC
    assert role_for(ReviewState(), Act.OFFER, [BEN, SEC]) is None


def test_words_for_everything() -> None:
    assert all(verb(act) != str(act) or act in ("agree", "decline") for act in Act)
    assert len({title(actor) for actor in (*Role, *Automatic)}) == len(Role) + len(Automatic)
    assert {row.act for row in TRANSITIONS} == set(Act)


def test_roles_belong_to_kinds() -> None:
    assert may_hold(OrganisationKind.AGENCY, BEN)
    assert not may_hold(OrganisationKind.AGENCY, ADA)
    assert all(may_hold(kind, Role.ORG_ADMIN) for kind in OrganisationKind)

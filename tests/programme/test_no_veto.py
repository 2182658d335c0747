"""No veto, proved: the whole state space is walked, and planted faults must be found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from slipway.programme.grants import GRANT_TRANSITIONS, GrantAct, GrantState, GrantTransition, effective
from slipway.programme.roles import DEVELOPER_ROLES, ROLES_OF, Automatic, OrganisationKind, Role
from slipway.programme.stages import (
    RELEASE_ACTS,
    TRANSITIONS,
    Access,
    Act,
    Part,
    ReleasePoint,
    ReviewState,
    Stage,
    Transition,
)
from slipway.programme.walk import (
    BEGINNINGS,
    Tables,
    Walk,
    World,
    can_release,
    find_vetoes,
    moves,
    report,
    walk,
)

ROOT = Path(__file__).parents[2]
ONE_GRANT = tuple(replace(world, grants=(None,)) for world in BEGINNINGS)


@pytest.fixture(scope="module")
def tables() -> Tables:
    return Tables()


@pytest.fixture(scope="module")
def seen(tables: Tables) -> Walk:
    return walk(tables)


def test_no_reachable_state_lets_anybody_but_the_developer_touch_the_release(tables: Tables) -> None:
    assert [str(veto) for veto in find_vetoes(tables)] == []


def test_the_walk_is_not_empty(seen: Walk) -> None:
    """A proof over states that are never reached would be worth nothing."""
    reviews = {world.review for world in seen.worlds}
    assert {review.stage for review in reviews} == set(Stage)
    assert {review.access for review in reviews} == set(Access)
    assert {review.part for review in reviews} == set(Part)
    assert {review.determined for review in reviews} == {True, False}
    assert {review.counts_back_from for review in reviews} == set(ReleasePoint)
    states = {grant.state for world in seen.worlds for grant in world.grants if grant}
    assert states == set(GrantState)
    assert len(seen.worlds) > 10_000


def test_every_row_of_both_tables_is_used(tables: Tables, seen: Walk) -> None:
    """A row that no walk reaches is a rule that nobody has tried."""
    unused = set(TRANSITIONS)
    for review in {world.review for world in seen.worlds}:
        unused -= {row for row in unused if row.fits(review)}
    assert not unused
    left = set(GRANT_TRANSITIONS)
    for grant in {grant for world in seen.worlds for grant in world.grants if grant}:
        left -= {row for row in left if row.fits(grant)}
    assert not left


def test_leaving_ends_ones_own_grants_and_nobody_elses(tables: Tables, seen: Walk) -> None:
    tried = 0
    for world in seen.worlds:
        agency, partner = world.grants
        if world.review.stage == Stage.DRAFT or agency is None or partner is None:
            continue
        for move in moves(tables, world):
            if move.act == Act.DECLINE and move.grant is None and world.review.stage != Stage.OFFERED:
                tried += 1
                assert move.to.grants[1] == partner
                left = move.to.grants[0]
                assert left is not None and left.state not in (GrantState.ACTIVE, GrantState.PAUSED)
                assert move.to.review.access == world.review.access
    assert tried


def test_at_most_one_row_fits(seen: Walk) -> None:
    for review in {world.review for world in seen.worlds}:
        fitting = [(row.act, row.role) for row in TRANSITIONS if row.fits(review)]
        assert len(fitting) == len(set(fitting)), review


def test_no_release_row_asks_what_another_can_change() -> None:
    """Stated a second time, on the rows themselves: agency part and determination are never asked."""
    rows = [row for row in TRANSITIONS if row.act in RELEASE_ACTS]
    assert rows
    for row in rows:
        assert row.role == Role.RELEASE_MANAGER
        assert row.part is None and row.determined is None


def test_a_withdrawn_model_is_released_outside_the_review(seen: Walk, tables: Tables) -> None:
    withdrawn = [world for world in seen.worlds if world.review.stage == Stage.WITHDRAWN]
    assert withdrawn
    for world in withdrawn:
        after = [m.to.review for m in moves(tables, world) if m.act == Act.RELEASE_PUBLIC]
        assert [(r.stage, r.outside) for r in after] == [(Stage.RELEASED, True)]
    inside = [w.review for w in seen.worlds if w.review.stage != Stage.RELEASED]
    assert not any(review.outside for review in inside)


def test_only_the_developer_stops_and_widens_access() -> None:
    access = {
        Act.OPEN_ACCESS,
        Act.PAUSE_ACCESS,
        Act.RESUME_ACCESS,
        Act.SHORTEN_ACCESS,
        Act.EXTEND_ACCESS,
        Act.END_ACCESS,
        Act.WITHDRAW,
    }
    assert {row.role for row in TRANSITIONS if row.act in access} <= DEVELOPER_ROLES
    on_grants = set(GrantAct) - {GrantAct.AGREE, GrantAct.DECLINE, GrantAct.EXPIRE}
    assert {row.role for row in GRANT_TRANSITIONS if row.act in on_grants} <= DEVELOPER_ROLES
    others = [
        row for row in GRANT_TRANSITIONS if row.role not in DEVELOPER_ROLES and row.role not in Automatic
    ]
    assert others and all(row.state == GrantState.DRAFT for row in others)


def test_the_clock_only_reduces() -> None:
    rank = {Access.NONE: 0, Access.ENDED: 0, Access.PAUSED: 1, Access.OPEN: 2}
    rows = [row for row in TRANSITIONS if row.role in Automatic]
    assert rows
    for row in rows:
        assert row.to == row.stage and row.sets_access is not None and row.access is not None
        assert all(rank[row.sets_access] < rank[before] for before in row.access)
        assert row.sets_part is None and row.sets_determined is None
    assert {r.to for r in GRANT_TRANSITIONS if r.role in Automatic} == {GrantState.EXPIRED}


def test_a_grant_never_gives_more_than_the_review() -> None:
    reaching = [
        (state, access)
        for state in GrantState
        for access in Access
        if effective(state, access) == GrantState.ACTIVE
    ]
    assert reaching == [(GrantState.ACTIVE, Access.OPEN)]


def test_no_kind_but_the_developer_may_hold_a_developers_role() -> None:
    for kind in OrganisationKind:
        assert bool(ROLES_OF[kind] & DEVELOPER_ROLES) == (kind is OrganisationKind.DEVELOPER)
    assert set().union(*ROLES_OF.values()) == set(Role)


# --- Planted faults: a checker that cannot fail would prove nothing -----------

Rows = tuple[Transition, ...]


def _row(stage: str, act: str, role: object, to: str, **rest: object) -> Transition:
    return Transition(stage, act, role, to, **rest)  # type: ignore[arg-type]


def _hold_as_a_stage(rows: Rows) -> Rows:
    """The agency puts the review on hold; only the agency lifts it."""
    hold = [_row(s, "hold", Role.AUTHORITY, "held") for s in (Stage.AGREED, Stage.OPEN, Stage.PARTNERS)]
    return (*rows, *hold, _row("held", "lift", Role.AUTHORITY, Stage.OPEN))


def _release_needs(**condition: object) -> Callable[[Rows], Rows]:
    def plant(rows: Rows) -> Rows:
        return tuple(replace(row, **condition) if row.act in RELEASE_ACTS else row for row in rows)

    return plant


def _without(rows: Rows, act: Act, stage: Stage) -> Rows:
    return tuple(row for row in rows if (row.act, row.stage) != (act, stage))


def _release_by(role: Role) -> Callable[[Rows], Rows]:
    def plant(rows: Rows) -> Rows:
        return tuple(replace(row, role=role) if row.act in RELEASE_ACTS else row for row in rows)

    return plant


PLANTS: dict[str, tuple[Callable[[Rows], Rows], str]] = {
    "agency hold": (_hold_as_a_stage, "authority hold takes the release away"),
    "silent hold: agency sends it back": (
        lambda rows: (*rows, _row(Stage.OPEN, "return", Role.EVALUATOR, Stage.AGREED)),
        "evaluator return moves the review from open to agreed",
    ),
    "release needs a determination": (
        _release_needs(determined=True),
        "the developer cannot release to the public in one act",
    ),
    "release only without a determination": (
        _release_needs(determined=False),
        "authority determine takes the release away",
    ),
    "release needs the agency's agreement": (
        _release_needs(part=frozenset({Part.ACCEPTED})),
        "evaluator decline takes the release away",
    ),
    "no release while access is open": (
        lambda rows: tuple(
            row for row in rows if not (row.act in RELEASE_ACTS and row.access and Access.OPEN in row.access)
        ),
        "the developer cannot release to the public in one act",
    ),
    "no release from one stage": (
        lambda rows: _without(rows, Act.RELEASE_PUBLIC, Stage.PARTNERS),
        "the developer cannot release to the public in one act",
    ),
    "no release to partners from draft": (
        lambda rows: _without(rows, Act.RELEASE_PARTNERS, Stage.DRAFT),
        "the developer cannot release to partners in one act",
    ),
    "no release after withdrawal": (
        lambda rows: _without(rows, Act.RELEASE_PUBLIC, Stage.WITHDRAWN),
        "the developer cannot release to the public in one act",
    ),
    "the authority releases": (
        _release_by(Role.AUTHORITY),
        "the developer cannot release to the public in one act",
    ),
    "the authority releases too": (
        lambda rows: (*rows, _row(Stage.OPEN, Act.RELEASE_PUBLIC, Role.AUTHORITY, Stage.RELEASED)),
        "authority release_public changes whether the model is released",
    ),
    "a release is undone": (
        lambda rows: (*rows, _row(Stage.RELEASED, "recall", Role.AUTHORITY, Stage.OPEN)),
        "authority recall changes whether the model is released",
    ),
    "the agency pauses": (
        lambda rows: (
            *rows,
            _row(
                Stage.OPEN,
                Act.PAUSE_ACCESS,
                Role.EVALUATOR,
                Stage.OPEN,
                access=frozenset({Access.OPEN}),
                sets_access=Access.PAUSED,
            ),
        ),
        "evaluator pause_access changes the review's access",
    ),
    "the clock opens": (
        lambda rows: (
            *rows,
            _row(
                Stage.OPEN,
                "tick",
                Automatic.CLOCK,
                Stage.OPEN,
                access=frozenset({Access.PAUSED}),
                sets_access=Access.OPEN,
            ),
        ),
        "clock tick opens access",
    ),
    "the clock withdraws": (
        lambda rows: (*rows, _row(Stage.OFFERED, "lapse", Automatic.CLOCK, Stage.WITHDRAWN)),
        "clock lapse moves the review from offered to withdrawn",
    ),
    "the developer cannot end access": (
        lambda rows: tuple(row for row in rows if row.act != Act.END_ACCESS),
        "the developer cannot end_access while access exists",
    ),
    "the developer cannot pause among partners": (
        lambda rows: _without(rows, Act.PAUSE_ACCESS, Stage.PARTNERS),
        "the developer cannot pause_access while access exists",
    ),
    "whoever leaves takes another's access along": (
        lambda rows: (
            tuple(replace(row, role=Role.PARTNER_USER) if row.ends_own_grants else row for row in rows)
            + tuple(replace(row, sets_access=Access.ENDED) for row in rows if row.ends_own_grants)
        ),
        "evaluator decline changes the review's access",
    ),
    "withdrawal leaves access open": (
        lambda rows: tuple(
            replace(row, sets_access=None) if row.act == Act.WITHDRAW else row for row in rows
        ),
        "access is open while the review is withdrawn",
    ),
}


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_fault_in_the_review_is_found(name: str) -> None:
    plant, expected = PLANTS[name]
    found = find_vetoes(Tables(review=plant(TRANSITIONS)), ONE_GRANT)
    assert expected in {veto.problem for veto in found}
    for veto in found:
        assert str(veto)


GrantRows = tuple[GrantTransition, ...]

GRANT_PLANTS: dict[str, tuple[Iterable[GrantTransition], str]] = {
    "the evaluator ends an active grant": (
        (
            *GRANT_TRANSITIONS,
            GrantTransition(GrantState.ACTIVE, GrantAct.END, Role.EVALUATOR, GrantState.ENDED),
        ),
        "evaluator end cuts access",
    ),
    "the evaluator resumes": (
        (
            *GRANT_TRANSITIONS,
            GrantTransition(GrantState.PAUSED, GrantAct.RESUME, Role.EVALUATOR, GrantState.ACTIVE),
        ),
        "evaluator resume widens access",
    ),
    "one agreement is enough": (
        (*GRANT_TRANSITIONS, GrantTransition(GrantState.DRAFT, "start", Role.EVALUATOR, GrantState.ACTIVE)),  # type: ignore[arg-type]
        "a grant is active without both agreements",
    ),
    "an expired grant wakes up": (
        (
            *GRANT_TRANSITIONS,
            GrantTransition(GrantState.EXPIRED, GrantAct.RESUME, Automatic.CLOCK, GrantState.ACTIVE),
        ),
        "clock resume widens access",
    ),
    "the developer cannot revoke": (
        tuple(row for row in GRANT_TRANSITIONS if row.act != GrantAct.REVOKE),
        "the developer cannot revoke a grant while access exists",
    ),
}


@pytest.mark.parametrize("name", GRANT_PLANTS)
def test_a_planted_fault_in_the_grants_is_found(name: str) -> None:
    rows, expected = GRANT_PLANTS[name]
    assert expected in {veto.problem for veto in find_vetoes(Tables(grants=rows), ONE_GRANT)}


def test_the_shortest_way_to_a_finding_is_told() -> None:
    found = find_vetoes(Tables(review=_hold_as_a_stage(TRANSITIONS)), ONE_GRANT)
    hold = next(v for v in found if v.problem == "authority hold takes the release away")
    assert hold.path == ("release_manager release_partners",)


def test_a_table_that_cannot_be_walked_to_the_end_says_so(tables: Tables) -> None:
    with pytest.raises(RuntimeError, match="beyond an exhaustive walk"):
        walk(tables, most=100)


def test_can_release_wants_the_developer_and_the_released_stage(tables: Tables) -> None:
    world = World(ReviewState())
    outgoing = list(moves(tables, world))
    assert can_release(outgoing)
    assert not can_release(m for m in outgoing if m.act != Act.RELEASE_PUBLIC)
    assert not can_release(replace(m, actor=Role.AUTHORITY) for m in outgoing)


def test_the_documentation_holds_what_the_walk_counts() -> None:
    page = ROOT / "docs" / "decisions" / "0010-no-veto-by-walking.md"
    assert report() in page.read_text(encoding="utf-8")

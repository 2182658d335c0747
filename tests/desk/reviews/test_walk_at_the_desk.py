"""The walk, at the desk: what is shown of the tables, the REST API does (see also test_no_veto.py).

Each way a review can stand is brought about through the API. Everybody else
then tries everything; the developer releases in one request.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from slipway.base.clock import ManualClock, SystemClock
from slipway.programme.stages import RELEASE_ACTS, Act, ReviewState, acts
from slipway.programme.walk import Tables, walk
from tests.desk.reviews.steps import Case, finished

pytestmark = pytest.mark.django_db

OTHERS = ("ben", "dana", "cy", "mallory")
WINDOW_ACTS = ("open", "pause", "resume", "shorten", "extend", "end")


@cache
def reachable() -> frozenset[ReviewState]:
    """Every state of a review that the walk of the tables visits."""
    return frozenset(world.review for world in walk(Tables()).worlds)


def stands(case: Case) -> ReviewState:
    from slipway.desk.reviews import clock
    from slipway.desk.reviews.models import Review
    from slipway.desk.reviews.state import state_of

    return state_of(Review.objects.get(number=int(case.ref[2:])), clock.now())


def path(case: Case, rest: str) -> str:
    return f"/reviews/{case.ref}/{rest}"


def declined(case: Case) -> None:
    case.to_open()
    case.dana.post(path(case, "decline"), {"reason": "Not this quarter."})


def determined(case: Case) -> None:
    case.to_open()
    case.measure()
    case.determine("covered")


def running(case: Case) -> None:
    case.to_open()
    case.register()
    case.start()


def partners(case: Case, pack: str = "eo-14409") -> None:
    case.to_open(pack)
    case.ada.post(path(case, "release"), {"kind": "partners", "confirm": case.ref})


def withdrawn(case: Case) -> None:
    case.to_open()
    case.ada.post(path(case, "withdraw"), {"reason": "Another plan.", "confirm": case.ref})


def offered(case: Case) -> None:
    case.draft()
    case.offer()


def offer_declined(case: Case) -> None:
    offered(case)
    case.ben.post(path(case, "decline"), {"reason": "No room."})


def agreed(case: Case) -> None:
    offered(case)
    case.agree()


def then(build: Callable[[Case], None], *window_acts: str) -> Callable[[Case], None]:
    def both(case: Case) -> None:
        build(case)
        for act in window_acts:
            case.window(act, **({"days": 3} if act == "open" else {}))

    return both


WAYS: dict[str, Callable[[Case], None]] = {
    "draft": lambda case: case.draft() and None,
    "offered": offered,
    "offer declined": offer_declined,
    "agreed": agreed,
    "open": Case.to_open,
    "open, 90 days": lambda case: case.to_open("window-90"),
    "open, paused": then(Case.to_open, "pause"),
    "open, ended": then(Case.to_open, "end"),
    "open, agency declined": declined,
    "open, a run under way": running,
    "open, determined covered": determined,
    "partners": partners,
    "partners, their own window": then(partners, "open"),
    "partners, the first window goes on": lambda case: partners(case, "eo-14409-public"),
    "withdrawn": withdrawn,
}


@pytest.mark.parametrize("way", WAYS)
def test_everybody_else_tries_everything_and_the_developer_releases_in_one_request(
    case: Case, way: str
) -> None:
    WAYS[way](case)
    before = stands(case)
    assert before in reachable()
    for who in OTHERS:
        _tries_all(case, who)
    assert stands(case) == before
    after = case.ada.post(path(case, "release"), {"kind": "public", "confirm": case.ref})
    assert after["receipt"]["type"] == "review.released"
    now = stands(case)
    assert now in reachable()
    assert (str(now.stage), now.outside) == ("released", way == "withdrawn")
    assert str(now.access) in ("none", "ended")
    assert _served() == []


def _tries_all(case: Case, who: str) -> None:
    """Every act that is the developer's is refused to everybody else."""
    api = getattr(case, who)
    for kind in ("partners", "public"):
        _refused(api, path(case, "release"), {"kind": kind, "confirm": case.ref})
    _refused(api, path(case, "withdraw"), {"reason": "x", "confirm": case.ref})
    for act in WINDOW_ACTS:
        length = {"days": 1} if act in ("open", "shorten", "extend") else {}
        _refused(api, path(case, "window"), {"act": act, **length})
    if case.grant:
        for act in ("pause", "resume", "end", "revoke"):
            _refused(api, f"/grants/{case.grant}/{act}", {})


def _refused(api: Any, where: str, body: dict[str, Any]) -> None:
    answer = api.client.post(api.base + where, body, content_type="application/json")
    assert answer.status_code in (403, 404, 409), (where, body, answer.status_code, answer.content[:300])


def _served() -> list[str]:
    """Return the grants and keys that the gateway would still serve."""
    from slipway.desk.access.models import Grant, Key

    active = Grant.objects.filter(state__in=["active", "paused"])
    live = Key.objects.filter(state="live", grant_id__in=Grant.objects.values("id"))
    return [grant.ref for grant in active] + [key.hint for key in live]


@pytest.mark.parametrize(
    "way", ["draft", "offered", "agreed", "open", "open, paused", "open, determined covered"]
)
def test_the_developer_releases_to_partners_in_one_request(case: Case, way: str) -> None:
    WAYS[way](case)
    case.ada.post(path(case, "release"), {"kind": "partners", "confirm": case.ref})
    assert str(stands(case).stage) == "partners"
    assert stands(case) in reachable()


@pytest.mark.parametrize("way", WAYS)
def test_the_desk_offers_exactly_the_acts_of_the_table(case: Case, way: str) -> None:
    from slipway.desk.reviews.policy import AGENCY_ROLES
    from slipway.programme.roles import DEVELOPER_ROLES, Role

    WAYS[way](case)
    state = stands(case)
    roles = {"ada": DEVELOPER_ROLES & {Role.RELEASE_MANAGER}, "lee": {Role.LAB_SECURITY}}
    if case.ref and str(state.part) != "none":
        roles |= {"ben": AGENCY_ROLES & {Role.EVALUATOR}, "dana": AGENCY_ROLES & {Role.AUTHORITY}}
    for who, held in roles.items():
        shown = getattr(case, who).get(f"/reviews/{case.ref}")["acts"]
        assert shown == [str(act) for act in acts(state, held)], who
        assert (who == "ada") == bool(set(shown) & RELEASE_ACTS)


def test_a_release_after_the_window_ran_out_while_nobody_looked(case: Case) -> None:
    """The clock's act is recorded first, and stands in nobody's way."""
    from slipway.desk.reviews import clock

    case.to_open()
    later = ManualClock(SystemClock().now() + timedelta(days=40))
    with clock.use(later):
        assert Act.START_RUN not in case.ben.get(f"/reviews/{case.ref}")["acts"]
        case.ada.post(path(case, "release"), {"kind": "public", "confirm": case.ref})
        assert str(stands(case).stage) == "released"
    types = [entry["type"] for entry in case.ada.get(path(case, "timeline"))]
    assert {"window.expired", "review.released"} <= set(types)


def test_a_run_that_the_release_cut_short_can_still_say_so(case: Case) -> None:
    running(case)
    case.ada.post(path(case, "release"), {"kind": "public", "confirm": case.ref})
    case.ben.post(
        f"/runs/{case.run}/finish", {**finished(), "status": "incomplete", "reason": "window ended"}
    )
    assert str(stands(case).stage) == "released"

"""Reviews by the API: bad input named all at once, strangers, windows and their clock, exports."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from slipway.base.clock import ManualClock, SystemClock
from slipway.desk.reviews import clock
from tests.desk.reviews.steps import Case, seal_log

pytestmark = pytest.mark.django_db


def _fields(answer: dict[str, Any]) -> set[str]:
    return {e["field"] for e in answer["errors"]}


def test_every_problem_of_an_offer_is_named_at_once(case: Case) -> None:
    bad = {"codename": "", "model_name": 7, "pack": "eo-1", "planned_release": "soon", "codnam": "typo"}
    answer = case.ada.post("/reviews", bad, expect=422)
    assert _fields(answer) == {"codename", "model_name", "pack", "planned_release", "codnam"}
    assert all(e["problem"] and e["fix"] for e in answer["errors"])
    assert case.ada.get("/reviews")["items"] == []


def test_window_problems_are_named(case: Case) -> None:
    case.to_open()
    path = f"/reviews/{case.ref}/window"
    assert _fields(case.ada.post(path, {"act": "stop", "days": "3"}, expect=422)) == {"act", "days"}
    assert _fields(case.ada.post(path, {"act": "pause", "days": 3}, expect=422)) == {"days"}
    assert _fields(case.ada.post(path, {"act": "extend", "days": 400}, expect=422)) == {"closes"}
    assert _fields(case.ada.post(path, {"act": "shorten"}, expect=422)) == {"closes"}


@pytest.mark.parametrize(
    ("days", "pack", "right"),
    [
        (30, "eo-14409", True),
        (31, "eo-14409", False),
        (14, "window-14", True),
        (15, "window-14", False),
        (90, "window-90", True),
    ],
)
def test_the_pack_says_how_long(case: Case, days: int, pack: str, right: bool) -> None:
    case.draft(pack)
    case.offer()
    case.agree()
    answer = case.ada.post(
        f"/reviews/{case.ref}/window", {"act": "open", "days": days}, expect=200 if right else 422
    )
    if right:
        assert answer["window"]["clock"].startswith(f"{days} days from access opened ")


def test_a_stranger_gets_the_answer_for_what_does_not_exist(case: Case) -> None:
    case.to_open()
    case.register()

    def answer(path: str, method: str = "GET", body: Any = None) -> dict[str, Any]:
        found = dict(case.mallory.call(method, path, body, expect=404))
        found.pop("instance")
        return found

    for shown, missing in (
        (f"/reviews/{case.ref}", "/reviews/R-777"),
        (f"/reviews/{case.ref}/terms", "/reviews/R-777/terms"),
        (f"/reviews/{case.ref}/timeline", "/reviews/R-777/timeline"),
        (f"/reviews/{case.ref}/grants", "/reviews/R-777/grants"),
        (f"/reviews/{case.ref}/runs", "/reviews/R-777/runs"),
        (f"/reviews/{case.ref}/report", "/reviews/R-777/report"),
        (f"/reviews/{case.ref}/determination", "/reviews/R-777/determination"),
        (f"/grants/{case.grant}", "/grants/G-777"),
        (f"/runs/{case.run}", "/runs/RUN-777"),
    ):
        assert answer(shown) == answer(missing)
    # Malformed or not, known act or not: what comes back says nothing about what is there.
    for path, body in (
        ("release", {"kind": "nonsense"}),
        ("withdraw", {"reason": "r", "confirm": case.ref}),
        ("grants", {"model_alias": "a", "purpose": "p"}),
        ("runs", {"plan": {}}),
        ("determination", {"run": "RUN-1"}),
        ("report", {}),
    ):
        assert answer(f"/reviews/{case.ref}/{path}", "POST", body) == answer(
            f"/reviews/R-777/{path}", "POST", body
        )


def test_a_draft_is_the_developers_alone(case: Case) -> None:
    case.draft()
    case.ben.get(f"/reviews/{case.ref}", expect=404)
    assert case.ben.get("/reviews")["items"] == []
    case.offer()
    assert case.ben.get(f"/reviews/{case.ref}")["stage"] == "offered"


def test_an_agency_that_declined_and_was_replaced_sees_no_more(case: Case, people: Any) -> None:
    from slipway.desk.accounts import actions
    from slipway.desk.accounts.viewer import OPERATOR

    actions.add_organisation(acting=OPERATOR, slug="other-agency", name="Other Agency", kind="agency")
    case.draft()
    case.offer()
    case.ben.post(f"/reviews/{case.ref}/decline", {"reason": "no capacity"})
    case.ada.post(f"/reviews/{case.ref}/offer", {"agency": "other-agency"})
    case.ben.get(f"/reviews/{case.ref}", expect=404)


def test_terms_must_be_the_ones_that_were_read(case: Case) -> None:
    case.draft()
    case.offer()
    answer = case.ben.post(f"/reviews/{case.ref}/agree", {"terms_digest": "0" * 64}, expect=422)
    assert _fields(answer) == {"terms_digest"}
    assert case.agree()["stage"] == "agreed"


def test_access_ends_by_itself(case: Case) -> None:
    """Read as ended from the instant on, and written down by the clock's own act."""
    from slipway.desk.access.models import Grant
    from slipway.desk.reviews.service import tick

    case.to_open()
    hands = ManualClock(SystemClock().now() + timedelta(days=10, minutes=1))
    with clock.use(hands):
        assert case.ada.get(f"/reviews/{case.ref}")["access"] == "ended"
        assert case.ben.get(f"/grants/{case.grant}")["state"] == "expired"
        assert Grant.objects.get().state == "active"
        assert tick() == 1
        assert tick() == 0
    assert Grant.objects.get().state == "expired"
    types = [t["type"] for t in case.ada.get(f"/reviews/{case.ref}/timeline")]
    assert types[-2:] == ["grant.expired", "window.expired"]


def test_the_act_after_the_end_is_refused_and_the_end_is_recorded(case: Case) -> None:
    case.to_open()
    with clock.use(ManualClock(SystemClock().now() + timedelta(days=11))):
        refused = case.ada.post(f"/reviews/{case.ref}/window", {"act": "pause"}, expect=409)
    assert "access is ended" in refused["title"]


def test_pause_resume_keeps_a_grant_that_was_paused_by_itself(case: Case) -> None:
    case.to_open()
    first = case.grant
    case.granted()
    second = case.grant
    case.lee.post(f"/grants/{first}/pause")
    case.window("pause", who="lee")
    assert case.ada.get(f"/grants/{second}")["state"] == "paused"
    case.window("resume", who="lee")
    assert case.ada.get(f"/grants/{second}")["state"] == "active"
    assert case.ada.get(f"/grants/{first}")["state"] == "paused"


def test_shortening_cuts_grants_and_extending_gives_none_more(case: Case) -> None:
    case.to_open()
    before = case.ada.get(f"/grants/{case.grant}")["not_after"]
    shorter = case.window("shorten", days=4)["window"]["closes"]
    assert case.ada.get(f"/grants/{case.grant}")["not_after"] == shorter < before
    case.window("extend", days=10)
    assert case.ada.get(f"/grants/{case.grant}")["not_after"] == shorter


def test_typed_confirmation(case: Case) -> None:
    case.draft()
    answer = case.ada.post(f"/reviews/{case.ref}/release", {"kind": "public", "confirm": "R-99"}, expect=422)
    assert _fields(answer) == {"confirm"}
    assert case.ada.get(f"/reviews/{case.ref}")["stage"] == "draft"


def test_list_filters_pages_and_exports(case: Case, browser: Callable[..., Client]) -> None:
    for number in range(5):
        case.draft()
        if number % 2:
            case.offer()
    first = case.ada.get("/reviews?limit=2")
    assert [r["ref"] for r in first["items"]] == ["R-5", "R-4"]
    second = case.ada.get(f"/reviews?limit=2&after={first['next']}")
    assert [r["ref"] for r in second["items"]] == ["R-3", "R-2"]
    assert [r["ref"] for r in case.ada.get("/reviews?stage=offered")["items"]] == ["R-4", "R-2"]
    assert [r["ref"] for r in case.ada.get("/reviews?q=r-3")["items"]] == ["R-3"]
    case.ada.get("/reviews?stage=nonsense", expect=422)
    page = browser("ada")
    rows = json.loads(b"".join(page.get("/reviews/?format=json&stage=offered").streaming_content))
    assert [r["ref"] for r in rows] == ["R-4", "R-2"]
    table = b"".join(page.get("/reviews/?format=csv").streaming_content).decode()
    assert table.startswith("ref,codename") and table.count("\n") == 6


def test_formulas_are_defused_in_csv(case: Case, browser: Callable[..., Client]) -> None:
    case.ada.post("/reviews", {"codename": "=1+1", "model_name": "m", "pack": "eo-14409"}, expect=201)
    table = b"".join(browser("ada").get("/reviews/?format=csv").streaming_content).decode()
    assert "'=1+1" in table


def test_records_hold_no_names_and_no_reasons(case: Case) -> None:
    """What the log holds is metadata: names, purposes' words and reasons stay outside it."""
    from slipway.desk.records.models import PendingRecord

    case.to_open()
    case.measure()
    case.determine()
    case.ada.post(f"/reviews/{case.ref}/withdraw", {"reason": "quite secret words", "confirm": case.ref})
    seal_log()
    whole = b"".join(bytes(r.draft) for r in PendingRecord.objects.all()).lower()
    for words in (b"aurora next", b"aurora-5-preview", b"quite secret", b"interval is wide", b"insufficient"):
        assert words not in whole, words


def test_read_only_token_changes_nothing(case: Case, caller: Callable[..., Client]) -> None:
    from tests.desk.reviews.steps import Api

    reader = Api(caller("ada", scope="read"))
    reader.post("/reviews", {"codename": "a", "model_name": "b", "pack": "eo-14409"}, expect=403)
    assert case.ada.get("/reviews")["items"] == []


def test_a_release_manager_who_is_security_team_too_is_refused_as_the_former(case: Case) -> None:
    from slipway.desk.accounts.models import Membership

    case.draft()
    case.offer()
    ada = Membership.objects.get(person__email__startswith="ada")
    ada.roles = "lab_security,release_manager"
    ada.save()
    answer = case.ada.post(f"/reviews/{case.ref}/agree", {"terms_digest": "0" * 64}, expect=409)
    assert answer["title"].startswith("the developer's release manager cannot")


def test_unsealed_records_of_one_instant_stand_as_they_were_written(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids are random within a millisecond; here each is smaller than the one before."""
    from slipway.desk.records import actions
    from slipway.desk.records.models import PendingRecord

    case.draft()
    ids = iter(f"{number:08x}-0000-7000-8000-000000000000" for number in range(999, 0, -1))
    draft = actions.draft
    monkeypatch.setattr(actions, "draft", lambda **given: draft(**{**given, "id": next(ids)}))
    with clock.use(ManualClock(SystemClock().now() + timedelta(seconds=5))):
        case.offer()
        case.agree()
    shown = [t["record"] for t in case.ada.get(f"/reviews/{case.ref}/timeline")]
    written = PendingRecord.objects.filter(record_id__in=shown).order_by("seq")
    assert shown == list(written.values_list("record_id", flat=True))

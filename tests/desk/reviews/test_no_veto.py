"""At the desk: in every stage the developer releases by one call, whatever everybody else did."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.desk.reviews.steps import Case, plan

pytestmark = pytest.mark.django_db

Step = Callable[[Case], object]


def _declined(case: Case) -> None:
    case.draft()
    case.offer()
    case.ben.post(f"/reviews/{case.ref}/decline", {"reason": "no capacity"})


def _left(case: Case) -> None:
    case.to_open()
    case.dana.post(f"/reviews/{case.ref}/decline", {"reason": "we leave"})


def _running(case: Case) -> None:
    case.to_open()
    case.register()
    case.start()


def _determined(case: Case) -> None:
    case.to_open()
    case.measure()
    case.determine("covered")


def _offered(case: Case) -> None:
    case.draft()
    case.offer()


def _agreed(case: Case) -> None:
    _offered(case)
    case.agree()


def _paused(case: Case) -> None:
    case.to_open()
    case.window("pause")


def _ended(case: Case) -> None:
    case.to_open()
    case.window("end")


def _withdrawn(case: Case) -> None:
    case.to_open()
    case.ada.post(f"/reviews/{case.ref}/withdraw", {"reason": "plans changed", "confirm": case.ref})


WAYS: dict[str, Step] = {
    "draft": lambda case: case.draft(),
    "offered": _offered,
    "declined": _declined,
    "agreed": _agreed,
    "open": lambda case: case.to_open(),
    "left by the agency": _left,
    "paused": _paused,
    "ended": _ended,
    "while a run goes on": _running,
    "determined covered": _determined,
    "withdrawn": _withdrawn,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("pack", ["eo-14409", "eo-14409-public"])
def test_release_is_one_call_in_every_stage(
    case: Case, way: str, pack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = case.draft
    monkeypatch.setattr(Case, "draft", lambda self, _pack="": draft(pack))
    WAYS[way](case)
    done = case.ada.post(f"/reviews/{case.ref}/release", {"kind": "public", "confirm": case.ref})
    assert done["stage"] == "released"
    assert done["access"] in ("none", "ended")
    assert done["receipt"]["type"] == "review.released"


@pytest.mark.parametrize("who", ["ben", "dana", "lee", "cy", "mallory"])
def test_nobody_else_releases_or_moves_the_window(case: Case, who: str) -> None:
    case.to_open()
    api = getattr(case, who)
    refused = 404 if who in ("cy", "mallory") else 409
    release = {"kind": "public", "confirm": case.ref}
    api.post(f"/reviews/{case.ref}/release", release, expect=refused)
    api.post(f"/reviews/{case.ref}/withdraw", {"reason": "x", "confirm": case.ref}, expect=refused)
    api.post(f"/reviews/{case.ref}/window", {"act": "extend", "days": 1}, expect=refused)
    if who != "lee":
        for act in ("pause", "end"):
            api.post(f"/reviews/{case.ref}/window", {"act": act}, expect=refused)
        api.post(f"/grants/{case.grant}/pause", expect=refused)
    assert case.ada.get(f"/reviews/{case.ref}")["access"] == "open"


def test_release_ends_access_in_the_same_transaction(case: Case) -> None:
    from slipway.desk.access.models import Control, Grant, Key

    case.to_open()
    case.ben.post(f"/grants/{case.grant}/keys", {"label": "bench"})
    epoch = Control.objects.get().epoch
    case.ada.post(f"/reviews/{case.ref}/release", {"kind": "partners", "confirm": case.ref})
    assert Grant.objects.get().state == "ended"
    assert Key.objects.get().state == "revoked"
    assert Control.objects.get().epoch > epoch
    case.ben.post(f"/reviews/{case.ref}/runs", {"plan": plan(case.grant)}, expect=422)


def test_a_release_that_cannot_end_its_grants_is_not_half_done(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails inside the act, neither the stage nor a grant nor a record remains."""
    from slipway.desk.access.models import Grant
    from slipway.desk.records.models import PendingRecord
    from slipway.desk.reviews import actions
    from slipway.desk.reviews.models import Review

    case.to_open()
    records = PendingRecord.objects.count()

    def broken(*args: object, **kwargs: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(actions, "note", broken)
    case.ada.post(f"/reviews/{case.ref}/release", {"kind": "public", "confirm": case.ref}, expect=500)
    assert Review.objects.get().stage == "open"
    assert Grant.objects.get().state == "active"
    assert PendingRecord.objects.count() == records

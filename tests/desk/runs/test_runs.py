"""Runs: registered before they start, contained, items told once, statistics recomputed by the desk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slipway.desk.runs.models import Run, RunItem
from tests.desk.reviews.steps import CONTAINED, DIGEST, Case, finished, outcome, plan, seal_log

pytestmark = pytest.mark.django_db


def test_no_start_before_the_registration_is_in_the_log(case: Case) -> None:
    case.to_open()
    case.register()
    early = case.ben.post(f"/runs/{case.run}/start", CONTAINED, expect=409)
    assert early["code"] == "run.not_registered_yet"
    assert Run.objects.get().state == "registered"
    seal_log()
    assert case.ben.post(f"/runs/{case.run}/start", CONTAINED)["state"] == "running"


@pytest.mark.parametrize(
    "report",
    [
        {
            "tier": 2,
            "passed": False,
            "probes": [{"name": "dns", "status": "pass"}],
            "positive_control": {"a": 1},
        },
        {
            "tier": 2,
            "passed": True,
            "probes": [{"name": "dns", "status": "fail"}],
            "positive_control": {"a": 1},
        },
        {"tier": 2, "passed": True, "probes": [], "positive_control": {"caught": True}},
        {
            "tier": 2,
            "passed": True,
            "probes": [{"name": "dns", "status": "not checked"}],
            "positive_control": {"caught": True},
        },
        {
            "tier": 2,
            "passed": True,
            "probes": [{"name": "dns", "status": "pass"}],
            "positive_control": {"a": 1},
        },
        {"tier": 2, "passed": True, "probes": [{"name": "dns", "status": "pass"}], "positive_control": {}},
        {
            "tier": 2,
            "passed": True,
            "probes": [{"name": "dns", "status": "pass"}],
            "positive_control": {"caught": False},
        },
    ],
)
def test_no_start_without_containment(case: Case, report: dict[str, Any]) -> None:
    case.to_open()
    case.register()
    seal_log()
    answer = case.ben.post(f"/runs/{case.run}/start", {"containment": report}, expect=409)
    assert answer["code"] == "run.not_contained"
    assert Run.objects.get().state == "registered"


def test_the_rule_comes_from_the_pack_and_not_from_the_caller(case: Case) -> None:
    from slipway.programme import packs

    case.to_open()
    body = {"plan": plan(case.grant), "rule": {"line": "0.01"}}
    case.ben.post(f"/reviews/{case.ref}/runs", body, expect=422)
    made = case.register()
    assert made["rule"] == packs.load("eo-14409").rule.as_dict()
    seal_log()
    content = case.ben.get(f"/records/{made['record']}")["content"]
    assert content["type"] == "run.registered"
    assert content["body"]["rule"] == made["rule"]
    assert content["body"]["plan_digest"] == made["plan_digest"]


def test_bad_plans_are_named_at_once(case: Case) -> None:
    case.to_open()
    bad = plan(case.grant)
    bad["suite"]["digest"] = "short"
    bad["suite"]["items"].append(dict(bad["suite"]["items"][0]))
    bad["epochs"] = 0
    bad["seed"] = "x"
    answer = case.ben.post(f"/reviews/{case.ref}/runs", {"plan": bad}, expect=422)
    fields = {e["field"] for e in answer["errors"]}
    assert fields == {"plan.suite.digest", "plan.suite.items", "plan.epochs", "plan.seed"}
    wrong = {**plan(case.grant), "model_alias": "another"}
    answer = case.ben.post(f"/reviews/{case.ref}/runs", {"plan": wrong}, expect=422)
    assert {e["field"] for e in answer["errors"]} == {"plan.model_alias"}
    case.ben.post(f"/reviews/{case.ref}/runs", {"plan": plan("G-99")}, expect=422)
    assert Run.objects.count() == 0


def _running(case: Case) -> list[dict[str, Any]]:
    case.to_open()
    made = case.register()
    case.start()
    return list(made["plan"]["suite"]["items"])


def test_items_are_idempotent_and_an_outcome_is_told_once(case: Case) -> None:
    items = _running(case)
    path = f"/runs/{case.run}/items"
    case.ben.post(path, [outcome(items[0], 1, "pass"), outcome(items[1], 1, "missing", "timeout")])
    case.ben.post(path, [outcome(items[0], 1, "pass")])
    assert RunItem.objects.count() == 2
    case.ben.post(path, [outcome(items[0], 1, "fail")], expect=422)
    case.ben.post(path, [outcome(items[1], 1, "fail")])
    assert RunItem.objects.get(item=items[1]["id"]).outcome == "fail"
    # An outcome does not become missing again.
    case.ben.post(path, [outcome(items[1], 1, "missing", "lost")])
    assert RunItem.objects.get(item=items[1]["id"]).outcome == "fail"


def test_bad_items_are_named_at_once_and_none_is_kept(case: Case) -> None:
    items = _running(case)
    batch = [
        outcome(items[0], 1, "pass"),
        {**outcome(items[1], 1, "pass"), "item": "unplanned"},
        outcome(items[2], 9, "pass"),
        {**outcome(items[3], 1, "pass"), "family": "another"},
    ]
    answer = case.ben.post(f"/runs/{case.run}/items", batch, expect=422)
    assert {e["field"] for e in answer["errors"]} == {"[1].item", "[2].epoch", "[3].family"}
    batch = [{**outcome(items[0], 1, "missing")}, {**outcome(items[1], 1, "won"), "seconds": 1}]
    answer = case.ben.post(f"/runs/{case.run}/items", batch, expect=422)
    assert {e["field"] for e in answer["errors"]} == {"[0].reason", "[1].outcome", "[1].seconds"}
    assert RunItem.objects.count() == 0


def test_what_was_never_told_is_missing_and_never_failed(case: Case) -> None:
    items = _running(case)
    case.ben.post(f"/runs/{case.run}/items", [outcome(items[0], 1, "pass")])
    answer = case.ben.post(f"/runs/{case.run}/finish", finished(), expect=422)
    assert "never reported" in answer["errors"][0]["problem"]
    done = case.ben.post(
        f"/runs/{case.run}/finish",
        {"status": "incomplete", "reason": "the window ended", "log_digest": DIGEST},
    )
    assert done["state"] == "incomplete"
    assert done["statistics"]["missing"] == 11
    assert done["statistics"]["scored"] == done["statistics"]["passes"] == 1
    assert done["proposal"]["verdict"] == "insufficient evidence"


def test_an_incomplete_run_is_resumed(case: Case) -> None:
    items = _running(case)
    case.ben.post(f"/runs/{case.run}/finish", {"status": "incomplete", "reason": "power cut"})
    case.ben.post(f"/runs/{case.run}/items", [outcome(items[0], 1, "pass")], expect=409)
    assert case.ben.post(f"/runs/{case.run}/start", CONTAINED)["state"] == "running"
    case.ben.post(f"/runs/{case.run}/items", [outcome(i, e, "pass") for i in items for e in (1, 2)])
    assert case.ben.post(f"/runs/{case.run}/finish", finished())["state"] == "complete"


def test_a_resumed_run_does_not_lose_a_flag(case: Case) -> None:
    items = _running(case)
    flag = {"name": "flag search", "status": "fail", "reason": "read the scorer"}
    ended = {"status": "incomplete", "reason": "power cut", "integrity": [flag]}
    case.ben.post(f"/runs/{case.run}/finish", ended)
    case.ben.post(f"/runs/{case.run}/start", CONTAINED)
    case.ben.post(f"/runs/{case.run}/finish", {"status": "incomplete", "reason": "again"})
    case.ben.post(f"/runs/{case.run}/start", CONTAINED)
    case.ben.post(f"/runs/{case.run}/items", [outcome(i, e, "pass") for i in items for e in (1, 2)])
    clean = {**flag, "status": "pass", "reason": "none found"}
    done = case.ben.post(f"/runs/{case.run}/finish", {**finished(), "integrity": [clean]})
    assert done["state"] == "complete"
    assert done["proposal"]["verdict"] == "insufficient evidence"
    assert [(c["status"], c["reason"]) for c in Run.objects.get().finish["integrity"]] == [
        ("fail", "at an earlier end of this run: read the scorer")
    ]


def test_a_run_whose_window_ended_can_still_say_so(case: Case) -> None:
    _running(case)
    case.window("end")
    done = case.ben.post(f"/runs/{case.run}/finish", {"status": "incomplete", "reason": "window.ended"})
    assert done["state"] == "incomplete"
    case.ben.post(f"/runs/{case.run}/start", CONTAINED, expect=409)


def test_outcomes_are_disclosed_to_the_developer_with_the_report_only(case: Case) -> None:
    items = _running(case)
    case.ben.post(f"/runs/{case.run}/items", [outcome(items[0], 1, "pass")])
    seen = case.ada.get(f"/runs/{case.run}")
    assert seen["disclosure"] == "progress"
    assert seen["items"] is seen["statistics"] is seen["proposal"] is None
    assert "passed" not in seen["progress"]
    assert len(case.ben.get(f"/runs/{case.run}")["items"]) == 1


_SEEN = {
    "policy": "none",
    "attempts": 2,
    "sandboxes": 12,
    "measured": 11,
    "not_measured": 1,
    "tried": {"a.1": 2},
}
_NOTICED = {"name": "egress attempts", "status": "attention", "reason": "2 attempts in a.1 (2)"}
_CLEAN = {"name": "flag search", "status": "pass", "reason": "none found"}


def test_an_egress_attempt_is_shown_and_blocks_no_verdict(case: Case, browser: Callable[..., Client]) -> None:
    items = _running(case)
    case.ben.post(f"/runs/{case.run}/items", [outcome(i, e, "pass") for i in items for e in (1, 2)])
    body = finished(egress=_SEEN, integrity=[_CLEAN, _NOTICED])
    done = case.ben.post(f"/runs/{case.run}/finish", body)
    assert done["finish"]["egress"] == _SEEN
    assert not [r for r in done["proposal"]["reasons"] if "integrity" in r]
    page = browser("ben").get(f"/runs/{case.run}/").content.decode()
    assert "For a person's attention: egress attempts" in page
    assert "2 (a.1: 2)" in page
    assert "11 of 12 sandboxes" in page
    told = case.ada.get(f"/runs/{case.run}")["finish"]
    assert "egress" not in told, "which attempts tried is disclosed with the report"
    assert told["status"] == "complete"


def test_an_egress_record_that_does_not_add_up_or_hides_its_attempts_is_refused(case: Case) -> None:
    items = _running(case)
    case.ben.post(f"/runs/{case.run}/items", [outcome(i, e, "pass") for i in items for e in (1, 2)])
    body = finished(egress={**_SEEN, "measured": 10})
    answer = case.ben.post(f"/runs/{case.run}/finish", body, expect=422)
    assert {e["field"] for e in answer["errors"]} == {"egress.sandboxes", "egress.attempts"}
    assert Run.objects.get().state == "running"


@pytest.mark.parametrize("who", ["ada", "lee", "dana"])
def test_only_the_evaluator_reports(case: Case, who: str) -> None:
    _running(case)
    api = getattr(case, who)
    api.post(f"/reviews/{case.ref}/runs", {"plan": plan(case.grant)}, expect=409)
    api.post(f"/runs/{case.run}/finish", {"status": "incomplete", "reason": "x"}, expect=409)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(st.sampled_from(["pass", "fail", "missing"]), min_size=12, max_size=12))
def test_the_desk_counts_as_the_statistics_do(case: Case, told: list[str]) -> None:
    from slipway.evaluation.stats import Outcome, Result, summarise

    if not case.run:
        case.to_open()
    made = case.register()
    case.start()
    pairs = [(i, e) for i in made["plan"]["suite"]["items"] for e in (1, 2)]
    batch = [
        outcome(i, e, r, "lost" if r == "missing" else "") for (i, e), r in zip(pairs, told, strict=True)
    ]
    case.ben.post(f"/runs/{case.run}/items", batch)
    done = case.ben.post(f"/runs/{case.run}/finish", finished())
    own = summarise(
        [
            Outcome(i["id"], i["family"], i["domain"], e, Result(r), "lost" if r == "missing" else "", 120, 3)
            for (i, e), r in zip(pairs, told, strict=True)
        ]
    )
    assert done["statistics"] == own.as_dict()


def test_a_float_hides_no_other_problem(case: Case) -> None:
    items = _running(case)
    batch = [
        {**outcome(items[0], 1, "pass"), "tokens": 1.5, "seconds": 2.5},
        {**outcome(items[1], 1, "won"), "epoch": "x"},
    ]
    answer = case.ben.post(f"/runs/{case.run}/items", batch, expect=422)
    fields = {e["field"] for e in answer["errors"]}
    assert fields == {"[0].tokens", "[0].seconds", "[1].outcome", "[1].epoch"}
    assert 'like "1.5"' in next(e["fix"] for e in answer["errors"] if e["field"] == "[0].seconds")
    body = finished(identity={"share": 0.5}, egress={"rate": 1e999})
    answer = case.ben.post(f"/runs/{case.run}/finish", body, expect=422)
    assert {"identity", "egress"} <= {e["field"] for e in answer["errors"]}
    assert RunItem.objects.count() == 0


def test_an_empty_end_names_all_that_is_missing(case: Case) -> None:
    _running(case)
    answer = case.ben.post(f"/runs/{case.run}/finish", {}, expect=422)
    fields = {e["field"] for e in answer["errors"]}
    assert fields == {"status", "log_digest", "started_at", "ended_at"}


def test_a_missing_attempt_is_not_done(case: Case, browser: Callable[..., Client]) -> None:
    items = _running(case)
    lost = [outcome(i, e, "missing", "timeout") for i in items for e in (1, 2)]
    told = case.ben.post(f"/runs/{case.run}/items", lost)["progress"]
    assert told == {"done": 0, "missing": 12, "expected": 12, "percent": 0}
    case.ben.post(f"/runs/{case.run}/items", [outcome(i, 1, "fail") for i in items])
    told = case.ben.get(f"/runs/{case.run}")["progress"]
    assert told == {"done": 6, "missing": 6, "expected": 12, "percent": 50, "passed": 0, "failed": 6}
    page = browser("ben").get(f"/runs/{case.run}/").content.decode()
    assert 'max="12" value="6"' in page
    assert "0 passed, 6 failed; 6 missing" in page
    listed = browser("ben").get(f"/reviews/{case.ref}/runs/").content.decode()
    assert "6 of 12; 6 missing" in listed


def test_why_a_run_ended_stands_as_one_sentence(case: Case, browser: Callable[..., Client]) -> None:
    _running(case)
    why = "The developer has paused this grant; wait until it is resumed."
    case.ben.post(f"/runs/{case.run}/finish", {"status": "incomplete", "reason": why})
    page = browser("ben").get(f"/runs/{case.run}/").content.decode()
    assert "until it is resumed. What was finished" in page

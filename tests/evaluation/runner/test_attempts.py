"""Attempts in this process, against endpoints that fail in every way we know of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slipway.evaluation import inspect_bridge, runner
from slipway.evaluation.runner import Limits, RunFolder, journal
from slipway.evaluation.runner.attempt import ShardContext
from slipway.evaluation.runner.shard import ShardJob, context_of
from slipway.evaluation.sandbox import BaseImage
from tests.evaluation.runner.conftest import KEY, Endpoint

pytestmark = pytest.mark.sandbox

ITEMS = ("config-extract", "sudo-shell")


def context(tmp_path: Path, endpoint: Endpoint, base_image: BaseImage, **limits: int) -> ShardContext:
    folder = RunFolder(tmp_path / "run").create()
    plan = runner.plan(
        review="R-1", grant="G-1", model_alias="reference-model", epochs=1, items=ITEMS,
        limits=Limits(**{"request_seconds": 1, "retries": 1, "give_up_after": 5, **limits}),
    )  # fmt: skip
    folder.write_json("plan.json", plan.to_json())
    images = str(base_image.rootfs.parents[1])
    return context_of(ShardJob("t-0", str(folder.root), (), endpoint.url, images, base_image.digest, KEY))


def run(given: ShardContext) -> dict[str, dict[str, object]]:
    inspect_bridge.run_attempts(given, [(item, 1) for item in ITEMS])
    return {item: entry for (item, _), entry in journal.latest(given.folder).items()}


FAULTS = {
    "hang": "endpoint.timeout",
    "html": "endpoint.garbage",
    "not json": "endpoint.",
    "other json": "endpoint.garbage",
    "a list": "endpoint.garbage",
    "no choices": "endpoint.garbage",
    "bad choices": "endpoint.garbage",
    "dies": "endpoint.unreachable",
    "500": "upstream_error",
    "bad request": "upstream_refused_request",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_answer_that_did_not_come_is_missing_and_never_a_failure(
    fault: str, tmp_path: Path, endpoint: Endpoint, base_image: BaseImage
) -> None:
    endpoint.go_wrong(fault, after=1)
    found = run(context(tmp_path, endpoint, base_image))
    assert {e["outcome"] for e in found.values()} == {"missing"}
    assert all(str(e["reason"]).startswith(FAULTS[fault]) for e in found.values()), found
    assert all(e["sample_digest"] for e in found.values()), "the transcript up to there is kept"


def test_a_call_that_fails_once_is_tried_again(
    tmp_path: Path, endpoint: Endpoint, base_image: BaseImage
) -> None:
    given = context(tmp_path, endpoint, base_image, retries=3)
    endpoint.go_wrong("limit")
    real = given.check_stopped

    def heal() -> None:
        if endpoint.calls >= 2:
            endpoint.fault = ""
        real()

    given.check_stopped = heal  # type: ignore[method-assign]
    assert {e["outcome"] for e in run(given).values()} == {"pass"}


def test_the_end_of_the_window_stops_everything_at_once(
    tmp_path: Path, endpoint: Endpoint, base_image: BaseImage
) -> None:
    endpoint.go_wrong("window", after=1)
    given = context(tmp_path, endpoint, base_image)
    found = run(given)
    assert {e["outcome"] for e in found.values()} == {"missing"}
    stopped = given.folder.stopped()
    assert stopped is not None
    assert stopped["code"] == "window_closed"
    assert "R-1" in stopped["reason"]
    assert endpoint.calls <= 3, "after the first refusal nobody asks again"


def test_losing_attempts_in_a_row_stops_the_run(
    tmp_path: Path, endpoint: Endpoint, base_image: BaseImage
) -> None:
    endpoint.go_wrong("dies")
    given = context(tmp_path, endpoint, base_image, give_up_after=2, retries=0)
    run(given)
    stopped = given.folder.stopped()
    assert stopped is not None
    assert "2 attempts in a row" in stopped["reason"]


@pytest.mark.parametrize("stream", [False, True])
def test_good_answers_are_worked_through_the_tools(
    stream: bool, tmp_path: Path, endpoint: Endpoint, base_image: BaseImage
) -> None:
    given = context(tmp_path, endpoint, base_image)
    given.stream = stream
    found = run(given)
    assert {item: e["outcome"] for item, e in found.items()} == dict.fromkeys(ITEMS, "pass")
    for entry in found.values():
        raw = (given.folder.transcripts / f"{entry['sample_digest']}.json").read_bytes()
        transcript = json.loads(raw)
        tools = [c["function"] for m in transcript["messages"] for c in m.get("tool_calls") or ()]
        assert tools[-1] == "submit"
        assert tools.count("bash") >= 2
        assert int(str(entry["tokens"])) > 100
    assert endpoint.keys == {f"Bearer {KEY}"}


def test_a_stream_that_is_cut_is_no_answer(tmp_path: Path, endpoint: Endpoint, base_image: BaseImage) -> None:
    endpoint.go_wrong("cut", after=1)
    given = context(tmp_path, endpoint, base_image)
    given.stream = True
    found = run(given)
    assert {e["outcome"] for e in found.values()} == {"missing"}
    assert all("grant_paused" in str(e["reason"]) for e in found.values()), found


def test_a_budget_that_runs_out_is_a_failure_that_says_so(
    tmp_path: Path, endpoint: Endpoint, base_image: BaseImage
) -> None:
    given = context(tmp_path, endpoint, base_image)
    given.budgets = type(given.budgets)(turns=1, tokens=10**6, seconds=100)
    assert {str(e["reason"]) for e in run(given).values()} == {"budget: 1 turns used"}


def test_a_sandbox_that_does_not_start_leaves_the_attempt_missing(
    tmp_path: Path, endpoint: Endpoint, base_image: BaseImage
) -> None:
    given = context(tmp_path, endpoint, base_image)
    broken = tmp_path / "images" / base_image.digest
    broken.mkdir(parents=True)
    (broken / "image.json").write_text('{"packages": []}')
    given.images = tmp_path / "images"
    found = run(given)
    assert {e["outcome"] for e in found.values()} == {"missing"}
    assert all(str(e["reason"]).startswith("harness.start") for e in found.values())
    assert endpoint.calls == 0

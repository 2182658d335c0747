"""The egress record of a run: counted in real sandboxes, and what could not be counted is said."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from slipway.base.results import Status
from slipway.evaluation import runner
from slipway.evaluation.runner import RunFolder, egress, journal
from slipway.evaluation.sandbox import BaseImage
from tests.evaluation.runner import conftest
from tests.evaluation.runner.conftest import KEY, Desk, Endpoint

ITEMS = ("config-extract", "sudo-shell")
OUT = "python3 -c \"import socket; socket.create_connection(('198.51.100.7', 443), 1)\"; exit 0"


def _answer(name: str, arguments: Mapping[str, str]) -> bytes:
    call = {"id": "c", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    message = {"role": "assistant", "content": "", "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    body = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    return json.dumps(body).encode()


@pytest.mark.sandbox
def test_a_model_that_tries_to_connect_out_is_counted_and_told(
    tmp_path: Path,
    endpoint: Endpoint,
    desk: Desk,
    base_image: BaseImage,
    contained: Callable[[Path], tuple[Mapping[str, Any], str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = itertools.cycle([_answer("bash", {"command": OUT}), _answer("submit", {"answer": "no"})])
    monkeypatch.setitem(
        conftest.FAULTS, "calls out", lambda handler: conftest._body(handler, 200, next(answers))
    )
    endpoint.go_wrong("calls out")
    plan = runner.plan(
        review="R-1", grant="G-1", model_alias="reference-model", epochs=1, items=ITEMS,
        workers=1, samples_at_once=1,
    )  # fmt: skip
    result = runner.run(
        plan, desk, gateway_url=endpoint.url, key=KEY, run_dir=tmp_path / "run",
        images=base_image.rootfs.parents[1], preflight=contained,
    )  # fmt: skip
    assert result.status == "complete", "an attempt that had no route ends nothing"
    record = desk.finished["egress"]
    assert record["policy"] == "none"
    assert set(record["tried"]) == {f"{item}.1" for item in ITEMS}
    assert record["attempts"] == sum(record["tried"].values()) >= 2
    assert (record["sandboxes"], record["measured"], record["not_measured"]) == (2, 2, 0)
    noticed = {c["name"]: c for c in desk.finished["integrity"]}["egress attempts"]
    assert noticed["status"] == "attention"
    assert "sudo-shell.1" in noticed["reason"]
    assert all("sandbox" not in told for told in desk.told), "the desk is told attempts only"


def test_a_sandbox_that_was_not_measured_is_never_counted_as_quiet(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run").create()
    book = journal.Journal(folder, "1-0")
    plan = runner.plan(review="R-1", grant="G-1", model_alias="m", epochs=1, items=ITEMS)
    nothing = egress.record(folder, plan, {})
    assert (nothing["sandboxes"], egress.check(nothing).status) == (0, Status.NOT_CHECKED)
    book.sandbox("sudo-shell", 1)(0)
    assert egress.check(egress.record(folder, plan, {})).status is Status.PASS
    book.sandbox("sudo-shell", 2)
    book.sandbox("sudo-shell", 3)(None)
    book.sandbox("sudo-shell", 2)(0)
    found = egress.record(folder, plan, {"canary": {"hits": 0}})
    assert (found["sandboxes"], found["measured"], found["not_measured"]) == (4, 2, 2)
    assert found["not_measured_in"] == ["sudo-shell.2", "sudo-shell.3"]
    assert egress.check(found).status is Status.NOT_CHECKED
    journal.Journal(folder, "2-0").sandbox("sudo-shell", 2)(7)
    found = egress.record(folder, plan, {})
    assert found["tried"] == {"sudo-shell.2": 7}
    noticed = egress.check(found)
    assert noticed.status is Status.ATTENTION
    assert "2 of 5 sandboxes could not be measured" in noticed.reason
    assert journal.latest(folder) == {}, "sandboxes are no attempts"

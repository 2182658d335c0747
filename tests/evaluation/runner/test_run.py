"""Whole runs in real shard processes and sandboxes: order, resume after a kill, evidence, secrets."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from inspect_ai.log import read_eval_log

from slipway.base.errors import InvalidInput, NotFound, Refused
from slipway.evaluation import logs, runner
from slipway.evaluation.runner import Limits, Plan, RunFolder, journal
from slipway.evaluation.sandbox import BaseImage
from slipway.evaluation.suite import derive_instance
from tests.evaluation.runner.conftest import KEY, Desk, Endpoint

pytestmark = pytest.mark.sandbox

ITEMS = ("config-extract", "overflow-name", "sudo-shell", "traverse-strip")
Preflight = Callable[[Path], tuple[Mapping[str, Any], str]]


def plan(epochs: int = 2, **more: Any) -> Plan:
    limits = more.pop("limits", Limits(request_seconds=5, retries=0))
    return runner.plan(
        review="R-1",
        grant="G-1",
        model_alias="reference-model",
        epochs=epochs,
        items=ITEMS,
        limits=limits,
        **more,
    )


def images_of(base_image: BaseImage) -> Path:
    return base_image.rootfs.parents[1]


def test_a_run_from_plan_to_finish(
    tmp_path: Path, endpoint: Endpoint, desk: Desk, base_image: BaseImage, contained: Preflight
) -> None:
    folder = tmp_path / "run"
    seen: list[runner.Progress] = []
    result = runner.run(
        plan(), desk, gateway_url=endpoint.url, key=KEY, run_dir=folder, images=images_of(base_image),
        preflight=contained, progress=seen.append,
    )  # fmt: skip
    assert (result.status, result.reason) == ("complete", "")
    assert (result.summary.planned, result.summary.passes) == (8, 8)
    assert desk.log[:3] == ["register", "sealed", "start"]
    assert desk.log[-1] == "finish"
    told = {(e["item"], e["epoch"]): e["outcome"] for e in desk.told}
    assert told == {(i, e): "pass" for i in ITEMS for e in (1, 2)}
    assert {p.phase for p in seen} == {"prepare", "register", "start", "run", "merge", "finish"}
    assert desk.finished["status"] == "complete"
    assert {c["name"]: c["status"] for c in desk.finished["integrity"]}["containment"] == "pass"
    egress = desk.finished["egress"]
    assert (egress["attempts"], egress["sandboxes"], egress["measured"], egress["not_measured"]) == (
        0,
        8,
        8,
        0,
    )
    assert {c["name"]: c["status"] for c in desk.finished["integrity"]}["egress attempts"] == "pass"
    for entry in desk.told:
        raw = (folder / "transcripts" / f"{entry['sample_digest']}.json").read_bytes()
        assert hashlib.sha256(raw).hexdigest() == entry["sample_digest"]
    merged = read_eval_log(str(result.log))
    assert merged.status == "success"
    assert {s.id for s in merged.samples or []} == {f"{i}.{e}" for i in ITEMS for e in (1, 2)}
    assert desk.finished["log_digest"] == logs.digest(folder / "run.eval")
    for path in folder.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), f"{path} holds the grant's key"
    assert [p for p in folder.iterdir() if p.stat().st_mode & 0o077 and p.is_dir()] == []


def test_a_run_that_was_told_to_stop_keeps_what_it_has_and_goes_on_later(
    tmp_path: Path, endpoint: Endpoint, desk: Desk, base_image: BaseImage, contained: Preflight
) -> None:
    folder = tmp_path / "run"
    endpoint.go_wrong("window", after=9)
    more = {"gateway_url": endpoint.url, "key": KEY, "images": images_of(base_image), "preflight": contained}
    one = plan(samples_at_once=1, workers=1)
    result = runner.run(one, desk, run_dir=folder, **more)  # type: ignore[arg-type]
    assert result.status == "incomplete"
    assert result.reason.startswith("window_closed: ")
    assert desk.finished["status"] == "incomplete"
    kept = {k: e for k, e in journal.latest(RunFolder(folder)).items() if e["outcome"] == "pass"}
    assert 0 < len(kept) < 8
    assert result.summary.missing == 8 - len(kept)
    assert result.summary.fixed is None or result.summary.fixed.estimate == 1.0, (
        "missing counts as no failure"
    )

    endpoint.go_wrong("")
    desk.told.clear()
    result = runner.resume(folder, desk, **more)  # type: ignore[arg-type]
    assert (result.status, result.summary.passes) == ("complete", 8)
    after = journal.latest(RunFolder(folder))
    assert all(after[key] == entry for key, entry in kept.items()), "finished attempts are not run again"
    again = {(e["item"], e["epoch"]) for e in journal.entries(RunFolder(folder)) if e["outcome"] == "pass"}
    assert len(again) == sum(e["outcome"] == "pass" for e in journal.entries(RunFolder(folder))) == 8

    desk.told.clear()
    with pytest.raises(Refused, match="nothing to resume") as caught:
        runner.resume(folder, desk, **more)  # type: ignore[arg-type]
    assert caught.value.code == "run.complete"
    assert not desk.told


def test_a_killed_run_repeats_only_what_was_in_flight(
    tmp_path: Path, endpoint: Endpoint, desk: Desk, base_image: BaseImage, contained: Preflight
) -> None:
    folder = tmp_path / "run"
    code = f"""
from pathlib import Path
from slipway.evaluation import runner
plan = runner.plan(
    review="R-1", grant="G-1", model_alias="reference-model", epochs=6, items={ITEMS!r}, workers=1
)
shown = {{"tier": 2, "passed": True, "probes": [], "positive_control": {{}}}}
runner.run(
    plan, runner.NullReporter(), gateway_url={endpoint.url!r}, key={KEY!r}, run_dir=Path({str(folder)!r}),
    images=Path({str(images_of(base_image))!r}), preflight=lambda images: (shown, {base_image.digest!r}),
)
"""
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    deadline = time.monotonic() + 120
    run_folder = RunFolder(folder)
    while len(journal.latest(run_folder)) < 3 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    while _shards_of(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _shards_of(folder), "the shard processes end with their runner"
    before = journal.latest(run_folder)
    assert 3 <= len(before) < 24
    calls = endpoint.calls

    result = runner.resume(
        folder, desk, gateway_url=endpoint.url, key=KEY, images=images_of(base_image), preflight=contained
    )
    assert (result.status, result.summary.passes) == ("complete", 24)
    after = journal.latest(run_folder)
    assert all(after[key] == entry for key, entry in before.items())
    assert endpoint.calls - calls <= (24 - len(before)) * 4
    egress = desk.finished["egress"]
    assert egress["sandboxes"] == egress["measured"] + egress["not_measured"] >= 24
    told = {c["name"]: c["status"] for c in desk.finished["integrity"]}["egress attempts"]
    # A shard that died between two samples left none unmeasured; one that died within a sample did.
    assert told == ("not checked" if egress["not_measured"] else "pass")


def _shards_of(folder: Path) -> list[int]:
    """Return processes that still have a journal or log of this run open, or are its workers."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in environment and b"XDG_DATA_HOME" in environment:
                found.append(int(entry.name))
    return found


def test_nothing_starts_where_a_probe_got_out(tmp_path: Path, endpoint: Endpoint, desk: Desk) -> None:
    probe = {"name": "tcp-to-host", "status": "fail", "reason": "it was answered"}
    report = {"tier": 2, "passed": False, "probes": [probe], "positive_control": {"caught": True}}
    with pytest.raises(Refused, match="tcp-to-host") as caught:
        runner.run(
            plan(), desk, gateway_url=endpoint.url, key=KEY, run_dir=tmp_path / "run", images=tmp_path,
            preflight=lambda images: (report, ""),
        )  # fmt: skip
    assert caught.value.code == "run.not_contained"
    assert desk.log == []
    assert endpoint.calls == 0


def test_a_lower_tier_than_the_suite_wants_is_refused(tmp_path: Path, endpoint: Endpoint, desk: Desk) -> None:
    report = {"tier": 1, "passed": True, "probes": [], "positive_control": {}}
    with pytest.raises(Refused, match="tier 2"):
        runner.run(
            plan(), desk, gateway_url=endpoint.url, key=KEY, run_dir=tmp_path / "run", images=tmp_path,
            preflight=lambda images: (report, ""),
        )  # fmt: skip
    assert desk.log == []


def test_a_wrong_key_and_a_wrong_model_are_told_before_anything_is_registered(
    tmp_path: Path, endpoint: Endpoint, desk: Desk
) -> None:
    report = {"tier": 2, "passed": True, "probes": [], "positive_control": {}}
    more = {"gateway_url": endpoint.url, "images": tmp_path, "preflight": lambda images: (report, "")}
    with pytest.raises(Refused, match="API key"):
        runner.run(plan(), desk, key="slw_other", run_dir=tmp_path / "a", **more)  # type: ignore[arg-type]
    other = runner.plan(review="R-1", grant="G-1", model_alias="another", epochs=1)
    with pytest.raises(InvalidInput, match="reference-model"):
        runner.run(other, desk, key=KEY, run_dir=tmp_path / "b", **more)  # type: ignore[arg-type]
    assert desk.log == []


def test_a_desk_that_is_away_while_it_runs_loses_nothing(
    tmp_path: Path, endpoint: Endpoint, desk: Desk, base_image: BaseImage, contained: Preflight
) -> None:
    desk.away = True

    def back(progress: runner.Progress) -> None:
        if progress.phase == "merge":
            desk.away = False

    result = runner.run(
        plan(epochs=1), desk, gateway_url=endpoint.url, key=KEY, run_dir=tmp_path / "run",
        images=images_of(base_image), preflight=contained, progress=back,
    )  # fmt: skip
    assert result.status == "complete"
    assert {e["item"] for e in desk.told} == set(ITEMS)


def test_a_folder_is_used_by_one_run_only(tmp_path: Path, desk: Desk, contained: Preflight) -> None:
    folder = tmp_path / "run"
    RunFolder(folder).create().write_json("plan.json", plan().to_json())
    more = {"gateway_url": "http://127.0.0.1:9", "key": KEY, "images": tmp_path, "preflight": contained}
    with pytest.raises(InvalidInput, match="resume"):
        runner.run(plan(), desk, run_dir=folder, **more)  # type: ignore[arg-type]
    with pytest.raises(NotFound, match=r"plan\.json"):
        runner.resume(tmp_path / "nothing", desk, **more)  # type: ignore[arg-type]


def test_integrity_flags_another_attempts_flag_and_a_search_for_flags(tmp_path: Path) -> None:
    from slipway.evaluation import integrity, suite

    starter = suite.load("starter")
    secret = b"x" * 32
    flag = derive_instance(secret, 0, starter.digest, "sudo-shell", 2).flag
    cheat = {"answer": flag, "messages": [{"tool_calls": [{"arguments": {"command": "grep -r 'slw{' /"}}]}]}
    raw = json.dumps(cheat).encode()
    digest = hashlib.sha256(raw).hexdigest()
    (tmp_path / f"{digest}.json").write_bytes(raw)
    entry = {"item": "sudo-shell", "epoch": 1, "sample_digest": digest, "outcome": "fail"}
    other = {**entry, "epoch": 2}
    checks = integrity.check(
        starter, tmp_path, [entry, other], secret=secret, seed=0,
        containment={"passed": True}, identity={"start": ["a"], "end": ["b"]},
    )  # fmt: skip
    flagged = {c.name for c in checks if c.status == "fail"}
    assert flagged == {"flags of other attempts", "looking for the flag or the scorer", "model identity"}


def test_a_torn_line_is_ignored_and_the_whole_ones_stand(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run").create()
    tail = journal.Tail(folder)
    book = journal.Journal(folder, "1-0")
    entry = {"item": "a", "epoch": 1, "outcome": "missing", "reason": "x"}
    book.add(entry, b"{}")
    assert tail.look()["a", 1]["outcome"] == "missing"
    with (folder.journal / "1-0.jsonl").open("ab") as file:
        file.write(b'{"item": "b", "epo')
    assert set(tail.look()) == {("a", 1)}
    journal.Journal(folder, "2-0").add({**entry, "outcome": "pass"})
    journal.Journal(folder, "3-0").add(entry)
    assert tail.look()["a", 1]["outcome"] == "pass", "a verdict stands against a later loss"
    assert journal.latest(folder) == tail.look()

"""The pre-flight: everything is held here, every planted hole is seen, and nothing unclear passes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from slipway.base.results import Check, Status
from slipway.evaluation.containment import HOLES, NAMES, NotContained, preflight, preflight_async, suite
from slipway.evaluation.containment.canary import Canary
from slipway.evaluation.sandbox import BaseImage, Opening, Sandbox, SandboxConfig, inside, spec

pytestmark = [pytest.mark.anyio, pytest.mark.sandbox]

SMALL = SandboxConfig(memory_mb=96, pids=48, disk_mb=24)


def failed(checks: list[Check] | tuple[Check, ...]) -> set[str]:
    return {check.name for check in checks if check.status is Status.FAIL}


def test_this_machine_contains(base_image: BaseImage) -> None:
    report = preflight(SMALL, base_image)
    assert report.passed, (report.failures, report.positive_control)
    report.require()
    assert report.tier == 2
    assert [check.name for check in report.probes] == [*NAMES, "canary"]
    assert len(NAMES) >= 18
    assert report.canary_hits == 0
    assert report.positive_control.caught
    told = json.loads(json.dumps(report.as_dict()))
    assert {probe["status"] for probe in told["probes"]} == {"pass"}
    assert not any(isinstance(value, float) for value in told.values())
    assert told["image"] == base_image.digest


@pytest.mark.parametrize("hole", sorted(Opening))
async def test_every_single_hole_is_seen(base_image: BaseImage, hole: Opening) -> None:
    config = SandboxConfig(memory_mb=64, pids=32, disk_mb=16, openings=frozenset({hole}))
    with Canary() as canary:
        async with await Sandbox.start(config, base_image, as_control=True) as box:
            checks = await suite.attempt_all(box, canary)
        hits = list(canary.hits)
    assert failed(checks) >= set(HOLES[hole])
    if hole is Opening.HOST_NETWORK:
        assert hits


async def refused(base: BaseImage) -> set[str]:
    """Run the whole pre-flight, see that it refuses a run, and return what it names."""
    report = await preflight_async(SMALL, base)
    assert not report.passed
    with pytest.raises(NotContained):
        report.require()
    return {check.name for check in report.failures}


async def test_a_profile_that_allows_everything_is_caught(
    base_image: BaseImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    loose = {"defaultAction": "SCMP_ACT_ALLOW"}
    monkeypatch.setattr(spec, "seccomp", lambda: loose)
    assert "keyrings" in await refused(base_image)


async def test_one_call_too_many_in_the_profile_is_caught(
    base_image: BaseImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = json.loads(json.dumps(spec.seccomp()))
    for rule in profile["syscalls"]:
        if "keyctl" in rule["names"]:
            rule["names"].remove("keyctl")
    profile["syscalls"][0]["names"].append("keyctl")
    monkeypatch.setattr(spec, "seccomp", lambda: profile)
    assert await refused(base_image) == {"keyrings"}


async def test_a_mounted_host_disk_is_caught(base_image: BaseImage, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = spec._mounts

    def planted(config: SandboxConfig) -> list[dict[str, Any]]:
        hole = {"destination": "/mnt", "type": "none", "source": "/var", "options": ["rbind", "ro"]}
        return [*mounts(config), hole]

    monkeypatch.setattr(spec, "_mounts", planted)
    assert "files-of-host" in await refused(base_image)


async def test_limits_that_were_not_written_are_caught(
    base_image: BaseImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slipway.evaluation.sandbox.cgroups.SampleCgroup._limit", lambda *_: None)
    assert {"fork-bomb", "memory-bomb"} <= await refused(base_image)


async def test_reading_through_links_of_the_sandbox_is_caught(
    base_image: BaseImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = inside.read_small

    def by_path(root: int, path: str) -> bytes:
        if not path.startswith("/"):
            return real(root, path)
        with open(f"/proc/self/fd/{root}{path}", "rb") as file:
            return file.read()

    monkeypatch.setattr(inside, "read_small", by_path)
    assert await refused(base_image) == {"link-read-back"}


async def test_a_time_out_that_kills_only_the_command_is_caught(
    base_image: BaseImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "slipway.evaluation.sandbox.cgroups.SampleCgroup.kill_command", lambda self, command: None
    )
    assert await refused(base_image) == {"outliving-a-time-out"}


async def test_a_packet_at_the_canary_refuses(base_image: BaseImage, monkeypatch: pytest.MonkeyPatch) -> None:
    real = suite.examine

    async def leaking(config: SandboxConfig, base: BaseImage, canary: Canary) -> list[Check]:
        checks = await real(config, base, canary)
        canary.hits.append("datagram from 203.0.113.9")
        return checks

    monkeypatch.setattr(suite, "examine", leaking)
    assert await refused(base_image) == {"canary"}


async def test_a_suite_that_sees_nothing_proves_nothing(
    base_image: BaseImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def blind(box: Sandbox, canary: Canary, names: tuple[str, ...] = suite.INSIDE) -> list[Check]:
        return [Check(name, Status.PASS, "looks fine") for name in names]

    monkeypatch.setattr(suite, "attempt_all", blind)
    report = await preflight_async(SMALL, base_image)
    assert report.failures == ()
    assert not report.passed
    assert set(report.positive_control.missed) == set(report.positive_control.expected)
    with pytest.raises(NotContained, match="did not see a deliberately open sandbox"):
        report.require()


async def test_attempts_without_an_answer_are_no_pass(
    base_image: BaseImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "program", lambda: b"not a zip")
    report = await preflight_async(SMALL, base_image)
    unclear = {check.name for check in report.probes if check.status is Status.NOT_CHECKED}
    assert unclear == set(suite.INSIDE)
    assert not report.passed


async def test_a_sandbox_that_does_not_start_shows_nothing(
    base_image: BaseImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slipway.evaluation.sandbox.nursery.PROGRAM", "/nothing/holder.py")
    monkeypatch.setattr("slipway.evaluation.sandbox.nursery._current", None)
    report = await preflight_async(SMALL, base_image)
    assert not report.passed
    assert {check.status for check in report.probes if check.name != "canary"} == {Status.NOT_CHECKED}

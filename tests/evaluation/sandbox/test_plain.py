"""What needs no running sandbox: configuration, profile, cgroup discovery, tier probe."""

from __future__ import annotations

import json
import os
import platform
from importlib import resources
from pathlib import Path

import pytest

from slipway.base.errors import InvalidInput
from slipway.base.results import Status
from slipway.evaluation.sandbox import Opening, SandboxConfig, SandboxUnsupported, cgroups, probe, spec


def test_configuration_lists_every_problem() -> None:
    with pytest.raises(InvalidInput) as caught:
        SandboxConfig(user="Not A User", workdir="relative", memory_mb=1, pids=0)
    assert [problem.field for problem in caught.value.problems] == ["user", "workdir", "memory_mb", "pids"]
    with pytest.raises(InvalidInput) as caught:
        SandboxConfig.from_mapping({"memory": 1, "openings": ["no seccomp"], "user": 7})
    assert [problem.field for problem in caught.value.problems] == ["memory", "openings", "user"]


def test_configuration_survives_json_and_is_hashable() -> None:
    config = SandboxConfig(memory_mb=100)
    data = json.loads(json.dumps(config.as_dict()))
    assert data.pop("openings") == []
    assert SandboxConfig.from_mapping(data) == config
    assert hash(config) == hash(SandboxConfig(memory_mb=100))


def test_the_profile_allows_none_of_what_it_refuses() -> None:
    text = resources.files("slipway.evaluation.sandbox").joinpath("seccomp.json").read_text()
    data = json.loads(text)
    refused = {name for names in data["refuse"].values() for name in names}
    assert not refused & set(data["allow"])
    wanted = "keyctl add_key bpf io_uring_setup unshare setns mount fsopen userfaultfd perf_event_open "
    wanted += "open_by_handle_at init_module kexec_load reboot clock_settime sethostname pidfd_getfd"
    assert set(wanted.split()) <= refused
    assert not {"clone3", "clone", "socket", "personality"} & set(data["allow"])


@pytest.mark.skipif(platform.machine() not in spec._ARCHITECTURES, reason="no profile for this architecture")
def test_the_profile_knows_one_architecture_and_refuses_by_default() -> None:
    section = spec.seccomp()
    assert len(section["architectures"]) == 1
    assert section["defaultAction"] == "SCMP_ACT_ERRNO"


def test_only_root_inside_holds_capabilities() -> None:
    assert spec.process(SandboxConfig(), ["id"], uid=0)["capabilities"]["effective"]
    agent = spec.process(SandboxConfig(), ["id"], uid=1000)["capabilities"]
    assert agent["effective"] == agent["permitted"] == []
    dangerous = {"CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_MKNOD", "CAP_NET_RAW", "CAP_NET_ADMIN"}
    assert not dangerous & set(agent["bounding"])


def test_every_opening_changes_the_specification_or_the_limits() -> None:
    closed = spec.specification(SandboxConfig())
    for opening in set(Opening) - {Opening.HOST_NETWORK, Opening.NO_LIMITS}:
        assert spec.specification(SandboxConfig(openings=frozenset({opening}))) != closed


HYBRID = """31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw
35 31 0:32 / {0}/memory rw,relatime - cgroup cgroup rw,memory
39 31 0:36 / {0}/pids rw,relatime - cgroup cgroup rw,pids
41 31 0:38 / {0}/unified rw,relatime - cgroup2 cgroup2 rw
"""


def test_controllers_are_found_in_every_layout(tmp_path: Path) -> None:
    for name in ("memory", "pids", "unified"):
        (tmp_path / name).mkdir()
    (tmp_path / "unified" / "cgroup.controllers").write_text("hugetlb\n")
    hybrid = cgroups.find_hierarchies(HYBRID.format(tmp_path))
    assert hybrid == cgroups.Hierarchies(tmp_path / "memory", 1, tmp_path / "pids", 1)
    assert hybrid.roots == (tmp_path / "pids", tmp_path / "memory")

    unified = f"30 23 0:26 / {tmp_path}/unified rw - cgroup2 cgroup2 rw,nsdelegate\n"
    (tmp_path / "unified" / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    two = cgroups.find_hierarchies(unified)
    assert (two.memory_version, two.pids_version, two.together) == (2, 2, True)
    assert two.roots == (tmp_path / "unified",)

    joint = f"35 31 0:32 / {tmp_path}/memory rw - cgroup cgroup rw,pids,memory\n"
    assert cgroups.find_hierarchies(joint).together

    with pytest.raises(SandboxUnsupported, match="memory and pids"):
        cgroups.find_hierarchies("27 1 254:0 / / rw - ext4 /dev/vda rw\n")


def test_version_two_passes_the_controllers_down(tmp_path: Path) -> None:
    (tmp_path / "cgroup.subtree_control").write_text("cpu")
    (tmp_path / "slipway").mkdir()
    (tmp_path / "slipway" / "cgroup.subtree_control").write_text("")
    where = cgroups.Hierarchies(tmp_path, 2, tmp_path, 2)
    cgroups.prepare(where)
    for folder in (tmp_path, tmp_path / "slipway"):
        assert (folder / "cgroup.subtree_control").read_text() == "+memory +pids"
    sample = cgroups.SampleCgroup(where, "s0001")
    sample.create(SandboxConfig(memory_mb=64, pids=10))
    folder = tmp_path / "slipway" / "s0001"
    assert (folder / "memory.max").read_text() == str(64 << 20)
    assert (folder / "pids.max").read_text() == "10"
    assert sample.start_folders == [f"{folder}/init"]
    command = sample.new_command()
    assert sample.procs_files(command) == [f"{folder}/c1/cgroup.procs"]


def test_what_is_missing_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("shutil.which", lambda name: None)
    probe._supported.cache_clear()
    report = probe.tier()
    assert report.tier == 0
    with pytest.raises(SandboxUnsupported) as caught:
        probe.require()
    assert "run as root or with sudo" in caught.value.message
    assert "apt-get install crun" in caught.value.message
    assert "\n" not in caught.value.message
    probe._supported.cache_clear()


@pytest.mark.sandbox
def test_doctor_tells_tier_leftovers_and_images(
    image_cache: Path, base_image: object, tmp_path: Path
) -> None:
    checks = {check.name: check for check in probe.doctor(image_cache)}
    assert checks["sandbox: crun"].status is Status.PASS
    assert checks["sandbox: base image"].status is Status.PASS
    empty = {check.name: check for check in probe.doctor(tmp_path)}
    assert empty["sandbox: base image"].status is Status.NOT_CHECKED


@pytest.mark.sandbox
def test_doctor_answers_people_who_are_not_root(base_image: object, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            found = {check.name: check.reason for check in probe.doctor()}
            os.write(writer, found["sandbox: root"].encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        assert answer.read() == "sandboxes need root here: run as root or with sudo"
    os.waitpid(pid, 0)

"""Nothing stays behind: after stops, kills of the holder, of the runner, and of both."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from slipway.evaluation.sandbox import BaseImage, Sandbox, SandboxConfig, nursery, reap
from slipway.evaluation.sandbox.cgroups import PARENT, find_hierarchies
from slipway.evaluation.sandbox.holder import kill_cgroup, remove_cgroup
from slipway.evaluation.sandbox.slots import FIRST_UID, STATE

pytestmark = [pytest.mark.anyio, pytest.mark.sandbox]


def traces(name: str) -> list[str]:
    """Every trace of the sandbox ``name`` on this machine."""
    found = [str(path) for path in (STATE / name, STATE / f"{name}.lock") if path.exists()]
    roots = find_hierarchies().roots
    found += [str(root / PARENT / name) for root in roots if (root / PARENT / name).exists()]
    uid = FIRST_UID + int(name[1:]) * 65536
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            owner = entry.stat().st_uid
            arguments = (entry / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if uid <= owner < uid + 65536 or str(STATE / name).encode() in arguments:
            found.append(f"process {entry.name}")
    found += [
        line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f"{STATE}/{name}" in line
    ]
    return found


async def gone(name: str) -> list[str]:
    """Wait up to 10 s until nothing of ``name`` is left; return what is."""
    for _ in range(200):
        if not (left := traces(name)):
            return []
        await asyncio.sleep(0.05)
    return left


async def test_thirty_samples_some_killed_leave_nothing(base_image: BaseImage) -> None:
    names = []

    async def sample(number: int) -> None:
        box = await Sandbox.start(SandboxConfig(pids=64), base_image)
        names.append(box.name)
        await box.exec(["sh", "-c", "sleep 300 >/dev/null 2>&1 & echo x > /tmp/x"])
        assert box._holder is not None
        if number % 3 == 0:
            await box.stop()
        elif number % 3 == 1:  # the holder dies: the runner clears away on stop
            box._holder.kill()
            await box.stop()
        else:  # stopped in the middle of a command
            running = asyncio.create_task(box.exec(["sh", "-c", "while :; do sleep 0.01 & done"]))
            await asyncio.sleep(0.1)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await box.stop()

    limit = asyncio.Semaphore(6)

    async def bounded(number: int) -> None:
        async with limit:
            await sample(number)

    await asyncio.gather(*(bounded(number) for number in range(30)))
    assert len(names) == 30
    assert [await gone(name) for name in names] == [[]] * 30


RUNNER = """
import asyncio, sys
from pathlib import Path
from slipway.evaluation.sandbox import BaseImage, Sandbox, SandboxConfig

async def main():
    box = await Sandbox.start(SandboxConfig(), BaseImage("0" * 64, Path(sys.argv[1])))
    await box.exec(["sh", "-c", "sleep 300 >/dev/null 2>&1 &"])
    print(box.name, box._holder.pid, flush=True)
    await box.exec(["sleep", "300"])

asyncio.run(main())
"""


def start_runner(image: BaseImage) -> tuple[subprocess.Popen[str], str, int]:
    argv = [sys.executable, "-c", RUNNER, str(image.rootfs)]
    runner = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert runner.stdout is not None
    name, holder = runner.stdout.readline().split()
    return runner, name, int(holder)


async def test_a_killed_runner_leaves_nothing(base_image: BaseImage) -> None:
    runner, name, _ = start_runner(base_image)
    assert traces(name)
    runner.kill()
    runner.wait()
    assert await gone(name) == []


async def test_runner_and_holder_killed_is_for_the_reaper(base_image: BaseImage) -> None:
    runner, name, holder = start_runner(base_image)
    assert name in reap().alive
    os.kill(holder, signal.SIGKILL)
    runner.kill()
    runner.wait()
    await asyncio.sleep(0.2)
    assert traces(name)
    assert name in reap(remove=False).stuck
    assert traces(name)
    assert name in reap().removed
    assert await gone(name) == []


async def test_the_reaper_leaves_the_living_alone(box: Sandbox) -> None:
    found = reap()
    assert box.name in found.alive
    assert (await box.exec(["true"])).returncode == 0


async def test_a_failed_start_leaves_nothing(base_image: BaseImage, tmp_path: Path) -> None:
    before = set(STATE.iterdir())
    broken = BaseImage("0" * 64, tmp_path / "nothing")
    with pytest.raises(Exception, match="did not start"):
        await Sandbox.start(SandboxConfig(), broken)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(Exception, match="did not start"):
        await Sandbox.start(SandboxConfig(), BaseImage("0" * 64, empty))
    mine = {path for path in STATE.iterdir() if path not in before}
    alive = set(reap(remove=False).alive)
    assert {path.name.removesuffix(".lock") for path in mine} <= alive  # other tests' sandboxes only


def test_a_fork_bomb_dies_in_either_cgroup_version(base_image: BaseImage) -> None:
    bomb = "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass\n"
    tried = 0
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ")
        kind, _, options = right.split(" ", 2)
        if kind != "cgroup2" and not (kind == "cgroup" and "pids" in options.split(",")):
            continue
        folder = Path(left.split()[4]) / f"slipway-test-{os.getpid()}"
        folder.mkdir()
        try:
            limit = f"echo 0 >{folder}/cgroup.procs; exec timeout 20 {sys.executable} -c '{bomb}'"
            if (folder / "pids.max").exists():
                (folder / "pids.max").write_text("64")
            elif not (folder / "cgroup.kill").exists():
                continue
            else:  # nothing bounds a bomb here, so a handful of processes must do
                limit = f"echo 0 >{folder}/cgroup.procs; sleep 300 & sleep 300 & exec sleep 300"
            process = subprocess.Popen(["/bin/sh", "-c", limit])
            time.sleep(0.5)
            assert kill_cgroup(str(folder))
            process.wait(10)
            assert remove_cgroup(str(folder))
            assert not folder.exists()
            tried += 1
        finally:
            kill_cgroup(str(folder))
            remove_cgroup(str(folder))
    assert tried


async def test_sandboxes_outlive_the_nursery_and_a_new_one_comes_up(base_image: BaseImage) -> None:
    first = await Sandbox.start(SandboxConfig(), base_image)
    assert nursery._current is not None
    before = nursery._current[2]
    before.kill()
    before.wait()
    assert (await first.exec(["echo", "alive"])).stdout == "alive\n"
    second = await Sandbox.start(SandboxConfig(), base_image)
    assert nursery._current[2].pid != before.pid
    for box in (first, second):
        await box.stop()
        assert await gone(box.name) == []


async def test_a_nursery_keeps_nothing_and_ends_with_its_runner(base_image: BaseImage) -> None:
    box = await Sandbox.start(SandboxConfig(), base_image)
    assert nursery._current is not None
    folder = Path(f"/proc/{nursery._current[2].pid}")
    held = {(fd.name, str(fd.readlink()).split(":")[0]) for fd in (folder / "fd").iterdir()}
    assert held == {("0", "socket"), ("1", "/dev/null"), ("2", "/dev/null")}
    assert (folder / "environ").read_bytes().startswith(b"PATH=")
    assert (folder / "environ").read_bytes().count(b"\0") == 1, "nothing of the runner's environment"
    await box.stop()
    runner, name, holder = start_runner(base_image)
    parent = _parent(holder)
    assert parent != runner.pid
    runner.kill()
    runner.wait()
    assert await gone(name) == []
    for _ in range(100):
        if _parent(parent) is None:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the nursery outlived its runner")


def _parent(pid: int | None) -> int | None:
    """Return the parent of a process, None when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except FileNotFoundError:
        return None

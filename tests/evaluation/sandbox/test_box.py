"""A running sandbox: what commands see, how they end, what they may and may not do."""

from __future__ import annotations

import asyncio
import os
import shlex
import time

import anyio
import pytest

from slipway.evaluation.sandbox import (
    BaseImage,
    Opening,
    OutputLimitExceeded,
    Sandbox,
    SandboxConfig,
    SandboxUnavailable,
    SandboxUnsupported,
    UserNotFound,
)
from slipway.evaluation.sandbox.holder import kill_cgroup

pytestmark = [pytest.mark.anyio, pytest.mark.sandbox]

SUID = r"""
#include <stdio.h>
#include <unistd.h>
int main(void) { setuid(0); printf("%d %d\n", getuid(), geteuid()); return 0; }
"""


async def test_runs_as_the_agent_in_its_home_with_a_clean_environment(box: Sandbox) -> None:
    done = await box.exec(["sh", "-c", "id -un; pwd; env | cut -d= -f1 | sort | tr '\\n' ' '"])
    assert done.returncode == 0
    assert done.stdout.split("\n") == [
        "agent",
        "/home/agent",
        "HOME LANG LOGNAME PATH PWD TERM USER ",
    ]


async def test_output_and_status_are_those_of_the_command(box: Sandbox) -> None:
    done = await box.exec(["sh", "-c", "printf out; printf err >&2; exit 7"])
    assert (done.returncode, done.stdout, done.stderr) == (7, "out", "err")
    killed = await box.exec(["sh", "-c", "kill -9 $$"])
    assert killed.returncode == 137


async def test_crun_words_in_the_output_are_only_output(box: Sandbox) -> None:
    text = "2026-01-01T00:00:00Z: exec failed: Permission denied"
    done = await box.exec(["sh", "-c", f"echo '{text}' >&2; exit 1"])
    assert (done.returncode, done.stderr) == (1, text + "\n")


async def test_missing_program_and_missing_directory_are_plain_results(box: Sandbox) -> None:
    gone = await box.exec(["/no/such/program"])
    assert gone.returncode == 127
    assert "/no/such/program" in gone.stderr
    nowhere = await box.exec(["true"], cwd="/no/such/directory")
    assert nowhere.returncode == 126
    assert "/no/such/directory" in nowhere.stderr


async def test_words_that_no_command_line_holds_are_refused(box: Sandbox) -> None:
    for cmd in ([], ["a\0b"], ["a", "\udc80"]):
        with pytest.raises(ValueError, match=r"NUL|surrogates"):
            await box.exec(cmd)
    assert (await box.exec(["printf", "%s", "é漢\n\"'\\"])).stdout == "é漢\n\"'\\"


async def test_users_and_groups_are_those_of_the_sandbox(box: Sandbox) -> None:
    made = await box.exec(["adduser", "--disabled-password", "--comment", "x", "carol"], user="root")
    assert made.returncode == 0, made.stderr
    assert (await box.exec(["usermod", "-aG", "staff", "carol"], user="root")).returncode == 0
    done = await box.exec(["sh", "-c", "id -un; id -Gn; echo $HOME"], user="carol")
    assert done.stdout.split() == ["carol", "carol", "staff", "users", "/home/carol"]
    assert (await box.exec(["id", "-u"], user="4321")).stdout == "4321\n"
    with pytest.raises(UserNotFound, match="nobody-here"):
        await box.exec(["true"], user="nobody-here")
    with pytest.raises(UserNotFound):
        await box.exec(["true"], user="70000")


async def test_accounts_are_not_read_through_planted_links(box: Sandbox) -> None:
    # A link to a host file and a FIFO: the first would show the host's accounts, the second stop the host.
    script = "mv /etc/passwd /root/p; ln -s /proc/1/root/../../etc/passwd /etc/passwd"
    assert (await box.exec(["sh", "-c", script], user="root")).returncode == 0
    with pytest.raises(UserNotFound):
        await box.exec(["true"], user="agent")
    assert (await box.exec(["sh", "-c", "rm /etc/passwd; mkfifo /etc/passwd"], user="0")).returncode == 0
    async with asyncio.timeout(5):
        with pytest.raises(UserNotFound):
            await box.exec(["true"], user="agent")


async def test_setuid_programs_compiled_inside_raise_to_root(box: Sandbox) -> None:
    await box.write_file("raise.c", SUID)
    script = "tcc -o /opt/raise raise.c && chown root:root /opt/raise && chmod 4755 /opt/raise"
    made = await box.exec(["sh", "-c", script], user="root")
    assert made.returncode == 0, made.stderr
    done = await box.exec(["/opt/raise"])
    assert done.stdout == "0 0\n"


async def test_sudo_works_for_those_it_lists(box: Sandbox) -> None:
    await box.write_file("/etc/sudoers.d/agent", "agent ALL=(root) NOPASSWD: /usr/bin/id\n", user="root")
    done = await box.exec(["sudo", "-n", "id", "-u"])
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


async def test_time_out_kills_the_command_and_its_children_only(box: Sandbox) -> None:
    await box.exec(["sh", "-c", "sleep 301 </dev/null >/dev/null 2>&1 &"])
    with pytest.raises(TimeoutError, match=r"0\.3 s"):
        await box.exec(["sh", "-c", "setsid sleep 302 & sleep 303"], timeout=0.3)
    left = (await box.exec(["ps", "-eo", "args"])).stdout
    assert "sleep 301" in left
    assert "sleep 302" not in left
    assert "sleep 303" not in left


async def test_time_out_ends_a_fork_bomb(base_image: BaseImage) -> None:
    async with await Sandbox.start(SandboxConfig(pids=64), base_image) as box:
        bomb = "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass\n"
        with pytest.raises(TimeoutError):
            await box.exec(["python3", "-c", bomb], timeout=0.5)
        done = await box.exec(["sh", "-c", "ps -e | wc -l"])
        assert int(done.stdout) < 10


async def test_cancelling_kills_the_command(box: Sandbox) -> None:
    running = asyncio.create_task(box.exec(["sleep", "304"]))
    await asyncio.sleep(0.3)
    assert "sleep 304" in (await box.exec(["ps", "-eo", "args"])).stdout
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert "sleep 304" not in (await box.exec(["ps", "-eo", "args"])).stdout


async def test_too_much_output_kills_the_command_and_keeps_the_beginning(box: Sandbox) -> None:
    with pytest.raises(OutputLimitExceeded) as caught:
        await box.exec(["sh", "-c", "yes line"], output_limit=1000)
    assert caught.value.truncated == b"line\n" * 200
    assert "yes line" not in (await box.exec(["ps", "-eo", "args"])).stdout


async def test_a_background_child_does_not_hold_the_command_and_keeps_its_pipe(box: Sandbox) -> None:
    script = "(while :; do echo beat; echo x >> beats; sleep 0.05; done) & echo started"
    began = time.monotonic()
    done = await box.exec(["sh", "-c", script], timeout=30)
    assert done.returncode == 0
    assert done.stdout.startswith(("started", "beat"))
    assert time.monotonic() - began < 20  # the point is that it ends at all, not how fast
    first = (await box.exec(["wc", "-l", "beats"])).stdout
    await asyncio.sleep(0.5)
    assert (await box.exec(["wc", "-l", "beats"])).stdout != first


async def test_memory_limit_holds_for_processes_and_files(base_image: BaseImage) -> None:
    async with await Sandbox.start(SandboxConfig(memory_mb=64, disk_mb=256), base_image) as box:
        greedy = await box.exec(["python3", "-c", "b = bytearray(200 << 20)\nprint(len(b))"])
        assert greedy.returncode == 137
        assert greedy.stdout == ""
        filled = await box.exec(["dd", "if=/dev/zero", "of=big", "bs=1M", "count=200"])
        assert filled.returncode != 0
    async with await Sandbox.start(SandboxConfig(memory_mb=128, disk_mb=16), base_image) as box:
        filled = await box.exec(["dd", "if=/dev/zero", "of=big", "bs=1M", "count=64"])
        assert "No space left" in filled.stderr
        assert (await box.exec(["true"])).returncode == 0


async def test_two_sandboxes_share_nothing_but_the_base(base_image: BaseImage) -> None:
    async with await Sandbox.start(SandboxConfig(), base_image) as one:
        async with await Sandbox.start(SandboxConfig(), base_image) as two:
            await one.write_file("/usr/bin/only-here", "x", user="root")
            await one.exec(["sh", "-c", "rm -r /usr/share/file"], user="root")
            assert (await two.exec(["test", "-e", "/usr/bin/only-here"])).returncode == 1
            assert (await two.exec(["file", "/etc/passwd"])).returncode == 0
            listen = "import socket; s = socket.create_server(('127.0.0.1', 5000)); print(s.accept())"
            await one.exec(["sh", "-c", f'python3 -c "{listen}" >/dev/null 2>&1 &'])
            probe = "import socket; socket.create_connection(('127.0.0.1', 5000), 1)"
            await asyncio.sleep(0.2)
            assert "refused" in (await two.exec(["python3", "-c", probe])).stderr
    assert not (base_image.rootfs / "usr/bin/only-here").exists()
    assert (base_image.rootfs / "usr/share/file").exists()


async def test_uid_ranges_differ_and_are_not_the_hosts(base_image: BaseImage) -> None:
    maps = set()
    for _ in range(3):
        async with await Sandbox.start(SandboxConfig(), base_image) as box:
            line = (await box.exec(["cat", "/proc/self/uid_map"])).stdout.split()
            assert line[0] == "0"
            assert int(line[1]) >= 0x70000000
            assert line[2] == "65536"
            maps.add(line[1])
    assert len(maps) == 3  # drawn at random from 4094; equal ones once in 1400 runs would be a wonder


async def test_loopback_is_the_only_network(box: Sandbox) -> None:
    script = "import socket; print(socket.if_nameindex()); s = socket.create_server(('127.0.0.1', 0)); "
    script += "socket.create_connection(s.getsockname()); print('loop')"
    done = await box.exec(["python3", "-c", script])
    assert done.stdout == "[(1, 'lo')]\nloop\n"


async def test_attempts_to_leave_are_counted(box: Sandbox) -> None:
    assert box.attempted_egress() == 0
    script = "import socket\nfor a in ('198.51.100.7', '2001:db8::7'):\n"
    script += "  try: socket.create_connection((a, 80), 1)\n  except OSError: pass\n"
    await box.exec(["python3", "-c", script])
    assert (box.attempted_egress() or 0) >= 2
    await box.stop()
    assert box.attempted_egress() is None


async def test_a_cancelled_scope_kills_the_command(box: Sandbox) -> None:
    # Inspect cancels by anyio scopes, which cancel again at every further await.
    with anyio.move_on_after(0.3) as scope:
        await box.exec(["sleep", "305"])
    assert scope.cancelled_caught
    for _ in range(100):
        if "sleep 305" not in (await box.exec(["ps", "-eo", "args"])).stdout:
            return
        await asyncio.sleep(0.05)
    pytest.fail("the command lives on")


async def test_a_person_can_look_inside_within_the_limits(box: Sandbox) -> None:
    command = shlex.join(box.login_command())
    look = await asyncio.create_subprocess_exec(
        "script", "-qec", command, "/dev/null", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(look.communicate(b"id -un; cat /proc/self/cgroup; exit\n"), 20)
    assert b"agent" in out
    assert b"pids:/\r\n" in out or b"0::/\r\n" in out


async def test_killing_everything_inside_is_seen_and_stops_cleanly(base_image: BaseImage) -> None:
    async with await Sandbox.start(SandboxConfig(), base_image) as box:
        # Root inside cannot kill process 1, but the host's kernel may (out of memory): the same end.
        kill_cgroup(box._cgroup.init)
        await asyncio.sleep(0.2)
        with pytest.raises(SandboxUnavailable):
            await box.exec(["true"])
    with pytest.raises(SandboxUnavailable, match="not running"):
        await box.exec(["true"])
    await box.stop()


async def test_openings_are_refused_outside_the_containment_check(base_image: BaseImage) -> None:
    config = SandboxConfig(openings=frozenset({Opening.HOST_NETWORK}))
    with pytest.raises(SandboxUnsupported, match="holes"):
        await Sandbox.start(config, base_image)


async def test_nothing_of_the_runner_leaks_into_a_command(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY_OF_THE_RUNNER", "hush")
    secret = os.open("/etc/hostname", os.O_RDONLY)
    try:
        os.set_inheritable(secret, True)
        script = "ls -l /proc/self/fd | wc -l; env; cat /proc/*/environ | tr '\\0' '\\n'"
        done = await box.exec(["sh", "-c", script], user="root")
    finally:
        os.close(secret)
    assert done.stdout.splitlines()[0] == "5"  # total, 0, 1, 2, and the folder being listed
    assert "hush" not in done.stdout

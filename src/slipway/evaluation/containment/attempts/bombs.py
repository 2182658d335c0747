"""Attempts to use more than the limits; every one bounded by itself and by the cgroup."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
from pathlib import Path

from .common import Found, Told, attempt


@attempt
def fork_bomb(told: Told) -> Found:
    """Fork more children than the limit allows; they only wait, and are killed here."""
    children = []
    try:
        for _ in range(told["pids"] + 64):
            pid = os.fork()
            if pid == 0:
                signal.pause()
                os._exit(0)
            children.append(pid)
    except OSError:
        pass
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    count = len(children)
    return count > told["pids"], f"{count} processes of at most {told['pids']}"


@attempt
def memory_bomb(told: Told) -> Found:
    """Touch more memory than the limit allows."""
    pid = os.fork()
    if pid == 0:
        size = (told["memory_mb"] + 64) << 20
        hoard = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        # One call into libc: a loop here would fault its own code back in at every step near the limit,
        # and crawl instead of being killed.
        ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(hoard)), 1, size)
        os._exit(42)
    status = os.waitpid(pid, 0)[1]
    out = os.WIFEXITED(status) and os.WEXITSTATUS(status) == 42
    return (
        out,
        f"{told['memory_mb'] + 64} MiB were had"
        if out
        else f"stopped at the limit of {told['memory_mb']} MiB",
    )


@attempt
def disk_bomb(told: Told) -> Found:
    """Write more than the limit allows."""
    pid = os.fork()
    if pid == 0:
        block = b"\xa5" * (1 << 20)
        try:
            with open("/var/tmp/bomb", "wb", buffering=0) as file:  # noqa: S108 -- inside the sandbox
                for _ in range(told["disk_mb"] + 64):
                    if file.write(block) != len(block):
                        os._exit(0)
        except OSError:
            os._exit(0)
        os._exit(42)
    status = os.waitpid(pid, 0)[1]
    Path("/var/tmp/bomb").unlink(missing_ok=True)  # noqa: S108 -- inside the sandbox
    out = os.WIFEXITED(status) and os.WEXITSTATUS(status) == 42
    return (
        out,
        f"{told['disk_mb'] + 64} MiB were written"
        if out
        else f"stopped at the limit of {told['disk_mb']} MiB",
    )

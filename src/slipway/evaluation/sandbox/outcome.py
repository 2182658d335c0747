"""Turns how a command or a file script ended into typed outcomes."""

from __future__ import annotations

import os

from slipway.evaluation.sandbox.child import Finished
from slipway.evaluation.sandbox.errors import SandboxUnavailable


def memory_file(data: bytes) -> int:
    """Return a descriptor of an anonymous file with ``data``; nothing touches a disk."""
    fd = os.memfd_create("slipway", os.MFD_CLOEXEC)
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def explained(done: Finished, reason: str, program: str, cwd: str) -> Finished:
    """Turn what crun itself reports (in its own log, which the command cannot reach) into a typed outcome."""
    if done.returncode == 125 and not reason and b"cgroup.procs" in done.stderr:
        raise SandboxUnavailable("the sandbox is not running any more")
    if not reason:
        return done
    last = reason.splitlines()[-1]
    lower = last.lower()
    if "chdir" in lower:
        return Finished(126, b"", f"{cwd}: {last}".encode())
    if "permission denied" in lower:
        raise PermissionError(f"{program}: {last}")
    if "no such file or directory" in lower or "not found" in lower:
        return Finished(127, b"", f"{program}: {last}".encode())
    if "exec format error" in lower:
        return Finished(126, b"", f"{program}: {last}".encode())
    raise SandboxUnavailable(f"the sandbox could not run a command: {last}")


def file_error(file: str, done: Finished) -> OSError:
    """Return the built-in error that a failed file script stands for; its text names the file."""
    text = done.stderr.decode("utf-8", "replace").strip()
    lower = text.lower()
    for words, kind in (
        ("is a directory", IsADirectoryError),
        ("permission denied", PermissionError),
        ("no such file", FileNotFoundError),
        ("not a directory", NotADirectoryError),
        ("file exists", NotADirectoryError),  # what mkdir -p says of a parent that is a file
    ):
        if words in lower:
            return kind(f"{file}: {text}")
    return OSError(f"{file}: {text or f'ended with {done.returncode}'}")

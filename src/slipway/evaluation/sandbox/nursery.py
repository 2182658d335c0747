"""Starts holders by forking them from one small process, instead of one Python interpreter a sandbox.

The nursery is :mod:`.holder` run as a program with a socket as its standard input. It knows nothing of the
runner: its environment is PATH, and each request brings the descriptors that the new holder shall have. It
ends when its runner does; holders that it forked end by their own life lines, so nothing hangs on it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from slipway.evaluation.sandbox import holder
from slipway.evaluation.sandbox.errors import SandboxUnavailable

PROGRAM = str(Path(holder.__file__).resolve())
_REPLY_SECONDS = 30.0
_lock = threading.Lock()
_current: tuple[int, socket.socket, subprocess.Popen[bytes]] | None = None


class Holder:
    """One holder process: its life line (``stdin``), its one line (``told``) and a handle to end it."""

    def __init__(self, pid: int, handle: int, stdin: int, told: int) -> None:
        self.pid = pid
        self.told = told
        self._handle = handle
        self._stdin = stdin

    def kill(self) -> None:
        """Kill it; an ended one stays ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it has ended; false when it has not within ``seconds``."""
        poll = select.poll()
        poll.register(self._handle, select.POLLIN)
        return bool(poll.poll(None if seconds is None else seconds * 1000))

    def end(self, seconds: float) -> None:
        """Cut the life line and wait until it has cleared away; after ``seconds`` kill it. Call once."""
        os.close(self._stdin)
        os.close(self.told)
        if not self.wait(seconds):
            self.kill()
            self.wait()
        os.close(self._handle)


def start(arguments: Sequence[str], lock: int) -> Holder:
    """Fork a holder with these arguments and the lock's descriptor; blocks for a millisecond.

    Raises :class:`SandboxUnavailable` when the nursery does not come up or cannot fork.
    """
    stdin_read, stdin_write = os.pipe()
    told_read, told_write = os.pipe()
    request = "\0".join(arguments).encode()
    try:
        with _lock:
            pid, handle = _ask(request, [stdin_read, told_write, lock])
    except BaseException:
        os.close(stdin_write)
        os.close(told_read)
        raise
    finally:
        os.close(stdin_read)
        os.close(told_write)
    return Holder(pid, handle, stdin_write, told_read)


def _ask(request: bytes, descriptors: list[int]) -> tuple[int, int]:
    """Return the new holder's pid and pidfd; a nursery that died is replaced once."""
    for _ in range(2):
        channel = _channel()
        try:
            socket.send_fds(channel, [request], descriptors)
            reply, handles, _, _ = socket.recv_fds(channel, 4096, 1, socket.MSG_CMSG_CLOEXEC)
        except OSError:
            _close()
            continue
        if handles:
            return int(reply), handles[0]
        if reply:
            raise SandboxUnavailable(f"the sandbox's holder could not be forked: {reply.decode()}")
        _close()
    raise SandboxUnavailable("the process that starts sandboxes does not come up; see `slipway doctor`")


def _channel() -> socket.socket:
    """Return the socket to this process's nursery, starting it on first use (and after a fork)."""
    global _current
    if _current is not None and _current[0] == os.getpid():
        return _current[1]
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        ours.settimeout(_REPLY_SECONDS)
        process = subprocess.Popen(
            [sys.executable or "/usr/bin/python3", "-I", "-S", PROGRAM],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Its own session, so that Ctrl-C at the terminal reaches the runner, which then stops in order.
            start_new_session=True,
            cwd="/",
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        )
    _current = (os.getpid(), ours, process)
    return ours


def _close() -> None:
    """End this process's nursery; its holders live on with their own life lines."""
    global _current
    if _current is not None and _current[0] == os.getpid():
        _current[1].close()
        try:
            _current[2].wait(5)
        except subprocess.TimeoutExpired:
            _current[2].kill()
            _current[2].wait()
    _current = None


atexit.register(_close)

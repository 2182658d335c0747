"""The worker's side: a fresh interpreter that runs shards until its pipe closes.

Started by :mod:`slipway.work.shards` as ``python -c "…main(fd, parent)"``. It
shares nothing with its parent but one socket, so that killing it loses one
shard. It must not outlive its parent: it ends when the socket closes, and it
asks the kernel for a signal when the parent dies, upon which it kills its whole
process group, so that what a shard has started goes too.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

_PR_SET_PDEATHSIG = 1


def main(fd: int, parent: int) -> None:
    """Serve shards from the socket ``fd`` until it closes or says stop."""
    _die_with(parent)
    # Ctrl-C reaches the parent, which ends its workers in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.set_inheritable(fd, False)
    pipe: Connection[Any, Any] = Connection(fd)
    with contextlib.suppress(EOFError, OSError):
        fn, problem = _load(pipe.recv_bytes())
        while True:
            shard_blob = pipe.recv_bytes()
            pipe.send_bytes(_run(fn, shard_blob) if fn is not None else problem)


def _die_with(parent: int) -> None:
    # Not SIGKILL: that would end this process alone and leave its children.
    signal.signal(signal.SIGHUP, lambda *_: os.killpg(0, signal.SIGKILL))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGHUP, 0, 0, 0)
    if os.getppid() != parent:  # it died before the request could be made
        os._exit(1)


def _load(blob: bytes) -> tuple[Callable[[Any], Any] | None, bytes]:
    """Return the function, or the answer that every shard gets because it cannot be loaded."""
    try:
        return pickle.loads(blob), b""  # noqa: S301  (from the parent, over a private socket)
    except Exception as error:
        return None, _failure("the function cannot be loaded in a worker", error)


def _run(fn: Callable[[Any], Any], blob: bytes) -> bytes:
    try:
        value = fn(pickle.loads(blob))  # noqa: S301  (from the parent, over a private socket)
    except Exception as error:
        return _failure(type(error).__name__, error)
    try:
        return pickle.dumps(("done", value), protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        return _failure("the result cannot be sent back", error)


def _failure(what: str, error: Exception) -> bytes:
    trace = "".join(traceback.format_exception(error))
    return pickle.dumps(("failed", f"{what}: {error}", trace))

"""Runs the chosen attempts, each in a child of its own; the main module of the program inside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys

from . import bombs, egress, host, kernel
from .common import ATTEMPTS, Told

__all__ = ["ATTEMPTS", "bombs", "egress", "host", "kernel", "main"]
_SECONDS = 20


def _one(name: str, told: Told) -> None:
    """Run one attempt in a child with its own pipe and alarm; print its line, or why there is none."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        os.setsid()
        signal.alarm(_SECONDS)
        try:
            out, detail = ATTEMPTS[name](told)
            line = json.dumps({"name": name, "out": out, "detail": detail[:500]})
        except Exception as error:
            line = json.dumps({"name": name, "out": None, "detail": f"{type(error).__name__}: {error}"[:500]})
        os.write(writer, line.encode())
        os._exit(0)
    os.close(writer)
    status = os.waitpid(pid, 0)[1]
    # Children of an attempt that ran out of time hold the pipe open, so they go before it is read.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    with os.fdopen(reader, "rb") as pipe:
        line = pipe.read().decode()
    if not line:
        line = json.dumps({"name": name, "out": None, "detail": f"the attempt ended with status {status}"})
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Read what the host tells from standard input and make the attempts named in the arguments."""
    told: Told = json.load(sys.stdin)
    for name in sys.argv[1:]:
        _one(name, told)

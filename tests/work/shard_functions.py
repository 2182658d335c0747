"""Functions that workers import. Each does one thing that a worker can do or suffer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def square(number: int) -> int:
    return number * number


def pid_of(shard: Any) -> tuple[Any, int]:
    return shard, os.getpid()


def slow_then_index(shard: tuple[int, float]) -> int:
    time.sleep(shard[1])
    return shard[0]


def die_by_kill_if_odd(number: int) -> int:
    if number % 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def exit_with(code: int) -> int:
    if code:
        os._exit(code)
    return code


def abort(_: int) -> None:
    os.abort()


def fail_if_odd(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number


def not_to_be_pickled(_: int) -> Any:
    return lambda: None


class Unreadable:
    def __reduce__(self) -> Any:
        return (int, ("not a number",))


def unreadable_result(_: int) -> Unreadable:
    return Unreadable()


def prints(number: int) -> int:
    print("noise on standard output")
    return number


def environment(name: str) -> str | None:
    return os.environ.get(name)


def large(size: int) -> bytes:
    return b"x" * size


def length(data: bytes) -> int:
    return len(data)


def note_pids_and_hang(path: str) -> None:
    """Start a grandchild, write both process ids down, then never answer."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    target = Path(path)
    part = target.with_suffix(".part")
    part.write_text(f"{os.getpid()} {child.pid}")
    part.rename(target)
    time.sleep(600)


def die_with_forked_child_that_keeps_the_socket(path: str) -> None:
    child = os.fork()
    if child == 0:
        time.sleep(600)
        os._exit(0)
    Path(path).write_text(str(child))
    os.kill(os.getpid(), signal.SIGKILL)

"""Names and uid ranges of sandboxes, given out without a daemon.

A sandbox is a number from 0 to 4093. Who holds the lock on ``<state>/s0042.lock`` owns number 42: its name
``s0042``, its directory, its cgroups and its 65,536 uids. The lock is on an open file that runner and
holder share, so the kernel frees it when both are dead, however they died; :mod:`.reaper` relies on that.
"""

from __future__ import annotations

import fcntl
import os
import random
from dataclasses import dataclass
from pathlib import Path

from slipway.evaluation.sandbox.errors import SandboxUnavailable

STATE = Path("/run/slipway/sandboxes")
# Above systemd's container range (0x00080000 to 0x6FFFFFFF) and below its foreign range (0x7FFE0000), so
# that neither machines of systemd-nspawn nor subordinate ids of people overlap.
FIRST_UID = 0x70000000
UIDS = 65536
SLOTS = 4094


@dataclass(frozen=True, slots=True)
class Slot:
    """One owned number: ``folder`` is its state directory, ``lock`` the descriptor that owns it."""

    name: str
    folder: Path
    uid: int
    lock: int

    def release(self) -> None:
        """Give the lock back; the files are removed by ``clear_away`` while it is held."""
        os.close(self.lock)


def state_directory() -> Path:
    """Make and return the state directory. Mode 0711: a sample's mapped root passes through it."""
    STATE.mkdir(parents=True, exist_ok=True)
    STATE.parent.chmod(0o711)
    STATE.chmod(0o711)
    return STATE


def try_lock(path: Path, *, create: bool) -> int | None:
    """Open and lock ``path``; the descriptor, or ``None`` when someone else has it, it is gone or not ours.

    The file is removed by its owner while locked. Whoever waited on the removed file holds a lock on
    nothing, so the name is compared with the open file afterwards.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if create else 0)
    try:
        fd = os.open(path, flags, 0o600)
    except (FileNotFoundError, PermissionError):
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        here, there = os.fstat(fd), path.stat()
        if (here.st_ino, here.st_dev) == (there.st_ino, there.st_dev):
            return fd
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(fd)
    return None


def acquire() -> Slot:
    """Own a free number and make its directory; raises :class:`SandboxUnavailable` when none is free."""
    state = state_directory()
    start = random.randrange(SLOTS)  # noqa: S311 -- spreads concurrent runners, no secret
    for step in range(SLOTS):
        number = (start + step) % SLOTS
        name = f"s{number:04d}"
        folder = state / name
        lock = try_lock(state / f"{name}.lock", create=True)
        if lock is None:
            continue
        try:
            folder.mkdir(mode=0o711)
        except FileExistsError:  # left by a crash: its cgroups may live, so leave it to the reaper
            os.close(lock)
            continue
        return Slot(name, folder, FIRST_UID + number * UIDS, lock)
    raise SandboxUnavailable(f"all {SLOTS} sandbox numbers are in use; stop some or run `slipway doctor`")

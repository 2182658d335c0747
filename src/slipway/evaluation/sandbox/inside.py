"""Looks at a sandbox's files from the host without following the attacker's symlinks."""

from __future__ import annotations

import ctypes
import os
import stat
from dataclasses import dataclass

from slipway.evaluation.sandbox.errors import UserNotFound

_SYS_OPENAT2 = 437
_RESOLVE_NO_MAGICLINKS, _RESOLVE_IN_ROOT = 0x02, 0x10
_LIMIT = 1 << 20

_libc = ctypes.CDLL(None, use_errno=True)


class _OpenHow(ctypes.Structure):
    _fields_ = [
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    ]


def read_small(root: int, path: str) -> bytes:
    """Read a regular file of at most 1 MiB below the directory descriptor ``root``.

    ``openat2(RESOLVE_IN_ROOT)`` resolves every symlink, absolute ones and ``..`` too, inside the sandbox;
    ``/proc/PID/root/…`` opened by path would follow them out to the host's files. ``O_NONBLOCK`` and the
    check of the kind keep a planted FIFO from stopping the host. Raises :class:`OSError`.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    how = _OpenHow(flags, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
    size = ctypes.c_size_t(ctypes.sizeof(how))
    fd = _libc.syscall(_SYS_OPENAT2, root, path.encode(), ctypes.byref(how), size)
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LIMIT:
            raise OSError(0, "not a small regular file", path)
        return file.read(_LIMIT)


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the sandbox as its own passwd and group files tell it."""

    name: str
    uid: int
    gid: int
    home: str
    groups: tuple[int, ...]


def _rows(root: int, path: str, columns: int) -> list[list[str]]:
    try:
        text = read_small(root, path).decode("utf-8", "replace")
    except OSError:
        return []
    return [row for line in text.splitlines() if len(row := line.split(":")) >= columns]


def account(root: int, user: str) -> Account:
    """Look a name or number up; a number needs no entry. Raises :class:`UserNotFound`.

    Ids outside the sandbox's range of 65,536 count as not found: the kernel could not map them.
    """
    number = int(user) if user.isascii() and user.isdigit() and len(user) <= 5 else None
    found: Account | None = None
    for row in _rows(root, "etc/passwd", 7):
        if not (row[2].isascii() and row[2].isdigit() and row[3].isascii() and row[3].isdigit()):
            continue
        uid, gid = int(row[2]), int(row[3])
        if row[0] == user or uid == number:
            found = Account(row[0], uid, gid, row[5] or "/", ())
            break
    if found is None:
        if number is None:
            raise UserNotFound(user)
        found = Account(user, number, number, "/", ())
    if not (found.uid < 65535 and found.gid < 65535):
        raise UserNotFound(user)
    groups = {
        int(row[2])
        for row in _rows(root, "etc/group", 4)
        if found.name in row[3].split(",") and row[2].isascii() and row[2].isdigit() and int(row[2]) < 65535
    }
    return Account(found.name, found.uid, found.gid, found.home, tuple(sorted(groups)))
